"""First suites: what the source's constraints demand, and what its rows suggest, marked as a proposal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakehouse.promote.suites import MAY_BE_EMPTY
from lakehouse.promote.vocabulary import COMPOUND_UNIQUE, ROW_COUNT_BETWEEN, UNEXPECTED_ROWS, UNIQUE
from lakehouse.scaffold.columns import SilverColumn
from lakehouse.scaffold.draft import Draft, Reference
from lakehouse.scaffold.naming import written

Line = dict[str, Any]
NOT_NULL, BETWEEN, IN_SET = (
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
)
BOUNDS: Mapping[type[exp.Expr], Line] = {
    exp.GTE: {"min_value": None},
    exp.GT: {"min_value": None, "strict_min": True},
    exp.LTE: {"max_value": None},
    exp.LT: {"max_value": None, "strict_max": True},
}
# Fewer rows say too little of the next ones.
ROWS_TO_PROPOSE_FROM = 30


def bronze_suite(draft: Draft) -> Line:
    """Rows, the key, and that every date and number is one that silver's types can hold."""
    lines = [*_rows(draft, "an empty copy is a broken copy"), *_key(draft.key)]
    for column in draft.columns:
        if column.printed is not None:
            why = (
                f"silver's {column.type} holds no other value exactly: infinity, NaN, BC and years above 9999 stop here"
            )
            kwargs = {"column": column.name, "regex": column.printed}
            lines.append(_line("expect_column_values_to_match_regex", kwargs, why))
    return _suite(f"bronze.{draft.name}", lines, draft)


def silver_suite(draft: Draft, references: Sequence[Reference]) -> Line:
    """Keys, not null, unique, enum, check and foreign keys as the source declares them; then what the rows suggest."""
    by_source = {c.source.name: c for c in draft.columns}
    lines = [*_rows(draft, "an empty table is a broken table"), *_key(draft.key)]
    lines += [
        _line(NOT_NULL, {"column": c.name}, "not null at the source")
        for c in draft.columns
        if not c.source.nullable and c.name not in draft.key
    ]
    lines += [_unique(draft.names_of(u)) for u in draft.found.uniques]
    lines += [
        _line(IN_SET, {"column": c.name, "value_set": list(c.source.labels)}, f"the labels of {c.source.declared}")
        for c in draft.columns
        if c.source.labels
    ]
    left: list[str] = []
    for check in draft.found.checks:
        made = list(_check(check, by_source))
        lines += made
        left += [] if made else [check]
    lines += [_foreign_key(r, draft.name) for r in references]
    lines += _proposals(draft, lines)
    skipped = [f"{', '.join(r.columns)} references {r.table}" for r in draft.references if r not in references]
    notes: Line = {"not_translated": left} if left else {}
    if skipped:
        notes["not_checked"] = [f"{s}: tables that reference each other in a circle" for s in skipped]
    return _suite(f"silver.{draft.name}", lines, draft, notes)


def gold_suite(name: str, key: Sequence[str], *, may_be_empty: bool) -> Line:
    """Rows, and a key that is there and unique."""
    lines = [_line(ROW_COUNT_BETWEEN, {"min_value": 0 if may_be_empty else 1}, "there is something to count")]
    return {"name": f"gold.{name}", "expectations": [*lines, *_key(key)]}


def acyclic_references(drafts: Sequence[Draft]) -> dict[str, list[Reference]]:
    """For each table the foreign keys its suite may follow: a gate needs the other table to be made before."""
    follows: dict[str, set[str]] = defaultdict(set)
    chosen: dict[str, list[Reference]] = {d.name: [] for d in drafts}
    for draft in drafts:
        for reference in draft.references:
            if reference.table == draft.name:
                chosen[draft.name].append(reference)
            elif not _reaches(follows, reference.table, draft.name):
                follows[draft.name].add(reference.table)
                chosen[draft.name].append(reference)
    return chosen


def _reaches(follows: Mapping[str, set[str]], start: str, goal: str) -> bool:
    seen, todo = set(), [start]
    while todo:
        here = todo.pop()
        if here == goal:
            return True
        if here not in seen:
            seen.add(here)
            todo += follows.get(here, ())
    return False


def _suite(name: str, lines: list[Line], draft: Draft, notes: Line | None = None) -> Line:
    meta: Line = {"source": f"the constraints of {draft.found.label}, and its rows", **(notes or {})}
    if not draft.profile.rows:
        meta[MAY_BE_EMPTY] = True
    return {"name": name, "expectations": lines, "meta": meta}


def _line(kind: str, kwargs: Line, why: str, severity: str = "critical") -> Line:
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": {"why": why}}


def _rows(draft: Draft, why: str) -> list[Line]:
    if draft.profile.rows:
        return [_line(ROW_COUNT_BETWEEN, {"min_value": 1}, why)]
    return [_line(ROW_COUNT_BETWEEN, {"min_value": 0}, "the source had no rows when this was written")]


def _key(key: Sequence[str]) -> list[Line]:
    part = "it is the key" if len(key) == 1 else "it is part of the key"
    lines = [_line(NOT_NULL, {"column": k}, part) for k in key]
    if len(key) == 1:
        return [*lines, _line(UNIQUE, {"column": key[0]}, "it is the key")]
    compound = _line(COMPOUND_UNIQUE, {"column_list": list(key)}, "together they are the key")
    return [*lines, compound] if key else []


def _unique(columns: Sequence[str]) -> Line:
    if len(columns) == 1:
        return _line(UNIQUE, {"column": columns[0]}, "unique at the source")
    return _line(COMPOUND_UNIQUE, {"column_list": list(columns)}, "unique together at the source")


def _foreign_key(reference: Reference, own: str) -> Line:
    pairs = list(zip(reference.columns, reference.table_columns, strict=True))
    on = " and ".join(f"b.{written(mine)} = r.{written(theirs)}" for mine, theirs in pairs)
    there = " and ".join(f"b.{written(mine)} is not null" for mine, _ in pairs)
    missing = f"r.{written(reference.table_columns[0])} is null"
    target = "{batch}" if reference.table == own else f"silver.{reference.table}"
    query = f"select b.* from {{batch}} b left join {target} r on {on} where {there} and {missing}"
    named = ", ".join(reference.columns)
    return _line(UNEXPECTED_ROWS, {"unexpected_rows_query": query}, f"every {named} is in silver.{reference.table}")


def _check(text: str, columns: Mapping[str, SilverColumn]) -> Iterator[Line]:
    """Expectations that say what a CHECK says, if it is a conjunction of bounds and lists of single columns."""
    try:
        tree = sqlglot.parse_one(text.removesuffix(" NO INHERIT").removeprefix("CHECK "), dialect="postgres")
    except SqlglotError:
        return
    made = [_condition(part, columns, text) for part in _parts(tree)]
    if all(made):
        yield from (line for line in made if line)


def _parts(tree: exp.Expr) -> Iterator[exp.Expr]:
    tree = tree.unnest()
    if isinstance(tree, exp.And):
        yield from _parts(tree.left)
        yield from _parts(tree.right)
    else:
        yield tree


def _condition(tree: exp.Expr, columns: Mapping[str, SilverColumn], text: str) -> Line | None:
    column = columns.get(_bare(tree.this).name) if isinstance(_bare(tree.this), exp.Column) else None
    if column is None:
        return None
    why = f"the source checks it: {text}"
    bound = BOUNDS.get(type(tree))
    if bound is not None and column.type.startswith(("integer", "bigint", "decimal", "real", "double")):
        value = _number(tree.expression)
        side = {k: value if v is None else v for k, v in bound.items()}
        return _line(BETWEEN, {"column": column.name, **side}, why) if value is not None else None
    if isinstance(tree, exp.EQ) and isinstance(tree.expression, exp.Any) and column.type == "varchar":
        values = [_bare(v) for v in tree.expression.find_all(exp.Literal)]
        if values and all(v.is_string for v in values):
            return _line(IN_SET, {"column": column.name, "value_set": [v.name for v in values]}, why)
    return None


def _bare(tree: exp.Expr) -> exp.Expr:
    while isinstance(tree, exp.Cast | exp.Paren):
        tree = tree.this
    return tree


def _number(tree: exp.Expr) -> int | float | None:
    found = _bare(tree)
    sign = -1 if isinstance(found, exp.Neg) else 1
    found = _bare(found.this) if isinstance(found, exp.Neg) else found
    if not isinstance(found, exp.Literal):
        return None
    try:
        value = float(found.name)
    except ValueError:
        return None
    return sign * (int(value) if value.is_integer() else value)


def _proposals(draft: Draft, lines: Sequence[Line]) -> Iterator[Line]:
    """What holds for the rows there are and no constraint demands: warnings, for a person to keep or remove."""
    profile = draft.profile
    if profile.rows < ROWS_TO_PROPOSE_FROM:
        return
    seen = f"proposal: so in {'the first ' if profile.is_partial else 'all '}{profile.rows:,} rows"
    demanded = {(line["type"], line["kwargs"].get("column")) for line in lines}
    foreign = {c for r in draft.references for c in r.columns}
    for column in draft.columns:
        found = profile.columns[column.source.name]
        numeric = column.type.startswith(("integer", "bigint", "decimal", "real", "double"))
        if column.source.nullable and not found.nulls:
            yield _line(NOT_NULL, {"column": column.name}, f"{seen}; the source would allow null", "warning")
        is_bound = (BETWEEN, column.name) in demanded or column.name in {*draft.key, *foreign}
        if numeric and not is_bound and found.least is not None and _is_positive(found.least):
            yield _line(BETWEEN, {"column": column.name, "min_value": 0}, f"{seen}: none is negative", "warning")
        if (
            len(found.values) > 1
            and (IN_SET, column.name) not in demanded
            and column.name not in {*draft.key, *foreign}
        ):
            kwargs = {"column": column.name, "value_set": sorted(found.values)}
            yield _line(IN_SET, kwargs, f"{seen}: no other value", "warning")


def _is_positive(number: str) -> bool:
    return number.replace(".", "", 1).isdigit()
