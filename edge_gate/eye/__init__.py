# SPDX-License-Identifier: Apache-2.0
"""The eye: sees pictures, and hands on nothing but numbers. It never imports the store, the gate or the relays."""

import os
from typing import Final

# The most pixels of a picture that the eye decodes: those of the largest camera that can be configured.
MOST_PIXELS: Final = 4096 * 4096

# numpy's linear algebra would start threads when it is imported, and Landlock binds only threads that come after it
# (edge_gate.seal). Nothing here multiplies matrices that are worth a second thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# OpenCV reads this when it is imported. It bounds what a camera's JPEG may say of its size. Picture files have a limit
# of their own (edge_gate.eye.cameras.picture_header), below what the tools may be given.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(4 * MOST_PIXELS))
