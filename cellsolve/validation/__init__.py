"""Claims about the program, each with the figure measured and the bound it must meet.

A script of the repository's folder ``validation/`` holds one subject: its docstring says which, ``run(effort)`` gives
its claims (effort 0: coarse, for tests and ``--quick``; 1: full), ``main()`` prints them as a table, and
``plots(effort)``, which it may leave out, gives its figures as a list of `cellsolve.plots.Plot`. An installed package
carries the scripts along.
"""

from __future__ import annotations

from cellsolve.validation.case_files import case_paths, cases
from cellsolve.validation.claims import Claim, accuracy_claims, print_claims
from cellsolve.validation.html_page import page, write_page
from cellsolve.validation.measuring import Outcome, Task, died, measure

__all__ = [
    "Claim",
    "Outcome",
    "Task",
    "accuracy_claims",
    "case_paths",
    "cases",
    "died",
    "measure",
    "page",
    "print_claims",
    "write_page",
]
