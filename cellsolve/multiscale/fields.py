"""What one level hands to the next: log K_k, log Z_k and their derivatives, packed in the last axis of one array.

Everything that is interpolated stands in one array (..., c): the d (d + 1) / 2 entries of log K, then log Z, then the
same for the derivative in each of the macroscopic components listed in ``derivatives``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellsolve.fem.space import FloatArray

__all__ = ["Fields", "block_size", "log_distance", "pack", "unpack"]


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """log K_k and log Z_k over samples, (..., c)."""

    channels: FloatArray
    dim: int
    derivatives: tuple[int, ...]  # components i of the d/dx_i that follow the values

    @property
    def log_tensor(self) -> FloatArray:
        """log K (..., d, d)."""
        return unpack(self.channels, self.dim)[0]

    @property
    def log_partition(self) -> FloatArray:
        """log Z (...)."""
        return unpack(self.channels, self.dim)[1]

    def derivative(self, component: int) -> tuple[FloatArray, FloatArray] | None:
        """(d log K, d log Z) / dx_component, None where they vanish identically."""
        if component not in self.derivatives:
            return None
        start = (1 + self.derivatives.index(component)) * block_size(self.dim)
        return unpack(self.channels[..., start:], self.dim)


def block_size(dim: int) -> int:
    """Numbers in one packed pair (symmetric tensor, scalar)."""
    return dim * (dim + 1) // 2 + 1


def pack(tensor: FloatArray, scalar: FloatArray) -> FloatArray:
    """(..., d, d) symmetric and (...) -> (..., block_size)."""
    rows, columns = np.triu_indices(tensor.shape[-1])
    return np.concatenate([tensor[..., rows, columns], scalar[..., None]], axis=-1)


def unpack(channels: FloatArray, dim: int) -> tuple[FloatArray, FloatArray]:
    """The first block of (..., c): the symmetric tensor (..., d, d) and the scalar (...)."""
    rows, columns = np.triu_indices(dim)
    tensor = np.empty((*channels.shape[:-1], dim, dim))
    tensor[..., rows, columns] = channels[..., : len(rows)]
    tensor[..., columns, rows] = channels[..., : len(rows)]
    return tensor, channels[..., len(rows)]


def log_distance(a: FloatArray, b: FloatArray, dim: int) -> float:
    """Largest relative difference of K and Z between channels (.., c): the norm of that of their logarithms."""
    change = (a - b)[..., : block_size(dim)]
    return float(np.sqrt((change**2).sum(axis=-1) * 2.0).max())
