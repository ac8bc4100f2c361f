"""Equilibrated fluxes: what finite elements leave of a divergence is taken away, patch by patch.

    sigma = P K (g + grad theta) + sum_a delta_a,     div sigma = 0,     normal components without jumps

P projects on polynomials of one degree less. delta_a lives on the elements round vertex a: faces opposite to a carry
nothing, on faces at a it has minus the share of the jumps that the hat function lambda_a gives to a, its divergence is
minus the share of the divergence, and among all such it has the least energy <delta.K^-1 delta> (Braess, Schoeberl
2008). The shares of a patch balance because theta solves the discrete problem; what stopping early leaves of them is
passed on from patch to patch, within elements that they share, before they are solved (`imbalance`). What rounding
leaves is carried off along a tree of elements: sigma has no divergence whatever theta is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import factorial

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.fluxes import Fluxes, applied, inverse_at
from cellsolve.cellproblem.imbalance import balance
from cellsolve.cellproblem.patch_energies import Demand, corrected, half_jumps
from cellsolve.cellproblem.patches import Group, find_patches
from cellsolve.cellproblem.spanning_tree import carry_off, largest, outflows
from cellsolve.fem.face_fluxes import FaceFluxes, face_fluxes
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import element_parts
from cellsolve.fem.space import FloatArray

__all__ = ["equilibrated_fluxes"]

IntArray = npt.NDArray[np.int64]

_ROUNDING = 1e-14  # of the outflows before: what is left of a flux that is none
_CHUNK = 1_000_000  # numbers in the matrices of the patches that are solved together


def equilibrated_fluxes(space: MeshSpace, K: FloatArray, u: FloatArray) -> Fluxes:
    """Fluxes without divergence near those of correctors u (m, n) on simplices; K (q,) or (d, d, q)."""
    elements = face_fluxes(space)
    at_points = K.reshape(*K.shape[:-1], len(elements.other), -1)
    inverse = inverse_at(K).reshape(at_points.shape)
    phi = _outflow(space, elements, at_points, u)
    conductance = _conductance(inverse)
    moments = _moments(elements, inverse)
    before = _sizes(phi)
    phi += _corrections(elements, moments.energies, conductance, phi)
    phi = carry_off(phi, elements.other, conductance)
    some = _sizes(phi) > _ROUNDING * before
    return _measured(elements, moments, phi if some.all() else phi[..., some])


def _outflow(space: MeshSpace, elements: FaceFluxes, K: FloatArray, u: FloatArray) -> FloatArray:
    """What flows out of elements by K (g + grad theta), (e, d + 1, f, m)."""
    values = np.ascontiguousarray(u.T)
    phi = np.empty((*elements.other.shape, elements.per_face, len(u)))
    for part in elements.parts():
        nodal = space.potentials(part) + values[space.element_dofs[part]]
        E = space.elements.total_gradients(part, nodal)
        phi[part] = elements.outflow(part, _applied(K[..., part, :], E))
    return phi


def _measured(elements: FaceFluxes, moments: _Moments, phi: FloatArray) -> Fluxes:
    """S and D, element by element."""
    m = phi.shape[-1]
    S, D = np.zeros((elements.dim, m)), np.zeros((m, m))
    for part in element_parts(len(phi), phi[0].size + moments.energies[0].size):
        width = moments.energies.shape[1]
        out = phi[part].reshape(part.stop - part.start, width, m)
        flat = out.reshape(len(out) * width, m)
        S += moments.means[part].reshape(-1, elements.dim).T @ flat
        D += flat.T @ (moments.energies[part] @ out).reshape(flat.shape)
    return Fluxes(S, 0.5 * (D + D.T), partial(_field, elements, phi))


def _sizes(phi: FloatArray) -> FloatArray:
    """The largest outflow of each flux (m,)."""
    return np.array([largest(phi[..., r]) for r in range(phi.shape[3])])


def _field(elements: FaceFluxes, phi: FloatArray) -> FloatArray:
    """The fluxes at all points (m, d, q)."""
    field = np.concatenate([elements.field(part, phi[part]) for part in elements.parts()], axis=2)
    return field.reshape(*field.shape[:2], elements.weights.size)


def _applied(K: FloatArray, field: FloatArray) -> FloatArray:
    """K (e, q) or (d, d, e, q) times fields (m, d, e, q)."""
    product = applied(K.reshape(*K.shape[:-2], -1), field.reshape(*field.shape[:2], -1))
    return product.reshape(field.shape)


def _conductance(inverse: FloatArray) -> FloatArray:
    """How well elements conduct (e,), of K^-1 (e, q) or (d, d, e, q)."""
    resistance: FloatArray = inverse if inverse.ndim == 2 else np.einsum("iieq->eq", inverse)
    conductance: FloatArray = 1.0 / resistance.max(axis=1)
    return conductance


def _corrections(elements: FaceFluxes, energies: FloatArray, conductance: FloatArray, phi: FloatArray) -> FloatArray:
    """sum_a delta_a as outflows, like phi (e, d + 1, f, m)."""
    patches = find_patches(elements)
    shares = _face_shares(elements)
    source = _sources(elements, shares, phi)
    lost = balance(source, patches, conductance, largest(phi))
    demand = Demand(elements, shares, phi, source, energies)
    total = np.zeros_like(phi)
    for group in patches.groups(elements, _CHUNK):
        _add(total, group, corrected(demand, group))
    total[lost] = -phi[lost]
    return total


def _add(total: FloatArray, group: Group, delta: FloatArray) -> None:
    """Add corrections (g, s, d, f, m) to outflows (e, d + 1, f, m)."""
    rows, d = total.reshape(-1, total[0, 0].size), total.shape[1] - 1
    delta = delta.reshape(-1, d, rows.shape[1])
    place = (group.element[..., None] * (d + 1) + group.side).reshape(-1, d)
    for i in range(d + 1):
        some = np.flatnonzero(group.corner.ravel() == i)
        for side in range(d):
            at = place[some, side]  # different ones
            rows[at] = rows.take(at, axis=0) + delta[some, side]


def _sources(elements: FaceFluxes, shares: FloatArray, phi: FloatArray) -> FloatArray:
    """What still has to flow out of each corner (e, d + 1, m): its share of the divergence and of the jumps."""
    d = elements.dim
    source = np.empty((*elements.other.shape, phi.shape[3]))
    source[:] = outflows(phi)[:, None] / -(d + 1.0)
    for part in elements.parts():
        every = np.arange(part.start, part.stop)
        half = half_jumps(elements, phi, every[:, None] * (d + 1) + np.arange(d + 1))
        given = np.einsum("pf,ekfm->ekpm", shares[:, 0], half)
        place = every[:, None, None] * (d + 1) + elements.corners[part]
        for r in range(source.shape[2]):
            shared = np.bincount(place.ravel() - part.start * (d + 1), given[..., r].ravel(), len(every) * (d + 1))
            source[part, :, r] -= shared.reshape(len(every), d + 1)
    return source


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Integrals of the fields b_k of unit outflows: ``energies`` <b_k . K^-1 b_l> (e, (d + 1) f, (d + 1) f) and
    ``means`` <b_k> (e, (d + 1) f, d)."""

    energies: FloatArray
    means: FloatArray


def _moments(elements: FaceFluxes, inverse: FloatArray) -> _Moments:
    """By quadrature; ``inverse`` = K^-1 (e, q) or (d, d, e, q)."""
    d, size = elements.dim, (elements.dim + 1) * elements.per_face
    moments = _Moments(*(np.empty((len(elements.other), size, width)) for width in (size, d)))
    for part in elements.parts():
        fields = elements.basis(part).reshape(-1, size, d, len(elements.reference))
        weights = elements.weights[part]
        if inverse.ndim == 2:
            weighted = fields * (weights * inverse[part])[:, None, None]
        else:
            weighted = np.einsum("ijeq,ebjq->ebiq", inverse[:, :, part] * weights, fields, optimize=True)
        flat = (len(fields), size, -1)
        moments.energies[part] = weighted.reshape(flat) @ fields.reshape(flat).swapaxes(1, 2)
        moments.means[part] = (fields.reshape(len(fields), size * d, -1) @ weights[..., None]).reshape(-1, size, d)
    return moments


def _face_shares(elements: FaceFluxes) -> FloatArray:
    """The part of a flux through a face that lambda gives to one of its corners (position, f, f): the projection of
    lambda_a times it. Integrals over faces are n! alpha! / (n + |alpha|)!, n = d - 1."""
    dim = elements.dim
    if elements.per_face == 1:
        return np.full((dim, 1, 1), 1.0 / dim)
    n = dim - 1
    corner = range(dim)
    mass = np.array([[factorial(n) * (1 + (i == j)) / factorial(n + 2) for j in corner] for i in corner])
    triple = np.array([[[_monomial(n, (a, i, j)) for j in corner] for i in corner] for a in corner])
    nodal: FloatArray = np.linalg.solve(mass, triple)
    return np.linalg.inv(elements.modes) @ nodal @ elements.modes


def _monomial(n: int, corners: tuple[int, ...]) -> float:
    powers = np.bincount(corners)
    return float(factorial(n) * np.prod([factorial(int(p)) for p in powers]) / factorial(n + len(corners)))
