"""Quads, hexahedra, wedges and pyramids as simplices: conforming inside, periodic at the sides, measure kept."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from mesh_writing import write_msh22

from cellsolve.cells import UnitCell, check_periodicity, read_cell
from cellsolve.cells.subdivision import periodic_ranks, simplices, subdivided
from cellsolve.errors import MeshError

SKEW = np.array([[1.0, 0.2, -0.1], [0.0, 1.1, 0.3], [0.4, 0.0, 0.9]])


def grid(counts: tuple[int, ...]) -> tuple[np.ndarray, list[list[int]]]:
    """Points of a grid of boxes over the unit cube, and the corners of each box in the order of VTK."""
    shape = tuple(n + 1 for n in counts)
    points = np.array([[i / n for i, n in zip(p, counts, strict=True)] for p in product(*map(range, shape))])
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    corners = [(*xy, z) for z in (0, 1) for xy in square] if len(counts) == 3 else square
    boxes = [
        [int(np.ravel_multi_index(tuple(np.add(box, c)), shape)) for c in corners]
        for box in product(*map(range, counts))
    ]
    return points, boxes


def box_mesh(counts: tuple[int, ...], seed: int) -> UnitCell:
    """A skewed grid of quads or hexahedra, its points in random order, those inside moved."""
    rng = np.random.default_rng(seed)
    points, boxes = grid(counts)
    dim = len(counts)
    inside = (np.abs(points - 0.5) < 0.5 - 1e-9).all(axis=1)
    points[inside] += 0.1 / max(counts) * rng.uniform(-1, 1, (int(inside.sum()), dim))
    order = rng.permutation(len(points))
    places = np.argsort(order)
    period = SKEW[:dim, :dim]
    return UnitCell(
        "boxes",
        (points @ period)[order],
        places[np.array(boxes)],
        "quad" if dim == 2 else "hexahedron",
        np.arange(len(boxes)) % 2,
        ("a", "b"),
        period,
    )


def facet_counts(elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The facets of simplices, and how many elements each belongs to."""
    facets = np.vstack([np.delete(elements, k, axis=1) for k in range(elements.shape[1])])
    return np.unique(np.sort(facets, axis=1), axis=0, return_counts=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", [(1, 1), (1, 3), (4, 3), (1, 1, 1), (2, 1, 3), (1, 2, 1), (3, 3, 2)])
def test_boxes_become_conforming_periodic_simplices(counts, seed):
    boxes = box_mesh(counts, seed)
    cell = subdivided(boxes)
    parts = {2: 2, 3: 6}[cell.dim]
    assert cell.shape == {2: "triangle", 3: "tetra"}[cell.dim]
    assert len(cell.elements) == parts * len(boxes.elements)
    assert np.array_equal(cell.tags, np.repeat(boxes.tags, parts))
    assert cell.volumes.sum() == pytest.approx(boxes.volumes.sum(), rel=1e-12)
    check_periodicity(cell)
    facets, shared = facet_counts(cell.elements)
    on_side = np.zeros(len(facets), dtype=bool)
    for f in (cell.points @ np.linalg.inv(cell.period)).T:
        for side in (0.0, 1.0):
            on_side |= (np.abs(f[facets] - side) < 1e-9).all(axis=1)
    assert np.array_equal(shared == 1, on_side)
    assert shared.max() <= 2


def test_simplices_stay_as_they_are():
    cell = subdivided(box_mesh((2, 2), 0))
    assert subdivided(cell) is cell


def test_ranks_order_translates_alike():
    """Also with round-off in the coordinates, and where a point and its translate are in one element."""
    rng = np.random.default_rng(1)
    base = rng.uniform(size=(40, 3))
    steps = np.array(list(product((0, 1, 2), repeat=3)))
    points = (base[:, None] + steps).reshape(-1, 3) @ SKEW + 1e-13 * rng.uniform(-1, 1, (40 * 27, 3))
    ranks = periodic_ranks(points, SKEW, 1e-8).reshape(40, 3, 3, 3)
    assert len(np.unique(ranks)) == ranks.size
    pairs = [(ranks[:, :2, :2, :2], ranks[:, 1:, :2, :2]), (ranks[:, :2, :2, :2], ranks[:, :2, :2, 1:])]
    for here, there in pairs:
        assert np.array_equal(np.argsort(here.ravel()), np.argsort(there.ravel()))


def mixed_blocks(counts: tuple[int, int, int]) -> tuple[np.ndarray, list[tuple[str, Any, Any]]]:
    """Hexahedra, six pyramids in one of them, a column of wedges, one as three pyramids and two tetrahedra."""
    points, boxes = grid(counts)
    extra: list[np.ndarray] = []
    found: dict[str, list[list[int]]] = {"hexahedron": [], "pyramid": [], "wedge": [], "tetra": []}

    def centre(nodes: list[int]) -> int:
        extra.append(points[nodes].mean(axis=0))
        return len(points) + len(extra) - 1

    for number, box in enumerate(boxes):
        a, b, c, d, e, f, g, h = box
        if number // counts[2] == 0:
            first, second = [a, b, c, e, f, g], [a, c, d, e, g, h]
            found["wedge"].append(first)
            middle = centre(second)
            found["tetra"] += [[a, c, d, middle], [e, g, h, middle]]
            found["pyramid"] += [[*q, middle] for q in ([a, c, g, e], [c, d, h, g], [d, a, e, h])]
        elif number // counts[2] == 1:
            middle = centre(box)
            quads = ([a, b, c, d], [e, f, g, h], [a, b, f, e], [b, c, g, f], [c, d, h, g], [d, a, e, h])
            found["pyramid"] += [[*q, middle] for q in quads]
        else:
            found["hexahedron"].append(box)
    tags = {"hexahedron": 1, "pyramid": 2, "wedge": 3, "tetra": 4}
    everything = np.vstack([points, *extra])
    return everything, [(kind, rows, [tags[kind]] * len(rows)) for kind, rows in found.items() if rows]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", [(2, 2, 1), (3, 1, 1), (3, 2, 2)])
def test_mixed_solids_are_divided_when_read(tmp_path, counts, seed):
    points, blocks = mixed_blocks(counts)
    order = np.random.default_rng(seed).permutation(len(points))
    places = np.argsort(order)
    shuffled = [(kind, places[np.array(rows)].tolist(), tags) for kind, rows, tags in blocks]
    cell = read_cell(write_msh22(tmp_path / "a.msh", (points @ SKEW)[order], shuffled), period=SKEW)
    assert cell.shape == "tetra"
    assert sum(cell.regions.values()) == pytest.approx(1.0, rel=1e-12)
    assert cell.porosity == 0.0
    box = 1.0 / np.prod(counts)
    column = counts[2] * box
    expected = {"2": column + column / 2 * 2 / 3, "3": column / 2, "4": column / 6}
    rest = 1.0 - sum(expected.values())
    assert cell.regions == pytest.approx(expected | ({"1": rest} if rest > 1e-9 else {}))
    facets, shared = facet_counts(cell.elements)
    assert shared.max() == 2
    area = [np.linalg.norm(np.cross(*(cell.points[f[1:]] - cell.points[f[0]]))) / 2 for f in facets[shared == 1]]
    sides = [np.linalg.norm(np.cross(SKEW[a], SKEW[b])) for a, b in ((0, 1), (1, 2), (2, 0))]
    assert sum(area) == pytest.approx(2 * sum(sides), rel=1e-12)


def test_triangles_and_quads_become_triangles(tmp_path):
    points, boxes = grid((2, 2))
    a, b, c, d = boxes[0]
    blocks = [("quad", boxes[1:], [1, 1, 2]), ("triangle", [[a, b, c], [c, d, a]], [5, 5])]
    cell = read_cell(write_msh22(tmp_path / "a.msh", points, blocks))
    assert cell.shape == "triangle"
    assert len(cell.elements) == 8
    assert cell.regions == pytest.approx({"1": 0.5, "2": 0.25, "5": 0.25})


def test_folded_elements_are_not_divided():
    """A quad with a corner pushed in is divided through that corner or the opposite one, not across it."""
    points, boxes = grid((2, 2))
    points[4] = [0.9, 0.95]
    ranks = np.arange(9)
    elements, parents = simplices("name", points, [("quad", np.array(boxes[3:]))], ranks)
    assert (len(elements), parents.tolist()) == (2, [0, 0])
    ranks[5] = -1
    with pytest.raises(MeshError, match=r"name: 1 elements \(quad\) are folded over or too distorted"):
        simplices("name", points, [("quad", np.array(boxes))], ranks)


def test_curved_elements_are_not_divided():
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.1], [1, 0.5], [0.5, 1.1], [0, 0.5], [0.5, 0.5]])
    rows = np.arange(9)[None]
    cell = UnitCell(
        "c", points, rows[:, :4], "quad", np.zeros(1, dtype=int), ("a",), np.eye(2), 1e-8, middles=rows[:, 4:]
    )
    with pytest.raises(MeshError, match="got curved elements"):
        subdivided(cell)
