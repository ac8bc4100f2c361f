"""MeshSpace: Lagrange elements on any unit cell mesh, folded to the torus.

Degrees of freedom that are equal modulo the lattice become one unknown. The matrix of a coefficient is a sum of element
matrices; gradients at all points, as one sparse matrix, are built only where somebody asks for them.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from cellsolve.cells import UnitCell, straightened
from cellsolve.fem.elements import Elements, affine_elements, mapped_elements
from cellsolve.fem.lagrange import MAX_ORDER, SIMPLICES, check_order, values_at_nodes
from cellsolve.fem.numbering import Numbering, number_unknowns, pieces_of
from cellsolve.fem.pattern import Pattern, in_batches, pair_numbers
from cellsolve.fem.space import FloatArray, batch_fastest

__all__ = ["MAX_ORDER", "MeshSpace"]

IntArray = npt.NDArray[np.int64]


class MeshSpace:
    """Periodic Lagrange elements of one order on a unit cell read from a file. Those of first order are straight.

    ``directions`` (m, d): orthonormal rows, the mean gradients of its cell problems; all of them by default.
    ``numbering``: of the unknowns; by default those that are equal modulo the lattice are one. ``quadrature_order``: of
    the elements whose quadrature is taken, by default their own.
    """

    def __init__(
        self,
        cell: UnitCell,
        order: int = 2,
        directions: FloatArray | None = None,
        numbering: Numbering | None = None,
        quadrature_order: int | None = None,
    ):
        check_order(cell, order)
        self.directions = np.eye(cell.dim) if directions is None else directions
        cell = straightened(cell) if order == 1 else cell
        numbering = number_unknowns(cell, order) if numbering is None else numbering
        self.cell = cell
        self.dim = cell.dim
        self.order = order
        self.quadrature_order = quadrature_order or order
        self.nodes = numbering.nodes
        self.n_dofs = len(self.nodes)
        self.element_dofs = numbering.element_dofs  # (elements, local)

    def __repr__(self) -> str:
        return f"MeshSpace({self.cell.name}, order={self.order}, n_dofs={self.n_dofs})"

    def of_order(self, order: int) -> MeshSpace:
        """Elements of another order on the same cell."""
        return MeshSpace(self.cell, order, self.directions)

    def from_first_order(self) -> tuple[sp.csr_array, IntArray | None]:
        """Interpolation from first order, and the pieces of its unknowns."""
        lower = self.of_order(1)
        return self.interpolation(lower), lower.pieces

    @property
    def imposed(self) -> FloatArray:
        """The imposed gradients (m, d, 1)."""
        return self.directions[:, :, None]

    def potentials(self, part: slice) -> FloatArray:
        """Imposed potentials at the nodes of some elements (.., local, m), up to a constant an element."""
        places = self.elements.places(part)
        return places if self._along_axes else places @ self.directions.T

    @cached_property
    def _along_axes(self) -> bool:
        return np.array_equal(self.directions, np.eye(self.dim))

    @cached_property
    def pieces(self) -> IntArray | None:
        """The piece (n,) that each unknown belongs to; None for one piece."""
        return pieces_of(self.element_dofs, self.n_dofs)

    @cached_property
    def elements(self) -> Elements:
        """Gradients and quadrature of the elements."""
        elements = affine_elements if self._is_affine else mapped_elements
        return elements(self.cell, self.order, self.quadrature_order)

    @property
    def _is_affine(self) -> bool:
        return self.cell.shape in SIMPLICES and self.cell.middles is None

    @cached_property
    def weights(self) -> FloatArray:
        """Quadrature weights (q,) over the volume of the period."""
        return self.elements.weights.ravel()

    @cached_property
    def points(self) -> FloatArray:
        """Quadrature points (q, d)."""
        return self.elements.points.reshape(-1, self.dim)

    @cached_property
    def tags(self) -> IntArray:
        """The region (q,) of each point."""
        return np.repeat(np.asarray(self.cell.tags, dtype=np.int64), self.elements.weights.shape[1])

    @cached_property
    def D(self) -> sp.csr_array:
        """Gradients at all points as one sparse matrix (d q, n)."""
        gradients = self.elements.gradients
        elements, _, d, points = shape = gradients.shape
        rows = np.arange(d * elements * points).reshape(d, elements, points)
        row = np.broadcast_to(rows.transpose(1, 0, 2)[:, None], shape)
        column = np.broadcast_to(self.element_dofs[:, :, None, None], shape)
        entries = (gradients.ravel(), (row.ravel(), column.ravel()))
        return sp.csr_array(sp.coo_array(entries, shape=(rows.size, self.n_dofs)))

    @cached_property
    def _transpose(self) -> sp.csr_array:
        return sp.csr_array(self.D.T)

    def gradient(self, u: FloatArray) -> FloatArray:
        columns = self.D @ u.reshape(-1, self.n_dofs).T
        return _keep_batch_fastest(columns.T.reshape((*u.shape[:-1], self.dim, -1)))

    def divergence(self, field: FloatArray) -> FloatArray:
        lead = field.shape[:-2]
        columns = self._transpose @ field.reshape(int(np.prod(lead)), -1).T
        return _keep_batch_fastest(columns.T.reshape((*lead, self.n_dofs)))

    @cached_property
    def pattern(self) -> Pattern:
        """Where the entries of element matrices go: built once, used for every coefficient."""
        return Pattern.of(self.element_dofs, self.n_dofs)

    def matrix(self, C: FloatArray) -> sp.csr_array:
        """A = D^T diag(C) D of one weighted coefficient, (q,) or (d, d, q)."""
        return self.pattern.matrix(self.pattern.fill(self.elements.matrices(C[None])))

    def diagonal(self, C: FloatArray) -> FloatArray:
        """diag A of weighted isotropic coefficients (b, q) -> (b, n)."""
        local = self.element_dofs.shape[1]
        blocks = self.elements.matrices(C)[..., np.diag(pair_numbers(local))]
        rows = in_batches(self.element_dofs, len(C), self.n_dofs)
        return np.bincount(rows, blocks.ravel(), len(C) * self.n_dofs).reshape(len(C), -1).astype(float, copy=False)

    def interpolation(self, other: MeshSpace) -> sp.csr_array:
        """Values of functions of another space of the same cell at the nodes of this one: (n, n_other)."""
        values = values_at_nodes(self.cell.shape, self.order, other.order)  # (local, local_other)
        local = self.element_dofs.shape[1]
        place = np.empty(self.n_dofs, dtype=np.int64)  # of each unknown, in one of its elements
        place[self.element_dofs.ravel()] = np.arange(self.element_dofs.size)
        columns = other.element_dofs[place // local]
        row = np.repeat(np.arange(self.n_dofs), columns.shape[1])
        entries = values[place % local].ravel()
        used = entries != 0.0
        shape = (self.n_dofs, other.n_dofs)
        return sp.csr_array(sp.coo_array((entries[used], (row[used], columns.ravel()[used])), shape=shape))


def _keep_batch_fastest(values: FloatArray) -> FloatArray:
    return batch_fastest(values) if values.ndim > 1 else np.ascontiguousarray(values)
