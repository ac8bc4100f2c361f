"""Periodic functions of one variable on [0, 1): the factors that a tensor-product space is made of."""

from __future__ import annotations

from dataclasses import dataclass

from cellsolve.fem.space import FloatArray

__all__ = ["LineBasis"]


@dataclass(frozen=True, slots=True, eq=False)
class LineBasis:
    """Values and derivatives of n1 shape functions at q1 quadrature points.

    A trigonometric basis counts as one element. ``values`` and ``to_nodes`` are None where the points are the nodes:
    both are then the identity.
    """

    n: int  # elements
    order: int  # of each; n1 = n order
    values: FloatArray | None  # (q1, n1)
    derivatives: FloatArray  # (q1, n1)
    points: FloatArray  # (q1,)
    weights: FloatArray  # (q1,)
    nodes: FloatArray  # (n1,)
    eigenvalues: FloatArray  # (n1,) of  A s = lambda M s,  s^T M s = 1
    modes: FloatArray  # (n1, n1), a mode s a column; the first is the constant
    to_nodes: FloatArray | None  # (n1, q1) from values at the points to values at the nodes
