"""Built-in cells: {sum_i t_i p_i, 0 <= t_i <= 1} cut into n^d boxes of polynomial order p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cellsolve.cells.lattices import as_period
from cellsolve.cells.shapes import Floats
from cellsolve.errors import MeshError

__all__ = ["MAX_ORDER", "BoxCell", "box_cell"]

MAX_ORDER = 16


@dataclass(frozen=True, slots=True, eq=False)
class BoxCell:
    """A cell without a mesh file. ``n`` boxes a side, polynomial ``order``; None: the tolerance chooses.

    ``period`` (d, d), rows are the period vectors; stored read-only. Raises MeshError.
    """

    dim: int
    n: int | None
    order: int | None
    period: Floats

    def __post_init__(self) -> None:
        if not _is_count(self.dim, 3):
            raise MeshError(f"box: got dim = {self.dim!r}, needed 1, 2 or 3.")
        if self.n is not None and not _is_count(self.n, None):
            raise MeshError(f"box: got n = {self.n!r}, needed a whole number of boxes a side, 1 or more, or None.")
        if self.order is not None and not _is_count(self.order, MAX_ORDER):
            raise MeshError(f"box: got order = {self.order!r}, needed a whole number from 1 to {MAX_ORDER}, or None.")
        period = as_period("box", self.period, self.dim)
        period.setflags(write=False)
        object.__setattr__(self, "period", period)

    @property
    def name(self) -> str:
        """What messages call this cell."""
        return "box"

    @property
    def regions(self) -> dict[str, float]:
        """Volume fractions: the box is one region."""
        return {"cell": 1.0}

    @property
    def porosity(self) -> float:
        """A box has no pores."""
        return 0.0

    @property
    def volume(self) -> float:
        """|det(p_1 .. p_d)|."""
        return float(abs(np.linalg.det(self.period)))


def box_cell(dim: int, n: int | None = None, order: int | None = None, period: ArrayLike | None = None) -> BoxCell:
    """A box cell; ``period`` (d, d) rows, the unit vectors by default. Raises MeshError."""
    rows = np.eye(dim) if period is None and _is_count(dim, 3) else np.asarray(period, dtype=object)
    return BoxCell(dim, n, order, rows)


def _is_count(value: object, greatest: int | None) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return False
    return bool(value >= 1 and (greatest is None or value <= greatest))
