"""Fluxes on simplices by what flows out through their faces: Raviart-Thomas of lowest order, and Brezzi-Douglas-Marini.

    order 1 (RT0):   sigma = sum_k phi_k (y - x_k) / (d |T|)
    order 2 (BDM1):  sigma = sum_k sum_(i on face k) (N phi_k)_i lambda_i (x_i - x_k) / (d |T|)

Face k is opposite to corner k; phi_k0 is the flux out of the simplex, the others, at order 2, are its variation over
the face: N phi_k is |face| times the normal flux at the corners of the face, the first column of N is 1 and the others
add up to zero. Fluxes whose phi of the two sides of every face add up to zero have no jumps in their normal component;
they have no divergence where the phi_k0 of each element add up to zero. On curved simplices the fields are those of the
reference simplex, carried over by Piola's map J / det J, which keeps all of this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.elements import Affine
from cellsolve.fem.facets import number_facets, other_sides
from cellsolve.fem.lagrange import mesh_basis, reference, simplex_corners
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import element_parts
from cellsolve.fem.space import FloatArray

__all__ = ["FaceFluxes", "face_fluxes"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FaceFluxes:
    """Simplices (e,) of dimension d with f = 1 (order 1) or d (order 2) fluxes a face.

    ``vertices`` (e, d + 1): numbers of the corners on the torus; ``other`` (e, d + 1): the other side of each face, as
    place e (d + 1) + k, its own on walls; ``corners`` (e, d + 1, d): local corners of each face, in an order that both
    of its sides share; ``hats`` (e, d + 1, d, q or 1): gradients of lambda; ``edges`` (e, d, d, q or
    1): rows dy / dxi; ``weights`` (e, q) of quadrature, of unit sum over the period, and ``reference`` (q,), of unit
    sum; ``values`` (q, d + 1): lambda.
    """

    order: int
    vertices: IntArray
    other: IntArray
    corners: npt.NDArray[np.int8]
    hats: FloatArray
    edges: FloatArray
    weights: FloatArray
    reference: FloatArray
    values: FloatArray

    @property
    def dim(self) -> int:
        return int(self.edges.shape[1])

    @property
    def per_face(self) -> int:
        """f: how many fluxes a face has."""
        return 1 if self.order == 1 else self.dim

    @property
    def modes(self) -> FloatArray:
        """N (f, f): columns 1, then an orthogonal basis of what adds up to zero, of like size."""
        f = self.per_face
        modes = np.ones((f, f))
        for j in range(1, f):
            modes[:, j] = np.concatenate([np.ones(j), [-j], np.zeros(f - j - 1)]) / np.sqrt((j * j + j) / f)
        return modes

    def basis(self, part: slice) -> FloatArray:
        """The fields of unit phi on some simplices, at the quadrature points: (e, d + 1, f, d, q)."""
        edges = self.edges[part]
        places = np.concatenate([np.zeros_like(edges[:, :1]), edges], axis=1)  # x_i, from x_0
        scale = 1.0 / (self.dim * self._volumes(part))
        if self.order == 1:
            here = np.einsum("qi,eijr->ejq", self.values, places)
            fields: FloatArray = (here[:, None] - places) * scale[:, None, None]
            return fields[:, :, None]
        return self._linear(self.corners[part], places, scale)

    def _linear(self, corners: npt.NDArray[np.int8], places: FloatArray, scale: FloatArray) -> FloatArray:
        """sum_i N_ir lambda_i (x_i - x_k) times ``scale``, for each face k and r."""
        every = np.arange(len(places))[:, None, None]
        steps = places[every, corners] - places[:, :, None]  # (e, k, position, d, q or 1)
        hats = self.values.T[corners] * scale[:, None, None]  # lambda / d |T|
        fields = steps * hats[..., None, :]
        modal: FloatArray = self.modes.T @ fields.reshape(*fields.shape[:3], -1)
        return modal.reshape(fields.shape)

    def parts(self) -> Iterator[slice]:
        """Ranges of elements whose fields fit into the cache."""
        return element_parts(len(self.other), (self.dim + 1) * self.per_face * self.dim * len(self.values))

    def outflow(self, part: slice, sigma: FloatArray) -> FloatArray:
        """phi (e, d + 1, f, m) of fields (m, d, e, q) on some elements, projected on polynomials of one degree
        less than the order."""
        hats = np.broadcast_to(self.hats[part], (*self.hats[part].shape[:3], sigma.shape[-1]))
        through = -self.dim * np.einsum("ekiq,mieq,eq->ekqm", hats, sigma, self._volumes(part), optimize=True)
        if self.order == 1:
            mean: FloatArray = np.einsum("ekqm,q->ekm", through, self.reference)
            return mean[:, :, None]
        mass = np.einsum("qi,q,qj->ij", self.values, self.reference, self.values)
        project = np.linalg.solve(mass, self.values.T * self.reference)  # (d + 1, q)
        nodal = np.take_along_axis(project @ through, self.corners[part, ..., None], axis=2)
        modal: FloatArray = np.linalg.inv(self.modes) @ nodal
        return modal

    def field(self, part: slice, phi: FloatArray) -> FloatArray:
        """The fields (m, d, e, q) of outflows phi (e, d + 1, f, m) of some elements."""
        result: FloatArray = np.einsum("ekfiq,ekfm->mieq", self.basis(part), phi, optimize=True)
        return result

    def _volumes(self, part: slice) -> FloatArray:
        """|T| (e, q): det J over the points of curved elements."""
        volumes: FloatArray = self.weights[part] / self.reference
        return volumes


def face_fluxes(space: MeshSpace) -> FaceFluxes:
    """The fluxes that belong to simplices of order 1 or 2, straight or curved."""
    cell, d = space.cell, space.dim
    corners = simplex_corners(cell)
    opposite = np.array([[i for i in range(d + 1) if i != k] for k in range(d + 1)])
    element = reference(cell.shape, space.order, space.quadrature_order)
    edges, inverse = _maps(space)
    X = element.points
    return FaceFluxes(
        order=space.order,
        vertices=space.element_dofs[:, : d + 1],
        other=other_sides(number_facets(cell, corners, opposite)),
        corners=_shared_order(space, corners, opposite),
        hats=np.concatenate([-inverse.sum(axis=1, keepdims=True), inverse], axis=1),
        edges=edges,
        weights=space.elements.weights,
        reference=element.weights / element.weights.sum(),
        values=np.column_stack([1.0 - X.sum(axis=1), X]),
    )


def _maps(space: MeshSpace) -> tuple[FloatArray, FloatArray]:
    """Rows dy / dxi_i and grad xi_i, (e, d, d, q or 1)."""
    elements = space.elements
    if isinstance(elements, Affine):
        return elements.edges[..., None], elements.inverse[..., None]
    basis = mesh_basis(space.cell, space.order, space.quadrature_order)
    forward, back = basis.mapping.DF(basis.X), basis.mapping.invDF(basis.X)  # dy_a / dxi_i, dxi_i / dy_a: (.., e, q)
    return np.ascontiguousarray(forward.transpose(2, 1, 0, 3)), np.ascontiguousarray(back.transpose(2, 0, 1, 3))


def _shared_order(space: MeshSpace, corners: IntArray, opposite: IntArray) -> npt.NDArray[np.int8]:
    """Corners of each face (e, k, d), sorted by unknown and, where two are one unknown, by lattice vector."""
    labels = space.element_dofs[:, : corners.shape[1]]
    sheets = np.round((space.cell.points[corners] - space.nodes[labels]) @ np.linalg.inv(space.cell.period))
    sheets -= sheets.min(axis=(0, 1))
    wide = sheets.max(axis=(0, 1)) + 1.0
    rank = labels.astype(float)
    for axis, width in enumerate(wide):
        rank = rank * width + sheets[..., axis]
    order = np.argsort(rank[:, opposite], axis=2, kind="stable")
    return opposite.astype(np.int8)[np.arange(len(opposite))[:, None], order]
