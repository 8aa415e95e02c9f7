# SPDX-License-Identifier: Apache-2.0
"""Drivers: those of edge-gate itself come first, whatever is installed."""

from __future__ import annotations

import configparser
import importlib.metadata
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from edge_gate.cli.checks.findings import Patient
from edge_gate.cli.checks.health import check_drivers
from edge_gate.core import drivers
from edge_gate.core.errors import UnknownDriver
from edge_gate.relays.lcus import Lcus1
from edge_gate.settings import config

SETUP = Path(__file__).parents[2] / "setup.cfg"
OWN = [(group, name) for group, own in drivers.BUILT_IN.items() for name in own]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """What the installed packages offer; the test says what."""
    points: list[EntryPoint] = []

    def entry_points(**wanted: Any) -> EntryPoints:
        return EntryPoints(points).select(**wanted)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return points


@pytest.mark.parametrize(("group", "name"), OWN)
def test_no_installed_package_can_take_the_name_of_a_driver_and_one_that_tries_is_told(
    installed: list[EntryPoint], group: str, name: str
) -> None:
    installed.append(EntryPoint(name, "os:system", group))
    try:
        loaded = drivers.load(group, name)
    except ImportError as error:  # a library of the driver's is not installed here
        assert name == "picamera2", error
    else:
        assert loaded.__module__.startswith("edge_gate.")
    assert [name in told for told in drivers.list_shadowing(group)] == [True]
    (finding,) = check_drivers(Patient(Path("x"), config.Config(), None))
    assert finding.state == "unknown" and name in finding.text and finding.mend
    assert drivers.names(group).count(name) == 1


def test_a_driver_of_another_package_is_used_under_its_own_name(installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("acme", "edge_gate.relays.lcus:Lcus1", "edge_gate.relays"))
    assert drivers.load("edge_gate.relays", "acme") is Lcus1
    assert drivers.names("edge_gate.relays") == ["acme", "lcus1", "modbus-waveshare"]
    assert drivers.list_shadowing("edge_gate.relays") == []


def test_the_drivers_of_edge_gate_are_there_where_no_package_is_registered(installed: list[EntryPoint]) -> None:
    assert drivers.load("edge_gate.relays", "lcus1") is Lcus1
    with pytest.raises(UnknownDriver, match="lcus1, modbus-waveshare"):
        drivers.load("edge_gate.relays", "lcus9")


def test_the_table_is_what_setup_declares() -> None:
    package = configparser.ConfigParser()
    package.read(SETUP)
    for group, own in drivers.BUILT_IN.items():
        lines = package["options.entry_points"][group].strip().splitlines()
        assert {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)} == dict(own)


def test_what_this_installation_registers_shadows_nothing() -> None:
    assert [told for group in drivers.BUILT_IN for told in drivers.list_shadowing(group)] == []
