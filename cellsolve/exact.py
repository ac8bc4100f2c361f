"""Closed forms of effective tensors, with a quadrature of their own: independent of finite elements.

    d = 1:  M = 1/(Z Zhat),  Z = <exp(-V1/sigma)>,  Zhat = <exp(+V1/sigma)>,  <.> the average over y1 .. yN

Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), Proposition 1. The average is the integral for period 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import i0e

from cellsolve.errors import CoefficientError, ConvergenceError
from cellsolve.potentials import CallableTerm, Potential, Term, TextTerm, parse_expression

__all__ = [
    "additive_diffusion",
    "checkerboard",
    "dilute_discs",
    "effective_diffusion_1d",
    "free_energy_1d",
    "keller_dual",
    "laminate",
    "log_partition_function_1d",
    "perrins_table",
    "square_hole_quarter",
    "zwanzig",
]

FloatArray = NDArray[np.float64]

_TOLERANCE = 1e-13
_LARGEST_GRID = 100_000_000
_CHUNK = 1 << 20


def effective_diffusion_1d(V: Potential, sigma: float, x: ArrayLike, period: float = 1.0) -> FloatArray:
    """M(x) = 1/(Z(x) Zhat(x)) for d = 1 and any number of scales; x (..., 1) -> (...).

    Z and Zhat are computed to about 1e-13, at any temperature: with the trapezoidal rule in variables in which V1 is
    smooth, with bisected Gauss panels in those with a kink, only in the variables that occur, and apart where V1 is a
    sum of parts without a common variable. Features much narrower than 1/1000 of a period can escape the
    grids (wells of width 1/900 were seen, of 1/2800 not).
    Errors: CoefficientError for a wrong argument; ConvergenceError with the
    best M where the grid would become too large. Source: Duncan, Duong, Pavliotis (2023), Proposition 1.
    """
    logs = _log_averages_1d(V, sigma, x, period)
    return _reached(np.exp(-logs.values.sum(axis=-1)), logs)


def log_partition_function_1d(V: Potential, sigma: float, x: ArrayLike, period: float = 1.0) -> FloatArray:
    """log Z(x), Z = <exp(-V1/sigma)>, for d = 1; x (..., 1) -> (...). Never overflows. Errors as above."""
    logs = _log_averages_1d(V, sigma, x, period)
    return _reached(logs.values[..., 0], logs)


def free_energy_1d(V: Potential, sigma: float, x: ArrayLike, period: float = 1.0) -> FloatArray:
    """Psi(x) = V0(x) - sigma log Z(x) for d = 1; x (..., 1) -> (...). Errors as above.

    Duncan, Duong, Pavliotis (2023), below (18), with V0, which is left out there by a misprint.
    """
    return V.evaluate_V0(x) - sigma * log_partition_function_1d(V, sigma, x, period)


def zwanzig(amplitudes: Sequence[float], sigma: float) -> float:
    """M = prod_k I0(a_k/sigma)^-2 for V1 = sum_k a_k cos(2 pi y_k), d = 1.

    Zwanzig, PNAS 85 (1988) 2029. I0(s) = i0e(s) exp|s|, in logarithms, so that nothing overflows.
    """
    s = np.abs(np.asarray(amplitudes, dtype=float)) / _positive("sigma", sigma)
    return float(np.exp(-2.0 * np.sum(np.log(i0e(s)) + s)))


def additive_diffusion(potentials: Sequence[str | Callable[[FloatArray], Any]], sigma: float) -> FloatArray:
    """M = diag(1/(Z_i Zhat_i)) for V1(y) = sum_i U_i(y[i]), one scale, period 1 -> (d, d).

    ``potentials``: the U_i, each a text in y or a callable of an array. Duncan, Duong, Pavliotis (2023), section 2.
    """
    sigma = _positive("sigma", sigma)
    logs = [_log_averages([_term_in_y(potential)], sigma, {}, 1.0) for potential in potentials]
    gathered = _Logs(np.stack([log.values for log in logs]), all(log.reached for log in logs))
    return _reached(np.diag(np.exp(-gathered.values.sum(axis=-1))), gathered)


def laminate(coefficients: Sequence[ArrayLike], fractions: Sequence[float], normal: ArrayLike) -> FloatArray:
    """A = <K - v v^T/k> + <v/k> <v/k>^T / <1/k>,  v = K n, k = n . K n, <.> weighted by the fractions -> (d, d).

    Layers of scalars or symmetric (d, d) tensors K, stacked along ``normal`` (d,). The gradient in a layer is E + a n,
    with the normal flux n . K (E + a n) common to all layers and <a> = 0; for scalars: harmonic mean across the layers,
    arithmetic along them. Source: Milton, The Theory of Composites (2002), section 9.3.

    Raises CoefficientError for tensors that are not symmetric positive definite, fractions that do not add up to 1, or
    a zero normal.
    """
    n = np.asarray(normal, dtype=float)
    weights = np.asarray(fractions, dtype=float)
    if n.ndim != 1 or not np.all(np.isfinite(n)) or not np.any(n):
        raise CoefficientError(f"got the normal {n.tolist()}; a vector that is not zero is needed.")
    if len(weights) != len(coefficients) or np.any(weights < 0) or not abs(weights.sum() - 1.0) <= 1e-12:
        raise CoefficientError(
            f"got the fractions {weights.tolist()} for {len(coefficients)} layers; one each, with sum 1, is needed."
        )
    K = np.stack([_layer(coefficient, len(n)) for coefficient in coefficients])
    v = K @ n
    k = v @ n
    across = np.einsum("l,li->i", weights / k, v)
    along = np.einsum("l,lij->ij", weights, K - np.einsum("li,lj->lij", v, v) / k[:, None, None])
    tensor: FloatArray = along + np.outer(across, across) / np.sum(weights / k)
    return tensor


def checkerboard(k1: float, k2: float) -> FloatArray:
    """A = sqrt(k1 k2) I, d = 2: equal squares of k1 and k2. Dykhne, Sov. Phys. JETP 32 (1971) 63."""
    return float(np.sqrt(_positive("k1", k1) * _positive("k2", k2))) * np.eye(2)


def keller_dual(K: ArrayLike) -> FloatArray:
    """A_hom(1/k) = A_hom(k)/det A_hom(k), d = 2, scalar k: the tensor (2, 2) of the reciprocal medium.

    Keller, J. Math. Phys. 5 (1964) 548; Dykhne, Sov. Phys. JETP 32 (1971) 63.
    """
    tensor = np.asarray(K, dtype=float)
    if tensor.shape != (2, 2) or not np.linalg.det(tensor) > 0:
        raise CoefficientError(f"got the tensor {tensor.tolist()}; a positive definite one of shape (2, 2) is needed.")
    dual: FloatArray = tensor / np.linalg.det(tensor)
    return dual


def square_hole_quarter() -> float:
    """1/sqrt 3: unit square of conductivity 1 with an insulating square hole of area 1/4, sides parallel.

    Obnosov, SIAM J. Appl. Math. 59 (1999) 1267. The mean is over the whole period, the hole counts as empty.
    """
    return float(1.0 / np.sqrt(3.0))


def dilute_discs(k: float, f: float) -> float:
    """1 + 2 b f + O(f^2), b = (k - 1)/(k + 1): discs of conductivity k, area fraction f, in a matrix of 1 (Maxwell)."""
    return 1.0 + 2.0 * f * (_positive("k", k) - 1.0) / (k + 1.0)


def perrins_table() -> dict[float, float]:
    """{area fraction: effective conductivity}: square array of perfectly conducting cylinders in a matrix of 1.

    Perrins, McKenzie, McPhedran, Proc. R. Soc. Lond. A 369 (1979) 207; four digits. Insulating cylinders conduct the
    reciprocal (Keller).
    """
    fractions = (0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.74, 0.76, 0.77, 0.78)
    values = (1.222, 1.500, 1.860, 2.351, 3.080, 4.342, 7.433, 11.01, 15.44, 20.43, 35.93)
    return dict(zip(fractions, values, strict=True))


@dataclass(frozen=True, slots=True)
class _Logs:
    """(log Z, log Zhat) in the last axis, and whether they are accurate."""

    values: FloatArray
    reached: bool


def _log_averages_1d(V: Potential, sigma: float, x: ArrayLike, period: float) -> _Logs:
    if V.dim != 1:
        raise CoefficientError(f"the potential has {V.dim} dimensions; the closed form holds in one dimension only.")
    _positive("period", period)
    points = np.asarray(x, dtype=float)
    if points.ndim == 0 or points.shape[-1] != 1:
        raise CoefficientError(f"the points x have shape {points.shape}; (..., 1) is needed: x[..., None].")
    total, reached = np.zeros((points.size, 2)), True
    for terms in _separate(V.terms):
        same = not any(variable.name == "x" for term in terms for variable in term.variables)
        for row, value in enumerate(points.ravel()[:1] if same else points.ravel()):
            logs = _log_averages(terms, _positive("sigma", sigma), {"x": (np.asarray(value),)}, period)
            total[slice(None) if same else row] += logs.values
            reached = reached and logs.reached
    return _Logs(total.reshape(*points.shape[:-1], 2), reached)


def _separate(terms: Sequence[Term]) -> list[list[Term]]:
    """The terms in groups without a common fast variable, whose averages multiply."""
    groups: list[tuple[set[str], list[Term]]] = []
    for term in terms:
        names = set(_fast_names([term]))
        touching = [group for group in groups if group[0] & names]
        groups = [group for group in groups if not group[0] & names]
        joined = (names.union(*(g[0] for g in touching)), [t for g in touching for t in g[1]] + [term])
        groups.append(joined)
    return [group[1] for group in groups]


def _fast_names(terms: Sequence[Term]) -> list[str]:
    return sorted({variable.name for term in terms for variable in term.variables if variable.name != "x"})


def _log_averages(terms: list[Term], sigma: float, at: Mapping[str, tuple[FloatArray]], period: float) -> _Logs:
    """Refine the rule of one variable after the other until no refinement changes Z or Zhat."""
    kinks = {variable.name for term in terms for variable in term.kinks}
    rules = {name: _Panels() if name in kinks else _Periodic(32) for name in _fast_names(terms)}
    integrand, pending = _Integrand(terms, sigma, at, period), dict(rules)
    while pending:
        name = min(pending, key=lambda name: len(rules[name].nodes()))
        finer = {**rules, name: rules[name].finer()}
        if np.prod([float(len(rule.nodes())) for rule in finer.values()]) > _LARGEST_GRID:
            return _Logs(integrand.log_averages(rules), False)
        change, tolerance = _changes(integrand, rules, finer, name)
        if change.sum() <= tolerance:
            del pending[name]
        else:
            rules = {**rules, name: rules[name].split(change > 0.25 * tolerance / len(change))}
            pending = dict(rules)
        if not pending and not _confirmed(integrand, rules, tolerance):
            rules = {name: rule.finer() for name, rule in rules.items()}
            pending = dict(rules)
    return _Logs(integrand.log_averages(rules), True)


def _changes(integrand: _Integrand, rules: _Rules, finer: _Rules, name: str) -> tuple[FloatArray, float]:
    """Relative change of Z and Zhat by refining one variable, panel by panel, and the tolerance with rounding in it."""
    old, new = (integrand.log_contributions(r, name) for r in (rules, finer))
    total = np.logaddexp.reduce(new, axis=1, keepdims=True)
    panels = rules[name].panels()
    old_sums, new_sums = (np.exp(np.minimum(c - total, 700.0)).reshape(2, panels, -1).sum(axis=2) for c in (old, new))
    rounding = 4.0 * np.finfo(float).eps * float(np.max(np.abs(total)))
    return np.max(np.abs(old_sums - new_sums), axis=0), _TOLERANCE + rounding


def _confirmed(integrand: _Integrand, rules: _Rules, tolerance: float) -> bool:
    """Whether grids without a common divisor agree: powers of two alone take cos(64 pi y) for a constant."""
    other = {name: rule.other() for name, rule in rules.items()}
    return bool(np.all(np.abs(integrand.log_averages(rules) - integrand.log_averages(other)) <= 4.0 * tolerance))


@dataclass(frozen=True, slots=True)
class _Integrand:
    """exp(-V1/sigma) and exp(+V1/sigma) for the terms, at one macroscopic point."""

    terms: list[Term]
    sigma: float
    at: Mapping[str, tuple[FloatArray]]
    period: float

    def log_averages(self, rules: _Rules) -> FloatArray:
        """(log Z, log Zhat)."""
        rules = rules or {"": _Periodic(1)}  # a term in x alone: one node of a variable that does not occur
        return np.asarray(np.logaddexp.reduce(self.log_contributions(rules, next(iter(rules))), axis=1))

    def log_contributions(self, rules: _Rules, name: str) -> FloatArray:
        """Logarithm of the contribution of each node of one variable, averaged over the others -> (2, nodes)."""
        others = [other for other in rules if other != name]
        log_weights = np.zeros((1,) * (len(others) + 1))
        for axis, other in enumerate(others, start=1):
            log_weights = log_weights + _along(rules[other].log_weights(), axis, len(rules))
        nodes = {label: self.period * rule.nodes() for label, rule in rules.items()}
        points = {other: (_along(nodes[other], axis, len(rules)),) for axis, other in enumerate(others, start=1)}
        parts = [self._slice(points, name, chunk, log_weights) for chunk in _chunks(nodes[name], log_weights.size)]
        return np.concatenate(parts, axis=1) + rules[name].log_weights()

    def _slice(
        self, points: Mapping[str, tuple[FloatArray]], name: str, nodes: FloatArray, log_weights: FloatArray
    ) -> FloatArray:
        here = {**self.at, **points, name: (_along(nodes, 0, log_weights.ndim),)}
        with np.errstate(all="ignore"):  # inf - inf: found below
            V: FloatArray = sum((term.evaluate(here) for term in self.terms), start=np.zeros(())) / self.sigma
        if not np.all(np.isfinite(V)):
            full, *parts = np.broadcast_arrays(V, *(part for (part,) in here.values()))
            first = tuple(np.argwhere(~np.isfinite(full))[0])
            listed = ", ".join(f"{label} = {p[first]:.6g}" for label, p in zip(here, parts, strict=True) if label)
            raise CoefficientError(
                f"V1/sigma is {full[first]} at {listed}; it must be finite. Change the formula there."
            )
        exponent = np.broadcast_to(V, np.broadcast_shapes((len(nodes), *log_weights.shape[1:]), V.shape))
        return np.stack([_log_sum(log_weights - exponent), _log_sum(log_weights + exponent)])


def _log_sum(exponents: FloatArray) -> FloatArray:
    """log sum exp over all axes but the first; the largest is taken out, so that nothing overflows."""
    rows = exponents.reshape(len(exponents), -1)
    peak = rows.max(axis=1)
    total: FloatArray = peak + np.log(np.exp(rows - peak[:, None]).sum(axis=1))
    return total


def _along(values: FloatArray, axis: int, ndim: int) -> FloatArray:
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


def _chunks(nodes: FloatArray, others: int) -> Iterator[FloatArray]:
    size = max(1, _CHUNK // others)
    return (nodes[start : start + size] for start in range(0, len(nodes), size))


@dataclass(frozen=True, slots=True)
class _Periodic:
    """The trapezoidal rule on the circle, which converges exponentially for a smooth integrand."""

    count: int

    def nodes(self) -> FloatArray:
        return np.arange(self.count) / self.count

    def log_weights(self) -> FloatArray:
        return np.full(self.count, -np.log(self.count))

    def panels(self) -> int:
        return 1

    def finer(self) -> _Periodic:
        return _Periodic(2 * self.count)

    def other(self) -> _Periodic:
        return _Periodic(self.count + 5)

    def split(self, panels: NDArray[np.bool_]) -> _Periodic:  # noqa: ARG002
        return self.finer()


@dataclass(frozen=True, slots=True)
class _Panels:
    """Gauss-Legendre panels, bisected where they are not accurate: towards the kinks."""

    edges: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def nodes(self) -> FloatArray:
        left, width = np.array(self.edges[:-1]), np.diff(self.edges)
        return (left[:, None] + width[:, None] * _gauss()[0]).ravel()

    def log_weights(self) -> FloatArray:
        return np.log(np.diff(self.edges)[:, None] * _gauss()[1]).ravel()

    def panels(self) -> int:
        return len(self.edges) - 1

    def finer(self) -> _Panels:
        return self.split(np.ones(self.panels(), dtype=bool))

    def other(self) -> _Panels:
        return self

    def split(self, panels: NDArray[np.bool_]) -> _Panels:
        middles = 0.5 * (np.array(self.edges[1:]) + np.array(self.edges[:-1]))
        return _Panels(tuple(sorted({*self.edges, *middles[panels].tolist()})))


_Rules = Mapping[str, _Periodic | _Panels]


@cache
def _gauss() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    return 0.5 * (nodes + 1.0), 0.5 * weights


def _reached(result: FloatArray, logs: _Logs) -> FloatArray:
    if not logs.reached:
        raise ConvergenceError(
            f"Z and Zhat would need more than {_LARGEST_GRID} points for {_TOLERANCE:g}: V1 varies too fast, or has a "
            "kink along a curve in several variables. Raise sigma, or take the result that this error carries.",
            result=result,
        )
    return result


def _positive(name: str, value: float) -> float:
    if not np.isfinite(value) or value <= 0:
        raise CoefficientError(f"got {name} = {value}; a positive number is needed.")
    return float(value)


def _term_in_y(potential: str | Callable[[FloatArray], Any]) -> Term:
    if isinstance(potential, str):
        return TextTerm(parse_expression(potential, {"y": 1}))
    return CallableTerm("U", lambda y: potential(y[..., 0]), ("y",), 1)


def _layer(coefficient: ArrayLike, dim: int) -> FloatArray:
    K = np.asarray(coefficient, dtype=float)
    K = K * np.eye(dim) if K.ndim == 0 else K
    if K.shape != (dim, dim) or not np.all(np.isfinite(K)) or not np.allclose(K, K.T, rtol=1e-12, atol=0.0):
        raise CoefficientError(f"a layer is {K.tolist()}; a number or a symmetric ({dim}, {dim}) tensor is needed.")
    if np.linalg.eigvalsh(K)[0] <= 0:
        raise CoefficientError(f"a layer is {K.tolist()}, which is not positive definite; it must be.")
    return K
