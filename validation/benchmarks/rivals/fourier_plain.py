"""The Fourier script a physicist writes in an afternoon: collocation by FFT, conjugate gradients, batches together.

    div( K (grad theta_r + e_r) ) = 0,   grad and div by FFT on n^d points,   Green-Jacobi preconditioned
    (inverse Laplacian between two factors 1/sqrt(K): ten times fewer iterations than the inverse Laplacian alone)

python fourier_plain.py WORK
"""

from __future__ import annotations

import sys

import numpy as np
import scipy
from scipy.fft import irfftn, rfftn
from works import CELLS, best_of, emit, grid, w4, w4_amplitudes, w5

SETTINGS = {  # n (of W5: of y1 and of y2), tolerance of the energy
    "W1": [(9, 1e-4), (17, 1e-7), (23, 1e-10)],
    "I2": [(9, 1e-4), (13, 1e-7), (17, 1e-10)],
    "W2": [(7, 1e-4), (11, 1e-7), (15, 1e-10)],
    "S3": [(7, 1e-4), (9, 1e-7), (13, 1e-10)],
    "W4": [(7, 1e-4), (11, 1e-7), (13, 1e-9)],
    "W5": [((5, 7), 1e-4), ((9, 11), 1e-7), ((11, 13), 1e-9)],
}


def homogenized(K: np.ndarray, tol: float) -> np.ndarray:
    """K_hom (B, d, d) of tensor fields K (B, d, d, n, .., n), n odd."""
    B, d, n = len(K), K.shape[1], K.shape[-1]
    axes, shape = tuple(range(-d, 0)), K.shape[3:]
    k = [2j * np.pi * np.fft.fftfreq(n, 1 / n)] * (d - 1) + [2j * np.pi * np.fft.rfftfreq(n, 1 / n)]
    ik = np.stack(np.meshgrid(*k, indexing="ij"))
    k2 = (ik * ik.conj()).real.sum(axis=0)
    green = np.divide(1.0, k2, out=np.zeros_like(k2), where=k2 > 0)
    root = 1 / np.sqrt(np.einsum("bii...->b...", K) / d)[:, None]

    def gradient(u: np.ndarray) -> np.ndarray:
        return irfftn(ik * rfftn(u, axes=axes)[:, :, None], shape, axes=axes)

    def minus_divergence(f: np.ndarray) -> np.ndarray:
        return -irfftn((ik * rfftn(f, axes=axes)).sum(axis=2), shape, axes=axes)

    def flux(g: np.ndarray) -> np.ndarray:
        return np.einsum("bij...,brj...->bri...", K, g)

    def precondition(r: np.ndarray) -> np.ndarray:
        return root * irfftn(green * rfftn(root * r, axes=axes), shape, axes=axes)

    def dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return (u * v).sum(axis=axes, keepdims=True)

    unit = np.broadcast_to(np.eye(d).reshape(1, d, d, *[1] * d), (B, d, d, *shape))
    r = -minus_divergence(flux(unit))
    theta, z = np.zeros_like(r), precondition(r)
    p, gamma = z.copy(), dot(r, z)
    scale = (root**-2).mean(axis=axes, keepdims=True) * n**d
    while (gamma > tol * scale).any():
        Ap = minus_divergence(flux(gradient(p)))
        alpha = gamma / np.maximum(dot(p, Ap), 1e-300)
        theta += alpha * p
        r -= alpha * Ap
        z, old = precondition(r), gamma
        gamma = dot(r, z)
        p = z + gamma / np.maximum(old, 1e-300) * p
    E = unit + gradient(theta)
    return np.einsum("brim,bsim->brs", *(f.reshape(B, d, d, -1) for f in (E, flux(E)))) / n**d


def isotropic(k: np.ndarray, d: int) -> np.ndarray:
    """k (B, n, .., n) times the identity."""
    return k[:, None, None] * np.eye(d).reshape(1, d, d, *[1] * d)


def run(work: str, n: int | tuple[int, int], tol: float, count: int = 1000, batch: int = 50) -> np.ndarray:
    """The tensor of a work, or W4's tensors."""
    if work == "W4":
        A, y = w4_amplitudes(count), grid(n, 2)
        return np.concatenate([homogenized(isotropic(w4(A[i : i + batch], y), 2), tol) for i in range(0, count, batch)])
    if work == "W5":
        fields = w5(grid(n[0], 2).reshape(-1, 1, 1, 2), grid(n[1], 2), 1.0)
        K1 = np.concatenate(
            [homogenized(isotropic(fields[i : i + batch], 2), tol) for i in range(0, len(fields), batch)]
        )
        return homogenized(np.moveaxis(K1.reshape(1, n[0], n[0], 2, 2), (3, 4), (1, 2)), tol)[0] / fields.mean()
    cell = CELLS[work]
    return homogenized(isotropic(cell.K(grid(n, cell.dim))[None], cell.dim), tol)[0]


def main(work: str) -> None:
    for n, tol in SETTINGS[work]:
        tensor, seconds = best_of(lambda n=n, tol=tol: run(work, n, tol))
        problems = len(tensor) if work == "W4" else 1
        unknowns = n[1] ** 2 if isinstance(n, tuple) else n ** tensor.shape[-1]
        shown = tensor[:20] if work == "W4" else tensor
        setting, version = f"n={n} tol={tol:g}", f"scipy {scipy.__version__}"
        emit("fourier plain", work, setting, unknowns, seconds / problems, shown, problems, version)


if __name__ == "__main__":
    main(sys.argv[1])
