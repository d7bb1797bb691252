"""
A service in front of a model: its answers say who gave them, and its errors say when to come back.

    uvicorn examples.service.app:app

The model is any that speaks OpenAI's protocol: `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `MODEL` say which.
"""

import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, Field

import aiguard
from aiguard import BoundaryError, DeadlineExceededError, FailureKind, RejectedError, guard

POLICIES = os.environ.get("AIGUARD_CONFIG") or Path(__file__).with_name("aiguard.yaml")
MODEL = os.environ.get("MODEL", "SmolLM2-135M-Instruct")


class Mood(BaseModel):
    """What a review says of whoever wrote it."""

    mood: Literal["pleased", "mixed", "annoyed"]


def rules(text: str) -> Mood:
    """Judge a review by the words in it: poorer than a model, but always awake."""
    words = set(text.lower().replace(",", " ").replace(".", " ").split())
    good, bad = words & {"love", "great", "fast", "perfect"}, words & {"broken", "late", "never", "slow"}
    if not good and not bad:
        raise LookupError("no word that tells")  # the next rung answers
    return Mood(mood="mixed" if good and bad else "pleased" if good else "annoyed")


@guard("review-mood", output=Mood, fallback=[rules, Mood(mood="mixed")])  # deadline and the rest: aiguard.yaml
async def read_mood(text: str) -> ChatCompletion:
    """Ask the model what a review says."""
    form = {"type": "json_schema", "json_schema": {"name": "mood", "strict": True, "schema": Mood.model_json_schema()}}
    return await ask("Tell the mood of the customer who wrote this review.", text, response_format=form, max_tokens=24)


@guard("review-reply", output=str)  # no ladder: nothing else can write a letter, so its errors reach whoever asked
async def write_reply(text: str) -> ChatCompletion:
    """Ask the model for a reply to a review."""
    return await ask("Thank the customer for this review. Two sentences.", text, max_tokens=120)


async def ask(task: str, text: str, **settings: Any) -> ChatCompletion:
    """Send one request; whatever goes wrong with it is the boundary's business."""
    messages: Any = [{"role": "system", "content": task}, {"role": "user", "content": text}]
    completion: ChatCompletion = await client().chat.completions.create(
        model=MODEL, messages=messages, temperature=0.0, **settings
    )
    return completion


@cache
def client() -> AsyncOpenAI:
    """Return the SDK's client; it tries once, since the boundary tries again."""
    return AsyncOpenAI(max_retries=0)


class Review(BaseModel):
    """What is sent to us."""

    text: Annotated[str, Field(max_length=2000)]


class MoodAnswer(Mood):
    """What we send back: `by` a rung instead of the model, where it is `degraded`, and for which `reason`."""

    degraded: bool
    by: str
    reason: FailureKind | None


Wait = Annotated[float | None, Header(alias="X-Request-Timeout", gt=0, allow_inf_nan=False)]
"""Seconds for which the caller waits: a boundary's own deadline may be shortened by it, never extended."""


@asynccontextmanager
async def configured(_: FastAPI) -> AsyncIterator[None]:
    """Lay the operator's file over the code: a change of it holds within a second, without a restart."""
    aiguard.configure(POLICIES, watch=True)
    yield


app = FastAPI(lifespan=configured)


@app.post("/mood")
async def mood(review: Review, wait: Wait = None) -> MoodAnswer:
    """Tell the mood of a review: always an answer, and in time."""
    outcome = await read_mood.options(deadline=wait).outcome(review.text)
    reason = outcome.failure.kind if outcome.failure else None
    return MoodAnswer(mood=outcome.unwrap().mood, degraded=outcome.degraded, by=outcome.rung or "model", reason=reason)


@app.post("/reply")
async def reply(review: Review, wait: Wait = None) -> str:
    """Draft a reply to a review, or say by the status why there is none."""
    return await write_reply.options(deadline=wait)(review.text)


@app.exception_handler(BoundaryError)
async def refuse(_: Request, error: BoundaryError) -> JSONResponse:
    """Turn the one kind of error that a boundary raises into a status: 503 come again, 504 too slow, 502 it failed."""
    later = error.failure.retry_after
    if isinstance(error, RejectedError) or later is not None:
        status = 503
    else:
        status = 504 if isinstance(error, DeadlineExceededError) else 502
    headers = {} if later is None else {"Retry-After": str(math.ceil(later))}
    return JSONResponse({"error": error.failure.kind, "boundary": error.boundary}, status, headers)


@app.get("/health")
async def health() -> dict[str, Any]:
    """Show every boundary's state. The status is 200 while we run: to restart us would not heal the model."""
    return {
        boundary.name: {
            "owner": boundary.policy.owner,
            "mode": boundary.mode,
            "breaker": boundary.breaker and boundary.breaker.current_state,
            "in_flight": boundary.bulkhead and boundary.bulkhead.in_flight,
            "queued": boundary.bulkhead and boundary.bulkhead.queued,
        }
        for boundary in aiguard.boundaries()
    }
