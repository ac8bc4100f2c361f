"""Sparse polynomial interpolation of fields on a box: Newton's form on Leja points, one node for each term.

    f(x) ~ sum_(nu in S) s_nu prod_i N_(nu_i)(x_i),     N_k(t) = prod_(j < k) (t - t_j) / (t_k - t_j)

S is downward closed (with nu it holds all smaller indices). N_nu vanishes at the node of mu unless nu <= mu, so the
surplus s_nu is the value at the node of nu less what the smaller terms give there, and never changes when S grows.
Leja points t_0, t_1, .. of [-1, 1] each maximize the product of the distances to those before
(Chkifa, Cohen, Schwab, Found. Comput. Math. 14 (2014) 601).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray

__all__ = ["MAX_DEGREE", "NewtonInterpolant", "leja_points"]

IntArray = npt.NDArray[np.int64]
MAX_DEGREE = 48
_BLOCK = 4096  # points at which terms are evaluated together


@cache
def leja_points() -> FloatArray:
    """t_0 .. t_MAX_DEGREE: 0, 1, -1, and so on."""
    grid = np.cos(np.pi * np.arange(20001) / 20000)
    points, product = [0.0, 1.0], np.abs(grid * (grid - 1.0))
    while len(points) <= MAX_DEGREE:
        points.append(float(grid[product.argmax()]))
        product = product * np.abs(grid - points[-1])
    return np.array(points)


@dataclass(frozen=True, slots=True, eq=False)
class NewtonInterpolant:
    """The terms of c fields on the box [-1, 1]^d."""

    indices: IntArray  # (m, d)
    surpluses: FloatArray  # (m, c)

    @classmethod
    def empty(cls, dim: int, fields: int) -> NewtonInterpolant:
        return cls(np.zeros((0, dim), dtype=np.int64), np.zeros((0, fields)))

    def at(self, x: FloatArray) -> FloatArray:
        """Values (P, c) at points (P, d) of the box."""
        values = np.empty((len(x), self.surpluses.shape[1]))
        for start in range(0, len(x), _BLOCK):
            block = slice(start, start + _BLOCK)
            values[block] = _terms(self.indices, x[block]) @ self.surpluses
        return values

    def extended(self, indices: IntArray, values: FloatArray) -> NewtonInterpolant:
        """With more terms (m', d), given the values (m', c) at their nodes; smaller indices come first."""
        new = NewtonInterpolant(indices, values - self.at(nodes(indices)))
        terms = _terms(indices, nodes(indices))
        surpluses = np.linalg.solve(terms, new.surpluses)  # lower triangular, ones on its diagonal
        return NewtonInterpolant(np.concatenate([self.indices, indices]), np.concatenate([self.surpluses, surpluses]))

    def margin(self) -> IntArray:
        """Indices (m', d) not in S, all of whose backward neighbours are in S."""
        present = {tuple(nu) for nu in self.indices.tolist()}
        found = set[tuple[int, ...]]()
        for nu in present:
            for i in range(len(nu)):
                candidate = (*nu[:i], nu[i] + 1, *nu[i + 1 :])
                if candidate not in present and _admissible(candidate, present):
                    found.add(candidate)
        return np.array(sorted(found, key=lambda nu: (sum(nu), nu)), dtype=np.int64)

    def expected(self, margin: IntArray, sizes: FloatArray) -> FloatArray:
        """Sizes expected of the surpluses of the margin (m',), ``sizes`` (m,) being those in S: no larger than one step
        back along any axis. Where terms of odd or even order vanish, two steps back count, with a tenth."""
        size = dict(zip(map(tuple, self.indices.tolist()), sizes.tolist(), strict=True))
        return np.array([min(_from_behind(nu, i, size) for i, k in enumerate(nu) if k) for nu in margin.tolist()])


def _from_behind(nu: list[int], i: int, size: dict[tuple[int, ...], float]) -> float:
    one, two = ((*nu[:i], nu[i] - step, *nu[i + 1 :]) for step in (1, 2))
    return max(size[one], 0.1 * size.get(two, 0.0))


def nodes(indices: IntArray) -> FloatArray:
    """The node (m, d) of each index."""
    result: FloatArray = leja_points()[indices]
    return result


def _admissible(nu: tuple[int, ...], present: set[tuple[int, ...]]) -> bool:
    return all(k == 0 or (*nu[:i], k - 1, *nu[i + 1 :]) in present for i, k in enumerate(nu))


def _terms(indices: IntArray, x: FloatArray) -> FloatArray:
    """N_nu(x): (P, m)."""
    result = np.ones((len(x), len(indices)))
    for i in range(x.shape[1]):
        highest = int(indices[:, i].max(initial=0))
        result *= _newton(x[:, i], highest)[:, indices[:, i]]
    return result


def _newton(t: FloatArray, highest: int) -> FloatArray:
    """N_0 .. N_highest at t: (P, highest + 1)."""
    points = leja_points()
    values = np.ones((highest + 1, len(t)))
    for k in range(1, highest + 1):
        values[k] = values[k - 1] * (t - points[k - 1])
    scales = [np.prod(points[k] - points[:k]) for k in range(highest + 1)]
    result: FloatArray = values.T / scales
    return result
