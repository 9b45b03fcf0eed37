"""First gold models where the shape of the tables suggests them: facts by day, dimensions with what points at them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.scaffold.columns import SilverColumn
from lakehouse.scaffold.draft import ROWS_TO_PARTITION, Draft, Reference
from lakehouse.scaffold.naming import written

# More would be read by nobody; the largest tables come first.
MOST_OF_A_KIND = 8
COUNTABLE = re.compile(r"_(quantity|qty|amount|units|count|points|seconds|minutes|bytes|total)_")
NOT_ADDED = re.compile(
    r"_(price|rate|percent|percentage|pct|ratio|lat|lon|lng|latitude|longitude|id|score|rating|year)_"
)


@dataclass(frozen=True)
class GoldModel:
    """A generated gold model; `day` is its date column where it has one row per day."""

    name: str
    sql: str
    key: tuple[str, ...]
    may_be_empty: bool
    day: str | None = None
    measures: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Fact:
    """A table whose rows happened on days: its own, or those of the table that it references."""

    draft: Draft
    when: SilverColumn
    owner: Draft
    reference: Reference | None


def gold_models(drafts: Sequence[Draft]) -> list[GoldModel]:
    """Facts by day, then dimensions with counts; none where the tables suggest none."""
    by_name = {d.name: d for d in drafts}
    largest = sorted(drafts, key=lambda d: (-d.rows, d.name))
    facts = [f for d in largest if (f := _fact(d, by_name))][:MOST_OF_A_KIND]
    dimensions = [m for d in largest if (m := _dimension(d, drafts))][:MOST_OF_A_KIND]
    return [*(_daily(f) for f in facts), *dimensions]


def question_sql(model: GoldModel) -> str:
    """A first question to a model of facts by day: the months."""
    day = model.day or ""
    sums = "".join(f",\n    sum({written(m)}) as {written(m)}" for m in model.measures)
    month = f"cast(date_trunc('month', {written(day)}) as date)"
    return (
        f"-- How do {model.name.removeprefix('daily_').replace('_', ' ')} go from month to month?\n"
        f"select\n    {month} as month_start{sums}\nfrom gold.{model.name}\ngroup by {month}\norder by month_start\n"
    )


def _fact(draft: Draft, by_name: dict[str, Draft]) -> _Fact | None:
    if not draft.references:
        return None
    if draft.when is not None:
        return _Fact(draft, draft.when, draft, None)
    for reference in draft.references:
        owner = by_name[reference.table]
        unique = set(reference.table_columns) == set(owner.key)
        if owner is not draft and owner.when is not None and unique and _measures(draft):
            return _Fact(draft, owner.when, owner, reference)
    return None


def _measures(draft: Draft) -> list[SilverColumn]:
    """The columns that may be added up: decimals, and whole numbers that count something."""
    named = {*draft.key, *(c for r in draft.references for c in r.columns)}
    found = []
    for column in draft.columns:
        words = f"_{column.name}_"
        whole = column.type in ("integer", "bigint") and COUNTABLE.search(words)
        decimal = column.type.startswith("decimal") and column.scale != 0
        if column.name not in named and (whole or decimal) and not NOT_ADDED.search(words):
            found.append(column)
    return found


def _daily(fact: _Fact) -> GoldModel:
    draft, measures = fact.draft, _measures(fact.draft)
    taken = {f"{m.name}" for m in measures}
    day = _free("day_date", taken)
    rows = _free(f"{draft.name}_count", taken | {day})
    when = f"cast({'' if fact.reference is None else 'owners.'}{written(fact.when.name)} as date)"
    columns = [f"    {when} as {day}", f"    cast(count(*) as bigint) as {rows}"]
    for m in measures:
        kind = "bigint" if m.scale is None else f"decimal(38, {m.scale})"
        own = written(m.name) if fact.reference is None else f"facts.{written(m.name)}"
        columns.append(f"    cast(sum({own}) as {kind}) as {written(m.name)}")
    body = ",\n".join(columns)
    filled = f"\nwhere {written(fact.when.name)} is not null" if fact.when.source.nullable else ""
    if fact.reference is None:
        source = f"silver.{draft.name}{filled}"
    else:
        source = (
            f"silver.{draft.name} as facts\ninner join silver.{fact.owner.name} as owners on {_on(fact.reference)}"
            f"{filled.replace('where ', 'where owners.')}"
        )
    without = " Rows without a date are not in it." if filled else ""
    said = f"-- One row per day with {draft.name.replace('_', ' ')}, by {fact.when.name} (UTC).{without}\n"
    large = f"-- partition_by: month({day})\n-- update: by_partition\n" if draft.rows >= ROWS_TO_PARTITION else ""
    header = f"{said}-- key: {day}\n{large}"
    sql = f"{header}select\n{body}\nfrom {source}\ngroup by {when}\n"
    name = f"daily_{draft.name}"
    added = tuple(m.name for m in measures)
    empty = not draft.profile.rows or bool(filled)
    return GoldModel(name, sql, (day,), empty, day, (rows, *added))


def _on(reference: Reference) -> str:
    pairs = zip(reference.columns, reference.table_columns, strict=True)
    return " and ".join(f"facts.{written(mine)} = owners.{written(theirs)}" for mine, theirs in pairs)


def _dimension(draft: Draft, drafts: Sequence[Draft]) -> GoldModel | None:
    """One row of `draft` with how many rows of other tables name it, if tables larger than it do."""
    if len(draft.key) != 1:
        return None
    key = draft.key[0]
    pointing = [
        (d, r)
        for d in drafts
        for r in d.references
        if d is not draft and r.table == draft.name and r.table_columns == (key,) and d.rows >= draft.rows
    ]
    if not pointing or not draft.profile.rows:
        return None
    labels = [c for c in draft.columns if c.type == "varchar" and c.note is None][:2]
    kept = [c for c in draft.columns if c.name == key] + [c for c in labels if c.name != key]
    shown = [c for c in kept if c.source.name not in draft.personal or c.name == key]
    taken, ctes, joins = {c.name for c in shown}, [], []
    columns = [f"    cast(dimension.{written(c.name)} as {c.type}) as {written(c.name)}" for c in shown]
    for number, (other, reference) in enumerate(pointing, 1):
        count = _free(f"{other.name}_count", taken)
        taken.add(count)
        mine = written(reference.columns[0])
        ctes.append(
            f"counted_{number} as (\n    select\n        {mine} as reference,\n        count(*) as row_count\n"
            f"    from silver.{other.name}\n    group by {mine}\n)"
        )
        joins.append(f"left join counted_{number} on dimension.{written(key)} = counted_{number}.reference")
        columns.append(f"    cast(coalesce(counted_{number}.row_count, 0) as bigint) as {count}")
    one = draft.name.replace("_", " ")
    header = f"-- One row for each of {one}, with how many rows of other tables name it.\n-- key: {key}\n"
    body, joined = ",\n".join(columns), "\n".join(joins)
    sql = f"{header}with {', '.join(ctes)}\n\nselect\n{body}\nfrom silver.{draft.name} as dimension\n{joined}\n"
    return GoldModel(f"{draft.name}_activity", sql, (key,), may_be_empty=False)


def _free(name: str, taken: set[str]) -> str:
    number, candidate = 2, name
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
