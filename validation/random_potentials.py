"""Random coupled potentials, hot to cold, against references on full grids: is tol kept, is the estimate honest?

d = 1, 2 and N = 1, 2, 3; seeds are drawn once for all. Errors are |M - R| / |R| (spectral) and, in every direction, the
largest eigenvalue of R^(-1/2) (M - R) R^(-1/2), which is never smaller: estimates are of that one. They may lie far
above an error that vanishes by accident, or to which rounding or the reference adds as much: overestimates are counted
against no less than FLOOR of the tolerance, 1e-12, and thrice the reference's own error.

    python validation/random_potentials.py [effort] [--table]
"""

from __future__ import annotations

import sys

import numpy as np
from _random_potentials import Outcome, RandomPotential, outcomes, random_potential

from cellsolve.validation import Claim, print_claims

COUNTS = {(1, 1): 35, (1, 2): 40, (1, 3): 25, (2, 1): 40, (2, 2): 46, (2, 3): 14}  # of potentials by (d, N)
FEW = {(1, 1): 2, (1, 2): 3, (1, 3): 1, (2, 1): 3, (2, 2): 2, (2, 3): 1}


def drawn(counts: dict[tuple[int, int], int]) -> list[RandomPotential]:
    return [random_potential(seed, *size) for size, count in counts.items() for seed in range(count)]


def claims(found: list[Outcome]) -> list[Claim]:
    """Where the reference did not converge nothing is known, and this must be rare."""
    known = [one for one in found if one.reference_error <= 0.01 * one.tol]
    unknown = Claim(f"share of {len(found)} results without a reference", 1.0 - len(known) / len(found), 0.02)
    return [unknown, *_claims(known)]


def _claims(found: list[Outcome]) -> list[Claim]:
    over = np.array([one.overestimate for one in found])
    met = [one for one in found if one.met]
    slack = [3.0 * one.reference_error + 1e-14 for one in found]
    return [
        Claim("true error / tol", max(one.error / one.tol for one in met), 1.0),
        Claim("true error / estimate", _worst(found, slack, "error"), 1.0),
        Claim("true error in every direction / estimate", _worst(found, slack, "loewner"), 1.0),
        Claim("share of results whose tolerance was not met, and that said so", 1.0 - len(met) / len(found), 0.02),
        Claim("estimate / true error, median", float(np.median(over)), 10.0),
        Claim("true M outside its bracket by (relative, references' errors aside)", _outside(found, slack), 0.0),
        Claim("half width of the bracket / tol", max(one.half_width / one.tol for one in found), 1.0),
        Claim("half width / true error of the middle, median", _median_width(found), 10.0),
        Claim("share of estimates beyond 50 times the true error", float((over > 50.0).mean()), 0.0),
    ]


def _worst(found: list[Outcome], slack: list[float], name: str) -> float:
    return max(max(getattr(one, name) - s, 0.0) / one.estimate for one, s in zip(found, slack, strict=True))


def _outside(found: list[Outcome], slack: list[float]) -> float:
    return max(max(one.outside - s, 0.0) for one, s in zip(found, slack, strict=True))


def _median_width(found: list[Outcome]) -> float:
    return float(np.median([one.half_width / max(one.bracket_error, one.floor) for one in found]))


def run(effort: int = 1) -> list[Claim]:
    return claims([one for given in drawn(COUNTS if effort else FEW) for one in outcomes(given)])


def print_table(found: list[Outcome]) -> None:
    columns = ("error", "loewner", "estimate", "overestimate", "reference_error", "seconds", "outside", "half_width")
    print(f"{'potential':46}" + "".join(f"{name:>16}" for name in columns))
    for one in found:
        figures = "".join(f"{getattr(one, name):16.1e}" for name in columns)
        print(f"{one.label:46}{figures}{'' if one.met else '  not met'}")


def main() -> int:
    found = [one for given in drawn(COUNTS if "0" not in sys.argv else FEW) for one in outcomes(given)]
    if "--table" in sys.argv:
        print_table(found)
    return int(print_claims(claims(found)) > 0)


if __name__ == "__main__":
    sys.exit(main())
