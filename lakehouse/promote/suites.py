"""expectations/<layer>/<table>.json becomes a Suite; whatever could make a gate pass by accident is refused here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from string import Formatter
from typing import Any

from lakehouse.errors import ModelError
from lakehouse.names import TableName, quote
from lakehouse.promote.verdict import SEVERITIES, Severity
from lakehouse.promote.vocabulary import (
    REFUSED,
    ROW_COUNT_BETWEEN,
    ROW_COUNT_EQUAL,
    UNEXPECTED_ROWS,
    VOCABULARY,
    ExpectationType,
)

QUARANTINE_MAX_SHARE = "quarantine_max_share"
MAY_BE_EMPTY = "may_be_empty"
DEFAULT_MAX_SHARE = 0.01
OWN_LAKE = "lake"
SUITE_KEYS = ("name", "expectations", "meta")
ROW_COUNTS = (ROW_COUNT_BETWEEN, ROW_COUNT_EQUAL)
EXPECTATION_KEYS = ("type", "kwargs", "severity", "meta", "description")


@dataclass(frozen=True)
class Expectation:
    """One line of a suite, in Great Expectations' own words but for the severity "quarantine", which is ours."""

    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    meta: Mapping[str, Any]

    @property
    def kind(self) -> ExpectationType:
        return VOCABULARY[self.type]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it is about; empty for a whole table or a query."""
        names = [str(self.kwargs[k]) for k in ("column", "column_A", "column_B") if k in self.kwargs]
        listed = self.kwargs.get("column_list", ()) if self.kind.domain == "columns" else ()
        return (*names, *(str(c) for c in listed))


@dataclass(frozen=True)
class Suite:
    """A table's expectations. `fingerprint` changes with what they demand, not with what is said about them."""

    table: TableName
    path: Path
    expectations: tuple[Expectation, ...]
    fingerprint: str
    may_be_empty: bool = False
    quarantine_max_share: float = DEFAULT_MAX_SHARE

    def max_share(self, expectation: Expectation) -> float:
        """The share of the staged rows that may be diverted for one expectation before the gate says no."""
        return float(expectation.meta.get(QUARANTINE_MAX_SHARE, self.quarantine_max_share))


def load_suite(path: Path, table: TableName) -> Suite:
    """Read and check the suite of `table`.

    Raises:
        ModelError: it is missing, not JSON, empty, another table's, or names what does not exist.
    """
    found = _read(path, table)
    _only(found, SUITE_KEYS, str(path))
    if found.get("name") != str(table):
        raise ModelError(
            f"{path}: is named {found.get('name')!r}, but the file belongs to {table}: a gate must not pass on another "
            f'table\'s expectations. Write: "name": "{table}".'
        )
    lines = found.get("expectations")
    if not isinstance(lines, list) or not lines:
        raise ModelError(
            f"{path}: has no expectations, and an empty suite would let everything pass. "
            f'Begin with the row count: {{"type": "{ROW_COUNT_BETWEEN}", "kwargs": {{"min_value": 1}}}}.'
        )
    meta = _mapping(found.get("meta", {}), f"{path}: meta")
    expectations = tuple(_expectation(line, table, f"{path}: expectation {i}") for i, line in enumerate(lines, 1))
    empty = meta.get(MAY_BE_EMPTY, False)
    if not isinstance(empty, bool):
        raise ModelError(f"{path}: meta: {MAY_BE_EMPTY} is {empty!r}; write true or false.")
    return Suite(
        table,
        path,
        expectations,
        _fingerprint(expectations, meta),
        empty or any(_admits_nothing(e) for e in expectations),
        _share(meta, f"{path}: meta"),
    )


def suite_columns(suite: Suite, all_columns: Sequence[str]) -> str:
    """The columns that a suite looks at, as a SELECT list; all of them where it looks at the table as a whole."""
    named = {c for e in suite.expectations for c in e.columns}
    looks_at_any = any(
        (e.kind.domain in ("table", "query") and e.type not in ROW_COUNTS) or "row_condition" in e.kwargs
        for e in suite.expectations
    )
    kept = [c for c in all_columns if looks_at_any or c in named or not named]
    return ", ".join(quote(c) for c in kept)


def _read(path: Path, table: TableName) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise ModelError(
            f"{path}: {table} has no suite, and nothing is promoted ungated. Write one: "
            f'{{"name": "{table}", "expectations": [{{"type": "{ROW_COUNT_BETWEEN}", "kwargs": {{"min_value": 1}}}}]}}.'
        ) from e
    except json.JSONDecodeError as e:
        raise ModelError(f"{path}:{e.lineno}:{e.colno}: not valid JSON: {e.msg}. No gate can be read from it.") from e
    except UnicodeDecodeError as e:
        raise ModelError(f"{path}: not UTF-8 at byte {e.start}. Save it as UTF-8.") from e
    return _mapping(found, str(path))


def _expectation(line: object, table: TableName, where: str) -> Expectation:
    found = _mapping(line, where)
    name = found.get("type")
    kind = _known(name, where)
    where = f"{where} ({name})"
    _only(found, EXPECTATION_KEYS, where)
    kwargs = _mapping(found.get("kwargs", {}), f"{where}: kwargs")
    _check_kwargs(kind, kwargs, where)
    meta = _mapping(found.get("meta", {}), f"{where}: meta")
    _share(meta, f"{where}: meta")
    severity = found.get("severity", "critical")
    if severity not in SEVERITIES:
        raise ModelError(f"{where}: unknown severity {severity!r}. Valid: {', '.join(SEVERITIES)}.")
    if severity == "quarantine" and table.layer == "bronze":
        raise ModelError(f"{where}: bronze is an exact copy and sets nothing aside. Write critical or warning.")
    if severity == "quarantine" and not kind.row_level and name != UNEXPECTED_ROWS:
        raise ModelError(
            f"{where}: severity quarantine sets failing rows aside, and this expectation is about the whole table. "
            "Write critical or warning."
        )
    return Expectation(str(name), kwargs, severity, meta)


def _known(name: object, where: str) -> ExpectationType:
    if isinstance(name, str) and name in REFUSED:
        raise ModelError(f"{where}: {name} cannot be used: {REFUSED[name]}.")
    if not isinstance(name, str) or name not in VOCABULARY:
        raise ModelError(f"{where}: unknown expectation {name!r}. {_suggest(str(name), list(VOCABULARY))}")
    return VOCABULARY[name]


def _check_kwargs(kind: ExpectationType, kwargs: Mapping[str, Any], where: str) -> None:
    valid = (*kind.required, *kind.optional)
    for given in kwargs:
        if given not in valid:
            raise ModelError(f"{where}: unknown argument {given!r}. {_suggest(given, list(valid))}")
    missing = [k for k in kind.required if kwargs.get(k) is None]
    if missing:
        raise ModelError(f"{where}: needs {', '.join(missing)}. Its arguments: {', '.join(valid)}.")
    bounds = [k for k in ("min_value", "max_value") if k in kind.optional]
    if bounds and "threshold" not in kind.required and all(kwargs.get(k) is None for k in bounds):
        raise ModelError(f"{where}: has neither {' nor '.join(bounds)}, so it demands nothing. Give one of them.")
    if kind.domain == "query":
        _check_query(kwargs, where)
    elif "row_condition" in kwargs and not isinstance(kwargs["row_condition"], dict):
        _check_condition(kwargs, where)


def _check_query(kwargs: Mapping[str, Any], where: str) -> None:
    name = "unexpected_rows_query" if "unexpected_rows_query" in kwargs else "base_query"
    try:
        fields = {field for _, field, _, _ in Formatter().parse(str(kwargs[name])) if field is not None}
    except ValueError as e:
        raise ModelError(f"{where}: {name}: {e}. A brace that is meant is written twice: {{{{ and }}}}.") from e
    if fields != {"batch"}:
        others = ", ".join(f"{{{f}}}" for f in sorted(fields - {"batch"}))
        wrong = (
            f"{name} names {others}" if others else f"{name} does not read {{batch}}, so it would not test this table"
        )
        raise ModelError(f"{where}: {wrong}. Write {{batch}} for the table, and other tables as layer.table.")
    other = kwargs.get("comparison_data_source_name", OWN_LAKE)
    if other != OWN_LAKE:
        raise ModelError(
            f'{where}: comparison_data_source_name is {other!r}; the gate only sees this lake: "{OWN_LAKE}".'
        )


def _check_condition(kwargs: Mapping[str, Any], where: str) -> None:
    # Great Expectations reads a text condition as pandas code unless told otherwise, and then fails in SQL.
    if kwargs.get("condition_parser") not in ("great_expectations", "great_expectations__experimental__"):
        raise ModelError(
            f'{where}: row_condition needs "condition_parser": "great_expectations", '
            'and then reads like col("status") == "paid".'
        )


def _share(meta: Mapping[str, Any], where: str) -> float:
    share = meta.get(QUARANTINE_MAX_SHARE, DEFAULT_MAX_SHARE)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ModelError(f"{where}: {QUARANTINE_MAX_SHARE} is {share!r}; write a share of the rows from 0 to 1.")
    return float(share)


def _admits_nothing(expectation: Expectation) -> bool:
    """Whether it says itself that a table without rows is right."""
    wanted = {ROW_COUNT_BETWEEN: "min_value", ROW_COUNT_EQUAL: "value"}.get(expectation.type)
    return wanted is not None and expectation.kwargs.get(wanted) == 0


def _fingerprint(expectations: tuple[Expectation, ...], meta: Mapping[str, Any]) -> str:
    rules = (QUARANTINE_MAX_SHARE, MAY_BE_EMPTY)
    demands = [[e.type, dict(e.kwargs), e.severity, {k: e.meta[k] for k in rules if k in e.meta}] for e in expectations]
    text = json.dumps([demands, {k: meta[k] for k in rules if k in meta}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{where}: must be a JSON object {{…}}, not {type(value).__name__}.")
    return value


def _only(found: Mapping[str, Any], valid: tuple[str, ...], where: str) -> None:
    for key in found:
        if key not in valid:
            raise ModelError(f"{where}: unknown key {key!r}. {_suggest(key, list(valid))}")


def _suggest(name: str, valid: list[str]) -> str:
    close = get_close_matches(name, valid, n=2, cutoff=0.7)
    return (
        f"Did you mean {' or '.join(repr(c) for c in close)}?"
        if close
        else f"There is: {', '.join(sorted(valid)[:12])}."
    )
