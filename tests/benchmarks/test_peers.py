"""What is compared does the same: each way of writing it validates, contains, and falls back."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from benchmarks.peers.catalogue import FEATURES, FRAMEWORKS, LIBRARIES, Peer, Shape
from benchmarks.proof import SetUpWronglyError, prove
from benchmarks.workload import ATTEMPTS, EXPECTED, TICKET, Triage, answer_after_suspending, answer_async, fallback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.workload import AsyncComponent, Component

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = (*LIBRARIES, *FRAMEWORKS)
SHAPES: tuple[Shape, ...] = get_args(Shape)
HERE = [(peer, shape) for peer in LIBRARIES for shape in SHAPES if peer.installed and peer.has(shape) is not None]
BREAKERS = [(peer, shape) for peer, shape in HERE if "breaker" in (peer.has(shape) or ())]


def _named(value: Peer | Shape) -> str:
    return value.name if isinstance(value, Peer) else value


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_seconds: float) -> None:
        """Return without waiting."""

    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("asyncio.sleep", at_once)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """A loop that a peer is made in and called on."""
    with asyncio.Runner() as one:
        yield one


def _wrapped(peer: Peer, shape: Shape, component: Component, runner: asyncio.Runner) -> Callable[[], Triage]:
    """Put a peer around a component once, to be called often."""
    if shape != "asynchronous":
        guarded = peer.wrap(shape, component)
        return lambda: guarded(TICKET)

    async def awaited(ticket: str) -> str:
        return component(ticket)

    async def made() -> Any:
        return peer.wrap(shape, awaited)

    async_guarded = runner.run(made())
    return lambda: runner.run(async_guarded(TICKET))


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize(("peer", "shape"), HERE, ids=_named)
def test_a_peer_is_what_its_description_says(peer: Peer, shape: Shape, runner: asyncio.Runner) -> None:
    """It answers, falls back, keeps invalid answers from the caller, and asks again only where it says so."""
    prove(peer, shape, runner)


@pytest.mark.parametrize("peer", [peer for peer in LIBRARIES if peer.installed], ids=lambda peer: peer.name)
@pytest.mark.parametrize("component", [answer_async, answer_after_suspending])
def test_it_awaits_the_components_that_are_measured(
    peer: Peer, component: AsyncComponent, runner: asyncio.Runner
) -> None:
    """The one that suspends and the one that does not."""

    async def called() -> Triage:
        answered: Triage = await peer.wrap("asynchronous", component)(TICKET)
        return answered

    assert runner.run(called()) == EXPECTED


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # hyx reads time so
@pytest.mark.parametrize(("peer", "shape"), BREAKERS, ids=_named)
def test_a_peer_with_a_breaker_stops_asking_a_component_that_is_down(
    peer: Peer, shape: Shape, runner: asyncio.Runner
) -> None:
    """But not one whose answers are merely invalid."""
    asked: list[str] = []

    def down(ticket: str) -> str:
        asked.append(ticket)
        raise ConnectionError

    def nonsense(ticket: str) -> str:
        asked.append(ticket)
        return "[]"

    broken, invalid = _wrapped(peer, shape, down, runner), _wrapped(peer, shape, nonsense, runner)
    assert [broken() for _ in range(20)] == [fallback()] * 20
    assert len(asked) < 20
    asked.clear()
    assert invalid() == fallback()
    once = len(asked)
    assert [invalid() for _ in range(19)] == [fallback()] * 19
    assert len(asked) == 20 * once


def test_the_fallback_differs_from_the_answer() -> None:
    """Else nobody could tell which of them was measured."""
    assert fallback() != EXPECTED


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_module_has_the_shapes_that_its_description_says(peer: Peer) -> None:
    """And no other; what it has are features, in their order."""
    written = ast.parse((ROOT / "benchmarks" / "peers" / f"{peer.module}.py").read_text(encoding="utf-8"))
    functions = {node.name for node in written.body if isinstance(node, ast.FunctionDef)}
    assert functions & set(SHAPES) == {shape for shape in SHAPES if peer.has(shape) is not None}
    for shape in SHAPES:
        features = peer.has(shape) or ()
        assert [feature for feature in FEATURES if feature in features] == list(features)


def test_no_two_peers_share_a_name() -> None:
    """A figure belongs to one of them."""
    assert len({peer.name for peer in PEERS}) == len(PEERS)


@pytest.mark.parametrize("environment", ["bench", "bench-frameworks"])
def test_what_is_measured_is_installed(environment: str) -> None:
    """By the requirements of the environment in which it is measured, or by aiguard's own."""
    listed = set((ROOT / "requirements" / f"{environment}.txt").read_text(encoding="utf-8").splitlines())
    own = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project.optional-dependencies]")[0]
    listed |= {"aiguard-boundary", *re.findall(r'^  "([\w-]+)', own.lower(), flags=re.MULTILINE)}
    peers = LIBRARIES if environment == "bench" else FRAMEWORKS
    assert {peer.package for peer in peers} <= listed


def _trying(
    component: Component, *, attempts: int = ATTEMPTS, invalid: Callable[[], Triage] = fallback
) -> Callable[[str], Triage]:
    def call(ticket: str) -> Triage:
        for _ in range(attempts):
            try:
                return Triage.model_validate_json(component(ticket))
            except ConnectionError:
                continue
            except ValueError:
                return invalid()
        return fallback()

    return call


FAKES: dict[str, Callable[[Component], Callable[[str], Triage]]] = {
    "right": _trying,
    "once": lambda component: _trying(component, attempts=1),
    "unchecked": lambda component: _trying(component, invalid=Triage.model_construct),
    "leaking": lambda component: lambda ticket: Triage.model_validate_json(component(ticket)),
    "dead": lambda _component: lambda _ticket: fallback(),
    "cached": lambda _component: lambda _ticket: EXPECTED,
}


class Fake(Peer):
    """A peer that says it retries, and is set up as its name says."""

    def wrap(self, shape: Shape, component: Any) -> Any:  # noqa: ARG002 - the same for every shape
        """Put it around a component."""
        return FAKES[self.name](component)


def _fake(name: str) -> Fake:
    return Fake(name, name, "", "", synchronous=("retry",))


def test_a_proof_passes_what_is_right(runner: asyncio.Runner) -> None:
    """It can be done."""
    prove(_fake("right"), "synchronous", runner)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("once", r"asked lost\(\) 1 times instead of 3"),
        ("leaking", r"raised ConnectionError\(\) on lost\(\)"),
        ("unchecked", r"answered .* on nonsense\(\)"),
        ("dead", r"answered .* on answer\(\)"),
        ("cached", r"asked answer\(\) 0 times"),
    ],
)
def test_a_proof_refuses_what_is_set_up_wrongly(name: str, said: str, runner: asyncio.Runner) -> None:
    """And says which peer, in which shape, on which component."""
    with pytest.raises(SetUpWronglyError, match=f"^{name}, synchronous: {said}"):
        prove(_fake(name), "synchronous", runner)
