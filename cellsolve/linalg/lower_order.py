"""What the highest order of the elements gained: the same energies on the elements of one order less, which they hold.

    T_(p-1) - T_p >= 0,     T_(p-1) = min over u = P v,     A_(p-1) = P^T A P

For order 2 and coefficients that are constant on elements this is the problem of first order itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray, of_problems
from cellsolve.linalg import amg, factorized
from cellsolve.linalg.cg import conjugate_gradients
from cellsolve.linalg.energies import IntArray, Solved
from cellsolve.linalg.matrix_form import MatrixForm
from cellsolve.linalg.preconditioner import Preconditioner

__all__ = ["Restricted", "gain_over_lower_order", "of_lower_order"]

_SHARE = 0.05  # of the gain, that iterations may add to it


def gain_over_lower_order(form: MatrixForm, u: FloatArray, T: FloatArray) -> FloatArray:
    """T_(p-1) - T_p (b, d, d) at the solutions u (b, d, n) and T (b, d, d) of a space of order p > 1.

    A little too large, by what iterations leave: they start from u at the nodes of the lower order.
    """
    return of_lower_order(form, u, T)[0] - T


def of_lower_order(form: MatrixForm, u: FloatArray, T: FloatArray) -> tuple[FloatArray, FloatArray]:
    """T_(p-1) (b, d, d), and the correctors (b, d, n) of order p - 1 as functions of order p."""
    space = form.system.space
    lower = space.of_order(space.order - 1)
    P = space.interpolation(lower)
    matrices = [sp.csr_array(P.T @ A @ P) for A in form.system.each()]
    M = _preconditioner(form, lower, matrices)
    guess = _applied(lower.interpolation(space), u)
    before, r, _ = form.evaluate(_applied(P, guess))
    share = float((_trace(before - T) / _trace(T)).max())
    if share < 1e-13:
        return before, _applied(P, guess)
    energies = Restricted(form, P, matrices, M, guess, _applied(sp.csr_array(P.T), r), np.einsum("brr->br", before))
    minimum = conjugate_gradients(energies, _SHARE * share)
    return minimum.tensor, minimum.correctors


def _preconditioner(form: MatrixForm, lower: MeshSpace, matrices: list[sp.csr_array]) -> Preconditioner:
    """The hierarchy that is there already, else a factorization in the plane."""
    if isinstance(form.M, amg.Multigrid) and lower.order == 1:
        below = form.M.below()
        assert below is not None
        return below
    return factorized.direct(matrices, lower.pieces) if lower.dim == 2 else amg.multigrid(lower, matrices)


def _trace(T: FloatArray) -> FloatArray:
    trace: FloatArray = np.einsum("brr->b", T)
    return trace


@dataclass(frozen=True, slots=True, eq=False)
class Restricted:
    """The energies of a form on a subspace, u = P v, with a first guess (b, d, m) of v, its residual and energies."""

    fine: MatrixForm
    P: sp.csr_array  # (n, m)
    matrices: list[sp.csr_array]  # P^T A P
    M: Preconditioner
    guess: FloatArray
    residual: FloatArray  # (b, d, m)
    energy: FloatArray  # (b, d)

    def start(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.guess.copy(), self.residual.copy(), self.energy.copy()

    def apply(self, p: FloatArray) -> FloatArray:
        return np.stack([(A @ one.T).T for A, one in zip(self.matrices, p, strict=True)])

    def precondition(self, r: FloatArray) -> FloatArray:
        return self.M.apply(r)

    def evaluate(self, v: FloatArray) -> tuple[FloatArray, FloatArray, Solved]:
        T, r, solved = self.fine.evaluate(self.correctors(v))
        return T, _applied(sp.csr_array(self.P.T), r), solved

    def correctors(self, v: FloatArray) -> FloatArray:
        return _applied(self.P, v)

    def take(self, rows: IntArray) -> Restricted:
        matrices = [self.matrices[i] for i in rows]
        start = (of_problems(values, rows) for values in (self.guess, self.residual, self.energy))
        return Restricted(self.fine.take(rows), self.P, matrices, self.M.take(rows), *start)


def _applied(P: sp.csr_array, v: FloatArray) -> FloatArray:
    """P applied to functions (b, d, m)."""
    b, d, m = v.shape
    result: FloatArray = np.ascontiguousarray(np.asarray(P @ v.reshape(b * d, m).T).T).reshape(b, d, -1)
    return result
