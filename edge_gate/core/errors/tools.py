# SPDX-License-Identifier: Apache-2.0
"""Of evaluation, benchmark and demo: 80 to 89."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class BadEvaluationData(EdgeGateError, ValueError):
    message = "{0} cannot be evaluated: {1}"
    exit_code = ExitCode.BAD_EVALUATION_DATA


class ExtraMissing(EdgeGateError, ImportError):
    message = "This needs an optional part. Install it: pip install 'edge-gate[{0}]'"
    exit_code = ExitCode.EXTRA_MISSING


class DemoFailed(EdgeGateError):
    message = "The demo could not run: {0}"  # {1}, where there is one, is what its processes have logged
    exit_code = ExitCode.DEMO_FAILED
