"""The real scheduler and triggerer: a dump restored through the REST API sets off all three DAGs, by Assets alone."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from lakehouse import stack
from lakehouse.history import list_runs
from lakehouse.project import Project, load_project, local_service
from lakehouse.stack.airflow import USER, find_strays, home_dir, passwords_file
from tests.browser import open_browser
from tests.integration.airflow.test_dags import finish_crawls_at_once
from tests.integration.conftest import REPOSITORY, Place, reset_glue
from tests.integration.small import small_shop
from tests.integration.test_restore import dumped

CHAIN = ("restore_sales_dump", "medallion_etl_pipeline", "trigger_glue_crawlers")
TIMEOUT_S = 150.0


class Api:
    """Airflow's REST API, logged in."""

    def __init__(self, url: str, password: str) -> None:
        self.url, self.token = url, ""
        self.token = self.call("/auth/token", {"username": USER, "password": password})["access_token"]

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=30) as answer:
            return json.load(answer)

    def ended(self, dag_id: str) -> dict[str, Any] | None:
        """The DAG's run that is over."""
        found: list[dict[str, Any]] = self.call(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
        return next((run for run in found if run["end_date"]), None)


def wait_for(what: str, is_so: Callable[[], Any]) -> Any:
    until = time.monotonic() + TIMEOUT_S
    while not (found := is_so()):
        assert time.monotonic() < until, f"{what}: not within {TIMEOUT_S:.0f} s"
        time.sleep(1)
    return found


@pytest.fixture
def airflow(stack_project: Project, trino_url: str) -> Iterator[tuple[Project, Path, int]]:
    """The stack's own project with the small shop and the DAGs, and Airflow up; a dump, and the gold table's rows."""
    url = local_service(stack_project, "postgres")["url"]
    reset_glue(local_service(stack_project, "aws")["endpoint"])
    place = Place(stack_project.root, {"LAKEHOUSE_SOURCE_URL": url})
    small_shop(place)
    dump = dumped(place, stack_project.root / "small.dump", "--format=custom")
    [[months]] = place.sql("select count(distinct date_trunc('month', ordered_at at time zone 'UTC')) from orders")
    place.sql("drop table orders, customers")
    shutil.copytree(REPOSITORY / "dags", stack_project.root / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    project = load_project(stack_project.root, {})
    stack.up(project, airflow=True, report=print)
    yield project, dump, months
    stack.down(project, report=print)
    assert find_strays(project) == []
    for name in ("dags", "queries", "expectations"):
        shutil.rmtree(stack_project.root / name)
    stack.up(project, report=print)


def test_a_dump_sets_off_the_chain_of_three_and_its_grid_can_be_looked_at(
    airflow: tuple[Project, Path, int], tmp_path: Path
) -> None:
    project, dump, months = airflow
    endpoint = local_service(project, "aws")["endpoint"]
    finish_crawls_at_once(endpoint)
    [status] = [s for s in stack.status(project) if s.name == "airflow"]
    password = json.loads(passwords_file(home_dir(project)).read_text())[USER]
    assert status.state == "up"
    assert password not in str(status)
    assert password not in (project.state_dir / "logs" / "airflow.log").read_text()

    api = Api(local_service(project, "airflow")["url"], password)
    wait_for("the DAGs", lambda: {d["dag_id"] for d in api.call("/api/v2/dags")["dags"]} >= set(CHAIN))
    began = time.monotonic()
    api.call(f"/api/v2/dags/{CHAIN[0]}/dagRuns", {"logical_date": None, "conf": {"dump": str(dump)}})
    for dag_id in CHAIN:
        run = wait_for(dag_id, partial(api.ended, dag_id))
        tasks = api.call(f"/api/v2/dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
        assert run["state"] == "success", {t["task_id"]: t["state"] for t in tasks}
        print(f"{dag_id} ended {time.monotonic() - began:.1f} s after the trigger")
    [record] = list_runs(project, 5)
    assert (record["done"], record["exit"], record["rows"]) == (5, 0, 420 + 420 + months - 20 + 20)

    with open_browser(width=1400, height=900) as browser:
        log_in(browser, api.url, password)
        browser.get(f"{api.url}/dags/{CHAIN[1]}")
        wait_for("the grid", lambda: "monthly_orders" in browser.find_element(By.TAG_NAME, "body").text)
        picture = tmp_path / "grid.png"
        assert browser.save_screenshot(str(picture))
        print(picture)
        assert picture.stat().st_size > 20_000


def log_in(browser: Any, url: str, password: str) -> None:
    browser.get(url)
    wait_for("the login page", lambda: browser.find_elements(By.NAME, "password"))
    browser.find_element(By.NAME, "username").send_keys(USER)
    browser.find_element(By.NAME, "password").send_keys(password)
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait_for("to be logged in", lambda: "/auth/login" not in browser.current_url)
