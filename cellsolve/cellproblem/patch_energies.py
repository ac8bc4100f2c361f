"""The corrections of patches: least energy among all fluxes with given jumps and sources.

    min <delta.K^-1 delta>,     delta = given + x on both sides of each face,     x of given sources in each element

The sources are sent to the first element of the patch along its tree of faces; what is still free are fluxes without
divergence: loops round the edges at the vertex, and at order 2 the variations over faces. They solve a system with a
small positive matrix. The constraints are met whatever the rounding of that solution.

Where loops and edges do not match (patches of cells one or two elements wide, vertices on several walls, the plane) all
fluxes of faces are unknowns, with a multiplier for each element.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.patches import Group
from cellsolve.fem.face_fluxes import FaceFluxes
from cellsolve.fem.space import FloatArray

__all__ = ["Demand", "Loops", "corrected", "half_jumps"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_NEXT, _LAST = [1, 2, 0], [2, 0, 1]  # of the three faces or edges at a corner


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What the corrections have to do, on all elements.

    ``shares`` (d, f, f): the part of a flux through a face that goes to each of its corners; ``phi`` (e, d + 1, f, m):
    outflows, with jumps; ``source`` (e, d + 1, m): outflow at each corner, beyond that of the jumps;
    ``mass`` (e, (d + 1) f, (d + 1) f): energies of the unit fluxes.
    """

    elements: FaceFluxes
    shares: FloatArray
    phi: FloatArray
    source: FloatArray
    mass: FloatArray

    def given(self, group: Group) -> FloatArray:
        """The fluxes (g, s, d, f, m) that take away the jumps, the same on both sides of a face."""
        place = group.element[..., None] * (self.elements.dim + 1) + group.side
        jumps = half_jumps(self.elements, self.phi, place)
        if self.elements.per_face == 1:
            jumps *= self.shares[0, 0, 0]
            return jumps
        corners = self.elements.corners.reshape(-1, self.elements.dim)
        position = (corners[place] == group.corner[..., None, None]).argmax(axis=-1)
        given: FloatArray = self.shares[position] @ jumps
        return given

    def sources(self, group: Group) -> FloatArray:
        """Outflows (g, s, m)."""
        place = group.element * (self.elements.dim + 1) + group.corner
        sources: FloatArray = self.source.reshape(-1, self.source.shape[2]).take(place, axis=0)
        return sources

    def energies(self, group: Group, order: IntArray) -> FloatArray:
        """Mass matrices (g, s, d f, d f) of the faces at the corners, ``order`` (d f,) of their fluxes."""
        f = self.elements.per_face
        own = (group.side[..., None] * f + np.arange(f)).reshape(*group.side.shape[:2], -1)[..., order]
        width = self.mass.shape[1]
        rows = (group.element[..., None] * width + own) * width
        energies: FloatArray = self.mass.ravel().take(rows[..., :, None] + own[..., None, :])
        return energies


def half_jumps(elements: FaceFluxes, phi: FloatArray, places: IntArray) -> FloatArray:
    """Minus what each side of a face takes of the jump (.., f, m), for sides at places e (d + 1) + k: half of it, on
    walls all."""
    flat = phi.reshape(-1, phi[0, 0].size)
    half = flat.take(elements.other.take(places), axis=0)
    half += flat.take(places, axis=0)
    half *= -0.5
    return half.reshape(*places.shape, *phi.shape[2:])


def corrected(demand: Demand, group: Group) -> FloatArray:
    """delta (g, s, d, f, m) of a group of patches."""
    if demand.elements.dim < 3:
        return _by_faces(demand, group)
    loops = _loops(demand.elements.vertices, group)
    if loops.fit.all():
        return _by_loops(demand, group, loops.number)
    delta = np.empty((*group.side.shape, *demand.phi.shape[2:]))
    delta[~loops.fit] = _by_faces(demand, group.take(~loops.fit))
    if loops.fit.any():
        delta[loops.fit] = _by_loops(demand, group.take(loops.fit), loops.number[loops.fit])
    return delta


@dataclass(frozen=True, slots=True, eq=False)
class Loops:
    """Numbers (g, s, 3) of the loops round the edges from each corner to those opposite to its faces; those that do
    nothing share the last one. ``fit`` (g,): they make up all fluxes without divergence."""

    number: IntArray
    fit: BoolArray


def _loops(vertices: IntArray, group: Group) -> Loops:
    """Loops round edges that end on a wall are none. Where there is no wall, one is the sum of all others."""
    g, s, _ = group.side.shape
    free = group.faces - s + 1
    ends = vertices.ravel()[group.element[..., None] * 4 + group.side].reshape(g, -1)
    order = np.argsort(ends, axis=1)
    ends = np.take_along_axis(ends, order, axis=1)
    fresh = np.zeros(ends.shape, dtype=np.int64)
    fresh[:, 1:] = ends[:, 1:] != ends[:, :-1]
    number = np.empty(ends.shape, dtype=np.int64)
    np.put_along_axis(number, order, np.cumsum(fresh, axis=1), axis=1)
    last = fresh.sum(axis=1)
    wall = group.sign == 0
    idle = np.zeros((g, int(last.max()) + 1), dtype=np.bool_)
    idle |= np.arange(idle.shape[1]) > last[:, None]
    idle[np.arange(g), last] |= ~wall.any(axis=(1, 2))
    at, corner, edge = np.nonzero(wall[..., _NEXT] | wall[..., _LAST])
    idle[at, number.reshape(g, s, 3)[at, corner, edge]] = True
    fit = (~idle).sum(axis=1) == free
    column = np.where(idle, free, np.cumsum(~idle, axis=1) - 1)
    return Loops(np.take_along_axis(column, number, axis=1).reshape(g, s, 3), fit)


def _by_loops(demand: Demand, group: Group, loops: IntArray) -> FloatArray:
    """delta with the loops (g, s, 3), and the variations over faces, as unknowns."""
    delta = demand.given(group)
    _send_home(delta, group, demand.sources(group))
    g, s, d, f, m = delta.shape
    order = _variations_first(d, f)
    M = demand.energies(group, order)
    r = -(M @ delta.reshape(g, s, d * f, m)[:, :, order])
    M = _round_edges(_round_edges(M, d).swapaxes(2, 3), d)
    r = _round_edges(r.swapaxes(2, 3), d).swapaxes(2, 3)
    unknowns = _unknowns(group, loops, f)
    M *= unknowns.sign[..., None]
    M *= unknowns.sign[..., None, :]
    r *= unknowns.sign[..., None]
    x = _solved(*_assembled(M, r, unknowns.column, unknowns.size), unknowns.column)
    x *= unknowns.sign[..., None]
    delta[..., 1:, :] += x[:, :, : d * (f - 1)].reshape(g, s, d, f - 1, m)
    z = x[:, :, d * (f - 1) :]
    delta[..., 0, :] += z.take(_NEXT, axis=2) - z.take(_LAST, axis=2)
    return delta


@dataclass(frozen=True, slots=True, eq=False)
class _Unknowns:
    """``column`` and ``sign`` (g, s, d f) of the variations over the faces at each corner and of the loops there;
    column ``size`` is no unknown."""

    column: IntArray
    sign: FloatArray
    size: int


def _unknowns(group: Group, loops: IntArray, f: int) -> _Unknowns:
    """Variations, face by face, then loops. These go round the same way in every element: corners of tetrahedra have a
    hand, which changes from one corner to the next."""
    g, s, d = group.side.shape
    fluxes = group.faces * (f - 1)
    size = fluxes + group.faces - s + 1
    varied = (group.face[..., None] * (f - 1) + np.arange(f - 1)).reshape(g, s, -1)
    column = np.concatenate([np.where(varied < fluxes, varied, size), fluxes + loops], axis=2)
    sign = np.empty((g, s, d * f))
    sign[..., : d * (f - 1)] = np.repeat(group.sign, f - 1, axis=2)
    sign[..., d * (f - 1) :] = np.where(group.corner % 2, -1.0, 1.0)[..., None]
    return _Unknowns(column, sign, size)


def _variations_first(d: int, f: int) -> IntArray:
    """The fluxes of d faces: variations face by face, then the flux through each."""
    every = np.arange(d * f).reshape(d, f)
    return np.concatenate([every[:, 1:].ravel(), every[:, 0]])


def _round_edges(values: FloatArray, d: int) -> FloatArray:
    """Derivatives with respect to the fluxes through faces, last on the last axis, as those to loops: a loop round edge
    j leaves through face j - 1 and enters through face j + 1."""
    faces = values[..., -d:]
    values[..., -d:] = faces.take(_LAST, axis=-1) - faces.take(_NEXT, axis=-1)
    return values


def _assembled(M: FloatArray, r: FloatArray, column: IntArray, size: int) -> tuple[FloatArray, FloatArray]:
    """The systems (g, size, size), (g, size, m) of patches; what goes to column ``size`` is left out."""
    g, m = len(M), r.shape[-1]
    start = column + (np.arange(g) * (size + 1))[:, None, None]
    place = (start * (size + 1))[..., None] + column[..., None, :]
    matrix = np.bincount(place.ravel(), M.ravel(), g * (size + 1) ** 2).astype(float, copy=False)
    rhs = np.stack([np.bincount(start.ravel(), r[..., i].ravel(), g * (size + 1)) for i in range(m)], axis=1)
    square = matrix.reshape(g, size + 1, size + 1)
    return square[:, :size, :size], rhs.reshape(g, size + 1, m)[:, :size].astype(float, copy=False)


def _solved(matrix: FloatArray, rhs: FloatArray, column: IntArray) -> FloatArray:
    """Solutions (g, s, c, m) at columns (g, s, c) of systems (g, size, size), zero at column ``size``."""
    g, size, m = rhs.shape
    padded = np.zeros((g, size + 1, m))
    padded[:, :size] = _least(matrix, rhs)
    values: FloatArray = padded.reshape(-1, m).take(column + (np.arange(g) * (size + 1))[:, None, None], axis=0)
    return values


def _least(matrix: FloatArray, rhs: FloatArray) -> FloatArray:
    """Solutions of symmetric systems. Where rounding makes one singular, at extreme contrasts, the least one: fluxes
    stay admissible, for the constraints do not depend on it or are met afterwards."""
    try:
        return np.asarray(np.linalg.solve(matrix, rhs), dtype=float)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(matrix, hermitian=True) @ rhs, dtype=float)


def _send_home(delta: FloatArray, group: Group, source: FloatArray) -> None:
    """Add fluxes with the given ``source`` (g, s, m), through the doors to the parents of each corner."""
    g, s, d, _, m = delta.shape
    rows = np.arange(g)
    behind = source.copy()
    for i in range(s - 1, 0, -1):
        behind[rows, group.parent[:, i]] += behind[:, i]
    behind_door = group.partner // d == group.parent[..., None]
    door = (behind_door & (group.sign != 0)).argmax(axis=2)
    flux = delta[:, :, :, 0].reshape(g, s * d, m)
    every = np.arange(1, s)
    flux[rows[:, None], every * d + door[:, 1:]] += behind[:, 1:]
    flux[rows[:, None], np.take_along_axis(group.partner, door[..., None], axis=2)[:, 1:, 0]] -= behind[:, 1:]
    delta[:, :, :, 0] = flux.reshape(g, s, d, m)


def _by_faces(demand: Demand, group: Group) -> FloatArray:
    """delta with all fluxes of faces as unknowns, by the equations of least energy under the constraints of outflow."""
    given = demand.given(group)
    g, s, d, f, m = given.shape
    n = group.faces * f
    M = demand.energies(group, np.arange(d * f))
    M /= np.abs(M).max(axis=(1, 2, 3), keepdims=True)
    sign = np.repeat(group.sign, f, axis=2).astype(float)
    column = (group.face[..., None] * f + np.arange(f)).reshape(g, s, d * f)
    column = np.where(sign == 0, n + s, column)
    r = -sign[..., None] * (M @ given.reshape(g, s, d * f, m))
    matrix, rhs = _assembled(M * sign[..., None] * sign[..., None, :], r, column, n + s)
    here = np.arange(g)[:, None]
    for i in range(1, s):  # the first constraint follows from the others
        through = np.minimum(column[:, i, ::f], n)
        matrix[here, through, n + i] = matrix[here, n + i, through] = sign[:, i, ::f]
        rhs[:, n + i] = demand.sources(group)[:, i]
    matrix[:, n, :] = matrix[:, :, n] = 0.0
    matrix[:, n, n], rhs[:, n] = 1.0, 0.0
    own = sign[..., None] * _solved(matrix, rhs, column)
    return given + own.reshape(given.shape)
