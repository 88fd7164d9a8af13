"""The loop: the same bits after any break, and what each setting promises."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.core.errors import UserError
from modelwright.training.loop import checkpoint
from modelwright.training.loop.batch import Batch
from modelwright.training.loop.examples import Examples, batches
from modelwright.training.loop.fit import Loop, fit
from modelwright.training.loop.order import epoch_order
from modelwright.training.loop.spec import LoopSpec

SPEC = LoopSpec(max_steps=40, batch_size=16, optimizer={"adamw": {"learning_rate": 0.01}}, validations=8)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def rows(n: int = 200) -> tuple[Any, Any]:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32))
    return x, (x[:, 0] + x[:, 1] ** 2 > 0.5).long()


def network(seed: int = 0, dropout: float = 0.2) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Dropout(dropout),
        torch.nn.Linear(16, 2),
    )  # fmt: skip


def loss(outputs: Any, targets: Any, weights: Any) -> Any:
    each = torch.nn.functional.cross_entropy(outputs[0], targets[0], reduction="none")
    return each.mean() if weights is None else (each * weights).mean()


def accuracy(outputs: Any, targets: Any) -> float:
    return float((outputs[0].argmax(1) == targets[0]).double().mean())


def settings() -> dict[str, Any]:
    x, y = rows()
    return {"objective": loss, "validation": Examples((x[:50],), (y[:50],)), "score": accuracy, "seed": 3}


def noisy(batch: Batch, rng: Any) -> Batch:
    x = batch.inputs[0]
    return Batch((x + 0.1 * torch.randn(x.shape, generator=rng),), batch.targets, batch.weights)


def everything(saved: checkpoint.Saved) -> tuple[Any, Any]:
    return {name: tensor.clone() for name, tensor in saved.tensors.items()}, saved.state


def same(first: checkpoint.Saved, second: checkpoint.Saved) -> bool:
    return (
        first.step == second.step
        and first.state == second.state
        and first.tensors.keys() == second.tensors.keys()
        and all(torch.equal(tensor, second.tensors[name]) for name, tensor in first.tensors.items())
    )


@pytest.mark.parametrize(
    "more", [{}, {"average": 0.98, "clip_norm": 0.3}, {"accumulate": 4}, {"schedule": "on_plateau"}]
)
def test_a_break_at_any_step_changes_no_bit(tmp_path: Path, more: dict[str, Any]) -> None:
    spec = SPEC.but(**more)
    whole = Loop(network(), Examples((rows()[0],), (rows()[1],)), spec, augment=noisy, **settings())
    whole.run()
    for stop in (0, 1, 7, 13, 26, 39):
        first = Loop(network(), Examples((rows()[0],), (rows()[1],)), spec, augment=noisy, **settings())
        first.run(until=stop)
        path = checkpoint.save(tmp_path / str(stop), first.saved(), keep=1)
        torch.rand(7)  # other use of chance in between
        second = Loop(network(seed=9), Examples((rows()[0],), (rows()[1],)), spec, augment=noisy, **settings())
        read = checkpoint.read(path)
        assert read is not None
        second.restore(read)
        second.run()
        assert same(whole.saved(), second.saved())


def test_resume_goes_on_where_a_folder_says(tmp_path: Path) -> None:
    told: list[Any] = []
    examples = Examples(rows()[:1], rows()[1:])
    unbroken = fit(network(), examples, SPEC, **settings())
    loop = Loop(network(), examples, SPEC, **settings())
    loop.keep_in(tmp_path)
    loop.run(until=25)
    loop.save()
    done = fit(network(), examples, SPEC, folder=tmp_path, watch=told.append, **settings())
    assert next(event["step"] for event in told if event["event"] == "resumed") == 25
    assert done.history == unbroken.history
    assert all(torch.equal(a, b) for a, b in zip(done.network.parameters(), unbroken.network.parameters(), strict=True))


def test_other_settings_do_not_take_a_foreign_checkpoint(tmp_path: Path) -> None:
    examples = Examples(rows()[:1], rows()[1:])
    loop = Loop(network(), examples, SPEC, **settings())
    loop.keep_in(tmp_path)
    loop.run(until=10)
    loop.save()
    other = Loop(network(), examples, SPEC.but(batch_size=8), **settings())
    other.keep_in(tmp_path)
    assert other.progress.step == 0
    more_workers = Loop(network(), examples, SPEC.but(n_workers=7, checkpoint_every_s=1.0), **settings())
    more_workers.keep_in(tmp_path)
    assert more_workers.progress.step == 10


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    loop = Loop(network(), Examples(rows()[:1], rows()[1:]), SPEC, **settings())
    loop.keep_in(tmp_path)
    for step in (5, 10):
        loop.run(until=step)
        loop.save()
    newest = max(tmp_path.glob("step-*"))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data))
    (tmp_path / ".left-by-a-killed-process.tmp").write_bytes(b"half")
    found = checkpoint.load_latest(tmp_path, identity=loop.identity)
    assert found is not None and found.step == 5
    assert not list(tmp_path.glob(".*.tmp"))


def test_ctrl_c_writes_a_checkpoint(tmp_path: Path) -> None:
    def interrupted(batch: Batch, rng: Any) -> Batch:
        if loop.progress.step == 17:
            raise KeyboardInterrupt
        return batch

    loop = Loop(network(), Examples(rows()[:1], rows()[1:]), SPEC, augment=interrupted, **settings())
    loop.keep_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    found = checkpoint.load_latest(tmp_path, identity=loop.identity)
    assert found is not None and found.step == 17


class OnDisk:
    """Rows that are read when they are asked for."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.nbytes = array, array.shape, array.nbytes

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, some: Any) -> np.ndarray:
        return self.array[some].copy()


@pytest.mark.parametrize("n_workers", [0, 1, 5])
def test_rows_on_disk_come_in_the_same_order_as_in_memory(n_workers: int) -> None:
    x, y = rows(101)
    order = epoch_order(1, 2, 101)
    wanted = list(batches(Examples((x,), (y,)), order, 8, start=3, n_workers=0))
    given = list(batches(Examples((OnDisk(x.numpy()),), (y,)), order, 8, start=3, n_workers=n_workers))
    assert len(wanted) == len(given) == 10
    for first, second in zip(wanted, given, strict=True):
        assert torch.equal(first.inputs[0], second.inputs[0]) and torch.equal(first.targets[0], second.targets[0])


def test_every_epoch_sees_every_row_once_in_another_order() -> None:
    orders = [epoch_order(0, epoch, 97) for epoch in range(3)]
    assert all(sorted(order.tolist()) == list(range(97)) for order in orders)
    assert not torch.equal(orders[0], orders[1])
    assert torch.equal(epoch_order(0, 1, 97), orders[1])


def test_accumulation_gives_the_gradient_of_the_whole_batch() -> None:
    x, y = rows(30)
    weights = torch.rand(30)
    spec = LoopSpec(max_steps=1, batch_size=30, optimizer={"sgd": {"learning_rate": 0.1}}, schedule="constant")
    plain = torch.nn.Linear(6, 2)
    parted = torch.nn.Linear(6, 2)
    parted.load_state_dict(plain.state_dict())
    examples = Examples((x,), (y,), weights)
    fit(plain, examples, spec, objective=loss)
    fit(parted, examples, spec.but(accumulate=5), objective=loss)
    assert torch.allclose(plain.weight, parted.weight, atol=1e-6)


def test_the_best_weights_are_kept_and_patience_ends_a_run() -> None:
    x, y = rows(60)
    noise = torch.randint(0, 2, (60,), generator=torch.Generator().manual_seed(0))  # nothing to learn: only to overfit
    held_out = Examples((x[:30],), (y[:30],))
    spec = SPEC.but(max_steps=2000, validations=200, patience=5)
    done = fit(network(dropout=0.0), Examples((x[30:],), (noise[30:],)), spec, objective=loss, validation=held_out,
               score=accuracy)  # fmt: skip
    assert done.stopped == "patience" and done.n_steps < 2000
    scores = {event["step"]: event["score"] for event in done.history if event["event"] == "validation"}
    assert done.score == max(scores.values()) == scores[done.best_step]
    assert accuracy((done.network(x[:30]),), (y[:30],)) == pytest.approx(done.score)


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    x, y = rows()
    x = x.clone()
    x[3] = math.nan
    done = fit(torch.nn.Linear(6, 2), Examples((x,), (y,)), SPEC.but(max_steps=5000), objective=loss)
    assert done.stopped == "diverged" and done.n_steps < 200


def test_clipping_bounds_the_step() -> None:
    x, y = rows(16)
    plain = torch.nn.Linear(6, 2)
    before = plain.weight.detach().clone(), plain.bias.detach().clone()
    plainly = {"learning_rate": 1.0, "momentum": 0.0, "nesterov": False}
    spec = LoopSpec(max_steps=1, batch_size=16, optimizer={"sgd": plainly},
                    schedule="constant", clip_norm=0.01)  # fmt: skip
    fit(plain, Examples((1000 * x,), (y,)), spec, objective=loss)
    moved = torch.cat([(plain.weight - before[0]).flatten(), plain.bias - before[1]])
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)


def test_several_inputs_and_outputs_of_any_module() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = torch.nn.Linear(6, 2), torch.nn.Linear(3, 1)

        def forward(self, first: Any, second: Any) -> tuple[Any, Any]:
            return self.a(first), self.b(second).squeeze(1)

    x, y = rows()
    other = torch.randn(200, 3)

    def both(outputs: Any, targets: Any, weights: Any) -> Any:
        return loss(outputs[:1], targets[:1], None) + ((outputs[1] - targets[1]) ** 2).mean()

    done = fit(Two(), Examples((x, other), (y, other[:, 0])), SPEC.but(max_steps=300), objective=both)
    assert float(((done.network(x, other)[1] - other[:, 0]) ** 2).mean().detach()) < 0.5


def test_rows_of_unequal_length_are_refused() -> None:
    with pytest.raises(UserError, match=r"differ in length"):
        Examples((torch.zeros(3, 1),), (torch.zeros(4),))


WORKER = """
import os, sys, torch
sys.path.insert(0, {root!r})
from tests.training.test_loop import loss, network, rows
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import fit
from modelwright.training.loop.spec import LoopSpec
torch.set_num_threads(1)
x, y = rows(96)
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
spec = LoopSpec(max_steps=30, batch_size=16, optimizer={{"sgd": {{"learning_rate": 0.1}}}}, share={share!r})
done = fit(net, Examples((x,), (y,)), spec, objective=loss, seed=1)
state = done.network.state_dict()
whole = {{n: t.full_tensor() if hasattr(t, "full_tensor") else t for n, t in state.items()}}
if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
    torch.save(whole, sys.argv[1])
if torch.distributed.is_initialized():
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
os._exit(0)  # gloo's threads were seen to abort the process while the interpreter is taken down
"""


@pytest.mark.parametrize("share", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_learns(tmp_path: Path, share: str) -> None:
    """torchrun with two processes gives the weights of one process, but for the order of sums."""
    root = str(Path(__file__).resolve().parents[2])
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(root=root, share=share))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    subprocess.run([sys.executable, script, tmp_path / "one.pt"], check=True, env=environment, timeout=120)
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script),
         str(tmp_path / "two.pt")],
        check=True, env=environment, timeout=240,
    )  # fmt: skip
    one = torch.load(tmp_path / "one.pt", weights_only=True)
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], atol=1e-5), name
