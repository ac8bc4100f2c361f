"""The period of a mesh that does not say it: from its hull, from its box, or from facets that match.

In this order, the first that fits:
1. the hull is a parallelepiped: its edges;
2. the hull is another solid that fills space, and the mesh covers its sides;
3. the bounding box, if facets cover much of its sides, and most of those of one have partners on the other: what
   is missing is a mistake, though a square without a corner fills the plane in another way;
4. the lattice of the volume that the mesh encloses under which all its outer facets match; if there are
   several, the one that clearly lays larger parts of the boundary on each neighbour, if it is one (bricks stack
   in columns and in bonds: in columns);
5. the hull as in 2, if facets on all its sides match, where pores cut them;
6. the bounding box, facets on the sides of which match;
7. the lattice of any greater volume under which clearly more facets match than under others, the rest being
   walls of pores; in regular meshes, where too much matches, none;
8. the lattice under which most of the boundary matches, but not all: what does not is reported later;
9. the bounding box, on the sides of which the mesh will not match: its period must be given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellsolve.cells.facets import Boundary, boundary_part, find_boundary
from cellsolve.cells.matching import match_facets
from cellsolve.cells.parallelohedra import HullSide, box_of, hull_period, hull_sides, is_box
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape, jacobian_determinants
from cellsolve.cells.tilings import Tiling, find_tiling
from cellsolve.cells.voting import facet_forms, facet_measures, voted_periods

__all__ = ["detect_lattice", "detect_period"]

_TOLERANCE = 1e-7
"""Facets match within this, when a period is sought; the extent of the mesh is 1/2 to 1."""
_LARGE, _MOST = 0.3, 0.5
"""Facets cover this part of the sides of a box at least, and not so many of them lack partners."""
_FORMS = 6
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
    if used.shape[1] == 1 or not (np.isfinite(used).all() and np.isfinite(box).all() and np.diag(box).all()):
        return box
    hull, sides = hull_period(used), hull_sides(used)[0]
    if hull is not None and is_box(sides):
        return hull
    # A power of two takes lengths to about 1 without a change of their digits.
    scale = float(2.0 ** np.ceil(np.log2(np.diag(box).max())))
    found = _by_facets(_mesh((points - used.mean(axis=0)) / scale, elements, shape), hull, scale)
    return box if found is None else found


def _by_facets(mesh: _Mesh, hull: Floats | None, scale: float) -> Floats | None:
    """``hull``: the period of the hull if it is a parallelohedron; None where the bounding box is as good or better."""
    volumes = SHAPES[mesh.shape].weights @ jacobian_determinants(mesh.points, mesh.elements, mesh.shape)
    if not (np.abs(volumes) > 0.0).all():
        return None
    covered = np.zeros(1) if hull is None else _covered_hull(mesh)
    if (np.abs(covered - 1.0) <= 1e-6).all():
        return hull
    by_hull = [] if hull is None or not covered.all() else [hull / scale]
    found = _by_votes(mesh, by_hull, float(np.abs(volumes).sum()))
    return None if found is None else found * scale


def _by_votes(mesh: _Mesh, hull: list[Floats], volume: float) -> Floats | None:
    alone, on_box = _on_box(mesh)
    if not hull and on_box.min() >= _LARGE and alone.min(axis=0).max() < _MOST:
        return None
    voted = voted_periods(mesh.points, mesh.boundary, volume)
    tight, by_hull = _tilings(mesh, voted.tight), _tilings(mesh, hull)
    if any(tiling.closes for _, tiling in tight):
        return _concentrated([(p, t) for p, t in tight if t.closes])
    if any(tiling.closes for _, tiling in by_hull):
        return hull[0]
    if on_box.min() > 0.0 and not alone.any():
        return None
    return _with_most_facets(mesh, [*by_hull, *tight, *_tilings(mesh, voted.loose)])


def _concentrated(found: list[tuple[Floats, Tiling]]) -> Floats | None:
    """The period under which the greatest parts of the boundary match; of two alike neither."""
    scores = np.array([tiling.concentration for _, tiling in found])
    best = int(scores.argmax())
    alone = (scores >= scores[best] * (1.0 - 1e-9)).sum() == 1
    return found[best][0] if alone else None


def _with_most_facets(mesh: _Mesh, found: list[tuple[Floats, Tiling]]) -> Floats | None:
    """The period under which most facets match, if it closes and is clearly ahead of others, or if it is about to."""
    ranked = sorted(found, key=lambda pair: pair[1].matched, reverse=True)
    counts = [tiling.matched for _, tiling in ranked] + [0, 0]
    if not ranked or not ranked[0][1].spans_well:
        return None
    period, tiling = ranked[0]
    clear = tiling.closes and counts[0] > _CLEARLY * counts[1] and _varied(mesh, tiling)
    nearly = not tiling.closes and 2 * tiling.unmatched.sum() <= counts[0]
    return period if clear or nearly else None


@dataclass(frozen=True, slots=True, eq=False)
class _Mesh:
    points: Floats
    elements: Ints
    shape: Shape
    boundary: Boundary


def _mesh(points: Floats, elements: Ints, shape: Shape) -> _Mesh:
    return _Mesh(points, elements, shape, find_boundary(points, elements, shape))


def _used(points: Floats, elements: Ints) -> NDArray[np.bool_]:
    """Points (n,) that elements refer to."""
    used = np.zeros(len(points), dtype=np.bool_)
    used[elements] = True
    return used


def _tilings(mesh: _Mesh, periods: list[Floats]) -> list[tuple[Floats, Tiling]]:
    return [
        (period, find_tiling(mesh.points, mesh.elements, mesh.shape, mesh.boundary, (period, _TOLERANCE)))
        for period in periods
    ]


def _covered_hull(mesh: _Mesh) -> Floats:
    """The fraction of each side of the convex hull that facets of the boundary cover."""
    measures = facet_measures(mesh.points, mesh.boundary, SHAPES[mesh.shape].facets.shape[1])
    sides = hull_sides(mesh.points[np.unique(mesh.boundary.nodes)])[0]
    return np.array([_covered(mesh, side, measures) for side in sides])


def _covered(mesh: _Mesh, side: HullSide, measures: Floats) -> float:
    height = (mesh.points @ side.normal)[mesh.boundary.nodes]
    on_side = (np.abs(height - side.height) <= _TOLERANCE).all(axis=1)
    return float(measures[on_side].sum() / side.measure)


def _on_box(mesh: _Mesh) -> tuple[Floats, Floats]:
    """Facets on the lower and upper sides of the bounding box: the fraction that lacks a partner, (2, d), and the
    fraction of a side that they cover, of the lesser of two (d,)."""
    at = mesh.points[mesh.boundary.nodes]
    low, high = at.min(axis=(0, 1)), at.max(axis=(0, 1))
    faces = np.stack([(at - low <= _TOLERANCE).all(axis=1), (high - at <= _TOLERANCE).all(axis=1)])
    rows = np.flatnonzero(faces.any(axis=(0, 2)))
    match = match_facets(mesh.points, boundary_part(mesh.boundary, rows), np.diag(high - low), _TOLERANCE)
    measures = facet_measures(mesh.points, mesh.boundary, SHAPES[mesh.shape].facets.shape[1])
    covered = np.tensordot(faces, measures, axes=(1, 0)).min(axis=0) * (high - low) / (high - low).prod()
    alone = (faces[:, rows] & match.alone[:, None]).sum(axis=1) / np.maximum(faces.sum(axis=1), 1)
    return np.asarray(alone), np.asarray(covered)


def _varied(mesh: _Mesh, tiling: Tiling) -> bool:
    """Are the facets that match of many forms? In regular meshes all facets match somewhere."""
    matched = tiling.sides >= 0
    forms = len(np.unique(facet_forms(mesh.points, mesh.boundary)[matched]))
    return bool(forms >= _FORMS and 4 * forms >= matched.sum())
