"""Which questions read a whole partitioned table, told from their text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.errors import ProjectError
from lakehouse.lint import lint_project
from lakehouse.project import load_project, parse_size
from lakehouse.scan import whole_reads

PARTITIONS = {"gold.a": ("day",), "gold.b": ("month", "region")}


@pytest.mark.parametrize(
    ("sql", "whole"),
    [
        ("select * from gold.a", ["gold.a"]),
        ("select * from gold.a where x = 1", ["gold.a"]),
        ("select * from gold.a where day >= date '2024-01-01' and x = 1", []),
        ("select * from gold.a where year(day) = 2024", []),
        ("with c as (select * from gold.a) select * from c where c.day = date '2024-01-01'", []),
        ("select * from gold.a a join gold.b b on a.x = b.x where b.region = 'n'", ["gold.a"]),
        ("select * from gold.a where x in (select x from gold.b)", ["gold.a", "gold.b"]),
        ("select * from gold.a a join gold.b b on a.day = b.day", ["gold.a", "gold.b"]),
        ("select * from gold.other", []),
    ],
)
def test_a_condition_on_a_partition_column_is_what_counts(sql: str, whole: list[str]) -> None:
    assert whole_reads(sql, PARTITIONS) == whole


def test_lint_warns_of_them_and_stays_green(tmp_path: Path) -> None:
    (tmp_path / "lakehouse.toml").write_text("")
    files = {
        "queries/bronze/a.sql": "-- a.\nselect * from source.a\n",
        "queries/silver/a.sql": "-- A.\n-- key: id\n-- partition_by: month(day)\nselect id, day from bronze.a\n",
        "queries/analysis/q.sql": "-- All of it.\nselect count(*) as n from silver.a\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for layer in ("bronze", "silver"):
        path = tmp_path / "expectations" / layer / "a.json"
        path.parent.mkdir(parents=True)
        path.write_text(f'{{"name": "{layer}.a", "expectations": []}}')
    found = [f for f in lint_project(load_project(tmp_path, {})) if f.severity == "warning"]
    assert [f.message for f in found] == [
        "reads all of silver.a, which is partitioned by day: on Athena that is paid; filter by day if you can"
    ]
    command = [sys.executable, "-m", "lakehouse", "--project", str(tmp_path), "lint"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "reads all of silver.a" in done.stderr and "reads all" not in done.stdout


def test_a_cap_is_a_size() -> None:
    assert [parse_size(t, "x") for t in ("500", "500MB", "1.5 GB", "2tb", "10B")] == [
        500,
        500_000_000,
        1_500_000_000,
        2 * 10**12,
        10,
    ]
    with pytest.raises(
        ProjectError, match=r"LAKEHOUSE_ATHENA_MAX_BYTES='much' is not a size. Write it as 500MB, 10GB or 1TB"
    ):
        parse_size("much", "LAKEHOUSE_ATHENA_MAX_BYTES")
