"""The spaces to try on a cell, coarse to fine: each is judged by the next one.

Box cells without a resolution of their own offer a ladder of n and p. A cell whose resolution is fixed (a mesh file, or
a box with n and order given) offers that one, and another only to measure its error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cellsolve.cells import BoxCell, UnitCell
from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.line_space import LineSpace
from cellsolve.fem.mesh_space import MeshSpace

__all__ = ["Cell", "Ladder", "Space", "TensorSpace", "space_ladder"]

Cell = BoxCell | UnitCell
TensorSpace = BoxSpace | LineSpace
Space = TensorSpace | MeshSpace

# n is a power of two, so that edges at dyadic places coincide with element faces. Smooth fields want high order on
# few elements; strong ones want more elements, because Green-Jacobi iterations grow with the variation inside one.
_BOX_STEPS: dict[int, tuple[tuple[int, int], ...]] = {
    1: tuple((2**j, 8) for j in range(1, 12)),
    2: (*((2, p) for p in (4, 6, 8, 10, 12)), (4, 8), (4, 10), (4, 12), (8, 8), (8, 12), (16, 8), (16, 12), (32, 8)),
    3: (*((2, p) for p in (4, 5, 6, 8, 10, 12)), (4, 8), (4, 10), (8, 6), (8, 8)),
}
_FIXED_ORDER, _FIXED_N = 6, 4


@dataclass(frozen=True, slots=True)
class Ladder:
    """Makers of spaces, coarse to fine. ``fixed``: the first one is used whatever the second one says of it."""

    makers: tuple[Callable[[], Space], ...]
    fixed: bool


def space_ladder(cell: Cell, order: int = 2) -> Ladder:
    """The spaces to try on a cell; ``order`` is that of the elements on a mesh."""
    if isinstance(cell, UnitCell):
        other = order - 1 if order > 1 else 2
        return Ladder((partial(MeshSpace, cell, order), partial(MeshSpace, cell, other)), fixed=True)
    if cell.n is None and cell.order is None:
        return Ladder(tuple(_box(cell, n, p) for n, p in _BOX_STEPS[cell.dim]), fixed=False)
    n, p = cell.n or _FIXED_N, cell.order or _FIXED_ORDER
    return Ladder((_box(cell, n, p), _box(cell, n, p + 2)), fixed=True)


def _box(cell: BoxCell, n: int, order: int) -> Callable[[], Space]:
    if cell.dim == 1:
        return partial(LineSpace, n, order, cell.period)
    return partial(BoxSpace, cell.dim, n, order, cell.period)
