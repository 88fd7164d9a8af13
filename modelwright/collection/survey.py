"""One pass over the bytes of a text table: is it so regular that Polars may read it as it lies?

The cells of every line outside of quotes are counted, so nothing is left for Polars to stumble over later.
Memory is a few chunks, whatever the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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
    """Count what `Survey` tells, for a file in UTF-8 or another encoding that keeps ASCII."""
    found = Survey()
    if not (dialect.delimiter.isascii() and dialect.quote.isascii()) or dialect.delimiter == " ":
        found.is_regular = False
    tail = b""
    with path.open("rb") as file:
        for number, chunk in enumerate(whole_lines(file, name)):
            if number == 0:
                chunk = chunk.removeprefix(BOM)
            _examine(chunk, dialect, found)
            tail = (tail + chunk)[-TAIL_BYTES:] if len(chunk) < TAIL_BYTES else chunk[-TAIL_BYTES:]
    if tail and not tail.endswith(b"\n"):
        found.widths[found.n_pending + 1] += 1
    n_ends = tail[len(tail.rstrip(b"\r\n")) :].count(b"\n")
    found.n_trailing_blank = max(0, n_ends - 1)
    return found


def _examine(chunk: bytes, dialect: Dialect, found: Survey) -> None:
    import numpy as np

    if found.is_utf8 and not chunk.isascii():
        found.is_utf8 = _decodes(chunk)
    found.n_nul += chunk.count(b"\0")
    if not found.is_regular:
        return
    codes = np.frombuffer(chunk, dtype=np.uint8)
    marks = (codes == ord(dialect.delimiter)) | (codes == NEWLINE)
    quote = dialect.quote.encode()
    outside: np.ndarray | None = None
    if quote and (found.is_open or quote in chunk):
        is_quote = codes == quote[0]
        positions = np.flatnonzero(is_quote)
        found.is_regular = _quotes_at_edges(codes, positions, quote[0], dialect, was_open=found.is_open)
        if found.is_open or not _around_nothing(positions):
            outside = (np.cumsum(is_quote, dtype=np.uint8) & 1) == int(found.is_open)
            marks &= outside
        found.is_open ^= bool(len(positions) & 1)
    _count_widths(codes[marks], found)
    if b"\n\n" in chunk or b"\n\r\n" in chunk or chunk[:1] in (b"\n", b"\r"):
        found.has_blank_lines = True
    if b"\r" in chunk:
        lone = codes == RETURN if outside is None else (codes == RETURN) & outside
        lone[:-1] &= codes[1:] != NEWLINE
        found.is_regular = found.is_regular and not lone.any()


def _count_widths(marks: np.ndarray, found: Survey) -> None:
    """`marks` are the delimiters and newlines outside of quotes, in order."""
    import numpy as np

    ends = np.flatnonzero(marks == NEWLINE)
    if len(ends) == 0:
        found.n_pending += len(marks)
        return
    widths = np.diff(ends, prepend=-1)
    widths[0] += found.n_pending
    found.n_pending = len(marks) - int(ends[-1]) - 1
    kinds, counts = np.unique(widths, return_counts=True)
    for width, count in zip(kinds.tolist(), counts.tolist(), strict=True):
        found.widths[width] += count


def _decodes(chunk: bytes) -> bool:
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _around_nothing(positions: np.ndarray) -> bool:
    """Whether all quotes are pairs with nothing in between, as writers mark empty cells: the commonest case."""
    return len(positions) % 2 == 0 and bool((positions[1::2] == positions[::2] + 1).all())


def _quotes_at_edges(
    codes: np.ndarray, positions: np.ndarray, quote: int, dialect: Dialect, *, was_open: bool
) -> bool:
    """Whether each opening quote follows a delimiter or a line's end, and each closing one precedes one."""
    import numpy as np

    edges = np.array([ord(dialect.delimiter), NEWLINE, RETURN, quote], dtype=np.uint8)
    before = np.where(positions > 0, codes[positions - 1], NEWLINE)
    after = np.append(codes, np.uint8(NEWLINE))[positions + 1]
    opens = (np.arange(len(positions)) + int(was_open)) % 2 == 0
    return bool(np.isin(np.where(opens, before, after), edges).all())
