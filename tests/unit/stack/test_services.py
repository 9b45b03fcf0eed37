"""The state file, ports, and process groups of services, with small programs in the services' place."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from lakehouse.errors import StackError
from lakehouse.stack import services
from lakehouse.stack.services import State, free_port, is_alive, is_free, launch, locked, stop, strays, wait_until

POSTGRES = {"url": "postgresql://u:p@127.0.0.1:5432/d", "pid": 1}


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_the_state_is_its_owners_alone_and_whole(tmp_path: Path) -> None:
    state = State(tmp_path / "deep" / "services.json")
    old = os.umask(0)
    try:
        state.put("postgres", POSTGRES)
        state.put("aws", {"endpoint": "http://127.0.0.1:1", "pid": None})
    finally:
        os.umask(old)
    assert state.read() == {"postgres": POSTGRES, "aws": {"endpoint": "http://127.0.0.1:1", "pid": None}}
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o600
    assert [p.name for p in state.path.parent.iterdir()] == ["services.json"]
    assert not state.is_damaged()


def test_services_that_start_side_by_side_are_all_written_down(tmp_path: Path) -> None:
    state = State(tmp_path / "services.json")
    entries: dict[str, dict[str, Any]] = {
        "postgres": {"url": "u"},
        "aws": {"endpoint": "e"},
        "trino": {"url": "u"},
        "minio": {"endpoint": "e", "access_key": "a", "secret_key": "s"},
    }
    for _ in range(20):
        state.path.unlink(missing_ok=True)
        threads = [threading.Thread(target=state.put, args=each) for each in entries.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert state.read() == entries


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "{",
        "[]",
        "5",
        "\x00\xff",
        '{"postgres": 5}',
        '{"postgres": {"pid": 5}}',
        '{"other": {"url": "u"}}',
        '{"aws": {"endpoint": "e", "pid": "12"}}',
        '{"minio": {"endpoint": "e", "access_key": "a"}}',
    ],
)
def test_what_is_damaged_is_seen_and_not_believed(tmp_path: Path, text: str) -> None:
    state = State(tmp_path / "services.json")
    state.path.write_text(text, encoding="latin-1")
    assert state.is_damaged()
    assert state.read() == {}
    state.put("postgres", POSTGRES)
    assert not state.is_damaged()
    assert state.read() == {"postgres": POSTGRES}


def test_nothing_written_yet_is_not_damage(tmp_path: Path) -> None:
    state = State(tmp_path / "services.json")
    assert not state.is_damaged()
    assert state.read() == {}
    state.path.write_text("{}")
    assert not state.is_damaged()


def test_a_free_port_is_kept_and_a_taken_one_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        assert not is_free(taken)
        other = free_port(taken)
        assert other != taken
    assert is_free(taken)
    assert free_port(taken) == taken
    assert free_port(other) == other


def test_a_port_someone_listens_on_everywhere_is_taken() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        assert not is_free(listener.getsockname()[1])


def test_a_launched_program_has_a_session_of_its_own_and_little_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-a-person")
    monkeypatch.setenv("LAKEHOUSE_SOURCE_URL", "postgresql://u:secret@h/d")
    code = "import os, sys; print(dict(os.environ), os.getsid(0) == os.getpid(), sys.stdin.read() == '', flush=True)"
    entry = launch([sys.executable, "-c", code], tmp_path / "logs" / "a.log", environment={"MINE": "yes"})
    until(lambda: not is_alive(entry))
    said = Path(entry["log"]).read_text()
    assert said.strip().endswith("True True")
    assert "'MINE': 'yes'" in said
    assert "secret" not in said
    assert "of-a-person" not in said


def test_a_full_log_is_set_aside_and_a_short_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOG_BYTES", 10)
    log = tmp_path / "a.log"
    for word in ("first", "second", "third"):
        entry = launch(["echo", word], log)
        until(lambda entry=entry: not is_alive(entry))
    assert log.read_text() == "third\n"
    assert (tmp_path / "a.log.1").read_text() == "first\nsecond\n"


def test_a_process_is_ours_by_what_it_carries_not_by_its_number(tmp_path: Path) -> None:
    entry = launch(["sleep", "300"], tmp_path / "a.log")
    assert is_alive(entry)
    assert not is_alive(entry | {"token": "another"})
    assert not is_alive({"pid": entry["pid"]})
    assert not stop(entry | {"token": "another"})
    assert is_alive(entry)
    assert stop(entry)
    assert is_gone(entry["pid"])
    assert not is_alive(entry)
    assert not stop(entry)


def test_the_whole_group_is_stopped(tmp_path: Path) -> None:
    entry = launch(["sh", "-c", "sleep 300 & sleep 300 & wait"], tmp_path / "a.log")
    leader = psutil.Process(entry["pid"])
    until(lambda: len(leader.children()) == 2)
    children = leader.children()
    stop(entry)
    assert all(is_gone(p.pid) for p in (leader, *children))


def test_children_are_stopped_when_their_leader_is_gone(tmp_path: Path) -> None:
    entry = launch(["sh", "-c", "sleep 300 & wait"], tmp_path / "a.log")
    leader = psutil.Process(entry["pid"])
    until(lambda: len(leader.children()) == 1)
    child = leader.children()[0]
    leader.kill()
    leader.wait(10)
    assert not is_gone(child.pid)
    assert stop(entry)
    assert is_gone(child.pid)


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "STOP_TIMEOUT_S", 0.3)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)"
    )
    entry = launch([sys.executable, "-c", code], tmp_path / "a.log")
    until(lambda: "deaf" in Path(entry["log"]).read_text())
    assert stop(entry)
    assert is_gone(entry["pid"])


def test_a_suspended_program_is_stopped_without_waiting(tmp_path: Path) -> None:
    entry = launch(["sleep", "300"], tmp_path / "a.log")
    os.kill(entry["pid"], signal.SIGSTOP)
    began = time.monotonic()
    assert stop(entry)
    assert time.monotonic() - began < 5
    assert is_gone(entry["pid"])


def test_the_end_of_one_that_nobody_buries_is_not_waited_for(tmp_path: Path) -> None:
    # As in a container whose first process does not wait for those it inherits.
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "print(child.pid, flush=True); time.sleep(300)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        began = time.monotonic()
        assert services.terminate([child])
        assert time.monotonic() - began < 5
        assert child.status() == psutil.STATUS_ZOMBIE
        parent.kill()


def test_strays_are_those_of_the_program_at_work_on_the_folder(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "data2"
    program = tmp_path / "server.py"
    program.write_text("import time; time.sleep(300)")
    commands = [
        [sys.executable, str(program), "--state", str(data)],
        [sys.executable, str(program), f"--state={data}"],
        [sys.executable, str(program), "--state", str(other)],
        [sys.executable, "-c", "import time; time.sleep(300)", str(data)],
    ]
    started = [launch(command, tmp_path / "a.log") for command in commands]
    try:
        assert {p.pid for p in strays("server.py", data)} == {started[0]["pid"], started[1]["pid"]}
    finally:
        for entry in started:
            stop(entry)


def test_one_that_ends_while_it_starts_says_what_its_log_says(tmp_path: Path) -> None:
    entry = launch(["sh", "-c", "seq 1 50; echo no such disk"], tmp_path / "a.log")
    with pytest.raises(StackError) as e:
        wait_until("minio", lambda: False, entry, 30)
    lines = str(e.value).splitlines()
    assert lines[0] == f"minio ended while it started. Its log, {tmp_path / 'a.log'}, ends:"
    assert lines[1:] == [f"    {n}" for n in range(40, 51)] + ["    no such disk"]


def test_one_that_does_not_answer_in_time_says_so_and_what_it_was_doing(tmp_path: Path) -> None:
    entry = launch(["sh", "-c", "echo thinking; sleep 300"], tmp_path / "a.log")
    until(lambda: "thinking" in Path(entry["log"]).read_text())
    try:
        with pytest.raises(StackError) as e:
            wait_until("trino", lambda: False, entry, 0.2)
    finally:
        stop(entry)
    log = tmp_path / "a.log"
    assert str(e.value) == f"trino did not answer within 0 s. Its log, {log}, ends:\n    thinking"


def test_the_second_waits_for_the_lock_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "a.lock", lambda: said.append("waiting")):
            order.append("second")

    with locked(tmp_path / "a.lock", lambda: said.append("first waits")):
        thread = threading.Thread(target=second)
        thread.start()
        until(lambda: said == ["waiting"])
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def until(is_so: Any, timeout_s: float = 10) -> None:
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < timeout_s
        time.sleep(0.01)
