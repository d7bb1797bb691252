"""One call's spans, drawn as a tree with a bar for each: when it began, how long it took, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

CALL: Final = "aiguard.call"
ATTEMPT: Final = "aiguard.attempt"
FALLBACK: Final = "aiguard.fallback"
NARROWEST: Final = 10


class Row(NamedTuple):
    """One span: its place in the tree, its bar, how long it took, how it ended."""

    label: str
    bar: str
    time: str
    end: str


def most_telling(spans: Iterable[ReadableSpan]) -> list[ReadableSpan]:
    """Return the spans of the call that went through most: several tries, several kinds of failure, a fallback."""
    traces: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        if span.context is not None:
            traces.setdefault(span.context.trace_id, []).append(span)
    whole = [trace for trace in traces.values() if any(span.name.startswith(CALL) for span in trace)]
    return max(whole, key=_eventfulness, default=[])


def rows(trace: Sequence[ReadableSpan], width: int, block: str = "█") -> list[Row]:
    """
    Draw a trace.

    Args:
        trace: The spans of one call, in any order.
        width: Of the bars, in characters.
        block: What a bar is made of.
    """
    ordered = sorted(trace, key=lambda span: (span.parent is not None, _start(span)))
    if not ordered:
        return []
    width = max(width, NARROWEST)
    begin = _start(ordered[0])
    whole = max(max(_end(span) for span in ordered) - begin, 1)
    drawn = []
    for index, span in enumerate(ordered):
        branch = "" if span.parent is None else "└─ " if index == len(ordered) - 1 else "├─ "
        left = min(width - 1, round(width * (_start(span) - begin) / whole))
        length = min(width - left, max(1, round(width * (_end(span) - _start(span)) / whole)))
        bar = (" " * left + block * length).ljust(width)
        drawn.append(Row(branch + span.name, bar, _seconds(_end(span) - _start(span)), _how_it_ended(span)))
    return drawn


def _eventfulness(trace: Sequence[ReadableSpan]) -> tuple[int, int, int]:
    failed = [_attribute(span, "error.type") for span in trace if span.name.startswith(ATTEMPT)]
    return len(failed), len(set(filter(None, failed))), sum(span.name.startswith(FALLBACK) for span in trace)


def _how_it_ended(span: ReadableSpan) -> str:
    if span.name.startswith(CALL):
        rung, reason = _attribute(span, "aiguard.fallback.name"), _attribute(span, "aiguard.degraded.reason")
        return f"{rung}, after {reason}" if rung else _attribute(span, "aiguard.outcome")
    how = _attribute(span, "error.type") or "answered"
    why = _attribute(span, "aiguard.attempt.kind")
    return f"{why}: {how}" if why else how


def _attribute(span: ReadableSpan, name: str) -> str:
    return str((span.attributes or {}).get(name, ""))


def _start(span: ReadableSpan) -> int:
    return span.start_time or 0


def _end(span: ReadableSpan) -> int:
    return span.end_time or _start(span)


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.2f} s" if nanoseconds >= 1e7 else f"{nanoseconds / 1e6:.1f} ms"
