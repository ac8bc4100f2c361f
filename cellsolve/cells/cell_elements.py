"""Which elements of a mesh file make the cell: those of the highest dimension, of one shape or divisible into one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from cellsolve.cells.curved import completed
from cellsolve.cells.duplicates import merged_nodes
from cellsolve.cells.mesh_data import Block, MeshData
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape, extents
from cellsolve.cells.subdivision import DIVISIBLE, periodic_ranks, simplices
from cellsolve.errors import MeshError

__all__ = ["CellElements", "cell_elements", "check_extents", "divided", "merged"]

_CURVED = {"line3": "line", "triangle6": "triangle", "quad9": "quad", "tetra10": "tetra", "hexahedron27": "hexahedron"}
_SERENDIPITY = {"quad8": "quad", "hexahedron20": "hexahedron"}
_FULL = {"quad8": "quad9", "hexahedron20": "hexahedron27"}
_NEEDED = "needed lines, triangles, quads, tetrahedra or hexahedra"


class CellElements(NamedTuple):
    """``points`` (n, d); ``parts``: type and nodes (m, k) of the elements, in the order of ``blocks``."""

    points: Floats
    parts: list[tuple[str, Ints]]
    blocks: list[Block]

    @property
    def shape(self) -> Shape | None:
        """The shape of all elements, None if they are of several types or of one that must be divided."""
        kinds = {_CURVED.get(kind, kind) for kind, _ in self.parts}
        return cast(Shape, kinds.copy().pop()) if len(kinds) == 1 and kinds <= set(SHAPES) else None


def cell_elements(name: str, data: MeshData) -> CellElements:
    """The elements of the highest dimension, their points in that dimension. Raises MeshError for what is no cell."""
    counts: Counter[str] = Counter()
    dims = {}
    for block in data.blocks:
        counts[block.kind.name] += len(block.nodes)
        dims[block.kind.name] = block.kind.dim if len(block.nodes) else 0
    top = max(dims.values(), default=0)
    kinds = sorted(kind for kind, dim in dims.items() if dim == top and counts[kind])
    _check_kinds(name, kinds, top, ", ".join(f"{counts[kind]} {kind}" for kind in kinds) or "none")
    blocks = [b for b in data.blocks if b.kind.dim == top and len(b.nodes)]
    points = _in_dimension(name, data.points, blocks, top)
    parts = []
    for kind in kinds:
        nodes = np.vstack([block.nodes for block in blocks if block.kind.name == kind])
        if kind in _SERENDIPITY:
            points, nodes = completed(points, nodes, cast(Shape, _SERENDIPITY[kind]))
        parts.append((_FULL.get(kind, kind), nodes))
    points, parts = _without_orphans(points, parts)
    return CellElements(points, parts, [b for kind in kinds for b in blocks if b.kind.name == kind])


def check_extents(name: str, found: CellElements, tolerance: float) -> None:
    """Raises MeshError for elements no longer than the tolerance, a length: all their nodes would be one.

    One coordinate that is far off makes the period, and with it the tolerance, larger than the elements.
    """
    small = 0
    for _, nodes in found.parts:
        small += int(np.count_nonzero(~(extents(found.points, nodes) > tolerance)))
    if small:
        total = sum(len(nodes) for _, nodes in found.parts)
        raise MeshError(
            f"{name}: {small} of {total} elements are not longer than the tolerance {tolerance:.1e}, so have no "
            "volume. Check the coordinates for a point that is far off, give the period, or lower match_tol."
        )


def merged(found: CellElements, tolerance: float) -> CellElements:
    """Nodes within the tolerance, a length, as one."""
    first = merged_nodes(found.points, tolerance)
    return found._replace(parts=[(kind, first[nodes]) for kind, nodes in found.parts])


def divided(name: str, found: CellElements, period: Floats, match_tol: float) -> tuple[CellElements, Ints]:
    """All elements as simplices, and the element (s,) each comes from. Raises MeshError."""
    ranks = periodic_ranks(found.points, period, match_tol)
    elements, parents = simplices(name, found.points, found.parts, ranks)
    kind = "triangle" if elements.shape[1] == 3 else "tetra"
    return found._replace(parts=[(kind, elements)]), parents


def _without_orphans(points: Floats, parts: list[tuple[str, Ints]]) -> tuple[Floats, list[tuple[str, Ints]]]:
    """Without points of no element, whose coordinates may be anything."""
    used = _used(points, [nodes for _, nodes in parts])
    if used.all():
        return points, parts
    renumbered = np.cumsum(used) - 1
    return points[used], [(kind, np.asarray(renumbered[nodes])) for kind, nodes in parts]


def _used(points: Floats, rows: Sequence[Ints]) -> NDArray[np.bool_]:
    """Which points (n,) elements refer to."""
    used = np.zeros(len(points), dtype=bool)
    for nodes in rows:
        used[nodes] = True
    return used


def _check_kinds(name: str, kinds: list[str], dim: int, listed: str) -> None:
    if dim == 0:
        raise MeshError(f"{name}: got no elements ({listed}), {_NEEDED}.")
    full = {_FULL.get(kind, kind) for kind in kinds}
    if (len(full) == 1 and full <= {*SHAPES, *_CURVED}) or full <= set(DIVISIBLE.get(dim, ())):
        return
    if len(full) > 1:
        raise MeshError(
            f"{name}: got elements of mixed types ({listed}), needed one type, or types of first order only. Remesh "
            "with one type, or write first-order elements (gmsh: Mesh.ElementOrder=1)."
        )
    raise MeshError(
        f"{name}: got elements of a type that is not known here ({listed}), {_NEEDED}, of first or second order, or "
        "wedges and pyramids of first order. Remesh, or lower the order (gmsh: Mesh.ElementOrder)."
    )


def _in_dimension(name: str, points: Floats, blocks: Sequence[Block], dim: int) -> Floats:
    """The first ``dim`` coordinates; the others must be constant over the points in use."""
    least, greatest = min(int(b.nodes.min()) for b in blocks), max(int(b.nodes.max()) for b in blocks)
    if least < 0 or greatest >= len(points):
        raise MeshError(
            f"{name}: elements refer to points {least} to {greatest}, but there are "
            f"{len(points)} points (0 the first). Write the mesh anew."
        )
    used = points[_used(points, [b.nodes for b in blocks])]
    bad = np.flatnonzero(~np.isfinite(used).all(axis=1))
    if len(bad):
        raise MeshError(
            f"{name}: {len(bad)} of {len(used)} points have coordinates that are not finite, e.g. "
            f"{used[bad[0]].tolist()}. Write the mesh anew."
        )
    spans = np.ptp(used, axis=0)
    if len(spans) < dim or spans[dim:].max(initial=0.0) > 1e-9 * spans.max():
        needed = ("along x (y and z constant)", "in a plane z = constant", "in three coordinates")[dim - 1]
        raise MeshError(
            f"{name}: elements of dimension {dim} extend over {spans.tolist()} in x, y, z, needed a mesh "
            f"{needed}. Rotate the mesh, or mesh the volume."
        )
    return points[:, :dim]
