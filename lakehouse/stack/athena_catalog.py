"""Athena's calls about databases and tables, answered from the local Glue, as AWS answers them from its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PAGE = 50


class NotInCatalog(Exception):
    """Answered as MetadataException."""


def list_databases(backend: Any, p: Mapping[str, Any]) -> dict[str, Any]:
    names = sorted(_glue(backend).databases)
    page, more = _page(names, p)
    return {"DatabaseList": [_database(backend, name) for name in page]} | more


def get_database(backend: Any, p: Mapping[str, Any]) -> dict[str, Any]:
    return {"Database": _database(backend, p["DatabaseName"])}


def list_tables(backend: Any, p: Mapping[str, Any]) -> dict[str, Any]:
    import re

    tables = _found(backend, p["DatabaseName"]).tables
    wanted = p.get("Expression")
    names = sorted(n for n in tables if wanted is None or re.fullmatch(wanted.replace("*", ".*"), n))
    page, more = _page(names, p)
    return {"TableMetadataList": [_table(tables[name]) for name in page]} | more


def get_table(backend: Any, p: Mapping[str, Any]) -> dict[str, Any]:
    tables = _found(backend, p["DatabaseName"]).tables
    table = tables.get(p["TableName"].lower())
    if table is None:
        raise NotInCatalog(f"EntityNotFoundException: Entity Not Found: table {p['DatabaseName']}.{p['TableName']}")
    return {"TableMetadata": _table(table)}


def _glue(backend: Any) -> Any:
    from moto.glue.models import glue_backends

    return glue_backends[backend.account_id][backend.region_name]


def _found(backend: Any, name: str) -> Any:
    database = _glue(backend).databases.get(name.lower())
    if database is None:
        raise NotInCatalog(f"EntityNotFoundException: Database {name} not found.")
    return database


def _database(backend: Any, name: str) -> dict[str, Any]:
    given = _found(backend, name).input
    return {"Name": name, "Description": given.get("Description", ""), "Parameters": given.get("Parameters", {})}


def _table(table: Any) -> dict[str, Any]:
    found = table.as_dict()
    storage = found.get("StorageDescriptor") or {}
    answer: dict[str, Any] = {
        "Name": found["Name"],
        "TableType": found.get("TableType", "EXTERNAL_TABLE"),
        "Columns": _columns(storage.get("Columns") or []),
        "PartitionKeys": _columns(found.get("PartitionKeys") or []),
        # As AWS: the location and the formats are told among the parameters.
        "Parameters": (found.get("Parameters") or {}) | {"location": storage.get("Location") or ""},
    }
    return answer | ({"CreateTime": table.created_time.timestamp()} if table.created_time else {})


def _columns(columns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{k: c[k] for k in ("Name", "Type", "Comment") if c.get(k)} for c in columns]


def _page(names: Sequence[str], p: Mapping[str, Any]) -> tuple[Sequence[str], dict[str, str]]:
    at, size = int(p.get("NextToken") or 0), int(p.get("MaxResults") or PAGE)
    return names[at : at + size], {"NextToken": str(at + size)} if at + size < len(names) else {}
