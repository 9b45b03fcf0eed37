"""After a run: Glue's crawlers look at the lake, and what they leave is held against it; Athena must answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lakehouse.catalog.bronze import latest_manifest
from lakehouse.catalog.iceberg import Catalog
from lakehouse.errors import CatalogError, EngineError, LakehouseError
from lakehouse.model import load_graph
from lakehouse.names import LAYERS, TableName
from lakehouse.project import Project
from lakehouse.store import Store, aws_client

Schemas = dict[str, dict[str, str]]
ATHENA_TIMEOUT_S = 120.0
LOCAL_ROLE = "arn:aws:iam::123456789012:role/local"


def crawler_names(project: Project) -> list[str]:
    """One crawler for each layer, named as Terraform names them."""
    return [f"{project.name}-{layer}" for layer in LAYERS]


def start_crawlers(project: Project, names: Sequence[str]) -> int:
    """Start each crawler that is not at work already; how many there are.

    Raises:
        CatalogError: one of them does not exist, or Glue refused.
    """
    glue = Catalog(Store(project.lake)).glue
    if project.uses_local_lake:
        _make_local_crawlers(project, glue, names)
    for name in names:
        with _explained(project, name):
            try:
                glue.start_crawler(Name=name)
            except glue.exceptions.CrawlerRunningException:
                continue  # a repeated task, or a schedule of its own: its end is waited for all the same
            except glue.exceptions.EntityNotFoundException as e:
                known = glue.list_crawlers()["CrawlerNames"]
                raise CatalogError(
                    f"There is no crawler {name!r}; nothing was crawled by it. Glue has: {', '.join(known) or 'none'}. "
                    "Create them: terraform apply, or name yours in the DAG's parameter crawlers."
                ) from e
    return len(names)


def crawlers_finished(project: Project, names: Sequence[str]) -> bool:
    """Whether none of them is at work.

    Raises:
        CatalogError: the last crawl of one failed; with Glue's own message.
    """
    glue = Catalog(Store(project.lake)).glue
    for name in names:
        with _explained(project, name):
            found = glue.get_crawler(Name=name)["Crawler"]
        if found["State"] != "READY":
            return False
        last = found.get("LastCrawl", {})
        if last.get("Status") in ("FAILED", "CANCELLED"):
            raise CatalogError(
                f"The crawler {name!r} ended as {last['Status']}: {last.get('ErrorMessage', 'no reason given')}. "
                f"Its log: {last.get('LogGroup', '/aws-glue/crawlers')}/{last.get('LogStream', name)}. The lake itself "
                "is as it was; correct the crawler's role or targets, and clear this task."
            )
    return True


def check_catalog(project: Project) -> dict[str, int]:
    """See that Glue shows exactly what the lake holds: every table, its columns, its version or its runs.

    Raises:
        CatalogError: it does not; every difference is listed.
    """
    graph, catalog = load_graph(project.root), Catalog(Store(project.lake))
    shown = catalog_schemas(project)
    wrong = [f"{table}: Glue has it, and no model makes it" for table in shown if _name(table) not in graph.models]
    checked = 0
    for name in graph.models:
        problem = _bronze_differs(catalog, project, name) if name.layer == "bronze" else _iceberg_differs(catalog, name)
        if problem is None:
            checked += 1
        elif problem:
            wrong.append(f"{name}: {problem}")
    if wrong:
        raise CatalogError(
            f"Glue and the lake differ in {len(wrong)} of {len(graph.models)} tables: {'; '.join(wrong[:10])}. Readers "
            "of Athena see what Glue says. Register again: lakehouse catalog; drop what no model makes, or exclude its "
            "place from the crawler."
        )
    return {"tables": checked}


def ask_athena(project: Project, workgroup: str, output: str | None = None) -> dict[str, Any]:
    """Count a gold table through Athena's API, and compare with what its version says; the table and its rows.

    Raises:
        EngineError: Athena refused, failed, did not answer in time, or counted something else.
    """
    catalog = Catalog(Store(project.lake))
    expected = [
        (name, rows) for name in load_graph(project.root).models if (rows := _rows_of(catalog, name)) is not None
    ]
    if not expected:
        return {"table": None, "rows": 0}
    name, rows = expected[-1]
    athena = aws_client(project.lake, "athena", project.lake.catalog_endpoint)
    place = output or catalog.store.layout.url(f"{catalog.store.layout.prefix}athena/")
    with _explained(project, "Athena"):
        query_id = athena.start_query_execution(
            QueryString=f'select count(*) as "rows" from "{name.layer}"."{name.table}"',
            QueryExecutionContext={"Database": name.layer},
            WorkGroup=workgroup,
            ResultConfiguration={"OutputLocation": place},
        )["QueryExecutionId"]
        _wait_for_query(athena, query_id)
        answer = athena.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"]
    counted = int(answer[1]["Data"][0]["VarCharValue"]) if len(answer) > 1 else None
    if counted != rows:
        raise EngineError(
            f"Athena counts {counted} rows in {name} and its live version has {rows:,} (query {query_id}). Its readers "
            "do not see what was committed. Compare: lakehouse compare, and register again: lakehouse catalog."
        )
    return {"table": str(name), "rows": rows, "query": query_id}


def catalog_schemas(project: Project) -> Schemas:
    """Columns and types of every table in Glue's databases of the lake, as Glue writes them."""
    glue = Catalog(Store(project.lake)).glue
    found: Schemas = {}
    for layer in LAYERS:
        with _explained(project, layer):
            try:
                pages = list(glue.get_paginator("get_tables").paginate(DatabaseName=layer))
            except glue.exceptions.EntityNotFoundException:
                continue
        for table in (t for page in pages for t in page["TableList"]):
            columns = [*table.get("StorageDescriptor", {}).get("Columns", []), *table.get("PartitionKeys", [])]
            found[f"{layer}.{table['Name']}"] = {c["Name"]: c.get("Type", "") for c in columns}
    return found


def schema_changes(project: Project) -> list[str]:
    """What changed in the catalog's schemas since the last call, a line each; those of now are kept for the next."""
    store = Store(project.lake)
    before, now = store.get_json(store.layout.crawled_schemas), catalog_schemas(project)
    store.put_json(store.layout.crawled_schemas, now)
    return [] if before is None else compare_schemas(before, now)


def compare_schemas(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Tables and columns that came, went, or changed type."""
    lines = [f"{t}: new table, {len(now[t])} columns" for t in sorted(now.keys() - before.keys())]
    lines += [f"{t}: no longer there" for t in sorted(before.keys() - now.keys())]
    for table in sorted(before.keys() & now.keys()):
        old, new = before[table], now[table]
        lines += [f"{table}: new column {c} {new[c]}" for c in new if c not in old]
        lines += [f"{table}: column {c} is gone" for c in old if c not in new]
        lines += [f"{table}: {c} was {old[c]}, is {new[c]}" for c in new if c in old and old[c] != new[c]]
    return lines


def _bronze_differs(catalog: Catalog, project: Project, name: TableName) -> str | None:
    """None where Glue agrees, "" where there is nothing to agree on yet, else what differs."""
    manifest = latest_manifest(catalog.store, project.source_name, name.table)
    if manifest is None:
        return ""
    with catalog.explained(name):
        try:
            pages = catalog.glue.get_paginator("get_partitions").paginate(
                DatabaseName="bronze", TableName=name.table, ExcludeColumnSchema=True
            )
            shown = {p["Values"][1] for page in pages for p in page["Partitions"]}
        except catalog.glue.exceptions.EntityNotFoundException:
            return "not in Glue"
        table = catalog.glue.get_table(DatabaseName="bronze", Name=name.table)["Table"]
    wanted = {link.run_id for link in manifest.chain}
    if shown != wanted:
        return f"Glue shows {len(shown - wanted)} runs too many and {len(wanted - shown)} too few"
    columns = {c["Name"] for c in table["StorageDescriptor"]["Columns"]}
    missing = [c.name for c in manifest.columns if c.name.lower() not in columns]
    return f"Glue lacks the columns {', '.join(missing)}" if missing else None


def _iceberg_differs(catalog: Catalog, name: TableName) -> str | None:
    table = catalog.load(name)
    if table is None:
        return ""
    with catalog.explained(name):
        shown = catalog.glue.get_table(DatabaseName=name.layer, Name=name.table)["Table"]
    columns = [c["Name"] for c in shown.get("StorageDescriptor", {}).get("Columns", [])]
    wanted = [f.name for f in table.schema().fields]
    if sorted(columns) != sorted(wanted):
        return f"Glue has the columns {', '.join(columns)}; its live version has {', '.join(wanted)}"
    return None


def _rows_of(catalog: Catalog, name: TableName) -> int | None:
    table = catalog.load(name) if name.layer == "gold" else None
    snapshot = table.current_snapshot() if table else None
    if snapshot is None or snapshot.summary is None:
        return None
    return int(snapshot.summary.additional_properties.get("total-records", 0))


def _wait_for_query(athena: Any, query_id: str) -> None:
    until = time.monotonic() + ATHENA_TIMEOUT_S
    while True:
        status = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return
        if status["State"] in ("FAILED", "CANCELLED"):
            reason = status.get("StateChangeReason", "no reason given")
            raise EngineError(f"Athena's query {query_id} ended as {status['State']}: {reason}.")
        if time.monotonic() > until:
            raise EngineError(
                f"Athena's query {query_id} did not end within {ATHENA_TIMEOUT_S:.0f} s. It goes on; clear this task "
                "to ask again.",
                retryable=True,
            )
        time.sleep(0.5)


def _make_local_crawlers(project: Project, glue: Any, names: Sequence[str]) -> None:
    """On local services there is no Terraform: the crawlers it would make, for the names that end with a layer."""
    known = set(glue.list_crawlers()["CrawlerNames"])
    layout = project.lake.layout
    for name in names:
        layer = name.rpartition("-")[2]
        if name not in known and layer in LAYERS:
            target = layout.url(f"{layout.prefix}{layer}/")
            glue.create_crawler(
                Name=name, Role=LOCAL_ROLE, DatabaseName=layer, Targets={"S3Targets": [{"Path": target}]}
            )


def _name(table: str) -> TableName:
    layer, _, rest = table.partition(".")
    return TableName(layer, rest)  # type: ignore[arg-type]


@contextmanager
def _explained(project: Project, what: str) -> Iterator[None]:
    """boto3's errors in our words; those of the network may pass."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except LakehouseError:
        raise
    except (BotoCoreError, ClientError) as e:
        at = project.lake.catalog_endpoint or f"AWS ({project.lake.region})"
        code = str(getattr(e, "response", {}).get("Error", {}).get("Code") or type(e).__name__)
        denied = "AccessDenied" in code or code in ("UnrecognizedClientException", "ExpiredTokenException")
        raise CatalogError(f"{what} at {at}: {e}. Is it up, and may you? lakehouse doctor", retryable=not denied) from e
