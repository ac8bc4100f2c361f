"""Green: the inverse of a constant-coefficient operator; Green-Jacobi: the same between square roots of a diagonal.

    G = (-div C0 grad)^-1,      M = J^(1/2) G J^(1/2),   J = 1 / kappa at the nodes

kappa = trace K / d. For exp(-V/sigma) the substitution v = sqrt(kappa) u turns A into a Laplacian plus a smooth term
(Concus, Golub 1973), which is why the scaled Green operator hardly sees the contrast (Ladecky et al. 2025).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.box_space import BoxSpace, along_axes
from cellsolve.fem.space import FloatArray, batch_fastest, batch_first, batch_last, of_problems
from cellsolve.linalg.preconditioner import Preconditioner

__all__ = ["BoxGreen", "Scaled", "box_green", "box_green_jacobi", "is_smooth", "isotropic_part"]

IntArray = npt.NDArray[np.int64]

# Weight of the constant mode against the slowest one. Constants do not matter to A, but dropping them altogether costs
# the scaled operator a few per cent more iterations: its null vector is sqrt(kappa), not 1.
_CONSTANT_SHARE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class BoxGreen:
    """Fast diagonalization: G = (S x S) (sum_k c_k lambda_k)^-1 (S x S)^T."""

    modes: FloatArray  # (n1, n1)
    inverse: FloatArray  # (n1, .., n1, 1 or b)

    def apply(self, R: FloatArray) -> FloatArray:
        last = batch_last(R)
        grid = along_axes(self.modes.T, last.reshape((-1, *self.inverse.shape[:-1], last.shape[-1])))
        grid *= self.inverse
        return batch_first(along_axes(self.modes, grid).reshape(last.shape))

    def take(self, rows: IntArray) -> BoxGreen:
        return self if self.inverse.shape[-1] == 1 else BoxGreen(self.modes, self.inverse.take(rows, axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """M = J^(1/2) G J^(1/2) for any preconditioner G."""

    inner: Preconditioner
    root: FloatArray  # (b, 1, n) square root of J

    def apply(self, R: FloatArray) -> FloatArray:
        z = self.inner.apply(self.root * R)
        z *= self.root
        return z

    def take(self, rows: IntArray) -> Scaled:
        return Scaled(self.inner.take(rows), of_problems(self.root, rows))


def box_green(space: BoxSpace, K: FloatArray) -> BoxGreen:
    """The Green operator of the average shape of K (b, q) or (b, d, d, q), diagonal in the directions of the box."""
    dim, line = space.dim, space.line
    grids = np.meshgrid(*[line.eigenvalues] * dim, indexing="ij")
    ratios = _directional_shares(space, K)
    total = sum(grids[k][..., None] * ratios[:, k] for k in range(dim))
    positive = np.asarray(total) > 0
    constant_mode = _CONSTANT_SHARE / np.where(positive, total, np.inf).min()
    inverse = np.divide(1.0, total, out=np.full_like(total, constant_mode), where=positive)
    return BoxGreen(line.modes, inverse)


def box_green_jacobi(space: BoxSpace, K: FloatArray) -> Scaled:
    """Green-Jacobi with kappa carried to the nodes by interpolation of log kappa inside the elements."""
    kappa = isotropic_part(K, space.dim)
    if space.is_collocated:
        return Scaled(box_green(space, K), batch_fastest(1.0 / np.sqrt(kappa))[:, None])
    at_nodes = along_axes(space.line.to_nodes, np.log(kappa).reshape(_grid_shape(space)))
    root = np.exp(-0.5 * at_nodes).reshape(len(K), 1, space.n_dofs)
    return Scaled(box_green(space, K), batch_fastest(root))


def is_smooth(space: BoxSpace, K: FloatArray) -> bool:
    """Does log kappa survive the way to the nodes and back? A jump loses half its height, a smooth field little."""
    if space.is_collocated:
        return True
    log_kappa = np.log(isotropic_part(K, space.dim)).reshape(_grid_shape(space))
    back = along_axes(space.line.values, along_axes(space.line.to_nodes, log_kappa))
    return bool(np.abs(back - log_kappa).max() <= 0.2 * np.ptp(log_kappa))


def isotropic_part(K: FloatArray, dim: int) -> FloatArray:
    """kappa = trace K / d, (b, q)."""
    kappa: FloatArray = K if K.ndim == 2 else np.einsum("biiq->bq", K) / dim
    return kappa


def _grid_shape(space: BoxSpace) -> tuple[int, ...]:
    return (-1,) + (len(space.line.points),) * space.dim + (1,)


def _directional_shares(space: BoxSpace, K: FloatArray) -> FloatArray:
    """Diagonal of the average of P^-T (K / kappa) P^-1: how stiff each direction of the box is, (1 or b, d)."""
    if K.ndim == 2:
        metric = np.eye(space.dim)[None]
    else:
        metric = np.einsum("bijq,bq,q->bij", K, 1.0 / isotropic_part(K, space.dim), space.weights)
    result: FloatArray = np.einsum("ki,bkl,li->bi", space.inverse_period, metric, space.inverse_period)
    return result
