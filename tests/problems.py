"""The problems that drive the suite: landscapes and composites with their exact answers, and cells to solve them on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e

import cellsolve as cs
from cellsolve import exact
from cellsolve.cells import BoxCell, UnitCell, box_cell, read_cell
from cellsolve.potentials import Potential

FloatArray = NDArray[np.float64]
MESHES = Path(__file__).resolve().parents[1] / "meshes"
SKEWED = {1: [[1.7]], 2: [[1.3, 0.2], [0.4, 0.9]], 3: [[1.2, 0.1, 0.0], [0.3, 0.8, 0.2], [-0.1, 0.2, 1.1]]}


@dataclass(frozen=True)
class Landscape:
    """V1 (and V0) of a potential; ``diffusion(sigma)`` is M (d, d) where it is known and free of x."""

    V1: str
    dim: int
    scales: int = 1
    V0: str | None = None
    diffusion: Callable[[float], FloatArray] | None = None

    @property
    def potential(self) -> Potential:
        return Potential(self.V1, dim=self.dim, scales=self.scales, V0=self.V0)


def line_diffusion(V1: str, scales: int) -> Callable[[float], FloatArray]:
    """M (1, 1) by Proposition 1, quadrature without finite elements."""
    V = Potential(V1, dim=1, scales=scales)
    return lambda sigma: exact.effective_diffusion_1d(V, sigma, np.zeros(1)).reshape(1, 1)


def line(V1: str, scales: int = 1) -> Landscape:
    """A landscape on the line."""
    return Landscape(V1, 1, scales, diffusion=line_diffusion(V1, scales))


def cosine_product_diffusion(sigma: float) -> FloatArray:
    """K_0 = I by duality, Z = I0(1/(2 sigma))^2."""
    s = 0.5 / sigma
    return float(np.exp(-2 * s) / i0e(s) ** 2) * np.eye(2)


WAVY = ["cos(2*pi*y)", "0.7*sin(2*pi*y) + 0.3*cos(4*pi*y)", "0.5*cos(2*pi*y) - 0.4*sin(4*pi*y)"]
COUPLED = (
    "cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*(y1[1] + y2[1])) + 0.5*cos(2*pi*(y2[0] - y2[1]))"  # no closed form
)


def additive(dim: int) -> Landscape:
    """V1 = sum_i U_i(y1[i]): M is diagonal with the one-dimensional values."""
    V1 = " + ".join(WAVY[i].replace("y)", f"y1[{i}])") for i in range(dim))
    return Landscape(V1, dim, diffusion=lambda sigma: exact.additive_diffusion(WAVY[:dim], sigma))


LANDSCAPES: Mapping[str, Landscape] = {
    "cosine": line("cos(2*pi*y1)"),
    "asymmetric": line("cos(2*pi*y1) + 0.5*sin(4*pi*y1)"),
    "kink": line("abs(sin(pi*y1))"),
    "two scales": line("cos(2*pi*y1)*cos(2*pi*y2) + 0.5*sin(2*pi*(y1 + y2))", 2),
    "three scales": line("cos(2*pi*y1)*cos(2*pi*y2) + 0.5*sin(2*pi*(y1 + y2 + y3)) + 0.5*cos(2*pi*(y2 - y3))", 3),
    "rugged": line("cos(2*pi*y1) + 0.3*cos(2*pi*y2) + 0.2*sin(2*pi*y3)", 3),
    "cosine product": Landscape("cos(2*pi*y1[0])*cos(2*pi*y1[1])", 2, diffusion=cosine_product_diffusion),
    "additive plane": additive(2),
    "additive space": additive(3),
    "coupled": Landscape(COUPLED, 2, 2),
    "slow": Landscape(
        "(1 + 0.3*sin(x[0]))*cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.4*sin(2*pi*(y1[1] + y2[1]))"
        " + 0.3*cos(x[1])*sin(2*pi*y2[1])",
        2,
        2,
        V0="0.5*x[0]**2 + x[0]*x[1] + x[1]**4",
    ),
}


@dataclass(frozen=True)
class Composite:
    """A coefficient on the unit box whose effective tensor is known."""

    coefficient: object
    tensor: FloatArray
    dim: int = 2

    @property
    def cell(self) -> BoxCell:
        return box_cell(self.dim)


def layered(dim: int, axis: int, low: float, high: float) -> Composite:
    """Half of each, stacked along an axis."""
    normal = np.eye(dim)[axis]
    text = f"{low} + {high - low}*heaviside(y[{axis}] - 0.5)"
    return Composite(text, exact.laminate([low, high], [0.5, 0.5], normal), dim)


STIFF = np.array([[4.0, 1.0], [1.0, 2.0]])
SOFT = np.array([[0.5, -0.2], [-0.2, 1.0]])


def layered_tensors(axis: int) -> Composite:
    """Anisotropic layers."""
    coefficient = lambda y: np.where((y[:, axis] < 0.5)[:, None, None], STIFF, SOFT)  # noqa: E731
    return Composite(coefficient, exact.laminate([STIFF, SOFT], [0.5, 0.5], np.eye(2)[axis]))


COMPOSITES: Mapping[str, Composite] = {
    "constant": Composite(2.5, 2.5 * np.eye(2)),
    "constant tensor": Composite(STIFF, STIFF),
    "layers across": layered(2, 0, 1.0, 50.0),
    "layers along": layered(2, 1, 1.0, 50.0),
    "layers in space": layered(3, 2, 1.0, 9.0),
    "layers of tensors, 0": layered_tensors(0),
    "layers of tensors, 1": layered_tensors(1),
    "cosine product": Composite("exp(-cos(2*pi*y[0])*cos(2*pi*y[1]))", np.eye(2)),
    "segment": Composite("exp(-2*cos(2*pi*y))", np.array([[1.0 / np.i0(2.0)]]), 1),
}

SHAPES: Mapping[str, tuple[int, int]] = {  # elements: dimension, highest order
    "line": (1, 2),
    "triangle": (2, 4),
    "quad": (2, 2),
    "tetra": (3, 2),
    "hexahedron": (3, 2),
}
ELEMENTS = [(shape, order) for shape, (_, highest) in SHAPES.items() for order in range(1, highest + 1)]
_CORNERS = {1: [[0], [1]], 2: [[0, 0], [1, 0], [1, 1], [0, 1]]}
_CORNERS[3] = [[*corner, z] for z in (0, 1) for corner in _CORNERS[2]]


def structured_cell(shape: str, n: int, period: object = None, halves: int | None = None) -> UnitCell:
    """n^d boxes, cut into simplices where the shape asks for it; ``halves``: regions a, b below and above 1/2 there."""
    dim = SHAPES[shape][0]
    rows = np.eye(dim) if period is None else np.array(period, dtype=float)
    fractions = np.array(list(product(range(n + 1), repeat=dim))) / n
    elements = np.array(
        [_numbers(np.array(corner) + local, n) for corner in product(range(n), repeat=dim) for local in _parts(shape)]
    )
    above = np.zeros(len(elements), dtype=int)
    if halves is not None:
        above = (fractions[elements][:, :, halves].mean(axis=1) > 0.5).astype(int)
    names = ("cell",) if halves is None else ("a", "b")
    return UnitCell(f"{n} {shape}", fractions @ rows, elements, shape, above, names, rows)


def _parts(shape: str) -> list[FloatArray]:
    """Corners of the elements in one box; simplices all share the main diagonal (Kuhn), so opposite sides match."""
    dim = SHAPES[shape][0]
    if shape in ("line", "quad", "hexahedron"):
        return [np.array(_CORNERS[dim])]
    steps = np.eye(dim, dtype=int)
    return [
        np.vstack([np.zeros((1, dim), dtype=int), np.cumsum(steps[list(order)], axis=0)])
        for order in permutations(range(dim))
    ]


def _numbers(corners: FloatArray, n: int) -> list[int]:
    dim = corners.shape[1]
    return [int(np.ravel_multi_index(tuple(corner), (n + 1,) * dim)) for corner in corners]


def mesh(name: str) -> UnitCell:
    """A unit cell of the folder meshes/."""
    return read_cell(MESHES / name)


def random_tensors(seed: int, count: int, dim: int) -> FloatArray:
    """Symmetric positive definite (count, d, d), eigenvalues from 0.2 up."""
    factors = np.random.default_rng(seed).normal(size=(count, dim, dim))
    return factors @ factors.swapaxes(1, 2) + 0.2 * np.eye(dim)


def waves(seed: int, dim: int, count: int = 3) -> Callable[[FloatArray], FloatArray]:
    """A random smooth function without symmetry, of size about 1 and period 1: points (..., d) -> (...)."""
    random = np.random.default_rng(seed)
    directions = np.vstack([np.eye(dim), random.integers(-2, 3, (count, dim))])
    phases, sizes = random.random(dim + count), random.uniform(0.4, 1.0, dim + count)
    return lambda y: np.cos(2 * np.pi * (y @ directions.T + phases)) @ sizes / sizes.sum()


def loewner_gap(lower: FloatArray, upper: FloatArray) -> float:
    """The least eigenvalue of upper - lower: not negative where lower <= upper."""
    return float(np.linalg.eigvalsh(upper - lower).min())


def relative_error(tensor: FloatArray, reference: FloatArray) -> float:
    """|tensor - reference| / |reference|, spectral norms; the largest over leading axes."""
    difference = np.linalg.norm(np.asarray(tensor) - reference, 2, axis=(-2, -1))
    return float(np.max(difference / np.linalg.norm(np.asarray(reference), 2, axis=(-2, -1))))


FIELDS = (
    "diffusion",
    "log_partition_function",
    "free_energy",
    "free_energy_gradient",
    "diffusion_divergence",
    "error_estimate",
)


def two_workers(kind: str) -> Executor:
    """A pool of two threads, or of two fresh processes."""
    if kind == "threads":
        return ThreadPoolExecutor(2)
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def assert_same(one: cs.Effective, other: cs.Effective) -> None:
    """Bit for bit."""
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
