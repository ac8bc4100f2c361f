"""Wells on the line that a grid of one box does not see: far ones, and narrow ones.

Places +-2^t, t from -10 to 20 in steps of 1/2048, and 2^18 even ones in a box; the lowest 64 local minima among them
are polished, and the interval around each in which U stays below a level is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cellsolve.errors import CoefficientError
from cellsolve.fem.space import FloatArray

__all__ = ["bottoms", "reach", "spread_places"]

Profile = Callable[[FloatArray], FloatArray]  # U at places (n,) -> (n,)
_OCTAVES, _STEPS = range(-10, 20), 2048
_EVEN = 1 << 18
_KEPT = 64
_POLISHINGS = 40
_RADII = 2.0 ** np.arange(-40.0, 22.0, 0.25)


def spread_places(box: FloatArray) -> Iterator[FloatArray]:
    """Increasing places (n,): even ones in the box (1, 2), then octaves to either side of zero, outwards."""
    yield np.linspace(box[0, 0], box[0, 1], _EVEN)
    for octave in _OCTAVES:
        outwards = 2.0 ** (octave + np.arange(-1, _STEPS + 2) / _STEPS)
        yield outwards
        yield -outwards[::-1]


def bottoms(profile: Profile, box: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Places (m,) and values (m,) of the lowest local minima seen; where U is not finite nothing is looked for."""
    found = [_local_minima(profile, places) for places in spread_places(box)]
    low, middle, high, values = np.concatenate(found, axis=1)
    kept = np.argsort(values, kind="stable")[:_KEPT]
    return _polished(profile, low[kept], middle[kept], high[kept])


def reach(profile: Profile, places: FloatArray, level: FloatArray) -> FloatArray:
    """How far (m, 2) to the left and right of each place (m,) U stays below a level (m,), rounded up to 2^(k/4)."""
    ends = np.empty((len(places), 2))
    for side, sign in enumerate((-1.0, 1.0)):
        for m, place in enumerate(places):
            above = _values(profile, place + sign * _RADII) > level[m]
            ends[m, side] = _RADII[int(np.argmax(above))] if above.any() else _RADII[-1]
    return ends


def _local_minima(profile: Profile, places: FloatArray) -> FloatArray:
    """(4, k): the places left of, at and right of each minimum of the values, and the values."""
    U = _values(profile, places)
    inner = np.flatnonzero((U[1:-1] <= U[:-2]) & (U[1:-1] < U[2:])) + 1
    inner = inner[np.argsort(U[inner], kind="stable")[:_KEPT]]
    return np.stack([places[inner - 1], places[inner], places[inner + 1], U[inner]])


def _polished(profile: Profile, low: FloatArray, middle: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Brackets are halved about the lowest of nine places."""
    values = _values(profile, middle)
    for _ in range(_POLISHINGS):
        places = np.concatenate([np.linspace(low, high, 9), middle[None]])
        U = _values(profile, places.ravel()).reshape(places.shape)
        best, each, step = np.argmin(U, axis=0), np.arange(len(middle)), 0.2 * (high - low)
        middle, values = places[best, each], U[best, each]
        low, high = middle - step, middle + step
    return middle, values


def _values(profile: Profile, places: FloatArray) -> FloatArray:
    """U; far out it may overflow, which is as good as a wall."""
    try:
        return profile(places)
    except CoefficientError:
        return _by_halves(profile, places)


def _by_halves(profile: Profile, places: FloatArray) -> FloatArray:
    if len(places) <= 32:
        return np.full(places.shape, np.inf)
    half = len(places) // 2
    return np.concatenate([_values(profile, places[:half]), _values(profile, places[half:])])
