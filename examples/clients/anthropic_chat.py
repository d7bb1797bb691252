"""
A chat that streams from Anthropic's SDK: where it breaks off, a rung goes on, and the reader is told.

    python -m examples.clients.anthropic_chat

Pieces are shown as they come, so nothing can be taken back. With `on_break="rung"` one marker stands where the model's
words end and the rung's begin. `component` notices a stream that just stops, without its last event: to the SDK, that
is an answer.
"""

from collections.abc import Iterator

from anthropic import Anthropic

from aiguard import Interrupted, Retry, guard
from aiguard.integrations.anthropic import component
from aiguard.testing import fault_server

MODEL = "claude-sonnet-5"

PHASES = {
    "healthy": ["ok"],
    "overloaded, then well": ["529", "ok"],
    "stops without an end": ["no-terminator"],
    "hangs up in the middle": ["cut-mid-stream"],
    "falls silent in the middle": ["hang-mid-stream"],
    "cut at its length limit": ["truncated"],
    "down": ["reset-before-headers"],
}
"""What each call meets: one fault for each request, the last one from then on."""


def main() -> None:
    """Ask once in each phase."""
    with (
        fault_server(answer="Your invoice is under Account, Billing.") as server,
        Anthropic(base_url=server.anthropic_url, api_key="none") as client,
    ):
        ask = component(client.messages.stream)

        @guard(
            "chat",
            stream="passthrough",
            deadline=5.0,  # of waiting for the model, in all
            idle=1.0,  # between two pieces
            retry=Retry(attempts=2),  # up to the first piece
            on_break="rung",
            fallback=[["I lost the line. ", "Please write to support@example.org."]],
        )
        def chat(question: str) -> Iterator[str]:
            with ask(model=MODEL, max_tokens=200, messages=[{"role": "user", "content": question}]) as stream:
                yield from stream.text_stream

        for phase, faults in PHASES.items():
            server.clear()
            server.script(MODEL, *faults)
            print(f"{phase}: ", end="")
            for piece in chat("Where is my invoice?"):
                match piece:
                    case Interrupted(failure, delivered):
                        print(f" [{failure.kind} after piece {delivered}] ", end="")
                    case text:
                        print(text, end="", flush=True)
            print(f" ({len(server.requests)} sent)")


if __name__ == "__main__":
    main()
