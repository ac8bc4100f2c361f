"""The nodes of a box of elements as a graph: a discretization of first order that is spectrally equivalent to the
elements (Deville, Mund 1985), whose matrix is an M-matrix at any contrast.

    A = sum over edges of v_ij (e_i - e_j)(e_i - e_j)^T,     v_ij = K_ij |face_ij| / h_ij
    K_ij = sqrt(K_i K_j) s / sinh s,  s = (log K_i - log K_j)/2        (Scharfetter, Gummel 1969: log K linear on edges)

Where K varies much inside an element, its nodes of small K are held by the large K of the others, because polynomials
are not local: edges are stiffened by what the diagonal of the elements' own matrix exceeds that of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.box_space import BoxSpace, along_axes, along_axis
from cellsolve.fem.space import FloatArray

__all__ = ["NodeGraph", "isotropic_logs", "node_graph"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class NodeGraph:
    """Edges of N nodes, d after each; ``volumes`` (N,) of the nodes sum to one."""

    start: IntArray  # (d N,)
    end: IntArray
    stiffness: FloatArray
    volumes: FloatArray

    def flow(self, differences: FloatArray) -> FloatArray:
        """-A t for fields t given by their differences along the edges, (m, d N) -> (m, N)."""
        through = self.stiffness * differences
        return np.stack([self._summed(self.start, f) - self._summed(self.end, f) for f in through])

    def diagonal(self) -> FloatArray:
        return self._summed(self.start, self.stiffness) + self._summed(self.end, self.stiffness)

    def _summed(self, ends: IntArray, values: FloatArray) -> FloatArray:
        summed: FloatArray = np.bincount(ends, values, len(self.volumes)).astype(float)
        return summed


def node_graph(space: BoxSpace, K: FloatArray) -> NodeGraph:
    """The graph of one coefficient K, (q,) or (d, d, q), on a box of elements."""
    dim, line = space.dim, space.line
    along = _directional(space, K)
    spacing = np.diff(np.append(line.nodes, line.nodes[0] + 1.0))
    shares = 0.5 * (spacing + np.roll(spacing, 1))
    number = np.arange(space.n_dofs).reshape((len(line.nodes),) * dim)
    ends, stiffness = list[IntArray](), list[FloatArray]()
    for axis, logs in enumerate(_log_at_nodes(space, along)):
        grid = logs.reshape(number.shape)
        values = _edge_mean(grid, np.roll(grid, -1, axis))
        for other in range(dim):
            values = values * _on_axis(shares if other != axis else 1.0 / spacing, other, dim)
        ends.append(np.roll(number, -1, axis).ravel())
        stiffness.append(values.ravel())
    volumes = np.ones(number.shape)
    for axis in range(dim):
        volumes = volumes * _on_axis(shares, axis, dim)
    start, end = np.tile(number.ravel(), dim), np.concatenate(ends)
    graph = NodeGraph(start, end, np.concatenate(stiffness), volumes.ravel())
    return _stiffened(graph, space, along)


def isotropic_logs(space: BoxSpace, K: FloatArray) -> FloatArray:
    """log(trace K / d) (N,) at the nodes."""
    kappa = K if K.ndim == 1 else np.einsum("iiq->q", K) / space.dim
    logs: FloatArray = _log_at_nodes(space, kappa[None])[0]
    return logs


def _directional(space: BoxSpace, K: FloatArray) -> FloatArray:
    """The diagonal (d, q) of P^-T K P^-1, the coefficient of each direction of the box."""
    P = space.inverse_period
    if K.ndim == 1:
        return np.asarray((P * P).sum(axis=0)[:, None] * K)
    result: FloatArray = np.einsum("ka,klq,la->aq", P, K, P)
    return result


def _log_at_nodes(space: BoxSpace, K: FloatArray) -> FloatArray:
    """log K (m, N) at the nodes, from values (m, q) at the points, by interpolation inside the elements."""
    points = (-1,) + (len(space.line.points),) * space.dim + (1,)
    return along_axes(space.line.to_nodes, np.log(K).reshape(points)).reshape(len(K), -1)


def _edge_mean(log_a: FloatArray, log_b: FloatArray) -> FloatArray:
    """The harmonic mean of K on an edge where log K is linear."""
    half = np.maximum(0.5 * np.abs(log_a - log_b), 1e-8)
    result: FloatArray = np.exp(0.5 * (log_a + log_b)) * half / np.sinh(half)
    return result


def _stiffened(graph: NodeGraph, space: BoxSpace, along: FloatArray) -> NodeGraph:
    """The same, at each node at least as stiff against the elements as for a constant coefficient."""
    factor = np.maximum(_element_diagonal(space, along) / graph.diagonal() / _constant_ratio(space), 1.0)
    stiffness = graph.stiffness * np.maximum(factor[graph.start], factor[graph.end])
    return NodeGraph(graph.start, graph.end, stiffness, graph.volumes)


def _constant_ratio(space: BoxSpace) -> float:
    """The usual ratio of the two diagonals for constant coefficients."""
    line = space.line
    spacing = np.diff(np.append(line.nodes, line.nodes[0] + 1.0))
    shares = 0.5 * (spacing + np.roll(spacing, 1))
    of_graph = 1.0 / spacing + 1.0 / np.roll(spacing, 1)
    of_elements = (line.derivatives**2).T @ line.weights
    masses = (_values(space) ** 2).T @ line.weights
    stiff, mass = of_elements / of_graph, masses / shares
    return float(np.median(stiff) * np.median(mass) ** (space.dim - 1))


def _element_diagonal(space: BoxSpace, along: FloatArray) -> FloatArray:
    """The diagonal (N,) of D^T diag(w K) D, without the mixed derivatives."""
    line, dim = space.line, space.dim
    grids = (space.weights * along).reshape((dim, 1) + (len(line.points),) * dim + (1,))
    squares, slopes = (_values(space) ** 2).T, (line.derivatives**2).T
    total = np.zeros((1,) + (len(line.nodes),) * dim + (1,))
    for axis, grid in enumerate(grids):
        part = grid
        for other in range(dim):
            part = along_axis(np.ascontiguousarray(slopes if other == axis else squares), part, other + 1)
        total += part
    return total.ravel()


def _values(space: BoxSpace) -> FloatArray:
    assert space.line.values is not None
    return space.line.values


def _on_axis(values: FloatArray, axis: int, dim: int) -> FloatArray:
    """Values (n,) along one axis of a grid."""
    return values.reshape((-1,) + (1,) * (dim - 1 - axis))
