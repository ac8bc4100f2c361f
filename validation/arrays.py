"""Arrays of discs and of balls: finite elements on gmsh's meshes against multipoles (`_multipole_discs`, `_spheres`).

    lower <= k I <= upper
    |(lower + upper)/2 - k I| <= 1e-4 k for d = 2, 2e-3 k for d = 3
    square array of perfect conductors: k(inf) = 1/k(0) (Keller) against the table of Perrins and others (1979)

Elements are of second order, and so are their sides: circles and spheres are met to 1e-6 to 1e-4 of their measure. A
bracket is one of the meshed cell, so the value may lie beyond it by what the measure, off by so much, changes in it:
that is the bound of its claim.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import _array_meshes as meshes
import numpy as np
from _array_brackets import HEAD, Array, Case, bracket
from _multipole_discs import HEXAGONAL, SQUARE, disc_array
from _multipole_spheres import BODY_CENTRED, FACE_CENTRED, SIMPLE_CUBIC, ball_array

from cellsolve import exact
from cellsolve.validation import Claim, print_claims

DIGITS = 0.51  # units of the last digit of a table: half a one by rounding, and 1e-5 of the value

PLANE = (
    Array("square", 2, meshes.disc_in_square, partial(disc_array, SQUARE), (0.04, 0.025)),
    Array("hexagonal", 2, meshes.discs_in_rectangle, partial(disc_array, HEXAGONAL), (0.05, 0.025)),
)
SPACE = (
    Array("simple cubic", 3, meshes.balls_simple_cubic, partial(ball_array, SIMPLE_CUBIC), (0.15, 0.1)),
    Array("body-centred cubic", 3, meshes.balls_body_centred, partial(ball_array, BODY_CENTRED), (0.15, 0.1)),
    Array("face-centred cubic", 3, meshes.balls_face_centred, partial(ball_array, FACE_CENTRED), (0.15, 0.1)),
)


def solved(array: Array, fraction: float, contrast: float, h: float, folder: Path) -> Case:
    found = bracket(array, fraction, contrast, h, folder)
    value, meshed = (array.value(f, contrast).value for f in (fraction, found.fraction))
    return Case(array, fraction, contrast, value, abs(meshed / value - 1.0), found)


def problems(effort: int) -> Iterable[tuple[Array, float, float]]:
    """(array, fraction, contrast): dilute and dense, insulating (left out, contrast 0) to nearly perfect conductors."""
    if effort == 0:
        yield from product(PLANE, (0.3,), (0.0, 10.0))
        yield from ((array, 0.4, contrast) for array, contrast in zip(SPACE, (10.0, 10.0, 0.0), strict=True))
        return
    contrasts = (0.0, 0.01, 10.0, 1000.0)
    yield from product(PLANE[:1], (0.1, 0.4, 0.7, 0.75), contrasts)
    yield from product(PLANE[1:], (0.1, 0.4, 0.7, 0.85), contrasts)
    for array, dense in zip(SPACE, (0.45, 0.55, 0.6), strict=True):
        yield from product((array,), (0.2, dense), contrasts)


def figures(effort: int) -> list[Case]:
    """Empty, and a word on stderr, where gmsh is missing."""
    missing = meshes.gmsh_missing()
    if missing:
        print(f"arrays: left out, for its meshes are made by gmsh. {missing}", file=sys.stderr)
        return []
    with TemporaryDirectory() as folder:
        return [solved(array, f, c, array.h[effort], Path(folder)) for array, f, c in problems(effort)]


def perrins(effort: int) -> list[Claim]:
    """Published to four digits for perfect conductors; here the reciprocal of the tensor with holes."""
    table = [(f, k) for f, k in exact.perrins_table().items() if f <= 0.76]
    claims = []
    with TemporaryDirectory() as folder:
        for f, k in table if effort else table[2:3]:
            found = bracket(PLANE[0], f, 0.0, PLANE[0].h[effort], Path(folder))
            units = abs(2.0 / np.trace(found.midpoint) - k) / 10.0 ** (math.floor(math.log10(k)) - 3)
            claims.append(Claim(f"Perrins' table, fraction {f:g} ({k:g}): units of its last digit", units, DIGITS))
    return claims


def run(effort: int = 1) -> list[Claim]:
    cases = figures(effort)
    return [claim for case in cases for claim in case.claims()] + (perrins(effort) if cases else [])


def main() -> int:
    cases = figures(1)
    if not cases:
        return 0
    print("\n".join([HEAD, *(case.row() for case in cases)]), end="\n\n")
    return int(print_claims([claim for case in cases for claim in case.claims()] + perrins(1)) > 0)


if __name__ == "__main__":
    sys.exit(main())
