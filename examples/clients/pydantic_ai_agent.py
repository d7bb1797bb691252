"""
An agent of Pydantic AI's with two models, each behind a boundary: where the big one fails, the small one is asked.

    python -m examples.clients.pydantic_ai_agent

What a `GuardedModel` raises is an error of Pydantic AI's too, so that its `FallbackModel` goes on, and an error of
aiguard's, which says the kind. Once the big one's breaker is open, nothing is sent to it any more.
"""

import asyncio

from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.exceptions import FallbackExceptionGroup
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from aiguard import Boundary, BoundaryError, Breaker
from aiguard.integrations.pydantic_ai import GuardedModel
from aiguard.testing import fault_server

BIG, SMALL = "gpt-4.1", "gpt-4.1-mini"

PHASES = {
    "healthy": {BIG: "ok"},
    "the big one is overloaded": {BIG: "503"},
    "the big one hangs": {BIG: "hang-before-headers"},
    "its breaker is open": {BIG: "503"},
    "both are down": {BIG: "503", SMALL: "500"},
}
"""What requests for each model meet; `ok` for one that is not named."""


async def main() -> None:
    """Ask the agent once in each phase."""
    with fault_server(answer="All is well.") as server:
        async with AsyncOpenAI(base_url=server.openai_url, api_key="none") as client:
            provider = OpenAIProvider(openai_client=client)
            big = Boundary("big", deadline=1.5, breaker=Breaker(minimum_calls=3))
            small = Boundary("small", deadline=3.0)
            agent = Agent(
                FallbackModel(
                    GuardedModel(big, OpenAIChatModel(BIG, provider=provider)),
                    GuardedModel(small, OpenAIChatModel(SMALL, provider=provider)),
                )
            )
            for phase, faults in PHASES.items():
                server.clear()
                for model, fault in faults.items():
                    server.script(model, fault)
                try:
                    answer = (await agent.run("How is it?")).output
                except FallbackExceptionGroup as group:
                    kinds = [error.failure.kind for error in group.exceptions if isinstance(error, BoundaryError)]
                    answer = " and ".join(kinds)
                asked = ", ".join(str(request.model) for request in server.requests)
                print(f"{phase}: {answer} (asked: {asked})")


if __name__ == "__main__":
    asyncio.run(main())
