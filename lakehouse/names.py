"""Where things are: layer, table and run become S3 keys and Glue names here, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Literal

Layer = Literal["bronze", "silver", "gold"]
LAYERS: tuple[Layer, ...] = ("bronze", "silver", "gold")

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:-]{0,119}")
TABLE_REFERENCE = re.compile(r"\b(bronze|silver|gold)\.([a-z_][a-z0-9_]*)\b")
TABLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,127}")

MANIFEST = "_manifest.json"
KEYS = "_keys.parquet"
READER_FILE = "lake.duckdb"
STAGING = "lakehouse_staging"  # the Glue database of tables that a cluster is writing


@dataclass(frozen=True, order=True)
class TableName:
    """A table of the lake; one name in every folder, in Glue, and in SQL."""

    layer: Layer
    table: str

    def __str__(self) -> str:
        return f"{self.layer}.{self.table}"


def new_run_id(now: datetime | None = None) -> str:
    """A run id that sorts by time and is unique without coordination: 20240501T060000Z-3f9a1c."""
    return f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}-{token_hex(3)}"


def quote(identifier: str) -> str:
    """An identifier as both PostgreSQL and DuckDB read it, whatever is in it."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal, for the few statements whose values cannot be bound (COPY targets, lists of files)."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class LakeLayout:
    """The keys of one lake; `prefix` is empty or ends with a slash."""

    bucket: str
    prefix: str

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def key(self, url: str) -> str:
        """The key of an object of this lake's bucket, from its s3:// URL."""
        return url.removeprefix(f"s3://{self.bucket}/")

    def bronze_table(self, source: str, table: str) -> str:
        return f"{self.prefix}bronze/{source}/{table}/"

    def bronze_index(self, source: str, table: str) -> str:
        """One empty object for each run, named so that S3 lists the newest first."""
        return f"{self.bronze_table(source, table)}_index/"

    def bronze_run(self, source: str, table: str, run_id: str, started_at: datetime) -> str:
        return f"{self.bronze_table(source, table)}run_date={started_at:%Y-%m-%d}/run_id={run_id}/"

    def table(self, name: TableName) -> str:
        return f"{self.prefix}{name.layer}/{name.table}/"

    def staged(self, name: TableName, run_id: str, attempt: str) -> str:
        """Data files of one attempt: a retry never writes over what an earlier attempt left."""
        return f"{self.table(name)}data/run_id={run_id}/{attempt}/"

    def quarantine(self, name: TableName, run_id: str | None = None) -> str:
        base = f"{self.prefix}quarantine/{name.layer}/{name.table}/"
        return base if run_id is None else f"{base}run_id={run_id}/"

    @property
    def runs(self) -> str:
        return f"{self.prefix}runs/"

    def run_record(self, run_id: str) -> str:
        return f"{self.runs}{run_id}.json"

    def run_steps(self, run_id: str) -> str:
        """What the tasks of a DAG run leave for each other; the run record is made of it."""
        return f"{self.prefix}steps/{run_id}/"

    @property
    def crawled_schemas(self) -> str:
        """The catalog's columns as the last crawl left them."""
        return f"{self.prefix}steps/_schemas.json"

    @property
    def run_lock(self) -> str:
        return f"{self.prefix}runs/_lock.json"

    @property
    def reader_file(self) -> str:
        return f"{self.prefix}{READER_FILE}"

    @property
    def site(self) -> str:
        return f"{self.prefix}site/"
