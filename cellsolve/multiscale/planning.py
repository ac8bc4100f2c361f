"""Choosing, from the inside out, the space of each level and the sampling of each y_k, to meet a tolerance.

Budget of the relative error of M over N levels: a quarter of ``tol`` for the spaces, a quarter for the lattices, the
rest left to iterations and to what the probes did not see. Probes are drawn from a fixed seed: the plan depends on the
potential, the temperature, the cells, the tolerance and the macroscopic points, on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellsolve.cells import BoxCell
from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.resolution import Cell, Ladder, space_ladder
from cellsolve.fem.space import FloatArray
from cellsolve.fem.trigonometric_line import trigonometric_matrix
from cellsolve.multiscale.features import LOOKED_AT, by_roughness, hidden_error, on_lines, roughest_line, sees
from cellsolve.multiscale.fields import log_distance
from cellsolve.multiscale.lattice import (
    AtPoints,
    Lattice,
    alias_sum,
    extended,
    fourier_amplitudes,
    moves,
    needed_count,
    tail,
)
from cellsolve.multiscale.level import level_coefficient, terms_at
from cellsolve.multiscale.plan import LevelSolver, Plan, Rows, Samples, Tally
from cellsolve.multiscale.planned import Planned
from cellsolve.multiscale.recursion import lattice_error, prepared, run_level, sample_level
from cellsolve.multiscale.schemes import ESTIMATE, Scheme
from cellsolve.potentials import Level, Potential, Variable, levels_of

__all__ = ["Planned", "Task", "make_plan"]

_MAX_LINE = {1: 128, 2: 64, 3: 32}  # samples of a line beyond which quadrature points are the better places
_PREDICTED_SHARE = 0.5  # of the error allowed to a space, when it is predicted
_NOISE = 0.25  # of the error allowed to a lattice: waves that are not sampled
_PHASES = 0.3  # sums of amplitudes over errors of averages: 30 to 1000 seen, of which estimates use 3
_MIRRORED = 1024  # places at which a potential is compared with its mirror image
_LINES = 2  # lines scanned in each component
_PROBES = 6
_CANDIDATES = 512
_INNER = 7  # values of the inner variables at which a line is looked at
_BETWEEN = 5  # places on a line, off its samples, at which they are checked


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a plan is made for: the macroscopic points x (R, d) of a potential; ``cells[k - 1]`` is the cell of y_k.

    A colder landscape needs what a ``hotter`` one did at least: the search begins with the spaces of that one.
    """

    potential: Potential
    sigma: float
    tol: float
    cells: Sequence[Cell]
    x: FloatArray
    scheme: Scheme = ESTIMATE
    hotter: Planned | None = None


def make_plan(task: Task, tally: Tally) -> Planned:
    """Plan the recursion, and add to ``tally`` what this took."""
    return _Planner(task, tally).run()


def _even_levels(levels: tuple[Level, ...], x: FloatArray, random: np.random.Generator) -> frozenset[int]:
    """Levels k for which the terms of k .. N are all the same at -y_1 .. -y_N, at random places."""
    rows = x[random.integers(0, len(x), _MIRRORED)]
    here = {f"y{level.number}": random.normal(size=(_MIRRORED, x.shape[1])) for level in levels}
    even = set[int]()
    for level in levels:
        values = [
            terms_at(level, {"x": tuple(rows.T), **{name: tuple(sign * y.T) for name, y in here.items()}}, (_MIRRORED,))
            for sign in (1.0, -1.0)
        ]
        if not np.abs(values[0] - values[1]).max() <= 1e-12 * (1.0 + np.abs(values[0]).max()):
            break
        even.add(level.number)
    return frozenset(even)


def _enough(amplitudes: FloatArray, count: int, factor: float) -> int:
    """The next odd count at which errors are smaller by this factor, as the amplitudes of a scan let expect; at most
    half as many again, because they are those of a few lines."""
    target, most = factor * alias_sum(amplitudes, count), count + 2 * -(-count // 4)
    return next((n for n in range(count + 2, most, 2) if alias_sum(amplitudes, n) <= target), most)


def _without_noise(amplitudes: FloatArray, level: float) -> FloatArray:
    """Waves smaller than the errors allowed to a space are none: by symmetry K may not move at all where it could, and
    the nodes of a space are not symmetric."""
    waves: FloatArray = np.where(amplitudes < level, 0.0, amplitudes)
    return waves


class _Planner:
    """Goes through the levels N .. 1; ``plan`` holds what is decided so far."""

    def __init__(self, task: Task, tally: Tally):
        levels, tol = levels_of(task.potential), task.tol
        self.share = tol / (4 * len(levels))
        self.cells, self.x, self.scheme, self.hotter = task.cells, task.x, task.scheme, task.hotter
        self.tally = tally
        self.random = np.random.default_rng(20230)
        even = _even_levels(levels, task.x, self.random)
        self.plan = Plan(levels, task.sigma, max(tol / (200 * len(levels)), 1e-15), {}, {}, even=even)
        self.discretization = dict[int, float]()
        self.checkers = dict[int, LevelSolver]()
        self.ladders = {k: space_ladder(cell) for k, cell in enumerate(task.cells, start=1)}
        self.rungs = dict[int, int]()

    def run(self) -> Planned:
        for level in self.plan.levels:
            if level.number < len(self.plan.levels):
                self._choose_sampling(level)
            self._choose_space(level)
        self._prepare()
        plan = replace(self.plan, checkers=self.checkers)
        return Planned(plan, self.discretization, self.share, self.ladders, self.rungs, self.scheme)

    def _rows(self, count: int, outer: int) -> Rows:
        """Random values of x, among the macroscopic points, and of y_1 .. y_outer."""
        rows: Rows = {"x": self.x[self.random.integers(0, len(self.x), count)]}
        for k in range(1, outer + 1):
            rows[f"y{k}"] = self.random.random((count, self.x.shape[1])) @ self.cells[k - 1].period
        return rows

    def _choose_sampling(self, level: Level) -> None:
        """How Khat_k is known in y_k."""
        k, dim = level.number, self.x.shape[1]
        counts, foreseen, scanned, dropped = [1] * dim, [np.zeros(1)] * dim, [np.zeros(1)] * dim, 0.0
        for i, vector in enumerate(np.asarray(self.cells[k - 1].period)):
            if not moves(vector, level.name, level.inherited):
                continue
            scan = None if moves(vector, level.name, self._kinks(k)) else self._scan(level, vector)
            if scan is None:
                self.plan.samplings[k] = AtPoints(0, dim)
                return
            counts[i], foreseen[i], scanned[i] = scan
            dropped += self._dropped(counts[i], scanned[i])
        self.plan.foreseen[k], self.plan.scanned[k], self.plan.dropped[k] = tuple(foreseen), tuple(scanned), dropped
        self.plan.samplings[k] = Lattice(tuple(counts), np.asarray(self.cells[k - 1].period))

    def _dropped(self, count: int, seen: FloatArray) -> float:
        """How far waves of these amplitudes (m,) and unknown phases, those that so few samples leave out, put a sample
        off the mean."""
        left = seen[1:] if count == 1 else (seen - _without_noise(seen, _NOISE * self.share))[1:]
        return float(3.0 * np.linalg.norm(left))

    def _kinks(self, k: int) -> frozenset[Variable]:
        """Variables in which some term that Khat_k is made of is not smooth."""
        terms = (term for level in self.plan.levels if level.number > k for term in level.terms)
        return frozenset[Variable]().union(*(term.kinks for term in terms))

    def _scan(self, level: Level, direction: FloatArray) -> tuple[int, FloatArray, FloatArray] | None:
        """Samples needed along a period vector of y_k, and the amplitudes of all modes that matter, and of all seen,
        from lines at some places.

        A line is fine enough when its tail is small and covers the error at places between the samples: modes that the
        samples take for lower ones show there; and when the potential itself, looked at everywhere on it, has nothing
        that the samples miss. None where no lattice will do.
        """
        lines, inner = self._lines(level, direction)
        V = on_lines(self._inside(level.number), lines, inner, level.name, direction) / self.plan.sigma
        between, count = self.random.random(_BETWEEN), 16
        first = self._along(level, lines, np.concatenate([np.arange(count) / count, between]), direction)
        values, actual = first[:, :count], first[:, count:]
        while True:
            amplitudes = fourier_amplitudes(values, 1)
            rest = tail(amplitudes).max()
            error = np.abs(trigonometric_matrix(count, between) @ values - actual).max()
            fine = max(hidden_error(V, count), rest) <= np.sqrt(self.share)
            if fine and error <= max(rest, 0.5 * self.share):
                waves = _without_noise(amplitudes, _NOISE * self.share)
                seen = amplitudes.max(axis=(0, 1))
                return needed_count(waves, _PHASES * self.share), extended(waves).max(axis=(0, 1)), seen
            if 2 * count > _MAX_LINE[len(direction)]:
                return None
            odd = self._along(level, lines, (np.arange(count) + 0.5) / count, direction)
            values = np.stack([values, odd], axis=2).reshape(len(values), 2 * count, -1)
            count *= 2

    def _along(self, level: Level, lines: Rows, fractions: FloatArray, direction: FloatArray) -> FloatArray:
        """log Khat_k and log Zhat_k on the lines, at fractions of a period vector of y_k: (lines, fractions, c)."""
        rows = {name: np.repeat(v, len(fractions), axis=0) for name, v in lines.items()}
        rows[level.name] = rows[level.name] + np.tile(fractions[:, None] * direction, (_LINES, 1))
        samples = sample_level(self.plan, rows, level.number, level.number, (), self.tally)
        return samples.fields.channels[samples.inverse].reshape(_LINES, len(fractions), -1)

    def _lines(self, level: Level, direction: FloatArray) -> tuple[Rows, Rows]:
        """Starts of the lines, that of the strongest coupling among random ones and the roughest, and values of the
        inner variables, beginning with those of the roughest."""
        k, dim = level.number, self.x.shape[1]
        candidates = self._rows(self._candidates(k + 1), k)
        inside = self._inside(k)
        strongest = self._by_contrast(inside[0], self.ladders[k + 1], candidates)[0]
        places = self._rows(LOOKED_AT[dim], len(self.plan.levels))
        roughest = roughest_line(inside, places, level.name, direction)
        lines = {name: np.stack([v[strongest], places[name][roughest]]) for name, v in candidates.items()}
        inner = self._inner_rows(_INNER, k)
        return lines, {name: np.concatenate([places[name][roughest][None], v]) for name, v in inner.items()}

    def _inside(self, k: int) -> list[Level]:
        """The levels k + 1 .. N."""
        return list(reversed(self.plan.levels[: len(self.plan.levels) - k]))

    def _inner_rows(self, count: int, k: int) -> Rows:
        """Random values of y_(k+1) .. y_N."""
        rows = self._rows(count, len(self.plan.levels))
        return {f"y{j}": rows[f"y{j}"] for j in range(k + 1, len(self.plan.levels) + 1)}

    def _choose_space(self, level: Level) -> None:
        """The first space of the ladder that the next one confirms, on a lattice that its energies find fine enough."""
        k = level.number
        allowed = self.share * (len(self.plan.levels) - k)
        while True:
            samples, unseen = self._confirm(level)
            if not self._refine_lattice(k, samples, unseen, allowed):
                return

    def _confirm(self, level: Level) -> tuple[Samples, float]:
        """Settle on the first space that the next one confirms; what it gives at the probes, and the error between the
        samples of y_k."""
        k, probes = level.number, self._probes(level, self.ladders[level.number])
        self._settle(k, self.scheme.solver(self.ladders[k].makers[0]()))
        if k == 1 and not isinstance(self.plan.samplings.get(1), AtPoints):
            self._prepare()
        inner = self._inner(level, probes)
        ladder = self.ladders[k] = self._from_hotter(k, self._fitted_ladder(level, probes, inner))
        solvers, values, difference = list[LevelSolver](), list[Samples](), np.inf
        for solver, samples in self._results(level, ladder, probes, inner):
            solvers.append(solver)
            values.append(samples)
            if len(values) > 1:
                difference = log_distance(values[-2].fields.channels, values[-1].fields.channels, self.plan.dim)
            if (difference <= self.share and self._seen(level, solvers[-2], probes)) or (
                ladder.fixed and len(values) > 1
            ):
                chosen = len(solvers) - 2
                self.checkers[k] = solver
                break
        else:
            chosen = len(solvers) - 1
        self._settle(k, solvers[chosen])
        self.rungs[k], self.discretization[k] = chosen, difference
        unseen = 0.0 if inner is None else lattice_error(self.plan, level, probes, k - 1, inner, self.tally)
        return values[chosen], unseen

    def _seen(self, level: Level, solver: LevelSolver, rows: Rows) -> bool:
        """Does the space see all that the potential does in y_k? Where Khat_k stands at its points, inner terms too."""
        k = level.number
        levels = [level]
        if isinstance(self.plan.samplings.get(k), AtPoints):
            levels += self._inside(k)
            rows = {**rows, **self._inner_rows(len(rows["x"]), k)}
        return sees(levels, level.name, solver.space, rows, np.asarray(self.cells[k - 1].period), self.plan.sigma)

    def _refine_lattice(self, k: int, samples: Samples, unseen: float, allowed: float) -> bool:
        """Make the lattice of y_k finer where its error is not allowed, or give it up for quadrature points."""
        sampling = self.plan.samplings.get(k)
        if not isinstance(sampling, Lattice) or max(sampling.counts) == 1:
            return False
        if max(samples.interpolation.max(), unseen) <= allowed:
            return False
        wanted = allowed / (2 * self.plan.dim) / np.maximum(np.maximum(samples.directions, unseen), 1e-300)
        if not ((wanted < 1.0) & (np.array(sampling.counts) > 1)).any():
            wanted[:] = 0.5
        finer = replace(
            sampling,
            counts=tuple(
                _enough(c, n, w) if n > 1 and w < 1.0 else n
                for c, n, w in zip(self.plan.foreseen[k], sampling.counts, wanted, strict=True)
            ),
        )
        too_fine = max(finer.counts) > 1.5 * _MAX_LINE[len(finer.counts)]
        self.plan.samplings[k] = AtPoints(0, len(finer.counts)) if too_fine else finer
        self.plan = replace(self.plan, prepared={})
        return True

    def _prepare(self) -> None:
        """Levels that no macroscopic variable reaches are solved, and checked, once for all."""
        done = prepared(replace(self.plan, checkers=self.checkers), self.tally).prepared
        self.plan = replace(self.plan, prepared=done)

    def _inner(self, level: Level, rows: Rows) -> Samples | None:
        """Khat_k for these rows over the samples of y_k."""
        if level.number == len(self.plan.levels):
            return None
        return sample_level(self.plan, rows, level.number - 1, level.number, (), self.tally)

    def _fitted_ladder(self, level: Level, rows: Rows, inner: Samples | None) -> Ladder:
        """The ladder for the coefficients of these rows, where they can be looked at on any grid."""
        k = level.number
        if isinstance(self.plan.samplings.get(k), AtPoints):
            return self.ladders[k]
        points = {name: tuple(v.T) for name, v in rows.items()}
        count = len(rows["x"])

        def look(view: BoxSpace) -> FloatArray:
            below = None
            if inner is not None:
                samples = inner.fields.channels[np.broadcast_to(inner.inverse, count)]
                below = replace(inner.fields, channels=self.plan.samplings[k].to_points(samples, view))
            return level_coefficient(level, view, self.plan.sigma, points, below, (), count).K

        return self.scheme.ladder(self.cells[k - 1], look, _PREDICTED_SHARE * self.share)

    def _from_hotter(self, k: int, ladder: Ladder) -> Ladder:
        """The ladder without the spaces that were too coarse for the hotter landscape already."""
        if self.hotter is None or ladder.fixed:
            return ladder
        least, makers = self.hotter.plan.solvers[k].space.n_dofs, ladder.makers
        while len(makers) > 2 and makers[0]().n_dofs < least:
            makers = makers[1:]
        return replace(ladder, makers=makers)

    def _results(
        self, level: Level, ladder: Ladder, rows: Rows, inner: Samples | None
    ) -> Iterator[tuple[LevelSolver, Samples]]:
        """Khat_(k-1) at the probes on one space after the other."""
        k = level.number
        for make in ladder.makers:
            solver = self.scheme.solver(make())
            self._settle(k, solver)
            if isinstance(self.plan.samplings.get(k), AtPoints):
                inner = self._inner(level, rows)
            yield solver, run_level(self.plan, level, rows, k - 1, inner, (), self.tally)

    def _settle(self, k: int, solver: LevelSolver) -> None:
        self.plan.solvers[k] = solver
        if isinstance(self.plan.samplings.get(k), AtPoints):
            self.plan.samplings[k] = AtPoints(len(solver.space.weights), solver.space.dim)

    def _probes(self, level: Level, ladder: Ladder) -> Rows:
        """Rows at which spaces are compared: at the innermost level those where the potential varies most, and where it
        varies most finely."""
        if level.number < len(self.plan.levels):
            rows = self._rows(LOOKED_AT[self.x.shape[1]] // 2, level.number - 1)
            chosen = np.array([0, self._roughest(level, rows)[0]])[: 1 if level.number > 1 else min(2, len(self.x))]
            return {name: v[chosen] for name, v in rows.items()}
        rows = self._rows(self._candidates(level.number), level.number - 1)
        order, rough = self._by_contrast(level, ladder, rows), self._roughest(level, rows)
        chosen = np.concatenate([order[: _PROBES // 2], order[-1:], rough[: _PROBES // 2 - 1]])
        return {name: v[chosen] for name, v in rows.items()}

    def _roughest(self, level: Level, rows: Rows) -> npt.NDArray[np.int64]:
        """Rows in the order of how finely the terms of the level vary."""
        return by_roughness(level, rows, np.asarray(self.cells[level.number - 1].period))

    def _candidates(self, k: int) -> int:
        """Random rows looked at for strong potentials; a mesh has many points, and gets fewer."""
        return _CANDIDATES if isinstance(self.cells[k - 1], BoxCell) else _CANDIDATES // 8

    def _by_contrast(self, level: Level, ladder: Ladder, rows: Rows) -> npt.NDArray[np.int64]:
        """Rows in the order of what the terms of the level vary by, strongest first."""
        points = {name: tuple(v.T) for name, v in rows.items()}
        count = len(rows["x"])
        coefficient = level_coefficient(level, ladder.makers[0](), self.plan.sigma, points, None, (), count)
        return np.argsort(coefficient.boltzmann.min(axis=-1), kind="stable")
