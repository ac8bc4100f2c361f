"""The functions that a text may call: their value, their derivative, and whether they are smooth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellsolve.errors import ExpressionError

__all__ = ["CONSTANTS", "FUNCTIONS", "SYNONYMS", "Function", "finite_number", "multiplied_power", "quietly"]

CONSTANTS: Mapping[str, float] = {"pi": np.pi, "e": np.e}
SYNONYMS: Mapping[str, str] = {"atan": "arctan"}


@dataclass(frozen=True, slots=True)
class Function:
    """A function of one or two arguments.

    ``compute`` takes numbers or arrays; ``partial`` takes expressions and gives the derivative in the first
    argument (a function of two is symmetric in them), almost everywhere where the function is not smooth.
    """

    arity: int
    smooth: bool
    compute: Callable[..., Any]
    partial: Callable[..., Any]


def _heaviside(u: Any) -> Any:
    return np.heaviside(u, 0.5)


FUNCTIONS: Mapping[str, Function] = {
    "sin": Function(1, True, np.sin, lambda u: u.call("cos")),
    "cos": Function(1, True, np.cos, lambda u: -u.call("sin")),
    "tan": Function(1, True, np.tan, lambda u: 1.0 + u.call("tan") ** 2),
    "exp": Function(1, True, np.exp, lambda u: u.call("exp")),
    "log": Function(1, True, np.log, lambda u: 1.0 / u),
    "sqrt": Function(1, True, np.sqrt, lambda u: 0.5 / u.call("sqrt")),
    "sinh": Function(1, True, np.sinh, lambda u: u.call("cosh")),
    "cosh": Function(1, True, np.cosh, lambda u: u.call("sinh")),
    "tanh": Function(1, True, np.tanh, lambda u: 1.0 - u.call("tanh") ** 2),
    "arctan": Function(1, True, np.arctan, lambda u: 1.0 / (1.0 + u**2)),
    "abs": Function(1, False, np.abs, lambda u: u.call("sign")),
    "sign": Function(1, False, np.sign, lambda u: 0.0 * u),
    "heaviside": Function(1, False, _heaviside, lambda u: 0.0 * u),
    "floor": Function(1, False, np.floor, lambda u: 0.0 * u),
    "min": Function(2, False, np.minimum, lambda u, v: (v - u).call("heaviside")),
    "max": Function(2, False, np.maximum, lambda u, v: (u - v).call("heaviside")),
}


def multiplied_power(base: Any, exponent: int) -> Any:
    """base ** exponent for a whole exponent >= 1, by repeated squaring: x**2 costs one multiplication."""
    result: Any = None
    while exponent:
        if exponent & 1:
            result = base if result is None else result * base
        exponent >>= 1
        base = base * base if exponent else base
    return result


def quietly(function: Callable[..., Any], *numbers: float) -> float:
    """The function's value in float arithmetic, with inf or nan in place of a warning."""
    with np.errstate(all="ignore"):
        return float(function(*numbers))


def finite_number(value: float, text: Callable[[], str]) -> float:
    """The value, or an error that names its text: inf and nan would spread through all that follows."""
    if not math.isfinite(value):
        raise ExpressionError(f"the constant {text()} is not finite (it gives {value}). Stay below 1.8e308.")
    return value + 0.0  # no negative zero
