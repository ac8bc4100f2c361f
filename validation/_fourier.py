"""An independent discretization: Fourier collocation of a cell problem on the unit square, conjugate gradients.

    div( K (grad theta + e) ) = 0,  derivatives by FFT on an n x n grid, preconditioned by the inverse Laplacian

Shares no code and no basis with the package; the error falls faster than any power of n for smooth K.
"""

from __future__ import annotations

import numpy as np

__all__ = ["grid", "homogenized"]


def grid(n: int) -> np.ndarray:
    """Points (n, n, 2)."""
    line = np.arange(n) / n
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)


def homogenized(K: np.ndarray, tol: float = 1e-13) -> np.ndarray:
    """K_hom (b, 2, 2) of tensor fields K (b, n, n, 2, 2), n odd."""
    b, n = K.shape[:2]
    waves = 2j * np.pi * np.fft.fftfreq(n, 1 / n)
    k = np.stack(np.meshgrid(waves, waves, indexing="ij"))
    laplacian = -(k**2).sum(axis=0).real
    inverse = np.divide(1.0, laplacian, out=np.zeros_like(laplacian), where=laplacian > 0)

    def gradient(u: np.ndarray) -> np.ndarray:
        return np.fft.ifft2(k[:, None, None] * np.fft.fft2(u)).real

    def minus_divergence(f: np.ndarray) -> np.ndarray:
        return -np.fft.ifft2((k[:, None, None] * np.fft.fft2(f)).sum(axis=0)).real

    def flux(g: np.ndarray) -> np.ndarray:
        return np.einsum("bxyij,jbrxy->ibrxy", K, g)

    def dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return (u * v).sum(axis=(-2, -1), keepdims=True)

    unit = np.broadcast_to(np.eye(2)[:, None, :, None, None], (2, b, 2, n, n))
    theta = np.zeros((b, 2, n, n))
    r = -minus_divergence(flux(unit))
    z = np.fft.ifft2(inverse * np.fft.fft2(r)).real
    p, gamma = z.copy(), dot(r, z)
    first = np.maximum(gamma, 1e-300)
    for _ in range(400):
        if (gamma <= tol * first).all():
            break
        Ap = minus_divergence(flux(gradient(p)))
        alpha = gamma / np.maximum(dot(p, Ap), 1e-300)
        theta += alpha * p
        r -= alpha * Ap
        z = np.fft.ifft2(inverse * np.fft.fft2(r)).real
        old, gamma = gamma, dot(r, z)
        p = z + gamma / np.maximum(old, 1e-300) * p
    total = unit + gradient(theta)
    return np.einsum("ibrxy,ibsxy->brs", total, flux(total)) / n**2
