"""Arrhenius' law: log M against 1/sigma has the slope of the lowest saddle between a well and its copy.

M ~ C/sigma exp(-barrier/sigma) (Eyring, Kramers), so that the slope is the barrier less sigma, up to smaller terms.
On the line M = 1/(Z Zhat) in closed form, and by elements where it is not too cold; in the plane by elements, where the
saddle is found on a grid: the least over all paths to a copy of the well, in any direction, of their highest points;
the largest eigenvalue of M goes with it.
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

import cellsolve as cs
from cellsolve.plots import Plot
from cellsolve.plots.arrhenius import Arrhenius, arrhenius_lines
from cellsolve.validation import Claim, print_claims

LINE = {"cosine, d = 1": "cos(2*pi*y1)", "two wells, d = 1": "cos(4*pi*y1) + 0.6*cos(2*pi*y1 + 0.4)"}
PLANE = {
    "egg box, d = 2": "cos(2*pi*y1[0])*cos(2*pi*y1[1])",
    "many wells, d = 2": (
        "0.5*cos(4*pi*y1[0]) + 0.5*cos(4*pi*y1[1]) + 0.7*cos(2*pi*y1[0] + 0.5)*cos(2*pi*y1[1] + 0.3)"
        " + 0.4*sin(2*pi*y1[0])"
    ),
}
TOL = 1e-6
SHIFTS = {1: [(0,), (1,), (-1,)], 2: [(0, 0), *((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)]}
"""None, then those to the neighbouring cells."""


def barrier(V: cs.Potential) -> float:
    """Height of the lowest pass from the deepest well to one of its copies, in any direction, above its bottom."""
    count = 96 if V.dim == 2 else 4000
    y = np.stack(np.meshgrid(*[np.arange(count) / count] * V.dim, indexing="ij"), axis=-1)
    values = V.evaluate_V1(np.zeros(V.dim), y)
    tree, numbers = spanning_tree(np.tile(values, (3,) * V.dim))
    bottom = np.array(np.unravel_index(values.argmin(), values.shape))
    start, *copies = (int(numbers[tuple(bottom + count * (1 + np.array(m)))]) for m in SHIFTS[V.dim])
    return min(highest_edge(tree, start, copy) for copy in copies) - 1.0


def spanning_tree(values: np.ndarray) -> tuple[csr_array, np.ndarray]:
    """The least spanning tree of a grid whose edges are as high as the higher of their ends, and the numbers of nodes:
    its way from one point to another is the one whose highest point is lowest. Heights are above the bottom, plus 1."""
    numbers = np.arange(values.size).reshape(values.shape)
    along = [np.moveaxis(numbers, axis, 0) for axis in range(values.ndim)]
    rows, columns = (np.concatenate([a[part].ravel() for a in along]) for part in (slice(None, -1), slice(1, None)))
    heights = np.maximum(values.ravel()[rows], values.ravel()[columns])
    positive = heights - values.min() + 1.0  # zeros would be no edges
    tree = minimum_spanning_tree(coo_array((positive, (rows, columns)), shape=(values.size,) * 2).tocsr())
    return csr_array(tree + tree.T), numbers


def highest_edge(tree: csr_array, start: int, end: int) -> float:
    """Of the way from start to end."""
    _, before = breadth_first_order(tree, start)
    way = [end]
    while way[-1] != start:
        way.append(int(before[way[-1]]))
    return float(tree[way[1:], way[:-1]].max())


def inverse_temperatures(effort: int) -> np.ndarray:
    return np.linspace(1.0, 14.0, 14) if effort else np.array([1.0, 5.0, 10.0, 11.0])


@cache
def series(effort: int) -> tuple[Arrhenius, ...]:
    return (*map(on_the_line, LINE), *(in_the_plane(name, effort) for name in PLANE))


def on_the_line(name: str) -> Arrhenius:
    V, beta = cs.Potential(LINE[name], dim=1, scales=1), inverse_temperatures(1)
    M = [float(cs.exact.effective_diffusion_1d(V, 1.0 / b, np.zeros(1))) for b in beta]
    return Arrhenius(name, beta, np.log(M), barrier(V))


def in_the_plane(name: str, effort: int) -> Arrhenius:
    V, beta = cs.Potential(PLANE[name], dim=2, scales=1), inverse_temperatures(effort)
    found = [cs.homogenize(V, sigma=1.0 / b, tol=TOL).evaluate(np.zeros(2)).diffusion for b in beta]
    return Arrhenius(name, beta, np.log([np.linalg.eigvalsh(M)[-1] for M in found]), barrier(V))


def element_claims(effort: int) -> list[Claim]:
    """M by elements on the line against the closed form that is drawn."""
    claims = []
    for name, text in LINE.items():
        V = cs.Potential(text, dim=1, scales=1)
        for beta in (3.0, 30.0)[: 1 + effort]:
            M = float(cs.homogenize(V, sigma=1.0 / beta, tol=TOL).evaluate(np.zeros(1)).diffusion[0, 0])
            exact = float(cs.exact.effective_diffusion_1d(V, 1.0 / beta, np.zeros(1)))
            claims.append(Claim(f"{name}, 1/sigma = {beta:g}: relative error of M", abs(M / exact - 1.0), TOL))
    return claims


def slope_claims(effort: int) -> list[Claim]:
    """Between the two coldest temperatures."""
    claims = []
    for entry in series(effort):
        slope = -float(np.diff(entry.log_diffusion[-2:])[0] / np.diff(entry.inverse_sigma[-2:])[0])
        sigma = 1.0 / float(entry.inverse_sigma[-2:].mean())
        off = abs(slope - entry.barrier + sigma) / sigma
        claims.append(Claim(f"{entry.label}: |slope - (barrier - sigma)| / sigma", off, 0.25))
    return claims


def run(effort: int = 1) -> list[Claim]:
    return [*slope_claims(effort), *element_claims(effort)]


def plots(effort: int = 1) -> list[Plot]:
    return [arrhenius_lines(series(effort))]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
