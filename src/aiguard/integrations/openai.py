"""
OpenAI's SDK behind a boundary.

    ask = component(OpenAI().chat.completions.create)
    triage = Boundary("triage", deadline=4.0, output=Triage)
    triage.call(ask, model="gpt-4.1", messages=[...])
"""

from __future__ import annotations

from aiguard.integrations.inspection import Method, method_of_copy


def component(method: Method, /) -> Method:
    """
    Return a method of a client as a component: same signature, same types, same exceptions, and what a boundary needs.

    The SDK's own retries are off, each attempt has no longer than what is left of the deadline, to the end of its
    body, tokens are reported, and an answer that is none (cut, refused, filtered, empty, a stream without its end)
    fails with its kind. Outside any boundary it waits as long as the client does, and logs one warning.

    It is the method of a copy that sends over the client's connections; the client itself is not changed.

    Args:
        method: Of an `OpenAI` or `AsyncOpenAI`, or of a class derived from them: `create`, `parse` or `stream` of
            `client.chat.completions` and `client.responses`, `client.embeddings.create`.

    Raises:
        TypeError: It is no method of such a client.
    """
    return method_of_copy(method, "openai")
