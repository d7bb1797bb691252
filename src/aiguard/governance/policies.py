"""Which policy came into force when, on the record of control events."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from aiguard.call import logger
from aiguard.clock import SYSTEM
from aiguard.config import live
from aiguard.governance.errors import ControlError
from aiguard.state_directory import VARIABLE, UnusableError, state_directory

if TYPE_CHECKING:
    from aiguard.config.live import Loaded

PATIENCE: Final = 1.0
"""Seconds that a configuration waits for another writer: it is in force already."""

_TOLD: Final[set[str]] = set()
"""What is logged already: a fault that lasts would be told at each change."""


def record(loaded: Loaded) -> None:
    """
    Record that a file came into force, with its digest and the one before it.

    Once for each change, however many processes load it. Where there is no control store yet, one is made only if
    `AIGUARD_STATE` names the directory: a program that nobody operates leaves nothing in its user's home. What goes
    wrong is logged, once.
    """
    if loaded.file is None:
        return
    try:
        _record(os.path.abspath(loaded.file), loaded.digest)  # noqa: PTH100 - a ConfigMap swaps its links: not resolved
    except Exception as error:  # noqa: BLE001 - the configuration is in force, whoever writes that down or does not
        why = str(error) if isinstance(error, UnusableError | ControlError) else type(error).__name__
        if why not in _TOLD:
            _TOLD.add(why)
            logger.warning("a change of the configuration is not on the record: %s", why)


def _record(file: str, digest: str) -> None:
    from aiguard.governance.directory import Directory  # noqa: PLC0415 - SQLite and all: who has a record pays for it
    from aiguard.governance.store import Actor, Store  # noqa: PLC0415 - as above

    store = Store(state_directory(), patience=PATIENCE)
    if not store.exists() and not os.environ.get(VARIABLE):
        return
    with store.changed(Actor(Directory.acting(), os.geteuid()), SYSTEM.wall()) as change:
        before = change.policy(file)
        if before != digest:
            change.append("policy", file=file, old=before, new=digest)
            change.put_policy(file, digest)


live.came_into_force = record
