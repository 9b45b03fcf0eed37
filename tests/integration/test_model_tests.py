"""The cases of the sample's models on Trino, the engine inside Athena: the same rows and the same types."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from lakehouse.engines import open_cluster
from lakehouse.model import load_graph
from lakehouse.model_tests import Types, replace_tables, run_model_tests, select_of
from lakehouse.project import load_project
from tests.integration.conftest import Place
from tests.integration.test_init import begin

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_the_cases_of_the_sample_pass_on_trino(trino_url: str) -> None:
    project = load_project(ROOT, {"LAKEHOUSE_TRINO_URL": trino_url})
    results = run_model_tests(project, load_graph(ROOT), engine="trino")
    assert len(results) >= 30
    assert {(r.table, r.case): r.difference for r in results if not r.passed} == {}


@pytest.mark.parametrize("schema", ["keys", "keyless", "mixed_case", "circular", "types"])
def test_what_init_writes_is_valid_on_trino_and_has_the_same_types(place: Place, trino_url: str, schema: str) -> None:
    new, _ = begin(place, HERE / "schemas" / f"{schema}.sql")
    graph = load_graph(new.root)
    trino = open_cluster(load_project(new.root, {"LAKEHOUSE_TRINO_URL": trino_url}), "trino")
    with duckdb.connect() as con:
        types = Types(con, {str(n): m for n, m in graph.models.items()})
        for model in (*graph.layer("silver"), *graph.layer("gold")):
            selects = {r: select_of((), types.of(r, model)) for r in model.reads}
            with trino.query(replace_tables(model, selects)) as result:
                assert sum(b.num_rows for b in result.batches) == 0
                found = {n: t.replace(" ", "") for n, t in zip(result.schema.names, result.types, strict=True)}
            here = types.of(str(model.name), model)
            assert found == {n: t.replace(" ", "") for n, t in here.items()}, model.name
