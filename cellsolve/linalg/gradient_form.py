"""The energies of cell problems on any space, with the nodal values of the correctors as unknowns.

energy_r(u) = sum_q (g_r + D u)^T C (g_r + D u),     C = w K
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellsolve.fem.space import FloatArray, PeriodicSpace, batch_fastest, flux, of_problems
from cellsolve.linalg.cg import conjugate_gradients
from cellsolve.linalg.energies import CellMinimum, IntArray, OnSolved, TotalGradients, energy_tensor, helpful
from cellsolve.linalg.preconditioner import Preconditioner

__all__ = ["GradientForm", "minimize_energy"]


@dataclass(frozen=True, slots=True, eq=False)
class GradientForm:
    """``C`` (b, q) or (b, d, d, q) and the preconditioner of b problems; ``guess`` of the correctors, or None."""

    space: PeriodicSpace
    C: FloatArray
    M: Preconditioner
    guess: FloatArray | None = None

    def start(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        space, b, m = self.space, len(self.C), len(self.space.imposed)
        g = batch_fastest(np.broadcast_to(space.imposed, (b, m, space.dim, self.C.shape[-1])))
        first_flux = flux(self.C, g)
        energy: FloatArray = np.einsum("briq,briq->br", g, first_flux)
        r = -space.divergence(first_flux)
        if self.guess is None:
            return batch_fastest(np.zeros((b, m, space.n_dofs))), r, energy
        u = batch_fastest(self.guess.copy())
        lowered = np.einsum("brn,brn->br", r, u) + np.einsum("brn,brn->br", u, r - self.apply(u))
        good = helpful(lowered, energy)
        u *= good[:, None, None]
        return u, r - self.apply(u), energy - np.where(good[:, None], lowered, 0.0)

    def apply(self, p: FloatArray) -> FloatArray:
        return self.space.divergence(flux(self.C, self.space.gradient(p)))

    def precondition(self, r: FloatArray) -> FloatArray:
        return self.M.apply(r)

    def evaluate(self, u: FloatArray) -> tuple[FloatArray, FloatArray, TotalGradients]:
        E = self.space.gradient(u)
        E += self.space.imposed
        F = flux(self.C, E)
        return energy_tensor(E, F), -self.space.divergence(F), TotalGradients(E, self.C, self.space.weights)

    def correctors(self, u: FloatArray) -> FloatArray:
        return u

    def take(self, rows: IntArray) -> GradientForm:
        return GradientForm(self.space, of_problems(self.C, rows), self.M.take(rows))


def minimize_energy(
    space: PeriodicSpace,
    C: FloatArray,
    preconditioner: Preconditioner,
    tol: float,
    *,
    start: FloatArray | None = None,
    max_iterations: int = 2000,
    on_solved: OnSolved | None = None,
) -> CellMinimum:
    """Solve the cell problems of B weighted coefficients C = w K, (B, q) or (B, d, d, q), to ``tol`` relative to K_hom.

    ``start`` (B, d, n) is a first guess of the correctors; the rest as in `conjugate_gradients`.
    """
    form = GradientForm(space, batch_fastest(C), preconditioner, start)
    return conjugate_gradients(form, tol, max_iterations=max_iterations, on_solved=on_solved)
