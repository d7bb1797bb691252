"""What `last_good` serves from: the component's last good answer to each question."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.contract.rebuild import maker_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from aiguard.call import Call
    from aiguard.rung import LastGood


class NothingKept(Exception):  # noqa: N818 - why a rung did not answer, no error
    """There is no answer to be served."""


class Unasked(NamedTuple):
    """A question that cannot be told from others, and why."""

    reason: str


class Kept(NamedTuple):
    """An answer: what makes a fresh copy of it, and when it was given."""

    make: Callable[[], Any]
    given: float


class Memory:
    """
    The component's last good answers, one a question; safe to share between threads and event loops.

    The answer that was kept first goes first: it is the next one to be too old in any case, and while the component
    answers, a question that is asked often is kept anew as often. Serving, which is for outages, moves nothing. What is
    too old is dropped whenever something is kept or looked up.

    Args:
        name: The boundary's name.
        rung: What the answers are kept for.

    Attributes:
        rung: As given.
    """

    __slots__ = ("_entries", "_lock", "_name", "_told", "rung")

    def __init__(self, name: str, rung: LastGood) -> None:
        self._name = name
        self.rung = rung
        self._entries: OrderedDict[Hashable, Kept] = OrderedDict()
        self._told: set[str] = set()
        self.forked()

    def forked(self) -> None:
        """Go on with a fresh lock: in a forked process nobody is left to release the old one."""
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How many answers are kept."""
        with self._lock:
            return len(self._entries)

    def question(self, component: object, call: Call) -> Hashable:
        """Return what `component` is asked, for `keep` and `recall`; never raises."""
        try:
            asked = self.rung.by(*call.args, **call.kwargs)
        except Exception as error:  # noqa: BLE001 - the fault of `by` must not become the component's
            return Unasked(f"`by` raised {class_name(error)}")
        question = (component, asked)  # one boundary may call several functions
        try:
            hash(question)
        except Exception:  # noqa: BLE001 - whatever a `__hash__` raises
            return Unasked(f"what is called, or what `by` returned ({type(asked).__qualname__}), cannot be hashed")
        return question

    def copied(self, question: Hashable, answer: Any) -> Callable[[], Any] | None:
        """Return what makes fresh copies of `answer`; `None` where it cannot be kept."""
        if type(question) is Unasked:
            self._tell(question.reason)
            return None
        try:
            return maker_of(answer)
        except Exception as error:  # noqa: BLE001 - copying runs code of the value's own
            self._tell(f"copying {type(answer).__qualname__} raised {class_name(error)}")
            return None

    def keep(self, question: Hashable, make: Callable[[], Any], given: float) -> None:
        """Keep an answer to `question`, unless a later one is there already."""
        entries = self._entries
        try:
            with self._lock:
                gone = self._dropped(given)
                before = entries.get(question)
                entries[question] = before if before is not None and before.given > given else Kept(make, given)
                entries.move_to_end(question)
                while len(entries) > self.rung.size:
                    gone.append(entries.popitem(last=False))
        except Exception as error:  # noqa: BLE001 - what `by` returned compares itself with others
            self._tell(f"comparing what `by` returned raised {class_name(error)}")

    def recall(self, question: Hashable, now: float) -> tuple[Any, float]:
        """Return a fresh copy of the answer to `question`, and its age. Raises `NothingKept`."""
        if type(question) is Unasked:
            raise NothingKept(question.reason)
        with self._lock:
            gone = self._dropped(now)
            kept = self._entries.get(question)
        del gone
        if kept is None or now - kept.given > self.rung.ttl:
            raise NothingKept("no answer to this question is kept that is young enough")
        return kept.make(), max(0.0, now - kept.given)

    def _dropped(self, now: float) -> list[object]:
        """
        Drop what is too old.

        Return it, to be held until the lock is free: what an answer does as it dies may come back here.
        """
        gone: list[object] = []
        entries, ttl = self._entries, self.rung.ttl
        while entries and now - next(iter(entries.values())).given > ttl:
            gone.append(entries.popitem(last=False))
        return gone

    def _tell(self, why: str) -> None:
        """Log, once for each reason, why an answer is not kept."""
        with self._lock:
            if why in self._told:
                return
            self._told.add(why)
        logger.warning("boundary %r: an answer is not kept for `last_good`: %s", self._name, why)
