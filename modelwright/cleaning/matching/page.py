"""The page of a matching: pairs side by side, the doubtful ones first, so that a person can decide.

One self-contained page, at most a few hundred pairs, no script. Every value is escaped.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.matching.base import Matches

MOST_PAIRS, MOST_LETTERS, MOST_COLUMNS = 300, 200, 12
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1d2329;background:#fff}
h1{font-size:1.5rem;margin:0}p{margin:.4rem 0}.dim{color:#5d6872}
article{border:1px solid #d5dbe0;border-radius:8px;margin:1rem 0;padding:.6rem .9rem}
article.same{border-left:5px solid #2b7a4b}article.not{border-left:5px solid #a8b2ba}
table{width:100%;border-collapse:collapse;table-layout:fixed}th{width:16%;text-align:left;font-weight:600;color:#5d6872}
td,th{vertical-align:top;padding:.15rem .5rem .15rem 0;overflow-wrap:anywhere}mark{background:#ffe9a8;color:inherit}
.for::after{content:" \\2713";color:#2b7a4b}.against::after{content:" \\2717";color:#b3261e}
@media(prefers-color-scheme:dark){body{background:#14181b;color:#e4e8eb}article{border-color:#39434b}mark{background:#5a4a10}
.dim,th{color:#9aa6af}}
"""
_PAGE = """{% macro said(pieces) %}
{% for odd, text in pieces %}{% if odd %}<mark>{{ text }}</mark>{% else %}{{ text }}{% endif %}{% endfor %}
{% endmacro -%}
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{{ style_hash }}'">
<title>{{ title }}</title><style>{{ style }}</style></head><body>
<h1>{{ title }}</h1>
<p>{{ n_same }} of {{ n_pairs }} pairs are taken as the same, from a confidence of {{ threshold }}.</p>
{% for told in decisions %}<p class="dim">{{ told }}</p>
{% endfor %}
<p class="dim">Doubtful pairs come first{% if n_more %}; {{ n_more }} more are in the table{% endif %}.</p>
{% for pair in pairs %}<article class="{{ 'same' if pair.same else 'not' }}">
<p><b>{{ pair.confidence }}</b> {{ "the same" if pair.same else "not the same" }}
<span class="dim">row {{ pair.left }} and row {{ pair.right }}</span></p>
<table>{% for cell in pair.cells %}<tr><th class="{{ cell.speaks }}">{{ cell.name }}</th>
<td>{{ said(cell.left) }}</td>
<td>{{ said(cell.right) }}</td></tr>
{% endfor %}</table></article>
{% endfor %}</body></html>
"""


def matches_page(matches: Matches, left: Dataset, right: Dataset, columns: dict[str, str], *, title: str) -> str:
    """Write the page: the pairs whose confidence is nearest to the threshold first.

    >>> import polars as pl
    >>> from modelwright.cleaning.matching import match
    >>> left = Dataset.from_frame(pl.DataFrame({"name": ["<b>Sony</b> PS-LX350H", "Bose 161"]}))
    >>> right = Dataset.from_frame(pl.DataFrame({"name": ["bose 161", "sony pslx350h"]}))
    >>> page = matches_page(match(left, right), left, right, {"name": "name"}, title="two <shops>")
    >>> "<b>Sony" in page, "two &lt;shops&gt;" in page
    (False, True)
    """
    import base64
    import hashlib

    import polars as pl
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    pairs = matches.pairs
    order = (pl.col("confidence") - matches.threshold).abs()
    shown = pairs.sort(order, maintain_order=True).head(MOST_PAIRS)
    cells = [_cells(data, shown[side], names) for side, data, names in (
        ("left", left, list(columns)), ("right", right, list(columns.values())))]  # fmt: skip
    told = [_pair(row, cells, columns) for row in shown.iter_rows(named=True)]
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    page: str = environment.from_string(_PAGE).render(
        title=title, style=Markup(_STYLE), pairs=told, n_pairs=f"{pairs.height:,}",
        style_hash=base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode(),
        n_same=f"{int(pairs['same'].sum()):,}", threshold=f"{matches.threshold:.2f}",
        decisions=[f"{one.about}: {one.choice}, for {one.reason}" for one in matches.decisions],
        n_more=f"{pairs.height - shown.height:,}" if pairs.height > shown.height else "",
    )  # fmt: skip
    return page


def _cells(data: Dataset, rows: pl.Series, names: list[str]) -> dict[int, dict[str, Any]]:
    import polars as pl

    wanted = data.frame.filter(pl.col(ROW_ID).is_in(rows.unique().implode()))
    kept = [name for name in dict.fromkeys(names) if not data.frame[name].dtype.is_nested()]
    texts = wanted.select(ROW_ID, *[pl.col(name).cast(pl.String).fill_null("") for name in kept])
    return {row[ROW_ID]: row for row in texts.iter_rows(named=True)}


def _pair(row: dict[str, Any], cells: list[dict[int, dict[str, Any]]], columns: dict[str, str]) -> dict[str, Any]:
    speaks = dict.fromkeys(row["speaks_for"].split(", "), "for")
    speaks |= dict.fromkeys(row["speaks_against"].split(", "), "against")
    told = []
    for mine, theirs in list(columns.items())[:MOST_COLUMNS]:
        a, b = (side[row[key]].get(name, "")[:MOST_LETTERS] for side, key, name in (
            (cells[0], "left", mine), (cells[1], "right", theirs)))  # fmt: skip
        one, other = _marked(a, b)
        name = mine if mine == theirs else f"{mine} / {theirs}"
        told.append({"name": name, "speaks": speaks.get(mine, ""), "left": one, "right": other})
    return {
        "left": row["left"], "right": row["right"], "same": row["same"], "confidence": f"{row['confidence']:.2f}",
        "cells": told,
    }  # fmt: skip


def _marked(a: str, b: str) -> tuple[list[tuple[bool, str]], list[tuple[bool, str]]]:
    """Both texts in pieces; those that the other has not are marked."""
    steps = SequenceMatcher(None, a.lower(), b.lower(), autojunk=False).get_opcodes() if a and b else []
    if not steps or len(a.lower()) != len(a) or len(b.lower()) != len(b):
        return [(False, a)], [(False, b)]
    one = [(kind != "equal", a[start:end]) for kind, start, end, _, _ in steps if end > start]
    return one, [(kind != "equal", b[start:end]) for kind, _, _, start, end in steps if end > start]
