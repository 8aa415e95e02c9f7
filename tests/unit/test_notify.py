# SPDX-License-Identifier: Apache-2.0
"""The service manager is told, and never waited for."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest

from edge_gate.core.notify import ServiceNotifier


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_what_is_said(tmp_path: Path, abstract: bool) -> None:
    name = f"{tmp_path}/notify"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        closing(ServiceNotifier({"NOTIFY_SOCKET": ("@" if abstract else "") + name})) as notifier,
    ):
        manager.settimeout(5)
        manager.bind(("\0" if abstract else "") + name)
        notifier.notify("READY=1\nSTATUS=in Ordnung 好")
        assert manager.recv(100).decode() == "READY=1\nSTATUS=in Ordnung 好"


def test_a_manager_that_does_not_read_never_blocks_the_gate(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        closing(ServiceNotifier({"NOTIFY_SOCKET": f"{tmp_path}/notify"})) as notifier,
    ):
        manager.bind(f"{tmp_path}/notify")
        for _ in range(5000):  # far more than the socket holds: a blocking send would hang here for ever
            notifier.notify("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"


def test_without_a_manager_nothing_is_said_and_a_gone_one_is_no_error(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": f"{tmp_path}/gone"}):
        with closing(ServiceNotifier(environ)) as notifier:
            notifier.notify("READY=1")
    assert not (tmp_path / "gone").exists()
