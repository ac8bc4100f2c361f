"""Which level sees which term: the structure that saves cell problems.

    K_(k-1) = exp(-(terms without y_k .. y_N)/sigma) Khat_(k-1)(parameters)

A term enters at the level of its deepest fast variable and multiplies everything outside by a number. Khat_(k-1)
depends on the variables that stand beside y_k in the terms of level k, and on what Khat_k left over; a variable in none
of them is no parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

from cellsolve.potentials.expressions import Variable
from cellsolve.potentials.potential import Potential, Term

__all__ = ["Level", "levels_of", "macroscopic_terms"]


@dataclass(frozen=True, slots=True)
class Level:
    """The cell problem in y_k."""

    number: int  # k
    terms: tuple[Term, ...]  # those whose deepest fast variable is y_k
    inherited: frozenset[Variable]  # variables that Khat_k depends on
    parameters: frozenset[Variable]  # variables that Khat_(k-1) depends on

    @property
    def name(self) -> str:
        """Name of the variable of this level."""
        return f"y{self.number}"

    @property
    def is_trivial(self) -> bool:
        """Nothing varies in y_k: Khat_(k-1) = Khat_k without a cell problem, if the cell is full."""
        return not self.terms and not any(v.name == self.name for v in self.inherited)


def levels_of(potential: Potential) -> tuple[Level, ...]:
    """The levels N, N-1, .., 1, in the order in which they are solved."""
    levels = list[Level]()
    inherited = frozenset[Variable]()
    for number in range(potential.scales, 0, -1):
        terms = tuple(term for term in potential.terms if term.depth == number)
        variables = inherited.union(*(term.variables for term in terms))
        parameters = frozenset(v for v in variables if v.name != f"y{number}")
        levels.append(Level(number, terms, inherited, parameters))
        inherited = parameters
    return tuple(levels)


def macroscopic_terms(potential: Potential) -> tuple[Term, ...]:
    """Terms of V1 that hold no fast variable: they belong to V0."""
    return tuple(term for term in potential.terms if term.depth == 0)
