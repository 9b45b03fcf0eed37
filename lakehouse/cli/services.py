"""Commands for this machine: local services, what is wrong with them, the sample and the source's dump."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from lakehouse.cli.base import Options, cli, command, print_json


@cli.command()
@click.option("--trino", is_flag=True, help="Trino too (1-3 GB of memory).")
@click.option("--airflow", is_flag=True, help="Airflow too, with the project's DAGs (1 GB of memory).")
@command
def up(options: Options, trino: bool, airflow: bool) -> None:
    """Start PostgreSQL, MinIO and the Glue API here.

    \b
    Example: lakehouse up --trino
    """
    from lakehouse import stack
    from lakehouse.terminal import print_services

    print_services(
        stack.up(options.project, trino=trino, airflow=airflow, report=options.report), as_json=options.as_json
    )


@cli.command()
@command
def down(options: Options) -> None:
    """Stop the local services; what they hold stays.

    \b
    Example: lakehouse down
    """
    from lakehouse import stack
    from lakehouse.terminal import print_services

    print_services(stack.down(options.project, report=options.report), as_json=options.as_json)


@cli.command()
@command
def status(options: Options) -> None:
    """Show the local services.

    \b
    Example: lakehouse status --json
    """
    from lakehouse import stack
    from lakehouse.terminal import print_services

    print_services(stack.status(options.project), as_json=options.as_json)


@cli.command()
@click.option("--fix", is_flag=True, help="Repair what can be repaired safely.")
@command
def doctor(options: Options, fix: bool) -> None:
    """Find what is wrong here, and say how to fix it.

    \b
    Example: lakehouse doctor --fix
    """
    from lakehouse.doctor import examine

    findings = examine(options.project, fix=fix)
    if options.as_json:
        print_json([asdict(f) for f in findings])
    else:
        for found in findings:
            mark = click.style("✓", fg="green") if found.ok else click.style("✗", fg="red")
            click.echo(f"{mark} {found.subject}" + ("" if found.ok else f": {found.problem}\n    → {found.remedy}"))
    if not all(f.ok or f.fixed for f in findings):
        sys.exit(1)


@cli.command()
@click.argument("what", metavar="DUMP|RUN")
@click.argument("tables", nargs=-1)
@click.option("--replace", is_flag=True, help="Of a run: drop tables of these names that are there.")
@command
def restore(options: Options, what: str, tables: tuple[str, ...], replace: bool) -> None:
    """Load a pg_dump file, or bronze as a run left it, into the source.

    A dump is a path or an s3:// URL, in custom, directory, tar or plain form. A run is named as `lakehouse runs`
    does; TABLES restricts it. The source is LAKEHOUSE_SOURCE_URL: set it to another database to compare the two.

    \b
    Examples:
      lakehouse restore sales.dump
      lakehouse restore 20240501T060000Z-3f9a1c orders
    """
    from lakehouse.restoring import restore as load

    project = options.project
    result = load(project, what, tables, replace=replace, report=options.report)
    if options.as_json:
        print_json(asdict(result))
    else:
        click.echo(
            f"{what}: {result.tables} tables, {result.rows:,} rows into {project.source.place}, {result.seconds:.1f} s"
        )


@cli.command()
@click.option("--keep-up/--down", default=True, help="Leave the services running afterwards.")
@command
def demo(options: Options, keep_up: bool) -> None:
    """The sample, end to end, on local services.

    \b
    Example: lakehouse demo
    """
    from lakehouse.demo.play import play_demo

    result = play_demo(options.project, as_json=options.as_json, quiet=options.quiet, keep_up=keep_up)
    if options.as_json:
        print_json(result)
