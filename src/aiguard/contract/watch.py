"""
Watching the events of a client's stream: whether it came to its end, how, and what it used.

A stream that is cut off ends like one that is over: the loop just stops. Whether the answer is whole is told only by
the provider's last event.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from aiguard.contract import tokens
from aiguard.contract.breach import Breach
from aiguard.contract.choices import candidate_brings, chat_brings
from aiguard.contract.endings import check_ending, no_answer
from aiguard.contract.pieces import message_brings, response_brings, whole_brings
from aiguard.contract.response import check, usage_of
from aiguard.failure import FailureKind
from aiguard.usage import Usage, report_usage

if TYPE_CHECKING:
    from collections.abc import Hashable


class Watch:
    """
    What is known of one stream of a client's events.

        watch = Watch()
        for event in stream:
            watch.see(event)
            yield event
        watch.ended()

    What the events report as used is reported for the attempt under way as soon as it is known, so that a stream that
    breaks, or that nobody reads to its end, has told of it.

    Args:
        report: What is told of usage; by default the attempt under way is.

    Attributes:
        usage: Tokens that were used so far; `None` where nothing was reported.
    """

    __slots__ = ("_choices", "_empty", "_known", "_opaque", "_over", "_report", "_said", "_verdicts", "usage")

    def __init__(self, report: Callable[[Usage], object] = report_usage) -> None:
        self.usage: Usage | None = None
        self._report = report
        self._empty = True
        self._known = False  # whether a terminal event has to come
        self._opaque = False  # whether there was an event that could not be read: it may have held the answer
        self._over = False
        self._choices: dict[int, bool] = {}  # whether each of them has said how it ended
        self._said: set[int] = set()  # those that hold anything
        self._verdicts: list[Breach] = []

    @property
    def verdict(self) -> Breach | None:
        """Why the provider says that it is no answer; `None` where it has not said so, as far as was seen."""
        return self._verdicts[0].with_traceback(None) if self._verdicts else None

    def see(self, event: object) -> None:
        """Look at one event. Raises nothing: the stream goes on, and what it ended as is told by `ended`."""
        self._empty = False
        look = _look_of(cast("Hashable", type(event)))
        if look is None:
            self._opaque = True
            return
        try:
            look(self, event)
        except Exception:  # noqa: BLE001 - an event that cannot be read says nothing, least of all that all is over
            self._opaque = True

    def ended(self) -> None:
        """
        Say that no event is left.

        Raises:
            Breach: The stream ended before its terminal event (`stream_interrupted`), also where it had no event at
                all; or that event said that the answer was cut, refused, filtered, or given up by the provider; or a
                choice held nothing, or white space alone (`empty_output`). A stream of events that are no known
                client's is never one.
        """
        if (verdict := self.verdict) is not None:
            raise verdict
        if self._empty:
            raise no_answer(FailureKind.STREAM_INTERRUPTED, "it ended before its first event")
        if self._known and not (self._over or (self._choices and all(self._choices.values()))):
            raise no_answer(FailureKind.STREAM_INTERRUPTED, "its terminal event did not come")
        if not self._opaque and not self._said.issuperset(self._choices):
            raise no_answer(FailureKind.EMPTY_OUTPUT, "nothing but white space, or nothing at all")

    # --- each client's own events

    def _chat(self, chunk: Any) -> None:
        self._known = True
        if (used := getattr(chunk, "usage", None)) is not None:
            self._total(tokens.of_openai(used, chunk.model))
        for choice in chunk.choices or ():
            reason = choice.finish_reason
            self._choices[choice.index] = bool(reason) or self._choices.get(choice.index, False)
            if getattr(getattr(choice, "delta", None), "refusal", None):
                self._verdicts.append(no_answer(FailureKind.REFUSAL, "the message holds a refusal"))
            self._judge(check_ending, reason, "finish_reason")
            if choice.index not in self._said and chat_brings(choice):
                self._said.add(choice.index)

    def _openai(self, event: Any) -> None:
        name = str(getattr(event, "type", ""))
        if name == "chunk":  # of the stream helper
            self._chat(event.chunk)
        elif name == "error":
            self._known = True
            self._verdicts.append(no_answer(FailureKind.PROVIDER_FAILED, "the stream holds an error"))
        elif name.startswith("response."):
            self._known = True
            if name in _RESPONSE_ENDS:
                self._over = True
                self._total(usage_of(event.response))
                self._judge(check, event.response)
            self._heard(response_brings, event)

    def _anthropic(self, event: Any) -> None:
        self._known = True
        name = event.type
        if name == "message_start":
            self._total(usage_of(event.message))
        elif name == "message_delta":
            self._total(tokens.of_anthropic(event.usage, None))
            self._judge(check_ending, event.delta.stop_reason, "stop_reason")
        elif name == "message_stop":
            self._over = True
        self._heard(message_brings, event)

    def _google(self, chunk: Any) -> None:
        self._known = True
        self._total(usage_of(chunk))
        if not chunk.candidates:
            self._over = self._over or bool(getattr(chunk.prompt_feedback, "block_reason", None))
            self._judge(check, chunk)
        for candidate in chunk.candidates or ():
            index, reason = getattr(candidate, "index", None) or 0, candidate.finish_reason
            self._choices[index] = bool(reason) or self._choices.get(index, False)
            self._judge(_check_generated, reason, "finish_reason")
            if index not in self._said and candidate_brings(candidate):
                self._said.add(index)

    def _langchain(self, chunk: Any) -> None:
        # its chunks add up, and not every model behind it says how it ended: nothing has to come
        if used := usage_of(chunk):
            self._add(used)
        self._judge(check, chunk)
        self._heard(whole_brings, chunk)

    # --- what they share

    def _heard(self, brings: Callable[[Any], bool], event: Any) -> None:
        """Note what an event brings, in a stream of one choice."""
        self._choices.setdefault(0, False)
        if not self._said and brings(event):
            self._said.add(0)

    def _judge(self, look: Callable[..., None], *arguments: Any) -> None:
        try:
            look(*arguments)
        except Breach as breach:
            self._verdicts.append(breach.with_traceback(None))

    def _total(self, used: Usage | None) -> None:
        """Note what the whole stream has used by now: events repeat it, each with more."""
        if used is None:
            return
        before = self.usage or _NOTHING
        more = Usage(
            max(0, used.input - before.input),
            max(0, used.output - before.output),
            max(0, used.cached - before.cached),
            used.model or before.model,
        )
        if more.total:
            self._add(more)

    def _add(self, more: Usage) -> None:
        self._report(more)
        before = self.usage or _NOTHING
        self.usage = Usage(
            before.input + more.input,
            before.output + more.output,
            before.cached + more.cached,
            more.model or before.model,
        )


_NOTHING: Final = Usage()

_check_generated: Final = partial(check_ending, strict=True)

_RESPONSE_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)

_Look: TypeAlias = Callable[[Watch, Any], None]

_CLASSES: Final[dict[tuple[str, str], _Look]] = {
    ("openai", "ChatCompletionChunk"): Watch._chat,  # noqa: SLF001 - their own table
    ("openai", "Completion"): Watch._chat,  # noqa: SLF001
    ("litellm", "ModelResponseStream"): Watch._chat,  # noqa: SLF001
    ("litellm", "ModelResponse"): Watch._chat,  # noqa: SLF001
    ("google", "GenerateContentResponse"): Watch._google,  # noqa: SLF001
    ("langchain_core", "AIMessageChunk"): Watch._langchain,  # noqa: SLF001
}

_EVENTS: Final[dict[str, _Look]] = {
    "openai": Watch._openai,  # noqa: SLF001
    "anthropic": Watch._anthropic,  # noqa: SLF001
}
"""Clients whose streams hold events of many classes, told apart by their `type`."""


@lru_cache(maxsize=256)
def _look_of(cls: type) -> _Look | None:
    """Return what looks at events of class `cls`; `None` where it is no known client's."""
    tops = [str(base.__module__).partition(".")[0] for base in cls.__mro__]
    for top, base in zip(tops, cls.__mro__, strict=True):
        if look := _CLASSES.get((top, base.__name__)):
            return look
    return next((_EVENTS[top] for top in tops if top in _EVENTS), None)
