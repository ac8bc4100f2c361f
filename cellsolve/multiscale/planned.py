"""A plan with what is known of its error, and the same plan made finer: lattices, spaces, or all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.resolution import Ladder
from cellsolve.fem.space import FloatArray
from cellsolve.multiscale.lattice import AtPoints, Lattice, moves
from cellsolve.multiscale.plan import LevelSolver, Plan
from cellsolve.multiscale.schemes import Scheme

__all__ = ["Planned", "raised", "raised_to", "refined", "stronger", "verifying"]

_FEW_SAMPLES = (3, 5, 7)  # of a line on which K_k was taken for a constant, when that is to be verified
_HIDDEN = 0.1  # of the waves seen on it, that may look like a constant there
# Of a trigonometric space that is to show the error of another: the next one may lack the same waves. At least eight
# nodes more a side, but at the innermost of several levels, where most of the work is.
_MORE_NODES, _MORE_NODES_OUTSIDE = 1.15, 8
_MORE_SAMPLES = 4  # of a lattice, along each direction: at least, and a sixth
_FINER_ITERATIONS = 0.1  # of the iteration error of the plan that is verified


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A plan and what is known of its error: relative, for each level."""

    plan: Plan
    discretization: dict[int, float]
    share: float  # of a level, allowed for its space and for its lattice
    ladders: dict[int, Ladder]
    rungs: dict[int, int]  # k -> position of the space in its ladder
    scheme: Scheme

    def with_plan(self, plan: Plan) -> Planned:
        """The same with another plan."""
        return replace(self, plan=plan)

    def too_coarse(self, seen: dict[int, float]) -> list[int]:
        """Levels whose space was seen to miss its share, and can be exchanged for a finer one."""
        exchangeable = {k for k in self.plan.checkers or {} if not self.ladders[k].fixed}
        return [k for k, error in seen.items() if error > 2.0 * self.share and k in exchangeable]


def refined(planned: Planned) -> Planned:
    """The same with finer lattices."""
    samplings = {k: _finer(s) if isinstance(s, Lattice) else s for k, s in planned.plan.samplings.items()}
    return replace(planned, plan=replace(planned.plan, samplings=samplings, prepared={}))


def raised(planned: Planned, seen: dict[int, float]) -> Planned:
    """The same with the next finer space on the levels that were seen to be too coarse."""
    levels = planned.too_coarse(seen)
    finer = raised_to(planned, {k: planned.rungs[k] + 1 for k in levels})
    last_word = {k: seen[k] for k in levels if k not in (finer.plan.checkers or {})}
    return replace(finer, discretization={**planned.discretization, **last_word})


def raised_to(planned: Planned, rungs: dict[int, int]) -> Planned:
    """The same with the spaces at these rungs of their ladders, none below its own."""
    higher = {k: rung for k, rung in rungs.items() if rung > planned.rungs[k]}
    checkers = {k: solver for k, solver in (planned.plan.checkers or {}).items() if k not in higher}
    for k, rung in higher.items():
        if rung + 1 < len(planned.ladders[k].makers):
            checkers[k] = planned.scheme.solver(planned.ladders[k].makers[rung + 1]())
    solvers = {k: _at_rung(planned, k, rung) for k, rung in higher.items()}
    plan = replace(_with_solvers(planned.plan, solvers), checkers=checkers)
    return replace(planned, plan=plan, rungs={**planned.rungs, **higher})


def stronger(planned: Planned) -> Planned | None:
    """The same with finer lattices, some samples along directions on which nothing seemed to depend, and the next finer
    space on every level; None where all spaces are the last ones."""
    next_ones = {k: rung + 1 for k, rung in planned.rungs.items() if k in (planned.plan.checkers or {})}
    exchangeable = {k: rung for k, rung in next_ones.items() if not planned.ladders[k].fixed}
    return _opened(refined(raised_to(planned, exchangeable))) if exchangeable else None


def verifying(planned: Planned, refinements: int) -> tuple[Plan, frozenset[int]]:
    """The plan by which another one is verified, and the levels whose spaces it cannot judge.

    Every space is finer, every lattice finer than after so many refinements, and along directions on which nothing
    seemed to depend there are a few samples; iterations go on ten times as far; nothing else is checked.
    """
    solvers = {k: solver for k in planned.plan.solvers if (solver := _finer_solver(planned, k)) is not None}
    for _ in range(refinements):
        planned = refined(planned)
    plan = _with_solvers(planned.plan, solvers)
    samplings = {k: _denser(s, plan, k) if isinstance(s, Lattice) else s for k, s in plan.samplings.items()}
    tol = max(_FINER_ITERATIONS * plan.tol, 1e-15)
    finer = replace(plan, samplings=samplings, tol=tol, checkers=None, prepared={}, estimating=False)
    return finer, frozenset(plan.solvers) - frozenset(solvers)


def _finer_solver(planned: Planned, k: int) -> LevelSolver | None:
    """The next space of the ladder that has clearly more unknowns; None where there is none."""
    makers, own, found = planned.ladders[k].makers, planned.plan.solvers[k].space, None
    side = float(own.n_dofs ** (1.0 / own.dim))
    more = 0 if 1 < k == len(planned.plan.levels) else _MORE_NODES_OUTSIDE
    wanted = 0.99 * max(_MORE_NODES * side, side + more) ** own.dim
    for rung in range(planned.rungs[k] + 1, len(makers)):
        known = (planned.plan.checkers or {}).get(k) if rung == planned.rungs[k] + 1 else None
        solver = known or planned.scheme.solver(makers[rung]())
        if solver.space.n_dofs > own.n_dofs:
            found = solver
        if not (isinstance(solver.space, BoxSpace) and solver.space.is_collocated and solver.space.n_dofs < wanted):
            break
    return found


def _at_rung(planned: Planned, k: int, rung: int) -> LevelSolver:
    known = (planned.plan.checkers or {}).get(k) if rung == planned.rungs[k] + 1 else None
    return known or planned.scheme.solver(planned.ladders[k].makers[rung]())


def _with_solvers(plan: Plan, solvers: dict[int, LevelSolver]) -> Plan:
    """Other spaces on some levels, with the quadrature points at which Khat_k is then sampled."""
    samplings = dict(plan.samplings)
    for k, solver in solvers.items():
        if isinstance(samplings.get(k), AtPoints):
            samplings[k] = AtPoints(len(solver.space.weights), plan.dim)
    return replace(plan, solvers={**plan.solvers, **solvers}, samplings=samplings, prepared={})


def _finer(lattice: Lattice) -> Lattice:
    """Counts a third larger, and odd."""
    return replace(lattice, counts=tuple(2 * -(-2 * n // 3) + 1 if n > 1 else n for n in lattice.counts))


def _denser(lattice: Lattice, plan: Plan, k: int) -> Lattice:
    """More samples along the directions of y_k in which Khat_k may move."""
    triples = _directions(lattice, plan, k)
    return replace(lattice, counts=tuple(_more(n, a) if moving else n for n, a, moving in triples))


def _opened(planned: Planned) -> Planned:
    """The same with some samples where lattices had one."""
    plan, samplings = planned.plan, dict(planned.plan.samplings)
    for k, lattice in plan.samplings.items():
        if isinstance(lattice, Lattice):
            directions = _directions(lattice, plan, k)
            samplings[k] = replace(lattice, counts=tuple(_few(a) if n == 1 and m else n for n, a, m in directions))
    return planned.with_plan(replace(plan, samplings=samplings, prepared={}))


def _directions(lattice: Lattice, plan: Plan, k: int) -> list[tuple[int, FloatArray, bool]]:
    """Samples along each direction of y_k, the amplitudes seen there, and whether Khat_k may move along it."""
    level, scanned = plan.levels[len(plan.levels) - k], plan.scanned.get(k, (np.zeros(1),) * plan.dim)
    moving = [moves(vector, level.name, level.inherited) for vector in lattice.period]
    return list(zip(lattice.counts, scanned, moving, strict=True))


def _more(count: int, amplitudes: FloatArray) -> int:
    """A larger odd number of samples, or some instead of one."""
    return _few(amplitudes) if count == 1 else count + max(_MORE_SAMPLES, 2 * (count // 12))


def _few(amplitudes: FloatArray) -> int:
    """The smallest number of samples that tells the waves 1, 2, .. of these amplitudes (m,) from a constant."""
    waves = np.append(0.0, amplitudes[1:])
    return next((n for n in _FEW_SAMPLES if waves[::n].sum() <= _HIDDEN * waves.sum()), _FEW_SAMPLES[-1])
