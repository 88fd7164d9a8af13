"""One pass over the bytes of a text table: is it so regular that Polars may read it as it lies?

The cells of every line outside of quotes are counted, so nothing is left for Polars to stumble over later.
Memory is a few chunks, whatever the file.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from modelwright.collection.dialect import Dialect
from modelwright.collection.scratch import CHUNK_BYTES
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

MAX_LINE_BYTES = 64 * 2**20
TAIL_BYTES = 65536
N_THREADS = 2
BOM = b"\xef\xbb\xbf"
NEWLINE, RETURN = 10, 13


def whole_lines(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Chunks of a file that end where a line ends; a line beyond 64 MiB is refused, never held."""
    rest, n_before = b"", 0
    while chunk := file.read(CHUNK_BYTES):
        cut = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1)) + 1
        if cut == 0:
            rest += chunk
            if len(rest) > MAX_LINE_BYTES:
                raise UserError(
                    "collection.long_line",
                    f"`{name}`: the line that begins at byte {n_before:,} is longer than "
                    f"{MAX_LINE_BYTES // 2**20} MiB.",
                    hint="such a line is no row of a table; look at how the file was made",
                )
            continue
        whole = rest + chunk[:cut]
        rest = chunk[cut:]
        n_before += len(whole)
        yield whole
    if rest:
        yield rest


@dataclass(slots=True)
class Survey:
    """What was counted. `widths` has the number of lines outside of quotes by their number of cells.

    `is_regular` says whether quotes stand where quotes may stand and lines end with a newline; `is_open` whether
    a quote is open; `n_pending` is the number of delimiters since the last line's end.
    """

    is_utf8: bool = True
    n_nul: int = 0
    widths: Counter[int] = field(default_factory=Counter)
    n_trailing_blank: int = 0
    is_regular: bool = True
    has_blank_lines: bool = False
    is_open: bool = False
    n_pending: int = 0

    def n_rows(self, width: int) -> int | None:
        """Number of rows of `width` cells, header included; None when the lines do not all have them."""
        if not (self.is_utf8 and self.is_regular) or self.n_nul or self.is_open:
            return None
        if width == 1:
            return None if self.has_blank_lines or set(self.widths) != {1} else self.widths[1]
        expected = {width, 1} if self.n_trailing_blank else {width}
        alike = set(self.widths) == expected and self.widths[1] == self.n_trailing_blank
        return self.widths[width] if alike else None


def survey(path: Path, name: str, dialect: Dialect) -> Survey:
    """Count what `Survey` tells, for a file in UTF-8 or another encoding that keeps ASCII.

    Chunks are looked at two at a time, as if no quote were open where they begin; the few that begin inside of
    quotes are looked at again.
    """
    found = Survey()
    if not (dialect.delimiter.isascii() and dialect.quote.isascii()) or dialect.delimiter == " ":
        found.is_regular = False
    tail = b""
    with path.open("rb") as file, ThreadPoolExecutor(N_THREADS) as pool:
        waiting: deque[tuple[bytes, Future[_Part]]] = deque()
        for number, chunk in enumerate(whole_lines(file, name)):
            if number == 0:
                chunk = chunk.removeprefix(BOM)
            tail = (tail + chunk)[-TAIL_BYTES:] if len(chunk) < TAIL_BYTES else chunk[-TAIL_BYTES:]
            waiting.append((chunk, pool.submit(_look_at, chunk, dialect, was_open=False)))
            if len(waiting) > N_THREADS:
                _add(found, *waiting.popleft(), dialect)
        for chunk, part in waiting:
            _add(found, chunk, part, dialect)
    if tail and not tail.endswith(b"\n"):
        found.widths[found.n_pending + 1] += 1
    n_ends = tail[len(tail.rstrip(b"\r\n")) :].count(b"\n")
    found.n_trailing_blank = max(0, n_ends - 1)
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    """What one chunk holds: `widths` of its lines, the first without what came before it (None: no line ends)."""

    is_utf8: bool
    n_nul: int
    is_regular: bool
    is_open: bool
    has_blank_lines: bool
    first: int | None
    widths: Counter[int]
    n_pending: int


def _add(found: Survey, chunk: bytes, looked: Future[_Part], dialect: Dialect) -> None:
    """Add a chunk to what was found before it."""
    part = _look_at(chunk, dialect, was_open=True) if found.is_open else looked.result()
    found.is_utf8 &= part.is_utf8
    found.n_nul += part.n_nul
    if not found.is_regular:
        return
    found.is_regular, found.is_open = part.is_regular, part.is_open
    found.has_blank_lines |= part.has_blank_lines
    if part.first is None:
        found.n_pending += part.n_pending
        return
    found.widths[part.first + found.n_pending] += 1
    found.widths.update(part.widths)
    found.n_pending = part.n_pending


def _look_at(chunk: bytes, dialect: Dialect, *, was_open: bool) -> _Part:
    import numpy as np

    codes = np.frombuffer(chunk, dtype=np.uint8)
    marks = (codes == ord(dialect.delimiter)) | (codes == NEWLINE)
    quote = dialect.quote.encode()
    outside: np.ndarray | None = None
    is_regular, is_open = True, was_open
    if quote and (was_open or quote in chunk):
        is_quote = codes == quote[0]
        positions = np.flatnonzero(is_quote)
        is_regular = _quotes_at_edges(codes, positions, quote[0], dialect, was_open=was_open)
        if was_open or not _around_nothing(positions):
            outside = (np.cumsum(is_quote, dtype=np.uint8) & 1) == int(was_open)
            marks &= outside
        is_open ^= bool(len(positions) & 1)
    if b"\r" in chunk:
        lone = codes == RETURN if outside is None else (codes == RETURN) & outside
        lone[:-1] &= codes[1:] != NEWLINE
        is_regular = is_regular and not lone.any()
    first, widths, n_pending = _widths(codes[marks])
    return _Part(
        is_utf8=chunk.isascii() or _decodes(chunk), n_nul=chunk.count(b"\0"), is_regular=is_regular, is_open=is_open,
        has_blank_lines=b"\n\n" in chunk or b"\n\r\n" in chunk or chunk[:1] in (b"\n", b"\r"),
        first=first, widths=widths, n_pending=n_pending,
    )  # fmt: skip


def _widths(marks: np.ndarray) -> tuple[int | None, Counter[int], int]:
    """Cells per line from the delimiters and newlines outside of quotes: the first line, the others, the rest."""
    import numpy as np

    ends = np.flatnonzero(marks == NEWLINE)
    if len(ends) == 0:
        return None, Counter(), len(marks)
    widths = np.diff(ends)
    counts = np.bincount(widths)
    kinds = np.flatnonzero(counts)
    others = Counter(dict(zip(kinds.tolist(), counts[kinds].tolist(), strict=True)))
    return int(ends[0]) + 1, others, len(marks) - int(ends[-1]) - 1


def _decodes(chunk: bytes) -> bool:
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _around_nothing(positions: np.ndarray) -> bool:
    """Whether all quotes are pairs with nothing in between, as writers mark empty cells: the commonest case."""
    return len(positions) % 2 == 0 and bool((positions[1::2] == positions[::2] + 1).all())


def _quotes_at_edges(codes: np.ndarray, positions: np.ndarray, quote: int, dialect: Dialect, *, was_open: bool) -> bool:
    """Whether each opening quote follows a delimiter or a line's end, and each closing one precedes one."""
    import numpy as np

    edges = np.array([ord(dialect.delimiter), NEWLINE, RETURN, quote], dtype=np.uint8)
    before = np.where(positions > 0, codes[positions - 1], NEWLINE)
    after = np.append(codes, np.uint8(NEWLINE))[positions + 1]
    opens = (np.arange(len(positions)) + int(was_open)) % 2 == 0
    return bool(np.isin(np.where(opens, before, after), edges).all())
