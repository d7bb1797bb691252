"""
A chain of LangChain's behind a boundary: what leaves it is a `Review`, the model's or a rung's.

    python -m examples.clients.langchain_answer

`guarded` is a runnable like any other: it has `invoke`, `batch`, `stream` and their async twins, and stands in a chain.
Inside, the models' own retries are off, and their requests end at the deadline.
"""

from typing import Any, Literal

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from aiguard import Boundary, Retry
from aiguard.integrations.langchain import GuardedRunnable, guarded
from aiguard.testing import fault_server

MODEL = "gpt-4.1"

PHASES = {
    "healthy": ["ok"],
    "unavailable, then well": ["503", "ok"],
    "unavailable": ["503"],
    "the answer is cut": ["truncated"],
    "it talks of something else": ["garbage"],
    "the server drips": ["drip:0.05"],
}
"""What each call meets: one fault for each request, the last one from then on."""


class Review(BaseModel):
    """What a review says of whoever wrote it."""

    mood: Literal["pleased", "mixed", "annoyed"]


def main() -> None:
    """Read one review in each phase."""
    boundary = Boundary("review", deadline=2.5, output=Review, retry=Retry(attempts=2), fallback=[Review(mood="mixed")])
    prompt = ChatPromptTemplate.from_template("Tell the mood of this review: {review}")

    with fault_server(answer='{"mood": "annoyed"}') as server:
        model = ChatOpenAI(model=MODEL, base_url=server.openai_url, api_key="none", max_retries=5)
        read: GuardedRunnable[Any, Any] = guarded(boundary, prompt | model)
        for phase, faults in PHASES.items():
            server.clear()
            server.script(MODEL, *faults)
            outcome = read.outcome({"review": "It came late, and broken."})
            by = f"a rung, since {outcome.failure.kind}" if outcome.failure else "the model"
            print(f"{phase}: {outcome.unwrap().mood} by {by}; {len(server.requests)} sent, {outcome.elapsed:.1f} s")


if __name__ == "__main__":
    main()
