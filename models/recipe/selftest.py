# SPDX-License-Identifier: Apache-2.0
"""Checks of the recipe's own arithmetic, a minute on one core, no data: `python -m recipe.selftest`.

Against independent judges: onnxruntime runs SFace's own graph, torch the unfolded network, counting the error
rates, the makers' own code the attack network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import onnx
import torch

from recipe.export import LiteRt, float_model, int8_model
from recipe.fold import FoldedNet, MirroredNet
from recipe.liveness.network import packaged_weights, parts, published
from recipe.metrics import eer, threshold_at, upper95
from recipe.operating import disjoint_groups, fused
from recipe.released import released
from recipe.sface import cut_to_strip, layers_of, sface_weights
from recipe.strips import STRIP_H, STRIP_W, Strips, split, unit
from recipe.weather import FIRST_ROW, INPUT_TO_STRIP, cut, jitter, square, training_view
from recipe.whole import packaged_sface, runnable_sface, session


def noise_pictures(count: int, seed: int = 0) -> np.ndarray:
    """Smooth random pictures, 48 x 112."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 6, 14, 3))
    return np.clip(coarse.repeat(8, 1).repeat(8, 2) + rng.normal(0, 8, (count, 48, 112, 3)), 0, 255).astype(np.uint8)


def to_net(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 128


def the_trunk_is_sface_s() -> None:
    """SFace's graph up to its last norm, on a whole 112 x 112 picture, against ours."""
    model = runnable_sface(packaged_sface())
    model.graph.output.append(onnx.helper.make_tensor_value_info("bn1", onnx.TensorProto.FLOAT, None))
    bgr = noise_pictures(3).reshape(1, -1, 112, 3)[:, :112].copy()
    rgb = bgr[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    (theirs,) = session(model).run(["bn1"], {"data": np.ascontiguousarray(rgb)})
    net, slopes = cut_to_strip(packaged_sface()).eval(), sface_weights(packaged_sface())
    with torch.no_grad():
        for layer in layers_of(net):  # three of SFace's slopes are above 1 and cut_to_strip limits them
            layer.act.weight.copy_(torch.from_numpy(slopes[f"{layer.name}_relu_gamma"].reshape(-1).copy()))
        ours = net.norm(net.trunk((to_net(bgr) + 0.5) / 128)).numpy()
    likeness = float((unit(ours.reshape(1, -1)) * unit(theirs.reshape(1, -1))).sum())
    assert ours.shape == theirs.shape and likeness > 0.9999, likeness


def folding_and_export_change_nothing() -> None:
    net, pictures = cut_to_strip(packaged_sface()).eval(), noise_pictures(24)
    with torch.no_grad():
        plain, folded = net(to_net(pictures)), FoldedNet(net)(to_net(pictures))
        both = MirroredNet(net)(to_net(pictures[:1]))
    assert (plain - folded).abs().max() < 0.05 * plain.abs().max(), "padding with 128 for 127.5 is all that may differ"
    with tempfile.TemporaryDirectory() as folder:
        float_path, path = Path(folder, "float.tflite"), Path(folder, "int8.tflite")
        float_model(net, True, float_path)
        int8_model(float_path, pictures, path)
        fp32, model = LiteRt(float_path), LiteRt(path)
        assert np.allclose(fp32(pictures[0]), both.numpy()[0], atol=1e-3)
        assert model.input["dtype"] is np.int8 and model.input["quantization"] == (1.0, 0), "int8 is pixel - 128"
        assert model.output["dtype"] is np.int8 and model.output["quantization"][1] == 0
        flipped = np.ascontiguousarray(pictures[1][:, ::-1])
        assert np.array_equal(model(pictures[1]), model(flipped))
        near = [float(unit(model(p)) @ unit(fp32(p))) for p in pictures]
        assert min(near) > 0.9, min(near)


def a_released_model_goes_on_from_where_it_was() -> None:
    net, pictures = cut_to_strip(packaged_sface()).eval(), noise_pictures(24)
    with tempfile.TemporaryDirectory() as folder:
        float_path, path = Path(folder, "float.tflite"), Path(folder, "int8.tflite")
        float_model(net, False, float_path)
        int8_model(float_path, pictures, path)
        again, model = released(path, to_net(pictures)), LiteRt(path)
        with torch.no_grad():
            ours = again(to_net(pictures)).numpy()
        near = [float(unit(y) @ unit(model(p))) for y, p in zip(ours, pictures, strict=True)]
    assert min(near) > 0.95, min(near)


def a_narrower_cut_keeps_channels_of_the_whole() -> None:
    whole, half = cut_to_strip(packaged_sface()), cut_to_strip(packaged_sface(), width=0.5)
    assert half(to_net(noise_pictures(2))).shape == (2, 128)
    for ours, theirs in zip(layers_of(half), layers_of(whole), strict=True):
        assert 2 * len(ours.norm.bias) == len(theirs.norm.bias)
        assert set(ours.norm.bias.tolist()) <= set(theirs.norm.bias.tolist())


def the_input_is_cut_where_the_card_says() -> None:
    """An average face's eyes, (56, 46) and (104, 46) in the strip, are at the template's eyes, less the first row."""
    inverse = np.linalg.inv(square(INPUT_TO_STRIP))
    for strip_x, template_x in ((56, 38.38), (104, 73.62)):
        x, y, _ = inverse @ [strip_x, 46, 1]
        assert abs(x - template_x) < 0.05 and abs(y - (51.6 - FIRST_ROW)) < 0.05
    strip = np.zeros((STRIP_H, STRIP_W, 3), np.uint8)
    strip[46, 56] = 255
    assert divmod(int(cut(strip)[..., 0].argmax()), 112) == (34, 38)


def a_view_can_be_made_again() -> None:
    strip = np.random.default_rng(1).integers(0, 256, (STRIP_H, STRIP_W, 3), dtype=np.uint8)
    edge = np.array([[25, 60], [38, 60], [80, 57], [122, 60], [136, 60]], np.float32)
    warp = jitter(np.random.default_rng(2))[:2].astype(np.float32)
    before = strip.copy()
    for seed in range(100):
        views = [training_view(strip, edge, warp, np.random.default_rng(seed), 0.6, 0.7) for _ in range(2)]
        assert views[0].shape == (48, 112, 3) and views[0].dtype == np.uint8
        assert np.array_equal(views[0], views[1]) and np.array_equal(strip, before)


def rates_are_counted_right() -> None:
    rng = np.random.default_rng(3)
    impostor, genuine = rng.normal(0, 1, 20_000), rng.normal(2, 1, 20_000)
    assert abs(eer(genuine, impostor) - 0.1587) < 0.006, "two normals two deviations apart: EER is Phi(-1)"
    threshold = threshold_at(impostor, 1e-2)
    assert (impostor >= threshold).sum() <= 200 and (impostor >= threshold - 0.01).sum() >= 200
    assert abs(upper95(0, 300) - 0.00994) < 1e-4, "the rule of three"


def nobody_is_on_both_sides_of_the_split() -> None:
    rng = np.random.default_rng(4)
    subject = np.array([f"a/{i // 5}" for i in range(200)] + [f"b/{i}" for i in range(100)])
    source = np.array(["a"] * 200 + ["b"] * 100)
    face = unit(rng.normal(size=(141, 128)).astype(np.float32))
    who = np.concatenate([np.arange(200) // 5, 40 + np.arange(100)])
    who[250] = 0  # a single picture of somebody who also has a name
    strips = Strips(
        np.zeros((300, 1), np.uint8),
        subject,
        source,
        face[who],
        np.zeros((300, 2, 3), np.float32),
        np.zeros((300, 5, 2), np.float32),
        np.zeros((300, 128), np.float32),
    )
    for seed in range(5):
        parts = split(strips, {"a": 12}, 0.2, seed)
        train, people, singles = (set(who[rows].tolist()) for rows in (parts.train, parts.people, parts.singles))
        assert len(people) == 12 and not train & people and not train & singles and not people & singles
        some = split(strips, {"a": 12}, 0.2, seed, learn_from=["b"])
        assert set(strips.source[some.train]) == {"b"} and set(some.train) <= set(parts.train)
        assert np.array_equal(some.people, parts.people) and np.array_equal(some.singles, parts.singles)


def a_group_is_of_one_person() -> None:
    label = np.repeat(np.arange(7), 11)
    group = disjoint_groups(label, 4, 0)
    assert group.max() + 1 == 14 and all(len(set(label[group == g])) == 1 for g in range(14))
    assert fused(np.eye(77, dtype=np.float32), group).shape == (14, 77)


def the_attack_network_is_its_makers() -> None:
    """Their weights in their own code, which is in the package, and in ours, whole and in two parts."""
    file = packaged_weights()
    spec = spec_from_file_location("makers_own", file.with_name("MiniFASNet.py"))
    assert spec is not None and spec.loader is not None
    makers_own = module_from_spec(spec)
    spec.loader.exec_module(makers_own)
    theirs, ours = makers_own.MiniFASNetV2(conv6_kernel=(5, 5)).eval(), published()
    state = torch.load(file, map_location="cpu", weights_only=True)
    theirs.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    faces = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (8, 3, 80, 80)).astype(np.float32))
    frozen, last = parts(ours)
    with torch.no_grad():
        wanted = theirs(faces)
        assert torch.allclose(ours(faces), wanted, atol=1e-4) and torch.allclose(last(frozen(faces)), wanted, atol=1e-4)


CHECKS: tuple[Callable[[], None], ...] = (
    the_trunk_is_sface_s,
    the_input_is_cut_where_the_card_says,
    a_view_can_be_made_again,
    rates_are_counted_right,
    nobody_is_on_both_sides_of_the_split,
    a_group_is_of_one_person,
    a_narrower_cut_keeps_channels_of_the_whole,
    folding_and_export_change_nothing,
    a_released_model_goes_on_from_where_it_was,
    the_attack_network_is_its_makers,
)


def main() -> None:
    for check in CHECKS:
        check()
        print("ok", check.__name__.replace("_", " "), flush=True)


if __name__ == "__main__":
    main()
