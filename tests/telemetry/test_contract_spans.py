"""What spans tell of a contract: which version, how an answer was repaired, which check said no."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiguard import InvalidOutputError, OutputContract, guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness
    from tests.telemetry.conftest import Recorded

COUNT = OutputContract(list[int], name="counts", version=3, repair="safe")


def test_a_repair_is_on_the_spans(scenario: Callable[..., Harness], shape: str, recorded: Recorded) -> None:
    """In every shape that holds the whole answer; and so is the contract's version."""
    settings = {"stream": "buffer"} if shape.endswith("generator") else {}
    run = scenario("[1,]", "[1]", output=COUNT, **settings)
    run()
    run()
    first, second = [dict(span.attributes or {}) for span in recorded.spans if span.name.startswith("aiguard.call")]
    assert first["aiguard.repaired"] == "safe"
    assert first["aiguard.contract"] == second["aiguard.contract"] == "counts@3"
    assert "aiguard.repaired" not in second
    attempts = [dict(span.attributes or {}) for span in recorded.spans if span.name.startswith("aiguard.attempt")]
    assert [one.get("aiguard.repaired") for one in attempts] == ["safe", None]


def test_a_check_that_says_no_is_named(clock: VirtualClock, recorded: Recorded) -> None:
    """With its code, where it gave one, and nothing of what it saw."""

    async def is_calm(_value: object) -> str:
        return "too_loud"

    def is_kind(_value: object) -> bool:
        return False

    for check in (is_calm, is_kind):

        @guard(check.__name__, deadline=10.0, output=OutputContract(list[int], name="counts", checks=[check]))
        async def count() -> str:
            return "[4711]"

        with pytest.raises(InvalidOutputError):
            clock.run(count())
    first, second = [recorded.named(f"aiguard.call {name}").events[0] for name in ("is_calm", "is_kind")]
    assert first.name == second.name == "aiguard.validation.failed"
    said = {"aiguard.contract": "counts", "error.type": "check_failed"}
    assert dict(first.attributes or {}) == {**said, "aiguard.check.name": "is_calm", "aiguard.check.code": "too_loud"}
    assert dict(second.attributes or {}) == {**said, "aiguard.check.name": "is_kind"}
    assert "4711" not in recorded.everything()


def test_an_accepted_error_of_a_check_is_told(clock: VirtualClock, recorded: Recorded) -> None:
    """The answer left unchecked, and the span says so, without what was raised."""

    async def check(_value: object) -> None:
        raise OSError("secret")

    contract = OutputContract(list[int], name="counts", checks=[check], on_check_error="accept")

    @guard("count", deadline=10.0, output=contract)
    async def count() -> str:
        return "[1]"

    assert clock.run(count()) == [1]
    [event] = recorded.named("aiguard.call count").events
    assert event.name == "aiguard.check.errored"
    assert dict(event.attributes or {}) == {
        "aiguard.contract": "counts",
        "aiguard.check.name": "check",
        "aiguard.check.code": "OSError",
    }
