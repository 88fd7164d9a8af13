"""Pictures that show the same: encoded anew, resized, brighter. Found by their marks, judged by their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_BANDS = 8  # of 16 bits: marks that differ in fewer than eight bits share one
MOST_BITS = 14
MOST_IN_BAND = 64  # pictures of one band that a further one is held against
LEAST_ALIKE = 0.985  # correlation of the thumbs
MOST_APART = 6.0  # grey levels between them, once their brightness is the same
LEAST_SPREAD = 4.0  # grey levels that a thumb must vary by: flat ones are all alike


def alike(marks: Sequence[bytes], thumbs: Sequence[np.ndarray]) -> list[tuple[int, int, float]]:
    """Pairs (later, earlier, how alike 0..1) of pictures that show the same; each later one once, with its first twin.

    Candidates share 16 bits of their marks; a pair counts when its thumbs, 24 x 24 grey pixels, correlate by 0.985 and
    are six grey levels apart at most.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> one, two = rng.integers(0, 255, (2, 24, 24)).astype(np.uint8)
    >>> alike([b"a" * 16, b"b" * 16, b"a" * 16], [one, two, one])
    [(2, 0, 1.0)]

    Reference: Indyk and Motwani (1998), "Approximate nearest neighbors", STOC, for the bands.
    """
    import numpy as np

    if len(marks) < 2:
        return []
    bits = np.frombuffer(b"".join(marks), np.uint8).reshape(len(marks), 16)
    bands = bits.copy().view(np.uint16)
    flat = [float(thumb.std()) < LEAST_SPREAD for thumb in thumbs]
    seen: list[dict[int, list[int]]] = [{} for _ in range(N_BANDS)]
    found = []
    for later in range(len(marks)):
        if flat[later]:
            continue
        near = {place for band, keys in zip(seen, bands[later].tolist(), strict=True) for place in band.get(keys, ())}
        twin = _twin(later, sorted(near), bits, thumbs)
        if twin is not None:
            found.append((later, *twin))
            continue  # what is like this one is like its twin
        for band, key in zip(seen, bands[later].tolist(), strict=True):
            places = band.setdefault(key, [])
            if len(places) < MOST_IN_BAND:
                places.append(later)
    return found


def _twin(
    later: int, near: list[int], bits: np.ndarray, thumbs: Sequence[np.ndarray]
) -> tuple[int, float] | None:  # fmt: skip
    import numpy as np

    if not near:
        return None
    apart = np.bitwise_count(bits[near] ^ bits[later]).sum(axis=1)
    best: tuple[int, float] | None = None
    for place in np.asarray(near)[apart <= MOST_BITS].tolist():
        how = likeness(thumbs[later], thumbs[place])
        if how >= LEAST_ALIKE and (best is None or how > best[1]):
            best = (place, how)
    return best


def likeness(one: np.ndarray, two: np.ndarray) -> float:
    """How alike two thumbs are: their correlation, 0.0 where they are too far apart in grey levels.

    >>> import numpy as np
    >>> ramp = np.arange(576.0).reshape(24, 24) / 3
    >>> round(likeness(ramp, ramp + 20), 6), likeness(ramp, ramp.T)
    (1.0, 0.0)
    """
    import numpy as np

    first, second = one - float(one.mean()), two - float(two.mean())
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if size <= 0:
        return 0.0
    scale = float((first * second).sum()) / max(float((second**2).sum()), 1e-9)
    if not 0.6 < scale < 1.6 or float(np.abs(first - scale * second).mean()) > MOST_APART:
        return 0.0
    return float((first * second).sum()) / size
