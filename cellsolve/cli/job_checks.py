"""Checks of a job across its sections: the number of cells, the axes of the grid, the expressions.

They work on the data as read, whatever is wrong with it, so that all mistakes can be told at once; what pydantic
reports already is not repeated here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeGuard

from cellsolve.errors import ExpressionError
from cellsolve.potentials.expressions import parse_expression

__all__ = ["check_composite", "check_potential", "expression_mistake"]

_Data = Mapping[str, Any]


def check_potential(data: _Data) -> list[str]:
    """Mistakes of a potential job that lie between its sections."""
    potential = _table(data, "potential")
    return [
        *_temperatures(potential.get("sigma")),
        *_expressions(potential, _table(data, "parameters")),
        *_cell_count(data.get("cells"), potential.get("scales")),
        *_cell_kinds(data.get("cells")),
        *_axes(data.get("grid"), potential.get("dim")),
    ]


def check_composite(data: _Data) -> list[str]:
    """Mistakes of a composite job that lie between its sections."""
    texts = {name: value for name, value in _table(data, "coefficient").items() if isinstance(value, str)}
    found = {f"coefficient.{name}": expression_mistake(text) for name, text in texts.items()}
    return [*(f"{where}: {words}" for where, words in found.items() if words), *_cell_kinds(data.get("cells"))]


def expression_mistake(text: str) -> str:
    """What keeps a text from being a coefficient in y in any dimension; empty if nothing does."""
    words = ""
    for dim in (1, 2, 3):
        try:
            parse_expression(text, {"y": dim})
        except ExpressionError as error:
            words = str(error)
        else:
            return ""
    return words


def _temperatures(sigma: object) -> list[str]:
    numbers = [value for value in sigma if isinstance(value, int | float)] if isinstance(sigma, list) else []
    if len(set(numbers)) < len(numbers):
        return ["potential.sigma: got the same temperature twice, needed numbers > 0 that differ."]
    return []


def _expressions(potential: _Data, parameters: _Data) -> list[str]:
    """The texts V1 and V0 with the parameters, where dim and scales are such that they can be read."""
    dim, scales = potential.get("dim"), potential.get("scales")
    if not _is_count(dim, 3) or not _is_count(scales, 16):
        return []
    slow = {"x": dim}
    variables = {"V1": {**slow, **{f"y{k}": dim for k in range(1, scales + 1)}}, "V0": slow}
    found = {f"parameters.{name}": _unreadable("0", variables["V1"], {name: 1.0}) for name in parameters}
    usable = {name: _number(value) for name, value in parameters.items() if not found[f"parameters.{name}"]}
    for name, names in variables.items():
        if isinstance(potential.get(name), str):
            found[f"potential.{name}"] = _unreadable(potential[name], names, usable)
    return [f"{where}: {words}" for where, words in found.items() if words]


def _unreadable(text: str, variables: Mapping[str, int], parameters: Mapping[str, float]) -> str:
    try:
        parse_expression(text, variables, parameters)
    except ExpressionError as error:
        return str(error)
    return ""


def _cell_count(cells: object, scales: object) -> list[str]:
    if not isinstance(cells, list) or not _is_count(scales, 16) or len(cells) in (0, 1, scales):
        return []
    return [f"[[cells]]: got {len(cells)} for {scales} scales, needed one for all or one for each."]


def _cell_kinds(cells: object) -> list[str]:
    """Each cell is a mesh or a box."""
    if not isinstance(cells, list):
        return []
    given = [(i, {"mesh", "box"} & set(cell)) for i, cell in enumerate(cells) if isinstance(cell, dict)]
    words = {0: "neither mesh nor box", 2: "both mesh and box"}
    return [f"cells[{i}]: got {words[len(kinds)]}, needed one of them." for i, kinds in given if len(kinds) != 1]


def _axes(grid: object, dim: object) -> list[str]:
    if not isinstance(grid, dict) or not _is_count(dim, 3):
        return []
    names = [f"x{i}" for i in range(dim)]
    needed = "{ start = .., stop = .., num = .. } or a list of numbers"
    missing = [f"grid.{name}: missing, needed {needed}." for name in names if name not in grid]
    return missing + [f"grid.{name}: {_unknown_axis(name, names)}" for name in grid if name not in names]


def _unknown_axis(name: str, names: list[str]) -> str:
    closest = difflib.get_close_matches(name, names, 1)
    hint = f", did you mean {closest[0]}?" if closest else "."
    return f"unknown axis{hint} Accepted with dim = {len(names)}: {', '.join(names)}."


def _table(data: _Data, name: str) -> _Data:
    table = data.get(name)
    return table if isinstance(table, dict) else {}


def _is_count(value: object, greatest: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= greatest


def _number(value: object) -> float:
    """The value of a parameter; 1 in place of what is no number, which is reported under its own name."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    return float(value) if usable and isinstance(value, int | float) else 1.0
