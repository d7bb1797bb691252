"""
What may be chosen of the telemetry, by the environment or by `configure()`.

A program that sets OpenTelemetry up by itself never calls anything of aiguard's, so what can be chosen has a variable
of the environment, as what OpenTelemetry itself leaves to be chosen has.
"""

from __future__ import annotations

import os
from typing import Final, Literal, TypeAlias, cast

from aiguard.call import logger

SpanEvents: TypeAlias = Literal["mirror", "off"]
GenaiSpans: TypeAlias = Literal["auto", "own", "off"]

SPAN_EVENTS: Final = "AIGUARD_SPAN_EVENTS"
GENAI_SPANS: Final = "AIGUARD_GENAI_SPANS"

_WORDS: Final = {SPAN_EVENTS: ("mirror", "off"), GENAI_SPANS: ("auto", "own", "off")}


class TelemetrySettings:
    """
    What is chosen in this process.

    Attributes:
        span_events: Whether each log event is also an event of the call's span: some backends show nothing else.
        genai_spans: Who draws the span of a request to a provider: see `genai.py`.
    """

    def __init__(self) -> None:
        """Reads the environment; what is no such word there is told of, and not taken."""
        self.span_events = cast("SpanEvents", _chosen(SPAN_EVENTS))
        self.genai_spans = cast("GenaiSpans", _chosen(GENAI_SPANS))

    def choose(self, span_events: SpanEvents | None, genai_spans: GenaiSpans | None) -> None:
        """Take what is not `None`. Raises `ValueError` for a word that is none of those."""
        for variable, word in ((SPAN_EVENTS, span_events), (GENAI_SPANS, genai_spans)):
            if word is not None and word not in _WORDS[variable]:
                setting = variable.removeprefix("AIGUARD_").lower()
                msg = f"configure(): `{setting}` is {_listed(variable)}, not {word!r}"
                raise ValueError(msg)
        self.span_events = span_events or self.span_events
        self.genai_spans = genai_spans or self.genai_spans


def _chosen(variable: str) -> str:
    words = _WORDS[variable]
    said = os.environ.get(variable, "")
    word = said.strip().lower()
    if word in words:
        return word
    if word:
        logger.warning("%s is %s, not %r: taken for %r", variable, _listed(variable), said, words[0])
    return words[0]


def _listed(variable: str) -> str:
    *others, last = map(repr, _WORDS[variable])
    return f"{', '.join(others)} or {last}"


SETTINGS: Final = TelemetrySettings()
