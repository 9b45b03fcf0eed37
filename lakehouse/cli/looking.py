"""Commands that only look: questions, checks, history."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from lakehouse.cli.base import Options, cli, command, print_json, print_table

if TYPE_CHECKING:
    from lakehouse.ask import Dialect


@cli.command()
@click.argument("sql")
@click.option(
    "--format", "shape", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print rows."
)
@click.option("--as-of", help="Tables as they were at the end of a run, or at a time (UTC).")
@click.option(
    "--dialect",
    type=click.Choice(["portable", "duckdb"]),
    default="portable",
    show_default=True,
    help="Athena's SQL, or DuckDB's own.",
)
@command
def query(options: Options, sql: str, shape: str, as_of: str | None, dialect: Dialect) -> None:
    """Ask the lake: SQL, a file, or - for stdin.

    \b
    Examples:
      lakehouse query "select count(*) from gold.daily_store_sales"
      lakehouse query queries/analysis/top_departments.sql --format csv
    """
    from lakehouse.ask import answer, read_query
    from lakehouse.run import open_session
    from lakehouse.terminal import print_batches

    text = sys.stdin.read() if sql == "-" else read_query(sql)
    if dialect == "duckdb":
        options.report("DuckDB's own SQL: not portable, Athena may refuse this text or answer it otherwise")
    place = sql if sql.endswith(".sql") else "the query"
    with open_session(options.project) as session, answer(session, text, as_of, dialect, place) as found:
        print_batches(found.columns, found.batches(), "json" if options.as_json else shape)


@cli.command()
@command
def lint(options: Options) -> None:
    """Check models, headers and suites; runs nothing.

    \b
    Example: lakehouse lint
    """
    from lakehouse.lint import lint_project

    findings = lint_project(options.project)
    if options.as_json:
        print_json([asdict(f) for f in findings])
    else:
        for found in findings:
            click.echo(f"{found.path}: {found.message}")
        click.echo(
            f"{len(findings)} findings" if findings else "models, headers, suites and SQL are in order", err=True
        )
    if findings:
        sys.exit(1)


@cli.command()
@click.option("--last", default=20, show_default=True, help="How many.")
@command
def runs(options: Options, last: int) -> None:
    """The lake's runs, newest first.

    \b
    Example: lakehouse runs --last 5
    """
    from lakehouse.history import list_runs

    found = list_runs(options.project, last)
    if options.as_json:
        print_json(found)
    else:
        columns = ("run", "started", "seconds", "done", "nothing", "gate", "failed", "blocked", "rows", "exit")
        print_table("runs", columns, [[r[c] for c in columns] for r in found])


@cli.command()
@click.argument("table")
@command
def log(options: Options, table: str) -> None:
    """The versions of a table, newest first.

    \b
    Example: lakehouse log gold.customer_value
    """
    from lakehouse.history import list_versions

    found = list_versions(options.project, table)
    if options.as_json:
        print_json(found)
    else:
        columns = ("version", "committed", "run", "rows", "added", "removed", "quarantined", "live")
        print_table(table, columns, [[r[c] for c in columns] for r in found])


@cli.command()
@click.argument("table")
@click.option(
    "--format", "shape", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print rows."
)
@command
def quarantine(options: Options, table: str, shape: str) -> None:
    """The rows that a gate set aside, and why.

    \b
    Example: lakehouse quarantine silver.order_items
    """
    from lakehouse.history import quarantined_rows
    from lakehouse.terminal import print_batches

    columns, rows = quarantined_rows(options.project, table)
    if not rows and shape == "table" and not options.as_json:
        click.echo(f"{table}: no rows in quarantine")
        return
    print_batches(columns, iter([rows]), "json" if options.as_json else shape)
