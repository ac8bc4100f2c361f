"""Which pieces of a cell conduct, and across which period vectors; in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellsolve.cells.connectivity import Piece, spanned_space
from cellsolve.cells.shapes import Floats, Ints

__all__ = ["notes_on_pieces", "percolates"]


def percolates(pieces: Sequence[Piece], dim: int) -> tuple[bool, ...]:
    """For each period vector: does some piece lead from the cell to its translates across that side? n_i != 0."""
    windings = _windings(pieces, dim)
    return tuple((windings != 0).any(axis=0).tolist())


def notes_on_pieces(pieces: Sequence[Piece], period: Floats, *, known: bool = True) -> tuple[str, ...]:
    """What does not conduct; nothing where the sides do not match (``known`` false): then nobody knows."""
    if not known:
        return ()
    dim, windings = len(period), _windings(pieces, len(period))
    across = percolates(pieces, dim)
    zero = tuple(
        f"does not percolate along period vector {i}: zero conductivity there."
        for i in range(dim)
        if not across[i] and any(across)
    )
    return (*_on_islands(pieces), *zero, *_on_directions(windings, period), *_on_several(pieces))


def _windings(pieces: Sequence[Piece], dim: int) -> Ints:
    return np.concatenate([np.zeros((0, dim), dtype=np.int64), *(piece.windings for piece in pieces)])


def _on_islands(pieces: Sequence[Piece]) -> tuple[str, ...]:
    islands = [piece.fraction for piece in pieces if not len(piece.windings)]
    if not islands:
        return ()
    if len(islands) == len(pieces):
        return ("does not percolate at all: no piece touches its translates, the conductivity is zero.",)
    name, verb = ("island", "does") if len(islands) == 1 else ("islands", "do")
    return (f"{len(islands)} {name}, {100 * sum(islands):.3g} % of the period, {verb} not conduct: left out.",)


def _on_directions(windings: Ints, period: Floats) -> tuple[str, ...]:
    """Said where the directions are oblique; along axes the period vectors tell."""
    space = spanned_space(windings, period)
    oblique = 0 < len(space) < len(period) and (windings != 0).any(axis=0).sum() > len(space)
    if not oblique:
        return ()
    vectors = ", ".join("(" + ", ".join(f"{entry:.4g}" for entry in row) + ")" for row in space)
    return (f"conducts in {len(space)} of {len(period)} directions only: {vectors}.",)


def _on_several(pieces: Sequence[Piece]) -> tuple[str, ...]:
    conducting = [piece for piece in pieces if len(piece.windings)]
    if len(conducting) < 2:
        return ()
    return (f"{len(conducting)} separate pieces conduct side by side.",)
