"""The execution engine: Great Expectations' SQL on a DuckDB connection that somebody else owns."""

# ruff: noqa: TID253 (this module is only ever imported inside functions)

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import sqlalchemy as sa
from duckdb_sqlalchemy import ConnectionWrapper
from great_expectations.core.batch import Batch
from great_expectations.core.id_dict import IDDict
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.validator.validator import Validator

# These say nothing about the data: the gate could not be asked at all.
UNANSWERED = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InterruptException, duckdb.FatalException)


class LakehouseExecutionEngine(SqlAlchemyExecutionEngine):
    """Guards two things: results are read before their connection is given back, and what broke is remembered.

    Great Expectations looks metrics up by this class's name, so a DuckDB engine of its own, once it has one, will not
    be mistaken for this.
    """

    def __init__(self, engine: sa.Engine, cursor: duckdb.DuckDBPyConnection) -> None:
        super().__init__(engine=engine, create_temp_table=False)
        self.cursor = cursor
        self.broken: list[Exception] = []

    def execute_query(self, query: Any) -> Any:
        if self.broken:
            # Great Expectations tries a failed metric three times, and every other metric after it.
            raise self.broken[0]
        with self.get_connection() as connection:
            try:
                result = self._execute_query_with_recovery(connection, query)
                # It would fetch only after the connection went back to the pool, when DuckDB has dropped the result.
                return result.freeze()() if result.returns_rows else result
            except sa.exc.DBAPIError as e:
                if isinstance(e.orig, UNANSWERED):
                    self.broken.append(e.orig)
                raise
            except RuntimeError as e:
                # DuckDB's word for Ctrl-C; as an Exception it would be taken for a failed metric, and the run would go
                # on. The threads still at work are told too, or the rollback would wait for them to finish.
                if "interrupted" not in str(e).lower():
                    raise
                self.cursor.interrupt()
                raise KeyboardInterrupt from e

    def get_domain_records(self, domain_kwargs: dict[str, Any]) -> Any:
        """A table named with its layer is another table of the lake, not one next to the staged view."""
        other = domain_kwargs.get("table")
        if isinstance(other, str) and "." in other:
            schema, table = other.split(".", 1)
            return sa.Table(table, sa.MetaData(), schema=schema)
        return super().get_domain_records(domain_kwargs)


class QuietValidator(Validator):
    """A Validator without progress bars, which would write over ours."""

    def _determine_progress_bars(self) -> bool:
        return False


@contextmanager
def open_validators(con: duckdb.DuckDBPyConnection, views: Iterable[str]) -> Iterator[dict[str, QuietValidator]]:
    """A validator for each of `views` (schema.name), over one engine; `con` itself is neither used nor closed.

    One for each, because a validator asks everything of its last batch, whatever batch a question names.
    """
    cursor = con.cursor()
    # A cursor sees the catalog and the secrets of its connection, but not its session's settings.
    cursor.execute("set timezone = 'UTC'")
    engine = sa.create_engine("duckdb://", creator=lambda: ConnectionWrapper(cursor), poolclass=sa.pool.StaticPool)
    try:
        execution = LakehouseExecutionEngine(engine, cursor)
        yield {view: QuietValidator(execution, batches=[_batch(execution, view)]) for view in views}
    finally:
        engine.dispose()
        cursor.close()


def _batch(engine: LakehouseExecutionEngine, view: str) -> Batch:
    schema, table = view.split(".", 1)
    data = SqlAlchemyBatchData(engine, schema_name=schema, table_name=table)
    return Batch(data=data, batch_definition=IDDict({"view": view}))  # type: ignore[arg-type]
