"""Elements as VTK numbers their nodes: each node is a mean of corners with weights.

Corners are numbered alike in gmsh and VTK. Source: VTK's classes vtkQuadraticEdge, vtkQuadraticTriangle,
vtkQuadraticTetra, vtkBiQuadraticQuad, vtkTriQuadraticHexahedron and vtkLagrangeTriangle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellsolve.fem.space import FloatArray

__all__ = ["VtkElement", "vtk_element"]


@dataclass(frozen=True, slots=True, eq=False)
class VtkElement:
    """``kind``: VTK's number of the type; ``weights`` (k, corners): node i lies at weights[i] @ corners."""

    kind: int
    weights: FloatArray


_CORNERS = {"line": 2, "triangle": 3, "quad": 4, "tetra": 4, "hexahedron": 8}
_FIRST = {"line": 3, "triangle": 5, "quad": 9, "tetra": 10, "hexahedron": 12}
_SECOND = {"line": 21, "triangle": 22, "quad": 28, "tetra": 24, "hexahedron": 29}
_LAGRANGE_TRIANGLE = 69
_MIDDLES: dict[str, Sequence[tuple[int, ...]]] = {
    "line": [(0, 1)],
    "triangle": [(0, 1), (1, 2), (2, 0)],
    "quad": [(0, 1), (1, 2), (2, 3), (3, 0), (0, 1, 2, 3)],
    "tetra": [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)],
    "hexahedron": [
        *((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)),
        *((0, 3, 7, 4), (1, 2, 6, 5), (0, 1, 5, 4), (3, 2, 6, 7), (0, 1, 2, 3), (4, 5, 6, 7)),
        (0, 1, 2, 3, 4, 5, 6, 7),
    ],
}


def vtk_element(shape: str, order: int) -> VtkElement:
    """The element of a shape with all nodes of an order: 1 and 2, and any on triangles."""
    corners = np.eye(_CORNERS[shape])
    if order == 1:
        return VtkElement(_FIRST[shape], corners)
    if order == 2:
        middles = [corners[list(group)].mean(axis=0) for group in _MIDDLES[shape]]
        return VtkElement(_SECOND[shape], np.vstack([corners, middles]))
    assert shape == "triangle"
    return VtkElement(_LAGRANGE_TRIANGLE, _triangle(order, corners))


def _triangle(order: int, corners: FloatArray) -> FloatArray:
    """Corners, sides from each corner to the next, then the triangle of what is inside, three orders lower."""
    if order <= 0:
        center: FloatArray = corners.mean(axis=0, keepdims=True)
        return center
    steps = np.arange(1, order)[:, None] / order
    sides = [corners[a] + steps * (corners[b] - corners[a]) for a, b in ((0, 1), (1, 2), (2, 0))]
    rows = [corners, *sides]
    if order > 2:
        rows.append(_triangle(order - 3, corners + (corners.sum(axis=0) - 3.0 * corners) / order))
    return np.vstack(rows)
