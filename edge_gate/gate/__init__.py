# SPDX-License-Identifier: Apache-2.0
"""The process that decides: keys, store and door; no camera, no network, no image library."""

import os

# numpy's linear algebra would start threads when it is imported, and Landlock binds only threads that come after it
# (edge_gate.seal). Nothing here multiplies matrices that are worth a second thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
