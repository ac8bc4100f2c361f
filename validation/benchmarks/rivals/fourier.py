"""The strongest rival on smooth cells: batched Fourier collocation (`fourier_cg`) on every work, and the references.

python fourier.py WORK
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import scipy
from fourier_cg import solve_scalar, solve_tensor
from works import CELLS, SIGMA, best_of, emit, grid, w4, w4_amplitudes, w5

# n (of W5: of y1 and of y2), energy tolerance: the fastest found for errors of about 1e-3, 1e-6, 1e-8 and 1e-9 or less
SETTINGS = {
    "W1": [(9, 1e-5), (16, 1e-6), (20, 1e-8), (20, 1e-10)],
    "I2": [(8, 1e-3), (10, 1e-7), (15, 1e-9)],
    "W2": [(8, 1e-3), (12, 1e-6), (14, 1e-8), (15, 1e-10)],
    "S3": [(6, 1e-4), (10, 1e-6), (10, 1e-9)],
    "W4": [(8, 1e-4), (9, 1e-6), (12, 1e-8), (16, 1e-10)],
    "W5": [((3, 5), 1e-3), ((7, 9), 1e-6), ((9, 12), 1e-8), ((9, 12), 1e-10)],
    "W8": [((15, 40), 1e-8), ((25, 40), 1e-11), ((35, 40), 1e-12), ((45, 48), 1e-14)],
}


def solve_family(fields: Callable, count: int, n: int, dim: int, tol: float) -> np.ndarray:
    """K_hom (count, d, d) of fields(slice) (b, n, .., n), in chunks that stay in the cache."""
    chunk = max(1, 100_000 // n**dim)
    return np.concatenate([solve_scalar(fields(slice(i, i + chunk)), tol) for i in range(0, count, chunk)])


def nested(sigma: float, n1: int, n2: int, tol: float) -> np.ndarray:
    """M = K_0 / Z of W5: an inner problem on n2 x n2 at each point of an n1 x n1 grid, the outer one on that grid."""
    y1, y2, parts = grid(n1, 2).reshape(-1, 1, 1, 2), grid(n2, 2), []

    def fields(part: slice) -> np.ndarray:
        parts.append(w5(y1[part], y2, sigma))
        return parts[-1]

    K1 = solve_family(fields, n1**2, n2, 2, tol).reshape(1, n1, n1, 2, 2)
    return solve_tensor(K1, tol)[0] / np.concatenate([p.mean(axis=(1, 2)) for p in parts]).mean()


def run(work: str, n: int | tuple[int, int], tol: float, count: int = 1000) -> np.ndarray:
    """The tensor of a work, or W4's tensors (count, 2, 2)."""
    if work in SIGMA:
        return nested(SIGMA[work], *n, tol)
    if work == "W4":
        A, y = w4_amplitudes(count), grid(n, 2)
        return solve_family(lambda part: w4(A[part], y), count, n, 2, tol)
    cell = CELLS[work]
    return solve_scalar(cell.K(grid(n, cell.dim))[None], tol)[0]


def reference(work: str) -> np.ndarray:
    """The tensor (W4: all thousand), converged to 1e-12; W8 to about 5e-8. C2, I2 and S3 are exact."""
    if work in CELLS and CELLS[work].exact is not None:
        return CELLS[work].exact * np.eye(CELLS[work].dim)
    if work == "W8":
        return run(work, (63, 48), 1e-15)  # 15 s
    return run(work, {"W1": 48, "W2": 40, "W4": 32, "W5": (19, 25)}[work], 1e-14)


def main(work: str) -> None:
    for n, tol in SETTINGS[work]:
        tensor, seconds = best_of(lambda n=n, tol=tol: run(work, n, tol))
        problems = len(tensor) if work == "W4" else 1
        unknowns = n[1] ** 2 if work in SIGMA else n ** tensor.shape[-1]
        emit(
            "fourier",
            work,
            f"n={n} tol={tol:g}",
            unknowns,
            seconds / problems,
            tensor[:20] if work == "W4" else tensor,
            problems,
            f"scipy {scipy.__version__}",
        )


if __name__ == "__main__":
    main(sys.argv[1])
