# SPDX-License-Identifier: Apache-2.0
"""The control socket: who may connect, whose request is next, what a request may look like."""
