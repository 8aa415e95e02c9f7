# SPDX-License-Identifier: Apache-2.0
"""Who is in the gallery: after each change what the store holds, and nobody whose consent has ended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from edge_gate.gate.gate import Gate
from edge_gate.relays.simulator import BoardSimulator
from edge_gate.store.people import consent, vouching
from edge_gate.store.templates import templates
from edge_gate.wire.client import ask
from tests.support.gates import eye_at, pass_time, set_date, within
from tests.support.peers import enrol, events, running_gate


def in_gallery(gate: Gate) -> int:
    return within(gate, lambda: len(gate.recognition.gallery.ids))


def test_a_consent_that_ends_takes_its_owner_out_at_once_and_nobody_else(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)
        enrol(settings, eye, "Ann", 1, track=1)
        enrol(settings, eye, "Bo", 2, track=2)

        def shorten() -> None:
            soon = (gate.clock.now() + timedelta(seconds=30)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            (bo,) = gate.store.rows("SELECT id FROM resident WHERE name = 'Bo'")
            gate.store.run("UPDATE consent SET until = ? WHERE resident_id = ?", (soon, bo["id"]))
            vouching.vouch(gate.store, bo["id"])
            gate.recognition.refresh(bo["id"])

        within(gate, shorten)
        assert in_gallery(gate) == 2
        pass_time(gate, 29)
        assert in_gallery(gate) == 2
        pass_time(gate, 1.5)
        assert in_gallery(gate) == 1
        eye.walk_up(2, track=3)
        assert not events(settings, "opened")
        set_date(gate, -60)
        assert in_gallery(gate) == 1, "it has ended for good"


def test_each_change_leaves_the_gallery_as_a_fresh_start_would_read_it(tmp_path: Path, board: BoardSimulator) -> None:
    with running_gate(tmp_path, board.path) as (gate, settings):
        eye = eye_at(gate)

        def same() -> None:
            shown, model_id = gate.recognition.gallery, gate.recognition.card.model_id
            stored = templates.references(gate.store, model_id, gate.clock.now())
            codes = {each.template.resident_id: each.template.code for each in stored}
            assert dict(zip(shown.ids, (column.tobytes() for column in shown.columns.T), strict=True)) == codes

        for number, name in enumerate(("Ann", "Bo", "Cy", "Di")):
            enrol(settings, eye, name, number + 1, track=number + 1)
            within(gate, same)
        ask(settings, "withdraw", name="Bo")
        within(gate, same)
        ask(settings, "forget", name="Ann")
        within(gate, same)
        assert in_gallery(gate) == 2
        within(gate, lambda: consent.end(gate.store, gate.recognition.gallery.ids[0]))
        within(gate, lambda: gate.recognition.refresh(gate.recognition.gallery.ids[0]))
        within(gate, same)
        assert in_gallery(gate) == 1
