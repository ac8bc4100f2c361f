"""Multipole values of arrays: closed forms, symmetries, limits, published figures, and what is refused."""

from __future__ import annotations

import importlib
import math
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.special import comb, gamma

from cellsolve import exact
from cellsolve.errors import CoefficientError, ConvergenceError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "validation"))
shared = importlib.import_module("_multipole")
discs = importlib.import_module("_multipole_discs")
balls = importlib.import_module("_multipole_spheres")
sys.path.pop(0)

DISCS = (discs.SQUARE, discs.HEXAGONAL)
BALLS = (balls.SIMPLE_CUBIC, balls.BODY_CENTRED, balls.FACE_CENTRED)


def value(lattice, fraction: float, contrast: float) -> float:
    array = discs.disc_array if lattice in DISCS else balls.ball_array
    return array(lattice, fraction, contrast).value


def test_balanced_binomials_are_exact_and_do_not_overflow():
    n = np.arange(60)
    reference = comb(n[:, None] + n, n) * 0.5 ** (n[:, None] + n)
    assert shared.balanced_binomial(n[:, None], n) == pytest.approx(reference, rel=1e-13)
    large = shared.balanced_binomial(np.array([5000, 5000]), np.array([5000, 5001]))
    assert large[0] == pytest.approx(1.0 / math.sqrt(5000 * math.pi) * (1 - 1 / 40000), rel=1e-9)
    assert large[1] / large[0] == pytest.approx(10001 / 5001 / 2, rel=1e-12)


def test_eisenstein_sums_have_their_closed_forms():
    square, hexagonal = discs.lattice_sums(discs.SQUARE, 24), discs.lattice_sums(discs.HEXAGONAL, 24)
    assert square[4] == pytest.approx(gamma(0.25) ** 8 / (960 * math.pi**2), rel=1e-14)
    assert hexagonal[6] == pytest.approx(gamma(1 / 3) ** 18 / (8960 * math.pi**6), rel=1e-14)
    assert square[8] == pytest.approx(3 / 7 * square[4] ** 2, rel=1e-14)
    assert hexagonal[12] == pytest.approx(25 / 143 * hexagonal[6] ** 2, rel=1e-13)
    assert square[[0, 2, 6, 10, 22]].tolist() == hexagonal[[0, 2, 4, 10, 20]].tolist() == [0.0] * 5


@pytest.mark.parametrize("lattice", DISCS, ids=lambda lattice: lattice.name)
def test_eisenstein_sums_agree_where_both_ways_of_summing_hold(lattice):
    for s in (12, 24):
        assert discs._eisenstein(s, lattice.tau) == pytest.approx(discs._nearest(s, lattice.tau), rel=1e-10)


def test_the_square_array_has_the_published_conductivities():
    for fraction, published in exact.perrins_table().items():
        half_unit = 0.5 * 10.0 ** (math.floor(math.log10(published)) - 3)
        assert value(discs.SQUARE, fraction, math.inf) == pytest.approx(published, abs=half_unit)


@pytest.mark.parametrize(("lattice", "share", "contrast"), [*product(DISCS, (0.2, 0.95), (0.0, 0.3))])
def test_cylinders_obey_keller(lattice, share, contrast):
    other = math.inf if contrast == 0.0 else 1.0 / contrast
    f = share * lattice.packing
    assert value(lattice, f, contrast) * value(lattice, f, other) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("contrast", [0.0, 0.5, 10.0, math.inf])
def test_dilute_cylinders_have_maxwells_value_and_the_first_correction(contrast):
    """k = (1 + b f + e)/(1 - b f - e), e = b^3 C f^(2p) for few cylinders; C = 3 G_4^2/pi^4, p = 2 on the square."""
    b = 1.0 if math.isinf(contrast) else (contrast - 1) / (contrast + 1)
    f = 0.03
    C = 3.0 * (gamma(0.25) ** 8 / (960 * math.pi**2)) ** 2 / math.pi**4
    F = b * f + b**3 * C * f**5
    assert value(discs.SQUARE, f, contrast) == pytest.approx((1 + F) / (1 - F), abs=3 * f**9)
    assert value(discs.HEXAGONAL, f, contrast) == pytest.approx((1 + b * f) / (1 - b * f), abs=f**7)


@pytest.mark.parametrize("lattice", BALLS, ids=lambda lattice: lattice.name)
@pytest.mark.parametrize("contrast", [0.0, 0.5, 10.0, math.inf])
def test_dilute_balls_have_maxwells_value_and_the_first_correction(lattice, contrast):
    """k = 1 + 3F/(1 - F), F = b1 f (1 + b1 b3 a1 f^(10/3)): a dipole, its image in the neighbours' octupoles."""
    b1, b3 = (1.0, 1.0) if math.isinf(contrast) else (n * (contrast - 1) / (n * contrast + n + 1) for n in (1, 3))
    f, a1 = 0.02, balls.series(lattice)["a1"]
    F = b1 * f * (1 + b1 * b3 * a1 * f ** (10 / 3))
    maxwell = 1 + 3 * b1 * f / (1 - b1 * f)
    assert value(lattice, f, contrast) - maxwell == pytest.approx(1 + 3 * F / (1 - F) - maxwell, rel=0.03)


@pytest.mark.parametrize("lattice", [*DISCS, *BALLS], ids=lambda lattice: lattice.name)
def test_bodies_like_the_matrix_leave_no_trace(lattice):
    assert value(lattice, 0.4, 1.0) == 1.0
    assert value(lattice, 0.0, 7.0) == 1.0


@pytest.mark.parametrize("lattice", BALLS, ids=lambda lattice: lattice.name)
def test_lattice_sums_do_not_depend_on_the_ewald_parameter(lattice):
    alpha = math.sqrt(math.pi) / lattice.volume ** (1 / 3)
    sums = balls.ewald_sums(lattice, alpha)
    assert balls.ewald_sums(lattice, 0.8 * alpha) == pytest.approx(sums, abs=1e-13)
    assert sums[2, 1] / sums[2, 0] == pytest.approx(math.sqrt(5 / 14), rel=1e-12)  # the cubic harmonic of degree 4


@pytest.mark.parametrize("lattice", BALLS, ids=lambda lattice: lattice.name)
def test_lattice_sums_are_sums_over_the_lattice(lattice):
    points = lattice.points(6.0)
    r = np.linalg.norm(points, axis=1)
    assert r.min() == pytest.approx(1.0)
    for degree, Y in balls._harmonics(points / r[:, None], 40):
        if degree in (20, 30, 32, 40):
            expected = Y @ r ** -(degree + 1.0)
            assert balls.lattice_sums(lattice)[degree // 2, : len(Y)] == pytest.approx(expected, abs=1e-12)


def test_harmonics_are_normalized_solid_harmonics():
    x, y, z = direction = np.array([0.48, 0.6, 0.64])
    rows = {degree: Y[:, 0] for degree, Y in balls._harmonics(direction[None], 4)}
    assert rows[1] == pytest.approx([z])
    assert rows[4][0] == pytest.approx((35 * z**4 - 30 * z**2 + 3) / 8)
    assert rows[4][1] == pytest.approx(math.sqrt(35 / 128) * ((x**2 - y**2) ** 2 - 4 * x**2 * y**2))


@pytest.mark.parametrize(
    ("lattice", "published"),
    [
        (balls.SIMPLE_CUBIC, {"a1": 1.305, "a3": 0.405, "a4": 0.0723, "a5": 0.153}),
        (balls.BODY_CENTRED, {"a1": 0.129, "a3": 0.764, "a4": 0.257, "a6": 0.00562}),
        (balls.FACE_CENTRED, {"a1": 0.0753, "a5": 0.0231}),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_balls_have_the_published_coefficients(lattice, published):
    """Sangani and Acrivos (1983), three digits; see validation/multipole.py."""
    found = balls.series(lattice)
    assert {name: float(f"{found[name]:.3g}") for name in published} == pytest.approx(
        {name: float(f"{figure:.3g}") for name, figure in published.items()}, rel=1e-12
    )


@pytest.mark.parametrize("lattice", [*DISCS, *BALLS], ids=lambda lattice: lattice.name)
def test_values_lie_between_hashin_and_shtrikmans_bounds(lattice):
    d = 2 if lattice in DISCS else 3
    f, c = 0.9 * lattice.packing, 20.0
    low = 1 + f / (1 / (c - 1) + (1 - f) / d)
    high = c + (1 - f) / (1 / (1 - c) + f / (d * c))
    assert low < value(lattice, f, c) < high


@pytest.mark.parametrize("lattice", [*DISCS, *BALLS], ids=lambda lattice: lattice.name)
def test_the_truncation_is_raised_until_it_does_not_matter(lattice):
    array = discs.disc_array if lattice in DISCS else balls.ball_array
    dilute, dense = (array(lattice, share * lattice.packing, math.inf) for share in (0.3, 0.95))
    assert dilute.order < dense.order
    assert max(dilute.change, dense.change) <= 1e-10


@pytest.mark.parametrize("lattice", BALLS, ids=lambda lattice: lattice.name)
def test_nearly_touching_balls_conduct_through_their_contacts(lattice):
    """k = -K log(1 - (f/f_c)^(1/3)) + O(1), K = pi z/(12 V): the high multipoles."""
    neighbours = len(lattice.points(1.01))
    near, nearer = (value(lattice, share * lattice.packing, math.inf) for share in (0.93, 0.96))
    gaps = [1 - share ** (1 / 3) for share in (0.93, 0.96)]
    slope = (nearer - near) / math.log(gaps[0] / gaps[1])
    assert slope == pytest.approx(math.pi * neighbours / (12 * lattice.volume), rel=0.08)


@pytest.mark.parametrize(("lattice", "neighbours", "packing"), [(DISCS[0], 4, 0.785398), (DISCS[1], 6, 0.906900)])
def test_nearly_touching_cylinders_conduct_through_their_contacts(lattice, neighbours, packing):
    """k = pi z sqrt(f_c)/(4 A) / sqrt(f_c - f) + O(1): pi sqrt(R/d) through a gap d (Keller 1963), z neighbours."""
    assert lattice.packing == pytest.approx(packing, abs=1e-6)
    near, nearer = (value(lattice, lattice.packing - gap, math.inf) for gap in (4e-4, 1e-4))
    slope = math.pi * neighbours * math.sqrt(packing) / (4 * lattice.tau.imag)
    assert (nearer - near) / 50.0 == pytest.approx(slope, rel=2e-3)


def test_what_multipoles_do_not_reach_is_refused_with_the_best_value(monkeypatch):
    monkeypatch.setattr(balls, "_ORDERS", (9, 13, 19))
    with pytest.raises(ConvergenceError, match=r"simple cubic array: multipoles to order 19 still move .*almost touch"):
        value(balls.SIMPLE_CUBIC, 0.5, math.inf)
    with pytest.raises(ConvergenceError) as caught:
        shared.raise_truncation("an array", lambda order: 1.0 + 1.0 / order, (1, 2, 4))
    assert (caught.value.result.value, caught.value.result.order) == (1.25, 4)


@pytest.mark.parametrize("lattice", [*DISCS, *BALLS], ids=lambda lattice: lattice.name)
def test_impossible_arrays_are_refused(lattice):
    for fraction in (-0.1, lattice.packing, 0.95, math.nan):
        with pytest.raises(CoefficientError, match=f"{lattice.name}: got the fraction .* neighbours touch"):
            value(lattice, fraction, 2.0)
    for contrast in (-1.0, math.nan):
        with pytest.raises(CoefficientError, match=f"{lattice.name}: got the contrast"):
            value(lattice, 0.3, contrast)
