"""The expectations a suite may use and their arguments: Great Expectations' own vocabulary, known without importing it.

Importing Great Expectations takes seconds, and reading a suite must not: a run with nothing to do reads every one.
A test holds these tables against the installed version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Domain = Literal["column", "pair", "columns", "aggregate", "table", "query"]
ROW_LEVEL: tuple[Domain, ...] = ("column", "pair", "columns")
BETWEEN = ("min_value", "max_value", "strict_min", "strict_max")
FILTER = ("row_condition", "condition_parser")
ROWS = ("mostly", *FILTER)


@dataclass(frozen=True)
class ExpectationType:
    """How an expectation is called, and which rows it is about.

    `whole`: a row's result depends on other rows, so it is asked of the table as it would be.
    """

    domain: Domain
    required: tuple[str, ...]
    optional: tuple[str, ...]
    whole: bool

    @property
    def row_level(self) -> bool:
        return self.domain in ROW_LEVEL


def _column(*required: str, optional: tuple[str, ...] = (), whole: bool = False) -> ExpectationType:
    return ExpectationType("column", ("column", *required), (*optional, *ROWS), whole)


def _pair(*required: str, optional: tuple[str, ...] = ()) -> ExpectationType:
    return ExpectationType("pair", ("column_A", "column_B", *required), (*optional, "ignore_row_if", *ROWS), False)


def _columns(*required: str, whole: bool = False) -> ExpectationType:
    return ExpectationType("columns", ("column_list", *required), ("ignore_row_if", *ROWS), whole)


def _aggregate(*required: str, optional: tuple[str, ...] = ()) -> ExpectationType:
    return ExpectationType("aggregate", ("column", *required), (*optional, *FILTER), True)


def _of_type(*required: str) -> ExpectationType:
    # Great Expectations counts these among those of rows; in SQL a column has one type, whatever its rows.
    return ExpectationType("aggregate", ("column", *required), ROWS, True)


def _table(*required: str, optional: tuple[str, ...] = ()) -> ExpectationType:
    return ExpectationType("table", required, optional, True)


def _query(*required: str, optional: tuple[str, ...] = ()) -> ExpectationType:
    return ExpectationType("query", required, optional, True)


UNEXPECTED_ROWS = "unexpected_rows_expectation"
UNIQUE = "expect_column_values_to_be_unique"
COMPOUND_UNIQUE = "expect_compound_columns_to_be_unique"
ROW_COUNT_BETWEEN = "expect_table_row_count_to_be_between"
ROW_COUNT_EQUAL = "expect_table_row_count_to_equal"

VOCABULARY: Mapping[str, ExpectationType] = MappingProxyType(
    {
        "expect_column_distinct_values_to_be_in_set": _aggregate("value_set"),
        "expect_column_distinct_values_to_contain_set": _aggregate("value_set"),
        "expect_column_distinct_values_to_equal_set": _aggregate("value_set"),
        "expect_column_kl_divergence_to_be_less_than": _aggregate(
            "partition_object",
            "threshold",
            optional=("internal_weight_holdout", "tail_weight_holdout", "bucketize_data", "min_value", "max_value"),
        ),
        "expect_column_max_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_mean_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_median_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_min_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_most_common_value_to_be_in_set": _aggregate("value_set", optional=("ties_okay",)),
        "expect_column_pair_values_a_to_be_greater_than_b": _pair(optional=("or_equal",)),
        "expect_column_pair_values_to_be_equal": _pair(),
        "expect_column_pair_values_to_be_in_set": _pair("value_pairs_set"),
        "expect_column_proportion_of_non_null_values_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_proportion_of_unique_values_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_quantile_values_to_be_between": _aggregate(
            "quantile_ranges", optional=("allow_relative_error",)
        ),
        "expect_column_stdev_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_sum_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_to_exist": _table("column", optional=("column_index",)),
        "expect_column_type_to_be": _table("column", "type_"),
        "expect_column_unique_value_count_to_be_between": _aggregate(optional=BETWEEN),
        "expect_column_value_lengths_to_be_between": _column(optional=BETWEEN),
        "expect_column_value_lengths_to_equal": _column("value"),
        "expect_column_value_z_scores_to_be_less_than": _column("threshold", "double_sided", whole=True),
        "expect_column_values_to_be_between": _column(optional=BETWEEN),
        "expect_column_values_to_be_dateutil_parseable": _column(),
        "expect_column_values_to_be_in_set": _column("value_set"),
        "expect_column_values_to_be_in_type_list": _of_type("type_list"),
        "expect_column_values_to_be_json_parseable": _column(),
        "expect_column_values_to_be_null": _column(),
        "expect_column_values_to_be_of_type": _of_type("type_"),
        UNIQUE: _column(whole=True),
        "expect_column_values_to_match_like_pattern": _column("like_pattern", optional=("escape",)),
        "expect_column_values_to_match_like_pattern_list": _column(
            "like_pattern_list", optional=("match_on", "escape")
        ),
        "expect_column_values_to_match_regex": _column("regex"),
        "expect_column_values_to_match_regex_list": _column("regex_list", optional=("match_on",)),
        "expect_column_values_to_match_strftime_format": _column("strftime_format"),
        "expect_column_values_to_not_be_in_set": _column("value_set"),
        "expect_column_values_to_not_be_null": _column(),
        "expect_column_values_to_not_be_outliers": _column(optional=("method", "multiplier"), whole=True),
        "expect_column_values_to_not_match_like_pattern": _column("like_pattern", optional=("escape",)),
        "expect_column_values_to_not_match_like_pattern_list": _column("like_pattern_list", optional=("escape",)),
        "expect_column_values_to_not_match_regex": _column("regex"),
        "expect_column_values_to_not_match_regex_list": _column("regex_list"),
        COMPOUND_UNIQUE: _columns(whole=True),
        "expect_multicolumn_sum_to_equal": _columns("sum_total"),
        "expect_multicolumn_values_to_be_equal": _columns(),
        "expect_query_results_to_match_comparison": _query(
            "base_query", "comparison_data_source_name", "comparison_query", optional=("mostly",)
        ),
        "expect_select_column_values_to_be_unique_within_record": _columns(),
        "expect_table_column_count_to_be_between": _table(optional=("min_value", "max_value")),
        "expect_table_column_count_to_equal": _table("value"),
        "expect_table_columns_to_match_ordered_list": _table("column_list"),
        "expect_table_columns_to_match_set": _table("column_set", optional=("exact_match",)),
        ROW_COUNT_BETWEEN: _table(optional=(*BETWEEN, *FILTER)),
        ROW_COUNT_EQUAL: _table("value", optional=FILTER),
        "expect_table_row_count_to_equal_other_table": _table("other_table_name", optional=FILTER),
        UNEXPECTED_ROWS: _query("unexpected_rows_query"),
    }
)

# What Great Expectations has and this gate refuses, with what to write instead.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "expect_column_values_to_be_increasing": "a table has no order of its own. Write unexpected_rows_expectation "
        "with lag() over (order by …), which says which order you mean",
        "expect_column_values_to_be_decreasing": "a table has no order of its own. Write unexpected_rows_expectation "
        "with lag() over (order by …), which says which order you mean",
        "expect_column_values_to_match_json_schema": "SQL has no JSON schema. Write "
        "expect_column_values_to_be_json_parseable, and unexpected_rows_expectation with json_extract for its fields",
        "expect_multicolumn_values_to_be_unique": "it cannot be configured in Great Expectations 1.24. Write "
        "expect_compound_columns_to_be_unique, or expect_select_column_values_to_be_unique_within_record",
        "expect_column_bootstrapped_ks_test_p_value_to_be_greater_than": "it has no SQL form. Write "
        "expect_column_kl_divergence_to_be_less_than or expect_column_quantile_values_to_be_between",
        "expect_column_parameterized_distribution_ks_test_p_value_to_be_greater_than": "it has no SQL form. Write "
        "expect_column_kl_divergence_to_be_less_than or expect_column_quantile_values_to_be_between",
        "expect_column_chisquare_test_p_value_to_be_greater_than": "it has no SQL form. Write "
        "expect_column_kl_divergence_to_be_less_than",
        "expect_column_pair_cramers_phi_value_to_be_less_than": "it has no SQL form. Write "
        "unexpected_rows_expectation with the comparison you mean",
    }
)
