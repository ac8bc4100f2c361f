"""How many nodes a coefficient needs, by its Fourier spectrum on a fine grid.

    error of K_hom with n^d trigonometric nodes  ~  ( sum_(|m| >= (n + 1)/2) a_m )^2,  a_m = |f_m| / |f_0|, f = K, 1/K

The energy error is the square of what the space cannot represent, and correctors are about as smooth as the
coefficient and its inverse. (Measured for exp(-V/sigma), osc V/sigma up to 6: at most 3.5 times as large, mostly less.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cellsolve.fem.box_space import BoxSpace, along_axes, trigonometric_box
from cellsolve.fem.space import FloatArray
from cellsolve.fem.trigonometric_line import trigonometric_matrix
from cellsolve.fem.wells import depth

__all__ = ["Look", "Need", "Terrain", "needed_resolution", "terrain_of"]

Look = Callable[[BoxSpace], FloatArray]  # coefficients (b, q) or (b, d, d, q) at the points of a space

_OTHER_NODES = 13  # a side, of a grid on which what a view says is checked
_JUMP = 1.4  # of slopes on a grid twice as fine: smooth functions have about the same
_VIEWS = {2: (31, 63, 127), 3: (17, 31, 47)}  # nodes a side of the grids on which spectra are taken


@dataclass(frozen=True, slots=True)
class Need:
    """``nodes``: the smallest odd n whose predicted error is small enough; ``log_contrast``: log max K / min K;
    ``isotropic``: are all coefficients multiples of the identity?"""

    nodes: int
    log_contrast: float
    isotropic: bool


@dataclass(frozen=True, slots=True)
class Terrain:
    """Of log K, the largest of all coefficients: ``log_contrast`` its range, ``depth`` how far its lowest pass lies
    below its top, ``steepness`` its change over a whole period vector at its largest slope; infinite where it jumps."""

    log_contrast: float
    depth: float
    steepness: float


def terrain_of(look: Look, dim: int, period: FloatArray) -> Terrain:
    """What coefficients look like on the two finest grids."""
    logs = [_logs(look(trigonometric_box(dim, n, period)), dim, n) for n in _VIEWS[dim][-2:]]
    coarse, fine = (max(_steepness(one) for one in grids) for grids in logs)
    last = logs[-1]
    return Terrain(
        log_contrast=max(float(np.ptp(one)) for one in last),
        depth=max(depth(one) for one in last),
        steepness=fine if fine <= _JUMP * coarse else np.inf,
    )


def _logs(K: FloatArray, dim: int, count: int) -> list[FloatArray]:
    """log trace K of each coefficient, on its grid."""
    kappa = K if K.ndim == 2 else np.einsum("biiq->bq", K)
    return list(np.log(kappa).reshape((-1,) + (count,) * dim))


def _steepness(grid: FloatArray) -> float:
    return max(float(np.abs(np.roll(grid, -1, axis) - grid).max()) * len(grid) for axis in range(grid.ndim))


def needed_resolution(look: Look, dim: int, period: FloatArray, tol: float) -> Need | None:
    """What coefficients need for an error ``tol``; None where no grid shows their spectra fall that low."""
    for count in _VIEWS[dim]:
        K = look(trigonometric_box(dim, count, period))
        amplitudes = _amplitudes(K, dim, count)
        beyond = np.cumsum(amplitudes[:, ::-1], axis=1)[:, ::-1].max(axis=0)  # sum over m >= its index
        enough = np.flatnonzero(beyond**2 <= tol)
        if len(enough) and enough[0] <= 0.8 * (count // 2) and _seen(look, K, dim, period, count, tol):
            return Need(max(2 * int(enough[0]) - 1, 3), _log_contrast(K), K.ndim == 2)
    return None


def _seen(look: Look, K: FloatArray, dim: int, period: FloatArray, count: int, tol: float) -> bool:
    """Do the values K on ``count`` nodes give those on others, up to a factor for each problem? Waves that alias on the
    ones do not on the others."""
    other = trigonometric_box(dim, _OTHER_NODES, period)
    matrix, actual = trigonometric_matrix(count, other.axis_points), look(other)
    grid = K.reshape((-1,) + (count,) * dim + (1,))
    there, actual = along_axes(matrix, grid).reshape(len(K), -1), actual.reshape(len(K), -1)
    factor = np.einsum("bq,bq->b", there, actual) / np.einsum("bq,bq->b", actual, actual)
    off = np.abs(there - factor[:, None] * actual).max(axis=1)
    return bool((off <= (10.0 * np.sqrt(tol) + 1e-6) * np.abs(there).max(axis=1)).all())


def _log_contrast(K: FloatArray) -> float:
    """Of the problem where it is largest."""
    kappa = K if K.ndim == 2 else np.einsum("biiq->bq", K)
    return float(np.log(kappa.max(axis=-1) / kappa.min(axis=-1)).max())


def _amplitudes(K: FloatArray, dim: int, count: int) -> FloatArray:
    """(fields, count // 2 + 1): the largest a_m with |m| along any axis, for K and its inverse."""
    fields = np.concatenate([_relative(K, dim), _relative(_inverse(K), dim)])
    modes = np.abs(np.fft.rfftn(fields.reshape((-1,) + (count,) * dim), axes=range(1, dim + 1))) / count**dim
    half = count // 2
    result: FloatArray = modes.max(axis=tuple(range(1, dim)))
    for axis in range(1, dim):
        others = tuple(a for a in range(1, dim + 1) if a != axis)
        along = modes.max(axis=others)
        along[:, 1 : half + 1] = np.maximum(along[:, 1 : half + 1], along[:, :half:-1])
        result = np.maximum(result, along[:, : half + 1])
    return result


def _relative(K: FloatArray, dim: int) -> FloatArray:
    """Components (b, c, q) over the mean of the trace."""
    parts = K[:, None] if K.ndim == 2 else K.reshape(len(K), dim * dim, -1)
    mean = K.mean(axis=-1) if K.ndim == 2 else np.einsum("biiq->b", K) / (dim * K.shape[-1])
    result: FloatArray = (parts / mean[:, None, None]).reshape(-1, K.shape[-1])
    return result


def _inverse(K: FloatArray) -> FloatArray:
    if K.ndim == 2:
        return 1.0 / K
    inverse: FloatArray = np.moveaxis(np.asarray(np.linalg.inv(np.moveaxis(K, -1, 1)), dtype=float), 1, -1)
    return inverse
