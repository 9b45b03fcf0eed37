"""Great Expectations on a DuckDB connection of ours: an execution engine, its metrics, and one context per process.

Imported only where a gate runs: great_expectations takes five seconds to import. It reaches into private names of
great-expectations 1.24 and duckdb-sqlalchemy 1.5; both are pinned, and tests run every expectation against pandas.
"""

from __future__ import annotations

import logging
import os
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DATASOURCE = "lake"


@cache
def context() -> Any:
    """The process's one ephemeral GX context, silent and without telemetry, with our DuckDB classes registered."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
        import great_expectations as gx

        _register()
        found = gx.get_context(mode="ephemeral")
        found.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return found


def batch_of(con: DuckDBPyConnection, view: str) -> Any:
    """A GX batch over a view of `con`, through a cursor of it: GX may close what it gets."""
    import sqlalchemy as sa
    from duckdb_sqlalchemy import ConnectionWrapper

    datasource_class = _register()
    datasource_class.engines[DATASOURCE] = sa.create_engine(
        "duckdb://", creator=lambda: ConnectionWrapper(con.cursor()), poolclass=sa.pool.StaticPool
    )
    source = context().data_sources.add_or_update_lakehouse_duckdb(datasource_class(name=DATASOURCE))
    asset = source.add_table_asset(view, table_name=view)
    return asset.add_batch_definition_whole_table("whole").get_batch()


@cache
def _register() -> Any:
    """Define and register the engine and data source; GX registers classes by name as they are defined."""
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine

    class LakehouseDuckDBExecutionEngine(SqlAlchemyExecutionEngine):
        """GX fetches after it gave the connection back, when DuckDB has dropped the result: fetch before."""

        def execute_query(self, query: Any) -> Any:
            with self.get_connection() as connection:
                result = self._execute_query_with_recovery(connection, query)
                return result.freeze()() if result.returns_rows else result

    class LakehouseDuckDBDatasource(SQLDatasource):
        type: Literal["lakehouse_duckdb"] = "lakehouse_duckdb"  # type: ignore[assignment]
        connection_string: str = "duckdb://"
        engines: ClassVar[dict[str, Any]] = {}

        def get_engine(self) -> Any:
            return self.engines[self.name]

        def get_execution_engine(self) -> Any:
            engine = self.engines[self.name]
            if self._execution_engine is None or self._execution_engine.engine is not engine:
                self._execution_engine = LakehouseDuckDBExecutionEngine(engine=engine, create_temp_table=False)
            return self._execution_engine

    _add_metrics(LakehouseDuckDBExecutionEngine)
    return LakehouseDuckDBDatasource


def _add_metrics(engine: type) -> None:
    """The column conditions for which GX has no SQL that DuckDB understands."""
    import sqlalchemy as sa
    from great_expectations.expectations.metrics.map_metric_provider import (
        ColumnMapMetricProvider,
        column_condition_partial,
    )

    def text(column: Any) -> Any:
        return sa.cast(column, sa.String)

    def matches(column: Any, pattern: str) -> Any:
        return sa.func.regexp_matches(text(column), pattern)

    def any_or_all(conditions: list[Any], match_on: str | None) -> Any:
        return (sa.and_ if match_on == "all" else sa.or_)(*conditions)

    conditions: dict[str, tuple[tuple[str, ...], Any]] = {
        "match_regex": (("regex",), lambda c, regex: matches(c, regex)),
        "not_match_regex": (("regex",), lambda c, regex: ~matches(c, regex)),
        "match_regex_list": (
            ("regex_list", "match_on"),
            lambda c, regex_list, match_on: any_or_all([matches(c, r) for r in regex_list], match_on),
        ),
        "not_match_regex_list": (("regex_list",), lambda c, regex_list: ~sa.or_(*[matches(c, r) for r in regex_list])),
        "match_like_pattern": (("like_pattern",), lambda c, like_pattern: text(c).like(like_pattern)),
        "not_match_like_pattern": (("like_pattern",), lambda c, like_pattern: ~text(c).like(like_pattern)),
        "match_like_pattern_list": (
            ("like_pattern_list", "match_on"),
            lambda c, like_pattern_list, match_on: any_or_all([text(c).like(p) for p in like_pattern_list], match_on),
        ),
        "not_match_like_pattern_list": (
            ("like_pattern_list",),
            lambda c, like_pattern_list: ~sa.or_(*[text(c).like(p) for p in like_pattern_list]),
        ),
        "json_parseable": ((), lambda c: sa.func.json_valid(text(c))),
    }
    for name, (keys, condition) in conditions.items():
        _define(engine, name, keys, condition, ColumnMapMetricProvider, column_condition_partial)


def _define(engine: type, name: str, keys: tuple[str, ...], condition: Any, provider: Any, partial: Any) -> None:
    def evaluate(cls: Any, column: Any, **kwargs: Any) -> Any:
        return condition(column, **{k: kwargs.get(k) for k in keys})

    body = {
        "condition_metric_name": f"column_values.{name}",
        "condition_value_keys": keys,
        "_lakehouse": partial(engine=engine)(evaluate),
    }
    type(f"Lakehouse{name.title().replace('_', '')}", (provider,), body)
