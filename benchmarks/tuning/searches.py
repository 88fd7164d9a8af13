"""How near each search comes to the least value of known functions in 50 trials, and what a suggestion costs.

All begin with the same ten points. Optuna's samplers are used as they come (a `GPSampler` and a `TPESampler` that
see the same trials), with one thread for all, for threads that wait for each other would count against either.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from benchmarks.common import bar
from modelwright.core import registry
from modelwright.tuning import Space, Tried

N_FIRST, N_TRIALS, N_SEEDS = 10, 50, 5
Function = Callable[[Sequence[float]], float]


def branin(u: Sequence[float]) -> float:
    x, y = 15 * u[0] - 5, 15 * u[1]
    bowl = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.397887


def camel(u: Sequence[float]) -> float:
    x, y = 6 * u[0] - 3, 4 * u[1] - 2
    return (4 - 2.1 * x * x + x**4 / 3) * x * x + x * y + (-4 + 4 * y * y) * y * y + 1.031628


def bowl(u: Sequence[float]) -> float:
    return sum((4 * one - 2 - 0.15 * (place - 2.5)) ** 2 * (1 + place) for place, one in enumerate(u))


_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991], [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
])  # fmt: skip


def hartmann(u: Sequence[float]) -> float:
    return 3.32237 - float((np.array([1, 1.2, 3, 3.2]) * np.exp(-(_A * (np.array(u) - _P) ** 2).sum(1))).sum())


def ackley(u: Sequence[float]) -> float:
    z = 20 * np.array(u) - 7
    return float(-20 * np.exp(-0.2 * np.sqrt((z * z).mean())) - np.exp(np.cos(2 * np.pi * z).mean()) + 20 + math.e)


def rosenbrock(u: Sequence[float]) -> float:
    z = 4 * np.array(u) - 2
    return float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum())


def levy(u: Sequence[float]) -> float:
    w = 1 + (20 * np.array(u) - 11) / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    return float(np.sin(np.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


def rastrigin(u: Sequence[float]) -> float:
    z = 6 * np.array(u) - 2.2
    return float(10 * len(z) + (z * z - 10 * np.cos(2 * np.pi * z)).sum())


def plateau(u: Sequence[float]) -> float:
    """Like a loss over five settings of which two matter."""
    return float(0.2 * abs(u[0] - 0.35) ** 1.5 + 0.1 * (u[1] - 0.6) ** 2 * (1 + u[0]) + 0.01 * u[2])


def stairs(u: Sequence[float]) -> float:
    return float(np.floor(8 * abs(u[0] - 0.4)) / 8 + np.floor(5 * abs(u[1] - 0.7)) / 5 + 0.1 * abs(u[2] - 0.5))


FUNCTIONS: dict[str, tuple[Function, int]] = {
    "branin": (branin, 2), "camel": (camel, 2), "bowl": (bowl, 6), "hartmann": (hartmann, 6), "ackley": (ackley, 4),
    "rosenbrock": (rosenbrock, 4), "levy": (levy, 5), "rastrigin": (rastrigin, 3), "plateau": (plateau, 5),
    "stairs": (stairs, 3),
}  # fmt: skip
"""Functions of the unit cube whose least value is 0."""

SEARCHES = ("gp", "tpe", "cmaes", "random", "Optuna gp", "Optuna tpe")


def suggested(name: str, points: list[list[float]], losses: list[float], seed: int) -> list[float]:
    """The next point that a search asks for."""
    names = [f"x{column}" for column in range(len(points[0]))]
    if name.startswith("Optuna"):
        return _of_optuna(name, names, points, losses, seed)
    space = Space.parse({name: {"low": 0.0, "high": 1.0} for name in names})
    tried = [
        Tried(number=number, settings=dict(zip(names, point, strict=True)), state="done", loss=loss)
        for number, (point, loss) in enumerate(zip(points, losses, strict=True))
    ]
    settings = registry.get("searches", name).suggest(space, tried, len(tried), seed=seed, trials=N_TRIALS)
    return [settings[name] for name in names]


def _of_optuna(name: str, names: list[str], points: list[list[float]], losses: list[float], seed: int) -> list[float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    integer = 1000 * seed + len(points)
    made = {
        "Optuna gp": lambda: optuna.samplers.GPSampler(seed=integer, n_startup_trials=1),
        "Optuna tpe": lambda: optuna.samplers.TPESampler(seed=integer, n_startup_trials=1),
    }[name]()
    unit = {name: optuna.distributions.FloatDistribution(0, 1) for name in names}
    study = optuna.create_study(sampler=made)
    study.add_trials([
        optuna.create_trial(params=dict(zip(names, point, strict=True)), distributions=unit, value=loss)
        for point, loss in zip(points, losses, strict=True)
    ])  # fmt: skip
    trial = study.ask(unit)
    return [trial.params[name] for name in names]


def course(function: Function, n_columns: int, name: str, seed: int) -> tuple[float, float]:
    """The least value found, and processor seconds of a suggestion."""
    first = qmc.Sobol(n_columns, rng=np.random.default_rng(seed)).random(16)[:N_FIRST]
    points = [[float(share) for share in point] for point in first]
    losses, seconds = [function(point) for point in points], 0.0
    while len(points) < N_TRIALS:
        began = time.process_time()
        points.append(suggested(name, points, losses, seed))
        seconds += time.process_time() - began
        losses.append(function(points[-1]))
    return min(losses), seconds / (N_TRIALS - N_FIRST)


def measure() -> tuple[list[str], list[str]]:
    """A line for each function, with the median over seeds, and what a suggestion costs."""
    for name in SEARCHES:
        course(branin, 2, name, 0)  # imports, before the clock
    lines = [f"| function | {' | '.join(SEARCHES)} |", "|---|" + "---|" * len(SEARCHES)]
    costs: dict[str, list[float]] = {name: [] for name in SEARCHES}
    wins = 0
    for title, (function, n_columns) in FUNCTIONS.items():
        found = {}
        with threadpool_limits(1):
            for name in SEARCHES:
                ends = [course(function, n_columns, name, seed) for seed in range(N_SEEDS)]
                found[name] = median(value for value, _ in ends)
                costs[name] += [cost for _, cost in ends]
        wins += found["gp"] <= found["Optuna gp"]
        lines.append(f"| {title} ({n_columns}) | {' | '.join(f'{found[name]:.2g}' for name in SEARCHES)} |")
        print(lines[-1], flush=True)
    lines.append(f"| ms a suggestion | {' | '.join(f'{1000 * median(costs[name]):.0f}' for name in SEARCHES)} |")
    bars = [
        bar("functions where gp is no farther than Optuna's, share", wins / len(FUNCTIONS), 0.5, at_least=True),
        bar("ms of a suggestion of gp, against Optuna's", median(costs["gp"]) / median(costs["Optuna gp"]), 1.0),
    ]
    return lines, bars
