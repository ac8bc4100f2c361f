"""Sides that do not match, coupled by mortars: closed forms, the error against matched meshes, and its estimate.

Cells by numpy: triangles of random points with up to twice as many nodes on one side as on the opposite one, layers,
and boxes of tetrahedra and hexahedra whose nodes slide along one face of each pair.
"""

from __future__ import annotations

import sys
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

import cellsolve as cs
from cellsolve.cells import UnitCell
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.linalg.coupling_error import coupling_error
from cellsolve.linalg.solver import CellSolver
from cellsolve.validation import Claim, print_claims

FloatArray = NDArray[np.float64]
Space = CoupledSpace | MeshSpace
SMOOTH = {
    2: "exp(sin(2*pi*y[0])*cos(2*pi*y[1] + 0.7) + 0.5*cos(2*pi*(y[0] - 2*y[1])))",
    3: "exp(0.7*sin(2*pi*y[0])*cos(2*pi*y[1] + 0.7) + 0.5*cos(2*pi*(y[1] - y[2]) + 0.3))",
}
TOL = 1e-10


def smooth(y: FloatArray) -> FloatArray:
    """SMOOTH at points (q, d)."""
    x = 2 * np.pi * y.T
    if len(x) == 2:
        return np.exp(np.sin(x[0]) * np.cos(x[1] + 0.7) + 0.5 * np.cos(x[0] - 2 * x[1]))
    return np.exp(0.7 * np.sin(x[0]) * np.cos(x[1] + 0.7) + 0.5 * np.cos(x[1] - x[2] + 0.3))


def triangles(n: int, m: int | None, seed: int, layers: int = 1) -> UnitCell:
    """Random triangles on the unit square, n nodes a layer below and on the left, m above and on the right, or the same
    ones for None; the layers across axis 0 are regions that share their nodes."""
    random = np.random.default_rng(seed)
    grid = (np.array(list(product(range(layers * n), range(n)))) + 0.5) / [layers * n, n]
    points = [grid + random.uniform(-0.15, 0.15, grid.shape) / [layers * n, n]]
    ends = np.arange(layers + 1) / layers
    points.append(np.array(list(product(ends, (0.0, 1.0)))))

    def inner(count: int) -> FloatArray:
        return (np.arange(1, count) + random.uniform(-0.3, 0.3, count - 1)) / count

    left = inner(n)
    for k, x in enumerate(ends):
        y = left if k == 0 or (k == layers and m is None) else inner(n if k < layers else m or n)
        points.append(np.column_stack([np.full(len(y), x), y]))
    for start in ends[:-1]:
        below = start + inner(n) / layers
        above = below if m is None else start + inner(m) / layers
        points += [np.column_stack([x, np.full(len(x), y)]) for x, y in ((below, 0.0), (above, 1.0))]
    places = np.vstack(points)
    elements, tags = [], []
    for layer in range(layers):
        held = np.flatnonzero((places[:, 0] >= ends[layer]) & (places[:, 0] <= ends[layer + 1]))
        found = held[Delaunay(places[held]).simplices]
        corners = places[found]
        found = found[np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) > 1e-9]
        elements.append(found)
        tags.append(np.full(len(found), layer))
    names = tuple(f"layer {layer}" for layer in range(layers))
    return UnitCell("random", places, np.vstack(elements), "triangle", np.concatenate(tags), names, np.eye(2))


def box(shape: str, n: int, below: float) -> UnitCell:
    """n^3 cubes, or 6 tetrahedra in each; nodes of faces slide along them, ``below`` times as far on lower ones."""
    places = np.array(list(product(range(n + 1), repeat=3))) / n
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]])
    local = [corners]
    if shape == "tetra":
        steps = np.eye(3, dtype=int)
        local = [
            np.vstack([np.zeros((1, 3), dtype=int), np.cumsum(steps[list(o)], axis=0)]) for o in permutations(range(3))
        ]
    starts = np.array(list(product(range(n), repeat=3)))
    elements = np.vstack([(starts[:, None] + part) @ [(n + 1) ** 2, n + 1, 1] for part in local])
    s, moved = np.sin(np.pi * places), places.copy()
    for axis, (a, b) in enumerate(((1, 2), (2, 0), (0, 1))):
        first, second = (below + (1.0 - below) * places[:, k] for k in (a, b))
        moved[:, axis] += 0.4 / n * s[:, axis] * (first * (0.3 + s[:, b]) - 0.5 * second * s[:, a])
    return UnitCell(shape, moved, elements, shape, np.zeros(len(elements), dtype=int), ("cell",), np.eye(3))


def tensor(space: Space, K: FloatArray) -> FloatArray:
    return CellSolver(space).solve(K[None], TOL).tensor[0]


def relative(T: FloatArray, reference: FloatArray) -> float:
    return float(np.linalg.norm(T - reference, 2) / np.linalg.norm(reference, 2))


def exact_claims() -> list[Claim]:
    """A constant, and layers of contrast 1000, whatever the sides."""
    claims = []
    for order in (1, 2):
        space = CoupledSpace(triangles(5, 8, 0, layers=2), order)
        minimum = CellSolver(space).solve(np.ones((1, len(space.weights))), TOL)
        claims.append(Claim(f"p = {order}: correctors of a constant", np.abs(minimum.correctors).max(), 1e-12))
        layers = cs.exact.laminate([1.0, 1000.0], [0.5, 0.5], np.array([1.0, 0.0]))
        error = relative(tensor(space, np.where(space.tags == 0, 1.0, 1000.0)), layers)
        claims.append(Claim(f"p = {order}: layers 1:1000", error, 1e-10))
    return claims


def error(space: Space, reference: FloatArray) -> float:
    T = tensor(space, smooth(space.points))
    return float(np.linalg.norm(T - reference, 2) / np.linalg.norm(reference, 2))


def compared(label: str, pairs: list[tuple[UnitCell, UnitCell]], order: int, reference: FloatArray) -> list[Claim]:
    """The errors of coupled cells over those of matched ones alike, and over the estimates from elements of the other
    order and from the coupling."""
    ratios, covers = [], []
    for cell, alike in pairs:
        space, other = CoupledSpace(cell, order), CoupledSpace(cell, 3 - order)
        K = smooth(space.points)
        minimum = CellSolver(space).solve(K[None], TOL)
        ours, theirs = relative(minimum.tensor[0], reference), error(MeshSpace(alike, order), reference)
        coupling = float(coupling_error(space, K[None], minimum, TOL)[0])
        difference = relative(tensor(other, smooth(other.points)), minimum.tensor[0])
        ratios.append(ours / theirs)
        covers.append(ours / (coupling + 1.5 * difference))
    return [
        Claim(f"{label}, p = {order}: error / that of matched cells ({theirs:.1e})", max(ratios), 1.15),
        Claim(f"{label}, p = {order}: error / estimate", max(covers), 1.0),
    ]


def run(effort: int = 1) -> list[Claim]:
    claims = exact_claims()
    plane = cs.solve_cell_problem(cs.box_cell(2), SMOOTH[2], tol=1e-10).tensor
    space = cs.solve_cell_problem(cs.box_cell(3), SMOOTH[3], tol=1e-7).tensor
    seeds = range(1 + 4 * effort)
    for order in (1, 2):
        for n, ratio in product((8, 16, 32)[: 1 + 2 * effort], (1.0, 1.5, 2.0)[: 1 + 2 * effort]):
            m = round(ratio * n)
            pairs = [(triangles(n, m, seed), triangles(n, None, seed)) for seed in seeds]
            claims += compared(f"{n} triangles a side against {m}", pairs, order, plane)
        for shape, n in product(("tetra", "hexahedron"), (4, 8)[: 1 + effort]):
            claims += compared(f"{n} {shape} a side", [(box(shape, n, -0.5), box(shape, n, 1.0))], order, space)
    return claims


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
