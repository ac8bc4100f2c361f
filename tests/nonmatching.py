"""Cells whose opposite sides do not match, made by numpy: bent boxes, Delaunay triangles, layers."""

from __future__ import annotations

import numpy as np
from problems import SHAPES, SKEWED, FloatArray, structured_cell
from scipy.spatial import Delaunay

from cellsolve.cells import UnitCell


def bent_cell(shape: str, n: int, strength: float = 0.5) -> UnitCell:
    """A skewed box whose nodes slide along the upper sides and not along the lower ones."""
    dim = SHAPES[shape][0]
    cell = structured_cell(shape, n, SKEWED[dim])
    f = cell.points @ np.linalg.inv(cell.period)
    moved = f.copy()
    for axis in range(dim):
        across, *others = (k for k in range(dim) if k != axis)
        slide = np.sin(np.pi * f[:, axis]) * f[:, across] * (1.0 if axis == 0 else -0.8)
        for k in others:
            slide *= 0.3 + np.sin(np.pi * f[:, k])
        moved[:, axis] += 0.4 * strength / min(n, 3) * slide
    names = cell.region_names
    return UnitCell(f"bent {shape}", moved @ cell.period, cell.elements, cell.shape, cell.tags, names, cell.period)


def delaunay_cell(n: int, m: int, seed: int, period: object = None) -> UnitCell:
    """Triangles with n random nodes a side on the lower sides and m on the upper ones."""
    random = np.random.default_rng(seed)
    sides = [(axis, value) for axis in (0, 1) for value in (0.0, 1.0)]
    points = [np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])]
    for axis, value in sides:
        t = _inner(random, n if value == 0.0 else m)
        points.append(np.insert(t[:, None], axis, value, axis=1))
    grid = (np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) + 0.5) / n
    points.append(grid + random.uniform(-0.2, 0.2, grid.shape) / n)
    return _triangulated("random", np.vstack(points), [np.ones(sum(map(len, points)), dtype=bool)], period)


def layered_cell(n: int, m: int, seed: int, period: object = None) -> UnitCell:
    """Layers a, b across axis 0 that meet at 0.5; n nodes below and m above in each, and on the sides across."""
    random = np.random.default_rng(seed)
    points = [np.array([[x, y] for x in (0.0, 0.5, 1.0) for y in (0.0, 1.0)])]
    for start in (0.0, 0.5):
        points += [np.column_stack([start + 0.5 * _inner(random, n), np.zeros(n - 1)])]
        points += [np.column_stack([start + 0.5 * _inner(random, m), np.ones(m - 1)])]
    for x, count in ((0.0, n), (0.5, n), (1.0, m)):
        points.append(np.column_stack([np.full(count - 1, x), _inner(random, count)]))
    grid = (np.stack(np.meshgrid(np.arange(2 * n), np.arange(n)), -1).reshape(-1, 2) + 0.5) / [2 * n, n]
    points.append(grid + random.uniform(-0.15, 0.15, grid.shape) / [2 * n, n])
    places = np.vstack(points)
    return _triangulated("layers", places, [places[:, 0] <= 0.5, places[:, 0] >= 0.5], period)


def _inner(random: np.random.Generator, count: int) -> FloatArray:
    """count - 1 places inside the unit interval."""
    return (np.arange(1, count) + random.uniform(-0.3, 0.3, count - 1)) / count


def _triangulated(name: str, places: FloatArray, parts: list[FloatArray], period: object) -> UnitCell:
    """Triangles of each part of the points, one region a part."""
    rows = np.eye(2) if period is None else np.array(period, dtype=float)
    elements, tags = [], []
    for tag, part in enumerate(parts):
        numbers = np.flatnonzero(part)
        triangles = numbers[Delaunay(places[numbers]).simplices]
        corners = places[triangles]
        triangles = triangles[np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) > 1e-9]
        elements.append(triangles)
        tags.append(np.full(len(triangles), tag))
    names = ("a", "b")[: len(parts)]
    return UnitCell(name, places @ rows, np.vstack(elements), "triangle", np.concatenate(tags), names, rows)


def holed(cell: UnitCell, low: FloatArray, high: FloatArray) -> UnitCell:
    """The cell without the elements whose middles, as fractions of the period, lie in a box."""
    middles = cell.points[cell.elements].mean(axis=1) @ np.linalg.inv(cell.period)
    kept = ~((middles > low) & (middles < high)).all(axis=1)
    names = cell.region_names
    return UnitCell("holed", cell.points, cell.elements[kept], cell.shape, cell.tags[kept], names, cell.period)
