"""Cells whose opposite nodes are a lattice vector apart to the last digit, not only within the matching tolerance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellsolve.cells.lattices import longest_vector, periodic_classes
from cellsolve.cells.unit_cell import UnitCell

__all__ = ["snapped"]

_ROUNDING = 1e-13
"""Tolerance of matching that rounding needs, relative to the longest period vector and to coordinates."""


def snapped(cell: UnitCell) -> UnitCell:
    """The same cell with each node moved, by ``match_tol`` at most, to the first of its copies plus a lattice vector.

    Its own ``match_tol`` is that of rounding, so that elements may become much smaller than the tolerance of the file.
    """
    classes = periodic_classes(cell.points, cell.period, cell.match_tol)
    first = np.unique(classes, return_index=True)[1][classes]
    steps = np.rint((cell.points - cell.points[first]) @ np.linalg.inv(cell.period))
    size = float(np.abs(cell.points).max()) / longest_vector(cell.period)
    tolerance = min(cell.match_tol, _ROUNDING * max(1.0, size))
    return replace(cell, points=cell.points[first] + steps @ cell.period, match_tol=tolerance)
