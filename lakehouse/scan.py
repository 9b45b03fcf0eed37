"""How many bytes a query would read on Athena, from the metadata of the tables alone; nothing is read for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.bronze import Manifest
from lakehouse.catalog.types import duckdb_type
from lakehouse.errors import EngineError
from lakehouse.names import LAYERS, TableName

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.types import IcebergType
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

# Trino reads a smaller Parquet file whole, whatever columns are wanted (parquet.small-file-threshold).
WHOLE_FILE_BYTES = 3 << 20
FOOTER_BYTES = 2 * (48 << 10)  # of a larger one, twice its last 48 KB beside the columns (measured, Trino 476)
MIRRORED = {"eq": "eq", "gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}


@dataclass(frozen=True)
class TableScan:
    """One reading of one table: how much of it. `partitions` are its partition columns."""

    table: str
    columns: tuple[str, ...]
    bytes: int
    files: int
    files_total: int
    partitions: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it reads every file of a table that is partitioned so that one need not."""
        return bool(self.partitions) and self.files_total > 1 and self.files == self.files_total

    def __str__(self) -> str:
        part = f"{self.files} of {self.files_total} files, {len(self.columns)} columns"
        return f"{self.table}: {self.bytes / 1e6:,.1f} MB ({part})"


@dataclass(frozen=True)
class Tables:
    """How to look tables up: silver and gold in the catalog, bronze by its manifest. `Inputs` has both."""

    table: Callable[[TableName], Table | None]
    manifest: Callable[[str], Manifest | None]


@dataclass(frozen=True)
class Reading:
    """One mention of a table in a query, and what of it is wanted."""

    name: TableName
    columns: tuple[str, ...] | None  # None where it could not be told: all
    conditions: tuple[exp.Expr, ...] = ()


def estimate_scan(sql: str, tables: Tables) -> list[TableScan]:
    """What a query would read of each table it names, as often as it names it; an upper bound.

    Columns that are not used and files that partitions or column bounds rule out are left out, as Athena leaves them
    out. What is not understood counts as read.
    """
    return [scan for reading in _readings(sql, tables) if (scan := _scan(reading, tables))]


def check_cap(sql: str, tables: Tables, max_bytes: int | None, place: str) -> int:
    """The estimated bytes of a query.

    Raises:
        EngineError: they are more than `max_bytes`; nothing was run.
    """
    scans = estimate_scan(sql, tables)
    total = sum(s.bytes for s in scans)
    if max_bytes is not None and total > max_bytes:
        largest = "; ".join(str(s) for s in sorted(scans, key=lambda s: -s.bytes)[:3])
        raise EngineError(
            f"{place} would scan about {total / 1e6:,.1f} MB on Athena, more than the {max_bytes / 1e6:,.1f} MB that "
            f"this project allows a query: {largest}. Nothing was run. Name fewer columns, filter by the partition "
            "column, or raise max_bytes in lakehouse.toml ([athena]) or LAKEHOUSE_ATHENA_MAX_BYTES."
        )
    return total


def whole_reads(sql: str, partitions: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The tables, of those that are partitioned, which a query reads without a condition on what they are split by.

    From the text alone, so in doubt for the query: a condition on a column of that name, unless another table's.
    """
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, dialect="athena")
    named = [t for t in tree.find_all(exp.Table) if t.db in LAYERS]
    filters = [*tree.find_all(exp.Where), *(j.args["on"] for j in tree.find_all(exp.Join) if j.args.get("on"))]
    filtered = [c for f in filters for c in f.find_all(exp.Column) if not _is_join(c)]
    found = set()
    for table in named:
        by = partitions.get(f"{table.db}.{table.name}", ())
        others = {t.alias_or_name for t in named} - {table.alias_or_name}
        if by and not any(c.name in by and c.table not in others for c in filtered):
            found.add(f"{table.db}.{table.name}")
    return sorted(found)


def _is_join(column: exp.Column) -> bool:
    from sqlglot import exp

    both = column.parent
    return isinstance(both, exp.EQ) and isinstance(both.this, exp.Column) and isinstance(both.expression, exp.Column)


def _readings(sql: str, tables: Tables) -> list[Reading]:
    import sqlglot
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer import optimize
    from sqlglot.optimizer.pushdown_predicates import pushdown_predicates
    from sqlglot.optimizer.pushdown_projections import pushdown_projections
    from sqlglot.optimizer.qualify import qualify

    try:
        tree = sqlglot.parse_one(sql, dialect="athena")
    except SqlglotError as e:
        raise EngineError(f"The query does not parse, so what it reads is not known: {str(e).splitlines()[0]}") from e
    names = list(_names(tree))
    try:
        tree = optimize(
            tree,
            schema=_schema(names, tables),
            dialect="athena",
            rules=(qualify, pushdown_predicates, pushdown_projections),
            validate_qualify_columns=False,
        )
    except SqlglotError:
        return [Reading(name, None) for name in names]
    return list(_qualified(tree))


def _names(tree: exp.Expr) -> Iterator[TableName]:
    from sqlglot import exp

    for table in tree.find_all(exp.Table):
        if table.db in LAYERS:
            yield TableName(table.db, table.name)


def _schema(names: Iterable[TableName], tables: Tables) -> dict[str, object]:
    found: dict[str, Any] = {}
    for name in set(names):
        columns = _columns(name, tables)
        if columns:
            found.setdefault(name.layer, {})[name.table] = columns
    return found


def _columns(name: TableName, tables: Tables) -> dict[str, str]:
    if name.layer == "bronze":
        manifest = tables.manifest(name.table)
        return dict.fromkeys([*(c.name for c in manifest.columns), "_op", "_ingested_at"], "text") if manifest else {}
    table = tables.table(name)
    return {f.name: duckdb_type(f.field_type).lower() for f in table.schema().fields} if table else {}


def _qualified(tree: exp.Expr) -> Iterator[Reading]:
    """Every reading: a CTE that is named twice is run twice, as Athena and Trino do."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope, traverse_scope

    scopes = traverse_scope(tree)
    times: Counter[int] = Counter({id(scopes[-1]): 1}) if scopes else Counter()
    for scope in reversed(scopes):
        count = times[id(scope)]
        inner = [s for _, s in scope.selected_sources.values() if isinstance(s, Scope)]
        for below in (*inner, *scope.set_operation_scopes, *scope.subquery_scopes):
            times[id(below)] += count
        for alias, (_, source) in scope.selected_sources.items():
            if isinstance(source, exp.Table) and source.db in LAYERS:
                columns = tuple(sorted({c.name for c in scope.columns if c.table == alias}))
                name = TableName(source.db, source.name)
                yield from [Reading(name, columns, tuple(_conditions(scope, alias)))] * count


def _conditions(scope: Scope, alias: str) -> Iterator[exp.Expr]:
    """The conditions, each of which must hold, that are about columns of `alias` alone."""
    from sqlglot import exp

    where = scope.expression.args.get("where")
    for condition in (
        where.this.flatten() if where and isinstance(where.this, exp.And) else [where.this] if where else []
    ):
        columns = list(condition.find_all(exp.Column))
        if columns and all(c.table in (alias, "") for c in columns) and not condition.find(exp.Query):
            yield condition


def _scan(reading: Reading, tables: Tables) -> TableScan | None:
    if reading.name.layer == "bronze":
        manifest = tables.manifest(reading.name.table)
        if manifest is None:
            return None
        total = sum(link.size_bytes for link in manifest.chain)  # lines are read whole
        return TableScan(str(reading.name), reading.columns or (), total, len(manifest.chain), len(manifest.chain), ())
    table = tables.table(reading.name)
    if table is None or table.current_snapshot() is None:
        return None
    schema = table.schema()
    columns = reading.columns if reading.columns is not None else tuple(f.name for f in schema.fields)
    wanted = {i for name in columns for i in _leaves(schema, name)}
    files = [task.file for task in table.scan(row_filter=_row_filter(reading.conditions, schema)).plan_files()]
    everything = len(list(table.scan().plan_files()))
    size = sum(_file_bytes(f.file_size_in_bytes, f.column_sizes, wanted) for f in files)
    partitions = tuple(schema.find_column_name(f.source_id) or "" for f in table.spec().fields)
    return TableScan(str(reading.name), columns, size, len(files), everything, partitions)


def _file_bytes(size: int, columns: Mapping[int, int] | None, wanted: set[int]) -> int:
    if not wanted:
        return 0  # rows are counted from the metadata
    if size < WHOLE_FILE_BYTES or not columns:
        return size
    return FOOTER_BYTES + sum(n for field_id, n in columns.items() if field_id in wanted)


def _leaves(schema: Schema, name: str) -> list[int]:
    """The ids under which a file's statistics have a column: its own, or those of what is in it."""
    from pyiceberg.types import ListType, MapType, StructType

    def walk(field_id: int, kind: IcebergType) -> Iterator[int]:
        if isinstance(kind, ListType):
            yield from walk(kind.element_id, kind.element_type)
        elif isinstance(kind, MapType):
            yield from walk(kind.key_id, kind.key_type)
            yield from walk(kind.value_id, kind.value_type)
        elif isinstance(kind, StructType):
            for f in kind.fields:
                yield from walk(f.field_id, f.field_type)
        else:
            yield field_id

    fields = [f for f in schema.fields if f.name.lower() == name.lower()]
    return [i for f in fields for i in walk(f.field_id, f.field_type)]


def _row_filter(conditions: Iterable[exp.Expr], schema: Schema) -> BooleanExpression:
    from pyiceberg.expressions import AlwaysTrue, And
    from pyiceberg.expressions.visitors import bind

    found: BooleanExpression = AlwaysTrue()
    for condition in conditions:
        converted = _predicate(condition)
        if converted is None:
            continue
        try:
            bind(schema, converted, case_sensitive=False)
        except (ValueError, TypeError):
            continue  # a value of another type: nothing is ruled out by it
        found = And(found, converted)
    return found


def _predicate(condition: exp.Expr) -> BooleanExpression | None:
    """`column <= constant`, `between`, `in` and `is null` as pyiceberg has them; None for anything else."""
    from pyiceberg import expressions
    from sqlglot import exp

    ice: Any = expressions  # its signatures are those of pydantic, which mypy takes at their word
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if isinstance(condition, exp.Binary) and condition.key in MIRRORED:
        return _comparison(condition.key, condition.this, condition.expression)
    column = condition.this
    if not isinstance(column, exp.Column):
        return None
    if isinstance(condition, exp.Between):
        low, high = (_comparison(key, column, condition.args[side]) for key, side in (("gte", "low"), ("lte", "high")))
        return ice.And(low, high) if low and high else None
    if isinstance(condition, exp.In):
        values = [_constant(v) for v in condition.expressions]
        return ice.In(column.name, values) if values and None not in values else None
    is_null = isinstance(condition, exp.Is) and isinstance(condition.expression, exp.Null)
    return ice.IsNull(column.name) if is_null else None


def _comparison(key: str, left: exp.Expr, right: exp.Expr) -> BooleanExpression | None:
    from pyiceberg import expressions as ice
    from sqlglot import exp

    if isinstance(right, exp.Column):
        left, right, key = right, left, MIRRORED[key]
    value = _constant(right)
    if not isinstance(left, exp.Column) or value is None:
        return None
    kinds: dict[str, Any] = {
        "eq": ice.EqualTo,
        "gt": ice.GreaterThan,
        "gte": ice.GreaterThanOrEqual,
        "lt": ice.LessThan,
        "lte": ice.LessThanOrEqual,
    }
    found: BooleanExpression = kinds[key](left.name, value)
    return found


def _constant(expression: exp.Expr) -> Any:
    """A constant's value as pyiceberg reads it, or None."""
    from decimal import Decimal

    from sqlglot import exp

    while isinstance(expression, exp.Cast | exp.Paren | exp.Date | exp.DateStrToDate | exp.TsOrDsToDate):
        if isinstance(expression, exp.Cast) and expression.to.is_type("timestamp", "timestamptz", "timestampntz"):
            inner = _constant(expression.this)
            return _moment(inner) if isinstance(inner, str) else None
        expression = expression.this
    if not isinstance(expression, exp.Literal):
        return None
    if expression.is_string:
        return str(expression.this)
    return int(expression.this) if str(expression.this).isdigit() else Decimal(str(expression.this))


def _moment(text: str) -> str:
    """`2024-05-01 12:00` in ISO form with seconds."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return text
