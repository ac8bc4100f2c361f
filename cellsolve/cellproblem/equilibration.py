"""Equilibrated fluxes: what finite elements leave of a divergence is taken away, patch by patch.

    sigma = P K (g + grad theta) + sum_a delta_a,     div sigma = 0,     normal components without jumps

P projects on polynomials of one degree less. delta_a lives on the elements round vertex a: faces opposite to a carry
nothing, on faces at a it has minus the share of the jumps that the hat function lambda_a gives to a, its divergence is
minus the share of the divergence, and among all such it has the least energy <delta.K^-1 delta> (Braess, Schoeberl
2008). The shares of a patch balance because theta solves the discrete problem; what stopping early leaves is spread
over the patch where it conducts best, and carried off along a tree of elements afterwards: sigma has no divergence
whatever theta is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import factorial

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.fluxes import Fluxes, applied, inverse_at
from cellsolve.cellproblem.patches import Patches, find_patches
from cellsolve.cellproblem.spanning_tree import carry_off
from cellsolve.fem.face_fluxes import FaceFluxes, face_fluxes
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray

__all__ = ["equilibrated_fluxes"]

IntArray = npt.NDArray[np.int64]

_CHUNK = 4_000_000  # numbers in the matrices of the patches that are solved together


def equilibrated_fluxes(space: MeshSpace, K: FloatArray, u: FloatArray) -> Fluxes:
    """Fluxes without divergence near those of correctors u (m, n) on simplices; K (q,) or (d, d, q)."""
    elements = face_fluxes(space)
    at_points = K.reshape(*K.shape[:-1], len(elements.faces), -1)
    inverse = inverse_at(K).reshape(at_points.shape)
    phi = np.concatenate([_outflow(space, elements, part, at_points, u) for part in elements.parts()])
    conductance = _conductance(inverse)
    phi += _corrections(elements, inverse, conductance, phi)
    phi = carry_off(phi, elements.faces, conductance)
    return _measured(elements, phi, inverse)


def _outflow(space: MeshSpace, elements: FaceFluxes, part: slice, K: FloatArray, u: FloatArray) -> FloatArray:
    """What flows out of some elements by K (g + grad theta)."""
    E = space.elements.total_gradients(part, space.potentials(part) + u.T[space.element_dofs[part]])
    return elements.outflow(part, _applied(K[..., part, :], E))


def _measured(elements: FaceFluxes, phi: FloatArray, inverse: FloatArray) -> Fluxes:
    """S and D by quadrature; ``inverse`` = K^-1 (e, q) or (d, d, e, q)."""
    m, d = phi.shape[-1], elements.dim
    S, D = np.zeros((d, m)), np.zeros((m, m))
    for part in elements.parts():
        weights = elements.weights[part]
        sigma = elements.field(part, phi[part])
        S += np.einsum("kieq,eq->ik", sigma, weights)
        flat = (m, -1)
        D += (sigma * weights).reshape(flat) @ _applied(inverse[..., part, :], sigma).reshape(flat).T
    some = np.diag(D) > 0
    D = 0.5 * (D + D.T)
    return Fluxes(S[:, some], D[np.ix_(some, some)], partial(_field, elements, phi[..., some]))


def _field(elements: FaceFluxes, phi: FloatArray) -> FloatArray:
    """The fluxes at all points (m, d, q)."""
    field = np.concatenate([elements.field(part, phi[part]) for part in elements.parts()], axis=2)
    return field.reshape(*field.shape[:2], -1)


def _applied(K: FloatArray, field: FloatArray) -> FloatArray:
    """K (e, q) or (d, d, e, q) times fields (m, d, e, q)."""
    product = applied(K.reshape(*K.shape[:-2], -1), field.reshape(*field.shape[:2], -1))
    return product.reshape(field.shape)


def _conductance(inverse: FloatArray) -> FloatArray:
    """How well elements conduct (e,), of K^-1 (e, q) or (d, d, e, q)."""
    resistance: FloatArray = inverse if inverse.ndim == 2 else np.einsum("iieq->eq", inverse)
    conductance: FloatArray = 1.0 / resistance.max(axis=1)
    return conductance


def _corrections(elements: FaceFluxes, inverse: FloatArray, conductance: FloatArray, phi: FloatArray) -> FloatArray:
    """sum_a delta_a as outflows, like phi (e, d + 1, f, m); ``inverse`` = K^-1 (e, q) or (d, d, e, q)."""
    patches = find_patches(elements)
    jump, mass = _jumps(elements.faces, phi), _mass(elements, inverse)
    total = np.zeros_like(phi)
    for faces, rows in patches.groups(_CHUNK, elements.per_face):
        problem = _Problem.of(elements, patches, rows, faces, phi, jump, conductance)
        delta = problem.solve(mass)
        for i in range(elements.dim + 1):
            for side in range(elements.dim):
                some = problem.corner == i
                np.add.at(total, (problem.element[some], problem.side[some][:, side]), delta[some][:, side])
    return total


def _jumps(faces: IntArray, phi: FloatArray) -> FloatArray:
    """What flows out on both sides of each face together, (e, d + 1, f, m)."""
    flat = faces.ravel()
    columns = phi.reshape(len(flat), -1)
    sums: FloatArray = np.stack([np.bincount(flat, weights=column).astype(float) for column in columns.T], axis=1)
    return sums[flat].reshape(phi.shape)


def _mass(elements: FaceFluxes, inverse: FloatArray) -> FloatArray:
    """<b_k . K^-1 b_l> of the unit fluxes on each element (e, (d + 1) f, (d + 1) f)."""
    size = (elements.dim + 1) * elements.per_face
    mass = np.empty((len(elements.faces), size, size))
    for part in elements.parts():
        fields = elements.basis(part).reshape(-1, size, elements.dim, len(elements.reference))
        weights = elements.weights[part]
        if inverse.ndim == 2:
            weighted = fields * (weights * inverse[part])[:, None, None]
        else:
            weighted = np.einsum("ijeq,ebjq->ebiq", inverse[:, :, part] * weights, fields, optimize=True)
        flat = (len(fields), size, -1)
        mass[part] = weighted.reshape(flat) @ fields.reshape(flat).swapaxes(1, 2)
    return mass


def _face_shares(dim: int, per_face: int) -> FloatArray:
    """The part of a flux through a face that lambda gives to one of its corners (position, f, f): the projection of
    lambda_a times it. Integrals over faces are n! alpha! / (n + |alpha|)!, n = d - 1."""
    if per_face == 1:
        return np.full((dim, 1, 1), 1.0 / dim)
    n = dim - 1
    corner = range(dim)
    mass = np.array([[factorial(n) * (1 + (i == j)) / factorial(n + 2) for j in corner] for i in corner])
    triple = np.array([[[_monomial(n, (a, i, j)) for j in corner] for i in corner] for a in corner])
    return np.linalg.solve(mass, triple)


def _monomial(n: int, corners: tuple[int, ...]) -> float:
    powers = np.bincount(corners)
    return float(factorial(n) * np.prod([factorial(int(p)) for p in powers]) / factorial(n + len(corners)))


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """The minimizations of g patches with s corners (elements) and the same number of faces each.

    ``element``, ``corner`` (g, s); ``side`` (g, s, d); ``column`` (g, s, d, f): place of each flux among the unknowns;
    ``sign`` (g, s, d); ``given`` (g, s, d, f, m): delta with all unknowns zero; ``source`` (g, s, m): its outflow.
    """

    element: IntArray
    corner: IntArray
    side: IntArray
    column: IntArray
    sign: FloatArray
    given: FloatArray
    source: FloatArray
    unknowns: int

    @classmethod
    def of(
        cls,
        elements: FaceFluxes,
        patches: Patches,
        rows: IntArray,
        faces: int,
        phi: FloatArray,
        jump: FloatArray,
        conductance: FloatArray,
    ) -> _Problem:
        f, d = elements.per_face, elements.dim
        element, side, sign = patches.element[rows], patches.side[rows], patches.sign[rows]
        own = element[..., None]
        shares = _face_shares(d, f)[patches.position[rows]]
        half = np.where(sign == 0, -1.0, -0.5)[..., None, None]
        given = half * (shares @ jump[own, side])
        out = phi[element].mean(axis=3).sum(axis=2) / (d + 1)  # of the whole element, this corner's part
        source = -out
        missing = (source - given.mean(axis=3).sum(axis=2)).sum(axis=1, keepdims=True)
        share = conductance[element]
        source = source - missing * (share / share.sum(axis=1, keepdims=True))[..., None]
        column = patches.face[rows][..., None] * f + np.arange(f)
        column = np.where(sign[..., None] == 0, faces * f, column)
        return cls(element, patches.corner[rows], side, column, sign, given, source, faces * f)

    def solve(self, mass: FloatArray) -> FloatArray:
        """delta (g, s, d, f, m), by the equations of least energy under the constraints of outflow; ``mass`` of all
        elements (e, (d + 1) f, (d + 1) f)."""
        g, s, d, f, m = self.given.shape
        n = self.unknowns
        size = n + 1 + s  # one column that walls share, for nothing
        matrix, rhs = np.zeros((g, size, size)), np.zeros((g, size, m))
        here = np.arange(g)[:, None]
        own = (self.side[..., None] * f + np.arange(f)).reshape(g, s, d * f)
        mass = mass[self.element[..., None, None], own[..., :, None], own[..., None, :]]
        mass /= np.abs(mass).max(axis=(1, 2, 3), keepdims=True)
        for i in range(s):
            columns = self.column[:, i].reshape(g, d * f)
            signs = np.repeat(self.sign[:, i], f, axis=1)
            block = mass[:, i] * signs[:, :, None] * signs[:, None, :]
            matrix[here[..., None], columns[:, :, None], columns[:, None, :]] += block
            given = self.given[:, i].reshape(g, d * f, m)
            rhs[here, columns] -= signs[..., None] * (mass[:, i] @ given)
            constraint = np.full((g, 1), n + 1 + i)
            matrix[here, columns, constraint] = matrix[here, constraint, columns] = signs / f
            rhs[:, n + 1 + i] = self.source[:, i] - self.given[:, i].mean(axis=2).sum(axis=1)
        for idle in (n, n + 1):  # the column of walls, and one constraint, which follows from the others
            matrix[:, idle] = matrix[:, :, idle] = 0.0
            matrix[:, idle, idle] = 1.0
            rhs[:, idle] = 0.0
        x = np.linalg.solve(matrix, rhs)
        x[:, n] = 0.0
        return self.given + self.sign[..., None, None] * x[here[..., None, None], self.column]
