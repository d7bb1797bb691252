"""Every picture by the name of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings import breaker_states, bulkhead, callers, pipeline, samples, traffic, waterfall

if TYPE_CHECKING:
    from collections.abc import Callable

DIAGRAMS: dict[str, Callable[[], str]] = {
    "boundary": pipeline.draw,
    "breaker": breaker_states.draw,
    "bulkhead": bulkhead.draw,
}

TIMELINES: dict[str, tuple[Callable[[samples.Recorded, str, str], str], str, str]] = {
    "at-once": (waterfall.draw, "A call that succeeds", "One attempt, and its answer."),
    "retry": (
        waterfall.draw,
        "Two failures, then an answer",
        "Three attempts with longer and longer waits between them.",
    ),
    "hang": (
        waterfall.draw,
        "A component that hangs",
        "Two attempts are cut off, the second to leave time for the rung, which answers inside the deadline.",
    ),
    "reask": (waterfall.draw, "An invalid answer, asked for again", "The second attempt follows at once."),
    "stream": (
        waterfall.draw,
        "A stream that breaks",
        "The first attempt fails before an item and is begun again; the second breaks after two items, and ends.",
    ),
    "outage": (
        traffic.draw,
        "A breaker during an outage",
        "It opens after four failed calls, rejects, probes, opens for twice as long, probes again and closes.",
    ),
    "crowd": (
        callers.draw,
        "Seven callers and two permits",
        "Two run, two wait, two are turned away; one who waits leaves at its deadline, and its place goes to another.",
    ),
}


def draw(picture: str) -> str:
    """Return a picture by the name of its file."""
    if picture in DIAGRAMS:
        return DIAGRAMS[picture]()
    drawing, title, description = TIMELINES[picture]
    return drawing(samples.run(picture), title, description)
