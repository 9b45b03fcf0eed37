"""The command that makes a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lakehouse.cli.base import Options, cli, command, print_json

if TYPE_CHECKING:
    from lakehouse.scaffold.project import NewProject


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--source", envvar="LAKEHOUSE_SOURCE_URL", required=True, help="postgresql://user:password@host/database")
@click.option("--tables", default="", help="Only these, separated by commas; views must be named.")
@click.option("--schema", default="public", show_default=True, help="One or several, separated by commas; * for all.")
@command
def init(options: Options, directory: Path, source: str, tables: str, schema: str) -> None:
    """Write a project for an existing PostgreSQL database into DIRECTORY.

    The URL may also be given as LAKEHOUSE_SOURCE_URL, where no list of processes shows its password.

    \b
    Examples:
      lakehouse init shop --source postgresql://me@localhost/shop
      lakehouse init crm --schema sales,hr --tables orders,hr.employees
    """
    from lakehouse.scaffold.project import create_project

    made = create_project(directory, source, _listed(schema), _listed(tables), report=options.report)
    print_json(made.to_json()) if options.as_json else _show(options, made)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _show(options: Options, made: NewProject) -> None:
    from rich.table import Table

    from lakehouse.terminal import console

    out = console()
    table = Table(title=f"{made.place}: {len(made.drafts)} tables", title_justify="left")
    for name, justify in (("table", "left"), ("rows", "right"), ("columns", "right"), ("key", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name in ("references", "looks personal", "kept as text"):
        table.add_column(name, overflow="fold")
    for draft in made.drafts:
        shown = draft.found.label if draft.found.name == draft.name else f"{draft.found.label} → {draft.name}"
        about = "~" if draft.profile.is_partial else ""
        table.add_row(
            shown,
            f"{about}{draft.rows:,}",
            str(len(draft.columns)),
            ", ".join(draft.key) or "none",
            ", ".join(dict.fromkeys(r.table for r in draft.references)),
            ", ".join(draft.personal),
            ", ".join(c.name for c in draft.columns if c.note),
        )
    out.print(table)
    for name, why in made.left_out:
        out.print(f"left out: {name}, {why}")
    gold = ", ".join(m.name for m in made.gold) or "none suggests itself"
    out.print(f"gold: {gold}")
    personal = sum(len(d.personal) for d in made.drafts)
    if personal:
        out.print(f"{personal} columns look personal: queries/bronze has for each the line that drops or hashes it.")
    options.report(
        f"Written to {made.directory}. Next: cd {made.directory}; export LAKEHOUSE_SOURCE_URL=…; lakehouse up; "
        "lakehouse run. The suites are a proposal: read expectations/, then make them yours."
    )
