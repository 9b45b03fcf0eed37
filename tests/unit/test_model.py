"""SQL files become models: what a header says, what a SELECT reads, and in which order they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.errors import ModelError
from lakehouse.model import PartitionField, load_graph, load_questions
from lakehouse.names import TableName

ORDERS = "-- Orders.\nselect * from source.orders\n"


def write(root: Path, **files: str) -> Path:
    """`silver__orders="…"` becomes queries/silver/orders.sql."""
    for name, text in files.items():
        path = root / "queries" / (name.replace("__", "/") + ".sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_header_is_read(tmp_path: Path) -> None:
    text = (
        "-- One row per order,\n-- latest version.\n-- key: order_id, line\n-- partition_by: month(sold_at), region\n"
        "-- update: by_key\n-- owner: sales\nselect order_id, line, sold_at, region from bronze.orders\n"
    )
    model = load_graph(write(tmp_path, bronze__orders=ORDERS, silver__orders=text)).models[
        TableName("silver", "orders")
    ]
    assert model.description == "One row per order, latest version."
    assert model.key == ("order_id", "line")
    assert model.partition_by == (PartitionField("month", "sold_at"), PartitionField("identity", "region"))
    assert (model.update, model.owner, model.reads) == ("by_key", "sales", ("bronze.orders",))


def test_models_run_after_what_they_read_and_what_their_suites_compare(tmp_path: Path) -> None:
    write(
        tmp_path,
        bronze__orders=ORDERS,
        silver__a="-- A.\nselect 1 as x from silver.z, bronze.orders\n",
        silver__b="-- B.\nselect 1 as x from bronze.orders\n",
        silver__z="-- Z.\nselect 1 as x from bronze.orders\n",
        gold__a="-- A.\nselect 1 as x from silver.a\n",
    )
    (tmp_path / "expectations" / "silver").mkdir(parents=True)
    (tmp_path / "expectations" / "silver" / "b.json").write_text('{"q": "select * from silver.a where 1 = 0"}')
    order = [str(n) for n in load_graph(tmp_path).models]
    assert order == ["bronze.orders", "silver.z", "silver.a", "silver.b", "gold.a"]


def test_suites_that_compare_in_a_circle_do_not_stop_the_models(tmp_path: Path) -> None:
    select = "-- X.\nselect 1 as x from bronze.orders\n"
    write(tmp_path, bronze__orders=ORDERS, silver__a=select, silver__b=select)
    (tmp_path / "expectations" / "silver").mkdir(parents=True)
    for table, other in (("a", "b"), ("b", "a")):
        (tmp_path / "expectations" / "silver" / f"{table}.json").write_text(f'"silver.{other}"')
    assert len(load_graph(tmp_path).models) == 3


def test_only_real_tables_are_reads(tmp_path: Path) -> None:
    text = (
        "-- A.\nwith orders as (select * from bronze.orders), bronze_orders as (select * from orders)\n"
        'select (select max(id) from bronze."orders") as m, o.id from bronze_orders o\n'
        "where exists (select 1 from (select * from bronze.customers) c where c.id = o.id)\n"
    )
    graph = load_graph(write(tmp_path, bronze__orders=ORDERS, bronze__customers=ORDERS, silver__a=text))
    assert set(graph.models[TableName("silver", "a")].reads) == {"bronze.orders", "bronze.customers"}


def test_a_selection_brings_what_it_depends_on(tmp_path: Path) -> None:
    write(
        tmp_path,
        bronze__orders=ORDERS,
        bronze__other=ORDERS,
        silver__orders="-- O.\nselect 1 as x from bronze.orders\n",
        gold__sales="-- S.\nselect 1 as x from silver.orders\n",
    )
    graph = load_graph(tmp_path)
    assert [str(m.name) for m in graph.select(["gold.sales"])] == ["bronze.orders", "silver.orders", "gold.sales"]
    assert [str(m.name) for m in graph.select(["other"])] == ["bronze.other"]
    assert len(graph.select([])) == 4
    assert graph.downstream(TableName("bronze", "orders")) == {
        TableName("silver", "orders"),
        TableName("gold", "sales"),
    }


def test_the_fingerprint_changes_with_meaning_only(tmp_path: Path) -> None:
    def fingerprint(text: str) -> str:
        graph = load_graph(write(tmp_path, bronze__orders=ORDERS, silver__a=text))
        return graph.models[TableName("silver", "a")].fingerprint

    plain = fingerprint("-- A.\n-- key: x\nselect 1 as x from bronze.orders\n")
    assert fingerprint("-- Said better.\n-- owner: me\n-- key: x\nselect 1 as x from bronze.orders\n") == plain
    assert fingerprint("-- A.\n-- key: x\nselect 2 as x from bronze.orders\n") != plain
    assert fingerprint("-- A.\n-- key: x\n-- partition_by: x\nselect 1 as x from bronze.orders\n") != plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "-- A.\n-- kee: x\nselect 1 as x from bronze.orders",
            r"a.sql:2: unknown header key 'kee'. Did you mean 'key'\?",
        ),
        ("-- A.\n-- update: sometimes\nselect 1 as x from bronze.orders", "'sometimes' is not one of replace, by_key"),
        ("-- A.\n-- update: by_key\nselect 1 as x from bronze.orders", "update: by_key needs a key"),
        ("-- A.\n-- update: by_partition\nselect 1 as x from bronze.orders", "by_partition needs partition_by"),
        ("-- A.\n-- partition_by: week(x)\nselect 1 as x from bronze.orders", r"'week\(x\)' is not a partition"),
        ("-- A.\n-- engine: spark\nselect 1 as x from bronze.orders", "'spark' is not one of duckdb, trino, athena"),
        (
            "-- A.\nselect 1 as x from bronze.order",
            r"reads bronze.order, which no model makes. Did you mean 'bronze.orders'",
        ),
        (
            "-- A.\nselect 1 as x from source.orders",
            r"reads 'source.orders'. A silver query reads bronze.<table> or silver",
        ),
        ("-- A.\nselect 1 as x from orders", "reads 'orders'. A silver query reads bronze"),
        ("-- A.\nselect 1 as x", "reads no table"),
        (
            "-- A.\nselect 1 as x from bronze.orders; select 2",
            "must be one SELECT and nothing else; found SELECT, SELECT",
        ),
        ("-- A.\ndrop table bronze.orders", "must be one SELECT and nothing else; found DROP"),
        ("-- A.\nselect 1 as x,, 2 from bronze.orders", "a.sql:2: not valid SQL"),
        ("-- A.\nselect 1 as x from silver.a", "Models read each other in a circle: silver.a → silver.a"),
    ],
)
def test_a_wrong_model_is_named_with_what_is_right(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_graph(write(tmp_path, bronze__orders=ORDERS, silver__a=text + "\n"))


def test_a_file_must_have_a_tables_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="lower-case letters, digits and underscores only; rename the file"):
        load_graph(write(tmp_path, bronze__Orders=ORDERS))


def test_questions_are_read_with_what_they_ask(tmp_path: Path) -> None:
    write(tmp_path, analysis__top="-- Who is best?\nselect 1 as x from gold.sales\n")
    (question,) = load_questions(tmp_path)
    assert (question.name, question.description, question.reads) == ("top", "Who is best?", ("gold.sales",))
    with pytest.raises(ModelError, match=r"reads 'bronze\.x'\. An analysis query reads"):
        load_questions(write(tmp_path, analysis__bad="-- Bad.\nselect 1 as x from bronze.x\n"))
