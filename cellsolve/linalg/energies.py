"""What conjugate gradients need to know of a batch of cell problems: d quadratic energies each, in some unknowns u.

    energy_r(u) = c_r - 2 b_r . u + u . A u,     T_rs = the same as a bilinear form;     min = K_hom

The gradient form (`gradient_form`) has the nodal values of the correctors as unknowns, the Schroedinger form
(`schroedinger`) scaled Fourier modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray, flux, of_problems

__all__ = [
    "BoolArray",
    "CellMinimum",
    "Energies",
    "IntArray",
    "OnSolved",
    "Solved",
    "TotalGradients",
    "energy_tensor",
    "helpful",
]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_EVIDENCE = ("tensor", "iterations", "error", "residual", "converged")


@dataclass(slots=True, eq=False)
class CellMinimum:
    """Solutions of a batch of cell problems, with the evidence."""

    tensor: FloatArray  # (B, d, d)
    unknowns: FloatArray  # (B, d, n), empty for d = 1, where the tensor needs none
    form: Energies | None  # of which they are the unknowns; None: they are the nodal values of the correctors
    iterations: IntArray  # (B,)
    error: FloatArray  # (B,) estimated relative error of the tensor by stopping early
    residual: FloatArray  # (B,) sqrt(r^T M r / r0^T M r0), true residual at the end
    converged: BoolArray  # (B,)
    log_tensor: FloatArray | None = None  # (B, d, d), where it is known to more digits than the tensor has; else NaN

    @property
    def correctors(self) -> FloatArray:
        """Nodal values (B, d, n)."""
        return self.unknowns if self.form is None else self.form.correctors(self.unknowns)

    def replace(self, rows: IntArray, others: CellMinimum) -> None:
        """Put other solutions in the place of some."""
        self.unknowns, self.form = self.correctors.copy(), None
        self.unknowns[rows] = others.correctors
        for name in _EVIDENCE:
            getattr(self, name)[rows] = getattr(others, name)

    def joined(self, rows: IntArray, others: CellMinimum, other_rows: IntArray) -> CellMinimum:
        """These solutions and others, as rows of one batch."""
        count = len(rows) + len(other_rows)
        joined = {"unknowns": np.empty((count, *others.correctors.shape[1:]))}
        joined |= {
            name: np.empty((count, *getattr(self, name).shape[1:]), getattr(self, name).dtype) for name in _EVIDENCE
        }
        joined["log_tensor"] = np.full((count, *self.tensor.shape[1:]), np.nan)
        for some, minimum in ((rows, self), (other_rows, others)):
            joined["unknowns"][some] = minimum.correctors
            for name in _EVIDENCE:
                joined[name][some] = getattr(minimum, name)
            if minimum.log_tensor is not None:
                joined["log_tensor"][some] = minimum.log_tensor
        return CellMinimum(form=None, **joined)


class Solved(Protocol):
    """Solutions at hand: what can be asked of b of them. K_hom is a minimum, so correctors need no derivative."""

    def derivative(self, dK: FloatArray) -> FloatArray:
        """dK_hom (b, d, d) for a change dK of the coefficient, (b, q) or (b, d, d, q)."""
        ...

    def densities(self) -> FloatArray:
        """How much of K_rr each point contributes (b, d, q), summing to one."""
        ...

    def take(self, rows: IntArray) -> Solved:
        """Those of some of the problems."""
        ...


OnSolved = Callable[[Solved, IntArray], None]  # solutions of the problems numbered (b,)


class Energies(Protocol):
    """The energies of b cell problems."""

    def start(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """First unknowns u (b, d, n), their residual b - A u, and the energies (b, d)."""
        ...

    def apply(self, p: FloatArray) -> FloatArray:
        """A p (b, d, n)."""
        ...

    def precondition(self, r: FloatArray) -> FloatArray:
        """M r, M a symmetric approximation of A^-1."""
        ...

    def evaluate(self, u: FloatArray) -> tuple[FloatArray, FloatArray, Solved]:
        """T (b, d, d) and the true residual at the unknowns u, and the solutions they are."""
        ...

    def correctors(self, u: FloatArray) -> FloatArray:
        """Nodal values (b, d, n)."""
        ...

    def take(self, rows: IntArray) -> Energies:
        """Those of some of the problems."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TotalGradients:
    """Solutions as E = I + grad theta (b, d, d, q), with the weighted coefficients C = w K.

    dK_hom = sum_q w E_r . dK E_s
    """

    E: FloatArray
    C: FloatArray
    weights: FloatArray  # (q,)

    def derivative(self, dK: FloatArray) -> FloatArray:
        return energy_tensor(self.E, flux(self.weights * dK, self.E))

    def densities(self) -> FloatArray:
        density = np.einsum("briq,briq->brq", self.E, flux(self.C, self.E))
        result: FloatArray = density / density.sum(axis=-1, keepdims=True)
        return result

    def take(self, rows: IntArray) -> TotalGradients:
        return TotalGradients(of_problems(self.E, rows), of_problems(self.C, rows), self.weights)


def helpful(lowered: FloatArray, energy: FloatArray) -> BoolArray:
    """Guesses (b,) worth beginning with: those that lower all energies (b, d) of a problem, and leave them positive."""
    return np.asarray(((lowered >= 0) & (lowered < energy)).all(axis=1))


def energy_tensor(E: FloatArray, F: FloatArray) -> FloatArray:
    """T_rs = sum_q E_r . F_s of total gradients and weighted fluxes (b, d, d, q) -> symmetric (b, d, d)."""
    d = E.shape[1]
    T = np.empty((len(E), d, d))
    for r in range(d):
        for s in range(r, d):
            T[:, r, s] = T[:, s, r] = np.einsum("biq,biq->b", E[:, r], F[:, s])
    return T
