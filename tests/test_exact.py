"""Closed forms against each other, against scipy's integrals and special functions, and in their limits."""

import tracemalloc

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.special import iv

from cellsolve import exact
from cellsolve.errors import CoefficientError, ConvergenceError
from cellsolve.potentials import Potential

COUPLED = "cos(2*pi*y1)*cos(2*pi*y2) + 0.5*sin(2*pi*(y1 + y2 + y3)) + 0.5*cos(2*pi*(y2 - y3))"
ORIGIN = np.zeros(1)


def line(V1: str, scales: int = 1, V0: str | None = None) -> Potential:
    return Potential(V1, dim=1, scales=scales, V0=V0)


@pytest.mark.parametrize("sigma", [10.0, 1.0, 0.1, 0.01, 1 / 300])
def test_one_cosine_is_zwanzigs_bessel_function(sigma: float) -> None:
    M = exact.effective_diffusion_1d(line("cos(2*pi*y1)"), sigma, ORIGIN)
    assert M.shape == ()
    np.testing.assert_allclose(M, exact.zwanzig([1.0], sigma), rtol=1e-12)


def test_zwanzig_is_the_product_of_bessel_functions_and_of_its_factors() -> None:
    assert exact.zwanzig([1.0, -0.5], 0.5) == pytest.approx(iv(0, 2.0) ** -2 * iv(0, 1.0) ** -2, rel=1e-14)
    assert exact.zwanzig([], 1.0) == 1.0
    assert exact.zwanzig([1.0], 1e-4) == 0.0


def test_cold_limit_of_zwanzig() -> None:
    s = 300.0
    assert exact.zwanzig([1.0], 1 / s) == pytest.approx(2 * np.pi * s * np.exp(-2 * s) * (1 - 1 / (4 * s)), rel=1e-5)


def test_separable_scales_multiply() -> None:
    V = line("cos(2*pi*y1) + 0.5*cos(2*pi*y2) + 0.3*sin(6*pi*y3) + 0.7*cos(2*pi*y4)", 4)
    expected = exact.zwanzig([1.0, 0.5, 0.3, 0.7], 0.1)
    np.testing.assert_allclose(exact.effective_diffusion_1d(V, 0.1, ORIGIN), expected, rtol=1e-12)


def test_a_sum_of_angles_is_a_single_angle() -> None:
    M = exact.effective_diffusion_1d(line("cos(2*pi*(y1 + 2*y2 - y3))", 3), 0.02, ORIGIN)
    np.testing.assert_allclose(M, exact.zwanzig([1.0], 0.02), rtol=1e-12)


@pytest.mark.parametrize("frequency", [32, 64, 96, 1024])
def test_fast_oscillations_are_not_taken_for_a_constant(frequency: int) -> None:
    M = exact.effective_diffusion_1d(line(f"cos(2*pi*{frequency}*y1)"), 0.5, ORIGIN)
    np.testing.assert_allclose(M, exact.zwanzig([1.0], 0.5), rtol=1e-12)


def test_two_coupled_scales_against_scipy() -> None:
    def weight(sign: float, y2: float, y1: float) -> float:
        V = np.cos(2 * np.pi * y1) * np.sin(2 * np.pi * y2) + 0.5 * np.cos(2 * np.pi * (y1 - y2)) + 0.3 * y2 * (1 - y2)
        return float(np.exp(sign * V / 0.5))

    Z, Zhat = (
        dblquad(lambda a, b, sign=sign: weight(sign, a, b), 0, 1, 0, 1, epsabs=1e-11, epsrel=1e-11)[0]
        for sign in (-1.0, 1.0)
    )
    V = line("cos(2*pi*y1)*sin(2*pi*y2) + 0.5*cos(2*pi*(y1 - y2)) + min(0.3*y2*(1 - y2), 9)", 2)
    np.testing.assert_allclose(exact.effective_diffusion_1d(V, 0.5, ORIGIN), 1 / (Z * Zhat), rtol=1e-10)
    np.testing.assert_allclose(exact.log_partition_function_1d(V, 0.5, ORIGIN), np.log(Z), rtol=1e-10)


def test_three_coupled_scales_at_low_temperature_in_bounded_memory() -> None:
    tracemalloc.start()
    M = exact.effective_diffusion_1d(line(COUPLED, 3), 3.0 / 200, ORIGIN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    shifted = exact.effective_diffusion_1d(line(COUPLED.replace("y1", "(y1 + 0.123)"), 3), 3.0 / 200, ORIGIN)
    np.testing.assert_allclose(M, shifted, rtol=1e-11)
    assert peak < 60e6  # 84 MB in one piece


@pytest.mark.parametrize("kink", [0.5, 1 / 3, 0.123])
def test_a_jump_anywhere_is_integrated_exactly(kink: float) -> None:
    M = exact.effective_diffusion_1d(line(f"heaviside(y1 - {kink!r})"), 0.25, ORIGIN)
    Z, Zhat = (kink + (1 - kink) * np.exp(sign * 4.0) for sign in (-1.0, 1.0))
    np.testing.assert_allclose(M, 1 / (Z * Zhat), rtol=1e-12)


def test_a_tent_is_integrated_exactly_at_every_temperature() -> None:
    for s in (1.0, 30.0, 3000.0):  # <exp(-s |y - 1/3|)> and <exp(s (|y - 1/3| - 2/3))>
        Z = (2 - np.exp(-s / 3) - np.exp(-2 * s / 3)) / s
        scaled = (1 - np.exp(-2 * s / 3) + np.exp(-s / 3) - np.exp(-2 * s / 3)) / s
        V = line("abs(y1 - 1/3)")
        np.testing.assert_allclose(exact.log_partition_function_1d(V, 1 / s, ORIGIN), np.log(Z), rtol=1e-12)
        M = exact.effective_diffusion_1d(V, 1 / s, ORIGIN)
        np.testing.assert_allclose(M, np.exp(-2 * s / 3) / (Z * scaled), rtol=1e-11, atol=0.0)


def test_a_kink_beside_a_smooth_variable_against_scipy() -> None:
    inner = [
        quad(lambda y, s=sign: np.exp(s * y) * iv(0, 1.0 + y), 0, 1, epsabs=1e-13, epsrel=1e-13)[0] for sign in (-1, 1)
    ]
    M = exact.effective_diffusion_1d(line("abs(y1) + (1 + y1)*cos(2*pi*y2)", 2), 1.0, ORIGIN)
    np.testing.assert_allclose(M, 1 / (inner[0] * inner[1]), rtol=1e-12)


def test_what_cannot_be_reached_is_an_error_with_the_best_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_LARGEST_GRID", 200_000)
    with pytest.raises(ConvergenceError, match="200000 points") as caught:
        exact.effective_diffusion_1d(line("abs(sin(2*pi*y1) - y2)", 2), 1.0, ORIGIN)
    assert caught.value.result == pytest.approx(0.79, abs=0.05)


def test_the_macroscopic_point_enters_and_its_own_terms_cancel() -> None:
    x = np.array([[[-1.0]], [[0.5]], [[2.0]]])
    V = line("(2 + x)*cos(2*pi*y1) + x**2", V0="x**4")
    expected = np.array([[[exact.zwanzig([2.0 + value], 0.5)]] for value in x.ravel()])[..., 0]
    M = exact.effective_diffusion_1d(V, 0.5, x)
    assert M.shape == (3, 1)
    np.testing.assert_allclose(M, expected, rtol=1e-12)
    log_Z = np.log(iv(0, (2 + x[..., 0]) / 0.5)) - x[..., 0] ** 2 / 0.5
    np.testing.assert_allclose(exact.log_partition_function_1d(V, 0.5, x), log_Z, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(exact.free_energy_1d(V, 0.5, x), x[..., 0] ** 4 - 0.5 * log_Z, rtol=1e-12, atol=1e-13)


def test_the_period_is_that_of_the_fast_variables() -> None:
    V = line("cos(y1)")
    np.testing.assert_allclose(
        exact.effective_diffusion_1d(V, 1.0, ORIGIN, period=2 * np.pi), iv(0, 1) ** -2, rtol=1e-13
    )


def test_a_callable_and_a_flat_potential() -> None:
    V = Potential(lambda x, y: np.cos(2 * np.pi * y[..., 0]) + x[..., 0], dim=1, scales=1)
    np.testing.assert_allclose(exact.effective_diffusion_1d(V, 1.0, np.ones((2, 1))), iv(0, 1) ** -2, rtol=1e-13)
    np.testing.assert_allclose(exact.effective_diffusion_1d(line("x + 3"), 1.0, np.ones((2, 1))), 1.0, rtol=1e-14)


def test_wrong_arguments_are_refused() -> None:
    V = line("cos(2*pi*y1) + 1/x")
    for sigma in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(CoefficientError, match="sigma"):
            exact.effective_diffusion_1d(V, sigma, np.ones(1))
    with pytest.raises(CoefficientError, match="period"):
        exact.effective_diffusion_1d(V, 1.0, np.ones(1), period=0.0)
    with pytest.raises(CoefficientError, match=r"\(\.\.\., 1\)"):
        exact.effective_diffusion_1d(V, 1.0, np.ones(3))
    with pytest.raises(CoefficientError, match="V1/sigma is inf at x = 0"):
        exact.effective_diffusion_1d(V, 1.0, np.zeros(1))
    with pytest.raises(CoefficientError, match="V1/sigma is nan at x = 0, y1 = 0"):
        exact.effective_diffusion_1d(line("1/y1 - 2/y1**2"), 1.0, np.zeros(1))
    with pytest.raises(CoefficientError, match="one dimension only"):
        exact.effective_diffusion_1d(Potential("y1[0]", dim=2, scales=1), 1.0, np.zeros(2))


def test_an_additive_potential_diffuses_along_each_axis_alone() -> None:
    M = exact.additive_diffusion(["cos(2*pi*y)", lambda y: 2 * np.sin(2 * np.pi * y), "0"], 0.5)
    np.testing.assert_allclose(M, np.diag([iv(0, 2) ** -2, iv(0, 4) ** -2, 1.0]), rtol=1e-12)


@pytest.mark.parametrize("dim", [2, 3])
def test_layers_of_numbers_have_the_harmonic_and_the_arithmetic_mean(dim: int) -> None:
    k, f = np.array([1.0, 10.0, 0.2]), np.array([0.5, 0.3, 0.2])
    expected = np.diag([1 / np.sum(f / k)] + [np.sum(f * k)] * (dim - 1))
    np.testing.assert_allclose(exact.laminate(list(k), list(f), 3.0 * np.eye(dim)[0]), expected, atol=1e-14)


def test_a_rotated_laminate_is_the_laminate_rotated() -> None:
    rng = np.random.default_rng(3)
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    layers = [A @ A.T + np.eye(3) for A in rng.normal(size=(3, 3, 3))]
    f, n = [0.2, 0.5, 0.3], rng.normal(size=3)
    rotated = exact.laminate([Q @ K @ Q.T for K in layers], f, Q @ n)
    np.testing.assert_allclose(rotated, Q @ exact.laminate(layers, f, n) @ Q.T, rtol=1e-12, atol=1e-12)


def test_layers_of_tensors_solve_the_layered_cell_problem() -> None:
    """Fields by linear algebra: continuous normal flux and mean gradient E, for every E."""
    rng = np.random.default_rng(4)
    layers = [A @ A.T + 0.5 * np.eye(2) for A in rng.normal(size=(3, 2, 2))]
    f, n = np.array([0.25, 0.35, 0.4]), np.array([0.6, 0.8])
    A = exact.laminate(layers, list(f), n)
    for E in np.eye(2):  # unknowns a_1, a_2, a_3, q
        system = np.vstack([np.c_[np.diag([n @ K @ n for K in layers]), -np.ones(3)], [*f, 0.0]])
        a = np.linalg.solve(system, [*(-n @ K @ E for K in layers), 0.0])[:3]
        flux = sum(w * K @ (E + s * n) for w, K, s in zip(f, layers, a, strict=True))
        np.testing.assert_allclose(A @ E, flux, rtol=1e-13, atol=1e-14)


def test_laminates_and_the_checkerboard_obey_duality() -> None:
    A = exact.laminate([1.0, 7.0], [0.3, 0.7], [1.0, 2.0])
    np.testing.assert_allclose(exact.keller_dual(A), exact.laminate([1.0, 1 / 7], [0.3, 0.7], [1.0, 2.0]), rtol=1e-13)
    board = exact.checkerboard(2.0, 8.0)
    np.testing.assert_allclose(board, 4.0 * np.eye(2))
    np.testing.assert_allclose(exact.keller_dual(board), exact.checkerboard(1 / 2, 1 / 8), rtol=1e-14)


@pytest.mark.parametrize(
    ("coefficients", "fractions", "normal"),
    [
        ([1.0, 2.0], [0.5, 0.6], [1, 0]),
        ([1.0, 2.0], [1.0], [1, 0]),
        ([1.0, 2.0], [0.5, np.nan], [1, 0]),
        ([1.0, 2.0], [0.5, 0.5], [0, 0]),
        ([1.0, -2.0], [0.5, 0.5], [1, 0]),
        ([1.0, np.nan], [0.5, 0.5], [1, 0]),
        ([1.0, [[1.0, 0.5], [0.4, 1.0]]], [0.5, 0.5], [1, 0]),
        ([1.0, np.eye(3)], [0.5, 0.5], [1, 0]),
    ],
)
def test_what_is_no_laminate_is_refused(coefficients: list[object], fractions: list[float], normal: list[int]) -> None:
    with pytest.raises(CoefficientError):
        exact.laminate(coefficients, fractions, normal)  # type: ignore[arg-type]


def test_duals_of_what_is_no_plane_tensor_and_negative_conductivities_are_refused() -> None:
    for tensor in (np.eye(3), np.zeros((2, 2))):
        with pytest.raises(CoefficientError, match=r"\(2, 2\)"):
            exact.keller_dual(tensor)
    with pytest.raises(CoefficientError, match="k2"):
        exact.checkerboard(1.0, -1.0)


def test_holes_discs_and_cylinders_agree_with_each_other() -> None:
    assert exact.square_hole_quarter() ** 2 == pytest.approx(1 / 3)
    assert exact.dilute_discs(1.0, 0.1) == 1.0
    assert exact.dilute_discs(3.0, 0.1) == pytest.approx(1.1)
    assert exact.dilute_discs(3.0, 0.01) * exact.dilute_discs(1 / 3, 0.01) == pytest.approx(1.0, abs=2e-4)
    table = exact.perrins_table()
    assert table[0.10] == pytest.approx((1 + 0.1) / (1 - 0.1), abs=1e-3)  # Maxwell's formula, exact up to f^5
    a = np.sqrt(0.78 / np.pi)  # radius; Keller, J. Appl. Phys. 34 (1963) 991: nearly touching cylinders
    assert table[0.78] == pytest.approx(np.pi * np.sqrt(a / (1 - 2 * a)) - np.pi + 1, rel=0.01)
    assert list(table.values()) == sorted(table.values())
    assert len(table) == 11
