"""
The numbers of a boundary: how long calls and attempts took, what was answered instead, broken, used.

Durations are histograms, recorded as a call ends; everything else is counted here, or is a number that is there
already, and read when the SDK collects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics

from aiguard.call import logger
from aiguard.contract.rates import OF_CONTRACTS
from aiguard.failure import FailureKind
from aiguard.stages.pricing import BILLIONTHS
from aiguard.telemetry import names
from aiguard.telemetry.caps import MODELS, Cap
from aiguard.telemetry.counts import Counts
from aiguard.telemetry.gauges import Live, proof_age

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import Meter

    from aiguard.call import Call, Journal
    from aiguard.events import Run
    from aiguard.failure import Failure
    from aiguard.stages.bulkhead import Permits
    from aiguard.stages.pricing import PriceTable
    from aiguard.telemetry.gauges import Dependency
    from aiguard.usage import Usage

_UNKNOWN: Final = object()


class Instruments:
    """
    Every instrument, made from one meter.

    Attributes:
        calls: How long calls took.
        attempts: How long attempts took.
        first_items: How long streams took to their first item.
        gaps: How long the longest wait for an item of a stream was.
        live: The boundaries whose gauges are read.
        models: The names of models that become series.
        rungs: How often rungs were asked.
        breaches: How often contracts were broken.
        moves: How often breakers changed their state.
        tokens: What was used.
        cost: What that cost.
        dropped: What OpenTelemetry raised at, or a backend did not take.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.calls = self._seconds(names.CALL_DURATION, "How long guarded calls took, by how they ended.")
        self.attempts = self._seconds(names.ATTEMPT_DURATION, "How long single tries of components took.")
        first, gap = "How long streams took to their first item.", "The longest wait for an item of each stream."
        self.first_items = self._seconds(names.STREAM_FIRST_ITEM, first)
        self.gaps = self._seconds(names.STREAM_MAX_GAP, gap)
        self.models = Cap(MODELS)
        self.rungs = Counts(names.BOUNDARY, names.FALLBACK_NAME, names.FALLBACK_RESULT)
        self.breaches = Counts(names.BOUNDARY, names.CONTRACT, names.ERROR_TYPE, names.VALIDATION_ACTION)
        self.moves = Counts(names.BREAKER_NAME, names.BREAKER_STATE)
        self.tokens = Counts(names.BOUNDARY, names.MODEL, names.USAGE_TYPE, names.PURPOSE)
        self.cost = Counts(names.BOUNDARY, names.MODEL, names.PURPOSE)
        self.dropped = Counts(names.SIGNAL)
        self.live = Live()
        count: Any = meter.create_observable_counter
        level: Any = meter.create_observable_up_down_counter
        gauge: Any = meter.create_observable_gauge
        live = self.live
        for make, name, read, unit, description in (
            (count, names.FALLBACK_CALLS, self.rungs.observe, "{call}", "How often rungs were asked."),
            (count, names.VALIDATION_FAILURES, self.breaches.observe, "{failure}", "How often contracts were broken."),
            (count, names.BREAKER_TRANSITIONS, self.moves.observe, "{transition}", "Changes of breakers' states."),
            (count, names.USAGE_TOKENS, self.tokens.observe, "{token}", "Tokens that components reported."),
            (count, names.USAGE_COST, self.cost.observe, "{USD}", "What the tokens cost, by the prices given."),
            (count, names.DROPPED, self.dropped.observe, "{item}", "What was raised at, or not taken."),
            (gauge, names.BREAKER_STATES, live.breakers, "{breaker}", "Breakers in each state."),
            (level, names.BULKHEAD_IN_FLIGHT, live.in_flight, "{call}", "Permits of bulkheads that are taken."),
            (level, names.BULKHEAD_LIMIT, live.limit, "{call}", "Permits that bulkheads have."),
            (level, names.BULKHEAD_QUEUED, live.queued, "{call}", "Calls that wait for a permit."),
            (gauge, names.BOUNDARY_INFO, live.info, "{boundary}", "1 for each boundary: whose it is, what it calls."),
            (gauge, names.GATE_PROOF_AGE, proof_age, "s", "Since the last proof that a halt would be seen here."),
        ):
            make(name, [read], unit, description)

    def _seconds(self, name: str, description: str) -> Any:
        return self._meter.create_histogram(
            name, "s", description, explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS
        )


_instruments = Instruments(metrics.get_meter(names.SCOPE))


def is_counted() -> bool:
    """Whether a measurement would reach anybody: before an SDK is set, nobody counts."""
    return getattr(_instruments.calls, "_real_instrument", _UNKNOWN) is not None


def lost(signal: str, amount: int = 1) -> None:
    """Count what an SDK raised at, or a backend did not take."""
    _instruments.dropped.add(signal, amount=amount)


def breaker_moved(name: str, state: str) -> None:
    """Count a breaker's change of state; `name` without the key that it may be kept for."""
    if is_counted():
        _instruments.moves.add(_instruments.live.dependencies.admit(name.partition("[")[0]), state)


class BoundaryMetrics:
    """
    The numbers of one boundary, with the attributes of the usual cases made beforehand.

    Attributes:
        name: Its name.
        owner: Who answers for it.
        dependency: What it calls.
        shares: Whether other boundaries may call the same.
        permits: Its bulkhead, where it has one.
    """

    __slots__ = (
        "__weakref__",
        "_contract",
        "_first",
        "_input",
        "_label",
        "_of",
        "_prices",
        "_success",
        "dependency",
        "name",
        "owner",
        "permits",
        "shares",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.owner: str | None = None
        self.dependency: Dependency | None = None
        self.shares = False
        self.permits: Permits | None = None
        self._contract: str | None = None
        self._input: str | None = None
        self._prices: PriceTable | None = None
        self._of: Instruments | None = None

    def describe(  # noqa: PLR0917 - what a policy has
        self,
        owner: str | None,
        dependency: Dependency,
        permits: Permits | None,
        prices: PriceTable | None,
        contract: str | None,
        input_contract: str | None,
        *,
        shares: bool,
    ) -> None:
        """Take over what is in force from now on."""
        self.owner = owner
        self.dependency = dependency
        self.shares = shares
        self.permits = permits
        self._prices = prices
        self._contract = contract
        self._input = input_contract

    def announce(self) -> None:
        """Let the gauges show this boundary: it is known by its name from now on."""
        _instruments.live.add(self)

    def succeeded(self, call: Call) -> None:
        """Record a call that the component answered; for those whom `is_counted` sends."""
        self._record(call, names.SUCCESS, None)

    def ended(self, outcome: str, call: Call, failure: Failure | None) -> None:
        """Record a call that ended in any other way."""
        if is_counted():
            self._record(call, outcome, failure)

    def _record(self, call: Call, outcome: str, failure: Failure | None) -> None:
        instruments = _instruments
        if self._of is not instruments:
            self._begin(instruments)
        journal = call.journal
        attributes = self._success
        if outcome != names.SUCCESS:
            attributes = {names.BOUNDARY: self._label, names.OUTCOME: outcome}
        if failure is not None:
            why = names.DEGRADED_REASON if outcome == names.FALLBACK else names.ERROR_TYPE
            attributes[why] = failure.kind.value
        context = getattr(journal.listener, "context", None)
        try:
            instruments.calls.record(call.clock.now() - journal.begun, attributes, context)
            for run in journal.runs:
                took = run.ended - (run.started or 0.0)
                instruments.attempts.record(took, self._attributes_of(run), context)
            times = journal.items
            if times is not None and times.first is not None:
                ended = {names.BOUNDARY: self._label, names.OUTCOME: outcome}
                instruments.first_items.record(times.first, ended, context)
                instruments.gaps.record(times.longest, ended, context)
        except Exception as error:  # noqa: BLE001 - a meter's fault must not become the caller's
            lost(names.METRICS)
            logger.warning("boundary %r: a measurement was lost: %s", self.name, type(error).__name__)
        self._count(instruments, journal, outcome, failure)

    def _begin(self, instruments: Instruments) -> None:
        """Prepare for the first measurement: a boundary that is never called takes no name from the cap."""
        self._label = label = instruments.live.names.admit(self.name)
        self._success = {names.BOUNDARY: label, names.OUTCOME: names.SUCCESS}
        self._first: dict[str, str] = {names.BOUNDARY: label, names.ATTEMPT_KIND: "initial"}
        self._of = instruments

    def _attributes_of(self, run: Run) -> dict[str, str]:
        if run.failure is None and run.number == 1 and not run.cancelled:
            return self._first
        attributes = {names.BOUNDARY: self._label, names.ATTEMPT_KIND: run.reason}
        if run.cancelled:
            attributes[names.ATTEMPT_OUTCOME] = names.CANCELLED
        elif run.failure is not None:
            attributes[names.ERROR_TYPE] = run.failure.kind.value
        return attributes

    def _count(self, instruments: Instruments, journal: Journal, outcome: str, failure: Failure | None) -> None:
        runs, wasted = journal.runs, outcome in {names.ERROR, names.REJECTED}
        for index, run in enumerate(runs):
            if run.used is not None:
                in_vain = wasted or run.failure is not None or run.cancelled
                self._use(instruments, run.used, run.inherited or (), names.WASTED if in_vain else names.USED)
            broken = run.failure
            if broken is not None and broken.stage == "output" and broken.kind in OF_CONTRACTS:
                again = index + 1 < len(runs) and runs[index + 1].reason == "reask"
                self._break(instruments, self._contract, broken.kind, names.REASKED if again else names.REFUSED)
        for rung in journal.asked or ():
            if rung.used is not None:
                self._use(instruments, rung.used, rung.inherited or (), names.WASTED if wasted else names.USED)
            if not rung.cancelled:
                result = names.ANSWERED if rung.failure is None else names.FAILED
                instruments.rungs.add(self._label, self._own(rung.rung), result)
        if journal.reported:
            self._break(instruments, self._input, FailureKind.INPUT_REJECTED, names.REPORTED)
        elif failure is not None and failure.stage == "input" and failure.kind is FailureKind.INPUT_REJECTED:
            self._break(instruments, self._input, failure.kind, names.REFUSED)

    def _break(self, instruments: Instruments, contract: str | None, kind: FailureKind, action: str) -> None:
        instruments.breaches.add(self._label, self._own(contract), kind.value, action)

    def _use(self, instruments: Instruments, used: Iterable[Usage], inherited: Iterable[Usage], purpose: str) -> None:
        """Count what was used, unless a boundary inside has counted it."""
        counted = set(map(id, inherited))
        for usage in tuple(used):  # a thread that was left behind may add to it meanwhile
            if id(usage) in counted:
                continue
            model = None if usage.model is None else instruments.models.admit(usage.model)
            cached = min(usage.cached, usage.input)
            counts = ((names.INPUT, usage.input - cached), (names.CACHED, cached), (names.OUTPUT, usage.output))
            for kind, count in counts:
                if count:
                    instruments.tokens.add(self._label, model, kind, purpose, amount=count)
            usd = usage.usd if self._prices is None else self._prices.cost(usage) / BILLIONTHS
            if usd:
                instruments.cost.add(self._label, model, purpose, amount=usd)

    def _own(self, name: str | None) -> str | None:
        """Return a name that the boundary's policy gives: it is folded with the boundary."""
        return names.OTHER if name is not None and self._label == names.OTHER else name
