"""Near-duplicate documents by MinHash and locality-sensitive hashing: the larger-scale form beside the exact join.

A document is 80 least hash values; 16 bands of 5 bring documents that share one together, and every such pair is
counted out like the exact join's. Nothing is found that is not there; of pairs at 0.8 one in six hundred is missed (of
pairs at 0.9 hardly one in a million). Time grows with the number of shingles, whatever is frequent; memory holds one
band of all documents.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from modelwright.cleaning.matching.documents import Nearby
    from modelwright.cleaning.matching.shingles import Shingles

N_BANDS, N_ROWS = 16, 5
_SHINGLES_AT_ONCE = 2_000_000
_MOST_IN_BUCKET = 200  # documents of one bucket held against all others of it; of more, against their neighbours


def near_by_lsh(texts: Iterable[str | None], *, at_least: float = 0.8) -> Nearby:
    """Pairs of texts with a Jaccard likeness of at least `at_least` over word 5-shingles, nearly all of them.

    Raises UserError `documents.likeness` outside 0.5 to 1.

    >>> near = near_by_lsh(["the cat sat on the mat today", "a dog", "the cat sat on the mat today", "a  dog"])
    >>> near.copy_of.tolist()
    [0, 1, 0, 1]

    Reference: Broder et al. (1998), "Min-wise independent permutations", STOC; Indyk and Motwani (1998), "Approximate
    nearest neighbors", STOC.
    """
    import numpy as np

    from modelwright.cleaning.matching.documents import Nearby, copies_of, counted
    from modelwright.cleaning.matching.shingles import write_shingles

    if not 0.5 <= at_least <= 1:
        raise UserError("documents.likeness", f"the likeness must be between 0.5 and 1; got {at_least}.")
    with tempfile.TemporaryDirectory(prefix="wright-shingles-") as scratch:
        shingles = write_shingles(texts, Path(scratch))
        copy_of = copies_of(shingles)
        firsts = np.flatnonzero(copy_of == np.arange(len(copy_of)))
        bands = _bands(shingles, firsts, Path(scratch) / "bands.u64")
        keys = np.empty(0, np.int64)
        for band in range(N_BANDS):
            keys = np.union1d(keys, _sharing(np.asarray(bands[band]), firsts, len(copy_of)))
        pairs = np.column_stack([keys // max(1, len(copy_of)), keys % max(1, len(copy_of))])
        pairs, likeness = counted(shingles, pairs, at_least)
        del shingles, bands
    return Nearby(copy_of, pairs, likeness)


def _bands(shingles: Shingles, documents: np.ndarray, file: Path) -> np.ndarray:
    """The hash of each band of each document, uint64 (N_BANDS, n), a file mapped into memory."""
    import numpy as np

    from modelwright.cleaning.matching.documents import gathered, runs

    if not len(documents):
        return np.empty((N_BANDS, 0), np.uint64)
    bands = np.memmap(file, dtype=np.uint64, mode="w+", shape=(N_BANDS, len(documents)))
    draw = np.random.Generator(np.random.PCG64(1))
    factors, shifts = draw.integers(0, 2**64, (2, N_BANDS, N_ROWS), dtype=np.uint64)
    for first, last in runs(shingles.sizes[documents], _SHINGLES_AT_ONCE):
        hashes, sizes = gathered(shingles, documents[first:last])
        starts = np.cumsum(sizes) - sizes
        for band in range(N_BANDS):
            joined = np.zeros(last - first, dtype=np.uint64)
            for row in range(N_ROWS):
                drawn = hashes * (factors[band, row] | np.uint64(1)) + shifts[band, row]
                drawn ^= drawn >> np.uint64(32)
                least = np.minimum.reduceat(drawn * factors[band, row - 1], starts)
                joined = joined * np.uint64(0x9E3779B97F4A7C15) + least
            bands[band, first:last] = joined
    return bands


def _sharing(band: np.ndarray, documents: np.ndarray, n: int) -> np.ndarray:
    """Pairs of documents with the same band, each as one whole number."""
    import numpy as np

    order = np.argsort(band)
    ranked, who = band[order], documents[order]
    found = []
    alive = np.arange(max(0, len(ranked) - 1))
    for step in range(1, _MOST_IN_BUCKET):
        alive = alive[alive + step < len(ranked)]
        alive = alive[ranked[alive] == ranked[alive + step]]
        if not len(alive):
            break
        a, b = who[alive], who[alive + step]
        found.append(np.minimum(a, b) * n + np.maximum(a, b))
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
