# SPDX-License-Identifier: Apache-2.0
"""How well the eyes are recognised, measured through the same pipeline that stands at the gate.

data -> acquire -> protocol -> metrics, intervals -> report; each step is plain data in, plain data out.
"""
