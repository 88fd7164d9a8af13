"""Does the first row name the columns? Each column votes with its evidence, in nats.

If the first row were a row like the others, its cells would be like the others. A word above numbers is
unlikely then; so is a value never seen again in a column whose values all repeat (its chance is the share of
values seen once: Good, 1953, "The population frequencies of species and the estimation of population
parameters"). A number above numbers, or a value that the column holds again, would be unlikely as a name.
"""

from __future__ import annotations

import math
from collections import Counter

from modelwright.collection.dialect import is_number

PRIOR = 0.5  # in nats: most tables name their columns
NAME_LIKE_DATA = 0.02  # chance that a column's name is a number, or is one of its values
MOST = 4.0  # one column alone never settles it
LONGEST_NAME, MOST_BLANKS = 60, 6  # survey questions as names are longer, but stand above numbers
MISSING = frozenset({"?", "na", "n/a", "nan", "null", "none", "-", "--", ".", "unknown"})


def find_header(rows: list[list[str]]) -> tuple[bool, str]:
    """Whether the first of some rows is a header, and why.

    >>> find_header([["age", "city"], ["31", "Oslo"], ["45", "Oslo"]])
    (True, "'age' stands above numbers")
    >>> find_header([["31", "Oslo"], ["45", "Oslo"], ["27", "Bergen"]])[0]
    False
    """
    first, body = rows[0], [row for row in rows[1:] if row != rows[0]]
    named = [cell.strip() for cell in first]
    if not any(named):
        return False, "the first row is blank"
    if not body:
        words = not any(is_number(cell) or cell.casefold() in MISSING for cell in named)
        distinct = len(set(named)) == len(named)
        return words and distinct, "there is one row only" + (", of distinct words" if words else "")
    votes = []
    for index, cell in enumerate(named):
        values = [row[index].strip() for row in body if index < len(row)]
        votes.append(_vote(cell, [value for value in values if value]))
    total = PRIOR + sum(vote for vote, _ in votes)
    for_it = total > 0
    strongest = max(votes, key=lambda vote: vote[0] if for_it else -vote[0])
    reason = strongest[1] if strongest[1] else "nothing speaks against it" if for_it else "nothing names a column"
    return for_it, reason


def _vote(cell: str, values: list[str]) -> tuple[float, str]:
    """Log-likelihood ratio of "this cell is a name" to "this cell is a value", and the reason."""
    if not values or not cell:
        return 0.0, ""
    n, counts = len(values), Counter(values)
    words = [value for value in counts if not is_number(value)]
    share_numbers = 1 - sum(counts[value] for value in words) / n
    if is_number(cell) and share_numbers > 0.5:
        return max(-MOST, math.log(NAME_LIKE_DATA / share_numbers)), f"{cell!r} stands above numbers like it"
    if cell.casefold() in MISSING:
        return -2.0, f"{cell!r} is no name"
    told = cell if len(cell) <= 40 else f"{cell[:40]}..."
    if len(cell) > LONGEST_NAME or cell.count(" ") > MOST_BLANKS:
        return -MOST / 2, f"{told!r} is longer than names are"
    if cell in counts:
        return -MOST, f"{told!r} is a value of its column"
    n_once = sum(counts[value] == 1 for value in words)
    chance = min(1.0, (n_once + 0.5) / (n + 0.5)) if n_once else 0.5 / (n + 0.5)
    if share_numbers > 0.5:
        return min(MOST, -math.log(chance)), f"{told!r} stands above numbers"
    return min(MOST, -math.log(chance)), f"{told!r} is unlike the {len(counts)} values below it"


def tidy_names(names: list[str]) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Distinct, non-empty names without blanks at their ends, and each change as (before, after, why).

    >>> tidy_names(["a", " a ", "", "__row__"])
    (['a', 'a_2', 'column_3', 'column_4'], [(' a ', 'a_2', 'named twice'), ('', 'column_3', 'no name'),
    ('__row__', 'column_4', 'a reserved name')])
    >>> tidy_names(["*", "^a$"])[0]
    ['column *', 'column ^a$']
    """
    from modelwright.core.data import ROW_ID

    made: list[str] = []
    changes = []
    taken = {name.strip() for name in names}
    used: set[str] = set()
    for position, name in enumerate(names, start=1):
        plain, why = name.strip(), "blanks around the name"
        if plain == "*" or (plain.startswith("^") and plain.endswith("$")):
            plain, why = f"column {plain}", "a name that tables take for a pattern"
        if not plain or plain == ROW_ID:
            plain, why = f"column_{position}", "a reserved name" if plain else "no name"
            while plain in taken or plain in used:
                plain += "_"
        elif plain in used:
            stem, number, why = plain, 2, "named twice"
            while (plain := f"{stem}_{number}") in taken or plain in used:
                number += 1
        if plain != name:
            changes.append((name, plain, why))
        used.add(plain)
        made.append(plain)
    return made, changes


def numbered(n_columns: int) -> list[str]:
    """Names for a table without a header.

    >>> numbered(2)
    ['column_1', 'column_2']
    """
    return [f"column_{number}" for number in range(1, n_columns + 1)]
