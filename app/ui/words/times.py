"""Times as they are written here: one form for all windows. A text that is kept has them as ISO 8601 does."""

import re
from typing import Final

from PySide6.QtCore import QDateTime, QLocale

LAST: Final = 253_402_300_799.0
"""The end of the year 9999: later times, which only a hostile peer has, are shown as this one."""


def local_time(time: float) -> QDateTime:
    """A time of the epoch in this computer's zone."""
    return QDateTime.fromSecsSinceEpoch(int(max(0.0, min(time, LAST))))


def clock(time: float, *, seconds: bool = False) -> str:
    """The time of day."""
    locale = QLocale()
    form = re.sub(r"\Wss", "", locale.timeFormat(QLocale.FormatType.ShortFormat))
    if seconds:
        form = re.sub(r"(\W)mm", r"\1mm\1ss", form)  # no locale has a short form with them
    return locale.toString(local_time(time).time(), form)


def moment(time: float) -> str:
    """When something was: the time of day, with the date if that was another day."""
    day = local_time(time).date()
    if day == QDateTime.currentDateTime().date():
        return clock(time, seconds=True)
    return f"{QLocale().toString(day, QLocale.FormatType.ShortFormat)} {clock(time, seconds=True)}"


def stamp(time: float, *, seconds: bool = False) -> str:
    """Day and time for a text that is kept."""
    return local_time(time).toString("yyyy-MM-dd HH:mm:ss" if seconds else "yyyy-MM-dd HH:mm")
