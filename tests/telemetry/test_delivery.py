"""What is lost on its way to a backend: counted, told once, and told of by nobody else's exporters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from aiguard.telemetry import names
from aiguard.telemetry.delivery import Closing, Delivery, Once
from tests.telemetry.otlp import broken, collecting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.telemetry.conftest import Recorded

SDK = "opentelemetry"


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Give an address that refuses connections."""
    with broken("refuses") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def all_lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Catch what is told from INFO on, as most programs do."""
    caplog.set_level(logging.INFO)
    return caplog


def delivery(endpoint: str, once: Once | None = None) -> Delivery:
    """Make an exporter as `configure()` does, which gives up soon."""
    exporter = OTLPSpanExporter(endpoint, timeout=0.2)
    return Delivery(exporter, names.SPANS, SpanExportResult, once or Once())


def spoken(caplog: pytest.LogCaptureFixture, logger: str) -> list[str]:
    """Return what a logger and those below it said."""
    return [record.getMessage() for record in caplog.records if record.name.startswith(logger)]


def test_every_lost_item_is_counted_and_the_first_is_told(
    recorded: Recorded, all_lines: pytest.LogCaptureFixture
) -> None:
    """Once for all signals: where it should have gone, and why it did not; nothing secret of the address."""
    recorded.tracer.start_span("one").end()
    recorded.tracer.start_span("two").end()
    once = Once()
    with collecting() as collector:
        collector.statuses["/SECRET?key=SECRET"] = 400
        endpoint = f"http://user:SECRET@127.0.0.1:{collector.server_port}/SECRET?key=SECRET"
        for _ in range(2):
            assert delivery(endpoint, once).export(recorded.spans) is SpanExportResult.FAILURE
    assert recorded.series(names.DROPPED) == {("span",): 4}
    [line] = spoken(all_lines, "aiguard")
    assert line.startswith(f"telemetry is lost: 127.0.0.1:{collector.server_port} did not take a batch of spans (400);")
    assert "SECRET" not in all_lines.text
    assert spoken(all_lines, SDK) == []


def test_what_the_exporter_says_is_there_for_whoever_asks(
    nowhere: str, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG, for every batch."""
    caplog.set_level(logging.DEBUG)
    delivery(nowhere).export(recorded.spans)
    said = [record.levelname for record in caplog.records if record.name.startswith(f"{SDK}.exporter")]
    assert set(said) == {"DEBUG"}


def test_a_programs_own_exporter_says_what_it_always_says(
    nowhere: str, recorded: Recorded, all_lines: pytest.LogCaptureFixture
) -> None:
    """Only the exports of `configure()` are quiet."""
    delivery(nowhere)
    OTLPSpanExporter(nowhere, timeout=0.2).export(recorded.spans)
    assert any("Failed to export" in line for line in spoken(all_lines, SDK))
    assert recorded.series(names.DROPPED) == {}


def test_what_arrives_is_no_loss(recorded: Recorded, all_lines: pytest.LogCaptureFixture) -> None:
    """Nothing is counted or told, and a loss later is."""
    once = Once()
    with collecting() as collector:
        assert delivery(f"{collector.endpoint}/v1/traces", once).export(recorded.spans) is SpanExportResult.SUCCESS
    assert spoken(all_lines, "aiguard") == []
    once.tell("a batch")
    assert len(spoken(all_lines, "aiguard")) == 1


def test_an_exporter_that_raises_is_a_loss_too(recorded: Recorded, all_lines: pytest.LogCaptureFixture) -> None:
    """Its class is told, never its text; the SDK, which would log the text each time, never hears of it."""

    class Raises:
        def export(self, _: Any) -> Any:
            raise RuntimeError("CANARY")

    lost = Delivery(Raises(), names.SPANS, SpanExportResult, Once()).export([object()])
    assert lost is SpanExportResult.FAILURE
    assert recorded.series(names.DROPPED) == {("span",): 1}
    assert "the backend did not take a batch of spans (RuntimeError)" in all_lines.text
    assert "CANARY" not in all_lines.text


def test_a_full_queue_is_told_once_by_the_sdk(nowhere: str, all_lines: pytest.LogCaptureFixture) -> None:
    """It says it every 20 s, from the threads of callers; other words of the same logger pass."""
    delivery(nowhere)
    sdk = logging.getLogger("opentelemetry.sdk._shared_internal")
    for kind in ("Span", "Span", "Log"):
        sdk.filters[0].__dict__.pop("last_log", None)  # the SDK's own filter of 20 s
        sdk.warning("Queue full, dropping %s.", f"{kind} of {id(all_lines)}")
    told = [line.split()[3] for line in spoken(all_lines, SDK)]
    assert told == ["Span", "Log"]


def test_a_provider_that_cannot_be_shut_down_is_told(all_lines: pytest.LogCaptureFixture) -> None:
    """The others are shut down all the same."""
    done: list[str] = []

    def raises() -> None:
        raise RuntimeError("CANARY")

    Closing(Once(), ["backend:1"], [raises, lambda: done.append("other")]).close(5.0)
    assert done == ["other"]
    assert spoken(all_lines, "aiguard") == ["a provider of OpenTelemetry's could not be shut down: RuntimeError"]
