"""The basis of a lattice that people expect: the shortest vectors, along the axes as far as can be."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from cellsolve.cells.shapes import Floats

__all__ = ["along_axes", "reduced_period"]

_SAME = 1e-6
"""Lengths that differ by less, relative to the period, are equal."""


def reduced_period(period: Floats) -> Floats:
    """The shortest basis of the lattice of ``period`` (d, d); of equal ones, the one nearest to the axes.

    Rows point along the positive axes, p_i along axis i, as far as can be. Found by trying all: the vectors of
    a shortest basis are sums of -2 .. 2 of a basis that is reduced pair by pair.
    """
    basis = _shortened(period)
    dim = len(basis)
    volume, scale = abs(np.linalg.det(basis)), np.linalg.norm(basis, axis=1).max()
    every = np.array([n for n in product(range(-2, 3), repeat=dim) if any(n)]) @ basis
    lengths = np.round(np.linalg.norm(every, axis=1) / scale, 6)
    short = every[np.lexsort([*np.round(-every.T[::-1] / scale, 6), lengths])][: 2 * (2**dim - 1) + 6]
    rows = np.array(list(permutations(range(len(short)), dim)))
    bases = short[rows]
    bases = bases[np.abs(np.abs(np.linalg.det(bases)) - volume) <= 1e-6 * volume]
    bases = bases[(np.diagonal(bases, axis1=1, axis2=2) >= -_SAME * scale).all(axis=1)]
    return np.array(bases[_best(bases / scale)])


def along_axes(edges: Floats) -> Floats:
    """The same vectors, ordered and turned so that p_i points along axis i as far as can be."""
    dim = len(edges)
    unit = np.abs(edges) / np.linalg.norm(edges, axis=1)[:, None]
    orders = list(permutations(range(dim)))
    scores = [np.round(unit[list(order), range(dim)].prod(), 9) for order in orders]
    rows = edges[list(orders[int(np.argmax(scores))])]
    return np.asarray(rows * np.where(np.diag(rows) < 0, -1.0, 1.0)[:, None])


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
