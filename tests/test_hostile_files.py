"""Files made to hurt: counts beyond the file, bombs, links elsewhere. Each is refused in words, in little memory."""

from __future__ import annotations

import base64
import tracemalloc
import zlib
from functools import cache
from pathlib import Path

import h5py
import meshio
import numpy as np
import pytest
from mesh_writing import CELLS, SQUARE, error_of, in_space, write, write_msh22, write_vtu

from cellsolve.cells import read_cell
from cellsolve.errors import MeshError

BOUND = 200 << 20


def refused_in_little_memory(path: Path) -> str:
    tracemalloc.start()
    try:
        message = error_of(path)
        assert tracemalloc.get_traced_memory()[1] < BOUND
    finally:
        tracemalloc.stop()
    assert message.startswith(f"{path.name}: ")
    return message


HUGE = "99999999999999"
MSH41 = "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n"
NODES = "$Nodes\n1 3 1 3\n2 1 0 3\n1\n2\n3\n0 0 0\n1 0 0\n0 1 0\n$EndNodes\n"
COUNTS = {
    "nodes 2.2": f"$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n{HUGE}\n1 0 0 0\n$EndNodes\n",
    "elements 2.2": f"$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n1\n1 0 0 0\n$EndNodes\n$Elements\n{HUGE}\n"
    "1 2 0 1 1 1\n$EndElements\n",
    "tags 2.2": "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n1\n1 0 0 0\n$EndNodes\n$Elements\n1\n"
    f"1 2 {HUGE} 1 1 1\n$EndElements\n",
    "blocks": f"{MSH41}$Nodes\n{HUGE} 3 1 3\n2 1 0 3\n$EndNodes\n",
    "nodes": f"{MSH41}$Nodes\n1 {HUGE} 1 3\n2 1 0 {HUGE}\n1\n$EndNodes\n",
    "entities": f"{MSH41}$Entities\n{HUGE} 0 0 0\n$EndEntities\n",
    "groups": f"{MSH41}$Entities\n1 0 0 0\n1 0 0 0 {HUGE}\n$EndEntities\n",
    "elements": f"{MSH41}{NODES}$Elements\n1 {HUGE} 1 1\n2 1 2 {HUGE}\n1 1 2 3\n$EndElements\n",
    "fewer": f"{MSH41}{NODES}$Elements\n1 1 1 1\n2 1 2 1\n1 1 2 3\n2 1 2 3\n$EndElements\n",
    "type": f"{MSH41}{NODES}$Elements\n1 1 1 1\n2 1 77 1\n1 1 2 3\n$EndElements\n",
    "data": f"{MSH41}{NODES}$Elements\n1 1 1 1\n2 1 2 1\n1 1 2 3\n$EndElements\n"
    f"$ElementData\n{HUGE}\n$EndElementData\n",
    "components": f'{MSH41}{NODES}$ElementData\n1\n"a"\n1\n0\n3\n0\n{HUGE}\n1\n1 1\n$EndElementData\n',
}


@pytest.mark.parametrize("case", COUNTS)
def test_counts_of_gmsh_files_are_not_believed(tmp_path, case):
    file = tmp_path / "a.msh"
    file.write_text(COUNTS[case])
    assert "a.msh: damaged, cut short, or not a gmsh file" in refused_in_little_memory(file)


def test_sparse_node_numbers_take_no_more_memory(tmp_path):
    """A table up to the largest number would need a terabyte."""
    file = write_msh22(tmp_path / "a.msh", SQUARE, [("triangle", CELLS["triangle"][1], [0, 0])])
    text = file.read_text().replace("\n4 0.0 1.0", "\n123456789012 0.0 1.0").replace("1 3 4\n", "1 3 123456789012\n")
    text = text.replace("\n2 1.0 0.0", "\n50 1.0 0.0").replace(" 1 2 3\n", " 1 50 3\n")
    file.write_text(text)
    tracemalloc.start()
    cell = read_cell(file)
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()
    assert np.array_equal(cell.points, SQUARE)
    file.write_text(text.replace("\n3 1.0", "\n123456789012 1.0"))
    assert "two nodes or elements with the same number" in error_of(file)


@pytest.mark.parametrize("form", ["msh22", "vtu"])
def test_numbers_that_are_not_whole_are_no_indices(tmp_path, form):
    file = write(tmp_path / "a", "triangle", form)
    old, new = ("1 1 2 3\n", "1 1 2 2.5\n") if form == "msh22" else (">0 1 2 ", ">0 1 1.5 ")
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    assert "a number that is not whole where a count or an index should be" in error_of(file)


def vtu_with(text: str, tmp_path: Path, attributes: str = "") -> Path:
    """A VTU file whose connectivity is the given array."""
    file = write_vtu(tmp_path / "a.vtu", SQUARE, "triangle", CELLS["triangle"][1])
    content = file.read_text()
    start = content.index('<DataArray type="Int64" Name="connectivity"')
    end = content.index("</DataArray>", start) + len("</DataArray>")
    content = content[:start] + text + content[end:]
    file.write_text(content.replace("<VTKFile ", f"<VTKFile {attributes} "))
    return file


@cache
def zeros() -> bytes:
    """256 MB of zeros in 256 kB."""
    return zlib.compress(bytes(256 << 20), 9)


def packed(blocks: int, size: int, last: int, data: bytes) -> str:
    header = np.array([blocks, size, last, *[len(data)] * min(blocks, 3)], dtype="<u4").tobytes()
    text = (base64.b64encode(header) + base64.b64encode(data * min(blocks, 3))).decode()
    return f'<DataArray type="Int64" Name="connectivity" format="binary">{text}</DataArray>'


@pytest.mark.parametrize(
    ("blocks", "size", "last", "words"),
    [
        (1, 4000 << 20, 0, "more than is allowed"),
        (3, 1 << 30, 0, "more than is allowed"),
        (2**32 - 1, 1, 0, "more than is allowed"),
        (1, 64, 0, "a compressed array"),
        (1, 64, 65, "more than is allowed"),
    ],
)
def test_compressed_bombs_are_not_unpacked(tmp_path, blocks, size, last, words):
    """The header says how much there is, or less."""
    file = vtu_with(packed(blocks, size, last, zeros()), tmp_path, 'compressor="vtkZLibDataCompressor"')
    message = refused_in_little_memory(file)
    assert words in message or "not fit together" in message


def test_entities_and_depth_of_xml_are_refused(tmp_path):
    lines = [
        '<!ENTITY a "aaaaaaaaaa">',
        *(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)),
    ]
    bomb = f'<?xml version="1.0"?><!DOCTYPE VTKFile [{"".join(lines)}]><VTKFile type="&j;"/>'
    deep = "<a>" * 200_000 + "</a>" * 200_000
    steep = "<a>" * 100 + "</a>" * 100
    wide = f"<VTKFile>{'<a/>' * 300_000}</VTKFile>"
    for suffix in (".vtu", ".xdmf"):
        for content, words in [
            (bomb, "an XML document type"),
            (deep, "too many elements"),
            (steep, "too many elements"),
            (wide, "too many elements"),
        ]:
            file = tmp_path / f"a{suffix}"
            file.write_text(content)
            assert words in refused_in_little_memory(file)


VTK = "# vtk DataFile Version 3.0\ntitle\n{form}\nDATASET UNSTRUCTURED_GRID\n{rest}"
POINTS = "POINTS 3 float\n0 0 0 1 0 0 0 1 0\n"
RESTS = {
    "points": f"POINTS {HUGE} float\n0 0 0\n",
    "cells": f"{POINTS}CELLS 1 {HUGE}\n3 0 1 2\nCELL_TYPES 1\n5\n",
    "types": f"{POINTS}CELLS 1 4\n3 0 1 2\nCELL_TYPES {HUGE}\n5\n",
    "data": f"{POINTS}CELLS 1 4\n3 0 1 2\nCELL_TYPES 1\n5\nCELL_DATA {HUGE}\nSCALARS a int 1\n"
    "LOOKUP_TABLE default\n1\n",
    "fields": f"{POINTS}CELLS 1 4\n3 0 1 2\nCELL_TYPES 1\n5\nCELL_DATA 1\nFIELD f {HUGE}\na 1 1 int\n1\n",
    "unknown": f"{POINTS}CELLS 1 4\n3 0 1 2\nCELL_TYPES 1\n5\nCELL_DATA 1\nNONSENSE a b\n",
    "mixed up": f"{POINTS}CELLS 1 4\n4 0 1 2\nCELL_TYPES 1\n5\n",
    "leftover": f"{POINTS}CELLS 1 4\n3 0 1 2 7\nCELL_TYPES 1\n5\n",
    "negative": f"{POINTS}CELLS 1 -4\n3 0 1 2\nCELL_TYPES 1\n5\n",
    "grid": "DATASET STRUCTURED_POINTS\nDIMENSIONS 2 2 2\n",
}


@pytest.mark.parametrize("form", ["ASCII", "BINARY"])
@pytest.mark.parametrize("case", RESTS)
def test_counts_of_vtk_files_are_not_believed(tmp_path, case, form):
    file = tmp_path / "a.vtk"
    file.write_text(VTK.format(form=form, rest=RESTS[case]))
    assert "a.vtk: damaged, cut short, or not" in refused_in_little_memory(file)


def xdmf(tmp_path: Path) -> Path:
    file = tmp_path / "sub" / "a.xdmf"
    file.parent.mkdir(exist_ok=True)
    points, elements, _ = CELLS["triangle"]
    meshio.write(file, meshio.Mesh(in_space(points), [("triangle", np.array(elements))]))
    return file


def test_xdmf_reads_nothing_outside_its_folder(tmp_path):
    file = xdmf(tmp_path)
    assert read_cell(file).shape == "triangle"
    text, other = file.read_text(), tmp_path / "b.h5"
    other.write_bytes(file.with_suffix(".h5").read_bytes())
    for place in ("../b.h5", str(other), "../../../../../../etc/passwd"):
        file.write_text(text.replace("a.h5", place))
        assert f"a.xdmf: refers to {place!r}, which is not in its folder" in error_of(file)
    file.write_text(text.replace('"HDF"', '"Binary"').replace("a.h5:/data0", "/etc/passwd"))
    assert "which is not in its folder" in error_of(file)
    file.write_text(text.replace("a.h5", "c.h5"))
    assert "a.xdmf: refers to 'c.h5', which is not there. Copy it beside this file." in error_of(file)
    (file.parent / "link.h5").symlink_to(other)
    file.write_text(text.replace("a.h5", "link.h5"))
    assert "which is not in its folder" in error_of(file)


def test_hdf5_reads_nothing_from_other_files(tmp_path):
    file = xdmf(tmp_path)
    store = file.with_suffix(".h5")
    content = store.read_bytes()
    other = tmp_path / "other.h5"
    other.write_bytes(content)
    for kind in ("link", "external", "virtual", "huge", "text"):
        store.write_bytes(content)
        with h5py.File(store, "a") as open_store:
            del open_store["data0"]
            if kind == "link":
                open_store["data0"] = h5py.ExternalLink(str(other), "/data0")
            elif kind == "external":
                open_store.create_dataset("data0", (4, 3), "f8", external=[("/etc/passwd", 0, 96)])
            elif kind == "virtual":
                layout = h5py.VirtualLayout((4, 3), "f8")
                layout[:] = h5py.VirtualSource(str(other), "data0", (4, 3))
                open_store.create_virtual_dataset("data0", layout)
            elif kind == "huge":
                open_store.create_dataset("data0", (10**12, 3), "f8", chunks=(1000, 3))
            else:
                open_store["data0"] = "text"
        message = refused_in_little_memory(file)
        words = {"link": "links to another file", "huge": "more than is allowed", "text": "holds no numbers"}
        assert words.get(kind, "lies in another file") in message


def test_the_same_data_over_and_over_are_too_much(tmp_path):
    """Each array alone is small enough."""
    file = xdmf(tmp_path)
    with h5py.File(file.with_suffix(".h5"), "a") as store:
        store.create_dataset("zeros", (4_000_000,), "f8", chunks=(100_000,))
    item = '<DataItem Format="HDF" DataType="Float" Precision="8" Dimensions="4000000">a.h5:/zeros</DataItem>'
    many = "".join(f'<Attribute Name="{k}" Center="Cell">{item}</Attribute>' for k in range(20))
    file.write_text(file.read_text().replace("</Grid>", f"{many}</Grid>"))
    assert "more data than the files can hold" in refused_in_little_memory(file)


def test_xdmf_counts_are_not_believed(tmp_path):
    file = xdmf(tmp_path)
    text = file.read_text()
    for old, new in (('Dimensions="4 3"', f'Dimensions="{HUGE} 3"'), ('Dimensions="4 3"', 'Dimensions="-4 -3"')):
        assert old in text
        file.write_text(text.replace(old, new))
        assert "a.xdmf: damaged" in refused_in_little_memory(file)


def test_a_wrong_tolerance_is_refused_before_the_file_is_read(tmp_path):
    for tolerance in (0.0, float("nan"), -1.0, 1.0):
        with pytest.raises(MeshError, match="got match_tol"):
            read_cell(tmp_path / "none.msh", match_tol=tolerance)
