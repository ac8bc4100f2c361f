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
from cellsolve.fem.elements import Elements
from cellsolve.fem.lagrange import check_order
from cellsolve.fem.local_gradients import local_divergence, local_gradient
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.mortar import MeshTraces, coupled_sides
from cellsolve.fem.numbering import Numbering
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
        check_order(cell, order)
        self.exchanged = exchanged
        self.traces = MeshTraces(straightened(cell) if order == 1 else cell, order)
        numbering = Numbering(self.traces.element_dofs, self.traces.places)
        self.mesh = MeshSpace(cell, order, numbering=numbering)  # before its sides are coupled
        self.cell = self.mesh.cell
        self.dim = cell.dim
        self.order = order
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

    @property
    def elements(self) -> Elements:
        """Gradients and quadrature of the elements."""
        return self.mesh.elements

    @property
    def weights(self) -> FloatArray:
        """Quadrature weights (q,) over the volume of the period."""
        return self.mesh.weights

    @property
    def points(self) -> FloatArray:
        """Quadrature points (q, d)."""
        return self.mesh.points

    @property
    def tags(self) -> IntArray:
        """The region (q,) of each point."""
        return self.mesh.tags

    def gradient(self, u: FloatArray) -> FloatArray:
        values = np.asarray(self.P @ u.reshape(-1, self.n_dofs).T)
        rows = [local_gradient(self.elements, column[self.traces.element_dofs]) for column in values.T]
        return _keep_batch_fastest(np.stack(rows).reshape((*u.shape[:-1], self.dim, -1)))

    def divergence(self, field: FloatArray) -> FloatArray:
        dofs, count = self.traces.element_dofs.ravel(), len(self.traces.places)
        parts = field.reshape(-1, self.dim, *self.elements.weights.shape)
        loads = [np.bincount(dofs, local_divergence(self.elements, part).ravel(), count) for part in parts]
        return _keep_batch_fastest(np.asarray(self.P.T @ np.stack(loads, axis=1)).T.reshape((*field.shape[:-2], -1)))

    def matrix(self, C: FloatArray) -> sp.csr_array:
        """A = D^T diag(C) D of one weighted coefficient, (q,) or (d, d, q)."""
        return sp.csr_array(self.P.T @ self.mesh.matrix(C) @ self.P)

    def diagonal(self, C: FloatArray) -> FloatArray:
        """diag A of weighted isotropic coefficients (b, q) -> (b, n)."""
        return np.stack([self.matrix(one).diagonal() for one in C])

    def interpolation(self, other: CoupledSpace) -> sp.csr_array:
        """Values of functions of another space of the same cell at the nodes of this one: (n, n_other)."""
        return sp.csr_array(self.mesh.interpolation(other.mesh)[self.free] @ other.P)


def _keep_batch_fastest(values: FloatArray) -> FloatArray:
    return batch_fastest(values) if values.ndim > 1 else np.ascontiguousarray(values)
