"""The spectral gap in the plane: a sparse symmetric eigenproblem of spectral elements.

    int sigma rho grad f . M grad g dx = lambda int rho f g dx,    rho = exp(-U/sigma)

Tensor-product Lagrange elements at Gauss-Lobatto points, which are the quadrature too: the mass is diagonal, and with
u = sqrt(rho w) f the problem is K u = lambda u, its null vector sqrt(rho w) known. The gap is the Rayleigh quotient,
as a sum of squares, of the vector that Lanczos finds for the inverse on the complement of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from cellsolve.dynamics.landscapes import Landscape
from cellsolve.fem.line_elements import gauss_lobatto, lagrange_basis
from cellsolve.fem.space import FloatArray

__all__ = ["PlaneGap", "gap_in_plane"]

_SHIFT = 1e-5  # of the largest rate of diffusion across the box


@dataclass(frozen=True, slots=True)
class PlaneGap:
    """``value``: the gap; ``rounding``: its relative error from rounding; ``unknowns``."""

    value: float
    rounding: float
    unknowns: int


def gap_in_plane(landscape: Landscape, box: FloatArray, counts: tuple[int, int], order: int) -> PlaneGap:
    """The smallest eigenvalue above zero of -L with reflecting walls, on counts[i] elements of this order an axis."""
    lines = [_line(low, high, n, order) for (low, high), n in zip(box, counts, strict=True)]
    points = np.stack(np.meshgrid(*[line.points for line in lines], indexing="ij"), axis=-1)
    log_rho = -landscape.energy(points) / landscape.sigma
    with np.errstate(under="ignore"):
        rho = np.maximum(np.exp(log_rho - log_rho.max()), 1e-280)
    weights = np.outer(lines[0].weights, lines[1].weights) * rho
    spread = sp.kron(lines[0].spread, lines[1].spread, format="csr")
    mass = spread.T @ weights.ravel()
    scaling = sp.diags_array(1.0 / np.sqrt(mass))
    gradients = [
        (sp.kron(lines[0].derivative, lines[1].spread, format="csr") @ scaling).tocsr(),
        (sp.kron(lines[0].spread, lines[1].derivative, format="csr") @ scaling).tocsr(),
    ]
    M = landscape.sigma * weights[..., None, None] * landscape.mobility(points)
    form = _Form(gradients, M.reshape(-1, 2, 2))
    rate = landscape.sigma * float(np.pi**2 / np.ptp(box, axis=1).max() ** 2)
    u = _lowest_mode(form.matrix(), np.sqrt(mass), _SHIFT * rate)
    value = form.energy(u)
    norm = float(np.abs(form.matrix().diagonal()).max())
    return PlaneGap(value, float(np.finfo(float).eps) * norm / value, mass.size)


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """Spectral elements on an interval: broken points (m,), weights (m,), nodal values and slopes there (m, n)."""

    points: FloatArray
    weights: FloatArray
    spread: sp.csr_array
    derivative: sp.csr_array


def _line(low: float, high: float, count: int, order: int) -> _Line:
    nodes = gauss_lobatto(order)
    _, slopes = lagrange_basis(nodes, nodes)
    weights = 2.0 / (order * (order + 1) * _legendre(nodes, order) ** 2)
    half = 0.5 * (high - low) / count
    points = low + half * (2.0 * np.arange(count)[:, None] + 1.0 + nodes)
    columns = (order * np.arange(count)[:, None] + np.arange(order + 1)).ravel()
    rows = np.arange(columns.size)
    spread = sp.csr_array((np.ones(columns.size), (rows, columns)), shape=(columns.size, count * order + 1))
    derivative = sp.kron(sp.eye_array(count), slopes / half, format="csr") @ spread
    return _Line(points.ravel(), np.tile(half * weights, count), spread, derivative)


def _legendre(points: FloatArray, order: int) -> FloatArray:
    values: FloatArray = np.polynomial.legendre.legval(points, np.eye(order + 1)[order])
    return values


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """u -> sum_q G u . M G u, M (q, 2, 2) with the weights."""

    gradients: list[sp.csr_array]
    M: FloatArray

    def matrix(self) -> sp.csc_array:
        parts = [
            self.gradients[i].T @ sp.diags_array(self.M[:, i, j]) @ self.gradients[j]
            for i in range(2)
            for j in range(2)
            if np.any(self.M[:, i, j])
        ]
        return sp.csc_array(sum(parts[1:], start=parts[0]))

    def energy(self, u: FloatArray) -> float:
        slopes = np.stack([G @ u for G in self.gradients], axis=-1)
        return float(np.einsum("qi,qij,qj->", slopes, self.M, slopes))


def _lowest_mode(K: sp.csc_array, null: FloatArray, shift: float) -> FloatArray:
    """The unit vector of the smallest eigenvalue on the complement of ``null``."""
    null = null / np.linalg.norm(null)
    shifted = sp.csc_array(K + shift * sp.eye_array(K.shape[0]))
    options = {"SymmetricMode": True}
    factor = spla.splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)

    def inverse(r: FloatArray) -> FloatArray:
        x = factor.solve(np.ravel(r) - null * (null @ np.ravel(r)))
        projected: FloatArray = x - null * (null @ x)
        return projected

    operator = spla.LinearOperator(shape=K.shape, matvec=inverse, dtype=np.float64)
    start = np.random.default_rng(3).standard_normal(K.shape[0]) * null
    _, vectors = spla.eigsh(operator, k=1, which="LA", v0=inverse(start), ncv=12, tol=1e-9)
    u: FloatArray = vectors[:, 0] - null * (null @ vectors[:, 0])
    return u / np.linalg.norm(u)
