"""Cold landscapes: wells and passes, the graph of nodes, graded tensors, and problems of contrasts up to exp(100)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import ive, logsumexp

import cellsolve as cs
from cellsolve.fem.box_space import BoxSpace, element_box
from cellsolve.fem.resolution import fitted_ladder
from cellsolve.fem.smoothness import terrain_of
from cellsolve.fem.wells import depth, wells_of
from cellsolve.linalg.cg import conjugate_gradients
from cellsolve.linalg.energies import IntArray, Solved
from cellsolve.linalg.graded import log_of_graded
from cellsolve.linalg.metastable import is_metastable
from cellsolve.linalg.node_graph import _edge_mean, node_graph
from cellsolve.linalg.solver import CellSolver
from cellsolve.linalg.well_form import well_form
from cellsolve.multiscale.evaluation import evaluate_chunk
from cellsolve.multiscale.log_euclidean import compose, spectrum
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planning import Task, make_plan

Landscape = Callable[[np.ndarray], np.ndarray]


def cos(t: np.ndarray) -> np.ndarray:
    return np.cos(2 * np.pi * t)


def cos_cos(y: np.ndarray) -> np.ndarray:
    return cos(y[:, 0]) * cos(y[:, 1])


def layers(y: np.ndarray) -> np.ndarray:
    return cos(y[:, 0])


def tilted_layers(y: np.ndarray) -> np.ndarray:
    return cos(y[:, 0] + y[:, 1])


def many(y: np.ndarray) -> np.ndarray:
    return cos_cos(y) + 0.5 * cos(y[:, 0] + 2 * y[:, 1] - 0.25) + 0.3 * cos(y[:, 1] - 2 * y[:, 0])


def coefficient(V: Landscape, space: BoxSpace, beta: float, shift: float = 0.0) -> np.ndarray:
    return np.exp(-beta * (V(space.points) - shift))


def on_grid(V: Landscape, n: int) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(n) / n] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    return V(grid).reshape(n, n)


def log_bessel(a: float) -> float:
    return float(np.log(ive(0, a)) + a)


def test_wells_of_cos_cos() -> None:
    """Two wells, of which each well is left over four passes at height 0."""
    wells = wells_of(-30 * on_grid(cos_cos, 48), 4.0)
    assert len(wells.tops) == 2
    assert wells.clusters.shape == (1, 2)
    np.testing.assert_allclose([one.height for one in wells.passes], 0.0, atol=1e-9)
    assert not any(one.inside for one in wells.passes)
    assert abs(round(np.linalg.det([one.periods for one in wells.passes]))) == 1


@pytest.mark.parametrize(("V", "way"), [(layers, (0, 1)), (tilted_layers, (1, -1))])
def test_layers_are_rings(V: Landscape, way: tuple[int, int]) -> None:
    wells = wells_of(-20 * on_grid(V, 40), 4.0)
    easy, hard = wells.passes
    assert easy.inside
    assert easy.periods in (way, tuple(-p for p in way))
    assert not hard.inside
    assert hard.height == pytest.approx(-20.0)
    assert depth(-20 * on_grid(V, 40)) == pytest.approx(40.0)


def test_lifts_are_the_same_inside_wells() -> None:
    """A well across the sides of the cell is one well, its copies differ by the period crossed."""
    log_K = 20 * (on_grid(layers, 32) + on_grid(layers, 32).T)
    wells = wells_of(log_K, 4.0)
    lift = wells.lift.reshape(32, 32, 2)
    assert len(wells.tops) == 1
    np.testing.assert_array_equal(lift[20:, 5] - lift[5, 5], np.broadcast_to([1, 0], (12, 2)))


def test_graph_has_harmonic_edges() -> None:
    """K_ij |face| / h with the harmonic mean of exp(linear), and conserves."""
    space = element_box(2, 6, 3)
    graph = node_graph(space, np.exp(2.0 * cos(space.points[:, 0])))
    flow = graph.flow(np.random.default_rng(0).normal(size=(2, len(graph.start))))
    np.testing.assert_allclose(flow.sum(axis=1), 0.0, atol=1e-12)
    constant = node_graph(space, np.ones(len(space.weights)))
    edge = space.nodes[constant.end] - space.nodes[constant.start]
    length = np.abs(edge - np.round(edge)).sum(axis=1)
    across = constant.stiffness * length**2  # volume between the two nodes
    assert across.sum() == pytest.approx(2.0)


def test_edges_carry_the_harmonic_mean() -> None:
    """Of K whose logarithm is linear on the edge."""
    differences = np.array([0.0, 1e-9, 0.5, 3.0, -8.0])
    t = (np.arange(20000) + 0.5) / 20000
    expected = 1.0 / np.exp(-(0.3 + t * differences[:, None])).mean(axis=1)
    np.testing.assert_allclose(_edge_mean(np.full(5, 0.3), 0.3 + differences), expected, rtol=1e-7)


@pytest.mark.parametrize("ratio", [1e-3, 1e-20, 1e-60])
def test_graded_tensors_keep_their_digits(ratio: float) -> None:
    angle = 0.3
    Q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    frame = Q.T
    T = np.diag([3.0, 2.0 * ratio])
    logs = log_of_graded(T, frame)
    np.testing.assert_allclose(logs, (Q * np.log([3.0, 2.0 * ratio])) @ Q.T, rtol=1e-13)
    coupled = np.array([[3.0, 0.5 * np.sqrt(ratio)], [0.5 * np.sqrt(ratio), 2.0 * ratio]])
    values = np.linalg.eigvalsh(log_of_graded(coupled, frame))
    assert values.sum() == pytest.approx(np.log(5.75 * ratio), rel=1e-13)


def test_graded_tensors_in_space() -> None:
    """Three sizes, whose directions take several sweeps to separate."""
    random = np.random.default_rng(3)
    frame = np.linalg.qr(random.normal(size=(3, 3)))[0]
    scale = np.array([1.0, 1e-3, 1e-25])
    S = np.array([[1.0, 0.6, -0.4], [0.6, 1.0, 0.3], [-0.4, 0.3, 1.0]])
    logs = log_of_graded(S * scale * scale[:, None], frame)
    values, vectors = np.linalg.eigh(logs)
    assert values.sum() == pytest.approx(np.log(np.linalg.det(S)) + 2 * np.log(scale).sum(), rel=1e-13)
    assert values[0] == pytest.approx(2 * np.log(scale[2]) + np.log(np.linalg.det(S) / 0.64), rel=1e-6)
    np.testing.assert_allclose(np.abs(vectors[:, 2] @ frame[0]), 1.0, atol=1e-5)
    close, axes = np.linalg.eigh(frame.T @ S @ frame)
    np.testing.assert_allclose(log_of_graded(S, frame), (axes * np.log(close)) @ axes.T, rtol=1e-12)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_plane_spectra_of_graded_tensors(order: slice) -> None:
    """diag(1, 1e-30), whichever comes first, and logs of it with nothing off the diagonal."""
    A = np.diag(np.array([1.0, 1e-30])[order])
    values, vectors = spectrum(A)
    np.testing.assert_allclose(values, [1e-30, 1.0], rtol=1e-14)
    np.testing.assert_allclose(compose(values, vectors), A, rtol=1e-14)
    logs, axes = spectrum(np.diag(np.array([0.0, -90.0])[order]))
    np.testing.assert_allclose(np.diag(compose(np.exp(logs), axes)), np.exp(np.array([0.0, -90.0])[order]), rtol=1e-12)


@pytest.mark.parametrize(
    ("V", "exact"),
    [
        (cos_cos, [0.0, 0.0]),
        (layers, [-log_bessel(50), log_bessel(50)]),
        (tilted_layers, [-log_bessel(50), log_bessel(50)]),
        (lambda y: 0.5 * (cos(y[:, 0]) + cos(y[:, 1])), [0.0, 0.0]),
    ],
)
def test_closed_forms_at_one_hundred(V: Landscape, exact: list[float]) -> None:
    """Both eigenvalues, though one is exp(-100) of the other, and in few iterations."""
    space = element_box(2, 32, 4)
    minimum = CellSolver(space).solve(coefficient(V, space, 50.0)[None], 1e-8)
    assert minimum.converged.all()
    assert minimum.iterations[0] <= 40
    assert minimum.log_tensor is not None
    np.testing.assert_allclose(np.linalg.eigvalsh(minimum.log_tensor[0]), exact, atol=5e-6)


def test_inequivalent_wells_find_their_levels() -> None:
    """K[-V] = K[V] / det K[V] at osc(V)/sigma = 100; one iteration short of the wells' levels K is exp(8) too large."""
    space = element_box(2, 32, 5)
    beta = 31.0
    logs = list[np.ndarray]()
    for sign in (1.0, -1.0):
        minimum = CellSolver(space).solve(coefficient(lambda y, s=sign: s * many(y), space, beta)[None], 1e-8)
        assert minimum.converged.all()
        assert minimum.log_tensor is not None
        logs.append(minimum.log_tensor[0])
    np.testing.assert_allclose(logs[1], logs[0] - np.trace(logs[0]) * np.eye(2), atol=3e-5)


def test_problems_do_not_depend_on_their_batch() -> None:
    space = element_box(2, 16, 5)
    K = np.stack([coefficient(many, space, beta) for beta in (1.0, 16.0, 3.0, 13.0)])
    told = list[int]()

    def observe(_: Solved, rows: IntArray) -> None:
        told.extend(rows.tolist())

    together = CellSolver(space).solve(K, 1e-9, on_solved=observe)
    assert sorted(told) == [0, 1, 2, 3]
    assert is_metastable(space, K).tolist() == [False, True, False, True]
    for i in range(4):
        alone = CellSolver(space).solve(K[i : i + 1], 1e-9)
        np.testing.assert_allclose(alone.tensor[0], together.tensor[i], rtol=1e-12)
        np.testing.assert_allclose(alone.correctors[0], together.correctors[i], atol=1e-8)
        assert alone.iterations[0] == together.iterations[i]


def test_wells_give_what_gradients_give() -> None:
    """The same discrete minimum, correctors and derivatives as the form without wells, on a skew cell, with tensors."""
    space = BoxSpace(2, element_box(2, 8, 6).line, np.array([[1.0, 0.0], [0.3, 1.1]]))
    V = many(space.points @ space.inverse_period)
    K = np.exp(-3.5 * V)[None, None, None] * np.array([[1.0, 0.2], [0.2, 0.7]])[None, :, :, None]
    form = well_form(space, K[0])
    minimum = conjugate_gradients(form, 1e-12)
    plain = CellSolver(space, "green-jacobi").solve(K, 1e-12)
    back = np.linalg.inv(form.frame)
    np.testing.assert_allclose(back @ minimum.tensor[0] @ back.T, plain.tensor[0], rtol=1e-9)
    energy = space.gradient(form.correctors(minimum.unknowns)[0]) + np.eye(2)[:, :, None]
    T = np.einsum("riq,q,ijq,sjq->rs", energy, space.weights, K[0], energy)
    np.testing.assert_allclose(T, plain.tensor[0], rtol=1e-9)
    solved = form.evaluate(minimum.unknowns)[2]
    np.testing.assert_allclose(solved.derivative(K)[0], plain.tensor[0], rtol=1e-9)


def test_metastable_problems_in_space() -> None:
    space = element_box(3, 6, 4)

    def V(y: np.ndarray) -> np.ndarray:
        return cos(y[:, 0]) + 0.8 * cos(y[:, 1]) + 0.6 * cos(y[:, 2]) + 0.4 * cos(y[:, 0] - 2 * y[:, 1])

    K = coefficient(V, space, 9.0)[None]
    assert is_metastable(space, K).all()
    minimum, plain = (CellSolver(space, method).solve(K, 1e-8) for method in (None, "green-jacobi"))
    assert minimum.converged.all()
    assert minimum.iterations[0] < 0.5 * plain.iterations[0]
    np.testing.assert_allclose(minimum.tensor, plain.tensor, rtol=1e-6, atol=1e-6 * plain.tensor.max())


def test_small_eigenvalues_stop_iterations() -> None:
    """Between the axes: an energy is small against each K_rr, and need not be against q.K q."""
    space = element_box(2, 12, 5)
    V = 8.0 * tilted_layers(space.points) + 0.5 * cos(space.points[:, 0] + 0.1)
    K = np.exp(-V)[None]
    coarse, fine = (np.linalg.eigvalsh(CellSolver(space).solve(K, tol).tensor[0]) for tol in (1e-6, 1e-12))
    assert fine[0] < 1e-5 * fine[1]
    np.testing.assert_allclose(coarse, fine, rtol=2e-6)


def test_elements_follow_the_steepness() -> None:
    def look(beta: float, V: Landscape = many) -> Callable[[BoxSpace], np.ndarray]:
        return lambda view: coefficient(V, view, beta)[None]

    cool, cold = (terrain_of(look(beta), 2, np.eye(2)) for beta in (10.0, 20.0))
    assert cold.steepness == pytest.approx(2 * cool.steepness)
    assert cold.depth == pytest.approx(2 * cool.depth)
    assert terrain_of(lambda view: np.exp(20.0 * (view.points[:, 0] < 0.5))[None], 2, np.eye(2)).steepness == np.inf
    spaces = [fitted_ladder(cs.box_cell(2), look(beta), 1e-7).makers[0]() for beta in (1.0, 15.0, 31.0)]
    warm, middle, steep = spaces
    assert isinstance(warm, BoxSpace) and warm.is_collocated  # noqa: PT018
    assert isinstance(middle, BoxSpace) and isinstance(steep, BoxSpace)  # noqa: PT018
    assert cold.steepness * 15 / 20 / middle.n <= 14.0
    assert cold.steepness * 31 / 20 / steep.n <= 14.0 < cold.steepness * 31 / 20 / (0.5 * steep.n)


@pytest.mark.parametrize("scales", [1, 2])
def test_one_dimension_has_no_limit(scales: int) -> None:
    """osc(V1)/sigma = 900 in each scale, against the Boltzmann factor of all variables."""
    text = {1: "cos(2*pi*y1) + 0.3*sin(x)*sin(2*pi*y1)", 2: "cos(2*pi*(y1 - y2)) + 0.5*cos(2*pi*y1)*cos(x)"}[scales]
    x, beta, n = 0.7, 450.0, 1500
    potential, at = cs.Potential(text, dim=1, scales=scales), np.array([[x]])
    planned = make_plan(Task(potential, 1 / beta, 1e-6, [cs.box_cell(1)] * scales, at), Tally())
    result = evaluate_chunk(planned, at, (0,))
    y = np.arange(n) / n
    outer, inner = y[:, None], y
    V, slope = {
        1: (cos(y) + 0.3 * np.sin(x) * np.sin(2 * np.pi * y), 0.3 * np.cos(x) * np.sin(2 * np.pi * y)),
        2: (cos(outer - inner) + 0.5 * cos(outer) * np.cos(x), -0.5 * cos(outer) * np.sin(x) + 0 * inner),
    }[scales]
    exact = list[float]()
    for sign in (1.0, -1.0):
        log_mean = logsumexp(sign * beta * V) - scales * np.log(n)
        exact.insert(1 if sign < 0 else 0, -sign * log_mean)
        exact.append(-beta * float((slope * np.exp(sign * beta * V - log_mean)).mean()))
    np.testing.assert_allclose(result.channels[0], exact, rtol=1e-6)
    assert result.error[0] < 1e-6
