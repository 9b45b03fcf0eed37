"""Commands that say beforehand: what a run would do."""

from __future__ import annotations

import click

from lakehouse.cli.base import Options, cli, command, print_json


@cli.command()
@click.argument("tables", nargs=-1)
@click.option("--full", is_flag=True, help="As if everything were copied and rebuilt.")
@command
def plan(options: Options, tables: tuple[str, ...], full: bool) -> None:
    """What a run of the lake, or of TABLES, would do and why; writes nothing.

    \b
    Examples:
      lakehouse plan
      lakehouse plan gold.customer_value --full
    """
    from lakehouse.plan import plan_run

    steps = plan_run(options.project, tables, full=full)
    if options.as_json:
        print_json([s.to_json() for s in steps])
        return
    from rich.markup import escape
    from rich.table import Table

    from lakehouse.terminal import console

    moving = [s for s in steps if s.outcome != "nothing"]
    idle = len(steps) - len(moving)
    table = Table(title=f"a run would touch {len(moving)} tables and leave {idle} as they are", title_justify="left")
    table.add_column("table", no_wrap=True)
    for name in ("what", "rows", "deleted", "partitions", "why"):
        table.add_column(name, justify="right" if name in ("rows", "deleted") else "left", overflow="fold")
    for step in moving:
        what = step.scope.replace("_", " ") if step.outcome == "done" else f"[red]{step.outcome}[/]"
        why = step.reason + (f"; {step.drift}" if step.drift and step.drift not in step.reason else "")
        cells = (_number(step.rows), _number(step.deleted), _shown(step.partitions), escape(why))
        table.add_row(str(step.table), what, *cells)
    console().print(table)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _shown(partitions: tuple[str, ...] | None) -> str:
    if not partitions:
        return ""
    more = f" and {len(partitions) - 4} more" if len(partitions) > 4 else ""
    return ", ".join(partitions[:4]) + more
