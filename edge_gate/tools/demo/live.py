# SPDX-License-Identifier: Apache-2.0
"""The demo with a webcam: enrol whoever sits in front of it, with their consent and for this run only."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import click

from edge_gate.core.errors import EdgeGateError
from edge_gate.tools.demo.door_view import watching
from edge_gate.tools.demo.site import DemoSite
from edge_gate.tools.trial import camera_settings
from edge_gate.wire.client import converse

NAME = "You"
TOLD = ("opened", "opening failed", "attack", "no match", "not acquired", "camera")
QUESTION = "May this demo keep a template of your eyes until it ends? No picture is kept"


def run_live(camera: str, watch: bool, tell: Callable[[str], None]) -> None:
    """Enrol one person from the camera, then show the door until Ctrl-C. Everything is erased at the end."""
    click.confirm(QUESTION, abort=True)
    with DemoSite(camera_settings(camera)) as site:
        site.wait_until_watching()
        tell("Look at the camera.")
        consent = {**site.consent(), "given_by": NAME}
        for line in converse(site.config, "enrol", name=NAME, consent=consent):
            if "taken" in line:
                tell(f"{line['taken']}/{line['wanted']}  {line['guidance']} / {line['guidance_en']}")
        tell("Enrolled. Step away and come back, with and without a mask. Ctrl-C ends the demo.")
        view: AbstractContextManager[Callable[[str], None]] = nullcontext(tell)
        if watch:
            view = watching(lambda: site.board.is_on(1), lambda: "live")
        with view as say:
            _follow(site, say)


def _follow(site: DemoSite, tell: Callable[[str], None]) -> None:
    newest = 0
    try:
        while True:
            try:
                for event in reversed(site.ask("events", limit=20)):
                    if event["kind"] == "opening":  # what becomes of it is told when it is known
                        break
                    if event["seq"] > newest and event["kind"] in TOLD:
                        score = "" if event["score"] is None else f", comparison score {event['score']:.1f}"
                        tell(f"{event['kind']} {event['resident'] or ''}{score}")
                    newest = max(newest, event["seq"])
            except EdgeGateError as error:
                tell(str(error))
            time.sleep(0.3)
    except KeyboardInterrupt:
        tell("The template is erased.")
