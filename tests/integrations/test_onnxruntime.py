"""Real sessions of ONNX Runtime behind a boundary: what is ended at the deadline really ends."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Boundary, Bulkhead, FailureKind, InputContract, guard, within
from aiguard.integrations import onnxruntime
from aiguard.integrations.onnxruntime import component
from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

np: Any = pytest.importorskip("numpy")
runtime: Any = pytest.importorskip("onnxruntime")
onnx: Any = pytest.importorskip("onnx")

SHORT = 0.3
"""Seconds for what goes on for minutes."""

GRACE = 5.0
"""Seconds that a busy machine may take to notice."""


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Boundaries of a test are unknown outside it."""
    with fresh_registry():
        yield


def session_of(*nodes: Any, inputs: list[Any], outputs: list[Any], constants: tuple[Any, ...] = ()) -> Any:
    """Return a session of a graph made here."""
    graph = onnx.helper.make_graph(list(nodes), "graph", inputs, outputs, list(constants))
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # a run that is ended is an error to it
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def values(name: str, *shape: Any, kind: str = "FLOAT") -> Any:
    """Return the declaration of an input or an output."""
    return onnx.helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), shape)


@pytest.fixture
def reciprocal() -> Any:
    """A session that divides one by what it is fed."""
    return session_of(
        onnx.helper.make_node("Reciprocal", ["x"], ["y"]),
        inputs=[values("x", "rows", 2)],
        outputs=[values("y", "rows", 2)],
    )


@pytest.fixture
def looping() -> Any:
    """A session that multiplies matrices as often as it is told."""
    body = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Identity", ["going"], ["on"]),
            onnx.helper.make_node("MatMul", ["held", "weights"], ["next"]),
        ],
        "body",
        [values("turn", kind="INT64"), values("going", kind="BOOL"), values("held", 64, 64)],
        [values("on", kind="BOOL"), values("next", 64, 64)],
    )
    eye = onnx.numpy_helper.from_array(np.eye(64, dtype=np.float32), "weights")
    true = onnx.numpy_helper.from_array(np.array(1, dtype=bool), "true")
    return session_of(
        onnx.helper.make_node("Loop", ["turns", "true", "x"], ["y"], body=body),
        inputs=[values("turns", kind="INT64"), values("x", 64, 64)],
        outputs=[values("y", 64, 64)],
        constants=(eye, true),
    )


def feed(turns: int) -> dict[str, Any]:
    """Return what a looping session is fed."""
    return {"turns": np.array(turns, dtype=np.int64), "x": np.ones((64, 64), dtype=np.float32)}


FOREVER = 100_000_000


def until(holds: Callable[[], bool]) -> bool:
    """Return whether something comes to hold soon."""
    end = time.monotonic() + GRACE
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def test_a_session_answers_as_it_is(reciprocal: Any) -> None:
    """Its outputs, those that are wanted."""
    rows = np.array([[1.0, 2.0]], dtype=np.float32)
    (answer,) = guard("all", deadline=5.0)(component(reciprocal))({"x": rows})
    assert answer.tolist() == [[1.0, 0.5]]
    assert len(guard("some", deadline=5.0)(component(reciprocal, outputs=["y"]))({"x": rows})) == 1
    assert component(reciprocal)({"x": rows})[0].tolist() == [[1.0, 0.5]]


def test_an_output_that_is_not_there_is_refused(reciprocal: Any) -> None:
    """At declaration."""
    with pytest.raises(ValueError, match="no output 'z'; it has 'y'"):
        component(reciprocal, outputs=["z"])


@pytest.mark.parametrize("isolation", ["thread", "inline"])
def test_a_run_is_ended_at_the_deadline_and_the_session_goes_on(looping: Any, isolation: Any) -> None:
    """The caller, the thread and the permit are all free; in the caller's own thread too."""
    boundary = Boundary("b", deadline=SHORT, isolation=isolation, bulkhead=Bulkhead(limit=1))
    run = component(looping)
    outcome = boundary.outcome(run, feed(FOREVER))
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.TIMEOUT
    assert "did not answer within the deadline" in outcome.failure.message
    assert outcome.elapsed < SHORT + GRACE
    assert until(lambda: boundary.abandoned == 0)
    assert boundary.bulkhead is not None
    assert until(lambda: boundary.bulkhead is not None and boundary.bulkhead.in_flight == 0)
    for _ in range(3):
        assert boundary.call(run, feed(2))[0][0, 0] == 1.0


def test_each_attempt_has_a_flag_of_its_own(looping: Any) -> None:
    """Runs beside one that is ended go on."""
    run = component(looping)
    long = guard("long", deadline=SHORT)(run)
    short = guard("short", deadline=60.0)(run)
    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.append(long.outcome(feed(FOREVER))))
    thread.start()
    while thread.is_alive():
        assert short(feed(2))[0][0, 0] == 1.0
    thread.join()
    assert ended[0].failure.kind is FailureKind.TIMEOUT


def test_an_earlier_deadline_is_not_missed(looping: Any) -> None:
    """The thread that ends runs waits for another one by then."""
    run = component(looping)
    boundary = Boundary("long", deadline=60.0)
    thread = threading.Thread(target=lambda: boundary.outcome(run, feed(FOREVER // 1000)))
    thread.start()
    began = time.monotonic()
    guard("short", deadline=SHORT, isolation="inline")(run).outcome(feed(FOREVER))
    assert time.monotonic() - began < SHORT + GRACE
    thread.join()


def test_a_run_ends_by_a_deadline_without_a_boundary(looping: Any) -> None:
    """As a `TimeoutError`."""
    with within(SHORT), pytest.raises(TimeoutError):
        component(looping)(feed(FOREVER))


def test_a_run_in_a_thread_of_a_coroutines_is_ended_too(looping: Any) -> None:
    """Cancelling the coroutine alone would leave it running."""
    run = component(looping)
    ended = threading.Event()

    def running() -> Any:
        try:
            return run(feed(FOREVER))
        finally:
            ended.set()

    @guard("b", deadline=SHORT)
    async def ask() -> Any:
        return await asyncio.to_thread(running)

    async def main() -> None:
        outcome = await ask.outcome()
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.TIMEOUT
        assert await asyncio.to_thread(ended.wait, GRACE)

    asyncio.run(main())


def test_what_is_no_number_goes_to_the_ladder(reciprocal: Any) -> None:
    """Infinity is an answer to ONNX Runtime."""
    ask: Any = guard("b", deadline=5.0, fallback=[None])(component(reciprocal))
    outcome = ask.outcome({"x": np.array([[0.0, 1.0]], dtype=np.float32)})
    assert math.isinf(reciprocal.run(None, {"x": np.array([[0.0, 1.0]], dtype=np.float32)})[0][0, 0])
    assert (outcome.value, outcome.failure.kind) == (None, FailureKind.CHECK_FAILED)


@pytest.mark.parametrize("shape", [(1, 3), (1, 2)], ids=["shape", "type"])
def test_a_feed_that_does_not_fit_is_the_callers_fault(reciprocal: Any, shape: tuple[int, int]) -> None:
    """Rows of another width, or of numbers twice as wide."""
    kind = np.float32 if shape == (1, 3) else np.float64
    outcome = guard("b", deadline=5.0)(component(reciprocal)).outcome({"x": np.ones(shape, kind)})
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.BAD_REQUEST


def test_what_a_session_is_fed_is_held_to_its_inputs(reciprocal: Any) -> None:
    """Before it runs."""
    invert = guard("b", deadline=5.0, input=InputContract.of_model(reciprocal, argument="feed"))(component(reciprocal))
    assert invert({"x": np.ones((1, 2), np.float32)})[0].tolist() == [[1.0, 1.0]]
    for fed in ({}, {"x": np.ones((1, 3), np.float32)}, {"x": np.full((1, 2), math.nan, np.float32)}):
        outcome = invert.outcome(fed)
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.INPUT_REJECTED


def test_runs_that_are_over_are_forgotten(reciprocal: Any) -> None:
    """Whatever time their boundaries would have given them."""
    run = guard("b", deadline=3600.0, isolation="inline")(component(reciprocal))
    for _ in range(500):
        run({"x": np.ones((1, 2), dtype=np.float32)})
    assert len(onnxruntime._ENDER._heap) < 200
