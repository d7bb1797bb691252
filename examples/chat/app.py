"""
A chat that streams: words as they come, and at the end an event that says whether that was all.

    uvicorn examples.chat.app:app

The model is any that speaks OpenAI's protocol: `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `MODEL` say which.
"""

import os
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from functools import cache
from typing import Annotated

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from openai import AsyncOpenAI
from pydantic import BaseModel, Field

from aiguard import BoundaryError, Breaker, Bulkhead, FailureKind, Retry, guard

MODEL = os.environ.get("MODEL", "SmolLM2-135M-Instruct")


@guard(
    "chat",
    owner="assistants",
    stream="passthrough",  # every piece at once; what was sent cannot be taken back
    deadline=30.0,  # of waiting for the model, in all; a reader who takes their time is not cut off
    retry=Retry(attempts=2),  # up to the first piece
    breaker=Breaker(minimum_calls=3, open_for=5.0),
    bulkhead=Bulkhead(limit=8),
    fallback=["I cannot answer at the moment. Please try again in a minute."],
)
async def chat(question: str) -> AsyncIterator[str]:
    """Ask the model; yield the pieces of its answer."""
    answer = await client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}], max_tokens=200, stream=True
    )
    async with answer:  # hangs up when nobody listens any more
        async for chunk in answer:
            for choice in chunk.choices:
                if choice.delta.content:
                    yield choice.delta.content
                if choice.finish_reason == "length":
                    yield " […]"  # cut at `max_tokens`: the reader has to know, and nothing was interrupted


@cache
def client() -> AsyncOpenAI:
    """Return the SDK's client; it tries once, since the boundary tries again."""
    return AsyncOpenAI(max_retries=0)


class Question(BaseModel):
    """What is sent to us."""

    text: Annotated[str, Field(max_length=2000)]


class End(BaseModel):
    """The last event: whether the answer broke off, who gave it, and why not the model, or not all of it."""

    interrupted: bool
    by: str
    reason: FailureKind | None


app = FastAPI()


@app.post("/chat", response_class=EventSourceResponse)
async def answer(question: Question) -> AsyncIterator[ServerSentEvent]:
    """Send `text` events, then one `end`. A status cannot say that an answer broke off: it was sent long before."""
    async with aclosing(chat(question.text)) as pieces:  # a client that leaves gives its permit back
        with suppress(BoundaryError):  # its outcome tells
            async for piece in pieces:
                yield ServerSentEvent(event="text", data=piece)
    if outcome := pieces.outcome:
        reason = outcome.failure.kind if outcome.failure else None
        end = End(interrupted=not outcome.ok, by=outcome.rung or "model", reason=reason)
        yield ServerSentEvent(event="end", data=end)


@app.get("/health")
async def health() -> dict[str, object]:
    """Show the boundary's state."""
    boundary = chat.boundary
    return {
        "breaker": boundary.breaker and boundary.breaker.current_state,
        "in_flight": boundary.bulkhead and boundary.bulkhead.in_flight,
    }
