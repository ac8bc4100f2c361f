"""Small mesh files of every format that is read, and ways to damage them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import meshio

FORMATS: dict[str, tuple[str, dict[str, object]]] = {
    "gmsh22_text": (".msh", {"file_format": "gmsh22", "binary": False}),
    "gmsh22": (".msh", {"file_format": "gmsh22"}),
    "gmsh41": (".msh", {"file_format": "gmsh"}),
    "vtu_text": (".vtu", {"binary": False}),
    "vtu_plain": (".vtu", {"compression": None}),
    "vtu_zlib": (".vtu", {"compression": "zlib"}),
    "vtu_lzma": (".vtu", {"compression": "lzma"}),
    "vtk51": (".vtk", {}),
    "vtk51_text": (".vtk", {"binary": False}),
    "vtk42": (".vtk", {"file_format": "vtk42"}),
    "vtk42_text": (".vtk", {"file_format": "vtk42", "binary": False}),
    "xdmf": (".xdmf", {}),
    "xdmf_text": (".xdmf", {"data_format": "XML"}),
    "med": (".med", {}),
}
TEXT_41 = """$MeshFormat
4.1 0 8
$EndMeshFormat
$PhysicalNames
1
2 1 "solid"
$EndPhysicalNames
$Entities
0 0 1 0
1 0 0 0 1 1 0 1 1 0
$EndEntities
$Nodes
1 {points} 1 {points}
2 1 0 {points}
{tags}
{rows}
$EndNodes
$Elements
1 {elements} 1 {elements}
2 1 2 {elements}
{nodes}
$EndElements
"""
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = [b"nan", b"inf", b"-inf", b"-1", b"0", b"1", b"2", b"1e308", b"-1e300", b"1e-300", b"0.5", b"", b"x"]
_WORDS += [b"255", b"65536", b"99999999", b"2147483647", b"2147483648", b"9223372036854775807", b"9" * 20, b"9" * 400]
_BYTES = [b"\xff" * 4, b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\xff" * 7 + b"\x7f"]
_BYTES += [np.array([x], dtype).tobytes() for x in (np.nan, np.inf, 1e300, -1e9) for dtype in ("<f8", ">f8")]
_BYTES += [np.array([x], dtype).tobytes() for x in (10**6, 10**9, -1) for dtype in ("<i4", ">i4", "<i8", ">i8")]

Damage = Callable[[bytes, np.random.Generator], bytes]


def _square(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (x, y, 0) and triangles of n x n squares."""
    points = np.array([[i / n, j / n, 0.0] for j in range(n + 1) for i in range(n + 1)])
    corners = np.array([j * (n + 1) + i for j in range(n) for i in range(n)])
    lower, upper = corners[:, None] + [0, 1, n + 2], corners[:, None] + [0, n + 2, n + 1]
    return points, np.vstack([lower, upper])


def write_samples(folder: Path) -> list[Path]:
    """One small periodic cell in every format, written to the folder; mixed types and second order among them."""
    files: list[Path] = []
    points, triangles = _square(3)
    meshes = {
        "tri": (points, [("triangle", triangles)]),
        "mix": _mixed(),
        "six": _curved(points, triangles),
        "hex": _cubes(2),
    }
    import meshio

    for form, (suffix, keywords) in FORMATS.items():
        for label, (where, cells) in meshes.items():
            file = folder / f"{form}_{label}{suffix}"
            with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                meshio.write(file, _mesh(suffix, where, cells), **keywords)
            files.append(file)
    text = TEXT_41.format(
        points=len(points),
        elements=len(triangles),
        tags="\n".join(map(str, range(1, len(points) + 1))),
        rows="\n".join(" ".join(map(repr, row)) for row in points.tolist()),
        nodes="\n".join(f"{k} " + " ".join(map(str, row)) for k, row in enumerate((triangles + 1).tolist(), 1)),
    )
    (folder / "gmsh41_text.msh").write_text(text)
    return [*files, folder / "gmsh41_text.msh"]


def _mixed() -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """Two triangles in one of 3 x 3 squares, quads in the others."""
    points, triangles = _square(3)
    quads = np.column_stack([triangles[:9, [0, 1, 2]], triangles[9:, 2]])
    return points, [("triangle", triangles[[0, 9]]), ("quad", quads[1:])]


def _cubes(n: int) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """Points and hexahedra of n x n x n cubes."""
    axis = np.arange(n + 1) / n
    points = np.array([[x, y, z] for z in axis for y in axis for x in axis])
    first = np.array([(k * (n + 1) + j) * (n + 1) + i for k in range(n) for j in range(n) for i in range(n)])
    square = np.array([0, 1, n + 2, n + 1])
    return points, [("hexahedron", first[:, None] + np.concatenate([square, square + (n + 1) ** 2]))]


def _curved(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    edges = np.sort(np.vstack([triangles[:, e] for e in ([0, 1], [1, 2], [2, 0])]), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    middles = points[unique].mean(axis=1)
    middles[:, 1] += 0.03 * np.sin(2 * np.pi * middles[:, 0]) * np.sin(2 * np.pi * middles[:, 1])
    further = len(points) + inverse.reshape(3, -1).T
    return np.vstack([points, middles]), [("triangle6", np.hstack([triangles, further]))]


def _mesh(suffix: str, points: np.ndarray, cells: list[tuple[str, np.ndarray]]) -> meshio.Mesh:
    import meshio

    tags = [np.arange(len(rows)) % 2 + 1 for _, rows in cells]
    mesh = meshio.Mesh(points, cells, cell_data={"cell_tags" if suffix == ".med" else "region": tags})
    if suffix == ".msh":
        del mesh.cell_data["region"]  # which meshio cannot write as text
        entities = [np.full(len(rows), k) for k, (_, rows) in enumerate(cells, 1)]
        ones = [np.ones(len(rows), dtype=int) for _, rows in cells]
        mesh.cell_data |= {"gmsh:physical": ones, "gmsh:geometrical": entities}
        dim = 3 if cells[0][0] == "hexahedron" else 2
        mesh.point_data["gmsh:dim_tags"] = np.column_stack(
            [np.full(len(points), dim), np.minimum(np.arange(len(points)) + 1, len(cells))]
        )
        mesh.field_data["solid"] = np.array([1, dim])
    return mesh


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    where = rng.integers(0, len(changed), rng.integers(1, 20))
    changed[where] = rng.integers(0, 256, len(where))
    return changed.tobytes()


def _flip_bit(data: bytes, rng: np.random.Generator) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    changed[rng.integers(0, len(changed))] ^= np.uint8(1 << rng.integers(0, 8))
    return changed.tobytes()


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(0, len(data))]


def _replace_number(data: bytes, rng: np.random.Generator) -> bytes:
    """One number of the text, more often an early one, where counts are."""
    found = list(_NUMBER.finditer(data[: 400 if rng.random() < 0.5 else len(data)]))
    if not found:
        return data
    match = found[rng.integers(0, len(found))]
    return data[: match.start()] + _WORDS[rng.integers(0, len(_WORDS))] + data[match.end() :]


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes by those of a huge, negative or undefined number."""
    new = _BYTES[rng.integers(0, len(_BYTES))]
    at = int(rng.integers(0, max(len(data) - len(new), 1)))
    return data[:at] + new + data[at + len(new) :]


def _remove(data: bytes, rng: np.random.Generator) -> bytes:
    a, b = np.sort(rng.integers(0, len(data), 2))
    return data[:a] + data[min(b, a + 200) :]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    a, b = np.sort(rng.integers(0, len(data), 2))
    return data[:b] + data[a:b] * int(rng.integers(1, 5)) + data[b:]


def _exchange_lines(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    a, b = rng.integers(0, len(lines), 2)
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


DAMAGES: tuple[Damage, ...] = (
    _flip,
    _flip_bit,
    _cut,
    _replace_number,
    _replace_number,
    _overwrite,
    _remove,
    _repeat,
    _exchange_lines,
)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes of a file after one to three damages."""
    for _ in range(rng.integers(1, 4)):
        if data:
            data = DAMAGES[rng.integers(0, len(DAMAGES))](data, rng)
    return data
