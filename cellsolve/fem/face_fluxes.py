"""Fluxes on simplices by what flows out through their faces: Raviart-Thomas of lowest order, and Brezzi-Douglas-Marini.

    order 1 (RT0):   sigma = sum_k phi_k (y - x_k) / (d |T|)
    order 2 (BDM1):  sigma = sum_k sum_(i on face k) phi_ki lambda_i (x_i - x_k) / (d |T|)

Face k is opposite to corner k; phi is the flux out of the simplex, at order 2 |face| times the normal flux at each corner
of the face. Fluxes whose phi of the two sides of every face add up to zero have no jumps in their normal component; they
have no divergence where the means of phi over faces add up to zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.elements import Affine
from cellsolve.fem.facets import number_facets
from cellsolve.fem.lagrange import simplex_corners
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import element_parts
from cellsolve.fem.space import FloatArray

__all__ = ["FaceFluxes", "face_fluxes"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FaceFluxes:
    """Simplices (e,) of dimension d with f = 1 (order 1) or d (order 2) fluxes a face.

    ``faces`` (e, d + 1): numbers of the faces on the torus; ``corners`` (e, d + 1, d): local corners of each face, in
    an order that both of its sides share; ``hats`` (e, d + 1, d): gradients of lambda; ``volumes`` (e,), of unit sum
    over the period; ``values`` (q, d + 1): lambda at the quadrature points; ``weights`` (q,), of unit sum.
    """

    order: int
    faces: IntArray
    corners: IntArray
    places: FloatArray  # (e, d + 1, d) of the corners, from the first one
    hats: FloatArray
    volumes: FloatArray
    values: FloatArray
    weights: FloatArray

    @property
    def dim(self) -> int:
        return self.places.shape[2]

    @property
    def per_face(self) -> int:
        """f: how many fluxes a face has."""
        return 1 if self.order == 1 else self.dim

    def basis(self, rows: slice) -> FloatArray:
        """The fields of unit phi on some simplices, at the quadrature points: (e, d + 1, f, d, q)."""
        x, d = self.places[rows], self.dim
        steps = x[:, None, :, :] - x[:, :, None, :]  # (e, k, i, d): x_i - x_k
        scale = 1.0 / (d * self.volumes[rows])[:, None, None, None]
        corners = self.corners[rows]
        along = np.take_along_axis(steps, corners[..., None], axis=2) * scale  # (e, k, position, d)
        shape = self.values.T[corners]  # (e, k, position, q): lambda
        fields: FloatArray = along[..., None] * shape[..., None, :]
        return fields.sum(axis=2, keepdims=True) if self.order == 1 else fields

    def parts(self) -> Iterator[slice]:
        """Ranges of elements whose fields fit into the cache."""
        return element_parts(len(self.faces), (self.dim + 1) * self.per_face * self.dim * len(self.values))

    def outflow(self, part: slice, sigma: FloatArray) -> FloatArray:
        """phi (e, d + 1, f, m) of fields (m, d, e, q) on some elements, projected on polynomials of one degree less than
        the order."""
        area = (
            -self.dim * self.volumes[part, None, None] * self.hats[part]
        )  # outward normals, as long as faces are large
        if self.order == 1:
            mean = np.einsum("mieq,q->eim", sigma, self.weights)
            return (area @ mean)[:, :, None]
        mass = np.einsum("qi,q,qj->ij", self.values, self.weights, self.values)
        project = np.linalg.solve(mass, self.values.T * self.weights)  # (d + 1, q)
        nodal = np.einsum("mieq,vq->evim", sigma, project, optimize=True)
        flows = np.einsum("eki,evim->ekvm", area, nodal, optimize=True)
        return np.take_along_axis(flows, self.corners[part, ..., None], axis=2)

    def field(self, part: slice, phi: FloatArray) -> FloatArray:
        """The fields (m, d, e, q) of outflows phi (e, d + 1, f, m) of some elements."""
        result: FloatArray = np.einsum("ekfiq,ekfm->mieq", self.basis(part), phi, optimize=True)
        return result


def face_fluxes(space: MeshSpace) -> FaceFluxes:
    """The fluxes that belong to straight simplices of order 1 or 2."""
    elements, cell = space.elements, space.cell
    assert isinstance(elements, Affine)
    d = cell.dim
    corners = simplex_corners(cell)
    opposite = np.array([[i for i in range(d + 1) if i != k] for k in range(d + 1)])
    inner = elements.inverse  # rows grad lambda_1 ..
    hats = np.concatenate([-inner.sum(axis=1, keepdims=True), inner], axis=1)
    X = elements.reference.points
    places = np.concatenate([np.zeros((len(corners), 1, d)), elements.edges], axis=1)
    weights = elements.reference.weights / elements.reference.weights.sum()
    return FaceFluxes(
        order=space.order,
        faces=number_facets(cell, corners, opposite),
        corners=_shared_order(space, corners, opposite),
        places=places,
        hats=hats,
        volumes=cell.volumes / cell.volume,
        values=np.column_stack([1.0 - X.sum(axis=1), X]),
        weights=weights,
    )


def _shared_order(space: MeshSpace, corners: IntArray, opposite: IntArray) -> IntArray:
    """Corners of each face (e, k, d), sorted by unknown and, where two are one unknown, by lattice vector."""
    labels = space.element_dofs[:, : corners.shape[1]]
    sheets = np.round((space.cell.points[corners] - space.nodes[labels]) @ np.linalg.inv(space.cell.period))
    sheets -= sheets.min(axis=(0, 1))
    wide = sheets.max(axis=(0, 1)) + 1.0
    rank = labels.astype(float)
    for axis, width in enumerate(wide):
        rank = rank * width + sheets[..., axis]
    order = np.argsort(rank[:, opposite], axis=2, kind="stable")
    return np.take_along_axis(np.broadcast_to(opposite, order.shape), order, axis=2)
