"""Documents as sets of hashed word 5-shingles, on disk: whatever their number, a part of them is in memory at a time.

Words are runs of bytes between blanks; a word is hashed by a rolling polynomial over its bytes, a shingle by its words,
all in numpy, for many documents at once. Two shingles of 64 bits collide once in some 10^19.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_WORDS = 5
_AT_ONCE = 2_000_000  # bytes of text
_BLANKS = bytes((9, 10, 11, 12, 13, 28, 29, 30, 31, 32))
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


@dataclass(frozen=True, eq=False)
class Shingles:
    """The shingles of all documents: `hashes` (uint64, ascending and distinct within each document, a file mapped into
    memory) and `ends` (int64, n + 1): those of document k are `hashes[ends[k]:ends[k + 1]]`."""

    hashes: np.ndarray
    ends: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """How many distinct shingles each document has."""
        import numpy as np

        return np.diff(self.ends)


def write_shingles(texts: Iterable[str | None], folder: Path) -> Shingles:
    """Shingle documents into a file of the folder. A text of one to four words is one shingle; an empty one has none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_shingles(["a b c d e f", "a b  c d e", "", "a b"], Path(folder)).sizes.tolist()
    [2, 1, 0, 1]

    Reference: Broder (1997), "On the resemblance and containment of documents", SEQUENCES.
    """
    import numpy as np

    sizes = []
    file = folder / "shingles.u64"
    with file.open("wb") as out:
        for part in _parts(texts):
            hashes, counts = shingles_of(part)
            out.write(hashes.data)
            sizes.append(counts)
    ends = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]) if sizes else np.zeros(1)
    n = int(ends[-1])
    mapped = np.memmap(file, dtype=np.uint64, mode="r", shape=(n,)) if n else np.empty(0, np.uint64)
    return Shingles(mapped, ends.astype(np.int64))


def _parts(texts: Iterable[str | None]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for text in texts:
        part.append((text or "").encode("utf-8", "surrogatepass"))
        size += len(part[-1]) + 1
        if size >= _AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part


def shingles_of(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct shingles of each text, ascending, one after another; and how many each has."""
    import numpy as np

    words, counts = _words(texts)
    n_shingles = np.where(counts > 0, np.maximum(counts - N_WORDS + 1, 1), 0)
    ends = np.cumsum(n_shingles)
    first_word = np.repeat(np.cumsum(counts) - counts, n_shingles)
    at = first_word + np.arange(len(first_word)) - np.repeat(ends - n_shingles, n_shingles)
    last = np.repeat(np.cumsum(counts), n_shingles)
    hashes = np.zeros(len(at), dtype=np.uint64)
    padded = np.concatenate([words, np.zeros(N_WORDS, np.uint64)])
    is_short = np.repeat(counts < N_WORDS, n_shingles)
    for place in range(N_WORDS):
        word = padded[at + place]
        if is_short.any():
            word = np.where(is_short & (at + place >= last), np.uint64(place + 1), word)
        hashes = hashes * np.uint64(_BASE) + word
    hashes = _mixed(hashes)
    for start, end in zip((ends - n_shingles).tolist(), ends.tolist(), strict=True):
        hashes[start:end].sort()
    owner = np.repeat(np.arange(len(texts)), n_shingles)
    fresh = np.ones(len(hashes), dtype=bool)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    return hashes[fresh], np.bincount(owner[fresh], minlength=len(texts))


def _words(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The hash of every word, and how many words each text has.

    A prefix sum of `byte * base^place`, taken at both ends of a word and divided by `base^start`, is the polynomial of
    the word alone.
    """
    import numpy as np

    joined = np.frombuffer(b" ".join([b"", *texts, b""]), dtype=np.uint8)
    is_blank = np.isin(np.arange(256), list(_BLANKS))[joined]
    edges = np.flatnonzero(is_blank[1:] != is_blank[:-1]) + 1
    starts, stops = edges[0::2], edges[1::2]
    powers, inverses = _powers(len(joined))
    letters = _letters()[joined]
    letters *= powers
    sums = np.cumsum(letters, dtype=np.uint64)
    words = _mixed((sums[stops - 1] - sums[starts - 1]) * inverses[starts])
    begins = np.cumsum([1, *(len(text) + 1 for text in texts)])
    counts = np.diff(np.searchsorted(starts, begins))
    return words, counts


def _letters() -> np.ndarray:
    """A random whole number for each byte."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(0)).integers(0, 2**64, 256, dtype=np.uint64)


_known_powers: list[np.ndarray] = []


def _powers(n: int) -> tuple[np.ndarray, np.ndarray]:
    """`base^k` and `base^-k` modulo 2^64 for k < n, kept for the next part."""
    import numpy as np

    if not _known_powers or len(_known_powers[0]) < n:
        size = max(n, _AT_ONCE + 100_000)
        made = []
        for base in (_BASE, pow(_BASE, -1, 2**64)):
            steps = np.full(size, base, dtype=np.uint64)
            steps[0] = 1
            made.append(np.cumprod(steps, dtype=np.uint64))
        _known_powers[:] = made
    return _known_powers[0][:n], _known_powers[1][:n]


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Each bit of the number on every bit of the answer (the last steps of splitmix64)."""
    import numpy as np

    mixed: np.ndarray = numbers ^ (numbers >> np.uint64(30))
    mixed *= np.uint64(_MIX[0])
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(_MIX[1])
    mixed ^= mixed >> np.uint64(31)
    return mixed
