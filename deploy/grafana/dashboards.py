"""The panels of the three dashboards: for who owns a boundary, who is on call, and who pays."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Dashboard, Panel, Query, Variable

CHOSEN: Final = 'job=~"$job", aiguard_boundary=~"$boundary"'
RATE: Final = "[$__rate_interval]"
BY: Final = "job, aiguard_boundary"

JOB: Final = Variable("job", "label_values(aiguard_boundary_info, job)")
OWNER: Final = Variable("owner", 'label_values(aiguard_boundary_info{job=~"$job"}, aiguard_owner)')
BOUNDARY: Final = Variable(
    "boundary", 'label_values(aiguard_boundary_info{job=~"$job", aiguard_owner=~"$owner"}, aiguard_boundary)'
)
VARIABLES: Final = (JOB, OWNER, BOUNDARY)


def _rate(metric: str, by: str, where: str = "") -> str:
    """Return how fast a counter of the chosen boundaries rises, by so many labels."""
    chosen = f"{CHOSEN}, {where}" if where else CHOSEN
    return f"sum by ({by}) (rate({metric}{{{chosen}}}{RATE}))"


def _quantiles(metric: str, where: str = "") -> tuple[Query, ...]:
    """Return the median and what the slowest twentieth and hundredth exceed."""
    buckets = _rate(f"{metric}_bucket", "le", where)
    return tuple(
        Query(f"histogram_quantile({part}, {buckets})", name)
        for part, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )


def _owned(expr: str) -> str:
    """Return `expr`, one for each boundary, with whose it is."""
    return f"{expr} * on ({BY}) group_left (aiguard_owner) aiguard:boundary:owner{{{CHOSEN}}}"


CALLS: Final = "aiguard_call_duration_seconds"
ATTEMPTS: Final = "aiguard_attempt_duration_seconds"
COST: Final = "aiguard_usage_cost_total"
TOKENS: Final = "aiguard_usage_tokens_total"

WHY: Final = Panel(
    "Why",
    "Why calls were not answered by the component, and whether a rung answered or an error left.",
    (
        Query(
            _rate(f"{CALLS}_count", "aiguard_degraded_reason", 'aiguard_outcome="fallback"'),
            "{{aiguard_degraded_reason}}: a rung answered",
        ),
        Query(
            _rate(f"{CALLS}_count", "error_type", 'aiguard_outcome=~"error|rejected"'),
            "{{error_type}}: an error left",
        ),
    ),
    unit="reqps",
    stacked=True,
)

BROKEN: Final = Panel(
    "Broken contracts",
    "Which contract, how, and what became of the answer: asked again, refused, or only reported.",
    (
        Query(
            _rate(
                "aiguard_validation_failures_total",
                "aiguard_boundary, aiguard_contract, error_type, aiguard_validation_action",
            ),
            "{{aiguard_boundary}} {{aiguard_contract}}: {{error_type}}, {{aiguard_validation_action}}",
        ),
    ),
    unit="ops",
)

FAILED: Final = Panel(
    "Failed attempts",
    "Attempts that failed, by kind of failure, whatever became of the call.",
    (
        Query(
            _rate(f"{ATTEMPTS}_count", "aiguard_boundary, error_type", 'error_type!=""'),
            "{{aiguard_boundary}}: {{error_type}}",
        ),
    ),
    unit="ops",
)

OWNERS: Final = Dashboard(
    "owner",
    "aiguard: boundaries of an owner",
    "For who owns a boundary: how well it does, and what its calls go through.",
    VARIABLES,
    (
        Panel(
            "Degraded, last hour",
            "The part of calls that the component did not answer.",
            (Query(f"aiguard:degraded:ratio_rate1h{{{CHOSEN}}}", "{{aiguard_boundary}}"),),
            unit="percentunit",
            kind="stat",
            width=8,
            height=5,
        ),
        Panel(
            "Times the objective, last six hours",
            "Above 1, a month like this would miss the objective of the recording rule aiguard:degraded:objective.",
            (
                Query(
                    f"aiguard:degraded:ratio_rate6h{{{CHOSEN}}} / on ({BY}) aiguard:degraded:objective",
                    "{{aiguard_boundary}}",
                ),
            ),
            kind="stat",
            width=8,
            height=5,
        ),
        Panel(
            "Calls, last hour",
            "How many calls there were.",
            (Query(f"3600 * aiguard:calls:rate1h{{{CHOSEN}}}", "{{aiguard_boundary}}"),),
            kind="stat",
            width=8,
            height=5,
        ),
        Panel(
            "Calls",
            "By outcome: fallback is an answer of a rung, rejected a call that the component was not asked for.",
            (Query(_rate(f"{CALLS}_count", "aiguard_outcome"), "{{aiguard_outcome}}"),),
            unit="reqps",
            stacked=True,
        ),
        WHY,
        Panel(
            "Latency",
            "What callers waited: retries, queueing and rungs included.",
            _quantiles(CALLS, 'aiguard_outcome!="cancelled"'),
            unit="s",
        ),
        Panel(
            "Latency of attempts",
            "What the component took, a try at a time: without waits between tries.",
            _quantiles(ATTEMPTS),
            unit="s",
        ),
        Panel(
            "Attempts",
            "Why the component was asked: more than initial is retries, re-asks after broken contracts, and hedges.",
            (Query(_rate(f"{ATTEMPTS}_count", "aiguard_attempt_kind"), "{{aiguard_attempt_kind}}"),),
            unit="ops",
            stacked=True,
        ),
        BROKEN,
        Panel(
            "Time to the first item",
            "Of streams: from the call to the first thing that the consumer sees.",
            _quantiles("aiguard_stream_time_to_first_item_seconds"),
            unit="s",
        ),
        Panel(
            "Longest wait within a stream",
            "Of each stream the longest wait for an item: a stream that stutters, or hangs before it breaks.",
            _quantiles("aiguard_stream_max_item_gap_seconds"),
            unit="s",
        ),
    ),
)

ON_CALL: Final = Dashboard(
    "on-call",
    "aiguard: on call",
    "For who was paged: what is broken, since when, whose it is, and what callers get meanwhile.",
    VARIABLES,
    (
        Panel(
            "Alerts",
            "Firing and pending alerts of deploy/prometheus/rules.yml.",
            (
                Query(
                    "max by (alertname, alertstate, severity, job, aiguard_boundary, aiguard_owner) "
                    '(ALERTS{alertname=~"Aiguard.*", job=~"$job"})'
                ),
            ),
            kind="table",
        ),
        Panel(
            "Boundaries",
            "The degraded part of the last five minutes, and whose it is.",
            (Query(f"sort_desc({_owned(f'aiguard:degraded:ratio_rate5m{{{CHOSEN}}}')})"),),
            unit="percentunit",
            kind="table",
        ),
        Panel(
            "Breakers",
            "Open: the component is not asked. Half-open: probes are. Named after its boundary or its dependency.",
            (
                Query(
                    "max by (job, aiguard_breaker_name) ("
                    '2 * (aiguard_breaker_state{job=~"$job", aiguard_breaker_state="open"} > bool 0)'
                    ' or (aiguard_breaker_state{job=~"$job", aiguard_breaker_state="half-open"} > bool 0))',
                    "{{job}} {{aiguard_breaker_name}}",
                ),
            ),
            kind="state-timeline",
            words={0: ("closed", "green"), 1: ("half-open", "yellow"), 2: ("open", "red")},
        ),
        Panel(
            "Changes of breakers",
            "How often each went into a state: one that flaps is open too briefly, or its component comes and goes.",
            (
                Query(
                    "sum by (aiguard_breaker_name, aiguard_breaker_state) "
                    f'(increase(aiguard_breaker_transitions_total{{job=~"$job"}}{RATE}))',
                    "{{aiguard_breaker_name}}: {{aiguard_breaker_state}}",
                ),
            ),
        ),
        Panel(
            "Calls",
            "By boundary; cancelled ones too.",
            (Query(_rate(f"{CALLS}_count", "aiguard_boundary"), "{{aiguard_boundary}}"),),
            unit="reqps",
        ),
        WHY,
        Panel(
            "Rungs",
            "Which rungs were asked, and whether they answered: the last one that fails is an error for the caller.",
            (
                Query(
                    _rate(
                        "aiguard_fallback_calls_total",
                        "aiguard_boundary, aiguard_fallback_name, aiguard_fallback_result",
                    ),
                    "{{aiguard_boundary}} {{aiguard_fallback_name}}: {{aiguard_fallback_result}}",
                ),
            ),
            unit="reqps",
        ),
        FAILED,
        Panel(
            "Latency",
            "What the slowest hundredth of callers waited, at least.",
            (
                Query(
                    f"histogram_quantile(0.99, {_rate(f'{CALLS}_bucket', 'aiguard_boundary, le')})",
                    "{{aiguard_boundary}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            "Bulkheads",
            "Calls inside and calls that wait; the limit is what all processes together let in.",
            (
                Query(
                    f"sum by (aiguard_boundary) (aiguard_bulkhead_in_flight{{{CHOSEN}}})",
                    "{{aiguard_boundary}}: in flight",
                ),
                Query(f"sum by (aiguard_boundary) (aiguard_bulkhead_queued{{{CHOSEN}}})", "{{aiguard_boundary}}: wait"),
                Query(f"sum by (aiguard_boundary) (aiguard_bulkhead_limit{{{CHOSEN}}})", "{{aiguard_boundary}}: limit"),
            ),
        ),
        Panel(
            "Amplification",
            "How often the component is asked for a call: a storm of retries keeps down what wants to come up.",
            (Query(f"aiguard:attempts:amplification_rate5m{{{CHOSEN}}}", "{{aiguard_boundary}}"),),
        ),
        Panel(
            "Telemetry",
            "Boundaries that are heard of, and what could not be handed over: with none of them, this page is blind.",
            (
                Query('count by (job) (aiguard_boundary_info{job=~"$job"})', "{{job}}: boundaries"),
                Query(
                    f'sum(increase(aiguard_telemetry_dropped_total{{job=~"$job"}}{RATE})) or vector(0)',
                    "handed to nobody",
                ),
            ),
        ),
    ),
    period="now-1h",
)

PAID: Final = Dashboard(
    "cost",
    "aiguard: tokens and cost",
    "For who pays: what answers cost by the prices of each boundary, for whom, and what was paid for nothing.",
    VARIABLES,
    (
        Panel(
            "A day at the last hour's rate",
            "In US dollars, by the boundaries' own `prices`; one without any costs nothing here.",
            (Query(f"86400 * sum(rate({COST}{{{CHOSEN}}}[1h]))", "a day"),),
            unit="currencyUSD",
            kind="stat",
            width=8,
            height=5,
        ),
        Panel(
            "Wasted, last hour",
            "The part of the cost that was paid for attempts whose answer did not leave the boundary.",
            (
                Query(
                    f'sum(rate({COST}{{{CHOSEN}, aiguard_purpose="wasted"}}[1h])) / sum(rate({COST}{{{CHOSEN}}}[1h]))',
                    "wasted",
                ),
            ),
            unit="percentunit",
            kind="stat",
            width=8,
            height=5,
        ),
        Panel(
            "A thousand answers",
            "What a thousand answered calls cost, those that rungs answered included.",
            (
                Query(
                    f"1000 * sum(rate({COST}{{{CHOSEN}}}[1h])) / "
                    f'sum(rate({CALLS}_count{{{CHOSEN}, aiguard_outcome=~"success|fallback"}}[1h]))',
                    "1000 answers",
                ),
            ),
            unit="currencyUSD",
            kind="stat",
            width=8,
            height=5,
        ),
        Panel(
            "By owner",
            "US dollars an hour.",
            (
                Query(
                    f"3600 * sum by (aiguard_owner) ({_owned(_rate(COST, BY))})",
                    "{{aiguard_owner}}",
                ),
            ),
            unit="currencyUSD",
            stacked=True,
        ),
        Panel(
            "By boundary",
            "US dollars an hour.",
            (Query(f"3600 * {_rate(COST, 'aiguard_boundary')}", "{{aiguard_boundary}}"),),
            unit="currencyUSD",
            stacked=True,
        ),
        Panel(
            "By model",
            "US dollars an hour; _other is what came after the first hundred models of a process.",
            (Query(f"3600 * {_rate(COST, 'aiguard_model')}", "{{aiguard_model}}"),),
            unit="currencyUSD",
            stacked=True,
        ),
        Panel(
            "Paid for nothing",
            "US dollars an hour, for attempts that failed, broke the contract or were overtaken.",
            (Query("3600 * " + _rate(COST, "aiguard_boundary", 'aiguard_purpose="wasted"'), "{{aiguard_boundary}}"),),
            unit="currencyUSD",
            stacked=True,
        ),
        Panel(
            "Tokens",
            "By type; cached ones are input that came from the provider's cache.",
            (Query(_rate(TOKENS, "aiguard_token_type"), "{{aiguard_token_type}}"),),
            stacked=True,
        ),
        Panel(
            "Wasted tokens",
            "As a part of all tokens of the last hour.",
            (Query(f"aiguard:tokens:wasted_ratio_rate1h{{{CHOSEN}}}", "{{aiguard_boundary}}"),),
            unit="percentunit",
        ),
        BROKEN,
        FAILED,
    ),
    period="now-24h",
)

DASHBOARDS: Final = (OWNERS, ON_CALL, PAID)
