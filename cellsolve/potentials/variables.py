"""Variables of an expression, and the check of the values given for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellsolve.errors import ExpressionError

__all__ = ["FloatArray", "Variable", "real_value"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, order=True, slots=True)
class Variable:
    """One component of one point: y1[0] is Variable("y1", 0)."""

    name: str
    index: int

    def __str__(self) -> str:
        return f"{self.name}[{self.index}]"


def real_value(variable: Variable, values: Mapping[Variable, Any]) -> FloatArray:
    """The variable's value as float64; ExpressionError where it is missing or not real."""
    value = values.get(variable)
    if value is None:
        given = ", ".join(map(str, sorted(values))) or "none"
        raise ExpressionError(f"the variable {variable} has no value (given: {given}). Give one for each that occurs.")
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ExpressionError(f"the variable {variable} has values of type {array.dtype}; real numbers are needed.")
    return array.astype(np.float64)
