"""Pictures that are better looked at before a model learns from them: each with what is odd about it."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method, NoSettings
from modelwright.cleaning.pictures.alike import LEAST_ALIKE, alike
from modelwright.cleaning.pictures.columns import cells_of, picture_columns
from modelwright.cleaning.pictures.looking import Looks, look
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.values import Watch

NAME = "pictures"
SOFT, SOFTER = 0.42, 0.77  # sharpness of a soft picture; and times that of the column's middle one
ONE_WAY = 1.5  # times sharper in one direction: movement
DARK, CLIPPED = 50.0, 0.4  # grey level that 95 % are below; share that is white
FLAT = 8.0
TINY_SIDE, TINY_SHARE = 16, 0.25  # pixels; of the column's middle one
ODD_SHAPE, ODDER_SHAPE = 3.0, 2.0
STYLE = 0.3  # share of a column from which on something is its style and no fault
FEW = 8  # pictures of a column that has no middle to speak of


@dataclass(eq=False)
class Seen:
    """What is kept of the pictures of a column: about a kilobyte each."""

    rows: list[int] = field(default_factory=list)
    looks: list[Looks] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)


def propose(data: Dataset, spec: NoSettings, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Flag blurred, dark, over-exposed, flat, tiny, odd-shaped and turned pictures; propose repeated ones to go.

    One pass, a batch of 64 at a time. Blur is held against the column's other pictures, so that a column of soft ones
    (microscopes) is not flagged as a whole; a flat picture has no edges and is not blurred. What three tenths of a
    column share is its style. Pictures that are equal byte for byte are cleaning's own, as are broken ones.

    >>> import io, polars as pl
    >>> from PIL import Image
    >>> def png(image):
    ...     file = io.BytesIO()
    ...     image.save(file, "PNG")
    ...     return file.getvalue()
    >>> spot = Image.radial_gradient("L")
    >>> shown = [png(spot), png(spot.resize((200, 200))), png(Image.new("L", (256, 256), 90))]
    >>> found = propose(Dataset.from_frame(pl.DataFrame({"photo": shown})), NoSettings())
    >>> found.rows.select("__row__", "twin_of").rows(), found.flags.select("__row__", "reason").rows()
    ([(1, 0)], [(2, 'shows one colour only')])

    Reference: Marziliano et al. (2002), ICIP, for blur; see `look` and `alike`.
    """
    flags: list[tuple[object, ...]] = []
    rows: dict[int, tuple[object, ...]] = {}
    for name in picture_columns(data):
        seen = seen_of(data, name, watch)
        flags += [(row, name, NAME, reason, score) for row, reason, score in oddities(seen.rows, seen.looks)]
        for row, twin, how in _repeated(seen):
            sure = round(0.6 + 0.3 * (how - LEAST_ALIKE) / (1 - LEAST_ALIKE), 4)
            rows.setdefault(row, (row, twin, NAME, f"shows what the picture of row {twin} shows", sure))
    return _findings(flags, list(rows.values()))


def _findings(flags: list[tuple[object, ...]], rows: list[tuple[object, ...]]) -> Findings:
    import polars as pl

    empty = Findings.of()
    return Findings.of(
        flags=pl.DataFrame(flags, schema=empty.flags.schema, orient="row").sort("column", ROW_ID, "reason"),
        rows=pl.DataFrame(rows, schema=empty.rows.schema, orient="row").sort(ROW_ID),
    )


def seen_of(data: Dataset, name: str, watch: Watch | None = None) -> Seen:
    """One look at each picture of a column, in the order of row ids."""
    seen = Seen()
    for n, (row, cell) in enumerate(cells_of(data, name)):
        looks = look(cell)
        if looks is not None:
            seen.rows.append(row)
            seen.looks.append(looks)
            seen.digests.append(hashlib.sha256(cell).digest()[:16])
        if watch is not None and n % 256 == 0:
            watch({"stage": "mending", "event": "pictures", "column": name, "n_done": n, "n_total": data.n_rows})
    order = sorted(range(len(seen.rows)), key=lambda place: seen.rows[place])
    return Seen(
        [seen.rows[place] for place in order],
        [seen.looks[place] for place in order],
        [seen.digests[place] for place in order],
    )


Oddity = tuple[int, str, float]
"""Row, reason and score (larger is odder)."""


def oddities(rows: list[int], looks: list[Looks]) -> Iterator[Oddity]:
    """What is odd about each picture of a column, held against the others."""
    if not looks:
        return
    for test in (_soft, _dark, _light):
        found = list(test(rows, looks))
        if len(found) <= max(1, STYLE * len(looks)):
            yield from found
    yield from _flat(rows, looks)
    yield from _sizes(rows, looks)


def _soft(rows: list[int], looks: list[Looks]) -> Iterator[Oddity]:
    import statistics

    known = [one.sharpness for one in looks if not math.isnan(one.sharpness)]
    if not known:
        return
    middle = statistics.median(known) if len(known) >= FEW else 1.0
    for row, one in zip(rows, looks, strict=True):
        if one.sharpness < min(SOFT, SOFTER * middle):
            smeared = one.one_way >= ONE_WAY
            reason = "is smeared in one direction: something moved" if smeared else "is blurred: out of focus"
            yield row, reason, 1 - one.sharpness


def _dark(rows: list[int], looks: list[Looks]) -> Iterator[Oddity]:
    for row, one in zip(rows, looks, strict=True):
        if one.high < DARK and one.spread >= FLAT:
            yield row, f"is dark: 95 % of it is below {one.high:.0f} of 255", 1 - one.high / 255


def _light(rows: list[int], looks: list[Looks]) -> Iterator[Oddity]:
    for row, one in zip(rows, looks, strict=True):
        if one.clipped > CLIPPED and one.spread >= FLAT:
            yield row, f"is over-exposed, or on white: {one.clipped:.0%} of it is white", one.clipped


def _flat(rows: list[int], looks: list[Looks]) -> Iterator[Oddity]:
    for row, one in zip(rows, looks, strict=True):
        if one.spread < FLAT:
            yield row, "shows one colour only", 1.0


def _sizes(rows: list[int], looks: list[Looks]) -> Iterator[Oddity]:
    import statistics

    many = len(looks) >= FEW
    side = statistics.median(min(one.width, one.height) for one in looks) if many else 0.0
    shape = math.exp(statistics.median(math.log(one.width / one.height) for one in looks)) if many else 1.0
    usual, n_usual = Counter((one.width, one.height) for one in looks).most_common(1)[0]
    for row, one in zip(rows, looks, strict=True):
        size = f"{one.width} x {one.height} pixels"
        if side >= TINY_SIDE and min(one.width, one.height) < max(TINY_SIDE, TINY_SHARE * side):
            yield row, f"is tiny: {size}", side / min(one.width, one.height)
        own = one.width / one.height
        odder = max(own / shape, shape / own)
        if max(own, 1 / own) >= ODD_SHAPE and odder >= ODDER_SHAPE:
            yield row, f"has an odd shape: {size}", odder
        elif many and (one.height, one.width) == usual != (one.width, one.height) and n_usual > 0.6 * len(looks):
            yield row, f"may be turned: {size}, where most have {usual[0]} x {usual[1]}", 1.0


def _repeated(seen: Seen) -> Iterator[tuple[int, int, float]]:
    """Pictures that show the same as an earlier one and are not the same file."""
    pairs = alike([one.mark for one in seen.looks], [one.thumb for one in seen.looks])
    for later, earlier, how in pairs:
        if seen.digests[later] != seen.digests[earlier]:
            yield seen.rows[later], seen.rows[earlier], how


MEND = Method(
    name=NAME, about="Blurred, dark, over-exposed, flat, tiny, turned and repeated pictures.", propose=propose,
    kinds=("image",),
)  # fmt: skip
