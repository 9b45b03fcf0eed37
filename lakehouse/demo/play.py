"""The demo: two days of a shop on local services, from a dump to answers; safe to repeat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse import stack
from lakehouse.ask import answer
from lakehouse.demo.days import LateCommit, SecondDay, play_second_day
from lakehouse.demo.pack import pack_sales_dump
from lakehouse.errors import LakehouseError, UsageError
from lakehouse.extract.restore import RestoreResult, restore_dump
from lakehouse.model import load_questions
from lakehouse.programs import postgres_program
from lakehouse.project import Project
from lakehouse.record import RunResult
from lakehouse.run import open_session, run_lake
from lakehouse.terminal import Watch, console, rows_table, run_table

if TYPE_CHECKING:
    from rich.console import Console

SHOWN_QUESTIONS = ("top_departments", "customer_segments")
SHOWN_ROWS = 5
# One line reads the lake, in any DuckDB; the secret before it says where S3 is and who you are.
READS = """
  create secret (type s3, endpoint '{endpoint}', url_style 'path', use_ssl {ssl}, key_id '…', secret '…');
  attach '{file}' as lake (read_only);   -- keys: .lakehouse/services.json"""


@dataclass
class Play:
    """The demo as it goes on: what has happened, and how long each step took (seconds)."""

    project: Project
    quiet: bool
    screen: Console = field(default_factory=lambda: console(stderr=True))
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A titled step, timed."""
        if not self.quiet:
            self.screen.rule(f"[bold]{title}", align="left")
        began = time.monotonic()
        yield
        self.seconds[title] = round(time.monotonic() - began, 1)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.screen.print(text, highlight=False)


def play_demo(project: Project, *, as_json: bool, quiet: bool, keep_up: bool) -> dict[str, Any]:
    """Play both days and print what happened; returns the same as plain values.

    Raises:
        UsageError: the project is set to work on services that are not its own local ones.
        LakehouseError: a step failed; everything before it stands, and the demo can be started again.
    """
    if not (project.uses_local_source and project.uses_local_lake):
        raise UsageError(
            "The demo replaces tables of its source, so it only plays on local services. "
            "Unset LAKEHOUSE_SOURCE_URL and LAKEHOUSE_LAKE (and [lake] url in lakehouse.toml), or run it elsewhere."
        )
    play = Play(project, quiet)
    with play.step("local services"):
        stack.up(project, report=play.say)
    with play.step("the sales database"):
        restored = _restore(play)
    late = LateCommit(project.source)
    try:
        first = _run(play, "day one: everything")
        late.commit()
    except BaseException:
        late.abandon()
        raise
    with play.step("day two at the shop"):
        second_day = play_second_day(project.source)
        play.say(describe_day(second_day))
    second = _run(play, "day two: only what changed")
    answers = _answers(project)
    if not as_json:
        _print_summary(play, restored, first, second_day, second, answers)
    if not keep_up:
        stack.down(project, report=play.say)
    return {
        "restored": asdict(restored),
        "day_one": first.to_json(),
        "second_day": asdict(second_day),
        "day_two": second.to_json(),
        "answers": {name: [dict(zip(a[0], row, strict=True)) for row in a[1]] for name, a in answers.items()},
        "seconds": play.seconds,
    }


def describe_day(day: SecondDay) -> str:
    """What the second day changed, in a sentence."""
    return (
        f"{day.new_orders:,} new orders ({day.new_items:,} lines), {day.corrected_prices} corrected price, "
        f"{day.deleted_orders} deleted order ({day.deleted_items} lines), {day.late_orders} order committed late, "
        f"{day.bad_items} mistake: a line with quantity -3"
    )


def _restore(play: Play) -> RestoreResult:
    project = play.project
    dump = project.state_dir / "demo" / "sales.dump"
    pack_sales_dump(project.source.url.reveal(), postgres_program("pg_dump"), dump, play.say)
    return restore_dump(str(dump), project.source, report=play.say)


def _run(play: Play, title: str) -> RunResult:
    watch = Watch(quiet=play.quiet)
    with play.step(title):
        try:
            result = run_lake(play.project, progress=watch)
        finally:
            watch.stop()
    if result.exit_code:
        first = next(s for s in result.steps if s.outcome in ("gate", "failed"))
        raise LakehouseError(f"The demo stopped at {first.table}: {first.message}")
    return result


def _answers(project: Project) -> dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    questions = {q.name: q for q in load_questions(project.root)}
    found = {}
    with open_session(project) as session:
        for name in SHOWN_QUESTIONS:
            with answer(session, questions[name].sql) as result:
                rows = [row for batch in result.batches() for row in batch]
                found[name] = (result.columns, rows[:SHOWN_ROWS])
    return found


def _print_summary(
    play: Play,
    restored: RestoreResult,
    first: RunResult,
    day: SecondDay,
    second: RunResult,
    answers: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]],
) -> None:
    screen = console()
    screen.print()
    screen.print(f"[bold]Restored[/] {restored.tables} tables, {restored.rows:,} rows from a pg_dump file.")
    screen.print(run_table(first))
    screen.print(f"\n[bold]Day two[/] {describe_day(day)}.")
    screen.print(run_table(second))
    questions = {q.name: q for q in load_questions(play.project.root)}
    for name, (columns, rows) in answers.items():
        screen.print(f"\n{questions[name].description}", markup=False)
        screen.print(rows_table("", columns, rows))
    timings = ", ".join(f"{title} {seconds:.1f} s" for title, seconds in play.seconds.items())
    screen.print(f"\n[bold]Time[/] {timings}; together {sum(play.seconds.values()):.0f} s.")
    lake = play.project.lake
    endpoint = (lake.endpoint or "").partition("://")[2]
    screen.print("\n[bold]Where to look next[/]")
    screen.print(
        READS.format(endpoint=endpoint, ssl="false", file=lake.layout.url(lake.layout.reader_file)), markup=False
    )
    screen.print(
        "\nnotebooks/first_look.ipynb                        the same with lakehouse.connect(), and more\n"
        "lakehouse query queries/analysis/retention.sql    ask one of the questions\n"
        "lakehouse quarantine silver.order_items           the line that the gate caught\n"
        "lakehouse log gold.daily_store_sales              versions of a table\n"
        "lakehouse runs                                    what ran\n"
        "lakehouse down                                    stop the services; what they hold stays",
        markup=False,
    )
