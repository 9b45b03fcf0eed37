"""Bronze and silver models of a draft, as text in the house's style."""

from __future__ import annotations

import textwrap

from lakehouse.names import quote
from lakehouse.scaffold.columns import SilverColumn
from lakehouse.scaffold.draft import Draft
from lakehouse.scaffold.naming import is_reserved, written

WIDTH = 116


def bronze_sql(draft: Draft, default_schema: str) -> str:
    """The SELECT that leaves PostgreSQL: every column; listed where one is renamed or looks personal."""
    header = comment_lines(f"{said(draft)}, exactly as the source keeps them.")
    table = _source_table(draft, default_schema)
    if not draft.is_renamed and not draft.personal:
        return f"{header}select * from {table}\n"
    notes = ""
    if draft.personal:
        notes = comment_lines(
            "Columns that look personal say so below. Delete such a line, here and in queries/silver, or replace it by "
            "the line after 'or'; a column that the source gets later must be added here."
        )
    lines = []
    for i, column in enumerate(draft.columns):
        comma = "," if i < len(draft.columns) - 1 else ""
        lines.append(f"    {_taken(column)}{comma}{_personal_note(draft, column, comma)}")
    return f"{header}{notes}select\n" + "\n".join(lines) + f"\nfrom {table}\n"


def silver_sql(draft: Draft) -> str:
    """The typed table: the latest line of each key, or every line where no key is."""
    version = "version_rank" if all(c.name != "version_rank" for c in draft.columns) else "lakehouse_version_rank"
    columns = [written(c.name) for c in draft.columns]
    lines = ",\n".join(f"        {c}" for c in columns)
    final = _final_list(draft)
    if not draft.key:
        return (
            f"{_silver_header(draft)}with lines as (\n    select\n{lines},\n        _op\n"
            f"    from bronze.{draft.name}\n)\n\nselect\n{final}\nfrom lines\nwhere _op = 'upsert'\n"
        )
    keys = ", ".join(written(k) for k in draft.key)
    rank = f"row_number() over (partition by {keys} order by _ingested_at desc) as {version}"
    return (
        f"{_silver_header(draft)}with lines as (\n    select\n{lines},\n        _op,\n        {rank}\n"
        f"    from bronze.{draft.name}\n),\n\n"
        f"latest as (\n    select * from lines\n    where {version} = 1 and _op = 'upsert'\n)\n\n"
        f"select\n{final}\nfrom latest\n"
    )


def said(draft: Draft) -> str:
    """What the table holds, in the source's words if it has any."""
    comment = " ".join((draft.found.comment or "").split()).rstrip(".")
    return f"{draft.found.label}: {comment}" if comment else f"Rows of {draft.found.label}"


def comment_lines(text: str) -> str:
    """`text` as SQL comment lines, none of which can be taken for a key of the header."""
    return "".join(f"-- {line}\n" for line in textwrap.wrap(_not_a_key(text), WIDTH, break_on_hyphens=False))


def _not_a_key(text: str) -> str:
    # A header's key is lower-case letters and a colon at the beginning of a line.
    return text.replace(": ", " - ")


def _silver_header(draft: Draft) -> str:
    one = "One row per " + (
        " and ".join(k.replace("_", " ") for k in draft.key) or "row of the source, which has no key"
    )
    utc = "; times in UTC" if any(c.type == "timestamp(6)" for c in draft.columns) else ""
    lines = [f"-- {one} of {draft.found.label}, latest version{utc}.\n"]
    lines.append(f"-- key: {', '.join(draft.key) or 'none'}\n")
    if draft.partition:
        lines.append(f"-- partition_by: month({draft.partition.name})\n")
    if draft.update == "by_key":
        lines.append("-- update: by_key\n")
    return "".join(lines)


def _final_list(draft: Draft) -> str:
    last = len(draft.columns) - 1
    notes = [f"  -- {' '.join(c.note.split())}" if c.note else "" for c in draft.columns]
    return "\n".join(
        f"    {c.line}{',' if i < last else ''}{note}"
        for i, (c, note) in enumerate(zip(draft.columns, notes, strict=True))
    )


def _taken(column: SilverColumn) -> str:
    """A column of the bronze list; quoted as PostgreSQL needs it."""
    source = column.source.name
    name = written(source) if source == column.name else quote(source)
    return name if source == column.name else f"{name} as {written(column.name)}"


def _personal_note(draft: Draft, column: SilverColumn, comma: str) -> str:
    what = draft.personal.get(column.source.name)
    if what is None:
        return ""
    source = quote(column.source.name) if column.source.name != column.name else written(column.name)
    hashed = f"encode(sha256(convert_to({source}::text, 'UTF8')), 'hex') as {written(column.name)}{comma}"
    kept = " (it is in the key)" if column.name in draft.key else ""
    return f"  -- {what}?{kept} Delete the line, or {hashed}"


def _source_table(draft: Draft, default_schema: str) -> str:
    found = draft.found
    name = found.name if found.schema == default_schema else f"{found.schema}.{found.name}"
    return f"source.{name if name == found.name and _is_bare(name) else quote(name)}"


def _is_bare(name: str) -> bool:
    return written(name) == name and not is_reserved(name)
