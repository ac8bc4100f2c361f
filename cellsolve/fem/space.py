"""The one discrete operator: on any cell, a cell problem is gradients D, weights w and points y_q.

    A(K) = D^T diag(w K) D,     b_r = -D^T (w K g_r),     T_rs = sum_q w_q (g_r + D theta_r)_q^T K_q (g_s + D theta_s)_q

The imposed gradients g_r, r = 1 .. m, are the unit vectors, and T is K_hom; on cells that do not conduct in all
directions they are fewer.

Shapes: functions (..., n), gradients and fluxes (..., d, q), coefficients (b, q) where K is a multiple of the
identity and (b, d, d, q) where it is a tensor. In memory the problems b run fastest (`batch_fastest`): results do not
depend on that, speed does. Weights sum to the fraction of the period that the cell fills,
so every sum over q is an average over the whole period.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "PeriodicSpace", "batch_fastest", "batch_first", "batch_last", "flux", "of_problems"]

FloatArray = npt.NDArray[np.float64]


class PeriodicSpace(Protocol):
    """Periodic finite elements on one unit cell."""

    @property
    def dim(self) -> int:
        """Space dimension d."""
        ...

    @property
    def n_dofs(self) -> int:
        """Unknowns n of one corrector component (constants included)."""
        ...

    @property
    def points(self) -> FloatArray:
        """Quadrature points y_q (q, d), in the cell's unit of length."""
        ...

    @property
    def weights(self) -> FloatArray:
        """Quadrature weights (q,) over the volume of the period."""
        ...

    @property
    def nodes(self) -> FloatArray:
        """Locations (n, d) of the nodal unknowns."""
        ...

    @property
    def imposed(self) -> FloatArray:
        """The imposed gradients g (m, d, q), or (m, d, 1) where they are constant."""
        ...

    def gradient(self, u: FloatArray) -> FloatArray:
        """D u at the quadrature points: (..., n) -> (..., d, q)."""
        ...

    def divergence(self, field: FloatArray) -> FloatArray:
        """D^T applied to a field that carries its weights: (..., d, q) -> (..., n)."""
        ...


def batch_fastest(values: FloatArray) -> FloatArray:
    """The same array (b, ..), kept in memory so that its first axis runs fastest."""
    return batch_first(np.ascontiguousarray(batch_last(values)))


def batch_last(values: FloatArray) -> FloatArray:
    """(b, ..) seen as (.., b)."""
    return values.transpose(*range(1, values.ndim), 0)


def batch_first(values: FloatArray) -> FloatArray:
    """(.., b) seen as (b, ..)."""
    return values.transpose(values.ndim - 1, *range(values.ndim - 1))


def of_problems(values: FloatArray, rows: npt.NDArray[np.int64]) -> FloatArray:
    """The problems ``rows``, in ascending order, of an array (b, ..), kept like it."""
    if len(rows) == len(values):
        return values
    return batch_first(batch_last(values).take(rows, axis=-1))


def flux(K: FloatArray, field: FloatArray) -> FloatArray:
    """K times a field: (b, q) or (b, d, d, q) with (b, r, d, q) -> (b, r, d, q)."""
    if K.ndim == 2:
        return K[:, None, None, :] * field
    result = np.empty_like(field)
    for i in range(K.shape[1]):
        np.multiply(K[:, None, i, 0], field[:, :, 0], out=result[:, :, i])
        for j in range(1, K.shape[1]):
            result[:, :, i] += K[:, None, i, j] * field[:, :, j]
    return result
