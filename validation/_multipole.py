"""What the multipole computations of arrays of discs and of balls have in common.

    (I -/+ D Q D) z = D e_1,   Q symmetric, of norm < 1 while neighbours do not touch,   D = sqrt|beta|

Q couples the multipoles of a body to those of its neighbours (lattice sums), beta is what a body answers to a field.
The truncation is raised until it no longer matters; where memory ends first, the value is refused.
Rayleigh, Phil. Mag. 34 (1892) 481. Shares no code and no basis with the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, solve

from cellsolve.errors import CoefficientError, ConvergenceError

__all__ = ["ArrayConductivity", "balanced_binomial", "check_array", "dipole", "raise_truncation"]

RELATIVE_CHANGE = 1e-10
_STIRLING = np.array([1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188])


@dataclass(frozen=True, slots=True)
class ArrayConductivity:
    """``value``: effective conductivity in a matrix of 1; ``order``: of the highest multipole kept; ``change``: the
    relative change of the value since the truncation before, of about two thirds that order; seen to cover
    the error, by a factor of 50 and more, up to 0.999999 of the fraction at which discs touch."""

    value: float
    order: int
    change: float


def raise_truncation(name: str, conductivity: Callable[[int], float], orders: Iterable[int]) -> ArrayConductivity:
    """The value at the first order that moves it by less than 1e-10 of itself.

    Raises ConvergenceError with the last value as ``result`` where no order of the list does.
    """
    last, change, order = math.nan, math.inf, 0
    for order in orders:
        value = conductivity(order)
        change, last = abs(value - last) / value, value
        if change <= RELATIVE_CHANGE:
            return ArrayConductivity(value, order, change)
    raise ConvergenceError(
        f"{name}: multipoles to order {order} still move the conductivity by {change:.1e}, needed "
        f"{RELATIVE_CHANGE:.0e}: the bodies almost touch. Lower the fraction or the contrast.",
        result=ArrayConductivity(last, order, change),
    )


def check_array(name: str, fraction: float, packing: float, contrast: float) -> None:
    """Raises CoefficientError unless 0 <= fraction < packing and 0 <= contrast <= inf."""
    if not 0.0 <= fraction < packing:
        raise CoefficientError(
            f"{name}: got the fraction {fraction}, needed 0 or more and less than {packing:.6f}, where neighbours "
            "touch. Lower it."
        )
    if not contrast >= 0.0:
        raise CoefficientError(f"{name}: got the contrast {contrast}, needed 0 to infinity. Give a ratio.")


def dipole(Q: np.ndarray, beta: np.ndarray) -> float:
    """z_1 sqrt|beta_1|, where (I - sign(beta) D Q D) z = D e_1; the beta (n,) have one sign.

    Raises ConvergenceError where rounding has taken away that the matrix is positive definite.
    """
    D = np.sqrt(np.abs(beta))
    matrix = -np.sign(beta[0]) * D[:, None] * Q * D
    matrix[np.diag_indices_from(matrix)] += 1.0
    right = np.zeros(len(D))
    right[0] = D[0]
    try:
        return float(D[0] * solve(matrix, right, assume_a="pos")[0])
    except LinAlgError as error:
        raise ConvergenceError(
            "got a multipole matrix that is not positive definite: the bodies almost touch. Lower the fraction."
        ) from error


def balanced_binomial(n: np.ndarray, m: np.ndarray) -> np.ndarray:
    """binom(n + m, n) / 2^(n + m) for counting numbers, to about 1e-14, without overflow.

    By Stirling's series and its remainder, as in Loader, Fast and accurate computation of binomial probabilities
    (2000): sqrt((n+m) / (2 pi n m)) exp(-n log(2n/(n+m)) - m log(2m/(n+m)) + r(n+m) - r(n) - r(m)).
    """
    n, m = np.broadcast_arrays(np.asarray(n, dtype=float), np.asarray(m, dtype=float))
    a, b = np.maximum(n, 1.0), np.maximum(m, 1.0)
    total = a + b
    exponent = -a * np.log1p((a - b) / total) - b * np.log1p((b - a) / total)
    exponent += _remainder(total) - _remainder(a) - _remainder(b)
    value = np.sqrt(total / (2.0 * np.pi * a * b)) * np.exp(exponent)
    return np.asarray(np.where((n == 0) | (m == 0), np.exp2(-(n + m)), value))


def _remainder(n: np.ndarray) -> np.ndarray:
    """log n! - ((n + 1/2) log n - n + log(2 pi)/2) for n >= 1."""
    small = np.arange(1, 16)
    exact = [math.lgamma(k + 1.0) - ((k + 0.5) * math.log(k) - k + 0.5 * math.log(2.0 * math.pi)) for k in small]
    series = sum(c / n ** (2 * i + 1) for i, c in enumerate(_STIRLING))
    return np.asarray(np.where(n < 16, np.asarray(exact)[np.minimum(n, 15).astype(int) - 1], series))
