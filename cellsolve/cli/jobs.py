"""Job files: TOML, validated whole before anything is computed.

A potential job has [potential], [grid] and, if wanted, [parameters], [[cells]], [solve], [output]; a composite job has
[coefficient], [[cells]] and, if wanted, [solve], [output]. The ``description`` of a field says what it accepts; it is
what a mistake is answered with.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, PlainValidator, Tag, ValidationError

from cellsolve.cli.job_checks import check_composite, check_potential
from cellsolve.cli.job_mistakes import in_words
from cellsolve.errors import JobError

__all__ = [
    "Axis",
    "CellSection",
    "CoefficientValue",
    "CompositeCell",
    "CompositeJob",
    "Job",
    "PotentialJob",
    "is_coefficient",
    "load_job",
]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def is_coefficient(value: object) -> bool:
    """Is it a finite number, a text, or a square matrix of finite numbers?"""
    rows = value if isinstance(value, list) else [[value]]
    square = 1 <= len(rows) <= 3 and all(isinstance(row, list) and len(row) == len(rows) for row in rows)
    return isinstance(value, str) or (square and all(_is_number(entry) for row in rows for entry in row))


def _coefficient(value: object) -> object:
    if not is_coefficient(value):
        raise ValueError
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _axis_kind(value: object) -> str:
    return "<list>" if isinstance(value, list) else "<table>"


Positive = Annotated[float, Field(gt=0)]
CoefficientValue = Annotated[float | str | list[list[float]], PlainValidator(_coefficient)]


class PotentialSection(_Section):
    """V0(x) + V1(x, y1 .. yN) at temperatures sigma."""

    dim: int = Field(ge=1, le=3, description="1, 2 or 3")
    scales: int = Field(ge=1, le=16, description="a whole number from 1 to 16")
    V1: str = Field(description='a text in x[0] .., y1[0] .., such as "cos(2*pi*y1[0])"')
    V0: str = Field(default="0", description='a text in x[0] .., such as "0.5*x[0]**2"')
    sigma: Annotated[list[Positive], BeforeValidator(_listed)] = Field(min_length=1, description="numbers > 0")


class BoxSection(_Section):
    """A built-in cell; what is left out is chosen to meet the tolerance."""

    n: int | None = Field(default=None, ge=1, description="a whole number >= 1, boxes a side")
    order: int | None = Field(default=None, ge=1, le=16, description="a whole number from 1 to 16")


class CompositeBox(BoxSection):
    """A built-in cell of a composite job, which must say its dimension."""

    dim: int = Field(ge=1, le=3, description="1, 2 or 3")


class CellSection(_Section):
    """A mesh file or a built-in box."""

    mesh: str | None = Field(default=None, min_length=1, description="the path of a mesh file")
    box: BoxSection | None = Field(default=None, description="a table such as { n = 4, order = 6 }, or { }")
    period: list[list[float]] | None = Field(default=None, description="rows of numbers such as [[1, 0], [0, 1]]")
    match_tol: float = Field(default=1e-8, gt=0, le=0.01, description="a number > 0, up to 0.01")


class CompositeCell(CellSection):
    """A cell of a composite job."""

    box: CompositeBox | None = Field(default=None, description="a table such as { dim = 2 } or { dim = 2, n = 4 }")
    order: int | None = Field(default=None, ge=1, le=16, description="a whole number from 1 to 16")
    regions: str | None = Field(default=None, min_length=1, description="the name of an integer cell array of the mesh")
    periodicity: Literal["exact", "mortar"] | None = Field(
        default=None, description='"exact" or "mortar", for sides that do not match'
    )
    merge_nodes: bool | None = Field(default=None, description="true or false")


class Ramp(_Section):
    """Equally spaced values."""

    start: float = Field(description="a number")
    stop: float = Field(description="a number")
    num: int = Field(ge=1, description="a whole number >= 1")


Axis = Annotated[
    Annotated[Ramp, Tag("<table>")] | Annotated[list[float], Field(min_length=1), Tag("<list>")],
    Discriminator(_axis_kind),
]


class SolveSection(_Section):
    """How exact the result must be. Without ``tol``: 1e-6 for potentials, 1e-8 for composites."""

    tol: float | None = Field(default=None, ge=1e-13, lt=1, description="a number from 1e-13 to 1")
    bounds: bool = Field(default=False, description="true or false")
    exact_points: bool = Field(default=False, description="true or false")


class CompositeSolve(SolveSection):
    """How exact the tensors must be, and how meshes are refined for that."""

    refine: Literal["uniform", "adaptive"] | None = Field(default=None, description='"uniform" or "adaptive"')


class OutputSection(_Section):
    """Where the result goes, unless the command line says otherwise."""

    path: str | None = Field(default=None, min_length=1, description="the path of a file")


class _Job(_Section):
    solve: SolveSection = Field(default=SolveSection(), description="a section with tol, bounds, exact_points")
    output: OutputSection = Field(default=OutputSection(), description="a section with path")


class PotentialJob(_Job):
    """M, Z and Psi of a potential on a grid."""

    potential: PotentialSection = Field(
        description="a section with dim, scales, V1, sigma (or [coefficient] for a composite)"
    )
    parameters: dict[str, float] = Field(default={}, description="a finite number")
    cells: list[CellSection] = Field(default=[], description="tables [[cells]] with mesh = .. or box = ..")
    grid: dict[str, Axis] = Field(description="{ start = .., stop = .., num = .. } or a list of numbers")


class CompositeJob(_Job):
    """Effective tensors of cells with a coefficient."""

    coefficient: dict[str, CoefficientValue] = Field(
        min_length=1, description="a finite number, a text in y[0], y[1] .., or a matrix such as [[2, 0], [0, 1]]"
    )
    solve: CompositeSolve = Field(
        default=CompositeSolve(), description="a section with tol, bounds, exact_points, refine"
    )
    cells: list[CompositeCell] = Field(default=[], description="tables [[cells]] with mesh = .. or box = ..")


@dataclass(frozen=True, slots=True)
class Job:
    """A valid job. ``text``: its file and the overrides, word for word; ``folder``: what mesh paths are relative to."""

    content: PotentialJob | CompositeJob
    text: str
    folder: Path


def load_job(path: Path, overrides: Sequence[str] = ()) -> Job:
    """Read and validate a job file, with overrides ``KEY=VALUE`` put in first.

    Raises JobError with every mistake found, each under its path in the file.
    """
    text = _read(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise JobError(f"{path} is no TOML file: {error}. Correct that place.") from None
    for override in overrides:
        _put(data, override)
    model: type[PotentialJob] | type[CompositeJob] = PotentialJob
    check = check_potential
    if "coefficient" in data and "potential" not in data:
        model, check = CompositeJob, check_composite
    try:
        content, wrong = model.model_validate(data), list[str]()
    except ValidationError as error:
        content, wrong = None, in_words(model, data, error)
    wrong += check(data)
    if wrong or content is None:
        number = "a mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
        raise JobError("\n  ".join([f"{path} has {number}:", *_in_order(wrong, data)]))
    return Job(content, _with_overrides(text, overrides), path.absolute().parent)


def _in_order(wrong: list[str], data: Mapping[str, Any]) -> list[str]:
    """Mistakes in the order of the sections of the file; missing sections last."""
    sections = list(data)

    def place(line: str) -> int:
        name = line.lstrip("[").partition(":")[0].partition(".")[0].partition("[")[0].rstrip("]")
        return sections.index(name) if name in sections else len(sections)

    return sorted(wrong, key=place)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise JobError(f"{path}: {error.strerror or error}. Give the path of a job file.") from None
    except UnicodeDecodeError as error:
        raise JobError(f"{path} is no TOML file: {error.reason} at byte {error.start}. Save it as UTF-8.") from None


def _put(data: dict[str, Any], override: str) -> None:
    """Set the key a.b.c to a TOML value; ``cells.0.box.n`` reaches into a list."""
    key, equals, text = (part.strip() for part in override.partition("="))
    names = key.split(".")
    if not equals or not all(names):
        raise JobError(f"--set {override}: got no KEY=VALUE. Write it like --set potential.sigma=0.3.")
    place: Any = data
    for name in names[:-1]:
        place = place.setdefault(name, {}) if isinstance(place, dict) else _element(place, name, override)
    if isinstance(place, list) and names[-1].isdecimal() and int(names[-1]) < len(place):
        place[int(names[-1])] = _value(key, text)
    elif isinstance(place, dict):
        place[names[-1]] = _value(key, text)
    else:
        _element(place, names[-1], override)


def _element(place: object, name: str, override: str) -> Any:
    if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
        return place[int(name)]
    what = f"a list of {len(place)}" if isinstance(place, list) else "a single value"
    raise JobError(f"--set {override}: {name!r} would be a part of {what}. Check the key.")


def _value(key: str, text: str) -> Any:
    try:
        parsed: Mapping[str, Any] = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    if set(parsed) != {"value"}:
        raise JobError(f"--set {key}={text}: the value is not TOML. Put texts in quotes: --set '{key}=\"{text}\"'.")
    return parsed["value"]


def _with_overrides(text: str, overrides: Sequence[str]) -> str:
    return "\n".join([text.rstrip("\n"), *(f"# --set {override}" for override in overrides)]) + "\n"
