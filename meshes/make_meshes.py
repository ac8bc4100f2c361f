"""Make the unit cells of this folder with gmsh: python meshes/make_meshes.py [NAME...]

Opposite sides carry gmsh's periodic constraint, so that node and facet have partners. gmsh writes its own files;
the two VTU files are written here, as text. Each file is read back and described by cellsolve.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import pi, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cellsolve.cells import inspect_cell

HERE = Path(__file__).resolve().parent
FRACTION = 0.3
SPHERE_FRACTION = 0.2
RHOMBUS = np.array([[1.0, 0.0], [0.5, sqrt(3.0) / 2.0]])

Vectors = np.ndarray[Any, Any]


class Recipe(NamedTuple):
    """``build`` leaves a mesh in gmsh's current model; then it is written in this format."""

    build: Callable[[Any], None]
    version: float
    binary: bool


def load_gmsh() -> Any:
    """The gmsh module, started; ends the program in words if it, or a system library it needs, is missing."""
    try:
        import gmsh
    except ImportError:
        sys.exit("gmsh is not installed. Install it with: pip install 'cellsolve[gmsh]'")
    except OSError as error:
        sys.exit(
            f"gmsh is installed, but a system library is missing ({error}). Install OpenGL and X libraries, on "
            "Debian or Ubuntu: apt-get install libglu1-mesa libxrender1 libxcursor1 libxft2 libxinerama1"
        )
    gmsh.initialize()
    gmsh.option.setNumber("General.Terminal", 0)
    return gmsh


def interval(gmsh: Any) -> None:
    """[0, 1], region "a" left of 1/2 and "b" right of it, 16 elements each."""
    occ = gmsh.model.occ
    points = [occ.addPoint(x, 0.0, 0.0) for x in (0.0, 0.5, 1.0)]
    lines = [occ.addLine(points[0], points[1]), occ.addLine(points[1], points[2])]
    occ.synchronize()
    for line, name in zip(lines, "ab", strict=True):
        gmsh.model.mesh.setTransfiniteCurve(line, 17)
        gmsh.model.addPhysicalGroup(1, [line], name=name)
    gmsh.model.mesh.generate(1)


def square(gmsh: Any) -> None:
    """Unit square, 16 x 16 x 2 triangles in rows."""
    _structured(gmsh, 16)
    gmsh.model.mesh.generate(2)


def square_quads(gmsh: Any) -> None:
    """Unit square, 16 x 16 squares."""
    _structured(gmsh, 16)
    gmsh.model.mesh.setRecombine(2, gmsh.model.getEntities(2)[0][1])
    gmsh.model.mesh.generate(2)


def square_unstructured(gmsh: Any) -> None:
    """Unit square, unstructured triangles."""
    surface = gmsh.model.occ.addRectangle(0, 0, 0, 1, 1)
    gmsh.model.occ.synchronize()
    gmsh.model.addPhysicalGroup(2, [surface], name="cell")
    _mesh_periodic(gmsh, np.eye(2), 0.06)


def square_inclusion(gmsh: Any) -> None:
    """Unit square with a disc of area 0.3 in the middle."""
    _with_disc(gmsh, np.eye(2), 0.035, 112)


def square_inclusion_coarse(gmsh: Any) -> None:
    """The same, coarser; source of the VTU file."""
    _with_disc(gmsh, np.eye(2), 0.08, 48)


def hexagonal_inclusion(gmsh: Any) -> None:
    """Rhombus of the hexagonal lattice with a disc of 0.3 of its area in the middle."""
    _with_disc(gmsh, RHOMBUS, 0.035, 112)


def square_hole(gmsh: Any) -> None:
    """Unit square without a disc of area 0.3."""
    occ = gmsh.model.occ
    radius = sqrt(FRACTION / pi)
    solid, _ = occ.cut([(2, occ.addRectangle(0, 0, 0, 1, 1))], [(2, occ.addDisk(0.5, 0.5, 0, radius, radius))])
    occ.synchronize()
    gmsh.model.addPhysicalGroup(2, [solid[0][1]], name="solid")
    _divide_circles(gmsh, radius, 112)
    _mesh_periodic(gmsh, np.eye(2), 0.035)


def square_hole_quarter(gmsh: Any) -> None:
    """Unit square without the square [1/4, 3/4]^2."""
    occ = gmsh.model.occ
    solid, _ = occ.cut([(2, occ.addRectangle(0, 0, 0, 1, 1))], [(2, occ.addRectangle(0.25, 0.25, 0, 0.5, 0.5))])
    occ.synchronize()
    gmsh.model.addPhysicalGroup(2, [solid[0][1]], name="solid")
    _mesh_periodic(gmsh, np.eye(2), 0.04)


def cube(gmsh: Any) -> None:
    """Unit cube, unstructured tetrahedra."""
    volume = gmsh.model.occ.addBox(0, 0, 0, 1, 1, 1)
    gmsh.model.occ.synchronize()
    gmsh.model.addPhysicalGroup(3, [volume], name="cell")
    _mesh_periodic(gmsh, np.eye(3), 0.17)


def cube_sphere(gmsh: Any) -> None:
    """Unit cube with a ball of volume 0.2 in the middle."""
    occ = gmsh.model.occ
    radius = (3.0 * SPHERE_FRACTION / (4.0 * pi)) ** (1.0 / 3.0)
    ball = occ.addSphere(0.5, 0.5, 0.5, radius)
    _two_regions(gmsh, (3, occ.addBox(0, 0, 0, 1, 1, 1)), (3, ball))
    _mesh_periodic(gmsh, np.eye(3), 0.12)


MESHES = {
    "interval.msh": Recipe(interval, 4.1, False),
    "square.msh": Recipe(square, 2.2, False),
    "square_unstructured.msh": Recipe(square_unstructured, 4.1, True),
    "square_quads.msh": Recipe(square_quads, 4.1, True),
    "square_inclusion.msh": Recipe(square_inclusion, 4.1, True),
    "square_hole.msh": Recipe(square_hole, 4.1, True),
    "square_hole_quarter.msh": Recipe(square_hole_quarter, 4.1, True),
    "hexagonal_inclusion.msh": Recipe(hexagonal_inclusion, 2.2, True),
    "cube.msh": Recipe(cube, 4.1, True),
    "cube_sphere.msh": Recipe(cube_sphere, 4.1, True),
}
VTU_MESHES = ("square_inclusion.vtu", "cube_hexes.vtu")


def make(gmsh: Any, name: str) -> None:
    """Write one file of this folder."""
    gmsh.clear()
    gmsh.option.setNumber("Mesh.MeshSizeExtendFromBoundary", 1)
    if name == "cube_hexes.vtu":
        write_vtu(HERE / name, *laminate_of_hexes(6), cell_type=12)
    elif name == "square_inclusion.vtu":
        square_inclusion_coarse(gmsh)
        write_vtu(HERE / name, *triangles_of_model(gmsh), cell_type=5)
    else:
        recipe = MESHES[name]
        recipe.build(gmsh)
        gmsh.option.setNumber("Mesh.MshFileVersion", recipe.version)
        gmsh.option.setNumber("Mesh.Binary", recipe.binary)
        gmsh.write(str(HERE / name))


def laminate_of_hexes(n: int) -> tuple[Vectors, Vectors, Vectors]:
    """Points, elements and regions of n^3 cubes in the unit cube; region 1 below z = 1/2, region 2 above."""
    x = np.linspace(0.0, 1.0, n + 1)
    points = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1).reshape(-1, 3)
    index = np.arange((n + 1) ** 3).reshape((n + 1,) * 3)
    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
    elements = np.stack([index[a : n + a, b : n + b, c : n + c].ravel() for a, b, c in corners], axis=1)
    return points, elements, np.where(points[elements].mean(axis=1)[:, 2] < 0.5, 1, 2)


def triangles_of_model(gmsh: Any) -> tuple[Vectors, Vectors, Vectors]:
    """Points, triangles and the number of their physical group, from gmsh's current model."""
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    triangles, regions = [], []
    for _, group in gmsh.model.getPhysicalGroups(2):
        for surface in gmsh.model.getEntitiesForPhysicalGroup(2, group):
            _, _, nodes = gmsh.model.mesh.getElements(2, surface)
            triangles.append(np.asarray(nodes[0], dtype=int).reshape(-1, 3))
            regions.append(np.full(len(triangles[-1]), group))
    order = np.argsort(tags)
    elements = order[np.searchsorted(np.asarray(tags)[order], np.vstack(triangles))]
    return np.asarray(coordinates).reshape(-1, 3), elements, np.concatenate(regions)


def write_vtu(path: Path, points: Vectors, elements: Vectors, regions: Vectors, cell_type: int) -> None:
    """An ASCII VTU file with one integer cell array "region"; ``cell_type`` is VTK's number of the shape."""
    count, nodes = elements.shape
    arrays = {
        "connectivity": elements,
        "offsets": nodes * np.arange(1, count + 1)[:, None],
        "types": np.full((count, 1), cell_type),
    }
    cells = "\n".join(_data_array(key, "Int64", rows) for key, rows in arrays.items())
    path.write_text(
        '<?xml version="1.0"?>\n<VTKFile type="UnstructuredGrid" version="0.1" byte_order="LittleEndian">\n'
        f'<UnstructuredGrid>\n<Piece NumberOfPoints="{len(points)}" NumberOfCells="{count}">\n'
        f"<Points>\n{_data_array('Points', 'Float64', points, 3)}\n</Points>\n<Cells>\n{cells}\n</Cells>\n"
        f"<CellData>\n{_data_array('region', 'Int64', regions[:, None])}\n</CellData>\n"
        "</Piece>\n</UnstructuredGrid>\n</VTKFile>\n",
        encoding="ascii",
    )


def _data_array(name: str, kind: str, rows: Vectors, components: int = 1) -> str:
    text = "\n".join(" ".join(f"{value:.17g}" for value in row) for row in rows.tolist())
    head = f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{components}" format="ascii">'
    return f"{head}\n{text}\n</DataArray>"


def _structured(gmsh: Any, n: int) -> None:
    surface = gmsh.model.occ.addRectangle(0, 0, 0, 1, 1)
    gmsh.model.occ.synchronize()
    for _, curve in gmsh.model.getEntities(1):
        gmsh.model.mesh.setTransfiniteCurve(curve, n + 1)
    gmsh.model.mesh.setTransfiniteSurface(surface)
    gmsh.model.addPhysicalGroup(2, [surface], name="cell")


def _with_disc(gmsh: Any, period: Vectors, size: float, segments: int) -> None:
    """Parallelogram of ``period`` with a disc of 0.3 of its area in the middle, regions matrix and inclusion."""
    occ = gmsh.model.occ
    corners = [(0.0, 0.0), period[0], period[0] + period[1], period[1]]
    points = [occ.addPoint(float(x), float(y), 0.0) for x, y in corners]
    lines = [occ.addLine(points[i], points[(i + 1) % 4]) for i in range(4)]
    outer = occ.addPlaneSurface([occ.addCurveLoop(lines)])
    radius = sqrt(FRACTION * float(np.linalg.det(period)) / pi)
    x, y = period.sum(axis=0) / 2.0
    disc = occ.addDisk(float(x), float(y), 0.0, radius, radius)
    _two_regions(gmsh, (2, outer), (2, disc))
    _divide_circles(gmsh, radius, segments)
    _mesh_periodic(gmsh, period, size)


def _two_regions(gmsh: Any, outer: tuple[int, int], inner: tuple[int, int]) -> None:
    """Cut ``inner`` out of ``outer``, keep both, and name the two regions."""
    _, parts = gmsh.model.occ.fragment([outer], [inner])
    gmsh.model.occ.synchronize()
    inside = set(parts[1])
    gmsh.model.addPhysicalGroup(outer[0], [tag for _, tag in set(parts[0]) - inside], name="matrix")
    gmsh.model.addPhysicalGroup(outer[0], [tag for _, tag in inside], name="inclusion")


def _divide_circles(gmsh: Any, radius: float, segments: int) -> None:
    for _, curve in gmsh.model.getEntities(1):
        if abs(gmsh.model.occ.getMass(1, curve) - 2.0 * pi * radius) < 1e-6:
            gmsh.model.mesh.setTransfiniteCurve(curve, segments + 1)


def _mesh_periodic(gmsh: Any, period: Vectors, size: float) -> None:
    """Constrain the opposite sides of the parallelepiped of ``period`` to match, then mesh with this size."""
    dim = len(period)
    gmsh.option.setNumber("Mesh.MeshSizeMax", size)
    for side in range(dim):
        slaves, masters = [_on_side(gmsh, period, side, height) for height in (1.0, 0.0)]
        affine = np.eye(4)
        affine[:dim, 3] = period[side]
        gmsh.model.mesh.setPeriodic(dim - 1, slaves, masters, affine.ravel().tolist())
    gmsh.model.mesh.generate(dim)
    gmsh.option.setNumber("Mesh.MeshSizeMax", 1e22)


def _on_side(gmsh: Any, period: Vectors, side: int, height: float) -> list[int]:
    """Curves (d = 2) or surfaces (d = 3) whose centre has the coordinate ``height`` along p_side."""
    dim = len(period)
    along = np.linalg.inv(period)[:, side]
    return [
        tag
        for _, tag in gmsh.model.getEntities(dim - 1)
        if abs(np.asarray(gmsh.model.occ.getCenterOfMass(dim - 1, tag))[:dim] @ along - height) < 1e-6
    ]


def main(names: list[str]) -> int:
    """Make the files named, or all; one line about each."""
    known = (*MESHES, *VTU_MESHES)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"got {', '.join(unknown)}, needed names among: {', '.join(known)}", file=sys.stderr)
        return 2
    gmsh = load_gmsh()
    for name in names or known:
        make(gmsh, name)
        report = inspect_cell(HERE / name)
        regions = ", ".join(f"{key} {value:.6f}" for key, value in report.regions.items())
        print(
            f"{name:26} {report.elements:5} {report.shape:10} {(HERE / name).stat().st_size / 1000:6.1f} kB  "
            f"{regions}; porosity {report.porosity:.6f}; quality {report.quality_min:.2f}"
        )
        for problem in report.problems:
            print(f"  {problem}", file=sys.stderr)
    gmsh.finalize()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
