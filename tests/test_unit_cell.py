"""Unit cells: measures, regions, orientation, and every refusal in words."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from cellsolve.cells import BoxCell, UnitCell, box_cell
from cellsolve.cells.shapes import SHAPES, jacobian_determinants, quality
from cellsolve.errors import MeshError

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
CUBE = np.array([[*xy, z] for z in (0.0, 1.0) for xy in SQUARE])

# One element each: shape, corners, measure known in closed form.
ELEMENTS = {
    "line": ([[0.5], [2.0]], 1.5),
    "triangle": ([[0.0, 0.0], [2.0, 0.0], [1.0, 3.0]], 3.0),
    "quad": ([[0.0, 0.0], [2.0, 0.0], [3.0, 2.0], [0.0, 1.0]], 3.5),
    "tetra": ([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]], 1.0),
    # Frustum of a pyramid: integral of (2 - z)^2 over 0 < z < 1.
    "hexahedron": (np.vstack([CUBE[:4] * [2, 2, 1], CUBE[4:]]), 7.0 / 3.0),
}


def one_element(shape: str, **changes: Any) -> UnitCell:
    points = np.array(ELEMENTS[shape][0])
    dim = points.shape[1]
    fields = {
        "name": "one",
        "points": points,
        "elements": np.arange(len(points))[None],
        "shape": shape,
        "tags": np.zeros(1, dtype=int),
        "region_names": ("cell",),
        "period": 10.0 * np.eye(dim),
    }
    return UnitCell(**(fields | changes))


def two_triangles(**changes: Any) -> UnitCell:
    fields = {
        "name": "two.msh",
        "points": SQUARE,
        "elements": np.array([[0, 1, 2], [0, 2, 3]]),
        "shape": "triangle",
        "tags": np.array([0, 1]),
        "region_names": ("a", "b"),
        "period": np.eye(2),
    }
    return UnitCell(**(fields | changes))


@pytest.mark.parametrize("shape", ELEMENTS)
def test_measures_are_those_of_geometry(shape):
    cell = one_element(shape)
    measure = ELEMENTS[shape][1]
    assert cell.volumes == pytest.approx([measure], rel=1e-14)
    assert cell.size == pytest.approx(measure ** (1 / cell.dim), rel=1e-14)
    assert cell.regions == pytest.approx({"cell": measure / 10.0**cell.dim})
    assert cell.porosity == pytest.approx(1 - measure / 10.0**cell.dim)


@pytest.mark.parametrize("shape", ["quad", "hexahedron"])
def test_measures_far_from_the_origin_lose_no_digits(shape):
    """The differences of such coordinates are exact, their weighted sums are not."""
    points = np.array(ELEMENTS[shape][0]) * 0.125 + 1e6
    assert one_element(shape, points=points).volumes == pytest.approx(
        [ELEMENTS[shape][1] * 0.125 ** points.shape[1]], rel=1e-15
    )


@pytest.mark.parametrize("shape", ELEMENTS)
def test_a_mirrored_element_is_renumbered(shape):
    reversed_nodes = SHAPES[shape].reversal[None]
    points = np.array(ELEMENTS[shape][0])
    assert (jacobian_determinants(points, reversed_nodes, shape) < 0).all()
    cell = one_element(shape, elements=reversed_nodes)
    assert (jacobian_determinants(cell.points, cell.elements, shape) > 0).all()
    assert cell.volumes == pytest.approx([ELEMENTS[shape][1]], rel=1e-14)


@pytest.mark.parametrize("shape", ELEMENTS)
def test_local_facets_close_the_element(shape):
    """Each edge of a facet (d = 3), each node (d = 2), belongs to two facets; a line has two ends."""
    traits = SHAPES[shape]
    facets = [tuple(f) for f in traits.facets]
    if traits.dim == 3:
        parts = [frozenset((f[i - 1], f[i])) for f in facets for i in range(len(f))]
    else:
        parts = [frozenset([node]) for f in facets for node in f]
    counts = {parts.count(p) for p in parts}
    assert counts == ({1} if traits.dim == 1 else {2})
    assert {n for f in facets for n in f} == set(range(traits.nodes))


def test_regions_and_porosity_sum_to_one():
    cell = two_triangles(period=[[2.0, 0.0], [0.0, 1.0]])
    assert cell.regions == pytest.approx({"a": 0.25, "b": 0.25})
    assert cell.porosity == pytest.approx(0.5)
    assert cell.volume == pytest.approx(2.0)
    assert cell.dim == 2


def test_rounding_is_no_porosity():
    assert two_triangles(points=SQUARE * (1 - 1e-14)).porosity == 0.0
    assert two_triangles(points=SQUARE * (1 - 1e-6)).porosity == pytest.approx(2e-6, rel=1e-3)


def test_points_of_no_element_are_dropped():
    points = np.vstack([[[9.0, 9.0]], SQUARE, [[7.0, 7.0]]])
    cell = two_triangles(points=points, elements=np.array([[1, 2, 3], [1, 3, 4]]))
    assert np.array_equal(cell.points, SQUARE)
    assert np.array_equal(cell.elements, [[0, 1, 2], [0, 2, 3]])


def test_arrays_are_read_only_copies():
    points, elements, tags, period = (
        SQUARE.copy(),
        np.array([[0, 2, 1], [0, 2, 3]]),
        np.array([0, 1]),
        np.eye(2),
    )
    cell = two_triangles(points=points, elements=elements, tags=tags, period=period)
    assert np.array_equal(elements, [[0, 2, 1], [0, 2, 3]])
    for mine, theirs in [
        (points, cell.points),
        (elements, cell.elements),
        (tags, cell.tags),
        (period, cell.period),
    ]:
        assert mine.flags.writeable
        assert not np.shares_memory(mine, theirs)
        with pytest.raises(ValueError, match="read-only"):
            theirs[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        cell.volumes[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        cell.name = "other"


def test_replace_and_pickle_keep_the_cell():
    cell = two_triangles()
    wider = dataclasses.replace(cell, period=2 * np.eye(2))
    assert wider.porosity == pytest.approx(0.75)
    copy = pickle.loads(pickle.dumps(cell))
    assert np.array_equal(copy.volumes, cell.volumes)
    assert copy.regions == cell.regions


def raised(corner: int, height: float) -> np.ndarray:
    """The square with one corner moved up."""
    points = SQUARE.copy()
    points[corner, 1] += height
    return points


REFUSED = {
    "shape": ({"shape": "wedge"}, "two.msh: got elements 'wedge', needed one of line, triangle"),
    "match_tol": ({"match_tol": 0.0}, "two.msh: got match_tol = 0.0, needed a number above 0"),
    "match_tol nan": ({"match_tol": float("nan")}, "got match_tol = nan"),
    "points": ({"points": np.zeros((4, 3))}, r"two.msh: got points of shape \(4, 3\), needed \(n, 2\)"),
    "nan": (
        {"points": raised(1, np.nan)},
        r"1 of 4 points .* the first is point 1",
    ),
    "inf": (
        {"points": raised(2, np.inf)},
        r"1 of 4 points .* the first is point 2",
    ),
    "element shape": (
        {"elements": np.zeros((2, 4), dtype=int)},
        r"got elements of shape \(2, 4\).* \(m, 3\)",
    ),
    "element type": ({"elements": np.zeros((2, 3))}, "type float64, needed integers"),
    "no elements": (
        {"elements": np.zeros((0, 3), dtype=int)},
        "two.msh: got no elements, needed one or more",
    ),
    "index high": (
        {"elements": np.array([[0, 1, 2], [0, 2, 4]])},
        r"1 of 2 elements .* element 1: \[0, 2, 4\]",
    ),
    "index low": (
        {"elements": np.array([[0, 1, 2], [0, -1, 3]])},
        "points that do not exist, the first is element 1",
    ),
    "tags shape": ({"tags": np.zeros(3, dtype=int)}, r"got tags of shape \(3,\).* needed integers \(2,\)"),
    "tags range": ({"tags": np.array([0, 2])}, "got tags from 0 to 2, but 2 region name"),
    "tags negative": ({"tags": np.array([0, -1])}, "got tags from -1 to 0"),
    "names twice": ({"region_names": ("a", "a")}, "needed a tuple of different texts"),
    "names text": ({"region_names": "ab"}, "needed a tuple of different texts"),
    "period shape": ({"period": np.eye(3)}, r"got a period of shape \(3, 3\), needed \(2, 2\)"),
    "period text": ({"period": "unit"}, "two.msh: the period is not a table of numbers"),
    "period nan": ({"period": [[1, 0], [0, float("nan")]]}, "has values that are not finite"),
    "period singular": ({"period": [[1, 1], [2, 2]]}, "are dependent. Give 2 independent ones"),
    "flat": (
        {"points": SQUARE * [1, 0]},
        "2 of 2 elements .* no volume or are folded over, the first is element 0",
    ),
    "huge": ({"points": SQUARE * 1e300}, "2 of 2 elements"),
    "sliver": (
        {"points": raised(1, 1 - 1e-14)},
        "1 of 2 elements .* is element 0",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_mistake_is_refused_in_words(case):
    changes, words = REFUSED[case]
    with pytest.raises(MeshError, match=words):
        two_triangles(**changes)


@pytest.mark.parametrize(
    ("shape", "points"),
    [
        ("quad", [[0.0, 0.0], [1.0, 0.0], [0.2, 0.2], [0.0, 1.0]]),
        ("quad", SQUARE[[0, 2, 1, 3]]),
        ("hexahedron", np.vstack([CUBE[:6], [[0.1, 0.1, 0.2]], CUBE[7:]])),
    ],
)
def test_folded_elements_are_refused(shape, points):
    with pytest.raises(MeshError, match=rf"one: 1 of 1 elements \({shape}\) have no volume or are folded over"):
        one_element(shape, points=np.array(points))


QUALITIES = [
    ("triangle", [[0, 0], [1, 0], [0.5, np.sqrt(0.75)]], 1.0),
    ("triangle", [[0, 0], [1, 0], [0, 1]], 2 * (np.sqrt(2) - 1)),
    ("tetra", [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], 1.0),
    # r = 1 / (3 + sqrt(3)), R = sqrt(3) / 2.
    ("tetra", [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], 6 / (3 + np.sqrt(3)) / np.sqrt(3)),
    ("quad", SQUARE, 1.0),
    ("quad", SQUARE @ [[1, 0], [1, 1]], np.sqrt(0.5)),
    ("hexahedron", CUBE * [1, 2, 3], 1.0),
    ("hexahedron", CUBE @ [[1, 0, 0], [1, 1, 0], [0, 0, 1]], np.sqrt(0.5)),
]


@pytest.mark.parametrize(("shape", "corners", "expected"), QUALITIES)
def test_quality_of_known_elements(shape, corners, expected):
    points = np.array(corners, dtype=float)
    _, values = quality(points, np.arange(len(points))[None], shape)
    assert values == pytest.approx([expected], rel=1e-12)


def test_quality_of_lines_compares_lengths():
    name, values = quality(np.array([[0.0], [1.0], [3.0]]), np.array([[0, 1], [1, 2]]), "line")
    assert name == "length over greatest length"
    assert values == pytest.approx([0.5, 1.0])


def test_box_cell_has_the_unit_period_by_default():
    cell = box_cell(2, n=4, order=6)
    assert (cell.dim, cell.n, cell.order, cell.name) == (2, 4, 6, "box")
    assert np.array_equal(cell.period, np.eye(2))
    assert cell.regions == {"cell": 1.0}
    assert cell.porosity == 0.0
    assert box_cell(3).n is None
    assert box_cell(3).order is None


def test_box_cell_takes_any_lattice():
    rows = np.array([[1.0, 0.0], [0.5, 2.0]])
    cell = box_cell(2, period=rows)
    assert cell.volume == pytest.approx(2.0)
    assert not np.shares_memory(cell.period, rows)
    assert rows.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        cell.period[0] = 0
    assert np.array_equal(box_cell(1, period=2.5).period, [[2.5]])
    assert isinstance(pickle.loads(pickle.dumps(cell)), BoxCell)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dim": 4}, "box: got dim = 4, needed 1, 2 or 3"),
        ({"dim": 0}, "box: got dim = 0"),
        ({"dim": 2.0}, r"box: got dim = 2\.0"),
        ({"dim": True}, "box: got dim = True"),
        ({"dim": 2, "n": 0}, "box: got n = 0, needed a whole number"),
        ({"dim": 2, "n": 1.5}, r"box: got n = 1\.5"),
        ({"dim": 2, "order": 0}, "box: got order = 0, needed a whole number from 1 to 16"),
        ({"dim": 2, "order": 17}, "box: got order = 17"),
        ({"dim": 2, "period": np.eye(3)}, r"box: got a period of shape \(3, 3\), needed \(2, 2\)"),
        ({"dim": 2, "period": [[1, 2], [2, 4]]}, "dependent"),
        ({"dim": 2, "period": [[1, float("inf")], [2, 4]]}, "not finite"),
        ({"dim": 2, "period": "x"}, "not a table of numbers"),
    ],
)
def test_box_cell_refuses_in_words(arguments, words):
    with pytest.raises(MeshError, match=words):
        box_cell(**arguments)
