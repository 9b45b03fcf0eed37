"""Settings: what is read, what wins, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.errors import ProjectError, StackError
from lakehouse.project import Secret, load_project

AWAY = {"LAKEHOUSE_SOURCE_URL": "postgresql://me:hush@db.example.com:6543/shop", "LAKEHOUSE_LAKE": "s3://bucket/a/b"}


def project_in(folder: Path, text: str = "", **environment: str):  # type: ignore[no-untyped-def]
    (folder / "lakehouse.toml").write_text(text)
    return load_project(folder, environment)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    text = '[lake]\nurl = "s3://from-file"\n[engine]\nmemory_limit = "1GB"\n'
    assert project_in(tmp_path, text).lake.layout.bucket == "from-file"
    project = project_in(tmp_path, text, **AWAY, LAKEHOUSE_MEMORY_LIMIT="2GB")
    assert (project.lake.layout.bucket, project.lake.layout.prefix) == ("bucket", "a/b/")
    assert project.engine.memory_limit == "2GB"
    assert project.lake.endpoint is None
    assert not project.uses_local_lake and not project.uses_local_source


def test_a_project_is_found_from_a_folder_inside_it(tmp_path: Path) -> None:
    project_in(tmp_path)
    inside = tmp_path / "queries" / "silver"
    inside.mkdir(parents=True)
    assert load_project(inside, {}).root == tmp_path


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    project = project_in(tmp_path, **AWAY)
    assert "hush" not in repr(project) + str(project.source) + repr(project.source) + str(Secret("hush"))
    assert project.source.place == "db.example.com:6543/shop"
    assert project.source.redact(f"could not: {AWAY['LAKEHOUSE_SOURCE_URL']} pw hush") == "could not: <source> pw ***"


def test_other_peoples_environment_is_not_kept(tmp_path: Path) -> None:
    project = project_in(tmp_path, **AWAY, SOMETHING_SECRET="x")
    assert set(project.environment) == set(AWAY)


def test_local_services_that_are_not_up_are_said(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    with pytest.raises(StackError, match=r"The local postgres service is not up\. Start it: lakehouse up"):
        _ = project.source
    (tmp_path / ".lakehouse").mkdir()
    (tmp_path / ".lakehouse" / "services.json").write_text("{ damaged")
    with pytest.raises(StackError, match="The local minio service is not up"):
        _ = project.lake


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("[sauce]\n", {}, r"\[sauce\] is not a section. Did you mean 'source'\?"),
        ("[source]\nnmae = 'x'\n", {}, r"\[source\] has no setting 'nmae'. Did you mean 'name'\?"),
        ("[source]\nname = 'My Shop'\n", {}, r"name='My Shop': use lower-case letters"),
        ("source = 1\n", {}, r"source must be a section, written \[source\]"),
        ("[engine\n", {}, "not valid TOML"),
        ("", {"LAKEHOUSE_ENGINE": "spark"}, "'spark' is not an engine. Valid: duckdb, trino, athena"),
        ("", {"LAKEHOUSE_MEMORY_LIMIT": "lots"}, "'lots' is not a size. Write it as 512MB"),
        ("", {"LAKEHOUSE_THREADS": "0"}, "'0' is not a number of threads"),
        ("", {"LAKEHOUSE_GLUE_ENDPOINT": "http://x"}, "LAKEHOUSE_GLUE_ENDPOINT is set but LAKEHOUSE_LAKE is not"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, environment: dict[str, str], message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        project_in(tmp_path, text, **environment)


@pytest.mark.parametrize("url", ["/data/lake", "s3:/bucket", "s3://UPPER", "gs://bucket", "s3://"])
def test_a_lake_is_an_s3_location(tmp_path: Path, url: str) -> None:
    with pytest.raises(ProjectError, match=r"is not an S3 location\. Write it as s3://bucket"):
        _ = project_in(tmp_path, LAKEHOUSE_LAKE=url).lake
