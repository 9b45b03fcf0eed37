"""The source's names become the lake's: lower case with underscores, unique, and no word that SQL keeps for itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from lakehouse.extract.bronze import RESERVED
from lakehouse.names import quote
from lakehouse.scaffold.found import FoundTable

WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# Words that DuckDB and Presto let be and PostgreSQL does not (a bare "user" is who is logged in, silently), and those
# of times, which some engine reads as a function or a literal.
MORE_WORDS = (
    "authorization binary concurrently grant current_catalog current_date current_role current_schema "
    "current_time current_timestamp current_user freeze isnull localtime localtimestamp notnull overlaps session_user "
    "system_user user date day hour minute month second time timestamp year"
)


def lake_name(name: str, otherwise: str) -> str:
    """A name with lower-case letters, digits and underscores only: OrderDetails is order_details."""
    text = unicodedata.normalize("NFKD", WORD_BREAK.sub("_", name.replace("ß", "ss")))
    ascii_only = "".join(c for c in text if not unicodedata.combining(c)).encode("ascii", "replace").decode().lower()
    cleaned = re.sub(r"_+", "_", re.sub(r"[^a-z0-9_]", "_", ascii_only)).rstrip("_")
    if not cleaned.strip("_0123456789"):
        return otherwise
    return f"n{cleaned}" if cleaned[0].isdigit() else cleaned


def table_names(tables: Sequence[FoundTable]) -> dict[int, str]:
    """The lake's name of each table by its oid; where two schemas would share one, the schema comes before it."""
    wanted = {t.oid: _wanted(t, number) for number, t in enumerate(tables, 1)}
    schemas: dict[str, set[str]] = {}
    for table in tables:
        schemas.setdefault(wanted[table.oid], set()).add(table.schema)
    shared = {name for name, of in schemas.items() if len(of) > 1}
    taken: set[str] = set()
    names = {}
    # A table that has its name already keeps it.
    for table in sorted(tables, key=lambda t: wanted[t.oid] != t.name):
        name = wanted[table.oid]
        names[table.oid] = _unused(f"{lake_name(table.schema, 'schema')}_{name}" if name in shared else name, taken)
    return names


def _wanted(table: FoundTable, number: int) -> str:
    name = table.name if _is_fine(table.name) else lake_name(table.name, f"table_{number}")
    return f"{name}_table" if is_reserved(name) else name


def column_names(columns: Sequence[str]) -> dict[str, str]:
    """The lake's name of each column of one table."""
    taken = {c for c in columns if _is_fine(c)}
    return {c: c if c in taken else _unused(lake_name(c, f"column_{i}"), taken) for i, c in enumerate(columns, 1)}


def written(name: str) -> str:
    """A name as SQL text: quoted where PostgreSQL, DuckDB or Athena would not take it bare."""
    return name if PLAIN.fullmatch(name) and not is_reserved(name) else quote(name)


def is_reserved(name: str) -> bool:
    return name in _reserved()


@cache
def _reserved() -> frozenset[str]:
    import duckdb
    from sqlglot.generators.presto import PrestoGenerator

    with duckdb.connect() as con:
        rows = con.execute("select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'")
        return frozenset(
            {str(r[0]) for r in rows.fetchall()} | set(PrestoGenerator.RESERVED_KEYWORDS) | set(MORE_WORDS.split())
        )


def _is_fine(name: str) -> bool:
    return PLAIN.fullmatch(name) is not None and name not in RESERVED


def _unused(name: str, taken: set[str]) -> str:
    name = name.lstrip("_") if name in RESERVED else name
    number, candidate = 2, name
    while candidate in taken or candidate in RESERVED:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate
