"""What the doctor says without any service."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.doctor import Finding, clock_problem, examine
from lakehouse.project import load_project


def findings(root: Path, environment: dict[str, str] | None = None, *, fix: bool = False) -> dict[str, Finding]:
    (root / "lakehouse.toml").write_text("")
    return {f.subject: f for f in examine(load_project(root, environment or {}), fix=fix)}


@pytest.mark.parametrize(
    ("ahead_s", "expected"),
    [
        (0, None),
        (149, None),
        (-150, None),
        (151, "151 s ahead of S3's; S3 refuses requests whose time is more than 300 s off"),
        (-3600, "3600 s behind S3's; S3 refuses requests whose time is more than 300 s off"),
    ],
)
def test_a_clock_is_a_problem_before_s3_refuses(ahead_s: float, expected: str | None) -> None:
    assert clock_problem(ahead_s) == expected


def test_a_project_that_was_never_up_is_told_how(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert found["DuckDB loads its extension httpfs"].ok
    assert found["DuckDB loads its extension postgres_scanner"].ok
    assert found["local services"] == Finding("local services", False, "not started", "lakehouse up")
    assert "PostgreSQL answers" not in found  # said once already


def test_a_damaged_state_is_told_and_repaired_when_asked(tmp_path: Path) -> None:
    path = tmp_path / ".lakehouse" / "services.json"
    path.parent.mkdir()
    path.write_text("{")
    problem = f"{path} is damaged; what it said of the services is lost, what they hold is not"
    remedy = "lakehouse doctor --fix, then: lakehouse up"
    assert findings(tmp_path)["services.json"] == Finding("services.json", False, problem, remedy)
    assert path.exists()
    assert findings(tmp_path, fix=True)["services.json"].fixed
    assert not path.exists()
    assert findings(tmp_path)["services.json"].ok


def test_programs_that_are_missing_are_named_with_the_command_that_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert findings(tmp_path)["Trino, for up --trino: nowhere"] == Finding(
        "Trino, for up --trino: nowhere", False, "fetched by mvn, which is not installed", "apt-get install maven"
    )


def test_services_of_others_that_do_not_answer_are_told_with_a_command_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    environment = {
        "LAKEHOUSE_SOURCE_URL": "postgresql://me:very-secret@127.0.0.1:1/shop",
        "LAKEHOUSE_LAKE": "s3://somewhere/else",
        "LAKEHOUSE_S3_ENDPOINT": "http://127.0.0.1:1",
        "LAKEHOUSE_GLUE_ENDPOINT": "http://127.0.0.1:2",
    }
    found = findings(tmp_path, environment)
    assert "local services" not in found
    source, bucket, glue = (found[s] for s in ("PostgreSQL answers", "the lake's bucket answers", "Glue answers"))
    assert not source.ok
    assert "127.0.0.1:1/shop" in source.problem
    assert source.remedy == 'psql "$LAKEHOUSE_SOURCE_URL" --command "select 1"'
    assert not bucket.ok
    assert "S3 at http://127.0.0.1:1 does not answer" in bucket.problem
    assert bucket.remedy == "aws s3 ls s3://somewhere/else/ --region us-east-1 --endpoint-url http://127.0.0.1:1"
    assert not found["this clock is S3's"].ok
    assert not glue.ok
    assert glue.remedy == "aws glue get-databases --region us-east-1 --endpoint-url http://127.0.0.1:2"
    assert "very-secret" not in repr(found)
