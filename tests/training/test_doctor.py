"""The doctor: its judgement, its memory over a break, its place in the loop, healing, and a part of the fault suite."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from benchmarks.doctor import tables
from benchmarks.doctor.cases import FAULTS, faulty_case, healthy_cases
from benchmarks.doctor.running import Record, assess
from modelwright.splitting import SplitSpec, split
from modelwright.testing.training import made_table
from modelwright.training import TrainSpec, train
from modelwright.training.doctor.after import label_errors
from modelwright.training.doctor.care import care
from modelwright.training.doctor.chart import Chart
from modelwright.training.doctor.examine import examine
from modelwright.training.doctor.look import loss_of_nothing
from modelwright.training.doctor.observer import Doctor, all_symptoms, is_look, judge, look_steps, next_look
from modelwright.training.doctor.preflight import preflight, verdicts_of
from modelwright.training.loop.batch import Batch
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import Loop, fit
from modelwright.training.loop.spec import LoopSpec

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]


def cross_entropy(outputs: Any, targets: Any, weights: Any) -> Any:
    losses = torch.nn.functional.cross_entropy(outputs[0], targets[0], reduction="none")
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()


def rows(n: int = 400, *, seed: int = 0) -> Examples:
    """Three classes by the signs of two of eight numbers."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 8, generator=chance)
    return Examples((x,), ((x[:, 0] > 0).long() + (x[:, 1] > 0).long(),))


def network(*, gain: float = 1.0, shift: float = 0.0) -> Any:
    torch.manual_seed(1)
    made = torch.nn.Sequential(
        torch.nn.Linear(8, 24), torch.nn.ReLU(), torch.nn.Linear(24, 24), torch.nn.ReLU(), torch.nn.Linear(24, 3)
    )
    with torch.no_grad():
        for layer in (made[0], made[2]):
            layer.weight.mul_(gain)
            layer.bias.add_(shift)
    return made


def spec(rate: float = 0.01, **more: Any) -> LoopSpec:
    return LoopSpec(max_steps=150, optimizer={"adamw": {"learning_rate": rate}}, device="cpu", precision="fp32", **more)


def told(network: Any, train: Examples, spec: LoopSpec, **more: Any) -> list[str]:
    doctor = Doctor()
    fit(network, train, spec, objective=cross_entropy, observers=(doctor,), validation=rows(200, seed=7), **more)
    return [verdict.fault for verdict in doctor.verdicts]


# When it looks --------------------------------------------------------------------------------------------------------


def test_looks_thin_out_and_follow_from_the_step_alone() -> None:
    steps = look_steps(1_000)
    assert len(steps) <= 14
    assert [step for step in range(1_000) if is_look(step)] == steps
    gaps = [b - a for a, b in zip(look_steps(50_000), look_steps(50_000)[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 300
    assert next_look(1_000_000) > 1_000_000


def test_it_changes_no_bit_of_the_training() -> None:
    dropout = lambda: torch.nn.Sequential(network(), torch.nn.Dropout(0.2), torch.nn.BatchNorm1d(3))  # noqa: E731
    plain = fit(dropout(), rows(), spec(), objective=cross_entropy)
    watched = fit(dropout(), rows(), spec(), objective=cross_entropy, observers=(Doctor(),))
    for name, tensor in plain.network.state_dict().items():
        assert torch.equal(tensor, watched.network.state_dict()[name]), name


def test_no_hook_is_left_behind() -> None:
    made = network()
    fit(made, rows(), spec(), objective=cross_entropy, observers=(Doctor(),))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in made.modules())


def test_examination_changes_neither_network_nor_random_numbers() -> None:
    made = torch.nn.Sequential(network(), torch.nn.BatchNorm1d(3))
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    examine(made, rows(), cross_entropy)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())
    assert all(parameter.grad is None for parameter in made.parameters())


# Its memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken_at", [1, 5, 8, 13, 60, 101])
def test_a_resumed_run_gives_the_same_verdicts(broken_at: int) -> None:
    def loop(doctor: Doctor) -> Loop:
        return Loop(network(), rows(), spec(3.0), objective=cross_entropy, observers=(doctor,), validation=rows(100))

    whole = Doctor()
    loop(whole).run()
    first, second = Doctor(), Doctor()
    begun = loop(first)
    begun.run(until=broken_at)
    saved = begun.saved()
    saved = type(saved)(saved.step, saved.tensors, json.loads(json.dumps(saved.state)))
    resumed = loop(second)
    resumed.restore(saved)
    resumed.run()
    assert whole.verdicts
    assert second.verdicts == whole.verdicts
    assert json.dumps(second.chart.to_plain()) == json.dumps(whole.chart.to_plain())


def test_what_is_saved_does_not_change_afterwards() -> None:
    doctor = Doctor()
    begun = Loop(network(), rows(), spec(), objective=cross_entropy, observers=(doctor,))
    begun.run(until=2)
    state = json.dumps(begun.saved().state["observers"])
    kept = begun.saved().state["observers"]
    begun.run(until=60)
    assert json.dumps(kept) == state


# Judgement ------------------------------------------------------------------------------------------------------------


def test_a_healthy_training_is_left_alone() -> None:
    assert told(network(), rows(), spec()) == []
    assert preflight(network(), rows(), cross_entropy, validation=rows(200, seed=7)) == ()


@pytest.mark.parametrize(
    ("fault", "made", "train", "settings"),
    [
        ("learning_rate_high", {}, {}, {"rate": 3.0}),
        ("learning_rate_low", {}, {}, {"rate": 1e-5}),
        ("exploding_gradients", {"gain": 30.0}, {}, {}),
        ("dead_units", {"shift": -8.0}, {}, {}),
    ],
)
def test_faults_are_named_while_it_trains(fault: str, made: Any, train: Any, settings: Any) -> None:
    assert told(network(**made), rows(**train), spec(**settings))[0] == fault


def test_a_consequence_is_not_told_beside_its_cause() -> None:
    chart = Chart(facts={"start_loss": 900.0, "uninformed_loss": 1.1, "fed_size": 5e3})
    verdicts, _ = judge(chart, "before")
    assert [verdict.fault for verdict in verdicts] == ["unscaled_inputs"]


def test_of_two_that_bring_each_other_about_one_is_told() -> None:
    symptoms = all_symptoms()
    for name, symptom in symptoms.items():
        assert name == symptom.name
        assert name not in symptom.caused_by
        assert set(symptom.caused_by) <= set(symptoms), name


def test_rows_that_are_no_numbers_are_found_unless_the_network_copes() -> None:
    train = rows()
    train.inputs[0][5, 2] = torch.nan
    assert [verdict.fault for verdict in preflight(network(), train, cross_entropy)] == ["not_finite"]

    class Copes(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, x: Any) -> Any:
            return self.inner(torch.nan_to_num(x))

    assert preflight(Copes(), train, cross_entropy) == ()


def test_rows_that_are_answered_but_not_learned_from_are_found() -> None:
    """A saturated gate makes a number of an infinite input, and no number of its gradient."""

    class Gated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.gates, self.last = torch.nn.Linear(8, 16), torch.nn.Linear(16, 3)

        def forward(self, x: Any) -> Any:
            return self.last(torch.sigmoid(self.gates(x)))

    train = rows()
    train.inputs[0][5, 2] = torch.inf
    assert bool(torch.isfinite(Gated()(train.inputs[0])).all())
    assert [verdict.fault for verdict in preflight(Gated(), train, cross_entropy)] == ["not_finite"]


def test_the_first_broken_layer_is_named() -> None:
    class Breaks(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x / (x - x)

    made = torch.nn.Sequential(torch.nn.Linear(8, 4), Breaks(), torch.nn.Linear(4, 3))
    doctor = Doctor()
    fit(made, rows(), spec(), objective=cross_entropy, observers=(doctor,))
    assert doctor.verdicts[0].fault == "not_finite"
    assert doctor.verdicts[0].evidence["layer"] == "2"


def test_words_are_plain_and_verdicts_are_json() -> None:
    made = network(gain=40.0)
    for verdict in verdicts_of(examine(made, rows(), cross_entropy)):
        event = verdict.event()
        assert json.loads(json.dumps(event)) == event
        assert verdict.words.endswith(".") and len(verdict.words) > 60


def test_activations_in_plain_functions_are_seen() -> None:
    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Linear(8, 16), torch.nn.Linear(16, 3)
            torch.nn.init.constant_(self.first.bias, -50.0)

        def forward(self, x: Any) -> Any:
            return self.last(torch.relu(self.first(x)))

    assert told(Plain(), rows(), spec()) == ["dead_units"]


def test_layers_beside_the_way_are_no_vanishing_gradient() -> None:
    """A number in place of gaps that no row has, and a branch whose last layer begins at zero."""

    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gap = torch.nn.Parameter(torch.zeros(2, 8))
            self.enter, self.last = torch.nn.Linear(8, 16), torch.nn.Linear(16, 3)
            self.rise, self.fall = torch.nn.Linear(16, 16), torch.nn.Linear(16, 16)
            torch.nn.init.zeros_(self.fall.weight)

        def forward(self, x: Any) -> Any:
            x = self.enter(torch.where(torch.isnan(x), self.gap[0], x))
            return self.last(x + self.fall(torch.relu(self.rise(x))))

    chance = torch.Generator().manual_seed(5)
    noise = Examples((torch.randn(400, 8, generator=chance),), (torch.randint(3, (400,), generator=chance),))
    torch.manual_seed(0)
    assert "vanishing_gradients" not in told(Residual(), noise, spec(0.001))  # where nothing can be learned at all


def test_filters_with_channels_last_are_seen_to_move() -> None:
    torch.manual_seed(0)
    made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(36, 2))
    made = made.to(memory_format=torch.channels_last)
    x = torch.randn(64, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    doctor = Doctor()
    fit(made, Examples((x,), ((x.sum((1, 2, 3)) > 0).long(),)), spec(), objective=cross_entropy, observers=(doctor,))
    assert all(min(look["update"]) > 1e-4 for look in doctor.chart.looks[:5])


def test_what_is_usual_is_known_before_anything_is_learned() -> None:
    """Boxes are rare: a network that begins with few of them knows no row, and all zeros would cost a hundredfold."""
    rare = (torch.rand(64, 500, generator=torch.Generator().manual_seed(0)) < 0.002).float()
    cells = Batch(inputs=(rare,), targets=(rare,), weights=None)

    def objective(outputs: Any, targets: Any, weights: Any) -> Any:
        return torch.nn.functional.binary_cross_entropy_with_logits(outputs[0], targets[0])

    begins = torch.full_like(rare, -6.2)
    assert loss_of_nothing(objective, (begins,), cells) == pytest.approx(float(objective((begins,), (rare,), None)))
    assert loss_of_nothing(objective, (begins + 30.0,), cells) == pytest.approx(0.693, abs=1e-3)


def test_swings_that_the_schedule_is_about_to_end_are_left_alone() -> None:
    chart = Chart(facts={"uninformed_loss": 1.0, "factors": [1.0] * 50 + [0.1] * 50}, n_steps=200)
    chart.looks = [{"step": 100, "factor": 1.0}]
    chart.validations = [{"validation_loss": 0.4 + 0.4 * (n % 2)} for n in range(8)]
    chart.curve.add([1.0] * 101)
    assert judge(chart, "validation")[0] == []
    chart.facts["factors"] = [1.0] * 100
    assert [verdict.fault for verdict in judge(chart, "validation")[0]] == ["oscillation"]


def test_wrong_labels_are_listed_surest_first() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=300)
    given = np.full((300, 3), 0.05)
    given[np.arange(300), truth] = 0.9
    spoiled = truth.copy()
    spoiled[:20] = (truth[:20] + 1) % 3
    found, verdict = label_errors(given, spoiled)
    assert set(found) == set(range(20))
    assert verdict is not None and verdict.fault == "label_errors"


# Healing --------------------------------------------------------------------------------------------------------------


def test_a_change_is_kept_only_if_it_scores_better() -> None:
    run = care(network(), rows(), spec(3.0), objective=cross_entropy, validation=rows(200, seed=7))
    trials = [event for event in run.history if event["event"] == "trial"]
    assert trials
    for trial in trials:
        assert trial["kept"] == (trial["changed"] > trial["unchanged"]) or trial["changed"] == trial["unchanged"]
    healed = [event["healed"] for event in run.history if event["event"] == "verdict"]
    assert True in healed
    plain = fit(network(), rows(), spec(3.0), objective=cross_entropy, validation=rows(200, seed=7))
    assert run.score > plain.score + 0.1


def test_a_network_is_built_anew_where_it_can_be() -> None:
    asked: list[tuple[Any, ...]] = []

    def build(changes: tuple[Any, ...]) -> Any:
        asked.append(changes)
        return network(shift=0.0 if changes else -8.0)

    run = care(build, rows(), spec(), objective=cross_entropy, validation=rows(200, seed=7))
    assert asked[-1] == ({"what": "initialise"},)
    assert run.score > -0.3


def test_a_recipe_heals() -> None:
    """Through the public path: both sides of a fork begin with a network of their own."""
    data = made_table(200, "binary")
    loop = {"epochs": 6, "optimizer": {"adamw": {"learning_rate": 3.0}}}
    spec = TrainSpec.parse(
        {"budget": "quick", "network": {"doctor": "heal", "loop": loop, "refit": False}}, where="train"
    )
    heard: list[Any] = []
    train(data, split(data, SplitSpec(folds=1)), spec, watch=heard.append)
    trials = [event for event in heard if event["event"] == "trial"]
    assert trials[0]["fault"] == "learning_rate_high"
    assert trials[0]["kept"] and trials[0]["changed"] > trials[0]["unchanged"]


def test_what_is_tried_in_vain_changes_nothing() -> None:
    """Dropout draws from random numbers, of which each side of a fork must have its own."""

    def build(changes: tuple[Any, ...]) -> Any:
        made = torch.nn.Sequential(network(shift=-60.0 if changes else -8.0), torch.nn.Dropout(0.5))
        with torch.no_grad():
            made[0][4].bias[0] += 9.0 if changes else 0.0  # worse than before
        return made

    more = {"objective": cross_entropy, "validation": rows(200, seed=7)}
    plain = fit(build(()), rows(), spec(), **more)
    healed = care(build, rows(), spec(), **more)
    assert [event["kept"] for event in healed.history if event["event"] == "trial"] == [False]
    for name, tensor in plain.network.state_dict().items():
        assert torch.equal(tensor, healed.network.state_dict()[name]), name


def test_advice_changes_nothing() -> None:
    plain = fit(network(), rows(), spec(3.0), objective=cross_entropy)
    advised = care(network(), rows(), spec(3.0), mode="advise", objective=cross_entropy)
    assert [event["healed"] for event in advised.history if event["event"] == "verdict"] == [None]
    for name, tensor in plain.network.state_dict().items():
        assert torch.equal(tensor, advised.network.state_dict()[name])


def test_a_healed_run_that_is_killed_goes_on_healed(tmp_path: Any) -> None:
    class Killed(BaseException):
        pass

    def kill(event: Any) -> None:
        if event["event"] == "trial":
            raise Killed

    more = {"objective": cross_entropy, "validation": rows(200, seed=7)}
    with pytest.raises(Killed):
        care(network(), rows(), spec(3.0), folder=tmp_path, watch=kill, **more)
    again = care(network(), rows(), spec(3.0), folder=tmp_path, **more)
    whole = care(network(), rows(), spec(3.0), **more)
    assert again.score == pytest.approx(whole.score, abs=0.05)


# A part of the fault suite ------------------------------------------------------------------------------------------

PART = ("learning_rate_high", "dead_units", "leakage", "unscaled_inputs", "class_collapse")


def test_a_part_of_the_fault_suite() -> None:
    """Five faults in small dense networks: named at once, and healed where there is a remedy. `make bench NAME=doctor`
    has all of them, and all seeds."""
    records: list[Record] = [assess(faulty_case(fault, "development", 0), heal=True) for fault in PART]
    assert all(tables.first_early(record) is not None for record in records)
    assert all(map(tables.is_right, records))
    healed = {record.fault: tables.is_healed(record) for record in records if record.fault not in tables.NO_REMEDY}
    assert all(healed.values()), healed


def test_healthy_trainings_of_the_fault_suite() -> None:
    alarms = {}
    for case in healthy_cases("development", 2):
        record = assess(case, heal=False)
        alarms[record.name] = record.told
    assert not any(alarms.values()), alarms


def test_the_page_says_what_was_measured() -> None:
    """Each fault's row of docs/doctor.md against the held-out half of the benchmark's own table; its Python runs."""
    page, results = ((ROOT / name).read_text() for name in ("docs/doctor.md", "benchmarks/doctor/RESULTS.md"))
    told, measured = _rows_of(page.partition("## The faults")[2]), _rows_of(results.partition("## held out")[2])
    for fault in FAULTS:
        early, right, harmed, healed, *_ = told[fault.replace("_", " ")]
        n, *counts = measured[fault][:5]
        assert [early, right, harmed] == counts[:3], fault
        assert healed == counts[3] or fault in tables.NO_REMEDY, fault
        assert n == "10"
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.stdout.startswith("unscaled_inputs"), done.stderr


def _rows_of(table: str) -> dict[str, list[str]]:
    """The first cells of a Markdown table's rows, and the others."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    rows: dict[str, list[str]] = {}
    for name, *others in cells:
        rows.setdefault(name, others)
    return rows
