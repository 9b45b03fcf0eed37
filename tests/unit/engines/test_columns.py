"""What Trino and Athena print becomes the exact Arrow type, at every depth."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.engines.columns import arrow_column, arrow_type
from lakehouse.errors import EngineError
from lakehouse.trino_types import parse_type

US, US_UTC = pa.timestamp("us"), pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("kind", "raw", "arrow", "values"),
    [
        ("bigint", [2**63 - 1, None], pa.int64(), [2**63 - 1, None]),
        ("tinyint", [-128], pa.int8(), [-128]),
        ("boolean", [True, None, False], pa.bool_(), [True, None, False]),
        ("decimal(38, 2)", ["1.50", None], pa.decimal128(38, 2), [Decimal("1.50"), None]),
        ("double", [0.1, "Infinity", None], pa.float64(), [0.1, float("inf"), None]),
        ("real", [1.5], pa.float32(), [1.5]),
        ("varchar(3)", ["é😀", "", None], pa.string(), ["é😀", "", None]),
        ("varbinary", ["AQI=", None], pa.binary(), [b"\x01\x02", None]),
        ("date", ["2024-02-29", None], pa.date32(), [date(2024, 2, 29), None]),
        ("time(6)", ["12:00:01.123456"], pa.time64("us"), [time(12, 0, 1, 123456)]),
        ("timestamp(6)", ["2024-05-01 12:00:00.123456"], US, [datetime(2024, 5, 1, 12, 0, 0, 123456)]),
        ("timestamp(0)", ["2024-05-01 12:00:00"], US, [datetime(2024, 5, 1, 12)]),
        (
            "timestamp(3) with time zone",
            ["2024-05-01 12:00:00.000 UTC", "2024-05-01 12:00:00.500 Europe/Berlin", "2024-05-01 12:00:00.000 +02:00"],
            US_UTC,
            [
                datetime(2024, 5, 1, 12, tzinfo=UTC),
                datetime(2024, 5, 1, 10, 0, 0, 500000, tzinfo=UTC),
                datetime(2024, 5, 1, 10, tzinfo=UTC),
            ],
        ),
        ("array(decimal(3, 1))", [["1.5"], [], None], pa.list_(pa.decimal128(3, 1)), [[Decimal("1.5")], [], None]),
        ("map(bigint, date)", [{"1": None}, None], pa.map_(pa.int64(), pa.date32()), [[(1, None)], None]),
        (
            'row(a bigint, "b c" array(timestamp(6) with time zone), "say ""hi""" double)',
            [[1, ["2024-05-01 12:00:00.000000 UTC"], "NaN"], None, [None, None, 1.0]],
            pa.struct([("a", pa.int64()), ("b c", pa.list_(US_UTC)), ('say "hi"', pa.float64())]),
            None,
        ),
        ("unknown", [None, None], pa.null(), [None, None]),
        ("row(bigint, timestamp(6) with time zone)", [[1, None]], None, [{"field0": 1, "field1": None}]),
    ],
)  # fmt: skip
def test_every_type_keeps_its_values(kind: str, raw: list[Any], arrow: pa.DataType, values: list[Any] | None) -> None:
    found = arrow_column(raw, parse_type(kind))
    found.validate(full=True)
    assert found.type == (arrow or arrow_type(parse_type(kind)))
    if values is not None:
        assert found.to_pylist() == values
    else:
        assert found.null_count == 1 and found.to_pylist()[2] == {"a": None, "b c": None, 'say "hi"': 1.0}


def test_what_arrow_cannot_hold_is_refused_with_a_way_out() -> None:
    with pytest.raises(EngineError, match=r"type timestamp\(12\), which has no place in Arrow. Cast it in the query"):
        arrow_type(parse_type("timestamp(12)"))
    with pytest.raises(EngineError, match=r"value of a date column does not fit Arrow's date32\[day\]: .*\+12024"):
        arrow_column(["+12024-01-01"], parse_type("date"))
    for text in ("row(a", "decimal(10, 2) and more", "(", "hyperloglog"):
        with pytest.raises(EngineError, match="has no place in Arrow"):
            arrow_type(parse_type(text))
