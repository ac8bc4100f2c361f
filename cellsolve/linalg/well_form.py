"""Cell problems of metastable landscapes, exp(-V/sigma) at low temperature, each eigenvalue to full relative accuracy.

The total potential g . y + theta is nearly constant in every well, on a level of its own, and falls over the passes. So

    g + grad theta = grad( t + psi ) + grad v + sum_w c_w grad( 1_w + psi_w )

t is g . y at the copy of the well that a node belongs to, 1_w the indicator of a cluster of wells; their gradients are
exactly zero inside wells. psi solves B psi = -A t on the graph of the nodes (`node_graph`): these are the committors of
transition path theory (E, Vanden-Eijnden 2006). B = A + alpha K on the cores of the wells holds each well by its own
core, so no pivot is small, however high the barriers are; with the coarse space of the committors it preconditions the
elements' matrix independently of the contrast. Nothing is ever the small difference of large numbers: fields in a well
are as small as they are, and a K_hom of exp(-100) of the largest K comes with all its digits.

Potentials are taken in directions g dual to the ways round the cell, so that those which cross high passes only are
constant along all others: the smallest eigenvalue does not drown in the largest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.space import FloatArray, flux
from cellsolve.fem.wells import Wells, steps_between, wells_of
from cellsolve.linalg.amg import graph_cycle
from cellsolve.linalg.energies import BoolArray, IntArray, TotalGradients, energy_tensor
from cellsolve.linalg.node_graph import NodeGraph, isotropic_logs, node_graph

__all__ = ["WellForm", "well_form"]

_PERSISTENCE = 4.0  # log K between a pass and the lower top: what is less is no well of its own
_CORE = 1.5  # log K below its top, down to which a well is held
_HOLD = 6.0  # alpha of a core, times its size squared

Solve = Callable[[FloatArray], FloatArray]  # B^-1 for rows (m, N)


@dataclass(frozen=True, slots=True, eq=False)
class WellForm:
    """The energies of one problem, in directions g, the rows of ``frame``; unknowns (1, d, N + W - 1) are v and c."""

    space: BoxSpace
    C: FloatArray  # (1, q) or (1, d, d, q)
    frame: FloatArray  # (d, d)
    fields: FloatArray  # (1, d, d, q) total gradients to begin with
    steps: FloatArray  # (W - 1, d q) gradients of the committors of clusters
    nodal: FloatArray  # (d + W - 1, N) what these are gradients of, without g . y
    solve: Solve
    coarse: FloatArray  # (W - 1, W - 1) inverse of the energies of the committors
    guess: FloatArray | None = None

    def start(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        dim = self.space.dim
        u = np.zeros((1, dim, self.space.n_dofs + len(self.steps))) if self.guess is None else self.guess.copy()
        T, r, _ = self.evaluate(u)
        return u, r, np.einsum("brr->br", T).copy()

    def apply(self, p: FloatArray) -> FloatArray:
        return self._divergence(flux(self.C, self._gradient(p)))

    def precondition(self, r: FloatArray) -> FloatArray:
        n = self.space.n_dofs
        return np.concatenate([self.solve(r[0, :, :n]), r[0, :, n:] @ self.coarse], axis=-1)[None]

    def evaluate(self, u: FloatArray) -> tuple[FloatArray, FloatArray, TotalGradients]:
        E = self.fields + self._gradient(u)
        F = flux(self.C, E)
        upright = np.einsum("sr,briq->bsiq", np.linalg.inv(self.frame), E)
        return energy_tensor(E, F), -self._divergence(F), TotalGradients(upright, self.C, self.space.weights)

    def correctors(self, u: FloatArray) -> FloatArray:
        """Nodal values (1, d, N) of the correctors of the unit vectors."""
        n, dim = self.space.n_dofs, self.space.dim
        theta = self.nodal[:dim] + u[0, :, :n] + u[0, :, n:] @ self.nodal[dim:]
        return np.asarray(np.linalg.inv(self.frame) @ theta)[None]

    def take(self, rows: IntArray) -> WellForm:  # noqa: ARG002 (there is one problem)
        return self

    def resumed(self, u: FloatArray) -> WellForm:
        """The same, to begin with the unknowns u."""
        return replace(self, guess=u)

    def _gradient(self, u: FloatArray) -> FloatArray:
        n = self.space.n_dofs
        E = self.space.gradient(u[..., :n])
        if len(self.steps):
            E = E + (u[0, :, n:] @ self.steps).reshape(E.shape)
        return E

    def _divergence(self, F: FloatArray) -> FloatArray:
        fine = self.space.divergence(F)
        if not len(self.steps):
            return fine
        return np.concatenate([fine, (F.reshape(self.space.dim, -1) @ self.steps.T)[None]], axis=-1)


def well_form(space: BoxSpace, K: FloatArray) -> WellForm:
    """The energies of one coefficient K, (q,) or (d, d, q), on a box of elements."""
    graph = node_graph(space, K)
    shape = (len(space.line.nodes),) * space.dim
    logs = isotropic_logs(space, K)
    wells = wells_of(logs.reshape(shape), _PERSISTENCE)
    covectors, lifted, frame = _directions(space, wells)
    differences, nodal = _labels(space, wells, shape, covectors * lifted[:, None])
    solve = _held(graph, wells, logs, float((space.inverse_period**2).sum() / space.dim))
    psi = solve(graph.flow(differences))
    C = (space.weights * K)[None]
    gradients = space.gradient(nodal[None])[0]
    gradients[: space.dim] += (frame * lifted[:, None])[:, :, None]
    gradients *= _crossed(space, differences)[:, None]
    gradients[: space.dim] += (frame * ~lifted[:, None])[:, :, None]
    gradients += space.gradient(psi[None])[0]
    fields, steps = gradients[: space.dim], gradients[space.dim :]
    coarse = _inverse(energy_tensor(steps[None], flux(C, steps[None]))[0])
    flat = np.ascontiguousarray(steps.reshape(len(steps), fields[0].size))
    return WellForm(space, C, frame, fields[None].copy(), flat, nodal + psi, solve, coarse)


def _directions(space: BoxSpace, wells: Wells) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Covectors n (d, d) dual to the ways round the cell, whether (d,) particles have to leave wells in them, and the
    gradients g (d, d) of n . s, of length one as n is scaled."""
    ways = np.array([one.periods for one in wells.passes], dtype=float).T
    covectors = np.round(np.linalg.inv(ways) * abs(np.linalg.det(ways)))
    frame = covectors @ space.inverse_period.T
    length = np.linalg.norm(frame, axis=1, keepdims=True)
    lifted = np.array([not one.inside for one in wells.passes], dtype=np.bool_)
    return covectors / length, lifted, frame / length


def _labels(
    space: BoxSpace, wells: Wells, shape: tuple[int, ...], covectors: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """t and 1_w: their differences along the edges (d + W - 1, d N), and their values less g . y at the nodes."""
    differences = list[FloatArray]()
    members = wells.clusters[:, wells.label].astype(float)
    for axis in range(space.dim):
        following, step = steps_between(wells.lift, shape, axis)
        differences.append(np.concatenate([covectors @ step.T, members[:, following] - members]))
    fractions = space.nodes @ space.inverse_period
    nodal = np.concatenate([covectors @ (wells.lift - fractions).T, members])
    return np.concatenate(differences, axis=1), nodal


def _crossed(space: BoxSpace, differences: FloatArray) -> FloatArray:
    """1 at the points of elements in which a label is not constant, else 0: (m, q)."""
    dim, n, p = space.dim, space.n, space.order
    edges = (differences != 0).reshape((len(differences), dim) + (n * p,) * dim)
    crossed = np.zeros((len(differences),) + (n,) * dim, dtype=np.bool_)
    for axis in range(dim):
        part = edges[:, axis]
        for other in range(dim):
            inside = np.moveaxis(part, other + 1, 0)
            blocks = inside.reshape(n, p, *inside.shape[1:]).any(axis=1)
            if other != axis:
                blocks |= np.roll(inside[::p], -1, axis=0)
            part = np.moveaxis(blocks, 0, other + 1)
        crossed |= part
    for other in range(dim):
        crossed = np.repeat(crossed, len(space.line.points) // n, axis=other + 1)
    return crossed.reshape(len(differences), -1).astype(float)


def _held(graph: NodeGraph, wells: Wells, logs: FloatArray, metric: float) -> Solve:
    """B^-1, B = A + alpha K on the cores, between square roots of its diagonal: a factorization in the plane, a
    multigrid cycle in space."""
    core = logs > wells.tops[wells.label] - _CORE
    sizes = np.bincount(wells.label[core], graph.volumes[core], len(wells.tops))
    alpha = _HOLD * metric / sizes[wells.label]
    diagonal = graph.diagonal() + np.where(core, alpha * np.exp(logs) * graph.volumes, 0.0)
    root = 1.0 / np.sqrt(diagonal)
    across = -graph.stiffness * root[graph.start] * root[graph.end]
    own = np.arange(len(logs))
    entries = np.concatenate([across, across, np.ones(len(logs))])
    rows, columns = (np.concatenate(i) for i in ((graph.start, graph.end, own), (graph.end, graph.start, own)))
    matrix = sp.csc_array(sp.coo_array((entries, (rows, columns)), shape=(len(logs),) * 2))
    inner = _factorized(matrix) if wells.lift.shape[1] == 2 else _cycled(matrix)

    def solve(rows: FloatArray) -> FloatArray:
        return inner(rows * root) * root

    return solve


def _factorized(matrix: sp.csc_array) -> Solve:
    factor = spla.splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return lambda rows: np.asarray(factor.solve(np.ascontiguousarray(rows.T)).T)


def _cycled(matrix: sp.csc_array) -> Solve:
    """One multigrid cycle, which is as symmetric and nearly as good."""
    cycle = graph_cycle(sp.csr_array(matrix))
    return lambda rows: np.stack([cycle(row) for row in rows]) if len(rows) else rows


def _inverse(A: FloatArray) -> FloatArray:
    """The inverse of a symmetric positive definite matrix of graded diagonal."""
    scale = 1.0 / np.sqrt(np.diag(A))
    result: FloatArray = np.linalg.inv(A * scale * scale[:, None]) * scale * scale[:, None]
    return result
