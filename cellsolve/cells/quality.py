"""Quality of the elements of a cell, curved ones included."""

from __future__ import annotations

import numpy as np

from cellsolve.cells.curved import curved_determinants
from cellsolve.cells.shapes import Floats, quality
from cellsolve.cells.unit_cell import UnitCell

__all__ = ["cell_quality"]


def cell_quality(cell: UnitCell) -> tuple[str, Floats]:
    """Name and values (m,) of the quality of the corners (``quality``), times min det J / max det J if curved.

    1 for the best element and 0 for a degenerate one. det J is taken at the nodes and quadrature points.
    """
    name, values = quality(cell.points, cell.elements, cell.shape)
    if cell.middles is None:
        return name, values
    at = curved_determinants(cell.points, np.hstack([cell.elements, cell.middles]), cell.shape)
    return f"{name} times min/max Jacobian", values * at.min(axis=0) / at.max(axis=0)
