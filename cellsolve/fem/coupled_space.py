"""CoupledSpace: Lagrange elements on a mesh whose opposite sides do not match, coupled by mortars: u_mesh = P u.

    A = P^T A_mesh P,     D = D_mesh P

The space is not one of continuous functions: values jump across the sides, by no more than the elements can resolve.
Hence tensors are no upper bounds, and brackets are not to be had.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from cellsolve.cells import UnitCell, straightened
from cellsolve.errors import MeshError
from cellsolve.fem.elements import Elements, affine_elements, mapped_elements
from cellsolve.fem.lagrange import MAX_ORDER, SIMPLICES, values_at_nodes
from cellsolve.fem.local_gradients import local_divergence, local_gradient
from cellsolve.fem.mortar import MeshTraces, coupled_sides
from cellsolve.fem.pattern import Pattern
from cellsolve.fem.space import FloatArray, batch_fastest

__all__ = ["CoupledSpace"]

IntArray = npt.NDArray[np.int64]


class CoupledSpace:
    """Periodic elements of one order on a cell in two or three dimensions, whatever its opposite sides look like.

    Raises MeshError for an order that the elements do not have, and PeriodicityError for sides that cannot be coupled.
    """

    def __init__(self, cell: UnitCell, order: int = 2, exchanged: bool = False):
        if cell.dim == 1:
            raise MeshError(
                f"{cell.name}: got a cell in one dimension, needed two or three. Its two ends always match."
            )
        if not isinstance(order, int) or not 1 <= order <= MAX_ORDER[cell.shape]:
            raise MeshError(
                f"{cell.name}: got order = {order!r}, needed 1 to {MAX_ORDER[cell.shape]} on {cell.shape} elements. "
                "Choose an order in that range."
            )
        cell = straightened(cell) if order == 1 else cell
        self.cell = cell
        self.dim = cell.dim
        self.order = order
        self.exchanged = exchanged
        self.traces = MeshTraces(cell, order)
        coupling = coupled_sides(self.traces, exchanged)
        self.P = coupling.P  # (mesh, n)
        self.mortars = coupling.mortars
        self.free = coupling.free
        self.n_dofs = len(coupling.free)

    def __repr__(self) -> str:
        return f"CoupledSpace({self.cell.name}, order={self.order}, n_dofs={self.n_dofs})"

    def swapped(self) -> CoupledSpace:
        """The same elements with masters and slaves exchanged: what differs is the error of the coupling."""
        return CoupledSpace(self.cell, self.order, not self.exchanged)

    def of_order(self, order: int) -> CoupledSpace:
        """Elements of another order on the same cell."""
        return CoupledSpace(self.cell, order, self.exchanged)

    def from_first_order(self) -> tuple[sp.csr_array, IntArray | None]:
        """Interpolation from first order, and the pieces of its unknowns."""
        lower = self.of_order(1)
        return self.interpolation(lower), lower.pieces

    @property
    def imposed(self) -> FloatArray:
        """The imposed gradients (d, d, 1)."""
        return np.eye(self.dim)[:, :, None]

    @cached_property
    def pieces(self) -> IntArray | None:
        """The piece (n,) that each unknown belongs to; None for one piece."""
        dofs = self.traces.element_dofs
        row, column = np.repeat(dofs[:, 0], dofs.shape[1] - 1), dofs[:, 1:].ravel()
        links = sp.csr_array((np.ones(len(row)), (row, column)), shape=(len(self.traces.places),) * 2)
        pattern = abs(self.P)
        count, labels = connected_components(sp.csr_array(pattern.T @ (links @ pattern)), directed=False)
        return None if count == 1 else np.asarray(labels, dtype=np.int64)

    @cached_property
    def nodes(self) -> FloatArray:
        """Locations (n, d) of the unknowns."""
        places: FloatArray = self.traces.places[self.free]
        return places

    @cached_property
    def elements(self) -> Elements:
        """Gradients and quadrature of the elements."""
        affine = self.cell.shape in SIMPLICES and self.cell.middles is None
        return affine_elements(self.cell, self.order) if affine else mapped_elements(self.cell, self.order)

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

    def gradient(self, u: FloatArray) -> FloatArray:
        values = np.asarray(self.P @ u.reshape(-1, self.n_dofs).T)
        rows = [local_gradient(self.elements, column[self.traces.element_dofs]) for column in values.T]
        return _keep_batch_fastest(np.stack(rows).reshape((*u.shape[:-1], self.dim, -1)))

    def divergence(self, field: FloatArray) -> FloatArray:
        dofs, count = self.traces.element_dofs.ravel(), len(self.traces.places)
        parts = field.reshape(-1, self.dim, *self.elements.weights.shape)
        loads = [np.bincount(dofs, local_divergence(self.elements, part).ravel(), count) for part in parts]
        return _keep_batch_fastest(np.asarray(self.P.T @ np.stack(loads, axis=1)).T.reshape((*field.shape[:-2], -1)))

    @cached_property
    def pattern(self) -> Pattern:
        """Where the entries of element matrices go, before the sides are coupled."""
        return Pattern.of(self.traces.element_dofs, len(self.traces.places))

    def matrix(self, C: FloatArray) -> sp.csr_array:
        """A = D^T diag(C) D of one weighted coefficient, (q,) or (d, d, q)."""
        A = self.pattern.matrix(self.pattern.fill(self.elements.matrices(C[None])))
        return sp.csr_array(self.P.T @ A @ self.P)

    def diagonal(self, C: FloatArray) -> FloatArray:
        """diag A of weighted isotropic coefficients (b, q) -> (b, n)."""
        return np.stack([self.matrix(one).diagonal() for one in C])

    def interpolation(self, other: CoupledSpace) -> sp.csr_array:
        """Values of functions of another space of the same cell at the nodes of this one: (n, n_other)."""
        values = values_at_nodes(self.cell.shape, self.order, other.order)  # (local, local_other)
        dofs, local = self.traces.element_dofs, self.traces.element_dofs.shape[1]
        place = np.empty(len(self.traces.places), dtype=np.int64)
        place[dofs.ravel()] = np.arange(dofs.size)
        place = place[self.free]
        columns = other.traces.element_dofs[place // local]
        row = np.repeat(np.arange(self.n_dofs), columns.shape[1])
        shape = (self.n_dofs, len(other.traces.places))
        return sp.csr_array(
            sp.csr_array((values[place % local].ravel(), (row, columns.ravel())), shape=shape) @ other.P
        )


def _keep_batch_fastest(values: FloatArray) -> FloatArray:
    return batch_fastest(values) if values.ndim > 1 else np.ascontiguousarray(values)
