# SPDX-License-Identifier: Apache-2.0
"""False match rates among people who are alike: `python -m recipe.groups CONFIG --data FOLDER --model MODEL.tflite`.

Held-out single pictures, masked against unmasked, within each source alone (one region of origin, one kind of
camera), at the card's `single` thresholds. A gate's residents are alike in the same way, the pairs behind the
thresholds mostly are not. Pairs whose whole faces SFace finds alike (cosine above 0.5) may be one person twice and
are left out. Adds `[[within_source]]`.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import numpy as np
import tomli_w

from recipe.config import load
from recipe.export import LiteRt
from recipe.metrics import upper95
from recipe.strips import Strips, add_data, load_folders, unit
from recipe.validation import Embed, masked_inputs, plain_inputs

LEAST_PICTURES = 80
SAME_PERSON = 0.5


def within(strips: Strips, embed: Embed, thresholds: dict[float, float], seed: int) -> dict[str, object]:
    """One source's false match rates at thresholds by the FMR that they were set for."""
    covered, plain = unit(embed(masked_inputs(strips, seed))), unit(embed(plain_inputs(strips)))
    score = (covered @ plain.T)[strips.teacher @ strips.teacher.T <= SAME_PERSON]
    out: dict[str, object] = {"source": str(strips.source[0]), "n_images": len(strips), "n_impostor": len(score)}
    for fmr, threshold in thresholds.items():
        errors = int((score >= threshold).sum())
        out[f"at_{fmr:g}"] = {
            "false_matches": errors,
            "fmr": float(f"{errors / len(score):.3g}"),
            "fmr_upper95": float(f"{upper95(errors, len(score)):.3g}"),
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    add_data(parser)
    parser.add_argument("--model", type=Path, required=True, help="the int8 model, its card beside it")
    args = parser.parse_args()
    config, path = load(args.config), args.model.with_suffix(".toml")
    card = tomllib.loads(path.read_text())
    thresholds = {p["fmr"]: p["threshold"] for p in card["operating_point"] if p["kind"] == "single"}
    strips = load_folders(args.data)
    singles = strips.take(config.split(strips).singles)
    sources = [s for s in np.unique(singles.source) if (singles.source == s).sum() >= LEAST_PICTURES]
    embed = LiteRt(args.model).embedder()
    card["within_source"] = [within(singles.take(singles.source == s), embed, thresholds, config.seed) for s in sources]
    path.write_text(tomli_w.dumps(card, indent=2))
    for entry in card["within_source"]:
        print(entry)


if __name__ == "__main__":
    main()
