"""Curved elements: measures in closed form, orientation, serendipity, what is straight, restriction to a part."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
import pytest

from cellsolve.cells import UnitCell
from cellsolve.cells.curved import CURVED, completed, straight_middles
from cellsolve.cells.quality import cell_quality
from cellsolve.cells.shapes import SHAPES
from cellsolve.errors import MeshError

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
CORNERS = {
    "line": np.array([[0.0], [1.0]]),
    "triangle": np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    "quad": SQUARE,
    "tetra": np.vstack([np.zeros(3), np.eye(3)]),
    "hexahedron": np.array([[*xy, z] for z in (0.0, 1.0) for xy in SQUARE]),
}
A, B, C = 0.11, -0.07, 0.13


def bent(points: np.ndarray) -> np.ndarray:
    """x + A x^2, y + B x y, z + C y z: in the space of every second-order element."""
    x, y, z = (points[:, a] if a < points.shape[1] else np.zeros(len(points)) for a in range(3))
    return np.column_stack([x + A * x**2, y + B * x * y, z + C * y * z])[:, : points.shape[1]]


def measure(shape: str) -> float:
    """Integral of (1 + 2 A x)(1 + B x)(1 + C y) over the reference element, monomial by monomial."""
    dim = CORNERS[shape].shape[1]
    simplex = len(CORNERS[shape]) == dim + 1
    terms = {(0, 0): 1.0, (1, 0): 2 * A, **({(0, 0): 1.0, (1, 0): 2 * A + B, (2, 0): 2 * A * B} if dim > 1 else {})}
    if dim == 3:
        terms |= {(i, 1): C * value for (i, _), value in terms.items()}

    def integral(i: int, j: int) -> float:
        if simplex:
            return factorial(i) * factorial(j) / factorial(i + j + dim)
        return 1.0 / ((i + 1) * (j + 1))

    return sum(value * integral(i, j) for (i, j), value in terms.items())


def second_order(shape: str) -> np.ndarray:
    """All nodes of the reference element, then bent."""
    corners = CORNERS[shape]
    return bent(np.vstack([corners, straight_middles(corners, np.arange(len(corners))[None], shape)[0]]))


def one_element(shape: str, points: np.ndarray, nodes: np.ndarray | None = None, **changes: Any) -> UnitCell:
    count = len(CORNERS[shape])
    rows = np.arange(len(points))[None] if nodes is None else nodes
    fields = {
        "name": "one",
        "points": points,
        "elements": rows[:, :count],
        "shape": shape,
        "tags": np.zeros(1, dtype=int),
        "region_names": ("cell",),
        "period": 10.0 * np.eye(points.shape[1]),
        "middles": rows[:, count:],
    }
    return UnitCell(**(fields | changes))


@pytest.mark.parametrize("shape", CORNERS)
def test_measures_of_curved_elements_are_exact(shape):
    cell = one_element(shape, second_order(shape))
    assert cell.middles is not None
    assert cell.volumes == pytest.approx([measure(shape)], rel=1e-14)
    assert cell.regions == pytest.approx({"cell": measure(shape) / 10.0**cell.dim})


def test_a_side_bent_to_a_parabola_adds_two_thirds_of_chord_times_height():
    points = one_element("triangle", second_order("triangle")).points.copy()
    points[:3], points[3:] = CORNERS["triangle"], [[0.5, -0.12], [0.5, 0.5], [0.0, 0.5]]
    assert one_element("triangle", points).volumes == pytest.approx([0.5 + 0.12 * 2 / 3], rel=1e-14)


@pytest.mark.parametrize("shape", CORNERS)
def test_a_mirrored_curved_element_is_renumbered_with_its_middles(shape):
    points = second_order(shape)
    count = len(CORNERS[shape])
    rows = np.concatenate([SHAPES[shape].reversal, count + CURVED[shape].reversal])[None]
    cell = one_element(shape, points, rows)
    assert cell.volumes == pytest.approx([measure(shape)], rel=1e-14)
    assert cell.middles is not None
    assert np.array_equal(cell.elements[0], np.arange(count))
    assert np.array_equal(cell.middles[0], np.arange(count, len(points)))


@pytest.mark.parametrize("shape", CORNERS)
def test_straight_middles_are_dropped(shape):
    corners = CORNERS[shape]
    points = np.vstack([corners, straight_middles(corners, np.arange(len(corners))[None], shape)[0]])
    points[-1] += 1e-11
    cell = one_element(shape, points)
    assert cell.middles is None
    assert len(cell.points) == len(corners)
    points[-1] += 1e-6
    assert one_element(shape, points).middles is not None


@pytest.mark.parametrize("shape", CORNERS)
def test_folded_curved_elements_are_refused(shape):
    """Corners alone are fine; the first middle beyond a quarter of its edge turns det J negative at a corner."""
    points = second_order(shape)
    count = len(CORNERS[shape])
    points[count] = 0.1 * points[1] + 0.9 * points[0]
    with pytest.raises(MeshError, match=r"one: 1 of 1 elements .* folded over"):
        one_element(shape, points)


@pytest.mark.parametrize("shape", ["quad", "hexahedron"])
def test_serendipity_elements_are_completed_exactly(shape):
    """The map above lies in the serendipity space, so that the missing nodes are its values at the centres."""
    whole = second_order(shape)
    known = 8 if shape == "quad" else 20
    nodes = np.arange(known)[None]
    points, rows = completed(whole[:known], nodes, shape)
    assert rows.shape == (1, len(whole))
    assert points[rows[0]] == pytest.approx(whole, abs=1e-15)


def test_centres_of_common_faces_are_shared():
    """A cube and its image in a mirror: 20 + 12 nodes, 11 faces, 2 centres."""
    cube = second_order("hexahedron")[:20]
    other = cube.copy()
    other[:, 0] = 2.0 * (1.0 + A) - other[:, 0]
    points, inverse = np.unique(np.round(np.vstack([cube, other]), 12), axis=0, return_inverse=True)
    points, rows = completed(points, inverse.reshape(2, 20), "hexahedron")
    assert len(points) == 20 + 12 + 11 + 2
    assert len(np.intersect1d(rows[0, 20:26], rows[1, 20:26])) == 1


WRONG = {
    "few": (np.zeros((1, 2), dtype=int), r"got middles of shape \(1, 2\).* \(m, 3\) for 'triangle'"),
    "real": (np.zeros((1, 3)), "got middles .* type float64"),
    "beyond": (np.array([[3, 4, 9]]), r"1 of 1 middles refer to points that do not exist.*\[3, 4, 9\] with 6 points"),
    "many": (np.zeros((2, 3), dtype=int), "got middles of 2 elements, needed those of 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_middles_are_refused_in_words(case):
    middles, words = WRONG[case]
    with pytest.raises(MeshError, match=words):
        one_element("triangle", second_order("triangle"), middles=middles)


def pair(**changes: Any) -> UnitCell:
    """Two triangles, the second with a bent side, in two regions."""
    points = np.vstack([SQUARE, [[0.5, 0.5], [0.5, 0.0], [1.0, 0.5], [0.6, 1.1], [0.0, 0.5]]])
    fields = {
        "name": "pair",
        "points": points,
        "elements": np.array([[0, 1, 2], [0, 2, 3]]),
        "shape": "triangle",
        "tags": np.array([0, 1]),
        "region_names": ("a", "b"),
        "period": 2 * np.eye(2),
        "match_tol": 1e-6,
        "middles": np.array([[5, 6, 4], [4, 7, 8]]),
    }
    return UnitCell(**(fields | changes))


def test_restriction_keeps_period_regions_and_middles():
    cell = pair()
    part = cell.restricted(np.array([False, True]))
    assert part.regions == pytest.approx({"a": 0.0, "b": cell.regions["b"]})
    assert np.array_equal(part.period, cell.period)
    assert part.match_tol == cell.match_tol
    assert part.middles is not None
    assert np.array_equal(part.points[part.middles[0]], cell.points[[4, 7, 8]])
    assert cell.restricted(np.array([True, False])).middles is None
    assert len(cell.restricted(np.array([True, False])).points) == 3


@pytest.mark.parametrize("mask", [[True], [1, 0], [False, False]])
def test_a_wrong_mask_is_refused(mask):
    with pytest.raises(MeshError, match=r"pair: got a mask of shape .* needed booleans \(2,\)"):
        pair().restricted(np.array(mask))


def test_quality_counts_the_bend():
    name, straight = cell_quality(pair(middles=None))
    assert name == "radius ratio"
    name, values = cell_quality(pair())
    assert name == "radius ratio times min/max Jacobian"
    assert values[0] == pytest.approx(straight[0], rel=1e-13)
    assert 0 < values[1] < 0.9 * straight[1]


@pytest.mark.parametrize("factor", [1e-9, 1e9])
@pytest.mark.parametrize("origin", [0.0, 1e4])
def test_units_and_origin_do_not_matter(factor, origin):
    cell = pair()
    moved = pair(points=factor * (pair().points[[0, 1, 2, 3, 4, 5, 6, 7, 8]] + origin), period=factor * cell.period)
    assert moved.volumes == pytest.approx(factor**2 * cell.volumes, rel=1e-11)
    assert moved.middles is not None
