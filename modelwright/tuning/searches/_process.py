"""A Gaussian process over the unit cube: a Matern 5/2 kernel with a length of its own for each parameter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr

ROOT5 = 5.0**0.5
LEAST_NOISE = 1e-6

ROUGHNESS, HEIGHT, NOISE = (0.7, 1.7), (0.0, 1.0), (-7.0, 2.0)
"""Mean and deviation of the logarithms of the kernel's settings, where losses have mean 0 and deviation 1."""

BOUNDS = (-8.0, 8.0), (-4.0, 4.0), (-12.0, 1.0)


@dataclass(frozen=True, eq=False)
class Process:
    """A process that has seen `losses` (n,) at `points` (n, d).

    `named` (d,) marks choices, of which any two are as far apart as any others; `rough` (d,) are inverse squared
    lengths.
    """

    points: np.ndarray
    losses: np.ndarray
    named: np.ndarray
    rough: np.ndarray
    height: float
    noise: float

    @classmethod
    def fitted(cls, points: np.ndarray, losses: np.ndarray, named: np.ndarray) -> Process:
        """With the kernel's settings that are likeliest, given the losses and the priors.

        Reference: Rasmussen and Williams (2006), "Gaussian processes for machine learning", 5.4.
        """
        d = points.shape[1]
        mean, deviation = (np.array([ROUGHNESS[part]] * d + [HEIGHT[part], NOISE[part]]) for part in (0, 1))
        apart = _apart(points, points, named)

        def surprise(settings: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = _surprise(settings, apart, losses)
            off = (settings - mean) / deviation
            return value + 0.5 * float(off @ off), slope + off / deviation

        bounds = [BOUNDS[0]] * d + [*BOUNDS[1:]]
        found = minimize(surprise, mean, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
        rough, (height, noise) = np.exp(found.x[:d]), np.exp(found.x[d:])
        return cls(points, losses, named, rough, float(height), float(noise) + LEAST_NOISE)

    def with_expected(self, more: np.ndarray) -> Process:
        """As if trials at these points had ended at their expected loss."""
        losses = np.concatenate([self.losses, self.at(more)[0]])
        return replace(self, points=np.vstack([self.points, more]), losses=losses)

    def at(self, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the loss at points, each of shape (n,)."""
        lower, weights = self._solved
        between = self._kernel(asked)
        half = solve_triangular(lower, between.T, lower=True)
        return between @ weights, np.sqrt((self.height - (half * half).sum(axis=0)).clip(1e-12))

    def gain(self, asked: np.ndarray, least: float) -> np.ndarray:
        """Logarithm of the gain that is expected over a loss of `least`, which is told apart where it is tiny, too.

        Reference: Ament et al. (2023), "Unexpected improvements to expected improvement for Bayesian optimization".
        """
        mean, deviation = self.at(asked)
        z = (least - mean) / deviation
        with np.errstate(divide="ignore", invalid="ignore"):
            near = np.log(z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi))
            far = -0.5 * z * z - 0.5 * np.log(2 * np.pi) - 2 * np.log(np.abs(z))
        gain: np.ndarray = np.where(z > -6, near, far) + np.log(deviation)
        return gain

    def _kernel(self, asked: np.ndarray) -> np.ndarray:
        return self.height * _matern(np.tensordot(self.rough, _apart(asked, self.points, self.named), 1))[0]

    @cached_property
    def _solved(self) -> tuple[np.ndarray, np.ndarray]:
        own = self._kernel(self.points)
        lower = np.linalg.cholesky(own + self.noise * np.eye(len(own)))
        return lower, cho_solve((lower, True), self.losses)


def _apart(left: np.ndarray, right: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Squared distances by parameter, (d, n, m); of choices 1 where they differ."""
    gap = left.T[:, :, None] - right.T[:, None, :]
    squared: np.ndarray = np.where(named[:, None, None], gap != 0, gap * gap)
    return squared


def _matern(squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kernel at squared distances, and its slope along them."""
    far = ROOT5 * np.sqrt(squared)
    fall = np.exp(-far)
    return (1 + far + 5 / 3 * squared) * fall, -5 / 6 * (1 + far) * fall


def _surprise(settings: np.ndarray, apart: np.ndarray, losses: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the logarithm of the losses' likelihood, and its slope along the logarithms of the kernel's settings."""
    d = len(apart)
    rough, (height, noise) = np.exp(settings[:d]), np.exp(settings[d:])
    shape, slope = _matern(np.tensordot(rough, apart, 1))
    kernel = height * shape
    kernel[np.diag_indices(len(losses))] += noise + LEAST_NOISE
    lower = np.linalg.cholesky(kernel)
    weights = cho_solve((lower, True), losses)
    inverse = cho_solve((lower, True), np.eye(len(losses)))
    pull = inverse - np.outer(weights, weights)
    value = 0.5 * float(losses @ weights) + float(np.log(np.diag(lower)).sum())
    along = 0.5 * height * np.einsum("ij,kij->k", pull * slope, apart) * rough
    rest = [0.5 * height * float((pull * shape).sum()), 0.5 * noise * float(np.trace(pull))]
    return value, np.concatenate([along, rest])
