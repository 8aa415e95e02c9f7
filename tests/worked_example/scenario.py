# SPDX-License-Identifier: Apache-2.0
"""Uses the made-up capability of a copy of edge-gate, which PYTHONPATH names first, and prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from edge_gate import cli
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.store.audit import log as audit_log
from edge_gate.wire.client import GateRefused, ask
from tests.support.clerk import ROLES, Clerk
from tests.support.gates import settle, within
from tests.support.peers import running_gate


def main(folder: Path) -> None:
    """Announce visitors by socket and command, see the events, and forget the resident."""
    found: dict[str, object] = {"edge_gate": cli.__file__}
    visitors: dict[str, dict[str, Any]] = {"visitors": {"most": 2}, "roles": ROLES}
    with BoardSimulator("lcus1") as board, running_gate(folder, board.path, **visitors) as (gate, settings):
        settle(gate, "Ann", "Bo")
        file = settings.store.path.with_name("edge-gate.toml")
        found["answer"] = ask(settings, "visitor-announce", resident="Ann", visitor="Tom")
        run = CliRunner().invoke(cli.group, ["announce", "Ann", "Tim", "--config", str(file)])
        found["command"] = run.output
        try:
            ask(settings, "visitor-announce", resident="Ann", visitor="Tam")
        except GateRefused as error:
            found["too many"] = error.exit_code
        ask(settings, "visitor-announce", resident="Bo", visitor="Tess")
        found["auditor"] = Clerk(gate, 54_321, "auditor").refused("visitor-announce")
        found["events"] = [each["kind"] for each in ask(settings, "events", kind="visitor announced")]
        found["audit"] = [row.verb for row in within(gate, lambda: audit_log.rows(gate.store))].count(
            "visitor-announce"
        )
        found["forgotten"] = ask(settings, "forget", name="Ann")
        found["left"] = within(gate, lambda: [row["name"] for row in gate.store.rows("SELECT name FROM visitor")])
        file.write_text(file.read_text().replace("most = 2", "most = 0"))
        found["bad setting"] = CliRunner().invoke(cli.group, ["status", "--config", str(file)]).exception.__str__()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
