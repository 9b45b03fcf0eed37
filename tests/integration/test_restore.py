"""A dump goes into the source whole or not at all, whatever is wrong with it, and every refusal says what to do."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from lakehouse.errors import SourceError
from lakehouse.extract.restore import RestoreResult, restore_dump
from lakehouse.programs import postgres_program
from lakehouse.project import Secret, Source
from lakehouse.store import Store
from tests.integration.conftest import Place

ROWS = 600
SOURCE = f"""
create table customers (id bigint primary key, name text);
insert into customers select n, md5(n::text) from generate_series(1, {ROWS}) n;
create table orders (id bigint primary key, customer_id bigint not null references customers, amount numeric(10, 2));
insert into orders select n, n, n * 1.25 from generate_series(1, {ROWS}) n
"""
FORMS = {
    "custom": ["--format=custom"],
    "custom-uncompressed": ["--format=custom", "--compress=none"],
    "tar": ["--format=tar"],
    "plain": ["--format=plain"],
    "inserts": ["--format=plain", "--inserts"],
    "directory": ["--format=directory"],
    "directory-uncompressed": ["--format=directory", "--compress=none"],
}
# The end of a tar file's padding, of a text's last lines, of a file's empty lines: nothing of the data.
PADDING_BYTES = 1600


@pytest.fixture
def shop(place: Place) -> Iterator[Place]:
    place.sql(*SOURCE.strip().split(";\n"))
    yield place


def dumped(place: Place, target: Path, *options: str) -> Path:
    command = [str(postgres_program("pg_dump")), *options, f"--file={target}", f"--dbname={place.source_url}"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return target


def restored(place: Place, dump: Path) -> RestoreResult:
    return restore_dump(str(dump), place.project.source, report=lambda _: None)


def refused(place: Place, dump: Path, source: Source | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        restore_dump(str(dump), source or place.project.source, report=lambda _: None)
    return str(caught.value)


def with_login(place: Place, user: str, password: str) -> Source:
    url = urlsplit(place.source_url)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@{url.hostname}:{url.port}"
    return Source("sales", "public", Secret(urlunsplit(url._replace(netloc=login))))


def empty(place: Place) -> None:
    """One old table, which a restore that fails must leave alone."""
    place.sql("drop schema public cascade", "create schema public", "create table old as select 1 as i")


def tables(place: Place) -> list[str]:
    return [row[0] for row in place.sql("select tablename from pg_tables where schemaname = 'public' order by 1")]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_comes_back_row_for_row(shop: Place, tmp_path: Path, form: str) -> None:
    before = shop.sql("select c::text, o::text from customers c join orders o on o.customer_id = c.id order by c.id")
    dump = dumped(shop, tmp_path / "shop", *FORMS[form])
    empty(shop)
    result = restored(shop, dump)
    assert (result.tables, result.rows) == (3, 2 * ROWS + 1)
    assert result.seconds > 0
    query = "select c::text, o::text from customers c join orders o on o.customer_id = c.id order by c.id"
    assert shop.sql(query) == before


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.timeout(120)
def test_a_dump_that_is_cut_anywhere_restores_nothing(shop: Place, tmp_path: Path, form: str) -> None:
    dump = dumped(shop, tmp_path / "shop", *FORMS[form])
    files = sorted(dump.iterdir()) if dump.is_dir() else [dump]
    accepted = []
    for file in files:
        whole = file.read_bytes()
        for cut in cuts(whole):
            file.write_bytes(whole[:cut])
            empty(shop)
            try:
                accepted.append((file.name, len(whole) - cut, restored(shop, dump).rows))
            except SourceError as e:
                assert tables(shop) == ["old"], f"{file.name} cut at {cut}"
                assert "not a pg_dump file" in str(e) or "is cut short" in str(e), str(e)
        file.write_bytes(whole)
    # A file may be accepted without the padding after its data, and then holds everything.
    assert {rows for _, _, rows in accepted} <= {2 * ROWS + 1}
    assert all(missing < PADDING_BYTES for _, missing, _ in accepted), accepted


def cuts(whole: bytes) -> list[int]:
    """Places to cut a file at: some anywhere, some at the end of a line, and near both ends."""
    chosen = random.Random(len(whole))
    lines = [i + 1 for i, byte in enumerate(whole[:-1]) if byte == ord("\n")]
    anywhere = {chosen.randrange(1, len(whole)) for _ in range(3)}
    return sorted(anywhere | set(chosen.sample(lines, min(3, len(lines)))) | {0, 1, len(whole) - 1, len(whole) - 30})


def test_a_directory_that_lacks_a_file(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop", "--format=directory")
    next(dump.glob("[0-9]*.dat.gz")).unlink()
    empty(shop)
    assert "Files of the dump are missing: copy the whole folder again." in refused(shop, dump)
    (dump / "toc.dat").unlink()
    assert "a folder without toc.dat is not a pg_dump directory. Nothing was restored." in refused(shop, dump)
    assert tables(shop) == ["old"]


def test_a_compression_that_this_pg_restore_lacks(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.dump", "--format=custom")
    content = bytearray(dump.read_bytes())
    content[11] = 3  # zstd, after PGDMP, three bytes of version, two sizes and the form
    dump.write_bytes(content)
    assert "Dump it with gzip, which every pg_restore reads" in refused(shop, dump)


def test_sql_text_that_is_compressed_as_a_whole(shop: Place, tmp_path: Path) -> None:
    packed = tmp_path / "shop.sql.gz"
    packed.write_bytes(gzip.compress(dumped(shop, tmp_path / "shop.sql").read_bytes()))
    assert "is compressed as a whole. Nothing was restored. Unpack it first: gunzip" in refused(shop, packed)


def test_a_dump_of_a_whole_server_makes_no_role(shop: Place, tmp_path: Path) -> None:
    dump = tmp_path / "all.sql"
    command = [str(postgres_program("pg_dumpall")), "--globals-only", f"--file={dump}", f"--dbname={shop.source_url}"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    dump.write_text(dump.read_text() + "CREATE ROLE somebody_new;\n")
    assert "is a dump of a whole server (pg_dumpall), which makes roles and databases." in refused(shop, dump)
    assert shop.sql("select count(*) from pg_roles where rolname = 'somebody_new'") == [(0,)]


def test_a_dump_that_creates_its_database(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.sql", "--create")
    assert "Dump it without --create: it goes into the database of the URL." in refused(shop, dump)


def test_sql_text_over_tables_that_are_there(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.sql")
    shop.sql("update customers set name = 'mine'")
    assert "SQL text replaces nothing. Restore into an empty database" in refused(shop, dump)
    assert shop.sql("select distinct name from customers") == [("mine",)]


def test_a_role_that_is_missing(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.sql")
    owner = shop.sql("select current_user")[0][0]
    dump.write_text(dump.read_text().replace(f"OWNER TO {owner}", "OWNER TO nobody_of_that_name"))
    empty(shop)
    assert "Create that role at the server, or dump with --no-owner --no-privileges." in refused(shop, dump)
    assert tables(shop) == ["old"]


def test_something_that_uses_what_the_dump_replaces(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.dump", "--format=custom")
    shop.sql("create view mine as select id from orders", "delete from orders where id > 5")
    assert "Something there uses what the dump replaces. Restore into an empty database." in refused(shop, dump)
    assert shop.sql("select count(*) from mine") == [(5,)]


def test_a_tar_file_of_something_else(shop: Place, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    packed = tmp_path / "photos.tar"
    subprocess.run(["tar", "-C", str(tmp_path), "-cf", str(packed), "photo.jpg"], check=True)
    assert "a tar file that begins with 'photo.jpg', not with pg_dump's toc.dat." in refused(shop, packed)


def test_an_object_of_s3_that_is_not_there(shop: Place) -> None:
    store = Store(shop.project.lake)
    url = store.layout.url(f"{store.layout.prefix}none.dump")
    with pytest.raises(SourceError, match=r"could not be fetched: .*404.* Nothing was restored\."):
        restore_dump(url, shop.project.source, s3=store.client, report=lambda _: None)


def test_a_wrong_password_is_said_and_not_shown(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.dump", "--format=custom")
    said = refused(shop, dump, with_login(shop, "lakehouse", "s3cret-wrong"))
    assert "Check the user and password in LAKEHOUSE_SOURCE_URL." in said
    assert "s3cret-wrong" not in said


def test_a_url_that_cannot_be_read_is_not_shown(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.dump", "--format=custom")
    url = urlsplit(shop.source_url)
    broken = Secret(urlunsplit(url._replace(netloc=f"me:s3cret%zz@{url.hostname}:{url.port}")))
    said = refused(shop, dump, Source("sales", "public", broken))
    assert "invalid percent-encoded token" in said
    assert "s3cret" not in said


def test_a_server_that_does_not_answer(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.dump", "--format=custom")
    said = refused(shop, dump, Source("sales", "public", Secret("postgresql://me:mine@127.0.0.1:1/sales")))
    assert "Is PostgreSQL up there? For the local one: lakehouse up." in said


def test_a_database_that_is_not_there(shop: Place, tmp_path: Path) -> None:
    dump = dumped(shop, tmp_path / "shop.dump", "--format=custom")
    nowhere = Source("sales", "public", Secret(urlunsplit(urlsplit(shop.source_url)._replace(path="/nowhere"))))
    assert "Create the database first: createdb" in refused(shop, dump, nowhere)


def test_a_password_of_any_letters_works_and_is_in_no_command_line(shop: Place, tmp_path: Path) -> None:
    password = "p@ss/w:rd% it's"
    role = f"owner_{urlsplit(shop.source_url).path.lstrip('/')}"
    shop.sql(f"create role {role} superuser login password $${password}$$")
    slow = tmp_path / "slow.sql"
    slow.write_text("SET statement_timeout = 0;\nCREATE TABLE slow AS SELECT pg_sleep(3)::text AS slept;\n")
    source = with_login(shop, role, password)
    results: list[RestoreResult] = []
    restoring = threading.Thread(
        target=lambda: results.append(restore_dump(str(slow), source, report=lambda _: None)), daemon=True
    )
    restoring.start()
    seen = command_line_of(str(slow))
    restoring.join(60)
    assert results and results[0].tables == 3
    assert role in seen
    assert "w:rd" not in seen and "w%3Ard" not in seen
    shop.sql("drop table slow", f"drop role {role}")


def command_line_of(argument: str) -> str:
    """The command line of the program that was called with `argument`, as any user of the machine can read it."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:  # it ended, or is not ours
                continue
            if argument in line and int(process.name) != os.getpid():
                return line
        time.sleep(0.05)
    raise AssertionError(f"no program was seen with {argument}")
