"""Cold landscapes: closed forms at osc(V1)/sigma up to 600, duality among many wells, and the law of Arrhenius.

    K_0 ~ sum over passes of  c h h^T,     c = exp(-V(s)/sigma) (2 pi sigma)^(d/2 - 1) |lambda_u| / sqrt|det V''(s)|

h is the period that the pass s crosses, lambda_u the unstable eigenvalue of V'' there (Eyring 1935, Kramers 1940,
Langer 1969), for a landscape of one well a cell. V is even here, so that its critical points are at halves of periods.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.special import ive

import cellsolve as cs
from cellsolve.validation import Claim, print_claims

TOL = 1e-6
MANY = (
    "cos(2*pi*y1[0])*cos(2*pi*y1[1]) + 0.5*sin(2*pi*(y1[0] + 2*y1[1])) + 0.3*cos(2*pi*(y1[1] - 2*y1[0]))",
    "cos(2*pi*y1[0] + 0.4) + 0.8*sin(2*pi*(2*y1[0] - y1[1])) + 0.6*cos(2*pi*(y1[0] + y1[1]) + 1)",
)
OSCILLATION = (3.4, 4.3)  # of these, from above
WAVES = {  # amplitudes and wave vectors of -sum a cos(2 pi k.y)
    1: ((1.0, (1,)), (0.15, (2,))),
    2: ((1.0, (1, 0)), (0.6, (0, 1)), (0.2, (1, -1))),
    3: ((1.0, (1, 0, 0)), (0.8, (0, 1, 0)), (0.6, (0, 0, 1)), (0.15, (1, -1, 0))),
}


def log_bessel(a: float) -> float:
    return float(np.log(ive(0, a)) + a)


def homogenized(V1: str, dim: int, sigma: float) -> tuple[np.ndarray, float, float]:
    """K_0 = Z M over exp(-min V1/sigma), log Z, and the error estimate."""
    eff = cs.homogenize(cs.Potential(V1, dim=dim, scales=1), sigma=sigma, tol=TOL).evaluate(np.zeros((1, dim)))
    return eff.diffusion[0], float(eff.log_partition_function[0]), float(eff.error_estimate[0])


def closed_forms(effort: int) -> list[Claim]:
    """Potentials that separate, layers, and cos cos, whose K_0 is I at every temperature."""
    works = [("line, cos at 600", "cos(2*pi*y1)", 1, 1 / 300, [-2 * log_bessel(300)])]
    for ratio in (60, 100)[1 - effort :]:
        a = ratio / 2
        works += [
            (f"plane, layers at {ratio}", "cos(2*pi*y1[0])", 2, 1 / a, [-2 * log_bessel(a), 0.0]),
            (
                f"plane, cos + cos at {ratio}",
                "cos(2*pi*y1[0]) + cos(2*pi*y1[1])",
                2,
                2 / a,
                [-2 * log_bessel(a / 2)] * 2,
            ),
        ]
    if effort:
        three = " + ".join(f"cos(2*pi*y1[{i}])" for i in range(3))
        works.append(("space, cos + cos + cos at 36", three, 3, 1 / 6, [-2 * log_bessel(6)] * 3))
    claims = list[Claim]()
    for name, V1, dim, sigma, exact in works:
        M, _, estimate = homogenized(V1, dim, sigma)
        error = float(np.abs(np.log(np.diag(M)) - exact).max())
        claims += [
            Claim(f"{name}: error of log M", error, TOL),
            Claim(f"{name}: error / estimate", error / estimate, 1.0),
        ]
    return claims


def cos_cos(ratio: float) -> Claim:
    a = ratio / 2
    M, log_Z, _ = homogenized("cos(2*pi*y1[0])*cos(2*pi*y1[1])", 2, 1 / a)
    return Claim(f"plane, cos cos at {ratio:g}: |log K_0|", float(np.abs(np.log(np.diag(M)) + log_Z).max()), TOL)


def many_wells(number: int, ratio: float) -> Claim:
    """K[-V] = K[V] / det K[V], where inequivalent wells have to find their levels through passes of exp(-ratio/2)."""
    sigma = OSCILLATION[number] / ratio
    (M, log_Z, _), (N, other, _) = (homogenized(V1, 2, sigma) for V1 in (MANY[number], f"-({MANY[number]})"))
    dual = M * np.exp(-log_Z - other) / np.linalg.det(M)
    return Claim(
        f"plane, many wells ({number + 1}) at {ratio:g}: K[-V] / dual - 1",
        float(np.abs(N - dual).max() / N.max()),
        4 * TOL,
    )


def text(dim: int) -> str:
    names = ["y1"] if dim == 1 else [f"y1[{i}]" for i in range(dim)]
    return " - ".join(
        [
            "0",
            *(
                f"{a}*cos(2*pi*({'+'.join(f'({n})*{y}' for n, y in zip(k, names, strict=True))}))"
                for a, k in WAVES[dim]
            ),
        ]
    )


def eyring_kramers(dim: int, sigma: float) -> np.ndarray:
    """The sum over the passes next to the well at 0."""
    total = np.zeros((dim, dim))
    for half in np.ndindex(*(2,) * dim):
        s, H, height = np.array(half) / 2, np.zeros((dim, dim)), 0.0
        for a, k in WAVES[dim]:
            wave, cosine = np.array(k), np.cos(2 * np.pi * np.dot(k, s))
            height -= a * cosine
            H += a * cosine * 4 * np.pi**2 * np.outer(wave, wave)
        values = np.linalg.eigvalsh(H)
        if (values < 0).sum() == 1:
            c = np.exp(-height / sigma) * (2 * np.pi * sigma) ** (dim / 2 - 1) * -values[0] / np.sqrt(-values.prod())
            total += c * np.outer(half, half)
    return total


def arrhenius(dim: int, sigma: float) -> list[Claim]:
    """K_0 against the law at two temperatures; the excess falls like sigma."""
    excess = list[float]()
    for temperature in (sigma, sigma / 2):
        M, log_Z, _ = homogenized(text(dim), dim, temperature)
        law = eyring_kramers(dim, temperature)
        excess.append(float(np.abs(np.linalg.solve(law, M * np.exp(log_Z)) - np.eye(dim)).max()))
    slope = abs(excess[0] / excess[1] - 2.0)
    return [
        Claim(f"{dim}-D at sigma {sigma / 2:g}: K_0 against Eyring-Kramers, relative", excess[1], 2.0 * sigma),
        Claim(f"{dim}-D: the excess halves with sigma: |ratio - 2|", slope, 0.5),
    ]


def run(effort: int = 1) -> list[Claim]:
    claims = [*closed_forms(effort), cos_cos(100.0 if effort else 60.0)]
    claims += [many_wells(n, 60.0) for n in range(2 if effort else 1)]
    for dim, sigma in ((1, 0.05), (2, 0.05), (3, 0.2))[: 2 + effort]:
        claims += arrhenius(dim, sigma)
    return claims


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
