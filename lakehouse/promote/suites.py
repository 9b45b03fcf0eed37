"""A table's suite: plain JSON in GX's own vocabulary, read strictly, because a gate must not pass by accident."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from lakehouse.errors import ModelError
from lakehouse.names import TableName, quote
from lakehouse.promote.rows import ROW_RULES
from lakehouse.promote.verdict import Severity

DEFAULT_QUARANTINE_SHARE = 0.01

# Expectations of GX that have no meaning in SQL on DuckDB, and what to write instead.
REFUSED = {
    "expect_column_values_to_match_json_schema": "check the fields in an unexpected_rows_expectation",
    "expect_column_values_to_be_increasing": "compare with lag() in an unexpected_rows_expectation",
    "expect_column_values_to_be_decreasing": "compare with lag() in an unexpected_rows_expectation",
    "expect_multicolumn_values_to_be_unique": "use expect_compound_columns_to_be_unique",
    "expect_column_kl_divergence_to_be_less_than": "compare shares in an unexpected_rows_expectation",
    "expect_column_values_to_be_of_type": "the model casts every column; the gate sees the type it says",
    "expect_column_values_to_be_in_type_list": "the model casts every column; the gate sees the type it says",
    "expect_column_values_to_match_strftime_format": "cast the text to a date in the model",
    "expect_column_values_to_be_dateutil_parseable": "cast the text to a date in the model",
    "expect_column_pair_cramers_phi_value_to_be_less_than": "it is not part of GX's public expectations",
    "expect_column_chisquare_test_p_value_to_be_greater_than": "it is not part of GX's public expectations",
    "expect_column_bootstrapped_ks_test_p_value_to_be_greater_than": "it is not part of GX's public expectations",
}


@dataclass(frozen=True)
class Expectation:
    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    meta: Mapping[str, Any]

    @property
    def columns(self) -> str:
        """The columns it speaks of, as text; empty for a whole table."""
        named = [self.kwargs[k] for k in ("column", "column_A", "column_B") if k in self.kwargs]
        named += list(self.kwargs.get("column_list", ()))
        return ", ".join(str(n) for n in named)


@dataclass(frozen=True)
class Suite:
    """`quarantine_max_share` is the share of rows, 0 to 1, above which diverting becomes stopping."""

    table: TableName
    path: Path
    expectations: tuple[Expectation, ...]
    quarantine_max_share: float
    fingerprint: str


def load_suite(path: Path, table: TableName) -> Suite:
    """The suite of `table`, whole and understood, or an error.

    Raises:
        ModelError: missing, not JSON, empty, of another table, or with an expectation that does not exist.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as e:
        raise ModelError(
            f"{table} has no suite: {path} is missing. Nothing is promoted ungated. Write it, at least: "
            f'{{"name": "{table}", "expectations": [{{"type": "expect_table_row_count_to_be_between", '
            '"kwargs": {"min_value": 1}, "severity": "critical"}]}'
        ) from e
    try:
        value = json.loads(text)
    except json.JSONDecodeError as e:
        raise ModelError(f"{path}:{e.lineno}: not valid JSON: {e.msg}.") from e
    if not isinstance(value, dict) or not value.get("expectations"):
        raise ModelError(f"{path}: has no expectations, so its gate would pass anything. Add at least a row count.")
    if value.get("name") != str(table):
        raise ModelError(f"{path}: its name is {value.get('name')!r}, but it gates {table}. Make them the same.")
    expectations = tuple(_expectation(path, i, e, table) for i, e in enumerate(value["expectations"]))
    share = float(value.get("meta", {}).get("quarantine_max_share", DEFAULT_QUARANTINE_SHARE))
    return Suite(table, path, expectations, share, hashlib.sha256(text.encode()).hexdigest())


def _expectation(path: Path, number: int, value: Mapping[str, Any], table: TableName) -> Expectation:
    where = f"{path}: expectation {number + 1}"
    kind, severity = value.get("type", ""), value.get("severity", "critical")
    if kind in REFUSED:
        raise ModelError(f"{where}: {kind} does not work here; {REFUSED[kind]}.")
    if kind not in known_types():
        close = get_close_matches(kind, known_types(), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "See the list: https://greatexpectations.io/expectations"
        raise ModelError(f"{where}: there is no expectation {kind!r}. {hint}")
    if severity not in get_args(Severity):
        raise ModelError(f"{where}: severity {severity!r} is not one of {', '.join(get_args(Severity))}.")
    if severity == "quarantine" and (
        table.layer == "bronze" or kind not in ROW_RULES or "row_condition" in value["kwargs"]
    ):
        why = (
            "bronze is an exact copy and sets nothing aside"
            if table.layer == "bronze"
            else "it does not say which rows are wrong"
        )
        raise ModelError(f"{where}: {kind} cannot have severity quarantine: {why}. Use critical or warning.")
    return Expectation(kind, dict(value.get("kwargs", {})), severity, dict(value.get("meta", {})))


def suite_columns(suite: Suite, all_columns: Sequence[str]) -> str:
    """The columns that a suite looks at, as a SELECT list; all of them where it has a query of its own."""
    named = {c for e in suite.expectations for c in e.columns.split(", ") if c}
    looks_at_any = any("query" in key for e in suite.expectations for key in e.kwargs)
    kept = [c for c in all_columns if looks_at_any or c in named or not named]
    return ", ".join(quote(c) for c in kept)


@cache
def known_types() -> frozenset[str]:
    """The expectations that GX ships, found by their files: importing it takes five seconds."""
    spec = find_spec("great_expectations")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("great-expectations is not installed, so nothing can be gated. pip install lakehouse")
    core = Path(spec.submodule_search_locations[0]) / "expectations" / "core"
    names = {p.stem for p in core.glob("expect_*.py")} | {"unexpected_rows_expectation"}
    return frozenset(names - REFUSED.keys())
