"""Mesh files as the command line names them: files and folders, each file once; what a file is known by."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

__all__ = ["MESH_SUFFIXES", "field_paths", "file_hash", "mesh_paths"]

MESH_SUFFIXES = (".med", ".msh", ".vtk", ".vtu", ".xdmf", ".xmf")
_HEAVY_DATA = re.compile(rb"[^\s<>\"':]+\.(?:h5|hdf5|bin)")


def mesh_paths(arguments: Iterable[str]) -> list[Path]:
    """Files as they are named, folders as the mesh files in them, sorted; a file that is named again is left out.

    Raises click.UsageError for a folder without mesh files.
    """
    paths: dict[Path, Path] = {}
    for argument in arguments:
        path = Path(argument)
        for file in _in_folder(path) if path.is_dir() else [path]:
            paths.setdefault(file.resolve(), file)
    return list(paths.values())


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in MESH_SUFFIXES and file.is_file())
    if not files:
        needed = ", ".join(MESH_SUFFIXES)
        raise click.UsageError(f"the folder {folder} holds no mesh file ({needed}). Name files, or another folder.")
    return files


def file_hash(path: Path) -> str:
    """SHA-256 of a mesh file, and of the files of numbers that an XDMF file refers to."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    if path.suffix.lower() in (".xdmf", ".xmf"):
        for name in sorted(set(_HEAVY_DATA.findall(path.read_bytes()))):
            other = path.parent / name.decode("utf-8", "replace")
            digest.update(file_hash(other).encode() if other.is_file() else b"missing")
    return digest.hexdigest()


def field_paths(folder: Path, meshes: Sequence[Path]) -> list[Path]:
    """A file in the folder for each mesh: its name and .vtu, after as many of its folders as make it the only one.

    Raises click.UsageError where two meshes would share a file, or one would be overwritten.
    """
    parts = [mesh.resolve().parts[1:] for mesh in meshes]
    names = ["-".join(_ending(own, parts)) + ".vtu" for own in parts]
    used = Counter(name.casefold() for name in names)
    taken = {mesh.resolve() for mesh in meshes}
    for mesh, name in zip(meshes, names, strict=True):
        if used[name.casefold()] > 1 or (folder / name).resolve() in taken:
            raise click.UsageError(f"--fields {folder}: {name} would hold more than the fields of {mesh}. Rename it.")
    return [folder / name for name in names]


def _ending(own: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The shortest end of a path that no other one has, in any mixture of small and large letters."""
    folded = [tuple(part.casefold() for part in other) for other in others]
    mine = tuple(part.casefold() for part in own)
    length = 1
    while length < len(own) and sum(other[-length:] == mine[-length:] for other in folded) > 1:
        length += 1
    return own[-length:]
