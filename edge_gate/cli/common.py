# SPDX-License-Identifier: Apache-2.0
"""What several commands share: where the configuration is, how the gate is asked, how an answer is shown."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from edge_gate import config
from edge_gate.errors import EdgeGateError, GateNotRunning, NotAllowed, WireError

Function = TypeVar("Function", bound=Callable[..., Any])
TRIAL = Path("edge-gate-trial/edge-gate.toml")


class GateRefused(EdgeGateError):
    """{0}"""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


def config_path(_: click.Context, __: click.Parameter, value: Path | None) -> Path:
    """Return the configuration to use: as named, else a trial's in this folder, else the system's."""
    if value is not None:
        return value
    return TRIAL if TRIAL.is_file() else config.DEFAULT_PATH


def config_option(function: Function) -> Function:
    """Add ``--config``."""
    return click.option(
        "--config",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="EDGE_GATE_CONFIG",
        callback=config_path,
        help=f"The configuration file. Otherwise $EDGE_GATE_CONFIG, ./{TRIAL} or {config.DEFAULT_PATH}.",
    )(function)


def json_option(function: Function) -> Function:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)


def ask(settings: config.Config, verb: str, **request: Any) -> Any:
    """Ask the running gate one thing and return its answer."""
    answer: Any = None
    for answer in converse(settings, verb, **request):  # noqa: B007 - the last line is the answer
        pass
    return answer


def converse(settings: config.Config, verb: str, **request: Any) -> Iterator[Any]:
    """Ask the running gate and yield each progress line, then the answer.

    Raises GateNotRunning, NotAllowed, WireError, or GateRefused with the gate's own message and exit code.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(settings.sockets.control))
        except PermissionError as error:
            group = settings.sockets.operators
            raise NotAllowed(os.environ.get("USER", "This user"), f"Join the group {group!r}, or use sudo.") from error
        except OSError as error:
            raise GateNotRunning(settings.sockets.control) from error
        connection.sendall(json.dumps({"verb": verb, **request}).encode() + b"\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                reply = json.loads(line)
                if "error" in reply:
                    raise GateRefused(reply["error"]["message"], reply["error"]["exit_code"])
                if "ok" in reply:
                    yield reply["ok"]
                    return
                yield reply["progress"]
    raise WireError("control", "the gate hung up without an answer")


def show_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
