"""What the backends must have of the incident; each as a sentence that is kept or broken."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from aiguard.telemetry import names
from examples.ticket_triage.guarded import triage
from examples.ticket_triage.tickets import load
from tests.telemetry_e2e.incident import BOUNDARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.telemetry_e2e.incident import Told
    from tests.telemetry_e2e.phoenix import Phoenix, Span
    from tests.telemetry_e2e.terminal import Shown

CALL: Final = f"{names.CALL_SPAN} {BOUNDARY}"
ATTEMPT: Final = f"{names.ATTEMPT_SPAN} {BOUNDARY}"
RUNG: Final = f"{names.FALLBACK_SPAN} rules"
DEGRADED: Final = f"attributes['aiguard']['outcome'] == '{names.FALLBACK}'"
"""What a reader types into Phoenix's search field."""


def attributes(span: Span) -> dict[str, Any]:
    """Return a span's attributes, by their full names."""
    found: dict[str, Any] = span["attributes"]
    return found


def below(spans: list[Span], call: Span) -> list[Span]:
    """Return the spans directly below a call's."""
    return [span for span in spans if span["parent_id"] == call["context"]["span_id"]]


def telling(spans: list[Span]) -> Span:
    """Return the call that shows most: nobody answered its attempts, and a rung did."""
    killed = [span for span in spans if attributes(span).get(names.DEGRADED_REASON) == "connection"]
    return max(killed, key=lambda call: len(below(spans, call)))


def of_traces(check: Callable[[str, object], None], phoenix: Phoenix, spans: list[Span], told: Told) -> None:
    """Hold the traces in Phoenix against what the service counted, and against the incident."""
    calls = [span for span in spans if span["name"] == CALL]
    outcomes = Counter(attributes(span).get(names.OUTCOME) for span in calls)
    check(f"Phoenix has a trace of every call: {sum(told.ended.values())}", dict(outcomes) == told.ended)
    check(
        "each names its owner", {attributes(span).get(names.OWNER) for span in calls} == {triage.boundary.policy.owner}
    )
    degraded = [span for span in calls if attributes(span).get(names.DEGRADED)]
    reasons = Counter(str(attributes(span).get(names.DEGRADED_REASON)) for span in degraded)
    check(f"degraded calls say why: {dict(reasons)}", {"connection", "circuit_open"} <= reasons.keys())
    check("an answer of a rung is no error", {span["status_code"] for span in degraded} == {"UNSET"})
    found = phoenix.count(DEGRADED)
    check(f"Phoenix's own filter finds them: {found}", found == len(degraded))
    call = telling(spans)
    attempts = [span for span in below(spans, call) if span["name"] == ATTEMPT]
    check(
        f"a degraded call shows its {len(attempts)} attempts, each an error",
        attempts and {span["status_code"] for span in attempts} == {"ERROR"},
    )
    check("and the rung that answered", RUNG in {span["name"] for span in below(spans, call)})
    tried = {call["context"]["span_id"]: attributes(call).get(names.ATTEMPT_COUNT) for call in calls}
    seen = Counter(span["parent_id"] for span in spans if span["name"] == ATTEMPT)
    check("every call has as many attempts below it as it says", tried == {call: seen[call] for call in tried})
    refused = [call for call in degraded if attributes(call)[names.DEGRADED_REASON] == "circuit_open"]
    unasked = sum(not seen[call["context"]["span_id"]] for call in refused)
    check(f"while the breaker was open, the model was not asked: {unasked} calls", unasked)
    check(
        "retries and the breaker's opening are events of the spans that Phoenix shows",
        {names.RETRY_EVENT, names.BREAKER_EVENT} <= {event["name"] for span in spans for event in span["events"]},
    )
    everything = json.dumps(spans)
    check("no ticket's text is in Phoenix", not any(json.dumps(ticket.text)[1:-1] in everything for ticket in load()))


def of_metrics(check: Callable[[str, object], None], told: Told) -> None:
    """Hold what Prometheus has against what the service counted, and against the incident."""
    check(f"Prometheus counted the same calls: {told.counted}", told.counted == told.ended)
    check(
        f"it saw the breaker open, and closed at last: {told.breaker}", told.breaker["open"] and told.last == "closed"
    )
    states = {alert["labels"]["alertname"]: alert["state"] for alert in told.alerts}
    check("during the outage an alert fired: AiguardDegradedFast", states.get("AiguardDegradedFast") == "firing")
    check("AiguardBreakerOpen was there, and waited for its five minutes", "AiguardBreakerOpen" in states)
    owners = {alert["labels"].get("aiguard_owner") for alert in told.alerts}
    check(f"each alert named the owner: {owners}", owners == {triage.boundary.policy.owner})


def of_events(check: Callable[[str, object], None], relayed: str, told: Told) -> None:
    """Hold the log events that the relay was sent against what the service counted."""
    degraded = relayed.count(f"EventName: {names.DEGRADED_EVENT}\n")
    check(f"a log event told of every degraded call: {degraded}", degraded == told.ended.get(names.FALLBACK))
    check("and of the breaker's opening", f"EventName: {names.BREAKER_EVENT}\n" in relayed)
    check("no ticket's text is in a log event", not any(ticket.text in relayed for ticket in load()))


def of_terminal(check: Callable[[str, object], None], spans: list[Span], shown: Shown) -> None:
    """Hold what `aiguard top` and `aiguard trace` showed during the outage against the incident, and the traces."""
    owner = re.escape(str(triage.boundary.policy.owner))
    row = re.search(rf"^.*{BOUNDARY} +{owner} +on +open .* (\d+)% +0% .*$", shown.table, re.MULTILINE)
    degraded = int(row[1]) if row else 0
    check(f"aiguard top showed the open breaker, and {degraded} % of calls degraded", degraded)
    heads = re.findall(r"answered by rules, after (\w+).* trace ([0-9a-f]{32})", shown.calls)
    check(f"aiguard trace showed why: {dict(Counter(reason for reason, _ in heads))}", "attempt 1" in shown.calls)
    traces = {span["context"]["trace_id"] for span in spans if span["name"] == CALL}
    check(f"the {len(heads)} calls that it showed are traces in Phoenix", heads and {it for _, it in heads} <= traces)
    everything = f"{shown.table}\n{shown.calls}"
    texts = [ticket.text for ticket in load() if " " in ticket.text]  # "ok" is one, and a part of words of ours
    check("no ticket's text is on a terminal", not any(text in everything for text in texts))
