"""The parts of equilibrated fluxes: patches, shares that balance, trees, and the least energy of corrections."""

from __future__ import annotations

import numpy as np
import pytest
from problems import SKEWED, mesh, structured_cell

from cellsolve.cellproblem import patch_energies
from cellsolve.cellproblem.equilibration import equilibrated_fluxes
from cellsolve.cellproblem.fluxes import Fluxes
from cellsolve.cellproblem.imbalance import balance
from cellsolve.cellproblem.patch_energies import Loops, _least
from cellsolve.cellproblem.patches import Group, find_patches
from cellsolve.cellproblem.spanning_tree import carry_off, outflows, spanning_forest
from cellsolve.cells import UnitCell
from cellsolve.fem.face_fluxes import FaceFluxes, face_fluxes
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import IntArray
from cellsolve.linalg.solver import CellSolver


def holed(n: int) -> UnitCell:
    """Tetrahedra in a skewed period, without those in a cube in the middle."""
    cell = structured_cell("tetra", n, SKEWED[3])
    centres = cell.points[cell.elements].mean(axis=1) @ np.linalg.inv(cell.period)
    return cell.restricted((np.abs(centres - 0.5) > 0.25).any(axis=1))


def two_cubes_at_a_point() -> UnitCell:
    cell = structured_cell("tetra", 4)
    box = np.floor(4.0 * cell.points[cell.elements].mean(axis=1)).astype(int)
    return cell.restricted((box == 0).all(axis=1) | (box == 1).all(axis=1))


def two_phases(space: MeshSpace, contrast: float) -> FloatArray:
    """Conductivities that differ from element to element."""
    elements = np.arange(len(space.cell.elements)) * 7919 % 3 == 0
    return np.repeat(np.where(elements, contrast, 1.0), len(space.weights) // len(elements))


# Patches -----------------------------------------------------------------------------------------


def test_patches_are_the_stars_of_vertices() -> None:
    elements = face_fluxes(MeshSpace(structured_cell("tetra", 4), 1))
    patches = find_patches(elements)
    assert patches.sizes.tolist() == [24] * 64
    vertex = elements.vertices.ravel()[patches.order].reshape(64, 24)
    assert (vertex == vertex[:, :1]).all()
    assert sorted(patches.order.tolist()) == list(range(4 * 384))


@pytest.mark.parametrize("cell", [holed(4), structured_cell("tetra", 2), structured_cell("triangle", 4)], ids=str)
def test_corners_across_a_face_are_at_the_same_vertex_and_parents_come_first(cell) -> None:
    elements = face_fluxes(MeshSpace(cell, 1))
    patches = find_patches(elements)
    every = np.arange(len(patches.order))
    vertex = elements.vertices.ravel()[patches.order]
    assert (vertex[patches.across] == vertex[:, None]).all()
    assert (patches.across[patches.across] == every[:, None, None]).any(axis=2).all()  # there and back
    first = np.zeros(len(every), dtype=bool)
    first[patches.starts[:-1]] = True
    assert (patches.parent[first] == every[first]).all()
    assert (patches.parent[~first] < every[~first]).all()
    assert (patches.across[~first] == patches.parent[~first, None]).any(axis=1).all()


def test_elements_that_meet_in_a_point_are_in_patches_of_their_own() -> None:
    cell = two_cubes_at_a_point()
    elements = face_fluxes(MeshSpace(cell, 1))
    patches = find_patches(elements)
    shared = np.flatnonzero((np.abs(cell.points - 0.25) < 1e-12).all(axis=1))
    vertex = elements.vertices.ravel()[patches.order[patches.starts[:-1]]]
    assert len(shared) == 1
    assert len(vertex) == 16
    assert len(np.unique(vertex)) == 15


def test_both_sides_of_a_face_have_one_number_and_opposite_signs() -> None:
    elements = face_fluxes(MeshSpace(holed(4), 1))
    for group in find_patches(elements).groups(elements, 10_000):
        rows = np.arange(len(group.element))[:, None]
        for values, sign in ((group.face, 1), (group.sign, -1)):
            flat, inner = values.reshape(len(rows), -1), group.sign.reshape(len(rows), -1) != 0
            partner = flat[rows, group.partner.reshape(len(rows), -1)]
            np.testing.assert_array_equal(partner[inner], sign * flat[inner])
        used = np.sort(group.face[group.sign > 0].reshape(len(rows), -1), axis=1)
        assert (used == np.arange(group.faces)).all()


# Shares and trees --------------------------------------------------------------------------------


def test_shares_of_patches_balance_without_a_change_of_elements() -> None:
    elements = face_fluxes(MeshSpace(holed(4), 1))
    patches = find_patches(elements)
    source = np.random.default_rng(0).standard_normal((*elements.other.shape, 3))
    source -= source.mean(axis=(0, 1))
    before = source.sum(axis=1)
    lost = balance(source, patches, np.ones(len(source)), 1.0)
    sums = [np.bincount(patches.of_corners(), source[..., r].ravel()) for r in range(3)]
    assert np.abs(sums).max() < 1e-12
    np.testing.assert_allclose(source.sum(axis=1), before, atol=1e-11)
    assert not lost.any()


def test_pieces_out_of_balance_are_told() -> None:
    elements = face_fluxes(MeshSpace(two_cubes_at_a_point(), 1))
    source = np.zeros((*elements.other.shape, 1))
    source[0, 0], source[0, 1] = 1.0, -1.0
    source[-1, 0] = 1.0
    lost = balance(source, find_patches(elements), np.ones(len(source)), 1.0)
    assert lost.tolist() == [False] * 6 + [True] * 6


def test_trees_go_where_resistance_is_least() -> None:
    """A ring of six nodes, one bad link, the second one of two between a pair, and a node alone."""
    first, second = np.array([0, 1, 2, 3, 4, 5, 0]), np.array([1, 2, 3, 4, 5, 0, 1])
    forest = spanning_forest(first, second, np.array([5.0, 1.0, 1.0, 9.0, 1.0, 1.0, 2.0]), 7)
    assert sorted(forest.link[forest.children].tolist()) == [1, 2, 4, 5, 6]
    child = forest.children
    ends = np.where(forest.forward[child], first[forest.link[child]], second[forest.link[child]])
    np.testing.assert_array_equal(ends, child)
    sums = forest.behind(np.arange(7.0)[:, None])[:, 0]
    assert sums[forest.roots[0]] == 15.0
    assert sums[6] == 6.0


@pytest.mark.parametrize("cell", [holed(4), structured_cell("tetra", 1)], ids=str)
def test_divergence_is_carried_off(cell) -> None:
    elements = face_fluxes(MeshSpace(cell, 1))
    phi = np.random.default_rng(1).standard_normal((*elements.other.shape, 1, 2))
    flat, other = phi.reshape(-1, 2), elements.other.ravel()
    flat -= flat[other]  # no jumps, nothing through walls
    result = carry_off(phi, elements.other, np.ones(len(phi)))
    assert np.abs(outflows(phi)).max() > 1.0
    assert np.abs(outflows(result)).max() < 1e-12
    assert np.abs(result.reshape(-1, 2) + result.reshape(-1, 2)[other])[other != np.arange(len(other))].max() < 1e-12


# Least energy ------------------------------------------------------------------------------------


def lower_bounds(cell: UnitCell, order: int, contrast: float, tol: float = 1e-4) -> FloatArray:
    space = MeshSpace(cell, order)
    K = two_phases(space, contrast)
    minimum = CellSolver(space).solve(K[None], tol)
    return equilibrated_fluxes(space, K, minimum.correctors[0]).lower


def no_loops(_: IntArray, group: Group) -> Loops:
    return Loops(group.face, np.zeros(len(group.face), dtype=bool))


@pytest.mark.parametrize("contrast", [1e2, 1e14])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("cell", [holed(4), structured_cell("tetra", 3), mesh("cube_sphere.msh")], ids=str)
def test_loops_find_the_least_energy_among_all_fluxes(cell, order, contrast, monkeypatch) -> None:
    """The same as with all fluxes as unknowns and a multiplier for each element."""
    by_loops = lower_bounds(cell, order, contrast)
    monkeypatch.setattr(patch_energies, "_loops", no_loops)
    monkeypatch.setattr(patch_energies, "_by_loops", None)
    by_faces = lower_bounds(cell, order, contrast)
    np.testing.assert_allclose(by_loops, by_faces, rtol=1e-6, atol=1e-8 * np.abs(by_faces).max())


def test_whole_stars_and_stars_at_walls_are_solved_by_loops(monkeypatch) -> None:
    monkeypatch.setattr(patch_energies, "_by_faces", None)
    assert np.linalg.eigvalsh(lower_bounds(holed(4), 1, 100.0)).min() > 0.0


@pytest.mark.parametrize("order", [1, 2])
def test_extreme_contrasts_in_a_patch_do_not_spoil_the_bound(order) -> None:
    """The limit of perfect conductors is reached: 1e12 bounds as well as 1e6."""
    cell = structured_cell("tetra", 4)
    centres = cell.points[cell.elements].mean(axis=1)
    inside = (np.abs(centres - 0.5) < 0.25).all(axis=1)
    space = MeshSpace(cell, order)
    bounds = []
    for contrast in (1e6, 1e12):
        K = np.repeat(np.where(inside, contrast, 1.0), len(space.weights) // len(inside))
        minimum = CellSolver(space).solve(K[None], 1e-8)
        bounds.append(equilibrated_fluxes(space, K, minimum.correctors[0]).lower)
    np.testing.assert_allclose(bounds[1], bounds[0], rtol=1e-4, atol=1e-5)


def test_early_iterations_cost_the_lower_bound_no_more_than_they_cost_the_upper_one() -> None:
    cell = structured_cell("tetra", 8)
    early, late = (lower_bounds(cell, 1, 10.0, tol) for tol in (1e-2, 1e-10))
    assert np.abs(early - late).max() < 2e-3 * np.linalg.norm(late, 2)


def test_fluxes_that_depend_on_each_other_bound_what_they_can() -> None:
    """Twice the same flux, and one of its own: S D^-1 S^T of the two."""
    S, D = np.array([[1.0, 2.0, 0.0], [0.5, 1.0, 0.3]]), np.array([[2.0, 4.0, 0.0], [4.0, 8.0, 0.0], [0.0, 0.0, 5.0]])
    fluxes = Fluxes(S, D, lambda: np.zeros((3, 2, 0)))
    np.testing.assert_allclose(fluxes.lower, [[0.5, 0.25], [0.25, 0.125 + 0.3**2 / 5.0]], rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_cells_that_hang_together_in_points_have_no_flux_but_rounding(order) -> None:
    """Finite elements let pass through points what fluxes do not: the lower bound is zero."""
    cell = structured_cell("tetra", 2)
    cell = cell.restricted(np.array([3899 >> (i % 12) & 1 == 0 for i in range(len(cell.tags))]))
    assert np.abs(lower_bounds(cell, order, 1e-9)).max() < 1e-25


def test_modes_have_no_mean_but_for_the_first() -> None:
    elements: FaceFluxes = face_fluxes(MeshSpace(structured_cell("tetra", 1), 2))
    gram = elements.modes.T @ elements.modes
    np.testing.assert_allclose(gram, 3.0 * np.eye(3), atol=1e-14)
    np.testing.assert_allclose(elements.modes[:, 0], 1.0)


def test_patches_whose_systems_are_singular_in_rounding_have_least_solutions() -> None:
    """A raw LinAlgError once, for tensors at a contrast of 1e8: admissible fluxes are found all the same."""
    regular, singular = np.diag([2.0, 4.0]), np.array([[1.0, 1.0], [1.0, 1.0]])
    rhs = np.array([[[2.0], [4.0]], [[2.0], [2.0]]])
    np.testing.assert_allclose(_least(np.stack([regular, singular]), rhs)[..., 0], [[1.0, 1.0], [1.0, 1.0]])
