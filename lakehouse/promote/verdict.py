"""What a gate said of a table: one object for the command line, the library, Airflow and the run record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lakehouse.errors import GateFailed
from lakehouse.names import TableName

Severity = Literal["critical", "quarantine", "warning"]
CheckOutcome = Literal["passed", "failed", "error"]


@dataclass(frozen=True)
class Check:
    """One expectation's result. `unexpected_count` of `element_count` rows failed; both 0 for aggregates."""

    type: str
    columns: str
    kwargs: Mapping[str, Any]
    severity: Severity
    outcome: CheckOutcome
    observed: str
    unexpected_count: int
    element_count: int
    why: str

    @property
    def phrase(self) -> str:
        """`order_id to be unique: 3 rows`, for messages."""
        name = (
            self.type.removeprefix("expect_").removeprefix("column_values_").removeprefix("column_").replace("_", " ")
        )
        count = f"{self.unexpected_count:,} rows" if self.unexpected_count else self.observed
        return f"{self.columns} {name}: {count}".strip()


@dataclass(frozen=True)
class Verdict:
    """All results of one gate; `rows` is how many rows the gated files hold."""

    table: TableName
    run_id: str
    rows: int
    checks: tuple[Check, ...]
    seconds: float

    @property
    def blocking(self) -> tuple[Check, ...]:
        """What stops the promotion: a critical expectation that failed, and any that could not be evaluated."""
        return tuple(
            c for c in self.checks if c.outcome == "error" or (c.outcome == "failed" and c.severity == "critical")
        )

    @property
    def diverting(self) -> tuple[Check, ...]:
        """What sends rows to quarantine."""
        return tuple(c for c in self.checks if c.outcome == "failed" and c.severity == "quarantine")

    @property
    def warnings(self) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if c.outcome == "failed" and c.severity == "warning")

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "checks": [asdict(c) for c in self.checks],
        }


class GateStopped(GateFailed):
    """GateFailed with the verdict it is about."""

    def __init__(self, message: str, verdict: Verdict) -> None:
        super().__init__(message)
        self.verdict = verdict


def gate_failure(verdict: Verdict) -> GateStopped:
    """The error for a verdict that blocks."""
    bad = verdict.blocking
    named = "; ".join(c.phrase for c in bad[:3]) + (f"; and {len(bad) - 3} more" if len(bad) > 3 else "")
    how = "failed" if all(c.outcome == "failed" for c in bad) else "failed or could not be evaluated"
    return GateStopped(
        f"{verdict.table}, run {verdict.run_id}: {len(bad)} of {len(verdict.checks)} expectations {how} ({named}), over "
        f"{verdict.rows:,} rows. Nothing was committed; readers still see the version before. "
        f"The suite: expectations/{verdict.table.layer}/{verdict.table.table}.json",
        verdict,
    )
