"""The site's commands."""

from __future__ import annotations

from pathlib import Path

import click

from lakehouse.cli.base import Options, cli, command, print_json


@cli.group()
def site() -> None:
    """The static site of the lake's tables.

    \b
    Example: lakehouse site build
    """


@site.command()
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Folder; default .lakehouse/site.")
@command
def build(options: Options, to: Path | None) -> None:
    """Write the pages of every table.

    \b
    Example: lakehouse site build --to public
    """
    from lakehouse.site.build import build_site

    project = options.project
    target = to or project.state_dir / "site"
    written = build_site(project, target)
    if options.as_json:
        print_json({"site": str(target), "pages": len(written)})
    else:
        click.echo(target / "index.html")
        options.report(f"{len(written)} pages")
