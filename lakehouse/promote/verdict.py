"""What a gate said of a table: one object for the command line, the library, Airflow and the run record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lakehouse.errors import GateFailed
from lakehouse.names import TableName

Severity = Literal["critical", "quarantine", "warning"]
CheckOutcome = Literal["passed", "failed", "error"]
SEVERITIES: tuple[Severity, ...] = ("critical", "quarantine", "warning")
LISTED = 5


@dataclass(frozen=True)
class Check:
    """One expectation's result. `position` is its place in the suite, None for what the gate itself demands.

    Counts are of rows; None where the expectation is not about rows. `stops` says that it stops the promotion: a
    critical one that failed, any that raised, or more rows to divert than may be.
    """

    type: str
    columns: str
    severity: Severity
    outcome: CheckOutcome
    observed: str
    unexpected_count: int | None
    element_count: int | None
    message: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    position: int | None = None
    stops: bool = False


@dataclass(frozen=True)
class Diversion:
    """The staged rows that fail one `quarantine` expectation: `condition` is true for exactly those."""

    position: int
    type: str
    reason: str
    condition: str
    rows: int


@dataclass(frozen=True)
class Verdict:
    """All results of one gate; `rows` is how many rows the gated files hold."""

    table: TableName
    run_id: str
    rows: int
    checks: tuple[Check, ...]
    seconds: float
    diversions: tuple[Diversion, ...] = ()
    rows_diverted: int = 0

    @property
    def blocking(self) -> tuple[Check, ...]:
        """What stops the promotion."""
        return tuple(c for c in self.checks if c.stops)

    @property
    def passed(self) -> bool:
        """Whether the staged files may be committed, once what is to be diverted has been."""
        return not self.blocking

    @property
    def diverting(self) -> tuple[Check, ...]:
        """What sends rows to quarantine; nothing does where the promotion is stopped."""
        diverted = {d.position for d in self.diversions}
        return tuple(c for c in self.checks if c.position in diverted) if self.passed else ()

    @property
    def warnings(self) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if c.outcome == "failed" and c.severity == "warning")

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "passed": self.passed,
            "rows_diverted": self.rows_diverted if self.passed else 0,
            "seconds": round(self.seconds, 3),
            "checks": [asdict(c) for c in self.checks],
        }


def gate_failure(verdict: Verdict) -> GateFailed:
    """The error for a verdict that blocks; it carries the verdict."""
    blocking = verdict.blocking
    listed = "; ".join(c.message for c in blocking[:LISTED])
    more = f"; and {len(blocking) - LISTED} more" if len(blocking) > LISTED else ""
    return GateFailed(
        f"{verdict.table}, run {verdict.run_id}: {_counted(verdict)} ({listed}{more}). "
        f"Nothing was committed; readers still see the version before. Correct the source, the model, or its suite "
        f"expectations/{verdict.table.layer}/{verdict.table.table}.json, then: lakehouse run {verdict.table}",
        verdict=verdict,
    )


def _counted(verdict: Verdict) -> str:
    asked = [c for c in verdict.blocking if c.position is not None]
    if not asked:
        return "the gate said no"
    total = sum(c.position is not None for c in verdict.checks)
    how = "failed" if all(c.outcome == "failed" for c in asked) else "failed or could not be evaluated"
    return f"{len(asked)} of {total} expectation{'' if total == 1 else 's'} {how}"
