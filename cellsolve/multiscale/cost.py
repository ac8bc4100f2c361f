"""What a plan costs: cell problems per level, unknowns, memory, and the time by a measured rate."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from cellsolve.fem.space import FloatArray
from cellsolve.multiscale.fields import block_size
from cellsolve.multiscale.level_problems import sample_axes
from cellsolve.multiscale.plan import Plan, Tally
from cellsolve.multiscale.recursion import run_level, sample_level
from cellsolve.potentials import Level

__all__ = ["Cost", "estimate_cost", "problems_per_row"]


@dataclass(frozen=True, slots=True)
class Cost:
    """The work that a plan asks for at a number of distinct macroscopic points, of which ``solved`` are solved at."""

    points: int
    solved: int
    problems: dict[int, int]  # level -> cell problems
    unknowns: dict[int, int]  # level -> unknowns of one corrector component
    memory: int  # bytes of one worker's largest arrays, and of the results
    seconds: float  # of one worker, after planning
    planning_seconds: float

    def plus(self, other: Cost) -> Cost:
        """The work of both, one after the other, at the same points."""
        return replace(
            self,
            problems={k: n + other.problems[k] for k, n in self.problems.items()},
            unknowns={k: max(n, other.unknowns[k]) for k, n in self.unknowns.items()},
            memory=max(self.memory, other.memory),
            seconds=self.seconds + other.seconds,
            planning_seconds=self.planning_seconds + other.planning_seconds,
        )

    @property
    def total_problems(self) -> int:
        return sum(self.problems.values())


def problems_per_row(plan: Plan) -> dict[int, int]:
    """Level -> cell problems for one macroscopic point (those free of x are not repeated, and count 0)."""
    return {level.number: 0 if level.number - 1 in plan.prepared else _samples(plan, level) for level in plan.levels}


def _samples(plan: Plan, level: Level) -> int:
    return int(np.prod(sample_axes(plan, level, 0), initial=1, dtype=np.int64))


def estimate_cost(plan: Plan, solved: int, rows_per_chunk: int, x: FloatArray, planning_seconds: float) -> Cost:
    """Cost at the distinct macroscopic points x (U, d), ``solved`` of which, or of nodes between them, are solved; a
    batch of each level, solved at x[0], shows how fast."""
    repeated = problems_per_row(plan)
    problems, seconds = dict[int, int](), 0.0
    for level in plan.levels:
        once = _samples(plan, level)
        problems[level.number] = once if level.number - 1 in plan.prepared else repeated[level.number] * solved
        seconds += repeated[level.number] * solved * _seconds_per_problem(plan, level, x)
    unknowns = {level.number: plan.solvers[level.number].space.n_dofs for level in plan.levels}
    memory = _memory(plan, rows_per_chunk) + 3 * len(x) * (1 + plan.dim) * block_size(plan.dim) * 8
    return Cost(len(x), solved, problems, unknowns, memory, seconds, planning_seconds)


def _memory(plan: Plan, rows: int) -> int:
    """Samples handed from level to level, and the working arrays of the largest batch."""
    dim = plan.dim
    channels = (1 + dim) * block_size(dim) * 8
    samples = sum(_samples(plan, level) * rows for level in plan.levels) * channels
    batches = [
        s.batch * (12 * dim * dim + (1 + dim) * dim * dim) * len(s.space.weights) * 8 for s in plan.solvers.values()
    ]
    return samples + max(batches)


def _seconds_per_problem(plan: Plan, level: Level, x: FloatArray) -> float:
    """Time of one cell problem of the level, from a batch of them at random places."""
    if level.is_trivial:
        return 0.0
    plan = replace(plan, checkers=None)
    count = plan.solvers[level.number].batch
    random = np.random.default_rng(0)
    rows = {"x": np.repeat(x[:1], count, axis=0)}
    for k in range(1, level.number):
        rows[f"y{k}"] = random.random((count, plan.dim))
    inner = None
    if level is not plan.levels[0]:
        rows = {name: values[:1] for name, values in rows.items()}
        inner = sample_level(plan, rows, level.number - 1, level.number, (), Tally())
    wanted = tuple(sorted(v.index for v in level.parameters if v.name == "x"))
    run_level(plan, level, rows, level.number - 1, inner, wanted, Tally())  # the first time is slower
    tally, start = Tally(), time.perf_counter()
    run_level(plan, level, rows, level.number - 1, inner, wanted, tally)
    return (time.perf_counter() - start) / max(sum(tally.problems.values()), 1)
