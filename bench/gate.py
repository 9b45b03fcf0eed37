"""The gate against the same checks written by hand: 5 million rows, 20 expectations, time and peak memory.

    python bench/gate.py [--rows 5000000] [--memory 512MB]

Each side runs in a process of its own, so that its peak memory is its own. The data is made here and thrown away.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from lakehouse.names import TableName
from lakehouse.promote.gate import run_gate
from lakehouse.promote.suites import load_suite

DATA = """
select
    i as sale_id, (i * 7919) % 500000 as customer_id, (i % 40)::integer as store_id, (i % 20)::integer as line,
    ((i * 31) % 100000 / 100)::decimal(10, 2) as amount, ((i * 17) % 300 / 100)::decimal(10, 2) as discount,
    case when i % 50 = 0 then null else 'c' || (i % 90000) || '@example.com' end as email,
    case i % 4 when 0 then 'card' when 1 then 'cash' when 2 then 'app' else 'gift' end as paid_by,
    timestamp '2024-01-01 00:00:00' + interval (i % 31000000) second as sold_at,
    i % 3 = 0 as online
from range({rows}) t(i)
"""
CHECKS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("expect_table_row_count_to_be_between", {"min_value": 1}, "count(*) >= 1"),
    *(
        ("expect_column_values_to_not_be_null", {"column": c}, f"count(*) filter (where {c} is null) = 0")
        for c in ("sale_id", "customer_id", "store_id", "amount", "sold_at")
    ),
    ("expect_column_values_to_be_unique", {"column": "sale_id"}, "count(distinct sale_id) = count(*)"),
    (
        "expect_compound_columns_to_be_unique",
        {"column_list": ["sale_id", "line"]},
        "count(distinct (sale_id, line)) = count(*)",
    ),
    (
        "expect_column_values_to_be_in_set",
        {"column": "paid_by", "value_set": ["card", "cash", "app", "gift"]},
        "count(*) filter (where paid_by not in ('card', 'cash', 'app', 'gift')) = 0",
    ),
    *(
        (
            "expect_column_values_to_be_between",
            {"column": c, "min_value": low, "max_value": high},
            f"count(*) filter (where {c} not between {low} and {high}) = 0",
        )
        for c, low, high in (("amount", 0, 1000), ("discount", 0, 3), ("store_id", 0, 39), ("line", 0, 19))
    ),
    (
        "expect_column_values_to_match_regex",
        {"column": "email", "regex": "^[^@]+@example"},
        "count(*) filter (where not regexp_matches(email, '^[^@]+@example')) = 0",
    ),
    (
        "expect_column_value_lengths_to_be_between",
        {"column": "email", "min_value": 10, "max_value": 30},
        "count(*) filter (where length(email) not between 10 and 30) = 0",
    ),
    (
        "expect_column_mean_to_be_between",
        {"column": "amount", "min_value": 400, "max_value": 600},
        "avg(amount) between 400 and 600",
    ),
    (
        "expect_column_sum_to_be_between",
        {"column": "discount", "min_value": 1},
        "sum(discount) >= 1",
    ),
    (
        "expect_column_quantile_values_to_be_between",
        {"column": "amount", "quantile_ranges": {"quantiles": [0.5, 0.9], "value_ranges": [[400, 600], [800, 1000]]}},
        "quantile_disc(amount, 0.5) between 400 and 600 and quantile_disc(amount, 0.9) between 800 and 1000",
    ),
    (
        "expect_column_unique_value_count_to_be_between",
        {"column": "store_id", "min_value": 40, "max_value": 40},
        "count(distinct store_id) = 40",
    ),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "customer_id", "column_B": "sale_id", "mostly": 0.0},
        "count(*) filter (where customer_id <= sale_id) >= 0",
    ),
)


def connect(folder: Path, memory: str) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"set memory_limit = '{memory}'; set threads = 2; set temp_directory = '{folder / 'spill'}'")
    con.execute(f"create schema gate; create view gate.staged as from read_parquet('{folder / 'sales.parquet'}')")
    return con


def gate(folder: Path, memory: str) -> dict[str, float]:
    """The suite through the gate, twice: with the import of Great Expectations, and without."""
    path = folder / "sales.json"
    lines = [{"type": t, "kwargs": k} for t, k, _ in CHECKS]
    path.write_text(json.dumps({"name": "silver.sales", "expectations": lines}))
    suite = load_suite(path, TableName("silver", "sales"))
    con, seconds = connect(folder, memory), []
    for _ in range(3):
        began = time.monotonic()
        verdict = run_gate(con, suite, run_id="bench", staged="gate.staged", candidate="gate.staged")
        seconds.append(time.monotonic() - began)
        assert verdict.passed and len(verdict.checks) == len(CHECKS), verdict.blocking
    return {"first_s": seconds[0], "warm_s": min(seconds[1:])}


def hand(folder: Path, memory: str) -> dict[str, float]:
    """The same checks, each one statement, as a person would write them."""
    con, seconds = connect(folder, memory), []
    for _ in range(3):
        began = time.monotonic()
        for _, _, sql in CHECKS:
            assert con.execute(f"select {sql} from gate.staged").fetchone() == (True,), sql
        seconds.append(time.monotonic() - began)
    return {"first_s": seconds[0], "warm_s": min(seconds[1:])}


def measure(side: str, folder: Path, memory: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--memory", memory]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--memory", default="512MB")
    parser.add_argument("--side", choices=("gate", "hand"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        found = (gate if options.side == "gate" else hand)(options.folder, options.memory)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**found, "peak_mib": peak}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        duckdb.execute(f"copy ({DATA.format(rows=options.rows)}) to '{folder / 'sales.parquet'}' (format parquet)")
        sides = {side: measure(side, folder, options.memory) for side in ("hand", "gate")}
    print(f"{options.rows:,} rows, {len(CHECKS)} expectations, memory_limit {options.memory}")
    for side, found in sides.items():
        first, warm, peak = found["first_s"], found["warm_s"], found["peak_mib"]
        print(f"{side:5} first {first:6.1f} s   warm {warm:5.1f} s   peak {peak:5.0f} MiB")
    print(
        f"the gate takes {sides['gate']['warm_s'] / sides['hand']['warm_s']:.1f} times as long as the hand-written SQL"
    )


if __name__ == "__main__":
    main()
