"""
Chat in the terminal.

    python -m examples.chat.chat http://127.0.0.1:8000
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

import httpx2


async def events(http: httpx2.AsyncClient, question: str) -> AsyncGenerator[tuple[str, Any]]:
    """Ask; yield each event's name and data as it arrives."""
    async with http.stream("POST", "/chat", json={"text": question}) as response:
        response.raise_for_status()
        name = ""
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


async def main(url: str) -> None:
    """Send what is typed, show what comes, until nothing is typed."""
    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
        while question := input("\n> "):  # noqa: ASYNC250 - nothing else happens meanwhile
            async for name, data in events(http, question):
                if name == "text":
                    print(data, end="", flush=True)
                elif data["interrupted"]:
                    print(f" ... [broken off: {data['reason']}]")
                else:
                    print("" if data["by"] == "model" else f"\n[not the model: {data['reason']}]")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
