# SPDX-License-Identifier: Apache-2.0
"""The demo's lines as a picture: an SVG of text alone, which loads nothing from anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

COLUMNS: Final = 100
# Width by height of a letter in DejaVu Sans Mono and Menlo. Some viewers do not stretch text to its given width.
LETTER_ASPECT: Final = 0.602
TITLE: Final = "edge-gate demo"
# rich's own format names a font on a foreign host. This one takes a font of the reader's machine.
FORMAT: Final = """\
<svg class="terminal" role="img" aria-label="edge-gate demo" viewBox="0 0 {width} {height}"
     xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""
_COLOURS: Final = {
    "OPENED": "bold green",
    "PASSED": "bold green",
    "stayed shut": "yellow",
    "LET IN": "bold red",
    "FAILED": "bold red",
}
_LINE_ENDS: Final = re.compile(r"<text [^>]*>\n</text>")


def make_console(*, record: bool) -> Console:
    """Return where the demo prints. ``record``: in a fixed width, so that it can be drawn."""
    return Console(highlight=False, record=record, width=COLUMNS if record else None)


def print_line(console: Console, line: str) -> None:
    """Print one line as it is, with the outcome in colour."""
    text = Text(line)
    for word, style in _COLOURS.items():
        text.highlight_words([word], style)
    console.print(text, soft_wrap=True)


def write_picture(console: Console, path: Path) -> None:
    """Write everything that a recording console has printed, as an SVG file."""
    # rich gives its last line no clipping path. An empty line takes that place, and draws nothing.
    console.print()
    drawn = console.export_svg(title=TITLE, code_format=FORMAT, font_aspect_ratio=LETTER_ASPECT, unique_id="demo")
    # The ends of lines are texts too. A line of the file for each other text shows what a new picture changes.
    texts = _LINE_ENDS.sub("", drawn).replace("</text>", "</text>\n")
    path.write_text(texts, encoding="utf-8")
