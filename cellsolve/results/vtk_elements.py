"""Elements as VTK numbers their nodes: each node is a mean of corners with weights.

Corners are numbered alike in gmsh and VTK. Source: VTK's classes vtkQuadraticEdge, vtkQuadraticTriangle,
vtkQuadraticTetra, vtkBiQuadraticQuad, vtkTriQuadraticHexahedron and vtkLagrangeTriangle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellsolve.cells.curved import middle_owners
from cellsolve.cells.element_types import BY_NAME
from cellsolve.cells.shapes import SHAPES, Shape
from cellsolve.fem.space import FloatArray

__all__ = ["VtkElement", "vtk_element"]


@dataclass(frozen=True, slots=True, eq=False)
class VtkElement:
    """``kind``: VTK's number of the type; ``weights`` (k, corners): where node i lies, weights[i] @ corners, on the
    reference element."""

    kind: int
    weights: FloatArray


_SECOND = {"line": "line3", "triangle": "triangle6", "quad": "quad9", "tetra": "tetra10", "hexahedron": "hexahedron27"}
_LAGRANGE_TRIANGLE = 69


def vtk_element(shape: Shape, order: int) -> VtkElement:
    """The element of a shape with all nodes of an order: 1 and 2, and any on triangles."""
    corners = np.eye(SHAPES[shape].nodes)
    if order == 1:
        return VtkElement(BY_NAME[shape].vtk, corners)
    if order == 2:
        middles = [corners[owners].mean(axis=0) for owners in middle_owners(shape)]
        return VtkElement(BY_NAME[_SECOND[shape]].vtk, np.vstack([corners, middles]))
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
