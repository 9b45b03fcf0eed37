"""Commands that write the lake: a run, and its steps alone."""

from __future__ import annotations

import sys

import click

from lakehouse.cli.base import Options, cli, command, print_json
from lakehouse.project import ENGINES


@cli.command()
@click.argument("tables", nargs=-1)
@click.option("--full", is_flag=True, help="Copy and rebuild everything, whatever has changed.")
@click.option("--run-id", help="A name for this run; repeating it repeats nothing.")
@click.option("--engine", type=click.Choice(ENGINES), help="Who runs the models; a model's own, or the project's.")
@command
def run(options: Options, tables: tuple[str, ...], full: bool, run_id: str | None, engine: str | None) -> None:
    """Bring the lake, or TABLES, up to date.

    What TABLES depend on is brought up to date before them.

    \b
    Examples:
      lakehouse run
      lakehouse run gold.customer_value
      lakehouse run orders --full
      lakehouse run gold.customer_value --engine trino
    """
    execute(options, tables, full=full, run_id=run_id, steps=("bronze", "silver", "gold"), engine=engine)


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
@click.option("--engine", type=click.Choice(ENGINES), help="Who runs the models; a model's own, or the project's.")
@command
def promote(
    options: Options, layer: str, tables: tuple[str, ...], full: bool, run_id: str | None, engine: str | None
) -> None:
    """One promotion alone: stage, gate, commit.

    \b
    Example: lakehouse promote silver orders
    """
    execute(options, tables, full=full, run_id=run_id, steps=(layer,), engine=engine)


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
    options: Options,
    tables: tuple[str, ...],
    *,
    full: bool,
    run_id: str | None,
    steps: tuple[str, ...],
    engine: str | None = None,
) -> None:
    """Run, print, and end with the run's exit code."""
    from lakehouse.run import run_lake
    from lakehouse.terminal import Watch, console, run_table

    watch = Watch(quiet=options.quiet)
    try:
        result = run_lake(options.project, tables, full=full, run_id=run_id, steps=steps, progress=watch, engine=engine)
    finally:
        watch.stop()
    print_json(result.to_json()) if options.as_json else console().print(run_table(result))
    sys.exit(result.exit_code)
