"""What a mesh file holds, whatever its format: points, blocks of elements, arrays on them, names of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellsolve.cells.element_types import ElementType
from cellsolve.cells.shapes import Floats, Ints

__all__ = ["GEOMETRICAL", "PHYSICAL", "Array", "Block", "DamagedFileError", "MeshData", "memory_allowed"]

Array = NDArray[Any]

PHYSICAL = "gmsh:physical"
GEOMETRICAL = "gmsh:geometrical"


class DamagedFileError(Exception):
    """The content of a file contradicts itself; ``read_cell`` turns it into a MeshError that names the file."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Elements of one type: ``nodes`` (m, k) indices of points, ``arrays`` (m, ...) by name.

    ``groups``: the names of the groups that all of these elements are in, if they are in more than one.
    """

    kind: ElementType
    nodes: Ints
    arrays: Mapping[str, Array] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class MeshData:
    """``points`` (n, 1 to 3); ``names``: name of a region by array, dimension and number."""

    points: Floats
    blocks: Sequence[Block]
    names: Mapping[tuple[str, int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] not in (1, 2, 3):
            raise DamagedFileError(f"points of shape {self.points.shape}")
        for block in self.blocks:
            if block.nodes.ndim != 2 or block.nodes.shape[1] != block.kind.nodes:
                raise DamagedFileError(f"{block.kind.name} elements of shape {block.nodes.shape}")
            for key, values in block.arrays.items():
                if np.ndim(values) == 0 or len(values) != len(block.nodes):
                    raise DamagedFileError(f"{len(block.nodes)} elements, but not as many values of {key!r}")


def memory_allowed(size: int) -> int:
    """Bytes that a file of ``size`` bytes may unpack to: more is a bomb, or a damaged count."""
    return (64 << 20) + 100 * size
