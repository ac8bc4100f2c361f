"""Derivatives of effective tensors at no extra solve: K_hom is a minimum, so the correctors need no derivative.

dK_hom/dp = int (I + grad theta)^T (dK/dp) (I + grad theta) dy
"""

from __future__ import annotations

from cellsolve.fem.space import FloatArray, flux
from cellsolve.linalg.cg import energy_tensor

__all__ = ["energy_derivative"]


def energy_derivative(E: FloatArray, dK: FloatArray, weights: FloatArray) -> FloatArray:
    """From total gradients E = I + grad theta (b, d, d, q) and dK/dp (b, q) or (b, d, d, q) to dK_hom/dp (b, d, d)."""
    return energy_tensor(E, flux(weights * dK, E))
