"""An OpenTelemetry SDK that records in memory, in force for one test and gone after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import _internal as logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aiguard.telemetry import events, metrics, names, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace.sampling import Sampler


class _Counting(SpanProcessor):
    """Counts spans: each one that starts has to end, once."""

    def __init__(self) -> None:
        self.open: list[str] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        del parent_context
        self.open.append(span.name)

    def on_end(self, span: ReadableSpan) -> None:
        self.open.remove(span.name)


class Recorded:
    """
    What an SDK was told.

    Attributes:
        tracer: For spans of the component and of the consumer.
        provider: The tracer provider.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sampler: Sampler | None, processors: tuple[Any, ...]) -> None:
        self._spans = InMemorySpanExporter()
        self._counting = _Counting()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(self._counting)
        self.provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self._logs = InMemoryLogRecordExporter()
        self.loggers = LoggerProvider(shutdown_on_exit=False)
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        for processor in processors:
            self.provider.add_span_processor(processor)
        self._reader = InMemoryMetricReader()
        self._meters = MeterProvider([self._reader], shutdown_on_exit=False)
        meter = self._meters.get_meter(names.SCOPE)
        self.tracer = self.provider.get_tracer("component")
        # the global providers can be set only once in a process, so they are put in force where the library reads them
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", self.provider)
        monkeypatch.setattr(spans, "_tracer", self.provider.get_tracer(names.SCOPE))
        monkeypatch.setattr(metrics, "_instruments", metrics.Instruments(meter))
        monkeypatch.setattr(logs, "_LOGGER_PROVIDER", self.loggers)
        monkeypatch.setattr(events, "_logger", self.loggers.get_logger(names.SCOPE))

    @property
    def open(self) -> list[str]:
        """Spans that have not ended."""
        return self._counting.open

    @property
    def spans(self) -> list[ReadableSpan]:
        """Ended spans, in the order in which they ended."""
        return list(self._spans.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        """Return the one span of that name."""
        [span] = [span for span in self.spans if span.name == name]
        return span

    @property
    def tree(self) -> dict[str, str | None]:
        """Names of the spans, each with its parent's."""
        by_id = {span.context.span_id: span.name for span in self.spans if span.context is not None}
        return {span.name: by_id.get(span.parent.span_id) if span.parent else None for span in self.spans}

    @property
    def logs(self) -> list[Any]:
        """Log records."""
        return [log.log_record for log in self._logs.get_finished_logs()]

    def logs_named(self, name: str) -> list[Any]:
        """Return the log events of that name."""
        return [log for log in self.logs if log.event_name == name]

    @property
    def metrics(self) -> dict[str, Any]:
        """Every instrument that has a series."""
        data = self._reader.get_metrics_data()
        resources = data.resource_metrics if data is not None else ()
        return {metric.name: metric for one in resources for scope in one.scope_metrics for metric in scope.metrics}

    @property
    def points(self) -> dict[str, list[tuple[dict[str, Any], int, float]]]:
        """Of each histogram: attributes, count and sum of its points."""
        return {
            name: [(dict(p.attributes), p.count, p.sum) for p in metric.data.data_points]
            for name, metric in self.metrics.items()
            if hasattr(metric.data.data_points[0], "count")
        }

    def series(self, instrument: str) -> dict[tuple[str, ...], float]:
        """Return the numbers of a counter or gauge, by the values of their attributes in the order of the names."""
        metric = self.metrics.get(instrument)
        points = metric.data.data_points if metric is not None else ()
        return {tuple(str(value) for _, value in sorted(p.attributes.items())): p.value for p in points}

    def everything(self) -> str:
        """Return every byte that would leave the process."""
        said = [span.to_json() for span in self.spans]
        said += [log.to_json() for log in self._logs.get_finished_logs()]
        said += [metric.to_json() for metric in self.metrics.values()]
        return "\n".join(said)

    def close(self) -> None:
        """Shut the SDK down."""
        self.provider.shutdown()
        self._meters.shutdown()
        self.loggers.shutdown()


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Recorded]]:
    """Put an SDK in force, with a sampler and further span processors."""
    made: list[Recorded] = []

    def make(sampler: Sampler | None = None, *processors: Any) -> Recorded:
        made.append(Recorded(monkeypatch, sampler, processors))
        return made[-1]

    yield make
    monkeypatch.undo()
    for recorded in made:
        recorded.close()


@pytest.fixture
def recorded(recording: Callable[..., Recorded]) -> Iterator[Recorded]:
    """Put an SDK in force that records everything; every span that a test starts has ended with it."""
    recorded = recording()
    yield recorded
    assert recorded.open == []
