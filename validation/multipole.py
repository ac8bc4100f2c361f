"""The multipole values by which `arrays` judges finite elements, against closed forms, limits and published figures.

cylinders: k(c) k(1/c) = 1 (Keller)
touching perfect conductors: cylinders k ~ A/sqrt(f_c - f), balls k ~ -K log(1 - (f/f_c)^(1/3))
perfectly conducting balls: k = 1 - 3f/D(f),
    D = -1 + f + a1 f^(10/3) (1 + ..)/(1 - a3 f^(7/3)) + a4 f^(14/3) + a5 f^6 + a6 f^(22/3) + ..
"""

from __future__ import annotations

import math
import sys

import numpy as np
from _multipole_discs import HEXAGONAL, SQUARE, coupling, disc_array
from _multipole_discs import lattice_sums as plane_sums
from _multipole_spheres import BODY_CENTRED, FACE_CENTRED, SIMPLE_CUBIC, BallLattice, ball_array, ewald_sums
from _multipole_spheres import series as ball_series
from scipy.special import gamma

from cellsolve import exact
from cellsolve.validation import Claim, print_claims

# Square array, what a dipole and its images of order 3, 5, 7 answer: tau_13 = C4, tau_17 = C8, tau_35, tau_57. Found in
# public programs after Perrins, McKenzie, McPhedran (1979) and its extensions.
SQUARE_SERIES = {(1, 3): 0.305827833, (1, 7): 0.013361523, (3, 5): 1.402959953646316, (5, 7): 2.55915216}

# Sangani, Acrivos, Proc. R. Soc. Lond. A 386 (1983) 263, as Andrianov and Topol reprint it (arXiv:1106.1783, eq. 157),
# seen in a quotation. Left out, as figures that contradict the lattice sums: a4 = 0.0420 for the face-centred lattice
# (0.2419 here), its a3 = "-07.41" (-0.7415 here), and a5 = 0.0113 for the body-centred one (0.0131 here).
BALL_SERIES = {
    SIMPLE_CUBIC: {"a1": 1.305, "a3": 0.405, "a4": 0.0723, "a5": 0.153, "a6": 0.0105},
    BODY_CENTRED: {"a1": 0.129, "a3": 0.764, "a4": 0.257, "a6": 0.00562},
    FACE_CENTRED: {"a1": 0.0753, "a5": 0.0231, "a6": 9.14e-7},
}
NEIGHBOURS = {SIMPLE_CUBIC: 6, BODY_CENTRED: 8, FACE_CENTRED: 12}


def perrins() -> list[Claim]:
    """Published to four digits: no value is farther off than half a unit of the last."""
    table = exact.perrins_table()
    units = [
        abs(disc_array(SQUARE, f, math.inf).value - k) / 10.0 ** (math.floor(math.log10(k)) - 3)
        for f, k in table.items()
    ]
    Q = coupling(SQUARE, 1.0 / math.sqrt(math.pi), 7) ** 2
    series = [abs(Q[n // 2, m // 2] / figure - 1.0) for (n, m), figure in SQUARE_SERIES.items()]
    return [
        Claim("square array, perfect conductors: Perrins' table, units of its last digit", max(units), 0.5),
        Claim("square array: coefficients of the series, relative", max(series), 4e-8),
    ]


def plane_laws() -> list[Claim]:
    """Keller's reciprocity, Eisenstein sums in closed form (Hurwitz), and the limit of touching perfect conductors.

    That limit, for the hexagonal array: A = 3^(1/4) pi^(3/2)/sqrt 2 = 5.18; Gluzman, Mityushev, Nawalaniec, Starushenko
    (arXiv:1508.05068) quote it from theory, and find 5.14 to 5.24 from a series.
    """
    pairs = [
        (lattice, f * lattice.packing, c) for lattice in (SQUARE, HEXAGONAL) for f in (0.3, 0.9) for c in (0.0, 0.2)
    ]
    keller = [disc_array(a, f, c).value * disc_array(a, f, 1.0 / c if c else math.inf).value - 1.0 for a, f, c in pairs]
    sums = (
        plane_sums(SQUARE, 4)[4] / (gamma(0.25) ** 8 / (960.0 * math.pi**2)) - 1.0,
        plane_sums(HEXAGONAL, 6)[6] / (gamma(1.0 / 3.0) ** 18 / (8960.0 * math.pi**6)) - 1.0,
    )
    near, nearer = (disc_array(HEXAGONAL, HEXAGONAL.packing - gap, math.inf).value for gap in (4e-4, 1e-4))
    slope = (nearer - near) / (100.0 - 50.0)
    return [
        Claim("cylinders: k(c) k(1/c) - 1", float(np.abs(keller).max()), 1e-11),
        Claim("square and hexagonal array: Eisenstein sums G_4, G_6, relative", float(np.abs(sums).max()), 1e-13),
        Claim(
            "hexagonal array, touching: A of theory, relative",
            abs(slope / (3**0.25 * math.pi**1.5 / 2**0.5) - 1.0),
            2e-3,
        ),
    ]


def ball_laws(lattice: BallLattice, effort: int) -> list[Claim]:
    """Published coefficients, Maxwell's limit, and the flux through contacts of perfect conductors.

    Between two balls of radius R at a gap d it is pi R log(R/d) (Keller, J. Appl. Phys. 34 (1963) 991), so that
    K = pi z/(12 V) with z neighbours at distance 1.
    """
    found = ball_series(lattice)
    published = [abs(found[name] / figure - 1.0) for name, figure in BALL_SERIES[lattice].items()]
    alpha = math.sqrt(math.pi) / lattice.volume ** (1 / 3)
    ewald = np.abs(ewald_sums(lattice, alpha) - ewald_sums(lattice, 1.3 * alpha)).max()
    f, beta = 0.02, 4.0 / 7.0
    dilute = abs(ball_array(lattice, f, 5.0).value - (1 + 2 * beta * f) / (1 - beta * f)) / f**3
    full = (0.98, 0.99) if effort else (0.95, 0.98)
    gaps = [1.0 - share ** (1 / 3) for share in full]
    near, nearer = (ball_array(lattice, share * lattice.packing, math.inf).value for share in full)
    contact = (nearer - near) / math.log(gaps[0] / gaps[1]) / (
        math.pi * NEIGHBOURS[lattice] / (12.0 * lattice.volume)
    ) - 1.0
    return [
        Claim(f"{lattice.name}: Sangani and Acrivos' coefficients, relative", max(published), 6e-3),
        Claim(f"{lattice.name}: lattice sums with two Ewald parameters", float(ewald), 1e-13),
        Claim(f"{lattice.name}: Maxwell's limit, error / f^3", dilute, 0.03),
        Claim(f"{lattice.name}: flux through contacts, relative", abs(contact), 0.03 if effort else 0.05),
    ]


def run(effort: int = 1) -> list[Claim]:
    balls = [claim for lattice in BALL_SERIES for claim in ball_laws(lattice, effort)]
    return [*perrins(), *plane_laws(), *balls]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
