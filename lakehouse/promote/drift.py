"""The source's columns changed since the model last saw them: go on, take the new ones along, or stop and say so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from lakehouse.catalog.bronze import Column, Manifest, manifest_of_run
from lakehouse.errors import ModelError
from lakehouse.model import Model
from lakehouse.names import quote
from lakehouse.store import Store

if TYPE_CHECKING:
    from lakehouse.catalog.iceberg import TableVersion

TEXT = re.compile(r"(text|character varying(\(\d+\))?)")
INTEGERS = ("smallint", "integer", "bigint")
NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
AS_IT_IS = {"boolean", "date", "uuid", "double precision", "real", *INTEGERS}


@dataclass(frozen=True)
class Difference:
    """What changed in one bronze table's columns since the version that a model was last made from."""

    table: str
    run_id: str
    added: tuple[Column, ...]
    dropped: tuple[Column, ...]
    retyped: tuple[tuple[Column, Column], ...]

    def __str__(self) -> str:
        said = [f"{c.name} {c.type} was added" for c in self.added]
        said += [f"{c.name} {c.type} was dropped" for c in self.dropped]
        said += [f"{was.name} was {was.type}, is {now.type}" for was, now in self.retyped]
        return f"{self.table} changed since run {self.run_id}: {'; '.join(said)}"


def find_differences(store: Store, version: TableVersion, manifests: Mapping[str, Manifest]) -> tuple[Difference, ...]:
    """Compare what the table's last version was made from with what bronze holds now, table by table.

    A bronze run that is no longer there cannot be compared with, and counts as no difference.
    """
    found = []
    for reference, now in manifests.items():
        run_id = version.inputs.get(reference)
        seen = next((link.schema for link in now.chain if link.run_id == run_id), None)
        if run_id is None or run_id == now.run_id or (seen and seen == now.link.schema):
            continue
        was = manifest_of_run(store, now.source, now.table, run_id)
        if was is not None:
            found.append(_compare(reference, was, now))
    return tuple(d for d in found if d.added or d.dropped or d.retyped)


def judge_differences(model: Model, differences: Sequence[Difference], taken: Sequence[str]) -> str:
    """What to tell of `differences` if the model may go on; `taken` are columns that an earlier run added by itself.

    Raises:
        ModelError: `on_drift` says stop, or (unless it says ignore) a column that the model reads was dropped, or
            retyped in a way that its casts could lose or reinterpret.
    """
    if model.on_drift == "ignore":
        return "; ".join(map(str, differences))
    for difference in differences:
        risky = [*difference.dropped, *(was for was, now in difference.retyped if not is_widened(was.type, now.type))]
        read = [c for c in risky if c.name in taken or _line_of(model, c.name)]
        if read or model.on_drift == "stop":
            raise ModelError(_stopped(model, difference, read))
    return "; ".join(map(str, differences))


def added_columns(
    differences: Sequence[Difference], manifests: Mapping[str, Manifest], taken: Sequence[str]
) -> list[Column]:
    """The columns that `on_drift: add` takes along: those just added, and those of earlier runs that still exist."""
    new = [c for d in differences for c in d.added]
    names = {c.name for c in new}
    kept = [c for m in manifests.values() for c in m.columns if c.name in taken and c.name not in names]
    return [*kept, *new]


def with_columns(model: Model, columns: Sequence[Column]) -> Model:
    """The model with `columns` after its own, each cast to the type that holds it; its file stays as it is."""
    if not columns:
        return model
    at = _end_of_projection(model.sql)
    lines = "".join(f",\n    {typed(c)} as {quote(c.name)}" for c in columns)
    return replace(model, sql=f"{model.sql[:at].rstrip()}{lines}\n{model.sql[at:]}")


def typed(column: Column) -> str:
    """The cast of bronze's text to the type that holds the column exactly, else the text itself."""
    name, type_name = quote(column.name), column.type
    numeric = NUMERIC.fullmatch(type_name)
    if type_name in AS_IT_IS:
        return f"cast({name} as {type_name.replace('double precision', 'double')})"
    if numeric and int(numeric[1]) <= 38 and 0 <= int(numeric[2]) <= int(numeric[1]):
        return f"cast({name} as decimal({numeric[1]}, {numeric[2]}))"
    if type_name == "timestamp without time zone":
        return f"cast({name} as timestamp(6))"
    if type_name == "timestamp with time zone":
        return f"cast(replace({name}, '+00', '') as timestamp(6))"
    return f"cast({name} as varchar)"


def is_widened(was: str, now: str) -> bool:
    """Whether a cast that held the values of `was` holds those of `now` or fails aloud: none is rounded or shifted."""
    if was in INTEGERS and now in INTEGERS:
        return INTEGERS.index(now) >= INTEGERS.index(was)
    if TEXT.fullmatch(was) and TEXT.fullmatch(now):
        return True
    old, new = NUMERIC.fullmatch(was), NUMERIC.fullmatch(now)
    return bool(old and new and old[2] == new[2] and int(new[1]) >= int(old[1]))


def _compare(reference: str, was: Manifest, now: Manifest) -> Difference:
    old, new = {c.name: c for c in was.columns}, {c.name: c for c in now.columns}
    return Difference(
        reference,
        was.run_id,
        tuple(c for n, c in new.items() if n not in old),
        tuple(c for n, c in old.items() if n not in new),
        tuple((old[n], c) for n, c in new.items() if n in old and old[n].type != c.type),
    )


def _stopped(model: Model, difference: Difference, read: Sequence[Column]) -> str:
    number = _line_of(model, read[0].name) if read else 0
    where = f"{model.path}:{number}" if number else str(model.path)
    line = _lines(model.path)[number - 1].strip() if number else ""
    shown = f" reads it: {line}\n" if line else " says on_drift: stop. "
    renamed = ""
    if read and difference.added and read[0] in difference.dropped:
        alike = [c.name for c in difference.added if c.type == read[0].type]
        renamed = f"Was {read[0].name} renamed to {alike[0]}? " if alike else ""
    return (
        f"{model.name}: {difference}. Nothing was committed; readers still see the version before, because going on "
        f"could lose or reinterpret values. {where}{shown}{renamed}Change the model; or accept the columns as they are "
        f"once: lakehouse run {model.name} --full; or always: -- on_drift: ignore"
    )


def _line_of(model: Model, column: str) -> int:
    """The line of the model's file that first names the column; 0 where none does."""
    tree = sqlglot.parse_one(model.sql, dialect="athena")
    if not any(c.name.lower() == column.lower() for c in tree.find_all(exp.Column)):
        return 0
    word = re.compile(rf"(?<!\w){re.escape(column)}(?!\w)", re.IGNORECASE)
    named = (
        i for i, line in enumerate(_lines(model.path), 1) if not line.lstrip().startswith("--") and word.search(line)
    )
    return next(named, 1)


def _lines(path: Path) -> list[str]:
    return path.read_bytes().decode().split("\n")


def _end_of_projection(sql: str) -> int:
    """Where the outermost SELECT's list ends: the FROM at no depth of parentheses."""
    depth, end = 0, -1
    for token in sqlglot.tokenize(sql, dialect="athena"):
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth == 0 and token.token_type == TokenType.SELECT:
            end = -1
        if depth == 0 and token.token_type == TokenType.FROM and end < 0:
            end = token.start
    return end
