"""What a profile means, in words, with what to do: the only place of this stage where such sentences are made.

Three levels: `act` before training, have a `look`, merely `know`. No sentence claims a cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from modelwright.core.data import GIVES_AWAY
from modelwright.profiling.rows import settled_groups
from modelwright.profiling.values import Alert, Balance, ColumnProfile, Level, Profile
from modelwright.shown import count

LEVELS: tuple[Level, ...] = ("act", "look", "know")
NEARLY_ALONE, NEARLY_ALONE_ORDER = 0.9, 0.97
TOLD_BY_GAPS, AFTERWARDS_LEAST = 0.3, 0.1
FEW_ROWS, FEW_OF_CLASS, RARE_CLASS = 100, 20, 0.05
NEARLY_CONSTANT, MANY_MISSING, MOST_MISSING = 0.99, 0.3, 0.8
REDUNDANT, SKEWED, MANY_LEVELS = 0.98, 4.0, 100
FAR = 10.0  # interquartile ranges beyond the quartiles
MOST_EACH = 50  # alerts of one sort; what is left is counted in one more
_LATE_WORDS = """
outcome result final closed closing settled settlement resolved resolution cancelled canceled cancellation churned churn
refund refunded returned discharge discharged death died deceased recovery recoveries recovered collections chargeoff
writeoff after post followup completed finished exit ended termination terminated
"""
AFTERWARDS = frozenset(_LATE_WORDS.split())
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")


def alerts_of(profile: Profile) -> tuple[Alert, ...]:
    """All alerts, most important first."""
    found: list[Alert] = []
    for say in (_table, _leaks, _classes, _same, _missing, _columns, _together):
        found += say(profile)
    return in_order(found)


def in_order(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """By level, then by weight; of each sort the first few, the rest counted."""
    ordered = sorted(alerts, key=lambda one: (LEVELS.index(one.level), -one.weight, one.columns))
    kept: list[Alert] = []
    for alert in ordered:
        n_before = sum(one.code == alert.code for one in kept)
        if n_before < MOST_EACH:
            kept.append(alert)
    for code in dict.fromkeys(one.code for one in kept):
        rest = [one for one in ordered if one.code == code][MOST_EACH:]
        if rest:
            names = tuple(name for one in rest for name in one.columns)
            words = f"{len(rest)} more of the same sort: {_names(names)}."
            last = max(place for place, one in enumerate(kept) if one.code == code)
            kept.insert(last + 1, Alert(rest[0].level, code, names, words, rest[0].todo))
    return tuple(kept)


def percent(share: float) -> str:
    """A share as a person says it, never rounded to none or to all.

    >>> percent(0.5), percent(0.9996), percent(0.0002), percent(1.0)
    ('50 %', 'over 99.9 %', 'under 0.1 %', '100 %')
    """
    if 0 < share < 0.001 or 0.999 < share < 1:
        return "under 0.1 %" if share < 0.5 else "over 99.9 %"
    return f"{100 * share:.0f} %" if 0.1 < share < 0.9 or share in (0, 1) else f"{100 * share:.1f} %"


def recipe_line(name: str, role: str = "ignored") -> str:
    """The lines of a recipe that give a column a role, its name quoted where YAML needs it.

    >>> recipe_line("boat")
    'clean: {roles: {boat: ignored}}'
    """
    return f"clean: {{roles: {{{_key(name)}: {role}}}}}"


def _key(name: str) -> str:
    """A name as YAML takes it; what the eye cannot see is spelled out."""
    import json

    if _PLAIN_NAME.match(name):
        return name
    quoted = json.dumps(name, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in quoted)


def _names(names: Sequence[str], most: int = 6) -> str:
    told = ", ".join(f"`{_cut(name)}`" for name in names[:most])
    return told + (f" and {len(names) - most} more" if len(names) > most else "")


def _cut(name: str, most: int = 60) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


# The table ----------------------------------------------------------------------------------------------------


def _table(profile: Profile) -> Iterator[Alert]:
    n = profile.n_rows
    if n < FEW_ROWS:
        yield Alert("act", "rows.few", (), f"The table has {n:,} rows, which is little to learn from or to judge by.",
                    "collect more rows before any figure is trusted", weight=60)  # fmt: skip
    features = [column for column in profile.columns if column.role in ("feature", "protected")]
    if n >= FEW_ROWS and len(features) > n / 5:
        yield Alert("look", "rows.wide", (), f"{len(features):,} columns for {n:,} rows: much will seem to go together "
                    "by chance.", "collect more rows, or leave columns out", weight=40)  # fmt: skip
    for reason, n_lost in profile.removed.items():
        yield Alert("know", "rows.removed", (), f"{n_lost:,} rows are left out of this page and of training: {reason}.",
                    "nothing, unless they should have been readable", weight=n_lost / max(1, n))  # fmt: skip
    if profile.n_repeated:
        yield Alert(
            "look", "rows.repeated", (),
            f"{profile.n_repeated:,} rows ({percent(profile.n_repeated / n)}) are equal to an earlier row in every "
            "column.", "training leaves repeated rows out where they cannot be chance; find out why they repeat",
            weight=30 + 50 * profile.n_repeated / n,
        )  # fmt: skip
    elif profile.n_repeated_but_ids:
        ids = [column.name for column in profile.columns if column.role == "id"]
        yield Alert(
            "look", "rows.repeated", tuple(ids), f"{profile.n_repeated_but_ids:,} rows are equal to an earlier row in "
            f"every column but {_names(ids)}.", "training leaves them out; find out why they repeat", weight=35,
        )  # fmt: skip
    if profile.target is None:
        yield Alert("know", "target.none", (), "No target was named, so nothing is said of classes or of leaks.",
                    "name the column that is to be predicted", "--target COLUMN", weight=90)  # fmt: skip


# Leaks --------------------------------------------------------------------------------------------------------


def _leaks(profile: Profile) -> Iterator[Alert]:
    target = profile.target
    for column in profile.columns:
        if column.why.startswith(GIVES_AWAY):
            yield Alert(
                "look", "leak.left_out", (column.name,), f"`{_cut(column.name)}` is left out of training: "
                f"{column.why.split(';')[0]}.", "nothing; to keep it, say so in the recipe",
                recipe_line(column.name, "feature"), weight=100,
            )  # fmt: skip
        elif target is not None and column.name != target.column:
            yield from _leak(column, target)


def _leak(column: ColumnProfile, target: Balance) -> Iterator[Alert]:
    if column.alone is None:
        return
    name, about = _cut(column.name), _cut(target.column)
    by_gaps = column.alone_missing or 0.0
    if by_gaps >= TOLD_BY_GAPS:
        yield Alert(
            "act", "leak.filled_in", (column.name,), f"Whether `{name}` is filled in says much of `{about}` "
            f"({percent(by_gaps)} of what is not known of it): it looks as if it were written only afterwards.",
            "leave it out, unless it is known when the model is asked", recipe_line(column.name), weight=95 + by_gaps,
        )  # fmt: skip
    elif column.role == "id" and column.alone >= TOLD_BY_GAPS:
        yield Alert(
            "act", "leak.order", (column.name,), f"`{name}` numbers the rows and yet says {percent(column.alone)} of "
            f"`{about}`: the rows lie in the order of the target, or the number was given by it.",
            "keep it out (it is), and do not split by position", weight=85,
        )  # fmt: skip
    elif column.alone >= (NEARLY_ALONE_ORDER if column.alone_right is None else NEARLY_ALONE):
        hits = "" if column.alone_right is None else f" (right in {percent(column.alone_right)} of rows not looked at)"
        yield Alert(
            "act", "leak.alone", (column.name,), f"`{name}` alone predicts `{about}` nearly without fail{hits}.",
            "ask whether it is known before the answer is; if not, leave it out", recipe_line(column.name),
            weight=90 + column.alone,
        )  # fmt: skip
    elif column.alone >= AFTERWARDS_LEAST and _sounds_late(column.name, target.column):
        yield Alert(
            "look", "leak.name", (column.name,), f"`{name}` sounds like something known only after `{about}`, and says "
            f"{percent(column.alone)} of it.", "leave it out, unless it is known when the model is asked",
            recipe_line(column.name), weight=70 + column.alone,
        )  # fmt: skip


def _sounds_late(name: str, target: str) -> bool:
    words = {part.lower() for part in _PARTS.findall(name)}
    return bool(words & AFTERWARDS) and name != target


# The target ---------------------------------------------------------------------------------------------------


def _classes(profile: Profile) -> Iterator[Alert]:
    target = profile.target
    if target is None or not target.classes:
        return
    name, total = _cut(target.column), sum(n for _, n in target.classes)
    if target.n_classes > 50 and target.n_classes > 0.2 * total:
        yield Alert("act", "target.classes", (target.column,), f"`{name}` has {target.n_classes:,} classes in "
                    f"{total:,} rows: hardly any class can be learned.", "choose another target, or join classes",
                    weight=99)  # fmt: skip
        return
    thin = [(one, n) for one, n in target.classes if n < FEW_OF_CLASS]
    if thin:
        shown = ", ".join(f"{one!r} ({n:,})" for one, n in thin[:5]) + (" …" if len(thin) > 5 else "")
        yield Alert("act", "target.thin", (target.column,), f"{len(thin)} of {target.n_classes} classes of `{name}` "
                    f"have fewer than {FEW_OF_CLASS} rows: {shown}.", "collect more of these, or join some",
                    "wright label DATA" if total < 1000 else "", weight=75)  # fmt: skip
    least, n_least = target.classes[-1]
    if not thin and n_least < RARE_CLASS * total and len(target.classes) == target.n_classes:
        yield Alert("look", "target.rare", (target.column,), f"Only {percent(n_least / total)} of `{name}` is "
                    f"{least!r} ({n_least:,} rows): always saying {target.classes[0][0]!r} would be right in "
                    f"{percent(target.classes[0][1] / total)}.", "judge by a score that sees the rare class, not by "
                    "accuracy", weight=60)  # fmt: skip


# Columns that say the same ------------------------------------------------------------------------------------


def _same(profile: Profile) -> Iterator[Alert]:
    together: set[str] = set()
    for group in profile.identical:
        together |= set(group)
        yield Alert("look", "columns.identical", group, f"{_names(group)} are the same column, cell for cell.",
                    f"keep `{_cut(group[0])}`, leave the other{'s' if len(group) > 2 else ''} out",
                    recipe_line(group[1]), weight=50 + len(group))  # fmt: skip
    same = [group for group in settled_groups(profile.determined) if not set(group) <= together]
    for group in same:
        yield Alert("look", "columns.recoded", group, f"{_names(group)} say the same in other words: each value of one "
                    "goes with one value of the other.", f"keep `{_cut(group[0])}`, leave the rest out",
                    recipe_line(group[1]), weight=45)  # fmt: skip
    told = together.union(*same) if same else together
    one_way = [one for one in profile.determined if not (one.both_ways and not one.n_exceptions)]
    for one in one_way:
        if profile.target and one.column == profile.target.column or {one.by, one.column} <= told:
            continue
        slips = f", but for {one.n_exceptions:,} of {one.n_rows:,} rows" if one.n_exceptions else ""
        todo = "look at the exceptions: one of the two cells is likely wrong" if slips else \
            "nothing; both can stay, they say one thing twice"  # fmt: skip
        yield Alert("look" if slips else "know", "columns.settled", (one.by, one.column),
                    f"`{_cut(one.by)}` settles `{_cut(one.column)}`: each value goes with one value{slips}.", todo,
                    "wright clean DATA --methods wrong_cells" if slips else "", weight=40 if slips else 10)  # fmt: skip
    for pair in profile.pairs:
        size = max(abs(pair.value), abs(pair.spearman or 0.0))
        about_target = profile.target is not None and profile.target.column in (pair.left, pair.right)
        if pair.measure == "pearson" and size >= REDUNDANT and not about_target and {pair.left, pair.right} - told:
            yield Alert("look", "columns.correlated", (pair.left, pair.right), f"`{_cut(pair.left)}` and "
                        f"`{_cut(pair.right)}` rise and fall together (correlation {pair.value:.3f}).",
                        "one of them is enough for most models", recipe_line(pair.right), weight=20 + size)  # fmt: skip


# Missing cells ------------------------------------------------------------------------------------------------


def _missing(profile: Profile) -> Iterator[Alert]:
    for column in profile.columns:
        name = _cut(column.name)
        if column.role == "target" or not column.n_present or column.missing < MANY_MISSING:
            continue
        if column.missing >= MOST_MISSING:
            yield Alert("look", "missing.most", (column.name,), f"`{name}` is missing in {percent(column.missing)} of "
                        f"rows; {column.n_present:,} say something.", "find out why; leave it out if nobody knows",
                        recipe_line(column.name), weight=40 + column.missing)  # fmt: skip
        else:
            yield Alert("look", "missing.many", (column.name,), f"`{name}` is missing in {percent(column.missing)} of "
                        "rows.", "training fills gaps and marks them; wright impute guesses better",
                        "wright impute DATA", weight=25 + column.missing)  # fmt: skip
    for group in profile.gaps:
        yield Alert("know", "missing.together", group.columns, f"{_names(group.columns)} are missing in the same "
                    f"{group.n_rows:,} rows ({percent(group.n_rows / profile.n_rows)}).",
                    "look for one reason: one form, one source, one join that failed", weight=30)  # fmt: skip


# Columns by themselves ----------------------------------------------------------------------------------------


def _columns(profile: Profile) -> Iterator[Alert]:
    for column in profile.columns:
        name = _cut(column.name)
        if column.role == "target" or column.why.startswith(GIVES_AWAY):
            continue
        if not column.n_present:
            yield Alert("know", "column.empty", (column.name,), f"`{name}` is empty.", "nothing: it is left out",
                        weight=20)  # fmt: skip
        elif column.n_distinct == 1:
            gaps = f" in {percent(1 - column.missing)} of rows, else missing" if column.n_missing else " in every row"
            yield Alert("know", "column.constant", (column.name,), f"`{name}` says {column.top[0][0]!r}{gaps}.",
                        "nothing: what is always the same is left out" if not column.n_missing else
                        "ask what a missing cell means", weight=20)  # fmt: skip
        elif column.top and column.top_share >= NEARLY_CONSTANT and column.n_present >= FEW_ROWS:
            yield Alert("know", "column.nearly_constant", (column.name,), f"`{name}` says {column.top[0][0]!r} in "
                        f"{percent(column.top_share)} of rows.", "leave it out, unless the rest is what matters",
                        recipe_line(column.name), weight=18)  # fmt: skip
        elif column.role in ("id", "ignored") and column.why:
            yield Alert("know", "column.left_out", (column.name,), f"`{name}` is left out of training: "
                        f"{_cut(column.why, 200)}.", "to use it, say so in the recipe",
                        recipe_line(column.name, "feature"), weight=15)  # fmt: skip
        else:
            yield from _values(column)


def _values(column: ColumnProfile) -> Iterator[Alert]:
    name, numbers = _cut(column.name), column.numbers
    if column.kind == "category" and (column.n_distinct or 0) > MANY_LEVELS:
        yield Alert("know", "column.levels", (column.name,), f"`{name}` has {column.n_distinct:,} different values.",
                    "check that spellings of one thing are one value",
                    "wright clean DATA --methods wrong_cells,spelling", weight=12)  # fmt: skip
    if numbers is None or column.kind != "number":
        return
    lower, upper = numbers.quantiles[3], numbers.quantiles[5]
    reach = FAR * (upper - lower)
    low, high = numbers.quantiles[0], numbers.quantiles[-1]
    ends = [low] * (low < lower - reach) + [high] * (high > upper + reach)
    n_far = numbers.histogram.n_below + numbers.histogram.n_above
    if ends and 0 < n_far < 0.01 * column.n_present:
        shown = " and ".join(f"{end:,.6g}" for end in ends)
        lie = "lies" if n_far == 1 else "lie"
        yield Alert(
            "look", "column.far", (column.name,), f"{count(n_far, 'value')} of `{name}` {lie} far from the rest (as "
            f"far as {shown}; half lie between {lower:,.6g} and {upper:,.6g}).",
            "look at them: another unit, a slip, or true", "wright clean DATA --methods outliers", weight=22,
        )  # fmt: skip
    elif abs(numbers.skew) >= SKEWED and (column.n_distinct or 0) > 20:
        yield Alert("know", "column.skewed", (column.name,), f"`{name}` is lopsided (skew {numbers.skew:.1f}): most "
                    "values are small and a few very large." if numbers.skew > 0 else f"`{name}` is lopsided (skew "
                    f"{numbers.skew:.1f}): most values are large and a few very small.", "trees do not mind; a linear "
                    "model may like its logarithm", weight=8)  # fmt: skip


def _together(profile: Profile) -> Iterator[Alert]:
    n_looked, n = profile.looked.get("columns compared", 0), profile.n_rows
    if n_looked < n:
        yield Alert("know", "profile.sample", (), f"Columns were compared with each other on {n_looked:,} random "
                    f"rows of {n:,}; all counts are of all rows.", "nothing", weight=1)  # fmt: skip
