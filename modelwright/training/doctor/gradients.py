"""Gradients that grow or shrink beyond use on their way through the layers."""

from __future__ import annotations

import statistics
from typing import Any

from modelwright.training.doctor.base import Symptom, Verdict, sure, sure_below
from modelwright.training.doctor.chart import Chart

EXPLODING = 100.0  # pull of a layer, in uninformed losses
VANISHING = 0.01  # pull of the first layers against the largest, or against 1
FIRST_STEPS = 4
SETTLED = 5  # step from which small pulls count
TRIED = 0.02  # share of the planned learning that must be done before nothing learned is a sign


def pulls(chart: Chart, look: dict[str, Any]) -> list[float]:
    """Gradient times weight of every layer, in uninformed losses: how much the loss hangs on the layer's size.

    It has no unit and does not change when a layer is made larger and the next one smaller, so that layers of
    all widths and kinds may be compared. In a sound network it is 0.1 to 10.

    >>> pulls(Chart(facts={"uninformed_loss": 2.0}), {"gradient": [0.5], "weight": [4.0]})
    [1.0]
    """
    if "pulls" not in look:
        unit = max(chart.uninformed, 1e-12)
        look["pulls"] = [g * w / unit for g, w in zip(look["gradient"], look["weight"], strict=True)]
    found: list[float] = look["pulls"]
    return found


def find_exploding(chart: Chart) -> Verdict | None:
    """The loss hangs on a layer's size a hundred times more than it should: from the start, or more and more.

    Reference: Pascanu et al. (2013), "On the difficulty of training recurrent neural networks".

    >>> look = {"step": 0, "gradient": [900.0, 3.0], "weight": [4.0, 4.0]}
    >>> find_exploding(Chart(facts={"uninformed_loss": 1.0}, layers=["a", "b"], looks=[look])).change["what"]
    'initialise'
    """
    if not chart.looks or not chart.layers:
        return None
    examined = [chart.facts["first_look"]] if "first_look" in chart.facts and chart.step >= 0 else []
    looks = [*examined, *(look for look in chart.looks[:FIRST_STEPS] if look["step"] < FIRST_STEPS)]
    early = [_largest(chart, look) for look in looks]
    first, now = statistics.median(early) if early else 0.0, _largest(chart, chart.looks[-1])
    if max(first, now) < EXPLODING / 5:
        return None
    layer = _layer_of(chart)
    if sure(first, EXPLODING, factor=3) >= 0.5 or len(chart.looks) < 6:
        return Verdict(
            "exploding_gradients", sure(first, EXPLODING, factor=3), {"pull": first, "layer": layer},
            f"From the first step on the loss hangs on the size of `{layer}` {first:,.0f} times more than it should: "
            "the first weights are too large, and every signal grows from layer to layer. Choose first weights that "
            "keep signals at one size (He or Xavier; orthogonal where a layer recurs).",
            {"what": "initialise"},
        )  # fmt: skip
    norms = [sum(g * g for g in look["gradient"]) ** 0.5 for look in chart.looks]
    growth = now / max(statistics.median(_largest(chart, look) for look in chart.looks[:-1]), 1e-12)
    return Verdict(
        "exploding_gradients", min(sure(now, EXPLODING, factor=3), sure(growth, 30.0, factor=3)),
        {"pull": now, "growth": growth, "layer": layer},
        f"The gradients have grown to {growth:,.0f} times their usual size, most in `{layer}`. Limit the length of the "
        "gradient, so that a single batch cannot throw the weights about.",
        {"what": "clip_norm", "value": float(f"{2 * statistics.median(norms):.2g}")},
    )  # fmt: skip


def _largest(chart: Chart, look: dict[str, Any]) -> float:
    if "pull" not in look:
        look["pull"] = max(pulls(chart, look), default=0.0)
    return float(look["pull"])


def flows(chart: Chart, look: dict[str, Any]) -> list[float]:
    """As `pulls`, with weights of at least half the length that this network's weights usually have: layers that start
    at zero on purpose have no pull, and yet their gradient is sound.

    >>> chart = Chart(facts={"uninformed_loss": 1.0, "usual_weight": [4.0, 4.0, 4.0]})
    >>> flows(chart, {"gradient": [0.5, 0.5, 0.5], "weight": [4.0, 4.0, 0.0]})
    [2.0, 2.0, 1.0]
    """
    usual = chart.facts.get("usual_weight") or [0.0] * len(look["weight"])
    half = min(1.0, _typical_size(look["weight"], usual)) / 2
    unit = max(chart.uninformed, 1e-12)
    return [g * max(w, u * half) / unit for g, w, u in zip(look["gradient"], look["weight"], usual, strict=True)]


def _typical_size(weights: list[float], usual: list[float]) -> float:
    """The middle layer's length in shares of the one that keeps the size of a signal."""
    return statistics.median([w / u for w, u in zip(weights, usual, strict=False) if u > 0] or [1.0])


def arrived(found: list[float]) -> float:
    """What arrives at the first quarter of the layers, where the way back is longest, against the largest of all or 1.

    A layer further on may well pull little, and for sound reasons: its branch starts at zero and the signal goes
    round it. One that pulls nothing at all stands beside the way, as a number in place of gaps that no row has.

    >>> arrived([1e-4, 1e-3, 0.1, 1.0]), arrived([0.0, 0.5, 1e-3, 1.0]), arrived([0.0, 0.0])
    (0.0001, 0.5, 1.0)
    """
    found = [pull for pull in found if pull > 0]
    return max(found[: max(1, len(found) // 4)]) / max(*found, 1.0) if found else 1.0


def find_vanishing(chart: Chart) -> Verdict | None:
    """The first layers hardly pull, look after look, and nothing is learned.

    Reference: Hochreiter (1991), "Untersuchungen zu dynamischen neuronalen Netzen"; Glorot and Bengio (2010),
    "Understanding the difficulty of training deep feedforward neural networks".

    >>> looks = [{"step": step, "gradient": [1e-6, 1.0], "weight": [1.0, 1.0]} for step in (5, 8, 12)]
    >>> chart = Chart(facts={"uninformed_loss": 1.0, "usual_weight": [1.0, 1.0]}, layers=["a", "b"], looks=looks)
    >>> chart.n_steps, chart.spent = 100, 12.0
    >>> chart.curve.add([1.0] * 13)
    >>> find_vanishing(chart).evidence["layer"]
    'a'
    """
    last = flows(chart, chart.looks[-1]) if chart.looks else []
    if len(last) < 2 or arrived(last) > 10 * VANISHING:
        return None
    before = chart.step < 0  # nothing has been trained yet: what a single batch showed counts
    looks = [look for look in chart.looks[-3:] if look["step"] >= SETTLED or before]
    ratios = [arrived(flows(chart, look)) for look in looks]
    if not ratios or not before and (len(ratios) < 2 or chart.learned_share < TRIED):
        return None
    ratio = max(statistics.median(ratios), 1e-12)
    stuck = sure(float(chart.facts.get("batch_fit", 0.0)), 0.3, factor=1.3) if before else _stuck(chart)
    layer = chart.layers[0] if chart.layers else ""
    return Verdict(
        "vanishing_gradients", min(sure_below(ratio, VANISHING, factor=3), stuck),
        {"ratio": ratio, "layer": layer},
        f"Hardly anything of the gradient arrives at the first layers (`{layer}`): {ratio:.0e} of what a layer should "
        "get, so they do not learn. " + _remedy_words(chart, looks[-1]),
        _remedy(chart, looks[-1]),
    )  # fmt: skip


def _stuck(chart: Chart) -> float:
    """How sure it is that the loss does not fall, though there is much of it left."""
    if chart.curve.n_steps < SETTLED:
        return 0.0
    unit, now = max(chart.uninformed, 1e-12), chart.curve.part(0.8, 1.0)
    gained = (chart.curve.part(0.0, 0.2) - now) / unit
    return min(sure_below(max(gained, 1e-3), 0.08), sure(now / unit, 0.5, factor=1.3))


def _remedy(chart: Chart, look: dict[str, Any]) -> dict[str, Any]:
    if _typical_size(look["weight"], chart.facts.get("usual_weight", [])) < 0.25:
        return {"what": "initialise"}
    if any(name.startswith(("sigmoid", "tanh")) for name in look.get("units", [])):
        return {"what": "activation", "to": "relu"}
    return {"what": "normalise"}


def _remedy_words(chart: Chart, look: dict[str, Any]) -> str:
    return {
        "initialise": "The first weights are too small: choose He or Xavier.",
        "activation": "Sigmoid and tanh shrink the gradient at every layer: take ReLU or GELU.",
        "normalise": "Add normalisation or residual connections.",
    }[_remedy(chart, look)["what"]]


def _layer_of(chart: Chart) -> str:
    found = pulls(chart, chart.looks[-1])
    return chart.layers[found.index(max(found))] if found and len(chart.layers) == len(found) else ""


EXPLODING_GRADIENTS = Symptom(
    name="exploding_gradients",
    moments=("before", "look"),
    find=find_exploding,
    caused_by=(
        "unscaled_inputs", "unscaled_targets", "not_finite", "learning_rate_high", "loss_spikes", "saturated_units",
    ),
)  # fmt: skip
VANISHING_GRADIENTS = Symptom(
    name="vanishing_gradients", moments=("before", "look"),
    find=find_vanishing,
    caused_by=(
        "dead_units", "saturated_units", "unscaled_inputs", "learning_rate_high", "exploding_gradients",
        "not_finite", "class_collapse", "class_imbalance", "loss_spikes",
    ),
)  # fmt: skip
