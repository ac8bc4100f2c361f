"""Pieces on the torus: which elements hang together, around which lattice directions, and what conducts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from cell_shapes import BCC, SKEW, box, hexagon, wigner_seitz, with_points
from hypothesis import given, settings
from hypothesis import strategies as st

from cellsolve.cells import UnitCell, directions, find_pieces
from cellsolve.cells.connectivity import count_weak_joints
from cellsolve.cells.percolation import notes_on_pieces, percolates


def every_second(axis: int, parts: int):
    return lambda x: (x[:, axis] * parts).astype(int) % 2 == 0


def windings_of(cell: UnitCell) -> list[list[list[int]]]:
    return [piece.windings.tolist() for piece in find_pieces(cell)]


@pytest.mark.parametrize("counts", [(1,), (5,), (1, 1), (4, 3), (1, 1, 1), (2, 1, 3)])
def test_a_full_box_is_one_piece_that_percolates_in_all_directions(counts):
    (piece,) = find_pieces(box(counts, period=SKEW[: len(counts), : len(counts)]))
    assert piece.windings.tolist() == np.eye(len(counts)).tolist()
    assert piece.fraction == pytest.approx(1.0)
    assert piece.elements.all()


@pytest.mark.parametrize("cell", [hexagon(3), wigner_seitz(BCC, (4, 4, 4)), wigner_seitz(SKEW, (1, 1, 1))])
def test_cells_of_any_shape_are_one_piece(cell):
    assert windings_of(cell) == [np.eye(cell.dim).tolist()]


def test_a_gap_in_a_line_leaves_an_island_across_the_sides():
    (piece,) = find_pieces(box((5,), lambda x: np.abs(x[:, 0] - 0.5) > 0.1))
    assert (len(piece.windings), piece.fraction) == (0, pytest.approx(0.8))


def test_layers_conduct_along_themselves():
    pieces = find_pieces(box((8, 8), every_second(1, 4)))
    assert [piece.windings.tolist() for piece in pieces] == [[[1, 0]], [[1, 0]]]
    assert [piece.fraction for piece in pieces] == pytest.approx([0.25, 0.25])
    assert not (pieces[0].elements & pieces[1].elements).any()
    assert np.array_equal(directions(pieces[0], np.eye(2)), [[1.0, 0.0]])


def test_sheets_and_fibres_in_space():
    sheets = box((4, 4, 4), every_second(1, 4), SKEW)
    assert windings_of(sheets) == [[[1, 0, 0], [0, 0, 1]]] * 2
    both = directions(find_pieces(sheets)[0], SKEW)
    assert np.allclose(both @ both.T, np.eye(2), atol=1e-14)
    normal = np.cross(SKEW[0], SKEW[2])
    assert np.allclose(both @ normal, 0.0, atol=1e-14)
    fibres = box((4, 4, 4), lambda x: every_second(1, 4)(x) & every_second(2, 4)(x))
    assert windings_of(fibres) == [[[1, 0, 0]]] * 4


@pytest.mark.parametrize(("slope", "n"), [(1, 12), (2, 16), (3, 24)])
def test_oblique_bands_wind_around_both_axes(slope, n):
    cell = box((n, n), lambda x: np.abs((slope * x[:, 0] - x[:, 1] + 0.5) % 1 - 0.5) < 0.2)
    (piece,) = find_pieces(cell)
    assert piece.windings.tolist() == [[1, slope]]
    assert np.allclose(directions(piece, cell.period), [np.array([1, slope]) / np.hypot(1, slope)], atol=1e-14)


def test_two_turns_before_a_band_meets_itself():
    """A helix of two strands: x = y / 2 modulo 1 joins to itself after two turns in y."""
    cell = box((16, 16), lambda x: np.abs((x[:, 0] - x[:, 1] / 2 + 0.25) % 0.5 - 0.25) < 0.1)
    assert windings_of(cell) == [[[1, 2]]]


def test_islands_come_last_with_their_volume():
    cell = box((12, 12), lambda x: (np.abs(x - 0.5).max(axis=1) > 0.3) | (np.abs(x - 0.5).max(axis=1) < 0.15))
    solid, island = find_pieces(cell)
    assert solid.windings.tolist() == [[1, 0], [0, 1]]
    assert island.windings.tolist() == []
    assert island.fraction == pytest.approx(cell.volumes[island.elements].sum() / cell.volume)
    assert solid.fraction + island.fraction == pytest.approx(1 - cell.porosity)
    assert directions(island, cell.period).shape == (0, 2)


def test_an_island_cut_by_the_sides_is_one():
    cell = box((12, 12), lambda x: np.linalg.norm((x + 0.5) % 1 - 0.5, axis=1) < 0.25)
    assert windings_of(cell) == [[]]


def test_pieces_of_a_part_of_the_cell():
    cell = box((6, 6))
    centres = cell.points[cell.elements].mean(axis=1)
    within = np.abs(centres[:, 1] - 0.5) < 0.25
    (piece,) = find_pieces(cell, within)
    assert np.array_equal(piece.elements, within)
    assert piece.windings.tolist() == [[1, 0]]
    assert find_pieces(cell, np.zeros(len(centres), dtype=bool)) == ()


def test_axes_are_unit_vectors_to_the_last_digit():
    period = np.array([[0.7, 0.0, 0.1], [0.0, 1.3, 0.0], [0.3, 0.0, 0.9]])
    sheets = box((4, 4, 4), every_second(1, 4), period)
    assert np.array_equal(directions(find_pieces(sheets)[0], period), [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    walls = box((4, 4, 4), every_second(0, 4), period)
    rows = directions(find_pieces(walls)[0], period)
    assert np.array_equal(rows[0], [0.0, 1.0, 0.0])
    assert np.allclose(rows[1], np.array([1.0, 0.0, 3.0]) / np.sqrt(10.0), atol=1e-14)


def lifted(mask: np.ndarray) -> int:
    """Rank of the windings of all cells of a mask of squares on the torus, by walking on 9 x 9 copies."""
    n, copies = len(mask), 9
    from scipy.ndimage import label

    labels, _ = label(np.tile(mask, (copies, copies)), structure=np.ones((3, 3)))
    middle = copies // 2
    steps = [
        np.array([a - middle, b - middle])
        for i, j in np.argwhere(mask)
        for a, b in product(range(2, copies - 2), repeat=2)
        if (a, b) != (middle, middle) and labels[i + middle * n, j + middle * n] == labels[i + a * n, j + b * n]
    ]
    return int(np.linalg.matrix_rank(np.array(steps))) if steps else 0


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_random_masks_percolate_as_a_walk_on_copies_says(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((4, 4)) < rng.uniform(0.3, 0.8)
    if not mask.any():
        return
    nodes = np.array(list(product(range(5), repeat=2))) / 4
    quads = np.array([[5 * i + j, 5 * (i + 1) + j, 5 * (i + 1) + j + 1, 5 * i + j + 1] for i, j in np.argwhere(mask)])
    cell = UnitCell("mask", nodes, quads, "quad", np.zeros(len(quads), dtype=int), ("cell",), np.eye(2))
    pieces = find_pieces(cell)
    assert sum(piece.elements.astype(int) for piece in pieces).tolist() == [1] * len(quads)
    windings = np.concatenate([np.zeros((1, 2)), *(piece.windings for piece in pieces)])
    assert np.linalg.matrix_rank(windings) == lifted(mask)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_of_length_does_not_matter(scale):
    cell = box((6, 6), lambda x: np.abs(x[:, 1] - 0.5) < 0.3)
    scaled = with_points(cell, cell.points * scale + 7 * scale, cell.period * scale)
    assert windings_of(scaled) == windings_of(cell) == [[[1, 0]]]


def test_joints_in_a_node_are_counted():
    checkers = box((4, 4), lambda x: (x * 2).astype(int).sum(axis=1) % 2 == 0)
    assert len(find_pieces(checkers)) == 1
    assert count_weak_joints(checkers) == 1
    assert count_weak_joints(box((4, 4))) == 0
    assert count_weak_joints(box((2, 2, 2), lambda x: (x * 2).astype(int).sum(axis=1) % 2 == 0)) == 3


def test_what_does_not_conduct_is_noted():
    layers = box((12, 12), lambda x: (np.abs(x[:, 1] - 0.5) < 0.2) | (np.abs(x - [0.5, 0.0]).max(axis=1) < 0.1))
    pieces = find_pieces(layers)
    assert percolates(pieces, 2) == (True, False)
    assert notes_on_pieces(pieces, np.eye(2)) == (
        f"1 island, {100 * pieces[1].fraction:.3g} % of the period, does not conduct: left out.",
        "does not percolate along period vector 1: zero conductivity there.",
    )
    assert notes_on_pieces(pieces, np.eye(2), known=False) == ()
    islands = find_pieces(box((12, 12), lambda x: np.abs(x - 0.5).max(axis=1) < 0.3))
    assert notes_on_pieces(islands, np.eye(2)) == (
        "does not percolate at all: no piece touches its translates, the conductivity is zero.",
    )
    assert notes_on_pieces(find_pieces(box((8, 8), every_second(1, 4))), np.eye(2))[1:] == (
        "2 separate pieces conduct side by side.",
    )
    band = find_pieces(box((8, 8), lambda x: np.abs((x[:, 0] - x[:, 1] + 0.5) % 1 - 0.5) < 0.2))
    assert notes_on_pieces(band, np.eye(2)) == ("conducts in 1 of 2 directions only: (0.7071, 0.7071).",)
    assert notes_on_pieces(find_pieces(box((2, 2))), np.eye(2)) == ()
