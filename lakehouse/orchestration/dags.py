"""What the DAG files call: a task's context becomes a job, an error becomes a retry or the end, with where to look."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import GateFailed, LakehouseError
from lakehouse.names import RUN_ID
from lakehouse.orchestration.connections import settings_of
from lakehouse.project import Project, load_project

if TYPE_CHECKING:
    from lakehouse.orchestration.steps import Job
    from lakehouse.record import StepResult

Context = Mapping[str, Any]
LOG = logging.getLogger("lakehouse.dags")
# A lock or a cluster's bad minute passes; what does not is raised as a failure and is not tried again.
RETRIES: dict[str, Any] = {
    "retries": 5,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
}


def tables_of(folder: Path) -> dict[str, list[str]]:
    """Every table a model of the project makes, in order, and those it waits for: what it reads, or is compared with.

    Needs neither network nor database.
    """
    from lakehouse.model import load_graph

    found: dict[str, list[str]] = {}
    for name, model in load_graph(load_project(folder, {}).root).models.items():
        found[str(name)] = [r for r in dict.fromkeys((*model.reads, *model.compares)) if r in found]
    return found


def crawlers_of(folder: Path) -> list[str]:
    """The crawlers' names, as Terraform gives them."""
    from lakehouse.orchestration.crawl import crawler_names

    return crawler_names(load_project(folder, {}))


def restore(folder: Path, context: Context) -> dict[str, int]:
    """The task restore: the dump of the parameter `dump` into the source."""
    from lakehouse.orchestration.steps import restore_source

    with airflow_errors():
        done = restore_source(_project(folder, context), str(context["params"]["dump"]), LOG.info)
    return {"tables": done.tables, "rows": done.rows}


def validate(folder: Path, context: Context) -> dict[str, int]:
    """The task validate_source."""
    from lakehouse.orchestration.steps import validate_source

    with airflow_errors():
        return validate_source(_job(folder, context))


def extract(folder: Path, context: Context) -> dict[str, int]:
    """The task extract: every table in one snapshot."""
    from lakehouse.orchestration.steps import extract_tables

    with airflow_errors():
        return extract_tables(_job(folder, context))


def make(folder: Path, context: Context, table: str) -> dict[str, Any]:
    """The task of one table; skipped where the parameter `tables` does not ask for it."""
    from lakehouse.orchestration.steps import links_of, make_table

    with airflow_errors():
        job = _job(folder, context)
        links = links_of(job.project, job.run_id, table)
        context["ti"].xcom_push(key="links", value=links)
        with _with_links(links):
            made = make_table(job, table)
    if made is None:
        from airflow.sdk.exceptions import AirflowSkipException

        raise AirflowSkipException(f"{table}: not among the tables this run was asked for")
    return made


def report(folder: Path, context: Context) -> dict[str, Any]:
    """The teardown: views, the run record, the end of the lease; and in words what the run did."""
    from lakehouse.orchestration.steps import report_run

    with airflow_errors():
        job = _job(folder, context)
        record = report_run(job)
    for step in record["steps"]:
        LOG.info("%s: %s, %s rows: %s", step["table"], step["outcome"], f"{step['rows']:,}", step["message"])
    counts = {
        o: sum(s["outcome"] == o for s in record["steps"]) for o in ("done", "nothing", "gate", "failed", "blocked")
    }
    if _is_backfill(context):
        LOG.info(
            "A backfill of %s. PostgreSQL tells what it holds now, not what it held then: %d tables had changed since "
            "the run before and were brought up to date, %d had not. Rows of an earlier day are in bronze, by run.",
            context.get("logical_date") or context["dag_run"].run_after,
            counts["done"],
            counts["nothing"],
        )
    return {"run_id": record["run_id"], "exit_code": record["exit_code"], **counts}


def start_crawlers(folder: Path, context: Context) -> int:
    """The task crawl: start them; `crawled` waits for them."""
    from lakehouse.orchestration import crawl

    with airflow_errors():
        return crawl.start_crawlers(_project(folder, context), context["params"]["crawlers"])


def is_crawled(folder: Path, context: Context) -> bool:
    """The sensor's question."""
    from lakehouse.orchestration import crawl

    with airflow_errors():
        return crawl.crawlers_finished(_project(folder, context), context["params"]["crawlers"])


def check_catalog(folder: Path, context: Context) -> dict[str, int]:
    """The task check_catalog: Glue agrees with the lake."""
    from lakehouse.orchestration import crawl

    with airflow_errors():
        return crawl.check_catalog(_project(folder, context))


def ask_athena(folder: Path, context: Context) -> dict[str, Any]:
    """The task ask_athena: a query through Athena's API counts what was committed."""
    from lakehouse.orchestration import crawl

    with airflow_errors():
        return crawl.ask_athena(_project(folder, context), context["params"]["workgroup"])


def report_schemas(folder: Path, context: Context) -> dict[str, int]:
    """The task report_schemas: what changed in the catalog since the last crawl, in the log."""
    from lakehouse.orchestration import crawl

    with airflow_errors():
        changes = crawl.schema_changes(_project(folder, context))
    for line in changes or ["no schema changed since the last crawl"]:
        LOG.info("%s", line)
    return {"changes": len(changes)}


def tell_failure(context: Context) -> None:
    """The callback: one line with the error's own message. Put your notifier beside it in the DAG file."""
    ti, error = context["ti"], context.get("exception")
    LOG.error("%s %s failed for good: %s", ti.dag_id, ti.task_id, error)


def tell_retry(context: Context) -> None:
    """The callback before another attempt."""
    ti, error = context["ti"], context.get("exception")
    LOG.warning("%s %s, attempt %s, will be tried again: %s", ti.dag_id, ti.task_id, ti.try_number, error)


def run_id_of(dag_run_id: str) -> str:
    """The run's id from the DAG run's: itself where it can be part of a key, else its letters and a digest of it."""
    if RUN_ID.fullmatch(dag_run_id):
        return dag_run_id
    digest = hashlib.sha256(dag_run_id.encode()).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9_.+:-]", "-", dag_run_id)[:100].lstrip("_.+:-")
    return f"{plain or 'run'}-{digest}"


@contextmanager
def airflow_errors() -> Iterator[None]:
    """What may pass goes on as it is, so that Airflow tries again; all else ends the task at once.

    Raises:
        AirflowFailException: an error that a repetition cannot help.
    """
    try:
        yield
    except LakehouseError as e:
        if e.retryable:
            raise
        from airflow.sdk.exceptions import AirflowFailException

        raise AirflowFailException(str(e)) from None


@contextmanager
def _with_links(links: Mapping[str, str]) -> Iterator[None]:
    """Errors that say where to look."""
    try:
        yield
    except LakehouseError as e:
        where = {k: v for k, v in links.items() if k != "quarantined rows" or isinstance(e, GateFailed)}
        text = "; ".join(f"{k}: {v}" for k, v in where.items())
        raise LakehouseError(f"{e} Look at {text}", retryable=e.retryable) from e


class _Logged:
    """A run's progress in the task's log."""

    def start(self, tables: int) -> None:
        """Nothing: a task has one table."""

    def begin(self, table: object) -> None:
        LOG.info("%s: begins", table)

    def phase(self, table: object, name: str) -> None:
        LOG.info("%s: %s", table, name)

    def end(self, result: StepResult) -> None:
        LOG.info("%s: %s, %s rows, %.1f s", result.table, result.outcome, f"{result.rows:,}", result.seconds)


def _project(folder: Path, context: Context) -> Project:
    engine = context["params"].get("engine")
    return load_project(folder, settings_of(engine))


def _job(folder: Path, context: Context) -> Job:
    from lakehouse.orchestration.steps import Job

    params = context["params"]
    run_id = run_id_of(context["dag_run"].run_id)
    return Job(_project(folder, context), run_id, tuple(params["tables"]), bool(params["full"]), _Logged())


def _is_backfill(context: Context) -> bool:
    return str(getattr(context["dag_run"], "run_type", "")).lower().endswith("backfill")
