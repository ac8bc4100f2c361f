"""Brackets: guaranteed in the Loewner order, on every cell, however early iterations stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from problems import SKEWED, loewner_gap, mesh, random_tensors, structured_cell

import cellsolve as cs
from cellsolve.cellproblem.curl_fluxes import curl_fluxes
from cellsolve.cellproblem.equilibration import equilibrated_fluxes
from cellsolve.cellproblem.fluxes import Fluxes, gap_densities
from cellsolve.cellproblem.stream_fluxes import stream_fluxes, stream_solver
from cellsolve.cells import UnitCell, refined
from cellsolve.fem.box_space import element_box
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.solver import CellSolver

Mask = Callable[[FloatArray], FloatArray]


def cut(cell: UnitCell, solid: Mask) -> UnitCell:
    """The elements whose centres are solid."""
    return cell.restricted(solid(cell.points[cell.elements].mean(axis=1) @ np.linalg.inv(cell.period)))


def by_element(cell: UnitCell, values: FloatArray) -> tuple[UnitCell, dict[str, object]]:
    """The cell with a region for each value, dealt out to the elements in turn."""
    names = tuple(f"r{i}" for i in range(len(values)))
    tags = np.arange(len(cell.tags)) * 7919 % len(values)
    return replace(cell, tags=tags, region_names=names), dict(zip(names, values, strict=True))


def square_hole(t: FloatArray) -> FloatArray:
    return (np.abs(t - 0.5) > 0.25).any(axis=1)


HOLED = [cut(structured_cell(shape, 4, SKEWED[d]), square_hole) for d, shape in ((2, "triangle"), (3, "tetra"))]


# Fluxes have no divergence ----------------------------------------------------------------------


def assert_admissible(space, fluxes: Fluxes, K: FloatArray) -> None:
    """<sigma.grad v> = 0 for all functions v of the space; S and D are what they are said to be."""
    sigma = fluxes.field()
    leak = np.abs(space.divergence(space.weights * sigma)).max()
    assert leak <= 1e-14 * np.abs(space.divergence(np.abs(space.weights * sigma))).max() + 1e-15 * np.abs(sigma).max()
    np.testing.assert_allclose(np.einsum("kiq,q->ik", sigma, space.weights), fluxes.mean, atol=1e-13)
    inverse = 1.0 / K if K.ndim == 1 else np.moveaxis(np.linalg.inv(np.moveaxis(K, -1, 0)), 0, -1)
    Ks = inverse * sigma if K.ndim == 1 else np.einsum("ijq,kjq->kiq", inverse, sigma)
    energy = np.einsum("kiq,liq,q->kl", sigma, Ks, space.weights)
    np.testing.assert_allclose(energy, fluxes.energy, rtol=1e-8, atol=1e-8 * np.abs(energy).max())


def coefficient_on(space, tensor: bool) -> FloatArray:
    K = 2.0 + np.sin(2 * np.pi * space.points[:, 0]) * np.cos(3.0 * space.points[:, 1])
    return random_tensors(5, 1, space.dim)[0][:, :, None] * K if tensor else K


@pytest.mark.parametrize("tensor", [False, True], ids=["scalar", "tensor"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("cell", [*HOLED, structured_cell("tetra", 1), structured_cell("tetra", 2, SKEWED[3])], ids=str)
def test_equilibrated_fluxes_are_admissible_whatever_the_correctors(cell, order, tensor) -> None:
    space = MeshSpace(cell, order)
    K = coefficient_on(space, tensor)
    minimum = CellSolver(space).solve(K[None], 1e-10)
    noise = np.random.default_rng(1).standard_normal(minimum.correctors[0].shape)
    for correctors in (minimum.correctors[0], minimum.correctors[0] + 0.1 * noise):
        fluxes = equilibrated_fluxes(space, K, correctors)
        assert_admissible(space, fluxes, K)
        assert loewner_gap(fluxes.lower, minimum.tensor[0]) >= -1e-12


@pytest.mark.parametrize("tensor", [False, True], ids=["scalar", "tensor"])
@pytest.mark.parametrize(
    ("cell", "order"),
    [(HOLED[0], 1), (HOLED[0], 3), (structured_cell("quad", 4), 2), (cut(structured_cell("quad", 4), square_hole), 2)],
    ids=str,
)
def test_stream_functions_are_admissible(cell, order, tensor) -> None:
    solver = CellSolver(MeshSpace(cell, order))
    K = coefficient_on(solver.space, tensor)
    (fluxes,) = stream_fluxes(stream_solver(solver), K[None], 1e-4, np.eye(2)[None])
    assert_admissible(solver.space, fluxes, K)
    assert loewner_gap(fluxes.lower, solver.solve(K[None], 1e-12).tensor[0]) >= -1e-12


@pytest.mark.parametrize("tensor", [False, True], ids=["scalar", "tensor"])
def test_vector_potentials_are_admissible(tensor) -> None:
    space = element_box(3, 2, 3, np.array(SKEWED[3]))
    K = coefficient_on(space, tensor)
    (fluxes,) = curl_fluxes(CellSolver(space), K[None], 1e-4)
    assert_admissible(space, fluxes, K)


@pytest.mark.parametrize("order", [1, 2])
def test_equilibrated_fluxes_are_nearly_the_best(order) -> None:
    """The dual problem gives the best of the fluxes of its elements; patches come near."""
    solver = CellSolver(MeshSpace(HOLED[0], order))
    K = coefficient_on(solver.space, False)
    minimum = solver.solve(K[None], 1e-12)
    patches = equilibrated_fluxes(solver.space, K, minimum.correctors[0])
    (best,) = stream_fluxes(stream_solver(solver), K[None], 1e-12, np.eye(2)[None])
    gaps = [np.trace(minimum.tensor[0] - fluxes.lower) for fluxes in (best, patches)]
    assert gaps[0] * (1 - 1e-9) <= gaps[1] <= 1.3 * gaps[0]


def test_the_densities_of_the_gap_sum_to_its_trace() -> None:
    space = MeshSpace(HOLED[1], 1)
    K = coefficient_on(space, True)
    minimum = CellSolver(space).solve(K[None], 1e-10)
    fluxes = equilibrated_fluxes(space, K, minimum.correctors[0])
    E = space.gradient(minimum.correctors[0]) + space.imposed
    density = gap_densities(fluxes, E, K, space.weights, space.directions)
    assert density.min() >= 0.0
    assert density.sum() == pytest.approx(np.trace(minimum.tensor[0] - fluxes.lower), rel=1e-9)


# Brackets hold ----------------------------------------------------------------------------------


CONTRASTS = st.floats(-8, 8).map(lambda e: 10.0**e)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(CONTRASTS, min_size=2, max_size=9),
    pores=st.integers(0, 2**12 - 1),
    order=st.sampled_from([1, 2]),
    shape=st.sampled_from(["triangle", "quad", "tetra", "hexahedron"]),
)
@example(values=[1e-8, 1e8], pores=0, order=1, shape="tetra")
@example(values=[1.0, 1.0], pores=0b1010101, order=2, shape="triangle")
def test_brackets_of_random_cells_contain_those_of_refined_ones(values, pores, order, shape) -> None:
    """The tensor of a cell of constant regions lies in all its brackets, so that they overlap."""
    n = 2 if shape in ("tetra", "hexahedron") else 3
    cell = structured_cell(shape, n)
    holes = np.array([pores >> (i % 12) & 1 for i in range(len(cell.tags))], dtype=bool)
    cell, coefficient = by_element(cell.restricted(~holes) if holes.any() and not holes.all() else cell, values)
    coarse = cs.solve_cell_problem(cell, coefficient, order=order, bounds=True)
    fine = cs.solve_cell_problem(refined(cell), coefficient, order=2, bounds=True)
    slack = 1e-9 * max(np.abs(fine.upper).max(), 1e-300)
    assert loewner_gap(coarse.lower, coarse.upper) >= -slack
    assert loewner_gap(coarse.lower, fine.upper) >= -slack
    assert loewner_gap(fine.lower, coarse.upper) >= -slack
    early = 0.2 * np.linalg.norm(fine.upper - fine.lower, 2)  # iterations stop at a tenth of the width
    assert loewner_gap(fine.upper, coarse.upper) >= -slack - early or order == 2


@pytest.mark.parametrize("contrast", [1e-8, 1e-4, 1e4, 1e8])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", ["square_inclusion.msh", "cube_sphere.msh"])
def test_brackets_do_not_widen_with_the_contrast(name, order, contrast) -> None:
    cell = mesh(name)
    first, second = cell.regions
    moderate = cs.solve_cell_problem(
        cell, {first: 1.0, second: 100.0 if contrast > 1 else 0.01}, order=order, bounds=True
    )
    extreme = cs.solve_cell_problem(cell, {first: 1.0, second: contrast}, order=order, bounds=True)
    assert extreme.report.error_estimate <= 1.2 * moderate.report.error_estimate
    assert extreme.report.iterations <= 25


@pytest.mark.parametrize("contrast", [1e-8, 0.1, 10.0, 1e8])
@pytest.mark.parametrize("order", [1, 2])
def test_the_bracket_contains_the_checkerboard(contrast, order) -> None:
    """Keller, Dykhne: sqrt(k1 k2)."""
    cell = structured_cell("triangle", 4)
    t = cell.points[cell.elements].mean(axis=1)
    board = replace(cell, tags=((t > 0.5).sum(axis=1) % 2).astype(np.int64), region_names=("a", "b"))
    solution = cs.solve_cell_problem(board, {"a": 1.0, "b": contrast}, order=order, bounds=True)
    exact = np.sqrt(contrast) * np.eye(2)
    assert loewner_gap(solution.lower, exact) > 0
    assert loewner_gap(exact, solution.upper) > 0


@pytest.mark.parametrize(
    "cell", [structured_cell("tetra", 4, halves=1), structured_cell("hexahedron", 4, halves=1)], ids=str
)
def test_laminates_have_brackets_of_no_width(cell) -> None:
    solution = cs.solve_cell_problem(cell, {"a": 1.0, "b": 1e4}, order=1, bounds=True, tol=1e-12)
    exact = np.diag([0.5 + 0.5e4, 2.0 / (1.0 + 1e-4), 0.5 + 0.5e4])
    np.testing.assert_allclose(solution.lower, exact, rtol=1e-10, atol=1e-7)
    np.testing.assert_allclose(solution.upper, exact, rtol=1e-10, atol=1e-7)


@pytest.mark.parametrize("name", ["square_hole.msh", "cube_sphere.msh"])
def test_iterations_go_no_further_than_the_bracket_needs(name) -> None:
    cell = mesh(name)
    coefficient = dict(zip(cell.regions, (1.0, 10.0), strict=False))
    early = cs.solve_cell_problem(cell, coefficient, order=1, tol=1e-12, bounds=True, preconditioner="amg")
    late = cs.solve_cell_problem(cell, coefficient, order=1, tol=1e-12, preconditioner="amg")
    assert early.report.iterations < late.report.iterations
    assert early.report.error_estimate <= 1.1 * early_limit(cell, coefficient)


def early_limit(cell: UnitCell, coefficient: dict[str, float]) -> float:
    """The half width of the bracket of converged iterations."""
    solver = CellSolver(MeshSpace(cell, 1), "amg")
    K = np.array(list(coefficient.values()))[solver.space.tags]
    minimum = solver.solve(K[None], 1e-13)
    if cell.dim == 2:
        (fluxes,) = stream_fluxes(stream_solver(solver), K[None], 1e-13, np.eye(2)[None])
    else:
        fluxes = equilibrated_fluxes(solver.space, K, minimum.correctors[0])
    gap, total = minimum.tensor[0] - fluxes.lower, minimum.tensor[0] + fluxes.lower
    return float(np.linalg.norm(gap, 2) / np.linalg.norm(total, 2))


SMOOTH = "2 + sin(2*pi*y[0])*cos(2*pi*y[1])"


@pytest.mark.parametrize(
    ("shape", "order", "sizes"),
    [
        ("triangle", 1, (8, 16)),
        ("triangle", 2, (12, 24)),
        ("triangle", 3, (8, 16)),
        ("quad", 1, (8, 16)),
        ("quad", 2, (12, 24)),
        ("tetra", 1, (6, 12)),
        ("tetra", 2, (4, 8)),
    ],
)
def test_brackets_close_like_h_to_the_2p(shape, order, sizes) -> None:
    widths = [
        cs.solve_cell_problem(structured_cell(shape, n), SMOOTH, order=order, bounds=True).report.error_estimate
        for n in sizes
    ]
    assert np.log2(widths[0] / widths[1]) == pytest.approx(2 * order, abs=0.35)


@pytest.mark.parametrize("dim", [2, 3])
def test_free_boxes_choose_a_resolution_for_the_bracket(dim) -> None:
    V = "exp(-cos(2*pi*y[0])*cos(2*pi*y[1]))"
    solution = cs.solve_cell_problem(cs.box_cell(dim), V, tol=1e-4, bounds=True)
    assert solution.report.error_estimate <= 1e-4
    reference = cs.solve_cell_problem(cs.box_cell(dim), V, tol=1e-10).tensor
    integrated = 1e-5  # quadrature: what a bracket of the coefficient as integrated leaves open
    assert loewner_gap(solution.lower, reference) >= -integrated
    assert loewner_gap(reference, solution.upper) >= -integrated


def test_brackets_of_many_are_those_of_each() -> None:
    cell = mesh("cube_sphere.msh")
    values = [{"matrix": 1.0, "inclusion": k} for k in (0.1, 10.0)]
    many = cs.solve_cell_problems(cell, values, order=1, bounds=True)
    for b, coefficient in enumerate(values):
        one = cs.solve_cell_problem(cell, coefficient, order=1, bounds=True)
        assert loewner_gap(many.lower[b], one.upper) >= 0
        np.testing.assert_allclose(many.lower[b], one.lower, rtol=0.1 * one.report.error_estimate)


# What was wrong once -----------------------------------------------------------------------------


def test_pores_below_the_tolerance_of_matching_have_walls() -> None:
    """A hole smaller than match_tol counts as no porosity, but stream functions are constant along its walls."""
    cell = structured_cell("triangle", 16)
    t = cell.points[cell.elements].mean(axis=1)
    cell = replace(cell.restricted((np.abs(t - 0.53125) > 0.03125).any(axis=1)), match_tol=0.01)
    assert cell.porosity == 0.0
    solution = cs.solve_cell_problem(cell, 1.0, bounds=True)
    assert loewner_gap(solution.lower, solution.upper) > 0
    assert solution.upper[0, 0] < 0.9999


@pytest.mark.parametrize("method", ["direct", "amg"])
@pytest.mark.parametrize("contrast", [1e-8, 1e8])
@pytest.mark.parametrize("halves", [0, 1])
def test_skewed_laminates_at_any_contrast(contrast, halves, method) -> None:
    """The dual problem's iterations too go as far as the bracket needs, and rounding inverts no bracket."""
    cell = structured_cell("triangle", 8, SKEWED[2], halves=halves)
    solution = cs.solve_cell_problem(
        cell, {"a": 1.0, "b": contrast}, order=1, bounds=True, tol=1e-10, preconditioner=method
    )
    assert loewner_gap(solution.lower, solution.upper) >= -1e-15 * solution.upper.max()
    assert solution.report.error_estimate < 1e-10


def test_inverted_brackets_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(Fluxes, "lower", property(lambda _: 10.0 * np.eye(2)))
    with pytest.raises(cs.ConvergenceError, match="the lower bound is above the upper one") as caught:
        cs.solve_cell_problem(HOLED[0], 1.0, bounds=True)
    assert caught.value.result.upper is not None


def test_adaptive_refinement_is_worth_it() -> None:
    """At the corners of a checkerboard it takes a fraction of the unknowns of uniform refinement, and few rounds."""
    cell = structured_cell("triangle", 4)
    t = cell.points[cell.elements].mean(axis=1)
    board = replace(cell, tags=((t > 0.5).sum(axis=1) % 2).astype(np.int64), region_names=("a", "b"))
    ways = {
        how: cs.solve_cell_problem(board, {"a": 1.0, "b": 10.0}, refine=how, tol=1e-2)
        for how in ("adaptive", "uniform")
    }
    assert ways["adaptive"].report.n_dofs < 0.1 * ways["uniform"].report.n_dofs
    for solution in ways.values():
        assert loewner_gap(solution.lower, np.sqrt(10.0) * np.eye(2)) >= 0
        assert solution.tensor[0, 0] == pytest.approx(np.sqrt(10.0), rel=1e-3)


def test_refinement_that_does_not_reach_its_tolerance_says_so(monkeypatch) -> None:
    monkeypatch.setattr("cellsolve.cellproblem.refinement._MOST_UNKNOWNS", 500)
    with pytest.raises(cs.ConvergenceError, match=r"half width is .* on the finest space, MeshSpace") as caught:
        cs.solve_cell_problem(HOLED[0], 1.0, refine="uniform", tol=1e-6)
    assert caught.value.result.report.n_dofs <= 500


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"bounds": "yes"}, "got bounds = 'yes', needed True or False"),
        ({"refine": "once"}, "got refine = 'once', needed one of uniform, adaptive or None"),
        ({"order": "2"}, "got order = '2', needed 1 to 4 on triangle"),
        ({"order": True}, "got order = True, needed 1 to 4 on triangle"),
        ({"tol": True}, "got tol = True"),
    ],
)
def test_wrong_arguments_are_said(wrong, words) -> None:
    with pytest.raises(cs.CellsolveError, match=words):
        cs.solve_cell_problem(HOLED[0], 1.0, **wrong)


def test_contrasts_beyond_double_precision_are_refused() -> None:
    cell = structured_cell("triangle", 2, halves=0)
    with pytest.raises(
        cs.CoefficientError, match=r"varies from 1.0e-300 to 1.0e\+300; needed a contrast up to 1e\+100"
    ):
        cs.solve_cell_problem(cell, {"a": 1e-300, "b": 1e300})
