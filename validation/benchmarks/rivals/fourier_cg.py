"""Fourier collocation of batches of cell problems by conjugate gradients, with SciPy's FFT: the algorithm of `fourier`.

For scalar K the substitution theta = v / w, w = sqrt(K), turns the cell problem into Schroedinger's equation

    -Laplace v_r + q v_r = 2 d_r w,     q = (Laplace w) / w,     K_hom = mean(K) I - mean(2 d_r w v_s),

which is the Green-Jacobi preconditioned problem with two transforms an iteration in place of 2 d + 4. On the grid q is
made from the discrete Laplacian, so that w stays exactly in the kernel and the constant mode of v may be dropped.
Tensor K keeps the divergence form, Green-Jacobi preconditioned. Iterations run on |k| v, kept in an isometric half
spectrum: dot products are plain sums, converged problems leave. The error of K_hom is of second order in theta's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.fft import irfftn, rfftn

TAU_I = 2j * np.pi


def waves(n: int, dim: int) -> tuple[list[np.ndarray], np.ndarray]:
    """i k of each axis (the Nyquist wave of even n has no derivative) and |k|^2, on the half spectrum."""
    full, half = TAU_I * np.fft.fftfreq(n, 1 / n), TAU_I * np.fft.rfftfreq(n, 1 / n)
    k = np.meshgrid(*[full] * (dim - 1), half, indexing="ij", sparse=True)
    return [np.where(2 * np.abs(a) == n * abs(TAU_I), 0, a) for a in k], sum(np.abs(a) ** 2 for a in k)


def isometry(n: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """1/|k| times the root of each wave's multiplicity, down and up, for real views (.., 2 m) of the half spectrum."""
    k2 = waves(n, dim)[1]
    over = np.divide(1, np.sqrt(k2), out=np.zeros_like(k2), where=k2 > 0)
    m = np.arange(n // 2 + 1)
    times = np.sqrt(np.where((m == 0) | (2 * m == n), 1.0, 2.0))
    return np.repeat(over / times, 2, axis=-1), np.repeat(over * times, 2, axis=-1)


def conjugate_gradients(apply: Callable, b: np.ndarray, scale: np.ndarray, tol: float) -> np.ndarray:
    """x^T B x in energy form (B, d, d) of apply(x, active) = b (B, d, m): |b - B x|^2 <= tol scale, converged leave."""
    x, r, p, active = np.zeros_like(b), b.copy(), b.copy(), np.arange(len(b))
    energy = np.zeros((*b.shape[:2], b.shape[1]))
    gamma = np.einsum("brx,brx->br", r, r)
    for _ in range(20_000):
        going = (gamma > tol * scale[active, None]).any(axis=1)
        if 2 * going.sum() <= len(active):  # half are done: store them and go on with the rest
            energy[active] = b @ x.swapaxes(1, 2) + x @ r.swapaxes(1, 2)  # off by (e_r, B e_s), second order
            active, b, x, r, p, gamma = (a[going] for a in (active, b, x, r, p, gamma))
            if not len(active):
                return energy
        Ap = apply(p, active)
        alpha = (gamma / np.maximum(np.einsum("brx,brx->br", p, Ap), 1e-300))[..., None]
        x += alpha * p
        Ap *= alpha
        r -= Ap
        old, gamma = gamma, np.einsum("brx,brx->br", r, r)
        p *= (gamma / np.maximum(old, 1e-300))[..., None]
        p += r
    raise RuntimeError("20 000 iterations were not enough")


def solve_scalar(K: np.ndarray, tol: float) -> np.ndarray:
    """K_hom (B, d, d) of scalar fields K (B, n, .., n)."""
    B, n, dim = len(K), K.shape[-1], K.ndim - 1
    axes = tuple(range(-dim, 0))
    ik, k2 = waves(n, dim)
    down, up = isometry(n, dim)

    def back(u):
        return irfftn(u, (n,) * dim, axes=axes, norm="ortho", workers=1, overwrite_x=True)

    def forth(u):
        return rfftn(u, axes=axes, norm="ortho", workers=1)

    w = np.sqrt(K)
    w_hat = forth(w)
    q = (-back(k2 * w_hat) / w)[:, None]
    b = up * np.stack([2 * a * w_hat for a in ik], axis=1).view(float)
    half = b.shape[2:]

    def apply(p, active):
        u = back((down * p.reshape(*p.shape[:2], *half)).view(complex))
        u *= q[active] if len(active) < B else q
        Ap = forth(u).view(float)
        Ap *= up
        Ap = Ap.reshape(p.shape)
        Ap += p
        return Ap

    mean = K.mean(axis=axes)
    energy = conjugate_gradients(apply, b.reshape(B, dim, -1), n**dim * mean, tol)
    return mean[:, None, None] * np.eye(dim) - energy / n**dim


def solve_tensor(K: np.ndarray, tol: float) -> np.ndarray:
    """K_hom (B, d, d) of tensor fields K (B, n, .., n, d, d): divergence form, Green-Jacobi with s^2 = d / trace K."""
    B, n, dim = len(K), K.shape[1], K.shape[-1]
    axes = tuple(range(-dim, 0))
    ik = np.stack(np.broadcast_arrays(*waves(n, dim)[0]))
    down, up = isometry(n, dim)
    K = np.moveaxis(K, (-2, -1), (1, 2))
    s = 1 / np.sqrt(np.trace(K, axis1=1, axis2=2) / dim)[:, None]

    def back(u):
        return irfftn(u, (n,) * dim, axes=axes, norm="ortho", workers=1)

    def forth(u):
        return rfftn(u, axes=axes, norm="ortho", workers=1)

    def minus_divergence(flux, active):
        f = back((ik.conj() * forth(flux)).sum(axis=2)) * s[active]
        return (up * forth(f).view(float)).reshape(*flux.shape[:2], -1)

    def apply(p, active):
        u = back((down * p.reshape(*p.shape[:2], *down.shape)).view(complex)) * s[active]
        flux = np.einsum("bij...,brj...->bri...", K[active], back(ik * forth(u)[:, :, None]))
        return minus_divergence(flux, active)

    mean = K.mean(axis=axes)
    scale = n**dim * np.trace(mean, axis1=1, axis2=2) / dim
    return mean - conjugate_gradients(apply, -minus_divergence(K, np.arange(B)), scale, tol) / n**dim
