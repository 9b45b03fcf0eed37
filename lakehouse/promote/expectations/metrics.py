"""The metrics that Great Expectations has for other databases and not for DuckDB; importing this registers them."""

# ruff: noqa: TID253 (this module is only ever imported inside functions)

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import great_expectations.expectations.core.expect_column_type_to_be as column_type
import great_expectations.expectations.metrics.column_aggregate_metrics.column_outlier_statistics as outliers
import great_expectations.expectations.type_comparison as type_comparison
import sqlalchemy as sa
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.query_metrics.query_data_source_table import (
    comparison_query_data_source_table as comparison,
)
from great_expectations.expectations.metrics.query_metrics.query_row_count.unexpected_rows_query_row_count import (
    UnexpectedRowsQueryRowCount,
)
from great_expectations.expectations.metrics.query_metrics.query_table.base_query_table import BaseQueryTable
from great_expectations.expectations.metrics.query_metrics.query_table.unexpected_rows_query_table import (
    UnexpectedRowsQueryTable,
)
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.expectations.metrics.util import CaseInsensitiveString
from great_expectations.util import get_sqlalchemy_selectable

from lakehouse.promote.expectations.engine import LakehouseExecutionEngine

Condition = sa.ColumnElement[bool]
COMPARED_ROWS = 10_000

# Types are compared as DuckDB writes them (DECIMAL(10,2)), not as names of SQLAlchemy classes, which have no precision.
_NATIVE_TYPES = frozenset({*type_comparison.CASE_INSENSITIVE_DIALECTS, "duckdb"})
for module in (type_comparison, column_type):
    vars(module)["CASE_INSENSITIVE_DIALECTS"] = _NATIVE_TYPES


def _text(column: Any) -> sa.Cast[str]:
    return sa.cast(column, sa.String)


def _matches(column: Any, regex: str) -> Condition:
    return sa.func.regexp_matches(_text(column), regex)


def _like(column: Any, pattern: str, escape: str | None) -> Condition:
    return _text(column).like(pattern, escape=escape)


def _combined(conditions: Iterable[Condition], match_on: str | None) -> Condition:
    found = list(conditions)
    if not found:
        raise ValueError("the list of patterns is empty; give at least one")
    if match_on not in (None, "any", "all"):
        raise ValueError(f"match_on is {match_on!r}; it must be any or all")
    return sa.and_(*found) if match_on == "all" else sa.or_(*found)


def _register(name: str, condition: Callable[..., Condition], *arguments: str) -> type[ColumnMapMetricProvider]:
    """A metric of one column: `condition` of the column and `arguments` is true for the rows that pass."""

    class Metric(ColumnMapMetricProvider):
        condition_metric_name = f"column_values.{name}"
        condition_value_keys = arguments

        @column_condition_partial(engine=LakehouseExecutionEngine)
        def _lakehouse(cls, column: Any, **given: Any) -> Condition:
            return condition(column, *(given.get(a) for a in arguments))

    return Metric


COLUMN_METRICS = (
    _register("match_regex", _matches, "regex"),
    _register("not_match_regex", lambda c, regex: sa.not_(_matches(c, regex)), "regex"),
    _register(
        "match_regex_list",
        lambda c, regexes, on: _combined((_matches(c, r) for r in regexes), on),
        "regex_list",
        "match_on",
    ),
    _register(
        "not_match_regex_list",
        lambda c, regexes: sa.not_(_combined((_matches(c, r) for r in regexes), "any")),
        "regex_list",
    ),
    _register("match_like_pattern", _like, "like_pattern", "escape"),
    _register("not_match_like_pattern", lambda c, p, e: sa.not_(_like(c, p, e)), "like_pattern", "escape"),
    _register(
        "match_like_pattern_list",
        lambda c, patterns, on, e: _combined((_like(c, p, e) for p in patterns), on),
        "like_pattern_list",
        "match_on",
        "escape",
    ),
    _register(
        "not_match_like_pattern_list",
        lambda c, patterns, e: sa.not_(_combined((_like(c, p, e) for p in patterns), "any")),
        "like_pattern_list",
        "escape",
    ),
    _register("json_parseable", lambda c: sa.func.json_valid(_text(c))),
    _register("dateutil_parseable", lambda c: sa.try_cast(c, sa.TIMESTAMP).is_not(None)),
    _register(
        "match_strftime_format",
        lambda c, form: sa.func.try_strptime(_text(c), form).is_not(None),
        "strftime_format",
    ),
)


class ColumnTypes(TableMetricProvider):
    """One DESCRIBE instead of five reflection queries, and types in DuckDB's own words."""

    metric_name = "table.column_types"
    value_keys = ("include_nested",)
    default_kwarg_values = {"include_nested": True}  # noqa: RUF012

    @metric_value(engine=LakehouseExecutionEngine)
    def _lakehouse(
        cls, execution_engine: LakehouseExecutionEngine, metric_domain_kwargs: dict[str, Any], **_: Any
    ) -> list[dict[str, Any]]:
        records = execution_engine.get_domain_records(metric_domain_kwargs)
        table = records.subquery() if isinstance(records, sa.Select) else records
        select = sa.select(sa.text("*")).select_from(table)
        text = str(select.compile(execution_engine.engine, compile_kwargs={"literal_binds": True}))
        described = execution_engine.execute_query(_verbatim(f"describe {text}"))
        return [{"name": r[0], "type": CaseInsensitiveString(r[1]), "primary_key": False} for r in described]


class OutlierStatistics(outliers.ColumnOutlierStatistics):
    """What an outlier is measured against: interpolated quartiles, as pandas has them, or mean and deviation."""

    @metric_value(engine=LakehouseExecutionEngine)
    def _lakehouse(
        cls,
        execution_engine: LakehouseExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> outliers.OutlierStatistics:
        value = sa.cast(sa.column(metric_domain_kwargs["column"]), sa.Double)
        iqr = metric_value_kwargs["method"] == "iqr"
        functions = (sa.func.quantile_cont(value, 0.25), sa.func.quantile_cont(value, 0.75))
        wanted = functions if iqr else (sa.func.avg(value), sa.func.stddev_samp(value))
        records = get_sqlalchemy_selectable(execution_engine.get_domain_records(metric_domain_kwargs))
        first, second = execution_engine.execute_query(sa.select(*wanted).select_from(records)).one()
        if not iqr:
            return outliers.OutlierStatistics.symmetric(center=first, spread=second)
        spread = None if first is None else second - first
        return outliers.OutlierStatistics(lower_reference=first, upper_reference=second, spread=spread)


class UnexpectedRows(UnexpectedRowsQueryTable):
    """Only the count of unexpected rows is reported, so the rows themselves are not fetched a second time."""

    @metric_value(engine=LakehouseExecutionEngine)
    def _lakehouse(cls, **_: Any) -> list[dict[str, Any]]:
        return []


class UnexpectedRowCount(UnexpectedRowsQueryRowCount):
    """The query counted as it is written: Great Expectations would take a colon in it for a parameter."""

    @metric_value(engine=LakehouseExecutionEngine)
    def _lakehouse(
        cls,
        execution_engine: LakehouseExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> int:
        batch = execution_engine.get_domain_records(metric_domain_kwargs)
        query = metric_value_kwargs["unexpected_rows_query"].format(batch=batch)
        return int(execution_engine.execute_query(_verbatim(f"select count(*) from ({query}\n) found")).scalar_one())


class BaseQuery(BaseQueryTable):
    """One side of a comparison, whole: Great Expectations would compare the first 200 rows only."""

    @metric_value(engine=LakehouseExecutionEngine)
    def _lakehouse(
        cls,
        execution_engine: LakehouseExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> list[dict[str, Any]]:
        batch = execution_engine.get_domain_records(metric_domain_kwargs)
        return _rows(execution_engine, metric_value_kwargs["base_query"].format(batch=batch))


class ComparisonQuery(comparison.ComparisonQueryDataSourceTable):
    """The other side of a comparison is the same lake, seen through the same connection."""

    @metric_value(engine=LakehouseExecutionEngine)
    def _lakehouse(
        cls, execution_engine: LakehouseExecutionEngine, metric_value_kwargs: dict[str, Any], **_: Any
    ) -> list[dict[str, Any]]:
        return _rows(execution_engine, metric_value_kwargs["comparison_query"])


def _verbatim(sql: str) -> sa.TextClause:
    return sa.text(sql.replace(":", "\\:"))


def _rows(engine: LakehouseExecutionEngine, query: str) -> list[dict[str, Any]]:
    limited = f"select * from ({query.rstrip('; ')}\n) compared limit {COMPARED_ROWS + 1}"
    found = [row._asdict() for row in engine.execute_query(_verbatim(limited))]
    if len(found) > COMPARED_ROWS:
        raise ValueError(f"a query to compare returns more than {COMPARED_ROWS:,} rows; let it aggregate first")
    return found
