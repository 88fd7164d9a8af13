"""The page and the card: bounded, escaped, the same bytes twice; pictures that hold for any numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.data import Decision
from modelwright.core.errors import UserError
from modelwright.drawing import axis
from modelwright.evaluation import EvaluateSpec, evaluate, headline, model_card, report_page, summary_table
from modelwright.evaluation.pictures import histogram_picture, range_picture, scatter_picture
from modelwright.evaluation.text import cautions, figure, percent, verdict
from modelwright.testing.evaluation import as_dataset, linear_trained, straight_line

HOSTILE = "<script>alert(1)</script>"
SPEC = EvaluateSpec(n_bootstrap=60)


def hostile(n_rows: int = 120, n_columns: int = 3, n_classes: int = 2) -> tuple[Any, Any]:
    """A model and rows whose every name and level tries to leave its place."""
    rng = np.random.default_rng(0)
    columns = [f'{HOSTILE}"{k}|`*' for k in range(n_columns)]
    classes = tuple(f"{HOSTILE}'{k}\n# x" for k in range(n_classes))
    weights = rng.normal(size=(1 if n_classes == 2 else n_classes, n_columns))
    frame = pl.DataFrame(rng.normal(size=(n_rows, n_columns)), schema=columns, orient="row").with_columns(
        pl.Series(f"target {HOSTILE}", [classes[k % n_classes] for k in range(n_rows)]),
        pl.Series(f"group {HOSTILE}", [f"</svg>{HOSTILE}{k % 3}" for k in range(n_rows)]),
    )
    line = {"name": HOSTILE, "model": "x", "settings": {HOSTILE: HOSTILE}, "metric": "roc_auc", "score": 0.5}
    trained = linear_trained(
        columns,
        weights,
        np.zeros(len(weights)),
        target=f"target {HOSTILE}",
        classes=classes,
        leaderboard=[{**line, "weight": 1.0}],
    )
    return trained, as_dataset(frame, f"target {HOSTILE}")


def page_of(trained: Any, data: Any, **more: Any) -> str:
    return report_page(evaluate(trained, data, SPEC), title=HOSTILE, trained=trained, **more)


EXTRAS: dict[str, Any] = {
    "cleaning": [
        {"step": HOSTILE, "column": HOSTILE, "n": 3, "reason": HOSTILE, "examples": [(HOSTILE, None)]},
        {"column": "c", "step": "blanks", "n_changed": 12_000, "example": "' a b' -> 'a b'", "unknown key": HOSTILE},
    ],
    "decisions": [Decision("cleaning", HOSTILE, HOSTILE, HOSTILE)],
    "data_facts": {HOSTILE: HOSTILE, "rows": 12345, "sources": [HOSTILE]},
    "run_facts": {"seed": 20240, HOSTILE: HOSTILE},
}


class Strict(HTMLParser):
    """Collects tags, and fails when one is closed that was not opened."""

    VOID = ("meta", "br", "hr", "link", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def parsed(page: str) -> Strict:
    parser = Strict()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.mark.parametrize("n_classes", [2, 4])
def test_hostile_names_stay_text(n_classes: int) -> None:
    trained, data = hostile(n_classes=n_classes)
    page = page_of(trained, data, curl=f"curl {HOSTILE}", **EXTRAS)
    tags = parsed(page).seen
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not {"script", "iframe", "object", "link", "img"} & {tag for tag, _ in tags}
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    for told in ("12,345", "12,000", "20240", "(missing)", "unknown key", "<code>&#39;a b&#39;</code>"):
        assert told in page, told


def test_nothing_is_fetched() -> None:
    page = page_of(*hostile(), **EXTRAS)
    assert not re.search(r"(src|href|action|data)\s*=\s*[\"']?(?!#)[^#\s]*//", page)
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_same_values_give_the_same_bytes() -> None:
    trained, data = hostile()
    assert page_of(trained, data, **EXTRAS) == page_of(trained, data, **EXTRAS)


def test_the_page_stays_small_whatever_the_data() -> None:
    trained, data = hostile(n_rows=3000, n_columns=60, n_classes=40)
    decisions = [Decision("cleaning", f"column {k}", "x" * 9000, "y" * 9000) for k in range(5000)]
    cleaning = [{"step": "s" * 9000, "n": 1, "examples": [("a" * 9000, "b" * 9000)] * 99}] * 5000
    facts = {f"fact {k}": "z" * 9000 for k in range(5000)}
    report = evaluate(trained, data, EvaluateSpec(n_bootstrap=50, slices=data.schema.features[:6]))
    more = {"decisions": decisions, "cleaning": cleaning, "data_facts": facts, "run_facts": facts}
    page = report_page(report, title="x" * 9999, trained=trained, **more)
    assert len(page.encode()) < 600_000
    assert "more decisions" in page
    assert len(model_card(report, title="x" * 9999, trained=trained, **more).encode()) < 300_000


def test_the_page_says_what_it_must() -> None:
    trained, data = straight_line(n_rows=200)
    report = evaluate(trained, data, SPEC, baseline=np.array([1.0]))
    page = report_page(report, title="line", trained=trained, curl="curl -s http...")
    assert headline(report) in page
    assert "Always answering the mean" in page
    for part in ("Metrics", "Where it errs", "What matters", "Candidates", "Use it", "Residuals"):
        assert part in page
    assert figure(report["rmse"].value) in page


@pytest.mark.parametrize(
    ("low", "high", "word", "sentence"),
    [
        (0.1, 0.3, "better", "Better than the baseline"),
        (-0.1, 0.3, "unclear", "Not shown to be better"),
        (-0.3, -0.1, "worse", "Worse than the baseline"),
    ],
)
def test_a_model_is_called_better_only_when_it_is(low: float, high: float, word: str, sentence: str) -> None:
    trained, data = straight_line(n_rows=200)
    report = evaluate(trained, data, SPEC)
    gain = {"metric": "rmse", "value": (low + high) / 2, "low": low, "high": high}
    told = replace(report, curves={**report.curves, "gain": gain})
    assert verdict(told)[0] == word
    assert sentence in report_page(told, title="x")
    assert any(sentence in line for line in cautions(told)) == (word != "better")


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_few_rows_have_a_page_too(n_rows: int) -> None:
    for trained, data in (straight_line(n_rows=n_rows), hostile(n_rows=n_rows), hostile(n_rows, n_classes=3)):
        page = page_of(trained, data)
        parsed(page)
        assert "nan" not in re.sub(r"<style>.*</style>", "", page, flags=re.S)
        assert "held out" in page


def test_a_page_that_would_be_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwright.evaluation.report.MAX_BYTES", 1000)
    with pytest.raises(UserError) as caught:
        page_of(*straight_line(n_rows=20))
    assert caught.value.code == "report.size"


def test_the_card_has_the_sections_of_a_model_card() -> None:
    trained, data = hostile()
    card = model_card(evaluate(trained, data, SPEC), title="t", trained=trained, **EXTRAS)
    sections = re.findall(r"^## (.*)$", card, flags=re.M)
    assert sections == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
        "Decisions",
        "How to reproduce",
    ]
    assert "Primary use: Not known." in card
    assert "<script" not in card.replace(r"\<", "")
    told = model_card(evaluate(trained, data, SPEC), title="t", intended_use="triage at night")
    assert "Primary use: triage at night" in told


def test_card_tables_keep_their_columns() -> None:
    trained, data = hostile(n_rows=300)
    card = model_card(evaluate(trained, data, SPEC), title="t", trained=trained)
    widths: dict[str, set[int]] = {}
    head = ""
    for line in card.splitlines():
        if line.startswith("|"):
            head = head or line
            widths.setdefault(head, set()).add(len(re.findall(r"(?<!\\)\|", line)))
        else:
            head = ""
    assert len(widths) == 2
    assert all(len(found) == 1 for found in widths.values()), widths


def test_summary_table_puts_the_primary_metric_first() -> None:
    trained, data = straight_line(n_rows=80)
    rows = summary_table(evaluate(trained, data, SPEC))
    assert rows[0][0] == "RMSE"
    assert all(len(row) == 4 for row in rows)


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64, min_value=-1e12, max_value=1e12)


@settings(max_examples=80, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=30))
def test_an_axis_holds_its_values_and_has_few_ticks(values: list[float]) -> None:
    found = axis(values, "x")
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert found.low <= min(values) + slack
    assert max(values) <= found.high + slack
    assert 2 <= len(found.ticks) <= 9
    assert all(0 <= found.place(value, 0, 100) <= 100 for value in values)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40))
def test_pictures_are_well_formed_for_any_numbers(pairs: list[tuple[float, float]]) -> None:
    actual, predicted = [a for a, _ in pairs], [p for _, p in pairs]
    low, high = min(actual), max(actual)
    drawn = [
        scatter_picture(actual, predicted),
        histogram_picture([low, low + 1, low + 2], [0, len(pairs)], 'a "name" <b>&'),
        range_picture(actual[0], low, high, predicted[0], (low, high)),
    ]
    for picture in drawn:
        ElementTree.fromstring(picture)
        assert not re.search(r"\b(nan|inf)\b", picture)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_figures_are_short(value: float) -> None:
    assert len(figure(value)) <= 17
    assert figure(value).strip("-0.") or not figure(value).startswith("-"), "nothing is not negative"


@given(st.floats(0, 1))
def test_percents_are_short_and_round_to_all_or_nothing_only_when_true(share: float) -> None:
    told = percent(share)
    assert len(told) <= 7
    assert (told == "0%") == (share == 0.0)
