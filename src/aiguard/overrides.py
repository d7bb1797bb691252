"""What lays the settings of a file and of the environment over those in code; the configuration puts itself here."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, Protocol

from aiguard.strict import is_strict

if TYPE_CHECKING:
    from aiguard.errors import PolicyError
    from aiguard.policy import Policy


class Overrides(Protocol):
    """Says which policy a boundary has."""

    def policy(self, name: str, code: Policy) -> Policy:
        """Return the policy of the boundary `name`, which declares `code`. Raises `PolicyError`."""

    def placed(self, name: str, error: PolicyError) -> PolicyError:
        """Return a refusal of the boundary `name` with the positions of what was refused."""

    def clears(self, name: str, policy: Policy) -> bool:
        """
        Whether strict mode lets the boundary run; `False` while that is not known.

        Raises:
            PolicyError: It does not.
        """


class AsCoded:
    """Nothing is configured: code alone says what the policy is."""

    __slots__ = ()

    def policy(self, name: str, code: Policy) -> Policy:  # noqa: ARG002 - the protocol's
        """Return `code`."""
        return code

    def placed(self, name: str, error: PolicyError) -> PolicyError:  # noqa: ARG002 - the protocol's
        """Return `error`: the traceback leads to the code."""
        return error

    def clears(self, name: str, policy: Policy) -> bool:  # noqa: ARG002 - the protocol's
        """Whether there is no strict mode: in it, only a file can clear a boundary, and it may come yet."""
        return not is_strict(os.environ)


class InForce:
    """
    The overrides that are in force in this process.

    Attributes:
        overrides: What says which policy a boundary has.
        lock: Held while they change, and while a boundary is declared: none is missed.
    """

    def __init__(self) -> None:
        self.overrides: Overrides = AsCoded()
        self.lock = threading.RLock()

    def forked(self) -> None:
        """Start with a fresh lock: in a forked process nobody is left to release the old one."""
        self.lock = threading.RLock()


IN_FORCE: Final = InForce()
