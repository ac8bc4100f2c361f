"""Effective conductivity of simple, body-centred and face-centred cubic arrays of balls, by multipoles.

    u = z + sum_lm b_lm ( S_lm(r) - sum_l'm' R_l'm'(r) sigma_(l+l',m-m') )  in the matrix around a ball
    R_lm = r^l P_lm e^(im phi)/(l+m)!,   S_lm = (l-m)! r^(-l-1) P_lm e^(im phi),   sigma_lm = sum' S_lm over the lattice
    b_lm = -beta_l R^(2l+1) a_lm/((l-m)! (l+m)!),   beta_l = l (k - 1)/(k l + l + 1)
    k_eff = (1 - 2 F)/(1 + F),   F = 4 pi b_10/(3 V)

a_lm: what multiplies R_lm; l odd and m = 0, 4, 8 .. for a field along an axis of a cubic lattice; k: conductivity of
the balls, R their radius, V the volume of a cell, lattice points at distance 1. sigma_2m is 0: a dipole's periodic
potential, -d/dz of Green's function, is z/r^3 - 4 pi z/(3V) + O(r^3), so the mean gradient is 1 + 4 pi b_10/(3V).
Zuzovsky, Brenner, ZAMP 28 (1977) 979; McPhedran, McKenzie, Proc. R. Soc. Lond. A 359 (1978) 45; Sangani, Acrivos,
Proc. R. Soc. Lond. A 386 (1983) 263. R_lm, S_lm and their addition theorem: White, Head-Gordon, J. Chem. Phys. 101
(1994) 6593. Lattice sums of low degree: Nijboer, de Wette, Physica 23 (1957) 309.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from _multipole import ArrayConductivity, balanced_binomial, check_array, dipole, raise_truncation
from scipy.special import gammaincc, gammaln

__all__ = ["BODY_CENTRED", "FACE_CENTRED", "SIMPLE_CUBIC", "BallLattice", "ball_array", "coupling", "ewald_sums"]
__all__ += ["lattice_sums", "series"]

_ORDERS = (9, 13, 19, 29, 43, 65, 97, 145, 191)
_LAST_DEGREE = 2 * _ORDERS[-1]
_EWALD_TO = 30  # degree; above it the sum over lattice points within _REACH has all digits
_REACH = 5.0


@dataclass(frozen=True, slots=True)
class BallLattice:
    """Points ``step`` times the integer triples whose parities are ``allowed``; the reciprocal lattice has those of
    ``reciprocal`` times 2 pi/``edge``."""

    name: str
    edge: float
    volume: float
    step: float
    allowed: str
    reciprocal: str

    @property
    def packing(self) -> float:
        """The fraction at which neighbours touch."""
        return math.pi / (6.0 * self.volume)

    def points(self, reach: float) -> np.ndarray:
        """Lattice points (n, 3) within ``reach``, without the origin."""
        return self.step * _triples(self.allowed, reach / self.step)

    def waves(self, reach: float) -> np.ndarray:
        """Reciprocal lattice points (n, 3) within ``reach``, without the origin."""
        step = 2.0 * math.pi / self.edge
        return step * _triples(self.reciprocal, reach / step)


_BCC, _FCC = 2.0 / math.sqrt(3.0), math.sqrt(2.0)
SIMPLE_CUBIC = BallLattice("simple cubic array", 1.0, 1.0, 1.0, "any", "any")
BODY_CENTRED = BallLattice("body-centred cubic array", _BCC, _BCC**3 / 2.0, _BCC / 2.0, "equal", "even sum")
FACE_CENTRED = BallLattice("face-centred cubic array", _FCC, _FCC**3 / 4.0, _FCC / 2.0, "even sum", "equal")


def ball_array(lattice: BallLattice, fraction: float, contrast: float) -> ArrayConductivity:
    """The effective conductivity; ``contrast``: of the balls to the matrix, 0 to infinity.

    Raises CoefficientError for an argument out of its range, ConvergenceError where multipoles of degree 191 do not
    suffice. They do for perfect conductors to 0.99 of the fraction at which they touch, for insulators and contrasts
    to 10 to 0.995 of it (3 s).
    """
    check_array(lattice.name, fraction, lattice.packing, contrast)
    radius = (3.0 * fraction * lattice.volume / (4.0 * math.pi)) ** (1.0 / 3.0)

    def conductivity(order: int) -> float:
        degree, _ = _multipoles(order)
        F = -math.copysign(fraction, contrast - 1.0) * dipole(
            coupling(lattice, radius, order), _answer(degree, contrast)
        )
        return (1.0 - 2.0 * F) / (1.0 + F)

    return raise_truncation(lattice.name, conductivity, _ORDERS)


def coupling(lattice: BallLattice, radius: float, order: int) -> np.ndarray:
    """Q (n, n) between the multipoles l = 1, 3 .. order, m = 0, 4 .. l, normalized so that it is symmetric.

    Q = w w' (T(m - m') + T(m + m')),   w = 1/sqrt 2 for m = 0, else 1
    T(mu) = R^(l+l'+1) s_(l+l',mu) sqrt( binom(l-m + l'+-m', l-m) binom(l+m + l'-+m', l+m) )
    """
    degree, m = _multipoles(order)
    total = degree[:, None] + degree
    low, high = degree - m, degree + m
    sums = lattice_sums(lattice)
    half = total // 2
    apart = np.sqrt(balanced_binomial(low[:, None], high) * balanced_binomial(high[:, None], low))
    along = np.sqrt(balanced_binomial(low[:, None], low) * balanced_binomial(high[:, None], high))
    T = sums[half, np.abs(m[:, None] - m) // 4] * apart + sums[half, (m[:, None] + m) // 4] * along
    w = np.where(m == 0, math.sqrt(0.5), 1.0)
    return np.asarray(0.5 * (2.0 * radius) ** (total + 1.0) * np.outer(w, w) * T)


def series(lattice: BallLattice) -> dict[str, float]:
    """a1, a3 .. a6 of k = 1 - 3f/(-1 + f + a1 f^(10/3)(1 + ..)/(1 - a3 f^(7/3)) + a4 f^(14/3) + a5 f^6 + a6 f^(22/3)).

    For perfect conductors: what a dipole and its images in the multipoles l = 3, 5, 7, 9 of neighbours answer, the
    squares of Q at the fraction 1, summed over m; a3 is what the octupoles m = 0 answer to each other.
    """
    degree, _ = _multipoles(9)
    Q = coupling(lattice, (0.75 * lattice.volume / math.pi) ** (1.0 / 3.0), 9)
    images = {f"a{name}": float(np.sum(Q[0, degree == n] ** 2)) for name, n in ((1, 3), (4, 5), (5, 7), (6, 9))}
    octupole = int(np.flatnonzero(degree == 3)[0])
    return images | {"a3": float(Q[octupole, octupole])}


@cache
def lattice_sums(lattice: BallLattice) -> np.ndarray:
    """s[l/2, m/4] = sum' H_lm(L) |L|^(-2l-1),  H_lm = sqrt((l-m)!/(l+m)!) r^l P_lm cos(m phi); l even, zero for l < 4.

    Read-only: it is kept for the next call.
    """
    sums = np.zeros((_LAST_DEGREE // 2 + 1, _LAST_DEGREE // 4 + 1))
    low = ewald_sums(lattice, math.sqrt(math.pi) / lattice.volume ** (1.0 / 3.0))
    sums[: len(low), : low.shape[1]] = low
    points = lattice.points(_REACH)
    radius = np.linalg.norm(points, axis=1)
    for degree, row in _harmonics(points / radius[:, None], _LAST_DEGREE):
        if degree > _EWALD_TO and degree % 2 == 0:
            sums[degree // 2, : row.shape[0]] = row @ radius ** -(degree + 1.0)
    sums.flags.writeable = False
    return sums


def ewald_sums(lattice: BallLattice, alpha: float) -> np.ndarray:
    """As `lattice_sums` to degree 30, for any ``alpha`` > 0:

    sum' Gamma(l+1/2, alpha^2 r^2)/Gamma(l+1/2) H(L) r^(-2l-1)
    + (-1)^(l/2) pi^(3/2)/(V 2^l Gamma(l+1/2)) sum' H(k) 4/k^2 exp(-k^2/(4 alpha^2))
    """
    sums = np.zeros((_EWALD_TO // 2 + 1, _EWALD_TO // 4 + 1))
    points, waves = lattice.points(12.0 / alpha), lattice.waves(26.0 * alpha)
    r, k = np.linalg.norm(points, axis=1), np.linalg.norm(waves, axis=1)
    near = _harmonics(points / r[:, None], _EWALD_TO)
    far = _harmonics(waves / k[:, None], _EWALD_TO)
    for (degree, H), (_, H_far) in zip(near, far, strict=True):
        if degree < 4 or degree % 2:
            continue
        short = H @ (gammaincc(degree + 0.5, (alpha * r) ** 2) * r ** -(degree + 1.0))
        log_wave = degree * np.log(k / 2.0) - (k / (2.0 * alpha)) ** 2 - gammaln(degree + 0.5)
        long = (-1) ** (degree // 2) * math.pi**1.5 / lattice.volume * (H_far @ (4.0 / k**2 * np.exp(log_wave)))
        sums[degree // 2, : len(short)] = short + long
    return sums


def _answer(degree: np.ndarray, contrast: float) -> np.ndarray:
    """beta_l (n,)."""
    if math.isinf(contrast):
        return np.ones(len(degree))
    return np.asarray(degree * (contrast - 1.0) / (contrast * degree + degree + 1.0))


def _multipoles(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Degrees l and orders m (n,) that a dipole along an axis excites."""
    pairs = [(degree, m) for degree in range(1, order + 1, 2) for m in range(0, degree + 1, 4)]
    degree, m = np.array(pairs).T
    return degree, m


def _triples(parity: str, reach: float) -> np.ndarray:
    """Integer triples (n, 3) of this parity with 0 < length <= reach."""
    line = np.arange(-math.floor(reach), math.floor(reach) + 1)
    i = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    even = i % 2 == 0
    kept = {"any": np.full(len(i), True), "even sum": i.sum(axis=1) % 2 == 0}
    kept["equal"] = even.all(axis=1) | ~even.any(axis=1)
    length = (i**2).sum(axis=1)
    return np.asarray(i[kept[parity] & (length > 0) & (length <= reach**2)])


def _harmonics(directions: np.ndarray, last: int) -> Iterator[tuple[int, np.ndarray]]:
    """(l, Y) for l = 0 .. last: Y (l//4 + 1, n) is sqrt((l-m)!/(l+m)!) P_lm(cos theta) cos(m phi) for m = 0, 4 .. l.

    sqrt((l+1)^2 - m^2) P_(l+1) = (2l+1) x P_l - sqrt(l^2 - m^2) P_(l-1),   P_mm = sqrt(binom(2m, m)/4^m) sin^m theta
    """
    m = 4 * np.arange(last // 4 + 1)
    x = directions[:, 2]
    sine = np.hypot(directions[:, 0], directions[:, 1])
    start = np.sqrt(balanced_binomial(m, m))[:, None] * sine ** m[:, None]
    turn = np.cos(m[:, None] * np.arctan2(directions[:, 1], directions[:, 0]))
    before, now = np.zeros_like(start), np.zeros_like(start)
    for degree in range(last + 1):
        if degree % 4 == 0:
            now[degree // 4] = start[degree // 4]
        count = degree // 4 + 1
        yield degree, now[:count] * turn[:count]
        up, down = (np.sqrt(np.maximum(n**2 - m**2, 0.0))[:count, None] for n in (degree + 1.0, float(degree)))
        following = np.zeros_like(now)
        following[:count] = ((2 * degree + 1) * x * now[:count] - down * before[:count]) / up
        before, now = now, following
