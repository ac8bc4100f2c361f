"""Is V1 periodic in each fast variable, with the period of its cell? Checked at a few places before all else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellsolve.errors import CoefficientError
from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.potentials import Potential

__all__ = ["check_periodic"]

_PLACES = 8


def check_periodic(potential: Potential, cells: Sequence[Cell], x: FloatArray) -> None:
    """Raise CoefficientError where V1(.., y_k + period, ..) differs from V1(.., y_k, ..)."""
    random = np.random.default_rng(7)
    places = x[random.integers(0, len(x), _PLACES)]
    ys = [random.random((_PLACES, potential.dim)) @ np.asarray(cell.period) for cell in cells]
    here = potential.evaluate_V1(places, *ys)
    for k, cell in enumerate(cells):
        for i, vector in enumerate(np.asarray(cell.period)):
            moved = [y + vector if j == k else y for j, y in enumerate(ys)]
            change = np.abs(potential.evaluate_V1(places, *moved) - here)
            if change.max() > 1e-8 * (1.0 + np.abs(here).max()):
                raise CoefficientError(
                    f"V1 is not periodic in y{k + 1}: moved by the period vector {vector.tolist()} (number {i}) it "
                    f"changes by {change.max():.3g}; needed the same value. Write V1 with the period of the cell, "
                    "or give a cell with the period of V1."
                )
