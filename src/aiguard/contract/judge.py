"""The judge that holds answers to their contract: every gate, in one order."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from pydantic import ValidationError

from aiguard.contract import extraction, plain, rebuild, repair
from aiguard.contract.breach import Breach
from aiguard.contract.checks import Judged
from aiguard.contract.json_schema import JsonSchema
from aiguard.contract.response import reader_of
from aiguard.contract.schema import Schema, compile_schema
from aiguard.contract.stopping import LARGE
from aiguard.errors import PolicyError
from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from aiguard.contract.output import OutputContract

T = TypeVar("T")

_TEXTS = (str, bytes, bytearray)
_NEVER = -1  # no text is that short


class Note(Protocol):
    """
    Where a judge writes down what it did to an answer.

    Attributes:
        repaired: How the answer was repaired; `None` where it was not.
    """

    repaired: str | None


class Judge(Generic[T]):
    """
    A contract made ready: compiled once, cheap to call, safe to share between threads.

    Attributes:
        contract: What it was made from.
        name: What messages and telemetry call the contract, its version included.
        checks: The contract's checks, made ready.
    """

    __slots__ = ("_extra", "_is_finite", "_quick", "_reads_json", "_schema", "_strict", "checks", "contract", "name")

    def __init__(self, contract: OutputContract[T], schema: Schema) -> None:
        self.contract = contract
        self.name = label_of(contract)
        reads_json = contract.format == "json" or (contract.format == "auto" and schema.text is None)
        if contract.repair != "off" and not reads_json:
            raise PolicyError(f"repair={contract.repair!r} mends JSON, and this contract reads none")
        self._schema = schema
        self._reads_json = reads_json
        # no letter takes more than four bytes
        self._quick = min(contract.max_bytes // 4, LARGE) if reads_json else _NEVER
        self._strict = schema.strict
        self._extra = schema.extra
        self.checks = tuple(Judged(check, contract.on_check_error) for check in contract.checks)
        self._is_finite = schema.is_finite

    @classmethod
    def of(cls, contract: OutputContract[T]) -> Judge[T]:
        """
        Make `contract` ready.

        Raises:
            PolicyError: If its schema cannot be validated, or could not be enforced.
        """
        try:
            return cls(contract, compile_schema(contract.schema))
        except PolicyError as error:
            name = label_of(contract)
            refused = [replace(problem, setting="output", value=name) for problem in error.problems]
            raise PolicyError(*refused) from error.__cause__

    def judge(self, raw: object, note: Note | None = None, *, checked: bool = True) -> T:
        """
        Return the value that `raw`, returned by a component, amounts to.

        Checks that have to be awaited are left to whoever can wait.

        Args:
            raw: The answer as it came.
            note: Where it is written down that the answer was repaired.
            checked: Whether the checks that need not be awaited are asked.

        Raises:
            Breach: If it breaks the contract; the first gate that says no names the kind.
        """
        value: T
        try:
            if type(raw) is str and len(raw) <= self._quick:
                try:
                    value = self._schema.validate_json(raw, strict=self._strict, extra=self._extra)
                except ValidationError as error:
                    value = self._recover(raw, error, note)
                else:
                    if self._is_finite is not None and not self._is_finite(value):
                        raise _not_finite()
            else:
                value = self._gates(raw, note)
            if checked and self.checks:
                self._ask(value)
            return value
        except Exception as error:  # noqa: BLE001 - whatever an answer makes anything raise is a breach
            refusal = self._refusal(error)
        try:
            raise refusal
        finally:
            del refusal  # or its traceback would hold this frame, and the answer in it, in a cycle

    def judge_value(self, value: object) -> T:
        """
        Return `value`, which a rung answered, as the contract has it: schema and checks, no gate for raw answers.

        Raises:
            Breach: If it breaks the contract.
        """
        try:
            is_text = self._schema.text and isinstance(value, _TEXTS)
            valid: T = self._finite(self._words(value) if is_text else self._value(value))
            if self.checks:
                self._ask(valid)
            return valid
        except Exception as error:  # noqa: BLE001 - whatever an answer makes anything raise is a breach
            refusal = self._refusal(error)
        try:
            raise refusal
        finally:
            del refusal

    def rebuilder(self, value: object) -> Callable[[], T]:
        """
        Return a function that gives `value`, validated now, as a fresh copy at every call.

        Raises:
            Breach: If it breaks the contract, or cannot be copied.
        """
        valid = self.judge_value(value)
        try:
            return cast("Callable[[], T]", rebuild.maker_of(valid))
        except Exception as error:  # noqa: BLE001 - copying runs code of the value's own
            cause = error
        raise Breach(FailureKind.SCHEMA_VIOLATION, "the value cannot be copied for each use", cause)

    def _gates(self, raw: object, note: Note | None) -> Any:
        read = reader_of(cast("Hashable", type(raw)))
        if read is not None:
            text = read(raw)
            if self.contract.format == "python" or self._schema.is_instance(raw):
                return self._finite(self._schema.python(raw))
            raw = text
        if raw is None:
            return self._finite(self._nothing())
        if not isinstance(raw, _TEXTS) or isinstance(raw, Enum):
            return self._finite(self._value(raw))
        exact = str.__str__(raw) if isinstance(raw, str) else bytes(raw)
        self._weigh(exact)
        if self._reads_json:
            return self._read(exact, note)
        if not exact or exact.isspace():
            raise _empty()
        return self._finite(self._words(exact) if self.contract.format != "python" else self._schema.python(exact))

    def _read(self, text: str | bytes, note: Note | None) -> Any:
        try:
            value = self._schema.json(text)
        except ValidationError as error:
            return self._recover(text, error, note)
        return self._finite(value)

    def _nothing(self) -> Any:
        try:
            return self._schema.python(None)
        except ValidationError:
            raise _empty() from None

    def _weigh(self, text: str | bytes) -> None:
        limit = self.contract.max_bytes
        if len(text) > limit:
            raise plain.too_large(limit)
        if isinstance(text, str) and not text.isascii() and len(text.encode(errors="surrogatepass")) > limit:
            raise plain.too_large(limit)

    def _json(self, text: bytes) -> Any:
        try:
            return self._schema.json(text)
        except ValidationError as error:
            raise self._schema.misfit(text, error) from None

    def _words(self, text: Any) -> Any:
        form = self._schema.text
        try:
            if form == "bytes":
                text = text.encode() if isinstance(text, str) else bytes(text)
            elif isinstance(text, str):
                text.encode()  # half a surrogate pair is no text: whoever writes it out fails
            elif form is not None:
                text = bytes(text).decode()
        except UnicodeError as error:
            raise Breach(FailureKind.MALFORMED_OUTPUT, "not valid Unicode", error) from None
        if form == "label" and not isinstance(text, Enum):
            return self._schema.validate_strings(text, strict=self._strict)
        return self._schema.python(text)

    def _value(self, value: object) -> Any:
        if isinstance(value, (dict, list)) and self.contract.format != "python":
            data = plain.as_json(value, self.contract.max_bytes)
            if data is not None:
                return self._json(data)
        else:
            plain.measure(value, self.contract.max_bytes)
        return self._schema.python(value)

    def _recover(self, text: str | bytes, error: ValidationError, note: Note | None) -> Any:
        if not text or text.isspace():
            raise _empty()
        if not _is_malformed(error):
            raise self._schema.misfit(text, error)
        malformed = Breach(FailureKind.MALFORMED_OUTPUT, "not JSON", error)
        mends = self.contract.repair == "safe"
        if not mends and not self.contract.extract:
            raise malformed
        try:
            whole = text if isinstance(text, str) else text.decode()
        except UnicodeDecodeError:
            raise malformed from None
        if self.contract.extract:
            return self._extract(whole, malformed, note)
        return self._mended(whole, malformed, note)

    def _extract(self, text: str, malformed: Breach, note: Note | None) -> Any:
        found = extraction.candidates(text, self._schema.openers)
        if len(found) > extraction.MOST:
            raise Breach(FailureKind.AMBIGUOUS_OUTPUT, f"more than {extraction.MOST} JSON values in the text")
        values: list[tuple[Any, bool]] = []
        misfit: Breach | None = None
        for candidate in found:
            value, error, read = self._tried(candidate)
            if error is not None:
                if misfit is None and not _is_malformed(error):
                    misfit = error if isinstance(error, Breach) else self._schema.misfit(read, error)
                continue
            if not any(type(value) is type(other) and value == other for other, _ in values):
                values.append((value, read is not candidate))
        if len(values) > 1:
            raise Breach(FailureKind.AMBIGUOUS_OUTPUT, f"{len(values)} different valid values in the text")
        if values:
            value, mended = values[0]
            if mended and note is not None:
                note.repaired = "safe"
            return value
        if misfit is None and self.contract.repair == "safe":
            return self._mended(text, malformed, note)
        raise misfit or malformed

    def _tried(self, text: str) -> tuple[Any, ValidationError | Breach | None, str]:
        """Return the value of one candidate, or what is wrong with it; and its text, mended where it was."""
        value, error = self._parsed(text)
        if error is not None and self.contract.repair == "safe" and _is_malformed(error):
            better = repair.without_trailing_commas(text)
            if better is not None:
                return *self._parsed(better), better
        return value, error, text

    def _parsed(self, text: str) -> tuple[Any, ValidationError | Breach | None]:
        try:
            value = self._schema.json(text)
        except ValidationError as error:
            return None, error.with_traceback(None)  # which would hold this frame, and the answer in it
        if self._is_finite is not None and not self._is_finite(value):
            return None, _not_finite()
        return value, None

    def _mended(self, text: str, malformed: Breach, note: Note | None) -> Any:
        """Return the value of `text` once what may be taken off safely is off; parsed as strictly as any other."""
        whole = repair.repaired(text)
        if whole is None:
            raise malformed
        value, error = self._parsed(whole)
        if isinstance(error, ValidationError):
            raise malformed if _is_malformed(error) else self._schema.misfit(whole, error)
        if error is not None:
            raise error
        if note is not None:
            note.repaired = "safe"
        return value

    def _finite(self, value: Any) -> Any:
        if self._is_finite is not None and not self._is_finite(value):
            raise _not_finite()
        return value

    def _ask(self, value: object) -> None:
        for check in self.checks:
            if not check.is_async:
                check.run(value)

    def _refusal(self, error: Exception) -> Breach:
        if not isinstance(error, Breach):
            return self._schema.violation(error)
        error.__context__ = error.__cause__ = None  # a traceback would print them, and the answer with them
        return error


def _empty() -> Breach:
    return Breach(FailureKind.EMPTY_OUTPUT, "nothing but white space, or nothing at all")


def _not_finite() -> Breach:
    return Breach(FailureKind.SCHEMA_VIOLATION, "a number is NaN or infinite")


def _is_malformed(error: Exception) -> bool:
    if not isinstance(error, ValidationError) or error.error_count() != 1:
        return False
    (line,) = error.errors(include_input=False, include_url=False, include_context=False)
    # the second: half a surrogate pair in the text itself
    return line["loc"] == () and line["type"] in {"json_invalid", "string_unicode"}


def label_of(contract: OutputContract[Any]) -> str:
    """Return what messages and telemetry call `contract`."""
    name = contract.name or _name_of(contract.schema)
    return name if contract.version is None else f"{name}@{contract.version}"


def _name_of(schema: object) -> str:
    if isinstance(schema, JsonSchema):
        return schema.title
    if isinstance(schema, type) and not isinstance(schema, GenericAlias):  # list[int].__name__ is "list"
        return schema.__name__
    return repr(schema)
