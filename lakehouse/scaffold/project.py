"""lakehouse init: look at a database, and write a project for it, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from lakehouse.errors import ProjectError
from lakehouse.extract.source import connect_source, explained
from lakehouse.project import Secret, Source
from lakehouse.scaffold.draft import Draft, draft_tables
from lakehouse.scaffold.files import dag_text, notebook_text, toml_text
from lakehouse.scaffold.found import KINDS, Found, find_tables
from lakehouse.scaffold.gold import GoldModel, gold_models, question_sql
from lakehouse.scaffold.models import bronze_sql, silver_sql
from lakehouse.scaffold.naming import lake_name
from lakehouse.scaffold.profile import profile_table
from lakehouse.scaffold.suites import acyclic_references, bronze_suite, gold_suite, silver_suite

Report = Callable[[str], None]


@dataclass(frozen=True)
class NewProject:
    """What `lakehouse init` found and wrote."""

    directory: Path
    place: str
    drafts: tuple[Draft, ...]
    gold: tuple[GoldModel, ...]
    left_out: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "directory": str(self.directory),
            "source": self.place,
            "tables": [_told(d) for d in self.drafts],
            "gold": [m.name for m in self.gold],
            "left_out": [{"table": name, "why": why} for name, why in self.left_out],
        }


def create_project(
    directory: Path,
    url: str,
    schemas: Sequence[str] = ("public",),
    tables: Sequence[str] = (),
    *,
    report: Report = print,
) -> NewProject:
    """Read the database at `url` and write a project for it into `directory`, which must be empty or absent.

    Raises:
        ProjectError: the directory holds something, or the URL is not PostgreSQL's; nothing was written.
        SourceError: the database cannot be read, or has nothing to take; nothing was written.
    """
    _check_target(directory)
    source = _source(url)
    found, drafts = _look(source, schemas, tables, report)
    gold = tuple(gold_models(drafts))
    default = found.tables[0].schema if len({t.schema for t in found.tables}) == 1 else schemas[0]
    default = found.tables[0].schema if default == "*" else default
    name = lake_name(directory.resolve().name, "lake")
    files = _files(name, source, default, drafts, gold)
    _write(directory, files)
    return NewProject(directory, source.place, tuple(drafts), gold, found.left_out)


def _source(url: str) -> Source:
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ProjectError(
            "--source is not a PostgreSQL URL. Write it as postgresql://user:password@host:5432/database. "
            "Nothing was written."
        )
    return Source(lake_name(parts.path.lstrip("/"), "source"), "public", Secret(url))


def _check_target(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise ProjectError(f"{directory} is a file. Name a directory that is empty or not there yet.")
    held = sorted(p.name for p in directory.iterdir()) if directory.exists() else []
    if held:
        shown = ", ".join(held[:3]) + (f" and {len(held) - 3} more" if len(held) > 3 else "")
        raise ProjectError(
            f"{directory} is not empty: it holds {shown}. init writes a whole project and overwrites nothing. "
            "Name a directory that is empty or not there yet."
        )


def _look(source: Source, schemas: Sequence[str], tables: Sequence[str], report: Report) -> tuple[Found, list[Draft]]:
    connection = connect_source(source)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with explained(source), connection.cursor() as cursor:
            found = find_tables(cursor, source, schemas, tables)
            report(f"{source.place}: {len(found.tables)} tables; looking at their rows")
            profiles = {}
            for table in found.tables:
                profiles[table.oid] = profile_table(cursor, table)
        return found, draft_tables(found.tables, profiles)
    finally:
        connection.close()


def _files(
    name: str, source: Source, schema: str, drafts: Sequence[Draft], gold: Sequence[GoldModel]
) -> dict[str, str]:
    files = {"lakehouse.toml": toml_text(name, source.name, schema), ".gitignore": ".lakehouse/\n"}
    references = acyclic_references(drafts)
    for draft in drafts:
        files[f"queries/bronze/{draft.name}.sql"] = bronze_sql(draft, schema)
        files[f"queries/silver/{draft.name}.sql"] = silver_sql(draft)
        files[f"expectations/bronze/{draft.name}.json"] = _json(bronze_suite(draft))
        files[f"expectations/silver/{draft.name}.json"] = _json(silver_suite(draft, references[draft.name]))
    for model in gold:
        files[f"queries/gold/{model.name}.sql"] = model.sql
        suite = gold_suite(model.name, model.key, may_be_empty=model.may_be_empty)
        files[f"expectations/gold/{model.name}.json"] = _json(suite)
    questions = {f"monthly_{m.name.removeprefix('daily_')}": m for m in gold if m.day}
    for question, model in list(questions.items())[:3]:
        files[f"queries/analysis/{question}.sql"] = question_sql(model)
    first = gold[0].name if gold else None
    files["notebooks/first_look.ipynb"] = notebook_text(first, drafts[0].name)
    files["dags/medallion_etl_pipeline.py"] = dag_text(name)
    return files


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write(directory: Path, files: Mapping[str, str]) -> None:
    """All files at once: into a folder beside it, which then takes the directory's name."""
    target = directory.resolve()
    partial = target.parent / f".{target.name}.{token_hex(4)}.partial"
    try:
        for path, text in files.items():
            file = partial / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        partial.rename(target)  # over an empty directory too; if somebody filled it meanwhile, it fails
    except OSError as e:
        raise ProjectError(
            f"{directory} could not be written: {e.strerror}. Nothing of it is there. "
            "Check the place's permissions and space, then run again."
        ) from e
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _told(draft: Draft) -> dict[str, Any]:
    return {
        "table": draft.found.label,
        "name": draft.name,
        "kind": KINDS[draft.found.kind],
        "rows": draft.rows,
        "columns": len(draft.columns),
        "key": list(draft.key),
        "references": [r.table for r in draft.references],
        "comment": draft.found.comment,
        "text_columns": {c.name: c.note for c in draft.columns if c.note},
        "personal": dict(draft.personal),
        "update": draft.update,
    }
