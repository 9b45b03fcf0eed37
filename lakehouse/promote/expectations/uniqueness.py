"""Duplicates counted by one GROUP BY: the window functions of Great Expectations sort the whole table."""

# ruff: noqa: TID253 (this module is only ever imported inside functions)

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
from great_expectations.util import get_sqlalchemy_selectable

from lakehouse.promote.expectations.engine import LakehouseExecutionEngine


class DuplicateValues(MetricProvider):
    """Rows whose value another row has; NULLs are no values."""

    metric_name = "column_values.unique.unexpected_count"
    domain_keys = ("batch_id", "table", "column", "row_condition", "condition_parser")

    @metric_value(engine=LakehouseExecutionEngine)
    def _lakehouse(
        cls, execution_engine: LakehouseExecutionEngine, metric_domain_kwargs: dict[str, Any], **_: Any
    ) -> int:
        return _count_duplicates(execution_engine, metric_domain_kwargs, [metric_domain_kwargs["column"]])


class DuplicateKeys(MetricProvider):
    """Rows whose combination of values another row has; NULL equals NULL, as in Great Expectations on pandas."""

    metric_name = "compound_columns.unique.unexpected_count"
    domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")

    @metric_value(engine=LakehouseExecutionEngine)
    def _lakehouse(
        cls, execution_engine: LakehouseExecutionEngine, metric_domain_kwargs: dict[str, Any], **_: Any
    ) -> int:
        return _count_duplicates(execution_engine, metric_domain_kwargs, metric_domain_kwargs["column_list"])


def _count_duplicates(engine: LakehouseExecutionEngine, domain: dict[str, Any], names: list[str]) -> int:
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
    groups = (
        sa.select(sa.func.count().label("rows_alike"))
        .select_from(get_sqlalchemy_selectable(engine.get_domain_records(domain)))
        .group_by(*columns)
        .having(sa.func.count() > 1)
    )
    if len(names) == 1:
        groups = groups.where(columns[0].is_not(None))
    grouped = groups.subquery()
    total = sa.select(sa.func.coalesce(sa.func.sum(grouped.c.rows_alike), 0))
    return int(engine.execute_query(total).scalar_one())
