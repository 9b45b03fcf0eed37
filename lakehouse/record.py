"""What is told of a run: its progress while it goes on, each table's result, and the record that stays in the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from lakehouse.engines import Receipt
from lakehouse.names import TableName
from lakehouse.promote.verdict import Verdict

Outcome = Literal["done", "nothing", "gate", "failed", "blocked"]


@dataclass(frozen=True)
class StepResult:
    """What happened to one table in one run. `rows` were written; `message` is the error's own, or why.

    `rows_read` came from the source, which read `bytes_scanned` (its table's size, once for each pass) to find them.
    """

    table: TableName
    outcome: Outcome
    scope: str
    message: str
    rows: int = 0
    deleted: int = 0
    rows_read: int = 0
    bytes_scanned: int = 0
    rows_total: int = 0
    quarantined: int = 0
    size_bytes: int = 0
    files_added: int = 0
    files_removed: int = 0
    seconds: float = 0.0
    verdict: Verdict | None = None
    snapshot_id: int | None = None
    retryable: bool = False
    receipt: Receipt | None = None  # of the cluster that made it

    def to_json(self) -> dict[str, Any]:
        fields = {k: v for k, v in self.__dict__.items() if k not in ("table", "verdict", "receipt")}
        made_by = {"engine": "duckdb"} if self.receipt is None else self.receipt.to_json()
        verdict = self.verdict.to_json() if self.verdict else None
        return {"table": str(self.table), **fields, "made_by": made_by, "verdict": verdict}


@dataclass(frozen=True)
class RunResult:
    """A finished run. `exit_code` is the contract's: 0 done, 1 something failed, 3 a gate said no."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    snapshot: str | None
    steps: tuple[StepResult, ...]

    @property
    def exit_code(self) -> int:
        outcomes = {s.outcome for s in self.steps}
        return 1 if "failed" in outcomes else 3 if "gate" in outcomes else 0

    @property
    def is_retryable(self) -> bool:
        """Whether everything that failed may succeed if simply run again."""
        failed = [s for s in self.steps if s.outcome in ("failed", "gate")]
        return bool(failed) and all(s.retryable for s in failed)

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "finished_at": self.finished_at.isoformat(timespec="milliseconds"),
            "snapshot": self.snapshot,
            "exit_code": self.exit_code,
            "steps": [s.to_json() for s in self.steps],
        }


class Progress(Protocol):
    """Who watches a run: told how many tables there are, of each when it begins, of its phases, and of its result."""

    def start(self, tables: int) -> None: ...
    def begin(self, table: TableName) -> None: ...
    def phase(self, table: TableName, name: str) -> None: ...
    def end(self, result: StepResult) -> None: ...


class Silent:
    """A Progress that nobody looks at."""

    def start(self, tables: int) -> None:
        """Nothing."""

    def begin(self, table: TableName) -> None:
        """Nothing."""

    def phase(self, table: TableName, name: str) -> None:
        """Nothing."""

    def end(self, result: StepResult) -> None:
        """Nothing."""


def summarise(steps: Sequence[StepResult]) -> Mapping[str, int]:
    """How many tables ended how."""
    return {
        outcome: sum(s.outcome == outcome for s in steps)
        for outcome in ("done", "nothing", "gate", "failed", "blocked")
    }
