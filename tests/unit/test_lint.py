"""lint finds what would mean something else in Athena, with no lake."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lakehouse.lint import LintFinding, lint_project
from lakehouse.project import Project, load_project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sample(tmp_path: Path) -> Project:
    for name in ("queries", "expectations"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "lakehouse.toml", tmp_path)
    return load_project(tmp_path, {})


def wrong(project: Project) -> list[LintFinding]:
    """What lint finds but for its warnings, which the cost of whole reads gives some of the sample's questions."""
    return [f for f in lint_project(project) if f.severity == "error"]


def test_the_sample_is_portable(sample: Project) -> None:
    assert wrong(sample) == []


def test_a_finding_names_file_line_and_column(sample: Project) -> None:
    path = sample.root / "queries" / "analysis" / "mine.sql"
    path.write_text("-- Which days sell?\nselect\n    sales_date + 1 as tomorrow\nfrom gold.daily_store_sales\n")
    (found,) = wrong(sample)
    assert found.path == f"{path}:3:5"
    assert found.message.startswith("date + integer · is refused by Athena · write date_diff('day', a, b), or date ±")


def test_types_flow_from_model_to_model(sample: Project) -> None:
    """A column's type is that of the model which makes it: text here, so what adds it up is refused there."""
    path = sample.root / "queries" / "silver" / "order_items.sql"
    path.write_text(path.read_text().replace("cast(quantity as integer)", "cast(quantity as varchar)"))
    found = wrong(sample)
    assert found
    assert all("quantity" in f.message or "varchar" in f.message for f in found)
    assert {Path(f.path.split(":")[0]).parent.name for f in found} == {"gold"}
