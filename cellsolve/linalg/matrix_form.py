"""The energies of cell problems on a mesh, with assembled matrices: the gradient form without its quadrature points.

    energy_r(u) = c_r - 2 b_r . u + u . A u,     A = sum_e P_e^T A_e P_e,     b_r = -sum_e P_e^T A_e y_r
    T_rs = sum_e (y_r + u_r) . A_e (y_s + u_s)

A_e are element matrices and y_r the values of the imposed potential at their nodes: for unit gradients, their places.
The tensor and true residuals are summed over elements: where
c is much larger than K_hom, as for stiff inclusions, the first line would be a small difference of large numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import element_parts
from cellsolve.fem.pattern import in_batches, pair_numbers
from cellsolve.fem.space import FloatArray, of_problems
from cellsolve.linalg.energies import IntArray, TotalGradients
from cellsolve.linalg.preconditioner import Preconditioner

__all__ = ["CellMatrices", "CorrectorGradients", "MatrixForm", "assemble"]


@dataclass(frozen=True, slots=True, eq=False)
class CellMatrices:
    """The matrices of b weighted coefficients ``C``, (b, q) or (b, d, d, q)."""

    space: MeshSpace
    C: FloatArray
    blocks: FloatArray  # (b, elements, pairs): upper triangles of A_e
    entries: FloatArray  # (b, entries of A)

    def each(self) -> list[sp.csr_array]:
        """A of every coefficient."""
        return [self.space.pattern.matrix(entries[None]) for entries in self.entries]

    def take(self, rows: IntArray) -> CellMatrices:
        if len(rows) == len(self.C):
            return self
        return CellMatrices(self.space, of_problems(self.C, rows), self.blocks[rows], self.entries[rows])

    def evaluate(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """T (b, m, m) and b - A u (b, m, n) of correctors (b, m, n), element by element.

        v = y + u less its value at the first node of the element: nothing where a stiff element moves as a whole.
        """
        space, (b, m, n) = self.space, u.shape
        dofs, numbers = space.element_dofs, pair_numbers(space.element_dofs.shape[1])
        columns = np.ascontiguousarray(u.swapaxes(1, 2))
        T, fluxes = np.zeros((b, m, m)), np.empty((m, b, *dofs.shape))
        for part in _parts(space, b):
            v = columns.take(dofs[part], axis=1)
            v -= v[:, :, :1].copy()
            v += space.potentials(part)
            flux = self.blocks[:, part].take(numbers, axis=-1) @ v
            T += v.reshape(b, -1, m).swapaxes(1, 2) @ flux.reshape(b, -1, m)
            fluxes[:, :, part] = np.moveaxis(flux, -1, 0)
        rows = in_batches(dofs, b, n)
        r = np.empty((b, n, m)).swapaxes(1, 2)
        for row, flux in enumerate(fluxes):
            r[:, row] = -np.bincount(rows, flux.ravel(), b * n).reshape(b, n)
        return 0.5 * (T + T.swapaxes(1, 2)), r


def assemble(space: MeshSpace, C: FloatArray) -> CellMatrices:
    """The matrices of weighted coefficients C = w K, (b, q) or (b, d, d, q)."""
    blocks = space.elements.matrices(C)
    return CellMatrices(space, C, blocks, space.pattern.fill(blocks))


def _parts(space: MeshSpace, count: int) -> Iterator[slice]:
    elements, local = space.element_dofs.shape
    return element_parts(elements, count * local * (local + 2 * space.dim))


@dataclass(frozen=True, slots=True, eq=False)
class MatrixForm:
    """The matrices ``system`` of b problems, side by side in ``A`` (b n, b n), and their preconditioner."""

    system: CellMatrices
    A: sp.csr_array
    M: Preconditioner
    guess: FloatArray | None = None

    @classmethod
    def of(cls, system: CellMatrices, M: Preconditioner, guess: FloatArray | None = None) -> MatrixForm:
        return cls(system, system.space.pattern.matrix(system.entries), M, guess)

    def start(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        space, b = self.system.space, len(self.system.C)
        shape = (b, space.n_dofs, len(space.imposed))
        u = np.zeros(shape).swapaxes(1, 2) if self.guess is None else self.guess.copy()
        T, r = self.system.evaluate(u)
        return u, r, np.einsum("brr->br", T).copy()

    def apply(self, p: FloatArray) -> FloatArray:
        return _multiplied(self.A, p)

    def precondition(self, r: FloatArray) -> FloatArray:
        return self.M.apply(r)

    def evaluate(self, u: FloatArray) -> tuple[FloatArray, FloatArray, CorrectorGradients]:
        return *self.system.evaluate(u), CorrectorGradients(self.system.space, self.system.C, u)

    def correctors(self, u: FloatArray) -> FloatArray:
        return u

    def take(self, rows: IntArray) -> MatrixForm:
        return MatrixForm.of(self.system.take(rows), self.M.take(rows))


def _multiplied(A: sp.csr_array, p: FloatArray) -> FloatArray:
    """Matrices side by side, (b n, b m), times functions (b, d, m): (b, d, n)."""
    b, d, _ = p.shape
    rows = np.ascontiguousarray(p.swapaxes(1, 2)).reshape(-1, d)
    result: FloatArray = np.asarray(A @ rows).reshape(b, -1, d).swapaxes(1, 2)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class CorrectorGradients:
    """Solutions by their correctors u (b, m, n); gradients are computed when they are asked for."""

    space: MeshSpace
    C: FloatArray
    u: FloatArray

    @property
    def E(self) -> FloatArray:
        """g + grad u at the quadrature points (b, m, d, q)."""
        E: FloatArray = self.space.gradient(self.u) + self.space.imposed
        return E

    @property
    def _gradients(self) -> TotalGradients:
        return TotalGradients(self.E, self.C, self.space.weights)

    def derivative(self, dK: FloatArray) -> FloatArray:
        return self._gradients.derivative(dK)

    def densities(self) -> FloatArray:
        return self._gradients.densities()

    def take(self, rows: IntArray) -> CorrectorGradients:
        return CorrectorGradients(self.space, of_problems(self.C, rows), of_problems(self.u, rows))
