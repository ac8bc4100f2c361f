"""The N-level recursion: from exp(-V1/sigma) I inwards out to K_0 and Z, for many rows at once.

A *row* fixes the outer variables (x, and y_1 .. y_outer where they are being studied). For the levels inside, K_k is
sampled in y_(outer+1) .. y_k as the plan says and carried to the quadrature points of level k. Rows, and samples, that
a level cannot tell apart are solved once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.solver import CellSolver
from cellsolve.multiscale.fields import Fields, block_size, log_distance
from cellsolve.multiscale.lattice import (
    AtPoints,
    Lattice,
    Sampling,
    aliasing_error,
    extended,
    fourier_amplitudes,
    with_foreseen,
)
from cellsolve.multiscale.level import Points, solve_level
from cellsolve.potentials import Level, Variable

__all__ = ["Plan", "Rows", "Samples", "Tally", "lattice_error", "prepared", "run_level", "sample_axes", "sample_level"]

IntArray = npt.NDArray[np.int64]
_BETWEEN = 3  # places between the samples of a lattice at which it is checked
_CHECKED = 2  # problems of a level that are solved on a finer space as well
Rows = dict[str, FloatArray]  # outer variable -> (R, d)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How each level is solved and sampled; ``tol`` is the relative iteration error of one cell problem."""

    levels: tuple[Level, ...]  # N .. 1
    sigma: float
    tol: float
    solvers: dict[int, CellSolver]
    samplings: dict[int, Sampling]  # of y_1 .. y_(N-1)
    checkers: dict[int, CellSolver] | None = None  # k -> the next finer space; None: results are not checked
    foreseen: dict[int, tuple[FloatArray, ...]] = field(
        default_factory=dict
    )  # k -> amplitudes along each direction of y_k
    prepared: dict[int, Samples] = field(default_factory=dict)  # k -> samples of Khat_k, where it is free of x

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

    def for_rows(self, count: int) -> Samples:
        """The same samples for any rows, where they are free of what the rows fix."""
        return replace(self, inverse=np.zeros(count, dtype=np.int64))


def sample_level(plan: Plan, rows: Rows, outer: int, k: int, derivatives: tuple[int, ...], tally: Tally) -> Samples:
    """log Khat_k over the samples of y_(outer+1) .. y_k, for every row; at k = outer the homogenized values."""
    samples: Samples | None = None
    count = len(next(iter(rows.values())))
    for level in plan.levels:
        if level.number <= k:
            break
        if outer == 0 and level.number - 1 in plan.prepared:
            samples = plan.prepared[level.number - 1].for_rows(count)
        else:
            samples = run_level(plan, level, rows, outer, samples, derivatives, tally)
    if samples is None:
        raise AssertionError(f"no level inside k = {k}")
    return samples


def prepared(plan: Plan, tally: Tally) -> Plan:
    """The plan with the samples of all levels that no macroscopic variable reaches, solved once for all x."""
    done = dict(plan.prepared)
    nowhere: Rows = {"x": np.zeros((1, plan.dim))}
    for level in plan.levels[:-1]:
        if any(v.name == "x" for v in level.parameters):
            break
        if level.number - 1 in done:
            continue
        inner = done.get(level.number)
        done[level.number - 1] = run_level(plan, level, nowhere, 0, inner, (), tally)
    return replace(plan, prepared=done)


def run_level(
    plan: Plan,
    level: Level,
    rows: Rows,
    outer: int,
    inner: Samples | None,
    derivatives: tuple[int, ...],
    tally: Tally,
) -> Samples:
    """All cell problems of one level, in batches."""
    problems = _LevelProblems.of(plan, level, rows, outer, inner)
    wanted = tuple(i for i in derivatives if Variable("x", i) in level.parameters)
    solver = plan.solvers[level.number]
    if level.is_trivial and np.isclose(solver.space.weights.sum(), 1.0, rtol=0, atol=1e-12):
        return problems.pass_through(wanted)
    channels = np.empty((problems.count, (1 + len(wanted)) * block_size(solver.space.dim)))
    iteration, interpolation, contrast = np.zeros((3, problems.count))
    directions = np.zeros(plan.dim)
    for start in range(0, problems.count, solver.batch):
        numbers = np.arange(start, min(start + solver.batch, problems.count))
        samples = problems.inner_samples(numbers)
        below = None if samples is None else problems.at_points(samples, solver.space)
        result = solve_level(level, solver, plan.sigma, plan.tol, problems.points(numbers), below, wanted)
        channels[numbers] = result.fields.channels
        iteration[numbers], contrast[numbers] = result.error, result.contrast
        if samples is not None and isinstance(plan.samplings[level.number], Lattice):
            values = samples.channels[..., : block_size(plan.dim)]
            foreseen = plan.foreseen[level.number]
            errors = aliasing_error(values, result.densities, solver.space, foreseen)
            interpolation[numbers] = errors.sum(axis=1)
            directions = np.maximum(directions, errors.max(axis=0))
        tally.add(level.number, result.iterations, int((~result.converged).sum()))
    between, seen_error = 0.0, 0.0
    if plan.checkers is not None:
        between = _check_lattice(problems, tally)
        seen_error = _check_hardest(problems, plan.checkers.get(level.number), channels, contrast, tally)
    collected = problems.collect(channels, iteration, np.maximum(interpolation, between), seen_error, wanted)
    return replace(collected, directions=np.maximum(directions, between))


def lattice_error(plan: Plan, level: Level, rows: Rows, outer: int, inner: Samples, tally: Tally) -> float:
    """The error between the samples of y_k that their tails do not account for: see `_check_lattice`."""
    return _check_lattice(_LevelProblems.of(plan, level, rows, outer, inner), tally)


def _check_lattice(problems: _LevelProblems, tally: Tally) -> float:
    """Compute Khat_k between the samples of y_k, for a problem that varies most: 0 where the lattice is as good as its
    tail says, else the error found, which is then an upper bound of what it does to averages."""
    plan, level = problems.plan, problems.level
    k, lattice = level.number, plan.samplings.get(level.number)
    if problems.inner is None or not isinstance(lattice, Lattice) or max(lattice.counts) == 1:
        return 0.0
    number = np.array([problems.liveliest()])
    samples = problems.inner_samples(number)
    assert samples is not None
    values = samples.channels[..., : block_size(plan.dim)]
    places = np.random.default_rng(k).random((_BETWEEN, plan.dim)) @ lattice.period
    rows = {
        name: np.repeat(np.stack(parts, axis=1), _BETWEEN, axis=0) for name, parts in problems.points(number).items()
    }
    own = Tally()
    actual = sample_level(replace(plan, checkers=None), {**rows, level.name: places}, k, k, (), own)
    tally.checks += sum(own.problems.values())
    there = actual.fields.channels[actual.inverse][:, : block_size(plan.dim)]
    error = float(np.abs(lattice.at(values, places)[0] - there).max())
    return 0.0 if error <= max(_pointwise(values, plan.foreseen[k]), 20.0 * plan.tol) else error


def _pointwise(values: FloatArray, foreseen: tuple[FloatArray, ...]) -> float:
    """Interpolation error of samples (1, n_0, .., n_(d-1), c) that their tails and the scan account for."""
    total = 0.0
    for axis, known in enumerate(foreseen, start=1):
        half = values.shape[axis] // 2
        if half:
            amplitudes = fourier_amplitudes(values, axis).reshape(1, -1, half + 1).max(axis=1)
            total += 4.0 * float(with_foreseen(extended(amplitudes), known, half)[:, half:].sum())
    return total


def _check_hardest(
    problems: _LevelProblems, checker: CellSolver | None, channels: FloatArray, contrast: FloatArray, tally: Tally
) -> float:
    """Solve the problems of largest contrast again on the next finer space: how far are they off?"""
    plan, level = problems.plan, problems.level
    if checker is None:
        return 0.0
    hardest = np.argsort(-contrast, kind="stable")[:_CHECKED]
    if problems.inner is not None and not isinstance(plan.samplings[level.number], Lattice):
        return _check_at_points(problems, channels, hardest[:1], checker, tally)
    samples = problems.inner_samples(hardest)
    below = None if samples is None else problems.at_points(samples, checker.space)
    result = solve_level(level, checker, plan.sigma, plan.tol, problems.points(hardest), below, ())
    tally.checks += len(hardest)
    return log_distance(result.fields.channels, channels[hardest, : block_size(plan.dim)], plan.dim)


def _check_at_points(
    problems: _LevelProblems, channels: FloatArray, number: IntArray, checker: CellSolver, tally: Tally
) -> float:
    """The same where Khat_k stands at the quadrature points: on the finer space it is sampled anew. A level of very few
    problems was compared so when it was planned."""
    plan, k = problems.plan, problems.level.number
    if problems.count <= 2:
        return 0.0
    solvers = {**plan.solvers, k: checker}
    samplings = {**plan.samplings, k: AtPoints(len(checker.space.weights), plan.dim)}
    finer = replace(plan, solvers=solvers, samplings=samplings, checkers=None, prepared={})
    rows = {name: np.stack(parts, axis=1) for name, parts in problems.points(number).items()}
    own = Tally()
    samples = sample_level(finer, rows, k - 1, k - 1, (), own)
    tally.checks += sum(own.problems.values())
    return log_distance(samples.fields.channels[samples.inverse], channels[number, : block_size(plan.dim)], plan.dim)


@dataclass(frozen=True, slots=True, eq=False)
class _LevelProblems:
    """The cell problems of level k, numbered over (distinct rows) x (samples of y_(outer+1) .. y_(k-1))."""

    plan: Plan
    level: Level
    rows: Rows
    outer: int
    inner: Samples | None
    representatives: IntArray  # (U,) a row for each distinct one
    inverse: IntArray
    shape: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan, level: Level, rows: Rows, outer: int, inner: Samples | None) -> _LevelProblems:
        representatives, inverse = _distinct(rows, level)
        shape = (len(representatives), *sample_axes(plan, level, outer))
        return cls(plan, level, rows, outer, inner, representatives, inverse, shape)

    @property
    def count(self) -> int:
        return int(np.prod(self.shape))

    def points(self, numbers: IntArray) -> Points:
        """Values of the outer variables for these problems."""
        row, *axes = np.unravel_index(numbers, self.shape)
        result: Points = {name: tuple(v[self.representatives[row]].T) for name, v in self.rows.items()}
        dim = self.plan.solvers[self.level.number].space.dim
        for position, j in enumerate(range(self.outer + 1, self.level.number)):
            own = self.plan.samplings[j].restricted(f"y{j}", self.level.parameters)
            components = own.components(self.plan.solvers[j].space)
            index = tuple(axes[position * dim : (position + 1) * dim])
            result[f"y{j}"] = tuple(component[_within(index, component.shape)] for component in components)
        return result

    def inner_samples(self, numbers: IntArray) -> Fields | None:
        """log Khat_k over the samples of y_k, for these problems: (b, d axes, c)."""
        if self.inner is None:
            return None
        row, *axes = np.unravel_index(numbers, self.shape)
        fields = self.inner.fields
        index = (self.inner.inverse[self.representatives[row]], *axes)
        return replace(fields, channels=fields.channels[_within(index, fields.channels.shape)])

    def liveliest(self) -> int:
        """A problem in whose y_k the inner log Khat_k varies most."""
        assert self.inner is not None
        channels = self.inner.fields.channels
        lead = (len(channels), -1, int(np.prod(channels.shape[-1 - self.plan.dim : -1])), channels.shape[-1])
        spread = np.ptp(channels.reshape(lead)[..., : block_size(self.plan.dim)], axis=2).max(axis=2)
        unique, outer = np.unravel_index(int(spread.argmax()), spread.shape)
        row = int(np.flatnonzero(self.inner.inverse[self.representatives] == unique)[0])
        shape = channels.shape[1 : 1 + len(self.shape) - 1]
        axes = np.unravel_index(int(outer), shape) if shape else ()
        return int(np.ravel_multi_index((row, *axes), self.shape))

    def at_points(self, samples: Fields, space: Space) -> Fields:
        """Carried to the quadrature points of a space: (b, q, c)."""
        sampling = self.plan.samplings[self.level.number]
        return replace(samples, channels=sampling.to_points(samples.channels, space))

    def collect(
        self,
        channels: FloatArray,
        iteration: FloatArray,
        interpolation: FloatArray,
        discretization: float,
        derivatives: tuple[int, ...],
    ) -> Samples:
        """Results in the order of the problems, as samples with the errors of all levels so far."""
        fields = Fields(channels.reshape((*self.shape, -1)), self.plan.dim, derivatives)
        own = np.stack([iteration, interpolation]).reshape(2, self.shape[0], -1).max(axis=2)
        errors = {self.level.number: discretization}
        if self.inner is not None:
            errors = {**self.inner.discretization, **errors}
            rows = self.inner.inverse[self.representatives]
            own = own + np.stack([self.inner.iteration[rows], self.inner.interpolation[rows]])
        return Samples(fields, self.inverse, own[0], own[1], errors, np.zeros(self.plan.dim))

    def pass_through(self, derivatives: tuple[int, ...]) -> Samples:
        """A level on which nothing varies: Khat_(k-1) = Khat_k, or I at the innermost."""
        dim = self.plan.dim
        if self.inner is None:
            zero = np.zeros((self.count, (1 + len(derivatives)) * block_size(dim)))
            return self.collect(zero, np.zeros(self.count), np.zeros(self.count), 0.0, derivatives)
        channels = self.inner.fields.channels
        shape = (*channels.shape[: channels.ndim - 1 - dim], channels.shape[-1])
        return replace(self.inner, fields=replace(self.inner.fields, channels=channels.reshape(shape)))


def sample_axes(plan: Plan, level: Level, outer: int) -> tuple[int, ...]:
    """Lengths of the d axes each that y_(outer+1) .. y_(k-1) take in the results of level k."""
    axes = list[int]()
    for j in range(outer + 1, level.number):
        axes += plan.samplings[j].restricted(f"y{j}", level.parameters).axes
    return tuple(axes)


def _within(index: tuple[IntArray, ...], shape: tuple[int, ...]) -> tuple[IntArray, ...]:
    """Indices into an array that has length 1 along axes on which it does not depend."""
    return tuple(i if n > 1 else np.zeros_like(i) for i, n in zip(index, shape, strict=False))


def _distinct(rows: Rows, level: Level) -> tuple[IntArray, IntArray]:
    """Rows that differ in a parameter of the level: (U,) representatives and (R,) inverse."""
    parameters = sorted(v for v in level.parameters if v.name in rows)
    count = len(next(iter(rows.values())))
    if not parameters:
        return np.zeros(1, dtype=np.int64), np.zeros(count, dtype=np.int64)
    table = np.stack([rows[v.name][:, v.index] for v in parameters], axis=1)
    _, representatives, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return representatives.astype(np.int64), inverse.ravel().astype(np.int64)
