"""Logarithm and exponential of symmetric tensors, with their derivatives.

    log K = Q log(lambda) Q^T,     D log_K [H] = Q ( Gamma o Q^T H Q ) Q^T,   Gamma_ij = (log li - log lj) / (li - lj)

and the same for exp (Daleckii, Krein). Tensors stand last: (..., d, d), d = 1, 2, 3.
"""

from __future__ import annotations

import numpy as np

from cellsolve.fem.space import FloatArray

__all__ = ["Spectrum", "compose", "exp_derivative", "log_derivative", "spectrum"]

Spectrum = tuple[FloatArray, FloatArray]  # eigenvalues (..., d) ascending and eigenvectors (..., d, d) as columns


def spectrum(A: FloatArray) -> Spectrum:
    """Eigenvalues and eigenvectors of symmetric tensors; closed form for d = 1, 2."""
    dim = A.shape[-1]
    if dim == 1:
        return A[..., 0], np.ones_like(A)
    if dim == 2:
        return _plane_spectrum(A)
    values, vectors = np.linalg.eigh(A)
    return values, vectors


def _plane_spectrum(A: FloatArray) -> Spectrum:
    """A = mean I + radius (a reflection at half the angle). The eigenvalue near zero comes from the determinant, and an
    angle is taken from the nearer axis: both are then known relatively, as those of graded tensors have to be."""
    mean = 0.5 * (A[..., 0, 0] + A[..., 1, 1])
    half, off = 0.5 * (A[..., 0, 0] - A[..., 1, 1]), A[..., 0, 1]
    far = mean + np.copysign(np.hypot(half, off), mean)
    det = A[..., 0, 0] * A[..., 1, 1] - off * off
    near = np.divide(det, far, out=np.zeros_like(far), where=far != 0)
    angle = 0.5 * np.arctan2(off, np.abs(half))
    small, large = np.sin(angle), np.cos(angle)
    c, s = np.where(half >= 0, large, small), np.where(half >= 0, small, large)
    vectors = np.stack([np.stack([-s, c], axis=-1), np.stack([c, s], axis=-1)], axis=-1)
    return np.stack([np.minimum(near, far), np.maximum(near, far)], axis=-1), vectors


def compose(values: FloatArray, vectors: FloatArray) -> FloatArray:
    """Q diag(values) Q^T."""
    result: FloatArray = np.matmul(vectors * values[..., None, :], vectors.swapaxes(-1, -2))
    return result


def exp_derivative(log_spectrum: Spectrum, H: FloatArray) -> FloatArray:
    """D exp_L [H] for L given by its spectrum; Gamma_ij = e^((li + lj)/2) sinh(h)/h, h = (li - lj)/2."""
    values, vectors = log_spectrum
    h = 0.5 * (values[..., :, None] - values[..., None, :])
    middle = np.exp(0.5 * (values[..., :, None] + values[..., None, :]))
    safe = np.where(np.abs(h) < 1e-6, 1.0, h)
    ratio = np.where(np.abs(h) < 1e-6, 1.0 + h * h / 6.0, np.sinh(safe) / safe)
    return _schur_product(vectors, middle * ratio, H)


def log_derivative(tensor_spectrum: Spectrum, H: FloatArray) -> FloatArray:
    """D log_K [H] for K given by its spectrum; Gamma_ij = log1p(t) / (t lj), t = (li - lj)/lj."""
    values, vectors = tensor_spectrum
    columns = values[..., None, :]
    t = (values[..., :, None] - columns) / columns
    safe = np.where(np.abs(t) < 1e-6, 1.0, t)
    ratio = np.where(np.abs(t) < 1e-6, 1.0 - 0.5 * t, np.log1p(safe) / safe)
    return _schur_product(vectors, ratio / columns, H)


def _schur_product(vectors: FloatArray, gamma: FloatArray, H: FloatArray) -> FloatArray:
    """Q (gamma o Q^T H Q) Q^T, symmetrized."""
    inner = np.matmul(np.matmul(vectors.swapaxes(-1, -2), H), vectors)
    result = np.matmul(np.matmul(vectors, gamma * inner), vectors.swapaxes(-1, -2))
    symmetric: FloatArray = 0.5 * (result + result.swapaxes(-1, -2))
    return symmetric
