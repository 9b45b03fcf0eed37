"""Commands that only look: questions, checks, history."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from lakehouse.cli.base import Options, cli, command, print_json, print_table
from lakehouse.errors import UsageError
from lakehouse.project import ENGINES, parse_size

if TYPE_CHECKING:
    from lakehouse.ask import Dialect


@cli.command()
@click.argument("sql")
@click.option(
    "--format", "shape", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print rows."
)
@click.option("--as-of", help="Tables as they were at the end of a run, or at a time (UTC).")
@click.option("--engine", type=click.Choice(ENGINES), help="Who answers; the project's engine unless you say.")
@click.option("--max-bytes", help="What Athena may scan for it at most, whatever the project says: 500MB, 10GB.")
@click.option(
    "--dialect",
    type=click.Choice(["portable", "duckdb"]),
    default="portable",
    show_default=True,
    help="Athena's SQL, or DuckDB's own.",
)
@command
def query(
    options: Options,
    sql: str,
    shape: str,
    as_of: str | None,
    engine: str | None,
    max_bytes: str | None,
    dialect: Dialect,
) -> None:
    """Ask the lake: SQL, a file, or - for stdin.

    \b
    Examples:
      lakehouse query "select count(*) from gold.daily_store_sales"
      lakehouse query queries/analysis/top_departments.sql --format csv
      lakehouse query queries/analysis/top_departments.sql --engine trino
    """
    from lakehouse.ask import answer, answer_on_cluster, read_query
    from lakehouse.run import open_session
    from lakehouse.terminal import print_batches

    text = sys.stdin.read() if sql == "-" else read_query(sql)
    project, shape = options.project, "json" if options.as_json else shape
    chosen = engine or project.engine.default
    if dialect == "duckdb":
        if chosen != "duckdb":
            raise UsageError(f"--dialect duckdb is DuckDB's own SQL; {chosen} does not speak it. Add --engine duckdb.")
        options.report("DuckDB's own SQL: not portable, Athena may refuse this text or answer it otherwise")
    if chosen == "duckdb":
        place = sql if sql.endswith(".sql") else "the query"
        with open_session(project) as session, answer(session, text, as_of, dialect, place) as found:
            print_batches(found.columns, found.batches(), shape)
        return
    if as_of:
        raise UsageError(
            f"--as-of is for DuckDB; {chosen} reads what is live. Add --engine duckdb, or write: "
            "from gold.t for timestamp as of timestamp '2024-05-01 06:00:00 UTC'."
        )
    cap = parse_size(max_bytes, "--max-bytes") if max_bytes else None
    with answer_on_cluster(project, chosen, text, cap) as found:
        print_batches(found.columns, found.batches(), shape)
        options.report(str(found.receipt))


@cli.command()
@command
def lint(options: Options) -> None:
    """Check models, headers and suites; runs nothing. Warnings alone are no failure.

    \b
    Example: lakehouse lint
    """
    from lakehouse.lint import lint_project

    findings = lint_project(options.project)
    wrong = [f for f in findings if f.severity == "error"]
    if options.as_json:
        print_json([asdict(f) for f in findings])
    else:
        for found in findings:
            click.echo(f"{found.path}: {found.message}", err=found.severity == "warning")
        click.echo(f"{len(wrong)} findings" if wrong else "models, headers, suites and SQL are in order", err=True)
    if wrong:
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
