"""Constants: A is singular on functions that are constant on each piece of a cell; pieces do not touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray

__all__ = ["Constants"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """``pieces`` (n,): the piece of each unknown; None for one piece."""

    pieces: IntArray | None = None

    def anchors(self) -> IntArray:
        """One unknown of each piece."""
        return np.zeros(1, dtype=np.int64) if self.pieces is None else np.unique(self.pieces, return_index=True)[1]

    def removed(self, R: FloatArray) -> FloatArray:
        """Functions (.., n) less their means over each piece: an orthogonal projection."""
        if self.pieces is None:
            mean_free: FloatArray = R - R.mean(axis=-1, keepdims=True)
            return mean_free
        sizes = np.bincount(self.pieces)
        rows = R.reshape(-1, R.shape[-1])
        means = np.stack([np.bincount(self.pieces, row) / sizes for row in rows])
        return (rows - means[:, self.pieces]).reshape(R.shape)
