"""The demo as the README shows it, the notebook, and the commands a person tries next."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse import stack
from lakehouse.project import load_project, local_service
from tests.integration.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


class Demo:
    """A copy of this repository's project on services of its own, after `lakehouse demo`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("queries", "expectations", "notebooks"):
            shutil.copytree(REPOSITORY / name, root / name)
        shutil.copy(REPOSITORY / "lakehouse.toml", root)
        self.environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("LAKEHOUSE_", "AWS_ACCESS", "AWS_SECRET"))
        }

    def lakehouse(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "lakehouse", *arguments],
            cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=420,
        )  # fmt: skip
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, str]]:
    played = Demo(tmp_path_factory.mktemp("demo"))
    try:
        yield played, played.lakehouse("--quiet", "demo")
    finally:
        project = load_project(played.root, {})
        data = local_service(project, "postgres").get("data")
        stack.down(project, report=print)
        if data:
            shutil.rmtree(data, ignore_errors=True)


def test_the_readme_shows_what_the_demo_prints(demo: tuple[Demo, str]) -> None:
    printed = {line.rstrip() for line in demo[1].splitlines()}
    block = next(b for b in README.split("```")[1::2] if "Day two" in b)
    for line in block.splitlines():
        if line.strip():
            assert line.rstrip() in printed, f"the demo does not print: {line}"


def test_the_summary_says_what_was_extracted_gated_and_committed_and_where_to_look(demo: tuple[Demo, str]) -> None:
    out = demo[1]
    assert "Restored 10 tables, 1,841,679 rows from a pg_dump file." in out
    assert re.search(r"run \S+: 27 brought up to date, [\d.]+ s", out)
    assert re.search(r"run \S+: 11 brought up to date, 16 already up to date", out)
    assert "attach 's3://lake/lake.duckdb' as lake (read_only)" in out
    assert "notebooks/first_look.ipynb" in out
    assert re.search(r"Time local services [\d.]+ s, the sales database [\d.]+ s", out)


def test_a_repeated_demo_ends_the_same(demo: tuple[Demo, str]) -> None:
    again = json.loads(demo[0].lakehouse("--quiet", "--json", "demo"))
    assert again["day_two"]["exit_code"] == 0
    steps = {s["table"]: s for s in again["day_one"]["steps"]}
    assert steps["bronze.orders"]["message"] == "the table was created anew at the source"
    departments = again["answers"]["top_departments"]
    assert [str(row["net_sales"]) for row in departments[:2]] == ["2322607.41", "598818.48"]
    moved = {
        s["table"]: (s["rows"], s["deleted"]) for s in again["day_two"]["steps"] if s["table"].startswith("bronze")
    }
    assert moved["bronze.order_items"] == (3960, 4)


def test_every_question_has_an_answer(demo: tuple[Demo, str]) -> None:
    for question in sorted((demo[0].root / "queries" / "analysis").glob("*.sql")):
        out = demo[0].lakehouse("query", str(question), "--format", "csv").splitlines()
        assert len(out) > 2, f"{question.name} answers nothing"


def test_what_a_person_tries_next_works(demo: tuple[Demo, str]) -> None:
    place = demo[0]
    assert "-3" in place.lakehouse("quarantine", "silver.order_items")
    versions = json.loads(place.lakehouse("--json", "log", "gold.daily_store_sales"))
    assert [v["live"] for v in versions] == [True, *[False] * (len(versions) - 1)]
    runs = json.loads(place.lakehouse("--json", "runs"))
    assert {r["exit"] for r in runs} == {0}
    assert place.lakehouse("lint") == ""
    line = json.loads(place.lakehouse("query", "select count(*) as n from silver.stores", "--format", "json"))
    assert line == {"n": 457}
    assert "registered: bronze.campaign_customers" in place.lakehouse("catalog")


def test_the_notebook_runs_from_top_to_bottom(demo: tuple[Demo, str]) -> None:
    cells = json.loads((demo[0].root / "notebooks" / "first_look.ipynb").read_text())["cells"]
    code = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    program = code + "\nassert len(weekly.fetchall()) > 50\nprint('ran')\n"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=demo[0].root, env=demo[0].environment, capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("ran"), done.stderr


def test_the_demo_does_not_touch_a_source_of_yours(demo: tuple[Demo, str]) -> None:
    environment = {**demo[0].environment, "LAKEHOUSE_SOURCE_URL": "postgresql://me:mine@db.example.com/production"}
    done = subprocess.run(
        [sys.executable, "-m", "lakehouse", "demo"], cwd=demo[0].root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "it only plays on local services. Unset LAKEHOUSE_SOURCE_URL" in done.stderr
    assert "mine" not in done.stderr
