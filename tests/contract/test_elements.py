"""Element by element, the verdict of the whole."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel
from typing_extensions import TypeAliasType

from aiguard import FailureKind, JsonSchema, OutputContract, PolicyError
from aiguard.contract import Judge
from aiguard.contract.breach import Breach
from aiguard.contract.elements import NOT_YET, ElementContract, ElementReader
from tests.contract.test_array_scanner import CUTS, VALUES, pieces_of


class Item(BaseModel):
    """An element."""

    name: str
    size: float = 0.0


def read(contract: ElementContract, *pieces: Any) -> list[Any]:
    """Return the elements in `pieces`. Raises `Breach`."""
    reader = ElementReader(contract)
    found: list[Any] = []
    for piece in pieces:
        reader.feed(piece)
        while (element := reader.next()) is not NOT_YET:
            found.append(element)
    reader.end()
    return found


def contract_for(schema: Any, **settings: Any) -> ElementContract:
    """Return the contract for elements of `schema`."""
    return ElementContract(OutputContract(schema, **settings))


def kind_of(contract: ElementContract, *pieces: Any) -> FailureKind:
    """Return why `pieces` break it."""
    with pytest.raises(Breach) as caught:
        read(contract, *pieces)
    return caught.value.kind


ANYTHING = OutputContract(list[Any])
WHOLE, BY_ELEMENT = Judge.of(ANYTHING), ElementContract(ANYTHING)
ITEMS = OutputContract(list[Item])
WHOLE_ITEMS, BY_ITEM = Judge.of(ITEMS), ElementContract(ITEMS)

WORDS = ["true", "null", "NaN", "-Infinity", "e9", ".5", "1e5", '"a"', '"\\u00', '"\\ud83d', '\\ude00"']
PARTS = st.sampled_from([*'[]{},:"10- \n\\\x00é', *WORDS, '{"name": "n"}', '{"name": "n", "x": 1}'])
ITEM_PARTS = st.sampled_from(
    [
        '{"name": "n"}',
        '{"name": "n", "size": NaN}',
        '{"name": "n", "size": 1, "size": 2}',
        '{"name": 1}',
        '{"x": 1}',
        "1",
    ]
)


def verdict(judge: Any) -> Any:
    """Return the value, or that there is none."""
    try:
        return ("kept", judge())
    except Breach:
        return "broken"


@given(st.lists(VALUES, max_size=4), st.booleans(), CUTS)
def test_any_array_has_the_verdict_of_the_whole(values: list[Any], ascii_only: bool, cuts: list[int]) -> None:  # noqa: FBT001
    """Half surrogate pairs and all."""
    text = json.dumps(values, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert verdict(lambda: read(BY_ELEMENT, *pieces_of(text, cuts))) == verdict(lambda: WHOLE.judge(text))


@given(
    st.lists(PARTS, max_size=14).map("".join) | st.lists(PARTS, max_size=10).map(lambda it: f"[{''.join(it)}]"), CUTS
)
def test_any_text_has_the_verdict_of_the_whole(text: str, cuts: list[int]) -> None:
    """What the whole-answer judge refuses is refused, what it keeps is kept, value by value."""
    data = text.encode()
    assert verdict(lambda: read(BY_ELEMENT, *pieces_of(data, cuts))) == verdict(lambda: WHOLE.judge(data))


@given(st.lists(ITEM_PARTS, max_size=4), CUTS)
def test_any_models_have_the_verdict_of_the_whole(items: list[str], cuts: list[int]) -> None:
    """No missing or extra keys, no NaN, of a key that stands twice the last."""
    data = f"[{', '.join(items)}]".encode()
    assert verdict(lambda: read(BY_ITEM, *pieces_of(data, cuts))) == verdict(lambda: WHOLE_ITEMS.judge(data))


@given(st.binary(max_size=12), CUTS)
def test_any_bytes_have_the_verdict_of_the_whole(inside: bytes, cuts: list[int]) -> None:
    """Invalid UTF-8 too, also where it is cut."""
    data = b'["' + inside + b'"]'
    assert verdict(lambda: read(BY_ELEMENT, *pieces_of(data, cuts))) == verdict(lambda: WHOLE.judge(data))


def test_text_may_come_in_any_form() -> None:
    """Strings, bytes, nothing at all, and a client's own chunks as far as the gates read them."""
    chunk = type("GenerateContentResponse", (SimpleNamespace,), {"__module__": "google.genai.types"})
    candidate = SimpleNamespace(
        finish_reason=None, content=SimpleNamespace(parts=[SimpleNamespace(text=', "c"]', thought=None)])
    )
    pieces = ['["é', b'", ', None, "", bytearray(b'"b"'), chunk(candidates=[candidate])]
    assert read(contract_for(list[str]), *pieces) == ["é", "b", "c"]


def test_a_letter_may_be_cut() -> None:
    """Between the bytes of one letter, and between the two escapes of one sign."""
    data = '["é😀", "\\ud83d\\ude00"]'.encode()
    assert read(contract_for(list[str]), *(data[place : place + 1] for place in range(len(data)))) == ["é😀", "😀"]


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([b'["\xff"]'], FailureKind.MALFORMED_OUTPUT),
        (["[\ud83d]"], FailureKind.MALFORMED_OUTPUT),
        (['["\ud83d', '\ude00"]'], FailureKind.MALFORMED_OUTPUT),  # as the whole, joined, would be
        (["[", 5, "]"], FailureKind.MALFORMED_OUTPUT),
        (["[1]"], FailureKind.SCHEMA_VIOLATION),
        (['["a"', "] no more"], FailureKind.MALFORMED_OUTPUT),
        (['["a"'], FailureKind.TRUNCATED),
        ([], FailureKind.EMPTY_OUTPUT),
        (["", None, " "], FailureKind.EMPTY_OUTPUT),
    ],
)
def test_what_is_refused(pieces: list[Any], kind: FailureKind) -> None:
    """By kind, as for a whole answer."""
    assert kind_of(contract_for(list[str]), *pieces) is kind


def test_half_an_answer_of_a_client_is_none() -> None:
    """A chunk that says that the answer was cut is no text."""
    chunk = type("GenerateContentResponse", (SimpleNamespace,), {"__module__": "google.genai.types"})
    cut = chunk(candidates=[SimpleNamespace(finish_reason="MAX_TOKENS", content=None)])
    assert kind_of(contract_for(list[str]), '["a", ', cut) is FailureKind.TRUNCATED


def chunk(text: str, finish_reason: str | None = None) -> Any:
    """Build a chunk of a chat."""
    delta = SimpleNamespace(content=text)
    cls = type("ChatCompletionChunk", (SimpleNamespace,), {"__module__": "openai.types.chat"})
    return cls(model="m", choices=[SimpleNamespace(index=0, delta=delta, finish_reason=finish_reason)])


def test_what_is_closed_before_the_answer_was_cut_leaves() -> None:
    """That it was is said by one of the last events, which may bring text too, and is not the last that is read."""
    reader = ElementReader(contract_for(list[str]))
    reader.feed(chunk('["a", "'))
    assert [reader.next(), reader.next()] == ["a", NOT_YET]
    reader.feed(chunk('b", "c', "length"))
    assert [reader.next(), reader.next()] == ["b", NOT_YET]
    reader.feed(chunk(""))
    with pytest.raises(Breach) as caught:
        reader.end()
    assert caught.value.kind is FailureKind.TRUNCATED


def test_why_an_answer_ended_goes_before_what_it_looks_like() -> None:
    """A filter's own words are no list; a whole one is still not all that was to come."""
    contract = contract_for(list[str])
    assert kind_of(contract, chunk("Sorry", "content_filter")) is FailureKind.CONTENT_FILTER
    assert kind_of(contract, chunk('["a"]', "length")) is FailureKind.TRUNCATED
    assert kind_of(contract, chunk("Sorry")) is FailureKind.MALFORMED_OUTPUT


def test_an_event_that_cannot_be_read_is_no_text() -> None:
    """Whatever reading it raises."""
    for name in "ChatCompletionChunk", "ResponseTextDeltaEvent":
        broken = type(name, (SimpleNamespace,), {"__module__": "openai.types"})(type="response.output_text.delta")
        assert kind_of(contract_for(list[str]), "[", broken) is FailureKind.MALFORMED_OUTPUT
    odd = chunk("")
    odd.choices[0].delta.content = ["a"]
    assert kind_of(contract_for(list[str]), "[", odd) is FailureKind.MALFORMED_OUTPUT


@pytest.mark.parametrize(
    ("text", "found", "kind"),
    [
        ("[1]", [1], FailureKind.SCHEMA_VIOLATION),
        ("[1, 2]", [1, 2], None),
        ("[1, 2, 3]", [1, 2, 3], None),
        ("[1, 2, 3, 4]", [1, 2, 3], FailureKind.SCHEMA_VIOLATION),
    ],
)
def test_the_list_has_its_bounds(text: str, found: list[int], kind: FailureKind | None) -> None:
    """Too many is known with the first that is too much, too few only at the end."""
    reader = ElementReader(contract_for(Annotated[list[int], Field(min_length=2, max_length=3)]))
    reader.feed(text)
    got: list[int] = []
    refused = None
    try:
        while (element := reader.next()) is not NOT_YET:
            got.append(element)
        reader.end()
    except Breach as breach:
        refused = breach.kind
    assert (got, refused) == (found, kind)


def test_all_pieces_together_are_bounded() -> None:
    """Also where each element, and the prose around them, is small."""
    contract = contract_for(list[int], max_bytes=10)
    assert read(contract, "[1,", "2,3,", "4]") == [1, 2, 3, 4]
    assert kind_of(contract, "[1,", "2,3,", "4 ", "] ") is FailureKind.OUTPUT_TOO_LARGE
    assert kind_of(contract_for(list[str], max_bytes=10), '["éé', "ééé") is FailureKind.OUTPUT_TOO_LARGE


def test_in_prose_text_is_text() -> None:
    """What stands around the array is held to be Unicode, as a whole answer is."""
    contract = contract_for(list[int], extract=True)
    assert read(contract, "é: ".encode()[:1], "é: ".encode()[1:], "[1]") == [1]
    assert kind_of(contract, b"\xff [1]") is FailureKind.MALFORMED_OUTPUT
    assert kind_of(contract, b"[1] \xc3") is FailureKind.MALFORMED_OUTPUT
    assert read(contract, "```json\n[1, ", "2]\n```") == [1, 2]


class Tree(BaseModel):
    """A type that holds itself."""

    inside: list[Tree] = []


class Loose(BaseModel):
    """A model that says how strict it is."""

    model_config = ConfigDict(strict=False, extra="ignore")
    size: int


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (list[Item], '[{"name": "a"}]', [Item(name="a")]),
        (list[Loose], '[{"size": "3", "more": 1}]', [Loose(size=3)]),
        (list[str], '["[1]"]', ["[1]"]),
        (list[Literal["a", "b"]], '["a"]', ["a"]),
        (list[int | None], "[1, null]", [1, None]),
        (list[list[int]], "[[1], []]", [[1], []]),
        (Annotated[Annotated[list[int], Field(max_length=3)], Field(description="some")], "[1]", [1]),
        (TypeAliasType("Names", list[str]), '["a"]', ["a"]),
        (list[Annotated[int, Field(gt=0)]], "[1]", [1]),
        (list[Tree], '[{"inside": [{}]}]', [Tree(inside=[Tree()])]),
    ],
)
def test_any_list_will_do(schema: Any, text: str, value: list[Any]) -> None:
    """Each element is judged as an answer of its type would be."""
    assert read(contract_for(schema), text) == value == Judge.of(OutputContract(schema)).judge(text)


@pytest.mark.parametrize(
    "schema",
    [
        int,
        list,
        dict[str, int],
        tuple[int, ...],
        set[int],
        list[int] | None,
        RootModel[list[int]],
        Annotated[list[int], AfterValidator(sorted)],
        JsonSchema({"type": "array", "items": {"type": "integer"}}),
    ],
)
def test_what_is_judged_as_a_whole_is_refused(schema: Any) -> None:
    """Nothing is promised that could not be kept."""
    with pytest.raises(PolicyError, match="elements"):
        contract_for(schema)


@pytest.mark.parametrize("settings", [{"checks": [bool]}, {"format": "text"}, {"format": "python"}])
def test_settings_for_a_whole_are_refused(settings: Any) -> None:
    """A check of the whole list, and reading that is not JSON."""
    with pytest.raises(PolicyError, match="elements"):
        contract_for(list[int], **settings)


def test_the_name_is_the_lists() -> None:
    """What messages call an element's contract is what was declared."""
    assert contract_for(list[int], name="sizes").element.name == "sizes"


def test_what_a_rung_gives_is_judged_as_a_value_of_the_item() -> None:
    """Text is text there where the type is text, not JSON to be parsed."""
    contract = contract_for(list[str])
    assert contract.item.judge("plain") == "plain"
    assert contract.element.judge(b'"written"') == "written"
