"""Reversible dynamics in a landscape: the full one of a given eps, the homogenized one, and V0 alone.

    dX = -M grad U dt + sigma div M dt + sqrt(2 sigma M) dW,    invariant density exp(-U/sigma) / Z

full: U = V0(x) + V1(x, x/eps, .., x/eps^N), M = I (1);  homogenized: U = Psi(x), M = M(x) (18);  slow: U = V0, M = I.
Equation numbers of Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cellsolve.errors import CoefficientError
from cellsolve.fem.space import FloatArray
from cellsolve.macro.model import EffectiveModel
from cellsolve.potentials import Potential

__all__ = ["FullLandscape", "HomogenizedLandscape", "Landscape", "SlowLandscape", "fast_points", "positive"]

_FEW = 4  # of the fast variables, where wells are looked for
_PLACES = 128  # of the fast variables, at which the lowest V1 is looked for


class Landscape(Protocol):
    """A potential U, a mobility M and a temperature, in ``dim`` dimensions."""

    @property
    def dim(self) -> int: ...

    @property
    def sigma(self) -> float: ...

    @property
    def finest(self) -> float:
        """The shortest period in x; infinite without one."""
        ...

    def energy(self, x: FloatArray) -> FloatArray:
        """U at points (..., d) -> (...)."""
        ...

    def mobility(self, x: FloatArray) -> FloatArray:
        """M at points (..., d) -> (..., d, d)."""
        ...

    def envelope(self, x: FloatArray) -> FloatArray:
        """A smooth function about as low as U, which does not resolve eps: points (..., d) -> (...)."""
        ...

    def outline(self, x: FloatArray) -> FloatArray:
        """The same from fewer values of V1, for many points."""
        ...


@dataclass(frozen=True, slots=True)
class FullLandscape:
    """V^eps(x) = V0(x) + V1(x, x/eps, .., x/eps^N), M = I. Raises CoefficientError for eps <= 0 or sigma <= 0."""

    potential: Potential
    sigma: float
    eps: float

    def __post_init__(self) -> None:
        _check_potential(self.potential)
        positive("sigma", self.sigma)
        positive("eps", self.eps)

    @property
    def dim(self) -> int:
        return self.potential.dim

    @property
    def finest(self) -> float:
        return float(self.eps**self.potential.scales)

    def energy(self, x: FloatArray) -> FloatArray:
        fast = [x / self.eps**k for k in range(1, self.potential.scales + 1)]
        return self.potential.evaluate_V0(x) + self.potential.evaluate_V1(x, *fast)

    def mobility(self, x: FloatArray) -> FloatArray:
        return _identity(x)

    def envelope(self, x: FloatArray) -> FloatArray:
        return _lowest(self.potential, x, _PLACES)

    def outline(self, x: FloatArray) -> FloatArray:
        return _lowest(self.potential, x, _FEW)


@dataclass(frozen=True, slots=True)
class HomogenizedLandscape:
    """Psi(x) = V0(x) - sigma log Z(x) and M(x) of a homogenized model."""

    model: EffectiveModel

    @property
    def dim(self) -> int:
        return self.model.potential.dim

    @property
    def sigma(self) -> float:
        return self.model.sigma

    @property
    def finest(self) -> float:
        return np.inf

    def energy(self, x: FloatArray) -> FloatArray:
        return self.model.evaluate(x).free_energy

    def mobility(self, x: FloatArray) -> FloatArray:
        return self.model.evaluate(x).diffusion

    def envelope(self, x: FloatArray) -> FloatArray:
        return _lowest(self.model.potential, x, _PLACES)

    def outline(self, x: FloatArray) -> FloatArray:
        return _lowest(self.model.potential, x, _FEW)


@dataclass(frozen=True, slots=True)
class SlowLandscape:
    """V0(x) alone, M = I: what remains when V1 is left out."""

    potential: Potential
    sigma: float

    def __post_init__(self) -> None:
        _check_potential(self.potential)
        positive("sigma", self.sigma)

    @property
    def dim(self) -> int:
        return self.potential.dim

    @property
    def finest(self) -> float:
        return np.inf

    def energy(self, x: FloatArray) -> FloatArray:
        return self.potential.evaluate_V0(x)

    def mobility(self, x: FloatArray) -> FloatArray:
        return _identity(x)

    def envelope(self, x: FloatArray) -> FloatArray:
        return self.potential.evaluate_V0(x)

    def outline(self, x: FloatArray) -> FloatArray:
        return self.potential.evaluate_V0(x)


def positive(name: str, value: float) -> float:
    """``value``, if it is a finite number > 0; CoefficientError otherwise."""
    if not isinstance(value, int | float | np.number) or not np.isfinite(value) or not value > 0:
        raise CoefficientError(f"got {name} = {value!r}, needed a finite number > 0.")
    return float(value)


def fast_points(V: Potential, count: int) -> list[FloatArray]:
    """Values (count, d) of y1 .. yN spread evenly over the unit cells: a Kronecker sequence."""
    size = V.dim * V.scales
    root = 2.0
    for _ in range(60):  # the root of g^(size + 1) = g + 1
        root = (1.0 + root) ** (1.0 / (size + 1))
    steps = root ** -np.arange(1.0, size + 1)
    values = np.mod(0.5 + np.arange(count)[:, None] * steps, 1.0)
    return list(np.moveaxis(values.reshape(count, V.scales, V.dim), 1, 0))


def _lowest(V: Potential, x: FloatArray, places: int) -> FloatArray:
    """V0(x) + the least V1(x, y) at some places y."""
    slow = x[..., None, :]
    if not any(variable.name == "x" for term in V.terms for variable in term.variables):
        slow = np.zeros((1, V.dim))
    lowest: FloatArray = V.evaluate_V1(slow, *fast_points(V, places)).min(axis=-1)
    return V.evaluate_V0(x) + lowest


def _identity(x: FloatArray) -> FloatArray:
    return np.broadcast_to(np.eye(x.shape[-1]), (*x.shape, x.shape[-1]))


def _check_potential(V: object) -> None:
    if not isinstance(V, Potential):
        raise CoefficientError(
            f"got a {type(V).__name__} as V, needed a Potential. Write cs.Potential(V1, dim=.., scales=.., V0=..)."
        )
