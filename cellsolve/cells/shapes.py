"""Element shapes: measure |T| = int_ref det J, local facets, orientation and quality.

Nodes are numbered as in gmsh and VTK: counter-clockwise, a hexahedron bottom first.
"""

from __future__ import annotations

from itertools import product
from math import factorial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SHAPES",
    "Floats",
    "Ints",
    "Shape",
    "ShapeTraits",
    "determinants",
    "extents",
    "jacobian_determinants",
    "quality",
]

Shape = Literal["line", "triangle", "quad", "tetra", "hexahedron"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ShapeTraits(NamedTuple):
    """``facets``: local nodes (f, k) of each; ``reversal``: renumbers a mirrored element."""

    dim: int
    nodes: int
    facets: Ints
    reversal: Ints
    gradients: Floats
    """Gradients of the shape functions at points of the reference element (q, nodes, dim)."""
    weights: Floats
    """(q,), sum_q weights det J = measure; points of weight zero are there for the sign of det J only."""


def _simplex(facets: list[list[int]], reversal: list[int]) -> ShapeTraits:
    dim = len(reversal) - 1
    gradients = np.vstack([-np.ones(dim), np.eye(dim)])[None]
    return ShapeTraits(dim, dim + 1, np.array(facets), np.array(reversal), gradients, np.array([1 / factorial(dim)]))


def _tensor(corners: list[list[int]], facets: list[list[int]], reversal: list[int]) -> ShapeTraits:
    """Multilinear on [-1, 1]^d: two Gauss points a side are exact for det J; corners show its sign."""
    signs = np.array(corners, dtype=float)
    dim = signs.shape[1]
    gauss = np.array(list(product((-1.0, 1.0), repeat=dim))) / np.sqrt(3.0)
    at = np.vstack([gauss, signs])
    factors = (1.0 + at[:, None, :] * signs) / 2.0
    gradients = np.stack([np.delete(factors, a, axis=2).prod(axis=2) * signs[:, a] / 2.0 for a in range(dim)], axis=2)
    weights = np.repeat([1.0, 0.0], [len(gauss), len(signs)])
    return ShapeTraits(dim, len(signs), np.array(facets), np.array(reversal), gradients, weights)


_SQUARE = [[-1, -1], [1, -1], [1, 1], [-1, 1]]
_CUBE = [[*corner, z] for z in (-1, 1) for corner in _SQUARE]
_CUBE_FACETS = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]

SHAPES: dict[str, ShapeTraits] = {
    "line": _simplex([[0], [1]], [1, 0]),
    "triangle": _simplex([[0, 1], [1, 2], [2, 0]], [0, 2, 1]),
    "quad": _tensor(_SQUARE, [[0, 1], [1, 2], [2, 3], [3, 0]], [0, 3, 2, 1]),
    "tetra": _simplex([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], [0, 2, 1, 3]),
    "hexahedron": _tensor(_CUBE, _CUBE_FACETS, [4, 5, 6, 7, 0, 1, 2, 3]),
}


def jacobian_determinants(points: Floats, elements: Ints, shape: Shape) -> Floats:
    """det J = det(sum_k x_k grad N_k) at the points of the shape's rule, (q, m).

    ``points`` (n, d), ``elements`` (m, k). The measures are ``SHAPES[shape].weights @ determinants``.
    """
    corners = points[elements]
    # From the first corner on: far from the origin, the digits of x_k would cancel.
    corners -= corners[:, :1].copy()
    return np.stack([determinants(corners.swapaxes(1, 2) @ rule) for rule in SHAPES[shape].gradients])


def extents(points: Floats, elements: Ints) -> Floats:
    """The longest extent (m,) of each element along an axis; node by node, far faster than over a short axis."""
    longest = np.zeros(len(elements))
    for x in points.T:
        least = greatest = x[elements[:, 0]]
        for node in elements.T[1:]:
            least, greatest = np.minimum(least, x[node]), np.maximum(greatest, x[node])
        np.maximum(longest, greatest - least, out=longest)
    return longest


def quality(points: Floats, elements: Ints, shape: Shape) -> tuple[str, Floats]:
    """Name and values (m,) of a quality measure, 1 for the best element and 0 for a degenerate one.

    Triangles and tetrahedra: d r / R (inscribed and circumscribed radius); quads and hexahedra: the least of
    det J / prod of edge lengths over the corners (scaled Jacobian); lines: length over the greatest length.
    """
    if shape == "line":
        lengths = np.abs(jacobian_determinants(points, elements, shape)[0])
        return "length over greatest length", lengths / lengths.max()
    if shape in ("quad", "hexahedron"):
        return "scaled Jacobian", _scaled_jacobian(points[elements], shape)
    return "radius ratio", _radius_ratio(points, elements, shape)


def determinants(J: Floats) -> Floats:
    """Determinants of (m, d, d) matrices, d <= 3, written out: a tenth of the time of LAPACK."""
    if J.shape[1] == 1:
        return np.array(J[:, 0, 0])
    if J.shape[1] == 2:
        return np.array(J[:, 0, 0] * J[:, 1, 1] - J[:, 0, 1] * J[:, 1, 0])
    (a, b, c), (d, e, f), (g, h, i) = J.transpose(1, 2, 0)
    return np.asarray(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def _scaled_jacobian(corners: Floats, shape: Shape) -> Floats:
    values = []
    for rule in SHAPES[shape].gradients[SHAPES[shape].weights == 0]:
        J = corners.swapaxes(1, 2) @ rule
        values.append(determinants(J) / np.linalg.norm(J, axis=1).prod(axis=1))
    return np.array(np.min(values, axis=0))


def _radius_ratio(points: Floats, elements: Ints, shape: Shape) -> Floats:
    """d r / R with r = d |T| / |boundary| and R = |c|, where 2 (x_i - x_0) . c = |x_i - x_0|^2."""
    dim = SHAPES[shape].dim
    volume = np.abs(jacobian_determinants(points, elements, shape)[0]) / factorial(dim)
    edges = points[elements[:, 1:]] - points[elements[:, :1]]
    center = np.linalg.solve(2.0 * edges, (edges**2).sum(axis=2)[:, :, None])[:, :, 0]
    surface = np.sum([_simplex_area(points[elements[:, f]]) for f in SHAPES[shape].facets], axis=0)
    return np.array(dim * (dim * volume / surface) / np.linalg.norm(center, axis=1))


def _simplex_area(corners: Floats) -> Floats:
    edges = corners[:, 1:] - corners[:, :1]
    if edges.shape[1] == 1:
        return np.asarray(np.linalg.norm(edges[:, 0], axis=1))
    return np.asarray(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / 2.0)
