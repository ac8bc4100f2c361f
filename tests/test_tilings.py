"""Facets that match under lattice translations, walls of pores, and what is said where neither holds."""

from __future__ import annotations

import numpy as np
import pytest
from cell_shapes import (
    HEXAGONAL,
    SKEW,
    box,
    hexagon,
    rhombic_dodecahedron,
    truncated_octahedron,
    wavy,
    wigner_seitz,
    with_points,
)

from cellsolve.cells import UnitCell, check_periodicity
from cellsolve.cells.facets import facet_columns, find_boundary
from cellsolve.cells.location import covered
from cellsolve.cells.matching import match_facets
from cellsolve.cells.periodicity import check_coverage, combination, match_sides
from cellsolve.errors import MeshError, PeriodicityError


def test_the_boundary_has_outward_normals_and_the_facets_of_one_element():
    for cell in (box((3, 3)), box((2, 2, 2), period=SKEW), hexagon(2)):
        boundary = find_boundary(cell.points, cell.elements, cell.shape)
        centre = cell.points.mean(axis=0)
        assert ((boundary.centres - centre) * boundary.normals).sum(axis=1).min() > 0
        assert np.allclose(np.linalg.norm(boundary.normals, axis=1), 1.0)
        assert np.isin(boundary.nodes, cell.elements[boundary.owners]).all()
    assert len(find_boundary(box((4,)).points, box((4,)).elements, "line").nodes) == 2
    assert len(find_boundary(box((3, 3)).points, box((3, 3)).elements, "triangle").nodes) == 12
    assert len(find_boundary(box((2, 2, 2)).points, box((2, 2, 2)).elements, "tetra").nodes) == 48


def test_facets_of_second_order_have_the_nodes_between_their_corners():
    assert facet_columns("triangle", 3).tolist() == [[0, 1, 3], [1, 2, 4], [2, 0, 5]]
    assert facet_columns("quad", 5).tolist() == [[0, 1, 4], [1, 2, 5], [2, 3, 6], [3, 0, 7]]
    assert sorted(facet_columns("tetra", 6)[0].tolist()) == [0, 1, 2, 4, 5, 6]
    assert sorted(facet_columns("hexahedron", 19)[1].tolist()) == [4, 5, 6, 7, 12, 13, 14, 15, 25]
    assert facet_columns("line", 1).tolist() == [[0], [1]]


def test_places_are_found_in_elements():
    cell = box((4, 4, 4), lambda x: np.abs(x - 0.5).max(axis=1) > 0.25, SKEW)
    rng = np.random.default_rng(1)
    fractions = rng.uniform(-0.5, 1.5, (400, 3))
    inside = (np.abs(fractions - 0.5).max(axis=1) < 0.5) & (np.abs(fractions - 0.5).max(axis=1) > 0.25)
    assert np.array_equal(covered(fractions @ SKEW, cell.points, cell.elements, "tetra"), inside)
    assert covered(np.zeros((0, 3)), cell.points, cell.elements, "tetra").tolist() == []


@pytest.mark.parametrize(
    ("shape", "elements"), [("quad", [[0, 1, 2, 3]]), ("hexahedron", [[*range(8)]]), ("line", [[0, 1]])]
)
def test_places_are_found_in_elements_of_other_shapes(shape, elements):
    ring = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]])
    points = {"line": ring[:2, :1], "quad": ring, "hexahedron": np.array([[*xy, z] for z in (0, 1) for xy in ring])}
    places = np.full((2, points[shape].shape[1]), 0.7)
    places[1, 0] = 2.1
    assert covered(places, points[shape], np.array(elements), shape).tolist() == [True, False]


@pytest.mark.parametrize(
    ("cell", "sides"),
    [
        (hexagon(3), [6, 6, 6]),
        (rhombic_dodecahedron(), [8] * 6),
        (truncated_octahedron(), [12, 12, 12, 8, 8, 8, 12]),
        (wavy(box((9, 9))), [18, 18]),
        (wavy(box((4, 4, 4))), [64, 64, 64]),
    ],
)
def test_a_side_for_each_pair_of_faces(cell, sides):
    reports = check_periodicity(cell)
    assert [(r.side, r.facets) for r in reports] == list(enumerate(sides))
    assert {(r.unmatched, r.largest_gap, r.problem) for r in reports} == {(0, 0.0, "")}
    check_coverage(cell)


def test_translations_are_lattice_vectors_that_take_faces_to_faces():
    cell = hexagon(2)
    assert [r.translation for r in match_sides(cell)] == [(1, 0), (0, 1), (1, -1)]
    boundary = find_boundary(cell.points, cell.elements, cell.shape)
    match = match_facets(cell.points, boundary, cell.period, 1e-9)
    moved = boundary.centres + match.shift @ cell.period
    assert np.allclose(moved, boundary.centres[match.partner], atol=1e-12)
    assert np.allclose(boundary.normals, -boundary.normals[match.partner], atol=1e-12)


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (1, 1, 1)])
def test_cells_one_element_wide_close(counts):
    period = SKEW[: len(counts), : len(counts)]
    cell = wigner_seitz(period, counts)
    assert all(r.unmatched == 0 for r in check_periodicity(cell))


@pytest.mark.parametrize(("n", "name"), [(6, "hexagonal"), (7, "hexagonal"), (4, "triclinic")])
def test_jagged_cells_close_in_any_lattice(n, name):
    cell = wigner_seitz(HEXAGONAL, (n, n)) if name == "hexagonal" else wigner_seitz(SKEW, (n, n, n))
    reports = check_periodicity(cell)
    boundary = find_boundary(cell.points, cell.elements, cell.shape)
    assert sum(r.facets for r in reports) == len(boundary.nodes)


def test_bricks_may_be_stacked_with_a_shift():
    cell = box((4, 4))
    shifted = with_points(cell, cell.points, np.array([[1.0, 0.5], [0.0, 1.0]]))
    assert [(r.translation, r.facets) for r in check_periodicity(shifted)] == [((1, 0), 4), ((0, 1), 8), ((1, -1), 4)]


def failure_of(cell: UnitCell) -> PeriodicityError:
    with pytest.raises(PeriodicityError) as caught:
        check_periodicity(cell)
    return caught.value


def moved_node(cell: UnitCell, place: list[float], step: list[float]) -> UnitCell:
    points = cell.points.copy()
    points[np.linalg.norm(points - place, axis=1).argmin()] += step
    return with_points(cell, points)


def test_a_node_of_a_hexagon_that_misses_is_named():
    h = np.sqrt(0.75)
    error = failure_of(moved_node(hexagon(4), [0.75, -h / 2], [0.004, 0.003]))
    assert str(error) == (
        "cell.msh: 4 of 8 facets on side 2, across p_0 - p_1, have no partner on the opposite side (largest gap "
        "5.0e-03, tolerance 2e-08). Remesh with a periodic constraint, or raise match_tol."
    )
    assert (error.side, error.unmatched) == (2, 4)
    assert error.largest_gap == pytest.approx(5e-3)


def test_a_greater_tolerance_accepts_it():
    cell = moved_node(hexagon(4), [0.75, -np.sqrt(0.75) / 2], [0.004, 0.003])
    loose = UnitCell(cell.name, cell.points, cell.elements, "triangle", cell.tags, ("cell",), cell.period, 3e-3)
    assert all(r.unmatched == 0 for r in check_periodicity(loose))


def test_a_curved_side_that_misses_is_named():
    cell = wavy(box((12, 12)))
    error = failure_of(
        moved_node(
            cell, cell.points[np.linalg.norm(box((12, 12)).points - [1, 0.5], axis=1).argmin()].tolist(), [3e-3, 4e-3]
        )
    )
    assert (error.side, error.unmatched) == (0, 4)
    assert error.largest_gap == pytest.approx(5e-3)


@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_a_curved_side_that_leaves_a_slit_or_overlaps_is_no_pore(factor):
    cell = wavy(box((12, 12)))
    error = failure_of(with_points(cell, cell.points * [factor, 1.0]))
    assert (error.side, error.unmatched) == (0, 24)
    assert error.largest_gap == pytest.approx(1e-3, rel=1e-6)


def test_a_hole_in_one_side_of_a_hexagon_is_caught():
    offset = np.array([0.75, np.sqrt(0.75) / 2])
    error = failure_of(hexagon(6, lambda x: np.linalg.norm(x - offset, axis=1) > 0.3))
    assert (error.side, error.unmatched, error.largest_gap) == (0, 4, 0.0)
    assert "a hole cuts one of them only" in str(error)


def test_a_pocket_in_a_curved_side_is_a_pore():
    """Beyond the facets opposite to it there is nothing; in a flat side the same is taken for a mistake."""
    flat = box((12, 12), lambda x: np.linalg.norm(x - [1.0, 0.5], axis=1) > 0.2)
    assert [r.facets for r in check_periodicity(wavy(flat))] == [14, 24]
    assert failure_of(flat).side == 0


def test_walls_of_pores_are_walls_even_across_the_sides():
    cell = wavy(box((12, 12), lambda x: np.linalg.norm((x + 0.5) % 1 - 0.5, axis=1) > 0.25))
    reports = check_periodicity(cell)
    boundary = find_boundary(cell.points, cell.elements, cell.shape)
    assert [r.facets for r in reports] == [12, 12]
    assert len(boundary.nodes) > 24


def test_sides_that_match_nowhere_are_never_pores():
    """A jagged cell under twice its lattice: most facets have nothing beyond, none has a partner along p_0."""
    cell = wigner_seitz(HEXAGONAL, (8, 8))
    for rows in ([[2.0, 0.0], [0.5, np.sqrt(0.75)]], [[2.0, 0.0], [1.0, 2 * np.sqrt(0.75)]]):
        assert "Give the period" in str(failure_of(with_points(cell, cell.points, np.array(rows))))


def test_translates_that_overlap_are_refused():
    cell = wavy(box((8, 8)))
    with pytest.raises(MeshError):
        check_periodicity(with_points(cell, cell.points, np.array([[1.0, 0.0], [0.0, 0.75]])))


def test_parts_that_touch_without_a_joint_are_refused():
    """Left half in two columns of 4, right half in columns of 5: nothing is shared between them but two corners."""
    left, right = box((2, 4)), box((2, 5))
    points = np.vstack([left.points * [0.5, 1], right.points * [0.5, 1] + [0.5, 0]])
    elements = np.vstack([left.elements, right.elements + len(left.points)])
    points, numbers = np.unique(np.round(points, 12), axis=0, return_inverse=True)
    cell = UnitCell("parts.msh", points, numbers[elements], "triangle", np.zeros(len(elements), int), ("a",), np.eye(2))
    with pytest.raises(MeshError, match=r"parts\.msh: 9 facets touch elements that they are not joined to.*insulate"):
        check_coverage(cell)
    check_coverage(left)


def test_curved_facets_must_match_between_their_corners_too():
    """Six-node triangles: the middle of one side of the square is moved, then its partner as well."""
    cell = box((2, 2))
    corners = cell.points[cell.elements]
    middles = 0.5 * (corners + np.roll(corners, -1, axis=1))
    places, numbers = np.unique(np.round(middles.reshape(-1, 2), 12), axis=0, return_inverse=True)

    def bent(*moved: list[float]) -> UnitCell:
        bulged = places.copy()
        for place in moved:
            bulged[np.linalg.norm(places - place, axis=1).argmin()] += [0.05, 0.0]
        nodes = numbers.reshape(-1, 3) + len(cell.points)
        points = np.vstack([cell.points, bulged])
        return UnitCell("bent.msh", points, cell.elements, "triangle", cell.tags, ("cell",), np.eye(2), 1e-8, nodes)

    assert all(r.unmatched == 0 for r in match_sides(bent([0.0, 0.25], [1.0, 0.25])))
    assert [r.unmatched for r in match_sides(bent([0.25, 0.5]))] == [0, 0]
    report, other = match_sides(bent([1.0, 0.25]))
    assert (report.facets, report.unmatched, report.largest_gap) == (4, 2, pytest.approx(0.05))
    assert other.unmatched == 0


def test_lattice_vectors_in_words():
    assert combination((1, 0)) == "p_0"
    assert combination((1, -2, 1)) == "p_0 - 2 p_1 + p_2"
    assert combination((0, -1)) == "- p_1"
