"""The types that are not PostgreSQL's own: what a table needs to exist elsewhere, and whose change changes its rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.bronze import TypeDefinition, TypeKind

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

KINDS: dict[str, TypeKind] = {"e": "enum", "d": "domain", "c": "composite", "r": "range"}

OIDS = "select distinct to_regtype(name)::oid::bigint from unnest(%s) name where to_regtype(name) is not null"

DEFINITIONS = """
select t.oid::bigint, t.typtype::text, t.typnamespace = 'pg_catalog'::regnamespace, format_type(t.oid, null),
       (select array[x.extname::text, x.extnamespace::regnamespace::text] from pg_depend d
        join pg_extension x on x.oid = d.refobjid
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'
          and d.refclassid = 'pg_extension'::regclass),
       case t.typtype
           when 'e' then array(select enumlabel::text from pg_enum where enumtypid = t.oid order by enumsortorder)
           when 'd' then array[format_type(t.typbasetype, t.typtypmod)]
           when 'c' then array(select quote_ident(attname) || ' ' || format_type(atttypid, atttypmod) from pg_attribute
                               where attrelid = t.typrelid and attnum > 0 and not attisdropped order by attnum)
           when 'r' then (select array[format_type(rngsubtype, null), format_type(rngmultitypid, null)]
                          from pg_range where rngtypid = t.oid)
           else '{}'
       end,
       array(select k::bigint from (
           select t.typbasetype as k union select t.typelem
           union select atttypid from pg_attribute where attrelid = t.typrelid and attnum > 0 and not attisdropped
           union select rngsubtype from pg_range where rngtypid = t.oid
           union select rngtypid from pg_range where rngmultitypid = t.oid) needed where k <> 0)
from pg_type t where t.oid = any(%s)
"""


def type_definitions(cursor: cursor, names: Iterable[str]) -> tuple[TypeDefinition, ...]:
    """Every type that `names` (format_type's) are made of and that another server may lack; those needed first."""
    cursor.execute(OIDS, (sorted(set(names)),))
    wanted = [row[0] for row in cursor.fetchall()]
    rows: dict[int, Any] = {}
    pending = wanted
    while pending:
        cursor.execute(DEFINITIONS, (pending,))
        found = {row[0]: row for row in cursor.fetchall()}
        rows |= found
        pending = sorted({oid for row in found.values() for oid in row[6]} - rows.keys())
    ordered: dict[int, None] = {}
    for oid in wanted:
        _visit(oid, rows, ordered)
    definitions = [_definition(rows[oid]) for oid in ordered]
    return tuple(dict.fromkeys(d for d in definitions if d is not None))


def changed_types(was: tuple[TypeDefinition, ...], now: tuple[TypeDefinition, ...]) -> list[str]:
    """What makes rows print otherwise though nobody wrote them: a renamed label, an added attribute. In words."""
    before = {d.name: d for d in was}
    return [
        f"the type {d.name} was {', '.join(before[d.name].parts)}, is {', '.join(d.parts)}"
        for d in now
        if d.name in before and d != before[d.name] and not _only_more_labels(before[d.name], d)
    ]


def create_statement(definition: TypeDefinition) -> str:
    """The statement that makes the type, where it is not there."""
    from lakehouse.names import literal, quote

    name, parts = definition.name, definition.parts
    if definition.kind == "extension":
        return f"create extension if not exists {quote(name)} with schema {parts[1]}"
    if definition.kind == "enum":
        return f"create type {name} as enum ({', '.join(literal(p) for p in parts)})"
    if definition.kind == "domain":
        return f"create domain {name} as {parts[0]}"
    if definition.kind == "composite":
        return f"create type {name} as ({', '.join(parts)})"
    return f"create type {name} as range (subtype = {parts[0]}, multirange_type_name = {parts[1]})"


def _visit(oid: int, rows: dict[int, Any], ordered: dict[int, None]) -> None:
    if oid in ordered or oid not in rows:
        return
    for needed in rows[oid][6]:
        _visit(needed, rows, ordered)
    ordered[oid] = None


def _definition(row: Any) -> TypeDefinition | None:
    _, kind, is_builtin, name, extension, parts, _ = row
    if extension:
        return TypeDefinition(extension[0], "extension", tuple(extension))
    if is_builtin or kind not in KINDS:
        return None
    return TypeDefinition(name, KINDS[kind], tuple(parts))


def _only_more_labels(was: TypeDefinition, now: TypeDefinition) -> bool:
    return was.kind == now.kind == "enum" and set(was.parts) <= set(now.parts)
