"""Run a model's SELECT into Parquet files that nothing points to yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.types import iceberg_type
from lakehouse.engines import Receipt
from lakehouse.engines.duckdb import explain_duckdb_error
from lakehouse.errors import LakehouseError, ModelError
from lakehouse.model import Model, PartitionField
from lakehouse.names import literal, quote
from lakehouse.project import Lake

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType

FILE_BYTES = "128MB"
PARTITION_FORMATS = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%d-%H"}


@dataclass(frozen=True)
class StagedFiles:
    urls: tuple[str, ...]
    rows: int
    size_bytes: int
    receipt: Receipt | None = None


def output_schema(con: DuckDBPyConnection, model: Model, lake: Lake) -> Schema:
    """The Iceberg schema of a model's result, columns in the model's order, ids from 1.

    Raises:
        ModelError: the SELECT does not bind, a column has no exact type, or the header names a column it lacks.
    """
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    described = run_sql(con, f"describe {model.select}", model, lake)
    ids = count(len(described) + 1)
    fields = [
        NestedField(i, name, iceberg_type(kind, f"{model.path}: column {name}", lambda: next(ids)), required=False)
        for i, (name, kind, *_) in enumerate(described, 1)
    ]
    names = [f.name for f in fields]
    for role, wanted in (("key", model.key), ("partition_by", tuple(p.column for p in model.partition_by))):
        missing = [w for w in wanted if w not in names]
        if missing:
            returned = ", ".join(names)
            raise ModelError(
                f"{model.path}: {role} names {missing[0]!r}, which the SELECT does not return. It returns: {returned}."
            )
    return Schema(*fields)


def stage_files(
    con: DuckDBPyConnection,
    select: str,
    schema: Schema,
    partition: Sequence[PartitionField],
    prefix_url: str,
    model: Model,
    lake: Lake,
) -> StagedFiles:
    """Write `select` as Parquet with the schema's field ids under `prefix_url`, a folder per partition."""
    columns = ", ".join(quote(f.name) for f in schema.fields)
    derived = {f"{p.column}_{p.transform}": partition_value(p) for p in partition}
    extra = "".join(f", {value} as {quote(name)}" for name, value in derived.items())
    if derived:
        layout = f"partition_by ({', '.join(quote(name) for name in derived)})"
    else:
        layout = f"file_size_bytes {literal(FILE_BYTES)}"
    written = run_sql(
        con,
        f"copy (select {columns}{extra} from ({select}\n) q) to {literal(prefix_url.rstrip('/'))} "
        f"(format parquet, compression zstd, field_ids {_field_ids(schema)}, {layout}, "
        "filename_pattern 'part-{uuid}', return_stats, overwrite_or_ignore)",
        model,
        lake,
    )
    kept = [(str(url), int(rows), int(size)) for url, rows, size, *_ in written if int(rows)]
    return StagedFiles(tuple(u for u, _, _ in kept), sum(r for _, r, _ in kept), sum(s for _, _, s in kept))


def run_sql(con: DuckDBPyConnection, sql: str, model: Model, lake: Lake) -> list[tuple[Any, ...]]:
    """Execute `sql`; what DuckDB says of it becomes an error that names the model's file."""
    from duckdb import Error

    try:
        return con.execute(sql).fetchall()
    except Error as e:
        raise explain_duckdb_error(e, lake) or _explain(e, model) from e


def _explain(error: Exception, model: Model) -> LakehouseError:
    what, _, where = str(error).partition("\nLINE ")
    # `describe` is given the file's text with its leading lines, so there DuckDB counts lines as an editor does.
    plain = where and model.duckdb_sql is None and "copy (" not in where
    line = f":{where.split(':')[0]}" if plain else ""
    return ModelError(
        f"{model.path}{line}: {model.name} could not be made: {' '.join(what.split())[:500]}. Nothing was committed; "
        "readers still see the version before. If a value does not fit its type, clean it in the SELECT or refuse it "
        "in the bronze suite."
    )


def partition_value(field: PartitionField) -> str:
    """The expression that names the partition a row belongs to."""
    column = quote(field.column)
    return (
        column
        if field.transform == "identity"
        else f"strftime({column}, {literal(PARTITION_FORMATS[field.transform])})"
    )


def cluster_partition_value(field: PartitionField, schema: Schema) -> str | None:
    """The same in Athena's dialect and as text; None where the engines print such a value in different ways."""
    from pyiceberg import types

    column, kind = quote(field.column), schema.find_field(field.column).field_type
    if field.transform == "identity":
        same = (types.StringType, types.IntegerType, types.LongType, types.DateType, types.BooleanType)
        return f"cast({column} as varchar)" if isinstance(kind, same) else None
    if isinstance(kind, types.TimestamptzType):
        column = f"({column} at time zone 'UTC')"
    return f"date_format({column}, {literal(PARTITION_FORMATS[field.transform])})"


def _field_ids(schema: Schema) -> str:
    return "{" + ", ".join(f"{literal(f.name)}: {_ids(f.field_id, f.field_type)}" for f in schema.fields) + "}"


def _ids(field_id: int, kind: IcebergType) -> str:
    from pyiceberg.types import ListType, MapType, StructType

    if isinstance(kind, ListType):
        return f"{{__duckdb_field_id: {field_id}, element: {_ids(kind.element_id, kind.element_type)}}}"
    if isinstance(kind, MapType):
        key, value = _ids(kind.key_id, kind.key_type), _ids(kind.value_id, kind.value_type)
        return f"{{__duckdb_field_id: {field_id}, key: {key}, value: {value}}}"
    if isinstance(kind, StructType):
        inner = ", ".join(f"{literal(f.name)}: {_ids(f.field_id, f.field_type)}" for f in kind.fields)
        return f"{{__duckdb_field_id: {field_id}, {inner}}}"
    return str(field_id)
