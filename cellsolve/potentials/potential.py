"""V(x) = V0(x) + V1(x, y1, .., yN): the potential of an N-scale landscape, from texts or callables.

Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), eq. (1): V^eps(x) = V0(x) + V1(x, x/eps, .., x/eps^N).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cellsolve.errors import CoefficientError
from cellsolve.potentials.expressions import parse_expression
from cellsolve.potentials.terms import CallableTerm, Points, Term, TextTerm
from cellsolve.potentials.variables import FloatArray

__all__ = ["Potential", "Term"]

Formula = str | Callable[..., Any]


@dataclass(frozen=True, init=False, repr=False)
class Potential:
    """V0(x) + V1(x, y1, .., yN) in ``dim`` dimensions with ``scales`` = N fast variables.

    >>> V = Potential("a*cos(2*pi*y1[0])*cos(2*pi*y2[0])", dim=2, scales=2, V0="x[0]**2", parameters={"a": 1.0})
    >>> V.evaluate_V1(x, y1, y2)                    # points (..., d), broadcast against each other -> (...)

    ``V1``: text in x[i], y1[i] .. yN[i] (in one dimension also x, y1 ..), or a callable V1(x, y1, .., yN) of points
    (..., d) that gives (...). ``V0``: text in x[i], a callable V0(x), or None for zero. ``parameters``: numbers that
    the texts name. ``V1_gradient``, ``V0_gradient``: callables of the same arguments that give d/dx_i stacked in the
    last axis (..., d); for callables only, because texts are differentiated exactly.

    ``terms``: V1 as a sum; a text gives a term for each of its addends (none for zero), a callable is one term that
    holds all variables. ``V0``: one term, or None. ``source``: the texts, or the names of the callables, by "V0", "V1".

    Raises CoefficientError for arguments that do not fit each other, ExpressionError for a text.
    """

    dim: int
    scales: int
    V0: Term | None
    terms: tuple[Term, ...]
    source: dict[str, str]

    def __init__(
        self,
        V1: Formula,
        *,
        dim: int,
        scales: int,
        V0: Formula | None = None,
        parameters: Mapping[str, float] | None = None,
        V1_gradient: Callable[..., Any] | None = None,
        V0_gradient: Callable[..., Any] | None = None,
    ):
        _check_sizes(dim, scales)
        if parameters and not isinstance(V1, str) and not isinstance(V0, str):
            listed = ", ".join(map(str, parameters))
            raise CoefficientError(f"got parameters ({listed}) but no text that could name them. Leave them out.")
        names = ("x", *(f"y{k}" for k in range(1, scales + 1)))
        given = dict(parameters or {})
        self._set("dim", int(dim))
        self._set("scales", int(scales))
        self._set("terms", _terms("V1", V1, names, dim, given, V1_gradient))
        self._set("V0", _one_term(V0, dim, given, V0_gradient))
        self._set("source", _sources(V1, V0, given))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        return hash((self.dim, self.scales, self.V0, self.terms))

    def __repr__(self) -> str:
        texts = ", ".join(f"{name}={text!r}" for name, text in self.source.items())
        return f"Potential({texts}, dim={self.dim}, scales={self.scales})"

    def evaluate_V1(self, x: ArrayLike, *ys: ArrayLike) -> FloatArray:
        """V1 at points x, y1 .. yN, each (..., d) and broadcast against each other -> (...).

        Raises CoefficientError for points of a wrong shape, or where V1 is not finite (the first such point is named).
        """
        if len(ys) != self.scales:
            raise CoefficientError(f"V1 has {self.scales} fast variables, got {len(ys)}. Give y1 .. y{self.scales}.")
        points = {name: self._components(name, y) for name, y in zip(self._names(), (x, *ys), strict=True)}
        return _evaluated("V1", self.terms, points)

    def evaluate_V0(self, x: ArrayLike) -> FloatArray:
        """V0 at points x (..., d) -> (...). Raises CoefficientError as evaluate_V1 does."""
        return _evaluated("V0", (self.V0,) if self.V0 is not None else (), {"x": self._components("x", x)})

    def evaluate_V0_gradient(self, x: ArrayLike) -> FloatArray:
        """grad V0 at points x (..., d) -> (..., d). Raises CoefficientError as evaluate_V1 does."""
        points = {"x": self._components("x", x)}
        slopes = [(self.V0.derivative(i),) if self.V0 is not None else () for i in range(self.dim)]
        return np.stack([_evaluated(f"dV0/dx[{i}]", slope, points) for i, slope in enumerate(slopes)], axis=-1)

    def _names(self) -> tuple[str, ...]:
        return ("x", *(f"y{k}" for k in range(1, self.scales + 1)))

    def _components(self, name: str, values: ArrayLike) -> tuple[FloatArray, ...]:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise CoefficientError(f"the points {name} are of type {array.dtype}; real numbers are needed.")
        if array.ndim == 0 or array.shape[-1] != self.dim:
            raise CoefficientError(
                f"the points {name} have shape {array.shape}; (..., {self.dim}) is needed in {self.dim} dimension(s). "
                f"Put the components in the last axis{', of length 1,' if self.dim == 1 else ''}: {name}[..., None]."
            )
        return tuple(np.moveaxis(array.astype(np.float64, copy=False), -1, 0))


def _check_sizes(dim: int, scales: int) -> None:
    if not isinstance(dim, int | np.integer) or isinstance(dim, bool) or dim not in (1, 2, 3):
        raise CoefficientError(f"got dim = {dim!r}; 1, 2 or 3 is needed.")
    if not isinstance(scales, int | np.integer) or isinstance(scales, bool) or scales < 1:
        raise CoefficientError(f"got scales = {scales!r}; a whole number of at least 1 is needed.")


def _terms(
    label: str,
    formula: Formula,
    names: tuple[str, ...],
    dim: int,
    parameters: dict[str, float],
    gradient: Callable[..., Any] | None,
) -> tuple[Term, ...]:
    if isinstance(formula, str):
        if gradient is not None:
            raise CoefficientError(f"got {label}_gradient for a text; texts are differentiated exactly. Leave it out.")
        expression = parse_expression(formula, dict.fromkeys(names, dim), parameters)
        return tuple(TextTerm(term) for term in expression.terms())
    if not callable(formula) or not (gradient is None or callable(gradient)):
        wrong = formula if not callable(formula) else gradient
        raise CoefficientError(f"{label} or its gradient is a {type(wrong).__name__}; give a text or a callable.")
    return (CallableTerm(label, formula, names, dim, gradient),)


def _one_term(
    formula: Formula | None, dim: int, parameters: dict[str, float], gradient: Callable[..., Any] | None
) -> Term | None:
    if isinstance(formula, str) and gradient is None:
        return TextTerm(parse_expression(formula, {"x": dim}, parameters))
    if formula is not None:
        return _terms("V0", formula, ("x",), dim, parameters, gradient)[0]
    if gradient is not None:
        raise CoefficientError("got V0_gradient without V0. Give both, or neither.")
    return None


def _sources(V1: Formula, V0: Formula | None, parameters: dict[str, float]) -> dict[str, str]:
    named = {"V1": _source(V1), "V0": "0" if V0 is None else _source(V0)}
    listed = ", ".join(f"{name} = {float(value)!r}" for name, value in parameters.items())
    return {**named, "parameters": listed} if listed else named


def _source(formula: Formula) -> str:
    if isinstance(formula, str):
        return formula
    kind = type(formula)
    owner = formula if hasattr(formula, "__qualname__") else kind
    return f"{owner.__module__}.{owner.__qualname__}"


def _evaluated(label: str, terms: tuple[Term, ...], points: Points) -> FloatArray:
    """The sum of the terms on the common shape of the points; every value finite."""
    shape = _common_shape(points)
    total = np.zeros(shape)
    with np.errstate(all="ignore"):  # inf - inf: found below
        for term in terms:
            total += term.evaluate(points)
    if not np.all(np.isfinite(total)):
        first = tuple(np.argwhere(~np.isfinite(total))[0])
        where = ", ".join(f"{name} = {_point(parts, shape, first)}" for name, parts in points.items())
        raise CoefficientError(f"{label} is {total[first]} at {where}; it must be finite. Change the formula there.")
    return total


def _common_shape(points: Points) -> tuple[int, ...]:
    shapes = {name: parts[0].shape for name, parts in points.items()}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise CoefficientError(
            f"the points do not broadcast against each other: {listed}, without the last axis."
        ) from None


def _point(parts: tuple[FloatArray, ...], shape: tuple[int, ...], index: tuple[int, ...]) -> str:
    return "(" + ", ".join(f"{np.broadcast_to(part, shape)[index]:.6g}" for part in parts) + ")"
