# SPDX-License-Identifier: Apache-2.0
"""Days and times of a place: as long as they are there, wherever its clock jumps; and no date ends in a traceback."""

from __future__ import annotations

import ast
import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge_gate
from edge_gate.core.errors import BadDate
from edge_gate.core.local_time import FIRST_DAY, LAST_DAY, LocalTime, parse_day, year_after
from edge_gate.core.time_zones import named_zone, system_zone

SECOND = timedelta(seconds=1)
ZONES = sorted(each for each in available_timezones() if not each.startswith("right/"))
# Days shorter and longer than others, and days that never were, on both sides of Greenwich.
ODD = [
    ("America/Sao_Paulo", "2018-11-03", "2018-11-04T03:00:00Z"),  # no midnight: 00:00 is 01:00
    ("America/Sao_Paulo", "2018-02-17", "2018-02-18T03:00:00Z"),  # midnight twice
    ("Africa/Cairo", "2026-04-23", "2026-04-23T22:00:00Z"),  # no midnight
    ("America/St_Johns", "2010-11-06", "2010-11-07T03:30:00Z"),  # back over midnight, at a minute past
    ("America/Havana", "2026-10-31", "2026-11-01T04:00:00Z"),  # the next day has its first hour twice
    ("Pacific/Apia", "2011-12-29", "2011-12-30T10:00:00Z"),  # the next day never was
    ("Pacific/Kwajalein", "1993-08-20", "1993-08-21T12:00:00Z"),
    ("Asia/Shanghai", "2027-03-31", "2027-03-31T16:00:00Z"),
    ("America/New_York", "2027-03-14", "2027-03-15T04:00:00Z"),  # 23 hours
    ("America/New_York", "2027-11-07", "2027-11-08T05:00:00Z"),  # 25 hours
    ("Asia/Kolkata", "2027-03-31", "2027-03-31T18:30:00Z"),
    ("Asia/Kathmandu", "2028-02-29", "2028-02-29T18:15:00Z"),
    ("Asia/Pyongyang", "2018-05-04", "2018-05-04T15:00:00Z"),  # a new rule: half an hour earlier from here on
    ("Pacific/Kiritimati", "2027-12-31", "2027-12-31T10:00:00Z"),
    ("Pacific/Pago_Pago", "2027-12-31", "2028-01-01T11:00:00Z"),
    ("Asia/Shanghai", "9998-12-31", "9998-12-31T16:00:00Z"),
    ("America/New_York", "9998-12-31", "9999-01-01T05:00:00Z"),
]
ABSURD = [
    "", " ", "0", "today", "2027", "2027-03", "2027-13-01", "2027-00-10", "2027-02-29", "2027-04-31", "0000-01-01",
    "0001-01-01", "9999-12-31", "10000-01-01", "-2027-01-01", "2027/03/31", "31.03.2027", "2027-03-31T24:00",
    "２０２７-０３-３１", "\u0662\u0660\u0662\u0667-03-31", "2027-03-31\0", "2027-03-31 2027-03-31", "9" * 5000,
    "\udc80", "1969-12-31", "24:00", "nan", "1e9", "2027-W60-1",
]  # fmt: skip


@pytest.mark.parametrize(("zone", "day", "end"), ODD)
def test_a_day_lasts_until_the_next_one_begins_there(zone: str, day: str, end: str) -> None:
    local = named_zone(zone)
    assert local.end_of(parse_day(day)) == datetime.fromisoformat(end)
    assert local.show_until(end) == day
    assert local.read_until(end) == local.read_until(day) == datetime.fromisoformat(end)


@given(st.sampled_from(ZONES), st.dates(FIRST_DAY, date(2100, 12, 31)))
def test_in_every_zone_a_day_ends_once_and_is_read_as_it_was_written(zone: str, day: date) -> None:
    local = named_zone(zone)
    end = local.end_of(day)
    assert end.utcoffset() == timedelta()
    assert local.day(end - SECOND) <= day, "it ends no later than its last instant"
    later = [end + quarters * timedelta(minutes=15) for quarters in range(4 * 49)]
    assert all(local.day(each) > day for each in later), "it does not come back"
    assert local.read_until(end.isoformat()) == end
    if local.day(end - SECOND) == day:  # not one that the zone left out
        assert local.show_until(end.isoformat()) == day.isoformat()
        assert local.read_until(day.isoformat()) == end


@given(st.sampled_from(ZONES), st.datetimes(datetime(1970, 1, 3), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_time_that_is_shown_is_one_moment_only(zone: str, moment: datetime) -> None:
    local = named_zone(zone)
    moment = moment.replace(microsecond=0)
    shown = local.show(moment)
    assert local.read_until(shown) == moment
    assert local.show_text(moment.isoformat()) == shown
    assert local.show_day(moment.isoformat()) == local.day(moment).isoformat() == shown[:10]


@given(st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "Africa/Casablanca"]))
def test_the_days_of_a_year_follow_each_other_without_a_gap(zone: str) -> None:
    local = named_zone(zone)
    ends = [local.end_of(date(2027, 12, 31) + timedelta(days=n)) for n in range(368)]
    lengths = {(after - before) / timedelta(hours=1) for before, after in itertools.pairwise(ends)}
    assert lengths <= {23.0, 23.5, 24.0, 24.5, 25.0} and len(lengths) == 3


def test_what_ends_in_the_middle_of_a_day_is_shown_with_its_time() -> None:
    assert named_zone("Asia/Shanghai").show_until("2027-04-01T00:00:00.000Z") == "2027-04-01 08:00:00"
    assert named_zone("America/New_York").show_until("2027-04-01T00:00:00.000Z") == "2027-03-31 20:00:00"


@pytest.mark.parametrize("text", ABSURD)
def test_a_day_that_is_none_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(BadDate) as error:
        parse_day(text)
    assert len(str(error.value)) < 200 and ascii(text[:5])[1:-1] in ascii(str(error.value)).replace("\\\\", "\\")


@given(
    st.one_of(
        st.text(), st.from_regex(r"[0-9]{1,5}-[0-9]{1,2}-[0-9]{1,2}(T[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?)?")
    )
)
def test_whatever_is_written_for_a_date_is_one_within_bounds_or_told_in_a_sentence(text: str) -> None:
    for zone in ("Asia/Shanghai", "America/New_York", "Pacific/Kiritimati"):
        local = named_zone(zone)
        try:
            assert local.end_of(parse_day(text)) == local.read_until(text.strip())
        except BadDate as error:
            assert str(error).endswith(".")
        try:
            end = local.read_until(text)
            assert FIRST_DAY <= end.date() <= LAST_DAY + timedelta(days=2)
        except BadDate as error:
            assert str(error).endswith(".")


@given(st.one_of(st.text(), st.datetimes(timezones=st.timezones()).map(str), st.dates().map(str)))
def test_whatever_a_store_has_for_a_moment_is_shown(text: str) -> None:
    for zone in ("Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        local = named_zone(zone)
        assert all(isinstance(show(text), str) for show in (local.show_text, local.show_day, local.show_until))


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59-23:59"])
def test_a_moment_that_the_zone_cannot_say_is_shown_as_it_is(text: str) -> None:
    for zone in ("Asia/Shanghai", "America/New_York"):
        assert named_zone(zone).show_until(text)[:4] in ("9999", "0001")


def test_a_time_without_an_offset_is_one_of_the_place() -> None:
    shanghai = named_zone("Asia/Shanghai")
    assert shanghai.read_until("2027-03-31T18:00") == datetime(2027, 3, 31, 10, tzinfo=UTC)
    assert shanghai.read_until("2027-03-31T18:00Z") == datetime(2027, 3, 31, 18, tzinfo=UTC)
    assert shanghai.read_until("20270331") == shanghai.read_until("2027-03-31") == shanghai.end_of(date(2027, 3, 31))


def test_a_year_after_a_leap_day_is_the_last_of_february() -> None:
    assert year_after(date(2028, 2, 29)) == date(2029, 2, 28)
    assert year_after(date(2027, 2, 28)) == date(2028, 2, 28)
    assert year_after(date(9999, 2, 28)) == LAST_DAY


def test_no_other_module_turns_moments_into_days_and_times() -> None:
    """Else one would forget the site's zone, or the hours that come twice."""
    package = Path(edge_gate.__file__).parent
    own = {package / "core" / name for name in ("local_time.py", "time_zones.py", "clock.py")}
    turning = {"astimezone", "strftime", "localtime", "utcnow", "today", "zoneinfo", "ZoneInfo", "utcoffset"}
    found = []
    for module in set(package.rglob("*.py")) - own:
        for node in ast.walk(ast.parse(module.read_bytes())):
            name = getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "module", None)
            in_format = isinstance(node, ast.FormattedValue) and node.format_spec and "%H" in ast.dump(node.format_spec)
            cut = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Subscript) and _is_moment(node.value)
            if name in turning or in_format or cut:
                found.append(f"{module.relative_to(package)}:{getattr(node, 'lineno', 0)}")
    assert not found


def _is_moment(node: ast.Subscript) -> bool:
    return isinstance(node.slice, ast.Constant) and node.slice.value in ("at", "since", "created_at", "consent_until")


def test_a_zone_as_posix_writes_it_has_days_too() -> None:
    assert system_zone({"TZ": "CST-8"}).end_of(date(2027, 3, 31)) == datetime(2027, 3, 31, 16, tzinfo=UTC)
    eastern = system_zone({"TZ": "EST5EDT,M3.2.0,M11.1.0"})
    assert [eastern.end_of(date(2027, month, 1)).hour for month in (1, 7)] == [5, 4]
    assert isinstance(eastern, LocalTime)
