"""What the doctor says of services that are up, gone, stuck or there twice."""

from __future__ import annotations

import os
import signal
import socket
import sys

import psutil

from lakehouse.doctor import Finding, examine
from lakehouse.project import load_project
from lakehouse.stack.services import is_alive, launch, stop
from tests.integration.stack.conftest import Local


def wrong(local: Local) -> list[Finding]:
    return [f for f in examine(local.project) if not f.ok]


def test_all_is_well_when_everything_is_up(local: Local) -> None:
    assert wrong(local) == []
    subjects = {f.subject for f in examine(local.project)}
    assert {"PostgreSQL answers", "the lake's bucket answers", "this clock is S3's", "Glue answers"} <= subjects


def test_a_service_that_is_gone_and_one_that_is_stuck(local: Local) -> None:
    gone, stuck = local.entry("minio"), local.entry("aws")
    process = psutil.Process(gone["pid"])
    process.kill()
    process.wait(10)
    os.kill(stuck["pid"], signal.SIGSTOP)
    with socket.create_server(("127.0.0.1", gone["port"])):
        found = wrong(local)
    os.kill(stuck["pid"], signal.SIGCONT)
    place = f"minio at 127.0.0.1:{gone['port']}"
    elsewhere = "not running; another program listens on its port now, so it will get another one"
    assert found == [
        Finding(place, False, elsewhere, "lakehouse up"),
        Finding(f"aws at 127.0.0.1:{stuck['port']}", False, f"does not answer; see {stuck['log']}", "lakehouse up"),
    ]


def test_a_server_that_nobody_wrote_down(local: Local) -> None:
    state = str(local.project.state_dir / "aws")
    command = [sys.executable, "-m", "lakehouse.stack.aws_server", "--port", "0", "--state", state]
    second = launch(command, local.project.state_dir / "logs" / "second.log")
    try:
        problem = f"at work on this project's files and not in services.json: process {second['pid']}"
        assert wrong(local) == [Finding("aws, a second one", False, problem, "lakehouse down, then: lakehouse up")]
        local.down()
        assert not is_alive(second)
    finally:
        stop(second)
    local.up()
    assert wrong(local) == []


def test_the_same_services_by_environment_alone(local: Local) -> None:
    assert local.states()["postgres"] == "up"
    environment = {"LAKEHOUSE_SOURCE_URL": local.entry("postgres")["url"].replace("/my_shop", "/not_there")}
    project = load_project(local.project.root, environment)
    found = [f for f in examine(project) if not f.ok]
    assert [f.subject for f in found] == ["PostgreSQL answers"]
    assert 'database "not_there" does not exist' in found[0].problem
    assert local.entry("postgres")["password"] not in repr(found)
