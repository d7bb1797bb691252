"""Every rule of `aiguard check`, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Something that is looked for.

    Attributes:
        id: What reports call it.
        severity: An `error` cannot work, a `warning` works otherwise than one would think, a `note` is worth knowing.
        meaning: What it is about, in one line.
        code: Whether only the code can tell, so that it needs `--app`.
    """

    id: str
    severity: Severity
    meaning: str
    code: bool = False


INVALID: Final = Rule("invalid", "error", "the file, the environment or the code says something that is refused")
IMPORT_FAILED: Final = Rule("import-failed", "error", "the application raises while it is imported", code=True)
UNKNOWN_BOUNDARY: Final = Rule("unknown-boundary", "error", "a boundary is named that no code declares", code=True)
NO_DEADLINE: Final = Rule("no-deadline", "error", "neither the configuration nor the code says `deadline`", code=True)
TIER_WITHOUT_FLOOR: Final = Rule(
    "tier-without-floor", "error", "`risk` is high, and nothing without AI answers while it is halted"
)
NEVER_DRILLED: Final = Rule("never-drilled", "error", "`risk` is high, and its floor was never drilled")
UNLISTED_BOUNDARY: Final = Rule(
    "unlisted-boundary", "warning", "the code declares a boundary that the file does not name", code=True
)
UNKNOWN_VARIABLE: Final = Rule(
    "unknown-variable", "warning", "a variable of the environment speaks of no boundary", code=True
)
UNKNOWN_OWNER: Final = Rule("unknown-owner", "warning", "the owner is nobody of the file's `directory`")
REVIEW_PASSED: Final = Rule("review-passed", "warning", "the day of `review_by` has passed")
NO_FLOOR: Final = Rule("no-floor", "warning", "no fallback, or its last rung may fail: a call can raise")
DEADLINE_TOO_SHORT: Final = Rule(
    "deadline-too-short", "warning", "attempts, waits and what is held back for rungs do not fit into the deadline"
)
NO_ATTEMPT_TIMEOUT: Final = Rule(
    "no-attempt-timeout", "warning", "several attempts, and one that hangs takes the time of all"
)
STACKED_RETRIES: Final = Rule(
    "stacked-retries", "warning", "what the function calls retries too, so the attempts multiply", code=True
)
REASK_WITHOUT_CONTRACT: Final = Rule(
    "reask-without-contract", "warning", "`reask` is for invalid answers, and no contract says what is one"
)
MISSING_OWNER: Final = Rule("missing-owner", "note", "no `owner`: nobody answers for the boundary")
NO_CONTRACT: Final = Rule("no-contract", "note", "no `output`: every answer leaves the boundary unchecked")
SWITCHED_OFF: Final = Rule("switched-off", "note", "`mode` is off: the component is not called")

RULES: Final = (
    INVALID,
    IMPORT_FAILED,
    UNKNOWN_BOUNDARY,
    NO_DEADLINE,
    TIER_WITHOUT_FLOOR,
    NEVER_DRILLED,
    UNLISTED_BOUNDARY,
    UNKNOWN_VARIABLE,
    UNKNOWN_OWNER,
    REVIEW_PASSED,
    NO_FLOOR,
    DEADLINE_TOO_SHORT,
    NO_ATTEMPT_TIMEOUT,
    STACKED_RETRIES,
    REASK_WITHOUT_CONTRACT,
    MISSING_OWNER,
    NO_CONTRACT,
    SWITCHED_OFF,
)
"""All of them, the most severe first."""
