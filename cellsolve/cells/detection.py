"""The period of a mesh that does not say it: from its hull, from its box, or from facets that match.

In this order, the first that fits:
1. the hull is a parallelepiped: its edges;
2. the hull is another solid that fills space, and the mesh covers its sides;
3. the lattice of the volume that the mesh encloses under which all its outer facets match; if there are
   several (bricks stack in columns and in bonds), the one that lays plane sides on plane sides, if it is one;
4. the hull as in 2, if facets on all its sides match, where pores cut them;
5. the bounding box, facets on the sides of which match;
6. the lattice of greater volume under which clearly more facets match than under others, the rest being walls
   of pores;
7. the bounding box, on the sides of which the mesh will not match: its period must be given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellsolve.cells.facets import Boundary, boundary_part, find_boundary
from cellsolve.cells.lattices import longest_vector
from cellsolve.cells.matching import match_facets
from cellsolve.cells.parallelohedra import HullSide, box_of, hull_period, hull_sides, is_box
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape, jacobian_determinants
from cellsolve.cells.tilings import Tiling, find_tiling, lays_planes_on_planes
from cellsolve.cells.voting import facet_measures, voted_periods

__all__ = ["detect_lattice", "detect_period"]

_TOLERANCE = 1e-7
"""Facets match within this, relative to the extent of the mesh, when a period is sought."""
_CLEARLY = 0.9
"""A lattice under which fewer facets match than this fraction of the most is out of the question."""


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
    used = points[np.unique(elements)]
    box = box_of(used)
    if used.shape[1] == 1 or not (np.isfinite(used).all() and np.diag(box).all()):
        return box
    hull, sides = hull_period(used), hull_sides(used)[0]
    if hull is not None and is_box(sides):
        return hull
    mesh = _mesh(points - used.mean(axis=0), elements, shape)
    covered = _covered_hull(mesh) if hull is not None else np.zeros(1)
    if hull is not None and (np.abs(covered - 1.0) <= 1e-6).all():
        return hull
    return _by_facets(mesh, hull if covered.all() else None)


def _by_facets(mesh: _Mesh, hull: Floats | None) -> Floats:
    """``hull``: the period of the hull if it is a parallelohedron and each of its sides has facets."""
    box = box_of(mesh.points[np.unique(mesh.elements)])
    volumes = SHAPES[mesh.shape].weights @ jacobian_determinants(mesh.points, mesh.elements, mesh.shape)
    voted = voted_periods(mesh.points, mesh.boundary, float(np.abs(volumes).sum()))
    tight = [(period, tiling) for period in voted.tight if (tiling := _tiling(mesh, period)).closes]
    if tight:
        return _only_one(tight, [lays_planes_on_planes(mesh.points, mesh.boundary, tiling) for _, tiling in tight], box)
    if hull is not None and _tiling(mesh, hull).closes:
        return hull
    if _fits_box(mesh, box):
        return box
    loose = [(period, tiling) for period in voted.loose if (tiling := _tiling(mesh, period)).closes]
    most = max((tiling.matched for _, tiling in loose), default=0)
    return _only_one(loose, [tiling.matched >= _CLEARLY * most for _, tiling in loose], box)


def _only_one(found: list[tuple[Floats, Tiling]], better: list[bool], box: Floats) -> Floats:
    """The period if there is one only, or one that is better; else the box: no guess between lattices alike."""
    chosen = [period for (period, _), good in zip(found, better, strict=True) if good or len(found) == 1]
    return chosen[0] if len(chosen) == 1 else box


@dataclass(frozen=True, slots=True, eq=False)
class _Mesh:
    points: Floats
    elements: Ints
    shape: Shape
    boundary: Boundary
    tolerance: float


def _mesh(points: Floats, elements: Ints, shape: Shape) -> _Mesh:
    extent = float(np.ptp(points[np.unique(elements)], axis=0).max())
    return _Mesh(points, elements, shape, find_boundary(points, elements, shape), _TOLERANCE * extent)


def _tiling(mesh: _Mesh, period: Floats) -> Tiling:
    tolerance = min(mesh.tolerance, _TOLERANCE * longest_vector(period))
    return find_tiling(mesh.points, mesh.elements, mesh.shape, mesh.boundary, (period, tolerance))


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
    low, high = mesh.points[mesh.elements].min(axis=(0, 1)), mesh.points[mesh.elements].max(axis=(0, 1))
    on_low = (at - low <= mesh.tolerance).all(axis=1)
    on_high = (high - at <= mesh.tolerance).all(axis=1)
    rows = np.flatnonzero((on_low | on_high).any(axis=1))
    match = match_facets(mesh.points, boundary_part(mesh.boundary, rows), box, mesh.tolerance)
    return bool(on_low.any(axis=0).all() and on_high.any(axis=0).all() and not match.alone.any())
