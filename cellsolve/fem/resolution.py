"""The spaces to try on a cell, coarse to fine: each is judged by the next one.

Box cells without a resolution of their own offer a ladder that fits the coefficient: trigonometric polynomials where it
is smooth, elements where it is sharp or of high contrast. A cell whose resolution is fixed (a mesh file, or a box with
n and order given) offers that one, and another only to measure its error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from cellsolve.cells import BoxCell, UnitCell
from cellsolve.fem.box_space import BoxSpace, element_box, is_upright, trigonometric_box
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.line_space import LineSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.smoothness import Look, Need, needed_resolution, terrain_of
from cellsolve.fem.space import FloatArray
from cellsolve.fem.wells import is_cold

__all__ = ["Cell", "Ladder", "Space", "TensorSpace", "fitted_elements", "fitted_ladder", "space_ladder"]

Cell = BoxCell | UnitCell
TensorSpace = BoxSpace | LineSpace
Space = TensorSpace | MeshSpace | CoupledSpace
Maker = Callable[[], Space]

# n is a power of two, so that edges at dyadic places coincide with element faces.
_BOX_STEPS: dict[int, tuple[tuple[int, int], ...]] = {
    1: tuple((2**j, 8) for j in range(1, 12)),
    2: (*((2, p) for p in (4, 6, 8, 10, 12)), (4, 8), (4, 10), (4, 12), (8, 8), (8, 12), (16, 8), (16, 12), (32, 8)),
    3: (*((2, p) for p in (4, 5, 6, 8, 10, 12)), (4, 8), (4, 10), (8, 6), (8, 8)),
}
_FIXED_ORDER, _FIXED_N = 6, 4
_FEWEST_NODES = {1: 32, 2: 32, 3: 12}  # a side, of boxes that judge others
_HIGH = 4  # orders by which boxes in space are judged by a higher one: twice the elements would be dear

_WAVES = (5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 29, 33, 37, 41, 47, 53, 61, 69, 79, 91, 105)
_MOST_WAVES = {2: 91, 3: 41}

# Green-Jacobi iterations grow with the variation of log K inside one element, and dense derivatives carry rounding from
# large K to small: measured, trigonometric polynomials are the faster ones up to exp(8), and past exp(14), exp(24) ..
# four, eight .. elements a side. The Schroedinger form of isotropic coefficients has no such rounding, up to exp(45).
_ELEMENTS_BY_CONTRAST = ((14.0, 4), (24.0, 8), (60.0, 16), (float("inf"), 32))
_SMOOTH_CONTRAST = {True: 45.0, False: 8.0}  # isotropic on an upright cell, or not
# Steeper and deeper landscapes are solved by their wells, on elements in which log K varies by 14 or so: beyond 20,
# polynomials carry the large K of one side of an element to its other side, and iterations double.
_FALL = 14.0  # of log K along an element
_COLD_ELEMENTS = (8, 12, 16, 24, 32, 48, 64, 96)
_COLD_ORDERS = (4, 5, 6, 7, 8)  # the first space of a ladder has one of the first three
_FINER = 1.2  # nodes a side on more elements to those on fewer
_ROUNDING = 1e-15  # of sqrt(K), relative to its largest value; its Laplacian is wanted relative to its smallest
_ORDERS = (4, 6, 8, 10, 12)
_POINTS_PER_NODE = 1.3  # nodes of elements for one trigonometric node
_MOST_NODES = {2: 400, 3: 100}  # a side


@dataclass(frozen=True, slots=True)
class Ladder:
    """Makers of spaces, coarse to fine. ``fixed``: the first one is used whatever the second one says of it."""

    makers: tuple[Maker, ...]
    fixed: bool


def space_ladder(cell: Cell, order: int = 2, directions: FloatArray | None = None) -> Ladder:
    """The spaces to try on a cell for any coefficient; ``order`` is that of the elements on a mesh, ``directions`` are
    those in which it conducts."""
    if isinstance(cell, UnitCell):
        other = order - 1 if order > 1 else 2
        if cell.periodicity == "mortar":
            return Ladder(tuple(partial(CoupledSpace, cell, p) for p in (order, other)), fixed=True)
        return Ladder(tuple(partial(MeshSpace, cell, p, directions) for p in (order, other)), fixed=True)
    if cell.n is None and cell.order is None:
        return Ladder(tuple(_elements(cell, n, p) for n, p in _BOX_STEPS[cell.dim]), fixed=False)
    n, p = cell.n or _FIXED_N, cell.order or _FIXED_ORDER
    return Ladder((_elements(cell, n, p), _elements(cell, *_judge(cell.dim, n, p))), fixed=True)


def _judge(dim: int, n: int, order: int) -> tuple[int, int]:
    """Elements a side, a multiple of n, and the order of a box that tells how good another one is."""
    if dim == 3 and order >= _HIGH:
        return n, order + 2
    return n * max(2, -(-_FEWEST_NODES[dim] // (n * (order + 1)))), order + 1


def fitted_ladder(cell: Cell, look: Look, tol: float, order: int = 2, directions: FloatArray | None = None) -> Ladder:
    """The spaces to try on a cell for coefficients that can be looked at on any grid, to reach an error ``tol``."""
    general = space_ladder(cell, order, directions)
    if general.fixed or cell.dim == 1:
        return general
    assert isinstance(cell, BoxCell)
    need = needed_resolution(look, cell.dim, cell.period, tol)
    digits = float(np.log(max(tol / _ROUNDING, 1.0)))
    if need is not None and need.log_contrast <= digits:
        return _smooth_ladder(cell, need) or _element_ladder(cell, need)
    terrain = terrain_of(look, cell.dim, cell.period)
    if need is not None and need.log_contrast <= 2.0 * digits and terrain.depth <= digits:
        smooth = _smooth_ladder(cell, need)
        if smooth is not None:
            return smooth
    if is_cold(terrain.log_contrast, terrain.depth) and np.isfinite(terrain.steepness):
        return _cold_ladder(cell, terrain.steepness, 0 if need is None else need.nodes)
    return general if need is None else _element_ladder(cell, need)


def _smooth_ladder(cell: BoxCell, need: Need) -> Ladder | None:
    """Trigonometric polynomials, where they bear the contrast."""
    bearable = _SMOOTH_CONTRAST[need.isotropic and is_upright(cell.period)]
    if need.log_contrast > bearable or need.nodes > _MOST_WAVES[cell.dim]:
        return None
    waves = [n for n in _WAVES if n >= need.nodes]
    return Ladder(tuple(partial(trigonometric_box, cell.dim, n, cell.period) for n in waves), fixed=False)


def _element_ladder(cell: BoxCell, need: Need) -> Ladder:
    steps = _steps(cell.dim, need.nodes, need.log_contrast)
    return Ladder(tuple(_elements(cell, n, p) for n, p in steps), fixed=False)


def _cold_ladder(cell: BoxCell, steepness: float, needed: int) -> Ladder:
    """Elements in which log K falls little, of low order: resolution follows sqrt(sigma / |V''|) then as well."""
    steep_enough = [n for n in _COLD_ELEMENTS if n * _FALL >= steepness] or [_COLD_ELEMENTS[-1]]
    steps, least = list[tuple[int, int]](), _POINTS_PER_NODE * needed
    for n in steep_enough:
        if n * _COLD_ORDERS[2] >= least:
            steps += [(n, p) for p in _COLD_ORDERS if least <= n * p <= _MOST_NODES[cell.dim]]
            least = _FINER * n * _COLD_ORDERS[-1]
    return Ladder(tuple(_elements(cell, n, p) for n, p in steps), fixed=False)


def fitted_elements(cell: Cell, look: Look, tol: float) -> Ladder:
    """The same of finite elements alone, between whose nodes energies can be told."""
    general = space_ladder(cell)
    if general.fixed or cell.dim == 1:
        return general
    assert isinstance(cell, BoxCell)
    need = needed_resolution(look, cell.dim, cell.period, tol)
    if need is None:
        return general
    return Ladder(tuple(_elements(cell, n, p) for n, p in _steps(cell.dim, need.nodes, need.log_contrast)), fixed=False)


def _steps(dim: int, needed: int, contrast: float) -> list[tuple[int, int]]:
    """Elements a side by the contrast, orders from what ``needed`` trigonometric nodes ask for, then more elements."""
    n = next(count for limit, count in _ELEMENTS_BY_CONTRAST if contrast <= limit)
    steps = list[tuple[int, int]]()
    while n * _ORDERS[0] <= _MOST_NODES[dim]:
        least = max(_POINTS_PER_NODE * needed, 0 if not steps else steps[-1][0] * steps[-1][1] + 1)
        steps += [(n, p) for p in _ORDERS if least <= n * p <= _MOST_NODES[dim]]
        n *= 2
    return steps


def _elements(cell: BoxCell, n: int, order: int) -> Maker:
    if cell.dim == 1:
        return partial(LineSpace, n, order, cell.period)
    return partial(element_box, cell.dim, n, order, cell.period)
