"""Processes that work on one thing at a time, and die of it; an interrupted batch."""

import os
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import pytest

from cellsolve.cli.items import BoxSource, Item, Outcome, solve_item, solve_items
from cellsolve.cli.workers import Death, apply_in_processes
from cellsolve.results.table_reading import read_table

MESHES = Path(__file__).parent.parent / "meshes"


def fate(code: int) -> int:
    """End by exit code 7, by signal 9, or double the number; -1 sleeps, 3 is interrupted."""
    if code == 7:
        os._exit(7)
    if code == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    if code < 0:
        time.sleep(200)
    if code == 3:
        signal.raise_signal(signal.SIGINT)  # Ctrl-C is for the process that has started this one
    return 2 * code


@pytest.mark.parametrize("workers", [1, 2])
def test_only_what_kills_a_process_is_lost(workers):
    arguments = [1, 7, 2, 9, 3, 4]
    found = dict(apply_in_processes(fate, arguments, workers))
    assert found == {0: 2, 1: Death(7), 2: 4, 3: Death(-9), 4: 6, 5: 8}
    assert active_children() == []


def meet(folder: str) -> bool:
    """Is there another process at the same time?"""
    (Path(folder) / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(list(Path(folder).iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    return time.monotonic() < end


def test_processes_work_at_the_same_time(tmp_path):
    assert dict(apply_in_processes(meet, [str(tmp_path)] * 2, 2)) == {0: True, 1: True}


def test_deaths_in_words():
    assert Death(7).words == "its process ended with exit code 7"
    assert Death(-9).words == "its process was ended by SIGKILL, perhaps for want of memory"
    assert Death(-11).words == "its process was ended by SIGSEGV"
    assert Death(-200).words == "its process was ended by signal 200"


def test_processes_end_with_the_loop():
    start, before = time.monotonic(), signal.getsignal(signal.SIGTERM)
    results = apply_in_processes(fate, [3, -1, 4], 2)
    assert next(results) == (0, 6)
    results.close()
    assert active_children() == []
    assert time.monotonic() - start < 100  # not after the 200 s that one would have slept
    assert signal.getsignal(signal.SIGTERM) == before


def test_nothing_to_do_starts_nothing(monkeypatch):
    monkeypatch.setattr("cellsolve.cli.workers.get_context", None)
    assert list(apply_in_processes(fate, [], 2)) == []


def dying(item: Item) -> Outcome:
    """As solve_item, in a process that dies at the item `dies`, and at `crowded` the first time."""
    if item.name == "dies" or (item.name == "crowded" and not Path(item.coefficient["note"]).exists()):
        Path(item.coefficient["note"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return solve_item(Item(item.name, item.source, {"default": 1.0}, item.order, item.tol, item.bounds))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_dies_is_one_failure(workers, tmp_path):
    """What died beside others is tried again alone, where their memory is not in its way."""
    names = ["one", "dies", "two", "three", *(["crowded"] if workers > 1 else [])]
    items = [Item(name, BoxSource(1, 2, 2), {"note": str(tmp_path / name)}, 2, 1e-8, False) for name in names]
    outcomes = {str(outcome.row["mesh"]): outcome for outcome in solve_items(items, workers, dying)}
    assert {name: outcome.failed for name, outcome in outcomes.items()} == {name: name == "dies" for name in names}
    row = outcomes["dies"].row
    assert row["status"] == (
        "WorkerDied: its process was ended by SIGKILL, perhaps for want of memory. Try a coarser mesh or a lower order."
    )
    assert row["settings"] == items[1].settings


BATCH = """
import sys, time
import cellsolve.cli.items as items
import cellsolve.cli.composite_job as composite_job
from cellsolve.cli import main

def slow(item):
    outcome = items.solve_item(item)
    if "square" in item.name:
        print("slow", flush=True)
        time.sleep(200)
    return outcome

def solve_items(todo, workers):
    return items.solve_items(todo, workers, slow)

if __name__ == "__main__":
    composite_job.solve_items = solve_items
    main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 128 + 15), (signal.SIGKILL, -9)],
    ids=["INT", "TERM", "KILL"],
)
def test_an_ended_batch_leaves_whole_rows_and_no_processes(tmp_path, number, code):
    """By Ctrl-C, which all processes of a terminal get; by a batch system; by the system itself."""
    for name in ("interval.msh", "square.msh"):
        shutil.copy(MESHES / name, tmp_path)
    (tmp_path / "program.py").write_text(BATCH)
    command = [sys.executable, "program.py", "batch", "interval.msh", "square.msh", "-k", "1", "-o", "t.csv"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "slow\n"
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait(100)
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)  # a busy worker ends when it wants to tell its result
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == code
    assert [row["mesh"] for row in read_table(tmp_path / "t.csv")] == ["interval.msh"]
    assert "Traceback" not in said
    if number == signal.SIGINT:
        assert said.endswith("The rows of what is done are in t.csv.\nerror: interrupted\n")
