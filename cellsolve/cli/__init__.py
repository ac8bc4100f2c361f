"""The command line. Subcommands stand in one file each and import what they need when they run."""

from __future__ import annotations

import click

from cellsolve import __version__
from cellsolve.cli.batch import command as _batch
from cellsolve.cli.check import command as _check
from cellsolve.cli.exits import Commands
from cellsolve.cli.info import command as _info
from cellsolve.cli.plot import command as _plot
from cellsolve.cli.run import command as _run
from cellsolve.cli.validate import command as _validate

__all__ = ["main"]

_EPILOG = """Exit codes: 0 ok, 1 failure, 2 usage or invalid job, 3 not converged, 4 mesh unreadable or not periodic,
5 some items of a batch failed, 130 interrupted. With --json, results go to stdout as JSON; messages go to stderr."""


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cellsolve")
def main() -> None:
    """Effective coefficients from finite-element cell problems: diffusion, partition function and free energy of
    multiscale potentials, tensors of composites and porous cells."""


for _command in (_run, _batch, _check, _validate, _info, _plot):
    main.add_command(_command)
