"""How far coupling sides that do not match puts the tensor from that of the same elements on a mesh whose sides match.

    error = 4 | |T - T'| + J | / |T|

T' is the tensor with masters and slaves exchanged, J the energy of closing the jumps (`fem.jumps`). Neither alone
tells: T and T' may err alike, and a fine slave hides its error from the jump.
"""

from __future__ import annotations

import numpy as np

from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.jumps import jump_energy
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.solver import CellSolver

__all__ = ["coupling_error"]

# Against the mesh made to match by inserting the nodes of either side in the other: at most 3.2 (|T - T'| + J) on 180
# meshes of triangles (Delaunay, 3 to 14 elements a side, faces up to 3 times as fine as their opposites, orders 1 to 3,
# contrasts to 400, inclusions that cut the sides).
_SAFETY = 4.0


def coupling_error(space: CoupledSpace, K: FloatArray, minimum: CellMinimum, tol: float) -> FloatArray:
    """Estimates (B,) of the relative error of tensors by the coupling, for solutions of the coefficients K (B, ..).

    Solves the same problems on the exchanged space, to ``tol``. Raises PeriodicityError where that has no unknown
    inside a face.
    """
    exchanged = CellSolver(space.swapped()).solve(K, tol).tensor
    J = jump_energy(space, K, minimum.correctors)
    difference = np.linalg.norm(minimum.tensor - exchanged, 2, axis=(1, 2)) + np.linalg.norm(J, 2, axis=(1, 2))
    error: FloatArray = _SAFETY * difference / np.linalg.norm(minimum.tensor, 2, axis=(1, 2))
    return error
