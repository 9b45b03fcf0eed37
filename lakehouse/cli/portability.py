"""Whether the SQL means the same elsewhere."""

from __future__ import annotations

from dataclasses import asdict

import click

from lakehouse.cli.base import Options, cli, command, print_json
from lakehouse.errors import EnginesDiffer


@cli.command()
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False))
@command
def compare(options: Options, files: tuple[str, ...]) -> None:
    """Run the same SQL on DuckDB and Trino: values and types.

    Without FILES, every model above bronze and every question. Exit 4 where the engines differ.

    \b
    Example: lakehouse compare queries/analysis/best_stores.sql
    """
    from lakehouse.compare import compare_files

    found = compare_files(options.project, files)
    if options.as_json:
        print_json([asdict(f) for f in found])
    else:
        for one in found:
            click.echo(f"{one.name}: {f'equal, {one.rows:,} rows' if one.difference is None else one.difference}")
    differing = [f.name for f in found if f.difference is not None]
    if differing:
        raise EnginesDiffer(
            f"{len(differing)} of {len(found)} differ or could not be compared, first {differing[0]}. Athena would "
            "answer otherwise than here. Change the text as its line says; where only rows of a LIMIT differ, "
            "order by a key."
        )
