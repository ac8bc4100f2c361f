"""The workloads, as plain functions of points y (..., d), and the one line of JSON every rival prints.

    div( K (grad theta_r + e_r) ) = 0 on the unit torus,     K_hom = mean of (I + grad theta)^T K (I + grad theta)

- `W1` 2-D exp(-V/0.5), three coupled waves; `I2` 2-D exp(-2 cos cos), exactly the identity.
- `W2` 3-D exp(-V/0.5), coupled; `S3` 3-D exp(-(cos + cos + cos)), exactly I0(1) times the identity.
- `C2` 2-D square [1/4, 3/4]^2 of conductivity 10 in a matrix of 1: exactly sqrt(31/13) I (Obnosov 1999, SIAM J. Appl.
  Math. 59), with singular corners.
- `W4` 1000 smooth 2-D problems, three random amplitudes each.
- `W5` two scales in the plane at sigma = 1, K_0/Z wanted; `W8` the same at sigma = 0.1.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

TAU = 2 * np.pi
SIGMA = {"W5": 1.0, "W8": 0.1}


@dataclass(frozen=True)
class Cell:
    """One scalar cell problem: its dimension and K(y) of points (..., d); exact is K_hom / I where it is known."""

    dim: int
    K: Callable[[np.ndarray], np.ndarray]
    exact: float | None = None


def _w1(y: np.ndarray) -> np.ndarray:
    a, b = np.moveaxis(TAU * y, -1, 0)
    V = np.cos(a) * np.cos(b + 0.7) + 0.5 * np.sin(a + b) + 0.3 * np.cos(2 * a - b + 0.4)
    return np.exp(-V / 0.5)


def _w2(y: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(TAU * y, -1, 0)
    V = 0.5 * (np.cos(a) * np.cos(b) + np.cos(a + b - c) + 0.7 * np.sin(b + c))
    return np.exp(-V / 0.5)


def _c2(y: np.ndarray) -> np.ndarray:
    return np.where((np.abs(y % 1 - 0.5) < 0.25).all(axis=-1), 10.0, 1.0)


CELLS = {
    "W1": Cell(2, _w1),
    "I2": Cell(2, lambda y: np.exp(-2 * np.cos(TAU * y[..., 0]) * np.cos(TAU * y[..., 1])), 1.0),
    "W2": Cell(3, _w2),
    "S3": Cell(3, lambda y: np.exp(-np.cos(TAU * y).sum(axis=-1)), float(np.i0(1.0))),
    "C2": Cell(2, _c2, float(np.sqrt(31 / 13))),
}


def w4_amplitudes(count: int = 1000) -> np.ndarray:
    """(count, 3): the first amplitudes (a, b, c) of the thousand."""
    return np.random.default_rng(4).uniform(-1, 1, (1000, 3))[:count]


def w4(amplitudes: np.ndarray, y: np.ndarray) -> np.ndarray:
    """K (count, ...) at points y (..., 2) for amplitudes (count, 3), or K (...) for three amplitudes."""
    u, v = np.moveaxis(TAU * y, -1, 0)
    waves = np.stack([np.cos(u), np.cos(u + v), np.sin(v)])
    return np.exp(-np.tensordot(amplitudes, waves, axes=1))


def w5(y1: np.ndarray, y2: np.ndarray, sigma: float) -> np.ndarray:
    """exp(-V1/sigma) of points (..., 2) and (..., 2), broadcast."""
    (a, b), (c, d) = np.moveaxis(TAU * y1, -1, 0), np.moveaxis(TAU * y2, -1, 0)
    V1 = np.cos(a) * np.cos(c) + 0.5 * np.sin(b + d) + 0.5 * np.cos(c - d)
    return np.exp(-V1 / sigma)


def grid(n: int, dim: int) -> np.ndarray:
    """Points (n, .., n, dim) of the uniform grid."""
    return np.stack(np.meshgrid(*[np.arange(n) / n] * dim, indexing="ij"), axis=-1)


def best_of(run: Callable[[], object], budget: float = 3.0, most: int = 5) -> tuple[object, float]:
    """The result of run() and its least wall time over at most `most` repeats within `budget` seconds."""
    seconds, began = [], time.perf_counter()
    while not seconds or (len(seconds) < most and time.perf_counter() - began + seconds[-1] < budget):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def emit(
    rival: str, work: str, setting: str, unknowns: int, seconds: float, tensor: object, problems: int, version: str
) -> None:
    """The line of JSON: `seconds` is the time of ONE problem, `tensor` (d, d), or (k, d, d): W4's first k."""
    line = {"rival": rival, "work": work, "setting": setting, "unknowns": int(unknowns), "seconds": seconds}
    line |= {"problems": problems, "version": version, "tensor": np.asarray(tensor).tolist()}
    print(json.dumps(line), flush=True)
