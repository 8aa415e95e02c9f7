# SPDX-License-Identifier: Apache-2.0
"""DET curves as SVG, the same bytes from the same scores, readable without colour."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from edge_gate.evaluation.metrics import curve, det_points
from edge_gate.evaluation.protocol import Comparisons

# A broad black line, grey dashes upon it where the two agree, dots, and dashes with dots: told apart in print as well.
STYLES = (
    {"color": "black", "linewidth": 2.6, "linestyle": "-"},
    {"color": "0.65", "linewidth": 1.3, "linestyle": (0, (4, 2))},
    {"color": "tab:red", "linewidth": 1.6, "linestyle": (0, (1, 1.2))},
    {"color": "tab:blue", "linewidth": 1.2, "linestyle": (0, (6, 1.5, 1, 1.5))},
)
LEAST_PROVEN = 3  # by the rule of three, as edge_gate.evaluation.intervals.proven has it


def draw(path: Path, title: str, ways: dict[str, Comparisons]) -> None:
    """Draw FNMR over FMR for each way. Curves begin at the least FMR that the impostor comparisons can prove."""
    with matplotlib.rc_context({"svg.hashsalt": "edge-gate", "svg.fonttype": "path", "font.size": 10}):
        figure = Figure(figsize=(6.4, 4.6), layout="constrained")
        axes = figure.subplots()
        for style, (name, scores) in zip(STYLES, ways.items(), strict=False):
            fmr, fnmr = det_points(curve(scores.genuine, scores.impostor))
            shown = (fmr >= LEAST_PROVEN / len(scores.impostor)) & (fnmr > 0)
            axes.step(fmr[shown], fnmr[shown], where="post", label=name, **style)
        some = next(iter(ways.values()))
        low, floor = LEAST_PROVEN / len(some.impostor), 0.7 / len(some.genuine)
        both = np.array([max(low, floor), 1.0])
        axes.plot(both, both, color="0.8", linewidth=0.8, label="FMR = FNMR", zorder=0)
        axes.set(xscale="log", yscale="log", xlim=(low, 1), ylim=(floor, 1), title=title)
        axes.set(xlabel="FMR (strangers taken for the person)", ylabel="FNMR (the person not recognised)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.grid(which="major", color="0.85", linewidth=0.6)
        axes.legend(loc="lower left", framealpha=1)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
