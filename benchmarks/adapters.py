"""What real components cost: an exception put into words, an SDK behind its adapter, contracts, hostile text."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from aiguard import Boundary, guard
from aiguard.classification import classify, ruling_of
from aiguard.clock import SYSTEM
from aiguard.contract import Breach, InputContract, Judge, OneOf, OutputContract, Range, Text
from aiguard.failure import FailureKind
from benchmarks.figures import Figure, Section, Verdict, figure
from benchmarks.peers.guarded import name
from benchmarks.slices import Subject, interleave, microseconds, synchronous

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from benchmarks.sdks import Pair
    from benchmarks.slices import Plan, Spent

    Failures = Mapping[str, tuple[Exception, FailureKind]]
    Taken = Mapping[str, list[Spent]]

GROUP: Final = "real"

MODES: Final = ("elements", "buffer")

CLASSIFIED: Final = 5.0  # µs
ADAPTED: Final = 15.0  # µs more
CHECKED: Final = 10.0  # µs more
EXTRACTED: Final = 250.0  # ms
STREAMED: Final = 150.0  # ms

MEGABYTE: Final = 1_000_000
HOSTILE: Final = {
    "a megabyte of quotes": '["' + '"' * MEGABYTE,
    "a megabyte of empty strings": "[" + '""' * (MEGABYTE // 2),
}
"""The slowest of those that the tests hold to it."""

PIECE: Final = 16  # letters
ITEMS: Final = 1700
STREAM: Final = json.dumps([{"number": 100_000 + it, "text": "x" * 60, "ok": True} for it in range(ITEMS)])
"""180 KB"""

RECORD: Final = {
    "age": 41,
    "income": 52_000.0,
    "balance": -120.5,
    "visits": 7,
    "score": 0.82,
    "country": "DE",
    "plan": "pro",
    "channel": "web",
    "subject": "My invoice is wrong",
    "body": "I was charged twice for the same order.",
}
RULES: Final = {
    "age": Range(0, 130),
    "income": Range(0, None),
    "balance": Range(-1e6, 1e6),
    "visits": Range(0, 10_000),
    "score": Range(0.0, 1.0),
    "country": OneOf("DE", "FR", "GB", "US"),
    "plan": OneOf("free", "pro", "team"),
    "channel": OneOf("app", "mail", "web"),
    "subject": Text(200),
    "body": Text(10_000),
}


class Item(BaseModel):
    """One element of the stream."""

    number: int
    text: str
    ok: bool


def real_components(plan: Plan) -> Section:
    """Measure what takes µs, and in fewer slices what takes ms."""
    from benchmarks import sdks  # noqa: PLC0415 - they are large: what is measured before has no part of them

    failures, pairs = sdks.failures(), sdks.pairs()
    quick = [*_classified(failures), *_adapted(pairs), *_inputs()]
    slow = [*_extracted(), *_streamed()]
    gc.freeze()  # nor need they be looked at before every slice
    try:
        taken = interleave(quick, plan) | interleave(slow, replace(plan, slices=max(2, plan.slices // 10)))
    finally:
        gc.unfreeze()
    figures = (*_figures(quick, taken, "µs"), *_figures(slow, taken, "ms"))
    title = "Real components, sync inline, µs and ms of CPU; budgets are for the least of all slices"
    return Section(title, figures, tuple(_verdicts(taken, failures, pairs)))


def _figures(subjects: Iterable[Subject], taken: Taken, unit: str) -> Iterator[Figure]:
    for it in subjects:
        values = [value if unit == "µs" else value / 1000 for value in microseconds(taken[it.name])]
        yield figure(GROUP, it.name, it.label, unit, values)


def _verdicts(taken: Taken, failures: Failures, pairs: Iterable[Pair]) -> Iterator[Verdict]:
    least = {it: min(microseconds(spent)) for it, spent in taken.items()}
    for it in failures:
        yield Verdict(GROUP, it, f"classify {it}", "µs", least[it], CLASSIFIED)
    for pair in pairs:
        more = least[pair.name] - least[f"{pair.name}-bare"]
        yield Verdict(GROUP, pair.name, f"adapter: {pair.label}", "µs", more, ADAPTED)
    more = least["input"] - least["input-bare"]
    yield Verdict(GROUP, "input", "input contract of ten fields", "µs", more, CHECKED)
    for it in HOSTILE:
        yield Verdict(GROUP, it, it, "ms", least[it] / 1000, EXTRACTED)
    for mode in MODES:
        yield Verdict(GROUP, mode, f'180 KB in pieces of 16 bytes, "{mode}"', "ms", least[mode] / 1000, STREAMED)


def _classified(failures: Failures) -> Iterator[Subject]:
    for it, (error, kind) in failures.items():
        yield synchronous(it, f"classify {it}", partial(_kind, error), kind)
    first, kind = next(iter(failures.values()))
    yield synchronous("kind", "  the first one's kind alone", partial(_ruled, first), kind)


def _kind(error: Exception, _: str) -> object:
    return classify(error, SYSTEM).kind


def _ruled(error: Exception, _: str) -> object:
    ruling = ruling_of(error)
    return ruling and ruling.kind


def _adapted(pairs: Iterable[Pair]) -> Iterator[Subject]:
    boundary = Boundary(name("real"), deadline=1000.0, isolation="inline")
    for pair in pairs:
        bare, adapted = partial(_called, boundary, pair.bare), partial(_called, boundary, pair.adapted)
        yield synchronous(f"{pair.name}-bare", pair.label, partial(bare, pair.asked), pair.answer)
        yield synchronous(pair.name, f"{pair.label}, as a component", partial(adapted, pair.asked), pair.answer)


def _called(boundary: Boundary, component: Callable[..., Any], asked: Mapping[str, Any], _: str) -> Any:
    return boundary.call(component, **asked)


def _inputs() -> Iterator[Subject]:
    settings: dict[str, Any] = {"deadline": 1000.0, "isolation": "inline"}
    plain, checked = Boundary(name("fed"), **settings), Boundary(name("fed"), **settings, input=InputContract(RULES))
    yield synchronous("input-bare", "a call with ten arguments", partial(_called, plain, _fed, RECORD), len(RECORD))
    yield synchronous("input", "  with an input contract", partial(_called, checked, _fed, RECORD), len(RECORD))


def _fed(**record: Any) -> int:
    return len(record)


def _extracted() -> Iterator[Subject]:
    judge = Judge.of(OutputContract(list[Item], extract=True, max_bytes=4 * MEGABYTE))
    for it, text in HOSTILE.items():
        yield synchronous(it, it, partial(_refusal, judge, text), FailureKind.MALFORMED_OUTPUT)


def _refusal(judge: Judge[Any], text: str, _: str) -> object:
    try:
        return judge.judge(text)
    except Breach as breach:
        return breach.kind


def _streamed() -> Iterator[Subject]:
    for mode in MODES:
        settings: dict[str, Any] = {"deadline": 1000.0, "isolation": "inline", "stream": mode, "output": list[Item]}
        stream: Callable[[], Iterator[Any]] = guard(name("pieces"), **settings)(_pieces)
        items = ITEMS if mode == "elements" else -(-len(STREAM) // PIECE)
        yield synchronous(mode, f'180 KB in pieces of 16 bytes, "{mode}"', partial(_counted, stream), items)


def _pieces() -> Iterator[str]:
    for start in range(0, len(STREAM), PIECE):
        yield STREAM[start : start + PIECE]


def _counted(stream: Callable[[], Iterator[Any]], _: str) -> int:
    return sum(1 for _ in stream())
