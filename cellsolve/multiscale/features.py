"""Features of a potential that samples may miss, looked for on fine grids: the potential costs no cell problem.

Rows are outer variables, x and y_1 .. (R, d) each. What is looked at are the terms of some levels together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.multiscale.level import roughness, terms_at
from cellsolve.multiscale.plan import IntArray, Rows
from cellsolve.potentials import Level

__all__ = ["LOOKED_AT", "by_roughness", "hidden_error", "on_lines", "roughest_line", "sees"]

LOOKED_AT = {1: 64, 2: 256, 3: 256}  # rows that are searched for the roughest
_FINE = {1: 4096, 2: 128, 3: 32}  # places a direction at which a cell is looked at for narrow features
_ALONG = {1: 2048, 2: 128, 3: 32}  # the same on a line, for many rows
_COARSE = {1: 512, 2: 16, 3: 8}  # the same on a cell, for many rows
_LINE = 4096  # the same on the lines that are sampled


def by_roughness(level: Level, rows: Rows, period: FloatArray) -> IntArray:
    """Rows in the order of the largest second difference of the terms of a level in y_k, roughest first."""
    dim, count = len(period), min(len(rows["x"]), LOOKED_AT[len(period)] // 2)
    n = _COARSE[dim]
    some = {name: v[:count] for name, v in rows.items()}
    V = _on_grid([level], level.name, some, _grid(np.arange(n) / n, dim) @ period)
    rough = roughness(V.reshape(count, *(n,) * dim))
    return np.argsort(-rough, kind="stable").astype(np.int64)


def roughest_line(levels: Sequence[Level], rows: Rows, name: str, direction: FloatArray) -> int:
    """The row, all variables fixed, whose line along a direction of ``name`` is the roughest."""
    n = _ALONG[len(direction)]
    V = _on_line(levels, rows, name, direction, n)
    return int(roughness(np.concatenate([V, V[:, :2]], axis=1)).argmax())


def on_lines(levels: Sequence[Level], lines: Rows, inner: Rows, name: str, direction: FloatArray) -> FloatArray:
    """The terms at 4096 places on lines (L,), for each of the inner variables (J, d) in turn: (L J, 4096)."""
    L, J = len(lines[name]), len(next(iter(inner.values())))
    rows = {key: np.repeat(v, J, axis=0) for key, v in lines.items()}
    rows |= {key: np.tile(v, (L, 1)) for key, v in inner.items()}
    return _on_line(levels, rows, name, direction, _LINE)


def hidden_error(V: FloatArray, count: int) -> float:
    """What trigonometric interpolation from so many samples makes of values (.., 4096), at most; it divides 4096."""
    waves = np.fft.rfft(V[:, :: _LINE // count], axis=1)
    waves[:, -1] *= 0.5
    padded = np.zeros((len(V), _LINE // 2 + 1), dtype=complex)
    padded[:, : waves.shape[1]] = waves
    interpolated = np.fft.irfft(padded, _LINE, axis=1) * (_LINE / count)
    return float(np.abs(interpolated - V).max())


def sees(levels: Sequence[Level], name: str, space: Space, rows: Rows, period: FloatArray, sigma: float) -> bool:
    """Does a space see all that the terms do in its variable? Their range at its points, against a fine grid."""
    n = _FINE[space.dim]
    grid = _grid((np.arange(n) + 0.5) / n, space.dim) @ period
    fine, coarse = (np.ptp(_on_grid(levels, name, rows, places), axis=1) for places in (grid, space.points))
    return bool((fine - coarse <= 0.1 * fine + 0.02 * sigma).all())


def _grid(axis: FloatArray, dim: int) -> FloatArray:
    """Fractions of a period (n^d, d)."""
    return np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)


def _on_grid(levels: Sequence[Level], name: str, rows: Rows, places: FloatArray) -> FloatArray:
    """The terms at all places (Q, d) of a variable: (R, Q)."""
    points = {key: tuple(c[:, None] for c in v.T) for key, v in rows.items()}
    points[name] = tuple(y[None] for y in places.T)
    return _total(levels, points, (len(rows["x"]), len(places)))


def _on_line(levels: Sequence[Level], rows: Rows, name: str, direction: FloatArray, count: int) -> FloatArray:
    """The terms at equal steps along a direction of a variable: (R, count)."""
    points = {key: tuple(c[:, None] for c in v.T) for key, v in rows.items()}
    steps = np.arange(count) / count
    points[name] = tuple(c[:, None] + steps * step for c, step in zip(rows[name].T, direction, strict=True))
    return _total(levels, points, (len(rows["x"]), count))


def _total(levels: Sequence[Level], points: dict[str, tuple[FloatArray, ...]], shape: tuple[int, int]) -> FloatArray:
    total = np.zeros(shape)
    for level in levels:
        total += terms_at(level, points, shape)
    return total
