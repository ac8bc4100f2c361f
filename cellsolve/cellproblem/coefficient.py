"""Coefficients as users give them, at quadrature points: (q,), or (d, d, q) for tensors.

A coefficient is a number, a (d, d) array, a text in y[0], y[1] .., a callable of points (q, d), or a dict of these by
region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CoefficientError
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.potentials import Expression, Variable, parse_expression

__all__ = ["Coefficient", "coefficient_at", "coefficients_at"]

Value = float | str | npt.NDArray[Any] | Callable[[FloatArray], npt.ArrayLike]
Coefficient = Value | Mapping[str, Value]


def coefficient_at(coefficient: Coefficient, space: Space) -> FloatArray:
    """K at the quadrature points of a space, checked: finite, symmetric, positive definite."""
    K = _everywhere(coefficient, space)
    if isinstance(space, MeshSpace | CoupledSpace) and space.dim > 1:
        sizes = K if K.ndim == 1 else np.einsum("iiq->q", K)
        if sizes.max() / _CONTRAST > sizes.min():
            raise CoefficientError(
                f"the coefficient varies from {sizes.min():.1e} to {sizes.max():.1e}; needed a contrast up to "
                f"{_CONTRAST:.0e}. Leave nearly insulating regions out of the mesh."
            )
    return K


def _everywhere(coefficient: Coefficient, space: Space) -> FloatArray:
    if not isinstance(coefficient, Mapping):
        return _positive_definite(_value_at(coefficient, space.points), space.points, "the coefficient")
    names = _region_names(space)
    _check_regions(coefficient, names)
    if all(isinstance(coefficient[name], int | float) for name in names):
        return _region_numbers(coefficient, names, space)
    regions = {name: _tags(space) == number for number, name in enumerate(names)}
    parts = {
        name: _positive_definite(
            _value_at(coefficient[name], space.points[where]), space.points[where], f"region {name!r}"
        )
        for name, where in regions.items()
    }
    return _joined(parts, regions, space)


def coefficients_at(coefficients: Any, space: Space) -> FloatArray:
    """Several coefficients on one space: (B, q), or (B, d, d, q) where one of them is a tensor.

    ``coefficients``: a sequence of coefficients, or a callable of points (q, d) that gives (B, q) or (B, q, d, d).
    """
    if callable(coefficients):
        values = np.asarray(_called(coefficients, space.points))
        if values.ndim not in (2, 4):
            raise CoefficientError(
                f"the callable of coefficients gave shape {values.shape}; needed (B, {len(space.points)}) or "
                f"(B, {len(space.points)}, {space.dim}, {space.dim}), one row a cell problem."
            )
        if values.shape[1:] == (len(space.points),) and np.isfinite(values).all() and (values > 0).all():
            return values
        parts = [
            _positive_definite(_points_last(v, space.points), space.points, f"coefficient {b}")
            for b, v in enumerate(values)
        ]
    else:
        if isinstance(coefficients, str | Mapping) or not isinstance(coefficients, Iterable):
            raise CoefficientError(
                f"got {coefficients!r:.60} as coefficients; needed a sequence of coefficients, or a callable of points "
                "(q, d) that gives (B, q) or (B, q, d, d). For one coefficient, use solve_cell_problem."
            )
        parts = [coefficient_at(c, space) for c in coefficients]
    if not parts:
        raise CoefficientError("got no coefficients, needed at least one.")
    if all(part.ndim == 1 for part in parts):
        return np.stack(parts)
    return np.stack([_as_tensor(part, space.dim) for part in parts])


def _region_names(space: Space) -> list[str]:
    return list(space.cell.region_names) if isinstance(space, MeshSpace | CoupledSpace) else ["cell"]


def _tags(space: Space) -> npt.NDArray[np.int64]:
    """The region (q,) of each point."""
    if isinstance(space, MeshSpace | CoupledSpace):
        return space.tags
    return np.zeros(len(space.weights), dtype=np.int64)


def _region_numbers(coefficient: Mapping[str, Any], names: list[str], space: Space) -> FloatArray:
    """One number a region."""
    tags, values = _tags(space), np.array([float(coefficient[name]) for name in names])
    good = np.isfinite(values) & (values > 0)
    if not good.all():
        for number in np.flatnonzero(~good):
            where = np.append(np.flatnonzero(tags == number), 0)[:1]  # the first point, where no element is left
            _positive_definite(values[number : number + 1], space.points[where], f"region {names[number]!r}")
    return values[tags]


def _check_regions(coefficient: Mapping[str, Value], known: list[str]) -> None:
    unknown, missing = sorted(set(coefficient) - set(known)), sorted(set(known) - set(coefficient))
    if unknown:
        raise CoefficientError(
            f"got values for the regions {unknown}, but the cell has {known}. Rename or remove them."
        )
    if missing:
        raise CoefficientError(
            f"the regions {missing} have no coefficient; the cell has {known}. Give each of them a value."
        )


def _value_at(value: Value, points: FloatArray) -> FloatArray:
    """One value at points (m, d): (m,) or (d, d, m)."""
    count, dim = points.shape
    if isinstance(value, str):
        expression = _parsed(value, dim)
        components = {Variable("y", i): points[:, i] for i in range(dim)}
        return np.broadcast_to(np.asarray(expression.evaluate(components), dtype=float), (count,)).copy()
    if callable(value):
        return _points_last(_called(value, points), points)
    if value is None or isinstance(value, bytes):
        raise CoefficientError(f"got {value!r:.60} as a coefficient; needed {_ACCEPTED}.")
    try:
        constant = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise CoefficientError(f"got {value!r:.60} as a coefficient; needed {_ACCEPTED}.") from None
    if constant.shape == ():
        return np.full(count, float(constant))
    if constant.shape != (dim, dim):
        raise CoefficientError(f"got a coefficient of shape {constant.shape}, needed a number or ({dim}, {dim}).")
    return np.repeat(constant[:, :, None], count, axis=2)


@lru_cache(maxsize=64)
def _parsed(text: str, dim: int) -> Expression:
    return parse_expression(text, {"y": dim})


_CONTRAST = 1e100  # between the points of a mesh: matrices of more are singular in double precision
_ACCEPTED = "a number, a (d, d) array, a text in y[0], y[1] .., a callable of points (q, d), or {region: any of these}"


def _called(function: Callable[[FloatArray], npt.ArrayLike], points: FloatArray) -> npt.NDArray[Any]:
    """The user's function at points it cannot write to."""
    frozen = points.copy()
    frozen.flags.writeable = False
    with np.errstate(all="ignore"):
        result = np.asarray(function(frozen))
    if result.dtype.kind not in "fiub":
        raise CoefficientError(f"the coefficient function gave values of type {result.dtype}, needed real numbers.")
    return result.astype(float)


def _points_last(values: npt.NDArray[Any], points: FloatArray) -> FloatArray:
    """(m,), () or (m, d, d) from a function -> (m,) or (d, d, m)."""
    count, dim = points.shape
    if values.shape in ((), (count,)):
        return np.broadcast_to(values, (count,)).astype(float)
    if values.shape == (count, dim, dim):
        return np.ascontiguousarray(np.moveaxis(values, 0, -1))
    raise CoefficientError(
        f"the coefficient function gave shape {values.shape} for points {points.shape}; needed ({count},) or "
        f"({count}, {dim}, {dim}). The components stand in the last axis: write y[..., 0], not y[0]."
    )


def _positive_definite(K: FloatArray, points: FloatArray, name: str) -> FloatArray:
    """K itself, or an error that names the first place where it is not a conductivity."""
    finite = np.isfinite(K) if K.ndim == 1 else np.isfinite(K).all(axis=(0, 1))
    if not finite.all():
        _refuse(name, K[..., ~finite][..., 0], points[~finite][0], "finite values")
    if K.ndim == 1:
        if (K <= 0).any():
            _refuse(
                name, K[K <= 0][0], points[K <= 0][0], "values > 0 (for an insulator, leave the region out of the mesh)"
            )
        return K
    skew = np.abs(K - K.swapaxes(0, 1)).max(axis=(0, 1)) > 1e-12 * np.abs(K).max(axis=(0, 1))
    if skew.any():
        _refuse(name, K[..., skew][..., 0], points[skew][0], "a symmetric tensor")
    K = 0.5 * (K + K.swapaxes(0, 1))
    indefinite = np.linalg.eigvalsh(np.moveaxis(K, -1, 0))[:, 0] <= 0
    if indefinite.any():
        _refuse(name, K[..., indefinite][..., 0], points[indefinite][0], "a positive definite tensor")
    return K


def _refuse(name: str, value: Any, point: FloatArray, needed: str) -> None:
    shown = np.asarray(value).tolist()
    where = [float(f"{c:.6g}") for c in point]
    raise CoefficientError(f"{name} is {shown} at y = {where}; needed {needed}.")


def _joined(parts: dict[str, FloatArray], regions: dict[str, npt.NDArray[np.bool_]], space: Space) -> FloatArray:
    """Values of all regions on the whole cell."""
    scalar = all(part.ndim == 1 for part in parts.values())
    K = np.empty(len(space.points) if scalar else (space.dim, space.dim, len(space.points)))
    for name, where in regions.items():
        K[..., where] = parts[name] if scalar else _as_tensor(parts[name], space.dim)
    return K


def _as_tensor(K: FloatArray, dim: int) -> FloatArray:
    return K if K.ndim == 3 else np.eye(dim)[:, :, None] * K
