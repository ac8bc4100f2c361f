"""Tensor grids of macroscopic points, and results on them as labelled datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CoefficientError
from cellsolve.fem.space import FloatArray
from cellsolve.macro.effective import Effective
from cellsolve.results.dataset import macro_dataset

if TYPE_CHECKING:
    import xarray

__all__ = ["grid_points", "to_dataset"]


def grid_points(grid: Mapping[str, npt.ArrayLike], dim: int) -> tuple[dict[str, FloatArray], FloatArray]:
    """Axes x0, x1 .. of a grid, checked, and its points (n0, n1, .., d)."""
    names = [f"x{i}" for i in range(dim)]
    if not isinstance(grid, Mapping):
        raise CoefficientError(f"got {grid!r:.40} as a grid, needed a mapping with the axes {names}.")
    if dim == 1 and set(grid) == {"x"}:
        grid = {"x0": grid["x"]}
    if set(grid) != set(names):
        raise CoefficientError(f"got grid axes {sorted(grid)}, needed {names}. Give one 1-D array for each.")
    axes = {name: _axis(name, grid[name]) for name in names}
    return axes, np.stack(np.meshgrid(*axes.values(), indexing="ij"), axis=-1)


def _axis(name: str, values: npt.ArrayLike) -> FloatArray:
    try:
        axis = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise CoefficientError(f"the grid axis {name} holds values that are no numbers.") from None
    if axis.ndim != 1 or not len(axis) or not np.isfinite(axis).all():
        raise CoefficientError(f"the grid axis {name} has shape {axis.shape}; needed finite numbers in a 1-D array.")
    return axis


def to_dataset(
    axes: Mapping[str, FloatArray],
    effective: Effective,
    attributes: Mapping[str, str | float | int],
    tol: float,
    failure: str = "",
) -> xarray.Dataset:
    """Effective coefficients on a grid as an xarray.Dataset; ``failure`` says what they lack, if anything."""
    known = np.isfinite(effective.log_diffusion).all(axis=(-1, -2))
    values: dict[str, npt.NDArray[Any]] = {
        "diffusion": effective.diffusion,
        "log_diffusion": effective.log_diffusion,
        "partition_function": effective.partition_function,
        "log_partition_function": effective.log_partition_function,
        "free_energy": effective.free_energy,
        "free_energy_gradient": effective.free_energy_gradient,
        "diffusion_divergence": effective.diffusion_divergence,
        "error_estimate": effective.error_estimate,
        "within_tolerance": (known & (effective.error_estimate <= tol)).astype(np.int8),
    }
    if effective.lower is not None and effective.upper is not None:
        values |= {"lower": effective.lower, "upper": effective.upper}
    verdict = {
        "converged": int(known.all() and not failure),
        "failure": failure,
        "worst_error_estimate": float(effective.error_estimate.max()),
        "points_not_computed": int((~known).sum()),
        "points_of_diffusion_underflow": int(_underflows(effective).sum()),
    }
    return macro_dataset(axes, values, {**attributes, **verdict})


def _underflows(effective: Effective) -> npt.NDArray[np.bool_]:
    """Points (...) at which an eigenvalue of M is below the range of floating point numbers."""
    logs = np.linalg.eigvalsh(np.where(np.isfinite(effective.log_diffusion), effective.log_diffusion, 0.0))
    return np.asarray((logs < np.log(np.finfo(float).tiny)).any(axis=-1))
