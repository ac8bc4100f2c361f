"""Cells of many shapes, made by code: grids cut by masks, hexagons, wavy sides, Wigner-Seitz cells of any lattice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from typing import Any

import numpy as np

from cellsolve.cells import UnitCell

SHAPES = {1: "line", 2: "triangle", 3: "tetra"}
Keep = Callable[[np.ndarray], np.ndarray]
BCC = 0.5 * np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
FCC = 0.5 * np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
HEXAGONAL = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
SKEW = np.array([[1.0, 0.1, 0.0], [0.2, 1.5, 0.3], [0.4, -0.3, 0.8]])


def simplices(counts: tuple[int, ...]) -> np.ndarray:
    """Integer corners (m, d + 1, d) of the simplices that divide a grid of boxes, all boxes alike (Kuhn)."""
    dim = len(counts)
    boxes = np.array(list(product(*map(range, counts))))
    parts = []
    for order in permutations(range(dim)):
        steps = np.zeros((dim + 1, dim), dtype=int)
        for row, axis in enumerate(order):
            steps[row + 1 :, axis] = 1
        parts.append(boxes[:, None] + steps)
    return np.vstack(parts)


def cell_of(corners: np.ndarray, counts: Any, period: Any, name: str = "cell.msh") -> UnitCell:
    """The cell of simplices with integer corners in fractions of ``counts`` of the period."""
    dim = corners.shape[2]
    nodes, numbers = np.unique(corners.reshape(-1, dim), axis=0, return_inverse=True)
    tags = np.zeros(len(corners), dtype=int)
    points = nodes / np.array(counts) @ np.asarray(period, dtype=float)
    return UnitCell(name, points, numbers.reshape(corners.shape[:2]), SHAPES[dim], tags, ("cell",), period)


def box(counts: tuple[int, ...], keep: Keep | None = None, period: Any = None) -> UnitCell:
    """A box or parallelepiped; ``keep``: of the elements' centres in fractions of the period."""
    corners = simplices(counts)
    if keep is not None:
        corners = corners[keep(corners.mean(axis=1) / np.array(counts))]
    return cell_of(corners, counts, np.eye(len(counts)) if period is None else period)


def wigner_seitz(period: Any, counts: tuple[int, ...], keep: Keep | None = None) -> UnitCell:
    """A jagged cell: of each simplex of a grid the translate nearest to the origin; ``keep``: of centres."""
    period, counts_ = np.asarray(period, dtype=float), np.array(counts)
    dim = len(counts)
    corners = simplices(counts)
    centres = corners.mean(axis=1) / counts_ @ period
    origin = (0.0137 + 1e-3 * np.arange(dim)) @ period
    moves = np.array(list(product(range(-2, 3), repeat=dim)))
    distances = np.stack([np.linalg.norm(centres + n @ period - origin, axis=1) for n in moves], axis=1)
    corners = corners + (moves[np.round(distances, 9).argmin(axis=1)] * counts_)[:, None]
    if keep is not None:
        corners = corners[keep(corners.mean(axis=1) / counts_ @ period)]
    return cell_of(corners, counts, period)


def with_points(cell: UnitCell, points: np.ndarray, period: Any = None) -> UnitCell:
    rows = cell.period if period is None else period
    return UnitCell(cell.name, points, cell.elements, cell.shape, cell.tags, cell.region_names, rows)


def wavy(cell: UnitCell) -> UnitCell:
    """The same cell with curved sides: x -> x + w(x), w of the period of the unit square or cube."""
    waves = np.sin(2 * np.pi * np.roll(cell.points, 1, axis=1))
    more = np.cos(4 * np.pi * np.roll(cell.points, -1, axis=1))
    return with_points(cell, cell.points + 0.08 * waves + 0.02 * more)


def hexagon(n: int, keep: Keep | None = None) -> UnitCell:
    """6 n^2 triangles of a regular hexagon of radius 1; ``keep``: of the elements' centres."""
    up = [(0, 0), (1, 0), (0, 1)]
    down = [(0, 0), (-1, 0), (0, -1)]
    corners = np.array([np.add((i, j), t) for i, j in product(range(-n, n + 1), repeat=2) for t in (up, down)])
    corners = corners.reshape(-1, 3, 2)
    inside = (np.abs(corners).max(axis=(1, 2)) <= n) & (np.abs(corners.sum(axis=2)).max(axis=1) <= n)
    cell = cell_of(corners[inside], (n, n), HEXAGONAL)
    rows = np.array([[1.5, np.sqrt(0.75)], [0.0, 2.0 * np.sqrt(0.75)]])
    kept = cell if keep is None else cell.restricted(keep(cell.points[cell.elements].mean(axis=1)))
    return with_points(kept, kept.points, rows)


def prism(base: UnitCell, height: float, layers: int) -> UnitCell:
    """Triangles of the plane times layers, each prism cut into three tetrahedra by the numbers of its nodes."""
    count = len(base.points)
    levels = height * np.arange(layers + 1) / layers
    points = np.vstack([np.column_stack([base.points, np.full(count, z)]) for z in levels])
    a, b, c = np.sort(base.elements, axis=1).T
    parts = [
        np.stack(nodes, axis=1) + layer * count
        for layer in range(layers)
        for nodes in (
            (a, b, c, c + count),
            (a, b, b + count, c + count),
            (a, a + count, b + count, c + count),
        )
    ]
    elements = np.vstack(parts)
    period = np.zeros((3, 3))
    period[:2, :2], period[2, 2] = base.period, height
    return UnitCell("prism.msh", points, elements, "tetra", np.zeros(len(elements), dtype=int), ("cell",), period)


def star(corners: np.ndarray, faces: list[list[int]], period: Any) -> UnitCell:
    """A convex polyhedron: tetrahedra from its centre and the centres of its faces to their edges."""
    corners = np.asarray(corners, dtype=float)
    points = np.vstack([corners, [corners[face].mean(axis=0) for face in faces], corners.mean(axis=0)])
    elements = [
        [a, b, len(corners) + i, len(points) - 1]
        for i, face in enumerate(faces)
        for a, b in zip(face, [*face[1:], face[0]], strict=True)
    ]
    tags = np.zeros(len(elements), dtype=int)
    return UnitCell("solid.msh", points, np.array(elements), "tetra", tags, ("cell",), np.asarray(period, dtype=float))


def polyhedron(normals: np.ndarray, period: Any) -> UnitCell:
    """The cell {x : |n . x| <= n . n / 2 for lattice vectors n}: the Voronoi cell of a lattice, exactly."""
    from scipy.spatial import ConvexHull, HalfspaceIntersection

    normals = np.vstack([normals, -normals])
    halves = np.column_stack([normals, -0.5 * (normals**2).sum(axis=1)])
    corners = np.unique(np.round(HalfspaceIntersection(halves, np.zeros(3)).intersections, 9), axis=0)
    corners = corners[ConvexHull(corners).vertices]
    faces = []
    for normal in normals:
        face = np.flatnonzero(np.abs(corners @ normal - 0.5 * normal @ normal) < 1e-6)
        frame = np.linalg.svd(normal[None])[2][1:]
        flat = (corners[face] - corners[face].mean(axis=0)) @ frame.T
        faces.append(face[np.argsort(np.arctan2(flat[:, 1], flat[:, 0]))].tolist())
    return star(corners, faces, period)


def truncated_octahedron() -> UnitCell:
    short = np.array([*product((0.5,), (0.5, -0.5), (0.5, -0.5))])
    return polyhedron(np.vstack([short, np.eye(3)]), BCC)


def rhombic_dodecahedron() -> UnitCell:
    normals = [[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]]
    return polyhedron(0.5 * np.array(normals, dtype=float), FCC)


def same_lattice(found: Any, expected: Any) -> bool:
    """Rows of one are integer combinations of rows of the other, and back."""
    steps = np.asarray(found) @ np.linalg.inv(np.asarray(expected, dtype=float))
    return bool(np.allclose(steps, np.rint(steps), atol=1e-6) and abs(abs(np.linalg.det(steps)) - 1.0) < 1e-6)
