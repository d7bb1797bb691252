"""
Content, for who asks for it: what goes into chosen boundaries and comes out, as a redaction lets it leave.

Nothing is captured by default.
"""

from __future__ import annotations

import atexit
import inspect
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from opentelemetry._logs import SeverityNumber

from aiguard.call import logger
from aiguard.policy import check_name
from aiguard.telemetry import names
from aiguard.telemetry.content import CAPTURE, Tap
from aiguard.telemetry.events import Told, emit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from aiguard.telemetry.content import Redaction

VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""Where it is set, its word is the operator's: only these have content leave as events."""

ALLOWED: Final = frozenset({"event_only", "span_and_event", "true"})

PATIENCE: Final = 2.0
"""Seconds that the end of a program waits for the redaction."""


def capture(redact: Redaction | None, *, boundaries: Iterable[str] = ()) -> None:
    """
    Have the content of some boundaries leave as log events, as a redaction lets it; `capture(None)` ends that.

    The events are named `aiguard.content`. They need a logger provider, and say nothing of boundaries that are not
    named here. A later call takes the place of an earlier one; what waits for the earlier redaction then does not
    leave.

    `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`, where it is set to anything but `EVENT_ONLY`,
    `SPAN_AND_EVENT` or `true`, forbids it: whoever runs a program has the last word.

    Args:
        redact: Given the whole text of each part, returns what may leave of it, or `None` for nothing; of what it
            returns the first 1,024 bytes leave. It runs in a thread of its own, one part at a time, so that no call
            waits for it; where it is slower than the calls, or a part is too long, content is dropped.
            `lambda content: content.text` lets everything leave. What it raises is dropped with the content, and told
            of by its class alone.
        boundaries: The names of those whose content it is about: one at least.

    Raises:
        ValueError: For a redaction that cannot be called or is asynchronous, no boundary, or a name that is none.
    """
    named = _names(boundaries)
    ended, CAPTURE.tap = CAPTURE.tap, None
    if ended is not None:
        ended.close()
    if redact is None:
        return
    if _is_async(redact) or not callable(redact):
        msg = f"capture(): `redact` is a function that returns at once, not {type(redact).__name__}"
        raise ValueError(msg)
    if not named:
        msg = "capture(): `boundaries` names those whose content may leave: one at least"
        raise ValueError(msg)
    if _is_forbidden():
        logger.warning("content is not captured: %s forbids it", VARIABLE)
        return
    from aiguard.telemetry.content_text import text_of  # noqa: PLC0415 - its import is dear: for who captures

    CAPTURE.tap = Tap(redact, named, text_of, _emit)


def drain(timeout: float = PATIENCE) -> None:
    """Wait until the redaction has seen what waits for it, for `timeout` seconds at most."""
    tap = CAPTURE.tap
    if tap is not None:
        tap.drain(timeout)


def _emit(said: dict[str, AttributeValue], whose: Mapping[str, AttributeValue], context: Context | None) -> None:
    emit(Told(names.CONTENT_EVENT, SeverityNumber.INFO, said), whose, context)


def _is_async(redact: Redaction) -> bool:
    called = getattr(redact, "__call__", None)  # noqa: B004 - whether it is async, not whether it is there
    return inspect.iscoroutinefunction(redact) or inspect.iscoroutinefunction(called)


def _names(boundaries: object) -> frozenset[str]:
    if isinstance(boundaries, str) or not isinstance(boundaries, Iterable):
        msg = f"capture(): `boundaries` is a list of names, not {boundaries!r}"
        raise ValueError(msg)  # noqa: TRY004 - as every other refusal
    return frozenset(map(check_name, boundaries))


def _is_forbidden() -> bool:
    word = os.environ.get(VARIABLE, "").strip().lower()
    return bool(word) and word not in ALLOWED


atexit.register(drain)
