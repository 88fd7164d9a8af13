"""The table of the smaller and faster forms of a model that were measured, as the report shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.evaluation import text

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FORMS = 40


def forms(told: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of the table, the chosen form in bold; none where nothing was measured.

    >>> forms({})["rows"]
    []
    """
    rows = [_row(row) for row in told.get("table", ())[:MAX_FORMS]]
    lead = (
        "Each was measured on training rows and on the machine that packed the model, by processor time; the bold one "
        f"is packed. {text.short(str(told.get('told', '')), 300)}."
    )
    return {"rows": rows, "lead": lead}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    state, cells = row.get("state"), [""] * 8
    if "bytes" in row:
        cells = [
            f"{row['bytes'] / 1000:,.0f}", _number(row["size"], ".1f"), _number(row["microseconds"], ",.0f"),
            _number(row["speed"], ".2f"), _number(row["score"], ".4f"), _change(row), _change(row, "calibration", 1.0),
            _number(row["difference"], ".2g"),
        ]  # fmt: skip
    why = "chosen" if state == "chosen" else "as it was trained" if state == "original" else str(row.get("why", ""))
    name = text.short(str(row.get("name", "")), 60)
    return {"name": name, "is_chosen": state == "chosen", "cells": cells, "why": text.short(why, 160)}


def _number(value: Any, form: str) -> str:
    return "" if value is None else format(float(value), form)


def _change(row: Mapping[str, Any], name: str = "loss", sign: float = -1.0) -> str:
    return "" if row[name] is None else f"{sign * row[name] + 0.0:+.4f}"
