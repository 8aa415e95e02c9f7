# SPDX-License-Identifier: Apache-2.0
"""The eye: sees pictures, and hands on nothing but numbers. It never imports the store, the gate or the relays."""
