"""Brackets of M through all levels: they hold, they close, and each part of what is added to them is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from problems import COUPLED, LANDSCAPES, SKEWED, FloatArray, loewner_gap, mesh, two_workers, waves

import cellsolve as cs
from cellsolve.cellproblem.lower_bounds import LowerBoundSolver
from cellsolve.cells import refined
from cellsolve.errors import ConvergenceError, MeshError
from cellsolve.fem.box_space import element_box, trigonometric_box
from cellsolve.fem.denser import denser
from cellsolve.fem.line_space import LineSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.linalg.solver import CellSolver
from cellsolve.macro import bracket
from cellsolve.macro.chunks import Means
from cellsolve.multiscale import bounding
from cellsolve.multiscale.fields import unpack
from cellsolve.multiscale.schemes import LOWER_BOUND, UPPER_BOUND

ORIGIN = {dim: np.zeros(dim) for dim in (1, 2, 3)}
SPACE = "cos(2*pi*y1[0])*cos(2*pi*y2[1]) + 0.5*sin(2*pi*(y1[1] + y2[2]))"


def bracketed(V: cs.Potential, sigma: float, tol: float = 1e-6, **options) -> cs.Effective:
    return cs.homogenize(V, sigma=sigma, tol=tol, bounds=True, **options).evaluate(ORIGIN[V.dim])


def assert_between(eff: cs.Effective, M: FloatArray) -> None:
    """The bracket holds M, and its middle is what is called the diffusion."""
    assert loewner_gap(eff.lower, M) >= 0
    assert loewner_gap(M, eff.upper) >= 0
    np.testing.assert_allclose(eff.diffusion, 0.5 * (eff.lower + eff.upper), rtol=1e-12, atol=1e-15)
    width = np.linalg.solve(eff.lower, eff.upper - eff.lower)
    assert 0.5 * np.linalg.eigvals(width).real.max() == pytest.approx(float(eff.error_estimate), rel=1e-6, abs=1e-13)


KNOWN = [
    ("cosine", 2.0),
    ("cosine", 0.02),
    ("asymmetric", 0.5),
    ("kink", 0.3),
    ("two scales", 0.3),
    ("three scales", 0.5),
    ("rugged", 3 / 200),
    ("cosine product", 1.0),
    ("cosine product", 0.1),
    ("additive plane", 0.5),
]


@pytest.mark.parametrize("tol", [1e-3, 1e-8])
@pytest.mark.parametrize(("name", "sigma"), KNOWN)
def test_closed_forms_lie_between(name: str, sigma: float, tol: float) -> None:
    landscape = LANDSCAPES[name]
    eff = bracketed(landscape.potential, sigma, tol)
    assert_between(eff, landscape.diffusion(sigma))
    assert eff.error_estimate <= tol


@pytest.mark.slow
def test_a_closed_form_in_space_lies_between() -> None:
    eff = bracketed(LANDSCAPES["additive space"].potential, 0.5, 1e-3)
    assert_between(eff, LANDSCAPES["additive space"].diffusion(0.5))
    assert eff.error_estimate <= 1e-3


@pytest.mark.parametrize(("n", "order"), [(1, 2), (1, 4), (2, 3), (4, 2)])
@pytest.mark.parametrize("scales", [1, 2])
def test_coarse_boxes_have_wide_brackets_that_hold(n: int, order: int, scales: int) -> None:
    V = LANDSCAPES["coupled"].potential if scales == 2 else cs.Potential(COUPLED.replace("y2", "y1"), dim=2, scales=1)
    M = cs.homogenize(V, sigma=0.7, tol=1e-9).evaluate(ORIGIN[2]).diffusion
    eff = bracketed(V, 0.7, cells=cs.box_cell(2, n=n, order=order))
    assert_between(eff, M)
    assert eff.error_estimate > 1e-5


@pytest.mark.parametrize("name", ["square.msh", "square_quads.msh", "square_unstructured.msh"])
def test_meshes_hold(name: str) -> None:
    V = LANDSCAPES["coupled"].potential
    M = cs.homogenize(V, sigma=1.0, tol=1e-8).evaluate(ORIGIN[2]).diffusion
    assert_between(bracketed(V, 1.0, cells=[mesh(name), cs.box_cell(2)]), M)


@pytest.mark.parametrize("name", ["cube.msh", "cube_hexes.vtu"])
def test_meshes_in_space_hold(name: str) -> None:
    V = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y1[1]) + 0.3*sin(2*pi*(y1[0] + y1[2]))", dim=3, scales=1)
    M = cs.homogenize(V, sigma=0.5, tol=1e-6).evaluate(ORIGIN[3]).diffusion
    eff = bracketed(V, 0.5, cells=mesh(name))
    assert_between(eff, M)
    assert eff.error_estimate < 0.02


@pytest.mark.slow
def test_two_scales_in_space_hold() -> None:
    V = cs.Potential(SPACE, dim=3, scales=2)
    M = cs.homogenize(V, sigma=1.0, tol=1e-5).evaluate(ORIGIN[3]).diffusion
    eff = bracketed(V, 1.0, 1e-2)
    assert_between(eff, M)
    assert eff.error_estimate <= 1e-2


@pytest.mark.slow
def test_pores_hold() -> None:
    """The cell of the slow scale has a hole; a finer mesh tells what lies between."""
    V = cs.Potential("0.3*cos(2*pi*y1[0]) + 0.3*sin(2*pi*y1[1])*cos(2*pi*y2[0]) + 0.2*cos(2*pi*y2[1])", dim=2, scales=2)
    cell = mesh("square_hole.msh")
    eff = bracketed(V, 1.0, cells=[cell, cs.box_cell(2)])
    fine = refined(cell, np.ones(len(cell.elements), dtype=bool))
    M = bracketed(V, 1.0, cells=[fine, cs.box_cell(2)])
    assert M.error_estimate < 0.8 * eff.error_estimate
    assert loewner_gap(eff.lower, M.upper) >= 0
    assert loewner_gap(M.lower, eff.upper) >= 0
    assert 1e-6 < eff.error_estimate < 2e-2


@pytest.mark.parametrize("dim", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_skewed_periods_hold(dim: int) -> None:
    """The same potential in sheared coordinates: another cell, M = B M' B^T with y = B y'."""
    f = waves(3, dim)
    rows = np.array(SKEWED[dim])
    V = cs.Potential(lambda _x, y: f(y @ np.linalg.inv(rows)), dim=dim, scales=1)
    cell = cs.box_cell(dim, period=rows)
    eff = bracketed(V, 0.4, 1e-3, cells=cell)
    assert_between(eff, cs.homogenize(V, sigma=0.4, tol=1e-8, cells=cell).evaluate(ORIGIN[dim]).diffusion)


# Parts ------------------------------------------------------------------------------------------


def test_lower_bounds_are_those_of_single_cell_problems() -> None:
    cell = cs.box_cell(2, n=2, order=4)
    text = "cos(2*pi*y[0])*sin(2*pi*y[1]) + 0.4*cos(2*pi*(y[0] + y[1]))"
    sol = cs.solve_cell_problem(cell, f"exp(-({text}))", bounds=True, tol=1e-13)
    K = np.exp(-cs.Potential(text.replace("y[", "y1["), dim=2, scales=1).evaluate_V1(ORIGIN[2], sol.space.points))[None]
    found = LowerBoundSolver(sol.space).solve(K, 1e-14).tensor[0]
    np.testing.assert_allclose(found, sol.lower, rtol=1e-8)  # which stops where its width is known


def test_the_lower_chain_in_the_plane_is_the_upper_one_of_the_opposite_potential() -> None:
    """log L_0 = log G_0 - trace(log G_0) I, G_0 for -V1, on the same boxes and lattices."""
    cells, logs = cs.box_cell(2, n=2, order=5), []
    for sign, scheme in (("", LOWER_BOUND), ("-", UPPER_BOUND)):
        model = cs.homogenize(cs.Potential(f"{sign}({COUPLED})", dim=2, scales=2), sigma=1.0, tol=1e-10, cells=cells)
        points = model._macro_points(ORIGIN[2][None], exact=True)
        logs.append(unpack(bracket._bound(points, scheme, Means()).evaluation.channels, 2)[0][0])
    lower, G = logs
    np.testing.assert_allclose(lower, G - np.trace(G) * np.eye(2), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dim", [2, 3])
def test_stopping_early_widens_and_never_misses(dim: int) -> None:
    """Iterations are stopped after the first steps: both bounds move outwards."""
    space, f = element_box(dim, 2, 4), waves(5, dim)
    K = np.exp(-2.0 * f(space.points))[None]
    exact_upper = CellSolver(space).solve(K, 1e-14).tensor[0]
    exact_lower = LowerBoundSolver(space).solve(K, 1e-14).tensor[0]
    early = LowerBoundSolver(space).solve(K, 1e-2).tensor[0]
    assert loewner_gap(early, exact_lower) > -1e-12
    assert loewner_gap(exact_lower, exact_upper) > -1e-12
    assert np.linalg.norm(exact_lower - early) > 1e-6


def test_bounds_scale_with_the_coefficient() -> None:
    space = element_box(2, 2, 3)
    K = np.exp(-waves(8, 2)(space.points))[None]
    small, large = (LowerBoundSolver(space).solve(c * K, 1e-10).tensor for c in (1e-40, 1e40))
    np.testing.assert_allclose(1e40 * small, 1e-40 * large, rtol=1e-9)


@pytest.mark.parametrize(
    "space", [LineSpace(3, 4), element_box(2, 2, 3), MeshSpace(mesh("square.msh"), 2), MeshSpace(mesh("cube.msh"), 2)]
)
def test_denser_spaces_have_the_same_functions_and_more_points(space) -> None:
    finer = denser(space)
    assert len(finer.weights) > len(space.weights)
    assert finer.weights.sum() == pytest.approx(space.weights.sum(), abs=1e-13)
    if space.dim > 1:
        np.testing.assert_array_equal(finer.nodes, space.nodes)
    wave = np.cos(2 * np.pi * finer.points[:, 0]) ** 2 @ finer.weights
    coarse = np.cos(2 * np.pi * space.points[:, 0]) ** 2 @ space.weights
    assert abs(wave - 0.5) < 0.5 * abs(coarse - 0.5) + 1e-12


def test_collocated_nodes_say_nothing_between() -> None:
    with pytest.raises(cs.CellsolveError, match="needed finite elements"):
        denser(trigonometric_box(2, 9))


def test_without_the_error_of_integrals_the_bracket_misses(monkeypatch) -> None:
    """A line of two elements of order 3 at a low temperature: the rule is what is wrong."""
    V, cell = cs.Potential("cos(2*pi*y1) + 0.5*sin(4*pi*y1)", dim=1, scales=1), cs.box_cell(1, n=2, order=6)
    M = cs.homogenize(V, sigma=0.3, tol=1e-10).evaluate(ORIGIN[1]).diffusion
    assert_between(bracketed(V, 0.3, cells=cell), M)
    monkeypatch.setattr(bounding, "denser", lambda space: space)
    eff = bracketed(V, 0.3, cells=cell)
    assert min(loewner_gap(eff.lower, M), loewner_gap(M, eff.upper)) < 0


def test_integrals_are_looked_at_in_every_problem_of_a_line() -> None:
    """The hardest of three points is not the one whose integrals are worst."""
    V1 = (
        "0.673*(1 + 0.28*sin(x))*sin(2*pi*y1) + 0.312*cos(2*pi*y1) + 0.323*cos(2*pi*y1)*sin(2*pi*y1)"
        " - 0.436*(1 - 0.19*sin(x))*cos(2*pi*y1)*sin(4*pi*y1)"
    )
    V, x = cs.Potential(V1, dim=1, scales=1), np.array([[1.993], [1.814], [-1.887]])
    eff = cs.homogenize(V, sigma=2.805, tol=6e-6, bounds=True).evaluate(x)
    M = cs.exact.effective_diffusion_1d(V, 2.805, x)
    assert (eff.lower[:, 0, 0] <= M).all()
    assert (eff.upper[:, 0, 0] >= M).all()


def test_without_the_error_of_lattices_the_bracket_misses(monkeypatch) -> None:
    """Three samples of y1 where eleven are needed, on spaces that are good enough."""
    V = LANDSCAPES["coupled"].potential
    M = cs.homogenize(V, sigma=0.7, tol=1e-9).evaluate(ORIGIN[2]).diffusion
    own = bracket.checked_by_quadrature

    def coarse(planned, tally):
        samplings = {1: replace(planned.plan.samplings[1], counts=(3, 3))}
        return own(planned.with_plan(replace(planned.plan, samplings=samplings, prepared={})), tally)

    monkeypatch.setattr(bracket, "checked_by_quadrature", coarse)
    monkeypatch.setattr("cellsolve.multiscale.evaluation._MAX_REFINEMENTS", 0)
    model = cs.homogenize(V, sigma=0.7, tol=1e-6, bounds=True, cells=cs.box_cell(2, n=4, order=6))
    eff = model.evaluate(ORIGIN[2])
    assert_between(eff, M)
    monkeypatch.setattr("cellsolve.multiscale.recursion.aliasing_error", lambda s, *_: np.zeros((len(s), 2)))
    monkeypatch.setattr("cellsolve.multiscale.recursion._check_lattice", lambda *_: 0.0)
    monkeypatch.setattr(bracket, "verified", lambda evaluation, *_: evaluation)
    eff = model.evaluate(ORIGIN[2])
    assert min(loewner_gap(eff.lower, M), loewner_gap(M, eff.upper)) < 0


# The model --------------------------------------------------------------------------------------


def test_grids_carry_brackets_and_do_not_depend_on_workers() -> None:
    """225 points: most are interpolated, in both chains."""
    model = cs.homogenize(LANDSCAPES["slow"].potential, sigma=1.0, tol=1e-3, bounds=True)
    x = np.stack(np.meshgrid(np.linspace(-1, 1, 15), np.linspace(-1, 1, 15), indexing="ij"), axis=-1)
    eff = model.evaluate(x)
    assert eff.lower.shape == eff.upper.shape == (15, 15, 2, 2)
    assert eff.error_estimate.max() <= 1e-3
    assert eff.report.solved_points < 225
    some = np.s_[1::5, 4]
    M = cs.homogenize(LANDSCAPES["slow"].potential, sigma=1.0, tol=1e-7).evaluate(x[some]).diffusion
    assert np.linalg.eigvalsh(M - eff.lower[some]).min() >= 0
    assert np.linalg.eigvalsh(eff.upper[some] - M).min() >= 0
    with two_workers("processes") as executor:
        again = model.evaluate(x, executor=executor)
    np.testing.assert_array_equal(eff.lower, again.lower)
    np.testing.assert_array_equal(eff.upper, again.upper)


@pytest.mark.parametrize(("name", "sides"), [("two scales", 1), ("coupled", 2)])
def test_the_cost_of_brackets_is_that_of_both_sides(name: str, sides: int) -> None:
    landscape = LANDSCAPES[name]
    model = cs.homogenize(landscape.potential, sigma=1.0, tol=1e-3, bounds=True)
    one = [model._macro_points(ORIGIN[landscape.dim][None], exact=True).plan(s)[0] for s in (UPPER_BOUND, LOWER_BOUND)]
    alone = [np.prod(p.plan.samplings[1].counts) + 1 for p in one[:sides]]
    assert model.cost(ORIGIN[landscape.dim]).total_problems == sum(alone)


def test_datasets_carry_brackets_and_go_on_from_checkpoints(tmp_path) -> None:
    """The two chains at two temperatures are kept apart in one store."""
    sweep = cs.homogenize(LANDSCAPES["coupled"].potential, sigma=[1.0, 2.0], tol=1e-3, bounds=True)
    grid = {"x0": [0.0, 1.0], "x1": [0.5]}
    first, again = (sweep.on_grid(grid, store=tmp_path / "store") for _ in range(2))
    assert first.lower.dims == first.upper.dims == ("sigma", "x0", "x1", "i", "j")
    assert np.linalg.eigvalsh(first.upper.values - first.lower.values).min() > 0
    for name in ("lower", "upper", "diffusion"):
        np.testing.assert_array_equal(first[name], again[name])
    assert first.attrs["bounds"] == 1


def test_a_temperature_that_fails_has_an_unknown_bracket() -> None:
    """At the lower temperature exp(-V1/sigma) is not to be had."""
    V = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1)
    with pytest.raises(ConvergenceError) as caught:
        cs.homogenize(V, sigma=[1e-4, 1.0], tol=1e-2, bounds=True).evaluate(ORIGIN[2])
    assert np.isnan(caught.value.result.lower[0]).all()
    assert loewner_gap(caught.value.result.lower[1], caught.value.result.upper[1]) > 0


def test_a_bracket_that_stays_too_wide_is_delivered_with_the_error() -> None:
    V = cs.Potential("abs(sin(pi*(y1 + 0.31)))", dim=1, scales=1)
    with pytest.raises(ConvergenceError, match=r"wanted 1\.0e-11") as caught:
        bracketed(V, 0.1, 1e-11)
    eff = caught.value.result
    assert eff.error_estimate > 1e-11
    assert loewner_gap(eff.lower, eff.upper) > 0


@pytest.mark.slow
def test_layers_too_cold_for_a_bracket_say_so() -> None:
    """M has an eigenvalue of exp(-97) across the layers, beside 1 / Z along them: no dense matrix holds both."""
    V = cs.Potential("cos(2*pi*(y1[0] + y1[1]))", dim=2, scales=1)
    with pytest.raises(ConvergenceError, match="rounding is larger than the smallest eigenvalue") as caught:
        bracketed(V, 0.02, 1e-3)
    assert np.isfinite(caught.value.result.log_diffusion).all()


@pytest.mark.parametrize("bounds", ["no", 1, [1], None])
def test_bounds_are_true_or_false(bounds) -> None:
    with pytest.raises(cs.CoefficientError, match="needed True or False"):
        cs.homogenize(LANDSCAPES["cosine"].potential, sigma=1.0, bounds=bounds)


def test_sides_that_do_not_match_are_refused() -> None:
    V = LANDSCAPES["cosine product"].potential
    with pytest.raises(MeshError, match="sides do not match"):
        cs.homogenize(V, sigma=1.0, bounds=True, cells=replace(mesh("square.msh"), periodicity="mortar"))


def test_without_bounds_there_is_no_bracket() -> None:
    eff = cs.homogenize(LANDSCAPES["cosine"].potential, sigma=1.0).evaluate(ORIGIN[1])
    assert eff.lower is None
    assert eff.upper is None
