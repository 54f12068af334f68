"""Times as each language writes them."""

import re
import time
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QDateTime, QLocale

from app.ui.words.times import LAST, clock, local_time, moment, stamp

AFTERNOON = QDateTime.fromString("2026-01-31T15:04:05", "yyyy-MM-ddTHH:mm:ss").toSecsSinceEpoch()


@pytest.fixture(autouse=True)
def locale() -> Iterator[None]:
    """The computer's own afterwards."""
    yield
    QLocale.setDefault(QLocale.system())


@pytest.mark.parametrize(
    ("language", "short", "long"),
    [
        ("C", "15:04", "15:04:05"),
        ("de_DE", "15:04", "15:04:05"),
        ("da_DK", "15.04", "15.04.05"),
        ("en_US", "3:04 PM", "3:04:05 PM"),
    ],
)
def test_the_time_of_day_is_as_the_region_writes_it(language: str, short: str, long: str) -> None:
    QLocale.setDefault(QLocale(language))
    assert re.sub(r"\s", " ", clock(AFTERNOON)).upper() == short
    assert re.sub(r"\s", " ", clock(AFTERNOON, seconds=True)).upper() == long


def test_another_day_is_said() -> None:
    QLocale.setDefault(QLocale("de_DE"))
    assert moment(AFTERNOON) == "31.01.26 15:04:05"
    now = time.time()
    assert moment(now) == clock(now, seconds=True)


def test_what_is_kept_is_the_same_in_every_language() -> None:
    QLocale.setDefault(QLocale("en_US"))
    assert stamp(AFTERNOON) == "2026-01-31 15:04"
    assert stamp(AFTERNOON, seconds=True) == "2026-01-31 15:04:05"


@pytest.mark.parametrize("odd", [-1e300, 1e300])
def test_times_beyond_all_calendars_do_no_harm(odd: float) -> None:
    assert 0 <= local_time(odd).toSecsSinceEpoch() <= LAST
    assert clock(odd)
    assert moment(odd)
