"""The combination: for each doubtful cell, which text was meant, with the chance that this is so.

For a cell that says o, and for each text v that its row or its spelling speaks for:

    odds(v meant, o written) : odds(o meant, o written) = P(v | row) e [t T(o | v) + (1 - t) b(o)] : P(o | row) (1 - e)

`context.py` gives P, `typos.py` the channel T; e is the share of wrong cells of the column, t the share of typing
errors among them, and b(o) what any other error (a value from another row, say) would have written. e, t and the
channel are fitted to the table by a few rounds of expectation and maximisation. A value that is itself frequent is
thus only called wrong when the row contradicts it far more than the dependencies are ever contradicted; one that
nobody else has, a letter from what all others of its group say, is called wrong at once.

Reference: Dempster, Laird and Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from modelwright.cleaning.tables.coded import Coded, distinct
from modelwright.cleaning.tables.composed import composed
from modelwright.cleaning.tables.context import Context, Evidence, Said, context_of
from modelwright.cleaning.tables.dependencies import LEARNED_FROM, Dependency, again, dependencies, has_groups, surprise
from modelwright.cleaning.tables.typos import NUMBERS, Channel, Edit, Near, edits, junk, learn, near

if TYPE_CHECKING:
    import numpy as np

LOOKS, ROUNDS = 3, 4
LEAST_CELLS = 10
JUNK_AT_FIRST = 0.1
WRONG_AT_FIRST, LEAST_WRONG, MOST_WRONG = 0.01, 0.001, 0.3
TYPED_AT_FIRST = 0.7
UNDERSTATED = 1.0  # nats by which the odds that a cell is wrong were too low in 24 tables damaged on purpose
LEAST_ODDS = 1.0  # in nats, for v against o by the row alone: below, no error could make up for it
BLOCK = 500_000  # rows looked at in one go
MOST_DOUBTS = 200_000  # pairs of cell and text in one column; with more the column is no place to repair
DETERMINED = 0.8  # of what there is to say of a column
AGREED = 0.9
STRANGE = 0.05  # of one row in n: how likely a new text is that is near no frequent one


@dataclass(frozen=True, eq=False)
class Doubts:
    """What may be wrong in one column, of which `share` of the rows were looked at.

    Arrays of the same length, one entry for each cell and each text that may have been meant: `own` and `meant` are
    codes (`own` -1: the cell is missing); `odds` (nats) is what the row says of `meant` against `own`; `kind` numbers
    the distinct pairs (own, meant), with their `edits` and chance by an untaught channel.
    """

    column: Coded
    share: float
    deps: Sequence[Evidence]
    rows: np.ndarray
    own: np.ndarray
    meant: np.ndarray
    odds: np.ndarray
    base: np.ndarray
    kind: np.ndarray
    edits: list[tuple[Edit, ...]]
    texts: list[str]
    said: Said
    against: Said


def doubts(context: Context, close: Near, sound: np.ndarray, looked: np.ndarray) -> Doubts | None:
    """What may be wrong in these rows of a column, by the rest of the rows and by its spelling; None for nothing."""
    import numpy as np

    column = context.column
    own_base = _own_base(column, close, sound)
    blocks = []
    for start in range(0, len(looked), BLOCK):
        block = looked[start : start + BLOCK]
        rows, meant = _pairs(column, context.deps, close, block)
        kept = _doubtful(context, rows, meant, own_base)
        blocks.append((rows[kept], meant[kept]))
    rows, meant = (np.concatenate([block[place] for block in blocks]) for place in (0, 1))
    if not len(rows) or len(rows) > MOST_DOUBTS:
        return None
    said, against = _said(context, rows, meant, own_base)
    own = column.codes[rows].astype(np.int64)
    distinct, kind = np.unique(own * len(column.values) + meant, return_inverse=True)
    pairs = [divmod(int(one), len(column.values)) for one in distinct]
    found = [edits(column.values[seen], column.values[one]) if seen >= 0 else () for seen, one in pairs]
    base = np.where(own >= 0, own_base[own], 0.0)
    return Doubts(
        column, len(looked) / column.n_rows, context.deps, rows, own, meant, said.log - against.log, base, kind, found,
        [column.values[one] for _, one in pairs], said, against,
    )  # fmt: skip


def _doubtful(context: Context, rows: np.ndarray, meant: np.ndarray, own_base: np.ndarray) -> np.ndarray:
    """Which pairs of cell and text are worth a judgement: the row speaks for the text, enough to make up for an
    error."""
    import numpy as np

    column = context.column
    if not len(rows):
        return np.zeros(0, bool)
    said, against = _said(context, rows, meant, own_base)
    likely = (said.log - against.log > LEAST_ODDS) | (column.codes[rows] < 0)
    backed = ~_needs_more(column)[column.codes[rows]] | _backed(column, context.deps, rows, meant)
    return np.asarray(likely & backed)


def _backed(column: Coded, deps: Sequence[Evidence], rows: np.ndarray, meant: np.ndarray) -> np.ndarray:
    """Whether a text is what another column determines here: one that says nearly all there is to say of this column,
    and of whose group nearly all rows, and at least two, agree."""
    import numpy as np

    backed = np.zeros(len(rows), bool)
    for dep in deps:
        if dep.gain >= DETERMINED * surprise(column):
            n_for, n_all = dep.count(rows, meant, column.codes[rows])
            backed |= (n_all >= 2) & (n_for >= AGREED * n_all)
    return backed


def _needs_more(column: Coded) -> np.ndarray:
    """Texts that are called wrong, and with them (at the end, for code -1) missing cells that are filled, only in a
    column that others determine: a number is near others by nature, and what is likely for a missing cell is no
    repair."""
    import numpy as np

    return np.append(column.plain if column.numeric >= NUMBERS else np.zeros(len(column.values), bool), True)


def _pairs(column: Coded, deps: Sequence[Evidence], close: Near, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a block and the texts that may have been meant there, each pair once."""
    import numpy as np

    own = column.codes.astype(np.int64)
    keys = [np.zeros(0, np.int64)]
    for dep in deps:
        for rival in dep.rivals(own, block):
            some = rival >= 0
            keys.append(block[some] * len(column.values) + rival[some])
    order = np.argsort(own[block], kind="stable") if close.of else block[:0]
    ranked = own[block][order]
    for rare, frequent in close.of.items():
        places = block[order[np.searchsorted(ranked, rare) : np.searchsorted(ranked, rare, side="right")]]
        keys += [places * len(column.values) + one for one in frequent]
    both = distinct(np.concatenate(keys))
    return both // len(column.values), both % len(column.values)


def _own_base(column: Coded, close: Near, sound: np.ndarray) -> np.ndarray:
    """b of each text as the text of one more row: how often it occurs elsewhere, or how likely so new a one is."""
    import numpy as np

    n_present = max(1, column.n_present)
    base = np.asarray((column.counts - 1) * sound / n_present, np.float64)
    plain = Channel()
    floor = STRANGE / n_present
    once = (float(sound[column.counts == 1].sum()) + 0.5) / (n_present + 1)  # mistakes are no sign of new texts
    for rare in range(len(column.values)):
        if base[rare] > 0 and rare not in close.of:
            continue
        text = column.values[rare]
        nearest = max(
            (plain.chance(edits(text, column.values[one]), column.values[one]) for one in close.of.get(rare, ())),
            default=0.0,
        )
        base[rare] += once * close.chance_of(text) * nearest if nearest else floor
    return np.maximum(base, 1e-12)


def _said(context: Context, rows: np.ndarray, meant: np.ndarray, own_base: np.ndarray) -> tuple[Said, Said]:
    """What the rows say of the texts, and of what is written there; of a missing cell: of any other text."""
    import numpy as np

    own = context.column.codes[rows].astype(np.int64)
    other = 1 - np.minimum(context.column.base[meant], 0.999)
    base = np.where(own >= 0, own_base[np.maximum(own, 0)], other)
    said = context.say(rows, meant, context.column.base[meant])
    return said, context.say(rows, own, base, trusted=False)


@dataclass(frozen=True, eq=False)
class Verdict:
    """The likeliest text for each doubtful cell of a column: `entry` are places in the doubts, `chance` (0..1) that it
    is the right one, `wrong` (0..1) that the cell is wrong at all."""

    doubts: Doubts
    entry: np.ndarray
    chance: np.ndarray
    wrong: np.ndarray


@dataclass(frozen=True)
class Habits:
    """What is known of a table's errors: the channel of mistakes, the share of wrong cells of each column, the share of
    mistakes in typing among them, and the share of mistakes among rare texts near frequent ones."""

    channel: Channel = field(default_factory=Channel)
    wrong: Mapping[str, float] = field(default_factory=dict)
    typed: float = TYPED_AT_FIRST
    junk: float = JUNK_AT_FIRST


def examine(columns: Sequence[Coded]) -> tuple[list[Verdict], Habits]:
    """All doubtful cells of a table, judged; three times, for each look knows the table's habits better.

    Of a long table the first looks are at 20,000 rows, evenly spread; the last is at all."""

    import numpy as np

    looked = [column for column in columns if column.changeable and column.n_present >= LEAST_CELLS]
    if not looked:
        return [], Habits()
    close = {column.name: near(column) for column in looked}
    contexts: dict[str, Context] = {}
    habits, verdicts = Habits(), list[Verdict]()
    every = np.arange(looked[0].n_rows)
    some = every[np.linspace(0, len(every) - 1, min(LEARNED_FROM, len(every))).astype(np.int64)]
    for look in range(LOOKS):
        found, n_near, n_junk = [], 1.0, JUNK_AT_FIRST
        for column in looked:
            mistaken = junk(
                column, close[column.name], habits.channel, habits.wrong.get(column.name, WRONG_AT_FIRST), habits.junk
            )
            n_near, n_junk = n_near + len(close[column.name].of), n_junk + float(mistaken.sum())
            context = contexts[column.name] = _context(column, columns, contexts.get(column.name), 1 - mistaken)
            one = doubts(context, close[column.name], 1 - mistaken, every if look == LOOKS - 1 else some)
            if one is not None:
                found.append(one)
        verdicts, habits = judge(found, replace(habits, junk=min(0.9, max(0.02, n_junk / n_near))))
    return verdicts, habits


def _context(column: Coded, columns: Sequence[Coded], known: Context | None, sound: np.ndarray) -> Context:
    """The evidence about a column, weighed; of the last look, where that did not change by what is now known."""
    if known is None:
        return context_of(column, evidence(column, columns, sound), sound)
    refitted = [again(dep, column, sound) if isinstance(dep, Dependency) else dep for dep in known.deps]
    deps = [dep for dep in refitted if dep is not None]
    if [dep.mixed for dep in deps] == [dep.mixed for dep in known.deps]:
        return Context(column, deps, known.weights, sound)
    return context_of(column, deps, sound)


def evidence(column: Coded, columns: Sequence[Coded], sound: np.ndarray) -> list[Evidence]:
    """All that the other columns say of one."""
    found: list[Evidence] = list(dependencies(column, columns, sound)) if has_groups(column) else []
    whole = composed(column, columns)
    return [*found, whole] if whole is not None else found


def judge(found: Sequence[Doubts], habits: Habits) -> tuple[list[Verdict], Habits]:
    """Weigh all doubts of a table together; the channel and the rates of error are learned on the way."""

    channel, typed = habits.channel, habits.typed
    wrong = {one.column.name: habits.wrong.get(one.column.name, WRONG_AT_FIRST) for one in found}
    shares: list[np.ndarray] = []
    for _ in range(ROUNDS):
        shares = [_shares(one, channel, wrong[one.column.name], typed) for one in found]
        pairs, n_typed, n_wrong = [], 0.0, 0.0
        for one, share in zip(found, shares, strict=True):
            weights, by_typing = _told_of(one, share)
            pairs += [(edit, weight) for edit, weight in zip(one.edits, weights, strict=True) if edit and weight > 0.01]
            n_typed, n_wrong = n_typed + by_typing, n_wrong + float(weights.sum())
            n_cells = max(1.0, one.share * one.column.n_present)
            rate = (float(weights.sum()) + 20 * WRONG_AT_FIRST) / (n_cells + 20)
            wrong[one.column.name] = min(MOST_WRONG, max(LEAST_WRONG, rate))
        channel = learn(pairs)
        typed = (n_typed + 10 * TYPED_AT_FIRST) / (n_wrong + 10)
    last = [_shares(one, channel, wrong[one.column.name], typed, UNDERSTATED) for one in found]
    verdicts = [_verdict(one, share) for one, share in zip(found, last, strict=True)]
    return verdicts, Habits(channel, wrong, typed, habits.junk)


def _shares(one: Doubts, channel: Channel, wrong: float, typed: float, more: float = 0.0) -> np.ndarray:
    """The chance of each entry that its text was meant, among all of its cell and what is written there. `more` (nats)
    is added to the odds that the cell is wrong at all."""
    import numpy as np

    chance = np.array(
        [channel.chance(edit, text) if edit else 0.0 for edit, text in zip(one.edits, one.texts, strict=True)]
    )
    written = typed * chance[one.kind] + (1 - typed) * one.base
    missing = one.own < 0
    with np.errstate(divide="ignore"):
        score = np.where(missing, one.odds, one.odds + np.log(wrong * written) - np.log1p(-wrong) + more)
    first = np.flatnonzero(np.r_[True, one.rows[1:] != one.rows[:-1]])
    cell = np.cumsum(np.r_[True, one.rows[1:] != one.rows[:-1]]) - 1
    top = np.maximum(np.maximum.reduceat(score, first), 0.0)[cell]
    share = np.exp(score - top)
    total = np.add.reduceat(share, first)[cell] + np.exp(-top)
    found: np.ndarray = share / total
    return found


def _told_of(one: Doubts, share: np.ndarray) -> tuple[np.ndarray, float]:
    """How many wrong cells each kind of pair explains, and how many of all were typing errors; no missing ones."""
    import numpy as np

    weights = np.bincount(one.kind, np.where(one.own >= 0, share, 0.0), minlength=len(one.edits))
    is_typed = np.array([bool(edit) for edit in one.edits])
    return weights, float(weights[is_typed].sum())


def _verdict(one: Doubts, share: np.ndarray) -> Verdict:
    import numpy as np

    order = np.lexsort((one.meant, -share, one.rows))
    first = order[np.r_[True, one.rows[order][1:] != one.rows[order][:-1]]]
    n_all = np.bincount(one.rows, share, minlength=one.column.n_rows)
    entry = np.sort(first)
    return Verdict(one, entry, share[entry], n_all[one.rows[entry]])
