"""The protocol of preconditioners: prepared once for a batch of coefficients, then applied to residuals."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray

__all__ = ["Preconditioner"]


class Preconditioner(Protocol):
    """A symmetric approximation M of A(K)^-1 for each of b coefficients; an explicit value, never a hidden state."""

    def apply(self, R: FloatArray) -> FloatArray:
        """M R for residuals (b, d, n)."""
        ...

    def take(self, rows: npt.NDArray[np.int64]) -> Preconditioner:
        """The same for some of the b coefficients."""
        ...
