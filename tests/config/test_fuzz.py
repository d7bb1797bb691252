"""Whatever a file holds, reading it ends in policies, or in an error with a position: never in a traceback."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import Breaker, Bulkhead, Owner, Policy, PolicyError, Problem, Retry
from aiguard.config.application import rehearsed
from aiguard.config.configuration import Configuration
from aiguard.config.document import SECTIONS
from aiguard.config.ladder_form import RUNGS
from aiguard.config.tenacity_names import ARGUMENTS, MADE_OF
from aiguard.config.yaml_text import write_yaml

HERE = "tests.config.importable"
VALID = f"""\
version: 1
defaults: {{owner: everybody, breaker: {{window: 30s}}}}
boundaries:
  ticket-triage:
    deadline: 1m30s
    retry: {{attempts: 3, wait: {{wait_chain: [{{wait_fixed: {{wait: 1}}}}, wait_none]}}, on: [timeout]}}
    breaker: {{failure_rate: 0.5, open_for: 15s}}
    output: {{schema: "{HERE}:Triage", extract: true, checks: ["{HERE}:is_urgent"]}}
    fallback:
      - {{last_good: {{by: "{HERE}:question", ttl: 10m, size: 9}}}}
      - {{call: "{HERE}:rules", name: rules}}
      - {{boundary: other}}
      - {{value: {{category: other, priority: 1}}}}
  other: {{deadline: 2, mode: off, output: {{schema: {{type: object, properties: {{a: {{type: integer}}}}}}}}}}
directory:
  people: {{anna: {{name: Anna, contact: anna@example.org}}, ben: {{name: Ben}}}}
  teams: {{support-ml: {{members: [anna, ben], runbook: "https://example.org/support"}}}}
control: {{halt: [support-ml, ben], resume: [anna]}}
"""

words = st.sampled_from(
    [
        *SECTIONS, *Policy.model_fields, *Retry.model_fields, *Breaker.model_fields, *Bulkhead.model_fields,
        *Owner.model_fields, *RUNGS, *ARGUMENTS, *MADE_OF, "by", "ttl", "size", "schema", "checks", "extract", "type",
        "properties", "people", "teams", "members", "name", "contact", "halt", "resume", "anna", "support-ml",
        "ticket-triage", "other", "deadlin", "a b", "", "<<",
    ]
)  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**20), st.floats(), st.text(max_size=5), words,
    st.sampled_from([f"{HERE}:Triage", f"{HERE}:rules", f"{HERE}:NUMBER", f"{HERE}:", ":", "os:path.join", "json:loads",
                     "1m", "5 minutes", "on", "buffer", "timeout", "circuit_open", "stop_never"]),
)  # fmt: skip
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


def read(data: bytes, suffix: str = "yaml", environ: dict[str, str] | None = None) -> None:
    """Read it, and hold what it says to itself and to code."""
    name = f"aiguard.{suffix}"
    problems: tuple[Problem, ...] = ()
    try:
        configuration = Configuration(name, data, environ or {}).checked()
        policies = {one: configuration.policy(one, Policy(deadline=1)) for one in configuration.boundaries}
    except PolicyError as error:
        problems = error.problems or (Problem("an error without a problem"),)
    else:
        assert all(isinstance(policy, Policy) for policy in policies.values())
        problems = tuple(problem for one in policies for problem in rehearsed(configuration, one))
    for problem in problems:
        assert problem.position is not None
        assert problem.position.source == name or problem.position.source in (environ or {})
        assert problem.position.line >= 0
        assert "Error" not in problem.reason or "importing" in problem.reason
        assert "\n" not in str(problem)


@settings(deadline=None, max_examples=150)
@given(trees, trees, trees)
def test_any_tree_is_policies_or_an_error(defaults: Any, block: Any, boundaries: Any) -> None:
    """Random trees of the words that a file is made of, at every place of it."""
    read(write_yaml({"version": 1, "defaults": defaults, "boundaries": {"t": block}}).encode())
    read(write_yaml({"version": 1, "boundaries": boundaries}).encode())
    read(write_yaml(boundaries).encode())


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_valid_file_with_a_hole_is_policies_or_an_error(data: st.DataObject) -> None:
    """A few characters cut out of a valid file, or put into it."""
    text = VALID
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 12, len(text))))
        text = text[:start] + data.draw(st.text(max_size=6) | words) + text[end:]
    read(text.encode(errors="surrogatepass"))


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(["yaml", "toml", "json"]))
def test_any_bytes_are_policies_or_an_error(data: bytes, suffix: str) -> None:
    """In every format."""
    read(data, suffix)
    read(b"version: 1\nboundaries:\n  t: " + data, suffix)


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(
        st.builds("AIGUARD__{}{}{}".format, words, st.sampled_from(["__", "_", "__RETRY__"]), words.map(str.upper)),
        scalars.map(str) | trees.map(write_yaml) | st.text(max_size=9),
        max_size=3,
    )
)  # fmt: skip
def test_any_environment_is_settings_or_an_error(environ: dict[str, str]) -> None:
    """Random variables under our prefix."""
    read(VALID.encode(), environ=environ)
