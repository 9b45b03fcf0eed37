"""The local Glue: one writer wins, as on AWS, and nothing that was answered is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.integration.stack.conftest import Local
from tests.integration.stack.contents import glue_client

WRITERS = 20


@pytest.fixture
def glue(local: Local) -> Any:
    client = glue_client(local)
    if "races" not in {d["Name"] for d in client.get_databases()["DatabaseList"]}:
        client.create_database(DatabaseInput={"Name": "races"})
    for table in client.get_tables(DatabaseName="races")["TableList"]:
        client.delete_table(DatabaseName="races", Name=table["Name"])
    client.create_table(DatabaseName="races", TableInput=version_of("t", "0"))
    return client


def version_of(name: str, location: str) -> dict[str, Any]:
    return {"Name": name, "TableType": "EXTERNAL_TABLE", "Parameters": {"metadata_location": location}}


def test_of_twenty_writers_of_one_version_exactly_one_wins(local: Local, glue: Any) -> None:
    for _ in range(5):
        version = glue.get_table(DatabaseName="races", Name="t")["Table"]["VersionId"]
        clients = [glue_client(local) for _ in range(WRITERS)]
        ready = threading.Barrier(WRITERS)

        def write(number: int, clients: Any = clients, ready: Any = ready, version: str = version) -> str:
            ready.wait()
            try:
                clients[number].update_table(
                    DatabaseName="races", TableInput=version_of("t", str(number)), VersionId=version, SkipArchive=True
                )
            except clients[number].exceptions.ConcurrentModificationException as e:
                return str(e.response["Error"]["Code"])
            return f"won {number}"

        with ThreadPoolExecutor(WRITERS) as pool:
            outcomes = list(pool.map(write, range(WRITERS)))
        winners = [o for o in outcomes if o.startswith("won")]
        assert len(winners) == 1, outcomes
        assert outcomes.count("ConcurrentModificationException") == WRITERS - 1
        table = glue.get_table(DatabaseName="races", Name="t")["Table"]
        assert int(table["VersionId"]) == int(version) + 1
        assert f"won {table['Parameters']['metadata_location']}" == winners[0]


def test_writers_that_read_again_lose_no_change(local: Local, glue: Any) -> None:
    def add_hundred(_: int) -> int:
        client, refused = glue_client(local), 0
        for _ in range(25):
            while True:
                table = client.get_table(DatabaseName="races", Name="t")["Table"]
                more = str(int(table["Parameters"]["metadata_location"]) + 1)
                try:
                    client.update_table(
                        DatabaseName="races", TableInput=version_of("t", more), VersionId=table["VersionId"]
                    )
                    break
                except client.exceptions.ConcurrentModificationException:
                    refused += 1
        return refused

    with ThreadPoolExecutor(4) as pool:
        refused = sum(pool.map(add_hundred, range(4)))
    assert glue.get_table(DatabaseName="races", Name="t")["Table"]["Parameters"]["metadata_location"] == "100"
    assert refused > 0, "the writers never met: this test shows nothing"


def test_an_update_without_a_version_is_taken_as_on_aws(glue: Any) -> None:
    glue.update_table(DatabaseName="races", TableInput=version_of("t", "any"))
    assert glue.get_table(DatabaseName="races", Name="t")["Table"]["VersionId"] == "2"


def test_the_version_goes_on_counting_after_a_restart(local: Local, glue: Any) -> None:
    glue.update_table(DatabaseName="races", TableInput=version_of("t", "1"), VersionId="1")
    before = glue.get_table(DatabaseName="races", Name="t")["Table"]
    local.down()
    local.up()
    glue = glue_client(local)
    after = glue.get_table(DatabaseName="races", Name="t")["Table"]
    assert {**after} == {**before}  # times too
    with pytest.raises(glue.exceptions.ConcurrentModificationException, match="Table t is at version 2, not 1"):
        glue.update_table(DatabaseName="races", TableInput=version_of("t", "2"), VersionId="1")


def test_what_was_deleted_stays_deleted(local: Local, glue: Any) -> None:
    glue.create_table(DatabaseName="races", TableInput=version_of("gone", "0"))
    glue.delete_table(DatabaseName="races", Name="gone")
    glue.create_database(DatabaseInput={"Name": "dropped"})
    glue.create_table(DatabaseName="dropped", TableInput=version_of("t", "0"))
    glue.delete_database(Name="dropped")
    glue.create_database(DatabaseInput={"Name": "dropped"})
    local.down()
    local.up()
    glue = glue_client(local)
    assert [t["Name"] for t in glue.get_tables(DatabaseName="races")["TableList"]] == ["t"]
    assert glue.get_tables(DatabaseName="dropped")["TableList"] == []
    glue.delete_database(Name="dropped")


def test_every_answered_write_survives_kill_9(local: Local, glue: Any) -> None:
    answered: list[str] = []

    def write() -> None:
        client = glue_client(local)
        try:
            for number in range(10_000):
                client.create_table(DatabaseName="races", TableInput=version_of(f"w{number}", "0"))
                answered.append(f"w{number}")
        except (BotoCoreError, ClientError):
            return

    writer = threading.Thread(target=write)
    writer.start()
    while len(answered) < 60:
        assert writer.is_alive()
    server = psutil.Process(local.entry("aws")["pid"])
    server.kill()
    server.wait(10)
    local.up()
    writer.join(60)
    assert not writer.is_alive()
    present = {t["Name"] for t in glue_client(local).get_tables(DatabaseName="races")["TableList"]}
    assert set(answered) - present == set()


def test_column_statistics_are_answered_with_nothing(glue: Any) -> None:
    table = {"DatabaseName": "races", "TableName": "t"}
    statistics = {
        "ColumnName": "a",
        "ColumnType": "bigint",
        "AnalyzedTime": "2024-01-01T00:00:00Z",
        "StatisticsData": {
            "Type": "LONG",
            "LongColumnStatisticsData": {"NumberOfNulls": 0, "NumberOfDistinctValues": 1},
        },
    }
    done = glue.update_column_statistics_for_table(**table, ColumnStatisticsList=[statistics])
    assert done["Errors"] == []
    found = glue.get_column_statistics_for_table(**table, ColumnNames=["a"])
    assert (found["ColumnStatisticsList"], found["Errors"]) == ([], [])
    glue.delete_column_statistics_for_table(**table, ColumnName="a")
    partition = {**table, "PartitionValues": ["2024-05-01"]}
    assert glue.update_column_statistics_for_partition(**partition, ColumnStatisticsList=[statistics])["Errors"] == []
    assert glue.get_column_statistics_for_partition(**partition, ColumnNames=["a"])["ColumnStatisticsList"] == []
    glue.delete_column_statistics_for_partition(**partition, ColumnName="a")
