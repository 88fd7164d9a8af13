"""The report: one self-contained HTML page, the same bytes for the same values.

The page asks nothing of a network and runs no script. Whatever the data, it stays under 3 MB: every list is
cut (and says so) and every text shortened. Names and levels come from the data, so all is escaped: by Jinja
in the page and by `pictures.py` in the pictures.

Reference: Mitchell et al. (2019), "Model cards for model reporting", for what a report owes its reader.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.evaluation import pictures, text
from modelwright.evaluation.figures import drawn, errors, figures, per_class, told_boxes
from modelwright.evaluation.forms import forms
from modelwright.evaluation.names import EVERY
from modelwright.evaluation.showcase import MAX_EXAMPLE_BYTES, confused, examples
from modelwright.evaluation.training_story import story
from modelwright.evaluation.tuning_story import tunings
from modelwright.evaluation.unlabelled_figures import details_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from modelwright.core.data import Decision
    from modelwright.core.values import Metric, Report, Trained

MAX_SLICES, MAX_IMPORTANT, MAX_DECISIONS, MAX_CLEANED, MAX_CANDIDATES, MAX_FACTS = 30, 20, 150, 60, 40, 60
N_OPEN_SLICES = 10
MAX_BYTES = 3_000_000


def report_page(
    report: Report,
    *,
    title: str,
    trained: Trained | None = None,
    cleaning: Sequence[Mapping[str, Any]] | None = None,
    decisions: Iterable[Decision] = (),
    data_facts: Mapping[str, Any] | None = None,
    run_facts: Mapping[str, Any] | None = None,
    curl: str = "",
) -> str:
    """Write the report as one HTML page (text, under 3 MB).

    `trained` adds target, classes and the leaderboard; `cleaning` is what cleaning's `summary` gives;
    `decisions` are those of the earlier stages (the report's own are added); `data_facts` and `run_facts`
    are shown as they are, name by name; `curl` is the line that asks the served model.

    Raises `report.size` if the page would pass 3 MB all the same. Cost: some 30 ms.

    >>> from modelwright.evaluation import evaluate
    >>> from modelwright.testing.evaluation import straight_line
    >>> trained, data = straight_line(n_rows=60)
    >>> page = report_page(evaluate(trained, data), title="line <1>", trained=trained)
    >>> page.startswith("<!doctype html>"), "line <1>" in page, "line &lt;1&gt;" in page
    (True, False, True)
    """
    budget = [MAX_EXAMPLE_BYTES]
    context = {
        "title": text.short(title, 80),
        "targets": [_target(one, trained, number, budget) for number, one in enumerate((report, *report.more))],
        "importance": _important(report),
        "training": _training(trained),
        "decisions": _decisions([*decisions, *report.decisions]),
        "cleaning": _cleaning(cleaning or ()),
        "candidates": _candidates(trained),
        "tunings": tunings(report.curves.get("tuning", ())),
        "forms": forms(report.curves.get("compression", {})),
        "data_facts": _facts(data_facts or {}),
        "run_facts": _run_facts(run_facts or {}),
        "curl": curl[:4000],
        "confidence": text.percent(float(report.curves.get("confidence", 0.95))),
    }
    page: str = _template().render(context)
    if len(page.encode()) > MAX_BYTES:
        raise UserError(
            "report.size",
            f"the report page has {len(page.encode()):,} bytes, more than {MAX_BYTES:,}.",
            hint="pass fewer facts; all else is bounded",
        )
    return page


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    loader = FileSystemLoader(folder)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html")


def _target(report: Report, trained: Trained | None, number: int, budget: list[int]) -> dict[str, Any]:
    """All that is told of one target; `number` makes the addresses on the page differ."""
    return {
        "at": "" if number == 0 else f"-{number + 1}",
        "head": _head(report, trained, number),
        "metrics": _metric_rows(report),
        "errors": errors(report),
        "figures": figures(report),
        "per_class": per_class(report),
        "told": told_boxes(report),
        "confused": confused(report, budget),
        "examples": examples(report, budget),
        "unlabelled": details_of(report),
        "sure": _sure(report),
        "slices": _slices(report),
    }


def _training(trained: Trained | None) -> dict[str, Any]:
    told = story(trained.history) if trained else {}
    return {**told, "figures": [{**one, "picture": drawn(one["picture"])} for one in told["figures"]]} if told else {}


def _head(report: Report, trained: Trained | None, number: int = 0) -> dict[str, Any]:
    task = (trained.task, *trained.signature.more_tasks)[number] if trained else None
    target = "" if report.task in text.UNLABELLED else text.short(task.target if task else report.target, 60)
    has_classes = report.task not in text.UNLABELLED
    primary, base = report[report.primary], text.find(report.baseline, report.primary)
    word, sentence = text.verdict(report)
    versus = ""
    if base is not None:
        versus = pictures.versus_picture(
            text.label(primary.name),
            (primary.value, primary.low, primary.high),
            (base.value, base.low, base.high),
            better=primary.better,
        )
    return {
        "target": target,
        "kind": text.KINDS.get(report.task, report.task),
        "base_name": text.short(str(report.curves.get("baseline_name", "the same answer always")), 60),
        "classes": [text.short(name, 30) for name in task.classes[:8]] if task and has_classes else [],
        "n_more_classes": max(0, len(task.classes) - 8) if task and has_classes else 0,
        "headline": text.headline(report),
        "verdict": sentence,
        "word": word,
        "versus": drawn(versus),
        "cautions": text.cautions(report),
        "tiles": _tiles(report, primary, base),
    }


def _tiles(report: Report, primary: Metric, base: Metric | None) -> list[dict[str, str]]:
    told = [
        {
            "name": text.label(primary.name),
            "value": text.metric_figure(primary),
            "note": text.metric_range(primary),
        },
        {
            "name": "Baseline",
            "value": text.figure(base.value, like=primary.value) if base else "–",
            "note": text.short(str(report.curves.get("baseline_name", "the same answer always")), 60),
        },
        {
            "name": f"Held-out {text.noun(report, 2)}",
            "value": f"{report.n_rows:,}",
            "note": "never seen in training",
        },
    ]
    second = next((m for m in report.metrics if m.name != report.primary), None)
    if second is not None:
        told.insert(
            1,
            {
                "name": text.label(second.name),
                "value": text.metric_figure(second),
                "note": text.metric_range(second),
            },
        )
    return told


def _metric_rows(report: Report) -> list[dict[str, Any]]:
    rows = []
    for metric in report.metrics:
        base = text.find(report.baseline, metric.name)
        known = EVERY.get(metric.name)
        values = [metric.low, metric.high, *([base.value] if base else [])]
        # A share is drawn on the whole span from 0 to 1, so that rows can be compared.
        whole = (0.0, 1.0) if text.is_share(metric.name) else (min(0.0, *values), max(0.0, *values))
        rows.append(
            {
                "label": text.label(metric.name),
                "meaning": known.meaning if known else "",
                "value": text.metric_figure(metric),
                "range": text.metric_range(metric),
                "baseline": text.figure(base.value, like=metric.value) if base else "–",
                "better": metric.better,
                "primary": metric.name == report.primary,
                "picture": drawn(
                    pictures.range_picture(metric.value, metric.low, metric.high, base.value if base else None, whole)
                ),
            }
        )
    return rows


def _important(report: Report) -> dict[str, Any]:
    ordered = sorted(report.importance.items(), key=lambda pair: (-pair[1], pair[0]))
    ordered = [(name, value) for name, value in ordered if value > 0.0]
    most = ordered[0][1] if ordered else 1.0
    total = sum(value for _, value in ordered) or 1.0
    rows = [
        {
            "name": text.short(name, 60),
            "width": round(100 * value / most, 1),
            "share": text.percent(value / total),
        }
        for name, value in ordered[:MAX_IMPORTANT]
    ]
    return {
        "rows": rows,
        "n_more": max(0, len(ordered) - MAX_IMPORTANT),
        "n_unused": len(report.importance) - len(ordered),
    }


def _sure(report: Report) -> dict[str, Any]:
    """How often intervals or sets hold the truth: overall, by size of the set, by group of rows; {} without them."""
    sure, held = report.curves.get("sure"), text.find(report.metrics, "coverage")
    if not sure or held is None:
        return {}
    sizes = [
        {"size": one["size"], "n_rows": f"{one['n_rows']:,}", "held": text.percent(one["held"])}
        for one in sure.get("sizes", ())
    ]
    return {
        "name": "sets" if sizes else "intervals",
        "stated": text.percent(sure["stated"]),
        "held": text.percent(held.value),
        "range": " to ".join(text.percent(edge, like=held.value) for edge in (held.low, held.high)),
        "sizes": sizes,
        "by": _slices_of(sure["by"], held),
    }


def _slices(report: Report) -> dict[str, Any]:
    return _slices_of(report.slices, report[report.primary]) if report.slices else {"rows": []}


def _slices_of(slices: Sequence[Mapping[str, Any]], overall: Metric) -> dict[str, Any]:
    if not slices:
        return {"rows": []}
    shown = [*slices[:MAX_SLICES]]
    bounds = (min(one["low"] for one in shown), max(one["high"] for one in shown))
    lower = overall.better == "lower"
    n_open = max(N_OPEN_SLICES, 1 + max((i for i, one in enumerate(shown) if one["differs"]), default=0))
    rows = []
    for one in shown:
        worse = one["value"] > one["rest"] if lower else one["value"] < one["rest"]
        rows.append(
            {
                "column": text.short(str(one["column"])),
                "level": text.short(str(one["level"])),
                "n_rows": f"{one['n_rows']:,}",
                "value": text.figure(one["value"]),
                "rest": text.figure(one["rest"], like=one["value"]),
                "mark": ("worse" if worse else "better") if one["differs"] else "",
                "picture": drawn(pictures.range_picture(one["value"], one["low"], one["high"], overall.value, bounds)),
            }
        )
    return {
        "rows": rows[:n_open],
        "folded": rows[n_open:],
        "metric": text.label(overall.name),
        "n_all": len(slices),
        "n_more": len(slices) - len(rows),
        "n_marked": sum(bool(one["differs"]) for one in slices),
    }


def _decisions(decisions: Sequence[Decision]) -> dict[str, Any]:
    stages: dict[str, list[dict[str, str]]] = {}
    for one in decisions[:MAX_DECISIONS]:
        line = {
            "about": text.short(one.about, 80),
            "choice": text.short(one.choice, 160),
            "reason": text.short(one.reason, 400),
        }
        stages.setdefault(text.short(one.stage), []).append(line)
    return {"stages": stages, "n": len(decisions), "n_more": max(0, len(decisions) - MAX_DECISIONS)}


def _candidates(trained: Trained | None) -> dict[str, Any]:
    if trained is None or not trained.leaderboard:
        return {"rows": []}
    board = trained.leaderboard
    shown = list(board[:MAX_CANDIDATES])
    rows = [
        {
            "name": text.short(one.name, 60),
            "score": text.figure(one.score),
            "weight": text.percent(one.weight) if one.weight > 0 else "",
            "settings": text.short(", ".join(f"{k} {v}" for k, v in one.settings.items()), 160),
            "beside": [text.figure(value) for value in one.beside.values()],
        }
        for one in shown
    ]
    return {
        "rows": rows,
        "metric": text.label(board[0].metric),
        "beside": [text.label(name) for name in board[0].beside],
        "n_more": len(board) - len(shown),
    }


def _cleaning(summary: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Cleaning's summary as rows; a key that is not known here is told as it is, never dropped."""
    rows = []
    for one in summary[:MAX_CLEANED]:
        rest = {key: value for key, value in one.items() if key not in _CLEANING_KEYS}
        count = next((one[key] for key in _COUNTS if key in one), None)
        reasons = [str(one.get("reason") or ""), *(f"{k}: {plain_fact(v)}" for k, v in rest.items())]
        rows.append(
            {
                "step": text.short(str(one.get("step") or "changed"), 60),
                "column": text.short(str(one.get("column") or ""), 60),
                "n": plain_fact(count),
                "reason": text.short("; ".join(part for part in reasons if part), 300),
                "examples": [_example(example) for example in _examples(one)[:3]],
            }
        )
    return {"rows": rows, "n_more": max(0, len(summary) - MAX_CLEANED)}


_COUNTS = ("n_changed", "n_cells", "n_rows", "n")
_CLEANING_KEYS = ("step", "column", "reason", "example", "examples", *_COUNTS)


def _examples(one: Mapping[str, Any]) -> list[Any]:
    return [*(one.get("examples") or ()), *([one["example"]] if one.get("example") else [])]


def _example(example: Any) -> tuple[str, str]:
    """What a cell was and what it became; a missing cell is told as such."""
    if isinstance(example, dict):
        pair = (example.get("before"), example.get("after"))
    elif isinstance(example, (list, tuple)) and len(example) >= 2:
        pair = (example[0], example[1])
    else:
        before, _, after = str(example).partition(" -> ")
        return text.short(before), text.short(after)
    before, after = ("(missing)" if value is None else text.short(str(value)) for value in pair)
    return before, after


def _facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(text.short(str(name), 80), plain_fact(value)) for name, value in list(facts.items())[:MAX_FACTS]]


def _run_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Seeds and digests keep their letters: no commas in them."""
    return _facts({name: str(value) if isinstance(value, int) else value for name, value in facts.items()})


def plain_fact(value: Any) -> str:
    """A fact as text: whole numbers with commas, lists joined, nothing as a dash.

    >>> plain_fact(12345), plain_fact(["a", "b"]), plain_fact(None), plain_fact(0.25)
    ('12,345', 'a, b', '–', '0.250')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return text.figure(value)
    if isinstance(value, (list, tuple)):
        told = ", ".join(plain_fact(item) for item in value[:12])
        return text.short(told + (", ..." if len(value) > 12 else ""), 400)
    return text.short(str(value), 400)
