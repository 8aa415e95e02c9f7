# SPDX-License-Identifier: Apache-2.0
"""Who reaches the control socket, by access list. tests/system/test_insiders.py tries it as other users."""

from __future__ import annotations

import grp
import os
import socket
from pathlib import Path

from edge_gate.gate.control.access_list import set_access_list


def test_a_group_is_added_and_everybody_else_keeps_what_they_had(tmp_path: Path) -> None:
    folder = tmp_path / "control"
    folder.mkdir(mode=0o750)
    path = folder / "control.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o660)
        for _ in range(2):  # a second start finds the folder's list in place
            set_access_list(path, ["daemon", "no-such-group"])
            lists = [os.getxattr(each, "system.posix_acl_access").hex() for each in (folder, path)]
            number = grp.getgrnam("daemon").gr_gid.to_bytes(4, "little").hex()
            head, nobody = "02000000", "ffffffff"
            assert lists == [
                f"{head}01000700{nobody}04000500{nobody}08000100{number}10000500{nobody}20000000{nobody}",
                f"{head}01000600{nobody}04000600{nobody}08000600{number}10000600{nobody}20000000{nobody}",
            ]
            assert [oct(each.stat().st_mode & 0o777) for each in (folder, path)] == ["0o750", "0o660"]


def test_without_such_groups_nothing_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.touch(0o600)
    set_access_list(path, ["no-such-group"])
    assert "system.posix_acl_access" not in os.listxattr(path) and path.stat().st_mode & 0o777 == 0o600
