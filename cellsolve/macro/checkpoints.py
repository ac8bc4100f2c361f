"""Finished chunks of macroscopic points as parts of a store, and what says that a store is of the same job."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from cellsolve.cells import UnitCell
from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.multiscale.evaluation import ChunkResult
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planned import Planned
from cellsolve.results.dataset import versions
from cellsolve.results.store import Part, Store, open_store

if TYPE_CHECKING:
    from cellsolve.macro.model import EffectiveModel

__all__ = ["Checkpoints", "checkpoints_at", "job_of"]

_PLACES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoints:
    """The finished chunks of one temperature, each with the plan that it was computed by."""

    store: Store
    sigma: float

    def find(self, planned: Planned, x: FloatArray, derivatives: tuple[int, ...]) -> ChunkResult | None:
        """The result at the points x (R, d), if it was finished."""
        part = self.store.get(self._key(planned, x, derivatives))
        return None if part is None else _as_result(part)

    def keep(self, planned: Planned, x: FloatArray, derivatives: tuple[int, ...], result: ChunkResult) -> None:
        self.store.put(self._key(planned, x, derivatives), _as_part(result))

    def _key(self, planned: Planned, x: FloatArray, derivatives: tuple[int, ...]) -> str:
        plan = planned.plan
        spaces = [(k, repr(solver.space), len(solver.space.weights)) for k, solver in sorted(plan.solvers.items())]
        samplings = [(k, sampling.description) for k, sampling in sorted(plan.samplings.items())]
        how = repr((planned.scheme.name, planned.share, sorted(planned.rungs.items()), spaces, samplings))
        return _digest(np.float64(self.sigma).tobytes(), x.tobytes(), bytes(derivatives), how.encode())


def _as_part(result: ChunkResult) -> Part:
    """Arrays as they are, all else as a text."""
    given = {f.name: getattr(result, f.name) for f in fields(result) if f.name != "tally"}
    arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in given.items() if name not in arrays}
    work = {name: getattr(result.tally, name) for name in ("problems", "iterations", "unconverged", "checks")}
    return {**arrays, "rest": np.array(json.dumps({**rest, "work": work}))}


def _as_result(part: Part) -> ChunkResult:
    rest = {name: _by_level(value) for name, value in json.loads(str(part["rest"])).items()}
    work = {name: _by_level(value) for name, value in rest.pop("work").items()}
    arrays: dict[str, Any] = {name: array for name, array in part.items() if name != "rest"}
    return ChunkResult(tally=Tally(**work), **arrays, **rest)


def _by_level(value: Any) -> Any:
    """JSON has made texts of the numbers of levels."""
    if isinstance(value, dict) and all(name.isdigit() for name in value):
        return {int(name): entry for name, entry in value.items()}
    return value


@contextmanager
def checkpoints_at(
    place: str | os.PathLike[str] | Store | None, model: EffectiveModel, axes: Mapping[str, FloatArray], exact: bool
) -> Iterator[Checkpoints | None]:
    """Those of a model on a grid, in a folder or an open store; None for no place."""
    if place is None:
        yield None
    elif isinstance(place, Store):
        yield Checkpoints(place, model.sigma)
    else:
        with open_store(place, job_of([model], axes, exact)) as store:
            yield Checkpoints(store, model.sigma)


def job_of(models: Sequence[EffectiveModel], axes: Mapping[str, FloatArray], exact: bool) -> dict[str, str]:
    """All that the chunks of models of one potential on a grid depend on, in words."""
    model = models[0]
    return {
        **{f"potential {name}": text for name, text in model.potential.source.items()},
        "values of the potential": _values(model),
        "scales": str(model.potential.scales),
        "sigma": ", ".join(repr(each.sigma) for each in models),
        "tol": repr(model.tol),
        "bounds": str(model.bounds),
        "cells": "; ".join(map(_cell, model.cells)),
        **{f"grid {name}": f"{len(axis)} points {_digest(axis.tobytes())[:16]}" for name, axis in axes.items()},
        "exact_points": str(exact),
        "versions": versions(),
    }


def _values(model: EffectiveModel) -> str:
    """What a callable computes is not seen from its name."""
    V, random = model.potential, np.random.default_rng(3)
    x, *ys = random.normal(size=(1 + V.scales, _PLACES, V.dim))
    points = {"x": tuple(x.T), **{f"y{k}": tuple(y.T) for k, y in enumerate(ys, start=1)}}
    terms = [*V.terms, *([] if V.V0 is None else [V.V0])]
    with np.errstate(all="ignore"):
        return _digest(*(np.asarray(term.evaluate(points), dtype=float).tobytes() for term in terms))[:16]


def _cell(cell: Cell) -> str:
    if isinstance(cell, UnitCell):
        arrays = (cell.points, cell.elements, cell.tags, cell.period)
        return f"{cell.name} {_digest(*(np.ascontiguousarray(a).tobytes() for a in arrays))[:16]}"
    return f"box n={cell.n} order={cell.order} period={np.asarray(cell.period).tolist()}"


def _digest(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()
