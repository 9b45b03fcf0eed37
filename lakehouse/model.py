"""A SQL file and its header become a Model; models become a graph in the order they must run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal, get_args

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.optimizer.scope import traverse_scope

from lakehouse.errors import ModelError
from lakehouse.names import LAYERS, TABLE_NAME, TABLE_REFERENCE, Layer, TableName
from lakehouse.project import ENGINES

Update = Literal["replace", "by_key", "by_partition"]
OnDrift = Literal["add", "ignore", "stop"]
Transform = Literal["identity", "year", "month", "day", "hour"]
READABLE: dict[str, tuple[str, ...]] = {
    "bronze": ("source",),
    "silver": ("bronze", "silver"),
    "gold": ("silver", "gold"),
    "analysis": ("silver", "gold"),
}
HEADER_LINE = re.compile(r"--\s?(?P<text>.*)")
HEADER_KEY = re.compile(r"(?P<key>[a-z_]+):\s+(?P<value>.+)")
CURSOR = re.compile(
    r'cursor\("?(?P<column>[^,"]+(?:""[^,"]*)*)"?,\s*(?P<overlap>\d+(?:\s+(?:second|minute|hour|day|week)s?)?)\)'
)
NO_KEY = "none"
PARTITION = re.compile(r"(?:(?P<transform>year|month|day|hour)\((?P<of>\w+)\)|(?P<column>\w+))")


@dataclass(frozen=True)
class PartitionField:
    """One field of the table's partition spec, in Iceberg's terms."""

    transform: Transform
    column: str


@dataclass(frozen=True)
class Cursor:
    """Find what changed by a column that grows: rows at or above its last maximum less `overlap` are read again.

    `overlap` is PostgreSQL's text of an interval ("1 hour") or a number. What commits later than that, what is deleted,
    and what is updated without touching the column is missed.
    """

    column: str
    overlap: str


@dataclass(frozen=True)
class Model:
    """One SELECT and what its header says of the table it makes.

    `reads` are the tables of the SELECT, `compares` the other ones that its suite looks at; `duckdb_sql` says in
    DuckDB's words what `sql` says in Athena's, once the columns of those tables are known. Without `on_drift`, columns
    added at the source are told and left, and what could lose or reinterpret values stops.
    """

    name: TableName
    path: Path
    sql: str
    description: str
    reads: tuple[str, ...]
    compares: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    partition_by: tuple[PartitionField, ...] = ()
    update: Update = "replace"
    owner: str | None = None
    engine: str | None = None
    changes: Cursor | None = None
    on_drift: OnDrift | None = None
    is_keyless: bool = False  # said by "key: none": nothing identifies a row, not even at the source
    duckdb_sql: str | None = field(default=None, compare=False)
    fingerprint: str = field(default="", compare=False)

    @property
    def select(self) -> str:
        """What DuckDB runs."""
        return (self.duckdb_sql or self.sql).strip()


@dataclass(frozen=True)
class Question:
    """A query of `queries/analysis`: not kept, asked."""

    name: str
    path: Path
    sql: str
    description: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class ModelGraph:
    """All models of a project, in the order they must run: every model after what it reads."""

    models: Mapping[TableName, Model]

    def layer(self, layer: Layer) -> list[Model]:
        return [m for m in self.models.values() if m.name.layer == layer]

    def downstream(self, name: TableName) -> set[TableName]:
        """Every table that depends on `name`, directly or not."""
        found: set[TableName] = set()
        for model in self.models.values():
            if any(str(name) == r or any(str(f) == r for f in found) for r in model.reads):
                found.add(model.name)
        return found

    def upstream(self, names: Iterable[TableName]) -> set[TableName]:
        """Every table that one of `names` depends on, directly or not, and `names` themselves."""
        found = set(names)
        for model in reversed(list(self.models.values())):
            if model.name in found:
                found |= {n for n in self.models if str(n) in model.reads}
        return found

    def select(self, tables: Iterable[str]) -> list[Model]:
        """The models that `tables` name ("orders" in every layer, "gold.orders" in one) and what those depend on.

        Raises:
            ModelError: a name that no model has.
        """
        wanted: set[TableName] = set()
        for table in tables:
            found = {n for n in self.models if table in (str(n), n.table)}
            if not found:
                names = [str(n) for n in self.models]
                raise ModelError(
                    f"No model makes {table!r}. {_suggest(table, [*names, *(n.table for n in self.models)])}"
                )
            wanted |= found
        keep = self.upstream(wanted) if wanted else set(self.models)
        return [m for n, m in self.models.items() if n in keep]


def load_graph(root: Path) -> ModelGraph:
    """Every model of a project's `queries/{bronze,silver,gold}`, in the order they must run.

    Raises:
        ModelError: a file that does not parse, a header that says what does not exist, a table nobody makes, a cycle.
    """
    paths = [(path, layer) for layer in LAYERS for path in sorted((root / "queries" / layer).glob("*.sql"))]
    models = {m.name: m for m in (_load(path, layer, root / "expectations") for path, layer in paths)}
    if not models:
        raise ModelError(
            f"No model in {root / 'queries'}. A model is a file queries/<layer>/<table>.sql with one SELECT in it."
        )
    by_text = {str(n): n for n in models}
    for model in models.values():
        for read in model.reads:
            if read not in by_text and not read.startswith("source."):
                raise ModelError(f"{model.path}: reads {read}, which no model makes. {_suggest(read, list(by_text))}")
    order = _order(models, by_text)
    rank = {n: (LAYERS.index(n.layer), i) for i, n in enumerate(order)}
    return ModelGraph({n: models[n] for n in sorted(models, key=lambda n: rank[n])})


def load_questions(root: Path) -> list[Question]:
    """Every query of a project's `queries/analysis`, by name.

    Raises:
        ModelError: a file that does not parse or reads what an analysis may not.
    """
    questions = []
    for path in sorted((root / "queries" / "analysis").glob("*.sql")):
        sql, description, _ = _split(path)
        questions.append(Question(path.stem, path, sql, description, _reads(path, sql, "analysis")))
    return questions


def _order(models: Mapping[TableName, Model], by_text: Mapping[str, TableName]) -> list[TableName]:
    """What a model reads before it, and what its suite compares it with too, unless suites compare in a circle."""
    must = {n: [by_text[r] for r in m.reads if r in by_text] for n, m in models.items()}
    should = {n: [by_text[r] for r in m.compares if r in by_text] for n, m in models.items()}
    try:
        return list(TopologicalSorter({n: [*must[n], *should[n]] for n in models}).static_order())
    except CycleError:
        pass
    try:
        return list(TopologicalSorter(must).static_order())
    except CycleError as e:
        ring = " → ".join(str(n) for n in e.args[1])
        raise ModelError(f"Models read each other in a circle: {ring}. Break it: one of them must read less.") from e


def _load(path: Path, layer: Layer, expectations: Path) -> Model:
    if not TABLE_NAME.fullmatch(path.stem):
        raise ModelError(
            f"{path}: a table's name has lower-case letters, digits and underscores only; rename the file."
        )
    name = TableName(layer, path.stem)
    sql, description, header = _split(path)
    model = Model(name, path, sql, description, _reads(path, sql, layer), _compares(name, expectations))
    return _with_header(model, header)


def _compares(name: TableName, expectations: Path) -> tuple[str, ...]:
    """Tables that a suite's own queries name; the suite itself is read strictly when its gate runs."""
    suite = expectations / name.layer / f"{name.table}.json"
    text = suite.read_text(encoding="utf-8") if suite.exists() else ""
    named = {".".join(m) for m in TABLE_REFERENCE.findall(text)}
    return tuple(sorted(named - {str(name)}))


def _split(path: Path) -> tuple[str, str, dict[str, tuple[int, str]]]:
    """The SELECT, the description, and the header's keys with their line numbers."""
    # As bytes, and at line feeds alone: a quoted name may hold what Python takes for the end of a line.
    lines = path.read_bytes().decode().split("\n")
    description: list[str] = []
    header: dict[str, tuple[int, str]] = {}
    body = 0
    for number, line in enumerate(lines, 1):
        match = HEADER_LINE.fullmatch(line.strip())
        if match is None:
            break
        body = number
        key = HEADER_KEY.fullmatch(match["text"].strip())
        if key is None:
            description.append(match["text"].strip())
        else:
            header[key["key"]] = (number, key["value"].strip())
    sql = "\n" * body + "\n".join(lines[body:]).rstrip()
    return sql, " ".join(description).strip(), header


def _reads(path: Path, sql: str, layer: str) -> tuple[str, ...]:
    tree = _parse(path, sql)
    found: dict[str, None] = {}
    for scope in traverse_scope(tree):
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                found[_checked_read(path, source, layer)] = None
    if not found:
        raise ModelError(f"{path}: reads no table. A {layer} query reads {' or '.join(READABLE[layer])} tables.")
    return tuple(found)


def _parse(path: Path, sql: str) -> exp.Query:
    # PostgreSQL runs bronze models; everything after is Athena's dialect, whichever engine executes it.
    dialect = "postgres" if path.parent.name == "bronze" else "athena"
    try:
        trees = [t for t in sqlglot.parse(sql, dialect=dialect) if t is not None]
    except (ParseError, TokenError) as e:
        detail = e.errors[0] if isinstance(e, ParseError) and e.errors else {}
        where = f"{path}:{detail.get('line', 1)}:{detail.get('col', 1)}"
        what = detail.get("description") or str(e).splitlines()[0]
        raise ModelError(f"{where}: not valid SQL: {what} near {detail.get('highlight', '')!r}.") from e
    if dialect == "athena":
        _check_duckdb_parses(path, sql)
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        kinds = ", ".join(t.key.upper() for t in trees) or "nothing"
        raise ModelError(f"{path}: must be one SELECT and nothing else; found {kinds}. The toolkit adds the rest.")
    return trees[0]


def _check_duckdb_parses(path: Path, sql: str) -> None:
    """sqlglot forgives much ("id,, name"; an unclosed cast); what runs the text does not."""
    import duckdb

    try:
        duckdb.extract_statements(sql)
    except duckdb.Error as e:
        what, _, where = str(e).partition("\nLINE ")
        line = where.split(":")[0] or "1"
        raise ModelError(f"{path}:{line}: not valid SQL: {' '.join(what.split())}.") from e


def _checked_read(path: Path, table: exp.Table, layer: str) -> str:
    name = f"{table.db}.{table.name}" if table.db else table.name
    if table.db not in READABLE[layer]:
        where = f"{path}:{table.this.meta.get('line', 1)}"
        valid = " or ".join(f"{r}.<table>" for r in READABLE[layer])
        article = "An" if layer == "analysis" else "A"
        raise ModelError(f"{where}: reads {name!r}. {article} {layer} query reads {valid}.")
    return name


def _with_header(model: Model, header: Mapping[str, tuple[int, str]]) -> Model:
    values: dict[str, object] = {}
    for key, (number, text) in header.items():
        if key not in HEADER_PARSERS:
            valid = ", ".join(HEADER_PARSERS)
            hint = _suggest(key, list(HEADER_PARSERS))
            raise ModelError(f"{model.path}:{number}: unknown header key {key!r}. {hint} Valid: {valid}.")
        try:
            values[key] = HEADER_PARSERS[key](text)
            values |= {"key": (), "is_keyless": True} if (key, text) == ("key", NO_KEY) else {}
        except ValueError as e:
            raise ModelError(f"{model.path}:{number}: {key}: {e}.") from e
    if values.get("update") == "by_key" and not values.get("key"):
        raise ModelError(f"{model.path}: update: by_key needs a key. Add the line: -- key: <columns>.")
    if values.get("update") == "by_partition" and not values.get("partition_by"):
        raise ModelError(
            f"{model.path}: update: by_partition needs partition_by. Add the line: -- partition_by: month(<column>)."
        )
    text = "\n".join([model.sql.strip(), *(f"{k}: {v[1]}" for k, v in sorted(header.items()) if k in REBUILDS)])
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return replace(model, fingerprint=fingerprint, **values)  # type: ignore[arg-type]


def _columns(text: str) -> tuple[str, ...]:
    columns = tuple(c.strip() for c in text.split(","))
    if not all(re.fullmatch(r"\w+", c) for c in columns):
        raise ValueError(f"{text!r} is not a list of columns; write: a, b")
    return columns


def _partition(text: str) -> tuple[PartitionField, ...]:
    fields = []
    for part in text.split(","):
        match = PARTITION.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is not a partition; write a column, or year|month|day|hour(column)")
        transform = match["transform"] or "identity"
        fields.append(PartitionField(transform, match["of"] or match["column"]))  # type: ignore[arg-type]
    return tuple(fields)


def _changes(text: str) -> Cursor | None:
    if text == "snapshot":
        return None
    match = CURSOR.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is neither snapshot nor a cursor; write cursor(updated_at, 1 hour)")
    return Cursor(match["column"].replace('""', '"'), match["overlap"])


def _one_of(*valid: str):  # type: ignore[no-untyped-def]
    def parse(text: str) -> str:
        if text not in valid:
            raise ValueError(f"{text!r} is not one of {', '.join(valid)}")
        return text

    return parse


HEADER_PARSERS = {
    "key": _columns,
    "partition_by": _partition,
    "update": _one_of(*get_args(Update)),
    "owner": str,
    "engine": _one_of(*ENGINES),
    "changes": _changes,
    "on_drift": _one_of(*get_args(OnDrift)),
}
# A change of these means that the table on disk is not what the model says; owner and engine are not such.
REBUILDS = ("key", "partition_by", "update", "changes")


def _suggest(name: str, valid: list[str]) -> str:
    close = get_close_matches(name, valid, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There is: {', '.join(sorted(valid)[:12])}."
