"""What a person sees: progress on stderr while a run works, tables on stdout when it is done."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from lakehouse.names import TableName

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lakehouse.record import RunResult, StepResult
    from lakehouse.stack import ServiceStatus

MARKS = {
    "done": "[green]✓[/]",
    "nothing": "[dim]·[/]",
    "gate": "[red]✗[/]",
    "failed": "[red]✗[/]",
    "blocked": "[yellow]-[/]",
}
OUTCOMES = {
    "done": "brought up to date",
    "nothing": "already up to date",
    "gate": "stopped by the gate",
    "failed": "failed",
    "blocked": "blocked",
}


def console(*, stderr: bool = False) -> Console:
    """A console whose width and colour suit where it prints; plain when piped."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 110
    return Console(stderr=stderr, highlight=False, width=width, soft_wrap=False)


class Watch:
    """A run's Progress: a line per table when it is done and, on a terminal, a bar over all of them."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = console(stderr=True)
        self.bar: Any = None
        self.task: Any = None

    def start(self, tables: int) -> None:
        """Show the bar; where there is no terminal, nothing."""
        if self.quiet or not self.console.is_terminal:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (MofNCompleteColumn(), BarColumn(24), TimeElapsedColumn(), TextColumn("{task.description}"))
        self.bar = Progress(*columns, console=self.console, transient=True)
        self.task = self.bar.add_task("looking", total=tables)
        self.bar.start()

    def begin(self, table: TableName) -> None:
        self._say(str(table))

    def phase(self, table: TableName, name: str) -> None:
        self._say(f"{table}: {name}")

    def end(self, result: StepResult) -> None:
        if self.bar is not None:
            self.bar.advance(self.task)
        if self.quiet or (result.outcome == "nothing" and not self.console.is_terminal):
            return
        detail = result.message if result.outcome != "done" else describe_step(result)
        self.console.print(f"{MARKS[result.outcome]} {result.table!s:34} {detail}", overflow="fold")

    def stop(self) -> None:
        """Take the bar away, whatever happened."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _say(self, text: str) -> None:
        if self.bar is not None:
            self.bar.update(self.task, description=text)


def describe_step(step: StepResult) -> str:
    """One line: what moved, and why that much."""
    moved = f"{step.rows:,} rows"
    if step.deleted:
        moved += f", {step.deleted:,} deleted"
    if step.quarantined:
        moved += f", [yellow]{step.quarantined:,} in quarantine[/]"
    return f"{step.scope.replace('_', ' '):12} {moved:32} {step.seconds:5.1f} s  [dim]{step.message}[/]"


def run_table(result: RunResult) -> Table:
    """The summary of a run: one line per table that did anything."""
    from rich.table import Table

    from lakehouse.record import summarise

    seconds = (result.finished_at - result.started_at).total_seconds()
    counts = ", ".join(f"{n} {OUTCOMES[o]}" for o, n in summarise(result.steps).items() if n)
    table = Table(title=f"run {result.run_id}: {counts or 'nothing to do'}, {seconds:.1f} s", title_justify="left")
    table.add_column("table", no_wrap=True)
    table.add_column("what")
    for name in ("rows written", "rows now", "MB", "files", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("gate")
    for step in result.steps:
        if step.outcome == "nothing":
            continue
        written = f"{step.rows:,}" + (f" -{step.deleted:,}" if step.deleted else "")
        files = f"+{step.files_added} -{step.files_removed}" if step.files_added or step.files_removed else ""
        table.add_row(
            f"{MARKS[step.outcome]} {step.table}",
            step.scope.replace("_", " ") if step.outcome == "done" else OUTCOMES[step.outcome],
            written,
            f"{step.rows_total:,}",
            f"{step.size_bytes / 1e6:.1f}",
            files,
            f"{step.seconds:.1f}",
            gate_text(step),
        )
    return table


def gate_text(step: StepResult) -> str:
    """`12/12`, and how many rows went aside."""
    if step.verdict is None:
        return ""
    passed = sum(c.outcome == "passed" for c in step.verdict.checks)
    aside = f", {step.quarantined:,} rows aside" if step.quarantined else ""
    return f"{passed}/{len(step.verdict.checks)}{aside}"


def rows_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Plain rows as a table; numbers to the right."""
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for i, name in enumerate(columns):
        numeric = all(isinstance(r[i], int | float) or r[i] is None or type(r[i]).__name__ == "Decimal" for r in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *("" if v is None else f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row)
        )
    return table


TABLE_ROWS = 200  # more than a person reads; csv and json print all


def print_batches(columns: Sequence[str], batches: Iterator[Sequence[Sequence[Any]]], shape: str) -> None:
    """Rows to stdout: csv and JSON lines as they come; a table up to the first 200 rows."""
    if shape == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        for batch in batches:
            writer.writerows(batch)
    elif shape == "json":
        for batch in batches:
            for row in batch:
                sys.stdout.write(
                    json.dumps(dict(zip(columns, row, strict=True)), default=str, ensure_ascii=False) + "\n"
                )
    else:
        rows = [row for batch in islice(batches, 1) for row in batch]
        console().print(rows_table("", columns, rows[:TABLE_ROWS]))
        if len(rows) > TABLE_ROWS:
            console(stderr=True).print(f"the first {TABLE_ROWS} rows; all of them: --format csv")


def print_services(services: Sequence[ServiceStatus], *, as_json: bool) -> None:
    """The local services, one a line."""
    if as_json:
        print_json([asdict(s) for s in services])
    else:
        print_table(
            "local services",
            ("service", "state", "where", "detail"),
            [(s.name, s.state, s.endpoint, s.detail) for s in services],
        )


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows as a table on stdout."""
    console().print(rows_table(title, columns, rows))


def print_json(value: object) -> None:
    """A value as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=1, default=str, ensure_ascii=False) + "\n")
