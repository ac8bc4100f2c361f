"""Refinement of meshes of the torus: conforming, nested, of bounded shape, and refused in words where it cannot be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from problems import SHAPES, SKEWED, mesh, structured_cell

from cellsolve.cells import UnitCell, check_periodicity, periodic_classes
from cellsolve.cells.curved import straight_middles
from cellsolve.cells.edges import torus_edges
from cellsolve.cells.periodicity import check_coverage, check_elements
from cellsolve.cells.refinement import refined
from cellsolve.cells.shapes import SHAPES as TRAITS
from cellsolve.cells.shapes import quality
from cellsolve.errors import MeshError

SIMPLICES = ("line", "triangle", "tetra")
ROUNDS = {"line": 6, "triangle": 6, "tetra": 4}
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_simplex = pytest.mark.parametrize("shape", SIMPLICES)


def skewed_cell(shape: str, n: int) -> UnitCell:
    return structured_cell(shape, n, SKEWED[SHAPES[shape][0]], halves=0)


def without(cell: UnitCell, gone: np.ndarray) -> UnitCell:
    """The cell with some elements taken out: pores."""
    names = cell.region_names
    return UnitCell("porous", cell.points, cell.elements[~gone], cell.shape, cell.tags[~gone], names, cell.period)


def porous(shape: str) -> UnitCell:
    """A pore across the corners of the cell, so that every side is cut."""
    cell = skewed_cell(shape, 4)
    fractions = cell.points[cell.elements].mean(axis=1) @ np.linalg.inv(cell.period)
    return without(cell, (np.abs(fractions - np.round(fractions)) < 0.25).all(axis=1))


def facets_on_torus(cell: UnitCell) -> Counter[int]:
    """How many elements share each facet, told by its middle."""
    facets = np.concatenate([cell.points[cell.elements[:, local]].mean(axis=1) for local in TRAITS[cell.shape].facets])
    return Counter(Counter(periodic_classes(facets, cell.period, 1e-9).tolist()).values())


def walls(cell: UnitCell) -> float:
    """Length or area of the facets that belong to one element of the torus only."""
    facets = np.concatenate([cell.points[cell.elements[:, local]] for local in TRAITS[cell.shape].facets])
    classes = periodic_classes(facets.mean(axis=1), cell.period, 1e-9)
    alone = facets[(np.bincount(classes) == 1)[classes]]
    edges = alone[:, [1, -1][: cell.dim - 1]] - alone[:, :1]
    return float(np.sqrt(np.abs(np.linalg.det(edges @ edges.swapaxes(1, 2)))).sum())


def check_conforming(cell: UnitCell, old: UnitCell) -> None:
    """A mesh of the same torus, pores and regions."""
    check_periodicity(cell)
    check_elements(cell)
    check_coverage(cell)
    assert set(facets_on_torus(cell)) <= {1, 2}
    assert walls(cell) == pytest.approx(walls(old), rel=1e-10, abs=1e-12)
    assert cell.regions == pytest.approx(old.regions, rel=1e-12)
    assert (cell.region_names, cell.match_tol) == (old.region_names, old.match_tol)
    np.testing.assert_array_equal(cell.period, old.period)


def check_nested(cell: UnitCell, old: UnitCell) -> None:
    """Each child lies in one old element of its region, and the children fill it."""
    inverse = np.linalg.inv(np.swapaxes(old.points[old.elements[:, 1:]] - old.points[old.elements[:, :1]], 1, 2))
    origins, filled = old.points[old.elements[:, 0]], np.zeros(len(old.elements))
    for corners, tag, volume in zip(cell.points[cell.elements], cell.tags, cell.volumes, strict=True):
        xi = np.einsum("mij,kmj->mki", inverse, corners[:, None] - origins)
        inside = (xi.min(axis=(1, 2)) > -1e-9) & (xi.sum(axis=2).max(axis=1) < 1 + 1e-9)
        (parent,) = np.flatnonzero(inside)
        assert old.tags[parent] == tag
        filled[parent] += volume
    np.testing.assert_allclose(filled, old.volumes, rtol=1e-12)


@every_shape
@pytest.mark.parametrize("n", [1, 2])
def test_uniform_refinement_makes_2_to_the_d_of_each(shape: str, n: int) -> None:
    cell = skewed_cell(shape, n)
    fine = refined(cell)
    assert len(fine.elements) == 2**cell.dim * len(cell.elements)
    assert fine.size == pytest.approx(cell.size / 2)
    np.testing.assert_array_equal(fine.tags, np.repeat(cell.tags, 2**cell.dim))
    check_conforming(fine, cell)
    check_conforming(refined(fine), cell)
    np.testing.assert_allclose(fine.volumes.reshape(len(cell.elements), -1).sum(axis=1), cell.volumes, rtol=1e-12)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "line"])
def test_uniform_refinement_keeps_pores(shape: str) -> None:
    cell = porous(shape)
    fine = refined(cell)
    assert cell.porosity > 0.1
    assert fine.porosity == pytest.approx(cell.porosity)
    check_conforming(fine, cell)


@every_simplex
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_random_markings_keep_the_mesh_of_the_torus(shape: str, n: int, seed: int) -> None:
    random, cell = np.random.default_rng(seed), skewed_cell(shape, n)
    first = cell
    for _ in range(ROUNDS[shape]):
        marked = random.random(len(cell.elements)) < 0.2
        finer = refined(cell, marked)
        assert len(finer.elements) >= len(cell.elements) + marked.sum()
        cell = finer
    check_conforming(cell, first)


@pytest.mark.parametrize("shape", ["triangle", "tetra"])
def test_random_markings_keep_pores(shape: str) -> None:
    random, first = np.random.default_rng(7), porous(shape)
    cell = first
    for _ in range(3):
        cell = refined(cell, random.random(len(cell.elements)) < 0.1)
    check_conforming(cell, first)


@every_simplex
def test_refined_meshes_are_nested(shape: str) -> None:
    cell = skewed_cell(shape, 2)
    check_nested(refined(cell), cell)
    check_nested(refined(cell, np.arange(len(cell.elements)) % 5 == 0), cell)


@pytest.mark.parametrize("name", ["square_unstructured.msh", "hexagonal_inclusion.msh", "cube_sphere.msh"])
def test_meshes_of_gmsh_are_refined(name: str) -> None:
    cell = mesh(name)
    check_conforming(refined(cell, np.random.default_rng(1).random(len(cell.elements)) < 0.05), cell)


def near(cell: UnitCell, fractions: list[float]) -> np.ndarray:
    """The elements at a node."""
    node = np.linalg.norm(cell.points - np.array(fractions) @ cell.period, axis=1).argmin()
    return (cell.elements == node).any(axis=1)


def towards(cell: UnitCell, fractions: list[float], rounds: int) -> tuple[UnitCell, list[float]]:
    """The cell refined at a place, and the least quality after each round."""
    qualities = []
    for _ in range(rounds):
        cell = refined(cell, near(cell, fractions))
        qualities.append(float(quality(cell.points, cell.elements, cell.shape)[1].min()))
    return cell, qualities


@pytest.mark.parametrize("place", [[0.5, 0.5], [0.0, 0.0], [1.0, 0.5]])
def test_triangles_keep_their_angles_towards_a_corner(place: list[float]) -> None:
    """Rivara: no angle falls below half of the least one."""
    cell = mesh("square_unstructured.msh")
    fine, qualities = towards(cell, place, 30)
    assert least_angle(fine) > 0.5 * least_angle(cell)
    assert min(qualities[5:]) == pytest.approx(qualities[-1], rel=0.2)
    assert fine.volumes.min() < 1e-8 * cell.volumes.min()
    assert len(fine.elements) < len(cell.elements) + 80 * 30
    check_conforming(fine, cell)


def least_angle(cell: UnitCell) -> float:
    corners = cell.points[cell.elements]
    a, b = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
    cosines = (a * b).sum(axis=2) / np.linalg.norm(a, axis=2) / np.linalg.norm(b, axis=2)
    return float(np.arccos(cosines).min())


def test_tetrahedra_keep_their_shape_towards_a_corner() -> None:
    cell = structured_cell("tetra", 2, SKEWED[3])
    fine, qualities = towards(cell, [0.5, 0.5, 0.5], 21)
    assert min(qualities) > 0.25
    assert fine.volumes.min() < 3e-6 * cell.volumes.min()
    check_conforming(fine, cell)


def test_uniform_refinement_keeps_the_shape_of_tetrahedra() -> None:
    cell = mesh("cube_sphere.msh")
    fine = refined(refined(cell))
    assert quality(fine.points, fine.elements, fine.shape)[1].min() > 0.09


def test_elements_may_be_marked_on_one_side_only() -> None:
    """The closure passes through the sides: two triangles fill the cell, three of their edges are two on the torus."""
    cell = structured_cell("triangle", 1)
    fine = refined(cell, np.array([True, False]))
    assert len(fine.elements) == 4
    again = refined(fine, np.array([True, False, False, False]))
    check_conforming(again, cell)
    assert len(again.elements) == 6


def test_edges_of_the_torus_are_told_by_their_middles() -> None:
    """One square: all nodes are one, yet there are three edges; one cube: seven."""
    square, cube = torus_edges(structured_cell("triangle", 1)), torus_edges(structured_cell("tetra", 1))
    assert (len(square.leader), len(square.ends)) == (3, 5)
    assert (len(cube.leader), len(cube.ends)) == (7, 19)


def test_no_marks_change_nothing_and_all_marks_halve_everything() -> None:
    cell = skewed_cell("triangle", 3)
    assert refined(cell, np.zeros(len(cell.elements), dtype=bool)) is cell
    fine = refined(cell, np.ones(len(cell.elements), dtype=bool))
    assert len(fine.elements) == 2 * len(cell.elements)
    quads = skewed_cell("quad", 2)
    assert len(refined(quads, np.ones(4, dtype=bool)).elements) == 16


def test_warped_hexahedra_are_divided_in_their_own_coordinates() -> None:
    """The children of a trilinear element are its parts: their volumes add up although faces are warped."""
    cell = structured_cell("hexahedron", 2)
    points = cell.points.copy()
    points[13] += [0.1, -0.07, 0.12]
    warped = UnitCell("warped", points, cell.elements, cell.shape, cell.tags, cell.region_names, cell.period)
    fine = refined(warped)
    np.testing.assert_allclose(fine.volumes.reshape(8, 8).sum(axis=1), warped.volumes, rtol=1e-12)
    check_conforming(fine, warped)


@pytest.mark.parametrize("shape", ["quad", "hexahedron"])
def test_a_part_of_boxes_is_refused(shape: str) -> None:
    cell = skewed_cell(shape, 2)
    with pytest.raises(MeshError, match=r"1 of .* needed all.*simplices first"):
        refined(cell, np.arange(len(cell.elements)) == 0)


@pytest.mark.parametrize("marks", [np.ones(3, dtype=bool), np.ones(18, dtype=int)])
def test_marks_of_another_kind_are_refused(marks: np.ndarray) -> None:
    with pytest.raises(MeshError, match=r"got marks of shape .* needed bool \(18,\)"):
        refined(skewed_cell("triangle", 3), marks)


def test_edges_as_short_as_the_tolerance_are_refused() -> None:
    cell = structured_cell("line", 1)
    coarse = UnitCell("coarse", cell.points, cell.elements, "line", cell.tags, cell.region_names, cell.period, 0.01)
    for _ in range(3):
        coarse = refined(coarse)
    with pytest.raises(MeshError, match=r"got an edge of length 1\.2e-01 to halve, needed 1\.6e-01.*Lower match_tol"):
        refined(coarse)


def test_the_input_is_untouched() -> None:
    cell = skewed_cell("triangle", 2)
    before = cell.points.copy(), cell.elements.copy()
    refined(cell, np.arange(8) == 3)
    np.testing.assert_array_equal(cell.points, before[0])
    np.testing.assert_array_equal(cell.elements, before[1])


def curved_cell(shape: str, n: int) -> UnitCell:
    """Elements of second degree, bent by a periodic displacement that keeps the sides flat."""
    straight = skewed_cell(shape, n)
    places = straight_middles(straight.points, straight.elements, straight.shape)
    number, first = unique_places(places.reshape(-1, straight.dim))
    points = np.vstack([straight.points, places.reshape(-1, straight.dim)[first]])
    middles = len(straight.points) + number.reshape(places.shape[:2])
    f = points @ np.linalg.inv(straight.period)
    f += 0.06 * np.sin(np.pi * f) ** 2 * np.cos(2 * np.pi * np.roll(f, 1, axis=1) + 1.0)
    names, period = straight.region_names, straight.period
    return UnitCell("bent", f @ period, straight.elements, straight.shape, straight.tags, names, period, 1e-8, middles)


def unique_places(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, first, number = np.unique(np.round(places, 9), axis=0, return_index=True, return_inverse=True)
    return number.ravel(), first


def check_curved(cell: UnitCell, old: UnitCell) -> None:
    """All nodes, middles too, close into the torus; neighbours share theirs; measures add up exactly."""
    assert cell.middles is not None
    check_periodicity(cell)
    assert cell.regions == pytest.approx(old.regions, rel=1e-12)
    assert len(unique_places(cell.points)[1]) == len(cell.points)
    f = cell.points @ np.linalg.inv(cell.period)
    for side in range(cell.dim):
        faces = [np.delete(f[np.abs(f[:, side] - v) < 1e-9], side, axis=1) for v in (0.0, 1.0)]
        low, high = (np.array(sorted(np.round(face, 8).tolist())) for face in faces)
        np.testing.assert_allclose(low, high, atol=1e-7)


@every_shape
@pytest.mark.parametrize("n", [1, 2, 3])
def test_children_of_curved_elements_fill_their_parent(shape: str, n: int) -> None:
    cell = curved_cell(shape, n)
    fine = refined(cell)
    np.testing.assert_allclose(fine.volumes.reshape(len(cell.elements), -1).sum(axis=1), cell.volumes, rtol=1e-12)
    check_curved(fine, cell)
    assert len(fine.points) == len(refined(refined(skewed_cell(shape, n))).points)


@every_simplex
@pytest.mark.parametrize("seed", range(3))
def test_curved_elements_are_refined_in_parts(shape: str, seed: int) -> None:
    random, first = np.random.default_rng(seed), curved_cell(shape, 2)
    cell = first
    for _ in range(3):
        cell = refined(cell, random.random(len(cell.elements)) < 0.2)
    check_curved(cell, first)


def test_curved_boundaries_are_kept() -> None:
    """Nodes of second degree on a parabola stay on it."""
    cell = curved_cell("triangle", 1)
    on = refined(cell)
    x = np.linspace(0.0, 1.0, 5)
    a, b = cell.points[cell.elements[0, [0, 2]]]
    m = cell.points[cell.middles[0, 2]]
    curve = np.outer((1 - x) * (1 - 2 * x), a) + np.outer(4 * x * (1 - x), m) + np.outer(x * (2 * x - 1), b)
    gaps = np.linalg.norm(on.points[:, None] - curve, axis=2).min(axis=0)
    assert gaps.max() < 1e-14
    assert np.linalg.norm(m - 0.5 * (a + b)) > 1e-3
