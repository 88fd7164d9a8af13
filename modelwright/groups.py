"""Columns as groups: levels as they are, numbers and dates in ranges that are stated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset

MOST_LEVELS = 20
"""Levels of a column that stand by themselves; rarer ones are joined as `OTHER`."""
SAFE = "values"
"""What columns are called while they are worked on: Polars reads a name such as ^x$ as a pattern."""
OTHER = "(all others)"
NOT_STATED = "(not stated)"
MOST_DISTINCT = 8
"""Different numbers from which on a column is cut into ranges."""
AGES = (18.0, 25.0, 35.0, 45.0, 55.0, 65.0)
PROTECTED = {
    "sex": "sex gender geschlecht sexe sexo genero sesso genere geslacht kon plec pol",
    "race": "race ethnicity ethnic ethnie ethnicite ethnizitat herkunft raza raca etnia etnicidad etniciteit",
    "age": "age alter edad eta idade leeftijd alder ikä wiek",
    "birth": "dob birthdate birthday geburtsdatum geburtstag naissance nacimiento nascita nascimento geboortedatum",
    "religion": "religion religione religiao religie konfession faith glaube",
    "disability": "disability disabled behinderung behindert handicap discapacidad disabilita deficiencia",
    "nationality": "nationality nationalitat nationalite nacionalidad nazionalita nacionalidade nationaliteit "
    "citizenship staatsangehorigkeit staatsburgerschaft",
}
"""What a protected column is called, by concept; accents and case do not count."""
_RANGES = (
    re.compile(r"(?:<|under|below|unter)\s*(?P<high>-?\d+\.?\d*)"),
    re.compile(r"(?:>=|≥)\s*(?P<low>-?\d+\.?\d*)"),
    re.compile(r"(?P<low>-?\d+\.?\d*)\s*(?:\+|and (?:over|older|more|above)|or (?:more|older)|oder mehr)"),
    re.compile(r"(?P<low>-?\d+\.?\d*)\s*(?:-|–|to|bis)\s*(?P<end>-?\d+\.?\d*)"),
)
"""How people write ranges; `high` is not in it, `end` is."""


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """How one column makes groups. `levels` are the groups in words; of a number `edges` are the lower ends of the
    ranges after the first, and `within` what they cover if not all (the end is not in it). `every` is how dates are cut
    (10y, 1y, 1mo, 1d). `how` and `why` are told: how values became groups, why the column was taken."""

    column: str
    levels: tuple[str, ...]
    edges: tuple[float, ...] = ()
    within: tuple[float, float] | None = None
    every: str = ""
    how: str = ""
    why: str = ""


@dataclass(frozen=True, eq=False)
class Crossed:
    """Rows by all groupings at once: `codes` (n_cells, n_groupings; the number of levels where not stated), `counts`
    (n_cells,), and `cell` (n_rows,) which cell a row lies in."""

    groupings: tuple[Grouping, ...]
    codes: np.ndarray
    counts: np.ndarray
    cell: np.ndarray

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each grouping, that of `not stated` included."""
        return tuple(len(grouping.levels) + 1 for grouping in self.groupings)

    def table(self, columns: Sequence[int], weights: np.ndarray | None = None) -> np.ndarray:
        """Counts (or sums of `weights` by cell) over these groupings, one axis each."""
        import numpy as np

        shape = tuple(self.sizes[column] for column in columns)
        flat = np.ravel_multi_index(tuple(self.codes[:, column] for column in columns), shape)
        weights = self.counts if weights is None else weights
        return np.bincount(flat, weights=weights, minlength=int(np.prod(shape))).reshape(shape)


def proposed(data: Dataset) -> dict[str, str]:
    """Columns whose names are those of protected traits, one for each trait, with the reason.

    >>> import polars as pl
    >>> from modelwright.core.data import Dataset
    >>> list(proposed(Dataset.from_frame(pl.DataFrame({"Page": [1, 2], "Geschlecht": ["m", "w"]}))))
    ['Geschlecht']
    """
    found: dict[str, str] = {}
    traits: set[str] = set()
    for column in data.schema.columns:
        trait = trait_of(column.name)
        known = trait in traits or (trait == "birth" and "age" in traits)
        if trait and not known and column.kind not in ("text", "image", "audio", "series", "boxes", "mask", "labels"):
            found[column.name] = f"named like {'date of birth' if trait == 'birth' else trait}"
            traits.add(trait)
    if "birth" in traits and "age" in traits:
        found = {name: why for name, why in found.items() if why != "named like date of birth"}
    return found


def words_of(name: str) -> list[str]:
    """The words of a column's name, without case and accents: `dateOfBirth` has three."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    plain = unicodedata.normalize("NFKD", parted.casefold())
    return re.findall(r"[a-z]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))


def trait_of(name: str) -> str:
    words = words_of(name)
    if "birth" in words and not {"place", "country", "weight"} & set(words):
        return "birth"
    if len(words) > 3 or {"native", "country"} <= set(words):
        return "nationality" if {"native", "country"} <= set(words) else ""
    return next((trait for trait, names in PROTECTED.items() if set(words) & set(names.split())), "")


# Levels -------------------------------------------------------------------------------------------------------


def group(values: pl.Series, *, why: str = "", stated: Iterable[str] = ()) -> Grouping:
    """Decide the groups of a column; `stated` are the groups that a population names.

    Levels stand as they are, the most frequent 20 of them and all stated ones; numbers of more than eight values are
    cut into ranges (ages at the usual birthdays, others at rounded quartiles), dates into days, months, years or
    decades. Raises `UserError("coverage.group")` for a column that makes no groups.

    >>> import polars as pl
    >>> group(pl.Series("age", [12.0, 20, 33, 47, 51, 58, 66, 71, 80])).levels
    ('under 18', '18 to 24', '25 to 34', '35 to 44', '45 to 54', '55 to 64', '65 and over')
    """
    import polars as pl

    name, stated = values.name, tuple(str(one) for one in stated)
    values = values.alias(SAFE)
    few = 3 if trait_of(name) == "age" else MOST_DISTINCT
    if values.dtype.is_temporal():
        made = _dates(values)
    elif values.dtype.is_numeric() and values.n_unique() > few + bool(values.null_count()):
        made = _stated_ranges(name, stated) if stated else _ranges(values, name)
    elif values.dtype.is_nested() or values.dtype == pl.Binary:
        raise _no_groups(name, "its cells are no single values")
    else:
        made = _levels(texts_of(values), name, stated)
    return replace(made, column=name, why=why)


def _no_groups(name: str, rule: str) -> UserError:
    return UserError("coverage.group", f"`{name}` makes no groups: {rule}.",
                     hint="name columns with few values, such as sex, region or age")  # fmt: skip


def _few_numbers(*columns: pl.Series) -> bool:
    """Whether all are columns of numbers whose values are groups by themselves."""
    return all(one.dtype.is_numeric() and one.drop_nulls().n_unique() <= MOST_DISTINCT for one in columns)


def _levels(texts: pl.Series, name: str, stated: tuple[str, ...]) -> Grouping:
    names = by_frequency(texts)
    n_levels = len(names)
    if n_levels > 1000 and n_levels > texts.len() / 5:
        raise _no_groups(name, f"it has {n_levels:,} different values")
    known = {plain_text(one) for one in stated}
    names = [level for level in names if plain_text(level) not in known]
    own = names if len(names) <= MOST_LEVELS + 1 else names[:MOST_LEVELS]
    n_joined = len(names) - len(own)
    levels = (*stated, *own, *((OTHER,) if n_joined else ()))
    how = f"its {n_levels} values" if not n_joined else f"its {len(own)} most frequent values; {n_joined} joined"
    return Grouping(column=name, levels=levels, how=how)


def by_frequency(texts: pl.Series) -> list[str]:
    """The different texts of a column, the most frequent first, missing ones left out."""
    counted = texts.alias(SAFE).drop_nulls().value_counts(sort=True).sort(["count", SAFE], descending=[True, False])
    found: list[str] = counted[SAFE].to_list()
    return found


def _ranges(values: pl.Series, name: str) -> Grouping:
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    whole = bool((values.drop_nulls() == values.drop_nulls().round(0)).all())
    how = "cut at the usual ages"
    edges = tuple(age for age in AGES if low < age <= high) if trait_of(name) == "age" else ()
    if len(edges) < 2:
        edges, how = _rounded_quartiles(values, whole=whole), "cut near its quartiles"
    marks = ", ".join(f"{edge:g}" for edge in edges)
    return Grouping(column=name, levels=_range_words(edges, whole=whole), edges=edges, how=f"{how}: {marks}")


def _rounded_quartiles(values: pl.Series, *, whole: bool) -> tuple[float, ...]:
    """Quartiles with as few digits as still part them."""
    from math import floor, log10

    marks = [float(values.quantile(share) or 0.0) for share in (0.25, 0.5, 0.75)]
    step = (marks[2] - marks[0]) / 8 or 1.0
    digits = -floor(log10(abs(step)))
    rounded = {round(mark, min(digits, 0) if whole else digits) for mark in marks}
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    kept = tuple(sorted(mark for mark in rounded if low < mark <= high))
    return kept or ((low + high) / 2,)


def _range_words(edges: Sequence[float], *, whole: bool) -> tuple[str, ...]:
    words = [f"under {edges[0]:g}"]
    for low, high in zip(edges, edges[1:], strict=False):
        words.append(f"{low:g} to {high - 1:g}" if whole else f"{low:g} up to {high:g}")
    return (*words, f"{edges[-1]:g} and over")


def _stated_ranges(name: str, stated: Sequence[str]) -> Grouping:
    """Ranges such as "18-24" and "65+" that a population states: they must rise and leave no gap."""
    ends = [_ends(text) for text in stated]
    gaps = [one[1] - two[0] for one, two in zip(ends, ends[1:], strict=False)]
    if not ends or any(low >= high for low, high in ends) or any(abs(gap) > 0 for gap in gaps):
        raise UserError(
            "coverage.shares", f"`{name}` has numbers, and the population states {', '.join(map(repr, stated))}.",
            hint="state ranges that rise and leave no gap, such as under 18, 18-64, 65+",
        )  # fmt: skip
    return Grouping(column=name, levels=tuple(stated), edges=tuple(low for low, _ in ends[1:]),
                    within=(ends[0][0], ends[-1][1]), how="ranges as stated")  # fmt: skip


def _ends(text: str) -> tuple[float, float]:
    """Where a range begins, and where it ends (that not in it); the same twice for what is none."""
    match = next((one for one in (pattern.fullmatch(text.strip().casefold()) for pattern in _RANGES) if one), None)
    if match is None:
        return 0.0, 0.0
    said = {key: float(value) for key, value in match.groupdict().items() if value is not None}
    if "end" in said:
        return said["low"], said["end"] + (1.0 if "." not in text else 0.0)
    return said.get("low", float("-inf")), said.get("high", float("inf"))


def _dates(values: pl.Series) -> Grouping:
    there = values.drop_nulls()
    years = there.dt.year()
    n_years = years.n_unique()
    every = "10y" if n_years > 12 else "1y" if n_years > 1 else "1mo" if there.dt.month().n_unique() > 1 else "1d"
    texts = _date_texts(values, every)
    levels = tuple(sorted(texts.drop_nulls().unique().to_list()))
    words = {"10y": "decades", "1y": "years", "1mo": "months", "1d": "days"}[every]
    return Grouping(column=values.name, levels=levels, every=every, how=f"by {words}")


def _date_texts(values: pl.Series, every: str) -> pl.Series:
    import polars as pl

    if every == "10y":
        decade = (values.dt.year() // 10 * 10).cast(pl.String)
        return (decade + "s").alias(values.name)
    return values.dt.strftime({"1y": "%Y", "1mo": "%Y-%m", "1d": "%Y-%m-%d"}[every])


def texts_of(values: pl.Series) -> pl.Series:
    """A column's values as people would write them; null where missing."""
    import polars as pl

    values = values.alias(SAFE)
    if values.dtype == pl.Boolean:
        return values.replace_strict({True: "yes", False: "no"}, default=None, return_dtype=pl.String)
    if values.dtype.is_numeric():
        from modelwright_runtime.reading import as_text

        known = {value: as_text(value) for value in values.drop_nulls().unique().to_list()}
        return values.replace_strict(known, default=None, return_dtype=pl.String)
    return values.cast(pl.String)


def plain_text(text: str) -> str:
    """A level without case and doubled blanks: what spellings of it are compared by."""
    return " ".join(text.casefold().split())


# Codes --------------------------------------------------------------------------------------------------------


def code(values: pl.Series, grouping: Grouping) -> np.ndarray:
    """The group of each row, int64 (n_rows,): its place in `levels`, the number of levels where not stated.

    A value that is none of the levels goes to `OTHER` where there is one, else counts as not stated.

    >>> import polars as pl
    >>> ages = pl.Series("age", [15.0, None, 70.0, 30.0])
    >>> code(ages, Grouping(column="age", levels=("under 18", "18 to 64", "65 and over"), edges=(18.0, 65.0))).tolist()
    [0, 3, 2, 1]
    """
    import numpy as np
    import polars as pl

    n_levels, values = len(grouping.levels), values.alias(SAFE)
    if grouping.edges and values.dtype.is_numeric():
        numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        found = np.searchsorted(np.array(grouping.edges), numbers, side="right").astype(np.int64)
        low, high = grouping.within or (float("-inf"), float("inf"))
        return np.where(np.isnan(numbers) | (numbers < low) | (numbers >= high) & (high < np.inf), n_levels, found)
    texts = _date_texts(values, grouping.every) if grouping.every else texts_of(values)
    places = {plain_text(level): place for place, level in enumerate(grouping.levels)}
    rest = grouping.levels.index(OTHER) if OTHER in grouping.levels else n_levels
    known = {text: places.get(plain_text(text), rest) for text in texts.drop_nulls().unique().to_list()}
    coded = texts.replace_strict(known, default=n_levels, return_dtype=pl.Int64)
    return coded.fill_null(n_levels).to_numpy()


def columns_of(data: Dataset, names: Iterable[str], *, gaps: bool = False) -> pl.DataFrame:
    """These columns in memory, and of a larger table nothing else; with `gaps` only whether each cell is missing."""
    import polars as pl
    from polars import selectors

    names = list(dict.fromkeys(names))
    if not names:
        return pl.DataFrame()
    if "frame" in vars(data):
        held = [data.frame[name] for name in names]
        return pl.DataFrame([one.alias(SAFE).is_null().alias(one.name) for one in held] if gaps else held)
    chosen = selectors.by_name(*names)  # a name such as ^x$ is no pattern here
    found: pl.DataFrame = data.table.select(chosen.is_null() if gaps else chosen).collect(engine="streaming")
    return found


def cross(data: Dataset, groupings: Sequence[Grouping]) -> Crossed:
    """Rows by all groupings at once."""
    import numpy as np

    frame = columns_of(data, (grouping.column for grouping in groupings))
    codes = [code(frame[grouping.column], grouping) for grouping in groupings]
    key = np.zeros(data.n_rows, dtype=np.int64)
    keys = np.zeros((0, 0), dtype=np.int64)
    for place, (grouping, column) in enumerate(zip(groupings, codes, strict=True)):
        joined = key * (len(grouping.levels) + 1) + column
        kept, first, key = np.unique(joined, return_index=True, return_inverse=True)  # small again: no overflow
        keys = np.column_stack([one[first] for one in codes[: place + 1]])
    counts = np.bincount(key, minlength=len(keys))
    return Crossed(tuple(groupings), keys, counts, key)


def groupings_of(
    data: Dataset,
    asked: Mapping[str, str],
    stated: Mapping[str, Sequence[str]],
    more: Callable[[str], pl.Series | None],
) -> tuple[Grouping, ...]:
    """The groupings of the asked columns (name: why). `stated` are groups that a population names; `more(name)` gives
    the same column of a reference table, or None, whose levels are groups too."""
    import polars as pl

    made = []
    for name, why in asked.items():
        if name not in data.schema:
            raise UserError("coverage.group", f"there is no column {name!r} to make groups by.",
                            hint=nearest(name, data.schema.names))  # fmt: skip
        values, other = columns_of(data, [name])[name], more(name)
        levels: Sequence[str] = stated.get(name, ())
        if other is not None and (values.dtype == pl.String or _few_numbers(values, other)):
            levels = sorted(by_frequency(texts_of(other))[:MOST_LEVELS])
        made.append(group(values, why=why, stated=levels))
    return tuple(made)
