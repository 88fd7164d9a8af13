"""Every method keeps the contract, and the suite sees those that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelwright.augmentation import Augmentation, augment, prepare
from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.use import Use
from modelwright.testing.augmentation import check_method
from modelwright_runtime.signature import ArrayInput, Task

torch = pytest.importorskip("torch")
from modelwright.augmentation.base import row_by_row
from modelwright.augmentation.series import JitterSpec
from modelwright.training.loop.batch import Batch

torch.set_num_threads(1)
NAMES = sorted(registry.BUILT_IN["augmentation"])


@pytest.mark.parametrize("name", NAMES)
def test_every_method_keeps_the_contract(name: str) -> None:
    check_method(registry.get("augmentation", name))


@pytest.mark.parametrize("name", NAMES)
def test_every_method_through_augment_twice(name: str) -> None:
    """The same (seed, epoch, step) gives the same bits through the public function too."""
    method = registry.get("augmentation", name)
    from modelwright.testing.augmentation import _batch

    kind = method.kinds[0]
    tasks = (Task(kind=kind, target="y", classes=("a", "b", "c")),)
    inputs, batch = _batch(method.forms[0], tasks, 20, small=False)
    steps = prepare([Use(method=name)] * 2, inputs, tasks)
    one, two, other = (augment(batch, inputs, tasks, steps, seed=3, epoch=1, step=step) for step in (5, 5, 6))
    for a, b in zip(one.inputs, two.inputs, strict=True):
        assert torch.equal(a.nan_to_num(), b.nan_to_num()) if a.is_floating_point() else torch.equal(a, b)
    assert any(not torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(one.inputs, other.inputs, strict=True))


BROKEN = {
    "changes its input": lambda x, a, s, r: x.add_(1),
    "another batch": lambda x, a, s, r: x + torch.rand(()),
    "the shape": lambda x, a, s, r: x[:, :1],
    "not finite": lambda x, a, s, r: x / 0,
    "changes nothing": lambda x, a, s, r: x.clone(),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_the_suite_catches(rule: str) -> None:
    method = row_by_row("series", JitterSpec, BROKEN[rule], ("multiclass",))
    with pytest.raises(AssertionError, match=rule):
        check_method(method)


def test_the_suite_catches_a_place_that_is_not_what_is_applied() -> None:
    flip: Augmentation = registry.get("augmentation", "flip")
    crop: Augmentation = registry.get("augmentation", "crop")
    broken = replace(flip, place=lambda spec, *rest: crop.place(crop.spec(), *rest))  # type: ignore[misc]
    with pytest.raises(AssertionError, match="differ"):
        check_method(broken)


def test_what_does_not_fit_is_refused() -> None:
    image = (ArrayInput(form="image", columns=("p",)),)
    boxes = (Task(kind="detection", target="boxes", classes=("a",)),)
    with pytest.raises(UserError, match=r"cannot keep the target 'boxes' true") as caught:
        prepare([Use(method="mixup")], image, boxes)
    assert "binary" in str(caught.value)
    with pytest.raises(UserError, match="augment.form"):
        prepare([Use(method="jitter")], image, boxes)
    with pytest.raises(UserError, match=r"did you mean `flip`"):
        prepare([Use(method="flp")], image, boxes)
    with pytest.raises(UserError, match=r"`flip.share`"):
        prepare([Use(method="flip", settings={"share": 2})], image, boxes)
    with pytest.raises(UserError, match="folds over itself"):
        prepare([Use(method="elastic", settings={"reach": 0.1, "smooth": 0.05})], image, boxes)


def test_a_step_more_leaves_the_others_numbers() -> None:
    inputs = (ArrayInput(form="series", columns=("s",), settings={"mean": [0.0], "scale": [1.0]}),)
    batch = Batch((torch.zeros(50, 1, 10),), ())
    one = augment(batch, inputs, (), [Use(method="jitter")], seed=0, epoch=0, step=0)
    two = augment(batch, inputs, (), [Use(method="jitter"), Use(method="window")], seed=0, epoch=0, step=0)
    # The window only moves along the series: the noise of rows that it leaves alone is the same.
    same = [torch.equal(a, b) for a, b in zip(one.inputs[0], two.inputs[0], strict=True)]
    assert 10 < sum(same) < 45
