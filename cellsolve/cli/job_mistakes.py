"""What pydantic found wrong in a job, in words: path in the file, got, needed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

__all__ = ["in_words"]

_OTHER_KIND = {
    "coefficient": "belongs to a composite job, which has no [potential]",
    "potential": "belongs to a potential job, which has no [coefficient]",
    "grid": "belongs to a potential job; a composite job ([coefficient]) has no grid",
    "parameters": "belongs to a potential job; write the numbers of a composite job into [coefficient]",
}
_LONGEST = 60
_Location = tuple[int | str, ...]


def in_words(model: type[BaseModel], data: Mapping[str, Any], error: ValidationError) -> list[str]:
    """One line for each mistake."""
    return [_line(model, data, _in_file(data, found["loc"]), found["type"]) for found in error.errors()]


def _in_file(data: object, location: _Location) -> _Location:
    """The location without the parts that validation added: tags of unions, the list around a single value."""
    parts: list[int | str] = []
    for part in location:
        if isinstance(part, str) and part.startswith("<"):
            continue
        if isinstance(part, int) and not isinstance(data, list):
            continue
        parts.append(part)
        data = _entry(data, part)
    return tuple(parts)


def _line(model: type[BaseModel], data: Mapping[str, Any], location: _Location, kind: str) -> str:
    where = _path(location)
    owner = _owner(model, location)
    if kind == "extra_forbidden":
        return f"{where}: {_unknown(str(location[-1]), owner.model_fields, len(location) == 1)}"
    needed = _description(model, location)
    if kind == "missing":
        return f"{where}: missing, needed {needed}."
    value: Any = data
    for part in location:
        value = _entry(value, part)
    return f"{where}: got {_shown(value)}, needed {needed}."


def _path(location: _Location) -> str:
    if len(location) == 1:
        return f"[{location[0]}]"
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)[1:]


def _unknown(name: str, known: Iterable[str], is_section: bool) -> str:
    """Words for a key or section that the model does not have."""
    noun, brackets = ("section", "[{}]") if is_section else ("key", "{}")
    if is_section and name in _OTHER_KIND:
        return f"{_OTHER_KIND[name]}. Remove it."
    names = list(known)
    closest = difflib.get_close_matches(name, names, 1)
    hint = f", did you mean {brackets.format(closest[0])}?" if closest else "."
    return f"unknown {noun}{hint} Accepted: {', '.join(brackets.format(n) for n in names)}."


def _owner(model: type[BaseModel], location: _Location) -> type[BaseModel]:
    """The section that the last part of the location stands in."""
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        inner = _models(field.annotation) if field else []
        model = inner[0] if inner else model
    return model


def _description(model: type[BaseModel], location: _Location) -> str:
    """What the field at the location accepts; for entries of lists and tables, what their field says."""
    text = ""
    for part in location:
        field = model.model_fields.get(str(part)) if isinstance(part, str) else None
        if field is None:
            continue
        text = field.description or text
        model = (_models(field.annotation) or [model])[0]
    return text


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation such as ``list[Section] | None`` mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _entry(data: object, part: int | str) -> Any:
    if isinstance(data, Mapping):
        return data.get(part)
    return data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None


def _shown(value: object) -> str:
    """A value as TOML writes it, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}.."
