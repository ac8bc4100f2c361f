"""Fluxes in space by vector potentials, on boxes.

    sigma = e_r + curl w     w periodic, each component in the elements of the box
<(e_r + curl w).K^-1 (e_r + curl w)> is least;     curl^T K^-1 curl is singular on gradients, which does no harm
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from cellsolve.cellproblem.fluxes import Fluxes, inverse_at
from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.space import FloatArray, batch_fastest, flux, of_problems
from cellsolve.linalg.cg import conjugate_gradients
from cellsolve.linalg.energies import CellMinimum, IntArray, OnSolved, TotalGradients, energy_tensor
from cellsolve.linalg.preconditioner import Preconditioner
from cellsolve.linalg.solver import CellSolver, Method

__all__ = ["curl_fluxes", "least_curl_energies"]

_NEXT, _LAST = (1, 2, 0), (2, 0, 1)


def curl_fluxes(solver: CellSolver, K: FloatArray, tol: float) -> list[Fluxes]:
    """Fluxes of coefficients K, (B, q) or (B, d, d, q), by vector potentials found to an error ``tol`` at least."""
    space, minimum = solver.space, least_curl_energies(solver, K, tol)
    assert isinstance(space, BoxSpace)
    fields = [partial(_field, space, w) for w in minimum.unknowns]
    excess = (minimum.error * np.einsum("brr->b", minimum.tensor)).tolist()
    return [Fluxes(np.eye(space.dim), *one) for one in zip(minimum.tensor, fields, excess, strict=True)]


def least_curl_energies(
    solver: CellSolver, K: FloatArray, tol: float, *, on_solved: OnSolved | None = None
) -> CellMinimum:
    """The least energies of fluxes, and the vector potentials that have them."""
    space = solver.space
    assert isinstance(space, BoxSpace)
    inverse = batch_fastest(np.stack([inverse_at(k) for k in K]))
    method: Method = "green" if solver.choose(inverse) == "green" else "green-jacobi"
    form = _CurlForm(space, space.weights * inverse, solver.prepare(method, inverse))
    return conjugate_gradients(form, tol, on_solved=on_solved)


def _field(space: BoxSpace, w: FloatArray) -> FloatArray:
    """e_r + curl w_r (d, d, q) of potentials (d, 3 n)."""
    field: FloatArray = _curl(space, w[None])[0] + space.imposed
    return field


def _curl(space: BoxSpace, w: FloatArray) -> FloatArray:
    """curl w (b, m, 3, q) of potentials (b, m, 3 n)."""
    b, m = w.shape[:2]
    D = space.gradient(w.reshape(b, 3 * m, -1)).reshape(b, m, 3, 3, -1)  # (.., component, axis, q)
    return D[:, :, _LAST, _NEXT] - D[:, :, _NEXT, _LAST]


def _curl_transposed(space: BoxSpace, field: FloatArray) -> FloatArray:
    """The adjoint: weighted fields (b, m, 3, q) -> (b, m, 3 n)."""
    b, m, _, q = field.shape
    turned = batch_fastest(np.zeros((b, m, 3, 3, q)))
    turned[:, :, _LAST, _NEXT] = field
    turned[:, :, _NEXT, _LAST] = -field
    return space.divergence(turned.reshape(b, 3 * m, 3, q)).reshape(b, m, -1)


@dataclass(frozen=True, slots=True, eq=False)
class _CurlForm:
    """The energies of b coefficients C = w K^-1, (b, q) or (b, d, d, q); M preconditions each component."""

    space: BoxSpace
    C: FloatArray
    M: Preconditioner

    def start(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        u = np.zeros((len(self.C), 3, 3 * self.space.n_dofs))
        T, r, _ = self.evaluate(u)
        return u, r, np.einsum("brr->br", T).copy()

    def apply(self, p: FloatArray) -> FloatArray:
        return _curl_transposed(self.space, flux(self.C, _curl(self.space, p)))

    def precondition(self, r: FloatArray) -> FloatArray:
        b, m, n = r.shape
        return self.M.apply(r.reshape(b, 3 * m, n // 3)).reshape(b, m, n)

    def evaluate(self, u: FloatArray) -> tuple[FloatArray, FloatArray, TotalGradients]:
        sigma = _curl(self.space, u) + self.space.imposed
        E = flux(self.C, sigma)
        return (
            energy_tensor(sigma, E),
            -_curl_transposed(self.space, E),
            TotalGradients(sigma, self.C, self.space.weights),
        )

    def correctors(self, u: FloatArray) -> FloatArray:
        return u

    def take(self, rows: IntArray) -> _CurlForm:
        return _CurlForm(self.space, of_problems(self.C, rows), self.M.take(rows))
