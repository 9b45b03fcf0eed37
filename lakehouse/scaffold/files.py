"""The files of a new project that are not models or suites: settings, a notebook, a DAG."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def toml_text(name: str, source: str, schema: str) -> str:
    """lakehouse.toml; the source's URL holds a password and stays in the environment."""
    return (
        "# Nothing secret belongs in this file: the source's URL is read from LAKEHOUSE_SOURCE_URL.\n"
        f"[project]\nname = {json.dumps(name)}\n\n"
        f"[source]\nname = {json.dumps(source)}\nschema = {json.dumps(schema)}\n\n"
        '[lake]\n# url = "s3://bucket/prefix"     # or LAKEHOUSE_LAKE; without it, the local services (lakehouse up)\n'
        'region = "us-east-1"\n\n[engine]\ndefault = "duckdb"\nmemory_limit = "1GB"\n'
    )


def dag_text(name: str) -> str:
    """The DAG, from the template that lies beside this module."""
    return (files("lakehouse.scaffold") / "medallion_dag.py.txt").read_text(encoding="utf-8").replace("{name}", name)


def notebook_text(gold: str | None, table: str) -> str:
    """A first look: attach, what is there, the rows of one table."""
    shown = f"gold.{gold}" if gold else f"silver.{table}"
    cells = [
        ("markdown", "# A first look at the lake\n\nBring it up to date first: `lakehouse run`."),
        ("code", "import lakehouse\n\ncon = lakehouse.connect()"),
        ("markdown", "What is there? Bronze is text exactly as PostgreSQL printed it, silver is typed."),
        (
            "code",
            'con.sql("""\n    select schema_name, view_name from duckdb_views()\n'
            '    where database_name = \'lake\' order by all\n""")',
        ),
        ("markdown", f"Some rows of `{shown}`."),
        ("code", f'con.sql("from {shown} limit 10")'),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {
        "cells": [_cell(i, kind, text) for i, (kind, text) in enumerate(cells)],
        "metadata": metadata,
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1) + "\n"


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(True)}
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell
