# SPDX-License-Identifier: Apache-2.0
"""The gate's ends of the sockets on which other processes speak."""
