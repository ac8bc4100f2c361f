"""The error of M against the tolerance asked for, from loose to tight: kept, and covered by the estimate.

References: the closed form in one dimension, Fourier collocation in the plane (nested for two scales).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache

import numpy as np
from formulas import SIGMA, X, line, nested_reference, plane, reference, sums_on_the_line, two_scales

import cellsolve as cs
from cellsolve.plots import Plot
from cellsolve.plots.accuracy import ToleranceSeries, error_against_tolerance
from cellsolve.validation import Claim, accuracy_claims, print_claims


def problems() -> Iterable[tuple[str, cs.Potential, np.ndarray, np.ndarray]]:
    """Name, potential, point and M there."""
    exact = 1.0 / (sums_on_the_line(0.3, -1.0) * sums_on_the_line(0.3, 1.0))
    yield "d = 1, N = 2", line(), np.array([0.3]), np.array([[exact]])
    K, Z = reference(*X.tolist())
    yield "d = 2, N = 1", plane(), X, K / Z
    K, Z = nested_reference()
    yield "d = 2, N = 2", two_scales(), X, K / Z


@cache
def series(effort: int) -> tuple[ToleranceSeries, ...]:
    exponents = np.arange(-2, -12, -1 if effort else -3)
    return tuple(one_series(*problem, 10.0**exponents) for problem in problems())


def one_series(name: str, V: cs.Potential, x: np.ndarray, M: np.ndarray, tols: np.ndarray) -> ToleranceSeries:
    found = [cs.homogenize(V, sigma=SIGMA, tol=float(tol)).evaluate(x) for tol in tols]
    errors = [np.linalg.norm(e.diffusion - M, 2) / np.linalg.norm(M, 2) for e in found]
    return ToleranceSeries(name, tols, np.array(errors), np.array([float(e.error_estimate) for e in found]))


def run(effort: int = 1) -> list[Claim]:
    return [
        claim
        for entry in series(effort)
        for tol, error, estimate in zip(entry.tol, entry.error, entry.estimate, strict=True)
        for claim in accuracy_claims(f"{entry.label}, tol = {tol:.0e}", float(error), float(estimate), float(tol))
    ]


def plots(effort: int = 1) -> list[Plot]:
    return [error_against_tolerance(series(effort))]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
