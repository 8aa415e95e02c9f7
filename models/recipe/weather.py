# SPDX-License-Identifier: Apache-2.0
"""What a gate does to a picture: masks, weather, bad light, cheap cameras. Strip in, network input out.

Every function draws from the generator it is given, so a batch can be made again from its seed.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from recipe.sface import HEIGHT, WIDTH
from recipe.strips import STRIP_H, STRIP_W, Floats, Pictures

# A strip is the 112-template enlarged by 48 / 35.2446 about (56, 51.6), which lies at (80, 46); the input begins at
# row 18.
ENLARGED = 48 / 35.2446
FIRST_ROW = 18
INPUT_TO_STRIP = np.array(
    [[ENLARGED, 0, 80 - 56 * ENLARGED], [0, ENLARGED, 46 + (FIRST_ROW - 51.6) * ENLARGED]], np.float64
)
MASK_COLOURS = ((235, 235, 235), (225, 200, 160), (40, 40, 40), (205, 170, 120), (200, 190, 230), (150, 120, 90))

Affine = NDArray[np.float64]


def square(affine: NDArray[np.floating]) -> Affine:
    return np.vstack([affine, [0.0, 0.0, 1.0]]).astype(np.float64)


def cut(strip: Pictures, affine: Affine | None = None) -> Pictures:
    """The network's input, 48 x 112 x 3, from a strip; `affine` (2 x 3) takes input coordinates to strip
    coordinates."""
    matrix = INPUT_TO_STRIP if affine is None else affine
    out = cv2.warpAffine(
        strip,
        matrix,
        (WIDTH, HEIGHT),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(127, 127, 127),
    )
    return np.asarray(out, np.uint8)


def paint_mask(strip: Pictures, edge: Floats, rng: Generator) -> Pictures:
    """A copy of `strip` with a mask up to `edge` (5 x 2: cheekbone, cheek, nose bridge, cheek, cheekbone)."""
    points = edge.astype(np.float64) + rng.normal(0, 0.8, (5, 2)) + [0, rng.normal(0, 2.5)]
    points[2, 1] += rng.normal(0.5, 2.5)
    top = np.concatenate(
        [[[-20, points[0, 1] + rng.uniform(-4, 8)]], points, [[STRIP_W + 20, points[4, 1] + rng.uniform(-4, 8)]]]
    )
    xs = np.arange(STRIP_W)
    line = np.interp(xs, *top[np.argsort(top[:, 0])].T)
    line = cv2.GaussianBlur(line.astype(np.float32)[None], (0, 0), rng.uniform(0.5, 6))[0]
    rows = np.arange(STRIP_H, dtype=np.float32)[:, None]
    alpha = np.clip((rows - line) / rng.uniform(0.6, 2.0) + 0.5, 0, 1)
    cloth = _cloth(strip, rows - line, rng)
    out = strip + alpha[..., None] * (cloth - strip)
    shadow = rng.uniform(0, 0.35) * np.exp(-np.maximum(line - rows, 0) / 3.0) * (rng.random() < 0.5)
    return np.asarray(np.clip(out * (1 - shadow * (1 - alpha))[..., None], 0, 255), np.uint8)


def _cloth(strip: Pictures, depth: Floats, rng: Generator) -> Floats:
    """Colour, light (that of the face it hangs on), pleats, a hem, and sometimes a print."""
    if rng.random() < 0.6:
        colour = np.array(MASK_COLOURS[rng.integers(len(MASK_COLOURS))]) + rng.normal(0, 12, 3)
    else:
        colour = rng.uniform(10, 250, 3)
    brightness = float(strip[40:60].mean()) / 140 * rng.uniform(0.8, 1.2)
    cloth = np.ones((STRIP_H, STRIP_W, 3)) * colour * np.clip(brightness, 0.15, 1.3)
    cloth *= 1 + rng.uniform(-0.3, 0.3) * np.linspace(-1, 1, STRIP_W)[:, None]
    if rng.random() < 0.5:
        cloth *= (1 + rng.uniform(0.05, 0.2) * np.sin(depth / rng.uniform(0.8, 2.0) + rng.uniform(0, 6)))[..., None]
    if rng.random() < 0.4:
        cloth *= np.where((depth > 0.5) & (depth < rng.uniform(1.5, 4)), rng.uniform(0.8, 1.15), 1)[..., None]
    if rng.random() < 0.15:
        spots = cv2.resize(rng.random((rng.integers(4, 18), rng.integers(8, 40))), (STRIP_W, STRIP_H))
        cloth = cloth + (spots > 0.6)[..., None] * rng.uniform(-120, 120, 3)
    return np.asarray(np.clip(cloth, 0, 255), np.float32)


def jitter(rng: Generator, scale: float = 0.03, degrees: float = 1.4, pixels: float = 1.2) -> Affine:
    """A small similarity of the strip about its middle (3 x 3): what alignment gets wrong (standard deviations)."""
    s, angle = np.exp(rng.normal(0, scale)), np.deg2rad(rng.normal(0, degrees))
    c, d = s * np.cos(angle), s * np.sin(angle)
    stretch = np.exp(rng.normal(0, 0.015))
    turn = np.array([[c, -d * stretch, 0], [d, c * stretch, 0], [0, 0, 1.0]])
    middle = np.array([[1, 0, 80], [0, 1, 46], [0, 0, 1.0]])
    shift = np.array([[1, 0, rng.normal(0, pixels)], [0, 1, rng.normal(0, pixels)], [0, 0, 1.0]])
    return np.asarray(middle @ turn @ np.linalg.inv(middle) @ shift, np.float64)


def obstruct(strip: Pictures, rng: Generator) -> Pictures:
    """Sometimes the brim of a hat or hair over the brows, or the glare of glasses."""
    out = strip
    if rng.random() < 0.06:
        out = out.copy()
        brim = rng.uniform(2, 22) + rng.uniform(-6, 6) * np.linspace(-1, 1, STRIP_W)
        out[np.arange(STRIP_H)[:, None] < brim] = rng.uniform(5, 160, 3).astype(np.uint8)
    if rng.random() < 0.06:
        glare: NDArray[Any] = np.zeros((STRIP_H, STRIP_W), np.float32)
        for eye_x in (56, 104):
            centre = (int(eye_x + rng.normal(0, 10)), int(46 + rng.normal(0, 7)))
            axes = (int(rng.uniform(2, 12)), int(rng.uniform(1, 5)))
            cv2.ellipse(glare, centre, axes, rng.uniform(0, 180), 0, 360, rng.uniform(0.4, 1.0), -1)
        glare = cv2.GaussianBlur(glare, (0, 0), rng.uniform(0.6, 2.5))[..., None]
        out = (out + glare * (255.0 - out)).astype(np.uint8)
    return out


def soften(strip: Pictures, rng: Generator) -> Pictures:
    """Distance (few pixels), defocus or motion."""
    draw = rng.random()
    if draw < 0.22:
        share = rng.uniform(0.22, 0.8)
        small = cv2.resize(strip, (int(STRIP_W * share), int(STRIP_H * share)), interpolation=cv2.INTER_AREA)
        method = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(2))]
        return cv2.resize(small, (STRIP_W, STRIP_H), interpolation=method).astype(np.uint8)
    if draw < 0.34:
        return cv2.GaussianBlur(strip, (0, 0), rng.uniform(0.5, 2.2)).astype(np.uint8, copy=False)
    if draw < 0.44:
        length, angle = rng.uniform(2, 8), rng.uniform(0, np.pi)
        kernel = np.zeros((11, 11), np.float32)
        step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        a, b = (5 - step) * 16, (5 + step) * 16
        cv2.line(kernel, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), 1.0, 1, cv2.LINE_AA, 4)
        return cv2.filter2D(strip, -1, kernel / max(float(kernel.sum()), 1e-3)).astype(np.uint8, copy=False)
    return strip


def light(x: Floats, rng: Generator) -> Floats:
    """Exposure, contrast, gamma, colour; light from one side or from behind; grey, half grey, near infra-red."""
    x = np.asarray(x / 255, np.float32)
    if rng.random() < 0.2:
        luma = x @ np.array([0.114, 0.587, 0.299], np.float32)
        if rng.random() < 0.4:  # skin is bright in the infra-red and irises differ less
            luma = np.clip(0.3 * luma + 0.7 * x[..., 2], 0, 1) ** np.float32(rng.uniform(0.5, 1.0))
        keep = 0.0 if rng.random() < 0.6 else rng.uniform(0.1, 0.8)
        x = np.asarray(keep * x + (1 - keep) * luma[..., None], np.float32)
    else:
        x = x * np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
    x = np.maximum(x, 0) ** np.float32(np.exp(rng.normal(0, 0.25)))
    middle = float(x.mean())
    x = np.float32(np.exp(rng.normal(0, 0.18))) * (x - middle) + np.float32(middle * np.exp(rng.normal(0, 0.2)))
    draw = rng.random()
    if draw < 0.08:  # backlight: the face dark, the veil of a bright sky over it
        x = np.asarray(x * rng.uniform(0.2, 0.6) + rng.uniform(0, 0.25), np.float32)
    elif draw < 0.14:  # dusk
        x = np.asarray(x * rng.uniform(0.12, 0.45), np.float32)
    elif draw < 0.28:
        slope = np.linspace(-1, 1, WIDTH) * rng.normal(0, 0.35)
        x = x * np.exp(slope).astype(np.float32)[:, None]
    return np.asarray(x * 255, np.float32)


def sensor(x: Floats, rng: Generator) -> Pictures:
    """Noise, then sometimes JPEG. Float in any range in, uint8 out."""
    if rng.random() < 0.4:
        strength = abs(rng.normal(0, 6))
        grain = rng.standard_normal(x.shape if rng.random() < 0.6 else (*x.shape[:2], 1), np.float32)
        x = x + grain * np.float32(strength) * np.sqrt(np.maximum(x, 8) / 128)
    out = np.clip(x + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, packed = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(out, np.uint8)


def masked(strip: Pictures, edge: Floats, warp: Floats, rng: Generator, warp_share: float) -> tuple[Pictures, Affine]:
    """`strip` under a painted mask, and the 3 x 3 map from the masked face's strip back to this one (alignment
    shifts)."""
    painted = paint_mask(strip, edge, rng)
    if not np.isnan(warp).any() and rng.random() < warp_share:
        return painted, np.asarray(np.linalg.inv(square(warp)), np.float64)
    return painted, np.eye(3)


def erase(x: Pictures, rng: Generator) -> Pictures:
    """A copy that lost a patch, up to half as wide and high as the picture: no single place may carry the identity."""
    h, w = (int(rng.uniform(0.12, 0.5) * side) for side in x.shape[:2])
    top, left = int(rng.integers(HEIGHT - h + 1)), int(rng.integers(WIDTH - w + 1))
    out = x.copy()
    out[top : top + h, left : left + w] = rng.integers(0, 256, 3)
    return out


def training_view(
    strip: Pictures,
    edge: Floats,
    warp: Floats,
    rng: Generator,
    mask_share: float,
    warp_share: float,
    mirrored: bool | None = None,
) -> Pictures:
    """One training picture, 48 x 112 x 3, uint8, as a gate might have seen it; half of them mirrored, unless it is
    said which."""
    back = np.eye(3)
    strip = obstruct(strip, rng)
    if rng.random() < mask_share:
        strip, back = masked(strip, edge, warp, rng, warp_share)
    affine = (back @ jitter(rng) @ square(INPUT_TO_STRIP))[:2]
    out = cut(soften(strip, rng), affine)
    if rng.random() < 0.5 if mirrored is None else mirrored:
        out = out[:, ::-1]
    return sensor(light(out.astype(np.float32), rng), rng)
