"""Coupling across sides that do not match: u_mesh = P u, where the slave side of each pair follows the master side.

    int psi_i (u_slave - u_master) = 0,     int_F psi_i phi_j = delta_ij int_F phi_j     on every slave facet F

The multipliers psi are dual to the traces phi of the slave side facet by facet (Wohlmuth 2000), so that P is sparse.
Rows of P sum to one, traces of polynomials of the elements' order are carried over exactly, and the psi sum to one:
int u_slave = int u_master, hence constant fluxes do no work on the jump and theta = 0 for a constant coefficient.
Unknowns on the edges of sides, where sides meet, are interpolated on the master's edge; what the multipliers of such
unknowns would have asked for is asked for by those next to them.

Values carried over by interpolation alone are no substitute: constants would do work on the jump, and the tensor would
lose an order in h, whatever that of the elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import skfem
from scipy.spatial import KDTree

from cellsolve.cells import UnitCell
from cellsolve.cells.coupling import Face, Overlaps, Side, facet_weights, located, on_planes, overlaps, sides
from cellsolve.cells.lattices import longest_vector
from cellsolve.errors import PeriodicityError
from cellsolve.fem.lagrange import element_corners, mesh_basis, reference_nodes
from cellsolve.fem.space import FloatArray

__all__ = ["Coupling", "MeshTraces", "Mortar", "Sampled", "coupled_sides"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_NOTHING = 1e-9  # values of shape functions that are rounding
_OUTSIDE = 0.05  # how far, of a facet, a place may be outside of the face across
_LIFT = 0.2  # of the basis of second-order triangles, whose own functions of corners have no mean
_DEPTH = 12  # of chains of unknowns that follow others, two for each side that an edge is on


class MeshTraces:
    """Degrees of freedom of a mesh before its sides are coupled, and their shape functions on facets.

    ``element_dofs`` (m, local); ``places`` (n, d).
    """

    def __init__(self, cell: UnitCell, order: int):
        self.cell = cell
        self.order = order
        basis = mesh_basis(cell, order)
        self.element_dofs = np.ascontiguousarray(basis.element_dofs.T).astype(np.int64)
        self.places = np.ascontiguousarray(basis.doflocs.T)
        self._corners = element_corners(cell)
        self._reference_corners = reference_nodes(cell.shape, 1)
        self._element: Any = basis.elem

    def facet_corners(self, face: Face) -> FloatArray:
        """Corners of facets (f, k, d) on the reference element."""
        held = self._corners[face.elements][:, None] == face.nodes[:, :, None]
        corners: FloatArray = self._reference_corners[held.argmax(axis=2)]
        return corners

    def values(self, corners: FloatArray, weights: FloatArray) -> FloatArray:
        """Shape functions (n, local) at places on facets, by the weights (n, k) of their corners (n, k, d)."""
        X = np.ascontiguousarray(np.einsum("nk,nkd->dn", weights, corners))
        local = self.element_dofs.shape[1]
        parts = [np.broadcast_to(self._element.lbasis(X, i)[0], X.shape[1]) for i in range(local)]
        return np.stack(parts, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Coupling:
    """``P`` (mesh, n) with u_mesh = P u; ``free`` (n,): which degrees of freedom of the mesh the unknowns are; the
    ``mortars`` of the d sides."""

    P: sp.csr_array
    free: IntArray
    mortars: tuple[Mortar, ...]


def coupled_sides(traces: MeshTraces, exchanged: bool = False) -> Coupling:
    """The coupling of all sides of a mesh; ``exchanged``: masters and slaves change places.

    Raises PeriodicityError for sides that cannot be coupled: not flat, cut by different holes, or too coarse.
    """
    found = tuple(Mortar(traces, side, overlaps(traces.cell, side)) for side in sides(traces.cell, exchanged))
    n = len(traces.places)
    follows = np.zeros(n, dtype=np.bool_)
    parts = []
    for mortar in found:
        rows = mortar.on_edges[~follows[mortar.on_edges]]
        parts.append(mortar.interpolated(rows))
        parts.append(mortar.projected())
        follows[rows] = follows[mortar.inside] = True
    free = np.flatnonzero(~follows)
    step = sp.csr_array(sum(parts[1:], parts[0]) + _unit(free, n))
    return Coupling(sp.csr_array(_composed(traces.cell, step, follows)[:, free]), free, found)


def _unit(rows: IntArray, n: int) -> sp.csr_array:
    """One in the diagonal of some rows."""
    return sp.csr_array((np.ones(len(rows)), (rows, rows)), shape=(n, n))


def _composed(cell: UnitCell, step: sp.csr_array, follows: BoolArray) -> sp.csr_array:
    """Unknowns that follow others which follow others, until only free ones are left."""
    P = step
    for _ in range(_DEPTH):
        if not follows[P.indices].any():
            return P
        P = sp.csr_array(P @ step)
        P.data[np.abs(P.data) < 1e-15] = 0.0
        P.eliminate_zeros()
    raise PeriodicityError(f"{cell.name}: the sides follow one another in a circle. Remesh with a periodic constraint.")


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """The overlaps of one side at quadrature points.

    ``dofs`` (f, k) of the slave's facets; ``weights`` (o, q); ``slave`` (o, q, k): their functions there;
    ``master_dofs`` (o, local) and ``master`` (o, q, local): those of the elements across.
    """

    dofs: IntArray
    facet: IntArray  # (o,) of the slave
    across: IntArray  # (o,) of the master
    weights: FloatArray
    slave: FloatArray
    master_dofs: IntArray
    master: FloatArray


class Mortar:
    """How the slave's degrees of freedom of one side follow the master's.

    One multiplier (mu,) for each degree of freedom and region of its facets: the normal flux jumps where regions meet.
    There, as on the edges of the side, unknowns are interpolated.
    """

    def __init__(self, traces: MeshTraces, side: Side, overlap: Overlaps):
        self.traces = traces
        self.side = side
        self.samples = _sampled(traces, side, overlap)
        n, dofs = len(traces.places), self.samples.dofs
        tags = traces.cell.tags[side.slave.elements]
        key, number = np.unique(tags[:, None] * n + dofs, return_inverse=True)
        self.tag, self.dof = np.divmod(key, n)  # (mu,)
        self.multipliers = number.reshape(dofs.shape)  # (f, k)
        low, high = on_planes(traces.cell, traces.places[self.dof])
        others = np.delete(low | high, side.number, axis=1).any(axis=1)
        self.is_edge = others | (np.bincount(self.dof, minlength=n)[self.dof] > 1)
        self.inside, self.on_edges = self.dof[~self.is_edge], np.unique(self.dof[self.is_edge])
        if not len(self.inside) and (traces.cell.dim == 3 or len(side.slave.elements) < len(side.master.elements)):
            raise PeriodicityError(
                f"{traces.cell.name}: got no unknown inside a face of side {side.number}, needed one or more to couple "
                "sides that do not match. Refine the mesh, or raise the order.",
                side=side.number,
            )

    @cached_property
    def _basis(self) -> tuple[FloatArray, sp.csr_array, sp.csr_array]:
        """A basis with positive means: phi~ = B^T phi on each facet (f, k, k), and on the mesh B and its inverse."""
        n, dofs = len(self.traces.places), self.samples.dofs
        local = np.broadcast_to(np.eye(dofs.shape[1]), (*dofs.shape, dofs.shape[1])).copy()
        if self.traces.cell.shape != "tetra" or self.traces.order == 1:
            return local, _unit(np.arange(n), n), _unit(np.arange(n), n)
        ends = self._edge_ends()  # (f, 3, 2) columns of the corners that the last three stand between
        facets, edges = np.arange(len(dofs))[:, None], np.arange(3, 6)
        local[facets, edges, edges] = 1.0 - 2.0 * _LIFT
        for end in (0, 1):
            local[facets, edges, ends[..., end]] = _LIFT
        row = np.repeat(dofs[:, 3:].ravel(), 2)
        column = np.take_along_axis(dofs, ends.reshape(len(dofs), -1), axis=1).ravel()
        lift = sp.csr_array((np.full(len(row), _LIFT), (row, column)), shape=(n, n))
        lift.data = np.minimum(lift.data, _LIFT)  # edges that two facets share are met twice
        middle = np.zeros(n)
        middle[dofs[:, 3:]] = 1.0
        own = sp.diags_array(1.0 - 2.0 * _LIFT * middle)
        return local, sp.csr_array(own + lift), sp.csr_array(sp.diags_array(1.0 / own.diagonal()) @ (_eye(n) - lift))

    def _edge_ends(self) -> IntArray:
        """Columns (f, 3, 2) of the corners of a second-order triangle that each middle stands between."""
        places = self.traces.places[self.samples.dofs]
        pairs = np.array([[0, 1], [0, 2], [1, 2]])
        middles = places[:, pairs].mean(axis=2)
        gaps = np.linalg.norm(places[:, 3:, None] - middles[:, None], axis=3)
        ends: IntArray = pairs[gaps.argmin(axis=2)]
        return ends

    def projected(self) -> sp.csr_array:
        """Rows (mesh, mesh) of the unknowns inside the face:

        u~_i D_i = (M u)_i + sum_b a_bi ((M u)_b - D_b u~_b),     u = B u~,     sum_i a_bi = 1, b on the edges
        """
        n, count = len(self.traces.places), len(self.dof)
        local, B, inverse = self._basis
        means, duals = self._duals(local)
        D = np.bincount(self.multipliers.ravel(), means.ravel(), count)
        M = self._products(duals)
        of_dof = sp.csr_array((np.ones(count), (np.arange(count), self.dof)), shape=(count, n))
        edges = _unit(np.flatnonzero(self.is_edge), count)
        defect = edges @ (M - sp.diags_array(D) @ of_dof @ inverse)
        scale = sp.diags_array(np.where(self.is_edge, 0.0, 1.0 / D))
        lifted = of_dof.T @ scale @ (M + self._shares().T @ defect) + _unit(self.on_edges, n) @ inverse
        return sp.csr_array(_unit(self.inside, n) @ B @ lifted)

    def _duals(self, local: FloatArray) -> tuple[FloatArray, FloatArray]:
        """int_F phi~_i (f, k) and the multipliers at the points (o, q, k)."""
        s = self.samples
        own = np.einsum("oqk,okl->oql", s.slave, local[s.facet])
        mass = _summed(np.einsum("oq,oqk,oql->okl", s.weights, own, own, optimize=True), s.facet, len(s.dofs))
        means = _summed(np.einsum("oq,oqk->ok", s.weights, own), s.facet, len(s.dofs))
        coefficients = means[:, :, None] * np.linalg.inv(mass)
        return means, np.einsum("oqk,olk->oql", own, coefficients[s.facet])

    def _products(self, duals: FloatArray) -> sp.csr_array:
        """M_ij = int psi_i phi_j of slave and master (mu, mesh)."""
        s = self.samples
        entries = np.einsum("oq,oqk,oql->okl", s.weights, duals, s.master, optimize=True)
        row = np.broadcast_to(self.multipliers[s.facet][:, :, None], entries.shape)
        column = np.broadcast_to(s.master_dofs[:, None], entries.shape)
        used = np.broadcast_to(np.abs(s.master).max(axis=1)[:, None] > _NOTHING, entries.shape)
        shape = (len(self.dof), len(self.traces.places))
        return sp.csr_array((entries[used], (row[used], column[used])), shape=shape)

    def _shares(self) -> sp.csr_array:
        """a_bi (mu, mu): of multipliers b on edges, among those inside on the same facets, or the nearest."""
        count, k = len(self.dof), self.multipliers.shape[1]
        row, column = np.repeat(self.multipliers, k, axis=1).ravel(), np.tile(self.multipliers, (1, k)).ravel()
        together = sp.csr_array((np.ones(len(row)), (row, column)), shape=(count, count))
        together.data[:] = 1.0
        edges, inside = np.flatnonzero(self.is_edge), np.flatnonzero(~self.is_edge)
        near = _unit(edges, count) @ together @ _unit(inside, count)
        alone = edges[near.sum(axis=1)[edges] == 0]
        if len(alone):
            far = 10.0 * longest_vector(self.traces.cell.period)
            places = np.column_stack([self.traces.places[self.dof], far * self.tag])
            _, nearest = KDTree(places[inside]).query(places[alone])
            near = near + sp.csr_array((np.ones(len(alone)), (alone, inside[nearest])), shape=(count, count))
        total = near.sum(axis=1)
        return sp.csr_array(sp.diags_array(1.0 / np.where(total > 0, total, 1.0)) @ near)

    def interpolated(self, rows: IntArray) -> sp.csr_array:
        """Rows (mesh, mesh) of unknowns on edges of the face: values of the master at their places."""
        cell, n = self.traces.cell, len(self.traces.places)
        t = np.delete(self.traces.places[rows] @ np.linalg.inv(cell.period), self.side.number, axis=1)
        facet, weights = located(self.side.master, t)
        if weights.min(initial=0.0) < -_OUTSIDE:
            worst = rows[weights.min(axis=1).argmin()]
            raise PeriodicityError(
                f"{cell.name}: the edge of side {self.side.number} has no facet opposite of "
                f"{np.round(self.traces.places[worst], 6).tolist()}: the faces are cut by different holes. Make the "
                "holes alike on both faces.",
                side=self.side.number,
            )
        values = self.traces.values(self.traces.facet_corners(self.side.master)[facet], weights)
        values[np.abs(values) < _NOTHING] = 0.0
        values /= values.sum(axis=1, keepdims=True)
        columns = self.traces.element_dofs[self.side.master.elements[facet]]
        used = values != 0.0
        row = np.broadcast_to(rows[:, None], values.shape)
        return sp.csr_array((values[used], (row[used], columns[used])), shape=(n, n))


def _eye(n: int) -> sp.csr_array:
    return _unit(np.arange(n), n)


def _summed(values: FloatArray, owner: IntArray, count: int) -> FloatArray:
    """Sums (count, ..) of values (o, ..) by owner (o,)."""
    gather = sp.csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))), shape=(count, len(owner)))
    total: FloatArray = np.asarray(gather @ values.reshape(len(values), -1)).reshape(count, *values.shape[1:])
    return total


def _sampled(traces: MeshTraces, side: Side, overlap: Overlaps) -> Sampled:
    """Both sides at the quadrature points of the overlaps."""
    barycentric, weights = _quadrature(traces)
    places = np.einsum("qc,ocd->oqd", barycentric, overlap.pieces)
    count = len(weights)
    slave = _values(traces, side.slave, np.repeat(overlap.slave, count), places)
    master = _values(traces, side.master, np.repeat(overlap.master, count), places)
    columns = _facet_columns(traces, side.slave)
    dofs = np.take_along_axis(traces.element_dofs[side.slave.elements], columns, axis=1)
    own = np.take_along_axis(slave, np.repeat(columns[overlap.slave][:, None], count, axis=1), axis=2)
    across = traces.element_dofs[side.master.elements[overlap.master]]
    weights = np.outer(overlap.measures, weights)
    return Sampled(dofs, overlap.slave, overlap.master, weights, own, across, master)


def _values(traces: MeshTraces, face: Face, facets: IntArray, places: FloatArray) -> FloatArray:
    """Shape functions (o, q, local) of the elements at a face, at places (o, q, d-1) of its facets (o q,)."""
    weights = facet_weights(face.corners[facets], places.reshape(len(facets), -1))
    values = traces.values(traces.facet_corners(face)[facets], weights)
    return values.reshape(*places.shape[:2], -1)


def _facet_columns(traces: MeshTraces, face: Face) -> IntArray:
    """Local numbers (f, k) of the degrees of freedom on each facet, ascending: corners of simplices come first."""
    corners = traces.facet_corners(face)
    count = corners.shape[1]
    spread = np.arange(1.0, count + 1.0) ** 1.3  # two places inside, on no line of symmetry
    on = np.zeros((len(corners), traces.element_dofs.shape[1]), dtype=np.bool_)
    for weights in (spread, spread[::-1] ** 2):
        w = weights / weights.sum()
        on |= np.abs(traces.values(corners, np.tile(w, (len(corners), 1)))) > _NOTHING
    return np.nonzero(on)[1].reshape(len(corners), -1)


def _quadrature(traces: MeshTraces) -> tuple[FloatArray, FloatArray]:
    """Barycentric points (q, d) and weights (q,) of unit sum, exact for products of two traces."""
    line = traces.cell.dim == 2
    degree = 2 * traces.order * (2 if traces.cell.shape == "hexahedron" else 1)
    refdom = skfem.refdom.RefLine if line else skfem.refdom.RefTri
    X, weights = skfem.quadrature.get_quadrature(refdom, degree)
    points = np.asarray(X).T
    return np.hstack([1.0 - points.sum(axis=1, keepdims=True), points]), np.asarray(weights / weights.sum())
