"""From log K_0 and log Z to what physics asks for.

M = K_0 / Z  (14),    Psi = V0 - sigma log Z,    (div M)_i = sum_j dM_ij / dx_j
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from cellsolve.fem.space import FloatArray
from cellsolve.multiscale.fields import Fields
from cellsolve.multiscale.log_euclidean import compose, exp_derivative, spectrum
from cellsolve.potentials import Potential, macroscopic_terms

__all__ = ["Effective", "Report", "effective_coefficients"]


@dataclass(frozen=True, slots=True)
class Report:
    """How the numbers were made."""

    cell_problems: dict[int, int]  # level k -> cell problems solved, planning included
    planning_problems: dict[int, int]  # level k -> those of them that chose spaces and lattices
    checking_problems: int  # the hardest ones, solved again on a finer space to see the error
    iterations: dict[int, int]  # level k -> conjugate gradient iterations
    solved_points: int  # macroscopic points at which cell problems were solved; the others are interpolated
    unconverged: int  # cell problems that did not reach their tolerance
    spaces: dict[int, str]  # level k -> finite element space
    unknowns: dict[int, int]  # level k -> unknowns of a corrector component
    samplings: dict[str, str]  # "y_k" -> how K_k is sampled in it
    discretization_error: dict[int, float]  # level k -> relative, from the next finer space
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Effective:
    """Effective coefficients at points x (..., d).

    ``diffusion`` M (..., d, d), in units of the mobility (1 for a free particle); ``log_diffusion`` its matrix
    logarithm (..., d, d), finite also where M, and with it div M, underflows to 0; ``log_partition_function`` log Z
    (...); ``free_energy`` Psi (...) in the unit of sigma, ``free_energy_gradient`` (..., d); ``diffusion_divergence``
    (..., d); ``error_estimate`` (...): relative error of M; ``lower``, ``upper``: a bracket of M, or
    None.
    """

    diffusion: FloatArray
    log_diffusion: FloatArray
    log_partition_function: FloatArray
    free_energy: FloatArray
    free_energy_gradient: FloatArray
    diffusion_divergence: FloatArray
    error_estimate: FloatArray
    report: Report
    lower: FloatArray | None = None
    upper: FloatArray | None = None

    @property
    def partition_function(self) -> FloatArray:
        """Z (...); overflows to inf or underflows to 0 where ``log_partition_function`` does not."""
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self.log_partition_function)

    def reshaped(self, lead: tuple[int, ...]) -> Effective:
        """The same with the points (R,) arranged as ``lead``."""
        arrays: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        shaped: dict[str, Any] = {
            n: a.reshape((*lead, *a.shape[1:])) for n, a in arrays.items() if isinstance(a, np.ndarray)
        }
        return replace(self, report=self.report, **shaped)


def effective_coefficients(
    potential: Potential, sigma: float, x: FloatArray, channels: Fields, error: FloatArray, report: Report
) -> Effective:
    """Join log K_0 and log Z at points x (R, d) with V0 and the terms of V1 that hold no fast variable."""
    dim = potential.dim
    values, vectors = spectrum(channels.log_tensor)
    values = values - channels.log_partition[:, None]
    with np.errstate(under="ignore"):
        M = compose(np.exp(values), vectors)
    slow, slow_gradient = _slow_part(potential, x)
    log_Z_gradient = np.zeros((len(x), dim))
    divergence = np.zeros((len(x), dim))
    for i in channels.derivatives:
        slope = channels.derivative(i)
        assert slope is not None
        log_Z_gradient[:, i] = slope[1]
        with np.errstate(under="ignore"):
            divergence += exp_derivative((values, vectors), slope[0] - slope[1][:, None, None] * np.eye(dim))[:, :, i]
    return Effective(
        diffusion=0.5 * (M + M.swapaxes(-1, -2)),
        log_diffusion=compose(values, vectors),
        log_partition_function=channels.log_partition - slow / sigma,
        free_energy=potential.evaluate_V0(x) + slow - sigma * channels.log_partition,
        free_energy_gradient=potential.evaluate_V0_gradient(x) + slow_gradient - sigma * log_Z_gradient,
        diffusion_divergence=divergence,
        error_estimate=error,
        report=report,
    )


def _slow_part(potential: Potential, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum (R,) and gradient (R, d) of the terms of V1 in x alone."""
    points = {"x": tuple(x.T)}
    terms = macroscopic_terms(potential)
    value = _total([t.evaluate(points) for t in terms], len(x))
    gradient = [_total([t.derivative(i).evaluate(points) for t in terms], len(x)) for i in range(potential.dim)]
    return value, np.stack(gradient, axis=-1)


def _total(parts: list[FloatArray], count: int) -> FloatArray:
    total = np.zeros(count)
    for part in parts:
        total += part
    return total
