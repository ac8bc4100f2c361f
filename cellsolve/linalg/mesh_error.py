"""How far the tensors of a mesh are from those of the cell, judged by elements of another order on the same mesh.

No space with more unknowns is solved: order p > 1 is compared with order p - 1, which it holds (`lower_order`); to
first order, bubbles of second order are added one by one (`bubbles`).
"""

from __future__ import annotations

import numpy as np

from cellsolve.fem.bubbles import bubble_gain
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.gradient_form import GradientForm
from cellsolve.linalg.lower_order import gain_over_lower_order
from cellsolve.linalg.matrix_form import MatrixForm, assemble

__all__ = ["mesh_error"]

# Covers the error as long as the higher order takes away two thirds of that of the lower one.
_SAFETY = 1.5
# Bubbles one by one saw 0.26 to 2.2 times the true error: all shapes, 4 to 40 elements a side, skewed and stretched,
# contrasts to 1e5, anisotropies to 1e3. On large meshes and isotropic coefficients it is 0.7 to 1.3 times.
_BUBBLE_SAFETY = 4.0


def mesh_error(K: FloatArray, minimum: CellMinimum) -> FloatArray:
    """Estimates (B,) of |T - K_hom| / |T| for solutions just found on a mesh, of the coefficients K (B, ..), d > 1.

    An estimate from above, by safety factors that were measured, and no bound.
    """
    form = _with_matrices(minimum)
    T = minimum.tensor / np.abs(K).reshape(len(K), -1).max(axis=1)[:, None, None]
    system, u = form.system, minimum.unknowns
    if system.space.order > 1:
        gain = _SAFETY * gain_over_lower_order(form, u, T)
    else:
        bubbles = [bubble_gain(system.space, *one) for one in zip(system.C, u, strict=True)]
        gain = _BUBBLE_SAFETY * np.stack(bubbles)
    error: FloatArray = np.linalg.norm(gain, 2, axis=(1, 2)) / np.linalg.norm(T, 2, axis=(1, 2))
    return error


def _with_matrices(minimum: CellMinimum) -> MatrixForm:
    """The form of the solutions, or one like it where they were found from gradients."""
    form = minimum.form
    if isinstance(form, MatrixForm):
        return form
    assert isinstance(form, GradientForm)
    assert isinstance(form.space, MeshSpace)
    return MatrixForm.of(assemble(form.space, np.ascontiguousarray(form.C)), form.M)
