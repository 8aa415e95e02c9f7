# SPDX-License-Identifier: Apache-2.0
"""The demo's picture: what was printed, whole, as text, and nothing that a reader's machine would fetch."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from edge_gate import cli
from edge_gate.cli.demo import show
from edge_gate.tools.demo.attack import Species
from edge_gate.tools.demo.picture import COLUMNS, make_console, print_line, write_picture
from edge_gate.tools.demo.run import Approach, Lookalike, Summary
from edge_gate.tools.demo.site import DiskAudit

COMMITTED = Path(__file__).parents[2] / "docs" / "demo.svg"
NAMESPACE = "http://www.w3.org/2000/svg"
DRAWN = {f"{{{NAMESPACE}}}{name}" for name in ("svg", "style", "defs", "clipPath", "rect", "circle", "g", "text")}
LINE = "P005, resident, amateur posture, surgical mask, overcast: the gate OPENED (comparison score 0.69)"


def made_up(*, wrongly_let_in: bool = False) -> Summary:
    """Return a summary with everything in it that the demo can print, and lines as long as they come."""
    approaches = [
        Approach("P001 comes", "P001", True, True, "P001", 0.9),
        Approach("P002 comes", "P002", False, wrongly_let_in, "P001" if wrongly_let_in else None, 0.4),
        Approach("print", "print of P001", False, False, None, None, Species.PRINT, "attack", "surface"),
        Approach(
            "phone", "phone of P001", False, False, None, None, Species.PHONE, "not acquired", "not seen to be alive"
        ),
    ]
    limit = Lookalike("P004", "P010", True, 0.7, 0.6)
    return Summary(
        tuple(approaches), limit, (1000.0,), 0.6, 1e-4, DiskAudit(10**9, 0, 100), ("eye", "gate") * 6 + ("eye",)
    )


def picture_of(summary: Summary, folder: Path) -> Path:
    console = make_console(record=True)
    print_line(console, LINE)
    show(summary, console)
    write_picture(console, folder / "picture.svg")
    return folder / "picture.svg"


def lines_in(picture: Path) -> list[str]:
    """Return the lines of text in a picture, from top to bottom, without the window's title."""
    found: dict[float, str] = {}
    for each in ElementTree.parse(picture).iter(f"{{{NAMESPACE}}}text"):
        if each.get("class") != "demo-title":
            found[float(each.attrib["y"])] = found.get(float(each.attrib["y"]), "") + "".join(each.itertext())
    return [found[y].replace("\xa0", " ").rstrip() for y in sorted(found)]


@pytest.fixture(params=["the one in docs", "one just made"])
def picture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return COMMITTED if request.param == "the one in docs" else picture_of(made_up(), tmp_path)


def test_a_picture_is_drawn_of_text_and_boxes_alone(picture: Path) -> None:
    assert {each.tag for each in ElementTree.parse(picture).iter()} <= DRAWN


def test_a_picture_fetches_nothing_and_names_no_host(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    assert re.findall(r"\w+://[^\s\"'<>)]*", text) == [NAMESPACE]
    assert not re.search(r"@font-face|@import|href|url\((?!#)", text)
    assert all(not name.startswith("on") for each in ElementTree.parse(picture).iter() for name in each.attrib)


def test_a_picture_names_no_folder_of_the_machine_it_was_made_on(picture: Path) -> None:
    assert not re.search(r"(?<![\w<])/\w+/", "\n".join(lines_in(picture)))


def test_each_line_of_a_picture_is_clipped_by_a_path_that_is_there(picture: Path) -> None:
    """A viewer may leave out what is clipped by a path that is missing."""
    drawn = list(ElementTree.parse(picture).iter())
    paths = {each.get("id") for each in drawn if each.tag == f"{{{NAMESPACE}}}clipPath"}
    named = {each.attrib["clip-path"] for each in drawn if "clip-path" in each.attrib}
    assert named and {each.removeprefix("url(#").removesuffix(")") for each in named} <= paths


def test_everything_that_is_printed_is_in_the_picture_and_no_line_is_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = picture_of(made_up(), tmp_path)
    drawn = lines_in(picture)
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    # Gaps of a table are not drawn; what follows a gap is put where it belongs.
    assert [each.replace(" ", "") for each in drawn] == [each.replace(" ", "") for each in printed]
    assert drawn[0] == LINE and drawn[-1] == "PASSED"
    assert max(len(each) for each in printed) <= COLUMNS


def test_no_text_reaches_beyond_the_edge_of_the_picture(picture: Path) -> None:
    drawn = ElementTree.parse(picture).getroot()
    _, _, width, height = (float(each) for each in drawn.attrib["viewBox"].split())
    ends = [
        (float(each.attrib["x"]) + float(each.attrib["textLength"]), float(each.attrib["y"]))
        for each in drawn.iter(f"{{{NAMESPACE}}}text")
        if "textLength" in each.attrib
    ]
    assert len(ends) > 20
    assert max(x for x, _ in ends) < width and max(y for _, y in ends) < height - 40


def test_a_picture_of_a_demo_that_failed_says_so(tmp_path: Path) -> None:
    drawn = lines_in(picture_of(made_up(wrongly_let_in=True), tmp_path))
    assert drawn[-1] == "FAILED" and "PASSED" not in drawn
    assert any(line.startswith("wrongly let in        P002, P010 as a look-alike") for line in drawn)


def test_the_picture_in_docs_is_of_a_whole_demo_that_passed_and_prints_what_todays_demo_prints(tmp_path: Path) -> None:
    drawn = lines_in(COMMITTED)
    told = [each for each in drawn if "the gate OPENED" in each or "the gate stayed shut" in each]
    assert drawn[-1] == "PASSED" and len(told) == 15
    today = lines_in(picture_of(made_up(), tmp_path))
    labels = {each[:22] for each in today if re.match(r"[^\d]{1,21}  +\S", each)} - {"killed on the way     "}
    assert {"wrongly let in        ", "threshold             "} <= labels
    assert {label for label in labels if not any(each.startswith(label) for each in drawn)} == set()


@pytest.mark.parametrize("other", [["--json"], ["--watch"], ["--camera", "0"]])
def test_a_picture_is_made_of_what_is_printed_line_by_line_and_of_nothing_else(
    other: list[str], tmp_path: Path
) -> None:
    called = CliRunner().invoke(cli.group, ["demo", "--svg", str(tmp_path / "demo.svg"), *other])
    assert called.exit_code == 2 and "--svg goes with none of" in called.output


def test_a_folder_that_is_not_there_is_named_before_the_demo_begins(tmp_path: Path) -> None:
    called = CliRunner().invoke(cli.group, ["demo", "--svg", str(tmp_path / "missing" / "demo.svg")])
    assert called.exit_code == 2 and "missing" in called.output and not called.output.startswith("Painting")
