"""Which columns each column of a model is made of, read from the SQL itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from lakehouse.errors import ModelError
from lakehouse.model import Model, ModelGraph

Column = tuple[str, str]
Lineage = dict[Column, tuple[Column, ...]]


def column_lineage(graph: ModelGraph) -> Lineage:
    """(table, column) → the columns of other tables that its expression names; models in the graph's order.

    Of a bronze `select *` only the columns that some model reads are known: the others are in no SQL.

    Raises:
        ModelError: a column that cannot be traced, for example one that two joined tables both have.
    """
    schema: dict[str, dict[str, dict[str, str]]] = {}
    found: Lineage = {}
    for model in graph.models.values():
        columns = _columns_of(model, schema)
        found |= {(str(model.name), column): sources for column, sources in columns.items()}
        if columns:
            schema.setdefault(model.name.layer, {})[model.name.table] = dict.fromkeys(columns, "varchar")
    return _starred(graph, found) | found


def _starred(graph: ModelGraph, lineage: Lineage) -> Lineage:
    source = {str(m.name): m.reads[0] for m in graph.layer("bronze")}
    read = sorted({leaf for leaves in lineage.values() for leaf in leaves if leaf[0] in source})
    return {(table, column): ((source[table], column),) for table, column in read}


def _columns_of(model: Model, schema: Mapping[str, object]) -> dict[str, tuple[Column, ...]]:
    parsed = sqlglot.parse_one(model.sql, dialect="duckdb")
    try:
        query = qualify(parsed, dialect="duckdb", schema=dict(schema), validate_qualify_columns=False)
        scope = build_scope(query)
        names = [s.alias_or_name for s in query.selects if not s.is_star] if isinstance(query, exp.Query) else []
        return {name: _leaves(name, query, scope) for name in names}
    except SqlglotError as e:
        raise ModelError(f"{model.path}: its columns cannot be traced ({e}). Name the table of each column.") from e


def _leaves(column: str, query: Any, scope: Any) -> tuple[Column, ...]:
    node = lineage(column, query, {}, dialect="duckdb", scope=scope)
    leaves = {
        (f"{n.expression.db}.{n.expression.name}", n.name.rpartition(".")[2].strip('"'))
        for n in node.walk()
        if isinstance(n.expression, exp.Table) and n.expression.db
    }
    return tuple(sorted(leaves))
