"""Sides that do not match: where facets of one side lie on those of the opposite one.

Sides are flat, faces of the parallelepiped of the period. In the coordinates t = y P^-1 of the period, less the one
across the side, opposite faces cover the same part of the unit square (line): `overlaps` cuts it into simplices, each
in one facet of either face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cellsolve.cells.curved import middle_owners, straight_middles
from cellsolve.cells.lattices import longest_vector
from cellsolve.cells.shapes import SHAPES, Floats, Ints
from cellsolve.cells.unit_cell import UnitCell
from cellsolve.errors import PeriodicityError

__all__ = ["Face", "Overlaps", "Side", "check_coupling", "facet_weights", "located", "on_planes", "overlaps", "sides"]

_GAP = 0.05
"""Facets may stick out over the opposite face by this part of their measure, as holes may that cut both faces."""
_NEWTON = 20

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face of a side. ``elements`` (f,) and ``nodes`` (f, k) of its facets, ``corners`` (f, k, d-1) their places in
    the coordinates of the period without the one across the side."""

    elements: Ints
    nodes: Ints
    corners: Floats

    @property
    def measures(self) -> Floats:
        """(f,), the unit square having measure 1."""
        return _measures(self.corners)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The faces across period vector ``number``: ``slave`` follows ``master``. ``shift`` (d,) takes slave to master."""

    number: int
    slave: Face
    master: Face
    shift: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Simplices (o, d, d-1) in the coordinates of the faces, and the facet of ``slave`` (o,) and ``master`` (o,) that
    each lies in."""

    pieces: Floats
    slave: Ints
    master: Ints

    @property
    def measures(self) -> Floats:
        """(o,), as `Face.measures`."""
        return _measures(self.pieces)


def _measures(corners: Floats) -> Floats:
    """Measures (f,) of lines, or of polygons by the shoelace formula; corners (f, k, d-1)."""
    if corners.shape[2] == 1:
        return np.abs(corners[:, 1, 0] - corners[:, 0, 0])
    return np.abs(_area(corners))


def on_planes(cell: UnitCell, places: Floats) -> tuple[Bools, Bools]:
    """Which places (n, d) are on the lower and on the upper plane of each side, (n, d) and (n, d)."""
    inverse = np.linalg.inv(cell.period)
    low = (cell.points @ inverse).min(axis=0)
    high = (cell.points @ inverse).max(axis=0)
    t = places @ inverse
    thickness = cell.match_tol * longest_vector(cell.period) * np.linalg.norm(inverse, axis=0)
    return t - low <= thickness, high - t <= thickness


def sides(cell: UnitCell, exchanged: bool = False) -> tuple[Side, ...]:
    """The d sides. The face with more facets is the slave, of equal ones the upper; or the other way round.

    Raises PeriodicityError where the mesh does not fill the period between two planes.
    """
    return tuple(_side(cell, number, exchanged) for number in range(cell.dim))


def _side(cell: UnitCell, number: int, exchanged: bool) -> Side:
    span = float(np.ptp(cell.points @ np.linalg.inv(cell.period)[:, number]))
    low, high = (_face(cell, near[:, number], number) for near in on_planes(cell, cell.points))
    if abs(span - 1.0) > 1e-6 or not len(low.elements) or not len(high.elements):
        raise PeriodicityError(
            f"{cell.name}: the mesh spans {span:.6g} of period vector {number}, with {len(low.elements)} facets on one "
            f"face of side {number} and {len(high.elements)} on the opposite one; needed 1, and facets on both flat "
            "faces. Give the period of the cell (period=), or mesh all of it with flat sides.",
            side=number,
        )
    upper_follows = (len(high.elements) >= len(low.elements)) != exchanged
    if upper_follows:
        return Side(number, high, low, -cell.period[number])
    return Side(number, low, high, cell.period[number])


def _face(cell: UnitCell, near: Bools, number: int) -> Face:
    """The facets with all nodes on one plane; near (n,) marks the nodes there."""
    touching = near[cell.elements]
    held = [np.flatnonzero(touching[:, local].all(axis=1)) for local in SHAPES[cell.shape].facets]
    pairs = zip(held, SHAPES[cell.shape].facets, strict=True)
    nodes = np.vstack([cell.elements[np.ix_(elements, local)] for elements, local in pairs])
    _refuse_bent(cell, number, held)
    t = np.delete(cell.points @ np.linalg.inv(cell.period), number, axis=1)
    return Face(np.concatenate(held), nodes, t[nodes])


def _refuse_bent(cell: UnitCell, number: int, held: list[Ints]) -> None:
    """``held``: the elements that have each of the local facets on a face. These must not be bent in its plane."""
    if cell.middles is None:
        return
    off = np.abs(cell.points[cell.middles] - straight_middles(cell.points, cell.elements, cell.shape)).max(axis=2)
    tolerance = cell.match_tol * longest_vector(cell.period)
    for elements, facet in zip(held, SHAPES[cell.shape].facets, strict=True):
        columns = [k for k, own in enumerate(middle_owners(cell.shape)) if set(own) <= set(facet)]
        bent = int((off[np.ix_(elements, np.array(columns, dtype=np.int64))] > tolerance).any(axis=1).sum())
        if bent:
            raise PeriodicityError(
                f"{cell.name}: {bent} facets on side {number} are curved within it, needed straight ones to couple "
                "sides that do not match. Solve with order=1, or remesh with a periodic constraint.",
                side=number,
                unmatched=bent,
            )


def overlaps(cell: UnitCell, side: Side) -> Overlaps:
    """Where the faces of a side in two or three dimensions overlap.

    Raises PeriodicityError where a facet sticks out over the opposite face by more than a part of its measure.
    """
    slave, master = side.slave, side.master
    found = _segments(slave.corners, master.corners) if cell.dim == 2 else _polygons(slave.corners, master.corners)
    for face, facets in ((slave, found.slave), (master, found.master)):
        covered = np.bincount(facets, found.measures, len(face.elements)) / face.measures
        _refuse_gaps(cell, side.number, face, covered)
    return found


def _refuse_gaps(cell: UnitCell, number: int, face: Face, covered: Floats) -> None:
    """``covered`` (f,) parts of the facets of a face that lie over the opposite one."""
    bad = np.flatnonzero(np.abs(covered - 1.0) > _GAP)
    if len(bad):
        worst = bad[np.abs(covered[bad] - 1.0).argmax()]
        place = np.round(cell.points[face.nodes[worst]].mean(axis=0), 6).tolist()
        size = float(np.ptp(cell.points[face.nodes[worst]], axis=0).max())
        raise PeriodicityError(
            f"{cell.name}: {len(bad)} of {len(face.elements)} facets on a face of side {number} lie with more than "
            f"{_GAP:.0%} of their measure over no facet of the opposite face, or over several (worst: "
            f"{covered[worst]:.0%} covered, near {place}). The faces are cut by different holes, or are not flat. Make "
            "the holes alike on both faces.",
            side=number,
            unmatched=len(bad),
            largest_gap=abs(float(covered[worst]) - 1.0) * size,
        )


def _segments(slave: Floats, master: Floats) -> Overlaps:
    """Overlaps of segments (s, 2, 1) and (m, 2, 1) of a line: between any two neighbouring ends."""
    ends = np.unique(np.concatenate([slave.ravel(), master.ravel()]))
    ends = ends[np.append(True, np.diff(ends) > 1e-12)]
    middles = 0.5 * (ends[1:] + ends[:-1])
    first, second = (_segment_of(middles, segments[:, :, 0]) for segments in (slave, master))
    held = (first >= 0) & (second >= 0)
    pieces = np.stack([ends[:-1], ends[1:]], axis=1)[held, :, None]
    return Overlaps(pieces, first[held], second[held])


def _segment_of(places: Floats, segments: Floats) -> Ints:
    """The segment (s, 2) that each place (k,) lies in, -1 if in none."""
    low, high = segments.min(axis=1), segments.max(axis=1)
    order = np.argsort(low)
    found = order[np.maximum(np.searchsorted(low[order], places) - 1, 0)]
    return np.where((low[found] <= places) & (places <= high[found]), found, -1)


def _polygons(slave: Floats, master: Floats) -> Overlaps:
    """Overlaps of convex polygons (s, k, 2) and (m, k, 2) of the plane, as fans of triangles."""
    slave, master = _counterclockwise(slave), _counterclockwise(master)
    first, second = _near_pairs(slave, master)
    polygon = slave[first]
    count = np.full(len(first), slave.shape[1])
    for side in range(master.shape[1]):
        start, end = master[second, side], master[second, (side + 1) % master.shape[1]]
        polygon, count = _clipped(polygon, count, start, end - start)
    triangles, owners = [], []
    for corner in range(1, polygon.shape[1] - 1):
        own = np.flatnonzero(count > corner + 1)
        triangles.append(polygon[own][:, [0, corner, corner + 1]])
        owners.append(own)
    pieces, owner = np.concatenate(triangles), np.concatenate(owners)
    full = np.abs(_area(pieces)) > 1e-13 * np.abs(_area(slave[first[owner]]))
    return Overlaps(pieces[full], first[owner[full]], second[owner[full]])


def _area(polygons: Floats) -> Floats:
    """Signed areas (f,) of polygons (f, k, 2), from their first corners."""
    a = polygons[:, 1:-1] - polygons[:, :1]
    b = polygons[:, 2:] - polygons[:, :1]
    return np.asarray(0.5 * (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(axis=1))


def _counterclockwise(polygons: Floats) -> Floats:
    turned = polygons.copy()
    mirrored = _area(polygons) < 0
    turned[mirrored] = polygons[mirrored, ::-1]
    return turned


def _near_pairs(slave: Floats, master: Floats) -> tuple[Ints, Ints]:
    """Pairs (p,), (p,) of polygons whose bounding boxes overlap."""
    low, high = slave.min(axis=1), slave.max(axis=1)
    other_low, other_high = master.min(axis=1), master.max(axis=1)
    reach = 0.5 * ((high - low).max(axis=1) + (other_high - other_low).max())
    lists = KDTree(0.5 * (other_low + other_high)).query_ball_point(0.5 * (low + high), reach, p=np.inf)
    first = np.repeat(np.arange(len(slave)), [len(found) for found in lists])
    second = np.concatenate([np.asarray(found, dtype=np.int64) for found in lists])
    meet = ((low[first] < other_high[second]) & (other_low[second] < high[first])).all(axis=1)
    return first[meet], second[meet]


def _clipped(polygon: Floats, count: Ints, start: Floats, along: Floats) -> tuple[Floats, Ints]:
    """Polygons (p, k, 2) of ``count`` (p,) corners without what is right of a line (Sutherland, Hodgman 1974)."""
    corner = np.arange(polygon.shape[1])
    following = np.where(corner + 1 < count[:, None], corner + 1, 0)
    step = polygon - start[:, None]
    height = along[:, None, 0] * step[..., 1] - along[:, None, 1] * step[..., 0]
    next_height = np.take_along_axis(height, following, axis=1)
    next_corner = np.take_along_axis(polygon, following[..., None], axis=1)
    valid = corner < count[:, None]
    crossing = valid & ((height < 0) != (next_height < 0))
    part = np.where(crossing, height, 0.0) / np.where(crossing, height - next_height, 1.0)
    cut = polygon + part[..., None] * (next_corner - polygon)
    kept = np.stack([valid & (height >= 0), crossing], axis=2).reshape(len(polygon), -1)
    both = np.stack([polygon, cut], axis=2).reshape(len(polygon), -1, 2)
    order = np.argsort(~kept, axis=1, kind="stable")[:, : max(1, int(kept.sum(axis=1).max(initial=0)))]
    return np.take_along_axis(both, order[..., None], axis=1), kept.sum(axis=1)


def facet_weights(corners: Floats, places: Floats) -> Floats:
    """Weights (n, k) of the corners of facets (n, k, d-1) at places (n, d-1): barycentric, or bilinear on quads."""
    if corners.shape[1] == 4:
        return _bilinear(corners, places)
    edges = (corners[:, 1:] - corners[:, :1]).swapaxes(1, 2)
    rest = np.linalg.solve(edges, (places - corners[:, 0])[..., None])[..., 0]
    return np.concatenate([1.0 - rest.sum(axis=1, keepdims=True), rest], axis=1)


def _bilinear(corners: Floats, places: Floats) -> Floats:
    """The same on quads, by Newton's method."""
    xi = np.full((len(places), 2), 0.5)
    for _ in range(_NEWTON):
        a, b = xi.T
        weights = np.stack([(1 - a) * (1 - b), a * (1 - b), a * b, (1 - a) * b], axis=1)
        slopes = np.stack([np.stack([b - 1, 1 - b, b, -b], axis=1), np.stack([a - 1, -a, a, 1 - a], axis=1)], axis=2)
        miss = places - np.einsum("nk,nkc->nc", weights, corners)
        if np.abs(miss).max(initial=0.0) < 1e-14:
            break
        xi = xi + np.linalg.solve(corners.swapaxes(1, 2) @ slopes, miss[..., None])[..., 0]
    return weights


def check_coupling(cell: UnitCell) -> None:
    """Raises PeriodicityError for sides that cannot be coupled: not flat, or with holes that do not match."""
    for side in sides(cell) if cell.dim > 1 else ():
        overlaps(cell, side)


def located(face: Face, places: Floats) -> tuple[Ints, Floats]:
    """The facet of a face nearest to each place (n, d-1), and the weights (n, k) of its corners there."""
    middles = face.corners.mean(axis=1)
    count = min(len(middles), 16)
    near = np.asarray(KDTree(middles).query(places, k=np.arange(1, count + 1))[1])
    corners = face.corners[near].reshape(-1, *face.corners.shape[1:])
    weights = facet_weights(corners, np.repeat(places, count, axis=0)).reshape(len(places), count, -1)
    best = weights.min(axis=2).argmax(axis=1)
    each = np.arange(len(places))
    return near[each, best], weights[each, best]
