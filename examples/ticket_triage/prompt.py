"""What the model is asked: the same request from both services."""

from __future__ import annotations

from typing import Any, Final

from examples.ticket_triage.contract import Triage

MODEL: Final = "SmolLM2-135M-Instruct"

SYSTEM: Final = (
    "You triage support tickets. Answer with one JSON object: category (billing, technical, account, shipping, "
    "security, feedback or other), priority (low, normal, high or urgent) and your confidence, a number from 0 to 1."
)
EXAMPLE: Final = (
    "The invoice for May lists a plan that we never ordered.",
    '{"category":"billing","priority":"normal","confidence":0.9}',  # without spaces: five tokens less to wait for
)


def request(ticket: str) -> dict[str, Any]:
    """Return the arguments of `chat.completions.create` for one ticket."""
    question, answer = EXAMPLE
    return {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": ticket},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "triage", "strict": True, "schema": Triage.model_json_schema()},
        },
        "temperature": 0.7,  # what many services run with; now and then it makes a confidence of 1.2
        "max_tokens": 48,
    }
