"""
What is handed to a backend: lost where it takes nothing, which is counted and told once, and waited for at the end.

Exporters work in threads of the SDK's, so a backend that is dead, hangs or refuses holds no call up. What an exporter
says of every batch that it fails to deliver is lowered to DEBUG, for those of `configure()` alone.
"""

from __future__ import annotations

import logging
import os
import threading
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aiguard.call import logger
from aiguard.clock import SYSTEM
from aiguard.telemetry import metrics, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PHRASES: Final = frozenset(status.phrase for status in HTTPStatus)


class Once:
    """Tells of the first loss of a process: a backend that is away for an hour would be told of a thousand times."""

    def __init__(self) -> None:
        self._first = threading.Lock()  # taken by who tells, and never given back: nobody waits for it, forked or not

    def tell(self, what: str) -> None:
        """Log what is lost, unless something was told before."""
        if self._first.acquire(blocking=False):
            logger.warning(
                "telemetry is lost: %s; calls go on, `%s` counts what could not be delivered, and this is told once",
                what,
                names.DROPPED,
            )


class Delivery:
    """
    An exporter that counts and tells what it could not deliver.

    Args:
        exporter: What exports.
        signal: What it exports, as `aiguard.telemetry.dropped` says it.
        results: The SDK's enumeration of what an export ends with.
        once: Who tells of it.

    Attributes:
        address: Where it exports to.
    """

    def __init__(self, exporter: Any, signal: str, results: Any, once: Once) -> None:
        self._exporter = exporter
        self._signal = signal
        self._results = results
        self._once = once
        self.address = _address(exporter)
        for cls in type(exporter).__mro__:
            if cls.__module__.startswith("opentelemetry.exporter."):
                logging.getLogger(cls.__module__).addFilter(_LOWERED)
        logging.getLogger("opentelemetry.sdk._shared_internal").addFilter(_FIRST)

    def __getattr__(self, name: str) -> Any:
        """Everything but the export is the exporter's own."""
        return getattr(self._exporter, name)

    def export(self, batch: Any, *args: Any, **settings: Any) -> Any:
        """Export a batch; return what the SDK expects, and raise nothing."""
        _here.reasons = reasons = []
        try:
            result = self._exporter.export(batch, *args, **settings)
        except Exception as error:  # noqa: BLE001 - the SDK would log it with its text, each time
            reasons.append(type(error).__name__)
            result = self._results.FAILURE
        finally:
            _here.reasons = None
        if result is not self._results.SUCCESS:
            metrics.lost(self._signal, _size(batch))
            why = f" ({reasons[-1]})" if reasons else ""
            self._once.tell(f"{self.address} did not take a batch of {self._signal}s{why}")
        return result


def _size(batch: Any) -> int:
    """Return how many items a batch has: spans, log records, or points of metrics."""
    resources = getattr(batch, "resource_metrics", None)
    if resources is None:
        return len(batch)
    found = (metric for one in resources for scope in one.scope_metrics for metric in scope.metrics)
    return sum(len(metric.data.data_points) for metric in found)


def _address(exporter: Any) -> str:
    """Return where an exporter sends to, without what may be secret there: a user, a path, a query."""
    endpoint = str(getattr(exporter, "_endpoint", ""))
    try:
        parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "the backend"
    except ValueError:
        return "the backend"


class _Here(threading.local):
    """Why the export that runs in this thread fails; `None` where none runs."""

    reasons: list[str] | None = None


_here: Final = _Here()


class _Lowered(logging.Filter):
    """Lowers to DEBUG what an exporter says of an export of `Delivery`, and keeps why it failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is still to be logged."""
        reasons = _here.reasons
        if reasons is None or record.levelno < logging.WARNING:
            return True
        for said in record.args if isinstance(record.args, tuple) else ():
            reason = _reason(said)
            if reason is not None:
                reasons.append(reason)
                break
        return _lowered(record)


_LOWERED: Final = _Lowered()


class _First(logging.Filter):
    """Lets the SDK say once that its queue of a signal is full, which it says every 20 s, in the callers' threads."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[tuple[str, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is still to be logged."""
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        said = (str(record.msg), str(record.args))
        if said not in self._said:
            self._said.add(said)
            return True
        return _lowered(record)


_FIRST: Final = _First()


def _lowered(record: logging.LogRecord) -> bool:
    """Lower a record to DEBUG; return whether it is still to be logged then."""
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


def _reason(said: object) -> str | None:
    """Return what of an exporter's words is of a closed set: a class, a code, a phrase of HTTP."""
    if isinstance(said, Exception):
        return type(said).__name__
    if isinstance(said, Enum):
        return said.name
    return str(said) if isinstance(said, int) or said in _PHRASES else None


class Closing:
    """
    Shuts providers down, side by side and within a time limit.

    Each has a thread that waits for it from the start: none can be started while the interpreter exits, from Python
    3.12 on, and the SDK waits for up to 30 s for each signal, one after the other.

    Args:
        once: Who tells of what was not delivered in time.
        addresses: Where that should have gone.
        shutdowns: The providers' own.
    """

    def __init__(self, once: Once, addresses: Iterable[str], shutdowns: Iterable[Callable[[], object]]) -> None:
        self._once = once
        self._addresses = ", ".join(sorted(set(addresses)))
        self._shutdowns = tuple(shutdowns)
        self._start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        """Let the threads wait; a forked process has none of its parent's."""
        self._begun = begun = threading.Event()
        self._threads = [
            threading.Thread(target=_close, args=(begun, shutdown), name="aiguard-telemetry", daemon=True)
            for shutdown in self._shutdowns
        ]
        for thread in self._threads:
            thread.start()

    def close(self, timeout: float) -> None:
        """Flush and shut down; what is not delivered after `timeout` seconds is given up."""
        self._begun.set()
        until = SYSTEM.now() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - SYSTEM.now()))
        if any(thread.is_alive() for thread in self._threads):
            self._once.tell(f"{self._addresses} did not take what was left within {timeout:g} s, at the end")


def _close(begun: threading.Event, shutdown: Callable[[], object]) -> None:
    begun.wait()
    try:
        shutdown()
    except Exception as error:  # noqa: BLE001 - the program is over: there is nobody who could catch it
        logger.warning("a provider of OpenTelemetry's could not be shut down: %s", type(error).__name__)
