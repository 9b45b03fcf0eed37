"""Athena's statements in Trino's words."""

from __future__ import annotations

import pytest

from lakehouse.stack.athena_results import java_double
from lakehouse.stack.athena_runs import statement_with
from lakehouse.stack.athena_sql import Unsupported, translate

ID, OUTPUT = "00000000-aaaa", "s3://b/out/"


@pytest.mark.parametrize(
    ("athena", "kind", "trino"),
    [
        ("-- why\n select 1 ;", "SELECT", "\nselect 1"),
        ("/* a */ (select 1)", "SELECT", "(select 1)"),
        ("with a as (select 1) select * from a", "SELECT", "with a as (select 1) select * from a"),
        ("INSERT INTO t VALUES (1)", "INSERT", "INSERT INTO t VALUES (1)"),
        ("SHOW DATABASES LIKE 's*'", "SHOW_DATABASES", "show schemas LIKE 's*'"),
        ("show tables in `gold` 'a*'", "SHOW_TABLES", "show tables from \"gold\" like 'a%'"),
        ("DESCRIBE FORMATTED `gold`.`t`", "DESCRIBE_FORMATTED", 'describe "gold"."t"'),
        (
            "create database if not exists d comment 'it''s' location 's3://b/d'",
            "CREATE_DATABASE",
            "create schema if not exists d with (location = 's3://b/d')",
        ),
        ("drop database d cascade", "DROP_DATABASE", "drop schema d cascade"),
        (
            "optimize t rewrite data using bin_pack where a = 1",
            "OPTIMIZE",
            "alter table t execute optimize where a = 1",
        ),
        (
            "create table d.t with (write_compression = 'SNAPPY', partitioned_by = array['a', 'b']) as select 1 as a",
            "CREATE_TABLE_AS_SELECT",
            "create table d.t with (partitioned_by = array['a', 'b'], "
            f"external_location = 's3://b/out/tables/{ID}/', format = 'PARQUET') as select 1 as a",
        ),
        (
            "create table t with (table_type = 'iceberg', location = 's3://b/t') as select ')' as a",
            "CREATE_TABLE_AS_SELECT",
            "create table iceberg.\"db\".t with (location = 's3://b/t') as select ')' as a",
        ),
        (
            "UNLOAD (select ')' as a -- )\n) TO 's3://b/u' WITH (format = 'JSON')",
            "UNLOAD",
            "create table unload_00000000_aaaa with (format = 'JSON', external_location = 's3://b/u') as "
            "select ')' as a -- )\n\n",
        ),
    ],
)
def test_it_says_the_same_in_trino(athena: str, kind: str, trino: str) -> None:
    found = translate(athena, ID, OUTPUT, "db")
    assert (found.sub_kind, found.sql) == (kind, trino)


def test_compression_is_a_setting_of_the_session_and_unload_leaves_no_table() -> None:
    found = translate("unload (select 1 a) to 's3://b/u' with (format='PARQUET', compression='zstd')", ID, OUTPUT, "db")
    assert found.session == {"awsdatacatalog.compression_codec": "ZSTD"}
    assert (found.files_at, found.drop, found.kind) == ("s3://b/u", "unload_00000000_aaaa", "DML")


def test_what_it_does_not_do_is_refused_with_another_way() -> None:
    for sql in ("CREATE EXTERNAL TABLE t (a int)", "msck repair table t", "alter table t add partition (d = 1)"):
        with pytest.raises(
            Unsupported, match=r"it is Hive's DDL, and Trino has none. Make or change the table in Glue"
        ):
            translate(sql, ID, OUTPUT, "db")
    with pytest.raises(Unsupported, match="makes tables with CREATE TABLE … AS SELECT only"):
        translate("create table t (a int)", ID, OUTPUT, "db")
    with pytest.raises(Unsupported, match=r"line 1:1: mismatched input '<EOF>'. Expecting: '\)'"):
        translate("unload (select 1", ID, OUTPUT, "db")


def test_parameters_are_sql_text() -> None:
    assert statement_with("select ?, 'it''s'", ("1", "'a'")) == "execute immediate 'select ?, ''it''''s''' using 1, 'a'"
    assert statement_with("select 1", ()) == "select 1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (-1234567.5, "-1234567.5"),
        (1e7, "1.0E7"),
        (1.25e-4, "1.25E-4"),
        (1e300, "1.0E300"),
        (0.001, "0.001"),
    ],
)
def test_doubles_are_printed_as_java_does(value: float, text: str) -> None:
    assert java_double(value) == text
