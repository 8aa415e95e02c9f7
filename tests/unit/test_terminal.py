# SPDX-License-Identifier: Apache-2.0
"""Lines and tables on terminals and in pipes: whatever the values are, none is obeyed, lost or broken."""

from __future__ import annotations

import ast
import errno
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import edge_gate
import edge_gate.cli
from edge_gate.cli import terminal
from edge_gate.cli.layout import Column, fit, hang, wrap
from edge_gate.core import ending, errors
from edge_gate.core.output import encodable, escape
from tests.support.screens import ENCODINGS, WIDTHS, Stream, show

TEXTS = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["Li [/b2]", "[link=http://evil]x[/link]", "\x1b[31m", "\u202eevil", "a\nb", "\udcff", "欧阳" * 20, "[bold]", "\t"]
)
COLUMNS = (Column("name", long=True), Column("since", rank=2), Column("consent", rank=1), Column("recognised"))
ROWS = st.lists(st.tuples(TEXTS, st.just("2026-11-30"), st.sampled_from(["valid, 2027-01-01", ""]), TEXTS), max_size=5)


def printed(encoding: str, width: int | None, act: Callable[[], None]) -> str:
    out = Stream(encoding, width)
    with patch.object(sys, "stdout", out), patch.dict("os.environ", {"COLUMNS": str(width), "NO_COLOR": "1"}):
        act()
    return out.bytes().decode(encoding)


@given(TEXTS)
def test_no_character_that_a_terminal_obeys_is_printed(text: str) -> None:
    shown = escape(text)
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set(shown) & set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u200b")
    if text.isprintable():
        assert shown == text
    assert escape("a\nb", keep="\n") == "a\nb" and escape("می\u200cخواهم") == "می\u200cخواهم"


@given(ROWS, st.sampled_from(ENCODINGS), st.sampled_from(WIDTHS))
def test_a_table_keeps_every_value_that_it_shows_whole(
    rows: list[tuple[str, ...]], encoding: str, width: int | None
) -> None:
    err = Stream(encoding, width)
    with patch.object(sys, "stderr", err):
        said = printed(encoding, width, lambda: terminal.say_table(COLUMNS, rows))
    lines = said.splitlines()
    for name, since, *_ in rows:
        whole = encodable(escape(name), Stream(encoding, width)).rstrip()
        assert any(whole in line for line in lines)
        assert width is not None or any(whole in line and since in line for line in lines)
    assert width is not None or len(lines) == len(rows) + 1
    assert width is not None or not err.bytes()


@given(ROWS, st.integers(40, 250))
def test_a_line_is_wider_than_the_terminal_only_for_a_single_value(rows: list[tuple[str, ...]], width: int) -> None:
    columns = (*COLUMNS[:3], Column("recognised", long=True))
    cells = [[escape(cell) for cell in row] for row in rows]
    lines, missing = fit(columns, cells, width)
    for line in lines:
        text = "".join(part for part, _ in line)
        alone = [cell for row in cells for cell in row if text.strip() == cell.strip()]
        assert cell_len(text.rstrip()) <= width or alone
    assert set(missing) <= {"since", "consent"}


def test_columns_go_in_their_order_and_come_back_with_the_width() -> None:
    rows = [["Ann", "2026-11-30", "valid, 2027-11-30", "yes"]]
    assert fit(COLUMNS, rows, None)[1] == fit(COLUMNS, rows, 80)[1] == []
    assert fit(COLUMNS, rows, 40)[1] == ["since"]
    assert fit(COLUMNS, rows, 20)[1] == ["since", "consent"]


def test_one_long_name_takes_no_column_from_the_others() -> None:
    rows = [["A" * 100, "2026-11-30", "valid", "yes"], ["Ann", "2026-11-30", "valid", "no"]]
    lines, missing = fit(COLUMNS, rows, 80)
    texts = ["".join(part for part, _ in line).rstrip() for line in lines]
    assert missing == [] and "A" * 100 in texts
    assert texts[-1].split() == ["Ann", "2026-11-30", "valid", "no"]


@given(TEXTS, st.integers(10, 200))
def test_long_text_is_continued_in_whole_words(text: str, width: int) -> None:
    words = [word for word in text.split(" ") if word]
    assert [word for line in wrap(text, width) for word in line.split(" ") if word] == words
    assert all(cell_len(line) <= width or " " not in line.strip(" ") for line in wrap(text, width))
    shown = list(hang([("fault", "red")], text, width))
    assert [word for line in shown for word in "".join(part for part, _ in line).split(" ") if word][1:] == words


@given(TEXTS, st.sampled_from(ENCODINGS), st.sampled_from(WIDTHS))
def test_a_text_of_any_value_is_one_line_in_a_pipe(text: str, encoding: str, width: int | None) -> None:
    said = printed(encoding, width, lambda: terminal.say(f"{text} is enrolled."))
    assert width is not None or said.splitlines() == [encodable(escape(f"{text} is enrolled."), Stream(encoding, None))]


@given(TEXTS, st.sampled_from(ENCODINGS), st.sampled_from(WIDTHS))
def test_json_is_json_in_every_encoding_and_its_values_are_whole(text: str, encoding: str, width: int | None) -> None:
    said = printed(encoding, width, lambda: terminal.say_json({"name": text}))
    assert json.loads(said) == {"name": text}
    assert width is None or escape(said, keep="\n") == said


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(ENCODINGS))
def test_a_page_that_is_kept_is_the_same_bytes_in_every_locale(page: str, encoding: str) -> None:
    out = Stream(encoding, None)
    with patch.object(sys, "stdout", out):
        terminal.say_document(page)
    assert out.bytes() == page.encode()


def test_everything_for_people_goes_through_the_one_module() -> None:
    folder = Path(edge_gate.cli.__file__).parent
    ways = {"print", "echo", "secho", "Console", "confirm"}
    for file in folder.rglob("*.py"):
        if file.name == "terminal.py":
            continue
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            match call.func:
                case ast.Name(id=name) if name != "confirm":
                    assert name not in ways, (file, call.lineno)
                case ast.Attribute(value=ast.Name(id="click" | "rich" | "sys"), attr=name):
                    assert name not in ways, (file, call.lineno)


def test_no_line_for_people_has_a_break_in_it() -> None:
    """`say` shows a break as the escape that it is in a value; what is to stand on two lines is two texts."""
    told = {name for name in vars(terminal) if name.startswith("say")} | {"confirm", "prompt", "tell", "_tell"}
    told |= {each.__name__ for each in OURS}
    found = []
    for file in Path(edge_gate.__file__).parent.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            broken = [each for argument in call.args for each in _texts(argument) if "\n" in each]
            if name in told and name != "say_document" and broken:
                found.append((str(file), call.lineno, broken))
    assert not found


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts of an expression, but not what is handed to a function in it, such as the ends to take away."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not isinstance(node, ast.Call):
        for each in ast.iter_child_nodes(node):
            yield from _texts(each)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_what_is_copied_is_never_wrapped(width: int) -> None:
    line = "  ".join(f"{number:2} word" for number in range(1, 30))
    assert printed("utf-8", width, lambda: terminal.say_to_copy(line, "\x1b[2J")) == f"{line}\n\\x1b[2J\n"


# How programs end.

OURS = sorted({each for each in vars(errors).values() if isinstance(each, type)}, key=lambda each: each.__name__)
FOREIGN = [
    ValueError,
    KeyError,
    TypeError,
    RecursionError,
    MemoryError,
    UnicodeError,
    AssertionError,
    ZeroDivisionError,
]


def end(run: Callable[[], int | None], **environ: str) -> tuple[int, str]:
    err = Stream("ascii", None)
    with patch.object(sys, "stderr", err), patch.object(sys, "stdout", Stream("ascii", None)):
        code = ending.end_well("edge-gate", run, environ)
    return code, err.bytes().decode("ascii")


@given(st.sampled_from(OURS), TEXTS)
def test_an_error_of_ours_is_its_sentence_and_its_code(kind: type[errors.EdgeGateError], text: str) -> None:
    def fail() -> None:
        raise kind(text, text, text)

    code, said = end(fail)
    assert code == kind.exit_code and said.startswith("edge-gate: ") and len(said.splitlines()) == 1


@given(st.sampled_from(FOREIGN), TEXTS)
def test_an_error_that_nobody_foresaw_is_one_sentence_that_names_nobody(kind: type[Exception], text: str) -> None:
    def fail() -> None:
        raise kind(f"secret {text}")

    code, said = end(fail)
    assert code == errors.InternalFault.exit_code == 117
    assert len(said.splitlines()) == 1 and "fault of edge-gate" in said and kind.__name__ in said
    assert "secret" not in said and "Traceback" not in said


def test_a_maintainer_gets_the_traceback_for_the_asking() -> None:
    def fail() -> None:
        raise ValueError("a\x1b[31m")

    code, said = end(fail, EDGE_GATE_TRACEBACK="1")
    assert code == 117 and "Traceback" in said and "test_terminal.py" in said and "\x1b" not in said


@pytest.mark.parametrize(
    ("failure", "code", "says"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/etc/x\n\udcff"),
            115,
            r"/etc/x\n\udcff: Permission denied.",
        ),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), 115, "Connection reset by peer."),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(7), 7, ""),
        (SystemExit(None), 0, ""),
        (SystemExit("no \x1b"), 1, r"no \x1b"),
    ],
)
def test_what_the_system_and_the_user_end_has_a_code_of_its_own(failure: BaseException, code: int, says: str) -> None:
    def fail() -> None:
        raise failure

    ended, said = end(fail)
    assert ended == code and says in said and (says or not said) and "Traceback" not in said


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["enroll"], "enrol"),
        (["stauts"], "status"),
        (["Residents"], "residents"),
        (["keys", "rotat"], "rotate"),
        (["models", "lst"], "list"),
        (["status", "--jsno"], "--json"),
    ],
)
def test_a_mistyped_command_or_option_gets_a_suggestion(typed: list[str], meant: str) -> None:
    shown = show(typed)
    assert shown.code == 2 and "Did you mean" in shown.err and meant in shown.err.partition("Did you mean")[2]


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_whatever_is_typed_in_place_of_a_command_is_a_sentence(typed: list[str]) -> None:
    shown = show(["keys", *typed], "ascii")
    assert shown.code in (0, 2) and "Traceback" not in shown.err
