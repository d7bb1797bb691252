"""
Embeddings from llama.cpp on loopback, through OpenAI's SDK: a vector of the right length, or an error, never another.

    python -m examples.clients.embeddings

There is no ladder: a vector of another model says nothing beside those that are stored already. So the contract is its
length, and a server that was exchanged behind our back is noticed before anything is compared with it.
"""

from collections.abc import Callable
from typing import Annotated, Final

import xllamacpp
from annotated_types import Len
from openai import OpenAI

from aiguard import InputContract, Outcome, Retry, Text, guard
from aiguard.integrations.openai import component
from aiguard.testing import fault_server
from examples.ticket_triage.preflight import weights

MODEL: Final = "SmolLM2-135M-Instruct"
Vector = Annotated[list[float], Len(576, 576)]
"""As many numbers as this model's have."""

STORED = ["How do I pay an invoice?", "The parcel has not arrived.", "I forgot my password."]
PHASES = {
    "unavailable, then another model": ["503", "ok"],
    "the server hangs": ["hang-before-headers"],
    "cut in the middle": ["cut-mid-body"],
}
"""What each call meets at a server that is not ours: one fault for each request, the last one from then on."""


def embedding(name: str, client: OpenAI) -> Callable[[str], Outcome[list[float]]]:
    """Return a boundary around a server's embeddings."""
    ask = component(client.embeddings.create)

    @guard(name, deadline=3.0, output=Vector, input=InputContract(Text(2_000)), retry=Retry(attempts=2))
    def embed(text: str) -> list[float]:
        return ask(model=MODEL, input=text, encoding_format="float").data[0].embedding

    return embed.outcome


def main() -> None:
    """Find the stored text that is nearest to a question; then ask a server that fails."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights())
    settings.hostnames, settings.port = ["127.0.0.1"], 0
    settings.embedding, settings.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    settings.n_ctx, settings.n_parallel, settings.verbosity = 2048, 1, 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    model = xllamacpp.Server(settings)
    with OpenAI(base_url=f"{model.listening_address}/v1", api_key="none") as client:
        embed = embedding("embedding", client)
        asked, *stored = [embed(text).unwrap() for text in ["Where can I pay my invoice?", *STORED]]
        products = [sum(one * other for one, other in zip(asked, vector, strict=True)) for vector in stored]
        print(f"healthy: {len(asked)} numbers; nearest is {STORED[products.index(max(products))]!r}")
        refused = embed("invoice " * 300)
        print(f"a text too long: {refused.failure and refused.failure.kind}")

    with fault_server() as server, OpenAI(base_url=server.openai_url, api_key="none") as client:
        embed = embedding("embedding-elsewhere", client)
        for phase, faults in PHASES.items():
            server.clear()
            server.script(MODEL, *faults)
            outcome = embed("Where can I pay my invoice?")
            why = outcome.failure and outcome.failure.kind
            print(f"{phase}: {why}; {len(server.requests)} sent, {outcome.elapsed:.1f} s")


if __name__ == "__main__":
    main()
