"""The same functions with more quadrature points, on which the error of quadrature shows."""

from __future__ import annotations

from cellsolve.errors import CoefficientError
from cellsolve.fem.box_space import BoxSpace, element_box
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.line_space import LineSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Space

__all__ = ["denser"]

_TIMES = 2  # as many points in each direction: the denser rule must be right where the other one is not


def denser(space: Space) -> Space:
    """The functions of a space, with more points of quadrature. On a line they do not matter: fluxes are constant."""
    if isinstance(space, LineSpace):
        return LineSpace(space.n, _TIMES * space.order + 1, space.period)
    if isinstance(space, BoxSpace) and not space.is_collocated:
        points = _TIMES * (len(space.line.points) // space.n) + 1
        return element_box(space.dim, space.n, space.order, space.period, points)
    if isinstance(space, MeshSpace):
        order = _TIMES * space.quadrature_order
        return MeshSpace(space.cell, space.order, space.directions, quadrature_order=order)
    kind = "trigonometric nodes" if isinstance(space, BoxSpace) else type(space).__name__
    assert isinstance(space, BoxSpace | CoupledSpace)
    raise CoefficientError(f"got a space of {kind}, needed finite elements on a cell whose sides match.")
