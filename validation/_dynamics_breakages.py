"""Formulas of equilibria and rates broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from _breakage import Breakage, Wrong, after

from cellsolve.dynamics import cosine_limits, distances, rates
from cellsolve.dynamics.landscapes import FullLandscape, HomogenizedLandscape

__all__ = ["DYNAMICS"]

ENTROPY = "total variation and relative entropy"


def only_V0(_right: Any) -> Callable[..., np.ndarray]:
    return lambda self, x: self.model.potential.evaluate_V0(x)


def one_power_less(_right: Any) -> Callable[..., np.ndarray]:
    """x/eps^(k-1) for x/eps^k."""

    def energy(self: FullLandscape, x: np.ndarray) -> np.ndarray:
        fast = [x / self.eps ** (k - 1) for k in range(1, self.potential.scales + 1)]
        return self.potential.evaluate_V0(x) + self.potential.evaluate_V1(x, *fast)

    return energy


def exchanged(right: Callable[..., Any]) -> Callable[..., Any]:
    """The first two arguments."""
    return lambda mu, nu, **keywords: right(nu, mu, **keywords)


def twice(estimate: distances.Estimate, *_: Any) -> distances.Estimate:
    return replace(estimate, value=2.0 * estimate.value)


def at_the_origin(right: Callable[..., float]) -> Callable[..., float]:
    return lambda V, box: right(V, 0.0 * box)


def negative(value: float, *_: Any) -> float:
    return -value


def identity_for_M(M: np.ndarray, *_: Any) -> np.ndarray:
    return np.broadcast_to(np.eye(M.shape[-1]), M.shape)


def densities(_right: Any) -> Callable[..., np.ndarray]:
    """In the place of distribution functions."""
    return lambda values, _half: values


NEGATIVE: Wrong = after(negative)
DYNAMICS = (
    Breakage("weak convergence", "exp(-V0/sigma) for mu^0", HomogenizedLandscape, "energy", only_V0),
    Breakage("weak convergence", "V1(x, x) for V1(x, x/eps)", FullLandscape, "energy", one_power_less),
    Breakage("weak convergence", "densities in W1", distances, "antiderivative", densities),
    Breakage(ENTROPY, "sign of the limit as printed", cosine_limits, "cosine_relative_entropy", NEGATIVE),
    Breakage(ENTROPY, "H(mu^0|mu^eps)", distances, "relative_entropy", exchanged),
    Breakage(ENTROPY, "the half left out of TV", distances, "total_variation", after(twice)),
    Breakage(
        ENTROPY, "the half left out of its limit", cosine_limits, "cosine_total_variation", after(lambda v, *_: 2 * v)
    ),
    Breakage("Poincaré bound", "exp(+osc V1/sigma)", rates, "oscillation", NEGATIVE),
    Breakage("Poincaré bound", "osc V1 at x = 0 alone", rates, "oscillation", at_the_origin),
    Breakage("spectral gap", "M left out", HomogenizedLandscape, "mobility", after(identity_for_M)),
)
