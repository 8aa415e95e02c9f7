# SPDX-License-Identifier: Apache-2.0
"""The eye: sees pictures, and hands on nothing but numbers. It never imports the store, the gate or the relays."""

import os

# numpy's linear algebra would start threads when it is imported, and Landlock binds only threads that come after it
# (edge_gate.seal). Nothing here multiplies matrices that are worth a second thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
