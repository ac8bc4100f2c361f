"""Checkpoints: whole parts on the disk, of one job only; models that go on with them to the same bits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cellsolve as cs
from cellsolve.errors import JobError
from cellsolve.results import store as store_module
from cellsolve.results.store import open_store, remove_store

JOB = {"sigma": "1.0", "tol": "1e-06"}
V = cs.Potential("cos(2*pi*y1)*(1 + 0.1*x) + 0.5*cos(2*pi*(y1 - y2))", dim=1, scales=2)
GRID = {"x0": np.linspace(-1.0, 1.0, 9)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "result.partial"


def part(value: float):
    return {"a": np.full(3, value), "words": np.array("é")}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("at_once")
def test_parts_are_read_back_as_they_were(folder) -> None:
    with open_store(folder, JOB) as store:
        assert store.get("one") is None
        store.put("one", part(1.0))
        store.put("two", part(np.nan))
        assert names(folder) == ["job.json", "part-000001.npz", "part-000002.npz"]
    with open_store(folder, JOB) as store:
        assert len(store) == 2
        np.testing.assert_array_equal(store.get("two")["a"], [np.nan] * 3)
        assert str(store.get("one")["words"]) == "é"
        store.put("three", part(3.0))
    assert names(folder)[-1] == "part-000003.npz"


def test_what_is_quickly_done_leaves_nothing(folder) -> None:
    with open_store(folder, JOB) as store:
        store.put("one", part(1.0))
        assert store.get("one")["a"].tolist() == [1.0] * 3
    assert not folder.exists()


def test_parts_that_wait_are_written_when_the_block_ends_however_it_does(folder, monkeypatch) -> None:
    def fail():
        with open_store(folder, JOB) as store:
            store.put("one", part(1.0))
            monkeypatch.setattr(store_module, "_SECONDS", 0.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with open_store(folder, JOB) as store:
        assert len(store) == 1


@pytest.mark.usefixtures("at_once")
def test_a_store_of_another_job_is_refused_in_words(folder) -> None:
    with open_store(folder, JOB) as store:
        store.put("one", part(1.0))
    with pytest.raises(JobError, match=r"another job: sigma was 1.0, now 2.0; cells was not given, now box\. "):
        open_store(folder, {**JOB, "sigma": "2.0", "cells": "box"}).__enter__()
    assert names(folder) == ["job.json", "part-000001.npz"]


def test_what_is_no_store_is_left_alone(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for refused in (lambda: remove_store(tmp_path), lambda: open_store(tmp_path, JOB).__enter__()):
        with pytest.raises(JobError, match="is no store of checkpoints"):
            refused()
    with pytest.raises(JobError, match="is no folder"):
        remove_store(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.usefixtures("at_once")
def test_files_that_a_killed_run_left_half_are_as_good_as_not_there(folder) -> None:
    folder.mkdir()
    (folder / ".job.json.abc.part").write_text("{")
    with open_store(folder, JOB) as store:
        store.put("one", part(1.0))
        (folder / "part-000007.npz").write_bytes((folder / "part-000001.npz").read_bytes()[:50])
        (folder / ".part-000002.npz.xyz.part").write_bytes(b"PK")
    with open_store(folder, JOB) as store:
        assert len(store) == 1
        store.put("two", part(2.0))
    assert "part-000008.npz" in names(folder)
    assert remove_store(folder)
    assert not remove_store(folder)
    assert not folder.exists()


@pytest.mark.usefixtures("at_once")
def test_a_place_that_cannot_be_written_is_named(tmp_path) -> None:
    with (
        pytest.raises(JobError, match=r"cannot write .*none/store"),
        open_store(tmp_path / "none" / "store", JOB) as store,
    ):
        store.put("one", part(1.0))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("sigma", [0.5, [0.5, 1.0]], ids=["model", "sweep"])
def test_a_grid_goes_on_with_what_is_finished(folder, computed, sigma) -> None:
    model = cs.homogenize(V, sigma=sigma)
    whole = model.on_grid(GRID)
    needed = list(computed)
    computed.clear()

    def break_off(_done, _total):
        if len(computed) == len(needed) - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.on_grid(GRID, store=folder, progress=break_off)
    assert computed == needed[:-1]
    computed.clear()
    again = model.on_grid(GRID, store=folder)
    assert computed == needed[-1:]
    assert again.identical(whole)
    computed.clear()
    assert model.on_grid(GRID, store=folder).identical(whole)
    assert computed == []


@pytest.mark.usefixtures("at_once", "computed")
def test_every_change_of_the_job_is_seen(folder) -> None:
    model = cs.homogenize(V, sigma=0.5)
    model.on_grid(GRID, store=folder)
    box = cs.box_cell(1, n=2, order=6)
    other = cs.Potential("cos(2*pi*y1)*(1 + 0.1*x) + 0.6*cos(2*pi*(y1 - y2))", dim=1, scales=2)
    changes = {
        "sigma was 0.5, now 0.6": (cs.homogenize(V, sigma=0.6), GRID),
        "tol was 1e-06, now 1e-05": (cs.homogenize(V, sigma=0.5, tol=1e-5), GRID),
        "cells was box n=None": (cs.homogenize(V, sigma=0.5, cells=box), GRID),
        "potential V1 was": (cs.homogenize(other, sigma=0.5), GRID),
        "grid x0 was 9 points": (model, {"x0": np.linspace(-1.0, 1.1, 9)}),
    }
    for words, (changed, grid) in changes.items():
        with pytest.raises(JobError, match=words):
            changed.on_grid(grid, store=folder)


@pytest.mark.usefixtures("at_once", "computed")
def test_callables_are_known_by_their_values(folder) -> None:
    def potential(amplitude):
        return cs.Potential(lambda x, y1: amplitude * np.cos(2 * np.pi * y1[..., 0]) + 0 * x[..., 0], dim=1, scales=1)

    cs.homogenize(potential(1.0), sigma=0.5).on_grid(GRID, store=folder)
    with pytest.raises(JobError, match="values of the potential was"):
        cs.homogenize(potential(2.0), sigma=0.5).on_grid(GRID, store=folder)


@pytest.mark.usefixtures("at_once", "computed")
def test_a_store_says_what_it_is_for(folder) -> None:
    cs.homogenize(V, sigma=0.5).on_grid(GRID, store=folder)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    assert job["potential V1"] == V.source["V1"]
    assert "numpy" in job["versions"]


@pytest.mark.parametrize("sigma", [0.5, [0.5, 1.0]])
def test_what_is_no_store_executor_or_progress_is_refused(sigma) -> None:
    model = cs.homogenize(V, sigma=sigma)
    for place in (5, "", b"bytes"):
        with pytest.raises(JobError, match="needed the path of a folder"):
            model.on_grid(GRID, store=place)
    with pytest.raises(cs.CoefficientError, match="got executor = 3, needed None or an executor"):
        model.on_grid(GRID, executor=3)
    with pytest.raises(cs.CoefficientError, match="got progress = 3, needed None or a function"):
        model.on_grid(GRID, progress=3)
