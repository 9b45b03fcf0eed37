"""lakehouse test: every model of the sample has cases that pass, and a wrong model or a wrong file is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lakehouse.cli import cli
from lakehouse.errors import ModelError, UsageError
from lakehouse.model import ModelGraph, load_graph
from lakehouse.model_tests import CaseResult, load_model_tests, run_model_tests, untested
from lakehouse.project import load_project

ROOT = Path(__file__).parents[2]
SAMPLE = load_graph(ROOT)
TESTS = load_model_tests(ROOT, SAMPLE)

ORDERS = """-- One row per order.
-- key: id
with lines as (
    select *, row_number() over (partition by id order by _ingested_at desc) as version_rank from bronze.orders
)

select
    cast(id as bigint) as id,
    cast(amount as decimal(10, 2)) as amount
from lines
where version_rank = 1 and _op = 'upsert'
"""
CASES = """model: silver.orders
types: {id: bigint, amount: "decimal(10, 2)"}
cases:
  - name: latest
    given:
      bronze.orders:
        - {id: 1, amount: 1.10, _ingested_at: 2024-01-01}
        - {id: 1, amount: 2.20, _ingested_at: 2024-01-02}
        - {id: 2, amount: null}
    expect:
      - {id: 1, amount: 2.20}
      - {id: 2, amount: null}
"""


def tried(root: Path, sql: str = ORDERS, cases: str = CASES) -> list[CaseResult]:
    for path, text in (
        ("lakehouse.toml", ""),
        ("queries/bronze/orders.sql", "select * from source.orders\n"),
        ("queries/silver/orders.sql", sql),
        ("tests/models/orders.yaml", cases),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return run_model_tests(load_project(root, {}), load_graph(root))


def test_every_silver_and_gold_model_of_the_sample_has_cases() -> None:
    assert untested(TESTS, SAMPLE) == []
    assert untested([], SAMPLE) != []
    without = ModelGraph({n: m for n, m in SAMPLE.models.items() if n.layer == "bronze"})
    assert untested([], without) == []


def test_the_cases_of_the_sample_pass() -> None:
    results = run_model_tests(load_project(ROOT, {}), SAMPLE)
    assert {(r.table, r.case): r.difference for r in results if not r.passed} == {}
    assert len(results) == sum(len(t.cases) for t in TESTS)


@pytest.mark.parametrize(
    ("right", "wrong", "difference"),
    [
        (" desc", " asc", "- expected id: 1, amount: 2.20\n+ came id: 1, amount: 1.10"),
        ("(10, 2)", "(11, 2)", "types: came amount decimal(11,2); expected amount decimal(10,2)"),
        ("version_rank = 1 and", "version_rank <= 2 and", "+ came id: 1, amount: 1.10"),
        (
            "cast(id as bigint) as id,\n    cast(amount as decimal(10, 2)) as amount",
            "cast(amount as decimal(10, 2)) as amount,\n    cast(id as bigint) as id",
            "columns come in another order: amount, id",
        ),
    ],
)
def test_a_wrong_model_is_told_by_its_rows_and_types(tmp_path: Path, right: str, wrong: str, difference: str) -> None:
    assert right in ORDERS
    [result] = tried(tmp_path, ORDERS.replace(right, wrong))
    assert (result.passed, result.difference) == (False, difference)
    [good] = tried(tmp_path)
    assert good.passed


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("model: silver.orders", "model: silver.order", r"orders\.yaml: tests 'silver\.order', which no model makes"),
        ("      bronze.orders:", "      bronze.orderz:", r"gives bronze\.orderz, which silver\.orders does not read"),
        ("    expect:", "    expects:", r"case 1: must have exactly name, given, expect; it has name, given, expects"),
        ("{id: 2, amount: null}\n    expect", "{id: 2, amont: null}\n    expect", None),
        (
            "      - {id: 2, amount: null}\n",
            "      - {id: 2}\n",
            r"expect: row 2 lacks amount\. The columns: id, amount",
        ),
        ("      - {id: 2, amount: null}\n", "      - {id: 2, x: 1}\n", r"expect: row 2 names 'x', which is no column"),
        ("types: {id", "types: [id", r"orders\.yaml: not valid YAML"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, right: str, wrong: str, message: str | None) -> None:
    assert right in CASES
    if message is None:  # bronze is whatever the source has: a column more is no mistake
        assert tried(tmp_path, cases=CASES.replace(right, wrong))[0].passed
        return
    with pytest.raises(ModelError, match=message):
        tried(tmp_path, cases=CASES.replace(right, wrong))


def test_the_command_ends_with_1_where_a_case_fails(tmp_path: Path) -> None:
    tried(tmp_path)
    done = CliRunner().invoke(cli, ["--project", str(tmp_path), "test"])
    assert (done.exit_code, done.stdout) == (0, "1 of 1 cases passed on duckdb\n")
    tried(tmp_path, ORDERS.replace(" desc", " asc"))
    failed = CliRunner().invoke(cli, ["--project", str(tmp_path), "test", "orders"])
    assert failed.exit_code == 1
    assert "silver.orders, 'latest':\n- expected id: 1, amount: 2.20\n+ came id: 1, amount: 1.10\n" in failed.stdout
    with pytest.raises(UsageError, match=r"No test of silver\.x\. Write one: tests/models/<table>\.yaml"):
        run_model_tests(load_project(tmp_path, {}), load_graph(tmp_path), ["silver.x"])
