# SPDX-License-Identifier: Apache-2.0
"""A film of somebody who does not exist, before the demo's street: they stand at the gate as for an enrolment, leave,
and walk up again behind a mask. Attack detection looks at light and street as well as at the face."""

from __future__ import annotations

from collections.abc import Iterator

from edge_gate.eye.face.geometry import Picture
from edge_gate.tools.demo.scene import SceneKind, Stage
from edge_gate.tools.demo.schedule import Schedule, standard_schedule


def film(who: str, fps: int) -> Iterator[Picture]:
    """Yield the frames: uint8, 480 x 640 x 3."""
    theirs = [each for each in standard_schedule().scenes if each.who == who]
    enrols = next(each for each in theirs if each.kind is SceneKind.ENROLMENT)
    comes = next(each for each in theirs if each.kind is SceneKind.APPROACH)
    day = Schedule.of((enrols, comes))
    stage = Stage(day.scenes)
    for number in range(int(day.duration_s * fps)):
        now = day.at(number / fps)
        yield (
            stage.compose(now.scene, now.t_s) if now.scene else stage.between(now.before, now.after, now.part, now.t_s)
        )
