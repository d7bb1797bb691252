"""
Who has to do what, out of minutes, through Google's SDK: each item is shown once it is whole and valid.

    python -m examples.clients.google_action_items

The SDK gives chunks of text, whose pieces begin and end anywhere. With `stream="elements"` a boundary takes the text
out of them and lets each element of the list go as soon as it is closed. `component` notices where a list is not whole.
"""

from collections.abc import Iterator
from typing import Any

from google import genai
from pydantic import BaseModel

from aiguard import BoundaryError, Retry, StreamInterruptedError, guard
from aiguard.integrations.google import component
from aiguard.testing import fault_server

MODEL = "gemini-2.5-flash"

PHASES = {
    "healthy": ["ok"],
    "limited, come back in 0.2 s": ["429-retry-info:0.2", "ok"],
    "hangs up before the first item": ["cut-mid-stream", "ok"],
    "cut at its length limit": ["truncated"],
    "stops without an end": ["no-terminator"],
    "filtered": ["content-filter"],
    "something else": ["garbage"],
}
"""What each call meets: one fault for each request, the last one from then on."""


class Item(BaseModel):
    """What somebody has to do."""

    who: str
    what: str


ANSWER = '[{"who": "Ann", "what": "pays"}, {"who": "Ben", "what": "calls the bank"}, {"who": "Cleo", "what": "waits"}]'


def main() -> None:
    """Read the minutes once in each phase."""
    with (
        fault_server(answer=ANSWER) as server,
        genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as client,
    ):
        ask = component(client.models.generate_content_stream)

        @guard(
            "action-items",
            output=list[Item],
            stream="elements",
            deadline=10.0,
            retry=Retry(attempts=2),  # up to the first item
        )
        def action_items(minutes: str) -> Iterator[Any]:
            yield from ask(model=MODEL, contents=f"List who has to do what, as JSON: {minutes}")

        for phase, faults in PHASES.items():
            server.clear()
            server.script(MODEL, *faults)
            print(f"{phase}: ", end="")
            try:
                for item in action_items("Ann pays, Ben calls the bank, Cleo waits."):
                    print(f"{item.who} {item.what}. ", end="", flush=True)
            except StreamInterruptedError as error:
                print(f"[{error.failure.message}] ", end="")
            except BoundaryError as error:
                print(f"[{error.failure.kind}] ", end="")
            print(f"({len(server.requests)} sent)")


if __name__ == "__main__":
    main()
