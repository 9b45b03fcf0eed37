"""Where services keep their files and find their programs, and what they say where they cannot."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lakehouse.errors import StackError
from lakehouse.project import Project, load_project
from lakehouse.stack import lifecycle, minio, postgres, trino
from lakehouse.stack.services import state_of

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "lakehouse.toml").write_text("")
    return load_project(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sales", "sales"), ("My Shop-2", "my_shop_2"), ("Käse", "k_se"), ("", "lakehouse"), ("x" * 80, "x" * 63)],
)
def test_the_database_is_named_after_the_project_and_needs_no_quotes(name: str, expected: str) -> None:
    assert postgres.database_name(name) == expected


def test_the_cluster_lives_in_the_project_unless_its_user_could_not_enter(project: Project) -> None:
    project.root.chmod(0o700)
    found = postgres.find_home(project)
    assert found.parent == (Path("/var/tmp") if AS_ROOT else project.state_dir)
    with TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "lakehouse.toml").write_text("")
        enterable = load_project(Path(folder), {})
        assert postgres.find_home(enterable) == enterable.state_dir / "postgres"
        enterable.state_dir.mkdir(mode=0o700)
        assert (postgres.find_home(enterable) == enterable.state_dir / "postgres") is not AS_ROOT


def test_a_cluster_stays_where_it_was(project: Project) -> None:
    known = project.root / "elsewhere"
    (known / "data").mkdir(parents=True)
    state_of(project).put("postgres", {"url": "u", "data": str(known)})
    assert postgres.find_home(project) != known
    (known / "data" / "PG_VERSION").write_text("18\n")
    assert postgres.find_home(project) == known


def test_whether_any_user_may_enter_a_folder(tmp_path: Path) -> None:
    assert postgres._may_enter(Path("/"))
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o700)
    (closed / "open").chmod(0o755)
    assert not postgres._may_enter(closed)
    assert not postgres._may_enter(closed / "open")


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    trap = tmp_path / "trap"
    trap.symlink_to(tmp_path / "target")
    before = (tmp_path / "target").stat()
    with pytest.raises(StackError) as e:
        postgres._make_home(trap)
    assert str(e.value) == (
        f"{trap} is where PostgreSQL's files go, and it is not a folder of ours (owner: uid {os.geteuid()}). "
        f"Look at what it is, and remove it: rm -r {trap}"
    )
    after = (tmp_path / "target").stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with pytest.raises(StackError, match=r"not a folder of ours \(owner: uid 12345\)"):
        postgres._make_home(theirs)
    assert theirs.stat().st_uid == 12345


def test_a_fresh_folder_is_closed_to_others(tmp_path: Path) -> None:
    home = postgres._make_home(tmp_path / "a" / "home")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_minios_keys_are_made_once_and_kept_though_the_state_is_lost(project: Project) -> None:
    project.state_dir.mkdir()
    first = minio._kept_keys(project, {})
    assert stat.S_IMODE((project.state_dir / "minio.keys").stat().st_mode) == 0o600
    assert len(first["secret_key"]) >= 20
    assert minio._kept_keys(project, {}) == first
    (project.state_dir / "minio.keys").unlink()
    assert minio._kept_keys(project, {"access_key": "a", "secret_key": "s"}) == {"access_key": "a", "secret_key": "s"}


def test_the_keys_of_the_in_memory_store_are_not_minios(project: Project) -> None:
    project.state_dir.mkdir()
    keys = minio._kept_keys(project, {"in_memory": True, "access_key": "in-memory", "secret_key": "in-memory"})
    assert "in-memory" not in keys.values()


def program(path: Path, text: str = "exit 1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_minio_on_the_path_is_taken_before_the_cached_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    cached = program(tmp_path / "cache" / "lakehouse" / f"minio-{minio.VERSION}")
    said: list[str] = []
    assert minio.find_minio(said.append) == cached
    found = program(tmp_path / "bin" / "minio")
    assert minio.find_minio(said.append) == found
    assert said == []


def test_a_build_is_kept_whole_and_one_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cached = tmp_path / "cache" / "lakehouse" / f"minio-{minio.VERSION}"
    cached.parent.mkdir(parents=True)
    go = program(tmp_path / "go", 'echo "go: cannot find module" >&2; echo half > "$GOBIN/minio"; exit 1')
    said: list[str] = []
    assert not minio._build(str(go), cached, said.append)
    assert (
        said[0] == f"minio: building {minio.VERSION} with Go, once; three minutes on two idle cores, more on busy ones"
    )
    assert said[1].startswith("minio: the build failed: go: cannot find module")
    assert list(cached.parent.iterdir()) == []
    go = program(tmp_path / "go", 'echo "$@" "$GOFLAGS" > "$GOBIN/minio"')
    assert minio._build(str(go), cached, said.append)
    assert cached.read_text().endswith(f"{minio.MODULE}@{minio.VERSION} -mod=mod\n")
    assert [p.name for p in cached.parent.iterdir()] == [cached.name]


def test_go_on_the_path_comes_before_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = program(tmp_path / "bin" / "go")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert minio.find_go()[0] == str(go)
    assert len(set(minio.find_go())) == len(minio.find_go())


def test_without_maven_trino_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError) as e:
        trino.find_server(print)
    assert str(e.value) == (
        "Trino's parts come from Maven Central and mvn is not installed. Install it: apt-get install maven"
    )


def test_a_fetch_that_fails_says_what_maven_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program(tmp_path / "mvn", "echo 'Could not transfer artifact: timed out'; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said: list[str] = []
    with pytest.raises(StackError) as e:
        trino.find_server(said.append)
    assert str(e.value) == (
        "Maven could not fetch io.trino:trino-server-core:476:tar.gz: Could not transfer artifact: timed out"
    )
    assert said == [
        "trino: fetching version 476 from Maven Central, once (about 750 MB)",
        "trino: fetching trino-server-core",
    ]


def test_trino_is_current_while_the_services_under_it_stay_where_they_are() -> None:
    entries: dict[str, Any] = {
        "minio": {"endpoint": "http://127.0.0.1:1"},
        "aws": {"endpoint": "http://127.0.0.1:2"},
        "trino": {"over": ["http://127.0.0.1:1", "http://127.0.0.1:2"]},
    }
    assert trino.is_current(entries)
    assert not trino.is_current(entries | {"aws": {"endpoint": "http://127.0.0.1:3"}})
    assert not trino.is_current(entries | {"minio": {"endpoint": "http://127.0.0.1:3"}})
    assert not trino.is_current({name: entries[name] for name in ("minio", "aws")})


def test_status_shows_no_password(project: Project) -> None:
    url = "postgresql://lakehouse:very-secret@127.0.0.1:5432/sales"
    state_of(project).put("postgres", {"url": url, "pid": None})
    shown = lifecycle.status(project)
    assert [(s.name, s.state, s.endpoint, s.detail) for s in shown] == [
        ("postgres", "down", "127.0.0.1:5432/sales", "start it: lakehouse up")
    ]
    assert "very-secret" not in repr(shown)


@pytest.mark.parametrize("damage", ["", "{", "[]", "\x00\xff", '{"aws": {"endpoint": "e"}}'])
def test_a_command_that_needs_a_service_of_a_damaged_state_says_up(project: Project, damage: str) -> None:
    project.state_dir.mkdir()
    state_of(project).path.write_text(damage, encoding="latin-1")
    with pytest.raises(StackError, match=r"^The local postgres service is not up\. Start it: lakehouse up\. "):
        _ = project.source


@pytest.mark.parametrize("change", [lifecycle.up, lifecycle.down])
def test_without_the_extra_its_installation_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    monkeypatch.setitem(sys.modules, "moto", None)  # as Python writes down what is not there
    with pytest.raises(StackError) as e:
        change(project, report=print)
    assert str(e.value) == (
        "The local services need packages that are not installed: moto. Install them: pip install 'lakehouse[local]'"
    )
    assert not project.state_dir.exists()
