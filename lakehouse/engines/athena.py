"""Athena, through boto3: start, wait, read the result file; what was scanned and what it costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakehouse.engines.columns import arrow_column, arrow_type
from lakehouse.engines.protocol import Receipt, Result
from lakehouse.errors import EngineError
from lakehouse.project import Athena, Lake
from lakehouse.store import aws_client
from lakehouse.trino_types import TrinoType, parse_type

if TYPE_CHECKING:
    import pyarrow as pa

USD_PER_TB = 5.0  # in most regions; AWS rounds up to 10 MB a query
LEAST_BYTES = 10_000_000
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 3.0
BLOCK_BYTES = 4 << 20
NESTED = ("array", "map", "row")
DONE = ("SUCCEEDED", "FAILED", "CANCELLED")
TYPE_NAMES = {"float": "real", "interval_day_to_second": "interval day to second"}


@dataclass(frozen=True)
class AthenaEngine:
    """One workgroup of Athena, in the lake's account and region."""

    lake: Lake
    settings: Athena

    @property
    def name(self) -> str:
        return "athena"

    @cached_property
    def client(self) -> Any:
        return aws_client(self.lake, "athena", self.lake.catalog_endpoint)

    @contextmanager
    def query(self, sql: str) -> Iterator[Result]:
        """As the protocol says. A query that returns arrays, maps or rows is run once more, for values read exactly."""
        began = time.monotonic()
        execution = self._run(sql)
        ran = [execution]
        columns = self._columns(execution["QueryExecutionId"])
        if any(kind.name in NESTED for _, kind in columns):
            columns, execution = self._as_json(sql, columns)
            ran.append(execution)
        import pyarrow as pa

        schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns])
        batches = self._batches(execution, schema, [kind for _, kind in columns])
        yield Result(schema, tuple(type_text(kind) for _, kind in columns), batches, lambda: _receipt(ran, began))

    def execute(self, sql: str) -> Receipt:
        began = time.monotonic()
        return _receipt([self._run(sql)], began)

    def _run(self, sql: str) -> dict[str, Any]:
        """Start a query and wait for its end; Ctrl-C, or any other end of ours, stops it."""
        request: dict[str, Any] = {"QueryString": sql, "WorkGroup": self.settings.workgroup}
        if self.settings.output_location:
            request["ResultConfiguration"] = {"OutputLocation": self.settings.output_location}
        elif self.lake.endpoint:  # a local lake: its workgroup has no location of its own
            request["ResultConfiguration"] = {"OutputLocation": self.lake.layout.url("athena-results/")}
        with self._errors():
            query_id = self.client.start_query_execution(**request)["QueryExecutionId"]
            try:
                return self._wait(query_id)
            except BaseException:
                self.client.stop_query_execution(QueryExecutionId=query_id)
                raise

    def _wait(self, query_id: str) -> dict[str, Any]:
        pause = FIRST_WAIT_S
        while True:
            found: dict[str, Any] = self.client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            status = found["Status"]
            if status["State"] == "SUCCEEDED":
                return found
            if status["State"] in DONE:
                scanned = found.get("Statistics", {}).get("DataScannedInBytes", 0)
                raise EngineError(
                    f"{self._place}, query {query_id}: {status['State']}: {status.get('StateChangeReason', '')[:600]} "
                    f"({scanned / 1e6:,.1f} MB scanned)",
                    retryable=bool(status.get("AthenaError", {}).get("Retryable")),
                )
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_WAIT_S)

    def _columns(self, query_id: str) -> list[tuple[str, TrinoType]]:
        with self._errors():
            page = self.client.get_query_results(QueryExecutionId=query_id, MaxResults=1)
        info = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        return [(c["Name"], _kind(c)) for c in info]

    def _as_json(
        self, sql: str, columns: list[tuple[str, TrinoType]]
    ) -> tuple[list[tuple[str, TrinoType]], dict[str, Any]]:
        """The query with its nested columns as JSON, and the types that the API does not tell.

        Raises:
            EngineError: it is ordered, and the order would be lost.
        """
        import sqlglot

        tree = sqlglot.parse_one(sql, dialect="athena")
        if tree.args.get("order"):
            nested = [name for name, kind in columns if kind.name in NESTED]
            raise EngineError(
                f"{self._place}: the column {nested[0]} is an array, map or row, which Athena prints as text that "
                "cannot be read back. In an ordered query, write json_format(cast(… as json)), or leave the order out."
            )
        inner = f"({sql.strip().rstrip(';')}\n) q"
        quoted = ['"' + name.replace('"', '""') + '"' for name, _ in columns]
        typeof = ", ".join(f"typeof(q.{name})" for name in quoted)
        probe = self._run(f"select {typeof} from (values 1) one(x) left join (select * from {inner} limit 0) q on true")
        with self._errors():
            page = self.client.get_query_results(QueryExecutionId=probe["QueryExecutionId"])
        kinds = [parse_type(cell["VarCharValue"]) for cell in page["ResultSet"]["Rows"][1]["Data"]]
        shown = [
            f"json_format(cast(q.{name} as json)) as {name}" if kind.name in NESTED else f"q.{name}"
            for name, kind in zip(quoted, kinds, strict=True)
        ]
        execution = self._run(f"select {', '.join(shown)} from {inner}")
        return [(name, kind) for (name, _), kind in zip(columns, kinds, strict=True)], execution

    def _batches(
        self, execution: dict[str, Any], schema: pa.Schema, kinds: list[TrinoType]
    ) -> Iterator[pa.RecordBatch]:
        """The result file, a block at a time: a page of the API has a thousand rows at most."""
        import pyarrow as pa
        from pyarrow import csv

        location = execution["ResultConfiguration"]["OutputLocation"]
        bucket, _, key = location.removeprefix("s3://").partition("/")
        with self._errors():
            body = aws_client(self.lake, "s3", self.lake.endpoint).get_object(Bucket=bucket, Key=key)["Body"]
            names = [str(i) for i in range(len(kinds))]
            reader = csv.open_csv(
                pa.PythonFile(body, mode="r"),
                csv.ReadOptions(column_names=names, skip_rows=1, block_size=BLOCK_BYTES),
                csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
            for batch in reader:
                arrays = [_from_text(a, k) for a, k in zip(batch.columns, kinds, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    @property
    def _place(self) -> str:
        at = self.lake.catalog_endpoint or f"AWS ({self.lake.region})"
        return f"Athena at {at}, workgroup {self.settings.workgroup}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as e:
            code, said = e.response["Error"].get("Code"), e.response["Error"].get("Message")
            raise EngineError(f"{self._place}: {code}: {said}", retryable=code == "TooManyRequestsException") from e
        except BotoCoreError as e:
            raise EngineError(f"{self._place} does not answer: {e}. Is it up? lakehouse status", retryable=True) from e


def _kind(column: dict[str, Any]) -> TrinoType:
    name = TYPE_NAMES.get(column["Type"], column["Type"])
    if name == "decimal":
        return TrinoType("decimal", (column["Precision"], column["Scale"]))
    # The API calls every timestamp's precision 3 whatever it is; the text has all of its digits.
    return TrinoType(name, (6,) if name.startswith(("timestamp", "time")) else ())


def type_text(kind: TrinoType) -> str:
    """A type as Trino writes it."""
    if kind.name == "row":
        return "row(" + ", ".join(f"{n} {type_text(c)}" for n, c in zip(kind.names, kind.children, strict=True)) + ")"
    inner = ", ".join([*map(str, kind.numbers), *map(type_text, kind.children)])
    base, zone = (kind.name.split(" ")[0], " with time zone") if kind.name.endswith("zone") else (kind.name, "")
    return f"{base}({inner}){zone}" if inner else kind.name


def _from_text(texts: pa.Array, kind: TrinoType) -> pa.Array:
    """A column of Athena's text as its type."""
    import pyarrow as pa

    target = arrow_type(kind)
    if kind.name in NESTED:
        return _from_json(texts, kind)
    if kind.name == "varbinary":
        return pa.array([None if v is None else bytes.fromhex(v) for v in texts.to_pylist()], target)
    if pa.types.is_string(target):
        return texts
    if (pa.types.is_timestamp(target) and target.tz) or pa.types.is_time(target):
        return arrow_column(texts.to_pylist(), kind)
    try:
        return texts.cast(target)
    except pa.ArrowInvalid as e:
        raise EngineError(
            f"A value of a {kind.name} column does not fit Arrow's {target}: {str(e)[:160]}. "
            "Cast the column to varchar in the query to see it."
        ) from e


def _from_json(texts: pa.Array, kind: TrinoType) -> pa.Array:
    import json

    def parse(text: str | None) -> Any:
        return None if text is None else json.loads(text, parse_float=str)

    return arrow_column([parse(v) for v in texts.to_pylist()], kind)


def _receipt(ran: list[dict[str, Any]], began: float) -> Receipt:
    """Of what was run for one question; its id is the last one's."""
    scanned = [int(e.get("Statistics", {}).get("DataScannedInBytes", 0)) for e in ran]
    paid = sum(cost(n) for n, e in zip(scanned, ran, strict=True) if e.get("StatementType") == "DML")
    return Receipt("athena", ran[-1]["QueryExecutionId"], time.monotonic() - began, sum(scanned), paid)


def cost(scanned_bytes: int) -> float:
    """What Athena asks for a query, in dollars, at the price of most regions."""
    return max(scanned_bytes, LEAST_BYTES) / 1e12 * USD_PER_TB
