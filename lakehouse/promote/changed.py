"""The SELECTs of a partial update: what a model gives for the keys or partitions that changed, and what stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from lakehouse.catalog.bronze import Manifest, bronze_select
from lakehouse.catalog.iceberg import TableVersion, files_select, live_files
from lakehouse.catalog.types import duckdb_type
from lakehouse.errors import ModelError
from lakehouse.model import Model
from lakehouse.names import literal, quote
from lakehouse.promote.inputs import Inputs, expose, parse_table
from lakehouse.promote.plan import Work
from lakehouse.promote.stage import cluster_partition_value, partition_value, run_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.schema import Schema

KEYS = "changed_keys"
# With these in it, the partitions that changed rows reach cannot be found by running the model over those rows alone:
# an output row may then depend on the absence of others, or on rows of other partitions.
ACROSS_ROWS = (exp.Window, exp.Having, exp.Limit, exp.Offset, exp.Qualify, exp.Exists, exp.Except, exp.Intersect)


@dataclass(frozen=True)
class Replacement:
    """What to write (`select`) and which of the table's files it replaces.

    `portable` is the same SELECT for a cluster, over the tables as the catalog has them; None where it reads what only
    this connection sees.
    """

    select: str
    removed: tuple[str, ...]
    portable: str | None = None


def replace_keys(
    con: DuckDBPyConnection, inputs: Inputs, model: Model, work: Work, schema: Schema, files: tuple[str, ...]
) -> Replacement:
    """The model over the changed bronze rows, with the untouched rows of the files that held their old versions.

    Raises:
        ModelError: the model's key is not its bronze table's own key, unchanged, so old rows could not be found.
    """
    reference = work.changed[0]
    manifest = inputs.manifest(parse_table(reference).table)
    assert manifest is not None
    _check_key(model, manifest, reference)
    changed_rows = bronze_select(inputs.catalog.store, manifest, work.links)
    expose(con, {reference: changed_rows})
    types = {f.name: duckdb_type(f.field_type) for f in schema.fields}
    keys = ", ".join(quote(k) for k in model.key)
    cast = ", ".join(f"cast({quote(k)} as {types[k]}) as {quote(k)}" for k in model.key)
    lake = inputs.catalog.store.lake
    run_sql(con, f"create or replace temp table {KEYS} as select distinct {cast} from ({changed_rows})", model, lake)
    # The files' rows are read twice, the keys alone first: only files that hold a changed key are rewritten.
    with_names = files_select(schema, files, filename=True)
    touched = run_sql(con, f"select distinct filename from ({with_names}) semi join {KEYS} using ({keys})", model, lake)
    removed = tuple(str(row[0]) for row in touched)
    columns = ", ".join(quote(f.name) for f in schema.fields)
    fresh = f"select {columns} from ({model.select}\n) q"
    if not removed:
        return Replacement(fresh, ())
    kept = f"select {columns} from ({files_select(schema, removed)}) anti join {KEYS} using ({keys})"
    return Replacement(f"{fresh} union all {kept}", removed)


def replace_partitions(
    con: DuckDBPyConnection,
    inputs: Inputs,
    model: Model,
    work: Work,
    version: TableVersion,
    schema: Schema,
    files: tuple[str, ...],
) -> Replacement | str:
    """The model for the partitions that changed input rows reach; or, in words, why it must be rebuilt in full.

    A partition changes only if a row that came or went contributes to it. So the model is run once for each changed
    input, over its files that came or went, beside the old and new files of the other changed inputs together: every
    old or new combination of rows is among those.
    """
    why = why_not_by_partition(model)
    if why:
        return why
    # As DuckDB's text: Python prints booleans and fractions of a second in its own way.
    value, lake = f"cast({partition_value(model.partition_by[0])} as varchar)", inputs.catalog.store.lake
    moved: dict[str, tuple[str, str]] = {}
    for reference in work.changed:
        selects = _moved_rows(inputs, reference, version)
        if selects is None:
            return f"the version of {reference} it was made from is no longer known"
        moved[reference] = selects
    reached: set[str | None] = {None}
    for reference, (only_moved, _) in moved.items():
        expose(con, {r: both for r, (_, both) in moved.items()} | {reference: only_moved})
        found = run_sql(con, f"select distinct {value} from ({model.select}\n) q", model, lake)
        reached |= {row[0] for row in found}
    expose(con, {r: select for r in work.changed if (select := inputs.select(r))})
    columns = ", ".join(quote(f.name) for f in schema.fields)
    chosen = _in(value, reached)
    with_names = files_select(schema, files, filename=True)
    touched = run_sql(con, f"select distinct filename from ({with_names}) q where {chosen}", model, lake)
    remote = cluster_partition_value(model.partition_by[0], schema)
    portable = f"select {columns} from ({model.sql.strip()}\n) q where {_in(remote, reached)}" if remote else None
    removed = tuple(str(r[0]) for r in touched)
    return Replacement(f"select {columns} from ({model.select}\n) q where {chosen}", removed, portable)


def why_not_by_partition(model: Model) -> str | None:
    """Why the model must be rebuilt in full whatever changed, or None."""
    if len(model.partition_by) > 1:
        return "it has several partition fields"
    if not _is_row_joined(model):
        return "it compares rows with each other or joins them outer, so changed rows can reach any partition"
    return None


def _check_key(model: Model, manifest: Manifest, reference: str) -> None:
    bare = {k: _is_bare(model, manifest, reference, k) for k in model.key}
    wrong = [k for k, is_bare in bare.items() if not is_bare]
    if set(model.key) != set(manifest.key) or wrong:
        found, said = ", ".join(manifest.key) or "none", ", ".join(model.key)
        computed = f", and {wrong[0]} is computed" if wrong else ""
        raise ModelError(
            f"{model.path}: update: by_key needs the key of {reference} ({found}), at most cast; the header "
            f"says {said}{computed}. Old rows could not be found again, so nothing was committed. "
            "Use that key, or remove the line: update: by_key."
        )


def _is_bare(model: Model, manifest: Manifest, reference: str, column: str) -> bool:
    """Whether an output column is a bronze column of the same name, cast at most."""
    columns = {c.name: "varchar" for c in manifest.columns} | {"_op": "varchar", "_ingested_at": "varchar"}
    layer, table = reference.split(".", 1)
    node = _lineage(model, column, {layer: {table: columns}})
    if node is None:
        return False
    while True:
        expression = node.expression
        while isinstance(expression, (exp.Alias, exp.Cast, exp.Paren)):
            expression = expression.this
        if isinstance(expression, exp.Table):
            return node.name.rpartition(".")[2].strip('"') == column and expression.sql(dialect="athena").startswith(
                (reference, f'"{layer}"')
            )
        if not isinstance(expression, exp.Column) or len(node.downstream) != 1:
            return False
        node = node.downstream[0]


def _is_row_joined(model: Model) -> bool:
    """Whether the model is joins, filters and aggregates only, so that each input row reaches its own partitions."""
    tree = sqlglot.parse_one(model.sql, dialect="athena")
    if tree.find(*ACROSS_ROWS) is not None or any(j.side for j in tree.find_all(exp.Join)):
        return False
    nested = (s for s in tree.find_all(exp.Subquery) if not isinstance(s.parent, exp.From | exp.Join))
    return next(nested, None) is None and not any(i.args.get("query") for i in tree.find_all(exp.In))


def _lineage(model: Model, column: str, schema: Mapping[str, object] | None) -> Node | None:
    try:
        return lineage(column, model.sql, schema=dict(schema or {}), dialect="athena")
    except SqlglotError:
        return None


def _moved_rows(inputs: Inputs, reference: str, version: TableVersion) -> tuple[str, str] | None:
    """SELECTs of the rows that came or went since `version`, and of all old and new ones; None if it is forgotten."""
    table = inputs.table(parse_table(reference))
    old = int(version.inputs.get(reference, 0))
    if table is None or table.snapshot_by_id(old) is None:
        return None
    was = {f.file_path for f in live_files(table, old)}
    now = {f.file_path for f in live_files(table)}
    return files_select(table.schema(), sorted(was ^ now)), files_select(table.schema(), sorted(was | now))


def _in(value: str, found: set[str | None]) -> str:
    texts = ", ".join(literal(v) for v in sorted(v for v in found if v is not None))
    return f"({f'{value} in ({texts}) or ' if texts else ''}{value} is null)"
