"""Every silver model of the sample: the latest line of a key, none of a deleted one, and each key by itself."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from lakehouse.model import Model, load_graph

ROOT = Path(__file__).parents[3]
MODELS = load_graph(ROOT).layer("silver")
Line = dict[str, str | None]
# What happens to each of four keys, in time: (operation, version).
HISTORIES = {
    1: [("upsert", 1), ("upsert", 2)],
    2: [("upsert", 1), ("delete", 2)],
    3: [("upsert", 1)],
    4: [("upsert", 1), ("delete", 2), ("upsert", 3)],
}


def kinds(model: Model) -> dict[str, str]:
    """The model's output columns and their types, from its casts."""
    tree = sqlglot.parse_one(model.sql, dialect="athena")
    assert isinstance(tree, exp.Query)
    casts = {c.alias_or_name: c.unalias() for c in tree.selects}
    return {name: cast.to.sql("athena").lower() for name, cast in casts.items() if isinstance(cast, exp.Cast)}


def bronze_columns(model: Model) -> list[str]:
    """What the model's first CTE takes from bronze."""
    block = re.search(r"with lines as \(\s*select(.*?)row_number\(\)", model.sql, re.S)
    assert block is not None
    return [c.strip() for c in block[1].split(",") if c.strip() and c.strip() != "_op"]


def text(kind: str, key: int, version: int) -> str:
    """A value as PostgreSQL prints it."""
    if kind.startswith("timestamp"):
        return f"2017-0{key}-0{version} 11:53:26.12345{version}+00"
    if kind == "date":
        return f"2017-0{key}-0{version}"
    if kind.startswith("decimal"):
        return f"{key}.0{version}"
    return f"{key}{version}" if kind in ("integer", "bigint") else f"Text {key} of {version}"


def lines(model: Model) -> list[Line]:
    found = []
    types = kinds(model)
    for key, history in HISTORIES.items():
        for operation, version in history:
            line: Line = {c: text(types[c], key, version) for c in bronze_columns(model)}
            line |= {c: str(key) for c in model.key}
            if operation == "delete":
                line = {c: v if c in model.key else None for c, v in line.items()}
            found.append(line | {"_op": operation, "_ingested_at": f"2024-01-0{version} 00:00:00.000000"})
    random.Random(7).shuffle(found)
    return found


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("create schema bronze")
        yield con


def made(con: duckdb.DuckDBPyConnection, model: Model, of: Sequence[Line]) -> Counter[tuple[object, ...]]:
    columns = [*bronze_columns(model), "_op", "_ingested_at"]
    table = f"bronze.{model.name.table}"
    con.execute(f"create or replace table {table} ({', '.join(f'{c} varchar' for c in columns)})")
    con.executemany(
        f"insert into {table} values ({', '.join('?' * len(columns))})", [[x[c] for c in columns] for x in of]
    )
    return Counter(con.execute(model.sql).fetchall())


def filled(model: Model, value: str | None) -> Line:
    return dict.fromkeys(bronze_columns(model), value)


def of_key(model: Model, all_lines: Sequence[Line], key: int) -> list[Line]:
    return [line for line in all_lines if line[model.key[0]] == str(key)]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: str(m.name))
def test_the_latest_line_of_each_key_that_was_not_deleted(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    history = lines(model)
    last = [max(of_key(model, history, key), key=lambda x: str(x["_ingested_at"])) for key in (1, 3, 4)]
    found = made(con, model, history)
    assert found == made(con, model, last)
    position = list(kinds(model)).index(model.key[0])
    assert {row[position] for row in found} == {1, 3, 4}


@pytest.mark.parametrize("model", MODELS, ids=lambda m: str(m.name))
def test_a_key_is_made_from_its_own_lines_alone(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    assert model.update == "by_key"
    history = lines(model)
    one_by_one: Counter[tuple[object, ...]] = Counter()
    for key in HISTORIES:
        one_by_one += made(con, model, of_key(model, history, key))
    assert made(con, model, history) == one_by_one


@pytest.mark.parametrize("model", MODELS, ids=lambda m: str(m.name))
def test_keys_are_plain_casts_of_the_columns_of_the_same_name(model: Model) -> None:
    for key in model.key:
        assert f"cast({key} as {kinds(model)[key]}) as {key}" in model.sql


def test_values_arrive_to_the_last_digit(con: duckdb.DuckDBPyConnection) -> None:
    model = next(m for m in MODELS if m.name.table == "order_items")
    line: Line = filled(model, "0") | {
        "order_id": "9223372036854775807",
        "line_number": "1",
        "ordered_at": "2017-12-31 23:59:59.999999+00",
        "sales_value": "12345678.91",
        "_op": "upsert",
        "_ingested_at": "2024-01-01 00:00:00.000000",
    }
    made(con, model, [line])
    row = con.execute(
        f"select order_id, strftime(ordered_at, '%Y-%m-%d %H:%M:%S.%f'), sales_value::varchar from ({model.sql})"
    ).fetchone()
    assert row == (9223372036854775807, "2017-12-31 23:59:59.999999", "12345678.91")


def test_texts_of_products_are_in_one_spelling_and_empty_ones_null(con: duckdb.DuckDBPyConnection) -> None:
    model = next(m for m in MODELS if m.name.table == "products")
    texts = {
        "department": " Grocery ",
        "product_category": "  ",
        "product_type": " SOFT DRINKS",
        "package_size": "12 oz ",
    }
    line: Line = filled(model, "1") | texts | {"_op": "upsert", "_ingested_at": "2024-01-01"}
    made(con, model, [line])
    columns = "department, product_category, product_type, package_size"
    found = con.execute(f"select {columns} from ({model.sql})").fetchone()
    assert found == ("GROCERY", None, "SOFT DRINKS", "12 OZ")
