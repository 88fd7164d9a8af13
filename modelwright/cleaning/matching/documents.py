"""Documents that nearly repeat: all pairs whose word 5-shingles have a Jaccard likeness of at least 0.8, none missed.

A prefix-filter join. Shingles are put in one order, rare ones first. Two sets that are alike must share one of the
first `size - ceil(0.8 * size) + 1` of either; only these are indexed, and a pair of which neither size nor place in the
order allows enough in common is not looked at. What remains is counted out, shingle by shingle, in compiled loops.
Shingles lie on disk, the index goes in parts: memory is bounded by the part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import numpy as np

    from modelwright.cleaning.matching.shingles import Shingles

LIKENESS = 0.8
_BUCKETS = 24  # bits of a hash by which shingles are counted: 64 MB
_COUNT_BITS = 16
_SHINGLES_AT_ONCE = 4_000_000
_ENTRIES_AT_ONCE = 3_000_000  # of the index
_PAIRS_AT_ONCE = 2_000_000  # before they are counted out
_COUNTED_AT_ONCE = 3_000_000  # shingles of both sides


@dataclass(frozen=True, eq=False)
class Nearby:
    """`copy_of` (int64, n): the first document with the same shingles (itself where it is the first; -1 without words).
    `pairs` (int64, m x 2) are the pairs of such first documents that are alike, ascending, `likeness` (float64, m)
    theirs."""

    copy_of: np.ndarray
    pairs: np.ndarray
    likeness: np.ndarray

    def twin_of(self) -> tuple[np.ndarray, np.ndarray]:
        """For each document an earlier one that it nearly repeats (-1: none) and how alike they are.

        An earlier one is taken only if it stays itself: of a chain A, B, C with A like B and B like C, C stays.
        """
        import numpy as np

        n = len(self.copy_of)
        twin, alike = np.full(n, -1), np.zeros(n)
        order = np.lexsort((-self.likeness, self.pairs[:, 1]))
        for at in order.tolist():
            first, second = self.pairs[at].tolist()
            if twin[first] < 0 and twin[second] < 0:
                twin[second], alike[second] = first, self.likeness[at]
        copies = np.flatnonzero((self.copy_of >= 0) & (self.copy_of != np.arange(n)))
        originals = self.copy_of[copies]
        gone = twin[originals] >= 0
        twin[copies] = np.where(gone, twin[originals], originals)
        alike[copies] = np.where(gone, alike[originals], 1.0)
        return twin, alike

    def all_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Every pair of documents that are alike, copies included; as many as copies squared."""
        import numpy as np

        members: dict[int, list[int]] = {}
        for document, first in enumerate(self.copy_of.tolist()):
            if first >= 0:
                members.setdefault(first, []).append(document)
        found = [(a, b, 1.0) for group in members.values() for k, a in enumerate(group) for b in group[k + 1 :]]
        for (first, second), alike in zip(self.pairs.tolist(), self.likeness.tolist(), strict=True):
            found += [(min(a, b), max(a, b), alike) for a in members[first] for b in members[second]]
        found.sort()
        return np.array([pair[:2] for pair in found]).reshape(-1, 2), np.array([pair[2] for pair in found])


def near_duplicates(texts: Iterable[str | None], *, at_least: float = LIKENESS, watch: Watch | None = None) -> Nearby:
    """All pairs of texts with a Jaccard likeness of at least `at_least` (0.5 to 1) over word 5-shingles.

    Exact but for collisions of 64-bit hashes. Uses a temporary file of 8 bytes a shingle. 10,000 files of 5 KB take
    some 3 s of one core, a million texts of 50 words some minutes; memory stays under 1.5 GB.

    Raises UserError `documents.likeness` outside 0.5 to 1, where a prefix is no filter any more.

    >>> near = near_duplicates(["the cat sat on the mat today", "a dog", "the cat sat on the mat today !", "a  dog"],
    ...                        at_least=0.7)
    >>> near.copy_of.tolist(), near.pairs.tolist(), near.likeness.tolist()
    ([0, 1, 2, 1], [[0, 2]], [0.75])

    Reference: Xiao, Wang, Lin and Yu (2008), "Efficient similarity joins for near duplicate detection", WWW.
    """
    import numpy as np

    from modelwright.cleaning.matching.shingles import write_shingles

    if not 0.5 <= at_least <= 1:
        raise UserError("documents.likeness", f"the likeness must be between 0.5 and 1; got {at_least}.")
    tell = watch or (lambda event: None)
    with tempfile.TemporaryDirectory(prefix="wright-shingles-") as scratch:
        folder = Path(scratch)
        shingles = write_shingles(texts, folder)
        copy_of = copies_of(shingles)
        tell({"stage": "documents", "event": "shingled", "n_documents": len(copy_of)})
        firsts = np.flatnonzero(copy_of == np.arange(len(copy_of)))
        n_parts = _write_index(shingles, firsts, at_least, folder)
        found = []
        for part in range(n_parts):
            candidates = _candidates(folder / f"index-{part}", shingles.sizes, at_least)
            found.append(counted(shingles, candidates, at_least))
            tell({"stage": "documents", "event": "part", "n_done": part + 1, "n_parts": n_parts})
        pairs, likeness = _distinct(found)
        del shingles
    return Nearby(copy_of, pairs, likeness)


def counted(shingles: Shingles, pairs: np.ndarray, at_least: float) -> tuple[np.ndarray, np.ndarray]:
    """Those of the candidate pairs that are alike, and how much: the shingles in common, counted."""
    import numpy as np

    sizes = shingles.sizes
    alike = np.zeros(len(pairs))
    work = np.cumsum(sizes[pairs[:, 0]] + sizes[pairs[:, 1]])
    edges = np.searchsorted(work, np.arange(0, work[-1] if len(work) else 0, _COUNTED_AT_ONCE)[1:]).tolist()
    for start, end in zip([0, *edges], [*edges, len(pairs)], strict=True):
        if start == end:
            continue
        left, right = pairs[start:end, 0], pairs[start:end, 1]
        both = np.diff((_rows(shingles, left).multiply(_rows(shingles, right))).tocsr().indptr)
        alike[start:end] = both / (sizes[left] + sizes[right] - both)
    kept = alike >= at_least - 1e-12
    return pairs[kept], alike[kept]


def _rows(shingles: Shingles, documents: np.ndarray) -> Any:
    """The shingles of some documents as the rows of a sparse matrix."""
    import numpy as np
    from scipy.sparse import csr_matrix

    sizes = shingles.sizes[documents]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    at = np.repeat(shingles.ends[documents] - ends[:-1], sizes) + np.arange(ends[-1])
    columns = (np.asarray(shingles.hashes)[at] >> np.uint64(1)).astype(np.int64)
    matrix = csr_matrix((len(documents), 2**63 - 1), dtype=np.int8)
    matrix.data, matrix.indices, matrix.indptr = np.ones(len(columns), np.int8), columns, ends.astype(np.int64)
    matrix.has_canonical_format = True
    return matrix


def copies_of(shingles: Shingles) -> np.ndarray:
    """For each document the first one with the same set of shingles; -1 where there are none."""
    import numpy as np

    sizes = shingles.sizes
    there = np.flatnonzero(sizes > 0)
    copy_of = np.full(len(sizes), -1)
    if not len(there):
        return copy_of
    sums = np.zeros(len(there), dtype=np.uint64)
    ends = shingles.ends
    for first, last in runs(sizes[there], _SHINGLES_AT_ONCE):
        lot = there[first:last]
        hashes = np.asarray(shingles.hashes[ends[lot[0]] : ends[lot[-1] + 1]])
        sums[first:last] = np.add.reduceat(hashes * (hashes | np.uint64(1)), ends[lot] - ends[lot[0]])
    _, first_at, group = np.unique(sums + sizes[there].astype(np.uint64), return_index=True, return_inverse=True)
    copy_of[there] = there[first_at][group]
    return copy_of


def runs(sizes: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Neighbouring documents in lots of about `most` shingles."""
    import numpy as np

    total = np.cumsum(sizes)
    edges = np.unique(np.searchsorted(total, np.arange(most, total[-1], most))) + 1 if len(total) else np.empty(0)
    starts = [0, *[int(edge) for edge in edges if edge < len(sizes)]]
    return list(zip(starts, [*starts[1:], len(sizes)], strict=True))


def _write_index(shingles: Shingles, firsts: np.ndarray, at_least: float, folder: Path) -> int:
    """Write each document's rarest shingles to files by their hash, so that each file fits into memory; how many."""
    import numpy as np

    sizes = shingles.sizes
    lots = runs(sizes[firsts], _SHINGLES_AT_ONCE) if len(firsts) else []
    counts = np.zeros(2**_BUCKETS, dtype=np.uint32)
    for first, last in lots:
        buckets = gathered(shingles, firsts[first:last])[0] >> np.uint64(64 - _BUCKETS)
        counts += np.bincount(buckets.astype(np.int64), minlength=len(counts)).astype(np.uint32)
    expected = int((sizes[firsts] * (1 - at_least) + 1).sum())
    n_parts = max(1, -(-expected // _ENTRIES_AT_ONCE))
    files = [(folder / f"index-{part}").open("wb") for part in range(n_parts)]
    for first, last in lots:
        entries = _prefixes(*gathered(shingles, firsts[first:last]), firsts[first:last], counts, at_least)
        part_of = entries["key"] % np.uint64(n_parts)
        for part, file in enumerate(files):
            file.write(entries[part_of == part].tobytes())
    for file in files:
        file.close()
    return n_parts


def gathered(shingles: Shingles, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shingles of ascending documents, one after another, and how many each has."""
    import numpy as np

    sizes = shingles.sizes[documents]
    first, last = shingles.ends[documents[0]], shingles.ends[documents[-1] + 1]
    lot = np.asarray(shingles.hashes[first:last])
    if last - first == sizes.sum():
        return lot, sizes
    begins = shingles.ends[documents] - first
    at = np.repeat(begins - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
    return lot[at], sizes


def _prefixes(
    hashes: np.ndarray, sizes: np.ndarray, documents: np.ndarray, counts: np.ndarray, at_least: float
) -> np.ndarray:
    """The entries of the index: `key` (how frequent, then a hash), `document`, `place` of the shingle in its order.

    A shingle that is alone in its bucket is in one document only and can join nothing: it takes a place and no entry.
    """
    import numpy as np

    often = counts[(hashes >> np.uint64(64 - _BUCKETS)).astype(np.int64)]
    most = np.uint64(2**_COUNT_BITS - 1)
    keys = (np.minimum(often.astype(np.uint64), most) << np.uint64(64 - _COUNT_BITS)) | (
        hashes >> np.uint64(_COUNT_BITS)
    )
    ends = np.cumsum(sizes)
    begins = ends - sizes
    for start, end in zip(begins.tolist(), ends.tolist(), strict=True):
        keys[start:end].sort()
    length = sizes - np.ceil(at_least * sizes - 1e-9).astype(np.int64) + 1
    place = np.arange(len(keys)) - np.repeat(begins, sizes)
    kept = place < np.repeat(length, sizes)
    same_as_last = np.zeros(len(keys), dtype=bool)  # keys that are equal by chance: all of them, so that none is missed
    same_as_last[1:] = (keys[1:] == keys[:-1]) & (place[1:] > 0)
    while (more := same_as_last & ~kept & np.r_[False, kept[:-1]]).any():
        kept |= more
    kept &= keys >= np.uint64(2) << np.uint64(64 - _COUNT_BITS)
    made = np.empty(int(kept.sum()), dtype=[("key", np.uint64), ("document", np.uint32), ("place", np.uint32)])
    made["key"], made["place"] = keys[kept], place[kept]
    made["document"] = np.repeat(documents, sizes)[kept]
    return made


def _candidates(file: Path, sizes: np.ndarray, at_least: float) -> np.ndarray:
    """Pairs of documents that share an entry and may be alike by their sizes and the entry's places."""
    import numpy as np

    entries = np.fromfile(file, dtype=[("key", np.uint64), ("document", np.uint32), ("place", np.uint32)])
    order = np.argsort(entries["key"])
    keys, documents = entries["key"][order], entries["document"][order].astype(np.int64)
    rest = sizes[documents] - entries["place"][order]
    size = sizes[documents]
    found, waiting = [], 0
    alive = np.arange(len(keys) - 1) if len(keys) else np.empty(0, np.int64)
    step = 1
    while len(alive):
        alive = alive[alive + step < len(keys)]
        alive = alive[keys[alive] == keys[alive + step]]
        a, b = alive, alive + step
        needed = at_least / (1 + at_least) * (size[a] + size[b]) - 1e-9
        fits = np.minimum(size[a], size[b]) >= at_least * np.maximum(size[a], size[b]) - 1e-9
        fits &= np.minimum(rest[a], rest[b]) >= needed
        left, right = documents[a[fits]], documents[b[fits]]
        found.append(np.minimum(left, right) * len(sizes) + np.maximum(left, right))
        waiting += len(left)
        if waiting > _PAIRS_AT_ONCE:
            found, waiting = [np.unique(np.concatenate(found))], 0
        step += 1
    pairs = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return np.column_stack([pairs // len(sizes), pairs % len(sizes)])


def _distinct(found: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    pairs = np.concatenate([one[0] for one in found]) if found else np.empty((0, 2), np.int64)
    likeness = np.concatenate([one[1] for one in found]) if found else np.empty(0)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return pairs, likeness[first]
