"""Athena's API over moto's: queries run on the local Trino, with results, limits and errors as Athena has them.

    athena_sql      what Athena says and Trino does not
    athena_runs     executions: state, statistics, the output location
    athena_catalog  databases and tables, from Glue
    athena_results  values and columns as Athena prints them

Workgroups, named queries and prepared statements are moto's own; this adds what reads or runs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lakehouse.stack.athena_catalog import NotInCatalog, get_database, get_table, list_databases, list_tables
from lakehouse.stack.athena_runs import Execution, Runner, Services, split_location, stop
from lakehouse.stack.athena_sql import Statement, Unsupported, translate

QUERY_BYTES = 262_144
PAGE_ROWS = 1000
LIST_DEFAULT = 50
NO_LOCATION = (
    "No output location provided. An output location is required either through the Workgroup result configuration "
    "setting or as an API input."
)


class Refused(Exception):
    """Answered as InvalidRequestException, with Athena's own code of why."""

    def __init__(self, message: str, code: str = "INVALID_INPUT") -> None:
        super().__init__(message)
        self.code = code


def complete_athena(state: Path, services: Path) -> None:
    """Let moto's Athena execute. `state` is the API's folder, `services` the file that says where Trino is."""
    from moto.athena.responses import AthenaResponse
    from moto.glue.models import glue_backends

    folder = state / "athena"
    shutil.rmtree(folder, ignore_errors=True)  # rows of executions that nobody can ask for any more

    def forget_table(database: str, table: str) -> None:
        for regions in glue_backends.values():
            for backend in regions.values():
                if database in backend.databases:
                    backend.databases[database].tables.pop(table, None)

    runner = Runner(Services(services), folder, forget_table)
    executions: dict[str, Execution] = {}
    calls: dict[str, Callable[[Any, Mapping[str, Any]], dict[str, Any]]] = {
        "start_query_execution": lambda backend, p: _start(runner, executions, backend, p),
        "get_query_execution": lambda _, p: {"QueryExecution": _found(executions, p["QueryExecutionId"]).to_json()},
        "batch_get_query_execution": lambda _, p: _batch(executions, p["QueryExecutionIds"]),
        "get_query_results": lambda _, p: _results(runner, _found(executions, p["QueryExecutionId"]), p),
        "get_query_runtime_statistics": lambda _, p: _runtime(_found(executions, p["QueryExecutionId"])),
        "stop_query_execution": lambda _, p: _stop(_found(executions, p["QueryExecutionId"])),
        "list_query_executions": lambda _, p: _listed(executions, p),
        "list_databases": list_databases,
        "get_database": get_database,
        "list_table_metadata": list_tables,
        "get_table_metadata": get_table,
        "batch_get_named_query": lambda backend, p: _named(backend, p["NamedQueryIds"]),
    }
    for name, call in calls.items():
        setattr(AthenaResponse, name, _answering(call))


def _answering(call: Callable[[Any, Mapping[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        try:
            return json.dumps(call(self.athena_backend, json.loads(self.body or "{}")))
        except NotInCatalog as e:
            return json.dumps({"__type": "MetadataException", "Message": str(e)}), {"status": 400}
        except Refused as e:
            answer = {"__type": "InvalidRequestException", "Message": str(e), "AthenaErrorCode": e.code}
            return json.dumps(answer), {"status": 400}

    return method


def _found(executions: Mapping[str, Execution], wanted: str) -> Execution:
    if wanted not in executions:
        raise Refused(f"QueryExecution {wanted} was not found")
    return executions[wanted]


def _start(runner: Runner, executions: dict[str, Execution], backend: Any, p: Mapping[str, Any]) -> dict[str, Any]:
    token = p.get("ClientRequestToken")
    for execution in executions.values():
        if token and execution.request.get("ClientRequestToken") == token:
            if execution.query != p["QueryString"]:
                raise Refused("Idempotent parameters do not match")
            return {"QueryExecutionId": execution.id}
    execution = _accept(runner, backend, p)
    executions[execution.id] = execution
    runner.start(execution)
    return {"QueryExecutionId": execution.id}


def _accept(runner: Runner, backend: Any, p: Mapping[str, Any]) -> Execution:
    """An execution of a query that may run: its workgroup's rules hold, and it parses."""
    query, name = p["QueryString"], p.get("WorkGroup") or "primary"
    if not query.strip() or len(query.encode()) > QUERY_BYTES:
        raise Refused(f"The query must have between 1 and {QUERY_BYTES} bytes")
    workgroup = backend.work_groups.get(name)
    if workgroup is None:
        raise Refused(f"WorkGroup {name} is not found.")
    if workgroup.state != "ENABLED":
        raise Refused(f"WorkGroup {name} is disabled.")
    output = _output(workgroup.configuration, (p.get("ResultConfiguration") or {}).get("OutputLocation"))
    _check_bucket(runner.services, output)
    database = (p.get("QueryExecutionContext") or {}).get("Database") or "default"
    parameters = tuple(p.get("ExecutionParameters") or ())
    cutoff = workgroup.configuration.get("BytesScannedCutoffPerQuery")
    execution = Execution(query, Statement("DML", "SELECT", query), database, name, output, parameters, cutoff, p)
    try:
        execution.statement = translate(query, execution.id, output, database)
    except Unsupported as e:
        raise Refused(str(e), "MALFORMED_QUERY" if str(e).startswith("line ") else "UNSUPPORTED_OPERATION") from e
    wrong = runner.parse_error(execution.statement, database)
    if wrong:
        raise Refused(wrong, "MALFORMED_QUERY")
    return execution


def _output(configuration: Mapping[str, Any], asked: str | None) -> str:
    """The workgroup's location where it is enforced, or where the caller names none."""
    own = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    location = own if own and (configuration.get("EnforceWorkGroupConfiguration") or not asked) else asked
    if not location:
        raise Refused(NO_LOCATION)
    if not location.startswith("s3://"):
        raise Refused("outputLocation is not a valid S3 path.")
    return location.rstrip("/") + "/"


def _check_bucket(services: Services, output: str) -> None:
    from botocore.exceptions import ClientError

    bucket, _ = split_location(output)
    try:
        services.s3().head_bucket(Bucket=bucket)
    except ClientError as e:
        raise Refused(f"Unable to verify/create output bucket {bucket}") from e


def _results(runner: Runner, execution: Execution, p: Mapping[str, Any]) -> dict[str, Any]:
    """A page of rows; its token is where the next begins in the kept file. The first begins with the header."""
    if execution.state in ("QUEUED", "RUNNING"):
        raise Refused(f"Query has not yet finished. Current state: {execution.state}")
    if execution.state != "SUCCEEDED":
        raise Refused(f"Query did not finish successfully. Final query state: {execution.state}")
    rows: list[dict[str, Any]] = []
    try:
        at = int(p.get("NextToken") or 0)
    except ValueError as e:
        raise Refused("Invalid NextToken") from e
    with runner.rows_file(execution).open("rb") as file:
        file.seek(at)
        while len(rows) < min(int(p.get("MaxResults") or PAGE_ROWS), PAGE_ROWS) and (line := file.readline()):
            cells = [{} if v is None else {"VarCharValue": v} for v in json.loads(line)]
            rows.append({"Data": cells})
        at, end = file.tell(), file.seek(0, 2)
    answer: dict[str, Any] = {
        "UpdateCount": execution.update_count,
        "ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": execution.columns}},
    }
    return answer | ({"NextToken": str(at)} if at < end else {})


def _batch(executions: Mapping[str, Execution], wanted: Sequence[str]) -> dict[str, Any]:
    missing = [i for i in wanted if i not in executions]
    return {
        "QueryExecutions": [executions[i].to_json() for i in wanted if i in executions],
        "UnprocessedQueryExecutionIds": [
            {"QueryExecutionId": i, "ErrorCode": "INVALID_INPUT", "ErrorMessage": f"QueryExecution {i} was not found"}
            for i in missing
        ],
    }


def _stop(execution: Execution) -> dict[str, Any]:
    stop(execution)
    return {}


def _runtime(execution: Execution) -> dict[str, Any]:
    known = execution.to_json()["Statistics"]
    names = ("QueryQueueTimeInMillis", "EngineExecutionTimeInMillis", "TotalExecutionTimeInMillis")
    return {
        "QueryRuntimeStatistics": {
            "Timeline": {name: known[name] for name in names},
            "Rows": {"InputBytes": execution.scanned},
        }
    }


def _listed(executions: Mapping[str, Execution], p: Mapping[str, Any]) -> dict[str, Any]:
    """Newest first, of one workgroup."""
    workgroup = p.get("WorkGroup") or "primary"
    found = [e.id for e in reversed(list(executions.values())) if e.workgroup == workgroup]
    at, size = int(p.get("NextToken") or 0), int(p.get("MaxResults") or LIST_DEFAULT)
    more = {"NextToken": str(at + size)} if at + size < len(found) else {}
    return {"QueryExecutionIds": found[at : at + size]} | more


def _named(backend: Any, wanted: Sequence[str]) -> dict[str, Any]:
    found = [backend.named_queries[i] for i in wanted if i in backend.named_queries]
    return {
        "NamedQueries": [
            {
                "Name": q.name,
                "Description": q.description,
                "Database": q.database,
                "QueryString": q.query_string,
                "NamedQueryId": q.id,
                "WorkGroup": q.workgroup["Name"] if isinstance(q.workgroup, dict) else q.workgroup.name,
            }
            for q in found
        ],
        "UnprocessedNamedQueryIds": [
            {"NamedQueryId": i, "ErrorCode": "INVALID_INPUT", "ErrorMessage": f"NamedQuery {i} was not found"}
            for i in wanted
            if i not in backend.named_queries
        ],
    }
