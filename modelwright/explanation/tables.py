"""An explanation for machines: a long table, and plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.explanation.words import cell_text

if TYPE_CHECKING:
    import polars as pl

    from modelwright.explanation.base import Explanation


def long_table(found: Explanation) -> pl.DataFrame:
    """One line for each row and column: `row`, `says`, `class` (what is explained), `answer`, `base`, `column`, `cell`,
    `shapley_value`, `standard_error`. Of each row the values sum to `answer` less `base`.

    >>> from modelwright.testing.explanation import tiny_explanation
    >>> long_table(tiny_explanation()).shape
    (16, 9)
    """
    import numpy as np
    import polars as pl

    n, m = found.values.shape
    cells = [cell_text(found.cells[name][row]) for row in range(n) for name in found.columns]
    return pl.DataFrame({
        "row": np.repeat(np.arange(n), m), "says": [said_text(one) for one in found.said for _ in range(m)],
        "class": [one for one in found.classes for _ in range(m)], "answer": np.repeat(found.answers, m),
        "base": np.repeat(found.base, m), "column": list(found.columns) * n, "cell": cells,
        "shapley_value": found.values.reshape(-1), "standard_error": found.errors.reshape(-1),
    })  # fmt: skip


def said_text(said: Any) -> str:
    """What a package says, as text: of labels a list, of a forecast its first values."""
    from modelwright.told import figure

    if isinstance(said, str):
        return said
    if type(said).__name__.startswith("bool"):
        return "yes" if said else "no"
    if isinstance(said, list):
        return ", ".join(map(str, said)) or "(none)"
    return figure(float(said)) if not getattr(said, "ndim", 0) else ", ".join(figure(float(one)) for one in said[:3])


def plain(found: Explanation) -> dict[str, Any]:
    """Everything as JSON-able data.

    >>> from modelwright.testing.explanation import tiny_explanation
    >>> sorted(plain(tiny_explanation()))[:4]
    ['about', 'background', 'columns', 'curves']
    """
    rows = [
        {
            "row": row, "says": said_text(found.said[row]), "class": found.classes[row], "base": float(found.base[row]),
            "answer": float(found.answers[row]),
            "values": {
                name: {"cell": cell_text(found.cells[name][row]), "value": float(found.values[row, place]),
                       "standard_error": float(found.errors[row, place])}
                for place, name in enumerate(found.columns)
            },
            "hint": _hint(found, row),
        }
        for row in range(found.n_rows)
    ]  # fmt: skip
    return {
        "about": {"package": found.name, "target": found.target, "task": found.task, "scale": found.scale},
        "background": {"rows": found.background, "n_rows": found.n_background},
        "exact": found.exact, "n_asked": found.n_asked, "rows": rows,
        "columns": [
            {"column": one.column, "mean_size": one.mean_size, "shuffled": one.shuffled,
             "shuffled_standard_error": one.shuffled_error} for one in found.weights
        ],
        "shuffled_measure": found.measured, "n_measured": found.n_measured,
        "curves": [
            {"column": one.column, "kind": one.kind, "values": list(one.labels), "mean_answer": one.mean.tolist(),
             "class": found.curve_class} for one in found.curves
        ],
        "together": [{"columns": list(one.columns), "share": one.share, "size": one.size} for one in found.together],
    }  # fmt: skip


def _hint(found: Explanation, row: int) -> dict[str, Any] | None:
    hint = found.hints[row]
    if hint is None:
        return None
    return {
        "says": hint.said,
        "changes": {name: [cell_text(before), cell_text(after)] for name, before, after in hint.changes},
    }
