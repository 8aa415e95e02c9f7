# SPDX-License-Identifier: Apache-2.0
"""What several tests use: sites, gates, peers, users, terminals, power cuts. No tests."""
