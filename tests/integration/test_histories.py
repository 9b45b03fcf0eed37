"""After every run the lake holds exactly what each table held at the run's snapshot, whatever writers were doing."""

from __future__ import annotations

import secrets
from itertools import count, islice

import pytest

from tests.integration.conftest import Place
from tests.integration.histories import make_tables, play_histories


def check_histories(place: Place, number: int) -> None:
    make_tables(place)
    first = secrets.randbelow(1 << 30)
    played, extractions, increments = play_histories(place, islice(count(first), number))
    print(f"{played} histories from seed {first}: {extractions} runs, {increments} tables by increment")
    assert played == number
    assert increments > extractions / 2  # most were not copied whole


def test_hundreds_of_histories(place: Place) -> None:
    check_histories(place, 200)


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_ten_thousand_histories(place: Place) -> None:
    check_histories(place, 10_000)
