"""What the temperatures of a sweep hand on to each other, from hot to cold: the plans for one set of points."""

from __future__ import annotations

from dataclasses import dataclass, field

from cellsolve.fem.space import FloatArray
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planned import Planned

__all__ = ["Continuation"]


@dataclass(slots=True, eq=False)
class Continuation:
    """Plans by temperature, for the macroscopic points of the last call; those for other points are forgotten.

    A plan is made once, whether a cost or a result is asked for, and begins with that of the next hotter temperature.
    Tried and left out, because it did not pay: lattices of the hotter plan (a few waves more than needed are then
    taken along to all colder ones).
    """

    _points: bytes = b""
    _plans: dict[float, tuple[Planned, Tally]] = field(default_factory=dict)

    def begin(self, x: FloatArray) -> None:
        """The points (R, d) that are asked for now."""
        points = x.tobytes()
        if points != self._points:
            self._points, self._plans = points, {}

    def plan(self, sigma: float) -> tuple[Planned, Tally] | None:
        """The plan for a temperature, if it was made."""
        return self._plans.get(sigma)

    def hotter(self, sigma: float) -> Planned | None:
        """The plan of the next hotter temperature that has one."""
        above = [other for other in self._plans if other > sigma]
        return self._plans[min(above)][0] if above else None

    def keep(self, sigma: float, planned: Planned, tally: Tally) -> None:
        self._plans[sigma] = planned, tally
