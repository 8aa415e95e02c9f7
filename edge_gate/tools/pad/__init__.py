# SPDX-License-Identifier: Apache-2.0
"""How well people are told from pictures of them, measured through the same pipeline that stands at the gate.

data -> seeing -> judging, opening -> rates -> report; the words are those of ISO/IEC 30107-3.
"""
