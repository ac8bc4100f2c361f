"""The basis of a lattice that people expect: the shortest vectors, along the axes as far as can be."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from cellsolve.cells.shapes import Floats

__all__ = ["along_axes", "reduced_period"]

_SAME = 1e-6
"""Lengths that differ by less, relative to the period, are equal."""
_ZERO = 1e-13


def reduced_period(period: Floats) -> Floats:
    """The shortest basis of the lattice of ``period`` (d, d); of equal ones, the one nearest to the axes.

    Rows point along the positive axes, p_i along axis i, as far as can be. Found by trying all sums of -1, 0, 1
    of a basis that is reduced pair by pair, until none is shorter.
    """
    basis = _shortened(period)
    while True:
        better = _best_of_sums(basis)
        if (better**2).sum() >= (basis**2).sum() * (1.0 - _SAME):
            return better
        basis = better


def _best_of_sums(basis: Floats) -> Floats:
    dim = len(basis)
    volume, scale = abs(np.linalg.det(basis)), np.linalg.norm(basis, axis=1).max()
    steps = [n for n in product((-1, 0, 1), repeat=dim) if next((a for a in n if a), 0) > 0]
    vectors = np.array(steps) @ basis
    bases = vectors[np.array(list(permutations(range(len(vectors)), dim)))]
    bases = bases[np.abs(np.abs(np.linalg.det(bases)) - volume) <= _SAME * volume]
    bases = bases * _signs(bases / scale)[:, :, None]
    best = bases[_best(bases / scale)]
    return np.where(np.abs(best) > _ZERO * scale, best, 0.0)


def _signs(bases: Floats) -> Floats:
    """Signs (b, d) that make the component of p_i along axis i positive; where it is 0, the sum of all."""
    along = np.diagonal(bases, axis1=1, axis2=2)
    deciding = np.where(np.abs(along) > _SAME, along, bases.sum(axis=2))
    return np.where(deciding < -_SAME, -1.0, 1.0)


def along_axes(edges: Floats) -> Floats:
    """The same vectors, ordered and turned so that p_i points along axis i as far as can be."""
    dim = len(edges)
    unit = np.abs(edges) / np.linalg.norm(edges, axis=1)[:, None]
    orders = list(permutations(range(dim)))
    scores = [np.round(unit[list(order), range(dim)].prod(), 9) for order in orders]
    rows = edges[list(orders[int(np.argmax(scores))])]
    # Adding 0 takes the sign off zeros.
    return np.asarray(rows * np.where(np.diag(rows) < 0, -1.0, 1.0)[:, None] + 0.0)


def _best(bases: Floats) -> int:
    """Shortest; then the most along the axes; then the most positive; then the first by its entries."""
    lengths = np.linalg.norm(bases, axis=2)
    total = (lengths**2).sum(axis=1)
    aligned = (np.diagonal(bases, axis1=1, axis2=2) / lengths).prod(axis=1)
    entries = bases.reshape(len(bases), -1)
    keys = [*(-entries.T[::-1]), -entries.sum(axis=1), -aligned, total]
    return int(np.lexsort([np.round(key, 6) for key in keys])[0])


def _shortened(period: Floats) -> Floats:
    """Whole multiples of the shorter vectors taken off the longer ones until nothing gets shorter."""
    basis = np.array(period, dtype=float)
    for _ in range(1000):
        before = np.linalg.norm(basis, axis=1)
        basis = basis[np.argsort(before, kind="stable")]
        for row in range(1, len(basis)):
            for other in range(row):
                steps = np.rint(basis[row] @ basis[other] / (basis[other] @ basis[other]))
                basis[row] -= steps * basis[other]
        if np.linalg.norm(basis, axis=1).sum() >= before.sum() * (1.0 - 1e-12):
            break
    return basis
