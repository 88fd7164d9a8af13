"""Losses against torch's functions and formulas written out in float64; several tasks at once; penalties."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.use import Use
from modelwright.testing.losses import check_loss
from modelwright.training.objectives import is_complete, make_loss, make_objective
from modelwright_runtime.signature import Task

torch = pytest.importorskip("torch")
F = torch.nn.functional
torch.set_num_threads(1)

NAMES = sorted(registry.BUILT_IN["losses"])
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    ("cross_entropy", {"smoothing": 0.1}),
    ("cross_entropy", {"class_weights": [1.0, 5.0, 0.5], "smoothing": 0.2}),
    ("focal", {"gamma": 0.5}),
    ("bce", {"smoothing": 0.1, "gamma": 1.5, "positive_weights": [1.0, 2.0, 3.0]}),
    ("huber", {"delta": 0.3}),
    ("quantile", {"levels": [0.05, 0.25, 0.5, 0.75, 0.95]}),
    ("box", {"cells": [[2, 8]], "gamma": 0.0}),
]
THREE = Task(kind="multiclass", target="state", classes=("a", "b", "c"))
NUMBER = Task(kind="regression", target="price")


def loss_of(name: str, **settings: Any) -> Any:
    return make_loss(Use(method=name, settings=settings))


def normal(*shape: int, seed: int = 0) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("case", range(len(SETTINGS)), ids=lambda i: f"{SETTINGS[i][0]}-{i}")
def test_conforms(case: int) -> None:
    name, settings = SETTINGS[case]
    box = name == "box"
    check_loss(registry.get("losses", name), settings, rows_alone=name != "contrastive", has_missing=not box,
               has_whole_gradient=name not in ("box", "relative"))  # fmt: skip


def test_the_suite_finds_what_is_wrong() -> None:
    from modelwright.training.objectives.base import Loss
    from modelwright.training.objectives.mse import LOSS

    def wrong(function: Any) -> Loss:
        return Loss(name="wrong", kinds=LOSS.kinds, spec=LOSS.spec, takes="", fits=LOSS.fits,
                    make=lambda spec, complete: function)  # fmt: skip

    def sums(output: Any, target: Any, weights: Any = None) -> Any:
        losses = (output - target).square() * (1.0 if weights is None else weights)
        return losses.nansum()

    with pytest.raises(AssertionError, match="twice the weights"):
        check_loss(wrong(sums))
    with pytest.raises(AssertionError, match="weight"):
        check_loss(wrong(lambda output, target, weights=None: F.mse_loss(output, target)))


# Each against torch or a formula --------------------------------------------------------------------------------


def test_generalised_cross_entropy_lies_between_its_ends() -> None:
    output, target = normal(8, 5), torch.arange(8) % 5
    share = torch.softmax(output, 1)[torch.arange(8), target]
    assert loss_of("gce", q=1.0)(output, target) == pytest.approx(float((1 - share).mean()), abs=1e-12)
    assert loss_of("gce", q=1e-6)(output, target) == pytest.approx(float(-share.log().mean()), abs=1e-5)
    whole = F.one_hot(target, 5).double()
    assert loss_of("gce")(output, whole) == pytest.approx(float(loss_of("gce")(output, target)), abs=1e-12)


def test_relative_error_counts_small_rows_as_much_as_large_ones() -> None:
    output, target = normal(4, 6).abs() + 1, normal(4, 6, seed=1).abs() + 1
    loss = loss_of("relative")
    rows = 2 * (output - target).abs().sum(1) / (target.sum(1) + output.sum(1))
    assert loss(output, target) == pytest.approx(float(rows.mean()), abs=1e-12)
    sizes = torch.tensor([[1e-3], [1.0], [1e3], [1e6]], dtype=torch.float64)
    assert loss(output * sizes, target * sizes) == pytest.approx(float(loss(output, target)), abs=1e-12)
    assert float(loss(torch.zeros(2, 3), torch.zeros(2, 3))) == 0.0


def test_cross_entropy_is_torchs() -> None:
    output, whole = normal(8, 5), torch.arange(8) % 5
    weights = torch.tensor([0.5, 1, 2, 1, 4], dtype=torch.float64)
    for smoothing in (0.0, 0.2):
        target = whole.clone()
        assert loss_of("cross_entropy", smoothing=smoothing)(output, target) == pytest.approx(
            float(F.cross_entropy(output, target, label_smoothing=smoothing)), abs=1e-12
        )
        ours = loss_of("cross_entropy", smoothing=smoothing, class_weights=weights.tolist())(output, target)
        theirs = F.cross_entropy(output, target, weights, label_smoothing=smoothing)
        assert float(ours) == pytest.approx(float(theirs), abs=1e-12)
        target[3] = -1
        ours = loss_of("cross_entropy", smoothing=smoothing, class_weights=weights.tolist())(output, target)
        theirs = F.cross_entropy(output, target, weights, label_smoothing=smoothing, ignore_index=-1)
        assert float(ours) == pytest.approx(float(theirs), abs=1e-12)
    shares = normal(8, 5, seed=1).softmax(dim=1)
    expected = -(shares * output.log_softmax(dim=1)).sum(dim=1)
    assert float(loss_of("cross_entropy")(output, shares)) == pytest.approx(float(expected.mean()), abs=1e-12)
    shares[0, 2] = float("nan")
    assert float(loss_of("cross_entropy")(output, shares)) == pytest.approx(float(expected[1:].mean()), abs=1e-12)
    rows = torch.arange(8.0)
    expected = (expected * rows).sum() / rows.sum()
    assert float(loss_of("cross_entropy")(output, shares, rows)) == pytest.approx(float(expected), abs=1e-12)


def test_focal_is_the_papers() -> None:
    output, target = normal(8, 5), torch.arange(8) % 5
    p = np.exp(output.numpy()) / np.exp(output.numpy()).sum(axis=1, keepdims=True)
    p = p[np.arange(8), target.numpy()]
    for gamma in (0.0, 0.5, 2.0):
        expected = (-((1 - p) ** gamma) * np.log(p)).mean()
        assert float(loss_of("focal", gamma=gamma)(output, target)) == pytest.approx(expected, abs=1e-9)
    one_hot = F.one_hot(target, 5).double()
    assert float(loss_of("focal")(output, one_hot)) == pytest.approx(float(loss_of("focal")(output, target)))
    sure = torch.tensor([[60.0, 0.0]], requires_grad=True)
    loss_of("focal", gamma=0.5)(sure, torch.tensor([0])).backward()
    assert bool(torch.isfinite(sure.grad).all())


def test_bce_is_torchs() -> None:
    output, target = normal(6, 3), (normal(6, 3, seed=1) > 0).double()
    assert float(loss_of("bce")(output, target)) == pytest.approx(
        float(F.binary_cross_entropy_with_logits(output, target)), abs=1e-12
    )
    positive = torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64)
    assert float(loss_of("bce", positive_weights=positive.tolist())(output, target)) == pytest.approx(
        float(F.binary_cross_entropy_with_logits(output, target, pos_weight=positive)), abs=1e-12
    )
    p = torch.sigmoid(output)
    focal = ((target - p).abs() ** 2 * F.binary_cross_entropy(p, target, reduction="none")).mean()
    assert float(loss_of("bce", gamma=2.0)(output, target)) == pytest.approx(float(focal), abs=1e-12)
    target[0] = float("nan")
    target[1, 2] = float("nan")
    known = ~target.isnan()
    expected = F.binary_cross_entropy_with_logits(output[known], target[known])
    assert float(loss_of("bce")(output, target)) == pytest.approx(float(expected), abs=1e-12)


def test_values_are_torchs() -> None:
    output, target = normal(6, 4), normal(6, 4, seed=1)
    target[2, 1] = float("nan")
    known = ~target.isnan()
    cases = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": lambda o, t: F.huber_loss(o, t, delta=0.4)}
    for name, function in cases.items():
        ours = loss_of(name, **({"delta": 0.4} if name == "huber" else {}))(output, target)
        assert float(ours) == pytest.approx(float(function(output[known], target[known])), abs=1e-12)
    column = normal(5, 1)
    assert float(loss_of("mse")(column, target[:5, 0])) == pytest.approx(
        float((column[:, 0] - target[:5, 0]).square().mean())
    )


def test_quantile_is_pinball_and_finds_quantiles() -> None:
    levels = (0.1, 0.5, 0.9)
    output, target = normal(6, 3), normal(6, seed=1)
    expected = [
        np.mean([max(q * (y - o), (q - 1) * (y - o)) for q, o in zip(levels, row, strict=True)])
        for row, y in zip(output.tolist(), target.tolist(), strict=True)
    ]
    assert float(loss_of("quantile")(output, target)) == pytest.approx(np.mean(expected), abs=1e-12)
    sample = normal(4000, seed=2)
    answer = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([answer], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss_of("quantile")(answer.expand(4000, 3), sample).backward()
        optimizer.step()
    assert answer.detach().numpy() == pytest.approx(np.quantile(sample.numpy(), levels), abs=0.05)


def test_ctc_is_torchs_mean() -> None:
    output = normal(4, 9, 5)
    target = torch.tensor([[1, 2, 3], [4, 4, -1], [2, -1, -1], [-1, -1, -1]])
    lengths = torch.tensor([3, 2, 1])
    expected = F.ctc_loss(output[:3].log_softmax(-1).transpose(0, 1), target[:3].clamp(min=0),
                          torch.full((3,), 9), lengths)  # fmt: skip
    assert float(loss_of("ctc")(output, target)) == pytest.approx(float(expected), abs=1e-12)
    too_long = torch.tensor([[1, 1, 1, 1, 1, 1]])
    assert float(loss_of("ctc")(normal(1, 3, 5), too_long)) == 0.0


def test_contrastive_is_the_papers() -> None:
    output, target = normal(7, 4), torch.tensor([0, 0, 1, 1, 1, 2, -1])
    z = output / output.norm(dim=1, keepdim=True)
    losses = []
    for i in range(5):  # the row of class 2 is alone, the last has none
        others = [a for a in range(6) if a != i]
        total = sum(np.exp(float(z[i] @ z[a]) / 0.1) for a in others)
        same = [p for p in others if target[p] == target[i]]
        losses.append(-np.mean([np.log(np.exp(float(z[i] @ z[p]) / 0.1) / total) for p in same]))
    assert float(loss_of("contrastive")(output, target)) == pytest.approx(np.mean(losses), abs=1e-9)
    # Two views of each row: InfoNCE is the cross-entropy of finding the other view.
    views, rows = normal(8, 4, seed=3), torch.arange(4).repeat(2)
    z = F.normalize(views, dim=1)
    likeness = (z @ z.T / 0.5).fill_diagonal_(-1e9)
    expected = F.cross_entropy(likeness, (torch.arange(8) + 4) % 8)
    assert float(loss_of("contrastive", temperature=0.5)(views, rows)) == pytest.approx(float(expected), abs=1e-9)


def test_dice_is_the_formula() -> None:
    output, target = normal(2, 3, 4, 4), (torch.arange(32) % 2).reshape(2, 4, 4)
    target[0, 0] = -1
    p = output.softmax(dim=1).numpy()
    known = (target >= 0).numpy()
    dice = []
    for k in (0, 1):  # class 2 is in no target
        t = (target == k).numpy()
        dice.append(2 * (p[:, k] * t).sum() / ((p[:, k] * known).sum() + t.sum()))
    entropy = float(F.cross_entropy(output, target, ignore_index=-1))
    assert float(loss_of("dice", share=1.0)(output, target)) == pytest.approx(1 - np.mean(dice), abs=1e-12)
    expected = 0.3 * (1 - np.mean(dice)) + 0.7 * entropy
    assert float(loss_of("dice", share=0.3)(output, target)) == pytest.approx(expected, abs=1e-12)
    finer = torch.full((2, 8, 8), 1)
    stretched = F.interpolate(output, size=(8, 8), mode="bilinear")
    assert float(loss_of("dice")(output, finer)) == pytest.approx(float(loss_of("dice")(stretched, finer)))


def test_overlap_is_intersection_over_union() -> None:
    from modelwright.training.objectives.boxes import overlap

    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5), axis=-1).reshape(-1, 2)
    for _ in range(30):
        low, size = rng.integers(0, 20, (2, 2)), rng.integers(1, 20, (2, 2))
        boxes = np.concatenate([low, low + size], axis=1)
        a, b = ((grid > box[:2]).all(1) & (grid < box[2:]).all(1) for box in boxes)
        around = (grid > boxes[:, :2].min(0)).all(1) & (grid < boxes[:, 2:].max(0)).all(1)
        ratio = (a & b).sum() / (a | b).sum()
        pair = torch.tensor(boxes, dtype=torch.float64)
        assert float(overlap(pair[0], pair[1])) == pytest.approx(ratio, abs=1e-9)
        expected = ratio - (around.sum() - (a | b).sum()) / around.sum()
        assert float(overlap(pair[0], pair[1], generalized=True)) == pytest.approx(expected, abs=1e-9)


def cells_of(n: int) -> Any:
    """Boxes that fill the cells of an n x n grid."""
    from modelwright.training.objectives.boxes import centres_of

    centres = centres_of(((n, n),))
    return torch.cat([centres - 0.5 / n, centres + 0.5 / n], dim=1)


def test_boxes_are_given_to_the_cells_within_them() -> None:
    from modelwright.training.objectives.box import BoxSpec
    from modelwright.training.objectives.boxes import Boxes

    boxes = cells_of(4)[None]
    target = torch.tensor([[[1, 0.0, 0.0, 0.5, 0.5], [0, 0.55, 0.55, 0.6, 0.6], [-1, 0, 0, 0, 0]]]).double()
    given = Boxes(BoxSpec()).give(boxes, torch.zeros(1, 16, 2).double(), target)
    assert given.fit[0].nonzero()[:, 0].tolist() == [0, 1, 4, 5, 10]  # the small box holds no centre: its nearest cell
    assert given.kind[0, [0, 1, 4, 5, 10]].tolist() == [1, 1, 1, 1, 0]
    assert torch.equal(given.box[0, 10], target[0, 1, 1:])
    assert float(given.fit[0, 0]) == pytest.approx(0.25)  # the best cell's fit is its overlap
    few = Boxes(BoxSpec(candidates=1)).give(boxes, torch.zeros(1, 16, 2).double(), target)
    assert int((few.fit > 0).sum()) == 2
    # A cell that two boxes want goes to the one it overlaps more.
    both = torch.tensor([[[0, 0.0, 0.0, 1.0, 1.0], [1, 0.0, 0.0, 0.5, 0.5]]]).double()
    given = Boxes(BoxSpec(candidates=16)).give(boxes, torch.zeros(1, 16, 2).double(), both)
    assert given.kind[0].reshape(4, 4)[:2, :2].tolist() == [[1, 1], [1, 1]]
    assert int((given.kind[0] == 0).sum()) == 12 and bool((given.fit > 0).all())


def test_box_is_the_formula() -> None:
    from modelwright.training.objectives.box import BoxSpec
    from modelwright.training.objectives.boxes import Boxes, overlap

    boxes, logits = cells_of(2)[None] + 0.02, normal(1, 4, 2)
    target = torch.tensor([[[1, 0.0, 0.0, 0.5, 0.5]]]).double()
    fit = float(overlap(boxes[0, 0], target[0, 0, 1:]))
    truth = torch.zeros(4, 2).double()
    truth[0, 1] = fit
    p = logits[0].sigmoid()
    classes = (p - truth).abs() ** 2 * -(truth * p.log() + (1 - truth) * (1 - p).log())
    around = 0.52**2
    giou = fit - (around - 2 * 0.25 + 0.48**2) / around
    expected = float(classes.sum()) + 2.0 * (1 - giou) * fit
    loss = loss_of("box")(torch.cat([boxes, logits], dim=2), target)  # the sum of fits is below 1
    assert float(loss) == pytest.approx(expected, abs=1e-9)
    assert Boxes(BoxSpec())._grid(boxes).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def test_box_has_its_gradient_with_the_cells_held_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = loss_of("box", gamma=1.5)
    output = torch.cat([cells_of(3)[None] + 0.02 * normal(1, 9, 4), normal(1, 9, 2)], dim=2).requires_grad_(True)
    target = torch.tensor([[[1, 0.05, 0.0, 0.5, 0.62], [0, 0.5, 0.5, 0.9, 0.97]]]).double()
    given = loss.give(output.detach()[..., :4], output.detach()[..., 4:], target)
    assert int((given.fit > 0).sum()) >= 3
    monkeypatch.setattr(loss, "give", lambda *_: given)
    assert torch.autograd.gradcheck(lambda o: loss(o, target), (output,))


def test_box_takes_pictures_without_boxes() -> None:
    output = torch.cat([cells_of(3).expand(2, 9, 4), normal(2, 9, 2)], dim=2).requires_grad_(True)
    empty, padded = torch.zeros(2, 0, 5), torch.full((2, 3, 5), -1.0)
    losses = [loss_of("box")(output, target) for target in (empty, padded)]
    assert float(losses[0].detach()) == pytest.approx(float(losses[1].detach()))
    losses[0].backward()
    assert float(output.grad[..., 4:].min()) > 0.0  # all classes go down
    assert float(output.grad[..., :4].abs().max()) == 0.0


@pytest.mark.parametrize("cells", [[[8, 12]], []])
def test_box_teaches_a_network_to_find_squares(cells: list[list[int]]) -> None:
    from modelwright.training.objectives.boxes import centres_of, overlap

    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(64, 1, 32, 48, generator=generator) * 0.2
    target = torch.zeros(64, 1, 5)
    for i in range(64):
        top, left = (int(torch.randint(0, high, (1,), generator=generator)) for high in (20, 36))
        pictures[i, 0, top : top + 12, left : left + 12] += 1
        target[i, 0] = torch.tensor([0, left / 48, top / 32, (left + 12) / 48, (top + 12) / 32])
    torch.manual_seed(0)
    body = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 5, 2, 2), torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 5, 2, 2),
        torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 5, 1, 2), torch.nn.ReLU(),
        torch.nn.Conv2d(16, 5, 1))  # fmt: skip
    centres = centres_of(((8, 12),)).float()

    def answer(pixels: Any) -> Any:
        raw = body(pixels).flatten(2).transpose(1, 2)
        size = F.softplus(raw[..., :4]) * 0.2
        return torch.cat([centres - size[..., :2], centres + size[..., 2:4], raw[..., 4:]], dim=2)

    optimizer = torch.optim.AdamW(body.parameters(), lr=1e-2)
    loss = loss_of("box", cells=cells)
    for step in range(60):
        optimizer.zero_grad()
        rows = slice(step % 4 * 16, step % 4 * 16 + 16)
        loss(answer(pictures[rows]), target[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        found = answer(pictures)
    best = found[torch.arange(64), found[..., 4].argmax(dim=1), :4]
    assert float((overlap(best, target[:, 0, 1:]) > 0.5).float().mean()) > 0.9


# Objectives ------------------------------------------------------------------------------------------------------


def test_usual_losses_of_each_kind() -> None:
    masks = Task(kind="segmentation", target="mask", classes=("a", "b"))
    tasks = [THREE, NUMBER, Task(kind="multilabel", target="tags", classes=("x", "y")), masks]
    objective = make_objective([None] * 4, tasks)
    assert [term.loss.name for term in objective.terms] == ["cross_entropy", "mse", "bce", "dice"]
    outputs = normal(3, 3), normal(3), normal(3, 2), normal(3, 2, 4, 4)
    targets = torch.tensor([0, 2, 1]), normal(3, seed=1), torch.ones(3, 2).double(), torch.ones(3, 4, 4).long()
    expected = [loss_of(n)(o, t) for n, o, t in
                zip(("cross_entropy", "mse", "bce", "dice"), outputs, targets, strict=True)]  # fmt: skip
    assert float(objective(outputs, targets)) == pytest.approx(float(sum(expected)), rel=1e-6)
    weighed = make_objective([None] * 4, tasks, weighting=Use(method="fixed", settings={"shares": [0, 2, 0, 0.5]}))
    assert float(weighed(outputs, targets)) == pytest.approx(float(2 * expected[1] + 0.5 * expected[3]), rel=1e-6)


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(UserError, match=r"objective\.kind") as problem:
        make_objective([Use(method="mse")], [THREE])
    assert "cross_entropy" in str(problem.value)
    with pytest.raises(UserError, match="did you mean `smoothing`"):
        make_objective([Use(method="cross_entropy", settings={"smooting": 0.1})], [THREE])
    with pytest.raises(UserError, match="did you mean `gradnorm`"):
        make_objective([None, None], [THREE, NUMBER], weighting="gradnrm")
    with pytest.raises(UserError, match=r"objective\.tasks"):
        make_objective([None], [THREE, NUMBER])
    with pytest.raises(UserError, match=r"objective\.tasks"):
        make_objective([None, None], [THREE, NUMBER], weighting=Use(method="fixed", settings={"shares": [1.0]}))
    with pytest.raises(UserError, match=r"levels must rise"):
        loss_of("quantile", levels=[0.9, 0.1])


def test_shapes_are_looked_at_once() -> None:
    objective = make_objective([None], [NUMBER])
    with pytest.raises(UserError, match=r"outputs \(8, 4\) and targets \(8,\)"):
        objective((normal(8, 4),), (normal(8),))
    with pytest.raises(UserError, match="as many outputs"):
        objective((normal(8), normal(8)), (normal(8),))
    assert float(objective((normal(8, 1),), (normal(8),)).detach()) == 0.0
    classes = make_objective([Use(method="cross_entropy", settings={"class_weights": [1.0, 2.0]})], [THREE])
    with pytest.raises(UserError, match=r"objective\.shape"):
        classes((normal(8, 3),), (torch.zeros(8).long(),))


def test_is_complete() -> None:
    assert is_complete([torch.tensor([0, 1]), torch.tensor([0.5])])
    assert not is_complete([torch.tensor([0, -1])])
    assert not is_complete([torch.tensor([0]), torch.tensor([[1.0, float("nan")]])])


def test_objectives_move_with_their_weights() -> None:
    objective = make_objective(
        [Use(method="cross_entropy", settings={"class_weights": [1.0, 2.0, 3.0]}), Use(method="quantile")],
        [THREE, NUMBER], weighting="uncertainty")  # fmt: skip
    assert {name for name, _ in objective.named_buffers()} >= {"functions.0.class_weights", "functions.1.levels"}
    assert [name for name, _ in objective.named_parameters()] == ["weighting.log_variances"]
    moved = objective.to("meta")
    assert all(buffer.is_meta for buffer in moved.buffers())


def test_one_task_costs_as_much_as_the_bare_loss() -> None:
    output, target = torch.randn(32, 10, requires_grad=True), torch.randint(0, 10, (32,))
    task = Task(kind="multiclass", target="y", classes=tuple("abcdefghij"))
    objective = make_objective([None], [task], complete=True)
    ways = {"bare": lambda: F.cross_entropy(output, target), "ours": lambda: objective((output,), (target,))}
    fastest = dict.fromkeys(ways, float("inf"))
    for _ in range(40):
        for name, way in ways.items():
            began = time.perf_counter()
            for _ in range(50):
                way()
            fastest[name] = min(fastest[name], (time.perf_counter() - began) / 50)
    assert fastest["ours"] - fastest["bare"] < 3e-6, fastest


# Several tasks ---------------------------------------------------------------------------------------------------


def two_tasks() -> tuple[Any, Any, tuple[Any, ...]]:
    """A shared layer and two numbers to learn, the second told in a unit that makes its loss 1000 times larger."""
    torch.manual_seed(0)
    x, truth, unit = torch.randn(256, 8), torch.randn(8, 2), 1000**0.5
    y = torch.tanh(2 * x @ truth / truth.norm(dim=0))
    network = torch.nn.ModuleDict({"shared": torch.nn.Linear(8, 3), "a": torch.nn.Linear(3, 1),
                                   "b": torch.nn.Linear(3, 1)})  # fmt: skip
    targets = y[:, 0] + 0.1 * torch.randn(256), unit * (y[:, 1] + 0.1 * torch.randn(256))

    def answers() -> tuple[Any, Any]:
        hidden = torch.tanh(network["shared"](x))
        return network["a"](hidden)[:, 0], unit * network["b"](hidden)[:, 0]

    return network, answers, targets


def train_two(weighting: str) -> tuple[Any, list[float]]:
    network, answers, targets = two_tasks()
    objective = make_objective([None, None], [NUMBER, Task(kind="regression", target="other")], weighting=weighting)
    groups = [{"params": list(network.parameters()), "lr": 0.02}, {"params": list(objective.parameters()), "lr": 0.05}]
    optimizer = torch.optim.Adam([group for group in groups if group["params"]])
    for _ in range(400):
        optimizer.zero_grad()
        losses = objective.losses(answers(), targets)
        if objective.needs_balance:
            objective.balance(losses, network["shared"].weight)
        objective.total(losses).backward()
        optimizer.step()
    first, second = (float(loss.detach()) for loss in objective.losses(answers(), targets))
    return objective, [first, second / 1000]


def test_adaptive_weights_do_not_mind_a_loss_1000_times_larger() -> None:
    _, plain = train_two("fixed")
    assert plain[0] > 0.3 and plain[1] < 0.02  # what is 1000 times larger is nearly all that fixed weights learn
    _, by_gradients = train_two("gradnorm")
    assert max(by_gradients) < 0.06
    _, by_noise = train_two("uncertainty")
    assert by_noise[0] < 0.75 * plain[0] and by_noise[1] < 0.02


def test_uncertainty_is_kendalls_and_finds_the_noise() -> None:
    objective = make_objective([None, None], [NUMBER, NUMBER], weighting="uncertainty")
    losses = torch.tensor([0.01, 10.0])
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        objective.total(tuple(losses)).backward()
        optimizer.step()
    noise = objective.weighting.log_variances.detach().exp()
    assert torch.allclose(noise, losses, rtol=0.02)  # at the best, the noise is the loss itself
    mixed = make_objective([None, None], [THREE, NUMBER], weighting="uncertainty").weighting
    with torch.no_grad():
        mixed.log_variances.copy_(torch.tensor([0.3, -0.7]))
    total = mixed.total((torch.tensor(2.0), torch.tensor(3.0)))
    expected = np.exp(-0.3) * 2 + 0.15 + 0.5 * np.exp(0.7) * 3 - 0.35
    assert float(total.detach()) == pytest.approx(expected, abs=1e-6)


def test_gradnorm_comes_to_rest_where_the_papers_loss_is_zero() -> None:
    network, answers, targets = two_tasks()
    tasks = [NUMBER, Task(kind="regression", target="other")]
    objective = make_objective(
        [None, None], tasks, weighting=Use(method="gradnorm", settings={"asymmetry": 0.7, "rate": 0.5})
    )
    weighting, shared = objective.weighting, network["shared"].weight
    objective.balance(objective.losses(answers(), targets), shared)
    with torch.no_grad():  # the first task has learned a good deal since
        for parameter in network["a"].parameters():
            parameter.mul_(0.5)
    for _ in range(60):
        objective.balance(objective.losses(answers(), targets), shared)
    losses = objective.losses(answers(), targets)
    norms = torch.stack([torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in losses])
    left = torch.stack(losses).detach() / weighting.first
    goal = (weighting.shares * norms).mean() * (left / left.mean()) ** 0.7
    # L_grad of equation 2: the sum of |w G - mean(w G) r^a|; the mean goal differs from the mean norm by a factor
    ratio = weighting.shares * norms / goal
    assert float(ratio[0]) == pytest.approx(float(ratio[1]), rel=1e-4)
    assert float(weighting.shares.sum()) == pytest.approx(2.0, abs=1e-5)
    assert float(weighting.shares[0] / weighting.shares[1]) > 10


def test_gradnorm_bears_a_task_without_targets() -> None:
    network, answers, targets = two_tasks()
    tasks = [NUMBER, Task(kind="regression", target="other")]
    objective = make_objective([None, None], tasks, weighting="gradnorm")
    nothing = torch.full_like(targets[1], float("nan"))
    for given in ((targets[0], nothing), targets, (targets[0], nothing)):
        objective.balance(objective.losses(answers(), given), network["shared"].weight)
    assert bool(torch.isfinite(objective.weighting.shares).all())
    assert float(objective.weighting.first[1]) > 0
    state = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    again = make_objective([None, None], tasks, weighting="gradnorm")
    again.load_state_dict(state)
    assert torch.equal(again.weighting.shares, objective.weighting.shares)


# Penalties and limits --------------------------------------------------------------------------------------------


def test_clipping_is_torchs() -> None:
    from modelwright.training.objectives.regularise import clip_norm, clip_value, l1

    def parameters() -> list[Any]:
        made = [torch.nn.Parameter(torch.zeros(s)) for s in ((5, 4), (3,), (2,))]
        for index, parameter in enumerate(made[:2]):
            parameter.grad = normal(*parameter.shape, seed=index).float() * 3
        return made

    for limit in (0.5, 100.0):
        ours, theirs = parameters(), parameters()
        norm = clip_norm(ours, limit)
        assert isinstance(norm, torch.Tensor)
        assert float(norm) == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs, limit)), rel=1e-6)
        assert all(torch.allclose(a.grad, b.grad) for a, b in zip(ours[:2], theirs[:2], strict=True))
        before = float(clip_value(ours, limit / 2))
        torch.nn.utils.clip_grad_value_(theirs, limit / 2)
        assert all(torch.allclose(a.grad, b.grad) for a, b in zip(ours[:2], theirs[:2], strict=True))
        assert before == pytest.approx(min(limit, float(norm)), rel=1e-4)
    assert float(clip_norm([torch.nn.Parameter(torch.zeros(2))], 1.0)) == 0.0
    weight = torch.nn.Parameter(torch.tensor([2.0, -3.0]))
    l1([weight], 0.1).backward()
    assert weight.grad.tolist() == pytest.approx([0.1, -0.1])
