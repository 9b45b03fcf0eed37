"""For every expectation of the vocabulary: arguments that hold for the table below, and arguments that do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# 40 rows: whole numbers, decimals, text with gaps, dates, JSON; NULLs where an expectation must not count them.
TABLE = """
select
    i::bigint as id,
    (i % 7)::integer as small,
    case when i % 8 = 0 then null else (i % 7)::integer end as gappy,
    (i * 1.25)::decimal(10, 2) as amount,
    case when i = 39 then 900.0 else i::double end as spread,
    case when i % 10 = 0 then null else 'c' || lpad(i::varchar, 3, '0') end as code,
    case i % 3 when 0 then 'a' when 1 then 'b' else 'c' end as kind,
    i % 2 = 0 as even,
    date '2024-01-01' + i::integer as day,
    timestamp '2024-01-01 00:00:00' + interval (i) hour as at,
    case when i = 7 then 'not json' else '{"n": ' || i || '}' end as js,
    strftime(date '2024-01-01' + i::integer, '%Y-%m-%d') as day_text,
    case when i = 5 then 'soon' else '2024-01-05' end as loose_day,
    (i + case when i = 3 then 0 else 1 end)::bigint as id_plus,
    case when i in (4, 6) then null else i::bigint end as maybe_id,
    (100 - i)::bigint as rest
from range(40) t(i)
"""
COLUMNS = (
    *("id", "small", "gappy", "amount", "spread", "code", "kind", "even", "day", "at", "js", "day_text", "loose_day"),
    *("id_plus", "maybe_id", "rest"),
)
SHARES = {"values": ["a", "b", "c"], "weights": [0.35, 0.325, 0.325]}
SKEWED = {"values": ["a", "b", "c"], "weights": [0.9, 0.05, 0.05]}


@dataclass(frozen=True)
class Case:
    """`oracle` is False where Great Expectations has no pandas form to compare with."""

    type: str
    holds: dict[str, Any]
    fails: dict[str, Any]
    oracle: bool = True


def _column(name: str, holds: dict[str, Any], fails: dict[str, Any], column: str, *, oracle: bool = True) -> Case:
    return Case(f"expect_column_{name}", {"column": column, **holds}, {"column": column, **fails}, oracle)


def _between(name: str, column: str, low: float | str, high: float | str, beyond: float | str) -> list[Case]:
    return [
        _column(name, {"min_value": low, "max_value": high}, {"min_value": beyond}, column),
        _column(name, {"max_value": beyond}, {"max_value": low, "strict_max": True}, column),
    ]


FILTERED = {"row_condition": 'col("kind") == "a"', "condition_parser": "great_expectations"}

CASES: tuple[Case, ...] = (
    _column("distinct_values_to_be_in_set", {"value_set": ["a", "b", "c", "d"]}, {"value_set": ["a", "b"]}, "kind"),
    _column("distinct_values_to_contain_set", {"value_set": ["a", "b"]}, {"value_set": ["a", "z"]}, "kind"),
    _column("distinct_values_to_equal_set", {"value_set": ["a", "b", "c"]}, {"value_set": ["a", "b"]}, "kind"),
    _column(
        "kl_divergence_to_be_less_than",
        {"partition_object": SHARES, "threshold": 0.1},
        {"partition_object": SKEWED, "threshold": 0.1},
        "kind",
    ),
    *_between("max_to_be_between", "small", 6, 7, 8),
    *_between("max_to_be_between", "amount", 48.75, 49, 50),
    *_between("mean_to_be_between", "amount", 24, 25, 26),
    *_between("median_to_be_between", "amount", 24, 25, 26),
    *_between("min_to_be_between", "amount", 0, 1, 2),
    *_between("sum_to_be_between", "small", 100, 120, 130),
    *_between("stdev_to_be_between", "small", 1, 3, 4),
    *_between("unique_value_count_to_be_between", "kind", 3, 3, 4),
    *_between("proportion_of_unique_values_to_be_between", "code", 0.9, 1, 1.1),
    *_between("proportion_of_non_null_values_to_be_between", "code", 0.9, 0.95, 0.99),
    _column("most_common_value_to_be_in_set", {"value_set": ["a"]}, {"value_set": ["b"]}, "kind"),
    _column(
        "quantile_values_to_be_between",
        {"quantile_ranges": {"quantiles": [0.1, 0.9], "value_ranges": [[3, 5], [34, 36]]}},
        {"quantile_ranges": {"quantiles": [0.1, 0.9], "value_ranges": [[10, 11], [34, 36]]}},
        "id",
    ),
    _column("to_exist", {}, {"column": "absent"}, "id"),
    _column("to_exist", {"column_index": 0}, {"column_index": 3}, "id"),
    _column("type_to_be", {"type_": "BIGINT"}, {"type_": "INTEGER"}, "id", oracle=False),
    _column("values_to_be_of_type", {"type_": "DECIMAL(10,2)"}, {"type_": "DECIMAL(10,3)"}, "amount", oracle=False),
    _column("values_to_be_of_type", {"type_": "varchar"}, {"type_": "INTEGER"}, "code", oracle=False),
    _column(
        "values_to_be_in_type_list",
        {"type_list": ["DATE", "TIMESTAMP"]},
        {"type_list": ["BIGINT"]},
        "day",
        oracle=False,
    ),
    *_between("value_lengths_to_be_between", "code", 4, 5, 6),
    _column("value_lengths_to_equal", {"value": 4}, {"value": 5}, "code"),
    _column(
        "value_z_scores_to_be_less_than",
        {"threshold": 7, "double_sided": True},
        {"threshold": 3, "double_sided": True},
        "spread",
    ),
    *_between("values_to_be_between", "small", 0, 6, 7),
    *_between("values_to_be_between", "amount", 0, 48.75, 49),
    _column("values_to_be_between", {"min_value": 0, "mostly": 0.8}, {"min_value": 1}, "gappy"),
    _column("values_to_be_between", {"max_value": 50, **FILTERED}, {"max_value": 20, **FILTERED}, "amount"),
    _column("values_to_be_between", {"min_value": "2024-01-01"}, {"min_value": "2024-01-05"}, "day", oracle=False),
    _column(
        "values_to_be_between",
        {"min_value": "2024-01-01T00:00:00"},
        {"max_value": "2024-01-02T03:00:00", "strict_max": True},
        "at",
    ),
    _column("values_to_be_dateutil_parseable", {"column": "day_text"}, {}, "loose_day"),
    _column("values_to_be_in_set", {"value_set": ["a", "b", "c"]}, {"value_set": ["a", "it's"]}, "kind"),
    _column("values_to_be_in_set", {"value_set": [0, 1, 2, 3, 4, 5, 6]}, {"value_set": [0, 1]}, "gappy"),
    _column("values_to_not_be_in_set", {"value_set": ["z"]}, {"value_set": ["a"]}, "kind"),
    _column("values_to_be_json_parseable", {"column": "day_text", "mostly": 0.0}, {}, "js"),
    _column("values_to_be_null", {"mostly": 0.05}, {}, "code"),
    _column("values_to_not_be_null", {"column": "id"}, {}, "code"),
    _column("values_to_not_be_null", {"mostly": 0.9}, {"mostly": 0.95}, "code"),
    _column("values_to_be_unique", {"column": "code"}, {}, "gappy"),
    _column("values_to_be_unique", {"column": "id", **FILTERED}, {**FILTERED}, "small"),
    _column("values_to_match_like_pattern", {"like_pattern": "c%"}, {"like_pattern": "c00%"}, "code", oracle=False),
    _column("values_to_not_match_like_pattern", {"like_pattern": "x%"}, {"like_pattern": "c0_1"}, "code", oracle=False),
    _column(
        "values_to_match_like_pattern_list",
        {"like_pattern_list": ["c0%", "%9"], "match_on": "any"},
        {"like_pattern_list": ["c0%", "%9"], "match_on": "all"},
        "code",
        oracle=False,
    ),
    _column(
        "values_to_not_match_like_pattern_list",
        {"like_pattern_list": ["x%", "y%"]},
        {"like_pattern_list": ["x%", "c00%"]},
        "code",
        oracle=False,
    ),
    _column("values_to_match_regex", {"regex": r"^c\d{3}$"}, {"regex": r"^c00\d$"}, "code"),
    _column("values_to_match_regex", {"regex": r"[^%:']"}, {"regex": r"%|:|'"}, "code"),
    _column("values_to_not_match_regex", {"regex": "^x"}, {"regex": "^c00"}, "code"),
    _column(
        "values_to_match_regex_list",
        {"regex_list": [r"^c\d+$", "^x"], "match_on": "any"},
        {"regex_list": [r"^c\d+$", "1$"], "match_on": "all"},
        "code",
    ),
    _column("values_to_not_match_regex_list", {"regex_list": ["^x"]}, {"regex_list": ["^x", "^c00"]}, "code"),
    _column(
        "values_to_match_strftime_format",
        {"column": "day_text", "strftime_format": "%Y-%m-%d"},
        {"strftime_format": "%Y-%m-%d"},
        "loose_day",
    ),
    _column("values_to_not_be_outliers", {"method": "iqr", "multiplier": 50}, {"method": "iqr"}, "spread"),
    _column(
        "values_to_not_be_outliers",
        {"method": "std", "multiplier": 7},
        {"method": "std", "multiplier": 3},
        "spread",
    ),
    Case(
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "id_plus", "column_B": "id", "or_equal": True},
        {"column_A": "id_plus", "column_B": "id"},
    ),
    Case(
        "expect_column_pair_values_to_be_equal",
        {"column_A": "id", "column_B": "maybe_id", "ignore_row_if": "either_value_is_missing"},
        {"column_A": "id", "column_B": "id_plus"},
    ),
    Case(
        "expect_column_pair_values_to_be_in_set",
        {"column_A": "kind", "column_B": "kind", "value_pairs_set": [["a", "a"], ["b", "b"], ["c", "c"]]},
        {"column_A": "kind", "column_B": "kind", "value_pairs_set": [["a", "a"], ["b", "b"]]},
    ),
    Case("expect_compound_columns_to_be_unique", {"column_list": ["id", "kind"]}, {"column_list": ["kind", "gappy"]}),
    Case(
        "expect_compound_columns_to_be_unique",
        {"column_list": ["id", "kind"], **FILTERED},
        {"column_list": ["kind", "gappy"], **FILTERED, "ignore_row_if": "any_value_is_missing"},
    ),
    Case(
        "expect_multicolumn_sum_to_equal",
        {"column_list": ["id", "rest"], "sum_total": 100},
        {"column_list": ["id_plus", "rest"], "sum_total": 101},
    ),
    Case("expect_multicolumn_values_to_be_equal", {"column_list": ["id", "id"]}, {"column_list": ["id", "id_plus"]}),
    Case(
        "expect_select_column_values_to_be_unique_within_record",
        {"column_list": ["id", "rest"]},
        {"column_list": ["id", "id_plus", "rest"]},
    ),
    Case(
        "expect_query_results_to_match_comparison",
        {
            "base_query": "select id::varchar as v from {batch} where id >= 0",
            "comparison_data_source_name": "lake",
            "comparison_query": "select id::varchar as v from silver.other",
        },
        {
            "base_query": "select id from {batch}",
            "comparison_data_source_name": "lake",
            "comparison_query": "select id from silver.other where id > 0",
        },
        oracle=False,
    ),
    Case("expect_table_column_count_to_be_between", {"min_value": 5, "max_value": 20}, {"max_value": 2}),
    Case("expect_table_column_count_to_equal", {"value": len(COLUMNS)}, {"value": 2}),
    Case(
        "expect_table_columns_to_match_ordered_list",
        {"column_list": list(COLUMNS)},
        {"column_list": list(reversed(COLUMNS))},
    ),
    Case("expect_table_columns_to_match_set", {"column_set": list(COLUMNS)}, {"column_set": list(COLUMNS[1:])}),
    Case("expect_table_row_count_to_be_between", {"min_value": 40, "max_value": 40}, {"min_value": 41}),
    Case("expect_table_row_count_to_be_between", {"max_value": 14, **FILTERED}, {"max_value": 13, **FILTERED}),
    Case("expect_table_row_count_to_equal", {"value": 40}, {"value": 41}),
    Case(
        "expect_table_row_count_to_equal_other_table",
        {"other_table_name": "silver.other"},
        {"other_table_name": "silver.fewer"},
        oracle=False,
    ),
    Case(
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "select * from {batch} where id::bigint < 0 or code like '%:x'"},
        {"unexpected_rows_query": "select b.* from {batch} b anti join silver.fewer f on b.id = f.id"},
        oracle=False,
    ),
)
