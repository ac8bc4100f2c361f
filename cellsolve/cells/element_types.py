"""Element types of mesh files: name, dimension, number of nodes, and their codes in each format.

Nodes are numbered as in VTK: corners first, then the nodes of edges, faces and the inside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cellsolve.cells.shapes import Ints

__all__ = ["BY_GMSH", "BY_MED", "BY_NAME", "BY_VTK", "BY_XDMF", "ElementType", "from_gmsh_order", "from_med_order"]


class ElementType(NamedTuple):
    """``order``: degree of the map from the reference element; codes are 0 or empty where a format has none."""

    name: str
    dim: int
    order: int
    nodes: int
    gmsh: int
    vtk: int
    med: str
    xdmf: int


_TABLE = (
    ElementType("vertex", 0, 1, 1, 15, 1, "PO1", 0x1),
    ElementType("line", 1, 1, 2, 1, 3, "SE2", 0x2),
    ElementType("line3", 1, 2, 3, 8, 21, "SE3", 0x22),
    ElementType("triangle", 2, 1, 3, 2, 5, "TR3", 0x4),
    ElementType("triangle6", 2, 2, 6, 9, 22, "TR6", 0x24),
    ElementType("triangle7", 2, 2, 7, 0, 34, "TR7", 0),
    ElementType("quad", 2, 1, 4, 3, 9, "QU4", 0x5),
    ElementType("quad8", 2, 2, 8, 16, 23, "QU8", 0x25),
    ElementType("quad9", 2, 2, 9, 10, 28, "QU9", 0x23),
    ElementType("tetra", 3, 1, 4, 4, 10, "TE4", 0x6),
    ElementType("tetra10", 3, 2, 10, 11, 24, "T10", 0x26),
    ElementType("hexahedron", 3, 1, 8, 5, 12, "HE8", 0x9),
    ElementType("hexahedron20", 3, 2, 20, 17, 25, "H20", 0x30),
    ElementType("hexahedron27", 3, 2, 27, 12, 29, "H27", 0x32),
    ElementType("wedge", 3, 1, 6, 6, 13, "PE6", 0x8),
    ElementType("wedge15", 3, 2, 15, 18, 26, "P15", 0x28),
    ElementType("wedge18", 3, 2, 18, 13, 32, "P18", 0x29),
    ElementType("pyramid", 3, 1, 5, 7, 14, "PY5", 0x7),
    ElementType("pyramid13", 3, 2, 13, 19, 27, "P13", 0x27),
    ElementType("pyramid14", 3, 2, 14, 14, 0, "", 0),
    ElementType("line4", 1, 3, 4, 26, 35, "", 0),
    ElementType("line5", 1, 4, 5, 27, 0, "", 0),
    ElementType("triangle9", 2, 3, 9, 20, 0, "", 0),
    ElementType("triangle10", 2, 3, 10, 21, 0, "", 0),
    ElementType("triangle12", 2, 4, 12, 22, 0, "", 0),
    ElementType("triangle15", 2, 4, 15, 23, 0, "", 0),
    ElementType("quad16", 2, 3, 16, 36, 0, "", 0),
    ElementType("quad25", 2, 4, 25, 37, 0, "", 0),
    ElementType("tetra20", 3, 3, 20, 29, 0, "", 0),
    ElementType("tetra35", 3, 4, 35, 30, 0, "", 0),
    ElementType("hexahedron64", 3, 3, 64, 92, 0, "", 0x33),
    ElementType("hexahedron125", 3, 4, 125, 93, 0, "", 0x34),
)
BY_NAME = {kind.name: kind for kind in _TABLE}
BY_GMSH = {kind.gmsh: kind for kind in _TABLE if kind.gmsh}
BY_VTK = {kind.vtk: kind for kind in _TABLE if kind.vtk}
BY_MED = {kind.med: kind for kind in _TABLE if kind.med}
BY_XDMF = {kind.xdmf: kind for kind in _TABLE if kind.xdmf}

_FROM_GMSH = {
    "tetra10": [0, 1, 2, 3, 4, 5, 6, 7, 9, 8],
    "hexahedron20": [*range(8), 8, 11, 13, 9, 16, 18, 19, 17, 10, 12, 14, 15],
    "hexahedron27": [*range(8), 8, 11, 13, 9, 16, 18, 19, 17, 10, 12, 14, 15, 22, 23, 21, 24, 20, 25, 26],
}
_FROM_MED = {"hexahedron27": [*range(20), 24, 22, 21, 23, 20, 25, 26]}


def from_med_order(kind: ElementType, nodes: Ints) -> Ints:
    """Nodes (m, k) in MED's numbering, in that of VTK: MED goes around the side faces."""
    order = _FROM_MED.get(kind.name)
    return nodes if order is None else np.asarray(nodes[:, order])


def from_gmsh_order(kind: ElementType, nodes: Ints) -> Ints:
    """Nodes (m, k) in gmsh's numbering, in that of VTK: gmsh numbers the edges of solids otherwise."""
    order = _FROM_GMSH.get(kind.name)
    return nodes if order is None else np.asarray(nodes[:, order])
