"""Random coupled potentials: sums of products of waves of integer combinations of y_1 .. y_N, with factors in x."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from _nested_fourier import effective_diffusion

import cellsolve as cs
from cellsolve.errors import ConvergenceError

__all__ = ["Outcome", "RandomPotential", "outcomes", "random_potential"]

FLOOR = 1e-3  # of the tolerance: errors below count as much

_PLACES = 4000  # at which the oscillation is measured
_COLDEST = {(1, 1): 30.0, (1, 2): 30.0, (1, 3): 20.0, (2, 1): 12.0, (2, 2): 8.0, (2, 3): 4.0}  # osc(V1) / sigma
_GRIDS = (15, 19, 25, 33, 43, 57, 75, 99, 129, 171, 225)
_LARGEST = {(1, 1): 225, (1, 2): 225, (1, 3): 129, (2, 1): 129, (2, 2): 43, (2, 3): 25}
_AGREED = 3e-13


@dataclass(frozen=True, slots=True)
class Wave:
    """cos, or sin, of 2 pi sum_kc waves[k, c] y_(k+1)[c]."""

    name: str
    waves: np.ndarray  # (N, d) integers

    @property
    def text(self) -> str:
        parts = [f"{m:+d}*y{k + 1}[{c}]" for (k, c), m in np.ndenumerate(self.waves) if m]
        return f"{self.name}(2*pi*({' '.join(parts)}))"

    def at(self, y: list[np.ndarray]) -> np.ndarray:
        """``y``: components of y_1, y_2, .. , one array each."""
        flat = self.waves.ravel()
        phase = sum((m * y[i] for i, m in enumerate(flat) if m), np.zeros(()))
        return np.cos(2 * np.pi * phase) if self.name == "cos" else np.sin(2 * np.pi * phase)


@dataclass(frozen=True, slots=True)
class Term:
    """amplitude (1 + slope sin(x[component])) times waves."""

    amplitude: float
    slope: float
    component: int
    factors: tuple[Wave, ...]

    @property
    def text(self) -> str:
        x = f"*(1 + {self.slope}*sin(x[{self.component}]))" if self.slope else ""
        return f"{self.amplitude}{x}*" + "*".join(factor.text for factor in self.factors)

    @property
    def level(self) -> int:
        return 1 + max(int(np.flatnonzero(np.any(factor.waves, axis=1)).max()) for factor in self.factors)

    def at(self, x: np.ndarray, y: list[np.ndarray]) -> np.ndarray:
        scale = self.amplitude * (1.0 + self.slope * np.sin(x[self.component]))
        return np.asarray(scale * np.prod(np.broadcast_arrays(*[factor.at(y) for factor in self.factors]), axis=0))


@dataclass(frozen=True, slots=True)
class RandomPotential:
    """V1 at temperature ``sigma``, wanted to ``tol`` at points ``x`` (P, d)."""

    dim: int
    scales: int
    terms: tuple[Term, ...]
    coldness: float  # osc(V1) / sigma
    sigma: float
    tol: float
    x: np.ndarray

    @property
    def label(self) -> str:
        return f"d = {self.dim}, N = {self.scales}, osc/sigma = {self.coldness:4.1f}, tol = {self.tol:.0e}"

    @property
    def text(self) -> str:
        return " + ".join(term.text for term in self.terms)

    @property
    def potential(self) -> cs.Potential:
        return cs.Potential(self.text, dim=self.dim, scales=self.scales)

    def reference(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """M (d, d) at a point x (d,) on the grid that agrees with the one before, and by how much (Loewner)."""
        size = (self.dim, self.scales)
        before, error = None, np.inf
        for n in (n for n in _GRIDS if n <= _LARGEST[size]):
            M = effective_diffusion(lambda k, y: self.level(k, x, y), self.dim, self.scales, n)
            error = np.inf if before is None else loewner_error(before, M)
            if error <= _AGREED:
                break
            before = M
        return M, error

    def level(self, k: int, x: np.ndarray, y: list[np.ndarray]) -> np.ndarray:
        """The terms of V1/sigma whose innermost variable is y_k, at components of y_1 .. y_k."""
        total = np.zeros((1,) * (self.dim * k))
        for term in self.terms:
            if term.level == k:
                total = total + term.at(x, y) / self.sigma
        return total


def loewner_error(M: np.ndarray, reference: np.ndarray) -> float:
    """max |eigenvalue of R^(-1/2) (M - R) R^(-1/2)|: the relative error in every direction."""
    values, vectors = np.linalg.eigh(reference)
    root = vectors / np.sqrt(values)
    return float(np.abs(np.linalg.eigvalsh(root.T @ (M - reference) @ root)).max())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one potential showed at one of its points."""

    label: str
    tol: float
    error: float  # spectral, relative
    loewner: float
    estimate: float
    reference_error: float
    seconds: float  # of the processor
    met: bool  # False: cellsolve said that it did not meet tol
    outside: float  # by how much the reference lies outside the bracket, relative to it; not positive inside
    half_width: float  # of the bracket, relative
    bracket_error: float  # of the middle of the bracket

    @property
    def floor(self) -> float:
        return max(1e-12, FLOOR * self.tol, 3.0 * self.reference_error)

    @property
    def overestimate(self) -> float:
        return self.estimate / max(self.loewner, self.floor)


def outcomes(given: RandomPotential) -> list[Outcome]:
    """At all points, or at one where references are dear."""
    start = time.process_time()
    effective, met = _evaluated(given, bounds=False)
    seconds = time.process_time() - start
    bracket, found = _evaluated(given, bounds=True)[0], []
    for i in range(len(given.x) if given.dim * given.scales < 4 and given.dim + given.scales < 4 else 1):
        R, own = given.reference(given.x[i])
        M, estimate = effective.diffusion[i], float(effective.error_estimate[i])
        error, size = float(np.linalg.norm(M - R, 2) / np.linalg.norm(R, 2)), np.linalg.norm(R, 2)
        outside = -min(np.linalg.eigvalsh(T)[0] for T in (R - bracket.lower[i], bracket.upper[i] - R)) / size
        middle = loewner_error(bracket.diffusion[i], R)
        row = (given.label, given.tol, error, loewner_error(M, R), estimate, own, seconds, met)
        found.append(Outcome(*row, float(outside), float(bracket.error_estimate[i]), middle))
    return found


def _evaluated(given: RandomPotential, bounds: bool) -> tuple[cs.Effective, bool]:
    """What cellsolve gives, and whether it says that tol is met."""
    try:
        model = cs.homogenize(given.potential, sigma=given.sigma, tol=given.tol, bounds=bounds)
        return model.evaluate(given.x), True
    except ConvergenceError as reached:
        return reached.result, False


def random_potential(seed: int, dim: int, scales: int, points: int = 3) -> RandomPotential:
    random = np.random.default_rng((seed, dim, scales))
    narrow = dim == 2 and random.random() < 0.5 + 0.5 * (scales == 3)
    terms = [_term(random, dim, scales, scales, True, narrow)]
    for _ in range(int(random.integers(1, 4))):
        level = int(random.integers(1, scales + 1))
        terms.append(_term(random, dim, scales, level, random.random() < 0.5, narrow))
    if scales == 3:
        terms.append(_term(random, dim, scales, 2, True, narrow))
    x = np.round(random.uniform(-2.0, 2.0, (points, dim)), 3)
    osc = _oscillation(terms, x, dim, scales, random)
    coldest = 5.0 if dim == scales == 2 and not narrow else _COLDEST[dim, scales]
    coldness = float(np.exp(random.uniform(np.log(0.5), np.log(coldest))))
    tol = float(10.0 ** np.round(random.uniform(-8.0, -3.0), 1))
    return RandomPotential(dim, scales, tuple(terms), coldness, osc / coldness, tol, x)


def _term(random: np.random.Generator, dim: int, scales: int, level: int, coupled: bool, narrow: bool) -> Term:
    """A term whose innermost variable is y_level; ``coupled`` to y_(level-1), and at times to others."""
    factors = []
    for _ in range(int(random.integers(1, 3))):
        waves = np.zeros((scales, dim), dtype=np.int64)
        waves[level - 1] = _integers(random, dim)
        if level > 1 and coupled:
            waves[level - 2] = _integers(random, dim)
        if level > 2 and coupled and random.random() < 0.3:
            waves[level - 3] = _integers(random, dim)
        if narrow and dim == 2:
            waves[: level - 1, 1] = 0
        factors.append(Wave(str(random.choice(["cos", "sin"])), waves))
    slope = round(float(random.uniform(-0.5, 0.5)), 2) if random.random() < 0.5 else 0.0
    amplitude = round(float(random.choice([-1, 1]) * random.uniform(0.2, 1.0)), 3)
    return Term(amplitude, slope, int(random.integers(dim)), tuple(factors))


def _integers(random: np.random.Generator, dim: int) -> np.ndarray:
    """Small ones, not all zero."""
    while True:
        drawn = random.choice([-2, -1, 0, 1, 2], dim, p=[0.05, 0.25, 0.4, 0.25, 0.05])
        if drawn.any():
            return np.asarray(drawn)


def _oscillation(terms: list[Term], x: np.ndarray, dim: int, scales: int, random: np.random.Generator) -> float:
    y = list(random.random((dim * scales, _PLACES)))
    return max(float(np.ptp(sum(term.at(point, y) for term in terms))) for point in x)
