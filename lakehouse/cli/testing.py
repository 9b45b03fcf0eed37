"""The command that tests models."""

from __future__ import annotations

import sys

import click

from lakehouse.cli.base import Options, cli, command, print_json


@cli.command()
@click.argument("tables", nargs=-1)
@click.option(
    "--engine", type=click.Choice(["duckdb", "trino", "athena"]), default="duckdb", show_default=True, help="Where."
)
@command
def test(options: Options, tables: tuple[str, ...], engine: str) -> None:
    """Unit tests of models, or of TABLES: tests/models/<table>.yaml, given rows and expected rows.

    \b
    Examples:
      lakehouse test
      lakehouse test silver.orders --engine trino
    """
    from lakehouse.model import load_graph
    from lakehouse.model_tests import load_model_tests, run_model_tests, untested

    graph = load_graph(options.project.root)
    results = run_model_tests(options.project, graph, tables, engine)
    failed = [r for r in results if not r.passed]
    if options.as_json:
        print_json([r.to_json() for r in results])
    else:
        for result in failed:
            click.echo(f"{result.path}: {result.table}, {result.case!r}:\n{result.difference}")
        missing = [] if tables else untested(load_model_tests(options.project.root, graph), graph)
        if missing:
            options.report(f"no test: {', '.join(map(str, missing))}")
        click.echo(f"{len(results) - len(failed)} of {len(results)} cases passed on {engine}")
    if failed:
        sys.exit(1)
