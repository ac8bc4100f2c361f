"""Problems of high contrast on a box of elements, solved one by one in the form that their wells suggest."""

from __future__ import annotations

import numpy as np

from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.space import FloatArray
from cellsolve.fem.wells import depth, is_cold
from cellsolve.linalg.cg import conjugate_gradients
from cellsolve.linalg.energies import BoolArray, CellMinimum, IntArray, OnSolved, Solved
from cellsolve.linalg.graded import log_of_graded, relative_gap
from cellsolve.linalg.green import is_smooth, isotropic_part
from cellsolve.linalg.node_graph import isotropic_logs
from cellsolve.linalg.well_form import WellForm, well_form

__all__ = ["is_metastable", "solve_metastable"]

_MAX_ITERATIONS = 600
_ATTEMPTS = 3


def is_metastable(space: BoxSpace, K: FloatArray) -> BoolArray:
    """Which of the coefficients (b, q) or (b, d, d, q) are solved by their wells: each for itself, whatever the
    batch."""
    if space.is_collocated:
        return np.zeros(len(K), dtype=np.bool_)
    kappa = isotropic_part(K, space.dim)
    contrast = np.log(kappa.max(axis=-1)) - np.log(np.maximum(kappa.min(axis=-1), np.finfo(float).tiny))
    return np.array([_is_cold(space, K[i : i + 1], float(c)) for i, c in enumerate(contrast)], dtype=np.bool_)


def _is_cold(space: BoxSpace, K: FloatArray, contrast: float) -> bool:
    """Of one coefficient; the depth of its passes takes more time than its contrast."""
    if not is_cold(contrast, contrast) or not is_smooth(space, K):
        return False
    if is_cold(contrast, 0.0):
        return True
    logs = isotropic_logs(space, K[0]).reshape((len(space.line.nodes),) * space.dim)
    return is_cold(contrast, depth(logs))


def solve_metastable(space: BoxSpace, K: FloatArray, tol: float, on_solved: OnSolved | None) -> CellMinimum:
    """Cell problems of coefficients K (b, q) or (b, d, d, q), each eigenvalue of their tensors to ``tol``."""
    found = [_solve_one(space, K[i], tol, _numbered_as(on_solved, i)) for i in range(len(K))]
    parts = {
        name: np.concatenate([getattr(one, name) for one in found])
        for name in ("tensor", "unknowns", "iterations", "error", "residual", "converged", "log_tensor")
    }
    return CellMinimum(form=None, **parts)


def _solve_one(space: BoxSpace, K: FloatArray, tol: float, on_solved: OnSolved | None) -> CellMinimum:
    """As often as it takes for the error, small against each energy, to be so against the smallest eigenvalue."""
    form = well_form(space, K)
    minimum = conjugate_gradients(form, tol, max_iterations=_MAX_ITERATIONS)
    for _ in range(_ATTEMPTS):
        gap = relative_gap(minimum.tensor[0])
        minimum.error /= max(gap, np.finfo(float).tiny)
        if minimum.error[0] <= tol or not minimum.converged[0]:
            break
        before = minimum.iterations
        resumed = form.resumed(minimum.unknowns)
        minimum = conjugate_gradients(resumed, 0.5 * tol * gap, max_iterations=_MAX_ITERATIONS)
        minimum.iterations += before
    minimum.converged &= minimum.error <= tol
    return _upright(form, minimum, on_solved)


def _upright(form: WellForm, minimum: CellMinimum, on_solved: OnSolved | None) -> CellMinimum:
    """The same for the unit vectors."""
    if on_solved is not None and minimum.converged[0]:
        on_solved(form.evaluate(minimum.unknowns)[2], np.zeros(1, dtype=np.int64))
    back = np.linalg.inv(form.frame)
    T = minimum.tensor[0]
    minimum.log_tensor = log_of_graded(T, form.frame)[None]
    minimum.tensor = (back @ T @ back.T)[None]
    minimum.unknowns, minimum.form = form.correctors(minimum.unknowns), None
    return minimum


def _numbered_as(on_solved: OnSolved | None, number: int) -> OnSolved | None:
    """The same, told of one problem by its number in a batch."""
    if on_solved is None:
        return None

    def observe(solved: Solved, rows: IntArray) -> None:
        on_solved(solved, rows + number)

    return observe
