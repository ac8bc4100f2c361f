"""Read a unit cell from a mesh file: the only module that uses meshio, which prints, exits and guesses."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from cellsolve.cells.detection import detect_lattice
from cellsolve.cells.lattices import as_period
from cellsolve.cells.periodicity import check_coverage, check_elements, check_periodicity
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape
from cellsolve.cells.unit_cell import UnitCell
from cellsolve.errors import MeshError

if TYPE_CHECKING:
    import meshio

__all__ = ["load_cell", "read_cell"]

_FORMATS = {".msh": "gmsh", ".vtu": "vtu"}
_NEEDED = "a gmsh file (.msh, format 2.2 or 4.1) or a VTU file (.vtu)"
_DIMENSIONS = {"vertex": 0, "wedge": 3, "pyramid": 3} | {shape: traits.dim for shape, traits in SHAPES.items()}
_PHYSICAL = "gmsh:physical"
_REGION_ARRAYS = ("region", "regions", "material", _PHYSICAL, "medit:ref", "cell_tags")


def read_cell(path: str | os.PathLike[str], *, period: ArrayLike | None = None, match_tol: float = 1e-8) -> UnitCell:
    """The unit cell in a gmsh (2.2, 4.1) or VTU file, checked to be periodic.

    Elements of the highest dimension make the cell: lines, triangles, quads, tetrahedra or hexahedra of first
    order. Regions: gmsh physical groups, an integer cell array of a VTU file, or else one region "cell".
    ``period`` (d, d), one period vector a row; by default the edges of the mesh's hull if it is a
    parallelepiped, else its bounding box. ``match_tol``: how far, relative to the longest period vector,
    opposite nodes may miss each other.

    Raises MeshError (unreadable or unusable file) and PeriodicityError (opposite sides differ).
    """
    cell = load_cell(path, period=period, match_tol=match_tol)
    check_elements(cell)
    check_periodicity(cell)
    check_coverage(cell)
    return cell


def load_cell(path: str | os.PathLike[str], *, period: ArrayLike | None = None, match_tol: float = 1e-8) -> UnitCell:
    """As ``read_cell``, without the checks that the cell is periodic and covers no point twice."""
    file = Path(path)
    mesh = _read_mesh(file, _checked_format(file))
    shape = _only_shape(file.name, mesh)
    blocks = [i for i, block in enumerate(mesh.cells) if block.type == shape and len(block.data)]
    elements = np.vstack([mesh.cells[i].data for i in blocks]).astype(np.int64)
    tags, names = _regions(file.name, mesh, blocks, SHAPES[shape].dim)
    points = _in_dimension(file.name, np.asarray(mesh.points, dtype=float), elements, SHAPES[shape].dim)
    dim = SHAPES[shape].dim
    rows = detect_lattice(points, elements, shape) if period is None else as_period(file.name, period, dim)
    return UnitCell(file.name, points, elements, shape, tags, names, rows, match_tol)


def _checked_format(file: Path) -> str:
    """meshio's name of the format; the file exists, is readable and not empty."""
    if not file.exists():
        raise MeshError(f"{file.name}: there is no such file in {file.absolute().parent}. Check the path.")
    if file.is_dir():
        raise MeshError(f"{file.name}: is a directory, needed {_NEEDED}.")
    if file.suffix.lower() not in _FORMATS:
        raise MeshError(f"{file.name}: got the suffix {file.suffix!r}, needed {_NEEDED}. Convert it, e.g. with gmsh.")
    try:
        with file.open("rb") as stream:
            head = stream.read(1)
    except OSError as error:
        raise MeshError(f"{file.name}: cannot be opened ({error.strerror}). Check its permissions.") from error
    if not head:
        raise MeshError(f"{file.name}: the file is empty, needed {_NEEDED}. Write the mesh anew.")
    return _FORMATS[file.suffix.lower()]


def _read_mesh(file: Path, file_format: str) -> meshio.Mesh:
    """meshio's mesh, with nothing printed and every failure, SystemExit too, a MeshError."""
    import meshio

    if file_format == "vtu":
        _refuse_pieces(file)
    printed = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            # A number cut short in a text file: older numpy only warns.
            warnings.filterwarnings("error", message=".*could not be read")
            mesh = meshio.read(file, file_format=file_format)
    except (Exception, SystemExit) as error:
        raise MeshError(_unreadable(file.name, error, printed.getvalue())) from error
    if "not closed by" in printed.getvalue():
        raise MeshError(_unreadable(file.name, None, printed.getvalue()))
    return mesh


def _refuse_pieces(file: Path) -> None:
    """meshio reads all points but only the elements of the last piece of a VTU file."""
    pieces = len(re.findall(rb"<Piece\b", file.read_bytes().split(b"<AppendedData")[0]))
    if pieces > 1:
        raise MeshError(f"{file.name}: has {pieces} pieces, needed one. Merge them (ParaView: Merge Blocks).")


def _unreadable(name: str, error: BaseException | None, printed: str) -> str:
    said = "" if error is None or isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    reason = " ".join(f"{said} {printed}".split())[:300].rstrip(": ")
    if "cell_data" in reason or "cell data" in reason:
        return (
            f"{name}: the elements and their data have different lengths ({reason}). Give every element a "
            "physical group, or save only those that have one (Mesh.SaveAll=0)."
        )
    return f"{name}: damaged, cut short, or not {_NEEDED}, ASCII or binary ({reason}). Write the mesh anew."


def _only_shape(name: str, mesh: meshio.Mesh) -> Shape:
    """The shape of the elements of the highest dimension; refused unless it is one, of first order."""
    counts: Counter[str] = Counter()
    for block in mesh.cells:
        counts[block.type] += len(block.data)
    dims = {kind: _DIMENSIONS.get(kind.rstrip("0123456789"), 3) for kind in counts if counts[kind]}
    top = max(dims.values(), default=0)
    kinds = sorted(kind for kind, dim in dims.items() if dim == top)
    listed = ", ".join(f"{counts[kind]} {kind}" for kind in kinds) or "none"
    if top == 0:
        raise MeshError(f"{name}: got no elements ({listed}), needed lines, triangles, quads, tetrahedra or hexahedra.")
    if len(kinds) > 1:
        raise MeshError(f"{name}: got elements of mixed shapes ({listed}), needed one shape. Remesh with one shape.")
    if kinds[0] in SHAPES:
        return cast(Shape, kinds[0])
    if kinds[0].rstrip("0123456789") in SHAPES:
        raise MeshError(
            f"{name}: got elements of higher order ({listed}), needed first order. Write first-order "
            "elements (gmsh: Mesh.ElementOrder=1)."
        )
    raise MeshError(f"{name}: got elements of unknown shape ({listed}), needed one of {', '.join(SHAPES)}. Remesh.")


def _in_dimension(name: str, points: Floats, elements: Ints, dim: int) -> Floats:
    """The first ``dim`` coordinates; the others must be constant over the points in use."""
    if elements.min() < 0 or elements.max() >= len(points):
        raise MeshError(
            f"{name}: elements refer to points {elements.min()} to {elements.max()}, but there are "
            f"{len(points)} points (0 the first). Write the mesh anew."
        )
    used = _used(points, elements)
    bad = np.flatnonzero(~np.isfinite(used).all(axis=1))
    if len(bad):
        raise MeshError(
            f"{name}: {len(bad)} of {len(used)} points have coordinates that are not finite, e.g. "
            f"{used[bad[0]].tolist()}. Write the mesh anew."
        )
    extents = np.ptp(used, axis=0)
    if len(extents) < dim or extents[dim:].max(initial=0.0) > 1e-9 * extents.max():
        needed = ("along x (y and z constant)", "in a plane z = constant", "in three coordinates")[dim - 1]
        raise MeshError(
            f"{name}: elements of dimension {dim} extend over {extents.tolist()} in x, y, z, needed a mesh "
            f"{needed}. Rotate the mesh, or mesh the volume."
        )
    return points[:, :dim]


def _used(points: Floats, elements: Ints) -> Floats:
    """The points that elements refer to, in their order."""
    mask = np.zeros(len(points), dtype=bool)
    mask[elements] = True
    return points[mask]


def _regions(name: str, mesh: meshio.Mesh, blocks: list[int], dim: int) -> tuple[Ints, tuple[str, ...]]:
    """Index (m,) of each element's region, and the regions' names."""
    arrays = _integer_arrays(mesh, blocks)
    chosen = _region_array(name, arrays)
    if chosen is None:
        return np.zeros(sum(len(mesh.cells[i].data) for i in blocks), dtype=np.int64), ("cell",)
    numbers, tags = np.unique(arrays[chosen], return_inverse=True)
    names: dict[int, str] = {}
    if chosen == _PHYSICAL:
        _refuse_two_groups(name, mesh, blocks)
        names = {int(v[0]): key for key, v in mesh.field_data.items() if np.size(v) == 2 and v[1] == dim}
    return tags.ravel().astype(np.int64), tuple(names.get(int(n), str(n)) for n in numbers)


def _integer_arrays(mesh: meshio.Mesh, blocks: list[int]) -> dict[str, Ints]:
    """The integer cell arrays (m,) that may name regions, joined over the blocks."""
    joined: dict[str, Any] = {
        key: np.concatenate([np.asarray(values[i]) for i in blocks])
        for key, values in mesh.cell_data.items()
        if key != "gmsh:geometrical" and not key.startswith("vtk")
    }
    # VTU files may say that a scalar has one component: (m, 1).
    whole = {
        key: array.ravel().astype(np.int64)
        for key, array in joined.items()
        if array.size == len(array) and np.issubdtype(array.dtype, np.integer)
    }
    if _PHYSICAL in whole:
        # gmsh marks a reversed orientation by a negative number, and "in no group" by 0.
        whole[_PHYSICAL] = np.abs(whole[_PHYSICAL])
        if not whole[_PHYSICAL].any():
            del whole[_PHYSICAL]
    return whole


def _region_array(name: str, arrays: dict[str, Ints]) -> str | None:
    """Which integer array names the regions, None without one."""
    known = [key for key in _REGION_ARRAYS if key in arrays]
    if not known and len(arrays) > 1:
        raise MeshError(
            f"{name}: has several integer cell arrays ({', '.join(sorted(arrays))}), so the regions are not "
            "clear. Name one of them 'region', or remove the others."
        )
    return next(iter(known or arrays), None)


def _refuse_two_groups(name: str, mesh: meshio.Mesh, blocks: list[int]) -> None:
    """An element in two physical groups of a 4.1 file would silently go to the first."""
    sets = {k: v for k, v in (mesh.cell_sets or {}).items() if k in mesh.field_data}
    for block in blocks:
        groups = sorted(key for key, members in sets.items() if members[block] is not None and len(members[block]))
        if len(groups) > 1:
            raise MeshError(
                f"{name}: elements belong to several physical groups ({', '.join(groups)}), needed one "
                "region each. Put each element in one group only."
            )
