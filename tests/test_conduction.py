"""Porous cells: islands, layers, fibres, several pieces; what does not percolate has exactly zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from problems import SKEWED, loewner_gap, structured_cell

import cellsolve as cs
from cellsolve.cellproblem.conduction import conducting_part
from cellsolve.cells import UnitCell
from cellsolve.fem.space import FloatArray

Mask = Callable[[FloatArray], FloatArray]


def solid(shape: str, n: int, where: Mask, period: object = None) -> UnitCell:
    """The elements of a structured cell whose centres t, in fractions of the period, are solid."""
    cell = structured_cell(shape, n, period)
    return cell.restricted(where(cell.points[cell.elements].mean(axis=1) @ np.linalg.inv(cell.period)))


def within(t: FloatArray, low: float, high: float) -> FloatArray:
    return ((t > low) & (t < high)).all(axis=-1)


def holed(t: FloatArray) -> FloatArray:
    return ~within(t, 0.25, 0.75)


ELEMENTS = [("triangle", 1), ("triangle", 2), ("quad", 1), ("quad", 2), ("tetra", 1), ("hexahedron", 1)]


@pytest.mark.parametrize("bounds", [False, True])
@pytest.mark.parametrize(("shape", "order"), ELEMENTS)
def test_floating_islands_change_nothing(shape, order, bounds) -> None:
    without = solid(shape, 8, holed)
    island = solid(shape, 8, lambda t: holed(t) | within(t, 0.375, 0.625))
    assert len(island.elements) > len(without.elements)
    one, other = (cs.solve_cell_problem(c, 2.0, order=order, tol=1e-10, bounds=bounds) for c in (without, island))
    np.testing.assert_allclose(other.tensor, one.tensor, rtol=0, atol=1e-12)
    assert other.report.n_dofs == one.report.n_dofs
    if bounds:
        np.testing.assert_allclose(other.lower, one.lower, rtol=0, atol=1e-12)


def wavy_layer(t: FloatArray) -> FloatArray:
    return np.abs(t[:, 1] - 0.5 - 0.1 * np.sin(2 * np.pi * t[:, 0])) < 0.25


def wavy_fibre(t: FloatArray) -> FloatArray:
    return within(t[:, 1:] - 0.1 * np.sin(2 * np.pi * t[:, :1]), 0.2, 0.8)


@pytest.mark.parametrize(
    ("shape", "where", "conducts"),
    [
        ("triangle", wavy_layer, [1, 0]),
        ("quad", wavy_layer, [1, 0]),
        ("tetra", wavy_layer, [1, 0, 1]),
        ("tetra", wavy_fibre, [1, 0, 0]),
        ("hexahedron", wavy_fibre, [1, 0, 0]),
    ],
)
def test_what_does_not_percolate_has_exactly_zero(shape, where, conducts) -> None:
    cell = solid(shape, 6, where)
    axes = np.flatnonzero(conducts)
    plain = cs.solve_cell_problem(cell, 3.0, order=1)
    bracket = cs.solve_cell_problem(cell, 3.0, order=1, bounds=True)
    for tensor in (plain.tensor, bracket.lower, bracket.upper):
        assert not np.delete(tensor, axes, axis=0).any()
        assert not np.delete(tensor, axes, axis=1).any()
        assert np.linalg.eigvalsh(tensor[np.ix_(axes, axes)])[0] > 0.3
    assert loewner_gap(bracket.lower, bracket.upper) >= 0
    if shape != "hexahedron":
        np.testing.assert_allclose(plain.tensor, bracket.upper, rtol=1e-4)


def test_across_a_layer_the_potential_is_constant() -> None:
    """theta = -xi.y where xi is across all directions of conduction, on a skewed lattice."""
    cell = solid("triangle", 6, wavy_layer, SKEWED[2])
    solution = cs.solve_cell_problem(cell, 1.0)
    along = cell.period[0] / np.linalg.norm(cell.period[0])
    xi = np.array([-along[1], along[0]])
    total = np.einsum("r,riq->iq", xi, solution.space.gradient(solution.correctors)) + xi[:, None]
    assert np.abs(total).max() < 1e-12
    np.testing.assert_allclose(solution.tensor @ xi, 0.0, atol=1e-15)
    fluxes = solution.coefficient * (
        np.einsum("r,riq->iq", along, solution.space.gradient(solution.correctors)) + along[:, None]
    )
    np.testing.assert_allclose(fluxes @ solution.space.weights, solution.tensor @ along, atol=1e-9)


@pytest.mark.parametrize("method", ["direct", "amg"])
def test_pieces_side_by_side_add_up(method) -> None:
    layers = [
        lambda t: within(t[:, 1:], 0.0, 0.25),
        lambda t: within(t[:, 1:] - 0.1 * np.sin(6.28 * t[:, :1]), 0.5, 0.8),
    ]
    cells = [solid("triangle", 12, where) for where in layers]
    both = solid("triangle", 12, lambda t: layers[0](t) | layers[1](t))
    parts = [cs.solve_cell_problem(cell, 1.0, bounds=True, tol=1e-10, preconditioner=method) for cell in cells]
    whole = cs.solve_cell_problem(both, 1.0, bounds=True, tol=1e-10, preconditioner=method)
    np.testing.assert_allclose(whole.upper, sum(part.upper for part in parts), rtol=1e-6)
    np.testing.assert_allclose(whole.lower, sum(part.lower for part in parts), rtol=1e-6)
    assert whole.tensor[0, 0] > 0.25


def test_pieces_in_different_directions_conduct_in_all_of_them() -> None:
    """A fibre along x and one along z that do not touch: nothing along y, and no coupling."""
    cell = solid("tetra", 4, lambda t: within(t[:, 1:], 0.0, 0.25) | within(t[:, :2] - [0.0, 0.5], 0.0, 0.25))
    for bounds in (False, True):
        solution = cs.solve_cell_problem(cell, 2.0, order=1, bounds=bounds)
        np.testing.assert_allclose(solution.tensor, np.diag([2 / 16, 0.0, 2 / 16]), atol=1e-10)
        assert not solution.tensor[1].any()


def test_nothing_conducts() -> None:
    cell = replace(solid("triangle", 8, lambda t: within(t, 0.25, 0.75)), name="islands")
    for bounds in (False, True):
        solution = cs.solve_cell_problem(cell, 1.0, bounds=bounds)
        assert not solution.tensor.any()
        assert solution.report.error_estimate == 0.0
        assert solution.report.n_dofs == 0
        assert solution.space is None
    with pytest.raises(cs.CoefficientError, match="is -1"):
        cs.solve_cell_problem(cell, -1.0)


def test_elements_that_meet_in_points_carry_no_flux() -> None:
    """Finite elements let a current through a node; the lower bound knows that none passes."""
    cell = solid("triangle", 4, lambda t: (t[:, 0] < 0.5) == (t[:, 1] < 0.5))
    solution = cs.solve_cell_problem(cell, 1.0, bounds=True)
    assert not solution.lower.any()
    assert np.linalg.eigvalsh(solution.upper)[0] > 0.1


def test_a_region_that_is_all_islands_still_needs_its_coefficient() -> None:
    cell = structured_cell("triangle", 8)
    t = cell.points[cell.elements].mean(axis=1)
    kept = holed(t) | within(t, 0.375, 0.625)
    tags = within(t, 0.25, 0.75).astype(np.int64)
    cell = replace(cell, tags=tags, region_names=("frame", "island")).restricted(kept)
    tensors = [cs.solve_cell_problem(cell, {"frame": 1.0, "island": k}).tensor for k in (1e-3, 1e3)]
    np.testing.assert_array_equal(*tensors)
    with pytest.raises(cs.CoefficientError, match=r"regions \['island'\] have no coefficient"):
        cs.solve_cell_problem(cell, {"frame": 1.0})


def test_full_cells_are_not_searched() -> None:
    cell = structured_cell("tetra", 2)
    part = conducting_part(cell)
    assert part.cell is cell
    np.testing.assert_array_equal(part.directions, np.eye(3))


# Particles in porous cells ----------------------------------------------------------------------


def test_particles_caught_in_islands_take_no_part() -> None:
    V = cs.Potential("cos(2*pi*y1[0]) + 0.3*x[0]", dim=2, scales=1)
    with_island = solid("triangle", 8, lambda t: holed(t) | within(t, 0.375, 0.625))
    one, other = (
        cs.homogenize(V, sigma=1.0, tol=0.3, cells=[cell]).evaluate([[0.1, 0.2]])
        for cell in (solid("triangle", 8, holed), with_island)
    )
    np.testing.assert_allclose(other.diffusion, one.diffusion, rtol=1e-12)
    np.testing.assert_allclose(other.partition_function, one.partition_function, rtol=1e-12)


def test_cells_that_particles_cannot_cross_are_refused() -> None:
    V = cs.Potential("cos(2*pi*y1[0])", dim=2, scales=1)
    with pytest.raises(cs.MeshError, match=r"particles can cross the cell in 1 of 2 directions \(\[\[1.0, 0.0"):
        cs.homogenize(V, sigma=1.0, cells=[solid("triangle", 6, wavy_layer)])
    loose = replace(structured_cell("triangle", 2), periodicity="mortar")
    with pytest.raises(cs.MeshError, match="got a cell whose sides do not match"):
        cs.homogenize(V, sigma=1.0, cells=[loose])
