"""One pass over the bytes of a text table: is it so regular that Polars may read it as it lies?

Counting is enough: when every line outside of quotes has as many delimiters as the others would need, and
Polars finds no row too long, no row is too short. Memory is a few chunks, whatever the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from modelwright.collection.dialect import Dialect
from modelwright.collection.scratch import CHUNK_BYTES
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

MAX_LINE_BYTES = 64 * 2**20
BOM = b"\xef\xbb\xbf"


def whole_lines(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Chunks of a file that end where a line ends; a line beyond 64 MiB is refused, never held."""
    rest, n_lines = b"", 0
    while chunk := file.read(CHUNK_BYTES):
        cut = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1)) + 1
        if cut == 0:
            rest += chunk
            if len(rest) > MAX_LINE_BYTES:
                raise UserError(
                    "collection.long_line",
                    f"`{name}`: line {n_lines + 1:,} is longer than {MAX_LINE_BYTES // 2**20} MiB.",
                    hint="such a line is no row of a table; look at how the file was made",
                )
            continue
        whole = rest + chunk[:cut]
        rest = chunk[cut:]
        n_lines += whole.count(b"\n")
        yield whole
    if rest:
        yield rest


@dataclass(slots=True)
class Survey:
    """What was counted. `n_lines` and `n_delimiters` are those outside of quotes; `is_regular` says whether
    quotes stand where quotes may stand and lines end with a newline."""

    is_utf8: bool = True
    n_nul: int = 0
    n_lines: int = 0
    n_delimiters: int = 0
    n_trailing_blank: int = 0
    is_regular: bool = True
    has_blank_lines: bool = False
    is_open: bool = False

    def n_rows(self, width: int) -> int | None:
        """Number of rows of `width` cells, header included; None when the lines do not all have them."""
        n_rows = self.n_lines - self.n_trailing_blank
        plain = self.is_utf8 and not self.n_nul and self.is_regular and not self.is_open
        if not plain or self.n_delimiters != n_rows * (width - 1):
            return None
        return None if width == 1 and self.has_blank_lines else n_rows


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
            tail = (tail + chunk)[-4096:]
    if tail and not tail.endswith(b"\n"):
        found.n_lines += 1
    ends = tail[len(tail.rstrip(b"\r\n")) :].count(b"\n")
    found.n_trailing_blank = max(0, ends - 1) if not found.is_open and len(tail) > ends else 0
    if len(tail) == 4096 and not tail.strip(b"\r\n"):
        found.is_regular = False  # thousands of blank lines: the slow reader counts them
    return found


def _examine(chunk: bytes, dialect: Dialect, found: Survey) -> None:
    import numpy as np

    if found.is_utf8 and not chunk.isascii():
        found.is_utf8 = _decodes(chunk)
    found.n_nul += chunk.count(b"\0")
    if not found.is_regular:
        return
    codes = np.frombuffer(chunk, dtype=np.uint8)
    is_delimiter, is_newline = codes == ord(dialect.delimiter), codes == 10
    quote = dialect.quote.encode()
    if quote and (found.is_open or quote in chunk):
        is_quote = codes == quote[0]
        outside = (np.cumsum(is_quote, dtype=np.uint8) & 1) == int(found.is_open)
        found.is_regular = _quotes_at_edges(codes, is_quote, quote[0], dialect, was_open=found.is_open)
        found.is_open ^= bool(np.count_nonzero(is_quote) & 1)
        is_delimiter, is_newline = is_delimiter & outside, is_newline & outside
    else:
        outside = None
    found.n_delimiters += int(np.count_nonzero(is_delimiter))
    found.n_lines += int(np.count_nonzero(is_newline))
    if b"\n\n" in chunk or b"\n\r\n" in chunk or chunk[:1] in (b"\n", b"\r"):
        found.has_blank_lines = True
    if b"\r" in chunk:
        lone = codes == 13 if outside is None else (codes == 13) & outside
        lone[:-1] &= codes[1:] != 10
        found.is_regular = found.is_regular and not lone.any()


def _decodes(chunk: bytes) -> bool:
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _quotes_at_edges(codes: np.ndarray, is_quote: np.ndarray, quote: int, dialect: Dialect, *, was_open: bool) -> bool:
    """Whether each opening quote follows a delimiter or a line's end, and each closing one precedes one."""
    import numpy as np

    positions = np.flatnonzero(is_quote)
    edges = np.array([ord(dialect.delimiter), 10, 13, quote], dtype=np.uint8)
    before = np.where(positions > 0, codes[positions - 1], 10)
    after = np.append(codes, np.uint8(10))[positions + 1]
    opens = (np.arange(len(positions)) + int(was_open)) % 2 == 0
    return bool(np.isin(np.where(opens, before, after), edges).all())
