# SPDX-License-Identifier: Apache-2.0
"""How the gate comes by the store's key: it seals itself first, and reads the key afterwards.

What may run in this process beside our own code, such as a library that was changed or what a `.pth` file loads, then
meets the key inside the walls. All that has to be outside is begun before: the key's place is opened and not read, and
copies of this process, sealed themselves, wait to ask for a passphrase and to bring an older store up to date.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from edge_gate.seal import Hardening, Sealed, confine, enforce, policy
from edge_gate.settings.config import Config
from edge_gate.store.keys.asking import held_or_asked
from edge_gate.store.keys.source import load_key
from edge_gate.store.upgrade import prepare_upgrade

Unlock = Callable[[Config], tuple[bytes, Sealed]]
"""Returns the key, and how far this process is sealed."""


def seal_and_unlock(config: Config) -> tuple[bytes, Sealed]:
    """Seal this process for good, then read the key and bring the store up to date. Raises EdgeGateError.

    A process that cannot be sealed although it has to be never reads the key.
    """
    for socket in (config.sockets.control, config.sockets.eye):
        socket.parent.mkdir(parents=True, exist_ok=True)  # sealed, it makes no folder
    walls = policy.gate(config)
    confined = partial(confine, walls, config.seal.required)  # the copies of this process, which see the key too
    with held_or_asked(config.store, os.environ, confined) as read_key:
        upgrade = prepare_upgrade(config.store.path, confined)
        sealed = enforce(walls, config.seal.required)
        key = read_key()
    upgrade(key)
    return key, sealed


def only_unlock(config: Config) -> tuple[bytes, Sealed]:
    """Read the key, for a gate in a process that has more to do than to be a gate."""
    return load_key(config.store, os.environ), Sealed(Hardening(0))
