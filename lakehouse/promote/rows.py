"""For each expectation that speaks of rows, the SQL condition under which a row meets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakehouse.names import literal, quote

Rule = Callable[[Mapping[str, Any]], str]


def value_sql(value: object) -> str:
    """A JSON value as a DuckDB literal."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else literal(str(value))


def _column(kwargs: Mapping[str, Any]) -> str:
    return quote(kwargs["column"])


def _set(values: Sequence[object]) -> str:
    return "(" + ", ".join(value_sql(v) for v in values) + ")"


def _bounds(expression: str, kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    above = ">" if kwargs.get("strict_min") else ">="
    below = "<" if kwargs.get("strict_max") else "<="
    parts = [f"{expression} {above} {value_sql(low)}"] if low is not None else []
    parts += [f"{expression} {below} {value_sql(high)}"] if high is not None else []
    return " and ".join(parts) or "true"


def _matches(kwargs: Mapping[str, Any], pattern: str) -> str:
    return f"regexp_matches({_column(kwargs)}::varchar, {literal(pattern)})"


def _pair_greater(kwargs: Mapping[str, Any]) -> str:
    a, b = quote(kwargs["column_A"]), quote(kwargs["column_B"])
    return f"{a} >= {b}" if kwargs.get("or_equal") else f"{a} > {b}"


def _pair_in_set(kwargs: Mapping[str, Any]) -> str:
    pairs = ", ".join(f"({value_sql(a)}, {value_sql(b)})" for a, b in kwargs["value_pairs_set"])
    return f"({quote(kwargs['column_A'])}, {quote(kwargs['column_B'])}) in ({pairs})"


def _unique(columns: Sequence[str]) -> str:
    return f"count(*) over (partition by {', '.join(quote(c) for c in columns)}) = 1"


# Each is true, false, or null; null means that GX leaves the row out, so only false is a failure.
ROW_RULES: dict[str, Rule] = {
    "expect_column_values_to_not_be_null": lambda k: f"{_column(k)} is not null",
    "expect_column_values_to_be_null": lambda k: f"{_column(k)} is null",
    "expect_column_values_to_be_in_set": lambda k: f"{_column(k)} in {_set(k['value_set'])}",
    "expect_column_values_to_not_be_in_set": lambda k: f"{_column(k)} not in {_set(k['value_set'])}",
    "expect_column_values_to_be_between": lambda k: _bounds(_column(k), k),
    "expect_column_value_lengths_to_be_between": lambda k: _bounds(f"length({_column(k)})", k),
    "expect_column_value_lengths_to_equal": lambda k: f"length({_column(k)}) = {int(k['value'])}",
    "expect_column_values_to_match_regex": lambda k: _matches(k, k["regex"]),
    "expect_column_values_to_not_match_regex": lambda k: f"not {_matches(k, k['regex'])}",
    "expect_column_values_to_match_like_pattern": lambda k: f"{_column(k)}::varchar like {literal(k['like_pattern'])}",
    "expect_column_values_to_not_match_like_pattern": (
        lambda k: f"{_column(k)}::varchar not like {literal(k['like_pattern'])}"
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": _pair_greater,
    "expect_column_pair_values_to_be_equal": lambda k: f"{quote(k['column_A'])} = {quote(k['column_B'])}",
    "expect_column_pair_values_to_be_in_set": _pair_in_set,
    "expect_column_values_to_be_unique": (
        lambda k: f"case when {_column(k)} is not null then {_unique([k['column']])} end"
    ),
    "expect_compound_columns_to_be_unique": lambda k: _unique(k["column_list"]),
    "expect_multicolumn_sum_to_equal": (
        lambda k: f"{' + '.join(quote(c) for c in k['column_list'])} = {value_sql(k['sum_total'])}"
    ),
}


def failing_rows(view: str, rules: Sequence[tuple[str, str]], *, columns: Sequence[str]) -> str:
    """The rows of `view` that fail any rule, once each, with the names of those failed in `_failed_expectations`.

    `rules` are (name, condition) pairs as ROW_RULES gives them.
    """
    flags = ", ".join(f"({condition}) is false as _f{i}" for i, (_, condition) in enumerate(rules))
    names = ", ".join(f"case when _f{i} then {literal(name)} end" for i, (name, _) in enumerate(rules))
    listed = ", ".join(quote(c) for c in columns)
    any_failed = " or ".join(f"_f{i}" for i in range(len(rules)))
    return (
        f"select {listed}, concat_ws('; ', {names}) as _failed_expectations "
        f"from (select *, {flags} from {view}) where {any_failed}"
    )


def passing_rows(view: str, rules: Sequence[tuple[str, str]], *, columns: Sequence[str]) -> str:
    """The rows of `view` that `failing_rows` does not give."""
    flags = ", ".join(f"({condition}) is false as _f{i}" for i, (_, condition) in enumerate(rules))
    none_failed = " and ".join(f"not _f{i}" for i in range(len(rules)))
    return f"select {', '.join(quote(c) for c in columns)} from (select *, {flags} from {view}) where {none_failed}"
