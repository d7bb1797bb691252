"""What retries below a boundary that retries: real clients, and things that look odd."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import openai
import pytest
import requests
import tenacity

from aiguard import Policy, Position, Retry, guard
from aiguard.check.stacking import stacking
from aiguard.check.subject import Declared, Subject
from aiguard.check.uses import _package_of
from aiguard.testing.virtual import fresh_registry
from tests.check.subjects import HERE

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT = openai.AsyncOpenAI(api_key="none")
CLAUDE = anthropic.Anthropic(api_key="none", max_retries=4)
CALM = openai.OpenAI(api_key="none", max_retries=0)
SESSION = requests.Session()
SESSION.mount("https://", requests.adapters.HTTPAdapter(max_retries=5))
PLAIN_SESSION = requests.Session()
HTTP = httpx2.Client(transport=httpx2.HTTPTransport(retries=2))
PLAIN_HTTP = httpx2.Client()
MODULE = types.ModuleType("clients")
vars(MODULE)["claude"] = CLAUDE
LITELLM = types.ModuleType("litellm")
vars(LITELLM)["num_retries"] = 2
COMPLETE = functools.partial(print, num_retries=2)


class Service:
    """An application's own object that keeps a client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calm = CALM

    def ask(self, ticket: str) -> Any:
        """Ask, by a client of the module."""
        return CLAUDE.messages.create(ticket)  # type: ignore[call-overload]

    def __call__(self, ticket: str) -> Any:
        """Ask, by the client kept."""
        return self.client.create(ticket)


class Caller:
    """A callable object that keeps nothing."""

    def __call__(self, ticket: str) -> Any:
        """Ask, by a client of the module."""
        return CLAUDE.messages.create(ticket)  # type: ignore[call-overload]


class Slotted:
    """An object that keeps a client in a slot, and nothing in another."""

    __slots__ = ("client", "unset")

    def __init__(self) -> None:
        self.client = CLAUDE

    def ask(self, ticket: str) -> Any:
        """Ask."""
        return self.client, ticket


SERVICE = Service(CLAUDE)
CALM_SERVICE = Service(CALM)


@tenacity.retry(stop=tenacity.stop_after_attempt(4))
def stubborn(ticket: str) -> str:
    """Try four times."""
    return ticket


@tenacity.retry(stop=tenacity.stop_never)
async def endless(ticket: str) -> str:
    """Try for ever."""
    return ticket


@tenacity.retry(stop=tenacity.stop_after_attempt(1))
def once(ticket: str) -> str:
    """Try once."""
    return ticket


LOOP = tenacity.Retrying(stop=tenacity.stop_after_attempt(2))


def helper(ticket: str) -> Any:
    """Ask, for another function."""
    return CLAUDE.messages.create(ticket)  # type: ignore[call-overload]


def found(component: Callable[..., Any], retry: Retry | None = None, **policies: Policy) -> list[str]:
    """Return what is found in a component."""
    policy = Policy(deadline=9.0, retry=retry or Retry(attempts=3))
    one = Subject(name="outer", policy=policy, declared=Declared(policy, component, HERE), policies=policies)
    return [finding.problem.reason for finding in stacking(one)]


def closing_over(client: Any) -> Callable[[str], Any]:
    """Return a function that keeps `client` in its closure, and uses it in another function inside."""

    def ask(ticket: str) -> Any:
        return [client.create(one) for one in ticket]

    return ask


def with_default(ticket: str, client: Any = CLAUDE) -> Any:
    """Ask the client that is the default."""
    return client, ticket


def with_keyword(ticket: str, *, client: Any = CLAUDE) -> Any:
    """Ask the client that is the default."""
    return client, ticket


@functools.wraps(helper)
def wrapping(*args: Any) -> Any:
    """Stand in front of another function."""
    return args


CLAUDE_RETRIES = "anthropic.Anthropic, retries too: 3 attempts × 5 of the client = 15 requests; make it with"


def lookalike(module: str, name: str, *bases: type, **attributes: Any) -> Any:
    """Return an object that looks like a client's: of a class of that name and module, with these attributes."""
    thing = type(name, bases or (object,), {"__module__": module})()
    vars(thing).update(attributes)
    return thing


def tried(times: int) -> Any:
    """Return tenacity's object that tries so often."""
    return tenacity.Retrying(stop=tenacity.stop_after_attempt(times))


# none of these is installed here; each looks as its client of that name does (2026)
CHAT = lookalike("langchain_openai.chat_models.base", "ChatOpenAI", max_retries=2)
CHAT_DEFAULT = lookalike("langchain_openai.chat_models.base", "ChatOpenAI", max_retries=None, root_client=CLAUDE)
CHAT_CALM = lookalike("langchain_openai.chat_models.base", "ChatOpenAI", max_retries=0, root_client=CALM)
AGAIN = lookalike("langchain_core.runnables.retry", "RunnableRetry", max_attempt_number=4, bound=CHAT_CALM)
CHAIN = lookalike("langchain_core.runnables.base", "RunnableSequence", first=None, middle=[], last=AGAIN)
GENAI = lookalike(
    "google.genai.client", "Client", _api_client=lookalike("google.genai._api_client", "BaseApiClient", _retry=tried(5))
)
GENAI_CALM = lookalike(
    "google.genai.client", "Client", _api_client=lookalike("google.genai._api_client", "BaseApiClient", _retry=tried(1))
)
ROUTER = lookalike("litellm.router", "Router", num_retries=3)

RETRY_TOO: dict[str, tuple[Callable[..., Any], str]] = {
    "openai's client": (
        lambda _: CLIENT.chat,
        "`CLIENT`, openai.AsyncOpenAI, retries too: 3 attempts × 3 of the client",
    ),
    "anthropic's client": (lambda _: CLAUDE.messages, f"`CLAUDE`, {CLAUDE_RETRIES} `max_retries=0`"),
    "of another module": (lambda _: MODULE.claude, f"`MODULE.claude`, {CLAUDE_RETRIES}"),
    "in a function it calls": (lambda one: [helper(one)], f"`helper.CLAUDE`, {CLAUDE_RETRIES}"),
    "kept by an object": (lambda _: SERVICE.client.messages, f"`SERVICE.client`, {CLAUDE_RETRIES}"),
    "in a method it calls": (lambda one: [CALM_SERVICE.ask(one)], f"`CALM_SERVICE.ask.CLAUDE`, {CLAUDE_RETRIES}"),
    "in a closure": (closing_over(CLAUDE), f"`client`, {CLAUDE_RETRIES}"),
    "in containers": (closing_over([{"eu": (CLAUDE,)}]), f"`client`, {CLAUDE_RETRIES}"),
    "a default": (with_default, "anthropic.Anthropic retries too: 3 attempts × 5"),
    "a keyword's default": (with_keyword, "anthropic.Anthropic retries too: 3 attempts × 5"),
    "behind a wrapper": (wrapping, f"`CLAUDE`, {CLAUDE_RETRIES}"),
    "of a callable object": (SERVICE, f"`client`, {CLAUDE_RETRIES}"),
    "in a callable object's code": (Caller(), f"`CLAUDE`, {CLAUDE_RETRIES}"),
    "of a method's object": (SERVICE.ask, f"`client`, {CLAUDE_RETRIES}"),
    "in a slot": (Slotted().ask, f"`client`, {CLAUDE_RETRIES}"),
    "a client's own method": (CLAUDE.messages.create, "anthropic.Anthropic retries too: 3 attempts × 5"),
    "behind a partial": (functools.partial(helper, "x"), f"`CLAUDE`, {CLAUDE_RETRIES}"),
    "an argument of a partial": (functools.partial(print, CLAUDE), "anthropic.Anthropic retries too: 3 attempts × 5"),
    "a keyword of a partial": (
        lambda one: [COMPLETE(one)],
        "`COMPLETE`, `num_retries=2`, retries too: 3 attempts × 3 of the",
    ),
    "requests": (
        lambda one: [SESSION.get(one)],
        "`SESSION.adapters`, an adapter of requests, retries too: 3 attempts × 6 of",
    ),
    "httpx": (
        lambda one: [HTTP.get(one)],
        "`HTTP`, httpx2's transport, retries too: 3 attempts × 3 of the transport = 9 conn",
    ),
    "litellm": (
        lambda one: [LITELLM.completion(one)],
        "`LITELLM`, litellm, retries too: 3 attempts × 3 of litellm = 9 req",
    ),
    "langchain": (lambda _: CHAT.invoke, "`CHAT`, langchain_openai.ChatOpenAI, retries too: 3 attempts × 3 of the cl"),
    "langchain's default": (
        lambda _: CHAT_DEFAULT.invoke,
        "`CHAT_DEFAULT`, langchain_openai.ChatOpenAI, retries too: 3 attempts × 5",
    ),
    "langchain's with_retry": (
        lambda _: CHAIN.invoke,
        "`CHAIN.last`, `with_retry`, retries too: 3 attempts × 4 of the chain",
    ),
    "google-genai": (lambda _: GENAI.models, "`GENAI`, google.genai.Client, retries too: 3 attempts × 5 of the client"),
    "litellm's router": (lambda _: ROUTER.completion, "`ROUTER`, litellm, retries too: 3 attempts × 4 of litellm"),
    "tenacity": (
        lambda one: [stubborn(one)],
        "`stubborn`, tenacity, retries too: 3 attempts × 4 of tenacity = 12 requests",
    ),
    "without end": (
        lambda one: [endless(one)],
        "`endless`, tenacity, retries too: 3 attempts × as many of tenacity as it like",
    ),
    "tenacity's loop": (
        lambda one: [LOOP(one)],
        "`LOOP`, tenacity, retries too: 3 attempts × 2 of tenacity = 6 requests; leave",
    ),
    "tenacity below guard": (
        stubborn,
        "tenacity retries too: 3 attempts × 4 of tenacity = 12 requests; leave tenacity's",
    ),
}


@pytest.mark.parametrize("case", RETRY_TOO)
def test_what_retries_too_is_told_with_the_product(case: str) -> None:
    """What it is, how the attempts multiply, and how to turn it off."""
    component, said = RETRY_TOO[case]
    reasons = found(component)
    assert [reason for reason in reasons if reason.startswith(said)], reasons


TRY_ONCE: dict[str, Callable[..., Any]] = {
    "client without retries": lambda _: CALM.chat.completions.create,
    "session without retries": lambda one: [PLAIN_SESSION.get(one)],
    "transport without retries": lambda one: [PLAIN_HTTP.get(one)],
    "turned off for the call": lambda _: CLIENT.with_options(max_retries=0).chat.completions.create,
    "turned off among others": lambda _: CLIENT.with_options(timeout=3, max_retries=0).chat,
    "langchain without retries": lambda _: CHAT_CALM.invoke,
    "google-genai without retries": lambda _: GENAI_CALM.models,
    "tenacity, once": lambda one: [once(one)],
    "kept by an object": lambda _: CALM_SERVICE.client.create,
    "not there": lambda _: MODULE.nothing,
    "in a closure": closing_over(CALM),
    "a builtin": print,
    "a class": object,
    "keyword of none": functools.partial(print, max_retries=0),
    "keyword that is no number": functools.partial(print, max_retries=True),
}


@pytest.mark.parametrize("case", TRY_ONCE)
def test_what_tries_once_is_left_alone(case: str) -> None:
    """A client whose retries are off, here or for the call, multiplies nothing."""
    assert found(TRY_ONCE[case]) == []


def test_options_of_a_call_speak_of_retries_only_where_they_do() -> None:
    """`with_options(timeout=…)` leaves the client's retries as they are."""
    assert len(found(lambda _: CLIENT.with_options(timeout=3).chat)) == 1


def test_several_are_told_each_once() -> None:
    """By its own name, however often it is used."""
    reasons = found(lambda _: (CLAUDE.messages, CLAUDE.models, CLIENT.chat, SERVICE.client))
    assert [reason.split(",")[0] for reason in reasons] == ["`CLAUDE`", "`CLIENT`"]


def test_one_attempt_multiplies_nothing() -> None:
    """A client's own retries alone are no stack."""
    assert found(lambda _: CLAUDE.messages, Retry(attempts=1)) == []


def test_an_unknown_number_of_attempts_is_told_as_such() -> None:
    """A `stop` object may let any number pass."""
    (reason,) = found(lambda _: CLAUDE.messages, Retry(stop=tenacity.stop_after_delay(3)))
    assert "retries too: each attempt × 5 of the client; make it" in reason


def test_a_boundary_inside_multiplies_by_what_is_in_force_there() -> None:
    """Its policy is that of file and code together; one that tries once is looked through."""
    with fresh_registry():
        inner = guard("inner", deadline=1.0, retry=Retry(attempts=2))(helper)
    of_code, of_file = Policy(retry=Retry(attempts=2)), Policy(retry=Retry(attempts=4))

    def outer(ticket: str) -> Any:
        return inner(ticket)

    (reason,) = found(outer, inner=of_code)
    assert reason.startswith("`inner`, the boundary 'inner', retries too: 3 attempts × 2 of that boundary = 6 requests")
    assert reason.endswith("; let one of the two boundaries retry")
    assert "3 attempts × 4 of that boundary = 12 requests" in found(outer, inner=of_file)[0]
    assert found(outer, inner=Policy())[0].startswith(f"`inner.CLAUDE`, {CLAUDE_RETRIES}")


def test_a_boundary_that_calls_itself_is_no_stack() -> None:
    """What it multiplies by is itself."""
    with fresh_registry():

        @guard("outer", deadline=1.0, retry=Retry())
        def outer(ticket: str) -> Any:
            return outer(ticket[1:])

    assert found(outer.__wrapped__) == []


def test_a_finding_says_where_the_function_is_declared() -> None:
    """The line of the file that sets `retry` is not where it can be mended."""
    policy = Policy(deadline=9.0, retry=Retry())
    declared = Declared(policy, lambda _: CLAUDE, Position("app.py", 3))
    (finding,) = stacking(Subject(name="outer", policy=policy, declared=declared, policies={}))
    assert (finding.problem.boundary, finding.problem.position) == ("outer", Position("app.py", 3))


# --- things that look odd


class Explosive:
    """Whatever is done with it raises."""

    def _boom(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("it was touched")

    __getattr__ = __getattribute__ = __call__ = __eq__ = __bool__ = __iter__ = __len__ = __repr__ = _boom
    __hash__ = __instancecheck__ = __contains__ = __getitem__ = __get__ = _boom

    @property
    def max_retries(self) -> int:
        """Computed, so never read."""
        raise AssertionError("it was read")

    __dict__ = property(_boom)
    __class__ = property(_boom)


class OddMeta(type):
    """A class whose class raises."""

    def __eq__(cls, other: object) -> bool:
        raise AssertionError("it was compared")

    __hash__ = None  # type: ignore[assignment]

    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError(f"{name} was read")

    def __instancecheck__(cls, instance: object) -> bool:
        raise AssertionError("it was asked")


class Odd(metaclass=OddMeta):
    """An instance of it is harmless, its class is not."""


class OddList(list[Any]):
    """A list that does not want to be iterated."""

    def __iter__(self) -> Any:
        raise AssertionError("it was iterated")


class OddModule(types.ModuleType):
    """A module that imports on demand."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was imported")


EXPLOSIVE: Any = Explosive()
ODD: Any = object.__new__(Odd)
LAZY = OddModule("lazy")
CIRCLE: list[Any] = [CALM]
CIRCLE.append(CIRCLE)
DEEP: list[Any] = []
for _ in range(3_000):
    DEEP = [DEEP]


def not_yet() -> Callable[..., Any]:
    """Return a function that closes over a name that nothing is bound to any more."""
    client = CLAUDE

    def ask(_: str) -> Any:
        return client  # noqa: F821 - gone by the time it is asked for

    del client
    return ask


ODDITIES: dict[str, Any] = {
    "explosive": lambda _: EXPLOSIVE.client.max_retries,
    "of an odd class": lambda _: ODD.client,
    "lazy module": lambda _: LAZY.client.ask,
    "circle": lambda _: CIRCLE,
    "deep": lambda _: DEEP,
    "closed over": closing_over(EXPLOSIVE),
    "in a list": closing_over(OddList([EXPLOSIVE])),
    "in a dict": closing_over({1: EXPLOSIVE, 2: ODD}),
    "kept": Service(EXPLOSIVE).ask,
    "in a partial": functools.partial(print, EXPLOSIVE, key=ODD),
    "not bound yet": not_yet(),
    "guarded itself": EXPLOSIVE,
    "guarded itself, of an odd class": ODD,
}


@pytest.mark.parametrize("case", ODDITIES)
def test_nothing_of_an_odd_object_is_run(case: str) -> None:
    """No property, no method, no comparison, no class of its own is asked."""
    assert [reason for reason in found(ODDITIES[case]) if "CLAUDE" not in reason] == []


def test_a_list_is_looked_into_whatever_its_class_says() -> None:
    """It is Python's own iteration that is used."""
    assert len(found(closing_over(OddList([CLAUDE])))) == 1


def test_the_code_of_a_client_is_not_read() -> None:
    """It belongs to the client's makers, also where the client's own method is what is guarded."""
    assert _package_of(CLAUDE.messages.create) is None
    assert _package_of(functools.partial(CLAUDE.messages.create, max_tokens=1)) is None
    assert _package_of(SERVICE.ask) == __name__.partition(".")[0]


def test_the_search_ends_however_much_there_is() -> None:
    """A client beyond the first hundreds of objects is not looked for."""
    assert found(closing_over([object() for _ in range(100_000)] + [CLAUDE])) == []
