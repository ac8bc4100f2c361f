"""The period of a mesh that does not say it: from its hull, from its box, or from facets that match.

In this order, the first that fits:
1. the hull is a parallelepiped: its edges;
2. the hull is another solid that fills space, and the mesh covers its sides;
3. the lattice of the volume that the mesh encloses under which all its outer facets match; if there are
   several, the one that clearly lays larger parts of the boundary on each neighbour, if it is one (bricks stack
   in columns and in bonds: in columns);
4. the hull as in 2, if facets on all its sides match, where pores cut them;
5. the bounding box, facets on the sides of which match;
6. the lattice of greater volume under which clearly more facets match than under others, the rest being walls
   of pores;
7. the lattice under which most of the boundary matches, but not all: what does not is reported later;
8. the bounding box, on the sides of which the mesh will not match: its period must be given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellsolve.cells.facets import Boundary, boundary_part, find_boundary
from cellsolve.cells.lattices import longest_vector
from cellsolve.cells.matching import match_facets
from cellsolve.cells.parallelohedra import HullSide, box_of, hull_period, hull_sides, is_box
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape, jacobian_determinants
from cellsolve.cells.tilings import Tiling, find_tiling
from cellsolve.cells.voting import facet_measures, voted_periods

__all__ = ["detect_lattice", "detect_period"]

_TOLERANCE = 1e-7
"""Facets match within this, relative to the extent of the mesh, when a period is sought."""
_CLEARLY = 1.1
"""So many times more facets must match under a lattice with pores than under any other."""


def detect_period(points: Floats) -> Floats:
    """Period (d, d) by the convex hull of points (n, d): its edges if it is a parallelepiped, the shortest basis
    of its lattice if it is another parallelohedron (a hexagon, a truncated octahedron), else its bounding box.

    A convex polytope whose facets have exactly the normals +-n_1 .. +-n_d is a parallelepiped, and its edges
    solve n_a . p_b = 0 (a != b). The rows are ordered so that p_i points along axis i, as far as can be.
    """
    found = hull_period(points) if points.shape[1] > 1 else None
    return box_of(points) if found is None else found


def detect_lattice(points: Floats, elements: Ints, shape: Shape) -> Floats:
    """Period (d, d) of a mesh: as ``detect_period``, and for cells with curved or jagged sides the lattice under
    which the facets of the boundary match. Points (n, d), elements (m, k).

    Which one it is when several lattices fit: see the module. Raises nothing: a mesh that fits none has the
    period of its bounding box, and does not match there.
    """
    used = points[_used(points, elements)]
    box = box_of(used)
    if used.shape[1] == 1 or not (np.isfinite(used).all() and np.diag(box).all()):
        return box
    hull, sides = hull_period(used), hull_sides(used)[0]
    if hull is not None and is_box(sides):
        return hull
    extent = float(np.diag(box).max())
    points = points - used.mean(axis=0)
    mesh = _Mesh(points, elements, shape, find_boundary(points, elements, shape), _TOLERANCE * extent)
    covered = _covered_hull(mesh) if hull is not None else np.zeros(1)
    if hull is not None and (np.abs(covered - 1.0) <= 1e-6).all():
        return hull
    return _by_facets(mesh, [hull] if hull is not None and covered.all() else [])


def _by_facets(mesh: _Mesh, hull: list[Floats]) -> Floats:
    """``hull``: the period of the hull if it is a parallelohedron and each of its sides has facets, or none."""
    box = box_of(mesh.points[_used(mesh.points, mesh.elements)])
    volumes = SHAPES[mesh.shape].weights @ jacobian_determinants(mesh.points, mesh.elements, mesh.shape)
    voted = voted_periods(mesh.points, mesh.boundary, float(np.abs(volumes).sum()))
    tight, by_hull = _tilings(mesh, voted.tight), _tilings(mesh, hull)
    if any(tiling.closes for _, tiling in tight):
        return _concentrated([(p, t) for p, t in tight if t.closes], box)
    if any(tiling.closes for _, tiling in by_hull):
        return hull[0]
    if _fits_box(mesh, box):
        return box
    return _with_most_facets([*by_hull, *tight, *_tilings(mesh, voted.loose)], box)


def _concentrated(found: list[tuple[Floats, Tiling]], box: Floats) -> Floats:
    """The period under which the greatest parts of the boundary match; of two alike neither, but the box."""
    scores = np.array([tiling.concentration for _, tiling in found])
    best = int(scores.argmax())
    alone = (scores >= scores[best] * (1.0 - 1e-9)).sum() == 1
    return found[best][0] if alone else box


def _with_most_facets(found: list[tuple[Floats, Tiling]], box: Floats) -> Floats:
    """The period under which most facets match, if it closes and is clearly ahead of others, or if it is about to."""
    ranked = sorted(found, key=lambda pair: pair[1].matched, reverse=True)
    counts = [tiling.matched for _, tiling in ranked] + [0, 0]
    if not ranked or not ranked[0][1].spans_well:
        return box
    period, tiling = ranked[0]
    clear = tiling.closes and counts[0] > _CLEARLY * counts[1]
    nearly = not tiling.closes and 2 * tiling.unmatched.sum() <= counts[0]
    return period if clear or nearly else box


@dataclass(frozen=True, slots=True, eq=False)
class _Mesh:
    points: Floats
    elements: Ints
    shape: Shape
    boundary: Boundary
    tolerance: float


def _used(points: Floats, elements: Ints) -> NDArray[np.bool_]:
    """Points (n,) that elements refer to."""
    used = np.zeros(len(points), dtype=np.bool_)
    used[elements] = True
    return used


def _tilings(mesh: _Mesh, periods: list[Floats]) -> list[tuple[Floats, Tiling]]:
    shortest = [min(mesh.tolerance, _TOLERANCE * longest_vector(period)) for period in periods]
    return [
        (period, find_tiling(mesh.points, mesh.elements, mesh.shape, mesh.boundary, (period, tolerance)))
        for period, tolerance in zip(periods, shortest, strict=True)
    ]


def _covered_hull(mesh: _Mesh) -> Floats:
    """The fraction of each side of the convex hull that facets of the boundary cover."""
    measures = facet_measures(mesh.points, mesh.boundary, SHAPES[mesh.shape].facets.shape[1])
    sides = hull_sides(mesh.points[np.unique(mesh.boundary.nodes)])[0]
    return np.array([_covered(mesh, side, measures) for side in sides])


def _covered(mesh: _Mesh, side: HullSide, measures: Floats) -> float:
    height = (mesh.points @ side.normal)[mesh.boundary.nodes]
    on_side = (np.abs(height - side.height) <= mesh.tolerance).all(axis=1)
    return float(measures[on_side].sum() / side.measure)


def _fits_box(mesh: _Mesh, box: Floats) -> bool:
    """Facets lie on all sides of the bounding box, and each is matched by one opposite."""
    at = mesh.points[mesh.boundary.nodes]
    low, high = at.min(axis=(0, 1)), at.max(axis=(0, 1))
    on_low = (at - low <= mesh.tolerance).all(axis=1)
    on_high = (high - at <= mesh.tolerance).all(axis=1)
    rows = np.flatnonzero((on_low | on_high).any(axis=1))
    match = match_facets(mesh.points, boundary_part(mesh.boundary, rows), box, mesh.tolerance)
    return bool(on_low.any(axis=0).all() and on_high.any(axis=0).all() and not match.alone.any())
