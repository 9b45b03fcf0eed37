"""What Athena's statements are called in Trino: UNLOAD, CREATE TABLE … WITH, Hive's SHOW and DESCRIBE; or why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
UNLOAD = re.compile(r"unload\s*\(", re.IGNORECASE)
UNLOAD_TO = re.compile(r"\s*to\s+'(?P<to>[^']+)'\s*(?:with\s*\((?P<with>.*)\))?\s*$", re.IGNORECASE | re.DOTALL)
CTAS = re.compile(
    r"create\s+table\s+(?P<guard>if\s+not\s+exists\s+)?(?P<name>[^\s(]+)\s*(?P<with>with\s*\()?", re.IGNORECASE
)
DATABASE = re.compile(
    r"create\s+(?:database|schema)\s+(?P<guard>if\s+not\s+exists\s+)?(?P<name>\S+)\s*"
    r"(?:comment\s+'(?:[^']|'')*'\s*)?(?:location\s+(?P<location>'[^']*'))?\s*$",
    re.IGNORECASE,
)
SHOW_TABLES = re.compile(r"show\s+tables(?:\s+(?:in|from)\s+(?P<of>\S+))?(?:\s+'(?P<like>[^']*)')?\s*$", re.IGNORECASE)
OPTIMIZE = re.compile(r"optimize\s+(?P<name>\S+)\s+rewrite\s+data\s+using\s+bin_pack(?P<where>.*)$", re.I | re.DOTALL)
HIVE_ONLY = (
    "create external", "msck", "alter table", "vacuum", "load", "truncate", "show partitions", "show tblproperties",
    "show views", "grant", "revoke",
)  # fmt: skip
SELECTS = ("select", "with", "values", "table", "(")
WRITES = ("insert", "update", "delete", "merge")
# Trino's Hive connector has these; the rest of Athena's are about Iceberg, or are a setting of the session.
HIVE_PROPERTIES = ("format", "external_location", "partitioned_by", "bucketed_by", "bucket_count")
ICEBERG_PROPERTIES = ("format", "location", "partitioning")
COMPRESSION = ("write_compression", "parquet_compression", "orc_compression", "compression")


class Unsupported(Exception):
    """The local Athena does not do it; the text says what to do instead."""


@dataclass(frozen=True)
class Statement:
    """What Trino is to run. `files_at`: where CTAS and UNLOAD leave files; `drop`: a table to forget at the end."""

    kind: str  # DML, DDL or UTILITY, as GetQueryExecution says
    sub_kind: str
    sql: str
    files_at: str | None = None
    drop: str | None = None
    session: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_header(self) -> bool:
        return self.sub_kind in ("SELECT", "EXPLAIN")


def translate(sql: str, execution_id: str, output: str, database: str) -> Statement:
    """An Athena statement in Trino's words; `output` is the query's result location, ending with a slash.

    Raises:
        Unsupported: Hive's own DDL, which Trino has not.
    """
    begin = COMMENTS.match(sql).end()  # type: ignore[union-attr]
    found = _translated(sql[begin:].rstrip().rstrip(";").rstrip(), execution_id, output, database)
    # So that errors name the caller's lines.
    return replace(found, sql="\n" * sql.count("\n", 0, begin) + found.sql)


def _translated(text: str, execution_id: str, output: str, database: str) -> Statement:
    first = " ".join(text.lower().split()[:2])
    if first.startswith(SELECTS):
        return Statement("DML", "SELECT", text)
    if first.startswith(WRITES):
        return Statement("DML", first.split()[0].upper(), text)
    if UNLOAD.match(text):
        return _unload(text, execution_id)
    if first.startswith("explain"):
        return Statement("UTILITY", "EXPLAIN", text)
    for words in HIVE_ONLY:
        if " ".join(text.lower().split()[: len(words.split())]) == words:
            raise Unsupported(
                f"the local Athena does not run {words.upper()}: it is Hive's DDL, and Trino has none. "
                "Make or change the table in Glue (boto3, Terraform), or with CREATE TABLE … WITH (…) AS SELECT"
            )
    return _ddl(text, first, execution_id, output, database)


def _ddl(text: str, first: str, execution_id: str, output: str, database: str) -> Statement:
    text = re.sub(r"`([^`]*)`", r'"\1"', text)
    if first == "create table":
        return _create_table(text, execution_id, output, database)
    if match := DATABASE.match(text):
        location = f" with (location = {match['location']})" if match["location"] else ""
        return Statement("DDL", "CREATE_DATABASE", f"create schema {match['guard'] or ''}{match['name']}{location}")
    if first in ("drop database", "drop schema"):
        return Statement("DDL", "DROP_DATABASE", re.sub(r"(?i)^drop\s+database", "drop schema", text))
    if first in ("show databases", "show schemas"):
        return Statement("UTILITY", "SHOW_DATABASES", re.sub(r"(?i)^show\s+databases", "show schemas", text))
    if match := SHOW_TABLES.match(text):
        of = f" from {match['of']}" if match["of"] else ""
        like = f" like '{match['like'].replace('*', '%')}'" if match["like"] else ""
        return Statement("UTILITY", "SHOW_TABLES", f"show tables{of}{like}")
    if match := OPTIMIZE.match(text):
        return Statement("DDL", "OPTIMIZE", f"alter table {match['name']} execute optimize{match['where']}")
    kind = "UTILITY" if first.startswith(("show", "desc")) else "DDL"
    text = re.sub(r"(?i)^desc(ribe)?\s+(formatted\s+|extended\s+)?", "describe ", text)
    return Statement(kind, "_".join(first.upper().split()), text)


def _unload(text: str, execution_id: str) -> Statement:
    end = closing(text, text.index("("))
    match = UNLOAD_TO.match(text[end + 1 :])
    if match is None:
        raise Unsupported("line 1:1: mismatched input. Expecting: UNLOAD (query) TO 's3://…' WITH (format = 'PARQUET')")
    given = properties(match["with"] or "")
    table = f"unload_{execution_id.replace('-', '_')}"
    wanted = {k: v for k, v in given.items() if k in ("format", "partitioned_by")} | {
        "external_location": f"'{match['to']}'"
    }
    select = text[text.index("(") + 1 : end]
    made = f"create table {table} with ({_listed(wanted)}) as {select}\n"
    return Statement("DML", "UNLOAD", made, match["to"], table, _session(given))


def _create_table(text: str, execution_id: str, output: str, database: str) -> Statement:
    match = CTAS.match(text)
    if match is None or not re.search(r"(?i)\bas\b", text):
        raise Unsupported("the local Athena makes tables with CREATE TABLE … AS SELECT only; or make it in Glue")
    given: dict[str, str] = {}
    rest = text[match.end() :]
    if match["with"]:
        end = closing(text, match.end() - 1)
        given, rest = properties(text[match.end() : end]), text[end + 1 :]
    guard, name = match["guard"] or "", match["name"]
    if given.get("table_type", "").strip("'").upper() == "ICEBERG":
        wanted = {k: v for k, v in given.items() if k in ICEBERG_PROPERTIES}
        qualified = (
            name if name.count(".") == 2 else f"iceberg.{name}" if "." in name else f'iceberg."{database}".{name}'
        )
        made = f"create table {guard}{qualified} with ({_listed(wanted)}){rest}"
        return Statement("DDL", "CREATE_TABLE_AS_SELECT", made, None, None, {})
    wanted = {k: v for k, v in given.items() if k in HIVE_PROPERTIES}
    place = wanted.setdefault("external_location", f"'{output}tables/{execution_id}/'").strip("'")
    wanted.setdefault("format", "'PARQUET'")
    made = f"create table {guard}{name} with ({_listed(wanted)}){rest}"
    return Statement("DDL", "CREATE_TABLE_AS_SELECT", made, place, None, _session(given))


def _session(given: Mapping[str, str]) -> dict[str, str]:
    codec = next((given[k].strip("'").upper() for k in COMPRESSION if k in given), "GZIP")
    return {"awsdatacatalog.compression_codec": codec if codec in ("NONE", "SNAPPY", "GZIP", "ZSTD", "LZ4") else "GZIP"}


def _listed(wanted: Mapping[str, str]) -> str:
    return ", ".join(f"{k} = {v}" for k, v in wanted.items())


def closing(text: str, opening: int) -> int:
    """Where the parenthesis that opens at `opening` closes, quotes and comments left aside."""
    depth = 0
    for match in re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|[()]", re.DOTALL).finditer(
        text, opening
    ):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    raise Unsupported("line 1:1: mismatched input '<EOF>'. Expecting: ')'")


def properties(text: str) -> dict[str, str]:
    """`format = 'PARQUET', partitioned_by = ARRAY['a', 'b']` by lower-case name."""
    found = re.findall(r"(\w+)\s*=\s*((?:array\s*)?\[[^\]]*\]|'(?:[^']|'')*'|[^,\s]+)", text, re.IGNORECASE)
    return {name.lower(): value for name, value in found}
