# SPDX-License-Identifier: Apache-2.0
"""A build writes nothing into the sources: what root built is not root's there, and what was deleted is not built again.

setuptools would leave build/ and *.egg-info behind, and take from them the next time. All else is in setup.cfg.
"""

import tempfile

from setuptools import setup

with tempfile.TemporaryDirectory(prefix="edge-gate-build-") as scratch:
    setup(options={"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}})
