"""
A ticket triage through OpenAI's SDK: an output contract, a retry and a ladder, all on one deadline.

    python -m examples.clients.openai_triage

Shows what becomes of a limited rate, an answer that was cut and a server that hangs: the caller always has a category,
and in time. `component` switches the SDK's own retries off and hands it what is left of the deadline.
"""

from typing import Literal

from openai import OpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from aiguard import Retry, guard
from aiguard.integrations.openai import component
from aiguard.testing import fault_server

MODEL = "gpt-4.1"

PHASES = {
    "healthy": ["ok"],
    "limited, come back in 0.2 s": ["429-retry-after:0.2", "ok"],
    "the answer is cut": ["truncated"],
    "the server hangs": ["hang-before-headers"],
    "limited, come back in a minute": ["429-retry-after:60"],
    "the same minute": ["ok"],
}
"""What each call meets: one fault for each request, the last one from then on."""


class Triage(BaseModel):
    """What the model is to say of a ticket."""

    category: Literal["billing", "account", "other"]


def rules(ticket: str) -> Triage:
    """Judge a ticket by its words: poorer than a model, but always awake."""
    return Triage(category="billing" if "invoice" in ticket else "other")


def main() -> None:
    """Send one ticket through each phase."""
    with (
        fault_server(answer='{"category": "account"}') as server,
        OpenAI(base_url=server.openai_url, api_key="none") as client,
    ):
        ask = component(client.chat.completions.create)

        @guard("triage", deadline=2.5, output=Triage, retry=Retry(attempts=2), fallback=[rules])
        def triage(ticket: str) -> ChatCompletion:
            message = f"Name the category of this ticket: {ticket}"
            return ask(model=MODEL, messages=[{"role": "user", "content": message}])

        for phase, faults in PHASES.items():
            server.clear()
            server.script(MODEL, *faults)
            outcome = triage.outcome("I cannot find my invoice.")
            by = outcome.rung or "the model"
            why = f", since {outcome.failure.kind}" if outcome.failure else ""
            category = outcome.unwrap().category
            print(f"{phase}: {category} by {by}{why}; {len(server.requests)} sent, {outcome.elapsed:.1f} s")


if __name__ == "__main__":
    main()
