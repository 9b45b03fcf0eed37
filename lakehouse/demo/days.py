"""The second day: what happens in a shop between two runs, and one mistake."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import SourceError
from lakehouse.extract.source import connect_source, explained
from lakehouse.project import Source

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

HERE = Path(__file__).parent


@dataclass(frozen=True)
class SecondDay:
    """What was changed at the source. `bad_items` is the mistake that a gate must catch."""

    new_orders: int
    new_items: int
    corrected_prices: int
    deleted_orders: int
    deleted_items: int
    late_orders: int
    bad_items: int


class LateCommit:
    """An order that is written before the first run's snapshot and committed after it."""

    def __init__(self, source: Source) -> None:
        """Write it.

        Raises:
            SourceError: the sample is not there, or PostgreSQL refused; nothing is left open then.
        """
        self.connection: connection = connect_source(source)
        try:
            with explained(source), self.connection.cursor() as cursor:
                _run_file(cursor, "late_order.sql")
        except BaseException:
            self.connection.close()
            raise

    def commit(self) -> None:
        """Make it visible; whatever a timestamp of it says, it is new to everybody now."""
        self.connection.commit()
        self.connection.close()

    def abandon(self) -> None:
        """Undo it."""
        self.connection.close()


def play_second_day(source: Source) -> SecondDay:
    """Write the second day's changes, in one transaction.

    Raises:
        SourceError: it was played before on this database, the sample is not there, or PostgreSQL refused.
    """
    from psycopg2.errors import UniqueViolation

    with closing(connect_source(source)) as connection, explained(source), connection, connection.cursor() as cursor:
        try:
            counts = _run_file(cursor, "second_day.sql")
        except UniqueViolation as e:
            raise SourceError(
                f"The second day was already played at {source.place}. Nothing was changed. "
                "Restore the first day (lakehouse restore), then play it."
            ) from e
    new_orders, new_items, corrected, deleted_items, deleted_orders, bad = counts
    return SecondDay(new_orders, new_items, corrected, deleted_orders, deleted_items, 1, bad)


def _run_file(cursor: cursor, name: str) -> list[int]:
    """Run a file of statements; the rows that each changed."""
    counts = []
    cursor.execute("set search_path = public")
    for statement in (HERE / name).read_text().split(";\n"):
        if statement.strip():
            cursor.execute(statement)
            counts.append(cursor.rowcount)
    return counts
