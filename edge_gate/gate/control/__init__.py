# SPDX-License-Identifier: Apache-2.0
"""The control socket: the access list, the order of requests, the form of a request."""
