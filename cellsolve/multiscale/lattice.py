"""How K_k is known as a function of y_k: on a uniform lattice, or at the quadrature points of level k.

    f(y) = sum_j f_j D_n(y - j/n),   D_n(t) = sin(n pi t) / (n sin pi t)  (n odd),  times cos(pi t)  (n even)

On a lattice the fields log K_k and log Z_k are smooth and periodic, and trigonometric interpolation converges
exponentially; its error shows in the last Fourier coefficients. K_(k-1) is an average, and sees about the square of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cellsolve.fem.box_space import BoxSpace, along_axis
from cellsolve.fem.resolution import Space, TensorSpace
from cellsolve.fem.space import FloatArray
from cellsolve.fem.trigonometric_line import trigonometric_matrix
from cellsolve.potentials import Variable

__all__ = [
    "AtPoints",
    "Lattice",
    "Sampling",
    "alias_sum",
    "aliasing_error",
    "extended",
    "fourier_amplitudes",
    "moves",
    "needed_count",
    "tail",
    "with_foreseen",
]


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """n_i equally spaced samples along the i-th period vector (1 where nothing depends on that component)."""

    counts: tuple[int, ...]
    period: FloatArray  # (d, d)

    def restricted(self, name: str, variables: frozenset[Variable]) -> Lattice:
        """One sample along the directions in which none of the variables moves."""
        counts = tuple(n if moves(v, name, variables) else 1 for n, v in zip(self.counts, self.period, strict=True))
        return replace(self, counts=counts)

    @property
    def description(self) -> str:
        return f"{' x '.join(map(str, self.counts))} lattice"

    @property
    def axes(self) -> tuple[int, ...]:
        """Lengths of the d sample axes."""
        return self.counts

    def components(self, space: Space) -> FloatArray:  # noqa: ARG002 (a lattice needs no space)
        """Coordinates of the samples (d, n_0, .., n_(d-1))."""
        fractions = np.meshgrid(*[np.arange(n) / n for n in self.counts], indexing="ij")
        return np.tensordot(self.period.T, np.stack(fractions), axes=1)

    def to_points(self, values: FloatArray, space: Space) -> FloatArray:
        """Interpolate samples (b, n_0, .., n_(d-1), m) to the quadrature points: (b, q, m)."""
        b, m = values.shape[0], values.shape[-1]
        if values.shape[1:-1] == (1,) * space.dim:
            return np.broadcast_to(values.reshape(b, 1, m), (b, len(space.weights), m))
        if isinstance(space, TensorSpace):
            for axis, count in enumerate(values.shape[1:-1]):
                values = along_axis(trigonometric_matrix(count, space.axis_points), values, axis + 1)
            return values.reshape(b, -1, m)
        return self.at(values, space.points)

    def at(self, values: FloatArray, points: FloatArray) -> FloatArray:
        """Interpolate samples (b, n_0, .., n_(d-1), m) to any points (q, d): (b, q, m)."""
        fractions = points @ np.linalg.inv(self.period)
        matrix = np.ones((len(fractions), 1))
        for axis, count in enumerate(values.shape[1:-1]):
            factor = trigonometric_matrix(count, fractions[:, axis])
            matrix = (matrix[:, :, None] * factor[:, None, :]).reshape(len(fractions), -1)
        result: FloatArray = np.matmul(matrix, values.reshape(len(values), -1, values.shape[-1]))
        return result


@dataclass(frozen=True, slots=True)
class AtPoints:
    """Samples at the quadrature points of level k: for potentials that are not smooth, or sharply peaked, in y_k."""

    n_points: int
    dim: int

    def restricted(self, name: str, variables: frozenset[Variable]) -> AtPoints:
        """All points, or one where none of the variables is a component of y."""
        return self if any(v.name == name for v in variables) else replace(self, n_points=1)

    @property
    def description(self) -> str:
        return f"{self.n_points} quadrature points"

    @property
    def axes(self) -> tuple[int, ...]:
        """All samples stand on the first of the d axes."""
        return (self.n_points,) + (1,) * (self.dim - 1)

    def components(self, space: Space) -> FloatArray:
        """Coordinates of the samples (d, q, 1, ..); of one that stands for all, those of any point."""
        return space.points[: self.n_points].T.reshape((self.dim, *self.axes))

    def to_points(self, values: FloatArray, space: Space) -> FloatArray:
        """(b, q or 1, 1, .., m) -> (b, q, m)."""
        b, m = values.shape[0], values.shape[-1]
        return np.broadcast_to(values.reshape(b, -1, m), (b, len(space.weights), m))


Sampling = Lattice | AtPoints


def moves(period_vector: FloatArray, name: str, variables: frozenset[Variable]) -> bool:
    """Does a step of y along the period vector change one of the variables?"""
    return any(component != 0.0 and Variable(name, i) in variables for i, component in enumerate(period_vector))


def fourier_amplitudes(values: FloatArray, axis: int) -> FloatArray:
    """|f_m + f_-m| amplitudes, m = 0 .. n/2, along one axis, which moves to the end; every other axis is kept."""
    count = values.shape[axis]
    spectrum = np.abs(np.fft.rfft(np.moveaxis(values, axis, -1), axis=-1)) / count
    spectrum[..., 1 : (count + 1) // 2] *= 2
    result: FloatArray = spectrum
    return result


_SLOWING = 0.85


def extended(amplitudes: FloatArray) -> FloatArray:
    """Amplitudes (..., n/2 + 1) of samples at n points, continued geometrically to (..., 2n + 1).

    The last two bands of two give the rate, slowed a little, because amplitudes of analytic functions often fall faster
    at first; the last amplitude seen is never trusted to be smaller than the rate predicts.
    """
    return continued(amplitudes, 4 * (amplitudes.shape[-1] - 1) + 1)


def continued(amplitudes: FloatArray, total: int) -> FloatArray:
    """The last of the amplitudes (..., m), and as many more as make ``total``, by their geometric decay."""
    seen = amplitudes.shape[-1]
    if seen < 4:
        rate = np.full(amplitudes.shape[:-1], 0.5)
    else:
        band, before = amplitudes[..., -2:].max(axis=-1), amplitudes[..., -4:-2].max(axis=-1)
        rate = np.clip(band / np.maximum(before, 1e-300), 1e-4, 0.96) ** (0.5 * _SLOWING)
    edge = np.maximum(amplitudes[..., -1], amplitudes[..., -2] * rate)
    edge = np.maximum(edge, 1e-16 * amplitudes.max(axis=-1))
    beyond = edge[..., None] * rate[..., None] ** np.arange(total + 1 - seen)
    return np.concatenate([amplitudes[..., :-1], beyond], axis=-1)


def tail(amplitudes: FloatArray) -> FloatArray:
    """Largest interpolation error of a function with amplitudes (..., n/2 + 1) at n samples, taken twice."""
    half = amplitudes.shape[-1] - 1
    result: FloatArray = 4.0 * extended(amplitudes)[..., half:].sum(axis=-1)
    return result


def aliasing_error(
    samples: FloatArray, densities: FloatArray, space: Space, foreseen: Sequence[FloatArray]
) -> FloatArray:
    """Errors (b, d), by direction, of averages <exp(f) ..> when samples f (b, n_0, .., n_(d-1), c) are interpolated.

    ``densities`` (b, r, q) are the first-order weights of f in those averages (energies, probabilities), each summing
    to one. Interpolation turns the mode m of f, m >= n/2, into m - n; so with amplitudes c of f and h of a weight

        error = sum_(m >= n/2) c_m (h_m + h_(m - n)) + second order      (twice, for K and Z; twice for safety),

    which is about the square of the pointwise error where f and the weight are equally smooth, and mostly much larger
    than the error, because it knows no phases: see `recursion`, which measures by how much. On meshes, where the
    modes of a weight are not at hand, h = 1: the pointwise error. Modes that the samples cannot show are those that
    the finer scan of a few lines found, ``foreseen`` (amplitudes for each direction), or the decay of the others.
    """
    errors = np.zeros((len(samples), samples.ndim - 2))
    for axis in range(1, samples.ndim - 1):
        count = samples.shape[axis]
        if count == 1:
            continue
        amplitudes = fourier_amplitudes(samples, axis).reshape(len(samples), -1, count // 2 + 1).max(axis=1)
        half = (count + 1) // 2
        c = with_foreseen(extended(amplitudes), foreseen[axis - 1], half)
        m = np.arange(c.shape[-1])
        h = _weight_modes(densities, space, axis - 1, len(m))
        folded = np.abs(m - count * np.round(m / count)).astype(int)
        unseen = slice(half, None)
        first_order = (c * (h + h[:, folded]))[:, unseen].sum(axis=1)
        errors[:, axis - 1] = 4.0 * first_order + 0.5 * (2.0 * c[:, unseen].sum(axis=1)) ** 2
    return errors


def with_foreseen(c: FloatArray, foreseen: FloatArray, half: int) -> FloatArray:
    """Amplitudes (b, M) raised from the mode ``half`` on to those foreseen, which grow with what was seen below it.

    Samples that show fewer than four modes tell nothing of the decay: those foreseen are then all there is.
    """
    known = np.zeros(c.shape[-1])
    known[: len(foreseen)] = foreseen[: len(known)]
    visible = max(float(known[1:half].max(initial=0.0)), np.finfo(float).tiny)
    growth = np.maximum(c[:, 1:half].max(axis=1, initial=0.0) / max(visible, 1e-12), 1.0)
    raised = c.copy()
    expected = growth[:, None] * known[half:]
    raised[:, half:] = expected if half < 4 and known.any() else np.maximum(c[:, half:], expected)
    return raised


def _weight_modes(densities: FloatArray, space: Space, axis: int, count: int) -> FloatArray:
    """Bounds (b, count) of the Fourier modes 0, 1, .. of the weights along one axis, over all modes of the others.

    Gauss points show a mode where there are four of them a wave, collocation where there are more than two; the decay
    of the last modes shown is carried on.
    """
    if not isinstance(space, TensorSpace):
        return np.ones((len(densities), count))
    grid = densities.reshape((*densities.shape[:2], *(len(space.axis_points),) * space.dim))
    waves = np.exp(-2j * np.pi * np.outer(space.axis_points, np.arange(count)))
    modes = np.abs(np.moveaxis(grid, 2 + axis, -1) @ waves)
    bounds: FloatArray = modes.reshape((*densities.shape[:2], -1, count)).sum(axis=2).max(axis=1)
    collocated = isinstance(space, BoxSpace) and space.is_collocated
    shown = max((len(space.axis_points) - 1) // 2 if collocated else len(space.axis_points) // 4, 2)
    return continued(bounds[:, : shown + 1], count) if count > shown + 1 else bounds


def needed_count(amplitudes: FloatArray, tolerance: float) -> int:
    """Smallest odd n with  2 sum_(m > n/2) c_m c_(m - n)  below the tolerance, c_0 being 1.

    That is what `aliasing_error` gives for averages against weights as smooth as the function itself, without its
    factors of safety. Odd, because an even n shows only half of its last mode; 1 where nothing moves.
    """
    c = extended(amplitudes).reshape(-1, 4 * (amplitudes.shape[-1] - 1) + 1).max(axis=0)
    last: int = 2 * (amplitudes.shape[-1] - 1) - 1
    if 2.0 * c[1:].sum() <= tolerance:
        return 1
    return next((n for n in range(3, last, 2) if alias_sum(c, n) <= tolerance), last)


def alias_sum(c: FloatArray, n: int) -> float:
    """2 sum_(m > n/2) c_m c_(m - n) of amplitudes c (M,), c_0 being 1: what n samples make of averages at most."""
    weight = np.minimum(np.concatenate([[1.0], c[1:]]), 1.0)
    m = np.arange(len(c))
    folded = np.abs(m - n * np.round(m / n)).astype(int)
    return float(2.0 * (c * weight[folded])[(n + 1) // 2 :].sum())
