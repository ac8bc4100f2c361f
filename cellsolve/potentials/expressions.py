"""Text to expression: a strict allow-list on Python's syntax tree. Python itself never evaluates anything.

    expression := number | pi | e | parameter | variable | variable[index] | function(expression, ..)
                | expression (+ - * / **) expression | (+ -) expression | (expression)

A text is first read token by token (length, characters, numbers, brackets), so that `ast.parse` sees harmless,
bounded input only; then every node of the syntax tree must be one of the above. Whatever else stands in a text is
an ExpressionError which says what was found, at which column, and what is accepted.
"""

from __future__ import annotations

import ast
import difflib
import keyword
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import NoReturn

from cellsolve.errors import ExpressionError
from cellsolve.potentials.functions import CONSTANTS, FUNCTIONS, SYNONYMS
from cellsolve.potentials.tree import Expression, Number, Symbol, product_of, sum_of
from cellsolve.potentials.variables import Variable

__all__ = ["Expression", "Variable", "parse_expression"]

LARGEST_LENGTH = 10_000
LARGEST_OPERATIONS = 1_500
LARGEST_NESTING = 40
LARGEST_DEPTH = 100

_ACCEPTED = "Accepted are numbers, names, name[0], functions, + - * / ** and round brackets."
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator>\*\*|//|[-+*/])|(?P<open>[(\[])|(?P<close>[)\]])|(?P<comma>,)",
    re.ASCII,
)
_Chain = list[tuple[ast.operator, Expression]]
_REFUSED: Mapping[type[ast.AST], str] = {
    ast.Constant: "a constant that is no number",
    ast.Call: "a call of something that is no function",
    ast.Subscript: "an index on something that is no variable",
    ast.Tuple: "brackets or a comma that belong to no function",
    ast.UnaryOp: "logic",
    ast.Starred: "a '*' that multiplies nothing",
    ast.IfExp: "a condition",
    ast.BoolOp: "logic",
    ast.Compare: "a comparison",
}


def parse_expression(
    text: str, variables: Mapping[str, int], parameters: Mapping[str, float] | None = None
) -> Expression:
    """The expression that a text describes.

    ``variables``: the number of components of each name, {"x": 2, "y1": 2}; with one component `x` alone means
    `x[0]`. ``parameters``: names that stand for numbers. `pi`, `e` and the table FUNCTIONS are always known.

    >>> parse_expression("a*cos(2*pi*y1[0])", {"x": 2, "y1": 2}, {"a": 0.5})

    Raises ExpressionError, and nothing else, for whatever is not an expression.
    """
    constants = {**CONSTANTS, **_checked_parameters(parameters or {}, variables)}
    return _Reader(_checked_text(text), dict(variables), constants).read()


def _checked_parameters(parameters: Mapping[str, float], variables: Mapping[str, int]) -> dict[str, float]:
    taken = {*variables, *FUNCTIONS, *SYNONYMS, *CONSTANTS}
    for name, value in parameters.items():
        if not isinstance(name, str) or not name.isascii() or not name.isidentifier() or keyword.iskeyword(name):
            raise ExpressionError(f"the parameter name {name!r} cannot stand in a text. Use letters, digits and _.")
        if name in taken:
            raise ExpressionError(f"the parameter name {name!r} already has a meaning. Choose another name.")
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ExpressionError(f"the parameter {name} is {value!r:.60}; a finite real number is needed.")
    return {name: float(value) for name, value in parameters.items()}


def _checked_text(text: str) -> str:
    """The text, when its length, characters and brackets are such that `ast.parse` is safe and fast."""
    if not isinstance(text, str):
        raise ExpressionError(f"got a {type(text).__name__} in place of a text. Give an expression such as 'cos(x)'.")
    if len(text) > LARGEST_LENGTH:
        raise ExpressionError(
            f"the text has {len(text)} characters; at most {LARGEST_LENGTH} are accepted. Shorten it."
        )
    if not text.strip():
        raise ExpressionError("the text is empty. Give an expression, '0' for zero.")
    opened: list[tuple[str, int]] = []
    position = operations = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            _refuse(text, position + 1, _described(text[position]))
        _check_token(text, token, opened)
        operations += token.lastgroup in ("operator", "comma")
        position = token.end()
    if opened:
        _refuse(text, opened[-1][1], f"a {opened[-1][0]!r} that is never closed", "Close it.")
    if operations > LARGEST_OPERATIONS:
        raise ExpressionError(f"the text has {operations} operations; at most {LARGEST_OPERATIONS} are accepted.")
    return re.sub(r"\s", " ", text)


def _check_token(text: str, token: re.Match[str], opened: list[tuple[str, int]]) -> None:
    found, column = token.group(), token.start() + 1
    match token.lastgroup:
        case "number":
            _check_number(text, token)
        case "operator" if found == "//":
            _refuse(text, column, "'//'", "Write floor(a/b).")
        case "open":
            opened.append((found, column))
            if len(opened) > LARGEST_NESTING:
                _refuse(
                    text,
                    column,
                    f"more than {LARGEST_NESTING} brackets inside each other",
                    "Nest less deeply.",
                )
        case "close":
            if not opened or opened.pop()[0] + found not in ("()", "[]"):
                _refuse(text, column, f"a {found!r} that closes nothing", "Check the brackets.")


def _check_number(text: str, token: re.Match[str]) -> None:
    rest = text[token.end() : token.end() + 1]
    if rest.isalnum() or rest in ("_", "."):
        found = f"the number {token.group():.20} followed by {rest!r}"
        _refuse(
            text,
            token.start() + 1,
            found,
            "Write decimal numbers such as 1000, 0.5 or 1e-3, and * to multiply.",
        )
    if token.group().isdigit() and token.group().startswith("0") and len(token.group()) > 1:
        _refuse(text, token.start() + 1, f"the number {token.group():.20}", "Leave the leading zeros out.")
    if not math.isfinite(float(token.group())):
        _refuse(
            text,
            token.start() + 1,
            f"the number {token.group():.20}, which is not finite",
            "Stay below 1.8e308.",
        )


def _described(character: str) -> str:
    if character.isascii() and character.isprintable():
        return repr(character)
    return f"the character {character!r} (U+{ord(character):04X} {unicodedata.name(character, 'unnamed')})"


def _excerpt(text: str, column: int) -> str:
    return repr(text if len(text) <= 60 else f"..{text[max(column - 20, 0) : column + 20]}..")


def _refuse(text: str, column: int, found: str, advice: str = _ACCEPTED) -> NoReturn:
    raise ExpressionError(f"found {found} at column {column} of {_excerpt(text, column)}. {advice}") from None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the allowed nodes of a syntax tree into an expression."""

    text: str
    variables: dict[str, int]
    constants: dict[str, float]

    def read(self) -> Expression:
        try:
            syntax = ast.parse(f"({self.text})", mode="eval")  # brackets: blanks may lead, and offsets become columns
        except SyntaxError as error:
            column = min(error.offset or 1, len(self.text) + 1)
            _refuse(self.text, max(column - 1, 1), "no complete expression", _ACCEPTED)
        except (MemoryError, RecursionError):
            self._refuse_depth()
        return self._expression(syntax.body, 0)

    def _expression(self, node: ast.expr, depth: int) -> Expression:
        if depth > LARGEST_DEPTH:
            self._refuse_depth()
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return Number(float(value))
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                return self._component(node, name, index)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(node, name, arguments, depth)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                inner = self._expression(operand, depth + 1)
                return -inner if isinstance(sign, ast.USub) else inner
            case ast.BinOp(op=ast.Pow()):
                base, exponent = (self._expression(part, depth + 1) for part in (node.left, node.right))
                return self._folded(node, lambda: base**exponent)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                first, rest = self._chain(node, (ast.Add, ast.Sub), depth)
                return self._folded(node, lambda: _sum_of_chain(first, rest))
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                first, rest = self._chain(node, (ast.Mult, ast.Div), depth)
                return self._folded(node, lambda: _product_of_chain(first, rest))
        return self._refuse_node(node)

    def _chain(self, node: ast.expr, kinds: tuple[type[ast.operator], ...], depth: int) -> tuple[Expression, _Chain]:
        """a and [(+, b), (-, c)] of a + b - c, without recursion: a chain may be long."""
        pairs: list[tuple[ast.operator, ast.expr]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, kinds):
            pairs.append((node.op, node.right))
            node = node.left
        rest = [(operator, self._expression(part, depth + 1)) for operator, part in reversed(pairs)]
        return self._expression(node, depth + 1), rest

    def _name(self, node: ast.expr, name: str) -> Expression:
        if name in self.constants:
            return Number(self.constants[name])
        if name not in self.variables:
            self._refuse_name(node, name)
        if self.variables[name] != 1:
            advice = f"Write {name}[0] .. {name}[{self.variables[name] - 1}]."
            self._refuse(node, f"{name}, which has {self.variables[name]} components, without an index", advice)
        return Symbol(Variable(name, 0))

    def _component(self, node: ast.expr, name: str, index: ast.expr) -> Expression:
        if name not in self.variables:
            self._refuse_name(node, name) if name not in self.constants else self._refuse_node(node)
        largest = self.variables[name] - 1
        match index:
            case ast.Constant(value=int() as number) if not isinstance(number, bool) and number <= largest:
                return Symbol(Variable(name, number))
        accepted = f"{name}[0]" if largest == 0 else f"{name}[0] .. {name}[{largest}]"
        return self._refuse(node, f"the component {ast.unparse(node):.30}", f"Accepted are {accepted}.")

    def _call(self, node: ast.expr, name: str, arguments: list[ast.expr], depth: int) -> Expression:
        function = SYNONYMS.get(name, name)
        if function not in FUNCTIONS:
            known = name in self.variables or name in self.constants
            self._refuse_node(node) if known else self._refuse_name(node, name)
        arity = FUNCTIONS[function].arity
        if len(arguments) != arity:
            self._refuse(node, f"{name} with {len(arguments)} arguments", f"It takes {arity}.")
        first, *others = (self._expression(argument, depth + 1) for argument in arguments)
        return self._folded(node, lambda: first.call(function, *others))

    def _folded(self, node: ast.expr, compute: Callable[[], Expression]) -> Expression:
        try:
            return compute()
        except ExpressionError as error:
            raise ExpressionError(
                f"{error} (column {node.col_offset} of {_excerpt(self.text, node.col_offset)})"
            ) from None

    def _refuse(self, node: ast.expr, found: str, advice: str = _ACCEPTED) -> NoReturn:
        _refuse(self.text, node.col_offset, found, advice)

    def _refuse_node(self, node: ast.expr) -> NoReturn:
        self._refuse(node, _REFUSED.get(type(node), f"a Python {type(node).__name__}"))

    def _refuse_name(self, node: ast.expr, name: str) -> NoReturn:
        if name in FUNCTIONS or name in SYNONYMS:
            self._refuse(node, f"the function {name} without its argument", f"Write {name}(..).")
        known = [*self.variables, *self.constants, *FUNCTIONS, *SYNONYMS]
        closest = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean {closest[0]}? " if closest else ""
        self._refuse(node, f"the unknown name {name:.40}", f"{hint}Known are {', '.join(known)}.")

    def _refuse_depth(self) -> NoReturn:
        advice = f"At most {LARGEST_DEPTH} operations may stand inside each other."
        raise ExpressionError(f"the text {_excerpt(self.text, 1)} is nested too deeply. {advice}") from None


def _sum_of_chain(first: Expression, rest: _Chain) -> Expression:
    return sum_of((first, *(part if isinstance(sign, ast.Add) else -part for sign, part in rest)))


def _product_of_chain(first: Expression, rest: _Chain) -> Expression:
    """Numbers are multiplied and divided in their order, so that 10/3 is rounded once."""
    number: Expression = first if isinstance(first, Number) else Number(1.0)
    factors = [] if isinstance(first, Number) else [first]
    for operator, part in rest:
        if isinstance(part, Number):
            number = number * part if isinstance(operator, ast.Mult) else number / part
        else:
            factors.append(part if isinstance(operator, ast.Mult) else 1.0 / part)
    return product_of((number, *factors))
