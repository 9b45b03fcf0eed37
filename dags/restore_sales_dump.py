"""A pg_dump file into the source database, whole or not at all; then the source is announced as new."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, Param, dag, task

from lakehouse.orchestration import dags as lake

HERE = Path(__file__).parent
SOURCE = Asset(name="lakehouse_source", group="lakehouse")


@dag(
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=lake.RETRIES,
    params={
        "dump": Param(
            ".lakehouse/demo/sales.dump",
            type="string",
            minLength=1,
            description="A pg_dump file of any form: s3://bucket/key, or a path on the worker or in the project",
        )
    },
    tags=["lakehouse"],
    doc_md=__doc__,
)
def restore_sales_dump() -> None:
    @task(outlets=[SOURCE], on_failure_callback=lake.tell_failure, on_retry_callback=lake.tell_retry)
    def restore(*, outlet_events: Any = None, **context: Any) -> Any:
        done = lake.restore(HERE, context)
        outlet_events[SOURCE].extra = done
        return done

    restore()


restore_sales_dump()
