"""Every name that leaves the process: change one here and it has changed everywhere."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "aiguard"

CALL_SPAN: Final = "aiguard.call"
ATTEMPT_SPAN: Final = "aiguard.attempt"
FALLBACK_SPAN: Final = "aiguard.fallback"

BOUNDARY: Final = "aiguard.boundary"
OWNER: Final = "aiguard.owner"
OUTCOME: Final = "aiguard.outcome"
DEGRADED: Final = "aiguard.degraded"
DEGRADED_REASON: Final = "aiguard.degraded.reason"
ATTEMPT_NUMBER: Final = "aiguard.attempt.number"
ATTEMPT_KIND: Final = "aiguard.attempt.kind"
ATTEMPT_COUNT: Final = "aiguard.attempt.count"
ATTEMPT_OUTCOME: Final = "aiguard.attempt.outcome"
FALLBACK_NAME: Final = "aiguard.fallback.name"
FALLBACK_AGE: Final = "aiguard.fallback.age"
CONTRACT: Final = "aiguard.contract"
STAGE: Final = "aiguard.stage"
BREAKER_NAME: Final = "aiguard.breaker.name"
BREAKER_STATE: Final = "aiguard.breaker.state"
BREAKER_BEFORE: Final = "aiguard.breaker.previous_state"
RETRY_DELAY: Final = "aiguard.retry.delay"
HEDGE_DELAY: Final = "aiguard.hedge.delay"
COOLDOWN_SECONDS: Final = "aiguard.cooldown.seconds"
ERROR_TYPE: Final = "error.type"

RETRY_EVENT: Final = "aiguard.retry"
RETRY_BUDGET_EVENT: Final = "aiguard.retry_budget.exhausted"
HEDGE_EVENT: Final = "aiguard.hedge"
COOLDOWN_EVENT: Final = "aiguard.cooldown"
INVALID_EVENT: Final = "aiguard.validation.failed"
DEGRADED_EVENT: Final = "aiguard.degraded"
BREAKER_EVENT: Final = "aiguard.breaker.transition"
EXCEPTION_EVENT: Final = "aiguard.exception"
CONFIGURED_EVENT: Final = "aiguard.config.loaded"
REFUSED_EVENT: Final = "aiguard.config.refused"
CONFIG_FILE: Final = "aiguard.config.file"
CONFIG_DIGEST: Final = "aiguard.config.digest"
CONFIG_CHANGED: Final = "aiguard.config.changed"
CONFIG_PROBLEMS: Final = "aiguard.config.problems"

CALL_DURATION: Final = "aiguard.call.duration"
ATTEMPT_DURATION: Final = "aiguard.attempt.duration"

DURATION_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The series of the GenAI semantic conventions, so that aiguard's histograms lie on a provider's."""

SUCCESS: Final = "success"
FALLBACK: Final = "fallback"
ERROR: Final = "error"
REJECTED: Final = "rejected"
CANCELLED: Final = "cancelled"
