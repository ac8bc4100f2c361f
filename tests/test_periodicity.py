"""Lattices and the matching of opposite sides: what closes into a torus, and what is said when it does not."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cellsolve as cs
from cellsolve.cells import UnitCell, check_periodicity, detect_period, periodic_classes
from cellsolve.cells.periodicity import check_coverage, check_elements, match_sides
from cellsolve.errors import MeshError, PeriodicityError

PERIODS = {
    "interval": [[0.7]],
    "square": np.eye(2),
    "rhombus": [[1.0, 0.0], [0.5, np.sqrt(0.75)]],
    "turned": [[0.8, -0.6], [0.6, 0.8]],
    "flat": [[1.0, 0.0], [0.3, 0.01]],
    "left-handed": [[0.0, 2.0], [3.0, 0.0]],
    "cube": np.eye(3),
    "skew": [[1.0, 0.1, 0.0], [0.2, 1.5, 0.3], [0.4, -0.3, 0.8]],
}
ORIGINS = (0.0, -1.0 / 3.0, 1e3)


def period_named(name: str) -> np.ndarray:
    return np.array(PERIODS[name], dtype=float)


def corners_of(shape: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Integer nodes (.., d) of a grid of n^d boxes and elements of a shape; a diagonal cuts each box alike."""
    dim = {"line": 1, "triangle": 2, "quad": 2, "tetra": 3, "hexahedron": 3}[shape]
    nodes = np.array(list(product(range(n + 1), repeat=dim)))
    number = {tuple(node): i for i, node in enumerate(nodes.tolist())}
    if shape == "quad":
        paths = [[(0, 0), (1, 0), (1, 1), (0, 1)]]
    elif shape == "hexahedron":
        ring = [(0, 0), (1, 0), (1, 1), (0, 1)]
        paths = [[(*xy, z) for z in (0, 1) for xy in ring]]
    else:
        paths = []
        for order in permutations(range(dim)):
            steps = np.zeros((dim + 1, dim), dtype=int)
            for row, axis in enumerate(order):
                steps[row + 1 :, axis] = 1
            paths.append([tuple(s) for s in steps.tolist()])
    elements = [
        [number[tuple(np.add(box, corner).tolist())] for corner in path]
        for box in product(range(n), repeat=dim)
        for path in paths
    ]
    return nodes, np.array(elements)


def grid_cell(shape: str, n: int, period: Any = None, **changes: Any) -> UnitCell:
    nodes, elements = corners_of(shape, n)
    rows = np.eye(nodes.shape[1]) if period is None else np.asarray(period, dtype=float)
    fields = {
        "name": "grid.msh",
        "points": nodes / n @ rows,
        "elements": elements,
        "shape": shape,
        "tags": np.zeros(len(changes.get("elements", elements)), dtype=int),
        "region_names": ("cell",),
        "period": rows,
    }
    return UnitCell(**(fields | changes))


def same_partition(labels: np.ndarray, expected: np.ndarray) -> bool:
    pairs = len(set(zip(labels.tolist(), expected.tolist(), strict=True)))
    return pairs == len(set(labels.tolist())) == len(set(expected.tolist()))


def lattice_nodes(dim: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Integer nodes 0 .. count along each axis in a random order, and the class of each on the torus."""
    nodes = np.array(list(product(range(count + 1), repeat=dim)))
    rng.shuffle(nodes)
    classes = np.ravel_multi_index(tuple((nodes % count).T), (count,) * dim)
    return nodes, classes


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", PERIODS)
def test_nodes_of_lagrange_elements_fold_onto_the_torus(name, order, origin):
    """3 elements of order p along each axis: (3 p)^d classes, corners 2^d in one, round-off of either sign."""
    period = period_named(name)
    dim, count = len(period), 3 * order
    rng = np.random.default_rng([order, dim])
    nodes, classes = lattice_nodes(dim, count, rng)
    noise = 1e-13 * max(1.0, abs(origin)) * rng.uniform(-1, 1, nodes.shape)
    points = nodes / count @ period + origin + noise
    labels = periodic_classes(points, period, 1e-8)
    assert labels.max() + 1 == count**dim
    assert same_partition(labels, classes)


@pytest.mark.parametrize("name", PERIODS)
def test_labels_count_up_from_the_first_point(name):
    period = period_named(name)
    nodes, _ = lattice_nodes(len(period), 4, np.random.default_rng(0))
    labels = periodic_classes(nodes / 4 @ period, period, 1e-8)
    _, first = np.unique(labels, return_index=True)
    assert labels[0] == 0
    assert (np.diff(first) > 0).all()


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(list(PERIODS)))
@settings(max_examples=60, deadline=None)
def test_moving_by_period_vectors_keeps_the_class(seed, name):
    rng = np.random.default_rng(seed)
    period = period_named(name)
    points = rng.uniform(-2, 2, (20, len(period)))
    images = points + rng.integers(-3, 4, points.shape) @ period
    labels = periodic_classes(np.vstack([points, images]), period, 1e-9)
    assert np.array_equal(labels[:20], np.arange(20))
    assert np.array_equal(labels[20:], labels[:20])


def test_the_tolerance_is_a_length_relative_to_the_longest_period():
    period = np.diag([4.0, 1.0])
    points = np.array([[0.0, 0.0], [4.0, 3.9e-3], [0.0, 0.5], [0.0, 0.5 + 4.1e-3]])
    assert periodic_classes(points, period, 1e-3).tolist() == [0, 0, 1, 2]


def test_points_near_a_face_of_a_flat_cell_stay_apart():
    """Fractions 0.02 apart along a short vector are 2e-4 in length; the tolerance 1e-4 must not join them."""
    period = period_named("flat")
    points = np.array([[0.0, 0.99], [0.0, 0.01], [0.5, 0.0]]) @ period
    assert periodic_classes(points, period, 1e-4).tolist() == [0, 1, 2]
    assert periodic_classes(points, period, 1e-2).tolist() == [0, 0, 1]


def test_the_tolerance_is_a_length_in_every_direction_of_a_flat_cell():
    """A step of 0.005 along the long vector is beyond the tolerance, the same fraction of the short height is not."""
    period = period_named("flat")
    points = np.array([[0.5, 0.005], [0.505, 0.005], [0.5, 0.00505]])
    assert periodic_classes(points, period, 1e-4).tolist() == [0, 1, 0]


def test_classes_leave_their_input_alone():
    points, period = np.array([[1.0, 0.0], [0.0, 0.0], [-0.25, 2.0]]), np.eye(2)
    before = points.copy()
    periodic_classes(points, period, 1e-8)
    assert np.array_equal(points, before)
    assert np.array_equal(period, np.eye(2))


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("name", PERIODS)
def test_period_of_a_parallelepiped_is_its_edges(name, origin):
    period = period_named(name)
    nodes, _ = lattice_nodes(len(period), 5, np.random.default_rng(1))
    found = detect_period(nodes / 5 @ period + origin)
    expected = period[::-1] if name == "left-handed" else period
    assert np.allclose(found, expected, rtol=0, atol=1e-12 * max(1.0, abs(origin)))


@pytest.mark.parametrize(
    "points",
    [
        [[0, 0], [2, 0], [2, 1], [1, 1], [1, 3], [0, 3]],
        [[0, 1], [1, 0], [2, 1], [1.5, 3], [1, 3]],
        [[0, 0], [2, 0], [1.5, 3], [0.5, 3]],
        [[0, 0], [2, 0], [1, 3]],
    ],
)
def test_period_of_any_other_mesh_is_its_bounding_box(points):
    assert np.array_equal(detect_period(np.array(points, dtype=float)), [[2, 0], [0, 3]])


def test_period_of_a_prism_in_space_is_its_bounding_box():
    points = np.array([[*xy, z] for z in (0.0, 1.0) for xy in ([0, 0], [2, 0], [1, 3])])
    assert np.array_equal(detect_period(points), np.diag([2.0, 3.0, 1.0]))


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ("line", "interval"),
        ("triangle", "square"),
        ("triangle", "rhombus"),
        ("triangle", "turned"),
        ("quad", "flat"),
        ("quad", "left-handed"),
        ("tetra", "cube"),
        ("tetra", "skew"),
        ("hexahedron", "skew"),
    ],
)
@pytest.mark.parametrize("n", [1, 3])
def test_grids_close_periodically(shape, name, n):
    cell = grid_cell(shape, n, period_named(name))
    reports = check_periodicity(cell)
    per_face = n ** (cell.dim - 1) * (2 if shape == "tetra" else 1)
    assert [r.side for r in reports] == list(range(cell.dim))
    assert {(r.facets, r.unmatched, r.largest_gap, r.problem) for r in reports} == {(2 * per_face, 0, 0.0, "")}
    check_elements(cell)
    check_coverage(cell)


def test_reversed_period_vectors_are_the_same_lattice():
    assert all(r.unmatched == 0 for r in check_periodicity(grid_cell("tetra", 2, period=-np.eye(3))))
    cell = grid_cell("triangle", 3)
    reports = match_sides(UnitCell("g", cell.points, cell.elements, "triangle", cell.tags, ("cell",), -np.eye(2)))
    assert [(r.facets, r.unmatched) for r in reports] == [(6, 0), (6, 0)]


def failure_of(cell: UnitCell) -> PeriodicityError:
    with pytest.raises(PeriodicityError) as caught:
        check_periodicity(cell)
    return caught.value


def test_a_node_that_misses_its_partner_is_named():
    cell = grid_cell("triangle", 4)
    points = cell.points.copy()
    moved = np.flatnonzero((points == [1.0, 0.5]).all(axis=1))
    points[moved] += [0.0, 2.3e-3]
    error = failure_of(grid_cell("triangle", 4, points=points))
    assert str(error) == (
        "grid.msh: 4 of 8 facets on side 0 have no partner on the opposite side (largest gap 2.3e-03, tolerance "
        '1e-08). Remesh with a periodic constraint, raise match_tol, or couple the sides (periodicity="mortar").'
    )
    assert (error.side, error.unmatched) == (0, 4)
    assert error.largest_gap == pytest.approx(2.3e-3)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.side, copy.unmatched) == (str(error), 0, 4)


def test_a_greater_tolerance_accepts_the_same_mesh():
    points = grid_cell("triangle", 4).points.copy()
    points[(points == [1.0, 0.5]).all(axis=1)] += [0.0, 2.3e-3]
    cell = grid_cell("triangle", 4, points=points, match_tol=2.4e-3)
    assert [r.unmatched for r in check_periodicity(cell)] == [0, 0]
    assert failure_of(grid_cell("triangle", 4, points=points, match_tol=2.2e-3)).unmatched == 4


def test_the_second_side_is_checked_too():
    points = grid_cell("quad", 4).points.copy()
    points[(points == [0.5, 1.0]).all(axis=1)] += [0.01, 0.0]
    error = failure_of(grid_cell("quad", 4, points=points))
    assert (error.side, error.unmatched) == (1, 4)
    assert "4 of 8 facets on side 1" in str(error)


FIVE_TETRA = [[0, 1, 3, 4], [1, 2, 3, 6], [1, 4, 5, 6], [3, 4, 6, 7], [1, 3, 4, 6]]


def test_matching_nodes_with_other_diagonals_are_caught():
    """A cube of five tetrahedra: diagonals on opposite faces cross, while all nodes have partners."""
    ring = [(0, 0), (1, 0), (1, 1), (0, 1)]
    points = np.array([[*xy, z] for z in (0, 1) for xy in ring], dtype=float)
    cell = UnitCell("five.msh", points, np.array(FIVE_TETRA), "tetra", np.zeros(5, dtype=int), ("cell",), np.eye(3))
    assert cell.volumes.sum() == pytest.approx(1.0)
    error = failure_of(cell)
    assert (error.side, error.unmatched, error.largest_gap) == (0, 4, 0.0)
    assert "five.msh: 4 of 4 facets on side 0 have no partner on the opposite side, although their nodes match" in (
        str(error)
    )
    assert [r.unmatched for r in match_sides(cell)] == [4, 4, 4]


def without_boxes(n: int, *boxes: tuple[int, int]) -> UnitCell:
    """n x n squares, some of them missing."""
    _, elements = corners_of("quad", n)
    kept = [i for i, box in enumerate(product(range(n), repeat=2)) if box not in boxes]
    return grid_cell("quad", n, elements=elements[kept])


def test_holes_may_cut_both_faces_of_a_side():
    cell = without_boxes(4, (0, 1), (3, 1))
    assert [(r.facets, r.unmatched) for r in check_periodicity(cell)] == [(6, 0), (8, 0)]
    assert cell.porosity == pytest.approx(2 / 16)


def test_a_hole_in_one_face_only_is_caught():
    error = failure_of(without_boxes(4, (3, 1)))
    assert (error.side, error.unmatched) == (0, 1)
    assert "1 of 7 facets on side 0" in str(error)
    assert "a hole cuts one of them only" in str(error)
    error = failure_of(without_boxes(4, (3, 1), (3, 2)))
    assert (error.side, error.unmatched, error.largest_gap) == (0, 2, 0.25)
    error = failure_of(without_boxes(4, (0, 1), (0, 2)))
    assert (error.side, error.unmatched, error.largest_gap) == (0, 2, 0.25)
    error = failure_of(without_boxes(6, *[(5, j) for j in range(1, 5)]))
    assert (error.side, error.unmatched) == (0, 4)
    assert error.largest_gap == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("period", "side", "words", "gap"),
    [
        (
            [[2.0, 0.0], [0.0, 2.0]],
            0,
            r"grid.msh: the mesh spans 0\.5 of period vector 0, \[2\., 0\.\], needed 1",
            1.0,
        ),
        ([[1.0, 0.0], [0.0, 0.5]], 1, r"the mesh spans 2 of period vector 1, \[0\. , 0\.5\], needed 1", 0.5),
        ([[1.0, 0.3], [0.0, 1.0]], 1, r"the mesh spans 1\.3 of period vector 1", 0.3 / np.sqrt(1.09)),
        (
            [[1.0 + 1e-6, 0.0], [0.0, 1.0]],
            0,
            r"by 1\.0e-06, tolerance 1e-08\)\. Give the period of the cell",
            1e-6,
        ),
    ],
)
def test_a_wrong_period_is_said(period, side, words, gap):
    cell = grid_cell("triangle", 4)
    wrong = UnitCell("grid.msh", cell.points, cell.elements, "triangle", cell.tags, ("cell",), np.array(period))
    with pytest.raises(PeriodicityError, match=words) as caught:
        check_periodicity(wrong)
    assert caught.value.side == side
    assert caught.value.largest_gap == pytest.approx(gap, rel=1e-3)


def test_a_layer_between_pores_needs_no_facets_across_them():
    cell = grid_cell("triangle", 4)
    layer = UnitCell("layer", cell.points, cell.elements, "triangle", cell.tags, ("cell",), np.diag([1.0, 2.0]))
    across, along = check_periodicity(layer)[::-1]
    assert (along.facets, along.problem) == (8, "")
    assert (across.facets, across.problem) == (0, "")
    tensor = cs.solve_cell_problem(layer, 3.0).tensor
    np.testing.assert_allclose(tensor, np.diag([1.5, 0.0]), atol=1e-12)
    assert not tensor[1].any()
    narrow = replace(layer, period=np.diag([1.0, 1.1]))  # less than an element is left: it was to touch
    with pytest.raises(PeriodicityError, match=r"spans 0\.909091 of period vector 1"):
        check_periodicity(narrow)


def test_a_mesh_that_touches_its_box_in_points_only_is_said():
    points = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 2.0], [0.0, 1.0], [1.0, 1.0]]) / 2
    elements = np.array([[4, 0, 1], [4, 1, 2], [4, 2, 3], [4, 3, 0]])
    error = failure_of(
        UnitCell("turned.msh", points, elements, "triangle", np.zeros(4, dtype=int), ("cell",), np.eye(2))
    )
    assert "turned.msh: side 0 has 0 facet(s) on its first face and 0 on the opposite one" in str(error)
    assert "does not touch the sides of the period" in str(error)
    assert error.side == 0
    assert error.largest_gap == float("inf")


def test_coincident_nodes_are_refused():
    """Two halves of a square, glued without merging the nodes between them."""
    nodes, elements = corners_of("quad", 2)
    right = elements[elements.min(axis=1) >= 3]
    left = elements[elements.min(axis=1) < 3]
    points = np.vstack([nodes, nodes + np.array([1e-10, 0])]) / 2
    cell = grid_cell("quad", 2, points=points, elements=np.vstack([left, right + 9]))
    assert [r.unmatched for r in check_periodicity(cell)] == [0, 0]
    with pytest.raises(MeshError, match=r"grid\.msh: 3 pair\(s\) of nodes coincide .* Merge duplicate nodes"):
        check_elements(cell)


def test_repeated_elements_are_refused():
    _, elements = corners_of("triangle", 3)
    cell = grid_cell("triangle", 3, elements=np.vstack([elements, np.roll(elements[4:7], 1, axis=1)]))
    with pytest.raises(MeshError, match=r"grid\.msh: 3 of 21 elements appear more than once"):
        check_elements(cell)


def test_elements_that_overlap_are_refused():
    _, elements = corners_of("triangle", 2)
    overlapping = np.vstack([elements, [[1, 3, 4]]])
    cell = grid_cell("triangle", 2, elements=overlapping)
    check_elements(cell)
    with pytest.raises(MeshError, match=r"the elements cover 1\.125 times the period, needed at most 1"):
        check_coverage(cell)


def test_a_mesh_of_several_periods_is_refused():
    """2 x 2 copies of a square with a hole, of which a period twice the size of the square is said to be enough."""
    n = 8
    cell = grid_cell("triangle", n)
    t = cell.points[cell.elements].mean(axis=1) * 2 % 1
    holed = cell.restricted(((t - 0.5) ** 2).sum(axis=1) > 0.17)
    assert holed.porosity >= 0.5
    check_coverage(holed)
    small = replace(holed, period=np.array([[0.5, 0.5], [0.5, -0.5]]))
    with pytest.raises(MeshError, match=r"elements lie on translates of others, needed each once"):
        check_coverage(small)
