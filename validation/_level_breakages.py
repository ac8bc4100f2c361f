"""What passes through the levels broken on purpose: brackets, logarithms, temperatures, closed forms of many scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from _breakage import Breakage, Wrong, after

import cellsolve as cs
from cellsolve import exact
from cellsolve.cellproblem import lower_bounds
from cellsolve.macro import bracket, model
from cellsolve.macro.sweep import TemperatureSweep
from cellsolve.multiscale import level
from cellsolve.multiscale.schemes import UPPER_BOUND

__all__ = ["LEVELS"]

BRACKETS, LOGARITHM = "brackets through levels", "logarithm of M"


def not_turned(right: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """K^-1 for R^T K^-1 R."""

    def inverse(K: np.ndarray) -> np.ndarray:
        if K.ndim == 2:
            return right(K)
        return np.moveaxis(np.linalg.inv(np.moveaxis(K, -1, 1)), 1, -1)

    return inverse


def times_e(factor: float) -> Wrong:
    """How far bounds are moved outwards."""
    return lambda right: lambda self, dim, sign: right(self, dim, factor * sign)


def entrywise(effective: cs.Effective, *_: Any) -> cs.Effective:
    return replace(effective, log_diffusion=np.log(np.abs(effective.diffusion) + np.finfo(float).tiny))


def of_K(effective: cs.Effective, *_: Any) -> cs.Effective:
    log_Z = effective.log_partition_function[:, None, None] * np.eye(effective.diffusion.shape[-1])
    return replace(effective, log_diffusion=effective.log_diffusion + log_Z)


def opposite_weight(coefficient: level.Coefficient, *_: Any) -> level.Coefficient:
    """exp(+V1/sigma) where Z is integrated, and there alone."""
    inverse = 1.0 / np.maximum(coefficient.boltzmann, np.finfo(float).tiny)
    return replace(coefficient, boltzmann=inverse, log_scale_Z=-coefficient.log_scale_Z)


def turned_round(effective: cs.Effective, *_: Any) -> cs.Effective:
    """Results of the coldest temperature stand where those of the hottest belong."""
    return replace(
        effective,
        diffusion=effective.diffusion[::-1],
        log_partition_function=effective.log_partition_function[::-1],
    )


RESULT = (model, "effective_coefficients")
LEVELS = (
    Breakage("partition function", "exp(+V1/sigma) in Z alone", level, "_innermost", after(opposite_weight)),
    Breakage("innermost coefficient", "temperatures exchanged", TemperatureSweep, "evaluate", after(turned_round)),
    Breakage(BRACKETS, "the inverse below not turned", lower_bounds, "turned_inverse", not_turned),
    Breakage(BRACKETS, "correctors in the lower chain", bracket, "LOWER_BOUND", lambda _: UPPER_BOUND),
    Breakage("errors in brackets", "e with the wrong sign", bracket._Bound, "log_tensor", times_e(-1.0)),
    Breakage("errors in brackets", "e left out", bracket._Bound, "log_tensor", times_e(0.0)),
    Breakage(LOGARITHM, "logarithms of the entries", *RESULT, after(entrywise)),
    Breakage(LOGARITHM, "log K_0", *RESULT, after(of_K)),
    Breakage("identical scales", "I0(a/sigma)^-N", exact, "zwanzig", after(lambda M, *_: M**0.5)),
)
