"""`Doctor`: an observer of the training loop that looks at some steps and says what is wrong.

It looks often at the start and ever more rarely later: 14 times in the first 1,000 steps, then every 300.
Which steps it looks at follows from their numbers alone, so a resumed run is looked at as the unbroken one.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.training.doctor.base import TELL, Moment, Symptom, Verdict
from modelwright.training.doctor.chart import Chart

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from modelwright.training.doctor.look import Watcher, Weights
    from modelwright.training.loop.batch import Batch
    from modelwright.training.loop.fit import Loop

GROWTH = 0.7  # of the step number, to the next look
RAREST = 300  # steps between looks
FIRST = 4096
SUSPECT = 0.4  # confidence from which a state is not good to go back to
SOON = 0.1  # share of the run in which a consequence waits while its cause is suspected
N_THOROUGH = 8
N_PLACES = 64  # of the schedule that are looked up


def look_steps(until: int) -> list[int]:
    """The steps that are looked at, up to `until`.

    >>> look_steps(60)
    [0, 1, 2, 4, 7, 12, 21, 36]
    """
    steps = [0]
    while steps[-1] < until:
        steps.append(steps[-1] + min(RAREST, max(1, math.ceil(GROWTH * steps[-1]))))
    return [step for step in steps if step <= until]


_KNOWN = look_steps(FIRST)


def next_look(step: int) -> int:
    """The first step after `step` that is looked at.

    >>> next_look(-1), next_look(4), next_look(1_000_000) % RAREST == _KNOWN[-1] % RAREST
    (0, 7, True)
    """
    if step < _KNOWN[-1]:
        return _KNOWN[bisect.bisect_right(_KNOWN, step)]
    return _KNOWN[-1] + ((step - _KNOWN[-1]) // RAREST + 1) * RAREST


def is_thorough(step: int) -> bool:
    """Whether a look sees activations too, and compares its gradient with the next step's: the first looks, then
    every third. The rest sees weights, gradients and answers."""
    number = _KNOWN.index(step) if step < _KNOWN[-1] else step // RAREST
    return number < N_THOROUGH or number % 3 == 0


def is_look(step: int) -> bool:
    """Whether a step is looked at in full."""
    return next_look(step - 1) == step


class Doctor:
    """Watches a training and puts a verdict into its history when something is wrong.

    `facts` is what was found before the first step (`examine`). With `verdicts` of a pre-flight, their
    consequences are not told again. What is told stands in `verdicts`, and as an event in the loop's history.

    >>> import torch
    >>> from modelwright.training.loop.examples import Examples
    >>> from modelwright.training.loop.fit import fit
    >>> from modelwright.training.loop.spec import LoopSpec
    >>> x = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
    >>> doctor = Doctor()
    >>> run = fit(torch.nn.Linear(4, 1), Examples((x,), (x.sum(1, keepdim=True),)),
    ...     LoopSpec(max_steps=60, optimizer={"sgd": {"learning_rate": 30.0}}), observers=(doctor,),
    ...     objective=lambda outputs, targets, _: ((outputs[0] - targets[0]) ** 2).mean())
    >>> doctor.verdicts[0].fault, doctor.verdicts[0].change["what"]
    ('learning_rate_high', 'learning_rate')
    """

    def __init__(self, facts: Mapping[str, Any] | None = None, verdicts: tuple[Verdict, ...] = ()) -> None:
        self.chart = Chart(facts=dict(facts or {}), told={verdict.fault: verdict.confidence for verdict in verdicts})
        self.verdicts: list[Verdict] = []
        self.suspects = False
        self.watcher: Watcher | None = None
        self.sample: list[Tensor] = []
        self.gradient: list[float] = []
        self.weights: Weights | None = None

    # The observer of the loop --------------------------------------------------------------------------------------

    def due(self, step: int) -> int:
        """The next step to see: a look, or the step after one, which shows what the look's step has changed."""
        return step + 1 if step >= 0 and is_look(step) else next_look(step)

    def before(self, loop: Loop) -> None:
        """Put hooks in place for one step."""
        from modelwright.training.doctor.look import Watcher

        self._close()
        step = loop.progress.step
        if not is_look(step) or loop.spec.compile:
            return
        if self.watcher is None or self.watcher.network is not loop.network:
            self.watcher = Watcher(loop.network)
        self.watcher.open(thorough=is_thorough(step))

    def after(self, loop: Loop, batch: Batch, loss: Tensor) -> None:
        """What the step before has changed, then this step's gradients, activations and answers."""
        from modelwright.training.doctor.look import Weights, answers_of, layers_of, loss_of_nothing

        chart, step = self.chart, loop.progress.step
        value = float(loss)
        seen = self.watcher.measured(is_finite=math.isfinite(value)) if self.watcher and is_look(step) else {}
        self._close()
        outputs = self.watcher.outputs if self.watcher is not None else ()
        if not chart.looks:
            self._begin(loop, layers_of(loop.network, seen.get("order", [])))
            if outputs and "uninformed_loss" not in chart.facts:
                chart.facts["uninformed_loss"] = loss_of_nothing(loop.objective, outputs, batch) or abs(value)
        if self.weights is None:
            self.weights = Weights(loop.network, chart.layers)
        weights = self.weights
        self._compare(loop, weights)
        if not is_look(step):
            return
        self._read_losses(loop, value)
        gradient, size = weights.norms(loop.scaler.get_scale() if loop.scaler is not None else 1.0)
        chart.add_look({
            "step": step, "loss": value, "factor": loop.rate(step, loop.progress.scores),
            "gradient": gradient, "weight": size, **seen, **answers_of(outputs, batch),
        })  # fmt: skip
        self.sample = weights.sample()
        if is_thorough(step):
            self.gradient = weights.gradient_sample().double().tolist()

    def validated(self, loop: Loop, event: Mapping[str, Any]) -> None:
        """Take in a validation."""
        self._read_losses(loop, None)
        kept = ("step", "epoch", "loss", "validation_loss", "score")
        self.chart.validations.append({name: event[name] for name in kept if name in event})
        self._judge(loop, "validation")

    def see_generated(self, generated: np.ndarray, real: np.ndarray) -> None:
        """While a GAN is trained: rows that its generator made, and real ones. Mode collapse is told at a next look."""
        from modelwright.training.doctor.modes import mode_collapse

        verdict = mode_collapse(generated, real)
        fields = ("fault", "confidence", "evidence", "words", "change")
        self.chart.facts["generated"] = {name: getattr(verdict, name) for name in fields} if verdict else None

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"chart": self.chart.to_plain(), "gradient": self.gradient,
                "sample": [part.double().tolist() for part in self.sample],
                "verdicts": [asdict(verdict) for verdict in self.verdicts]}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self._close()
        self.chart = Chart.from_plain(state["chart"])
        self.gradient = list(state["gradient"])
        self.sample = self._as_sample(state["sample"])
        self.weights = None
        self.verdicts = [Verdict(**verdict) for verdict in state["verdicts"]]

    def begin_again(self, told: Mapping[str, float], step: int) -> None:
        """Forget what was seen before `step`: the training that goes on from there has other settings."""
        self.chart = Chart(facts=self.chart.facts, told=dict(told))
        self.chart.curve.n_steps = step
        self.verdicts, self.gradient, self.sample = [], [], []

    # Parts -----------------------------------------------------------------------------------------------------------

    def _as_sample(self, parts: list[list[float]]) -> list[Tensor]:
        import torch

        return [torch.tensor(part) for part in parts]

    def _begin(self, loop: Loop, layers: list[str]) -> None:
        """What does not change during a training, read at its first look."""
        from modelwright.training.doctor.look import Weights

        chart, places = self.chart, sorted({loop.n_steps * part // N_PLACES for part in range(N_PLACES)})
        factors = [loop.rate(step, ()) for step in places]
        chart.n_steps, chart.layers = loop.n_steps, layers
        chart.facts |= {
            "batch_size": loop.spec.batch_size, "n_rows": loop.train.n_rows, "clip_norm": loop.spec.clip_norm,
            "factors": factors, "peak_factor": max(factors), "mean_factor": sum(factors) / len(factors),
            "usual_weight": Weights(loop.network, layers).usual(),
        }  # fmt: skip

    def _close(self) -> None:
        if self.watcher is not None:
            self.watcher.close()

    def _read_losses(self, loop: Loop, newest: float | None) -> None:
        """Losses of the steps since the last time, read from what the loop keeps anyway."""
        losses = loop.recent_losses()
        n_new = loop.progress.step - self.chart.curve.n_steps
        self.chart.curve.add(losses[len(losses) - n_new :] if 0 < n_new <= len(losses) else [])
        if newest is not None:
            self.chart.curve.add([newest])

    def _compare(self, loop: Loop, weights: Weights) -> None:
        """At the step after a look: what the look's step has changed, and whether the two gradients agree."""
        if not self.sample:
            return
        look = self.chart.looks[-1]
        look["update"] = weights.relative_change(self.sample)
        if self.gradient:
            now = weights.gradient_sample().double().tolist()
            dot = sum(a * b for a, b in zip(now, self.gradient, strict=True))
            size = math.sqrt(sum(a * a for a in now) * sum(b * b for b in self.gradient))
            if size > 0:
                look["agreement"] = dot / size
        self.sample, self.gradient = [], []
        self._judge(loop, "look")

    def _judge(self, loop: Loop, moment: Moment) -> None:
        told, self.suspects = judge(self.chart, moment)
        for verdict in told:
            self.verdicts.append(verdict)
            loop.tell_history(verdict.event())


def judge(chart: Chart, moment: Moment) -> tuple[list[Verdict], bool]:
    """What is wrong by the chart and was not told yet, the surest first; and whether something more is suspected.

    Told faults are noted in the chart.
    """
    found: dict[str, Verdict] = {}
    suspected: dict[str, Verdict] = {}
    for symptom in _symptoms_of(moment):
        verdict = symptom.find(chart) if symptom.name not in chart.told else None
        if verdict is not None and verdict.confidence >= SUSPECT:
            (found if verdict.confidence >= TELL else suspected)[symptom.name] = verdict
    causes = found if chart.share > SOON else {**found, **suspected}
    told = [replace(verdict, step=chart.step) for verdict in found.values()
            if not _is_consequence(verdict, causes, chart.told)]  # fmt: skip
    chart.told |= {verdict.fault: verdict.confidence for verdict in told}
    return sorted(told, key=lambda verdict: -verdict.confidence), bool(found or suspected)


def _is_consequence(verdict: Verdict, found: Mapping[str, Verdict], told: Mapping[str, float]) -> bool:
    """Whether something that is told, or found now, brings this about. Of two that bring each other about, the surer
    one is told. At the start of a run a suspicion is enough: the next looks will show."""
    symptoms = all_symptoms()
    for cause in symptoms[verdict.fault].caused_by:
        mutual = cause in symptoms and verdict.fault in symptoms[cause].caused_by
        if cause in told or (cause in found and (not mutual or found[cause].confidence > verdict.confidence)):
            return True
    return False


@cache
def all_symptoms() -> dict[str, Symptom]:
    """Every symptom of the registry, plug-ins included."""
    return registry.methods("doctor")


@cache
def _symptoms_of(moment: Moment) -> list[Symptom]:
    return [symptom for symptom in all_symptoms().values() if moment in symptom.moments]
