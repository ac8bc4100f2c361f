"""Arrays of discs and of balls: finite elements on gmsh's meshes against multipoles (`_multipole_discs`, `_spheres`).

    lower <= k I <= upper but for the error of the geometry
    |(lower + upper)/2 - k I| <= 1e-4 k for d = 2, 2e-3 k for d = 3

Straight elements make polygons of discs and polyhedra of balls, and a bracket is one of the meshed cell. Discs are
drawn with the area they shall have, which leaves an error O(h^3) of the tensor; for balls the value k is taken at the
fraction meshed. What the geometry may still change is estimated from a mesh of twice the size: errors that fall at
least like h^2 are at most a third of the change. That is allowed beyond the bracket, and stands as the bound of its
claim.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import _array_meshes as meshes
import numpy as np
from _array_brackets import Array, bracket
from _multipole_discs import HEXAGONAL, SQUARE, disc_array
from _multipole_spheres import BODY_CENTRED, FACE_CENTRED, SIMPLE_CUBIC, ball_array

from cellsolve.validation import Claim, print_claims

MIDPOINT = {2: 1e-4, 3: 2e-3}

PLANE = (
    Array("square", 2, meshes.disc_in_square, partial(disc_array, SQUARE), (0.03, 0.012)),
    Array("hexagonal", 2, meshes.discs_in_rectangle, partial(disc_array, HEXAGONAL), (0.03, 0.015)),
)
SPACE = (
    Array("simple cubic", 3, meshes.balls_simple_cubic, partial(ball_array, SIMPLE_CUBIC), (0.08, 0.045)),
    Array("body-centred cubic", 3, meshes.balls_body_centred, partial(ball_array, BODY_CENTRED), (0.07, 0.045)),
    Array("face-centred cubic", 3, meshes.balls_face_centred, partial(ball_array, FACE_CENTRED), (0.07, 0.045)),
)


def claims_of(array: Array, fraction: float, contrast: float, h: float, folder: Path) -> list[Claim]:
    """The midpoint's error, and by how much the value misses the bracket; both relative to the value."""
    fine, coarse = (bracket(array, fraction, contrast, size, folder) for size in (h, 2.0 * h))
    value, coarse_value = (array.value(cell.fraction, contrast).value for cell in (fine, coarse))
    error, coarse_error = fine.midpoint / value - np.eye(array.dim), coarse.midpoint / coarse_value - np.eye(array.dim)
    label = f"{array.name} array, fraction {fraction:g}, contrast {contrast:g}"
    claims = [Claim(f"{label}: error of the midpoint", float(np.linalg.norm(error, 2)), MIDPOINT[array.dim])]
    if np.any(fine.upper != fine.lower):
        beyond = _excess(fine.lower / value), _excess(2.0 * np.eye(array.dim) - fine.upper / value)
        geometry = float(np.linalg.norm(error - coarse_error, 2)) / 3.0
        claims.append(Claim(f"{label}: value beyond the bracket, bound: error of the geometry", max(beyond), geometry))
    return claims


def _excess(tensor: np.ndarray) -> float:
    """By how much the greatest eigenvalue exceeds 1."""
    return max(0.0, float(np.linalg.eigvalsh(tensor).max()) - 1.0)


def problems(effort: int) -> Iterable[tuple[Array, float, float]]:
    """(array, fraction, contrast): dilute and dense, insulating (left out, contrast 0) to nearly perfect conductors."""
    if effort == 0:
        yield from product(PLANE, (0.3,), (0.0, 10.0))
        yield from product(SPACE, (0.25,), (0.0, 10.0))
        return
    contrasts = (0.0, 0.01, 10.0, 1000.0)
    yield from product(PLANE[:1], (0.1, 0.4, 0.7, 0.75), contrasts)
    yield from product(PLANE[1:], (0.1, 0.4, 0.7, 0.85), contrasts)
    for array, dense in zip(SPACE, (0.45, 0.55, 0.6), strict=True):
        yield from product((array,), (0.1, dense), (0.0, 0.1, 10.0, 1000.0))


def run(effort: int = 1) -> list[Claim]:
    """No claims, and a word on stderr, where gmsh is missing."""
    missing = meshes.gmsh_missing()
    if missing:
        print(f"arrays: left out, for its meshes are made by gmsh. {missing}", file=sys.stderr)
        return []
    with TemporaryDirectory() as folder:
        return [
            claim
            for array, fraction, contrast in problems(effort)
            for claim in claims_of(array, fraction, contrast, array.h[effort], Path(folder))
        ]


def main() -> int:
    claims = run()
    return int(bool(claims) and print_claims(claims) > 0)


if __name__ == "__main__":
    sys.exit(main())
