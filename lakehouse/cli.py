"""The command line: parse, call, print. What each command does is in the module it calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakehouse import __version__
from lakehouse.errors import LakehouseError

if TYPE_CHECKING:
    from lakehouse.project import Project


@dataclass(frozen=True)
class Options:
    """The global options; `project` is read when a command needs it, so that --help needs none."""

    directory: Path
    as_json: bool
    verbose: bool
    quiet: bool

    @property
    def project(self) -> Project:
        from lakehouse.project import load_project

        return load_project(self.directory)

    def report(self, text: str) -> None:
        """A line of progress on stderr."""
        if not self.quiet:
            click.echo(text, err=True)


class Suggesting(click.Group):
    """A group that knows what you meant."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from difflib import get_close_matches

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"{e.message.rstrip('.')}.{hint} See: lakehouse --help", ctx) from e


@click.group(
    cls=Suggesting, context_settings={"auto_envvar_prefix": "LAKEHOUSE", "help_option_names": ["-h", "--help"]}
)
@click.option(
    "--project", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="The project's folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--verbose", is_flag=True, help="Show tracebacks.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.version_option(__version__, prog_name="lakehouse")
@click.pass_context
def cli(ctx: click.Context, project: Path, as_json: bool, verbose: bool, quiet: bool) -> None:
    """A medallion lake of PostgreSQL data on S3, the same on a laptop as on AWS.

    \b
    First steps:
      lakehouse demo        the sample, end to end, on local services
      lakehouse run         bring the lake up to date
      lakehouse query "select * from gold.customer_value limit 5"
    """
    ctx.obj = Options(project, as_json, verbose, quiet)


def print_json(value: Any) -> None:
    from lakehouse.terminal import print_json as show

    show(value)


def print_table(title: str, columns: tuple[str, ...], rows: list[Any]) -> None:
    from lakehouse.terminal import print_table as show

    show(title, columns, rows)


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the global options as its first argument."""

    @wraps(function)
    @click.pass_obj
    def called(options: Options, *args: Any, **kwargs: Any) -> Any:
        return function(options, *args, **kwargs)

    return called


@cli.command()
@click.option("--trino", is_flag=True, help="Trino too (1-3 GB of memory).")
@command
def up(options: Options, trino: bool) -> None:
    """Start PostgreSQL, MinIO and the Glue API here.

    \b
    Example: lakehouse up --trino
    """
    from lakehouse import stack
    from lakehouse.terminal import print_services

    print_services(stack.up(options.project, trino=trino, report=options.report), as_json=options.as_json)


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
@click.argument("dump")
@command
def restore(options: Options, dump: str) -> None:
    """Load a pg_dump file into the source.

    Custom, directory, tar or plain form; a path, or an s3:// URL.

    \b
    Example: lakehouse restore sales.dump
    """
    from lakehouse.extract.restore import restore_dump
    from lakehouse.store import Store

    project = options.project
    s3 = Store(project.lake).client if dump.startswith("s3://") else None
    result = restore_dump(dump, project.source, s3=s3, report=options.report)
    if options.as_json:
        print_json(asdict(result))
    else:
        click.echo(
            f"{dump}: {result.tables} tables, {result.rows:,} rows into {project.source.place}, {result.seconds:.1f} s"
        )


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


@cli.command()
@click.argument("sql")
@click.option(
    "--format", "shape", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print rows."
)
@click.option("--as-of", help="Tables as they were at the end of a run, or at a time (UTC).")
@command
def query(options: Options, sql: str, shape: str, as_of: str | None) -> None:
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
    with open_session(options.project) as session, answer(session, text, as_of) as found:
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
        click.echo(f"{len(findings)} findings" if findings else "models, headers and suites are in order", err=True)
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
