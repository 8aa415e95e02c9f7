# SPDX-License-Identifier: Apache-2.0
"""Fuzzes one target, guided by the coverage of Python code: `python -m tests.fuzz.driver TARGET FOLDER [-option=…]`.

The options are libFuzzer's: -runs, -max_total_time, -seed, -timeout. The corpus is made in FOLDER/corpus out of the
target's seeds; an input that is a finding is left in FOLDER/finding-*, and the process ends with an exit code that is
not 0. `python -m tests.fuzz.driver TARGET FOLDER FILE` tries that input again.

With EDGE_GATE_FUZZ_BLIND in the environment nothing is instrumented: the control of what guidance is worth.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import warnings
from pathlib import Path

# The module of each target; in it `make_TARGET` is its Maker.
TARGETS = {
    "wire": "messages",
    "eye": "sockets",
    "control": "sockets",
    "configuration": "settings",
    "card": "settings",
    "signature": "settings",
    "relay": "messages",
    "glance": "messages",
    "keyring": "keys",
    "pending": "keys",
    "sealed": "keys",
    "shares": "keys",
    "receipt": "papers",
    "checkpoint": "papers",
    "backup": "databases",
    "rows": "databases",
    # The controls: they are broken on purpose (broken.py).
    "crashes": "broken",
    "hangs": "broken",
    "swallows": "broken",
}
CONTROLS = ("crashes", "hangs", "swallows")
INSTRUMENTED = ["edge_gate", "tomllib", "json", "shamir_mnemonic", "tests.fuzz.broken"]


def main() -> None:
    """Set up and fuzz; does not return."""
    import atheris  # here, for the tests of other machines read the names above

    name, folder, options = sys.argv[1], Path(sys.argv[2]).absolute(), sys.argv[3:]
    blind = "EDGE_GATE_FUZZ_BLIND" in os.environ
    with contextlib.nullcontext() if blind else atheris.instrument_imports(include=INSTRUMENTED):
        module = importlib.import_module(f"tests.fuzz.{TARGETS[name]}")
        from edge_gate.core.errors import EdgeGateError
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("error")
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    (folder / "files").mkdir(exist_ok=True)
    target = getattr(module, f"make_{name}")(folder / "files")
    for number, seed in enumerate(target.seeds):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed)

    def one(data: bytes) -> None:
        try:
            target.one(data)
        except EdgeGateError as error:
            if not str(error).strip():
                raise AssertionError("an error without a message") from error

    inputs = [each for each in options if not each.startswith("-")] or [str(folder / "corpus")]
    given = [each for each in options if each.startswith("-")]
    fixed = ["-rss_limit_mb=1536", f"-artifact_prefix={folder}/finding-", f"-max_len={target.longest}"]
    atheris.Setup([sys.argv[0], *fixed, *given, *inputs], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
