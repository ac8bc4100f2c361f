"""The cell problems of one level, numbered: which outer variables each has, and what the inner level left for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.multiscale.fields import Fields, block_size
from cellsolve.multiscale.lattice import Lattice
from cellsolve.multiscale.level import Points
from cellsolve.multiscale.plan import IntArray, Plan, Rows, Samples
from cellsolve.potentials import Level

__all__ = ["LevelProblems", "sample_axes"]


@dataclass(frozen=True, slots=True, eq=False)
class LevelProblems:
    """The cell problems of level k, numbered over (distinct rows) x (samples of y_(outer+1) .. y_(k-1))."""

    plan: Plan
    level: Level
    rows: Rows
    outer: int
    inner: Samples | None
    representatives: IntArray  # (U,) a row for each distinct one
    inverse: IntArray
    shape: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan, level: Level, rows: Rows, outer: int, inner: Samples | None) -> LevelProblems:
        representatives, inverse = _distinct(rows, level)
        shape = (len(representatives), *sample_axes(plan, level, outer))
        return cls(plan, level, rows, outer, inner, representatives, inverse, shape)

    @property
    def count(self) -> int:
        return int(np.prod(self.shape))

    def mirrored(self) -> IntArray:
        """For each problem the one that is solved for it (count,): of a pair y, -y of samples the first, where the
        potential is even in all fast variables, so that K_k(-y_1 .. -y_k) = K_k(y_1 .. y_k); else itself."""
        own = np.arange(self.count).reshape(self.shape)
        k = self.level.number
        if self.outer or k not in self.plan.even:
            return own.ravel()
        if not all(isinstance(self.plan.samplings[j], Lattice) for j in range(1, k)):
            return own.ravel()
        axes = tuple(range(1, own.ndim))
        mirror = np.roll(np.flip(own, axes), 1, axes)  # sample j of n to sample (n - j) mod n
        return np.minimum(own, mirror).ravel()

    def points(self, numbers: IntArray) -> Points:
        """Values of the outer variables for these problems."""
        row, *axes = np.unravel_index(numbers, self.shape)
        result: Points = {name: tuple(v[self.representatives[row]].T) for name, v in self.rows.items()}
        dim = self.plan.solvers[self.level.number].space.dim
        for position, j in enumerate(range(self.outer + 1, self.level.number)):
            own = self.plan.samplings[j].restricted(f"y{j}", self.level.parameters)
            components = own.components(self.plan.solvers[j].space)
            index = tuple(axes[position * dim : (position + 1) * dim])
            result[f"y{j}"] = tuple(component[_within(index, component.shape)] for component in components)
        return result

    def inner_samples(self, numbers: IntArray) -> Fields | None:
        """log Khat_k over the samples of y_k, for these problems: (b, d axes, c)."""
        if self.inner is None:
            return None
        row, *axes = np.unravel_index(numbers, self.shape)
        fields = self.inner.fields
        index = (self.inner.inverse[self.representatives[row]], *axes)
        return replace(fields, channels=fields.channels[_within(index, fields.channels.shape)])

    def liveliest(self) -> int:
        """A problem in whose y_k the inner log Khat_k varies most."""
        assert self.inner is not None
        channels = self.inner.fields.channels
        lead = (len(channels), -1, int(np.prod(channels.shape[-1 - self.plan.dim : -1])), channels.shape[-1])
        spread = np.ptp(channels.reshape(lead)[..., : block_size(self.plan.dim)], axis=2).max(axis=2)
        unique, outer = np.unravel_index(int(spread.argmax()), spread.shape)
        row = int(np.flatnonzero(self.inner.inverse[self.representatives] == unique)[0])
        shape = channels.shape[1 : 1 + len(self.shape) - 1]
        axes = np.unravel_index(int(outer), shape) if shape else ()
        return int(np.ravel_multi_index((row, *axes), self.shape))

    def at_points(self, samples: Fields, space: Space) -> Fields:
        """Carried to the quadrature points of a space: (b, q, c)."""
        sampling = self.plan.samplings[self.level.number]
        return replace(samples, channels=sampling.to_points(samples.channels, space))

    def collect(
        self,
        channels: FloatArray,
        iteration: FloatArray,
        interpolation: FloatArray,
        discretization: float,
        derivatives: tuple[int, ...],
    ) -> Samples:
        """Results in the order of the problems, as samples with the errors of all levels so far."""
        fields = Fields(channels.reshape((*self.shape, -1)), self.plan.dim, derivatives)
        own = np.stack([iteration, interpolation]).reshape(2, self.shape[0], -1).max(axis=2)
        errors = {self.level.number: discretization}
        if self.inner is not None:
            errors = {**self.inner.discretization, **errors}
            rows = self.inner.inverse[self.representatives]
            own = own + np.stack([self.inner.iteration[rows], self.inner.interpolation[rows]])
        return Samples(fields, self.inverse, own[0], own[1], errors, np.zeros(self.plan.dim))

    def pass_through(self, derivatives: tuple[int, ...]) -> Samples:
        """A level on which nothing varies: Khat_(k-1) = Khat_k, or I at the innermost."""
        dim = self.plan.dim
        if self.inner is None:
            zero = np.zeros((self.count, (1 + len(derivatives)) * block_size(dim)))
            return self.collect(zero, np.zeros(self.count), np.zeros(self.count), 0.0, derivatives)
        channels = self.inner.fields.channels
        shape = (*channels.shape[: channels.ndim - 1 - dim], channels.shape[-1])
        return replace(self.inner, fields=replace(self.inner.fields, channels=channels.reshape(shape)))


def sample_axes(plan: Plan, level: Level, outer: int) -> tuple[int, ...]:
    """Lengths of the d axes each that y_(outer+1) .. y_(k-1) take in the results of level k."""
    axes = list[int]()
    for j in range(outer + 1, level.number):
        axes += plan.samplings[j].restricted(f"y{j}", level.parameters).axes
    return tuple(axes)


def _within(index: tuple[IntArray, ...], shape: tuple[int, ...]) -> tuple[IntArray, ...]:
    """Indices into an array that has length 1 along axes on which it does not depend."""
    return tuple(i if n > 1 else np.zeros_like(i) for i, n in zip(index, shape, strict=False))


def _distinct(rows: Rows, level: Level) -> tuple[IntArray, IntArray]:
    """Rows that differ in a parameter of the level: (U,) representatives and (R,) inverse."""
    parameters = sorted(v for v in level.parameters if v.name in rows)
    count = len(next(iter(rows.values())))
    if not parameters:
        return np.zeros(1, dtype=np.int64), np.zeros(count, dtype=np.int64)
    table = np.stack([rows[v.name][:, v.index] for v in parameters], axis=1)
    _, representatives, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return representatives.astype(np.int64), inverse.ravel().astype(np.int64)
