"""MED files (Salome, code_aster): one mesh without time; families of elements become regions, named by their group.

Coordinates and nodes are stored component by component. Solids are mirrored against VTK, which UnitCell mends.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cellsolve.cells.element_types import BY_MED, ElementType, from_med_order
from cellsolve.cells.hdf_arrays import HdfFile
from cellsolve.cells.mesh_data import Array, Block, DamagedFileError, MeshData
from cellsolve.cells.number_streams import whole_numbers

__all__ = ["read_med"]

_FAMILY = "cell_tags"
_NO_PROFILE = "MED_NO_PROFILE_INTERNAL"


def read_med(path: Path) -> MeshData:
    """The content of a MED file. Raises DamagedFileError."""
    with HdfFile(path) as file:
        mesh = _only(file, "ENS_MAA", "mesh")
        step = mesh if "NOE" in file.keys(mesh) else _only(file, mesh, "time step")
        points = _table(file, f"{step}/NOE/COO", file.number(mesh, "ESP")).astype(float)
        families = _families(file, mesh)
        blocks = []
        for key in file.keys(f"{step}/MAI"):
            if key not in BY_MED:
                raise DamagedFileError(f"elements of the unknown type {key[:20]}")
            blocks += _split(_block(file, f"{step}/MAI/{key}", BY_MED[key]), families)
    named = {number: groups[0] for number, groups in families.items() if len(groups) == 1}
    return MeshData(points, blocks, {(_FAMILY, dim, n): name for n, name in named.items() for dim in range(4)})


def _only(file: HdfFile, group: str, what: str) -> str:
    keys = file.keys(group)
    if len(keys) != 1:
        raise DamagedFileError(f"{len(keys)} of a {what} where one should be")
    return f"{group}/{keys[0]}"


def _table(file: HdfFile, path: str, columns: int) -> Array:
    """Values stored component by component, as rows (n, columns)."""
    values = file.array(path).ravel()
    if not 1 <= columns <= 100 or len(values) % columns:
        raise DamagedFileError(f"{len(values)} values of {path!r} in rows of {columns}")
    return np.ascontiguousarray(values.reshape(columns, -1).T)


def _block(file: HdfFile, path: str, kind: ElementType) -> Block:
    nodes = whole_numbers(_table(file, f"{path}/NOD", kind.nodes)) - 1
    arrays = _fields(file, kind, len(nodes))
    if "FAM" in file.keys(path):
        arrays[_FAMILY] = whole_numbers(file.array(f"{path}/FAM"))
    return Block(kind, from_med_order(kind, nodes), arrays)


def _fields(file: HdfFile, kind: ElementType, count: int) -> dict[str, Array]:
    """The fields with one value for each element of a type, of one time step."""
    found = {}
    for name in file.keys("CHA"):
        steps = file.keys(f"CHA/{name}")
        place = f"CHA/{name}/{steps[0]}/MAI.{kind.med}/{_NO_PROFILE}/CO" if len(steps) == 1 else ""
        if place and "CO" in file.keys(place.removesuffix("/CO")):
            values = file.array(place).ravel()
            if len(values) == count:
                found[name] = values
    return found


def _families(file: HdfFile, mesh: str) -> dict[int, tuple[str, ...]]:
    """The groups of each family of elements."""
    found = {}
    for root in (f"{mesh}/FAS/ELEME", f"FAS/{mesh.split('/')[1]}/ELEME"):
        for key in file.keys(root):
            names = file.array(f"{root}/{key}/GRO/NOM") if "GRO" in file.keys(f"{root}/{key}") else np.empty((0, 80))
            texts = [bytes(row.astype(np.uint8)).split(b"\0")[0] for row in names.reshape(-1, 80)]
            found[file.number(f"{root}/{key}", "NUM")] = tuple(
                text.decode("utf-8", "replace").strip() for text in texts
            )
    return found


def _split(block: Block, families: dict[int, tuple[str, ...]]) -> list[Block]:
    """The elements in at most one group, and one block for each family of several groups."""
    family = block.arrays.get(_FAMILY)
    several = {number: groups for number, groups in families.items() if len(groups) > 1}
    if family is None or not several:
        return [block]
    single = np.flatnonzero(~np.isin(family, list(several)))
    parts = [(single, ()), *((np.flatnonzero(family == number), groups) for number, groups in several.items())]
    return [_part(block, which, groups) for which, groups in parts if len(which)]


def _part(block: Block, which: Array, groups: tuple[str, ...]) -> Block:
    return Block(block.kind, block.nodes[which], {k: v[which] for k, v in block.arrays.items()}, groups)
