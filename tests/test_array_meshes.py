"""Meshes of arrays made by gmsh: read back, periodic, with the regions and fractions asked for."""

from __future__ import annotations

import builtins
import importlib
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import meshio
import numpy as np
import pytest

import cellsolve as cs
from cellsolve.cells import inspect_cell
from cellsolve.errors import MeshError
from cellsolve.validation import cases

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "validation"))
meshes = importlib.import_module("_array_meshes")
brackets = importlib.import_module("_array_brackets")
arrays = importlib.import_module("arrays")
sys.path.pop(0)

needs_gmsh = pytest.mark.skipif(bool(meshes.gmsh_missing()), reason=f"meshes are made: {meshes.gmsh_missing()}")
REGIONS = ("matrix", "inclusion")
PLANE = (meshes.disc_in_square, meshes.discs_in_rectangle)
SPACE = (meshes.balls_simple_cubic, meshes.balls_body_centred, meshes.balls_face_centred)


@needs_gmsh
@pytest.mark.parametrize("pore", [False, True])
@pytest.mark.parametrize("fraction", [0.05, 0.75])
@pytest.mark.parametrize("make", PLANE)
def test_polygons_have_the_area_of_the_disc(make, fraction, pore, tmp_path):
    make(tmp_path / "cell.msh", fraction, 0.06, pore=pore)
    cell = cs.read_cell(tmp_path / "cell.msh")
    assert cell.regions["matrix"] == pytest.approx(1.0 - fraction, rel=1e-9)
    assert cell.porosity == pytest.approx(fraction if pore else 0.0, abs=1e-9)
    assert set(cell.regions) == ({"matrix"} if pore else {"matrix", "inclusion"})


@needs_gmsh
@pytest.mark.parametrize("make", SPACE)
@pytest.mark.parametrize("pore", [False, True])
def test_balls_lose_little_of_their_volume(make, pore, tmp_path):
    make(tmp_path / "cell.msh", 0.4, 0.12, pore=pore)
    cell = cs.read_cell(tmp_path / "cell.msh")
    assert 0.93 * 0.4 < 1.0 - cell.regions["matrix"] < 0.4
    assert inspect_cell(tmp_path / "cell.msh").usable


CORNERS = [*np.ndindex(2, 2, 2)]
FACES = [np.roll([height, 0.5, 0.5], axis) for axis in range(3) for height in (0, 1)]
MIDDLE = [np.full(3, 0.5)]


@needs_gmsh
@pytest.mark.parametrize(
    ("make", "centres", "balls"),
    [(SPACE[0], MIDDLE, 1), (SPACE[1], [*MIDDLE, *CORNERS], 2), (SPACE[2], [*FACES, *CORNERS], 4)],
)
def test_balls_are_where_the_lattice_has_its_points(make, centres, balls, tmp_path):
    make(tmp_path / "cell.msh", 0.3, 0.15)
    cell = cs.read_cell(tmp_path / "cell.msh")
    nodes = [cell.points[np.unique(cell.elements[cell.tags == cell.region_names.index(name)])] for name in REGIONS]
    away = [np.linalg.norm(points[:, None] - np.asarray(centres, dtype=float), axis=2).min(axis=1) for points in nodes]
    radius = (0.3 * 0.75 / math.pi / balls) ** (1 / 3)
    assert (away[0].min(), away[1].max()) == pytest.approx((radius, radius), rel=1e-6)


@needs_gmsh
@pytest.mark.parametrize(("make", "shape"), [*((m, "triangle6") for m in PLANE), *((m, "tetra10") for m in SPACE)])
def test_second_order_meshes_have_curved_elements_on_matching_sides(make, shape, tmp_path):
    make(tmp_path / "cell.msh", 0.3, 0.15, order=2)
    mesh = meshio.read(tmp_path / "cell.msh")
    assert {block.type for block in mesh.cells} == {shape}
    for axis in range(3 if shape == "tetra10" else 2):
        low, high = (
            mesh.points[np.abs(mesh.points[:, axis] - end) < 1e-9]
            for end in np.ptp(mesh.points, axis=0)[axis] * np.arange(2)
        )
        rest = [i for i in range(3) if i != axis]
        a, b = (np.unique(np.round(side[:, rest], 7), axis=0) for side in (low, high))
        assert len(a) > 3
        assert a == pytest.approx(b, abs=1e-6)


@needs_gmsh
def test_meshes_are_the_same_every_time(tmp_path):
    for name in ("a.msh", "b.msh"):
        meshes.disc_in_square(tmp_path / name, 0.3, 0.08)
    assert (tmp_path / "a.msh").read_bytes() == (tmp_path / "b.msh").read_bytes()


@needs_gmsh
@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="the system has no SIGPIPE")
def test_gmsh_leaves_the_signals_as_they_were(tmp_path):
    """In a process of its own, which a broken pipe, or SIGTERM, would end."""
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(meshes.__file__).parent)!r})
import _array_meshes
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
_array_meshes.disc_in_square({str(tmp_path / "cell.msh")!r}, 0.3, 0.2)
os.kill(os.getpid(), signal.SIGTERM)
end, start = os.pipe()
os.close(end)
try:
    os.write(start, b"x")
except BrokenPipeError:
    print(*heard, "BrokenPipeError")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "SIGTERM BrokenPipeError\n"), done.stderr


@pytest.mark.parametrize("make", [*PLANE, *SPACE])
def test_bodies_that_touch_are_refused(make, tmp_path):
    for fraction in (0.0, 0.95, math.nan):
        with pytest.raises(MeshError, match=r"got the fraction .* where neighbours touch"):
            make(tmp_path / "cell.msh", fraction, 0.1)


@needs_gmsh
def test_the_failures_of_gmsh_are_told(tmp_path):
    with pytest.raises(MeshError, match=r"gmsh could not mesh the array \(.+\)\. Change the fraction"):
        meshes.disc_in_square(tmp_path / "no folder" / "cell.msh", 0.3, 0.2)


@pytest.mark.parametrize(
    ("error", "said"),
    [(ImportError(), "gmsh is not installed. Install"), (OSError("libGLU"), "library is missing .libGLU")],
)
def test_without_gmsh_the_script_says_so_and_claims_nothing(error, said, monkeypatch, capsys, tmp_path):
    real = builtins.__import__

    def imported(name, *args, **keywords):
        if name == "gmsh":
            raise error
        return real(name, *args, **keywords)

    monkeypatch.setattr(builtins, "__import__", imported)
    assert cases(effort=0)["arrays"]() == []
    assert "arrays: left out, for its meshes are made by gmsh. gmsh is" in capsys.readouterr().err
    with pytest.raises(MeshError, match=said):
        meshes.disc_in_square(tmp_path / "cell.msh", 0.3, 0.2)


@needs_gmsh
@pytest.mark.parametrize("make", SPACE)
@pytest.mark.parametrize("fraction", [0.1, 0.4])
def test_balls_of_second_order_have_their_volume_on_coarse_meshes(make, fraction, tmp_path):
    make(tmp_path / "cell.msh", fraction, 0.15, order=2)
    assert cs.read_cell(tmp_path / "cell.msh").regions["inclusion"] == pytest.approx(fraction, rel=5e-4)


@needs_gmsh
def test_a_claim_fails_when_the_value_is_wrong(tmp_path):
    """By 1e-4: beyond the bracket; by 2e-4: farther from its midpoint than claimed as well."""
    array = arrays.PLANE[0]
    assert [claim.passed for claim in claims_with(1.0, array, tmp_path)] == [True, True]
    for factor in (0.9999, 1.0001):
        assert claims_with(factor, array, tmp_path)[1].passed is False
    assert [claim.passed for claim in claims_with(1.0002, array, tmp_path)] == [False, False]


def claims_with(factor, array, folder):
    """Of an array whose value by multipoles is off by a factor."""
    value = lambda f, k: scaled(array.value(f, k), factor)  # noqa: E731
    return arrays.solved(replace(array, value=value), 0.3, 10.0, 0.05, folder).claims()


def test_a_bracket_says_by_how_much_it_misses():
    found = brackets.Bracket(0.3, 0.9 * np.eye(2), np.diag([1.1, 1.2]), 0, 0.0)
    assert [found.misses(value) for value in (1.0, 0.75, 1.2)] == pytest.approx([0.0, 0.2, 1.0 - 1.1 / 1.2])


def test_the_midpoint_is_that_of_the_bracket():
    assert brackets.Bracket(0.3, np.eye(2), 3.0 * np.eye(2), 0, 0.0).midpoint == pytest.approx(2 * np.eye(2))


def scaled(conductivity, factor):
    return type(conductivity)(factor * conductivity.value, conductivity.order, conductivity.change)
