"""Every client that is tested, in the order in which it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.clients import (
    anthropic_cells,
    botocore_cells,
    framework_cells,
    google_cells,
    grpc_cells,
    http_cells,
    openai2_cells,
    openai_cells,
    process_cells,
    torch_cells,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.clients.cell import Client

GROUPS: Final[Mapping[str, tuple[Client, ...]]] = {
    "Providers": (openai_cells.CLIENT, anthropic_cells.CLIENT, google_cells.CLIENT, botocore_cells.CLIENT),
    "Frameworks": (
        framework_cells.LANGCHAIN,
        framework_cells.PYDANTIC_AI,
        framework_cells.OPENAI_AGENTS,
        openai2_cells.LITELLM,
        openai2_cells.LLAMA_INDEX,
        openai2_cells.INSTRUCTOR,
    ),
    "HTTP and RPC": (
        http_cells.HTTPX,
        http_cells.HTTPX2,
        http_cells.REQUESTS,
        http_cells.AIOHTTP,
        grpc_cells.CLIENT,
    ),
    "In the process": (
        process_cells.SKLEARN,
        process_cells.ONNXRUNTIME,
        torch_cells.TRANSFORMERS,
        torch_cells.SENTENCE_TRANSFORMERS,
    ),
}

CLIENTS: Final[tuple[Client, ...]] = tuple(client for clients in GROUPS.values() for client in clients)
