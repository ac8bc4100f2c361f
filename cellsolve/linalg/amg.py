"""Algebraic multigrid: pyamg on first-order elements, Ruge-Stuben in the plane and smoothed aggregation in space;
p-multigrid above it for order 2 and up.

The only door to pyamg. Every hierarchy is built from a matrix of its own, with numpy's global random state put back,
and constants are projected out on both sides: on the singular periodic matrix plain V-cycles can stagnate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.constants import Constants

__all__ = ["Multigrid", "VCycle", "graph_cycle", "multigrid"]

IntArray = npt.NDArray[np.int64]

_COARSEST = 200  # unknowns of the coarsest level

# Symmetric cycles. Below a smoother of higher order, where the hierarchy is a small part of the work, it may do more.
_ONE_SWEEP = {
    "presmoother": ("gauss_seidel", {"sweep": "forward"}),
    "postsmoother": ("gauss_seidel", {"sweep": "backward"}),
}
_TWO_SWEEPS = {side: ("gauss_seidel", {"sweep": "symmetric"}) for side in ("presmoother", "postsmoother")}


@dataclass(frozen=True, slots=True, eq=False)
class VCycle:
    """One V-cycle from zero down a hierarchy of pyamg. Its own preconditioner computes two more residuals, to look at
    their norms."""

    hierarchy: Any

    def __call__(self, r: FloatArray) -> FloatArray:
        return self._descend(0, r)

    def _descend(self, depth: int, r: FloatArray) -> FloatArray:
        level = self.hierarchy.levels[depth]
        if depth == len(self.hierarchy.levels) - 1:
            return np.asarray(self.hierarchy.coarse_solver(level.A, r)).reshape(r.shape)
        u = np.zeros_like(r)
        level.presmoother(level.A, u, r)
        u += level.P @ self._descend(depth + 1, level.R @ (r - level.A @ u))
        level.postsmoother(level.A, u, r)
        return u


@dataclass(frozen=True, slots=True, eq=False)
class PCycle:
    """One symmetric cycle for one matrix of order p: smooth, correct on first-order elements, smooth."""

    fine: Any  # csr_matrix
    interpolation: Any
    restriction: Any
    coarse: VCycle
    constants: Constants  # of first order

    def __call__(self, r: FloatArray) -> FloatArray:
        from pyamg.relaxation.relaxation import gauss_seidel

        u = np.zeros_like(r)
        gauss_seidel(self.fine, u, r, sweep="forward")
        coarse_residual = self.constants.removed(self.restriction @ (r - self.fine @ u))
        u += self.interpolation @ self.coarse(coarse_residual)
        gauss_seidel(self.fine, u, r, sweep="backward")
        return u


Cycle = VCycle | PCycle


@dataclass(frozen=True, slots=True, eq=False)
class Multigrid:
    """A cycle for each coefficient."""

    cycles: Sequence[Cycle]
    constants: Constants

    def apply(self, R: FloatArray) -> FloatArray:
        z = np.empty_like(R)
        for cycle, rows, out in zip(self.cycles, R, z, strict=True):
            for r, target in zip(rows, out, strict=True):
                target[:] = cycle(self.constants.removed(r))
        return self.constants.removed(z)

    def take(self, rows: IntArray) -> Multigrid:
        return Multigrid([self.cycles[i] for i in rows], self.constants)

    def below(self) -> Multigrid | None:
        """The cycles for the matrices of first order that those of higher order rest on."""
        above = [cycle for cycle in self.cycles if isinstance(cycle, PCycle)]
        return Multigrid([cycle.coarse for cycle in above], above[0].constants) if above else None


def multigrid(space: MeshSpace | CoupledSpace, matrices: Sequence[sp.csr_array]) -> Multigrid:
    """A hierarchy for each of the matrices of a space."""
    if space.order == 1:
        cycles: list[Cycle] = [VCycle(_hierarchy(sp.csr_matrix(A), space.dim, _ONE_SWEEP)) for A in matrices]
    else:
        interpolation, pieces = space.from_first_order()
        cycles = [_p_cycle(A, sp.csr_matrix(interpolation), Constants(pieces), space.dim) for A in matrices]
    return Multigrid(cycles, Constants(space.pieces))


def graph_cycle(A: sp.csr_array) -> VCycle:
    """A cycle for an M-matrix of any contrast: Ruge-Stuben, also in space, whose graphs have few edges."""
    return VCycle(_hierarchy(sp.csr_matrix(A), 2, _ONE_SWEEP))


def _p_cycle(A: sp.csr_array, interpolation: Any, constants: Constants, dim: int) -> PCycle:
    fine, restriction = sp.csr_matrix(A), interpolation.T.tocsr()
    coarse = VCycle(_hierarchy(sp.csr_matrix(restriction @ fine @ interpolation), dim, _TWO_SWEEPS))
    return PCycle(fine, interpolation, restriction, coarse, constants)


def _hierarchy(A: Any, dim: int, smoothers: dict[str, Any]) -> Any:
    """Levels below first-order elements. Measured on balls in cubes, aggregation halves the time of Ruge-Stuben, whose
    coarse matrices fill up in three dimensions; in the plane Ruge-Stuben is the faster one."""
    import pyamg

    with _own_random_state():
        if dim < 3:
            hierarchy = pyamg.ruge_stuben_solver(A.copy(), max_coarse=_COARSEST, coarse_solver="pinv", **smoothers)
        else:
            hierarchy = pyamg.smoothed_aggregation_solver(
                A.copy(),
                strength=("symmetric", {"theta": 0.02}),
                improve_candidates=None,
                max_coarse=_COARSEST,
                coarse_solver="pinv",
                **smoothers,
            )
    return hierarchy


@contextmanager
def _own_random_state() -> Iterator[None]:
    """pyamg draws from numpy's global generator: seed it, then put back what was there."""
    state = np.random.get_state()  # noqa: NPY002 (the global generator is the one pyamg uses)
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
