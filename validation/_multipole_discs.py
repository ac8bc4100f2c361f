"""Effective conductivity of square and hexagonal arrays of circular cylinders, by Rayleigh's method of multipoles.

    u = Re( z + sum_n B_n (-1)^(n-1)/(n-1)! zeta^(n-1)(z) ) in the matrix,     zeta(z) = 1/z - sum_j G_2j z^(2j-1)
    y_n = -beta ( R delta_n1 - sum_m Q_nm y_m ),   B_n = R^n y_n / sqrt n,   beta = (k - 1)/(k + 1)
    Q_nm = sqrt(n m) (n+m-1)!/(n! m!) R^(n+m) G_(n+m),     G_s = sum' L^-s over the lattice (Eisenstein)
    k_eff = (1 + F)/(1 - F),   F = -pi B_1 / A

n, m odd; k: conductivity of the cylinders, R their radius, A the area of a cell, lattice points at distance 1. zeta
is Weierstrass' function of a lattice with four- or sixfold symmetry, whose increments are pi conj(L)/A.
Rayleigh, Phil. Mag. 34 (1892) 481; Perrins, McKenzie, McPhedran, Proc. R. Soc. Lond. A 369 (1979) 207.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from _multipole import ArrayConductivity, balanced_binomial, check_array, dipole, raise_truncation
from scipy.special import zeta

__all__ = ["HEXAGONAL", "SQUARE", "DiscLattice", "coupling", "disc_array", "lattice_sums"]

_LAST_ORDER = 6144
_FROM_THE_SUM = 20  # the least s at which the sum over the nearest lattice points gives G_s to all digits
_REACH = 12


@dataclass(frozen=True, slots=True)
class DiscLattice:
    """Spanned by 1 and ``tau``, of a ``symmetry`` of 4 or 6: G_s vanishes unless it divides s."""

    name: str
    tau: complex
    symmetry: int

    @property
    def area(self) -> float:
        return self.tau.imag

    @property
    def packing(self) -> float:
        """The fraction at which neighbours touch."""
        return math.pi / (4.0 * self.area)


SQUARE = DiscLattice("square array", 1j, 4)
HEXAGONAL = DiscLattice("hexagonal array", complex(0.5, math.sqrt(3.0) / 2.0), 6)


def disc_array(lattice: DiscLattice, fraction: float, contrast: float) -> ArrayConductivity:
    """The effective conductivity; ``contrast``: of the cylinders to the matrix, 0 to infinity.

    Raises CoefficientError for an argument out of its range, ConvergenceError where multipoles of order 6144 do not
    suffice. They do for perfect conductors and insulators to 0.99999 of the fraction at which they touch (10 s), for
    contrasts to 10 at any fraction tried.
    """
    check_array(lattice.name, fraction, lattice.packing, contrast)
    radius = math.sqrt(fraction * lattice.area / math.pi)
    beta = 1.0 if math.isinf(contrast) else (contrast - 1.0) / (contrast + 1.0)

    def conductivity(order: int) -> float:
        Q = coupling(lattice, radius, order)
        F = math.copysign(fraction, beta) * dipole(Q, np.full(len(Q), beta))
        return (1.0 + F) / (1.0 - F)

    orders = [int(3 * 2**j * step) for j in range(2, 12) for step in (1.0, 1.5)]
    return raise_truncation(lattice.name, conductivity, [n for n in orders if n <= _LAST_ORDER])


def coupling(lattice: DiscLattice, radius: float, order: int) -> np.ndarray:
    """Q (n, n) of the odd multipoles that a dipole excites, up to ``order``: those with n = +-1 mod the symmetry."""
    n = np.array([i for i in range(1, order + 1, 2) if i % lattice.symmetry in (1, lattice.symmetry - 1)])
    total = n[:, None] + n
    sums = lattice_sums(lattice, 2 * order)[total]
    Q = np.sqrt(np.outer(n, n)) / total * balanced_binomial(n[:, None], n) * (2.0 * radius) ** total * sums
    return np.asarray(Q)


@cache
def lattice_sums(lattice: DiscLattice, last: int) -> np.ndarray:
    """G_s for s = 0 .. last, zero where symmetry, or the choice of zeta, makes it so: G_0, G_2, odd s."""
    sums = np.zeros(last + 1)
    for s in range(lattice.symmetry, last + 1, lattice.symmetry):
        sums[s] = _eisenstein(s, lattice.tau) if s < _FROM_THE_SUM else _nearest(s, lattice.tau)
    return sums


def _eisenstein(s: int, tau: complex) -> float:
    """G_s = 2 zeta(s) + 2 (2 pi i)^s/(s-1)! sum_n n^(s-1) q^n/(1 - q^n),  q = exp(2 pi i tau)."""
    n = np.arange(1, 40)
    q = np.exp(2j * np.pi * tau) ** n
    series = np.sum(n ** (s - 1.0) * q / (1.0 - q)).real
    return float(2.0 * zeta(s) + 2.0 * (-1) ** (s // 2) * (2.0 * math.pi) ** s / math.factorial(s - 1) * series)


def _nearest(s: int, tau: complex) -> float:
    i = np.arange(-_REACH, _REACH + 1)
    points = (i[:, None] + i * tau).ravel()
    return float(np.sum(points[np.abs(points) > 0.5] ** -float(s)).real)
