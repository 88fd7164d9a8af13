"""The check that labels survive, the defaults, the previews, and that only training batches are changed."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from modelwright.augmentation.base import AugmentSpec, augmenter, prepare
from modelwright.augmentation.check import check
from modelwright.augmentation.defaults import default_steps
from modelwright.augmentation.preview import preview
from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.use import Use
from modelwright_runtime.signature import ArrayInput, Task

torch = pytest.importorskip("torch")
from modelwright.training.loop.batch import Batch

torch.set_num_threads(1)
PHOTO = (ArrayInput(form="image", columns=("photo",), settings={"height": 64, "width": 64, "channels": 3}),)
DIGITS = (Task(kind="multiclass", target="y", classes=tuple("0123456789")),)


def use(method: str, **settings: object) -> Use:
    return Use(method=method, settings=settings)


@pytest.fixture(scope="module")
def digits() -> tuple[torch.nn.Module, Batch]:
    """A small network that reads digits, and rows that it was not trained on."""
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    data = load_digits()
    x = torch.from_numpy((data.images / 16 * 255).astype(np.uint8))[..., None]
    y = torch.from_numpy(data.target)
    order = torch.randperm(len(x))
    train, test = order[:1200], order[1200:]
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(512, 10),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(12):
        for rows in train[torch.randperm(1200)].split(64):
            loss = torch.nn.functional.cross_entropy(network(x[rows].permute(0, 3, 1, 2) / 255), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network, Batch((x[test],), (y[test],))


def test_the_check_leaves_out_what_turns_digits_into_others(digits: tuple[torch.nn.Module, Batch]) -> None:
    network, batch = digits

    def predict(x: torch.Tensor) -> torch.Tensor:
        return network(x.permute(0, 3, 1, 2) / 255).softmax(1)

    image = (ArrayInput(form="image", columns=("digit",)),)
    uses = [
        use("flip", way="down"), use("rotate", degrees=180), use("rotate", degrees=10), use("noise"), use("mixup"),
        use("elastic"),
    ]  # fmt: skip
    checked = check(predict, batch, image, DIGITS, uses)
    seen = checked.seen
    assert [step.spec.to_plain().get("degrees", step.name) for step in checked.steps] == [
        10,
        "noise",
        "mixup",
        "elastic",
    ]
    assert seen[0].changed > 0.4 and ("6", "9") in seen[0].pairs
    assert seen[3].changed < 0.02 and seen[4].mixes
    choices = [decision.choice for decision in checked.decisions]
    assert choices[:2] == ["left out", "left out"] and choices[3] == "kept"
    assert "6 becomes 9" in checked.decisions[0].reason and "15 % may" in checked.decisions[0].reason
    strict = check(predict, batch, image, DIGITS, [use("rotate", degrees=10)], most_changed=0.002)
    assert not strict.steps
    warned = check(predict, batch, image, DIGITS, [use("rotate", degrees=10)], most_changed=seen[2].changed * 1.2)
    assert warned.decisions[0].choice == "kept, with a warning" and warned.steps
    again = check(predict, batch, image, DIGITS, uses)
    assert again.seen == seen


def test_the_check_needs_right_answers_of_a_classification() -> None:
    x, y = torch.zeros(4, 2, 2, 1, dtype=torch.uint8), torch.ones(4, dtype=torch.int64)

    def predict(x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.9, 0.1]]).expand(len(x), 2)

    image, task = (ArrayInput(form="image", columns=("p",)),), Task(kind="binary", target="y", classes=("a", "b"))
    for tasks, target in (((task,), y), ((Task(kind="regression", target="y"),), y.float()), ((task,), y.float())):
        with pytest.raises(UserError, match="augment.check"):
            check(predict, Batch((x,), (target,)), image, tasks, [use("noise")])


def kind_of(*classes: str) -> Task:
    return Task(kind="multiclass", target="y", classes=classes)


def test_defaults_mirror_photos_and_nothing_that_may_be_writing() -> None:
    def methods(array: ArrayInput, task: Task, n_rows: int = 1000) -> list[str]:
        steps, reason = default_steps([array], [task], n_rows)
        assert reason
        prepare(steps, [array], [task])  # what is chosen must fit
        return [step.method for step in steps]

    grey = ArrayInput(form="image", columns=("p",), settings={"height": 64, "width": 64, "channels": 1})
    small = ArrayInput(form="image", columns=("p",), settings={"height": 32, "width": 32, "channels": 3})
    assert "flip" in methods(PHOTO[0], kind_of("cat", "dog", "fox"))
    assert "flip" in methods(PHOTO[0], Task(kind="detection", target="b", classes=("cell",)))
    for array, task in (
        (grey, kind_of("cat", "dog")),
        (small, kind_of("cat", "dog")),
        (PHOTO[0], kind_of("0", "1")),
        (PHOTO[0], kind_of("go", "turn_left")),
    ):
        assert methods(array, task) and "flip" not in methods(array, task)
    series = ArrayInput(form="series", columns=("s",))
    assert methods(series, Task(kind="forecast", target="y", horizon=4)) == []
    assert methods(series, kind_of("a", "b")) == ["jitter", "amplitude"]
    words = ArrayInput(form="tokens", columns=("t",))
    assert methods(words, kind_of("a", "b")) == ["word_dropout"] and methods(words, kind_of("a", "b"), 10**6) == []
    assert methods(ArrayInput(form="audio", columns=("a",)), kind_of("a", "b"))[-1] == "spec_augment"
    assert methods(ArrayInput(form="numbers", columns=("a",)), kind_of("a", "b")) == []
    assert default_steps(PHOTO, [Task(kind="forecast", target="y"), kind_of("a b", "c d")], 5)[0]


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN["augmentation"]))
def test_every_method_has_a_picture(name: str) -> None:
    from PIL import Image

    from modelwright.testing.augmentation import _batch

    method = registry.get("augmentation", name)
    tasks = (Task(kind=method.kinds[0], target="<y>", classes=("<a>", "b&", "c")),)
    inputs, batch = _batch(method.forms[0], tasks, 6, small=False)
    made = preview(batch, inputs, tasks, [use(name)])
    assert made and all(one.name == name for one in made)
    for one in made:
        if one.media_type == "image/png":
            picture = Image.open(io.BytesIO(one.data))
            assert 300 < picture.width < 1000 and len(set(picture.getdata())) > 10
        else:
            root = ElementTree.fromstring(one.data)
            assert root.tag.endswith("svg") and b"<script" not in one.data
            assert len(list(root.iter())) > 8


def test_boxes_and_masks_are_drawn_in_and_the_whole_list_is_shown() -> None:
    from PIL import Image

    x = torch.zeros(2, 40, 60, 3, dtype=torch.uint8)
    boxes = torch.tensor([[[0.0, 0.2, 0.2, 0.8, 0.8]]] * 2)
    mask = torch.zeros(2, 40, 60, dtype=torch.int64)
    mask[:, :20] = 1
    tasks = (
        Task(kind="detection", target="b", classes=("a",)),
        Task(kind="segmentation", target="m", classes=("a", "b")),
    )
    made = preview(Batch((x,), (boxes, mask)), PHOTO, tasks, [use("flip"), use("rotate")])
    assert [one.name for one in made] == ["flip", "rotate", "all"]
    colours = {pixel[:3] for pixel in Image.open(io.BytesIO(made[0].data)).convert("RGB").getdata()}
    assert (230, 80, 40) in colours, "no box"
    assert any(red > 80 and red > 2 * blue and blue < 60 for red, _, blue in colours - {(230, 80, 40)}), "no mask"


def test_recipes_say_auto_off_or_a_list() -> None:
    from modelwright.core.spec import Spec

    class Recipe(Spec):
        augment: AugmentSpec = AugmentSpec()

    assert Recipe().augment.steps == "auto"
    assert Recipe.parse({"augment": False}, where="recipe").augment.steps == "off"
    assert Recipe.parse({"augment": "auto"}, where="recipe").augment.steps == "auto"
    steps = Recipe.parse({"augment": ["flip", {"noise": {"deviation": 8}}]}, where="recipe").augment.steps
    assert [step.method for step in steps] == ["flip", "noise"]  # type: ignore[union-attr]
    both = Recipe.parse({"augment": {"steps": ["flip"], "most_changed": 0.1}}, where="recipe").augment
    assert both.most_changed == 0.1
    with pytest.raises(UserError, match="augment"):
        Recipe.parse({"augment": "always"}, where="recipe")


def test_the_loop_changes_training_batches_and_no_others() -> None:
    """The one place that calls augmentation is the loop's step over training rows: validation sees rows as they are."""
    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.fit import fit
    from modelwright.training.loop.spec import LoopSpec

    seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            seen[self.training].append(x.detach().clone())
            return (self.layer(x)[:, 0],)

    inputs = (ArrayInput(form="numbers", columns=("x",), settings={"mean": [0.0], "scale": [1.0]}),)
    tasks = (Task(kind="regression", target="y"),)
    train = torch.arange(40.0)[:, None]
    valid = torch.arange(100.0, 120.0)[:, None]
    change = augmenter(inputs, tasks, [use("feature_noise", share=1.0)])
    fit(
        Network(), Examples((train,), (train[:, 0],)), LoopSpec(epochs=2, batch_size=10),
        objective=lambda outputs, targets, weights: (outputs[0] - targets[0]).square().mean(),
        validation=Examples((valid,), (valid[:, 0],)),
        augment=change,
    )  # fmt: skip
    assert seen[True] and seen[False]
    assert all((x != x.round()).all() for x in seen[True]), "a training batch was left as it was"
    assert all((x == x.round()).all() for x in seen[False]), "a validation batch was changed"
