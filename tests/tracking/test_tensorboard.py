"""Event files are read back by TensorBoard itself."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.use import Use
from modelwright.tracking import track
from modelwright.tracking.event_file import EventFile, scalar_record, text_record

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def read(folder: Path) -> Any:
    found = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def texts_of(found: Any, tag: str) -> list[str]:
    return [event.tensor_proto.string_val[0].decode() for event in found.Tensors(tag)]


@settings(max_examples=25)
@given(
    points=st.lists(st.tuples(st.integers(0, 2**62), st.floats(width=32)), min_size=1, max_size=20),
    tag=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40),
    text=st.text(st.characters(codec="utf-8"), max_size=300),
)
def test_points_and_texts_come_back(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[int, float]], tag: str, text: str
) -> None:
    folder = tmp_path_factory.mktemp("events")
    file = EventFile(folder)
    steps = sorted(dict(points).items())
    file.write(b"".join(scalar_record(tag, value, step, 1.5) for step, value in steps))
    file.write(text_record("words", text, 3, 2.5))
    file.close()
    found = read(folder)
    read_back = [(event.step, event.value, event.wall_time) for event in found.Scalars(tag)]
    assert repr(read_back) == repr([(step, value, 1.5) for step, value in steps])  # by repr: nan is nan
    assert texts_of(found, "words") == [text]
    assert found.SummaryMetadata("words").plugin_data.plugin_name == "text"


def test_a_number_that_is_too_large_is_infinite(tmp_path: Path) -> None:
    file = EventFile(tmp_path)
    file.write(scalar_record("loss", 1e300, 0, 0.0) + scalar_record("loss", -1e300, 1, 0.0))
    assert [event.value for event in read(tmp_path).Scalars("loss")] == [math.inf, -math.inf]


def test_curves_of_two_trainings_stay_apart(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.fit import fit
    from modelwright.training.loop.spec import LoopSpec

    watch = track([Use(method="tensorboard")], name="lines", run="1", folder=tmp_path, settings={"seed": 4})
    x = torch.linspace(-1, 1, 64).reshape(-1, 1)
    histories = {}
    for name, slope in (("fold-0", 3.0), ("all", -1.0)):
        rows = Examples((x,), (slope * x,))
        histories[name] = fit(
            torch.nn.Linear(1, 1), rows, LoopSpec(epochs=12), validation=rows,
            objective=lambda outputs, targets, _: ((outputs[0] - targets[0]) ** 2).mean(),
            watch=lambda event, name=name: watch({**event, "fit": name}),
        ).history  # fmt: skip
    told = watch.close("done")
    assert told == (f"tensorboard --logdir {tmp_path / 'tensorboard'}",)
    for name, history in histories.items():
        found = read(tmp_path / "tensorboard" / "1" / name)
        for key, tag in (("score", "score"), ("learning_rate", "learning_rate"), ("loss", "loss_mean")):
            points = [(event.step, event.value) for event in found.Scalars(tag)]
            wanted = [(event["step"], event[key]) for event in history]
            assert [step for step, _ in points] == [step for step, _ in wanted]
            assert [value for _, value in points] == pytest.approx([value for _, value in wanted], rel=1e-6)
        assert len(found.Scalars("loss")) >= 1
        assert len(found.Scalars("rows_per_s")) >= 1
    assert "seed: 4" in texts_of(read(tmp_path / "tensorboard" / "1"), "recipe")[0]


FULL = """
import resource, sys
from pathlib import Path
from modelwright.core.use import Use
from modelwright.tracking import track
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))  # no file may grow beyond: as a full disk does
told = []
watch = track([Use(method="tensorboard")], name="n", run="1", folder=Path(sys.argv[1]), settings={}, watch=told.append)
import time
for step in range(50):
    watch({"stage": "training", "event": "validation", "fit": "all", "step": step, "loss": 0.5, "score": 1.0})
    time.sleep(0.05)
print(watch.close("done", within_s=10)[0])
print(sum(event["event"] == "note" for event in told), len(told))
"""


def test_a_full_disk_ends_nothing_and_leaves_whole_records(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    last, counts = done.stdout.splitlines()
    assert last.startswith("tensorboard: ")
    assert "of 100 notes were not sent (OSError: [Errno 27] File too large)" in last
    assert counts == "1 51"  # told once
    points = read(tmp_path / "tensorboard" / "1" / "all").Scalars("score")
    assert [event.step for event in points] == list(range(len(points)))
    assert 1 <= len(points) < 50
