"""The second day: what happens in a shop between two runs, and one mistake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.extract.source import connect_source
from lakehouse.project import Source

if TYPE_CHECKING:
    from psycopg2.extensions import connection

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
        self.connection: connection = connect_source(source)
        with self.connection.cursor() as cursor:
            cursor.execute("set search_path = public")
            for statement in (HERE / "late_order.sql").read_text().split(";\n"):
                if statement.strip():
                    cursor.execute(statement)

    def commit(self) -> None:
        """Make it visible; whatever a timestamp of it says, it is new to everybody now."""
        self.connection.commit()
        self.connection.close()

    def abandon(self) -> None:
        """Undo it."""
        self.connection.close()


def play_second_day(source: Source) -> SecondDay:
    """Write the second day's changes, in one transaction."""
    counts = []
    connection = connect_source(source)
    with connection, connection.cursor() as cursor:
        cursor.execute("set search_path = public")
        for statement in (HERE / "second_day.sql").read_text().split(";\n"):
            if statement.strip():
                cursor.execute(statement)
                counts.append(cursor.rowcount)
    connection.close()
    new_orders, new_items, corrected, deleted_items, deleted_orders, bad = counts
    return SecondDay(new_orders, new_items, corrected, deleted_orders, deleted_items, 1, bad)
