"""Commands that write the lake: a run, and its steps alone."""

from __future__ import annotations

import sys

import click

from lakehouse.cli.base import Options, cli, command, print_json


@cli.command()
@click.argument("tables", nargs=-1)
@click.option("--full", is_flag=True, help="Copy and rebuild everything, whatever has changed.")
@click.option("--run-id", help="A name for this run; repeating it repeats nothing.")
@command
def run(options: Options, tables: tuple[str, ...], full: bool, run_id: str | None) -> None:
    """Bring the lake, or TABLES, up to date.

    What TABLES depend on is brought up to date before them.

    \b
    Examples:
      lakehouse run
      lakehouse run gold.customer_value
      lakehouse run orders --full
    """
    execute(options, tables, full=full, run_id=run_id, steps=("bronze", "silver", "gold"))


@cli.command()
@click.argument("tables", nargs=-1)
@click.option("--full", is_flag=True, help="Copy everything, whatever has changed.")
@click.option("--run-id", help="A name for this run.")
@command
def extract(options: Options, tables: tuple[str, ...], full: bool, run_id: str | None) -> None:
    """The first step of a run alone: to bronze.

    \b
    Example: lakehouse extract orders order_items
    """
    execute(options, tables, full=full, run_id=run_id, steps=("bronze",))


@cli.command()
@click.argument("layer", type=click.Choice(["silver", "gold"]))
@click.argument("tables", nargs=-1)
@click.option("--full", is_flag=True, help="Rebuild, whatever has changed.")
@click.option("--run-id", help="A name for this run.")
@command
def promote(options: Options, layer: str, tables: tuple[str, ...], full: bool, run_id: str | None) -> None:
    """One promotion alone: stage, gate, commit.

    \b
    Example: lakehouse promote silver orders
    """
    execute(options, tables, full=full, run_id=run_id, steps=(layer,))


@cli.command()
@command
def catalog(options: Options) -> None:
    """Register bronze in Glue, and write lake.duckdb, again.

    \b
    Example: lakehouse catalog
    """
    from lakehouse.run import open_session, register_again

    with open_session(options.project) as session:
        registered = register_again(session)
    print_json(registered) if options.as_json else click.echo(f"registered: {', '.join(registered)}")


def execute(
    options: Options, tables: tuple[str, ...], *, full: bool, run_id: str | None, steps: tuple[str, ...]
) -> None:
    """Run, print, and end with the run's exit code."""
    from lakehouse.run import run_lake
    from lakehouse.terminal import Watch, console, run_table

    watch = Watch(quiet=options.quiet)
    try:
        result = run_lake(options.project, tables, full=full, run_id=run_id, steps=steps, progress=watch)
    finally:
        watch.stop()
    print_json(result.to_json()) if options.as_json else console().print(run_table(result))
    sys.exit(result.exit_code)
