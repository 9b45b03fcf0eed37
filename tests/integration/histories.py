"""Random histories of a few tables: writers that hold, roll back, prepare and commit late, while extractions happen."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg2
import psycopg2.errors

from lakehouse.catalog.bronze import Manifest, latest_manifest, put_manifest
from lakehouse.engines.duckdb import open_duckdb, use_lake
from lakehouse.extract.bronze import Extraction, extract_table
from lakehouse.extract.rebuild import live_rows
from lakehouse.extract.source import attach_source, detach_source, open_snapshot
from lakehouse.model import Model
from lakehouse.names import TableName
from lakehouse.store import Store
from tests.integration.conftest import Place

TABLES = {
    "plain": "(id integer primary key, v text, touched timestamptz)",
    "pair": "(id integer, v text, touched timestamptz, part integer default 1, primary key (id, part))",
    "split": "(id integer primary key, v text, touched timestamptz) partition by hash (id)",
    "keyless": "(id integer, v text, touched timestamptz)",
}
WRITERS, KEYS, ACTIONS = 3, 12, 30


@dataclass
class Writer:
    """One session; `prepared` names its transaction once that waits for its second phase."""

    connection: Any
    prepared: str | None = None
    savepoints: int = 0

    def run(self, statement: str) -> None:
        """A statement; one that must wait, or breaks a constraint, ends the transaction instead."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement)
        except psycopg2.Error:
            self.connection.rollback()
            self.savepoints = 0

    def nest(self, action: str, dice: random.Random) -> None:
        """A savepoint, or back to one."""
        if action == "savepoint":
            self.savepoints += 1
            self.run(f"savepoint s{self.savepoints}")
        elif self.savepoints:
            self.run(f"rollback to savepoint s{dice.randint(1, self.savepoints)}")

    def end(self, how: str) -> None:
        with suppress(psycopg2.Error):
            self.run(how)
        self.savepoints = 0


@dataclass
class History:
    """One seed's story. `check` is called at random moments."""

    place: Place
    seed: int
    tables: list[str] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    extractions: int = 0

    def play(self, check: Callable[[list[str], Callable[[], None]], None]) -> None:
        dice = random.Random(self.seed)
        self.tables = dice.sample(list(TABLES), dice.choice([1, 1, 1, 2]))
        self.writers = [Writer(_session(self.place.source_url)) for _ in range(WRITERS)]
        try:
            for number in range(ACTIONS):
                self._act(dice, number)
                if dice.random() < 0.12:
                    self.extractions += 1
                    # More happens between the moment of the snapshot and the reading of the tables.
                    check(self.tables, partial(self._act, dice, -number) if dice.random() < 0.5 else lambda: None)
            for writer in self.writers:
                self._finish(dice, writer)
            self.extractions += 1
            check(self.tables, lambda: None)
        finally:
            for writer in self.writers:
                self._finish(random.Random(0), writer)
                writer.connection.close()

    def _act(self, dice: random.Random, number: int) -> None:
        writer, table = dice.choice(self.writers), dice.choice(self.tables)
        if writer.prepared and dice.random() < 0.3:
            self._finish(dice, writer)
        if writer.prepared:
            return
        key, other = dice.randrange(KEYS), dice.randrange(KEYS)
        touched = "'2024-01-01 00:00:00.000001+00'" if dice.random() < 0.5 else "clock_timestamp()"
        action = dice.choices(list(STATEMENTS), [w for w, _ in STATEMENTS.values()])[0]
        if action == "truncate":
            # It waits for everybody, and what a snapshot of before sees of it afterwards is nothing at all.
            for each in self.writers:
                self._finish(dice, each)
            writer.end(f"truncate {table}; commit")
        elif action == "prepare":
            writer.prepared = f"h{self.seed}_{number}_{id(writer)}"
            writer.run(f"prepare transaction '{writer.prepared}'")
            writer.savepoints = 0
        elif action in ("savepoint", "rollback to"):
            writer.nest(action, dice)
        elif action in ("commit", "rollback"):
            writer.end(action)
        else:
            value = f"{self.seed}-{number}"
            writer.run(STATEMENTS[action][1].format(table=table, key=key, other=other, value=value, touched=touched))

    def _finish(self, dice: random.Random, writer: Writer) -> None:
        how = "commit" if dice.random() < 0.7 else "rollback"
        if writer.prepared:
            name, writer.prepared = writer.prepared, None
            writer.connection.rollback()
            writer.connection.autocommit = True
            with suppress(psycopg2.Error), writer.connection.cursor() as cursor:
                cursor.execute(f"{how} prepared '{name}'")
            writer.connection.autocommit = False
            return
        writer.end(how)


# Weight, and what is done. A statement that names no transaction's end leaves the transaction open.
STATEMENTS = {
    "insert": (5, "insert into {table} (id, v, touched) values ({key}, '{value}', {touched})"),
    "update": (5, "update {table} set v = '{value}', touched = {touched} where id = {key}"),
    "update all": (1, "update {table} set v = v || '!' where id < {key}"),
    "delete": (4, "delete from {table} where id = {key}"),
    "change key": (2, "update {table} set id = {other} where id = {key}"),
    "replace": (2, "delete from {table} where id = {key}; insert into {table} (id, v) values ({key}, '{value}')"),
    "savepoint": (3, ""),
    "rollback to": (2, ""),
    "commit": (6, ""),
    "rollback": (2, ""),
    "prepare": (1, ""),
    "truncate": (0.4, ""),
}


def make_tables(place: Place) -> None:
    """The tables of TABLES, empty, and partitions for the one that is split."""
    for name, definition in TABLES.items():
        place.sql(f"create table {name} {definition}")
    for i in (0, 1):
        place.sql(f"create table split{i} partition of split for values with (modulus 2, remainder {i})")


class Watcher:
    """Extracts tables at a moment, and compares what the lake then holds with what the snapshot showed."""

    def __init__(self, place: Place, con: Any) -> None:
        self.place, self.con = place, con
        self.store = Store(place.project.lake)
        self.latest: dict[str, Manifest | None] = {t: self._stored(t) for t in TABLES}
        self.number = 0
        self.increments = 0

    def __call__(self, tables: list[str], meanwhile: Callable[[], None]) -> None:
        self.number += 1
        source = self.place.project.source
        expected: dict[str, list[Any]] = {}
        with open_snapshot(source) as snapshot:
            with snapshot.connection.cursor() as cursor:
                for table in tables:
                    cursor.execute(f"select id::text, v, touched::text from {source.schema}.{table}")
                    expected[table] = sorted(cursor.fetchall(), key=str)
            meanwhile()
            attach_source(self.con, snapshot)
            run_id = f"h-{id(self)}-{self.number}"
            job = Extraction(self.con, snapshot, self.store, run_id, datetime.now(UTC))
            for table in tables:
                copy = extract_table(job, _model(table), self.latest[table], full=False)
                self.increments += copy.change.kind == "increment"
                if copy.manifest:
                    put_manifest(self.store, copy.manifest)
                    self.latest[table] = copy.manifest
            detach_source(self.con)
        for table, rows in expected.items():
            manifest = self.latest[table]
            assert manifest is not None
            live = f"select id, v, touched from ({live_rows(self.store, manifest)})"
            assert sorted(self.con.execute(live).fetchall(), key=str) == rows, table

    def _stored(self, table: str) -> Manifest | None:
        return latest_manifest(self.store, self.place.project.source.name, table)


def play_histories(place: Place, seeds: Iterator[int]) -> tuple[int, int, int]:
    """Play one history for each seed; how many, how many extractions, and how many tables of them were increments."""
    played = extractions = increments = 0
    with open_duckdb(place.project) as con:
        use_lake(con, place.project.lake)
        watcher = Watcher(place, con)
        for seed in seeds:
            history = History(place, seed)
            try:
                history.play(watcher)
            except AssertionError as e:
                raise AssertionError(f"history {seed}: {e}") from e
            played, extractions = played + 1, extractions + history.extractions
            if played % 3 == 0:  # chains grow with every run; a full copy begins a new one
                for table in TABLES:
                    watcher.latest[table] = None
        increments = watcher.increments
    return played, extractions, increments


def _model(table: str) -> Model:
    from pathlib import Path

    sql = f"select * from source.{table}"
    name = TableName("bronze", table)
    return Model(name, Path(f"queries/bronze/{table}.sql"), sql, "", (f"source.{table}",), fingerprint="one")


def _session(url: str) -> Any:
    return psycopg2.connect(url, options="-c lock_timeout=15ms -c deadlock_timeout=10ms")
