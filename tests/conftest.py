"""Fixtures that several files share."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cellsolve.cli import main
from cellsolve.macro import chunks
from cellsolve.multiscale import evaluation
from cellsolve.results import store


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `cellsolve run` on a text in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(text, *options):
        Path("job.toml").write_text(text, encoding="utf-8")
        return CliRunner().invoke(main, ["run", "job.toml", *options])

    return call


@pytest.fixture
def computed(monkeypatch):
    """Numbers of points of the chunks that are computed, three at most."""
    rows = []
    compute = evaluation.evaluate_chunk

    def counted(planned, x, derivatives):
        rows.append(len(x))
        return compute(planned, x, derivatives)

    monkeypatch.setattr(chunks, "evaluate_chunk", counted)
    monkeypatch.setattr(evaluation, "_PROBLEMS_PER_CHUNK", 6)
    return rows


@pytest.fixture
def at_once(monkeypatch):
    """Every part is written as it comes."""
    monkeypatch.setattr(store, "_SECONDS", 0.0)
