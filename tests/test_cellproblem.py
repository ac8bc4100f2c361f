"""Cell problems of one cell: closed forms, duality, bounds, every kind of coefficient, and every refusal in words."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import (
    COMPOSITES,
    SKEWED,
    SOFT,
    STIFF,
    FloatArray,
    loewner_gap,
    mesh,
    random_tensors,
    relative_error,
    structured_cell,
    waves,
)

import cellsolve as cs
from cellsolve import exact
from cellsolve.cells import UnitCell
from cellsolve.errors import CoefficientError, ConvergenceError, ExpressionError, MeshError
from cellsolve.linalg.gradient_form import minimize_energy

BOX = cs.box_cell(2, n=3, order=8)
ROUGH = cs.box_cell(2, n=2, order=3)
ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])
COLD = "exp(-2*cos(2*pi*y[0])*cos(2*pi*(y[1] - y[0])) - sin(2*pi*y[1]))"
PIXELS = st.lists(st.floats(-2.0, 2.0), min_size=16, max_size=16)


def cosine(y: FloatArray) -> FloatArray:
    return np.cos(2 * np.pi * y)


def pixels(logs: list[float]) -> FloatArray:
    """A random positive image of 4 x 4 cells."""
    return np.exp(np.array(logs)).reshape(4, 4)


def image(values: FloatArray):
    """The coefficient that is constant on each pixel: edges on the element faces of ``PIXEL_BOX``."""
    n = len(values)

    def coefficient(y: FloatArray) -> FloatArray:
        i = np.floor(np.asarray(y) * n).astype(int) % n
        return values[i[..., 0], i[..., 1]]

    return coefficient


PIXEL_BOX = cs.box_cell(2, n=4, order=3)


@pytest.mark.parametrize("name", COMPOSITES)
def test_closed_forms_are_met_to_the_tolerance(name) -> None:
    problem = COMPOSITES[name]
    solution = cs.solve_cell_problem(problem.cell, problem.coefficient, tol=1e-8)
    assert relative_error(solution.tensor, problem.tensor) <= 1e-8
    assert relative_error(solution.tensor, problem.tensor) <= solution.report.error_estimate + 1e-14


@pytest.mark.parametrize("shape", ["line", "triangle", "quad", "tetra", "hexahedron"])
@pytest.mark.parametrize("order", [1, 2])
def test_laminates_are_exact_on_meshes(shape, order) -> None:
    """Correctors are piecewise linear: every order has them exactly, along every axis."""
    for axis in range(structured_cell(shape, 2).dim):
        cell = structured_cell(shape, 4, halves=axis)
        tensor = cs.solve_cell_problem(cell, {"a": 1.0, "b": 20.0}, order=order, tol=1e-12).tensor
        np.testing.assert_allclose(tensor, exact.laminate([1.0, 20.0], [0.5, 0.5], np.eye(cell.dim)[axis]), atol=1e-10)


@pytest.mark.parametrize("shape", ["line", "triangle", "quad", "tetra", "hexahedron"])
@pytest.mark.parametrize("order", [1, 2])
def test_jumps_at_faces_of_elements_are_exact_for_texts(shape, order) -> None:
    """No quadrature point lies on a face, where a text could not know its side."""
    cell = structured_cell(shape, 4)
    tensor = cs.solve_cell_problem(cell, "1 + 19*heaviside(y[0] - 0.5)", order=order, tol=1e-12).tensor
    np.testing.assert_allclose(tensor, exact.laminate([1.0, 20.0], [0.5, 0.5], np.eye(cell.dim)[0]), atol=1e-10)


def test_laminates_of_tensors_are_exact_on_skewed_meshes() -> None:
    cell = structured_cell("triangle", 4, SKEWED[2], halves=0)
    normal = np.linalg.inv(SKEWED[2])[:, 0]
    tensor = cs.solve_cell_problem(cell, {"a": STIFF, "b": SOFT}).tensor
    np.testing.assert_allclose(tensor, exact.laminate([STIFF, SOFT], [0.5, 0.5], normal), atol=1e-9)


def test_laminates_turn_with_their_axes() -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    R = np.array([[c, -s], [s, c]])
    cell = structured_cell("quad", 4, R.T, halves=1)  # rows of the period are R e_i
    tensor = cs.solve_cell_problem(cell, {"a": R @ STIFF @ R.T, "b": R @ SOFT @ R.T}).tensor
    upright = exact.laminate([STIFF, SOFT], [0.5, 0.5], np.eye(2)[1])
    np.testing.assert_allclose(tensor, R @ upright @ R.T, atol=1e-10)


@pytest.mark.parametrize("name", ["cube_hexes.vtu"])
def test_the_laminate_of_the_folder_is_one(name) -> None:
    tensor = cs.solve_cell_problem(mesh(name), {"1": 2.0, "2": 5.0}, order=1).tensor
    np.testing.assert_allclose(tensor, exact.laminate([2.0, 5.0], [0.5, 0.5], [0.0, 0.0, 1.0]), atol=1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kellers_duality(seed) -> None:
    """K[-V] = K[V] / det K[V] for scalar exp(-V) in the plane."""
    V = waves(seed, 2)
    tensors = [
        cs.solve_cell_problem(cs.box_cell(2), lambda y, s=s: np.exp(s * 2 * V(y)), tol=1e-8).tensor for s in (-1, 1)
    ]
    np.testing.assert_allclose(tensors[1], exact.keller_dual(tensors[0]), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("amplitude", [0.5, 2.0, 5.0])
def test_the_product_of_cosines_gives_the_identity(amplitude) -> None:
    coefficient = f"exp(-{amplitude}*cos(2*pi*y[0])*cos(2*pi*y[1]))"
    np.testing.assert_allclose(cs.solve_cell_problem(cs.box_cell(2), coefficient).tensor, np.eye(2), atol=1e-8)


def test_odd_potentials_give_determinant_one() -> None:
    coefficient = "exp(-sin(2*pi*y[0]) - 0.7*sin(2*pi*(y[0] + 2*y[1])) + 0.5*sin(4*pi*y[1]))"
    tensor = cs.solve_cell_problem(cs.box_cell(2), coefficient).tensor
    assert np.linalg.det(tensor) == pytest.approx(1.0, abs=2e-8)
    assert abs(tensor[0, 1]) > 1e-3


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_square_hole_is_within_its_error_estimate(order) -> None:
    solution = cs.solve_cell_problem(mesh("square_hole_quarter.msh"), 1.0, order=order)
    error = relative_error(solution.tensor, exact.square_hole_quarter() * np.eye(2))
    assert error <= solution.report.error_estimate
    assert error < 0.01


def interpolated_perrins(fraction: float) -> float:
    table = exact.perrins_table()
    x = np.array(sorted(table))
    return float(np.exp(np.interp(fraction, x, np.log([table[f] for f in x]))))


def test_conducting_cylinders_meet_the_published_table() -> None:
    """The polygon has its area below the disc's; contrast 1e5 lacks about 1e-5 of a perfect conductor."""
    cell = mesh("square_inclusion.msh")
    solution = cs.solve_cell_problem(cell, {"matrix": 1.0, "inclusion": 1e5}, order=2, bounds=True)
    assert solution.lower is not None
    assert np.trace(solution.tensor) / 2 == pytest.approx(interpolated_perrins(cell.regions["inclusion"]), rel=3e-3)
    np.testing.assert_allclose(solution.tensor, np.trace(solution.tensor) / 2 * np.eye(2), atol=1e-3)
    assert loewner_gap(solution.lower, solution.tensor) > 0
    assert relative_error(solution.lower, solution.tensor) < 5e-3
    published = interpolated_perrins(cell.regions["inclusion"])
    assert solution.lower[0, 0] - 5e-4 < published < solution.tensor[0, 0] + 5e-4  # four digits are printed


def test_insulating_holes_conduct_the_reciprocal() -> None:
    cell = mesh("square_hole.msh")
    tensor = cs.solve_cell_problem(cell, 1.0, order=2).tensor
    assert np.trace(tensor) / 2 == pytest.approx(1.0 / interpolated_perrins(cell.porosity), rel=3e-3)


def test_dilute_inclusions_obey_maxwell() -> None:
    for k in (0.1, 10.0):
        tensor = cs.solve_cell_problem(mesh("square_inclusion.msh"), {"matrix": 1.0, "inclusion": k}).tensor
        beta, f = (k - 1) / (k + 1), mesh("square_inclusion.msh").regions["inclusion"]
        clausius_mossotti = (1 + beta * f) / (1 - beta * f)  # next correction 0.6 beta^2 f^4 for the square array
        np.testing.assert_allclose(tensor, clausius_mossotti * np.eye(2), atol=0.01 * clausius_mossotti)


def test_the_checkerboard_lies_in_its_bracket() -> None:
    """Edges on element faces: the coefficient as integrated is the true one, so the bracket is of the true tensor."""
    board = image(np.array([[1.0, 4.0], [4.0, 1.0]]))
    solution = cs.solve_cell_problem(cs.box_cell(2, n=8, order=4), board, bounds=True)
    truth = exact.checkerboard(1.0, 4.0)
    assert loewner_gap(solution.lower, truth) > 0
    assert loewner_gap(truth, solution.upper) > 0
    assert relative_error(solution.tensor, truth) <= solution.report.error_estimate * 2
    assert solution.report.error_estimate < 0.02


# Bounds -----------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, derandomize=True)
@given(PIXELS)
def test_bounds_bracket_the_fine_reference(logs) -> None:
    coefficient = image(pixels(logs))
    coarse = cs.solve_cell_problem(PIXEL_BOX, coefficient, bounds=True)
    fine = cs.solve_cell_problem(cs.box_cell(2, n=8, order=4), coefficient, bounds=True)
    np.testing.assert_allclose(0.5 * (coarse.lower + coarse.upper), coarse.tensor, rtol=1e-14)
    slack = 1e-12 * np.abs(coarse.tensor).max()
    assert loewner_gap(coarse.lower, fine.lower) >= -slack
    assert loewner_gap(fine.lower, fine.upper) >= -slack
    assert loewner_gap(fine.upper, coarse.upper) >= -slack
    width = np.linalg.norm(coarse.upper - coarse.lower, 2)
    assert coarse.report.error_estimate == pytest.approx(0.5 * width / np.linalg.norm(coarse.tensor, 2))


@pytest.mark.parametrize("kind", ["box", "mesh"])
@pytest.mark.parametrize("tensor", [False, True], ids=["scalar", "tensor"])
def test_bounds_hold_however_early_iterations_stop(kind, tensor) -> None:
    cell = BOX if kind == "box" else structured_cell("triangle", 8)
    coefficient = cold_tensor if tensor else COLD
    method = None if kind == "box" else "amg"
    tight = cs.solve_cell_problem(cell, coefficient, tol=1e-12, bounds=True)
    loose = cs.solve_cell_problem(cell, coefficient, tol=1e-1, bounds=True, preconditioner=method)
    assert loose.report.iterations < tight.report.iterations or kind == "mesh"
    assert loewner_gap(loose.lower, tight.lower) >= -1e-11
    assert loewner_gap(tight.upper, loose.upper) >= -1e-11
    assert loewner_gap(tight.lower, tight.upper) >= -1e-11


def cold_tensor(y: FloatArray) -> FloatArray:
    return np.exp(2 * waves(3, 2)(y))[..., None, None] * STIFF + np.exp(waves(4, 2)(y))[..., None, None] * SOFT


def test_bounds_on_the_line_are_a_point() -> None:
    solution = cs.solve_cell_problem(cs.box_cell(1), "exp(-cos(2*pi*y))", bounds=True)
    np.testing.assert_allclose(solution.lower, solution.tensor, rtol=1e-15)
    np.testing.assert_allclose(solution.upper, solution.tensor, rtol=1e-15)


def test_without_bounds_there_are_none() -> None:
    solution = cs.solve_cell_problem(ROUGH, 1.0)
    assert solution.lower is None
    assert solution.upper is None


# Coefficients -----------------------------------------------------------------------------------


WAVE = "1.5 + sin(2*pi*y[0])*cos(2*pi*y[1])"


def wave(y: FloatArray) -> FloatArray:
    return 1.5 + np.sin(2 * np.pi * y[..., 0]) * np.cos(2 * np.pi * y[..., 1])


EQUAL = {
    "number": [2, 2.0, np.float64(2.0), "2", "1 + 1", 2 * np.eye(2), [[2, 0], [0, 2]], {"cell": 2.0}, lambda _: 2.0],
    "tensor": [STIFF, STIFF.tolist(), {"cell": STIFF}, lambda y: np.broadcast_to(STIFF, (len(y), 2, 2))],
    "wave": [WAVE, wave, {"cell": WAVE}, {"cell": wave}, lambda y: wave(y)[:, None, None] * np.eye(2)],
}


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.parametrize("kind", ["box", "mesh"])
def test_every_kind_of_coefficient_agrees(name, kind) -> None:
    cell = ROUGH if kind == "box" else structured_cell("triangle", 4)
    first, *others = (cs.solve_cell_problem(cell, coefficient, tol=1e-12).tensor for coefficient in EQUAL[name])
    for other in others:
        np.testing.assert_allclose(other, first, rtol=0, atol=1e-11)


def test_regions_of_mixed_kinds_agree() -> None:
    cell = structured_cell("quad", 4, halves=0)
    texts = cs.solve_cell_problem(cell, {"a": WAVE, "b": "3"}, tol=1e-12).tensor
    mixed = cs.solve_cell_problem(cell, {"a": wave, "b": 3 * np.eye(2)}, tol=1e-12).tensor
    whole = cs.solve_cell_problem(cell, lambda y: np.where(y[:, 0] < 0.5, wave(y), 3.0), tol=1e-12).tensor
    np.testing.assert_allclose(mixed, texts, atol=1e-11)
    np.testing.assert_allclose(whole, texts, atol=1e-11)


BAD_ANYWHERE: dict[str, tuple[object, str]] = {
    "nan": (float("nan"), "the coefficient is nan at y = [{}]; needed finite values"),
    "infinite": (np.inf, "the coefficient is inf at y"),
    "zero": (0.0, "the coefficient is 0.0 at y = [{}]; needed values > 0 (for an insulator, leave the region out"),
    "negative": (-1.0, "the coefficient is -1.0 at y"),
    "negative text": ("sin(2*pi*y[0])", "needed values > 0"),
    "nan in a callable": (lambda y: np.where(y[:, 0] > 0.5, np.nan, 1.0), "the coefficient is nan at y"),
    "infinite in a tensor": (np.array([[1.0, 0.0], [0.0, np.inf]]), "[[1.0, 0.0], [0.0, inf]] at y"),
    "indefinite": (
        np.array([[1.0, 2.0], [2.0, 1.0]]),
        "[[1.0, 2.0], [2.0, 1.0]] at y = [{}]; needed a positive definite",
    ),
    "not symmetric": (np.array([[1.0, 0.1], [0.0, 1.0]]), "needed a symmetric tensor"),
    "wrong array": (np.eye(3), "got a coefficient of shape (3, 3), needed a number or (2, 2)"),
    "list of numbers": ([1.0, 2.0], "got a coefficient of shape (2,), needed a number or (2, 2)"),
    "wrong shape of a callable": (lambda y: y, "write y[..., 0], not y[0]"),
    "components first": (lambda y: y[0], "write y[..., 0], not y[0]"),
    "complex callable": (lambda y: 1j * y[:, 0], "gave values of type complex128, needed real numbers"),
    "complex": (1.0 + 0j, "as a coefficient; needed a number"),
    "text callable": (lambda _: "one", "needed real numbers"),
    "none": (None, "got None as a coefficient"),
    "unknown region": ({"cell": 1.0, "steel": 2.0}, "got values for the regions ['steel'], but the cell has ['cell']"),
    "missing region": ({}, "the regions ['cell'] have no coefficient; the cell has ['cell']"),
    "object in a dict": ({"cell": object()}, "as a coefficient; needed a number"),
    "nan in a dict": ({"cell": np.nan}, "region 'cell' is nan at y"),
}


@pytest.mark.parametrize("name", BAD_ANYWHERE)
@pytest.mark.parametrize("kind", ["box", "mesh"])
def test_bad_coefficients_are_refused(name, kind) -> None:
    coefficient, words = BAD_ANYWHERE[name]
    pattern = re.escape(words).replace(r"\{\}", ".*")
    with pytest.raises(CoefficientError, match=pattern):
        cs.solve_cell_problem(ROUGH if kind == "box" else structured_cell("triangle", 3), coefficient)


@pytest.mark.parametrize("text", ["steel", "y[2]", "x[0]", "__import__('os')", "1 +"])
def test_texts_that_are_no_formula_of_y_are_refused(text) -> None:
    with pytest.raises(ExpressionError):
        cs.solve_cell_problem(ROUGH, text)
    with pytest.raises(ExpressionError):
        cs.solve_cell_problem(ROUGH, {"cell": text})


def test_regions_of_a_file_are_named_in_errors() -> None:
    with pytest.raises(CoefficientError, match=r"\['matrix'\] have no coefficient; the cell has \['"):
        cs.solve_cell_problem(mesh("square_inclusion.msh"), {"inclusion": 1.0})


@pytest.mark.parametrize("tol", [0.0, -1.0, 1.0, np.nan, "small", None])
def test_bad_tolerances_are_refused(tol) -> None:
    with pytest.raises(CoefficientError, match=r"got tol = .*, needed a relative error"):
        cs.solve_cell_problem(ROUGH, 1.0, tol=tol)


def test_what_is_no_cell_is_refused() -> None:
    with pytest.raises(CoefficientError, match="got a str as cell, needed one of read_cell or box_cell"):
        cs.solve_cell_problem("square.msh", 1.0)


def test_an_order_that_the_mesh_has_not_is_refused() -> None:
    with pytest.raises(MeshError, match="needed 1 to 2 on quad"):
        cs.solve_cell_problem(structured_cell("quad", 2), 1.0, order=3)


def test_a_tolerance_that_no_box_meets_is_confessed_with_the_best_result() -> None:
    corner = "exp(-4*abs(sin(pi*(y[0] + 0.3)))*abs(sin(pi*(y[1] - y[0]))))"
    with pytest.raises(ConvergenceError, match="on the finest box, wanted") as caught:
        cs.solve_cell_problem(cs.box_cell(2), corner, tol=1e-13)
    best = caught.value.result
    assert best.report.error_estimate > 1e-13
    assert np.linalg.eigvalsh(best.tensor)[0] > 0.1


def test_what_does_not_converge_carries_the_best_result(monkeypatch) -> None:
    monkeypatch.setattr("cellsolve.linalg.solver.minimize_energy", partial(minimize_energy, max_iterations=4))
    with pytest.raises(ConvergenceError, match=r"2 of 3 cell problems did not converge: .* wanted 1.0e-10") as caught:
        cs.solve_cell_problems(BOX, [COLD, 2.0, "exp(3*cos(2*pi*y[0])*sin(2*pi*y[1]))"], tol=1e-10)
    best = caught.value.result
    np.testing.assert_allclose(best.tensor[1], 2.0 * np.eye(2), atol=1e-12)
    assert np.linalg.eigvalsh(best.tensor).min() > 0
    assert best.report.error_estimate > 1e-10
    with pytest.raises(ConvergenceError) as caught:
        cs.solve_cell_problem(BOX, COLD, tol=1e-10)
    np.testing.assert_allclose(caught.value.result.tensor, best.tensor[0], rtol=1e-9)


# Invariants -------------------------------------------------------------------------------------


def solve_image(values: FloatArray) -> FloatArray:
    return cs.solve_cell_problem(PIXEL_BOX, image(values), tol=1e-12).tensor


@settings(max_examples=20, deadline=None, derandomize=True)
@given(PIXELS, st.floats(1e-6, 1e6))
def test_tensors_scale_with_the_coefficient(logs, factor) -> None:
    tensor = solve_image(pixels(logs))
    np.testing.assert_allclose(solve_image(factor * pixels(logs)) / factor, tensor, rtol=0, atol=1e-10 * tensor.max())


@settings(max_examples=20, deadline=None, derandomize=True)
@given(PIXELS)
def test_tensors_turn_with_the_coefficient(logs) -> None:
    """A quarter turn of the cell, about its middle, turns the tensor."""
    tensor = solve_image(pixels(logs))
    turned = solve_image(
        np.rot90(pixels(logs))
    )  # entry [i, j] is the pixel at (i, j): a turn by +90 degrees in (y0, y1)
    np.testing.assert_allclose(turned, ROTATION.T @ tensor @ ROTATION, rtol=0, atol=1e-10 * tensor.max())


@settings(max_examples=20, deadline=None, derandomize=True)
@given(PIXELS)
def test_tensors_lie_between_the_means_and_are_symmetric(logs) -> None:
    """Voigt and Reuss: 1/<1/K> <= K_hom <= <K>."""
    values = pixels(logs)
    tensor = solve_image(values)
    np.testing.assert_allclose(tensor, tensor.T, rtol=0, atol=1e-13 * tensor.max())
    assert loewner_gap(tensor, values.mean() * np.eye(2)) >= -1e-12 * tensor.max()
    assert loewner_gap(np.eye(2) / (1 / values).mean(), tensor) >= -1e-12 * tensor.max()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(PIXELS, st.integers(0, 3), st.integers(0, 3))
def test_tensors_do_not_feel_a_shift(logs, i, j) -> None:
    shifted = solve_image(np.roll(pixels(logs), (i, j), axis=(0, 1)))
    np.testing.assert_allclose(shifted, solve_image(pixels(logs)), rtol=0, atol=1e-10 * shifted.max())


def test_off_diagonals_have_the_sign_of_the_layers() -> None:
    """Layers along y0 = y1 conduct better along (1, 1): a turn in the wrong sense would be seen."""
    tensor = cs.solve_cell_problem(cs.box_cell(2), "exp(2*cos(2*pi*(y[0] - y[1])))").tensor
    np.testing.assert_allclose(tensor @ [1, 1], np.i0(2.0) * np.ones(2), rtol=1e-7)
    np.testing.assert_allclose(tensor @ [1, -1], np.array([1, -1]) / np.i0(2.0), rtol=1e-7)


@pytest.mark.parametrize("shear", [[[1, 0], [1, 1]], [[1, 2], [0, 1]], [[2, 1], [1, 1]], [[0, -1], [1, 0]]])
def test_any_cell_of_the_lattice_gives_the_same_tensor(shear) -> None:
    """Integer changes of the period vectors with determinant 1 describe the same medium."""
    unit = cs.solve_cell_problem(cs.box_cell(2), COLD, tol=1e-8).tensor
    sheared = cs.solve_cell_problem(cs.box_cell(2, period=shear), COLD, tol=1e-8).tensor
    np.testing.assert_allclose(sheared, unit, atol=3e-8 * np.abs(unit).max())


def test_any_mesh_of_the_lattice_gives_the_same_tensor() -> None:
    unit = cs.solve_cell_problem(cs.box_cell(2), COLD, tol=1e-8).tensor
    for period in (np.eye(2), [[1, 0], [1, 1]]):
        tensor = cs.solve_cell_problem(structured_cell("triangle", 16, period), COLD, order=4).tensor
        assert relative_error(tensor, unit) < 1e-5


@pytest.mark.parametrize("factor", [1e-6, 0.37, 1e5])
def test_the_unit_of_length_does_not_matter(factor) -> None:
    cell = structured_cell("triangle", 6, SKEWED[2], halves=0)
    fields = {"elements": cell.elements, "shape": cell.shape, "tags": cell.tags, "region_names": cell.region_names}
    scaled = UnitCell("scaled", factor * cell.points, period=factor * cell.period, **fields)
    tensors = [cs.solve_cell_problem(c, {"a": STIFF, "b": 9.0}).tensor for c in (cell, scaled)]
    np.testing.assert_allclose(tensors[1], tensors[0], rtol=1e-10)
    box = cs.box_cell(2, period=factor * np.array(SKEWED[2]))
    tensor = cs.solve_cell_problem(box, lambda y: np.exp(cosine(y @ np.linalg.inv(box.period))[:, 0])).tensor
    unit = cs.box_cell(2, period=SKEWED[2])
    expected = cs.solve_cell_problem(unit, lambda y: np.exp(cosine(y @ np.linalg.inv(unit.period))[:, 0])).tensor
    np.testing.assert_allclose(tensor, expected, rtol=1e-9)


def test_a_skewed_box_obeys_the_change_of_variables() -> None:
    """K_hom = P^T Khat P with the unit cube's Khat for P^-T K P^-1: layers, by the closed form."""
    period = np.array(SKEWED[2])
    normal = np.linalg.inv(period)[:, 1]
    coefficient = lambda y: np.where((y @ np.linalg.inv(period))[:, 1] < 0.5, 1.0, 7.0)  # noqa: E731
    tensor = cs.solve_cell_problem(cs.box_cell(2, n=2, order=3, period=period), coefficient).tensor
    np.testing.assert_allclose(tensor, exact.laminate([1.0, 7.0], [0.5, 0.5], normal), atol=1e-10)


def test_additive_potentials_in_space_have_a_closed_form() -> None:
    texts = ["cos(2*pi*y)", "0.7*sin(2*pi*y) + 0.3*cos(4*pi*y)", "0.5*cos(2*pi*y)"]
    coefficient = "exp(-(" + " + ".join(t.replace("y)", f"y[{i}])") for i, t in enumerate(texts)) + "))"
    tensor = cs.solve_cell_problem(cs.box_cell(3), coefficient, tol=1e-5).tensor
    partition = np.prod([np.exp(log_mean(t)) for t in texts])
    assert relative_error(tensor, exact.additive_diffusion(texts, 1.0) * partition) <= 1e-5


def log_mean(text: str) -> float:
    V = cs.Potential(text.replace("y", "y1"), dim=1, scales=1)
    return float(exact.log_partition_function_1d(V, 1.0, np.zeros(1)))


# Many at once, and reports ----------------------------------------------------------------------


MANY = ["exp(-cos(2*pi*y[0]))", COLD, 3.0, "1.5 + sin(2*pi*(y[0] + y[1]))"]


@pytest.mark.parametrize("kind", ["box", "mesh"])
@pytest.mark.parametrize("bounds", [False, True])
def test_many_equal_one_by_one(kind, bounds) -> None:
    cell = BOX if kind == "box" else structured_cell("triangle", 6)
    many = cs.solve_cell_problems(cell, MANY, tol=1e-10, bounds=bounds)
    for b, coefficient in enumerate(MANY):
        one = cs.solve_cell_problem(cell, coefficient, tol=1e-10, bounds=bounds)
        width = one.report.error_estimate if bounds else 0.0  # iterations stop at a tenth of it
        np.testing.assert_allclose(many.tensor[b], one.tensor, rtol=0, atol=1e-9 + 0.1 * width)
        np.testing.assert_allclose(many.correctors[b], one.correctors, atol=1e-4)
        if bounds:
            np.testing.assert_allclose(many.lower[b], one.lower, rtol=0, atol=1e-9 + 0.2 * width)
    assert many.tensor.shape == (4, 2, 2)
    assert many.iterations.shape == (4,)
    assert many.correctors.shape == (4, 2, len(many.nodes))


def test_many_more_than_a_batch_and_the_probes_equal_one_by_one() -> None:
    amplitudes = np.linspace(0.0, 2.0, 60)
    values = lambda y: np.exp(-amplitudes[:, None] * cosine(y[:, 0]) * cosine(y[:, 1] - y[:, 0]))  # noqa: E731
    many = cs.solve_cell_problems(BOX, values, tol=1e-9)
    for b in (0, 17, 59):
        one = cs.solve_cell_problem(BOX, lambda y, b=b: values(y)[b], tol=1e-9)
        np.testing.assert_allclose(many.tensor[b], one.tensor, rtol=0, atol=1e-9)


def test_many_tensors_from_a_callable() -> None:
    tensors = random_tensors(3, 5, 2)
    many = cs.solve_cell_problems(ROUGH, lambda y: np.broadcast_to(tensors[:, None], (5, len(y), 2, 2)))
    np.testing.assert_allclose(many.tensor, tensors, rtol=1e-9)
    mixed = cs.solve_cell_problems(ROUGH, [2.0, tensors[0]])
    np.testing.assert_allclose(mixed.tensor, [2.0 * np.eye(2), tensors[0]], rtol=1e-9, atol=1e-12)


def test_bad_members_of_many_are_named() -> None:
    with pytest.raises(CoefficientError, match=r"coefficient 1 is -1.0 at y"):
        cs.solve_cell_problems(ROUGH, lambda y: np.stack([np.ones(len(y)), -np.ones(len(y))]))
    with pytest.raises(CoefficientError, match="got no coefficients, needed at least one"):
        cs.solve_cell_problems(ROUGH, [])
    with pytest.raises(CoefficientError, match=r"the callable of coefficients gave shape .* one row a cell problem"):
        cs.solve_cell_problems(ROUGH, lambda y: np.ones(len(y)))


@pytest.mark.parametrize("coefficients", [2.0, "1.0", {"cell": 1.0}, None])
def test_one_coefficient_is_not_taken_for_many(coefficients) -> None:
    with pytest.raises(CoefficientError):
        cs.solve_cell_problems(ROUGH, coefficients)


@pytest.mark.parametrize("method", ["direct", "green", "green-jacobi", "amg"])
def test_a_preconditioner_can_be_forced(method) -> None:
    cell = structured_cell("triangle", 6)
    solution = cs.solve_cell_problem(cell, COLD, preconditioner=method, tol=1e-10)
    assert solution.report.solver.endswith(f", {method}")
    np.testing.assert_allclose(solution.tensor, cs.solve_cell_problem(cell, COLD, tol=1e-10).tensor, atol=1e-8)


def test_the_report_says_how_it_was_made() -> None:
    report = cs.solve_cell_problem(BOX, COLD).report
    assert report.n_dofs == 24**2
    assert report.solver == "BoxSpace(dim=2, n=3, order=8), green-jacobi"
    assert report.iterations > 3
    assert 0 <= report.residual < 1e-2
    assert report.seconds > 0
    assert 0 < report.error_estimate < 1e-4


def test_correctors_stand_at_their_nodes() -> None:
    """d = 1, K = exp(-V): 1 + theta' = K_hom exp(V)."""
    solution = cs.solve_cell_problem(cs.box_cell(1, n=4, order=10), "exp(-sin(2*pi*y))")
    order = np.argsort(solution.nodes[:, 0])
    y, theta = solution.nodes[order, 0], solution.correctors[0, order]
    grid = np.arange(20000) / 20000
    slope = np.exp(np.sin(2 * np.pi * grid)) * solution.tensor[0, 0] - 1.0
    integral = np.concatenate([[0.0], np.cumsum(0.5 * (slope + np.roll(slope, -1)))]) / 20000
    expected = np.interp(y, np.append(grid, 1.0), integral)
    np.testing.assert_allclose(theta - theta[0], expected - expected[0], atol=1e-6)


def test_correctors_have_a_meaning_in_the_plane() -> None:
    """Layers across y0: theta_0 has slope K_hom/K - 1, theta_1 vanishes."""
    solution = cs.solve_cell_problem(cs.box_cell(2, n=2, order=1), "1 + 3*heaviside(y[0] - 0.5)")
    theta, y0 = solution.correctors, solution.nodes[:, 0]
    rise = theta[0, np.isclose(y0, 0.5)].mean() - theta[0, np.isclose(y0, 0.0)].mean()
    assert rise == pytest.approx(0.5 * (1.6 / 1.0 - 1.0), abs=1e-9)
    np.testing.assert_allclose(theta[1], theta[1, 0], atol=1e-9)


def test_coefficients_cannot_write_on_the_points() -> None:
    def writer(y: FloatArray) -> FloatArray:
        y[:, 0] = 0.0
        return np.ones(len(y))

    with pytest.raises(ValueError, match="read-only"):
        cs.solve_cell_problem(ROUGH, writer)


def test_arrays_given_stay_as_they_were() -> None:
    given_tensor = STIFF.copy()
    given_tensor.flags.writeable = False
    cs.solve_cell_problem(ROUGH, given_tensor, bounds=True)
    np.testing.assert_array_equal(given_tensor, STIFF)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_units_of_the_coefficient_do_not_matter(size) -> None:
    solution = cs.solve_cell_problem(mesh("square_inclusion.msh"), {"matrix": size, "inclusion": 3 * size}, order=1)
    unit = cs.solve_cell_problem(mesh("square_inclusion.msh"), {"matrix": 1.0, "inclusion": 3.0}, order=1)
    np.testing.assert_allclose(solution.tensor / size, unit.tensor, rtol=1e-12, atol=1e-12)


def test_absurd_boxes_and_orders_are_refused() -> None:
    with pytest.raises(MeshError, match="unknowns in 2 dimensions, needed at most"):
        cs.solve_cell_problem(cs.box_cell(2, n=10**5, order=4), 1.0)
    with pytest.raises(MeshError, match=r"got order = 1.5, needed 1 to 4"):
        cs.solve_cell_problem(mesh("square.msh"), 1.0, order=1.5)
