"""What bad input gets: one message that says what to do, the exit code of the contract, and nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from lakehouse.errors import SourceError
from lakehouse.extract.restore import restore_dump
from lakehouse.programs import postgres_program
from lakehouse.run import run_lake
from lakehouse.store import Store
from tests.integration.conftest import Place
from tests.integration.small import small_shop


@pytest.fixture
def shop(place: Place) -> Iterator[Place]:
    small_shop(place)
    yield place


def lakehouse(place: Place, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line, as a person calls it."""
    settings = {**os.environ, **place.environment, **environment}
    settings = {name: value for name, value in settings.items() if value}
    command = [sys.executable, "-m", "lakehouse", "--project", str(place.root), *arguments]
    return subprocess.run(command, env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def check_refused(done: subprocess.CompletedProcess[str], code: int, *fragments: str) -> None:
    assert done.returncode == code, done.stderr + done.stdout
    said = " ".join((done.stderr + done.stdout).split())
    for fragment in fragments:
        assert fragment in said, said
    assert "Traceback" not in said


def objects(place: Place) -> set[str]:
    """Keys of the lake, but for run records, which say that a run failed."""
    store = Store(place.project.lake)
    return {o.key for o in store.find(store.layout.prefix) if "/runs/" not in o.key}


def with_url(place: Place, **parts: str) -> str:
    url = urlsplit(place.source_url)
    user, password = parts.get("user", url.username or ""), parts.get("password", url.password or "")
    host, port = parts.get("host", url.hostname or ""), parts.get("port", str(url.port))
    return urlunsplit(url._replace(netloc=f"{user}:{password}@{host}:{port}", path=parts.get("path", url.path)))


def test_a_wrong_password(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_SOURCE_URL=with_url(shop, password="s3cret-wrong"))
    check_refused(done, 1, "password authentication failed", "Check the user and password in LAKEHOUSE_SOURCE_URL.")
    assert "s3cret-wrong" not in done.stderr + done.stdout
    assert objects(shop) == set()


def test_a_wrong_host(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_SOURCE_URL=with_url(shop, host="no-such-host.invalid"))
    check_refused(done, 1, "no-such-host.invalid:", "Check the host in LAKEHOUSE_SOURCE_URL.")
    assert objects(shop) == set()


def test_a_port_where_nothing_listens(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_SOURCE_URL=with_url(shop, port="1"))
    check_refused(done, 1, "Connection refused", "Is PostgreSQL up there, and the port right?")


def test_a_database_that_is_not_there(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_SOURCE_URL=with_url(shop, path="/nowhere"))
    check_refused(done, 1, 'database "nowhere" does not exist', "Check the database, schema and table names")


def test_a_url_that_is_none(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_SOURCE_URL="mysql://a:b@c/d")
    check_refused(done, 1, "LAKEHOUSE_SOURCE_URL is not a PostgreSQL URL. Write it as postgresql://")


def test_a_database_without_the_table(shop: Place) -> None:
    shop.sql("alter table orders rename to purchase_orders")
    done = lakehouse(shop, "run")
    check_refused(done, 1, "there is no table 'orders'", "schema 'public'")
    assert not any("/silver/orders/" in key or "/bronze/sales/orders/" in key for key in objects(shop))


def test_a_table_that_may_not_be_read_does_not_stop_the_others(shop: Place) -> None:
    role = f"reader_{urlsplit(shop.source_url).path.lstrip('/')}"
    shop.sql(f"create role {role} login password 'only-some'", f"grant select on orders to {role}")
    done = lakehouse(shop, "run", LAKEHOUSE_SOURCE_URL=with_url(shop, user=role, password="only-some"))
    check_refused(done, 1, "permission denied for table customers", "Grant this user SELECT on the table")
    assert "only-some" not in done.stderr + done.stdout
    assert any("/silver/orders/metadata/" in key for key in objects(shop))
    assert not any("/silver/customers/" in key for key in objects(shop))
    shop.sql(f"drop owned by {role}", f"drop role {role}")


def test_a_bucket_that_is_missing(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_LAKE="s3://no-such-bucket-here/x")
    check_refused(done, 1, "The bucket 'no-such-bucket-here'", "does not exist. Nothing was written. Create it")


def test_a_bucket_that_refuses(shop: Place) -> None:
    done = lakehouse(shop, "run", AWS_ACCESS_KEY_ID="somebody", AWS_SECRET_ACCESS_KEY="else-entirely")
    check_refused(done, 1, "S3 refused (403)", "aws sts get-caller-identity")
    assert "else-entirely" not in done.stderr + done.stdout
    assert objects(shop) == set()


def test_a_lake_that_does_not_answer(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_S3_ENDPOINT="http://127.0.0.1:1")
    check_refused(done, 1, "S3 at http://127.0.0.1:1 does not answer", "lakehouse status")


def test_a_lake_url_that_is_none(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_LAKE="/data/lake")
    check_refused(done, 1, "LAKEHOUSE_LAKE='/data/lake' is not an S3 location. Write it as s3://bucket")


def test_an_endpoint_without_a_lake(shop: Place) -> None:
    done = lakehouse(shop, "run", LAKEHOUSE_LAKE="")
    check_refused(done, 1, "LAKEHOUSE_S3_ENDPOINT is set but LAKEHOUSE_LAKE is not")


def test_services_that_are_not_up(shop: Place) -> None:
    nothing = dict.fromkeys(shop.environment, "")
    done = lakehouse(shop, "run", **nothing)
    check_refused(done, 1, "The local minio service is not up. Start it: lakehouse up.")


def test_a_model_that_does_not_parse(shop: Place) -> None:
    shop.write("queries/silver/orders.sql", "-- Orders.\n-- key: id\nselect id,, name from bronze.orders\n")
    check_refused(lakehouse(shop, "run"), 1, "queries/silver/orders.sql:3:", "not valid SQL")
    assert objects(shop) == set()


def test_a_model_that_reads_an_unknown_table(shop: Place) -> None:
    shop.write(
        "queries/silver/orders.sql", "-- Orders.\n-- key: id\nselect cast(id as bigint) as id from bronze.order\n"
    )
    check_refused(lakehouse(shop, "run"), 1, "reads bronze.order, which no model makes. Did you mean 'bronze.orders'?")


def test_a_model_that_names_an_unknown_column(shop: Place) -> None:
    shop.write(
        "queries/silver/orders.sql", "-- Orders.\n-- key: id\nselect cast(idd as bigint) as id from bronze.orders\n"
    )
    done = lakehouse(shop, "run")
    check_refused(
        done,
        1,
        "orders.sql:3:13: idd · is no column of the tables in FROM",
        "silver.orders could not be made",
        "readers still see the version before",
    )
    assert not any("/silver/orders/" in key for key in objects(shop))


def test_a_value_that_does_not_fit_its_type(shop: Place) -> None:
    path = shop.root / "queries" / "silver" / "customers.sql"
    path.write_text(path.read_text().replace("cast(name as varchar)", "cast(name as integer)"))
    done = lakehouse(shop, "run")
    check_refused(done, 1, "silver.customers could not be made", "Cannot cast 'Customer 1", "Nothing was committed")


def test_a_cycle_of_models(shop: Place) -> None:
    select = "-- One.\n-- key: id\nselect cast(id as bigint) as id from silver."
    shop.write("queries/silver/a.sql", select + "b\n")
    shop.write("queries/silver/b.sql", select + "a\n")
    check_refused(lakehouse(shop, "run"), 1, "Models read each other in a circle: silver.", "Break it")


def test_a_header_with_an_unknown_key(shop: Place) -> None:
    path = shop.root / "queries" / "silver" / "orders.sql"
    path.write_text(path.read_text().replace("-- partition_by:", "-- partitioned_by:"))
    check_refused(
        lakehouse(shop, "run"), 1, "orders.sql:3: unknown header key 'partitioned_by'. Did you mean 'partition_by'?"
    )


def test_a_setting_that_does_not_exist(shop: Place) -> None:
    shop.write("lakehouse.toml", "[engine]\nmemory = '1GB'\n")
    check_refused(lakehouse(shop, "run"), 1, "[engine] has no setting 'memory'. Did you mean 'memory_limit'?")


def test_an_engine_that_does_not_exist(shop: Place) -> None:
    check_refused(
        lakehouse(shop, "run", LAKEHOUSE_ENGINE="spark"), 1, "'spark' is not an engine. Valid: duckdb, trino, athena."
    )


def test_a_table_without_a_suite(shop: Place) -> None:
    (shop.root / "expectations" / "silver" / "orders.json").unlink()
    done = lakehouse(shop, "run")
    check_refused(done, 1, "silver.orders", "expectations/silver/orders.json")


def test_a_command_that_does_not_exist(shop: Place) -> None:
    check_refused(lakehouse(shop, "rum"), 2, "No such command 'rum'. Did you mean 'run'?")


def test_an_option_that_does_not_exist(shop: Place) -> None:
    check_refused(lakehouse(shop, "run", "--fulll"), 2, "No such option")


def test_a_run_id_that_cannot_be_a_key(shop: Place) -> None:
    check_refused(lakehouse(shop, "run", "--run-id", "a/b"), 1, "--run-id 'a/b' cannot be part of an object's key")


def test_a_folder_without_a_project(shop: Place, tmp_path: Path) -> None:
    done = lakehouse(shop, "--project", str(tmp_path), "run")
    check_refused(done, 1, "No lakehouse.toml in", "--project DIR")


def test_a_question_about_a_table_that_is_not_there(shop: Place) -> None:
    run_lake(shop.project, ["silver.customers"])
    done = lakehouse(shop, "query", "select * from gold.nothing")
    check_refused(done, 1, "Not in the lake: gold.nothing. It has:", "silver.customers")


@pytest.fixture
def dump(shop: Place, tmp_path: Path) -> Path:
    return dump_of(shop, tmp_path / "shop.dump", "custom")


def dump_of(place: Place, target: Path, form: str) -> Path:
    command = [str(postgres_program("pg_dump")), f"--format={form}", f"--file={target}", f"--dbname={place.source_url}"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return target


@pytest.mark.parametrize("form", ["custom", "directory", "tar", "plain"])
def test_every_form_of_dump_is_restored(shop: Place, tmp_path: Path, form: str) -> None:
    dump = dump_of(shop, tmp_path / f"shop.{form}", form)
    if form == "plain":  # SQL text does not drop what is there
        shop.sql("drop table customers, orders")
    else:
        shop.sql("delete from orders", "drop table customers")
    result = restore_dump(str(dump), shop.project.source, report=print)
    assert (result.tables, result.rows) == (2, 420)


def test_a_dump_on_s3_is_restored(shop: Place, dump: Path) -> None:
    store = Store(shop.project.lake)
    store.client.upload_file(str(dump), store.layout.bucket, f"{store.layout.prefix}shop.dump")
    shop.sql("drop table orders")
    done = lakehouse(shop, "restore", store.layout.url(f"{store.layout.prefix}shop.dump"))
    assert done.returncode == 0, done.stderr
    assert "2 tables, 420 rows" in done.stdout


def test_a_truncated_dump_leaves_the_database_as_it_was(shop: Place, dump: Path) -> None:
    shop.sql("delete from orders where id > 10")
    dump.write_bytes(dump.read_bytes()[:-600])
    done = lakehouse(shop, "restore", str(dump))
    check_refused(done, 1, "was not restored", "the database is as it was", "The dump is cut short")
    assert shop.sql("select count(*) from orders") == [(10,)]


def test_a_dump_of_a_newer_version(shop: Place, dump: Path) -> None:
    content = bytearray(dump.read_bytes())
    content[6] = 99  # the archive format's minor version, after "PGDMP" and the major one
    dump.write_bytes(content)
    done = lakehouse(shop, "restore", str(dump))
    check_refused(done, 1, "unsupported version", "The dump was made by a newer pg_dump")


def test_a_file_that_is_no_dump(shop: Place, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 not a dump")
    check_refused(lakehouse(shop, "restore", str(path)), 1, "not a pg_dump file", "Nothing was restored")
    check_refused(lakehouse(shop, "restore", str(tmp_path / "none")), 1, "there is no such file")


def test_a_dump_that_needs_what_is_not_there(shop: Place, tmp_path: Path) -> None:
    path = tmp_path / "geo.sql"
    path.write_text("SET x.y = 1;\nCREATE EXTENSION postgis_of_another_world;\n")
    with pytest.raises(SourceError, match="needs an extension that this server lacks"):
        restore_dump(str(path), shop.project.source, report=print)
    assert shop.sql("select count(*) from orders") == [(400,)]
