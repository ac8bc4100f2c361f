"""Problems of high contrast on a box of elements, solved one by one in the form that their wells suggest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.space import FloatArray
from cellsolve.fem.wells import depth, is_deep
from cellsolve.linalg.cg import conjugate_gradients
from cellsolve.linalg.energies import BoolArray, CellMinimum, IntArray, OnSolved, Solved
from cellsolve.linalg.graded import log_of_graded
from cellsolve.linalg.green import is_smooth, isotropic_part
from cellsolve.linalg.node_graph import isotropic_logs
from cellsolve.linalg.well_form import WellForm, well_form

__all__ = ["MetastableSolver", "is_metastable"]

_MAX_ITERATIONS = 600


def is_metastable(space: BoxSpace, K: FloatArray) -> BoolArray:
    """Which of the coefficients (b, q) or (b, d, d, q) are solved by their wells: each for itself, whatever the
    batch."""
    if space.is_collocated:
        return np.zeros(len(K), dtype=np.bool_)
    kappa = isotropic_part(K, space.dim)
    contrast = np.log(kappa.max(axis=-1)) - np.log(np.maximum(kappa.min(axis=-1), np.finfo(float).tiny))
    return np.array([_is_metastable(space, K[i : i + 1], float(c)) for i, c in enumerate(contrast)], dtype=np.bool_)


def _is_metastable(space: BoxSpace, K: FloatArray, contrast: float) -> bool:
    """Of one coefficient; the depth of its passes takes more time than its contrast."""
    if not is_deep(contrast, contrast, space.dim) or not is_smooth(space, K):
        return False
    if is_deep(contrast, 0.0, space.dim):
        return True
    logs = isotropic_logs(space, K[0]).reshape((len(space.line.nodes),) * space.dim)
    return is_deep(contrast, depth(logs), space.dim)


@dataclass(slots=True, eq=False)
class MetastableSolver:
    """Solves metastable problems on one space; the last one is kept, because spaces are chosen, checked and used on
    the same problem."""

    space: BoxSpace
    _last: tuple[bytes, WellForm, CellMinimum] | None = None

    def solve(self, K: FloatArray, tol: float, on_solved: OnSolved | None) -> CellMinimum:
        """Cell problems of coefficients K (b, q) or (b, d, d, q), each eigenvalue of their tensors to ``tol``."""
        found = [self._solve_one(K[i], tol, _numbered_as(on_solved, i)) for i in range(len(K))]
        parts = {
            name: np.concatenate([getattr(one, name) for one in found])
            for name in ("tensor", "unknowns", "iterations", "error", "residual", "converged", "log_tensor")
        }
        return CellMinimum(form=None, **parts)

    def _solve_one(self, K: FloatArray, tol: float, on_solved: OnSolved | None) -> CellMinimum:
        key = blake2b(K.tobytes(), salt=np.float64(tol).tobytes()).digest()
        if self._last is None or self._last[0] != key:
            form = well_form(self.space, K)
            self._last = (key, form, conjugate_gradients(form, tol, max_iterations=_MAX_ITERATIONS))
        _, form, minimum = self._last
        return _upright(form, minimum, on_solved)


def _upright(form: WellForm, minimum: CellMinimum, on_solved: OnSolved | None) -> CellMinimum:
    """The same for the unit vectors."""
    if on_solved is not None and minimum.converged[0]:
        on_solved(form.evaluate(minimum.unknowns)[2], np.zeros(1, dtype=np.int64))
    back, T = np.linalg.inv(form.frame), minimum.tensor[0]
    return replace(
        minimum,
        tensor=(back @ T @ back.T)[None],
        unknowns=form.correctors(minimum.unknowns),
        form=None,
        log_tensor=log_of_graded(T, form.frame)[None],
    )


def _numbered_as(on_solved: OnSolved | None, number: int) -> OnSolved | None:
    """The same, told of one problem by its number in a batch."""
    if on_solved is None:
        return None

    def observe(solved: Solved, rows: IntArray) -> None:
        on_solved(solved, rows + number)

    return observe
