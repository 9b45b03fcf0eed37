"""Unit tests of models: `tests/models/<table>.yaml` says which rows are given and which must come out, types included.

A model's own text is run, with the tables that it reads replaced by the given rows, so that any engine can run it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from lakehouse.engines import Engine, open_cluster
from lakehouse.errors import EngineError, ModelError, UsageError
from lakehouse.model import Model, ModelGraph
from lakehouse.names import TableName, literal, quote
from lakehouse.portable import install, to_duckdb
from lakehouse.project import Project

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = Path("tests") / "models"
FILE_KEYS = ("model", "types", "cases")
CASE_KEYS = ("name", "given", "expect")
LINE_DEFAULTS = {"_op": "upsert", "_ingested_at": "2024-01-01 00:00:00.000000"}
# DuckDB's names of types that Athena and Trino call otherwise.
ATHENA_TYPES = {
    "TIMESTAMP": "timestamp(6)",
    "TIMESTAMP WITH TIME ZONE": "timestamp(6) with time zone",
    "FLOAT": "real",
    "BLOB": "varbinary",
}
Row = Mapping[str, str | None]
Answer = tuple[list[tuple[str, str]], list[tuple[Any, ...]]]
Ask = Callable[[str], Answer]


@dataclass(frozen=True)
class Case:
    """One case of a model: rows by the table that holds them, and those that must come out."""

    name: str
    given: Mapping[str, Sequence[Row]]
    expect: Sequence[Row]


@dataclass(frozen=True)
class ModelTest:
    """A file of cases. `types` are the result's columns and their types, in order."""

    path: Path
    table: str
    types: Mapping[str, str]
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class CaseResult:
    """How one case ended; `difference` is empty where it passed."""

    table: str
    case: str
    path: str
    difference: str

    @property
    def passed(self) -> bool:
        return not self.difference

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def run_model_tests(
    project: Project, graph: ModelGraph, tables: Sequence[str] = (), engine: str = "duckdb"
) -> list[CaseResult]:
    """Run the cases of `tables`' models, or of all.

    Raises:
        ModelError: a file that cannot be read, or is of no model.
        EngineError: the engine does not answer.
    """
    import duckdb

    tests = [t for t in load_model_tests(project.root, graph) if not tables or _is_named(t.table, tables)]
    if tables and not tests:
        raise UsageError(
            f"No test of {', '.join(tables)}. Write one: {FOLDER}/<table>.yaml with model, types and cases."
        )
    models = {str(n): m for n, m in graph.models.items()}
    with duckdb.connect() as con:
        ask, types = _asker(project, engine, con), Types(con, models)
        return [_run_case(ask, types, models[t.table], t, case) for t in tests for case in t.cases]


def load_model_tests(root: Path, graph: ModelGraph) -> list[ModelTest]:
    """Every file of the project's tests/models.

    Raises:
        ModelError: one is not as it must be; the message says where.
    """
    known = {str(n) for n in graph.models}
    return [_load(path, known) for path in sorted((root / FOLDER).glob("*.yaml"))]


def untested(tests: Sequence[ModelTest], graph: ModelGraph) -> list[TableName]:
    """The silver and gold models that no file tests."""
    tested = {t.table for t in tests}
    return [n for n in graph.models if n.layer != "bronze" and str(n) not in tested]


def _is_named(table: str, tables: Sequence[str]) -> bool:
    return any(table in (t, f"silver.{t}", f"gold.{t}") for t in tables)


def _load(path: Path, known: set[str]) -> ModelTest:
    import yaml

    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_text_loader())
    except yaml.YAMLError as e:
        raise ModelError(f"{path}: not valid YAML: {' '.join(str(e).split())}.") from e
    whole = _mapping(found, str(path), FILE_KEYS)
    table = str(whole["model"])
    if table not in known:
        raise ModelError(
            f"{path}: tests {table!r}, which no model makes. Write: model: silver.<table> or gold.<table>."
        )
    cases = []
    for number, case in enumerate(whole["cases"] or (), 1):
        fields = _mapping(case, f"{path}: case {number}", CASE_KEYS)
        given = {t: tuple(rows or ()) for t, rows in (fields["given"] or {}).items()}
        cases.append(Case(str(fields["name"]), given, tuple(fields["expect"] or ())))
    if not cases:
        raise ModelError(f"{path}: has no cases, and would pass whatever the model does. Write one.")
    return ModelTest(path, table, dict(whole["types"]), tuple(cases))


def _mapping(value: object, where: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(keys):
        has = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise ModelError(f"{where}: must have exactly {', '.join(keys)}; it has {has or 'nothing'}.")
    return value


def _text_loader() -> Any:
    """YAML whose every value is its text, or null: 1.10 stays 1.10, and a date is not Python's."""
    import yaml

    class Texts(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012 (as yaml declares it)
            first: [(tag, pattern) for tag, pattern in pairs if tag == "tag:yaml.org,2002:null"]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    return Texts


@dataclass(frozen=True)
class Types:
    """The columns of tables that models read, found by binding the models that make them, in DuckDB, on no rows."""

    con: DuckDBPyConnection
    models: Mapping[str, Model]

    def __post_init__(self) -> None:
        install(self.con)

    def of(self, reference: str, reader: Model) -> dict[str, str]:
        """Names and Athena's types. Bronze is text; of its columns, those that `reader` names."""
        if reference.startswith("bronze."):
            return dict.fromkeys([*_read_columns(reader, reference), *LINE_DEFAULTS], "varchar")
        model = self.models[reference]
        sql = replace_tables(model, {r: select_of((), self.of(r, model)) for r in model.reads})
        found = self.con.execute(f"describe {to_duckdb(sql, {}, str(model.path), wide=True)}").fetchall()
        return {name: athena_type(kind) for name, kind, *_ in found}


def _run_case(ask: Ask, types: Types, model: Model, test: ModelTest, case: Case) -> CaseResult:
    where = f"{test.path}: case {case.name!r}"
    unknown = [t for t in case.given if t not in model.reads]
    if unknown:
        raise ModelError(f"{where}: gives {unknown[0]}, which {test.table} does not read. It reads: {model.reads}.")
    given = {}
    for reference in model.reads:
        rows = case.given.get(reference, ())
        columns = types.of(reference, model)
        if reference.startswith("bronze."):
            columns |= dict.fromkeys((c for row in rows for c in row), "varchar")
            rows = [{**LINE_DEFAULTS, **row} for row in rows]
        _check_rows(rows, columns, f"{where}: {reference}", is_whole=False)
        given[reference] = select_of(rows, columns)
    _check_rows(case.expect, test.types, f"{where}: expect", is_whole=True)
    made_columns, made = ask(replace_tables(model, given))
    _, expected = ask(select_of(case.expect, test.types))
    difference = _types_differ(made_columns, test.types) or _rows_differ(made, expected, list(test.types))
    return CaseResult(test.table, case.name, str(test.path), difference)


def _check_rows(rows: Sequence[Row], columns: Mapping[str, str], where: str, *, is_whole: bool) -> None:
    for number, row in enumerate(rows, 1):
        unknown = [c for c in row if c not in columns]
        missing = [c for c in columns if c not in row] if is_whole else []
        if unknown or missing:
            what = f"names {unknown[0]!r}, which is no column" if unknown else f"lacks {missing[0]}"
            raise ModelError(f"{where}: row {number} {what}. The columns: {', '.join(columns)}.")


def replace_tables(model: Model, selects: Mapping[str, str]) -> str:
    """The model's text with each table it reads replaced by a SELECT; nothing else in it is touched."""
    sql = model.sql
    nodes = [t for t in sqlglot.parse_one(sql, dialect="athena").find_all(exp.Table) if f"{t.db}.{t.name}" in selects]
    for node in sorted(nodes, key=lambda t: -t.args["db"].meta["start"]):
        start, end = node.args["db"].meta["start"], node.this.meta["end"]
        alias = "" if node.alias else f" as {quote(node.name)}"
        sql = f"{sql[:start]}({selects[f'{node.db}.{node.name}']}){alias}{sql[end + 1 :]}"
    return sql.strip()


def select_of(rows: Sequence[Row], types: Mapping[str, str]) -> str:
    """Rows of text as a SELECT with those types, in SQL that every engine reads."""
    if not rows:
        nothing = ", ".join(f"cast(null as {kind}) as {quote(name)}" for name, kind in types.items())
        return f"select {nothing} where 1 = 0"
    lines = []
    for row in rows:
        values = (row.get(name) for name in types)
        lines.append(", ".join("cast(null as varchar)" if v is None else literal(v) for v in values))
    names = ", ".join(quote(name) for name in types)
    casts = ", ".join(f"cast({quote(name)} as {kind}) as {quote(name)}" for name, kind in types.items())
    return f"select {casts} from (values ({'), ('.join(lines)})) as given ({names})"


def athena_type(duckdb_type: str) -> str:
    """DuckDB's name of a type as Athena writes it."""
    return ATHENA_TYPES.get(duckdb_type, duckdb_type.lower())


def _read_columns(model: Model, reference: str) -> dict[str, None]:
    """The columns of `reference` that the model's text names, in its order."""
    found: dict[str, None] = {}
    for scope in traverse_scope(sqlglot.parse_one(model.sql, dialect="athena")):
        aliases = [a for a, s in scope.sources.items() if isinstance(s, exp.Table) and f"{s.db}.{s.name}" == reference]
        if aliases:
            found |= dict.fromkeys(c.name for c in scope.columns if not c.table or c.table in aliases)
    return found


def _types_differ(made: Sequence[tuple[str, str]], types: Mapping[str, str]) -> str:
    has = [(name, _compact(kind)) for name, kind in made]
    wants = [(name, _compact(kind)) for name, kind in types.items()]
    if has == wants:
        return ""
    listed = [f"{name} {kind}" for name, kind in has if (name, kind) not in wants]
    wanted = [f"{name} {kind}" for name, kind in wants if (name, kind) not in has]
    if not listed and not wanted:
        return f"columns come in another order: {', '.join(name for name, _ in has)}"
    return f"types: came {', '.join(listed) or 'nothing else'}; expected {', '.join(wanted) or 'nothing else'}"


def _compact(kind: str) -> str:
    return kind.lower().replace(" ", "")


def _rows_differ(made: Sequence[tuple[Any, ...]], expected: Sequence[tuple[Any, ...]], names: list[str]) -> str:
    has, wants = Counter(map(repr, made)), Counter(map(repr, expected))
    shown = {repr(r): r for r in (*made, *expected)}
    lines = [f"- expected {_told(shown[r], names)}" for r in (wants - has).elements()]
    lines += [f"+ came {_told(shown[r], names)}" for r in (has - wants).elements()]
    return "\n".join(lines)


def _told(row: tuple[Any, ...], names: list[str]) -> str:
    return ", ".join(f"{name}: {'null' if value is None else value}" for name, value in zip(names, row, strict=True))


def _asker(project: Project, engine: str, con: DuckDBPyConnection) -> Ask:
    """How to ask: SQL in, columns with their types and rows out. DuckDB needs neither lake nor services."""
    if engine == "duckdb":
        con.execute("set timezone = 'UTC'")
        install(con)
        return lambda sql: _ask_duckdb(con, sql)
    cluster = open_cluster(project, engine)
    return lambda sql: _ask_cluster(cluster, sql)


def _ask_duckdb(con: DuckDBPyConnection, sql: str) -> Answer:
    from duckdb import Error

    try:
        sql = to_duckdb(sql, {}, "the model under test", wide=True)
        columns = [(name, athena_type(kind)) for name, kind, *_ in con.execute(f"describe {sql}").fetchall()]
        return columns, con.execute(sql).fetchall()
    except Error as e:
        raise EngineError(f"DuckDB could not run a test: {' '.join(str(e).split())[:500]}.") from e


def _ask_cluster(cluster: Engine, sql: str) -> Answer:
    with cluster.query(sql) as result:
        rows = [tuple(row.values()) for batch in result.batches for row in batch.to_pylist()]
        return list(zip(result.schema.names, result.types, strict=True)), rows
