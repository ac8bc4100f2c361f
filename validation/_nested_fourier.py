"""Homogenization over N scales on full grids: no elements, no lattices, no interpolation, no code of the package.

    d = 1:  M = 1 / (Z Zhat), both integrals by the trapezoidal rule                              (Proposition 1)
    d = 2:  Fourier collocation of every cell problem, one at each point of the grids of the outer scales

Grids are open: an axis on which no term depends has length one. Conjugate gradients are preconditioned by the inverse
Laplacian between two multiplications by kappa^(-1/2), kappa = tr K / 2, and stop relative to the energy itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["LevelTerms", "effective_diffusion", "homogenized", "homogenized_tensor"]

LevelTerms = Callable[[int, list[np.ndarray]], np.ndarray]  # level k, components of y_1 .. y_k on open grids -> V/sigma
_POINTS_AT_ONCE = 150_000
_MOST_ITERATIONS = 600


def effective_diffusion(terms: LevelTerms, dim: int, scales: int, n: int) -> np.ndarray:
    """M (d, d) with n points a side on every scale, n odd; ``terms`` are those whose innermost variable is y_k."""
    K, Z = homogenized_tensor(terms, dim, scales, n)
    return K / Z


def homogenized_tensor(terms: LevelTerms, dim: int, scales: int, n: int) -> tuple[np.ndarray, float]:
    """K_0 (d, d) and Z."""
    axes = _open_axes(dim * scales, n)
    Z, K = np.ones(()), np.eye(dim)
    for k in range(scales, 0, -1):
        outer = axes[: dim * k]
        V = terms(k, [axis.reshape(axis.shape[: dim * k]) for axis in outer])
        Z = (np.exp(-V) * Z).mean(axis=tuple(range(V.ndim - dim, V.ndim)))
        K = _averaged(V, K, dim, n)
    return K, float(Z)


def _averaged(V: np.ndarray, K: np.ndarray, dim: int, n: int) -> np.ndarray:
    """K_(k-1) over the grids of y_1 .. y_(k-1) from K_k."""
    lead = np.broadcast_shapes(V.shape, K.shape[:-2])
    K = np.exp(-V)[..., None, None] * K
    if dim == 1:
        return 1.0 / (1.0 / K).mean(axis=K.ndim - 3)
    K = np.broadcast_to(K, (*lead[:-2], n, n, 2, 2))
    return homogenized(K.reshape(-1, n, n, 2, 2)).reshape(*lead[:-2], 2, 2)


def _open_axes(count: int, n: int) -> list[np.ndarray]:
    line = np.arange(n) / n
    return [line.reshape((1,) * i + (n,) + (1,) * (count - 1 - i)) for i in range(count)]


def homogenized(K: np.ndarray, tol: float = 1e-15) -> np.ndarray:
    """K_hom (b, 2, 2) of tensor fields K (b, n, n, 2, 2), n odd."""
    n = K.shape[1]
    size = max(1, _POINTS_AT_ONCE // n**2)
    return np.concatenate([_solved(K[start : start + size], tol) for start in range(0, len(K), size)])


def _solved(K: np.ndarray, tol: float) -> np.ndarray:
    b, n = K.shape[:2]
    kappa = 0.5 * np.trace(K, axis1=-2, axis2=-1)
    factor = kappa.max(axis=(1, 2))
    C = np.ascontiguousarray(np.moveaxis(K / factor[:, None, None, None, None], 0, 2).transpose(3, 4, 2, 0, 1))
    D, Q, inverse = _derivative(n), *_laplacian(n)
    half = (kappa / factor[:, None, None])[:, None] ** -0.5

    def gradient(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return D @ u, u @ D.T

    def minus_divergence(f: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return D.T @ f[0] + f[1] @ D

    def flux(g: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return C[0, 0][:, None] * g[0] + C[0, 1][:, None] * g[1], C[1, 0][:, None] * g[0] + C[1, 1][:, None] * g[1]

    def preconditioned(r: np.ndarray) -> np.ndarray:
        return half * (Q @ (inverse * (Q.T @ (half * r) @ Q)) @ Q.T)

    def dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return (u * v).mean(axis=(-2, -1), keepdims=True)

    unit = (np.zeros((b, 2, n, n)), np.zeros((b, 2, n, n)))
    unit[0][:, 0] = unit[1][:, 1] = 1.0
    theta = np.zeros((b, 2, n, n))
    energy = np.stack([C[0, 0], C[1, 1]], axis=1).mean(axis=(-2, -1), keepdims=True)
    r = -minus_divergence(flux(unit))
    z = preconditioned(r)
    p, gamma = z.copy(), dot(r, z)
    for _ in range(_MOST_ITERATIONS):
        if (gamma <= tol * energy).all():
            break
        Ap = minus_divergence(flux(gradient(p)))
        alpha = gamma / np.maximum(dot(p, Ap), 1e-300)
        alpha[gamma <= 0.01 * tol * energy] = 0.0
        theta += alpha * p
        r -= alpha * Ap
        energy = energy - alpha * gamma
        z = preconditioned(r)
        old, gamma = gamma, dot(r, z)
        p = z + gamma / np.maximum(old, 1e-300) * p
    E = gradient(theta)
    E = (E[0] + unit[0], E[1] + unit[1])
    F = flux(E)
    T = sum(np.einsum("brxy,bsxy->brs", e, f) for e, f in zip(E, F, strict=True)) / n**2
    return np.asarray(0.5 * (T + T.swapaxes(1, 2)) * factor[:, None, None])


def _derivative(n: int) -> np.ndarray:
    """Of trigonometric polynomials at n equally spaced nodes, n odd."""
    waves = 2j * np.pi * np.fft.fftfreq(n, 1 / n)
    return np.fft.ifft(waves[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0).real


def _laplacian(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthogonal Q (n, n) of waves, and 1/(their eigenvalues) (n, n), 0 for the constant."""
    m, y = np.arange(1, n // 2 + 1), np.arange(n) / n
    waves = 2.0 * np.pi * np.outer(y, m)
    Q = np.concatenate([np.full((n, 1), n**-0.5), np.sqrt(2 / n) * np.cos(waves), np.sqrt(2 / n) * np.sin(waves)], 1)
    square = (2.0 * np.pi * np.concatenate([[0], m, m])) ** 2
    total = square[:, None] + square
    return Q, np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
