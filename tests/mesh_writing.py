"""Small meshes written by hand: one cell of each shape, as gmsh 2.2 text or binary, or as VTU text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import meshio
import numpy as np
import pytest

from cellsolve.cells import read_cell
from cellsolve.errors import MeshError

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
CUBE = np.array([[*xy, z] for z in (0.0, 1.0) for xy in SQUARE])
GMSH = {"vertex": 15, "line": 1, "triangle": 2, "quad": 3, "tetra": 4, "hexahedron": 5, "wedge": 6}
GMSH |= {"triangle6": 9, "tetra10": 11, "line3": 8, "quad9": 10, "triangle10": 21, "wedge15": 18, "pyramid": 7}
VTK = {"line": 3, "triangle": 5, "quad": 9, "tetra": 10, "hexahedron": 12}

# Six tetrahedra along the paths from corner 0 to corner 6 of the cube.
PATHS = [[0, 1, 2, 6], [0, 1, 5, 6], [0, 3, 2, 6], [0, 3, 7, 6], [0, 4, 5, 6], [0, 4, 7, 6]]
CELLS = {
    "line": (np.array([[0.0], [0.25], [1.0]]), [[0, 1], [1, 2]], [0.25, 0.75]),
    "triangle": (SQUARE, [[0, 1, 2], [0, 2, 3]], [0.5, 0.5]),
    "quad": (
        np.array([[0.0, 0.0], [0.25, 0.0], [1.0, 0.0], [0.0, 1.0], [0.25, 1.0], [1.0, 1.0]]),
        [[0, 1, 4, 3], [1, 2, 5, 4]],
        [0.25, 0.75],
    ),
    "tetra": (CUBE, PATHS, [1 / 6, 5 / 6]),
    "hexahedron": (
        np.vstack([CUBE, CUBE[4:] + np.array([0, 0, 3])]),
        [[*range(8)], [*range(4, 12)]],
        [0.25, 0.75],
    ),
}


def error_of(path: Path, **keywords: Any) -> str:
    """What read_cell says when it refuses a file."""
    with pytest.raises(MeshError) as caught:
        read_cell(path, **keywords)
    return str(caught.value)


def tags_of(shape: str) -> list[int]:
    return [7] + [9] * (len(CELLS[shape][1]) - 1)


def in_space(points: np.ndarray) -> np.ndarray:
    return np.hstack([points, np.zeros((len(points), 3 - points.shape[1]))])


def write_msh22(path: Path, points: Any, blocks: list[tuple[str, Any, Any]], names: str = "") -> Path:
    """gmsh 2.2 as text; ``blocks``: shape, elements, physical numbers."""
    rows = in_space(np.asarray(points, dtype=float)).tolist()
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat"]
    if names:
        lines += ["$PhysicalNames", str(names.count("\n") + 1), names, "$EndPhysicalNames"]
    lines += ["$Nodes", str(len(rows))]
    lines += [f"{i + 1} {x!r} {y!r} {z!r}" for i, (x, y, z) in enumerate(rows)]
    elements = [
        f"{GMSH[kind]} 2 {tag} 1 {' '.join(str(node + 1) for node in nodes)}"
        for kind, many, tags in blocks
        for nodes, tag in zip(many, tags, strict=True)
    ]
    lines += ["$EndNodes", "$Elements", str(len(elements))]
    lines += [f"{i + 1} {element}" for i, element in enumerate(elements)]
    path.write_text("\n".join([*lines, "$EndElements", ""]))
    return path


def data_array(name: str, kind: str, values: Any, components: int | None = None) -> str:
    many = "" if components is None else f' NumberOfComponents="{components}"'
    text = " ".join(repr(v) for v in np.ravel(values).tolist())
    return f'<DataArray type="{kind}" Name="{name}"{many} format="ascii">{text}</DataArray>\n'


def write_vtu(path: Path, points: Any, shape: str, elements: Any, arrays: str = "", pieces: int = 1) -> Path:
    """VTU as text; ``arrays`` is the inside of CellData."""
    elements = np.array(elements)
    count, nodes = elements.shape
    cells = data_array("connectivity", "Int64", elements)
    cells += data_array("offsets", "Int64", nodes * np.arange(1, count + 1))
    cells += data_array("types", "UInt8", np.full(count, VTK[shape]))
    piece = (
        f'<Piece NumberOfPoints="{len(points)}" NumberOfCells="{count}">\n<Points>\n'
        f"{data_array('Points', 'Float64', in_space(np.asarray(points)), 3)}</Points>\n<Cells>\n{cells}</Cells>\n"
        f"<CellData>\n{arrays}</CellData>\n</Piece>\n"
    )
    path.write_text(
        '<VTKFile type="UnstructuredGrid" version="0.1" byte_order="LittleEndian">\n<UnstructuredGrid>\n'
        f"{piece * pieces}</UnstructuredGrid>\n</VTKFile>\n"
    )
    return path


def write(path: Path, shape: str, form: str) -> Path:
    """The cell of a shape in one of the formats, the first element in group 7, the others in 9."""
    points, elements, _ = CELLS[shape]
    names = f'{points.shape[1]} 7 "first"\n0 9 "a point"'
    if form == "msh22":
        return write_msh22(path.with_suffix(".msh"), points, [(shape, elements, tags_of(shape))], names)
    if form == "vtu":
        arrays = data_array("region", "Int32", tags_of(shape), 1)
        return write_vtu(path.with_suffix(".vtu"), points, shape, elements, arrays)
    tags = np.array(tags_of(shape))
    blocks = [(shape, np.array(elements)[:1]), (shape, np.array(elements)[1:])]
    mesh = meshio.Mesh(
        in_space(points),
        blocks,
        cell_data={"gmsh:physical": [tags[:1], tags[1:]], "gmsh:geometrical": [tags[:1], tags[1:]]},
        point_data={"gmsh:dim_tags": np.full((len(points), 2), [points.shape[1], 7])},
        field_data={"first": np.array([7, points.shape[1]])},
    )
    meshio.write(path.with_suffix(".msh"), mesh, file_format="gmsh22", binary=True)
    return path.with_suffix(".msh")
