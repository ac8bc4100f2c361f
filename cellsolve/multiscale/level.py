"""The cell problems of one level: coefficients in, log K_(k-1) and log Z_(k-1) with their derivatives out.

    K = exp( log Khat_k - (terms of level k)/sigma ),            div_yk( K (grad theta + I) ) = 0               (15)
    Khat_(k-1) = int (I + grad theta)^T K (I + grad theta) dy_k                                                  (16)
    Zhat_(k-1) = int exp( log Zhat_k - (terms)/sigma ) dy_k
    dKhat_(k-1)/dx = int (I + grad theta)^T (dK/dx) (I + grad theta) dy_k           (K is a minimum)

Every K carries a logarithmic scale of its own, so no temperature overflows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CoefficientError
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Space, TensorSpace
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum, Solved
from cellsolve.multiscale.fields import Fields, pack
from cellsolve.multiscale.log_euclidean import Spectrum, compose, exp_derivative, log_derivative, spectrum
from cellsolve.multiscale.plan import LevelSolver
from cellsolve.potentials import Level, Term, Variable

__all__ = ["Coefficient", "LevelResult", "Points", "level_coefficient", "roughness", "solve_level", "terms_at"]

IntArray = npt.NDArray[np.int64]
_MAX_OSCILLATION = 650.0
_CUT_OFF = 500.0  # log K over its least value, beyond which 1/K does not count
Points = dict[str, tuple[FloatArray, ...]]  # variable -> its d components, each (b,)


@dataclass(frozen=True, slots=True, eq=False)
class Coefficient:
    """K exp(-log_scale) and exp(-V/sigma) exp(-log_scale_Z) at the quadrature points of b cell problems."""

    K: FloatArray  # (b, q) or (b, d, d, q)
    log_scale: FloatArray  # (b,)
    boltzmann: FloatArray  # (b, q)
    log_scale_Z: FloatArray  # (b,)
    dK: dict[int, FloatArray]  # component i -> dK/dx_i, like K
    dlog_boltzmann: dict[int, FloatArray]  # component i -> (b, q)


@dataclass(frozen=True, slots=True, eq=False)
class LevelResult:
    """Khat_(k-1) of b cell problems, with the evidence."""

    fields: Fields  # (b, c)
    error: FloatArray  # (b,) relative error by stopping early
    converged: npt.NDArray[np.bool_]  # (b,)
    iterations: IntArray  # (b,)
    densities: FloatArray  # (b, d + 1, q) weights of d log K in each energy, and of d log Z in Z; summing to one
    contrast: FloatArray  # (b,) log of the largest over the smallest value of exp(-V1/sigma) and its kin
    roughness: FloatArray  # (b,) how much that logarithm changes from point to point, at most: second differences


def solve_level(
    level: Level,
    solver: LevelSolver,
    sigma: float,
    tol: float,
    points: Points,
    inner: Fields | None,
    derivatives: tuple[int, ...],
) -> LevelResult:
    """Solve b cell problems of one level at the outer points given, ``inner`` (b, q, c) being log Khat_k there."""
    count = len(next(iter(points.values()))[0])
    coefficient = level_coefficient(level, solver.space, sigma, points, inner, derivatives, count)
    dim, weights = solver.space.dim, solver.space.weights
    dT = {i: np.full((count, dim, dim), np.nan) for i in derivatives}
    densities = np.ones((count, dim + 1, len(weights))) / len(weights)

    def observe(solved: Solved, rows: IntArray) -> None:
        for i in derivatives:
            dT[i][rows] = solved.derivative(coefficient.dK[i][rows])
        if inner is not None:
            densities[rows, :dim] = solved.densities()

    minimum = solver.solve(coefficient.K, tol, on_solved=observe)
    densities[:, dim] = weights * coefficient.boltzmann
    densities[:, dim] /= densities[:, dim].sum(axis=-1, keepdims=True)
    fields = _fields(coefficient, minimum, dT, weights)
    logs = np.log(np.maximum(coefficient.boltzmann, np.finfo(float).tiny))
    contrast, rough = -logs.min(axis=-1), _roughness_at_points(logs, solver.space)
    return LevelResult(fields, minimum.error, minimum.converged, minimum.iterations, densities, contrast, rough)


def _roughness_at_points(logs: FloatArray, space: Space) -> FloatArray:
    """Second differences from point to point, or what values (b, q) range by in an element of a mesh."""
    if not isinstance(space, TensorSpace):
        assert isinstance(space, MeshSpace)
        elements = len(space.element_dofs)
        ranges: FloatArray = np.ptp(logs.reshape(len(logs), elements, -1), axis=-1).max(axis=-1)
        return ranges
    return roughness(logs.reshape(-1, *(len(space.axis_points),) * space.dim))


def roughness(values: FloatArray) -> FloatArray:
    """The largest second difference (b,) of values (b, n, .., n) along any axis; nothing is said of periods."""
    axes = range(1, values.ndim)
    seconds = [np.abs(np.diff(values, 2, axis=axis)).reshape(len(values), -1).max(axis=1) for axis in axes]
    largest: FloatArray = np.max(seconds, axis=0)
    return largest


def level_coefficient(
    level: Level,
    space: Space,
    sigma: float,
    points: Points,
    inner: Fields | None,
    derivatives: tuple[int, ...],
    count: int,
) -> Coefficient:
    """Evaluate the terms of the level at its quadrature points and join them with what the inner levels left."""
    grid = _components(space)
    lead = {name: tuple(c.reshape((-1,) + (1,) * grid[0].ndim) for c in parts) for name, parts in points.items()}
    local = {**lead, level.name: tuple(g[None] for g in grid)}
    shape = (count, *np.broadcast_shapes(*(g.shape for g in grid)))
    V = terms_at(level, local, shape) / sigma
    _refuse_non_finite(V, level, space, points)
    if space.dim > 1:
        _refuse_too_cold(V, level)
    dV = {
        i: _sum_of_terms([t.derivative(i).evaluate(local) for t in level.terms if _holds(t, i)], shape) / sigma
        for i in derivatives
    }
    if inner is not None:
        return _joined(V, dV, inner)
    return _innermost(V, dV) if space.dim > 1 else _innermost_of_one(V, dV)


def terms_at(level: Level, points: Mapping[str, tuple[FloatArray, ...]], shape: tuple[int, ...]) -> FloatArray:
    """The terms of the level, (b, q), at components of points that broadcast to ``shape`` = (b, ..)."""
    return _sum_of_terms([term.evaluate(points) for term in level.terms], shape)


def _innermost(V: FloatArray, dV: dict[int, FloatArray]) -> Coefficient:
    """K_N = exp(-V/sigma) I  (17)."""
    scale = -V.min(axis=-1)
    boltzmann = np.exp(-V - scale[:, None])
    dK = {i: -dV[i] * boltzmann for i in dV}
    return Coefficient(boltzmann, scale, boltzmann, scale, dK, {i: -dV[i] for i in dV})


def _innermost_of_one(V: FloatArray, dV: dict[int, FloatArray]) -> Coefficient:
    """The same in one dimension, where K_hom = 1 / <1/K> rests on the least K: K is scaled by that one, and cut off
    where 1/K no longer counts, so that no contrast is too large."""
    boltzmann = _innermost(V, {})
    K, scale = _from_the_least(-V)
    dK = {i: -dV[i] * K for i in dV}
    return replace(boltzmann, K=K, log_scale=scale, dK=dK, dlog_boltzmann={i: -dV[i] for i in dV})


def _from_the_least(log_K: FloatArray) -> tuple[FloatArray, FloatArray]:
    """K (b, q) over its least value, and the logarithm (b,) of that."""
    least = log_K.min(axis=-1)
    return np.exp(np.minimum(log_K - least[:, None], _CUT_OFF)), least


def _joined(V: FloatArray, dV: dict[int, FloatArray], inner: Fields) -> Coefficient:
    """K_k = exp(-V/sigma) Khat_k, a tensor field."""
    values, vectors = spectrum(inner.log_tensor)
    values = values - V[..., None]
    if inner.dim == 1:
        least, scale = _from_the_least(values[..., 0])
        values = np.log(least)[..., None]
    else:
        scale = values.max(axis=(1, 2))
        values = values - scale[:, None, None]
    K = compose(np.exp(values), vectors)
    logs = inner.log_partition - V
    scale_Z = logs.max(axis=-1)
    dK, dlogs = dict[int, FloatArray](), dict[int, FloatArray]()
    for i, slope in dV.items():
        dK[i], dlogs[i] = -slope[..., None, None] * K, -slope
        below = inner.derivative(i)
        if below is not None:
            dK[i] = dK[i] + exp_derivative((values, vectors), below[0])
            dlogs[i] = dlogs[i] + below[1]
        dK[i] = _points_last(dK[i])
    return Coefficient(_points_last(K), scale, np.exp(logs - scale_Z[:, None]), scale_Z, dK, dlogs)


def _fields(c: Coefficient, minimum: CellMinimum, dT: dict[int, FloatArray], weights: FloatArray) -> Fields:
    """Logarithms of the results, scales put back."""
    dim = minimum.tensor.shape[-1]
    logs, vectors = _log_spectrum(minimum)
    values = np.exp(logs)
    log_tensor = compose(logs, vectors) + c.log_scale[:, None, None] * np.eye(dim)
    Z = c.boltzmann @ weights
    blocks = [pack(log_tensor, c.log_scale_Z + np.log(Z))]
    for i, slope in dT.items():
        dlog_Z = np.einsum("bq,bq,q->b", c.boltzmann, c.dlog_boltzmann[i], weights) / Z
        blocks.append(pack(log_derivative((values, vectors), slope), dlog_Z))
    return Fields(np.concatenate(blocks, axis=-1), dim, tuple(dT))


def _log_spectrum(minimum: CellMinimum) -> Spectrum:
    """Spectra of log K_hom, NaN where it is not positive; those of the solver where it knows more digits."""
    values, vectors = spectrum(minimum.tensor)
    logs = np.log(np.where(values > 0, values, np.nan))
    if minimum.log_tensor is None:
        return logs, vectors
    known = np.isfinite(minimum.log_tensor).all(axis=(1, 2))
    logs[known], vectors[known] = spectrum(minimum.log_tensor[known])
    return logs, vectors


def _points_last(K: FloatArray) -> FloatArray:
    """(b, q, d, d) -> (b, d, d, q)."""
    return np.ascontiguousarray(np.moveaxis(K, 1, -1))


def _components(space: Space) -> tuple[FloatArray, ...]:
    """The d components of the quadrature points, as an open grid where the cell is an upright box."""
    upright = isinstance(space, TensorSpace) and np.array_equal(space.period, np.diag(np.diag(space.period)))
    if not upright:
        return tuple(space.points.T)
    assert isinstance(space, TensorSpace)
    lengths = np.diag(space.period)
    return tuple(np.meshgrid(*[space.axis_points * length for length in lengths], indexing="ij", sparse=True))


def _sum_of_terms(parts: list[FloatArray | float], shape: tuple[int, ...]) -> FloatArray:
    """Terms broadcast late, each on the axes it really has: (b, q)."""
    total = np.zeros(shape)
    for part in parts:
        total += part
    return total.reshape(shape[0], -1)


def _holds(term: Term, component: int) -> bool:
    return Variable("x", component) in term.variables


def _refuse_too_cold(V: FloatArray, level: Level) -> None:
    """In two and three dimensions contrasts beyond the range of floating point numbers have no cell problem."""
    oscillation = float(np.ptp(V, axis=-1).max())
    if oscillation > _MAX_OSCILLATION:
        raise CoefficientError(
            f"osc(V1)/sigma in {level.name} is {oscillation:.4g}, needed at most {_MAX_OSCILLATION:g}: exp(-V1/sigma) "
            "would leave the range of floating point numbers. Raise sigma."
        )


def _refuse_non_finite(V: FloatArray, level: Level, space: Space, points: Points) -> None:
    if np.isfinite(V).all():
        return
    b, q = np.argwhere(~np.isfinite(V))[0]
    where = [f"{name} = {[float(c[min(b, len(c) - 1)]) for c in parts]}" for name, parts in points.items()]
    where.append(f"{level.name} = {space.points[q].tolist()}")
    raise CoefficientError(
        f"the potential is {V[b, q]} at {', '.join(where)}; needed finite values everywhere on the cells. "
        "Check divisions, logarithms and roots in V1."
    )
