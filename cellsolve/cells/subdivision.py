"""Quads, hexahedra, wedges and pyramids divided into simplices, alike on both sides of every facet.

A polyhedron is the union of the cones from its lowest vertex over the facets that do not contain it, and each quad
facet is divided through its own lowest vertex: two elements divide their common facet alike, because both see the
same ranks. Ranks are periodic, rank(x + p) orders as rank(x), so that opposite sides are divided alike too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cellsolve.cells.lattices import periodic_classes
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape, determinants
from cellsolve.cells.unit_cell import UnitCell
from cellsolve.errors import MeshError

__all__ = ["DIVISIBLE", "periodic_ranks", "simplices", "subdivided"]

# Facets with their nodes counter-clockwise seen from outside.
_FACETS: dict[str, list[list[int]]] = {shape: traits.facets.tolist() for shape, traits in SHAPES.items()}
_FACETS["wedge"] = [[0, 2, 1], [3, 4, 5], [0, 1, 4, 3], [1, 2, 5, 4], [2, 0, 3, 5]]
_FACETS["pyramid"] = [[0, 3, 2, 1], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]

DIVISIBLE = {2: ("triangle", "quad"), 3: ("tetra", "hexahedron", "wedge", "pyramid")}
"""Element types that may stand side by side in one mesh, by dimension."""


def subdivided(cell: UnitCell) -> UnitCell:
    """The same cell with quads as triangles and hexahedra as tetrahedra; simplices stay as they are.

    Tags, period and, because facets are divided alike on both sides, the measure of the whole cell are kept. Where
    the faces of hexahedra are not planar, the measure moves from an element to its neighbour, and from the solid to
    the pore at the wall of a pore. Raises MeshError for curved elements, which straight simplices do not fill, and
    for elements too distorted to be divided.
    """
    if cell.shape in ("line", "triangle", "tetra"):
        return cell
    if cell.middles is not None:
        raise MeshError(f"{cell.name}: got curved elements ({cell.shape}), needed straight ones to be divided. Remesh.")
    ranks = periodic_ranks(cell.points, cell.period, cell.match_tol)
    elements, parents = simplices(cell.name, cell.points, [(cell.shape, cell.elements)], ranks)
    shape: Shape = "triangle" if cell.dim == 2 else "tetra"
    return replace(cell, elements=elements, shape=shape, tags=cell.tags[parents])


def periodic_ranks(points: Floats, period: Floats, tolerance: float) -> Ints:
    """Ranks (n,), all different: by point of the torus, and among points x + sum_a n_a p_a of one, by n.

    For x, y and their translates x + p, y + p the order is the same: the classes are, and n differs by a constant.
    n is rounded to whole numbers, because in round-off the order would not be the same.
    """
    classes = periodic_classes(points, period, tolerance)
    _, first = np.unique(classes, return_index=True)
    steps = np.rint((points - points[first[classes]]) @ np.linalg.inv(period)).astype(np.int64)
    order = np.lexsort((*steps.T[::-1], classes))
    ranks = np.empty(len(points), dtype=np.int64)
    ranks[order] = np.arange(len(points))
    return ranks


def simplices(name: str, points: Floats, parts: Sequence[tuple[str, Ints]], ranks: Ints) -> tuple[Ints, Ints]:
    """Simplices (s, d + 1) of elements of several types, and the element (s,) each comes from, counted on.

    Raises MeshError for elements so distorted that their simplices overlap.
    """
    rows, parents, start = [], [], 0
    for kind, nodes in parts:
        for apex, which, cones in _cones(kind, nodes, ranks):
            _check_signs(name, kind, points, apex, cones)
            rows.append(np.concatenate([np.column_stack([apex, base]) for base in cones]))
            parents.append(np.tile(start + which, len(cones)))
        start += len(nodes)
    order = np.argsort(np.concatenate(parents), kind="stable")
    return np.concatenate(rows)[order], np.concatenate(parents)[order]


def _cones(kind: str, nodes: Ints, ranks: Ints) -> list[tuple[Ints, Ints, list[Ints]]]:
    """For each place of the lowest vertex: the vertex (e,), the elements (e,) and the bases (e, d) of their cones."""
    lowest = ranks[nodes].argmin(axis=1)
    found = []
    for place in range(nodes.shape[1]):
        which = np.flatnonzero(lowest == place)
        if len(which):
            facets = [nodes[which][:, f] for f in _FACETS[kind] if place not in f]
            found.append((nodes[which, place], which, [base for f in facets for base in _divided(f, ranks)]))
    return found


def _divided(facets: Ints, ranks: Ints) -> list[Ints]:
    """Edges and triangles (e, 2 or 3) as they are; quads (e, 4) as two triangles from their lowest vertex."""
    if facets.shape[1] < 4:
        return [facets]
    turn = (ranks[facets].argmin(axis=1)[:, None] + np.arange(4)) % 4
    a, b, c, d = np.take_along_axis(facets, turn, axis=1).T
    return [np.column_stack([a, b, c]), np.column_stack([a, c, d])]


def _check_signs(name: str, kind: str, points: Floats, apex: Ints, cones: list[Ints]) -> None:
    """The simplices of one element have one orientation, that of the element, else they overlap."""
    with np.errstate(all="ignore"):
        volumes = np.stack([determinants(points[base] - points[apex][:, None]) for base in cones])
    folded = np.count_nonzero(~((volumes > 0).all(axis=0) | (volumes < 0).all(axis=0)))
    if folded:
        raise MeshError(
            f"{name}: {folded} elements ({kind}) are folded over or too distorted to be divided into simplices. Remesh."
        )
