"""The sample's SQL keeps to what means the same in DuckDB and in Athena without any rewriting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

ROOT = Path(__file__).parents[3]
PATHS = sorted(p for layer in ("silver", "gold", "analysis") for p in (ROOT / "queries" / layer).glob("*.sql"))
TABLES = [p for p in PATHS if p.parent.name != "analysis"]
QUESTIONS = [p for p in PATHS if p.parent.name == "analysis"]

# Measured on both engines, with these kinds of arguments. Division and casts have tests of their own below.
SAME_EVERYWHERE = {
    "cast", "coalesce", "count", "date_diff", "date_trunc", "lag", "max", "min", "month", "ntile", "nullif", "replace",
    "round", "row_number", "sum", "trim", "upper", "year",
}  # fmt: skip
SYNTAX = {"and", "as", "by", "case", "decimal", "from", "in", "on", "or", "over", "select", "timestamp", "when", "with"}
ONE_ENGINE_ONLY = r"::|\bqualify\b|\bilike\b|\bgroup by all\b|\bdistinct on\b|\btrim\((?!both ')|;"


def code(path: Path) -> str:
    """A file without its comments and the contents of its strings."""
    return re.sub(r"'[^']*'", "''", re.sub(r"--[^\n]*", "", path.read_text()))


def tree(path: Path) -> exp.Query:
    parsed = sqlglot.parse_one(path.read_text(), dialect="athena")
    assert isinstance(parsed, exp.Query)
    return parsed


def is_double(node: exp.Expr) -> bool:
    """Whether a factor or divisor is a double, by its own text."""
    if isinstance(node, exp.Paren | exp.Nullif):
        return is_double(node.this)
    if isinstance(node, exp.Mul):
        return is_double(node.left) or is_double(node.right)
    if isinstance(node, exp.Cast):
        return bool(node.to.this == exp.DataType.Type.DOUBLE)
    return isinstance(node, exp.Literal) and "e" in str(node.this).lower()


def name_of(path: Path) -> str:
    return f"{path.parent.name}.{path.stem}"


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_functions_and_words_are_those_of_both_engines(path: Path) -> None:
    called = set(re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", code(path))) - SYNTAX
    assert called <= SAME_EVERYWHERE, f"not known to mean the same: {called - SAME_EVERYWHERE}"
    assert re.search(ONE_ENGINE_ONLY, code(path).replace("''", "'")) is None


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_division_is_of_doubles(path: Path) -> None:
    for division in tree(path).find_all(exp.Div):
        assert is_double(division.left) and is_double(division.right), division.sql("athena")


@pytest.mark.parametrize("path", TABLES, ids=name_of)
def test_every_column_that_is_kept_is_cast(path: Path) -> None:
    for column in tree(path).selects:
        assert isinstance(column.unalias(), exp.Cast), f"{column.sql('athena')} has no type of its own"


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_the_last_select_lists_its_columns(path: Path) -> None:
    assert not any(column.is_star for column in tree(path).selects)


@pytest.mark.parametrize("path", QUESTIONS, ids=name_of)
def test_questions_say_their_order(path: Path) -> None:
    """Two engines can only be compared line by line, and a LIMIT only means something, in a total order."""
    order = tree(path).args.get("order")
    assert order is not None
    last = order.expressions[-1].this.name
    labels = {"basket_size", "campaign_id", "campaign_type", "cohort_month", "customer_id", "department"}
    assert last in labels | {"department_rank", "segment", "store_id", "week_start", "weekday"}, last
