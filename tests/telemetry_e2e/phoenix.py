"""Phoenix: it takes traces, and answers what it has."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from examples.ticket_triage.model_process import free_port
from tests.telemetry_e2e.http import HOST, get, get_json, post_json
from tests.telemetry_e2e.processes import Process

PAGE: Final = 1000
COUNT: Final = """
query ($id: ID!, $condition: String!) {
  node(id: $id) { ... on Project { spans(first: 1000, filterCondition: $condition) { edges { node { name } } } } }
}
"""

Span = dict[str, Any]


class Phoenix(Process):
    """
    A Phoenix with an empty database, as a context manager.

    Its port for gRPC, which nobody uses here, is open on every interface: there is no setting for that.

    Args:
        folder: Where its database goes.
        project: Whose traces are asked for.
    """

    def __init__(self, folder: Path, project: str) -> None:
        self.url = f"http://{HOST}:{(port := free_port(None))}"
        self._project = project
        environment = {
            "PHOENIX_HOST": HOST,
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port(None)),
            "PHOENIX_WORKING_DIR": str(folder / "phoenix"),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
            "PHOENIX_AGENTS_DISABLE_WEB_ACCESS": "true",
            "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        }
        command = (str(Path(sys.executable).with_name("phoenix")), "serve")
        ready = partial(get, f"{self.url}/healthz")
        super().__init__("phoenix", command, folder, environment=environment, ready=ready, within=120.0)

    @property
    def project_id(self) -> str:
        """What its pages call the project."""
        return str(get_json(f"{self.url}/v1/projects/{self._project}")["data"]["id"])

    def spans(self) -> list[Span]:
        """Return every span of the project, as its REST interface has them."""
        found: list[Span] = []
        cursor: dict[str, str] = {}
        while True:
            page = get_json(f"{self.url}/v1/projects/{self._project}/spans", limit=str(PAGE), **cursor)
            found += page["data"]
            if not page.get("next_cursor"):
                return found
            cursor = {"cursor": page["next_cursor"]}

    def count(self, condition: str) -> int:
        """Return how many spans its own filter finds, a thousand at most: what a reader types into its search field."""
        body = {"query": COUNT, "variables": {"id": self.project_id, "condition": condition}}
        answer = post_json(f"{self.url}/graphql", body)
        return len(answer["data"]["node"]["spans"]["edges"])

    def page(self, trace_id: str) -> str:
        """Return the address of a trace."""
        return f"{self.url}/projects/{self.project_id}/traces/{trace_id}"

    def page_of(self, condition: str) -> str:
        """Return the address of the list of spans that its filter finds."""
        chosen = urlencode({"spanFilterCondition": condition, "timeRangeKey": "15m"})
        return f"{self.url}/projects/{self.project_id}/spans?{chosen}"
