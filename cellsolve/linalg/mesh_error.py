"""How far the tensors of a mesh are from those of the cell, judged by elements of another order on the same mesh.

No space with more unknowns is solved: order p > 1 is compared with order p - 1, which it holds (`lower_order`); to
first order, bubbles of second order are added one by one (`bubbles`).

    T_(p-1) - T_p = sum_e G_e,    G_e = int_e grad w . K grad w,    w = theta_p - theta_(p-1)
    error of T_p  ~  C p sum_e rho_e G_e,    rho_e = min( 1, tr G_e / tr int_e grad theta . K grad theta )^(1/(p - 1))

Where the corrector is smooth each order takes away as much of an element's energy, in proportion, as the one before:
rho_e is that proportion. At corners of regions it is of order one.
"""

from __future__ import annotations

import numpy as np

from cellsolve.fem.bubbles import bubble_gain
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import element_parts
from cellsolve.fem.pattern import pair_numbers
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.gradient_form import GradientForm
from cellsolve.linalg.lower_order import of_lower_order
from cellsolve.linalg.matrix_form import CellMatrices, MatrixForm, assemble

__all__ = ["mesh_error", "unresolved"]

# Of the sum, for each order, by dimension. Measured in the plane: with orders 2 to 4 it is 1.6 to 4 times the error at
# corners, and up to 170 times on fine meshes of smooth coefficients.
_SAFETY = {2: 2.0, 3: 1.0}
# Errors of some tenths are larger than differences say: 1 + this times the estimate covers corners of contrast 100.
_UNRESOLVED = 5.0
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
        gain = _expected_gain(system, u, of_lower_order(form, u, T)[1])
    else:
        bubbles = [bubble_gain(system.space, *one) for one in zip(system.C, u, strict=True)]
        gain = _BUBBLE_SAFETY * np.stack(bubbles)
    return unresolved(np.linalg.norm(gain, 2, axis=(1, 2)) / np.linalg.norm(T, 2, axis=(1, 2)))


def unresolved(error: FloatArray) -> FloatArray:
    """Estimates of relative errors by differences, raised where these are so large that the next difference need not be
    much smaller."""
    return error * (1.0 + _UNRESOLVED * error)


def _expected_gain(system: CellMatrices, u: FloatArray, v: FloatArray) -> FloatArray:
    """What the next order would gain (b, m, m), by the energies of elements in the correctors u and v of orders p and
    p - 1 (b, m, n)."""
    space, (b, m, _) = system.space, u.shape
    dofs, numbers = space.element_dofs, pair_numbers(space.element_dofs.shape[1])
    solution, last = (np.ascontiguousarray(w.swapaxes(1, 2)) for w in (u, u - v))
    gain, local = np.zeros((b, m, m)), dofs.shape[1]
    for part in element_parts(len(dofs), b * local * (local + 2 * space.dim)):
        A = system.blocks[:, part].take(numbers, axis=-1)
        total, high = (w.take(dofs[part], axis=1) for w in (solution, last))
        total, high = total - total[:, :, :1], high - high[:, :, :1]
        flux = A @ high
        energy, of_total = ((w * f).sum(axis=(-2, -1)) for w, f in ((high, flux), (total, A @ total)))
        share = np.divide(energy, of_total, out=np.ones_like(energy), where=of_total > 0)
        rate = _SAFETY[space.dim] * space.order * np.clip(share, 0.0, 1.0) ** (1.0 / (space.order - 1))
        gain += (rate[:, :, None, None] * high).reshape(b, -1, m).swapaxes(1, 2) @ flux.reshape(b, -1, m)
    return gain


def _with_matrices(minimum: CellMinimum) -> MatrixForm:
    """The form of the solutions, or one like it where they were found from gradients."""
    form = minimum.form
    if isinstance(form, MatrixForm):
        return form
    assert isinstance(form, GradientForm)
    assert isinstance(form.space, MeshSpace)
    return MatrixForm.of(assemble(form.space, np.ascontiguousarray(form.C)), form.M)
