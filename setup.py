# SPDX-License-Identifier: Apache-2.0
"""A build writes nothing into the sources, so what root builds stays the user's, and what was deleted stays deleted.

setuptools alone would leave build/ and *.egg-info there, and take from them the next time. All else is in setup.cfg.
"""

import tempfile

from setuptools import setup

with tempfile.TemporaryDirectory(prefix="edge-gate-build-") as scratch:
    setup(options={"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}})
