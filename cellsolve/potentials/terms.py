"""The additive terms of a potential: which variables each holds, its value and its derivative in x.

Points are given by name, {"x": (x0, x1), "y1": (y10, y11)}: d component arrays each, that broadcast together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from cellsolve.errors import CoefficientError
from cellsolve.potentials.expressions import Expression
from cellsolve.potentials.variables import FloatArray, Variable

__all__ = ["CallableTerm", "DifferenceTerm", "GradientTerm", "Points", "Term", "TextTerm"]

Points = Mapping[str, tuple[FloatArray, ...]]

DIFFERENCE_STEP = 1e-3
_DIFFERENCE_WEIGHTS = {1: 45.0 / 60.0, 2: -9.0 / 60.0, 3: 1.0 / 60.0}


class Term(Protocol):
    """An addend of V1, or V0, or a derivative of one.

    ``variables``: those it holds; ``kinks``: those in which it is not smooth, as far as known (a callable: none);
    ``depth``: the largest k such that it holds some y_k, 0 when it holds none.
    """

    @property
    def variables(self) -> frozenset[Variable]: ...
    @property
    def kinks(self) -> frozenset[Variable]: ...
    @property
    def depth(self) -> int: ...

    def evaluate(self, points: Points) -> FloatArray:
        """The value; a text keeps the shape of the variables it holds. Whether it is finite is not checked."""
        ...

    def derivative(self, component: int) -> Term:
        """d/dx_component."""
        ...


@dataclass(frozen=True)
class TextTerm:
    """A term read from text; its derivative is exact."""

    expression: Expression

    @property
    def variables(self) -> frozenset[Variable]:
        return self.expression.variables

    @property
    def kinks(self) -> frozenset[Variable]:
        return self.expression.kinks

    @cached_property
    def depth(self) -> int:
        return _depth(self.variables)

    def evaluate(self, points: Points) -> FloatArray:
        values = {variable: points[variable.name][variable.index] for variable in self.variables}
        return np.asarray(self.expression.evaluate(values), dtype=np.float64)

    def derivative(self, component: int) -> TextTerm:
        return TextTerm(self.expression.derivative(Variable("x", component)))

    def __str__(self) -> str:
        return str(self.expression)


@dataclass(frozen=True)
class CallableTerm:
    """A user's function(x, y1, ..) of points (..., d) -> (...); ``names`` are its arguments in order.

    The function gets arrays of the common shape that it cannot write to. Raises CoefficientError when the result has
    another shape or is not real.
    """

    label: str
    function: Callable[..., Any]
    names: tuple[str, ...]
    dim: int
    gradient: Callable[..., Any] | None = None

    @cached_property
    def variables(self) -> frozenset[Variable]:
        return frozenset(Variable(name, index) for name in self.names for index in range(self.dim))

    @property
    def kinks(self) -> frozenset[Variable]:
        return frozenset()

    @property
    def depth(self) -> int:
        return len(self.names) - 1

    def evaluate(self, points: Points) -> FloatArray:
        stacked, shape = _stacked(points, self.names)
        result = _called(self.label, self.function, stacked)
        if result.shape not in (shape, ()):
            raise CoefficientError(
                f"{self.label} gave shape {result.shape} for points of shape {(*shape, self.dim)}; {shape} is needed. "
                f"The components stand in the last axis: write {self.names[-1]}[..., 0], not {self.names[-1]}[0]."
            )
        return np.broadcast_to(result, shape)

    def derivative(self, component: int) -> Term:
        if self.gradient is None:
            return DifferenceTerm(self, component)
        return GradientTerm(self, component)

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class _DerivativeTerm(ABC):
    """d/dx_component of a term; it holds the variables of the term."""

    term: Term
    component: int

    @property
    def variables(self) -> frozenset[Variable]:
        return self.term.variables

    @property
    def kinks(self) -> frozenset[Variable]:
        return self.term.kinks

    @property
    def depth(self) -> int:
        return self.term.depth

    @abstractmethod
    def evaluate(self, points: Points) -> FloatArray: ...

    def derivative(self, component: int) -> Term:
        return DifferenceTerm(self, component)


@dataclass(frozen=True)
class GradientTerm(_DerivativeTerm):
    """d/dx_component of a callable term, from the user's own gradient (..., d)."""

    term: CallableTerm

    def evaluate(self, points: Points) -> FloatArray:
        stacked, shape = _stacked(points, self.term.names)
        assert self.term.gradient is not None
        label = f"{self.term.label}_gradient"
        result = _called(label, self.term.gradient, stacked)
        needed = (*shape, self.term.dim)
        if result.shape != needed:
            raise CoefficientError(
                f"{label} gave shape {result.shape} for points of shape {needed}; {needed} is needed."
            )
        part: FloatArray = result[..., self.component]
        return part


@dataclass(frozen=True)
class DifferenceTerm(_DerivativeTerm):
    """d/dx_i f = (45 (f_1 - f_-1) - 9 (f_2 - f_-2) + (f_3 - f_-3)) / 60 h, f_k = f(x + k h e_i).

    The step is h = 1e-3 max(1, |x_i|). The error is h^6 |f^(7)| / 140, which is 7e-21 |f^(7)| at |x_i| <= 1, plus
    rounding of about 2e-13 |f|: twelve digits for a function that varies over lengths of one.
    """

    term: Term

    def evaluate(self, points: Points) -> FloatArray:
        centre = points["x"][self.component]
        step = DIFFERENCE_STEP * np.maximum(1.0, np.abs(centre))
        total: FloatArray = np.zeros(())
        with np.errstate(all="ignore"):
            for multiple, weight in _DIFFERENCE_WEIGHTS.items():
                after, before = (self._shifted(points, sign * multiple * step) for sign in (1.0, -1.0))
                total = total + weight * (after - before)
            return total / step

    def _shifted(self, points: Points, shift: FloatArray) -> FloatArray:
        x = list(points["x"])
        x[self.component] = x[self.component] + shift
        return self.term.evaluate({**points, "x": tuple(x)})


def _depth(variables: frozenset[Variable]) -> int:
    return max((int(variable.name[1:]) for variable in variables if variable.name != "x"), default=0)


def _stacked(points: Points, names: tuple[str, ...]) -> tuple[list[FloatArray], tuple[int, ...]]:
    """The points (..., d) of each name on the common shape, read-only, and that shape."""
    shape = np.broadcast_shapes(*(part.shape for name in names for part in points[name]))
    stacked = [np.stack([np.broadcast_to(part, shape) for part in points[name]], axis=-1) for name in names]
    for array in stacked:
        array.flags.writeable = False
    return stacked, shape


def _called(label: str, function: Callable[..., Any], stacked: list[FloatArray]) -> FloatArray:
    with np.errstate(all="ignore"):
        result = np.asarray(function(*stacked))
    if result.dtype.kind not in "fiub":
        raise CoefficientError(f"{label} gave values of type {result.dtype}; real numbers are needed.")
    return result.astype(np.float64, copy=False)
