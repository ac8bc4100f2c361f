"""Periodic line elements of order p on [0, 1).

Nodal Lagrange basis at the Gauss-Lobatto points of n equal elements, Gauss-Legendre quadrature inside each.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.linalg
from numpy.polynomial import legendre

from cellsolve.fem.line_basis import LineBasis
from cellsolve.fem.space import FloatArray

__all__ = ["element_values", "gauss_lobatto", "lagrange_basis", "line_elements"]


def gauss_lobatto(order: int) -> FloatArray:
    """The order + 1 Gauss-Lobatto points of [-1, 1]: -1, the roots of P_p', 1."""
    derivative = legendre.legder(np.eye(order + 1)[order])
    interior = np.sort(legendre.legroots(derivative).real)
    slope, curvature = derivative, legendre.legder(derivative)
    for _ in range(2):  # Newton: polish the companion matrix' roots
        interior = interior - legendre.legval(interior, slope) / legendre.legval(interior, curvature)
    return np.concatenate([[-1.0], interior, [1.0]])


def lagrange_basis(nodes: FloatArray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lagrange polynomials of ``nodes`` and their derivatives at ``points``: two (points, nodes) matrices.

    Through Legendre coefficients: both Vandermonde matrices are well conditioned at these orders.
    """
    order = len(nodes) - 1
    coefficients = np.linalg.inv(legendre.legvander(nodes, order))
    values = legendre.legvander(points, order) @ coefficients
    slopes = legendre.legval(points, legendre.legder(np.eye(order + 1))).T @ coefficients if order else 0 * values
    return values, np.atleast_2d(slopes)


@lru_cache(maxsize=64)
def line_elements(n: int, order: int, points: int | None = None) -> LineBasis:
    """n equal elements of order p on the unit circle, with ``points`` of Gauss in each, p + 1 by default; ``to_nodes``
    interpolates inside the elements and averages where two of them meet."""
    x, w = legendre.leggauss(points or order + 1)
    local_nodes = gauss_lobatto(order)
    values, derivatives = _periodic_matrices(n, local_nodes, x)
    weights = np.tile(w / (2 * n), n)
    eigenvalues, modes = _modes(values, derivatives, weights)
    start = np.arange(n)[:, None] / n
    return LineBasis(
        n=n,
        order=order,
        values=values,
        derivatives=derivatives,
        points=(start + (x + 1) / (2 * n)).ravel(),
        weights=weights,
        nodes=(start + (local_nodes[:-1] + 1) / (2 * n)).ravel(),
        eigenvalues=eigenvalues,
        modes=modes,
        to_nodes=_to_nodes(n, local_nodes, x),
    )


def element_values(n: int, order: int, points: FloatArray) -> FloatArray:
    """Shape functions (q, n p) of n elements at any points of [0, 1)."""
    element = np.minimum((points * n).astype(int), n - 1)
    basis, _ = lagrange_basis(gauss_lobatto(order), 2.0 * (points * n - element) - 1.0)
    values = np.zeros((len(points), n * order))
    for local in range(order + 1):
        values[np.arange(len(points)), (element * order + local) % (n * order)] += basis[:, local]
    return values


def _to_nodes(n: int, nodes: FloatArray, x: FloatArray) -> FloatArray:
    """From values at the points x of every element to values (n1, q1) at the nodes."""
    basis, _ = lagrange_basis(x, nodes)
    order, n_points = len(nodes) - 1, len(x)
    matrix = np.zeros((n * order, n * n_points))
    for element in range(n):
        columns = slice(element * n_points, (element + 1) * n_points)
        for local in range(order + 1):
            share = 0.5 if local in (0, order) else 1.0
            matrix[(element * order + local) % (n * order), columns] += share * basis[local]
    return matrix


def _periodic_matrices(n: int, nodes: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values and derivatives (q1, n1) of the periodic shape functions at the points x of every element."""
    basis, slopes = lagrange_basis(nodes, x)
    order, n_points = len(nodes) - 1, len(x)
    values, derivatives = np.zeros((2, n * n_points, n * order))
    for element in range(n):
        rows = slice(element * n_points, (element + 1) * n_points)
        for local in range(order + 1):
            column = (element * order + local) % (n * order)
            values[rows, column] += basis[:, local]
            derivatives[rows, column] += slopes[:, local] * 2 * n
    return values, derivatives


def _modes(values: FloatArray, derivatives: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Generalized eigenpairs of the 1-D stiffness and mass (Lynch, Rice, Thomas 1964); the first is the constant."""
    stiffness = derivatives.T @ (weights[:, None] * derivatives)
    mass = values.T @ (weights[:, None] * values)
    eigenvalues, modes = scipy.linalg.eigh(stiffness, mass)
    eigenvalues[0] = 0.0
    modes[:, 0] = 1.0 / np.sqrt(mass.sum())
    return eigenvalues, modes
