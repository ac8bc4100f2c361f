"""Each formula broken on purpose, in several ways, while the program runs: the claims of `formulas` notice every one.

The figure is bound / error of the claim that sees the fault best: 1 would mean unseen; 0, that its bound is zero, or
that the program refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from _breakage import Breakage, Wrong, after, scaled
from _dynamics_breakages import DYNAMICS
from _level_breakages import LEVELS
from formulas import CHECKS

import cellsolve as cs
from cellsolve import exact
from cellsolve.cellproblem.bounds import Bracket
from cellsolve.errors import CellsolveError
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.solver import CellSolver
from cellsolve.macro import model
from cellsolve.multiscale import level, recursion
from cellsolve.multiscale.fields import Fields, block_size, pack
from cellsolve.validation import Claim, print_claims
from cellsolve.validation.formulas import FORMULAS

SEEN = 0.5
# --- what the solver gives


def arithmetic_mean(right: Callable[..., CellMinimum]) -> Callable[..., CellMinimum]:
    """The energy of theta = 0."""

    def solve(self: CellSolver, K: np.ndarray, *args: Any, **keywords: Any) -> CellMinimum:
        minimum = right(self, K, *args, **keywords)
        mean = K @ self.space.weights / self.space.weights.sum()
        minimum.tensor = mean if mean.ndim == 3 else mean[:, None, None] * np.eye(self.space.dim)
        return minimum

    return solve


def axes_exchanged(right: Callable[..., CellMinimum]) -> Callable[..., CellMinimum]:
    def solve(self: CellSolver, K: np.ndarray, *args: Any, **keywords: Any) -> CellMinimum:
        return right(self, K[:, ::-1, ::-1].copy() if K.ndim == 4 else K, *args, **keywords)

    return solve


# --- what a level takes from the level inside it, and what it gives


def other_inner(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Wrong:
    """(log K, log Z) of the inner level changed before a level takes them."""

    def wrong(right: Callable[..., level.LevelResult]) -> Callable[..., level.LevelResult]:
        def solve(stage: Any, solver: Any, sigma: float, tol: float, points: Any, inner: Any, *rest: Any) -> Any:
            taken = None if inner is None else Fields(change(inner.log_tensor, inner.log_partition), inner.dim, ())
            return right(stage, solver, sigma, tol, points, taken, *rest)

        return solve

    return wrong


def isotropic(log_K: np.ndarray, log_Z: np.ndarray) -> np.ndarray:
    return pack(np.trace(log_K, axis1=-2, axis2=-1)[..., None, None] / 2.0 * np.eye(2), log_Z)


def exchanged(log_K: np.ndarray, log_Z: np.ndarray) -> np.ndarray:
    return pack(log_K[..., ::-1, ::-1], log_Z)


def without_inner_Z(log_K: np.ndarray, log_Z: np.ndarray) -> np.ndarray:
    return pack(log_K, np.zeros_like(log_Z))


def half_slope(result: level.LevelResult, *_: Any) -> level.LevelResult:
    """d log K_(k-1)/dx halved."""
    fields, channels = result.fields, result.fields.channels.copy()
    size = block_size(fields.dim)
    for i in range(1, 1 + len(fields.derivatives)):
        channels[..., i * size : (i + 1) * size - 1] *= 0.5
    return replace(result, fields=Fields(channels, fields.dim, fields.derivatives))


def larger_Z(result: level.LevelResult, *_: Any) -> level.LevelResult:
    fields, channels = result.fields, result.fields.channels.copy()
    channels[..., block_size(fields.dim) - 1] += 1e-6
    return replace(result, fields=Fields(channels, fields.dim, fields.derivatives))


def square_sigma(right: Callable[..., level.Coefficient]) -> Callable[..., level.Coefficient]:
    return lambda stage, space, sigma, *rest: right(stage, space, sigma**2, *rest)


# --- what becomes of log K_0 and log Z


def times_Z(effective: cs.Effective, power: float, *_: Any) -> cs.Effective:
    Z = effective.partition_function[:, None, None]
    return replace(effective, diffusion=effective.diffusion * Z**power)


def without_V0(effective: cs.Effective, V: cs.Potential, _sigma: float, x: np.ndarray, *_: Any) -> cs.Effective:
    return replace(effective, free_energy=effective.free_energy - V.evaluate_V0(x))


def plus_log_Z(effective: cs.Effective, _V: cs.Potential, sigma: float, *_: Any) -> cs.Effective:
    return replace(effective, free_energy=effective.free_energy + 2.0 * sigma * effective.log_partition_function)


def slope_of_V0(effective: cs.Effective, V: cs.Potential, _sigma: float, x: np.ndarray, *_: Any) -> cs.Effective:
    return replace(effective, free_energy_gradient=V.evaluate_V0_gradient(x))


def times_divergence(effective: cs.Effective, factor: float) -> cs.Effective:
    return replace(effective, diffusion_divergence=factor * effective.diffusion_divergence)


def slow_terms_in_M(
    effective: cs.Effective, _V: cs.Potential, _sigma: float, _x: np.ndarray, channels: Fields, *_: Any
) -> cs.Effective:
    """K_0 without the terms of V1 in x alone, Z with them."""
    slow = channels.log_partition - effective.log_partition_function
    return replace(effective, diffusion=effective.diffusion * np.exp(slow)[:, None, None])


def no_slow_terms(
    effective: cs.Effective, V: cs.Potential, sigma: float, x: np.ndarray, channels: Fields, *_: Any
) -> cs.Effective:
    return replace(effective, free_energy=V.evaluate_V0(x) - sigma * channels.log_partition)


# --- closed forms


def Z_for_Zhat(_right: Any) -> Callable[..., np.ndarray]:
    return lambda V, sigma, x: np.exp(-2.0 * exact.log_partition_function_1d(V, sigma, x))


def closed_form_without_V0(_right: Any) -> Callable[..., np.ndarray]:
    return lambda V, sigma, x: -sigma * exact.log_partition_function_1d(V, sigma, x)


SOLVER, LEVEL = (CellSolver, "solve"), (recursion, "solve_level")
RESULT, EXACT = (model, "effective_coefficients"), (exact, "effective_diffusion_1d")
BREAKAGES = (
    Breakage("partition function", "larger by a millionth at each level", *LEVEL, after(larger_Z)),
    Breakage("partition function", "Z of the inner level forgotten", *LEVEL, other_inner(without_inner_Z)),
    Breakage("effective diffusion", "not divided by Z", *RESULT, after(lambda e, *_: times_Z(e, 1.0))),
    Breakage("effective diffusion", "divided by Z twice", *RESULT, after(lambda e, *_: times_Z(e, -1.0))),
    Breakage("cell problem", "theta left out", *SOLVER, arithmetic_mean),
    Breakage("cell problem", "axes of K exchanged", *SOLVER, axes_exchanged),
    Breakage("recursion", "theta left out", *SOLVER, arithmetic_mean),
    Breakage("recursion", "K_1 taken for isotropic", *LEVEL, other_inner(isotropic)),
    Breakage("recursion", "axes of K_1 exchanged", *LEVEL, other_inner(exchanged)),
    Breakage("innermost coefficient", "exp(+V1/sigma)", level, "terms_at", after(lambda V, *_: -V)),
    Breakage("innermost coefficient", "sigma squared", level, "level_coefficient", square_sigma),
    Breakage("free energy", "V0 left out, as printed", *RESULT, after(without_V0)),
    Breakage("free energy", "V0 + sigma log Z", *RESULT, after(plus_log_Z)),
    Breakage("free energy", "grad V0 for grad Psi", *RESULT, after(slope_of_V0)),
    Breakage("free energy", "V0 left out of the closed form", exact, "free_energy_1d", closed_form_without_V0),
    Breakage(
        "drift of the homogenized equation", "div M left out", *RESULT, after(lambda e, *_: times_divergence(e, 0.0))
    ),
    Breakage("drift of the homogenized equation", "-div M", *RESULT, after(lambda e, *_: times_divergence(e, -1.0))),
    Breakage("drift of the homogenized equation", "half of dK/dx", *LEVEL, after(half_slope)),
    Breakage("bounds of M", "theta left out", *SOLVER, arithmetic_mean),
    Breakage("bounds of M", "Z larger by a millionth", *LEVEL, after(larger_Z)),
    Breakage("variational principle", "upper bound too small by 3e-5", Bracket, "upper", scaled(1.0 - 3e-5)),
    Breakage("variational principle", "lower bound too large by 7e-5", Bracket, "lower", scaled(1.0 + 7e-5)),
    Breakage("variational principle", "theta left out", *SOLVER, arithmetic_mean),
    Breakage("one dimension", "arithmetic mean", *SOLVER, arithmetic_mean),
    Breakage("one dimension", "Z in the place of Zhat", *EXACT, Z_for_Zhat),
    Breakage("separable potentials", "terms of V1 in x alone in M", *RESULT, after(slow_terms_in_M)),
    Breakage("separable potentials", "terms of V1 in x alone left out of Psi", *RESULT, after(no_slow_terms)),
    Breakage("identical scales", "theta left out", *SOLVER, arithmetic_mean),
    Breakage("identical scales", "Z of the inner level forgotten", *LEVEL, other_inner(without_inner_Z)),
    *LEVELS,
    *DYNAMICS,
)


def unseen(breakage: Breakage) -> float:
    """bound / error of the claim that sees it best."""
    try:
        with breakage.at_work():
            claims = CHECKS[breakage.formula]()
    except CellsolveError:
        return 0.0
    return min(1.0 if claim.passed else ratio(claim) for claim in claims)


def ratio(claim: Claim) -> float:
    return claim.bound / claim.measured if np.isfinite(claim.measured) else 0.0


def run(effort: int = 1) -> list[Claim]:  # noqa: ARG001 (the same at every effort)
    return [
        Claim(f"{formula.key} {breakage.words}: bound / error of the claim that sees it", unseen(breakage), SEEN)
        for formula in FORMULAS
        for breakage in BREAKAGES
        if breakage.formula == formula.name
    ]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
