"""What can go wrong, and how it is said: got, needed, what to do.

CellsolveError
├── MeshError            a mesh file cannot be read or used            (ValueError)
│   └── PeriodicityError opposite sides of a cell do not match
├── CoefficientError     a coefficient or potential has wrong values   (ValueError)
├── ExpressionError      a text is not an allowed expression           (ValueError)
├── ConvergenceError     a tolerance was not reached; carries the best result  (RuntimeError)
└── JobError             a job file, or its output, cannot be used     (ValueError)
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CellsolveError",
    "CoefficientError",
    "ConvergenceError",
    "ExpressionError",
    "JobError",
    "MeshError",
    "PeriodicityError",
]


class CellsolveError(Exception):
    """Base of all errors that cellsolve raises on purpose."""


class MeshError(CellsolveError, ValueError):
    """A mesh file cannot be read, or does not describe a unit cell."""


class PeriodicityError(MeshError):
    """The opposite sides of a unit cell do not match under the period.

    ``side``: 0, 1, 2; ``unmatched``: facets or nodes without a partner; ``largest_gap``: in the mesh's unit of length.
    """

    def __init__(self, message: str, *, side: int = -1, unmatched: int = 0, largest_gap: float = float("nan")):
        super().__init__(message)
        self.side = side
        self.unmatched = unmatched
        self.largest_gap = largest_gap

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class CoefficientError(CellsolveError, ValueError):
    """A coefficient or potential has a wrong shape, or values that are not finite or not positive definite."""


class ExpressionError(CellsolveError, ValueError):
    """A text is not one of the expressions that cellsolve accepts."""


class ConvergenceError(CellsolveError, RuntimeError):
    """A tolerance was not reached. ``result`` is the best result so far, of the kind the call would have returned."""

    def __init__(self, message: str, *, result: Any = None):
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class JobError(CellsolveError, ValueError):
    """A job file is not valid, or its output cannot be written. The message lists every mistake found."""


def _rebuild(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    """Unpickle an error that carries keyword data, as worker processes send it."""
    error = kind(*args)
    error.__dict__.update(state)
    return error
