"""Estimates cover the error and are not far above it: by computing again, finer, and where convergence is slow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from problems import relative_error
from scipy.special import i0e

import cellsolve as cs
from cellsolve.cellproblem.convergence import Step, remainder, unseen
from cellsolve.errors import ConvergenceError
from cellsolve.fem.box_space import element_box, trigonometric_box
from cellsolve.macro import verification
from cellsolve.macro.chunks import Evaluation, Means, evaluate_in_chunks
from cellsolve.multiscale import evaluation
from cellsolve.multiscale.lattice import AtPoints, Lattice
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planned import raised_to, stronger, verifying
from cellsolve.multiscale.recursion import sample_level

PLANE = "0.854*(1 - 0.37*sin(x[1]))*cos(2*pi*(y2[0] + y3[0]))*sin(2*pi*(y3[1] - y2[0])) - 0.65*cos(4*pi*y1[1])"
SUM = "cos(2*pi*y1)*cos(2*pi*y2) + 0.5*sin(2*pi*(y1 + y2))"
NARROW = "(1 + 6*exp(-((x - 0.5)/0.01)**2))*cos(2*pi*y1) + 0.3*sin(2*pi*y1)"


def model_of(text: str, dim: int, scales: int, tol: float, sigma: float = 1.0) -> cs.EffectiveModel:
    return cs.homogenize(cs.Potential(text, dim=dim, scales=scales), sigma=sigma, tol=tol)


def chunks_of(model: cs.EffectiveModel, x: np.ndarray) -> Evaluation:
    planned, _ = model.plan(x)
    return evaluate_in_chunks(planned, x, (0,), Means())


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-8])
def test_the_estimate_is_about_twice_the_error(tol) -> None:
    model, x = model_of(SUM, 1, 2, tol, sigma=0.5), np.zeros(1)
    eff = model.evaluate(x)
    error = relative_error(eff.diffusion, cs.exact.effective_diffusion_1d(model.potential, 0.5, x).reshape(1, 1))
    assert error <= eff.error_estimate <= 5.0 * error + 1e-12


def test_what_is_ignored_because_it_is_small_is_in_the_estimate() -> None:
    """K_2 moves with y2 by less than is allowed for: one sample is taken, and the error is of the order of that."""
    x = np.array([0.4, -1.0])
    eff = model_of(PLANE, 2, 3, 1e-3, sigma=2.0).evaluate(x)
    fine = model_of(PLANE, 2, 3, 1e-7, sigma=2.0).evaluate(x)
    assert eff.report.samplings["y2"] == "1 x 1 lattice"
    error = relative_error(eff.diffusion, fine.diffusion)
    assert 1e-8 < error <= eff.error_estimate <= 20.0 * error


def test_all_is_finer_where_a_plan_is_verified() -> None:
    planned, _ = model_of(PLANE, 2, 3, 1e-3, sigma=2.0).plan(np.zeros((1, 2)))
    finer, unjudged = verifying(planned, 0)
    assert not unjudged
    assert all(finer.solvers[k].space.n_dofs > s.space.n_dofs for k, s in planned.plan.solvers.items())
    coarse, dense = planned.plan.samplings[2], finer.samplings[2]
    assert isinstance(coarse, Lattice)
    assert isinstance(dense, Lattice)
    assert coarse.counts == (1, 1)
    assert dense.counts[0] >= 3  # along which terms of the third level hold y2
    assert dense.counts[1] == 1  # and along which none does
    assert finer.tol < planned.plan.tol


def test_waves_that_some_samples_take_for_a_constant_get_more_of_them() -> None:
    from cellsolve.multiscale.planned import _few

    assert _few(np.array([1.0, 1.0, 0.1, 0.01])) == 3
    assert _few(np.array([1.0, 0.0, 0.0, 1.0])) == 5
    assert _few(np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0])) == 7
    assert _few(np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])) == 3  # the fifth looks like the second, not like a constant
    assert _few(np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])) == 5  # the sixth looks like a constant to three samples


def test_meshes_are_not_verified_by_elements_of_lower_order() -> None:
    cell = cs.read_cell("meshes/square_quads.msh")
    V = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y2[1]) + cos(2*pi*y2[0])", dim=2, scales=2)
    planned, _ = cs.homogenize(V, sigma=1.0, tol=1e-4, cells=[cs.box_cell(2), cell]).plan(np.zeros((1, 2)))
    _, unjudged = verifying(planned, 0)
    assert unjudged == {2}


def test_all_chunks_are_solved_on_the_space_that_one_of_them_needs(monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "_PROBLEMS_PER_CHUNK", 5)
    model, x = model_of(NARROW, 1, 1, 1e-8, sigma=0.3), np.linspace(-2.97, 3.03, 61)[:, None]
    x[10] = 0.5
    planned, _ = model.plan(np.delete(x, 10, axis=0))
    found = evaluate_in_chunks(planned, x, (0,), Means())
    assert found.planned.rungs[1] > planned.rungs[1]
    again = evaluate_in_chunks(found.planned, x, (0,), Means())
    np.testing.assert_array_equal(found.channels, again.channels)
    few = evaluate_in_chunks(planned, x[:5], (0,), Means())
    assert np.abs(few.channels - found.channels[:5]).max() > 0


def test_estimates_follow_what_is_seen() -> None:
    base = chunks_of(model_of(SUM, 1, 2, 1e-6), np.zeros((1, 1)))
    count = 6
    many = replace(
        base,
        channels=np.zeros((count, 2)),
        error=np.full(count, 1e-4),
        interpolation=np.full(count, 1e-9),
        alarming=False,
    )
    rows, rounding = np.array([0, 1]), np.full(count, 1e-14)
    found = verification._calibrated(many, rows, np.array([2e-6, 6e-7]), 0.0, rounding)
    np.testing.assert_allclose(found, [2e-6, 1e-6, 1e-5, 1e-5, 1e-5, 1e-5], rtol=0.01)
    many_times = verification._calibrated(many, rows, np.array([2e-5, 6e-7]), 0.0, rounding)
    np.testing.assert_allclose(many_times[[0, 2]], [2e-5, 8e-5], rtol=0.01)
    worse = verification._calibrated(many, rows, np.array([2e-3, 6e-7]), 0.0, rounding)
    np.testing.assert_allclose(worse[[0, 2]], 2e-3, rtol=0.01)
    alarmed = verification._calibrated(replace(many, alarming=True), rows, np.array([2e-8, 2e-8]), 0.0, rounding)
    np.testing.assert_allclose(alarmed, [5e-6, 5e-6, 1e-4, 1e-4, 1e-4, 1e-4], rtol=0.01)
    fixed = verification._calibrated(many, rows, np.array([2e-6, 6e-7]), 5e-5, rounding)
    assert (fixed > 5e-5).all()


def test_elements_that_are_hardly_finer_are_not_trusted_as_much() -> None:
    """Additive cosines at osc/sigma = 100: from order 7 to 8 the error does not even halve."""
    V = cs.Potential("cos(2*pi*y1[0]) + cos(2*pi*y1[1])", dim=2, scales=1)
    eff = cs.homogenize(V, sigma=0.04, tol=1e-6).evaluate(np.zeros(2))
    exact = -2.0 * (np.log(i0e(25.0)) + 25.0)
    error = np.abs(np.linalg.eigvalsh(eff.log_diffusion) - exact).max()
    assert 1.5 * error < float(eff.error_estimate) < 10.0 * error


def test_points_of_y1_do_not_concern_levels_that_lack_it() -> None:
    """The lattice of y1 is given up for quadrature points; the innermost level does not hold y1."""
    V1 = (
        "-0.919*cos(2*pi*(y2 - y3))*sin(-2*pi*(y2 + y3)) - 0.564*cos(2*pi*y1) - 0.945*sin(2*pi*y1)**2"
        " + 0.559*cos(2*pi*(y3 - y2))*sin(2*pi*(y3 - y2)) + 0.841*cos(2*pi*(2*y1 + y2))*cos(2*pi*(y2 - y1))"
    )
    V = cs.Potential(V1, dim=1, scales=3)
    model = cs.homogenize(V, sigma=0.3, tol=2.5e-7)
    planned = evaluate_in_chunks(model.plan(np.zeros((1, 1)))[0], np.zeros((1, 1)), (), Means()).planned
    samplings = {**planned.plan.samplings, 1: AtPoints(len(planned.plan.solvers[1].space.weights), 1)}
    plan = replace(planned.plan, samplings=samplings, prepared={}, checkers=None)
    found = sample_level(plan, {"x": np.zeros((1, 1))}, 0, 0, (), Tally()).fields
    log_M = float(found.log_tensor.item() - found.log_partition.item())
    assert np.exp(log_M) == pytest.approx(cs.exact.effective_diffusion_1d(V, 0.3, np.zeros(1)).item(), rel=1e-6)


def test_the_difference_is_of_mobilities() -> None:
    """log K = (1, 3) and log Z = 2 against 0: log M differs by (-1, 1)."""
    there = np.zeros((1, 4))
    assert verification._distance(np.array([[1.0, 0.0, 3.0, 2.0]]), there, 2) == pytest.approx(1.0)
    assert verification._distance(np.array([[2.0, 0.0, 2.0, 2.0]]), there, 2) == pytest.approx(0.1 * 4.0)


def test_a_plan_is_made_stronger_until_its_ladders_end() -> None:
    planned, _ = model_of(SUM, 1, 2, 1e-3).plan(np.zeros((1, 1)))
    finer = stronger(planned)
    assert finer is not None
    assert finer.rungs == {k: rung + 1 for k, rung in planned.rungs.items()}
    last = raised_to(planned, {k: len(planned.ladders[k].makers) - 1 for k in planned.rungs})
    assert stronger(last) is None


@pytest.mark.parametrize("contrast", [2.0, 100.0])
def test_jumps_inside_elements_are_seen(contrast) -> None:
    """Layers, the jump at 0.37: harmonic mean across, arithmetic along."""

    def K(y: np.ndarray) -> np.ndarray:
        return np.where(y[..., 0] % 1.0 < 0.37, 1.0, contrast)

    truth = np.diag([1.0 / (0.37 + 0.63 / contrast), 0.37 + 0.63 * contrast])
    with pytest.raises(ConvergenceError) as reached:
        cs.solve_cell_problem(cs.box_cell(2), K, tol=1e-3)
    solution = reached.value.result
    error = relative_error(solution.tensor, truth)
    assert error <= solution.report.error_estimate <= 10.0 * error


@pytest.mark.parametrize(("contrast", "tol"), [(3.0, 1e-2), (3.0, 1e-3), (10.0, 1e-2)])
def test_slow_convergence_at_corners_is_seen(contrast, tol) -> None:
    def K(y: np.ndarray) -> np.ndarray:
        return np.where((2.0 * y).astype(int).sum(axis=-1) % 2 == 0, 1.0, contrast)

    solution = cs.solve_cell_problem(cs.box_cell(2), K, tol=tol)
    error = relative_error(solution.tensor, np.sqrt(contrast) * np.eye(2))
    assert error <= solution.report.error_estimate <= 10.0 * error


def test_the_remainder_of_a_geometric_series() -> None:
    """Errors 1, 1/2, 1/4 of spaces of n p^2 = 16, 32, 64: the last one has 1/4 left."""
    steps = [Step(element_box(2, n, 2), np.full((1, 1, 1), 5.0 + e)) for n, e in ((4, 1.0), (8, 0.5), (16, 0.25))]

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).max())

    assert remainder(steps, distance) == pytest.approx(0.25)
    assert remainder(steps[1:], distance) == 0.0
    fast = [replace(steps[0], tensor=np.full((1, 1, 1), 15.0)), *steps[1:]]
    assert remainder(fast, distance) == 0.0


def test_averages_on_a_fine_grid_show_what_quadrature_misses() -> None:
    space = element_box(2, 2, 2)

    def jump(other) -> np.ndarray:
        return np.where(other.points[:, 0] < 0.37, 1.0, 3.0)[None]

    shares = space.weights[space.points[:, 0] < 0.37].sum()
    expected = abs((3.0 - 2.0 * shares) / (3.0 - 2.0 * 0.37) - 1.0), abs((1 + 2 * shares) / (1 + 2 * 0.37) - 1.0)
    assert unseen(jump, jump(space), space) == pytest.approx(max(expected), rel=0.1)
    smooth = trigonometric_box(2, 21)
    assert unseen(lambda other: np.exp(np.cos(2 * np.pi * other.points[:, 0]))[None], smooth_at(smooth), smooth) < 1e-4


def smooth_at(space) -> np.ndarray:
    return np.exp(np.cos(2 * np.pi * space.points[:, 0]))[None]


@pytest.mark.parametrize("order", [2, 3, 4])
def test_meshes_that_resolve_a_coefficient_are_believed(order) -> None:
    """K = exp(-cos cos / sigma) on a mesh of a square: K_hom = 1 exactly."""
    cell = cs.read_cell("meshes/square_unstructured.msh")
    solution = cs.solve_cell_problem(cell, "exp(cos(2*pi*y[0])*cos(2*pi*y[1]))", order=order)
    error = relative_error(solution.tensor, np.eye(2))
    assert error <= solution.report.error_estimate <= 100.0 * error + 1e-12


def test_work_that_verifies_is_counted() -> None:
    base = chunks_of(model_of(SUM, 1, 2, 1e-6), np.zeros((1, 1)))
    before = base.tally.checks
    after = verification.verified(base, np.zeros((1, 1)), 1)
    assert isinstance(after.tally, Tally)
    assert after.tally.checks > before
    assert after.error[0] < base.error[0]
