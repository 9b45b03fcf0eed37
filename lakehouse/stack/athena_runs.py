"""Query executions of the local Athena: each runs on the local Trino, its rows go to the output location."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from lakehouse.stack.athena_results import CsvFile, TextFile, athena_text, column_info, described
from lakehouse.stack.athena_sql import Statement
from lakehouse.trino_types import TrinoType

AT_ONCE = 8  # more wait, QUEUED
NO_TRINO = "The local Athena runs its queries on the local Trino, which is not up. Start it: lakehouse up --trino"
CUTOFF = "Query cancelled! : Bytes scanned limit was exceeded"
LINE = re.compile(r"^line (\d+):")


@dataclass(frozen=True)
class Services:
    """Where Trino and the object store are, as `lakehouse up` wrote it down; looked up anew for each query."""

    path: Path

    def entry(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self.path.read_text()).get(name, {}))
        except (OSError, ValueError):
            return {}

    def trino(self, session: Mapping[str, str], database: str, watch: Callable[[Any], None] | None = None) -> Any:
        """A cursor of the local Trino, or None where it is not up; `watch` is shown the statistics as they come."""
        import requests
        import trino

        url = self.entry("trino").get("url")
        if url is None:
            return None
        http = requests.Session()
        http.trust_env = False
        connection = trino.dbapi.connect(  # type: ignore[no-untyped-call]
            host=url,
            user="athena",
            catalog="awsdatacatalog",
            schema=database,
            http_session=http,
            source="athena",
            timezone="UTC",
            session_properties=dict(session),
            legacy_primitive_types=True,
            max_attempts=2,
        )
        return connection.cursor(stats_callback=watch)

    def s3(self) -> Any:
        import boto3
        from botocore.config import Config

        store = self.entry("minio")
        return boto3.client(
            "s3",
            endpoint_url=store["endpoint"],
            region_name="us-east-1",
            aws_access_key_id=store["access_key"],
            aws_secret_access_key=store["secret_key"],
            config=Config(s3={"addressing_style": "path"}),
        )


class Cancelled(Exception):
    """The execution was asked to end while it ran."""


@dataclass
class Execution:
    """One query execution, as GetQueryExecution tells it; guards that its state moves one way only."""

    query: str
    statement: Statement
    database: str
    workgroup: str
    output: str
    parameters: tuple[str, ...]
    cutoff: int | None
    request: Mapping[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))
    submitted: float = field(default_factory=time.time)
    state: str = "QUEUED"
    reason: str | None = None
    began: float | None = None
    completed: float | None = None
    scanned: int = 0
    columns: list[dict[str, Any]] = field(default_factory=list)
    update_count: int = 0
    wanted: str | None = None  # why it is to be cancelled
    error: dict[str, Any] | None = None

    @property
    def location(self) -> str:
        """The object (or folder) where the result is."""
        if self.statement.sub_kind == "CREATE_TABLE_AS_SELECT":
            return f"{self.output}tables/{self.id}"
        if self.statement.sub_kind in ("SELECT", "EXPLAIN"):
            return f"{self.output}{self.id}.csv"
        return f"{self.output}{self.id}" + ("" if self.statement.kind == "DML" else ".txt")

    @property
    def manifest(self) -> str | None:
        if self.statement.sub_kind in ("UNLOAD", "INSERT"):
            return f"{self.output}{self.id}-manifest.csv"
        return f"{self.location}-manifest.csv" if self.statement.files_at else None

    def end(self, state: str, reason: str | None = None, *, kind: int = 2) -> None:
        if self.completed is None:
            self.reason, self.completed = reason, time.time()
            if state == "FAILED":
                self.error = {"ErrorCategory": kind, "Retryable": kind == 1, "ErrorMessage": reason}
            self.state = state

    def watch(self, statistics: Mapping[str, Any]) -> None:
        """Note what was scanned so far, and stop where that is too much or somebody asked for it."""
        self.scanned = int(statistics.get("physicalInputBytes") or 0)
        if self.cutoff and self.scanned > self.cutoff:
            self.wanted = CUTOFF
        if self.wanted:
            raise Cancelled

    def to_json(self) -> dict[str, Any]:
        """The QueryExecution of Athena's API."""
        now = self.completed or time.time()
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        status |= {"CompletionDateTime": self.completed} if self.completed else {}
        status |= {"StateChangeReason": self.reason} if self.reason else {}
        status |= {"AthenaError": self.error} if self.error else {}
        ran = int(((now - self.began) if self.began else 0) * 1000)
        total = int((now - self.submitted) * 1000)
        statistics = {
            "EngineExecutionTimeInMillis": ran,
            "DataScannedInBytes": self.scanned,
            "TotalExecutionTimeInMillis": total,
            "QueryQueueTimeInMillis": total - ran,
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        }
        if self.manifest and self.state == "SUCCEEDED":
            statistics["DataManifestLocation"] = self.manifest
        found = {
            "QueryExecutionId": self.id,
            "Query": self.query,
            "StatementType": self.statement.kind,
            "SubstatementType": self.statement.sub_kind,
            "ResultConfiguration": {"OutputLocation": self.location},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": self.request.get("QueryExecutionContext") or {},
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }
        return found | ({"ExecutionParameters": list(self.parameters)} if self.parameters else {})


@dataclass
class Runner:
    """Runs executions on threads of its own; what they return is kept in `folder` until the API stops."""

    services: Services
    folder: Path
    forget_table: Callable[[str, str], None]
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "athena"))

    def parse_error(self, statement: Statement, database: str) -> str | None:
        """What Trino's parser says of a statement, with the line as the caller counts it."""
        from trino.exceptions import Error, TrinoUserError

        cursor = self.services.trino({}, database)
        if cursor is None:
            return None
        try:
            cursor.execute(f"prepare looked_at from\n{statement.sql}")
        except TrinoUserError as e:
            if e.error_name == "SYNTAX_ERROR":
                return LINE.sub(lambda m: f"line {int(m[1]) - 1}:", str(e.message))
        except (Error, OSError):
            return None  # the execution itself will say it
        return None

    def start(self, execution: Execution) -> None:
        self.pool.submit(self._run, execution)

    def rows_file(self, execution: Execution) -> Path:
        return self.folder / f"{execution.id}.jsonl"

    def _run(self, execution: Execution) -> None:
        execution.began = time.time()
        if execution.wanted:
            return execution.end("CANCELLED", execution.wanted)
        execution.state = "RUNNING"
        cursor = self.services.trino(execution.statement.session, execution.database, execution.watch)
        if cursor is None:
            return execution.end("FAILED", NO_TRINO, kind=1)
        try:
            self._ended(execution, cursor)
        finally:
            if execution.statement.drop:
                self.forget_table(execution.database, execution.statement.drop)
            # Without effect on one that has ended; an error of our own must not leave it running for ever.
            execution.end("FAILED", "GENERIC_INTERNAL_ERROR: the local Athena failed; see aws.log", kind=1)

    def _ended(self, execution: Execution, cursor: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError
        from trino.exceptions import Error, TrinoQueryError

        try:
            self._execute(execution, cursor)
        except Cancelled:
            with suppress(Error, OSError):
                cursor.cancel()
            execution.end("CANCELLED", execution.wanted)
        except TrinoQueryError as e:
            execution.end("FAILED", f"{e.error_name}: {e.message}", kind=2 if e.error_type == "USER_ERROR" else 1)
        except (Error, OSError):
            execution.end("FAILED", NO_TRINO, kind=1)
        except (BotoCoreError, ClientError) as e:
            place = execution.output
            execution.end("FAILED", f"Access denied when writing to location: {place}: {e}", kind=2)

    def _execute(self, execution: Execution, cursor: Any) -> None:
        cursor.execute(statement_with(execution.statement.sql, execution.parameters))
        columns = described(cursor.description or [])
        returns = execution.statement.sub_kind in ("SELECT", "EXPLAIN") or execution.statement.kind == "UTILITY"
        execution.columns = [column_info(name, kind) for name, kind in columns] if returns else []
        self.folder.mkdir(parents=True, exist_ok=True)
        result = self.folder / f"{execution.id}.result"
        with result.open("w", newline="") as shown, self.rows_file(execution).open("w") as kept:
            self._write(execution, cursor, columns, shown, kept, returns=returns)
        self._publish(execution, result)
        result.unlink()
        execution.end("SUCCEEDED")

    def _write(
        self,
        execution: Execution,
        cursor: Any,
        columns: list[tuple[str, TrinoType]],
        shown: IO[str],
        kept: IO[str],
        *,
        returns: bool,
    ) -> None:
        header = execution.statement.has_header
        target = CsvFile(shown) if header else TextFile(shown)
        if header:
            target.write([name for name, _ in columns])
            kept.write(json.dumps([name for name, _ in columns]) + "\n")
        while rows := cursor.fetchmany(1000):
            if not returns:
                execution.update_count += sum(r[0] for r in rows if r and isinstance(r[0], int))
                continue
            for row in rows:
                texts = [athena_text(v, kind) for v, (_, kind) in zip(row, columns, strict=True)]
                target.write(texts)
                kept.write(json.dumps(texts) + "\n")

    def _publish(self, execution: Execution, result: Path) -> None:
        """The result and its .metadata at the output location; for CTAS and UNLOAD, the list of the files they made."""
        s3 = self.services.s3()
        bucket, key = split_location(execution.location)
        if execution.manifest is None:
            s3.upload_file(str(result), bucket, key)
        else:
            files = "\n".join(_files(s3, execution.statement.files_at)) if execution.statement.files_at else ""
            _, manifest = split_location(execution.manifest)
            s3.put_object(Bucket=bucket, Key=manifest, Body=files.encode())
        s3.put_object(Bucket=bucket, Key=f"{key}.metadata", Body=json.dumps(execution.columns).encode())


def statement_with(sql: str, parameters: tuple[str, ...]) -> str:
    """The statement with its parameters, which Athena takes as SQL text."""
    if not parameters:
        return sql
    quoted = sql.replace("'", "''")
    return f"execute immediate '{quoted}' using {', '.join(parameters)}"


def split_location(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def stop(execution: Execution) -> None:
    """Ask it to end; one that has ended stays as it is."""
    execution.wanted = execution.wanted or "Query cancelled by user"
    if execution.state == "QUEUED":
        execution.end("CANCELLED", execution.wanted)


def _files(s3: Any, place: str) -> list[str]:
    bucket, prefix = split_location(place.rstrip("/") + "/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [f"s3://{bucket}/{o['Key']}" for page in pages for o in page.get("Contents", []) if o["Size"]]
