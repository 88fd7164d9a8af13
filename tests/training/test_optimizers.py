"""Optimizers against torch's own and against the papers, their groups, and their states."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.core import registry
from modelwright.core.errors import SystemFault, UserError
from modelwright.core.use import Use
from modelwright.testing.optimizers import check_optimizer
from modelwright.training.optimizers import load_state, make_optimizer, set_rate, state_tensors

torch = pytest.importorskip("torch")
nn = torch.nn
torch.set_num_threads(1)

NAMES = sorted(registry.BUILT_IN["optimizers"])


def network(dtype: Any = torch.float32, seed: int = 0) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(),
                             nn.Linear(12, 3)).to(dtype)  # fmt: skip


def train(net: Any, optimizer: Any, n_steps: int = 100, *, start: int = 0, factors: bool = True) -> None:
    """Steps on batches that follow from the step's number, with a learning rate that changes at each."""
    optimizers = optimizer if isinstance(optimizer, list) else [optimizer]
    for step in range(start, start + n_steps):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(16, 8, generator=generator, dtype=torch.float64).to(next(net.parameters()).dtype)
        y = (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()

        def closure() -> Any:
            net.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)  # noqa: B023
            loss.backward()
            return loss

        closure()
        for one in optimizers:
            for group in one.param_groups if factors else ():
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * (1 - step / 200)
            one.step(closure) if isinstance(one, torch.optim.LBFGS) else one.step()


def by_kind(net: Any, decay: float) -> list[dict[str, Any]]:
    """The groups as one would write them by hand."""
    parameters = list(net.parameters())
    return [{"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip


def largest(one: Any, other: Any) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in zip(one.parameters(), other.parameters(), strict=True))


plain = {"foreach": False, "fused": False}
REFERENCES: dict[str, tuple[dict[str, Any], Any]] = {
    "sgd": ({"learning_rate": 0.05}, lambda g: torch.optim.SGD(g, lr=0.05, momentum=0.9, nesterov=True, **plain)),
    "sgd without momentum": (
        {"learning_rate": 0.05, "momentum": 0.0, "nesterov": False}, lambda g: torch.optim.SGD(g, lr=0.05, **plain)),
    "sgd without nesterov": (
        {"learning_rate": 0.02, "nesterov": False}, lambda g: torch.optim.SGD(g, lr=0.02, momentum=0.9, **plain)),
    "adagrad": ({"learning_rate": 0.02}, lambda g: torch.optim.Adagrad(g, lr=0.02, **plain)),
    "adadelta": ({}, lambda g: torch.optim.Adadelta(g, lr=1.0, foreach=False)),
    "rmsprop": ({}, lambda g: torch.optim.RMSprop(g, lr=1e-3, foreach=False)),
    "rmsprop centered": (
        {"centered": True, "momentum": 0.5},
        lambda g: torch.optim.RMSprop(g, lr=1e-3, centered=True, momentum=0.5, foreach=False)),
    "adam": ({}, lambda g: torch.optim.Adam(g, lr=1e-3, **plain)),
    "adamw": ({"betas": (0.8, 0.99)}, lambda g: torch.optim.AdamW(g, lr=1e-3, betas=(0.8, 0.99), **plain)),
    "nadam": ({}, lambda g: torch.optim.NAdam(g, lr=2e-3, decoupled_weight_decay=True, foreach=False)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", REFERENCES)
def test_equals_torch_over_100_steps(case: str, dtype: Any) -> None:
    settings, reference = REFERENCES[case]
    ours, theirs = network(dtype), network(dtype)
    use = Use(method=case.split()[0], settings={**settings, "weight_decay": 0.05})
    train(ours, make_optimizer(use, ours))
    train(theirs, reference(by_kind(theirs, 0.05)))
    assert largest(ours, network(dtype)) > 0.01
    assert largest(ours, theirs) < 1e-6


@pytest.mark.parametrize("name", ["sgd", "adagrad", "adam", "adamw"])
def test_the_short_way_is_torchs_fused_step_to_the_bit(name: str) -> None:
    ours, theirs = network(), network()
    optimizer = make_optimizer(Use(method=name, settings={"weight_decay": 0.01}), ours)
    train(ours, optimizer)
    assert optimizer._lists is not None
    base = type(optimizer)._torchs
    extra = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    groups = [{**group, "params": theirs_of} for group, theirs_of in zip(
        ({"lr": g["initial_lr"], "weight_decay": g["weight_decay"]} for g in optimizer.param_groups),
        ([p for p in theirs.parameters() if p.ndim > 1], [p for p in theirs.parameters() if p.ndim < 2]),
        strict=True)]  # fmt: skip
    train(theirs, base(groups, fused=True, **extra))
    assert largest(ours, theirs) == 0.0


def test_the_short_way_gives_way_to_what_is_unusual() -> None:
    ours, theirs = network(), network()
    optimizer = make_optimizer(Use(method="adamw", settings={"weight_decay": 0.0}), ours)
    reference = torch.optim.AdamW(theirs.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    for net, one in ((ours, optimizer), (theirs, reference)):
        train(net, one, 3)
        for step in range(3):  # a layer without a gradient
            x = torch.randn(4, 8, generator=torch.Generator().manual_seed(step))
            net.zero_grad()
            net[3](net[2](net[1](net[0](x)))).sum().backward()
            one.step()
        train(net, one, 3)
        more = nn.Parameter(torch.ones(3))
        more.grad = torch.ones(3)
        one.add_param_group({"params": [more], "lr": 0.1, "weight_decay": 0.0})
        one.step()
        assert more[0].item() == pytest.approx(0.9)
        one.load_state_dict(copy.deepcopy(one.state_dict()))
        train(net, one, 3, factors=False)
    assert largest(ours, theirs) == 0.0
    calls = []
    hook = optimizer.register_step_post_hook(lambda *_: calls.append(1))
    optimizer.step()
    hook.remove()
    optimizer.step()
    assert calls == [1]


def test_the_short_way_skips_a_step_that_the_gradient_scaler_finds_infinite() -> None:
    net = network()
    optimizer = make_optimizer(Use(method="adamw"), net)
    train(net, optimizer, 3)
    before = copy.deepcopy(net)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(net(torch.full((2, 8), 1.0)).sum() * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert largest(net, before) == 0.0
    net.zero_grad()
    scaler.scale(net(torch.full((2, 8), 1.0)).sum()).backward()
    scaler.step(optimizer)
    assert largest(net, before) > 0.0


def test_the_short_way_is_shorter() -> None:
    def made(short: bool) -> Any:
        net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
        return make_optimizer(Use(method="adamw"), net) if short else torch.optim.AdamW(net.parameters(), fused=True)

    fastest = {True: float("inf"), False: float("inf")}
    optimizers = {short: made(short) for short in fastest}
    for _ in range(15):
        for short, optimizer in optimizers.items():
            began = time.perf_counter()
            for _ in range(30):
                optimizer.step()
            fastest[short] = min(fastest[short], time.perf_counter() - began)
    assert fastest[True] < 0.8 * fastest[False], fastest


def test_lion_is_the_papers() -> None:
    net = network(torch.float64)
    weights = [p.detach().numpy().copy() for p in net.parameters()]
    momenta = [np.zeros_like(w) for w in weights]
    optimizer = make_optimizer(Use(method="lion", settings={"learning_rate": 1e-3, "weight_decay": 0.1}), net)
    for step in range(100):
        train(net, optimizer, 1, start=step)
        rate = 1e-3 * (1 - step / 200)
        for i, parameter in enumerate(net.parameters()):
            g = parameter.grad.numpy()
            decay = 0.1 if parameter.ndim > 1 else 0.0
            update = np.sign(0.9 * momenta[i] + (1 - 0.9) * g)
            weights[i] -= rate * (update + decay * weights[i])
            momenta[i] = 0.99 * momenta[i] + (1 - 0.99) * g
    for parameter, expected in zip(net.parameters(), weights, strict=True):
        assert np.abs(parameter.detach().numpy() - expected).max() < 1e-6


def test_lion_at_once_is_lion_one_by_one() -> None:
    from modelwright.training.optimizers import lion_steps

    parts = []
    for way in (lion_steps._one_by_one, lion_steps._all_at_once):
        torch.manual_seed(3)
        params = [nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(3))]
        momenta = [torch.randn_like(p) for p in params]
        for p in params:
            p.grad = torch.randn_like(p)
        with torch.no_grad():
            way({"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1}, params, momenta)
        parts.append([*params, *momenta])
    assert all(torch.equal(a, b) for a, b in zip(*parts, strict=True))


def test_muon_equals_torchs_muon_and_adamw(monkeypatch: pytest.MonkeyPatch) -> None:
    from modelwright.training.optimizers import muon_steps

    monkeypatch.setattr(muon_steps, "precision_for", lambda matrix: torch.bfloat16)
    ours, theirs = network(), network()
    train(ours, make_optimizer(Use(method="muon", settings={"learning_rate": 0.002, "weight_decay": 0.05}), ours))
    hidden = [theirs[0].weight, theirs[3].weight]
    rest = [p for p in theirs.parameters() if all(p is not h for h in hidden)]
    train(theirs, [
        torch.optim.Muon(hidden, lr=0.002, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([{"params": [theirs[5].weight], "weight_decay": 0.05},
                           {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0}], lr=0.002),
    ])  # fmt: skip
    assert largest(ours, theirs) < 1e-6


def test_muon_brings_singular_values_near_one() -> None:
    from modelwright.training.optimizers.muon_steps import orthogonal

    for shape in ((12, 30), (30, 12), (200, 150)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape), 5).float())
        assert float(values.min()) > 0.5 and float(values.max()) < 1.35


def test_muon_takes_filters_and_networks_without_hidden_matrices() -> None:
    filters = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    optimizer = make_optimizer(Use(method="muon"), filters)
    before = filters[0].weight.clone()
    filters(torch.randn(3, 1, 4, 4)).square().sum().backward()
    optimizer.step()
    step = (filters[0].weight - before).detach().reshape(4, 9)
    assert torch.linalg.svdvals(step / 1e-3 / 0.2 / 3).min() > 0.5
    check_alone = nn.Linear(3, 1)
    one = make_optimizer(Use(method="muon"), check_alone)
    assert [group["hidden"] for group in one.param_groups] == [False, False]


def soap_step(w: Any, g: Any, s: dict[str, Any], step: int, rate: float) -> None:
    """Algorithm 3 of Vyas et al. (2025) for a matrix in float64; new axes by one power iteration and QR."""
    b1, b2, every, eps, decay = 0.95, 0.95, 10, 1e-8, 0.01
    if not s:
        s.update(m=torch.zeros_like(g), v=torch.zeros_like(g), l=(1 - b2) * g @ g.T, r=(1 - b2) * g.T @ g)
        s["ql"], s["qr"] = (torch.linalg.eigh(s[k])[1].flip(1) for k in ("l", "r"))
        return
    s["m"] = b1 * s["m"] + (1 - b1) * g
    s["v"] = b2 * s["v"] + (1 - b2) * (s["ql"].T @ g @ s["qr"]) ** 2
    direction = s["ql"] @ ((s["ql"].T @ s["m"] @ s["qr"]) / (s["v"].sqrt() + eps)) @ s["qr"].T
    w -= rate * (1 - b2**step) ** 0.5 / (1 - b1**step) * direction
    w *= 1 - rate * decay
    s["l"] = b2 * s["l"] + (1 - b2) * g @ g.T
    s["r"] = b2 * s["r"] + (1 - b2) * g.T @ g
    if step % every == 0:
        for axis, (k, q) in enumerate((("l", "ql"), ("r", "qr"))):
            order = (s[q] * (s[k] @ s[q])).sum(0).argsort(descending=True)
            s["v"] = s["v"].index_select(axis, order)
            s[q] = torch.linalg.qr((s[k] @ s[q])[:, order].float())[0].double()  # float32 in the library too


def test_soap_is_the_papers() -> None:
    """On a square matrix, for the axes of a gradient of low rank are not unique."""
    pytest.importorskip("pytorch_optimizer")
    torch.manual_seed(5)
    net = nn.Linear(6, 6, bias=False).double()
    expected, state = net.weight.detach().clone(), {}
    optimizer = make_optimizer(Use(method="soap"), net)
    for step in range(100):
        noise = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
        net.weight.grad = net.weight.detach() - 1 + noise
        set_rate(optimizer, 1 - step / 200)
        soap_step(expected, expected - 1 + noise, state, step, 3e-3 * (1 - step / 200))
        optimizer.step()
    assert float(expected.mean()) > 0.05
    assert float((net.weight.detach() - expected).abs().max()) < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_conforms(name: str) -> None:
    if name == "soap":
        pytest.importorskip("pytorch_optimizer")
    bolder = {"lion": {"learning_rate": 1e-3}, "adagrad": {"learning_rate": 0.05}}
    check_optimizer(registry.get("optimizers", name), bolder.get(name))


def test_the_suite_finds_what_is_wrong() -> None:
    from modelwright.training.optimizers.base import OptimizerMethod
    from modelwright.training.optimizers.sgd import SgdSpec

    class Forgets(torch.optim.SGD):
        def state_dict(self) -> Any:
            return {**super().state_dict(), "state": {}}

    class Frantic(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data.add_(1e-3)
            return super().step(closure)

    for kind, rule in ((Forgets, "ten steps"), (Frantic, "without a gradient moves")):

        def make(spec: Any, groups: Any, kind: Any = kind) -> Any:
            return kind(groups, momentum=0.9)

        with pytest.raises(AssertionError, match=rule):
            check_optimizer(OptimizerMethod(name="wrong", spec=SgdSpec, make=make))


@pytest.mark.parametrize("name", NAMES)
def test_state_goes_through_safetensors_and_json(name: str, tmp_path: Path) -> None:
    if name == "soap":
        pytest.importorskip("pytorch_optimizer")
    from safetensors.torch import load_file, save_file

    whole, first = network(), network()
    use = Use(method=name)
    train(whole, make_optimizer(use, whole), 30)
    half = make_optimizer(use, first)
    train(first, half, 15)
    tensors, as_plain = state_tensors(half)
    save_file(tensors, tmp_path / "state.safetensors")
    (tmp_path / "state.json").write_text(json.dumps(as_plain))
    second = network(seed=9)
    second.load_state_dict(first.state_dict())
    fresh = make_optimizer(use, second)
    load_state(fresh, load_file(tmp_path / "state.safetensors"), json.loads((tmp_path / "state.json").read_text()))
    train(second, fresh, 15, start=15)
    assert largest(whole, second) == 0.0


def test_a_state_of_something_else_is_refused() -> None:
    tensors, as_plain = state_tensors(trained_optimizer("adamw", network()))
    with pytest.raises(SystemFault, match=r"checkpoint\.optimizer"):
        load_state(make_optimizer(Use(method="adamw"), nn.Linear(8, 3)), tensors, as_plain)
    other = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 11), nn.ReLU(), nn.Linear(11, 3))
    with pytest.raises(SystemFault, match="another shape"):
        load_state(make_optimizer(Use(method="adamw"), other), tensors, as_plain)
    with pytest.raises(SystemFault, match=r"checkpoint\.optimizer"):
        load_state(make_optimizer(Use(method="adamw"), network()), {}, as_plain)


def trained_optimizer(name: str, net: Any) -> Any:
    optimizer = make_optimizer(Use(method=name), net)
    train(net, optimizer, 2)
    return optimizer


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.position = nn.Parameter(torch.zeros(1, 5, 4))
        self.filters = nn.Conv1d(4, 4, 3)
        self.norm = nn.BatchNorm1d(4)
        self.recurrent = nn.LSTM(4, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.mixing = nn.Parameter(torch.ones(4, 4))
        self.scale = nn.Parameter(torch.ones(()))
        self.heads = nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 1)])


def test_only_matrices_and_filters_are_decayed() -> None:
    net = Everything()
    optimizer = make_optimizer(Use(method="adamw"), net)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    groups = {group["weight_decay"]: {names[id(p)] for p in group["params"]} for group in optimizer.param_groups}
    assert groups[0.01] == {
        "filters.weight", "recurrent.weight_ih_l0", "recurrent.weight_hh_l0", "attention.in_proj_weight",
        "attention.out_proj.weight", "mixing", "heads.0.weight", "heads.1.weight",
    }  # fmt: skip
    assert groups[0.01] | groups[0.0] == set(names.values())
    muon = make_optimizer(Use(method="muon"), Everything())
    assert sum(len(group["params"]) for group in muon.param_groups if group["hidden"]) == 6


def test_tied_weights_are_stepped_once_and_as_an_embedding() -> None:
    net = Everything()
    net.heads[0] = nn.Linear(4, 10, bias=False)
    net.heads[0].weight = net.words.weight
    optimizer = make_optimizer(Use(method="sgd", settings={"weight_decay": 0.1}), net)
    found = [(group["weight_decay"], p) for group in optimizer.param_groups for p in group["params"]]
    assert [decay for decay, p in found if p is net.words.weight] == [0.0]


def test_layers_have_rates_of_their_own() -> None:
    net = network()
    extra = nn.Parameter(torch.zeros(2))
    use = Use(method="adamw", settings={"learning_rate": 0.01})
    optimizer = make_optimizer(use, net, rates={"": 0.1, "5.": 1.0, "0.": 0.0}, more_parameters=[extra])
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates[id(net[5].weight)] == 0.01
    assert rates[id(net[3].bias)] == pytest.approx(0.001)
    assert rates[id(extra)] == 0.01
    assert id(net[0].weight) not in rates and not net[0].weight.requires_grad
    set_rate(optimizer, 0.5)
    assert {group["lr"] for group in optimizer.param_groups} == {0.005, 0.0005}


def test_errors_say_what_is_wrong() -> None:
    net = network()
    with pytest.raises(UserError, match=r"did you mean `adamw`"):
        make_optimizer(Use(method="adanw"), net)
    with pytest.raises(UserError, match=r"did you mean `learning_rate`"):
        make_optimizer(Use(method="adamw", settings={"learning_rat": 1}), net)
    with pytest.raises(UserError, match=r"adamw.betas"):
        make_optimizer(Use(method="adamw", settings={"betas": [0.9, 1.0]}), net)
    with pytest.raises(UserError, match=r"nesterov needs"):
        make_optimizer(Use(method="sgd", settings={"momentum": 0}), net)
    with pytest.raises(UserError, match=r"optimizer\.rates"):
        make_optimizer(Use(method="sgd"), net, rates={"encoder.": 0.1})
    with pytest.raises(UserError, match=r"optimizer\.rates"):
        make_optimizer(Use(method="sgd"), net, rates={"0.": -0.1})
    with pytest.raises(UserError, match=r"one rate for all"):
        make_optimizer(Use(method="lbfgs"), net, rates={"0.": 0.1})
    with pytest.raises(UserError, match=r"optimizer\.frozen"):
        make_optimizer(Use(method="sgd"), net, rates={"": 0.0})


def test_lbfgs_solves_what_is_nearly_quadratic() -> None:
    torch.manual_seed(0)
    x = torch.randn(60, 5, dtype=torch.float64)
    y = x @ torch.arange(5.0, dtype=torch.float64)[:, None] + 1
    net = nn.Linear(5, 1).double()
    optimizer = make_optimizer(Use(method="lbfgs"), net)
    assert optimizer.needs_closure

    def closure() -> Any:
        net.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    assert float(closure()) < 1e-8
