# SPDX-License-Identifier: Apache-2.0
"""The one configuration file: a dataclass for each section, read and checked without loading what it configures."""
