"""The contract of `stream="elements"`: what each element of a JSON array must be, and how many there may be."""

from __future__ import annotations

import codecs
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin

from aiguard.contract.array_scanner import ArrayScanner
from aiguard.contract.breach import Breach
from aiguard.contract.judge import Judge
from aiguard.contract.plain import too_large
from aiguard.contract.schema import compile_schema
from aiguard.contract.transcript import Transcript
from aiguard.errors import PolicyError
from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.contract.output import OutputContract

NOT_YET: Final = object()
"""No element is closed that has not been given already."""

_NO_LIST: Final = (
    "`stream` ('elements') releases a list element by element: must be `list[…]`, with no validator around it"
)
_CHECKED: Final = (
    "`stream` ('elements') never holds the whole list that `checks` judge: put them on the list's item type"
)
_WHOLE: Final = (
    "`stream` ('elements') gives elements away before the whole is there, and `repair` needs it: take it out, or buffer"
)
_NO_JSON: Final = "`stream` ('elements') reads JSON: `format` must be 'auto' or 'json'"


class ElementContract:
    """
    A contract for a list, made ready for one element at a time; safe to share between threads.

    Args:
        contract: One whose schema is `list[…]`, with bounds on its length or without.

    Attributes:
        item: What judges an item that a rung gives.
        element: What judges an element that the component wrote.
        least: How many elements there have to be.
        most: How many there may be; `None` for any number.
        prose: Whether the array may stand in prose or in a code fence.
        max_bytes: How much text is looked at, over all elements together.

    Raises:
        PolicyError: Where the schema is no list, or something judges the list as a whole.
    """

    __slots__ = ("element", "item", "least", "max_bytes", "most", "prose")

    def __init__(self, contract: OutputContract[Any]) -> None:
        node = _list_of(compile_schema(contract.schema)._core)  # noqa: SLF001 - one house
        schema = _item_type(contract.schema)
        if node is None or schema is _NOTHING:
            raise PolicyError(_NO_LIST)
        if contract.checks:
            raise PolicyError(_CHECKED)
        if contract.repair != "off":
            raise PolicyError(_WHOLE)
        if contract.format not in {"auto", "json"}:
            raise PolicyError(_NO_JSON)
        plain = replace(contract, schema=schema, extract=False)
        self.item: Judge[Any] = Judge.of(plain)
        self.element: Judge[Any] = Judge.of(replace(plain, format="json"))
        self.least: int = node.get("min_length") or 0
        self.most: int | None = node.get("max_length")
        self.prose = contract.extract
        self.max_bytes = contract.max_bytes


class ElementReader:
    """Reads the elements of one answer, as its pieces come."""

    __slots__ = ("_contract", "_decoder", "_found", "_left", "_number", "_scanner", "_transcript")

    def __init__(self, contract: ElementContract) -> None:
        self._contract = contract
        self._scanner = ArrayScanner(prose=contract.prose)
        self._decoder = codecs.getincrementaldecoder("utf-8")() if contract.prose else None
        self._found: Iterator[bytes] = iter(())
        self._left = contract.max_bytes
        self._number = 0
        self._transcript = Transcript()

    def feed(self, piece: object) -> None:
        """
        Take the next piece of the answer: text, an event of a client's stream, or `None` for none.

        Raises:
            Breach: If it is no text, or the answer grew too large.
        """
        data = _encoded(piece if type(piece) is str else self._transcript.text_of(piece))
        self._left -= len(data)
        if self._left < 0:
            raise too_large(self._contract.max_bytes)
        self._check_text(data)
        self._found = self._scanner.feed(data)

    def next(self) -> Any:
        """
        Return the next valid element, or `NOT_YET`.

        Raises:
            Breach: If what follows is no JSON array, or an element breaks the contract, or there are too many. Where
                the provider has said that it is no answer, that is why.
        """
        try:
            for text in self._found:
                self._number = number = self._number + 1
                most = self._contract.most
                if most is not None and number > most:
                    raise _too_many(most)
                return self._contract.element.judge(text)
        except Breach:
            self._transcript.check()
            raise
        return NOT_YET

    def end(self) -> None:
        """
        Note that no piece follows.

        Raises:
            Breach: If the provider has said that it is no answer; if the array was never closed, or has too few
                elements, or there was no text at all.
        """
        self._transcript.check()
        self._check_text(b"", final=True)
        self._scanner.end()
        if self._number < self._contract.least:
            raise Breach(FailureKind.SCHEMA_VIOLATION, f"fewer than {self._contract.least} elements")

    def _check_text(self, data: bytes, *, final: bool = False) -> None:
        """Inside an element pydantic sees to it that text is valid; nobody else reads the prose around them."""
        if self._decoder is None:
            return
        try:
            self._decoder.decode(data, final)
            return
        except UnicodeDecodeError as error:
            cause = error
        raise Breach(FailureKind.MALFORMED_OUTPUT, "not valid Unicode", cause)


def _too_many(most: int) -> Breach:
    return Breach(FailureKind.SCHEMA_VIOLATION, f"more than {most} elements")


def _encoded(piece: Any) -> bytes:
    if isinstance(piece, str):
        return str.encode(piece, "utf-8", "surrogatepass")
    if isinstance(piece, (bytes, bytearray)):
        return bytes(piece)
    if piece is None:
        return b""
    raise Breach(FailureKind.MALFORMED_OUTPUT, "a piece of the stream is no text")


_NOTHING: Final = object()


def _item_type(schema: Any) -> Any:
    """Return what a list is declared to hold; `_NOTHING` where it says nothing of it."""
    while True:
        if get_origin(schema) is Annotated:
            schema = get_args(schema)[0]
        elif hasattr(schema, "__value__"):  # `type Names = list[str]`
            schema = schema.__value__
        else:
            return get_args(schema)[0] if get_origin(schema) is list else _NOTHING


def _list_of(core: Any) -> Any:
    """Return the node of a core schema that is a list and nothing else, or `None`."""
    definitions = {one["ref"]: one for one in core.get("definitions", ())}
    while core["type"] in {"definitions", "definition-ref"}:
        core = core["schema"] if core["type"] == "definitions" else definitions[core["schema_ref"]]
    return core if core["type"] == "list" else None
