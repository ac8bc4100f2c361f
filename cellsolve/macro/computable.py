"""At which macroscopic points do the cell problems exist? Asked after some of them were found to be missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CoefficientError, ConvergenceError
from cellsolve.fem.resolution import Cell, Space, space_ladder
from cellsolve.fem.space import FloatArray
from cellsolve.multiscale.level import level_coefficient
from cellsolve.potentials import Level, Potential, levels_of, macroscopic_terms

__all__ = ["NowhereDefinedError", "PartlyDefinedError", "computable"]

_PLACES = 16  # of the variables outside a level
_FINEST = 6  # rungs of a ladder that are looked at at most
_BATCH = 64


class NowhereDefinedError(CoefficientError):
    """At this temperature no macroscopic point that was asked for has cell problems; at another one some may."""


class PartlyDefinedError(CoefficientError, ConvergenceError):
    """Some points have no cell problems; ``result`` has the others."""


def computable(potential: Potential, sigma: float, cells: Sequence[Cell], x: FloatArray) -> npt.NDArray[np.bool_]:
    """(R,): is exp(-V1/sigma) a coefficient, finite and within the range of numbers, on all levels at the points x
    (R, d), and V0 finite?  The same conditions are put as when it is solved, on a grid in y_k at some places of
    y_1 .. y_(k-1)."""
    random = np.random.default_rng(5)
    outside = [random.random((_PLACES, potential.dim)) @ np.asarray(cell.period) for cell in cells]
    spaces = [_space(cell) for cell in cells]
    found = _slow_is_finite(potential, x)
    for level in levels_of(potential):
        rows = np.flatnonzero(found)
        for some in np.array_split(rows, -(-len(rows) // _BATCH) or 1):
            found[some] = _computable(level, spaces[level.number - 1], sigma, x[some], outside[: level.number - 1])
    return found


def _slow_is_finite(potential: Potential, x: FloatArray) -> npt.NDArray[np.bool_]:
    """Of V0 and its gradient, and of the terms of V1 in x alone."""
    slow = [*macroscopic_terms(potential), *([] if potential.V0 is None else [potential.V0])]
    slow += [term.derivative(i) for term in slow for i in range(potential.dim)]
    with np.errstate(all="ignore"):
        values = [np.broadcast_to(term.evaluate({"x": tuple(x.T)}), len(x)) for term in slow]
    return np.asarray(np.isfinite(np.array([np.zeros(len(x)), *values])).all(axis=0))


def _space(cell: Cell) -> Space:
    makers = space_ladder(cell).makers
    return makers[min(_FINEST, len(makers)) - 1]()


def _computable(
    level: Level, space: Space, sigma: float, x: FloatArray, outside: Sequence[FloatArray]
) -> npt.NDArray[np.bool_]:
    """Halved until those that fail stand alone."""
    if not len(x) or _exists(level, space, sigma, x, outside):
        return np.ones(len(x), dtype=np.bool_)
    if len(x) == 1:
        return np.zeros(1, dtype=np.bool_)
    half = len(x) // 2
    return np.concatenate([_computable(level, space, sigma, part, outside) for part in (x[:half], x[half:])])


def _exists(level: Level, space: Space, sigma: float, x: FloatArray, outside: Sequence[FloatArray]) -> bool:
    places = _PLACES if outside else 1
    points = {"x": tuple(np.repeat(x, places, axis=0).T)}
    points |= {f"y{k}": tuple(np.tile(y, (len(x), 1)).T) for k, y in enumerate(outside, start=1)}
    try:
        with np.errstate(all="ignore"):
            level_coefficient(level, space, sigma, points, None, (), len(x) * places)
    except CoefficientError:
        return False
    return True
