"""What is solved: potentials, as texts or callables, their additive terms, exact derivatives and structure."""

from cellsolve.potentials.expressions import Expression, Variable, parse_expression
from cellsolve.potentials.potential import Potential
from cellsolve.potentials.structure import Level, levels_of, macroscopic_terms
from cellsolve.potentials.terms import CallableTerm, Points, Term, TextTerm

__all__ = [
    "CallableTerm",
    "Expression",
    "Level",
    "Points",
    "Potential",
    "Term",
    "TextTerm",
    "Variable",
    "levels_of",
    "macroscopic_terms",
    "parse_expression",
]
