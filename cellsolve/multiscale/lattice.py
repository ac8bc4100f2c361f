"""How K_k is known as a function of y_k: on a uniform lattice, or at the quadrature points of level k.

    f(y) = sum_j f_j D_n(y - j/n),   D_n(t) = sin(n pi t) / (n sin pi t)  (n odd),  times cos(pi t)  (n even)

On a lattice the fields log K_k and log Z_k are smooth and periodic, and trigonometric interpolation converges
exponentially; its error shows in the last Fourier coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellsolve.fem.box_space import BoxSpace, along_axis
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray

__all__ = ["AtPoints", "Lattice", "Sampling", "fourier_amplitudes", "needed_count", "tail", "trigonometric_matrix"]


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """n_i equally spaced samples along the i-th period vector (1 where nothing depends on that component)."""

    counts: tuple[int, ...]
    period: FloatArray  # (d, d)

    @property
    def description(self) -> str:
        return f"{' x '.join(map(str, self.counts))} lattice"

    @property
    def axes(self) -> tuple[int, ...]:
        """Lengths of the d sample axes."""
        return self.counts

    def components(self, space: BoxSpace | MeshSpace) -> FloatArray:  # noqa: ARG002 (a lattice needs no space)
        """Coordinates of the samples (d, n_0, .., n_(d-1))."""
        fractions = np.meshgrid(*[np.arange(n) / n for n in self.counts], indexing="ij")
        return np.tensordot(self.period.T, np.stack(fractions), axes=1)

    def to_points(self, values: FloatArray, space: BoxSpace | MeshSpace) -> FloatArray:
        """Interpolate samples (b, n_0, .., n_(d-1), m) to the quadrature points: (b, q, m)."""
        b, m = values.shape[0], values.shape[-1]
        if values.shape[1:-1] == (1,) * space.dim:
            return np.broadcast_to(values.reshape(b, 1, m), (b, len(space.weights), m))
        if isinstance(space, BoxSpace):
            for axis, count in enumerate(values.shape[1:-1]):
                values = along_axis(trigonometric_matrix(count, space.line.points), values, axis + 1)
            return values.reshape(b, -1, m)
        fractions = space.points @ np.linalg.inv(self.period)
        matrix = np.ones((len(fractions), 1))
        for axis, count in enumerate(values.shape[1:-1]):
            factor = trigonometric_matrix(count, fractions[:, axis])
            matrix = (matrix[:, :, None] * factor[:, None, :]).reshape(len(fractions), -1)
        return np.matmul(matrix, values.reshape(b, -1, m))


@dataclass(frozen=True, slots=True)
class AtPoints:
    """Samples at the quadrature points of level k themselves: for potentials that are not smooth, or sharply peaked, in y_k."""

    n_points: int
    dim: int

    @property
    def description(self) -> str:
        return f"{self.n_points} quadrature points"

    @property
    def axes(self) -> tuple[int, ...]:
        """All samples stand on the first of the d axes."""
        return (self.n_points,) + (1,) * (self.dim - 1)

    def components(self, space: BoxSpace | MeshSpace) -> FloatArray:
        """Coordinates of the samples (d, q, 1, ..)."""
        return space.points.T.reshape((self.dim, *self.axes))

    def to_points(self, values: FloatArray, space: BoxSpace | MeshSpace) -> FloatArray:
        """(b, q or 1, 1, .., m) -> (b, q, m)."""
        b, m = values.shape[0], values.shape[-1]
        return np.broadcast_to(values.reshape(b, -1, m), (b, len(space.weights), m))


Sampling = Lattice | AtPoints


def trigonometric_matrix(count: int, points: FloatArray) -> FloatArray:
    """Interpolation from j/n, j = 0..n-1, to points of the unit circle: (q, n)."""
    t = points[:, None] - np.arange(count) / count
    t = t - np.round(t)
    sine = np.sin(np.pi * t)
    on_sample = np.abs(sine) < 1e-14
    kernel = np.sin(count * np.pi * t) / (count * np.where(on_sample, 1.0, sine))
    if count % 2 == 0:
        kernel = kernel * np.cos(np.pi * t)
    return np.where(on_sample, 1.0, kernel)


def fourier_amplitudes(values: FloatArray, axis: int) -> FloatArray:
    """|f_m + f_-m| amplitudes, m = 0 .. n/2, along one axis, which moves to the end; every other axis is kept."""
    count = values.shape[axis]
    spectrum = np.abs(np.fft.rfft(np.moveaxis(values, axis, -1), axis=-1)) / count
    spectrum[..., 1 : (count + 1) // 2] *= 2
    return spectrum


def tail(amplitudes: FloatArray) -> FloatArray:
    """Estimate of the interpolation error from amplitudes (..., n/2 + 1) of a function sampled at n points.

    The last bands give the rate of decay; what is unseen is the geometric series that goes on from there.
    """
    last = amplitudes.shape[-1] - 1
    if last < 3:
        return amplitudes[..., 1:].sum(axis=-1)
    band, before = amplitudes[..., -2:].max(axis=-1), amplitudes[..., -4:-2].max(axis=-1)
    rate = np.sqrt(np.clip(band / np.maximum(before, 1e-300), 1e-4, 0.81))
    edge = np.maximum(amplitudes[..., -1], amplitudes[..., -2] * rate)
    floor = 4e-16 * amplitudes.max(axis=-1)
    return np.maximum(2.0 * edge / (1.0 - rate), floor)


def needed_count(amplitudes: FloatArray, tolerance: float) -> int:
    """Smallest even n for which the amplitudes (..., m) from n/2 on sum to less than the tolerance."""
    worst = amplitudes.reshape(-1, amplitudes.shape[-1])
    beyond = np.cumsum(worst[:, ::-1], axis=1)[:, ::-1].max(axis=0)
    small = np.flatnonzero(2.0 * beyond <= tolerance)
    half = int(small[0]) if len(small) else amplitudes.shape[-1] - 1
    return max(2 * half, 2)
