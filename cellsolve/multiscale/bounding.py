"""The plan of a bound: the errors that count are those that may put it on the wrong side.

Correctors that are not the best, and iterations that stop early, only make a bound wider. What is left are integrals,
and fields between the samples of a lattice. So the same functions are integrated with more points at the hardest
problems of each level, in the place of the next finer space.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from cellsolve.fem.denser import denser
from cellsolve.fem.resolution import Ladder, Space
from cellsolve.multiscale.lattice import AtPoints
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planned import Planned
from cellsolve.multiscale.recursion import prepared

__all__ = ["checked_by_quadrature"]

_CHECKED = {1: 1_000_000, 2: 12, 3: 6}  # problems of a level whose integrals are looked at: on a line they cost little
_DENSER = 4  # times that quadrature is made denser where its share of the tolerance is missed


def checked_by_quadrature(planned: Planned, tally: Tally) -> Planned:
    """The same spaces and lattices, the checks being those of quadrature.

    Where Khat_k stands at the quadrature points of level k, its samples move with them, and what was seen between two
    spaces is kept as the error.
    """
    plan, ladders = planned.plan, dict[int, Ladder]()
    for k, solver in plan.solvers.items():
        makers = tuple(partial(_made_denser, solver.space, times) for times in range(_DENSER))
        ladders[k] = Ladder(makers, planned.ladders[k].fixed)
    seen = planned.discretization.items()
    kept = {k: error if isinstance(plan.samplings.get(k), AtPoints) else 0.0 for k, error in seen}
    checkers = {k: planned.scheme.solver(ladder.makers[1]()) for k, ladder in ladders.items()}
    own = replace(plan, checkers=checkers, checked=_CHECKED[plan.dim], prepared={})
    checked = replace(planned, plan=own, discretization=kept, ladders=ladders, rungs=dict.fromkeys(ladders, 0))
    return checked.with_plan(prepared(own, tally))


def _made_denser(space: Space, times: int) -> Space:
    for _ in range(times):
        space = denser(space)
    return space
