"""Curved elements: x(xi) = sum_k x_k N_k(xi), N_k the Lagrange functions of second degree at the nodes of VTK.

Each further node ("middle") belongs to some corners: those of its edge, face or element. In a straight element
it lies at their mean, whatever the shape.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import roots_jacobi

from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape, determinants

__all__ = [
    "CURVED",
    "CurvedTraits",
    "completed",
    "curved_determinants",
    "middle_owners",
    "reference_corners",
    "shape_functions",
    "straight_middles",
]

_CUBE_EDGES = [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)]
_CUBE_FACES = [(0, 3, 7, 4), (1, 2, 6, 5), (0, 1, 5, 4), (3, 2, 6, 7), (0, 1, 2, 3), (4, 5, 6, 7)]
_OWNERS: dict[str, list[tuple[int, ...]]] = {
    "line": [(0, 1)],
    "triangle": [(0, 1), (1, 2), (2, 0)],
    "quad": [(0, 1), (1, 2), (2, 3), (3, 0), (0, 1, 2, 3)],
    "tetra": [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)],
    "hexahedron": [*_CUBE_EDGES, *_CUBE_FACES, tuple(range(8))],
}


class CurvedTraits(NamedTuple):
    """``owners``: corners each middle belongs to; ``reversal``: renumbers the middles of a mirrored element."""

    owners: tuple[Ints, ...]
    reversal: Ints
    gradients: Floats
    """Gradients of the shape functions (q, nodes, dim) at the points of a rule, then at all nodes."""
    weights: Floats
    """(q,), sum_q weights det J = measure, exactly; nodes have weight zero, they are there for the sign."""


def reference_corners(shape: str) -> Floats:
    """Reference corners: 0 and the unit vectors, or the corners of [-1, 1]^d."""
    dim = SHAPES[shape].dim
    if SHAPES[shape].nodes == dim + 1:
        return np.vstack([np.zeros(dim), np.eye(dim)])
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    if dim == 2:
        return square
    return np.vstack([np.column_stack([square, np.full(4, z)]) for z in (-1.0, 1.0)])


def _rule(shape: str) -> tuple[Floats, Floats]:
    """Points and weights exact for det J: Gauss on [-1, 1]^d, or the same collapsed onto a simplex (Stroud)."""
    dim = SHAPES[shape].dim
    if SHAPES[shape].nodes > dim + 1:
        x, w = np.polynomial.legendre.leggauss(dim)
        grid = np.array(list(product(x, repeat=dim)))
        return grid, np.array(list(product(w, repeat=dim))).prod(axis=1)
    points, weights = np.zeros((1, 0)), np.ones(1)
    for a in range(dim):
        # Shrink the simplex of dimension a by 1 - t, and add the coordinate t: weight (1 - t)^a.
        x, w = roots_jacobi(2, float(a), 0.0)
        t, w = (1.0 + x) / 2.0, w / 2.0 ** (a + 1)
        points = np.vstack([np.column_stack([points * (1.0 - s), np.full(len(points), s)]) for s in t])
        weights = np.concatenate([weights * v for v in w])
    return points, weights


def _exponents(shape: str) -> Ints:
    """Monomials of the space: of degree 2 in all (simplices), or in each variable."""
    dim = SHAPES[shape].dim
    every = np.array(list(product(range(3), repeat=dim)))
    return every[every.sum(axis=1) <= 2] if SHAPES[shape].nodes == dim + 1 else every


def _monomials(points: Floats, exponents: Ints) -> Floats:
    return np.asarray((points[:, None, :] ** exponents).prod(axis=2))


def _gradients(nodes: Floats, at: Floats, exponents: Ints) -> Floats:
    """Gradients (q, k, d) at points (q, d) of the functions that are 1 at one node and 0 at the others."""
    coefficients = np.linalg.inv(_monomials(nodes, exponents))
    parts = []
    for a in range(nodes.shape[1]):
        lowered = exponents.copy()
        lowered[:, a] = np.maximum(lowered[:, a] - 1, 0)
        parts.append((_monomials(at, lowered) * exponents[:, a]) @ coefficients)
    return np.stack(parts, axis=2)


def _traits(shape: str) -> CurvedTraits:
    owners = tuple(np.array(own) for own in _OWNERS[shape])
    corners = reference_corners(shape)
    nodes = np.vstack([corners, *(corners[own].mean(axis=0)[None] for own in owners)])
    points, weights = _rule(shape)
    sets = [frozenset(own.tolist()) for own in owners]
    turned = [sets.index(frozenset(SHAPES[shape].reversal[own].tolist())) for own in owners]
    gradients = _gradients(nodes, np.vstack([points, nodes]), _exponents(shape))
    return CurvedTraits(owners, np.array(turned), gradients, np.concatenate([weights, np.zeros(len(nodes))]))


CURVED: dict[str, CurvedTraits] = {shape: _traits(shape) for shape in SHAPES}


def middle_owners(shape: Shape) -> tuple[Ints, ...]:
    """The corners that each middle belongs to: the ends of its edge, those of its face, or all."""
    return CURVED[shape].owners


def shape_functions(shape: str, at: Floats) -> Floats:
    """The functions (q, k) of corners and middles at points (q, d) of the reference element."""
    corners = reference_corners(shape)
    nodes = np.vstack([corners, *(corners[own].mean(axis=0)[None] for own in CURVED[shape].owners)])
    exponents = _exponents(shape)
    return np.asarray(_monomials(at, exponents) @ np.linalg.inv(_monomials(nodes, exponents)))


def straight_middles(points: Floats, elements: Ints, shape: Shape) -> Floats:
    """Where the middles (m, k, d) of straight elements (m, corners) lie."""
    corners = points[elements]
    return np.stack([corners[:, own].mean(axis=1) for own in CURVED[shape].owners], axis=1)


def curved_determinants(points: Floats, nodes: Ints, shape: Shape) -> Floats:
    """det J at the points of the rule and at the nodes, (q, m). ``nodes`` (m, k): corners, then middles."""
    local = (points[nodes] - points[nodes[:, :1]]).swapaxes(1, 2)
    return np.stack([determinants(local @ rule) for rule in CURVED[shape].gradients])


def completed(points: Floats, nodes: Ints, shape: Shape) -> tuple[Floats, Ints]:
    """Serendipity elements (8 or 20 nodes) as the same map with all nodes (9 or 27): points and nodes.

    N at the centre of a face: -1/4 at corners, 1/2 at edges; at the centre of a hexahedron: -1/4 and 1/4.
    Centres of faces are shared between neighbours; new points come after the others.
    """
    if shape == "quad":
        centres = points[nodes[:, :4]].sum(axis=1) * -0.25 + points[nodes[:, 4:8]].sum(axis=1) * 0.5
        return np.vstack([points, centres]), np.column_stack([nodes, len(points) + np.arange(len(nodes))])
    columns = [nodes]
    edges = np.array(_CUBE_EDGES)
    faces = np.vstack([nodes[:, face] for face in _CUBE_FACES])
    _, first, inverse = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_inverse=True)
    around = [np.flatnonzero(np.isin(edges, face).all(axis=1)) for face in _CUBE_FACES]
    middles = np.vstack([nodes[:, 8 + of] for of in around])
    centres = points[faces[first]].sum(axis=1) * -0.25 + points[middles[first]].sum(axis=1) * 0.5
    columns.append(len(points) + inverse.reshape(6, len(nodes)).T)
    inside = points[nodes[:, :8]].sum(axis=1) * -0.25 + points[nodes[:, 8:20]].sum(axis=1) * 0.25
    columns.append(len(points) + len(centres) + np.arange(len(nodes))[:, None])
    return np.vstack([points, centres, inside]), np.hstack(columns)
