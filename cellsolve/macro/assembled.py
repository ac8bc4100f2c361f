"""Results put together: of some of the points, of no point at all, of several temperatures.

What is not known is NaN, with an error estimate of infinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray
from cellsolve.macro.effective import Effective, Report

__all__ = ["at_known", "stacked", "unknown"]

BoolArray = npt.NDArray[np.bool_]
_NO_REPORT = Report({}, {}, 0, {}, 0, 0, {}, {}, {}, {}, 0.0)


def at_known(effective: Effective, known: BoolArray) -> Effective:
    """Results of the points that are ``known`` (R,), at their places among all R points."""

    def placed(name: str, values: FloatArray) -> FloatArray:
        full = np.full((len(known), *values.shape[1:]), _blank(name))
        full[known] = values
        return full

    return _each_array(effective, placed)


def unknown(lead: tuple[int, ...], dim: int, bounds: bool) -> Effective:
    """Points (lead) of which nothing is known, in ``dim`` dimensions, with ``bounds`` of M or without."""
    scalar, vector, tensor = (np.full((*lead, *(dim,) * rank), np.nan) for rank in range(3))
    return Effective(
        diffusion=tensor,
        log_diffusion=tensor,
        log_partition_function=scalar,
        free_energy=scalar,
        free_energy_gradient=vector,
        diffusion_divergence=vector,
        error_estimate=np.full(lead, np.inf),
        report=_NO_REPORT,
        lower=tensor if bounds else None,
        upper=tensor if bounds else None,
    )


def stacked(effectives: Sequence[Effective]) -> Effective:
    """Results at the same points, one after the other along a new first axis; their reports added up."""
    arrays = dict[str, FloatArray]()
    for field in fields(Effective):
        given = [getattr(effective, field.name) for effective in effectives]
        shape = next((array.shape for array in given if isinstance(array, np.ndarray)), None)
        if shape is not None:
            arrays[field.name] = np.stack([np.full(shape, np.nan) if array is None else array for array in given])
    changed: dict[str, Any] = dict(arrays)
    return replace(effectives[0], report=_total([effective.report for effective in effectives]), **changed)


def _each_array(effective: Effective, change: Any) -> Effective:
    arrays = {f.name: getattr(effective, f.name) for f in fields(effective)}
    changed: dict[str, Any] = {n: change(n, a) for n, a in arrays.items() if isinstance(a, np.ndarray)}
    return replace(effective, **changed)


def _blank(name: str) -> float:
    return np.inf if name == "error_estimate" else np.nan


def _total(reports: Sequence[Report]) -> Report:
    """Counts and seconds are summed, errors and unknowns the largest, texts those that differ."""
    return Report(
        cell_problems=_sums(r.cell_problems for r in reports),
        planning_problems=_sums(r.planning_problems for r in reports),
        checking_problems=sum(r.checking_problems for r in reports),
        iterations=_sums(r.iterations for r in reports),
        solved_points=max(r.solved_points for r in reports),
        unconverged=sum(r.unconverged for r in reports),
        spaces=_texts(r.spaces for r in reports),
        unknowns=_largest(r.unknowns for r in reports),
        samplings=_texts(r.samplings for r in reports),
        discretization_error=_largest(r.discretization_error for r in reports),
        seconds=sum(r.seconds for r in reports),
    )


def _sums(counts: Iterable[dict[int, int]]) -> dict[int, int]:
    total = dict[int, int]()
    for count in counts:
        for level, number in count.items():
            total[level] = total.get(level, 0) + number
    return total


def _largest(values: Iterable[dict[int, Any]]) -> dict[int, Any]:
    found = dict[int, Any]()
    for value in values:
        for level, number in value.items():
            found[level] = max(found.get(level, number), number)
    return found


def _texts(texts: Iterable[dict[Any, str]]) -> dict[Any, str]:
    found = dict[Any, dict[str, None]]()
    for text in texts:
        for key, words in text.items():
            found.setdefault(key, {})[words] = None
    return {key: ", ".join(words) for key, words in found.items()}
