"""Every picture by the name of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings import (
    adaptive_limit,
    amplification,
    breaker_states,
    bulkhead,
    callers,
    halted,
    keys,
    pauses,
    pipeline,
    samples,
    screens,
    slowness,
    spending,
    tail,
    traffic,
    waterfall,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DIAGRAMS: dict[str, Callable[[], str]] = {
    "boundary": pipeline.draw,
    "breaker": breaker_states.draw,
    "bulkhead": bulkhead.draw,
    "halted": halted.draw,
    "top": screens.table,
    "top-boundary": screens.opened,
}

NEEDS_TEXTUAL = {"top", "top-boundary"}
"""Pictures of the terminal, drawn by what draws there."""

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
    "slow": (
        slowness.draw,
        "Calls that become slow, and a breaker that does not wait for their end",
        "Five calls hang. Once half of those counted are slow the breaker opens, long before the first of them ends.",
    ),
    "keys": (
        keys.draw,
        "Two boundaries that call one provider, and its two models",
        "The large model fails: its breaker opens for both boundaries. The small one's stays closed, and it answers.",
    ),
    "pause": (
        pauses.draw,
        "Seven callers, and a model that asks for a pause",
        "Who has the time waits until it is over, who has not goes to the ladder, who asks another model is answered.",
    ),
    "crowd": (
        callers.draw,
        "Seven callers and two permits",
        "Two run, two wait, two are turned away; one who waits leaves at its deadline, and its place goes to another.",
    ),
    "priorities": (
        callers.draw,
        "Nine callers of three priorities, two permits and a queue of two",
        "A critical call takes a sheddable one's place in the full queue, and goes before a normal one that waits.",
    ),
    "adaptive-limit": (
        adaptive_limit.draw,
        "A limit that follows what the component bears",
        "It finds twelve, falls to four when no more are borne, and grows back; most of those refused are sheddable.",
    ),
    "budget": (
        spending.draw,
        "Forty calls against a budget of six in ten seconds",
        "The attempts begun in the last ten seconds are six at most; calls that would make it more are refused.",
    ),
    "feedback": (
        waterfall.draw,
        "Two invalid answers, each asked for again with what was wrong with it",
        "Prose is no JSON, a word is no number: each next attempt is told so, and the third answers as agreed.",
    ),
    "ladder": (
        waterfall.draw,
        "Two attempts fail, one rung is too slow, the next answers",
        "The second attempt is cut off to leave time for the rungs; the first has half of it, the second answers.",
    ),
    "retry-and-reask": (
        waterfall.draw,
        "A failure is tried again, an invalid answer asked for again",
        "The second attempt follows after a wait, the third at once.",
    ),
    "no-third": (
        waterfall.draw,
        "An attempt that could not begin before the deadline",
        "Two attempts fail; the third is not made, and the caller has the failure at once.",
    ),
    "amplification": (
        amplification.draw,
        "Requests at a provider during an outage, without a retry budget and with one",
        "Without one there are three times as many for as long as the outage lasts; with one, few more, in two bursts.",
    ),
    "hedge": (
        waterfall.draw,
        "A second attempt beside a late one",
        "The second answers, the first is cancelled at that moment, and the caller has the answer.",
    ),
    "tail": (
        tail.draw,
        "How long calls took without a hedge and with two different ones",
        "Half of all calls take as long as before, the slowest a third of that; a shorter delay makes more requests.",
    ),
}


def draw(picture: str) -> str:
    """Return a picture by the name of its file."""
    if picture in DIAGRAMS:
        return DIAGRAMS[picture]()
    drawing, title, description = TIMELINES[picture]
    return drawing(samples.run(picture), title, description)
