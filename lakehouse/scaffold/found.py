"""What PostgreSQL's catalog says of all tables of some schemas, in a handful of queries however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from lakehouse.errors import SourceError
from lakehouse.names import quote
from lakehouse.project import Source

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}
TAKEN_UNASKED = ("r", "p")
ALL_SCHEMAS = "*"

SCHEMAS = """
select n.nspname::text, count(c.oid) from pg_namespace n
left join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') and not c.relispartition
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' group by n.nspname order by n.nspname
"""
RELATIONS = """
select c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, obj_description(c.oid, 'pg_class'),
       (select greatest(sum(k.reltuples), 0)::bigint from pg_class k
        where k.oid = c.oid or k.oid in (select relid from pg_partition_tree(c.oid))),
       c.relkind = 'r' and exists (select from pg_inherits h where h.inhparent = c.oid),
       has_table_privilege(c.oid, 'select') and has_schema_privilege(n.oid, 'usage')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any(%s) and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
order by array_position(%s, n.nspname::text), c.relname
"""
# A column's type is that of its domain's base, however deep.
COLUMNS = """
with recursive typed as (
    select a.attrelid, a.attnum, a.atttypid as type, a.atttypmod as mod, a.attnotnull as required
    from pg_attribute a where a.attrelid = any(%s::bigint[]::oid[]) and a.attnum > 0 and not a.attisdropped
    union all
    select d.attrelid, d.attnum, t.typbasetype, t.typtypmod, d.required or t.typnotnull
    from typed d join pg_type t on t.oid = d.type where t.typtype = 'd'
)
select a.attrelid::bigint, a.attname::text, format_type(d.type, d.mod), format_type(a.atttypid, a.atttypmod),
       not d.required, col_description(a.attrelid, a.attnum),
       array(select e.enumlabel::text from pg_enum e where e.enumtypid = d.type order by e.enumsortorder)
from typed d join pg_type t on t.oid = d.type and t.typtype <> 'd'
join pg_attribute a on a.attrelid = d.attrelid and a.attnum = d.attnum
order by a.attrelid, a.attnum
"""
# As extraction chooses it: the primary key, else the first unique index over not-null columns.
UNIQUE = """
select i.indrelid::bigint,
       array(select a.attname::text from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k(attnum, n)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum order by k.n),
       not exists (select from unnest(i.indkey[0:i.indnkeyatts - 1]) k(attnum)
                   join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where not a.attnotnull)
from pg_index i join pg_class x on x.oid = i.indexrelid
where i.indrelid = any(%s::bigint[]::oid[]) and i.indisunique and i.indisvalid and i.indimmediate
  and i.indpred is null and i.indexprs is null
order by i.indrelid, i.indisprimary desc, i.indnkeyatts, x.relname
"""
CONSTRAINTS = """
select c.conrelid::bigint, c.contype::text, pg_get_constraintdef(c.oid, true), c.confrelid::bigint,
       array(select a.attname::text from unnest(c.conkey) with ordinality k(attnum, n)
             join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum order by k.n),
       array(select a.attname::text from unnest(c.confkey) with ordinality k(attnum, n)
             join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.attnum order by k.n)
from pg_constraint c
where c.conrelid = any(%s::bigint[]::oid[]) and c.contype in ('f', 'c') and c.convalidated
order by c.conrelid, c.conname
"""


@dataclass(frozen=True)
class FoundColumn:
    """A column. `type` is its domain's base type, `declared` what the table says; `labels` are an enum's."""

    name: str
    type: str
    declared: str
    nullable: bool
    comment: str | None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignKey:
    """Columns of a table that name a row of the table with the oid `target`."""

    columns: tuple[str, ...]
    target: int
    target_columns: tuple[str, ...]


@dataclass(frozen=True)
class FoundTable:
    """A table of the source. `rows` is PostgreSQL's estimate, 0 where it has none; `uniques` are other than the key."""

    oid: int
    schema: str
    name: str
    kind: str
    comment: str | None
    rows: int
    has_children: bool
    columns: tuple[FoundColumn, ...]
    key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[str, ...]

    @property
    def qualified(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Found:
    """What there is, and what is left out with the reason."""

    tables: tuple[FoundTable, ...]
    left_out: tuple[tuple[str, str], ...]


def find_tables(cursor: cursor, source: Source, schemas: Sequence[str], tables: Sequence[str]) -> Found:
    """The tables of `schemas` ("*": all) or those of them that `tables` names; views only where they are named.

    Raises:
        SourceError: a schema or table that is not there, or nothing to take.
    """
    wanted = _schemas(cursor, source, schemas)
    cursor.execute(RELATIONS, (wanted, wanted))
    relations = cursor.fetchall()
    named = _named(source, wanted, tables, relations)
    taken, left_out = [], []
    for relation in relations:
        oid, schema, name, kind, _, _, _, is_readable = relation
        if named and oid not in named:
            continue
        if kind not in TAKEN_UNASKED and oid not in named:
            left_out.append((f"{schema}.{name}", f"a {KINDS[kind]}: copied whole each time; name it with --tables"))
        elif not is_readable:
            left_out.append((f"{schema}.{name}", "this user may not read it: grant select on it"))
        else:
            taken.append(relation)
    found = _details(cursor, taken)
    left_out += [(t.label, "has no columns") for t in found if not t.columns]
    kept = tuple(t for t in found if t.columns)
    if not kept:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out[:5])
        raise SourceError(f"{source.place}: nothing to take from schema {', '.join(wanted)}. {why or 'It is empty.'}")
    return Found(kept, tuple(left_out))


def _schemas(cursor: cursor, source: Source, schemas: Sequence[str]) -> list[str]:
    cursor.execute(SCHEMAS)
    there = dict(cursor.fetchall())
    filled = [name for name, tables in there.items() if tables]
    wanted = filled if list(schemas) == [ALL_SCHEMAS] else list(schemas)
    missing = [s for s in wanted if s not in there]
    if missing or not any(s in there for s in wanted) or (len(wanted) == 1 and not there[wanted[0]] and filled):
        what = f"there is no schema {missing[0]!r}" if missing else f"schema {', '.join(wanted) or '*'} has no tables"
        listed = ", ".join(f"{n} ({there[n]})" for n in filled) or "none"
        hint = f"Take one of them: --schema {','.join(filled)}." if filled else "Restore or create some first."
        raise SourceError(f"{source.place}: {what}. Schemas with tables: {listed}. {hint}")
    return wanted


def _named(source: Source, schemas: list[str], tables: Sequence[str], relations: list[Any]) -> set[int]:
    named = set()
    for table in tables:
        found = [r[0] for r in relations if table in (r[2], f"{r[1]}.{r[2]}")]
        if not found:
            names = [r[2] for r in relations]
            close = get_close_matches(table, names, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There is: {', '.join(names[:12]) or 'nothing'}."
            raise SourceError(f"{source.place}, schema {', '.join(schemas)}: there is no table {table!r}. {hint}")
        named |= set(found)
    return named


def _details(cursor: cursor, relations: list[Any]) -> list[FoundTable]:
    oids = [r[0] for r in relations]
    columns: dict[int, list[FoundColumn]] = defaultdict(list)
    cursor.execute(COLUMNS, (oids,))
    for oid, name, kind, declared, nullable, comment, labels in cursor.fetchall():
        columns[oid].append(FoundColumn(name, kind, declared, nullable, comment, tuple(labels)))
    uniques: dict[int, list[tuple[tuple[str, ...], bool]]] = defaultdict(list)
    cursor.execute(UNIQUE, (oids,))
    for oid, names, is_required in cursor.fetchall():
        uniques[oid].append((tuple(names), is_required))
    foreign: dict[int, list[ForeignKey]] = defaultdict(list)
    checks: dict[int, list[str]] = defaultdict(list)
    cursor.execute(CONSTRAINTS, (oids,))
    for oid, kind, text, target, names, theirs in cursor.fetchall():
        if kind == "f":
            foreign[oid].append(ForeignKey(tuple(names), target, tuple(theirs)))
        else:
            checks[oid].append(text)
    tables = []
    for oid, schema, name, kind, comment, rows, has_children, _ in relations:
        # Rows of tables that inherit from it are among its rows, and its indexes do not cover them.
        own = [] if has_children else uniques[oid]
        key = next((names for names, is_required in own if is_required), ())
        others = tuple(names for names, is_required in own if names != key and (is_required or len(names) == 1))
        constraints = (tuple(foreign[oid]), tuple(checks[oid]))
        described = (oid, schema, name, kind, comment, int(rows), has_children)
        tables.append(FoundTable(*described, tuple(columns[oid]), key, others, *constraints))
    return tables
