# SPDX-License-Identifier: Apache-2.0
"""Of the configuration file: 10 to 19."""

from __future__ import annotations

from edge_gate.core.errors.base import EdgeGateError
from edge_gate.core.exit_codes import ExitCode


class ConfigError(EdgeGateError, ValueError):
    message = "{0}:{1}: {2}. {3}"
    exit_code = ExitCode.CONFIG_ERROR


class ConfigMissing(EdgeGateError, FileNotFoundError):
    message = "No configuration at {0}. Make one with `edge-gate init`, or name another with --config."
    exit_code = ExitCode.CONFIG_MISSING


class AlreadyInitialised(EdgeGateError, FileExistsError):
    message = "{0} exists already and was left as it is. To start afresh, move it away by hand first."
    exit_code = ExitCode.ALREADY_INITIALISED


class TimeZoneUnknown(ConfigError, LookupError):
    message = "{0!r} is no time zone of this system. {1}."


class SiteNotMade(ConfigError):
    message = "No site was made in {0}: {1}. Nothing was left behind."
