"""Columns whose cells are no single values: images, masks, sounds, series, boxes, labels.

They are looked at in one streamed pass in small batches, so that a table of pictures is never held at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modelwright.cleaning.media import audio_faults, boxes_text, form_of, image_faults, tidy_boxes
from modelwright.core.data import ROW_ID, Column, Dataset, Decision, Role
from modelwright.core.errors import UserError
from modelwright_runtime.reading import CellError, Reading, as_text, read_whole

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.base import CleanSpec

Size = tuple[int, int] | None
SpecialKind = Literal["image", "mask", "audio", "series", "labels", "boxes"]
BATCH_ROWS = 256
PEEKED_ROWS, PEEKED_CELLS = 200, 20
MEDIA = ("image", "mask", "audio")
ANSWERS = ("boxes", "mask")
BOX_FIELDS = ("x", "y", "width", "height", "label")


@dataclass(frozen=True, eq=False, kw_only=True)
class Special:
    """What was found of the special columns.

    `typed` are expressions that make typed cells of raw ones; `replaced` has `ROW_ID` and the columns that no
    expression makes (boxes, clipped to their pictures). `removed` has `ROW_ID` and `reason`, `changes` the columns
    of the cleaning log.
    """

    columns: Mapping[str, Column] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()
    typed: tuple[pl.Expr, ...] = ()
    replaced: pl.DataFrame | None = None
    removed: pl.DataFrame | None = None
    changes: pl.DataFrame | None = None
    decisions: tuple[Decision, ...] = ()


def special_kinds(data: Dataset, spec: CleanSpec) -> dict[str, tuple[SpecialKind, str]]:
    """The special columns of a raw table with their kinds and the reasons; {} for a plain table."""
    import polars as pl

    found: dict[str, tuple[SpecialKind, str]] = {}
    dtypes = data.table.collect_schema()
    texts = [name for name, dtype in dtypes.items() if dtype == pl.String]
    first = data.table.select(texts).head(PEEKED_ROWS).collect()  # at once: a table may have thousands of columns
    for name, dtype in dtypes.items():
        if name == ROW_ID:
            continue
        asked = spec.kinds.get(name)
        if dtype == pl.Binary:
            kind = _binary_kind(data, name, spec)
        elif isinstance(dtype, (pl.List, pl.Array)):
            kind = _list_kind(dtype.inner)
        elif dtype == pl.String and (asked == "labels" or asked == "series"):
            kind = asked, "asked for"
        elif dtype == pl.String and asked is None:
            kind = _written_series(first[name])
        elif asked in ("labels", "series", "boxes", *MEDIA):
            raise UserError(
                "clean.kind", f"the column {name!r} of {dtype} cannot be read as {asked}.",
                hint="pictures and sounds are bytes, series lists of numbers, boxes lists of objects",
            )  # fmt: skip
        else:
            continue
        if kind is not None:
            found[name] = kind
    return found


def _binary_kind(data: Dataset, name: str, spec: CleanSpec) -> tuple[SpecialKind, str] | None:
    import polars as pl

    asked = spec.kinds.get(name)
    if asked == "image" or asked == "mask" or asked == "audio":
        return asked, "asked for"
    peek = data.table.select(name).filter(pl.col(name).is_not_null()).head(PEEKED_CELLS).collect()[name].to_list()
    forms = [form_of(cell) for cell in peek]
    n_pictures, n_sounds = forms.count("image"), forms.count("audio")
    if not n_pictures + n_sounds:
        return None
    form: SpecialKind = "image" if n_pictures >= n_sounds else "audio"
    why = f"its cells are encoded {'pictures' if form == 'image' else 'sounds'}"
    if form == "image" and ("mask" in name.casefold() or name == spec.target):
        return "mask", f"{why}, and it is {'to be predicted' if name == spec.target else 'named a mask'}"
    return form, why


def _written_series(first: pl.Series) -> tuple[SpecialKind, str] | None:
    """Texts such as `[0.5, 0.7]`, which is how lists of numbers come out of JSON and Parquet."""
    present = first.filter(first != "")
    if not present.len() or not present.str.starts_with("[").all():
        return None
    cells = present.head(PEEKED_CELLS).to_list()
    reading = Reading(column=first.name, kind="series")
    if not all("," in cell for cell in cells):
        return None
    try:
        found = [read_whole(cell, reading) for cell in cells]
    except CellError:
        return None
    return ("series", "its cells are lists of numbers, written out") if any(found) else None


def _list_kind(inner: Any) -> tuple[SpecialKind, str] | None:
    import polars as pl

    if inner.is_numeric():
        return "series", "its cells are lists of numbers"
    if inner == pl.String:
        return "labels", "its cells are lists of texts"
    if isinstance(inner, pl.Struct) and {one.name for one in inner.fields} >= set(BOX_FIELDS):
        return "boxes", "its cells are lists of boxes"
    return None


def look_at_special(
    data: Dataset, kinds: Mapping[str, tuple[SpecialKind, str]], spec: CleanSpec, tell: Callable[[int], None]
) -> Special:
    """One pass over the special columns: their types, rows that cannot be used, and what was mended."""
    if not kinds:
        return Special()
    columns = {name: _column(name, kind, data, spec) for name, (kind, _) in kinds.items()}
    found = _Found(kinds)
    for batch in _batches(data, list(kinds)):
        found.add(batch)
        tell(batch.height)
    told = [Decision("cleaning", name, kind, why) for name, (kind, why) in kinds.items()]
    told += [
        Decision("cleaning", column.name, column.role, column.why)
        for column in columns.values()
        if column.role == "ignored" and column.name not in spec.roles
    ]
    return Special(
        columns=columns,
        readings=tuple(Reading(column=name, kind=kind) for name, (kind, _) in kinds.items()),
        typed=tuple(_typed(name, kind, data) for name, (kind, _) in kinds.items() if kind != "boxes"),
        replaced=found.boxes(),
        removed=found.removed(_only_feature(columns, data, spec)),
        changes=found.changes(),
        decisions=(*told, *found.told()),
    )


def _column(name: str, kind: SpecialKind, data: Dataset, spec: CleanSpec) -> Column:
    given = data.schema[name]
    role: Role = spec.roles.get(name) or given.role
    why = "asked for" if name in spec.roles else given.why
    if name == spec.target:
        role, why = "target", ""
    elif role == "feature" and kind in ANSWERS:
        role, why = "ignored", f"{kind} are what a model answers; no network takes them in"
    return Column(name, kind, role, why=why)


def _only_feature(columns: Mapping[str, Column], data: Dataset, spec: CleanSpec) -> str | None:
    """The special column that is all that a model would see, if there is one."""
    features = [name for name, column in columns.items() if column.role == "feature"]
    for column in data.schema.columns:
        role = spec.roles.get(column.name) or column.role
        if column.name not in columns and column.name != spec.target and role in ("feature", "protected"):
            return None
    return features[0] if len(features) == 1 else None


def _batches(data: Dataset, names: Sequence[str]) -> Any:
    wanted = [ROW_ID, *(["file"] if "file" in data.schema and "file" not in names else []), *names]
    table = data.table.select(wanted)
    return table.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, engine="streaming")


def _typed(name: str, kind: SpecialKind, data: Dataset) -> pl.Expr:
    import polars as pl

    from modelwright.cleaning.series import as_labels, as_series, read_texts

    if kind not in ("series", "labels"):
        return pl.col(name)
    if data.table.collect_schema()[name] == pl.String:
        return read_texts(Reading(column=name, kind=kind))
    return (as_series if kind == "series" else as_labels)(pl.col(name)).alias(name)


class _Found:
    """What the pass has found so far."""

    def __init__(self, kinds: Mapping[str, tuple[SpecialKind, str]]) -> None:
        self.kinds = {name: kind for name, (kind, _) in kinds.items()}
        self.lost: list[tuple[int, str]] = []
        self.changed: list[tuple[int, str, str | None, str | None, str, str]] = []
        self.kept_boxes: dict[str, list[Any]] = {name: [] for name, kind in self.kinds.items() if kind == "boxes"}
        self.ids: list[int] = []
        self.missing: dict[str, list[int]] = {name: [] for name in self.kinds}
        self.silent: dict[str, list[str]] = {}
        self.lengths: dict[str, tuple[int, int]] = {}
        self.n_unknown_steps: dict[str, int] = {}

    def add(self, batch: pl.DataFrame) -> None:
        ids = batch[ROW_ID].to_list()
        names = batch["file"].to_list() if "file" in batch.columns else [None] * len(ids)
        where = [f"`{name}`" if name else f"row {row}" for row, name in zip(ids, names, strict=True)]
        self.ids += ids
        sizes: list[Size] = [None] * len(ids)
        order = {"image": 0, "mask": 1}
        for name in sorted(self.kinds, key=lambda name: order.get(self.kinds[name], 2)):
            kind, cells = self.kinds[name], batch[name]
            self.missing[name] += [row for row, null in zip(ids, cells.is_null(), strict=True) if null]
            if kind in ("image", "mask"):
                sizes = self._pictures(name, ids, where, cells.to_list(), sizes)
            elif kind == "audio":
                self._sounds(name, ids, where, cells.to_list())
            elif kind == "boxes":
                self._boxes(name, ids, cells.to_list(), sizes)
            elif kind == "series":
                self._series(name, ids, cells)

    def _pictures(
        self, name: str, ids: list[int], where: list[str], cells: list[bytes | None], sizes: list[Size]
    ) -> list[Size]:
        found = image_faults(cells)
        is_mask = self.kinds[name] == "mask"
        for row, place, (fault, size), other in zip(ids, where, found, sizes, strict=True):
            if fault:
                self.lost.append((row, f"the {name} of {place} {fault}"))
            elif is_mask and size and other and size != other:
                told = f"{size[0]} x {size[1]} pixels, its picture {other[0]} x {other[1]}"
                self.lost.append((row, f"the {name} of {place} has {told}"))
        return sizes if is_mask else [size for _, size in found]

    def _sounds(self, name: str, ids: list[int], where: list[str], cells: list[bytes | None]) -> None:
        for row, place, (fault, silent) in zip(ids, where, audio_faults(cells), strict=True):
            if fault:
                self.lost.append((row, f"the {name} of {place} {fault}"))
            elif silent:
                self.silent.setdefault(name, []).append(place)

    def _boxes(self, name: str, ids: list[int], cells: list[Any], sizes: list[Size]) -> None:
        for row, boxes, size in zip(ids, cells, sizes, strict=True):
            if boxes is None:
                self.kept_boxes[name].append(None)
                continue
            kept, told = tidy_boxes(boxes, size)
            self.kept_boxes[name].append(kept)
            if told:
                before, after = boxes_text(boxes), boxes_text(kept)
                self.changed.append((row, name, before, after, "boxes", f"boxes: {', '.join(told)}"))

    def _series(self, name: str, ids: list[int], cells: pl.Series) -> None:
        import polars as pl

        from modelwright.cleaning.series import as_series, read_texts

        is_text = cells.dtype == pl.String
        reader = read_texts(Reading(column=name, kind="series")) if is_text else as_series(pl.col(name))
        values = cells.to_frame().select(reader)[name]
        empty = values.is_null() & cells.is_not_null()
        lost = [row for row, none in zip(ids, empty, strict=True) if none]
        self.missing[name] += lost
        texts = [as_text(cell) for cell in cells.filter(empty).to_list()]
        why = "a series without any number"
        self.changed += [(row, name, text, None, "series", why) for row, text in zip(lost, texts, strict=True)]
        known = values.drop_nulls()
        if known.len():
            lengths = known.list.len()
            low, high = int(lengths.min()), int(lengths.max())  # type: ignore[arg-type]
            before = self.lengths.get(name, (low, high))
            self.lengths[name] = (min(low, before[0]), max(high, before[1]))
            n_unknown = int(known.explode().is_nan().sum())
            self.n_unknown_steps[name] = self.n_unknown_steps.get(name, 0) + n_unknown

    # What came of it -----------------------------------------------------------------------------------------

    def boxes(self) -> pl.DataFrame | None:
        import polars as pl

        if not self.kept_boxes:
            return None
        numbers = {name: pl.Float64() for name in BOX_FIELDS[:4]}
        dtype = pl.List(pl.Struct({**numbers, "label": pl.String()}))
        columns = [pl.Series(name, boxes, dtype=dtype) for name, boxes in self.kept_boxes.items()]
        return pl.DataFrame([pl.Series(ROW_ID, self.ids, dtype=pl.UInt64), *columns])

    def removed(self, only: str | None) -> pl.DataFrame:
        """Rows whose media cannot be opened; rows without any, where the model would see nothing else."""
        import polars as pl

        lost = list(self.lost)
        if only:
            why = "has no number" if self.kinds[only] == "series" else "is missing"
            lost += [(row, f"the {self.kinds[only]} {only} {why}") for row in self.missing[only]]
        frame = pl.DataFrame(lost, schema={ROW_ID: pl.UInt64, "reason": pl.String}, orient="row")
        return frame.unique(ROW_ID, keep="first", maintain_order=True).sort(ROW_ID)

    def changes(self) -> pl.DataFrame:
        import polars as pl

        names = ("column", "before", "after", "step", "reason")
        schema = {ROW_ID: pl.UInt64, **dict.fromkeys(names, pl.String)}
        return pl.DataFrame(self.changed, schema=schema, orient="row")

    def told(self) -> list[Decision]:
        decisions = []
        if self.lost:
            reason = "their pictures, sounds or series cannot be used; each is named in the list of removed rows"
            decisions.append(Decision("cleaning", "rows", f"{len(self.lost)} rows removed", reason))
        for name, places in self.silent.items():
            reason = f"every sample is zero, as in {places[0]}"
            decisions.append(Decision("cleaning", name, f"{len(places)} silent sounds kept", reason))
        for name, (low, high) in self.lengths.items():
            choice = f"{low} steps in every row" if low == high else f"{low} to {high} steps"
            n_unknown = self.n_unknown_steps[name]
            reason = f"{n_unknown} steps are missing or not finite and stay unknown" if n_unknown else "as given"
            decisions.append(Decision("cleaning", name, choice, reason))
        return decisions
