# SPDX-License-Identifier: Apache-2.0
"""DET curves as SVG, the same bytes from the same scores, readable without colour."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from edge_gate.tools.evaluation.metrics import curve, det_points
from edge_gate.tools.evaluation.protocol import Comparisons
from recipe.ways import Kind

# Told apart in print as well: ours are solid or long dashes, the first the broadest; the others have dots.
OURS = (
    {"color": "black", "linewidth": 2.4, "linestyle": "-"},
    {"color": "#0072b2", "linewidth": 1.4, "linestyle": "-"},
    {"color": "#cc79a7", "linewidth": 1.4, "linestyle": (0, (7, 2))},
    {"color": "0.55", "linewidth": 1.4, "linestyle": (0, (3, 1.5))},
)
THEIRS = {
    Kind.WEIGH: {"color": "#d55e00", "linewidth": 1.7, "linestyle": (0, (1, 1.2))},
    Kind.PAINT: {"color": "#009e73", "linewidth": 1.5, "linestyle": (0, (6, 1.5, 1, 1.5))},
    Kind.OTHER: {"color": "#7a5c00", "linewidth": 1.5, "linestyle": (0, (4, 1.5, 1, 1.5, 1, 1.5))},
}
LEAST_PROVEN = 3  # by the rule of three, as edge_gate.tools.evaluation.intervals.proven has it


def draw(path: Path, title: str, ways: dict[str, tuple[Kind, Comparisons]]) -> None:
    """Draw FNMR over FMR for each way that has a style. Curves begin at the least FMR that the impostor comparisons
    can prove."""
    ours = cycle(OURS)
    with matplotlib.rc_context({"svg.hashsalt": "edge-gate", "svg.fonttype": "path", "font.size": 10}):
        figure = Figure(figsize=(6.8, 5.6), layout="constrained")
        axes = figure.subplots()
        for name, (kind, scores) in ways.items():
            style = next(ours) if kind is Kind.OURS else THEIRS.get(kind)
            if style is not None:
                fmr, fnmr = det_points(curve(scores.genuine, scores.impostor))
                shown = (fmr >= LEAST_PROVEN / len(scores.impostor)) & (fnmr > 0)
                axes.step(fmr[shown], fnmr[shown], where="post", label=name, **style)
        _, some = next(iter(ways.values()))
        low, floor = LEAST_PROVEN / len(some.impostor), 0.7 / len(some.genuine)
        both = np.array([max(low, floor), 1.0])
        axes.plot(both, both, color="0.8", linewidth=0.8, label="FMR = FNMR", zorder=0)
        axes.set(xscale="log", yscale="log", xlim=(low, 1), ylim=(floor, 1), title=title)
        axes.set(xlabel="FMR (strangers taken for the person)", ylabel="FNMR (the person not recognised)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.grid(which="major", color="0.85", linewidth=0.6)
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
