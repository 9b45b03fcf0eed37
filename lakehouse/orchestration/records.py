"""What the steps of one run leave for each other in the lake: the copies of extract, and each table's result."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lakehouse.catalog.bronze import Manifest, manifest_from_json
from lakehouse.errors import GateFailed, LakehouseError
from lakehouse.extract.bronze import BronzeCopy
from lakehouse.extract.changes import Change
from lakehouse.model import ModelGraph
from lakehouse.names import TableName
from lakehouse.promote.verdict import Verdict
from lakehouse.record import StepResult
from lakehouse.store import Store

EXTRACTION = "_extraction.json"


def copy_to_json(copy: BronzeCopy, previous: Manifest | None) -> dict[str, Any]:
    """A copy that no gate has seen yet, for the step that will show it one."""
    manifest = copy.manifest.to_json() if copy.manifest else None
    change = {"kind": copy.change.kind, "reason": copy.change.reason}
    cost = {"seconds": copy.seconds, "rows_read": copy.rows_read, "bytes_scanned": copy.bytes_scanned}
    return {"change": change, "manifest": manifest, "previous": previous and previous.run_id, **cost}


def copy_from_json(table: str, entry: dict[str, Any]) -> BronzeCopy:
    """The copy again; the query it was made with is not kept."""
    manifest = manifest_from_json(entry["manifest"]) if entry["manifest"] else None
    change = Change(**entry["change"], query="")
    return BronzeCopy(table, change, manifest, entry["seconds"], entry["rows_read"], entry["bytes_scanned"])


def read_extraction(store: Store, run_id: str) -> dict[str, Any] | None:
    return store.get_json(store.layout.run_steps(run_id) + EXTRACTION)


def put_extraction(store: Store, run_id: str, extraction: dict[str, Any]) -> None:
    store.put_json(store.layout.run_steps(run_id) + EXTRACTION, extraction)


def read_step(store: Store, run_id: str, name: TableName) -> dict[str, Any] | None:
    return store.get_json(_key(store, run_id, name))


def put_step(store: Store, run_id: str, step: StepResult) -> None:
    """Keep the result; a repetition that found nothing to do does not hide what the run did before."""
    before = read_step(store, run_id, step.table)
    if not (step.outcome == "nothing" and before and before["outcome"] == "done"):
        store.put_json(_key(store, run_id, step.table), step.to_json())


def without_values(step: StepResult) -> StepResult:
    """The same result, whose message counts the rows that failed and shows none of their values."""
    message = step.message
    for check in step.verdict.checks if isinstance(step.verdict, Verdict) else ():
        if check.unexpected_count is not None:
            of = "" if check.element_count is None else f" of {check.element_count:,}"
            message = message.replace(check.observed, f"{check.unexpected_count:,}{of} rows")
    return replace(step, message=message)


def raise_failure(step: StepResult) -> None:
    """Raise what kept the table from being made, with whether a repetition can help.

    Raises:
        GateFailed: its gate said no.
        LakehouseError: anything else did.
    """
    if step.outcome == "gate":
        raise GateFailed(step.message, verdict=step.verdict)
    if step.outcome in ("failed", "blocked"):
        raise LakehouseError(step.message, retryable=step.retryable)


def run_record(store: Store, graph: ModelGraph, run_id: str, chosen: list[TableName]) -> dict[str, Any]:
    """The run's record as `lakehouse run` writes it, from what its steps left."""
    extraction = read_extraction(store, run_id) or {}
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    steps: list[dict[str, Any]] = []
    bad: set[str] = set()
    for name in chosen:
        step = read_step(store, run_id, name)
        if step is None:
            blocker = next((r for r in graph.models[name].reads if r in bad), None)
            step = _without_result(name, blocker)
        if step["outcome"] in ("failed", "gate", "blocked"):
            bad.add(str(name))
        steps.append(step)
    outcomes = {s["outcome"] for s in steps}
    return {
        "run_id": run_id,
        "started_at": extraction.get("started_at", now),
        "finished_at": now,
        "snapshot": extraction.get("snapshot"),
        "exit_code": 1 if "failed" in outcomes else 3 if "gate" in outcomes else 0,
        "steps": steps,
    }


def _without_result(name: TableName, blocker: str | None) -> dict[str, Any]:
    if blocker:
        message = f"not made: {blocker} failed in this run; readers still see the version before"
        return StepResult(name, "blocked", "nothing", message).to_json()
    message = (
        "its task ended without a result: it never began, was killed, or its machine was lost. Readers still see the "
        "version before. Clear the task: it goes on from there"
    )
    return StepResult(name, "failed", "nothing", message, retryable=True).to_json()


def _key(store: Store, run_id: str, name: TableName) -> str:
    return f"{store.layout.run_steps(run_id)}{name}.json"
