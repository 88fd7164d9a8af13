"""Pages that are nearly the same: a sketch of 64 bits finds candidates, their words decide.

Reference: Charikar (2002), "Similarity estimation techniques from rounding algorithms", STOC; Manku, Jain and
Das Sarma (2007), "Detecting near-duplicates for web crawling", WWW.
"""

from __future__ import annotations

import re
from collections import defaultdict
from hashlib import blake2b

N_BANDS = 8
MOST_BITS = 7
LEAST_SHARED = 0.85
WORDS = 3


def sketch(text: str) -> int:
    """64 bits in which alike texts differ little (SimHash over runs of three words).

    >>> sketch("a b c d") == sketch("A  b, c d"), sketch("")
    (True, 0)
    """
    import numpy as np

    runs = _runs(text)
    if not runs:
        return 0
    digests = b"".join(blake2b(run.encode(), digest_size=8).digest() for run in sorted(runs))
    bits = np.unpackbits(np.frombuffer(digests, dtype=np.uint8).reshape(-1, 8), axis=1)
    votes = 2 * bits.sum(axis=0, dtype=np.int64) > len(runs)
    return int.from_bytes(np.packbits(votes).tobytes(), "big")


def first_alike(sketches: list[int], texts: list[str]) -> dict[int, int]:
    """For each text that is nearly an earlier one: its place and the earlier one's.

    Two texts are alike where their sketches differ in at most 7 of 64 bits and they share 85 % of their runs of
    three words (Jaccard). Of those alike, the first stays.

    >>> texts = ["one two three four five six seven", "other words " * 5, "one two three four five six seven"]
    >>> first_alike([sketch(text) for text in texts], texts)
    {2: 0}
    """
    found: dict[int, int] = {}
    bands: list[defaultdict[int, list[int]]] = [defaultdict(list) for _ in range(N_BANDS)]
    width = 64 // N_BANDS
    for at, one in enumerate(sketches):
        parts = [(one >> (width * band)) & ((1 << width) - 1) for band in range(N_BANDS)]
        near = {other for band, part in enumerate(parts) for other in bands[band][part]}
        close = sorted(other for other in near if (sketches[other] ^ one).bit_count() <= MOST_BITS)
        other = next((other for other in close if shared(texts[other], texts[at]) >= LEAST_SHARED), None)
        if other is None:
            for band, part in enumerate(parts):
                bands[band][part].append(at)
        else:
            found[at] = other
    return found


def shared(one: str, other: str) -> float:
    """The share of runs of three words that two texts have in common, 0 to 1.

    >>> shared("a b c d", "a b c e")
    0.3333333333333333
    """
    left, right = _runs(one), _runs(other)
    return len(left & right) / max(1, len(left | right))


def _runs(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[at : at + WORDS]) for at in range(max(1, len(words) - WORDS + 1))} if words else set()
