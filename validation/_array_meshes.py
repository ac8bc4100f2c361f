"""Unit cells of arrays of discs and of balls, meshed by gmsh into files, opposite sides with a periodic constraint.

Regions "matrix" and "inclusion", or "matrix" alone where the inclusions are left out (``pore``). On first-order
elements a circle is a polygon of ``sides`` equal sides with the area of the disc; a ball is a polyhedron with vertices
on its sphere, so its volume is less than the ball's: read the fraction from the cell. ``order`` 2: curved elements,
with as many around a ball as there are around a disc at least; with fewer, flat tetrahedra between four nodes of a
sphere fold over (seen).
gmsh is an extra: pip install 'cellsolve[gmsh]'. Its boolean operations are those of OpenCASCADE.
"""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cellsolve.errors import MeshError

__all__ = ["ball_array", "balls_body_centred", "balls_face_centred", "balls_simple_cubic", "disc_in_square"]
__all__ += ["discs_in_rectangle", "gmsh_missing", "polygon_sides"]

_FEWEST_SIDES = 24
_NEAR = 1e-6  # centres, areas and planes that are the same

File = str | os.PathLike[str]


def gmsh_missing() -> str:
    """Why gmsh cannot be used, and what to do; empty if it can."""
    try:
        import gmsh  # noqa: F401
    except ImportError:
        return "gmsh is not installed. Install it with: pip install 'cellsolve[gmsh]'"
    except OSError as error:
        return (
            f"gmsh is installed, but a system library is missing ({error}). Install OpenGL and X libraries, on Debian "
            "or Ubuntu: apt-get install libglu1-mesa libxrender1 libxcursor1 libxft2 libxinerama1"
        )
    return ""


def disc_in_square(path: File, fraction: float, h: float, order: int = 1, pore: bool = False) -> None:
    """Unit square with a disc in the middle; ``h``: size of elements. Raises MeshError for discs that touch."""
    _check(fraction, math.pi / 4.0)
    radius = math.sqrt(fraction / math.pi)
    with _model() as gmsh:
        _discs(gmsh, (1.0, 1.0), [(0.5, 0.5)], radius, h, order, pore)
        _write(gmsh, path, h, order, (1.0, 1.0))


def discs_in_rectangle(path: File, fraction: float, h: float, order: int = 1, pore: bool = False) -> None:
    """Rectangle 1 x sqrt 3 of the hexagonal array: a disc in the middle, a quarter in each corner. As above."""
    height = math.sqrt(3.0)
    _check(fraction, math.pi / (2.0 * height))
    radius = math.sqrt(fraction * height / (2.0 * math.pi))
    centres = [(0.5, height / 2.0), (0.0, 0.0), (1.0, 0.0), (0.0, height), (1.0, height)]
    with _model() as gmsh:
        _discs(gmsh, (1.0, height), centres, radius, h, order, pore)
        _write(gmsh, path, h, order, (1.0, height))


def balls_simple_cubic(path: File, fraction: float, h: float, order: int = 1, pore: bool = False) -> None:
    """Unit cube with a ball in the middle. Raises MeshError for balls that touch."""
    _check(fraction, math.pi / 6.0)
    ball_array(path, [(0.5, 0.5, 0.5)], (0.75 * fraction / math.pi) ** (1 / 3), h, order, pore)


def balls_body_centred(path: File, fraction: float, h: float, order: int = 1, pore: bool = False) -> None:
    """Unit cube with a ball in the middle and an eighth in each corner. As above."""
    _check(fraction, math.pi * math.sqrt(3.0) / 8.0)
    ball_array(path, [(0.5, 0.5, 0.5), *_corners()], (0.375 * fraction / math.pi) ** (1 / 3), h, order, pore)


def balls_face_centred(path: File, fraction: float, h: float, order: int = 1, pore: bool = False) -> None:
    """Unit cube with half a ball on each face and an eighth in each corner. As above."""
    _check(fraction, math.pi * math.sqrt(2.0) / 6.0)
    faces = [tuple(np.roll((height, 0.5, 0.5), axis)) for axis in range(3) for height in (0.0, 1.0)]
    ball_array(path, [*faces, *_corners()], (0.1875 * fraction / math.pi) ** (1 / 3), h, order, pore)


def ball_array(
    path: File, centres: Sequence[tuple[float, ...]], radius: float, h: float, order: int, pore: bool
) -> None:
    """Unit cube with the parts inside it of balls around ``centres``, which must close under its periods."""
    with _model() as gmsh:
        occ = gmsh.model.occ
        balls = [(3, occ.addSphere(*map(float, centre), radius)) for centre in centres]
        _regions(gmsh, (3, occ.addBox(0, 0, 0, 1, 1, 1)), balls, pore)
        _write(gmsh, path, h, order, (1.0, 1.0, 1.0))


def polygon_sides(radius: float, h: float) -> int:
    """A multiple of 4, so that quarters are whole sides."""
    return 4 * math.ceil(max(2.0 * math.pi * radius / h, _FEWEST_SIDES) / 4.0)


def _check(fraction: float, packing: float) -> None:
    if not 0.0 < fraction < packing:
        raise MeshError(
            f"got the fraction {fraction}, needed more than 0 and less than {packing:.6f}, where neighbours touch. "
            "Give one in between."
        )


def _corners() -> list[tuple[float, ...]]:
    return [tuple(corner) for corner in np.ndindex(2, 2, 2)]


@contextmanager
def _model() -> Iterator[Any]:
    """gmsh with an empty model. Raises MeshError where it is missing."""
    missing = gmsh_missing()
    if missing:
        raise MeshError(missing)
    import gmsh

    with _signals_kept():
        gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("General.NumThreads", 1)
        yield gmsh
    except Exception as error:
        raise MeshError(
            f"gmsh could not mesh the array ({error}). Change the fraction or the size of elements."
        ) from error
    finally:
        gmsh.finalize()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """gmsh.initialize lets SIGTERM and SIGPIPE end the process, behind Python's back (seen in 4.15): set them again."""
    yield
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGPIPE"):
            number = getattr(signal, name, None)  # Windows has no SIGPIPE
            if number is not None:
                signal.signal(number, signal.getsignal(number))


def _discs(
    gmsh: Any,
    box: tuple[float, float],
    centres: list[tuple[float, float]],
    radius: float,
    h: float,
    order: int,
    pore: bool,
) -> None:
    """The rectangle with its discs, circles divided into equal sides: of the disc's area on straight elements."""
    occ = gmsh.model.occ
    sides = polygon_sides(radius, h)
    if order == 1:
        radius *= math.sqrt(2.0 * math.pi / sides / math.sin(2.0 * math.pi / sides))
    discs = [(2, occ.addDisk(x, y, 0.0, radius, radius)) for x, y in centres]
    _regions(gmsh, (2, occ.addRectangle(0, 0, 0, *box)), discs, pore)
    for _, curve in gmsh.model.getEntities(1):
        if gmsh.model.getType(1, curve) != "Line":
            share = occ.getMass(1, curve) / (2.0 * math.pi * radius)
            gmsh.model.mesh.setTransfiniteCurve(curve, round(share * sides) + 1)


def _regions(gmsh: Any, box: tuple[int, int], bodies: list[tuple[int, int]], pore: bool) -> None:
    """Name what is in the box: "matrix", and "inclusion" inside the bodies unless it is left out."""
    occ, dim = gmsh.model.occ, box[0]
    inside, _ = occ.intersect(bodies, [box], removeTool=False)
    if pore:
        matrix, inclusion = occ.cut([box], inside)[0], []
    else:
        _, parts = occ.fragment([box], inside)
        inclusion = sorted({part for of_body in parts[1:] for part in of_body})
        matrix = [part for part in parts[0] if part not in inclusion]
    occ.synchronize()
    gmsh.model.addPhysicalGroup(dim, [tag for _, tag in matrix], name="matrix")
    if inclusion:
        gmsh.model.addPhysicalGroup(dim, [tag for _, tag in inclusion], name="inclusion")


def _write(gmsh: Any, path: File, h: float, order: int, box: tuple[float, ...]) -> None:
    """Mesh the model with elements of size ``h``, the sides of the box matching, and write it (4.1, binary)."""
    dim = len(box)
    for side in range(dim):
        _constrain(gmsh, box, side)
    gmsh.option.setNumber("Mesh.MeshSizeMax", h)
    gmsh.option.setNumber("Mesh.ElementOrder", order)
    if dim == 3 and order == 2:
        gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", _FEWEST_SIDES)
        gmsh.option.setNumber("Mesh.OptimizeNetgen", 1)
    gmsh.option.setNumber("Mesh.MshFileVersion", 4.1)
    gmsh.option.setNumber("Mesh.Binary", 1)
    gmsh.model.mesh.generate(dim)
    gmsh.write(os.fspath(path))


def _constrain(gmsh: Any, box: tuple[float, ...], side: int) -> None:
    """Each piece of the far side copies the mesh of the piece opposite to it."""
    dim = len(box)
    near, far = (_pieces(gmsh, dim, side, height) for height in (0.0, box[side]))
    shift = np.zeros(3)
    shift[side] = box[side]
    pairs = [(there, _opposite(place - np.append(shift, 0.0), near)) for there, place in far.items()]
    affine = np.eye(4)
    affine[:3, 3] = shift
    gmsh.model.mesh.setPeriodic(dim - 1, *map(list, zip(*pairs, strict=True)), affine.ravel().tolist())


def _opposite(place: np.ndarray, pieces: dict[int, np.ndarray]) -> int:
    return next(tag for tag, here in pieces.items() if np.abs(here - place).max() < _NEAR)


def _pieces(gmsh: Any, dim: int, side: int, height: float) -> dict[int, np.ndarray]:
    """Centre and size (4,) of each curve (d = 2) or surface (d = 3) in the plane where coordinate ``side`` is
    ``height``; the size tells a disc in the middle of a square from the rest of the square."""
    found, occ = {}, gmsh.model.occ
    for _, tag in gmsh.model.getEntities(dim - 1):
        bounds = np.asarray(gmsh.model.getBoundingBox(dim - 1, tag))
        if np.abs(bounds[[side, 3 + side]] - height).max() < _NEAR:
            found[tag] = np.append(occ.getCenterOfMass(dim - 1, tag), occ.getMass(dim - 1, tag))
    return found
