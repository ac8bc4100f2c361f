"""The expression tree: numbers, variables, sums, products, powers and calls; evaluation and exact derivative.

    d(c f1 f2 ..) = c (f1' f2 .. + f1 f2' ..),   d(b^n) = n b^(n-1) b',   d f(u) = f'(u) u'

Trees are built by the operators + - * / ** and by `Expression.call`, which fold constants in float arithmetic
and refuse a constant that is not finite. A tree never changes, can be hashed and pickled, and prints as text
that reads back as the same tree.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cellsolve.errors import ExpressionError
from cellsolve.potentials.functions import FUNCTIONS, finite_number, multiplied_power, quietly
from cellsolve.potentials.variables import FloatArray, Variable, real_value

__all__ = ["Call", "Expression", "Number", "Power", "Product", "Sum", "Symbol", "product_of", "sum_of"]

_SUM, _PRODUCT, _POWER, _ATOM = range(4)  # how tightly a printed node binds
_LARGEST_MULTIPLIED_POWER = 64.0
_NOTHING: frozenset[Any] = frozenset()


class Expression(ABC):
    """A real function of some variables.

    >>> expression.evaluate({Variable("y1", 0): y[:, None], Variable("y2", 0): z[None, :]})

    Kinks: abs, sign, heaviside, floor, min and max are the functions that are not smooth. sqrt, log, division
    and every power count as smooth: they are wherever their argument stays off zero.
    """

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The expressions this one is made of."""
        return ()

    @abstractmethod
    def value(self, values: Mapping[str, Any]) -> Any:
        """The value for checked float64 values by printed name, warnings not silenced: `evaluate` is the door."""

    def _derivative(self, variable: Variable) -> Expression:  # noqa: ARG002
        """d/dvariable of a node that holds the variable."""
        return Number(0.0)

    @cached_property
    def variables(self) -> frozenset[Variable]:
        """The variables that occur."""
        return _NOTHING.union(*(part.variables for part in self.parts))

    @cached_property
    def kinks(self) -> frozenset[Variable]:
        """The variables that stand inside the argument of a function that is not smooth."""
        return _NOTHING.union(*(part.kinks for part in self.parts))

    @cached_property
    def _inputs(self) -> tuple[tuple[str, Variable], ...]:
        return tuple((str(variable), variable) for variable in sorted(self.variables))

    def evaluate(self, values: Mapping[Variable, FloatArray | float]) -> FloatArray | float:
        """The value, each subexpression on its own broadcast shape: y1[0] may be (B,1,1) and y2[0] (1,q,1).

        A constant gives a float. Values outside the domain (log of a negative number, ..) give nan or inf,
        without warning. Raises ExpressionError for a variable without a value, or a value that is not real.
        """
        checked = {key: real_value(variable, values) for key, variable in self._inputs}
        with np.errstate(all="ignore"):
            result: FloatArray | float = self.value(checked)
        return result

    def derivative(self, variable: Variable) -> Expression:
        """d/dvariable, exact; of the functions that are not smooth, the derivative almost everywhere."""
        return self._derivative(variable) if variable in self.variables else Number(0.0)

    def terms(self) -> tuple[Expression, ...]:
        """The additive terms: signs and constant factors go into sums, other products stay. Zero has none."""
        return (self,)

    def call(self, name: str, *others: Expression) -> Expression:
        """The function of that name, see FUNCTIONS, of this expression and the others."""
        arguments = (self, *others)
        numbers = [argument.constant for argument in arguments if isinstance(argument, Number)]
        if len(numbers) < len(arguments):
            return Call(name, arguments)
        value = quietly(FUNCTIONS[name].compute, *numbers)
        return Number(finite_number(value, lambda: str(Call(name, arguments))))

    def __add__(self, other: Expression | float) -> Expression:
        return sum_of((self, _expression(other)))

    def __radd__(self, other: float) -> Expression:
        return sum_of((_expression(other), self))

    def __sub__(self, other: Expression | float) -> Expression:
        return sum_of((self, -_expression(other)))

    def __rsub__(self, other: float) -> Expression:
        return sum_of((_expression(other), -self))

    def __mul__(self, other: Expression | float) -> Expression:
        return product_of((self, _expression(other)))

    def __rmul__(self, other: float) -> Expression:
        return product_of((_expression(other), self))

    def __truediv__(self, other: Expression | float) -> Expression:
        return _quotient(self, _expression(other))

    def __rtruediv__(self, other: float) -> Expression:
        return _quotient(_expression(other), self)

    def __pow__(self, other: Expression | float) -> Expression:
        return _power(self, _expression(other))

    def __neg__(self) -> Expression:
        return product_of((Number(-1.0), self))


@dataclass(frozen=True)
class Number(Expression):
    """A constant, always finite."""

    constant: float

    def value(self, values: Mapping[str, Any]) -> float:  # noqa: ARG002
        return self.constant

    def terms(self) -> tuple[Expression, ...]:
        return (self,) if self.constant else ()

    def __str__(self) -> str:
        whole = self.constant.is_integer() and abs(self.constant) < 1e15
        return str(int(self.constant)) if whole else repr(self.constant)


@dataclass(frozen=True)
class Symbol(Expression):
    """A variable as an expression."""

    variable: Variable

    @cached_property
    def key(self) -> str:
        return str(self.variable)

    @cached_property
    def variables(self) -> frozenset[Variable]:
        return frozenset((self.variable,))

    def value(self, values: Mapping[str, Any]) -> Any:
        return values[self.key]

    def _derivative(self, variable: Variable) -> Expression:  # noqa: ARG002
        return Number(1.0)

    def __str__(self) -> str:
        return str(self.variable)


@dataclass(frozen=True)
class Sum(Expression):
    """constant + sum of the addends, none of which is a number or a sum."""

    constant: float
    addends: tuple[Expression, ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        return self.addends

    def value(self, values: Mapping[str, Any]) -> Any:
        total: Any = self.constant or None
        for addend in self.addends:
            if total is None:
                total = addend.value(values)
            elif type(addend) is Product and addend.coefficient == -1.0:
                total = total - addend.without_coefficient.value(values)
            else:
                total = total + addend.value(values)
        return total

    def _derivative(self, variable: Variable) -> Expression:
        return sum_of(tuple(addend.derivative(variable) for addend in self.addends))

    def terms(self) -> tuple[Expression, ...]:
        return tuple(term for part in (*self.addends, Number(self.constant)) for term in part.terms())

    def __str__(self) -> str:
        first, *rest = [str(part) for part in self.addends] + ([str(Number(self.constant))] if self.constant else [])
        return first + "".join(f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in rest)


@dataclass(frozen=True)
class Product(Expression):
    """coefficient times the factors, none of which is a number or a product; the factors 1/b stand last."""

    coefficient: float
    factors: tuple[Expression, ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        return self.factors

    @cached_property
    def divided(self) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
        """The factors above and below the line of the fraction."""
        above = tuple(factor for factor in self.factors if not _is_reciprocal(factor))
        return above, tuple(1.0 / factor for factor in self.factors if _is_reciprocal(factor))

    @cached_property
    def without_coefficient(self) -> Expression:
        return product_of(self.factors)

    def value(self, values: Mapping[str, Any]) -> Any:
        above, below = self.divided
        total: Any = None if self.coefficient == 1.0 and above else self.coefficient
        for factor in above:
            total = factor.value(values) if total is None else total * factor.value(values)
        for factor in below:
            total = np.true_divide(total, factor.value(values))
        return total

    def _derivative(self, variable: Variable) -> Expression:
        parts = (Number(self.coefficient), *self.factors)
        slopes = [(i, factor.derivative(variable)) for i, factor in enumerate(parts) if variable in factor.variables]
        return sum_of(tuple(product_of((*parts[:i], slope, *parts[i + 1 :])) for i, slope in slopes))

    def terms(self) -> tuple[Expression, ...]:
        if len(self.factors) > 1:
            return (self,)
        inner = self.factors[0].terms()
        return (self,) if len(inner) == 1 else tuple(part for i in inner for part in (self.coefficient * i).terms())

    def __str__(self) -> str:
        above, below = self.divided
        sign, size = "-" if self.coefficient < 0 else "", abs(self.coefficient)
        bare = size == 1.0 and above and not (sign and isinstance(above[0], Sum))  # -(a + b)*c reads as (-a - b)*c
        shown = above if bare else (Number(size), *above)
        return sign + "*".join(_enclosed(f, _POWER) for f in shown) + "".join(f"/{_enclosed(f, _POWER)}" for f in below)


@dataclass(frozen=True)
class Power(Expression):
    """base ** exponent. Whole exponents up to 64 are multiplied out."""

    base: Expression
    exponent: Expression

    @property
    def parts(self) -> tuple[Expression, ...]:
        return self.base, self.exponent

    def value(self, values: Mapping[str, Any]) -> Any:
        base = self.base.value(values)
        if type(self.exponent) is not Number:
            return np.power(base, self.exponent.value(values))
        exponent = self.exponent.constant
        if not exponent.is_integer() or abs(exponent) > _LARGEST_MULTIPLIED_POWER:
            return np.power(base, exponent)
        result = multiplied_power(base, int(abs(exponent)))
        return result if exponent > 0 else np.true_divide(1.0, result)

    def _derivative(self, variable: Variable) -> Expression:
        base, exponent = self.base, self.exponent
        change = exponent * base ** (exponent - 1.0) * base.derivative(variable)
        varies = variable in exponent.variables
        return change if not varies else change + base.call("log") * self * exponent.derivative(variable)

    def __str__(self) -> str:
        if _is_reciprocal(self):
            return f"1/{_enclosed(1.0 / self, _POWER)}"
        return f"{_enclosed(self.base, _ATOM)}**{_enclosed(self.exponent, _ATOM)}"


@dataclass(frozen=True)
class Call(Expression):
    """A function of the table FUNCTIONS applied to its arguments."""

    name: str
    arguments: tuple[Expression, ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        return self.arguments

    @cached_property
    def compute(self) -> Callable[..., Any]:
        return FUNCTIONS[self.name].compute

    @cached_property
    def kinks(self) -> frozenset[Variable]:
        inner = _NOTHING.union(*(argument.kinks for argument in self.arguments))
        return inner if FUNCTIONS[self.name].smooth else self.variables

    def value(self, values: Mapping[str, Any]) -> Any:
        return self.compute(*[argument.value(values) for argument in self.arguments])

    def _derivative(self, variable: Variable) -> Expression:
        partial = FUNCTIONS[self.name].partial
        first, *rest = self.arguments
        change: Expression = partial(first, *rest) * first.derivative(variable)
        return change + partial(*rest, first) * rest[0].derivative(variable) if rest else change

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


def sum_of(addends: tuple[Expression, ...]) -> Expression:
    """The sum, with inner sums opened and numbers added up."""
    flat = [part for addend in addends for part in (addend.addends if isinstance(addend, Sum) else (addend,))]
    constants = [a.constant for a in addends if isinstance(a, Number | Sum)]
    constant = finite_number(sum(constants), lambda: " + ".join(f"{number:g}" for number in constants))
    rest = tuple(part for part in flat if not isinstance(part, Number))
    if not rest:
        return Number(constant)
    return rest[0] if len(rest) == 1 and not constant else Sum(constant, rest)


def product_of(factors: tuple[Expression, ...]) -> Expression:
    """The product, with inner products opened, numbers multiplied and 1/b moved to the end."""
    numbers = [f.coefficient for f in factors if isinstance(f, Product)]
    numbers += [f.constant for f in factors if isinstance(f, Number)]
    coefficient = finite_number(math.prod(numbers), lambda: "*".join(f"{number:g}" for number in numbers))
    flat = [part for factor in factors for part in (factor.factors if isinstance(factor, Product) else (factor,))]
    rest = sorted((part for part in flat if not isinstance(part, Number)), key=_is_reciprocal)
    if not rest or not coefficient:
        return Number(coefficient)
    first = rest[0]
    if len(rest) == 1 and coefficient == -1.0 and isinstance(first, Sum):
        return sum_of((Number(-first.constant), *(-addend for addend in first.addends)))
    return first if len(rest) == 1 and coefficient == 1.0 else Product(coefficient, tuple(rest))


def _quotient(above: Expression, below: Expression) -> Expression:
    if isinstance(above, Number) and isinstance(below, Number):
        value = quietly(np.true_divide, above.constant, below.constant)
        return Number(finite_number(value, lambda: f"{above}/{below}"))
    return product_of((above, _power(below, Number(-1.0))))


def _power(base: Expression, exponent: Expression) -> Expression:
    if isinstance(base, Number):
        return _power_of_number(base, exponent)
    if not isinstance(exponent, Number):
        return Power(base, exponent)
    if exponent.constant in (0.0, 1.0):
        return base if exponent.constant else Number(1.0)
    if isinstance(base, Power) and isinstance(base.exponent, Number):
        inner, outer = base.exponent.constant, exponent.constant
        if outer == -1.0 or (inner.is_integer() and outer.is_integer() and np.isfinite(inner * outer)):
            return _power(base.base, Number(inner * outer))
    scale = base.coefficient if isinstance(base, Product) else 1.0
    if isinstance(base, Product) and exponent.constant == -1.0 and scale != 1.0 and 1e-300 < abs(scale) < 1e300:
        return product_of((Number(1.0 / scale), _power(base.without_coefficient, exponent)))
    return Power(base, exponent)


def _power_of_number(base: Number, exponent: Expression) -> Expression:
    if isinstance(exponent, Number):
        value = quietly(np.power, base.constant, exponent.constant)
        return Number(finite_number(value, lambda: f"{_enclosed(base, _ATOM)}**{_enclosed(exponent, _ATOM)}"))
    if base.constant <= 0.0:
        raise ExpressionError(f"got {base}**({exponent}); a base must be positive where the exponent varies.")
    return Number(1.0) if base.constant == 1.0 else Power(base, exponent)


def _expression(value: Expression | float) -> Expression:
    return value if isinstance(value, Expression) else Number(float(value))


def _is_reciprocal(expression: Expression) -> bool:
    """Whether it prints below the line of a fraction: a power with a negative number as exponent."""
    exponent = expression.exponent if isinstance(expression, Power) else None
    return isinstance(exponent, Number) and exponent.constant < 0


def _binding(expression: Expression) -> int:
    """How tightly the printed text binds."""
    if isinstance(expression, Sum):
        return _SUM
    if (
        isinstance(expression, Product)
        or _is_reciprocal(expression)
        or (isinstance(expression, Number) and expression.constant < 0)
    ):
        return _PRODUCT
    return _POWER if isinstance(expression, Power) else _ATOM


def _enclosed(expression: Expression, binding: int) -> str:
    return str(expression) if _binding(expression) >= binding else f"({expression})"
