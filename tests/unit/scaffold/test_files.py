"""The files of a new project that are not models: they are this repository's own, with the project's name."""

from __future__ import annotations

from pathlib import Path

from lakehouse.project import load_project
from lakehouse.scaffold.files import dag_text, toml_text

ROOT = Path(__file__).parents[3]


def test_the_dag_is_the_samples_own_under_the_projects_name() -> None:
    own = (ROOT / "dags" / "medallion_etl_pipeline.py").read_text()
    assert dag_text("shop") == own.replace("@dag(\n", '@dag(\n    dag_id="shop_etl_pipeline",\n')
    assert dag_text("shop") != own


def test_the_settings_are_read_back_as_they_were_meant(tmp_path: Path) -> None:
    (tmp_path / "lakehouse.toml").write_text(toml_text("shop", "crm", 'we"ird'))
    project = load_project(tmp_path, {"LAKEHOUSE_SOURCE_URL": "postgresql://me@localhost/crm"})
    assert (project.name, project.source.name, project.source.schema) == ("shop", "crm", 'we"ird')
