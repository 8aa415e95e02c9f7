# SPDX-License-Identifier: Apache-2.0
"""Which time zone a site has: the configuration's, else the system's; a wrong name is told with those near it."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gate.core.errors import ConfigError, TimeZoneUnknown
from edge_gate.core.time_zones import local_time, named_zone, system_zone
from edge_gate.settings import config

FILE = Path("/etc/edge-gate/edge-gate.toml")
NOWHERE = Path("/nowhere/localtime")
SHANGHAI = next(folder for each in zoneinfo.TZPATH if (folder := Path(each, "Asia/Shanghai")).is_file())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("asia/shanghai", "'Asia/Shanghai'"),
        ("Shanghai", "'Asia/Shanghai'"),
        ("Asia/Shangai", "'Asia/Shanghai'"),
        ("Amercia/New_York", "'America/New_York'"),
        ("new york", "'America/New_York'"),
        ("UTC+8", "'Etc/GMT-8' is 8 hours ahead of UTC"),
        ("gmt-05:00", "'Etc/GMT+5' is 5 hours behind UTC"),
        ("Beijing", "IANA database"),
        ("right/Asia/Shanghai", "'Asia/Shanghai'"),
        ("../../etc/passwd", "IANA database"),
        ("/etc/localtime", "no time zone"),
        ("Asia", "no time zone"),
        (" ", "IANA database"),
        ("é", "IANA database"),
        ("x" * 5000, "IANA database"),
        ("zone.tab", "no time zone"),
    ],
)
def test_an_unknown_zone_is_told_with_file_line_and_near_names(name: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.parse(f'[site]\nname = "a"\ntime_zone = "{name}"', FILE)
    said = str(error.value)
    assert said.startswith(f"{FILE}:3: site.time_zone is {name[:60]!r}") and says in said and len(said) < 400


@pytest.mark.parametrize("value", ["8", "2027-03-31", "true", "['Asia/Shanghai']", '"a\\u0000b"', "12:00:00"])
def test_a_zone_of_another_type_is_told(value: str) -> None:
    with pytest.raises(ConfigError, match=r":2: site\.time_zone"):
        config.parse(f"[site]\ntime_zone = {value}", FILE)


@pytest.mark.parametrize(
    "text", ["name = 0000-01-01", "name = 2027-02-30", "name = 9999-12-31T24:00:00Z", "name = 25:00"]
)
def test_a_date_in_the_configuration_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError):
        config.parse(f"[site]\n{text}", FILE)


@given(st.text())
def test_whatever_is_written_for_a_zone_is_one_or_told(name: str) -> None:
    try:
        assert named_zone(name).name == name
    except TimeZoneUnknown as error:
        assert "no time zone" in str(error)


def test_where_the_system_has_no_zones_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(TimeZoneUnknown, match="apt install tzdata"):
        named_zone("Asia/Nowhere")


def test_the_configuration_comes_before_the_system() -> None:
    assert local_time("Asia/Tokyo", {"TZ": "Asia/Shanghai"}).name == "Asia/Tokyo"
    assert local_time("", {"TZ": "Asia/Shanghai"}).name == "Asia/Shanghai"
    assert local_time("", {}, NOWHERE).name == "UTC"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (":Asia/Shanghai", "Asia/Shanghai"),
        (str(SHANGHAI), "Asia/Shanghai"),
        ("CST-8", "CST-8"),
        ("<+0330>-3:30", "<+0330>-3:30"),
        ("", "UTC"),
    ],
)
def test_the_environment_is_read_as_the_c_library_reads_it(wanted: str, name: str) -> None:
    assert system_zone({"TZ": wanted}, NOWHERE).name == name


@given(
    st.one_of(st.text(), st.text("ABC<>+-0123456789,M./:"), st.sampled_from(["/etc/passwd", "/dev/zero", "/", "XXX24"]))
)
def test_a_zone_of_the_environment_that_means_nothing_is_as_if_there_was_none(wanted: str) -> None:
    system_zone({"TZ": wanted}, NOWHERE)
    if wanted in ("/etc/passwd", "/dev/zero", "/", "XXX24"):
        assert system_zone({"TZ": wanted}, SHANGHAI).name == "Asia/Shanghai"


def test_the_systems_zone_has_the_name_that_its_link_says(tmp_path: Path) -> None:
    link, copy = tmp_path / "localtime", tmp_path / "copy"
    link.symlink_to(SHANGHAI)
    copy.write_bytes(SHANGHAI.read_bytes())
    assert system_zone({}, link).name == "Asia/Shanghai"
    assert system_zone({}, copy).name == "local time"
    odd = tmp_path / "zoneinfo" / "[red]\nx"
    odd.parent.mkdir()
    odd.write_bytes(SHANGHAI.read_bytes())
    assert system_zone({"TZ": str(odd)}).name == "local time"


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_damaged_file_of_the_system_is_as_if_there_was_none(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, cut: int
) -> None:
    file = tmp_path_factory.mktemp("zone") / "localtime"
    for content in (junk, b"TZif2" + junk, SHANGHAI.read_bytes()[:cut], SHANGHAI.read_bytes()[:cut] + junk):
        file.write_bytes(content)
        system_zone({}, file)
