"""Facets of elements, and the boundary: the facets that belong to one element only."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from cellsolve.cells.curved import CURVED
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape

__all__ = ["Boundary", "boundary_part", "connectivity", "facet_columns", "facet_keys", "find_boundary"]


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """Facets of one element only.

    ``nodes`` (f, k): corners, then further nodes of second order; ``owners`` (f,): their elements; ``centres``
    (f, d): means of the corners; ``normals`` (f, d): outward, of length 1; ``sizes`` (f,): greatest distance of
    a corner from the centre, in one dimension half of the element.
    """

    nodes: Ints
    owners: Ints
    centres: Floats
    normals: Floats
    sizes: Floats


def boundary_part(boundary: Boundary, rows: Ints) -> Boundary:
    """Some of the facets."""
    return Boundary(*(getattr(boundary, field.name)[rows] for field in fields(boundary)))


def connectivity(elements: Ints, middles: Ints | None) -> Ints:
    """All nodes (m, k + extra) of the elements: corners, then further nodes."""
    return elements if middles is None else np.hstack([elements, middles])


@cache
def facet_columns(shape: Shape, extra: int) -> Ints:
    """Columns (f, k) of ``connectivity`` that make each facet, for elements with ``extra`` further nodes."""
    corners, owners = SHAPES[shape].facets, CURVED[shape].owners[:extra]
    further = [
        [SHAPES[shape].nodes + i for i, held in enumerate(owners) if set(held.tolist()) <= set(facet)]
        for facet in corners.tolist()
    ]
    return np.hstack([corners, np.array(further, dtype=np.int64)])


def find_boundary(points: Floats, elements: Ints, shape: Shape, middles: Ints | None = None) -> Boundary:
    """The boundary of a mesh; points (n, d), elements (m, k)."""
    corners = SHAPES[shape].facets
    local, owners = np.divmod(_single(facet_keys(elements, shape, len(points))), len(elements))
    every = connectivity(elements, middles)
    nodes = every[owners[:, None], facet_columns(shape, every.shape[1] - elements.shape[1])[local]]
    at = points[nodes[:, : corners.shape[1]]]
    centres = at.mean(axis=1)
    inward = points[elements[owners]].mean(axis=1) - centres
    sizes = np.linalg.norm(at - centres[:, None], axis=2).max(axis=1) if at.shape[1] > 1 else np.abs(inward[:, 0])
    return Boundary(nodes, owners, centres, _outward(at, inward), np.asarray(sizes))


def facet_keys(elements: Ints, shape: Shape, count: int) -> Ints:
    """Numbers (f m,), equal for facets with the same corners; ``count`` points. The first facets come first."""
    rows = np.sort(np.vstack([elements[:, facet] for facet in SHAPES[shape].facets]), axis=1)
    keys, bound = rows[:, 0], count
    for column in rows.T[1:]:
        if bound * count >= 2**62:
            distinct, keys = np.unique(keys, return_inverse=True)
            bound = len(distinct)
        keys, bound = keys * count + column, bound * count
    return np.asarray(keys, dtype=np.int64)


def _single(keys: Ints) -> Ints:
    """Places of the keys that occur once, ascending."""
    order = np.argsort(keys)
    changes = np.diff(keys[order]) != 0
    alone = np.concatenate([[True], changes]) & np.concatenate([changes, [True]])
    return np.sort(order[alone])


def _outward(corners: Floats, inward: Floats) -> Floats:
    """Unit normals (f, d) of facets with corners (f, k, d), pointing against ``inward`` (f, d)."""
    count, dim = corners.shape[1:]
    if dim == 1:
        normals = np.ones((len(corners), 1))
    elif dim == 2:
        along = corners[:, 1] - corners[:, 0]
        normals = np.stack([along[:, 1], -along[:, 0]], axis=1)
    elif count == 3:
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    else:
        normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    signs = np.where((normals * inward).sum(axis=1) > 0.0, -1.0, 1.0)
    return np.asarray(normals * (signs / np.linalg.norm(normals, axis=1))[:, None])
