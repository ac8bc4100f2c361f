"""Elements of VTK files, legacy and XML: connectivity, offsets and types, taken apart by type."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cellsolve.cells.element_types import BY_NAME, BY_VTK, ElementType
from cellsolve.cells.mesh_data import Array, Block, DamagedFileError
from cellsolve.cells.shapes import Ints

__all__ = ["blocks_of", "offsets_of"]

# Types that VTK knows by number and size: pixels and voxels (a permutation), polygons, Lagrange elements of degree
# 1 and 2 in the numbering of their classical counterparts. Lagrange hexahedra changed their numbering, so are left out.
_ALIASES = {
    (8, 4): ("quad", [0, 1, 3, 2]),
    (11, 8): ("hexahedron", [0, 1, 3, 2, 4, 5, 7, 6]),
    (7, 3): ("triangle", None),
    (7, 4): ("quad", None),
    (4, 2): ("line", None),
    (68, 2): ("line", None),
    (68, 3): ("line3", None),
    (69, 3): ("triangle", None),
    (69, 6): ("triangle6", None),
    (70, 4): ("quad", None),
    (70, 9): ("quad9", None),
    (71, 4): ("tetra", None),
    (71, 10): ("tetra10", None),
}


def blocks_of(connectivity: Ints, offsets: Ints, types: Ints, arrays: Mapping[str, Array]) -> list[Block]:
    """One block a type. ``offsets`` (m,): where in ``connectivity`` each element ends; ``arrays`` (m, ...)."""
    sizes = np.diff(offsets, prepend=0)
    if len(offsets) != len(types) or (sizes < 0).any() or (len(offsets) and offsets[-1] != len(connectivity)):
        raise DamagedFileError("connectivity, offsets and types of the elements do not fit together")
    for key, values in arrays.items():
        if len(values) != len(types):
            raise DamagedFileError(f"{len(types)} elements, but {len(values)} values of {key!r}")
    pairs = np.unique(types * 1000 + np.minimum(sizes, 999))
    if len(pairs) > 100:
        raise DamagedFileError(f"{len(pairs)} types of elements")
    blocks = []
    for pair in pairs.tolist():
        which = np.flatnonzero((types == pair // 1000) & (np.minimum(sizes, 999) == pair % 1000))
        kind, order = _kind(*divmod(pair, 1000))
        nodes = connectivity[(offsets - sizes)[which, None] + (np.arange(kind.nodes) if order is None else order)]
        blocks.append(Block(kind, nodes, {key: values[which] for key, values in arrays.items()}))
    return blocks


def offsets_of(types: Ints) -> Ints:
    """Where each element ends, by the number of nodes of its type."""
    codes, inverse = np.unique(types, return_inverse=True)
    sizes = np.array([_size(code) for code in codes.tolist()], dtype=np.int64)
    return np.cumsum(sizes[inverse.ravel()])


def _size(code: int) -> int:
    known = {8: 4, 11: 8}
    if code not in BY_VTK and code not in known:
        raise DamagedFileError(f"elements of the unknown VTK type {code}")
    return known.get(code) or BY_VTK[code].nodes


def _kind(code: int, size: int) -> tuple[ElementType, list[int] | None]:
    if (code, size) in _ALIASES:
        name, order = _ALIASES[code, size]
        return BY_NAME[name], order
    kind = BY_VTK.get(code)
    if kind is None or kind.nodes != size:
        raise DamagedFileError(f"elements of VTK type {code} with {size} nodes")
    return kind, None
