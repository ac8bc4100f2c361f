"""A guaranteed bracket of the effective tensor of the coefficient as integrated, in the Loewner order.

    upper:  K_hom <= T = <(I + grad theta)^T K (I + grad theta)>     for any theta, continuous and periodic
    lower:  K_hom >= S D^-1 S^T                                      for any fluxes without divergence (`fluxes`)

Fluxes: in one dimension the constant one, with which the bracket is a point; in the plane, stream functions in the same
elements; in space, equilibrated ones on simplices, vector potentials on boxes. Both lines hold however early iterations
stop, so iterations stop once they change the width of the bracket by a tenth.

What is guaranteed: everything, up to rounding, where K is constant on each element and elements are straight: then
all integrals are exact. Where K varies inside elements, or elements are curved, it is the coefficient as integrated:
the bracket says nothing of how well the quadrature points represent K and 1/K between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from cellsolve.cellproblem.batches import batches, in_batches
from cellsolve.cellproblem.curl_fluxes import curl_fluxes
from cellsolve.cellproblem.equilibration import equilibrated_fluxes
from cellsolve.cellproblem.fluxes import Fluxes, gap_densities
from cellsolve.cellproblem.resolution import Evaluate, hardest
from cellsolve.cellproblem.stream_fluxes import stream_fluxes, stream_solver
from cellsolve.cells import UnitCell, subdivided
from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Cell, Ladder, Space
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.solver import CellSolver, Method

__all__ = ["Bracket", "bracketed_on", "divided_for_bounds", "fluxes_of"]

_FIRST = 1e-5  # relative error of the tensor by iterations, to begin with
_SHARE = 0.1  # of the bracket's width, or of tol, that iterations may add
_INVERTED = 1e-9  # of the upper bound, by which rounding may put the lower one above it
_ROUNDING = 1e-12  # relative tolerance of iterations that it makes no sense to go below


@dataclass(frozen=True, slots=True, eq=False)
class Bracket:
    """``minimum``: the correctors and upper bounds of B coefficients; ``fluxes``: what bounds them from below."""

    solver: CellSolver
    K: FloatArray
    minimum: CellMinimum
    fluxes: list[Fluxes]

    @property
    def lower(self) -> FloatArray:
        """(B, m, m), for the mean gradients of the space."""
        Q = _directions(self.solver.space)
        return np.stack([Q @ fluxes.lower @ Q.T for fluxes in self.fluxes])

    @property
    def upper(self) -> FloatArray:
        """(B, m, m)."""
        return self.minimum.tensor

    @property
    def error(self) -> float:
        """Half the width of the widest bracket, relative to its middle."""
        return float(_half_width(self.lower, self.upper).max())

    @property
    def early(self) -> float:
        """What stopping early adds to a bracket, at most, relative to its upper bound."""
        sizes = np.linalg.norm(self.upper, 2, axis=(1, 2))
        below = [fluxes.early / size for fluxes, size in zip(self.fluxes, sizes, strict=True) if size > 0]
        return float(max(self.minimum.error.max(), *below, 0.0))

    @property
    def inverted(self) -> bool:
        """Is a lower bound above its upper one by more than rounding? Then K varies too much for double precision."""
        gap = np.linalg.eigvalsh(self.upper - self.lower)[..., 0]
        return bool((gap < -_INVERTED * np.linalg.norm(self.upper, 2, axis=(1, 2))).any())

    def densities(self, b: int) -> FloatArray:
        """Where the bracket of coefficient b is wide, (q,)."""
        space = self.solver.space
        E = space.gradient(self.minimum.correctors[b]) + space.imposed
        return gap_densities(self.fluxes[b], E, self.K[b], space.weights, _directions(space))


def _bracketed(solver: CellSolver, K: FloatArray, tol: float) -> Bracket:
    """Bracket the tensors of coefficients K, (B, q) or (B, d, d, q): iterate no further than their width needs."""
    wanted = max(_FIRST, _SHARE * tol)
    bracket = _bracket(solver, K, wanted, None)
    while bracket.minimum.converged.all() and wanted > _ROUNDING:
        width = _half_width(bracket.lower, bracket.upper)
        enough = max(_SHARE * float(np.maximum(width, tol).min()), _ROUNDING)
        early = bracket.early
        if (width <= tol).all() or early <= enough:
            break
        wanted = max(0.5 * wanted * enough / early, _ROUNDING)
        bracket = _bracket(solver, K, wanted, bracket.minimum)
    return bracket


def _bracket(solver: CellSolver, K: FloatArray, tol: float, before: CellMinimum | None) -> Bracket:
    """Brackets from iterations that go on where others stopped before."""
    if before is None:
        minimum = in_batches(solver, K, tol)
    else:
        minimum = in_batches(solver, K, tol, before.correctors)
        minimum.iterations += before.iterations
        minimum.residual *= before.residual
    return Bracket(solver, K, minimum, fluxes_of(solver, K, minimum, tol))


def bracketed_on(ladder: Ladder, evaluate: Evaluate, tol: float, method: Method | None) -> Bracket:
    """Brackets on the first space where those of the hardest coefficients are narrow enough, or on the only one."""
    for make in ladder.makers:
        solver = CellSolver(make(), method)
        K = evaluate(solver.space)
        rows = hardest(K)
        bracket = _bracketed(solver, K[rows], tol)
        if ladder.fixed or bracket.error <= tol:
            break
    return bracket if len(rows) == len(K) else _bracketed(solver, K, tol)


def _half_width(lower: FloatArray, upper: FloatArray) -> FloatArray:
    """|upper - lower| / |upper + lower| (B,), spectral norms."""
    width, total = (np.linalg.norm(M, 2, axis=(-2, -1)) for M in (upper - lower, upper + lower))
    ratio: FloatArray = np.divide(width, total, out=np.zeros_like(width), where=total > 0)
    return ratio


def fluxes_of(solver: CellSolver, K: FloatArray, minimum: CellMinimum, tol: float) -> list[Fluxes]:
    """What bounds the tensors of coefficients K, whose correctors are ``minimum``, from below."""
    space = solver.space
    if space.dim == 1:
        return [_constant_flux(T, space) for T in minimum.tensor]
    if space.dim == 2:
        dual = stream_solver(solver)
        parts = [stream_fluxes(dual, K[rows], tol, minimum.tensor[rows]) for rows in batches(dual, K)]
        return [fluxes for part in parts for fluxes in part]
    if isinstance(space, BoxSpace):
        return [fluxes for rows in batches(solver, K) for fluxes in curl_fluxes(solver, K[rows], tol)]
    assert isinstance(space, MeshSpace)
    return [equilibrated_fluxes(space, k, u) for k, u in zip(K, minimum.correctors, strict=True)]


def _constant_flux(T: FloatArray, space: Space) -> Fluxes:
    """sigma = 1, <1/K> = 1 / K_hom."""
    return Fluxes(np.ones((1, 1)), 1.0 / T, partial(np.ones, (1, 1, len(space.weights))))


def _directions(space: Space) -> FloatArray:
    return space.directions if isinstance(space, MeshSpace) else np.eye(space.dim)


def divided_for_bounds(cell: Cell) -> Cell:
    """Hexahedra as tetrahedra, on which fluxes are equilibrated; other cells as they are."""
    return subdivided(cell) if isinstance(cell, UnitCell) and cell.shape == "hexahedron" else cell
