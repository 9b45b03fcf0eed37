"""A look at the rows: what a first suite may propose, and values that no typed column could hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.names import literal, quote
from lakehouse.scaffold.columns import NUMERIC, PRINTED, TEXT, base_type
from lakehouse.scaffold.found import FoundColumn, FoundTable

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

# The first so many rows of a table are looked at for proposals; its special values are looked for in all of them.
SAMPLE_ROWS = 20_000
MOST_VALUES = 10
# PostgreSQL returns at most 1,664 columns.
COLUMNS_AT_ONCE = 300
NUMBERS = ("smallint", "integer", "bigint", "real", "double precision", "numeric")


@dataclass(frozen=True)
class ColumnProfile:
    """Of the sampled rows: how many are null, the values if there are few, the least if it is a number."""

    nulls: int
    values: tuple[str, ...] = ()
    least: str | None = None


@dataclass(frozen=True)
class Profile:
    """`rows` were sampled (all, unless `is_partial`); `specials` are columns that no typed column could hold."""

    rows: int
    is_partial: bool
    columns: Mapping[str, ColumnProfile]
    specials: frozenset[str]


def profile_table(cursor: cursor, table: FoundTable) -> Profile:
    """Look at the table's rows; it reads the table once."""
    rows, columns = 0, {}
    for start in range(0, len(table.columns), COLUMNS_AT_ONCE):
        some = table.columns[start : start + COLUMNS_AT_ONCE]
        expressions = ", ".join(_expressions(c) for c in some)
        cursor.execute(
            f"select count(*), {expressions} from (select * from {table.qualified} limit {SAMPLE_ROWS}) sampled"
        )
        found = cursor.fetchone()
        assert found is not None
        rows = int(found[0])
        for i, column in enumerate(some):
            filled, values, least = found[1 + 3 * i : 4 + 3 * i]
            columns[column.name] = ColumnProfile(rows - int(filled), tuple(values or ()), least)
    return Profile(rows, rows >= SAMPLE_ROWS, columns, _specials(cursor, table))


def _expressions(column: FoundColumn) -> str:
    """Three columns of the query: values that are there, the distinct ones if few, the least."""
    name = quote(column.name)
    values, least = "null::text[]", "null::text"
    if TEXT.fullmatch(column.type):
        few = f"count(distinct {name}::text) <= {MOST_VALUES}"
        values = f"case when {few} then array_agg(distinct {name}::text) filter (where {name} is not null) end"
    if column.type in NUMBERS or NUMERIC.fullmatch(column.type):
        least = f"min({name})::text"
    return f"count({name}), {values}, {least}"


def _specials(cursor: cursor, table: FoundTable) -> frozenset[str]:
    checked = {c.name: pattern for c in table.columns if (pattern := _pattern(c)) is not None}
    if not checked:
        return frozenset()
    tests = ", ".join(f"coalesce(bool_or({quote(n)}::text !~ {literal(p)}), false)" for n, p in checked.items())
    cursor.execute(f"select {tests} from {table.qualified}")
    found = cursor.fetchone()
    assert found is not None
    return frozenset(name for name, is_special in zip(checked, found, strict=True) if is_special)


def _pattern(column: FoundColumn) -> str | None:
    return PRINTED["numeric"] if NUMERIC.fullmatch(column.type) else PRINTED.get(base_type(column.type))
