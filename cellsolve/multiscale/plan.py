"""What a recursion works with: its plan, the rows it is run for, the samples it hands on, the count of its work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum, OnSolved
from cellsolve.multiscale.fields import Fields
from cellsolve.multiscale.lattice import Sampling
from cellsolve.potentials import Level

__all__ = ["IntArray", "LevelSolver", "Plan", "Rows", "Samples", "Tally"]

IntArray = npt.NDArray[np.int64]
Rows = dict[str, FloatArray]  # outer variable -> (R, d)


class LevelSolver(Protocol):
    """Gives the tensors Khat_(k-1) of coefficients: of elements, or bounds of them."""

    @property
    def space(self) -> Space: ...

    @property
    def batch(self) -> int:
        """How many cell problems to solve together."""
        ...

    def solve(self, K: FloatArray, tol: float, *, on_solved: OnSolved | None = None) -> CellMinimum:
        """Tensors of K, (B, q) or (B, d, d, q), to a relative error ``tol``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How each level is solved and sampled; ``tol`` is the relative iteration error of one cell problem."""

    levels: tuple[Level, ...]  # N .. 1
    sigma: float
    tol: float
    solvers: dict[int, LevelSolver]
    samplings: dict[int, Sampling]  # of y_1 .. y_(N-1)
    checkers: dict[int, LevelSolver] | None = None  # k -> the next finer space; None: results are not checked
    checked: int = 2  # problems of a level that are solved by its checker as well
    foreseen: dict[int, tuple[FloatArray, ...]] = field(
        default_factory=dict
    )  # k -> amplitudes along each direction of y_k
    scanned: dict[int, tuple[FloatArray, ...]] = field(default_factory=dict)  # the same, however small
    dropped: dict[int, float] = field(default_factory=dict)  # k -> size of the waves in y_k too small to be sampled
    prepared: dict[int, Samples] = field(default_factory=dict)  # k -> samples of Khat_k, where it is free of x
    estimating: bool = True  # are the errors of lattices wanted?
    even: frozenset[int] = frozenset()  # levels k for which V1 is the same at -y_1 .. -y_N, all terms of k .. N

    @property
    def dim(self) -> int:
        """Space dimension d."""
        return next(iter(self.solvers.values())).space.dim


@dataclass(slots=True)
class Tally:
    """What was solved, level by level, and what did not converge."""

    problems: dict[int, int] = field(default_factory=dict)
    iterations: dict[int, int] = field(default_factory=dict)
    unconverged: int = 0
    checks: int = 0  # problems solved again on a finer space
    report: Callable[[int], None] | None = None  # told the number of problems just solved

    def add(self, level: int, iterations: IntArray, unconverged: int) -> None:
        self.problems[level] = self.problems.get(level, 0) + len(iterations)
        self.iterations[level] = self.iterations.get(level, 0) + int(iterations.sum())
        self.unconverged += unconverged
        if self.report is not None:
            self.report(len(iterations))

    def merge(self, other: Tally) -> None:
        for level, count in other.problems.items():
            self.problems[level] = self.problems.get(level, 0) + count
            self.iterations[level] = self.iterations.get(level, 0) + other.iterations[level]
        self.unconverged += other.unconverged
        self.checks += other.checks


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """log Khat over (distinct rows) x (d axes for each y_(outer+1) .. y_k), and the errors it carries."""

    fields: Fields  # (U, axes.., c)
    inverse: IntArray  # (R,) which distinct row a row belongs to
    iteration: FloatArray  # (U,) relative error by stopping early, summed over the levels inside
    interpolation: FloatArray  # (U,) relative error by the lattices, summed over the levels inside
    discretization: dict[int, float]  # level -> relative error of its space at its hardest problems
    directions: FloatArray  # (d,) the largest error by the lattice of the last level, by direction
    alarming: bool = False  # do lattices err between their samples more than their tails say, at some level inside?

    def for_rows(self, count: int) -> Samples:
        """The same samples for any rows, where they are free of what the rows fix."""
        return replace(self, inverse=np.zeros(count, dtype=np.int64))
