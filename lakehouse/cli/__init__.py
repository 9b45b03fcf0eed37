"""The command line: parse, call, print. What each command does is in the module it calls."""

from __future__ import annotations

import sys

import click

from lakehouse.cli import flow, looking, making, planning, portability, services, site, testing
from lakehouse.cli.base import cli
from lakehouse.errors import LakehouseError

__all__ = ["cli", "flow", "looking", "main", "making", "planning", "portability", "services", "site", "testing"]


def main() -> None:
    """The program: errors become one message and the exit code of the contract."""
    verbose = "--verbose" in sys.argv
    try:
        cli(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Nothing half-written is visible; run again to go on.", err=True)
        sys.exit(1)
    except click.ClickException as e:
        e.show()
        sys.exit(2)
    except LakehouseError as e:
        if verbose:
            raise
        click.echo(f"{click.style('error:', fg='red')} {e}", err=True)
        sys.exit(e.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
