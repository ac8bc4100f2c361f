"""What `check` says of a mesh: as plain data, and as a page to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellsolve.cells import CellReport, Piece

__all__ = ["as_data", "print_page"]

_PLURAL = {"line": "lines", "triangle": "triangles", "quad": "quads", "tetra": "tetrahedra", "hexahedron": "hexahedra"}
_MOST_LINES = 8
"""Sides, pieces or regions beyond these are summed up in one line."""


def as_data(report: CellReport) -> dict[str, Any]:
    """The report for JSON: lists, numbers, texts."""
    names = ("file", "dim", "shape", "nodes", "elements", "size", "regions", "porosity")
    sides = ("side", "translation", "facets", "unmatched", "largest_gap")
    lengths, angles = _metric(report)
    return {
        **{name: getattr(report, name) for name in names},
        "period": report.period.tolist(),
        "period_lengths": lengths,
        "period_angles": angles,
        "quality": {
            "measure": report.quality_measure,
            "least": report.quality_min,
            "mean": report.quality_mean,
            "place": report.quality_place.tolist(),
        },
        "sides": [{name: getattr(side, name) for name in sides} for side in report.sides],
        "pieces": _pieces(report),
        "percolates": list(report.percolates),
        "region_percolates": {name: list(across) for name, across in report.region_percolates.items()},
        "usable": report.usable,
        "problems": list(report.problems),
        "notes": list(report.notes),
    }


def print_page(report: dict[str, Any]) -> None:
    """The page on stdout."""
    from cellsolve.cli.terminal import facts, results

    console = results()
    verdict, style = ("usable", "bold green") if report["usable"] else ("cannot be used", "bold red")
    console.print(report["file"], style="bold", end=": ", soft_wrap=True)
    console.print(verdict, style=style)
    if "dim" in report:
        console.print(facts(_facts(report)))
    for problem in report["problems"]:
        console.print(f"  problem: {problem}", style="red", soft_wrap=True)
    for note in report["notes"]:
        console.print(f"  note: {note}", style="yellow", soft_wrap=True)
    console.print()


def _metric(report: CellReport) -> tuple[list[float], list[float]]:
    """Lengths of the period vectors, and the angles between them in degrees: p_0 p_1, p_0 p_2, p_1 p_2."""
    import numpy as np

    lengths = np.linalg.norm(report.period, axis=1)
    cosines = (report.period @ report.period.T / np.outer(lengths, lengths))[np.triu_indices(report.dim, 1)]
    return lengths.tolist(), np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))).tolist()


def _pieces(report: CellReport) -> dict[str, Any]:
    conducting = [piece for piece in report.pieces if len(piece.windings)]
    islands = [piece for piece in report.pieces if not len(piece.windings)]
    return {
        "count": len(report.pieces),
        "conducting": [_piece(piece, report) for piece in conducting],
        "islands": {"count": len(islands), "fraction": float(sum(piece.fraction for piece in islands))},
    }


def _piece(piece: Piece, report: CellReport) -> dict[str, Any]:
    from cellsolve.cells import directions

    return {
        "fraction": piece.fraction,
        "windings": piece.windings.tolist(),
        "directions": directions(piece, report.period).tolist(),
    }


def _facts(report: dict[str, Any]) -> dict[str, str]:
    quality = report["quality"]
    dim, noun = report["dim"], _PLURAL[report["shape"]]
    return {
        "elements": f"{report['elements']} {noun} in {dim}-D, {report['nodes']} nodes, size {report['size']:.3g}",
        "quality": f"worst {quality['least']:.3g} at {_vector(quality['place'], 4)}, mean {quality['mean']:.3g} "
        f"({quality['measure']}, 1 is best)",
        "regions": _regions(report),
        "period": "\n".join(_period_lines(report)),
        "sides": "\n".join(_side_lines(report["sides"])),
        **({"pieces": _pieces_in_words(report["pieces"], dim)} if not _unmatched(report) else {}),
        **({"percolation": "\n".join(_percolation(report))} if not _unmatched(report) else {}),
    }


def _unmatched(report: dict[str, Any]) -> bool:
    """Nobody knows what conducts in a mesh that does not close."""
    return any(side["unmatched"] or side["largest_gap"] for side in report["sides"])


def _vector(entries: Sequence[float], digits: int = 6) -> str:
    return "(" + ", ".join(f"{entry:.{digits}g}" for entry in entries) + ")"


def _regions(report: dict[str, Any]) -> str:
    fractions = sorted(report["regions"].items(), key=lambda item: -item[1])
    shown = [f"{name} {fraction:.4g}" for name, fraction in fractions[: 2 * _MOST_LINES]]
    if len(fractions) > len(shown):
        shown.append(f"{len(fractions) - len(shown)} more")
    return ", ".join(shown + ([f"pores {report['porosity']:.4g}"] if report["porosity"] else []))


def _period_lines(report: dict[str, Any]) -> list[str]:
    rows, lengths = report["period"], report["period_lengths"]
    lines = [f"p_{i} = {_vector(row)}, length {lengths[i]:.6g}" for i, row in enumerate(rows)]
    if report["period_angles"]:
        lines.append("angles " + ", ".join(f"{angle:.4g}" for angle in report["period_angles"]) + " degrees")
    return lines


def _side_lines(sides: list[dict[str, Any]]) -> list[str]:
    lines = [f"side {side['side']}, across {_across(side['translation'])}: {_match(side)}" for side in sides]
    if len(lines) <= _MOST_LINES:
        return lines
    bad = [line for line, side in zip(lines, sides, strict=True) if side["unmatched"] or side["largest_gap"]]
    facets = sum(side["facets"] for side in sides)
    return bad or [f"{len(sides)} sides, across as many lattice vectors: all {facets} facets match"]


def _across(translation: Sequence[int]) -> str:
    from cellsolve.cells.periodicity import combination

    return combination(translation)


def _match(side: dict[str, Any]) -> str:
    if not side["unmatched"] and not side["largest_gap"]:
        return f"all {side['facets']} facets match" if side["facets"] else "the mesh ends before it"
    return f"{side['unmatched']} of {side['facets']} facets without a partner, largest gap {side['largest_gap']:.1e}"


def _pieces_in_words(pieces: dict[str, Any], dim: int) -> str:
    conducting, islands = pieces["conducting"], pieces["islands"]
    ranks = [len(piece["windings"]) for piece in conducting]
    if pieces["count"] == 1 and ranks == [dim]:
        return "one, which conducts in all directions" if dim > 1 else "one, which conducts"
    if pieces["count"] == 1:
        return f"one, which conducts in {ranks[0]} of {dim} directions" if ranks else "one island"
    shown = [
        f"{100 * piece['fraction']:.3g} % conducts in {rank} of {dim} directions"
        for piece, rank in zip(conducting[:_MOST_LINES], ranks, strict=False)
    ]
    if len(conducting) > len(shown):
        shown.append(f"{len(conducting) - len(shown)} more that conduct")
    if islands["count"]:
        noun = "an island" if islands["count"] == 1 else f"{islands['count']} islands"
        shown.append(f"{100 * islands['fraction']:.3g} % in {noun}")
    return f"{pieces['count']}: " + ", ".join(shown)


def _percolation(report: dict[str, Any]) -> list[str]:
    regions = list(report["region_percolates"].items())[:_MOST_LINES]
    lines = [_leads(report["percolates"])] + [f"{name} alone: {_leads(across)}" for name, across in regions]
    left = len(report["region_percolates"]) - len(regions)
    return lines + ([f"{left} more regions"] if left else [])


def _leads(across: Sequence[bool]) -> str:
    if all(across):
        return "across all sides"
    leading = [f"p_{i}" for i, leads in enumerate(across) if leads]
    return f"across {', '.join(leading)} only" if leading else "none"
