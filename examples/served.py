"""An app of the examples, served as its README says: by uvicorn, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2

from examples.ticket_triage.model_process import HOST, ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def served(app: str, model_url: str, **variables: str) -> AsyncIterator[httpx2.AsyncClient]:
    """
    Serve an app on a free port, and end it in every case.

    Args:
        app: As uvicorn takes it: `module:attribute`.
        model_url: The address of its model, for an OpenAI client.
        **variables: What its environment holds beside that.

    Yields:
        A client for it.
    """
    port = free_port(None)
    command = ("-m", "uvicorn", app, "--host", HOST, "--port", str(port), "--log-level", "error")
    environment = os.environ | {"OPENAI_BASE_URL": model_url, "OPENAI_API_KEY": "none"} | variables
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, env=environment)
    try:
        async with httpx2.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=60) as client:
            while not await _listens(client):
                if process.returncode is not None:
                    raise RuntimeError(f"uvicorn ended with status {process.returncode} before it listened")
                await asyncio.sleep(0.1)
            yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listens(client: httpx2.AsyncClient) -> bool:
    try:
        await client.get("/health")
    except httpx2.ConnectError:
        return False
    return True
