"""The N-level recursion: from exp(-V1/sigma) I inwards out to K_0 and Z, for many rows at once.

A *row* fixes the outer variables (x, and y_1 .. y_outer where they are being studied). For the levels inside, K_k is
sampled in y_(outer+1) .. y_k as the plan says and carried to the quadrature points of level k. Rows, and samples, that
a level cannot tell apart are solved once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellsolve.fem.box_space import along_axis
from cellsolve.fem.space import FloatArray
from cellsolve.fem.trigonometric_line import trigonometric_matrix
from cellsolve.multiscale.fields import Fields, block_size, log_distance
from cellsolve.multiscale.lattice import (
    AtPoints,
    Lattice,
    aliasing_error,
    extended,
    fourier_amplitudes,
    with_foreseen,
)
from cellsolve.multiscale.level import solve_level
from cellsolve.multiscale.level_problems import LevelProblems
from cellsolve.multiscale.plan import IntArray, LevelSolver, Plan, Rows, Samples, Tally
from cellsolve.potentials import Level, Variable

__all__ = ["lattice_error", "prepared", "run_level", "sample_level"]

_BETWEEN = 3  # places between the samples of a lattice at which it is checked
_SAFETY, _LEAST_TRUST = 10.0, 0.3  # on errors seen on coarser lattices; how far estimates are lowered at most
_HARDEST = 2  # problems of a level that are solved by its checker in any case


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
    problems = LevelProblems.of(plan, level, rows, outer, inner)
    wanted = tuple(i for i in derivatives if Variable("x", i) in level.parameters)
    solver = plan.solvers[level.number]
    if level.is_trivial and np.isclose(solver.space.weights.sum(), 1.0, rtol=0, atol=1e-12):
        return problems.pass_through(wanted)
    channels = np.empty((problems.count, (1 + len(wanted)) * block_size(solver.space.dim)))
    iteration, contrast, rough = np.zeros((3, problems.count))
    errors = np.zeros((problems.count, plan.dim))
    solved_for = problems.mirrored()
    distinct = np.unique(solved_for)
    for numbers in np.array_split(distinct, -(-len(distinct) // solver.batch)):
        samples = problems.inner_samples(numbers)
        below = None if samples is None else problems.at_points(samples, solver.space)
        result = solve_level(level, solver, plan.sigma, plan.tol, problems.points(numbers), below, wanted)
        channels[numbers] = result.fields.channels
        iteration[numbers], contrast[numbers], rough[numbers] = result.error, result.contrast, result.roughness
        if plan.estimating and samples is not None and isinstance(plan.samplings[level.number], Lattice):
            values = samples.channels[..., : block_size(plan.dim)]
            errors[numbers] = aliasing_error(values, result.densities, solver.space, plan.foreseen[level.number])
        tally.add(level.number, result.iterations, int((~result.converged).sum()))
    channels, errors = channels[solved_for], errors[solved_for]
    iteration, contrast, rough = iteration[solved_for], contrast[solved_for], rough[solved_for]
    between, seen_error = 0.0, 0.0
    if plan.dim > 1 and errors.any():
        errors *= _overestimate(problems, channels, tally)
    if plan.checkers is not None:
        between = _check_lattice(problems, tally)
        seen_error = _check_hardest(problems, plan.checkers.get(level.number), channels, (contrast, rough), tally)
    interpolation = np.maximum(errors.sum(axis=1), between)
    iteration += plan.dropped.get(level.number, 0.0)
    collected = problems.collect(channels, iteration, interpolation, seen_error, wanted)
    alarming = between > 0.0 or (inner is not None and inner.alarming)
    return replace(collected, directions=np.maximum(errors.max(axis=0), between), alarming=alarming)


def _overestimate(problems: LevelProblems, channels: FloatArray, tally: Tally) -> FloatArray:
    """What to multiply `aliasing_error` by in each direction (d,), 1 at most, as seen on coarser lattices; d > 1, where
    amplitudes are bounds over lines.

    For the problem whose inner samples vary most they are resampled at two and four points less along each direction,
    which takes no inner problems, and the level is solved with that. The largest ratio of the error that this makes to
    the one estimated for it is trusted, with a factor of safety, for the lattice itself.
    """
    plan, level = problems.plan, problems.level
    number = np.array([problems.liveliest()])
    samples = problems.inner_samples(number)
    assert samples is not None
    values = samples.channels[..., : block_size(plan.dim)]
    coarser = [
        (axis, _resampled(values, axis + 1, count - less))
        for axis, count in enumerate(values.shape[1:-1])
        for less in (2, 4)
        if count - less >= 3
    ]
    if not coarser:
        return np.ones(plan.dim)
    solver, sampling = plan.solvers[level.number], plan.samplings[level.number]
    below = np.concatenate([sampling.to_points(v, solver.space) for _, v in coarser])
    points = {name: tuple(np.repeat(c, len(coarser)) for c in parts) for name, parts in problems.points(number).items()}
    result = solve_level(level, solver, plan.sigma, plan.tol, points, Fields(below, plan.dim, ()), ())
    tally.checks += len(coarser)
    here, ratios = channels[number, : block_size(plan.dim)], np.zeros(plan.dim)
    for row, (axis, v) in enumerate(coarser):
        seen = log_distance(result.fields.channels[row : row + 1], here, plan.dim)
        expected = aliasing_error(v, result.densities[row : row + 1], solver.space, plan.foreseen[level.number])
        ratios[axis] = max(ratios[axis], (seen + plan.tol) / max(float(expected[0, axis]), plan.tol))
    return np.where(ratios > 0, np.clip(_SAFETY * ratios, _LEAST_TRUST, 1.0), 1.0)


def _resampled(values: FloatArray, axis: int, count: int) -> FloatArray:
    """Samples on fewer points along one axis of a lattice."""
    return along_axis(trigonometric_matrix(values.shape[axis], np.arange(count) / count), values, axis)


def lattice_error(plan: Plan, level: Level, rows: Rows, outer: int, inner: Samples, tally: Tally) -> float:
    """The error between the samples of y_k that their tails do not account for: see `_check_lattice`."""
    return _check_lattice(LevelProblems.of(plan, level, rows, outer, inner), tally)


def _check_lattice(problems: LevelProblems, tally: Tally) -> float:
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
        count = values.shape[axis]
        half = (count + 1) // 2
        if count > 1:
            amplitudes = fourier_amplitudes(values, axis).reshape(1, -1, count // 2 + 1).max(axis=1)
            total += 4.0 * float(with_foreseen(extended(amplitudes), known, half)[:, half:].sum())
    return total


def _check_hardest(
    problems: LevelProblems,
    checker: LevelSolver | None,
    channels: FloatArray,
    measures: tuple[FloatArray, FloatArray],
    tally: Tally,
) -> float:
    """Solve the problems of largest contrast and the roughest, and others where the plan wants more, again on the next
    finer space: how far are they off?"""
    plan, level = problems.plan, problems.level
    if checker is None:
        return 0.0
    order, rough = (np.argsort(-measure, kind="stable") for measure in measures)
    if problems.inner is not None and not isinstance(plan.samplings[level.number], Lattice):
        return _check_at_points(problems, channels, order[:1], checker, tally)
    rows = order if plan.checked >= len(order) else np.union1d(_some(order, plan.checked), rough[:_HARDEST])
    tally.checks += len(rows)
    parts = np.array_split(rows, -(-len(rows) // checker.batch))
    return max(_off(problems, channels, part, checker) for part in parts)


def _some(order: IntArray, count: int) -> IntArray:
    """The first of an order, and others evenly from all of it."""
    others = np.linspace(0, len(order) - 1, count - _HARDEST, dtype=np.int64)
    return np.unique(np.concatenate([order[:_HARDEST], order[others]]))


def _off(problems: LevelProblems, channels: FloatArray, rows: IntArray, checker: LevelSolver) -> float:
    """How far some problems are off what another space gives for them."""
    plan, samples = problems.plan, problems.inner_samples(rows)
    below = None if samples is None else problems.at_points(samples, checker.space)
    result = solve_level(problems.level, checker, plan.sigma, plan.tol, problems.points(rows), below, ())
    return log_distance(result.fields.channels, channels[rows, : block_size(plan.dim)], plan.dim)


def _check_at_points(
    problems: LevelProblems, channels: FloatArray, number: IntArray, checker: LevelSolver, tally: Tally
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
