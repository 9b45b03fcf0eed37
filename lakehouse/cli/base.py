"""What every command shares: the global options, the group that knows what you meant, how results are printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakehouse import __version__

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
