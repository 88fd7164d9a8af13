"""Datetimes (seconds since 1970) taken apart: the same lines reckon with arrays and with the nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PARTS = ("year", "month", "day", "weekday", "hour", "day of year", "days elapsed")


def parts_of(seconds: Any, origin: Any, floor: Callable[[Any], Any]) -> list[Any]:
    """The parts of PARTS, each of the shape of `seconds`; the same lines reckon with arrays and with nodes.

    Days to a civil date by eras of 400 years that begin on 1 March, so that leap days come last.
    Reference: Hinnant (2013), "chrono-Compatible Low-Level Date Algorithms". `hour` has no fraction, weekday
    is 0 on Mondays, day of year is 1 on 1 January, days elapsed count from `origin`, with fraction.
    """
    days = floor(seconds / 86400.0)
    hour = floor((seconds - days * 86400.0) / 3600.0)
    weekday = (days + 3.0) - floor((days + 3.0) / 7.0) * 7.0
    shifted = days + 719468.0
    era = floor(shifted / 146097.0)
    day_of_era = shifted - era * 146097.0
    leaps = floor(day_of_era / 1460.0) - floor(day_of_era / 36524.0) + floor(day_of_era / 146096.0)
    year_of_era = floor((day_of_era - leaps) / 365.0)
    leap_days = floor(year_of_era / 4.0) - floor(year_of_era / 100.0)
    from_march = day_of_era - (year_of_era * 365.0 + leap_days)
    month_from_march = floor((from_march * 5.0 + 2.0) / 153.0)
    day = from_march - floor((month_from_march * 153.0 + 2.0) / 5.0) + 1.0
    after_december = floor(month_from_march / 10.0)
    month = month_from_march + 3.0 - after_december * 12.0
    year = year_of_era + era * 400.0 + after_december
    before = year - 1.0
    first = before * 365.0 + floor(before / 4.0) - floor(before / 100.0) + floor(before / 400.0) - 719162.0
    return [year, month, day, weekday, hour, days - first + 1.0, (seconds - origin) / 86400.0]
