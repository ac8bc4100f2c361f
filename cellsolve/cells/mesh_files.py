"""Read a unit cell from a mesh file. The formats have a module each; what they find comes together here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from cellsolve.cells.cell_elements import CellElements, cell_elements, check_extents, divided, merged
from cellsolve.cells.coupling import check_coupling
from cellsolve.cells.detection import detect_lattice, detect_period
from cellsolve.cells.gmsh_files import read_gmsh
from cellsolve.cells.lattices import as_period, longest_vector
from cellsolve.cells.mesh_data import MeshData
from cellsolve.cells.periodicity import check_coverage, check_elements, check_periodicity, match_sides
from cellsolve.cells.regions import region_tags
from cellsolve.cells.shapes import SHAPES, Floats, Ints
from cellsolve.cells.unit_cell import Periodicity, UnitCell, check_tolerance
from cellsolve.cells.vtk_files import read_vtk
from cellsolve.cells.vtu_files import read_vtu
from cellsolve.errors import MeshError

__all__ = ["load_cell", "read_cell"]

_SUFFIXES = (".msh", ".vtu", ".vtk", ".xdmf", ".xmf", ".med")
_NEEDED = "a gmsh file (.msh, format 2.2 or 4.1), or a VTU (.vtu), VTK (.vtk), XDMF (.xdmf) or MED (.med) file"


def read_cell(
    path: str | os.PathLike[str],
    *,
    period: ArrayLike | None = None,
    match_tol: float = 1e-8,
    regions: str | None = None,
    merge_nodes: bool = False,
    periodicity: Periodicity = "exact",
) -> UnitCell:
    """The unit cell in a gmsh (2.2, 4.1), VTU, VTK, XDMF or MED file, checked to be periodic.

    Elements of the highest dimension make the cell: lines, triangles, quads, tetrahedra or hexahedra of first or
    second order (8- and 20-node elements become the same map with 9 and 27 nodes). Elements of several types, wedges
    and pyramids, all of first order, are divided into simplices, alike on opposite sides.

    ``period`` (d, d), one period vector a row; by default that of the mesh's hull if it is a parallelepiped or
    another solid that fills space, else of its box or of sides that match piece by piece (``detect_lattice``).
    ``match_tol``: how far, relative to the longest period vector, opposite nodes may miss each other.
    ``regions``: the array of whole numbers on the elements that tells the regions (in gmsh files "gmsh:physical",
    "gmsh:geometrical" or the name of element data); by default the physical groups, the families, the only
    integer array, or else one region "cell". ``merge_nodes``: nodes within the tolerance become one, where a file
    holds them twice; by default such a file is refused, because elements that share no node insulate each other.
    ``periodicity``: "mortar" couples flat sides that do not match by mortars, and is exact where they do match.

    Raises MeshError (unreadable or unusable file) and PeriodicityError (opposite sides differ).
    """
    cell = load_cell(path, period=period, match_tol=match_tol, regions=regions, merge_nodes=merge_nodes)
    with np.errstate(all="ignore"):
        check_elements(cell)
        check_coverage(cell)
        return _with_sides(cell, periodicity)


def _with_sides(cell: UnitCell, periodicity: Periodicity) -> UnitCell:
    """The cell, its sides seen to match or to be fit for coupling."""
    if periodicity not in get_args(Periodicity):
        raise MeshError(f"{cell.name}: got periodicity = {periodicity!r}, needed one of {get_args(Periodicity)}.")
    if periodicity == "exact":
        check_periodicity(cell)
        return cell
    if not any(side.problem for side in match_sides(cell)):
        return cell
    check_coupling(cell)
    return replace(cell, periodicity=periodicity)


def load_cell(
    path: str | os.PathLike[str],
    *,
    period: ArrayLike | None = None,
    match_tol: float = 1e-8,
    regions: str | None = None,
    merge_nodes: bool = False,
) -> UnitCell:
    """As ``read_cell``, without the checks that the cell is periodic and covers no point twice."""
    if not isinstance(path, str | os.PathLike):
        raise MeshError(f"got {path!r:.60} as a mesh file, needed a path.")
    file = Path(path)
    check_tolerance(file.name, match_tol)
    with np.errstate(all="ignore"):
        data = _read_mesh(file)
        found = cell_elements(file.name, data)
        tags, names = region_tags(file.name, data, found.blocks, regions)
        rows = _period(file.name, found, period)
        tolerance = match_tol * longest_vector(rows)
        check_extents(file.name, found, tolerance)
        if merge_nodes:
            found = merged(found, tolerance)
        if found.shape is None:
            found, parents = divided(file.name, found, rows, match_tol)
            tags = tags[parents]
        return _cell(file.name, found, tags, names, rows, match_tol)


def _period(name: str, found: CellElements, period: ArrayLike | None) -> Floats:
    rows = _detected(found) if period is None else period
    return as_period(name, rows, found.points.shape[1])


def _detected(found: CellElements) -> Floats:
    """By facets and hull where the elements are of one shape, else by the hull."""
    if found.shape is None:
        return detect_period(found.points)
    corners = np.vstack([nodes[:, : SHAPES[found.shape].nodes] for _, nodes in found.parts])
    return detect_lattice(found.points, corners, found.shape)


def _cell(
    name: str, found: CellElements, tags: Ints, names: tuple[str, ...], rows: Floats, match_tol: float
) -> UnitCell:
    """The cell of elements of one shape: corners, and middles if there are any."""
    nodes, shape = np.vstack([nodes for _, nodes in found.parts]), found.shape
    if shape is None:
        raise MeshError(f"{name}: got elements of several types, needed one. Remesh.")
    corners = SHAPES[shape].nodes
    middles = nodes[:, corners:] if nodes.shape[1] > corners else None
    return UnitCell(name, found.points, nodes[:, :corners], shape, tags, names, rows, match_tol, middles)


def _read_mesh(file: Path) -> MeshData:
    """What the file holds; every failure is a MeshError."""
    suffix = _checked_suffix(file)
    try:
        return _reader(suffix)(file)
    except MeshError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split()).removeprefix("DamagedFileError: ")
        raise MeshError(
            f"{file.name}: damaged, cut short, or not {_NEEDED}, as text or binary ({reason[:300].rstrip(': .')}). "
            "Write the mesh anew."
        ) from error


def _reader(suffix: str) -> Callable[[Path], MeshData]:
    if suffix == ".med":
        from cellsolve.cells.med_files import read_med

        return read_med
    if suffix in (".xdmf", ".xmf"):
        from cellsolve.cells.xdmf_files import read_xdmf

        return read_xdmf
    of_bytes = {".msh": read_gmsh, ".vtu": read_vtu, ".vtk": read_vtk}[suffix]
    return lambda file: of_bytes(file.read_bytes())


def _checked_suffix(file: Path) -> str:
    """The suffix, which tells the format; the file exists, is readable and not empty."""
    if not file.exists():
        raise MeshError(f"{file.name}: there is no such file in {file.absolute().parent}. Check the path.")
    if file.is_dir():
        raise MeshError(f"{file.name}: is a directory, needed {_NEEDED}.")
    if file.suffix.lower() not in _SUFFIXES:
        raise MeshError(f"{file.name}: got the suffix {file.suffix!r}, needed {_NEEDED}. Convert it, e.g. with gmsh.")
    try:
        with file.open("rb") as stream:
            head = stream.read(1)
    except OSError as error:
        raise MeshError(f"{file.name}: cannot be opened ({error.strerror}). Check its permissions.") from error
    if not head:
        raise MeshError(f"{file.name}: the file is empty, needed {_NEEDED}. Write the mesh anew.")
    return file.suffix.lower()
