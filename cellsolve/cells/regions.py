"""Regions of a mesh file: from physical groups or families, or from an array of whole numbers on the elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellsolve.cells.mesh_data import GEOMETRICAL, PHYSICAL, Array, Block, MeshData
from cellsolve.cells.shapes import Ints
from cellsolve.errors import MeshError

__all__ = ["region_tags"]

_KNOWN = ("region", "regions", "material", PHYSICAL, "medit:ref", "cell_tags")


def region_tags(name: str, data: MeshData, blocks: Sequence[Block], wanted: str | None) -> tuple[Ints, tuple[str, ...]]:
    """Index (m,) of each element's region, and the regions' names; the elements of the blocks one after another.

    ``wanted``: the array that holds the regions; None: the one with a usual name, or the only one of whole
    numbers, else one region "cell". Raises MeshError where there is no such array, or more than one could be meant.
    """
    arrays = _joined(blocks)
    chosen = _chosen(name, arrays, blocks) if wanted is None else _named(name, arrays, wanted)
    if chosen is None:
        return np.zeros(sum(len(block.nodes) for block in blocks), dtype=np.int64), ("cell",)
    _refuse_two_groups(name, blocks, chosen)
    values = arrays[chosen].astype(np.int64)
    numbers, tags = np.unique(np.abs(values) if chosen == PHYSICAL else values, return_inverse=True)
    dim = blocks[0].kind.dim
    names = [data.names.get((chosen, dim, int(n)), str(n)) for n in numbers]
    different = list(dict.fromkeys(names))
    places = np.array([different.index(n) for n in names], dtype=np.int64)
    return places[tags.ravel()], tuple(different)


def _joined(blocks: Sequence[Block]) -> dict[str, Array]:
    """The arrays (m,) that every block has, with one number an element."""
    keys = [key for key in blocks[0].arrays if all(key in block.arrays for block in blocks)]
    columns = {key: [np.asarray(block.arrays[key]) for block in blocks] for key in keys}
    single = {key: parts for key, parts in columns.items() if all(part.size == len(part) for part in parts)}
    return {key: np.concatenate([part.ravel() for part in parts]) for key, parts in single.items()}


def _named(name: str, arrays: dict[str, Array], wanted: str) -> str:
    if wanted not in arrays:
        listed = ", ".join(sorted(arrays)) or "none"
        raise MeshError(f"{name}: has no cell array {wanted!r}, the arrays with one number an element are: {listed}.")
    values = arrays[wanted]
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise MeshError(
            f"{name}: the cell array {wanted!r} has values that are not whole numbers, needed one whole number for "
            "each region. Name another array."
        )
    return wanted


def _chosen(name: str, arrays: dict[str, Array], blocks: Sequence[Block]) -> str | None:
    """Which array names the regions when none is asked for, None without one."""
    _refuse_partial_groups(name, blocks)
    whole = [key for key, values in arrays.items() if values.dtype.kind in "iu" and _may_name_regions(key)]
    # "In no group" is 0.
    whole = [key for key in whole if key != PHYSICAL or arrays[key].any()]
    known = [key for key in _KNOWN if key in whole]
    if not known and len(whole) > 1:
        raise MeshError(
            f"{name}: has several integer cell arrays ({', '.join(sorted(whole))}), so the regions are not "
            "clear. Name one of them (regions=), or call it 'region'."
        )
    return next(iter(known or whole), None)


def _may_name_regions(key: str) -> bool:
    return key != GEOMETRICAL and not key.startswith("vtk")


def _refuse_partial_groups(name: str, blocks: Sequence[Block]) -> None:
    """Elements of a 4.1 file in no group, beside others that are in one."""
    lacking = sum(len(block.nodes) for block in blocks if PHYSICAL not in block.arrays)
    total = sum(len(block.nodes) for block in blocks)
    if 0 < lacking < total:
        raise MeshError(
            f"{name}: {lacking} of {total} elements are in no physical group, needed all or none. Give every element "
            "a physical group, or save only those that have one (Mesh.SaveAll=0), or name an array (regions=)."
        )


def _refuse_two_groups(name: str, blocks: Sequence[Block], chosen: str) -> None:
    groups = sorted({group for block in blocks for group in block.groups})
    if groups and chosen in (PHYSICAL, "cell_tags"):
        raise MeshError(
            f"{name}: elements belong to several physical groups ({', '.join(groups)}), needed one "
            "region each. Put each element in one group only, or name an array that tells the regions (regions=)."
        )
