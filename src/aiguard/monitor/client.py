"""Asking every process that has a socket in the directory."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from aiguard.clock import SYSTEM
from aiguard.monitor.directory import address_of, check, entries, remove_stale, sockets_in
from aiguard.monitor.schema import VERSION, StateAnswer, TraceAnswer
from aiguard.state_directory import UnusableError

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.monitor.directory import Entry
    from aiguard.monitor.schema import Request

T = TypeVar("T", StateAnswer, TraceAnswer)

PATIENCE: Final = 2.0
"""Seconds that a process has to answer."""

LARGEST: Final = 64 * 2**20
"""Bytes of an answer: ten thousand boundaries fit."""

AT_ONCE: Final = 32

_STATES: Final = TypeAdapter(StateAnswer)
_TRACES: Final = TypeAdapter(TraceAnswer)


@dataclass(frozen=True, slots=True)
class Silent:
    """
    A process that gave no answer that can be read.

    Attributes:
        pid: Its number.
        why: What was wrong.
    """

    pid: int
    why: str


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """
    What the processes of a directory answered.

    Attributes:
        answers: Those that can be read.
        silent: The processes without one.
    """

    answers: tuple[T, ...]
    silent: tuple[Silent, ...]


class _NoAnswerError(Exception):
    """A process gave no answer; the message says why."""


def states(state: Path) -> Answers[StateAnswer]:
    """Return what the boundaries of every process do. Raises `UnusableError` where the directory cannot be trusted."""
    return _all(state, {"want": "state"}, _STATES)


def traces(state: Path, *, boundary: str | None, last: int, failed: bool) -> Answers[TraceAnswer]:
    """Return the last calls of every process. Raises `UnusableError` where the directory cannot be trusted."""
    return _all(state, {"want": "trace", "boundary": boundary, "last": last, "failed": failed}, _TRACES)


def _all(state: Path, question: Request, form: TypeAdapter[T]) -> Answers[T]:
    if not hasattr(socket, "AF_UNIX"):
        raise UnusableError("this system has no Unix sockets")
    if not check(state, reading=True):
        return Answers((), ())
    found = entries(sockets_in(state))
    if not found:
        return Answers((), ())
    with ThreadPoolExecutor(min(len(found), AT_ONCE), "aiguard-asking") as asking:
        said = list(asking.map(partial(_one, question=question, form=form), found))
    silent = tuple(one for one in said if isinstance(one, Silent))
    return Answers(tuple(one for one in said if one is not None and not isinstance(one, Silent)), silent)


def _one(entry: Entry, question: Request, form: TypeAdapter[T]) -> T | Silent | None:
    """Return a process's answer; `None` where it has ended, and its socket is taken away."""
    try:
        line = _asked(entry.path, json.dumps(question).encode() + b"\n")
        return form.validate_python(_readable(line))
    except ConnectionRefusedError:
        remove_stale(entry.path)
        return None
    except FileNotFoundError:
        return None  # it has ended this moment
    except ValidationError:
        return Silent(entry.pid, "its answer is not one of aiguard's")
    except (_NoAnswerError, UnusableError) as why:
        return Silent(entry.pid, str(why))
    except OSError as error:
        return Silent(entry.pid, error.strerror or type(error).__name__)


def _asked(path: Path, question: bytes) -> bytes:
    until = SYSTEM.now() + PATIENCE
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.settimeout(PATIENCE)
            with address_of(path) as address:
                asking.connect(address)
            asking.sendall(question)
            parts: list[bytes] = []
            size = 0
            while size <= LARGEST:
                left = until - SYSTEM.now()
                if left <= 0.0:
                    raise _NoAnswerError(f"no answer within {PATIENCE:g} s")
                asking.settimeout(left)
                part = asking.recv(2**16)
                parts.append(part)
                size += len(part)
                if not part or part.endswith(b"\n"):
                    return b"".join(parts)
            raise _NoAnswerError("its answer has no end")
        except BlockingIOError:
            raise _NoAnswerError("too many ask it at once") from None
        except TimeoutError:
            raise _NoAnswerError(f"no answer within {PATIENCE:g} s") from None


def _readable(line: bytes) -> Any:
    if not line:
        raise _NoAnswerError("it hung up")
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise _NoAnswerError("its answer is not one of aiguard's") from None
    said = answer.get("version") if isinstance(answer, dict) else None
    if isinstance(said, int) and said != VERSION:
        raise _NoAnswerError(f"it answers in version {said}, and this aiguard reads {VERSION}")
    if said == VERSION and isinstance(answer.get("error"), str):
        raise _NoAnswerError(f"it answers: {answer['error'][:200]}")
    return answer
