"""up and down: what is there stays, what was killed comes back, what is not ours is left alone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg2
import pytest

from lakehouse import stack
from lakehouse.errors import StackError
from lakehouse.project import load_project
from lakehouse.stack import postgres
from lakehouse.stack.services import State, is_alive, is_free, launch, stop
from tests.integration.stack.conftest import Local
from tests.integration.stack.contents import check, fill, run_sql, s3_client

NAMES = ("postgres", "minio", "aws")
ALL_UP = dict.fromkeys(NAMES, "up")


def kill(pid: int) -> None:
    process = psutil.Process(pid)
    process.kill()
    process.wait(10)


def test_what_is_there_survives_down_and_up(local: Local) -> None:
    fill(local, "kept")
    before = {name: local.entry(name)["port"] for name in NAMES}
    created = run_sql(local, "select system_identifier from pg_control_system()")
    assert {s.state for s in local.down()} == {"down"}
    assert local.said == ["aws: stopped", "minio: stopped", "postgres: stopped"]
    assert [local.servers(name) for name in NAMES] == [0, 0, 0]
    assert all(is_free(port) for port in before.values())
    assert {s.name: s.state for s in local.up()} == ALL_UP
    assert {name: local.entry(name)["port"] for name in NAMES} == before
    assert run_sql(local, "select system_identifier from pg_control_system()") == created
    check(local, "kept")


def test_up_again_changes_nothing_and_says_nothing(local: Local) -> None:
    before = {name: local.entry(name) for name in NAMES}
    local.up()
    assert local.said == []
    assert {name: local.entry(name) for name in NAMES} == before


def test_down_again_has_nothing_to_do(local: Local) -> None:
    local.down()
    local.down()
    assert local.said == []


def test_the_database_and_the_bucket_are_as_the_project_needs_them(local: Local) -> None:
    assert run_sql(local, "select current_database()") == [("my_shop",)]
    settings = "select name, setting from pg_settings where name in "
    settings += "('fsync', 'max_prepared_transactions', 'wal_level', 'listen_addresses', 'server_version_num')"
    found = dict(run_sql(local, settings))
    assert found.pop("server_version_num").startswith("18")
    assert found == {
        "fsync": "on",
        "max_prepared_transactions": "10",
        "wal_level": "replica",
        "listen_addresses": "127.0.0.1",
    }
    assert s3_client(local).get_bucket_versioning(Bucket="lake")["Status"] == "Enabled"


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_service_comes_back_with_all_it_held(local: Local, name: str) -> None:
    fill(local, f"killed_{name}")
    kill(local.entry(name)["pid"])
    assert local.states() == {**ALL_UP, name: "down"}
    local.up()
    assert f"{name}: up" in local.said
    assert len(local.said) <= 3, local.said  # nothing is said of the two that were up
    assert local.states() == ALL_UP
    check(local, f"killed_{name}")


def test_a_postgres_killed_under_a_session_at_work_starts_and_keeps_only_what_was_committed(local: Local) -> None:
    run_sql(local, "drop table if exists busy", "create table busy (n int)")
    session = psycopg2.connect(local.entry("postgres")["url"])
    session.cursor().execute("insert into busy select generate_series(1, 100000)")
    lost = psycopg2.connect(local.entry("postgres")["url"], async_=1)
    while lost.poll() != psycopg2.extensions.POLL_OK:
        pass
    # A session that does not notice that its server is gone until this is over.
    lost.cursor().execute("select count(*) from generate_series(1, 300000000)")
    kill(local.entry("postgres")["pid"])
    local.up()
    assert local.states() == ALL_UP
    assert run_sql(local, "select count(*) from busy") == [(0,)]
    session.close()
    lost.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_service_that_does_not_answer_is_called_broken_and_started_again(local: Local, name: str) -> None:
    stuck = local.entry(name)["pid"]
    os.kill(stuck, signal.SIGSTOP)
    broken = next(s for s in stack.status(local.project) if s.name == name)
    assert (broken.state, broken.pid) == ("broken", stuck)
    assert broken.detail == f"does not answer; see {local.project.state_dir}/logs/{name}.log"
    local.up()
    assert local.said == [f"{name}: what was left of it is stopped", f"{name}: starting", f"{name}: up"]
    assert local.states() == ALL_UP
    assert not psutil.pid_exists(stuck) or psutil.Process(stuck).status() == psutil.STATUS_ZOMBIE


def test_a_port_that_was_taken_meanwhile_is_replaced(local: Local) -> None:
    fill(local, "moved")
    before = {name: local.entry(name)["port"] for name in NAMES}
    local.down()
    thieves = [socket.create_server(("127.0.0.1", port)) for port in before.values()]
    local.up()
    for thief in thieves:
        thief.close()
    after = {name: local.entry(name)["port"] for name in NAMES}
    assert not set(before.values()) & set(after.values())
    check(local, "moved")


@pytest.mark.parametrize("damage", ["", "{", "[1, 2]", '{"postgres": 5}', '{"aws": {"pid": 1}}', "\x00\xff"])
def test_a_damaged_services_file_loses_nothing_and_starts_nothing_twice(local: Local, damage: str) -> None:
    fill(local, f"damaged_{abs(hash(damage))}")
    local.services_file.write_text(damage, encoding="latin-1")
    assert local.states() == {}
    local.up()
    assert f"{local.services_file} was damaged; it is written anew" in local.said
    assert local.states() == ALL_UP
    assert (local.servers("minio"), local.servers("aws")) == (1, 1)
    check(local, f"damaged_{abs(hash(damage))}")


def test_down_stops_what_nobody_wrote_down(local: Local) -> None:
    local.services_file.unlink()
    local.down()
    assert [local.servers(name) for name in NAMES] == [0, 0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_another_program_that_was_given_the_process_id_is_left_alone(local: Local, name: str) -> None:
    local.down()
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL believes a lock of its own user's processes only
    with subprocess.Popen(["sleep", "300"], start_new_session=True, user=user) as stranger:
        state = State(local.services_file)
        state.put(name, state.read()[name] | {"pid": stranger.pid})
        if name == "postgres":
            lock = Path(local.entry("postgres")["data"]) / "data" / "postmaster.pid"
            lock.write_text(f"{stranger.pid}\n")
        assert local.states()[name] == "down"
        local.down()
        local.up()
        assert local.states() == ALL_UP
        assert stranger.poll() is None
        stranger.kill()


def test_children_that_outlive_their_leader_are_stopped_too(local: Local) -> None:
    # The shell waits for a child in its own group; killed alone, it leaves the child.
    entry = launch(["sh", "-c", "sleep 300 & wait"], local.project.state_dir / "logs" / "leader.log")
    leader = psutil.Process(entry["pid"])
    while not leader.children():
        pass
    child = leader.children()[0]
    kill(entry["pid"])
    assert not is_alive(entry)
    assert child.is_running()
    assert stop(entry)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_two_ups_at_once_start_everything_once(local: Local) -> None:
    local.down()
    command = [sys.executable, "-m", "lakehouse", "--project", str(local.project.root), "--json", "up"]
    both = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    waited = [err for _, err in said if "another lakehouse up or down is at work here; waiting for it" in err]
    assert len(waited) == 1
    assert sum(err.count("minio: starting") for _, err in said) == 1
    # They outlive the command that started them, and hold none of its descriptors.
    assert local.states() == ALL_UP
    assert (local.servers("minio"), local.servers("aws")) == (1, 1)
    for name in NAMES:
        assert os.readlink(f"/proc/{local.entry(name)['pid']}/fd/0") == "/dev/null"
        assert os.getsid(local.entry(name)["pid"]) == local.entry(name)["pid"]


def test_a_service_that_cannot_start_says_why_and_leaves_the_others_up(local: Local) -> None:
    local.down()
    version = Path(local.entry("postgres")["data"]) / "data" / "PG_VERSION"
    version.write_text("7\n")
    with pytest.raises(StackError) as e:
        local.up()
    assert "postgres ended while it started. Its log, " in str(e.value)
    assert "initialized by PostgreSQL version 7" in str(e.value)
    assert local.states() == {"postgres": "down", "minio": "up", "aws": "up"}
    version.write_text("18\n")
    local.up()
    assert local.states() == ALL_UP


def test_no_secret_is_where_another_user_could_read_it(local: Local) -> None:
    secrets = {local.entry("postgres")["password"], local.entry("minio")["secret_key"]}
    assert all(len(secret) >= 20 for secret in secrets)
    holders = set()
    for path in [*local.project.state_dir.rglob("*"), *postgres.find_home(local.project).glob("*")]:
        in_a_store = {"data", "install", "aws"} & set(path.parts) or ".minio.sys" in path.parts
        if not in_a_store and path.is_file() and any(s in path.read_text(errors="replace") for s in secrets):
            holders.add(path.name)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert holders == {"services.json", "minio.keys", "password"}
    for name in NAMES:
        words = " ".join(psutil.Process(local.entry(name)["pid"]).cmdline())
        assert not any(secret in words for secret in secrets)
    for shown in stack.status(local.project):
        assert not any(secret in repr(shown) for secret in secrets)


def test_services_see_nothing_of_the_environment_they_were_started_from(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.down()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-a-person")
    local.up()
    for name in NAMES:
        assert "AWS_SECRET_ACCESS_KEY" not in psutil.Process(local.entry(name)["pid"]).environ()


def test_without_minio_s3_is_in_memory_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing cached, nothing on PATH but the system's, and Go may not fetch: MinIO can neither be found nor built.
    for name in ("XDG_CACHE_HOME", "GOMODCACHE", "GOPATH"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "lakehouse.toml").write_text("")
    memory = Local(load_project(tmp_path / "p", {}))
    try:
        for _ in range(2):
            memory.up()
            assert (
                "minio: using the AWS API's S3 instead. It is IN MEMORY: the lake is lost at `lakehouse down`."
            ) in memory.said
            store = next(s for s in stack.status(memory.project) if s.name == "minio")
            assert (store.state, store.detail) == ("up", "in memory, by the AWS API; lost at down")
            s3_client(memory).put_object(Bucket="lake", Key="a", Body=b"b")
            assert {s.state for s in memory.down()} == {"down"}
    finally:
        memory.down()
        shutil.rmtree(postgres.find_home(memory.project), ignore_errors=True)
