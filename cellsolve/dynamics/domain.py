"""The box on which a density lives: all of R^d but a negligible part, or a box with reflecting walls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cellsolve.dynamics.landscapes import Landscape
from cellsolve.dynamics.wells import bottoms, reach
from cellsolve.errors import CoefficientError
from cellsolve.fem.space import FloatArray

__all__ = ["checked_box", "narrowest_well", "outer_mass", "support_box"]

_POINTS = {1: 1025, 2: 65}  # of a grid along an axis
_LARGEST = 2.0**20  # half-width of the boxes tried
_SHRINKINGS = 40
_RELEVANT = 25.0  # sigma above the deepest well, exp(-25) = 1e-11

Energy = Callable[[FloatArray], FloatArray]


def support_box(landscape: Landscape, cutoff: float) -> FloatArray:
    """A box (d, 2) outside of which exp(-U/sigma) < exp(-cutoff) max exp(-U/sigma), as seen on grids of its envelope.

    Boxes about the origin are doubled until U confines on their boundary and beyond, then shrunk to the level set.
    d = 1: wells are also looked for out to 10^6 (see `wells`); outside of the first box those narrower than 1/3000 of
    their distance from the origin can escape, inside of it those narrower than 1/260000 of its width. d = 2: wells
    narrower than 1/32 of the way to the farthest one can escape.
    Raises CoefficientError where no box up to 10^6 confines.
    """
    height = cutoff * landscape.sigma
    half = 1.0
    while half <= _LARGEST:
        box = np.array([[-half, half]] * landscape.dim)
        if _confines(landscape.envelope, 2.0 * box, box, height):
            found = _shrunk(landscape.envelope, box, height)
            return _with_wells(landscape, found, height) if landscape.dim == 1 else found
        half *= 2.0
    raise CoefficientError(
        f"the potential does not confine: within {_LARGEST:.0e} of the origin it does not rise by {cutoff:g} sigma on "
        "all sides, so that exp(-V/sigma) may have infinite mass. Give a V0 that grows, or a box."
    )


def narrowest_well(landscape: Landscape, box: FloatArray) -> float:
    """The width of the narrowest well in a box (1, 2) that holds mass: where U rises by sigma; inf for d = 2."""
    if landscape.dim != 1:
        return np.inf
    profile = _profile(landscape)
    places, values = bottoms(profile, box)
    inside = (places > box[0, 0]) & (places < box[0, 1])
    near = inside & (values < np.min(values, initial=np.inf, where=inside) + _RELEVANT * landscape.sigma)
    widths = reach(profile, places[near], values[near] + landscape.sigma).max(axis=1)
    return float(widths.min(initial=np.inf))


def _with_wells(landscape: Landscape, box: FloatArray, height: float) -> FloatArray:
    """The box with all wells of the line that carry mass, without what no longer does."""
    profile = _profile(landscape)
    places, values = bottoms(profile, box)
    inner = _grid(box, 1)
    shown = landscape.envelope(inner)
    level = min(float(shown.min()), float(values.min(initial=np.inf))) + height
    kept = values <= level
    reaches = reach(profile, places[kept], np.full(int(kept.sum()), level))
    low, high = places[kept] - reaches[:, 0], places[kept] + reaches[:, 1]
    outside = (places[kept] < box[0, 0]) | (places[kept] > box[0, 1])
    if not outside.any() and level >= float(shown.min()) + 0.5 * height:
        return box
    remaining = inner[shown <= level, 0]
    ends = np.concatenate([low, high, remaining])
    return np.array([[ends.min(), ends.max()]])


def _profile(landscape: Landscape) -> Energy:
    return lambda places: landscape.outline(places[:, None])


def checked_box(box: npt.ArrayLike, dim: int) -> FloatArray:
    """``box`` as floats (d, 2), rows (low, high). Raises CoefficientError."""
    try:
        sides = np.asarray(box, dtype=float)
    except (TypeError, ValueError):
        raise CoefficientError(f"the box is no array of numbers: {str(box)[:60]}.") from None
    if sides.shape == (2,) and dim == 1:
        sides = sides[None]
    if sides.shape != (dim, 2) or not np.isfinite(sides).all() or not np.all(sides[:, 0] < sides[:, 1]):
        raise CoefficientError(
            f"got the box {sides.tolist()}, needed {dim} row(s) (low, high) of finite numbers with low < high."
        )
    return sides


def outer_mass(landscape: Landscape, box: FloatArray) -> float:
    """The mass just outside of a box of R^d against the mass inside it, as the envelope has it."""
    wide = _widened(box, 2.0)
    points, inside = _grid(wide, landscape.dim), _grid(box, landscape.dim)
    outer, inner = landscape.envelope(points), landscape.envelope(inside)
    lowest = min(float(inner.min()), float(outer.min()))
    out = np.any((points < box[:, 0]) | (points > box[:, 1]), axis=-1)
    with np.errstate(under="ignore"):
        beyond = np.exp(-(outer[out] - lowest) / landscape.sigma).sum() * 2.0**landscape.dim
        within = np.exp(-(inner - lowest) / landscape.sigma).sum()
    return float(beyond / within)


def _confines(energy: Energy, wide: FloatArray, box: FloatArray, height: float) -> bool:
    """Whether ``energy`` exceeds its least value in the box by ``height`` wherever ``wide`` is outside of it."""
    inner, points = energy(_grid(box, len(box))), _grid(wide, len(box))
    outside = np.any((points <= box[:, 0]) | (points >= box[:, 1]), axis=-1)
    lowest = min(float(inner.min()), float(energy(points).min()))
    return bool(np.all(energy(points[outside]) >= lowest + height))


def _shrunk(energy: Energy, box: FloatArray, height: float) -> FloatArray:
    """The smallest box around the level set, a grid width more on every side."""
    for _ in range(_SHRINKINGS):
        points = _grid(box, len(box))
        values = energy(points)
        low = points[values <= values.min() + height]
        margin = (box[:, 1] - box[:, 0]) / (_POINTS[len(box)] - 1)
        smaller = np.stack([low.min(axis=0) - margin, low.max(axis=0) + margin], axis=1)
        smaller = np.stack([np.maximum(smaller[:, 0], box[:, 0]), np.minimum(smaller[:, 1], box[:, 1])], axis=1)
        if np.all(np.ptp(smaller, axis=1) > 0.95 * np.ptp(box, axis=1)):
            return smaller
        box = smaller
    return box


def _grid(box: FloatArray, dim: int) -> FloatArray:
    """Points (.., d) on the corners, edges and inside of a box."""
    axes = [np.linspace(low, high, _POINTS[dim]) for low, high in box]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)


def _widened(box: FloatArray, factor: float) -> FloatArray:
    centre = box.mean(axis=1, keepdims=True)
    widened: FloatArray = centre + factor * (box - centre)
    return widened
