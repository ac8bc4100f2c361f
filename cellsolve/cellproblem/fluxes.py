"""Fluxes without divergence, whose energies bound effective tensors from below.

    K_hom xi.xi  >=  2 <sigma.xi> - <sigma.K^-1 sigma>,     div sigma = 0, sigma.n = 0 on walls

because <sigma.(xi + grad theta)> = <sigma>.xi. For all combinations sum_k c_k sigma_k of m fluxes at once:

    K_hom >= S D^-1 S^T,     S_ik = <sigma_k>_i,     D_kl = <sigma_k.K^-1 sigma_l>
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cellsolve.fem.space import FloatArray, flux

__all__ = ["Fluxes", "applied", "gap_densities", "inverse_at"]

_ROUNDING = 1e-15  # of the entries of D, relative to its diagonal
_DEPENDENT = 1e-13  # of the largest energy of fluxes scaled alike: a combination of less is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Fluxes:
    """``mean`` S (d, m) and ``energy`` D (m, m) of m fluxes of one coefficient; ``field`` gives them at the quadrature
    points (m, d, q); ``excess``: by how much of D, its trace, iterations stopped too early."""

    mean: FloatArray
    energy: FloatArray
    field: Callable[[], FloatArray]
    excess: float = 0.0

    @property
    def shares(self) -> FloatArray:
        """c = D^-1 S^T (m, d): the combination of fluxes that is best for each mean gradient.

        Fluxes may depend on each other: combinations of which only rounding is left are none.
        """
        scale = 1.0 / np.sqrt(np.diag(self.energy))[:, None]
        D, S = scale * self.energy * scale.T, scale * self.mean.T
        values, vectors = np.linalg.eigh(D)
        some = values > _DEPENDENT * values.max(initial=0.0)
        if some.all():
            best: FloatArray = scale * np.linalg.solve(D, S)
            return best
        kept = vectors[:, some]
        c: FloatArray = scale * (kept / values[some] @ (kept.T @ S))
        return c

    @property
    def early(self) -> float:
        """What stopping early takes from the lower bound, at most: c^T dD c."""
        return float(np.linalg.norm(self.shares, 2) ** 2 * self.excess) if len(self.energy) else 0.0

    @property
    def lower(self) -> FloatArray:
        """S D^-1 S^T (d, d), less what the rounding of D may add to it: c^T dD c, |dD_kl| <= eps sqrt(D_kk D_ll)."""
        c = self.shares
        scaled = np.sqrt(np.diag(self.energy))[:, None] * c
        L: FloatArray = self.mean @ c - _ROUNDING * len(c) * (scaled.T @ scaled)
        return 0.5 * (L + L.T)


def gap_densities(
    fluxes: Fluxes, E: FloatArray, K: FloatArray, weights: FloatArray, directions: FloatArray
) -> FloatArray:
    """Where a bracket is wide (q,): w r.K r, r = E - K^-1 sigma, summed over mean gradients. The sum over q is
    trace(T - S D^-1 S^T).

    ``E`` (m, d, q): total gradients for the mean gradients ``directions`` (m, d); K (q,) or (d, d, q).
    """
    sigma = np.einsum("mk,kiq->miq", directions @ fluxes.shares.T, fluxes.field())
    r = E - applied(inverse_at(K), sigma)
    density: FloatArray = weights * np.einsum("miq,miq->q", r, applied(K, r))
    return density


def inverse_at(K: FloatArray) -> FloatArray:
    """K^-1 at points: (q,) or (d, d, q)."""
    if K.ndim == 1:
        return 1.0 / K
    return np.ascontiguousarray(np.moveaxis(np.linalg.inv(np.moveaxis(K, -1, 0)), 0, -1))


def applied(K: FloatArray, field: FloatArray) -> FloatArray:
    """K times fields (m, d, q)."""
    product: FloatArray = flux(K[None], field[None])[0]
    return product
