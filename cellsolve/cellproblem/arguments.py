"""What the caller of a cell problem may ask for."""

from __future__ import annotations

from typing import get_args

import numpy as np

from cellsolve.cellproblem.refinement import Refinement
from cellsolve.cells import UnitCell
from cellsolve.errors import CoefficientError
from cellsolve.fem.lagrange import check_order
from cellsolve.fem.resolution import Cell

__all__ = ["check_arguments"]


def check_arguments(cell: Cell, order: int, tol: float, bounds: bool, refine: Refinement | None) -> None:
    """Raises CoefficientError, or MeshError for an order that the elements do not have."""
    if not hasattr(cell, "period"):
        raise CoefficientError(f"got a {type(cell).__name__} as cell, needed one of read_cell or box_cell.")
    if isinstance(cell, UnitCell):
        check_order(cell, order)
    if isinstance(tol, bool) or not isinstance(tol, int | float) or not 1e-14 <= tol < 1:
        raise CoefficientError(f"got tol = {tol!r}, needed a relative error between 1e-14 and 1.")
    if not isinstance(bounds, bool | np.bool_):
        raise CoefficientError(f"got bounds = {bounds!r}, needed True or False.")
    if refine is not None and refine not in get_args(Refinement):
        raise CoefficientError(f"got refine = {refine!r}, needed one of {', '.join(get_args(Refinement))} or None.")
    if (bounds or refine) and isinstance(cell, UnitCell) and cell.periodicity != "exact":
        raise CoefficientError(
            f"{cell.name}: got bounds or refine on a cell whose sides do not match, needed ones that do: functions on "
            "coupled sides jump, and their energies are no bounds. Remesh with a periodic constraint."
        )
    if refine is not None and not isinstance(cell, UnitCell):
        raise CoefficientError(
            f"got refine = {refine!r} on a box cell, needed a mesh: boxes without n and order choose them to meet tol. "
            "Leave refine out."
        )
