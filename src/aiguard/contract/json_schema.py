"""JSON Schema as an output contract: what a user writes."""

from __future__ import annotations

import json
from typing import Any, Final

from aiguard.errors import PolicyError

_DEEPEST: Final = 200
_MOST: Final = 1_000_000  # YAML's aliases can write more in a few lines
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class JsonSchema:
    r"""
    A contract written as JSON Schema, for where no Python type describes the answer.

    `guard("triage", output=JsonSchema({"type": "object", "properties": {"label": {"type": "string"}}}))`. What leaves
    the boundary is what the JSON said: dicts with their keys in the answer's order, lists, strings, numbers.

    Draft 2020-12; of 2019-09 and draft-07 what means the same there. Checked are `type`, `enum`, `const`, `properties`,
    `required`, `additionalProperties`, `minProperties`, `maxProperties`, `items`, `prefixItems`, `minItems`,
    `maxItems`, `uniqueItems`, `minLength`, `maxLength`, `pattern`, `minimum`, `maximum`, `exclusiveMinimum`,
    `exclusiveMaximum`, `multipleOf`, `anyOf`, `oneOf`, `allOf`, `not`, `$ref` within the schema, recursion included,
    and `format`: `date-time`, `date`, `time`, `duration`, `email`, `hostname`, `ipv4`, `ipv6`, `uri`, `uuid`.
    Annotations are left out of account. Every other keyword is refused, never ignored.

    Stricter than JSON Schema, as every contract here is:

    - An object with `properties` is closed: keys it does not list are refused, unless `additionalProperties` says
      otherwise. `{"type": "object"}` alone does not say which keys it means, and is refused; so are properties listed
      in several schemas of one object, each closed to the others', and closing inside `not`, which lets more in.
    - `integer` is 3, not 3.0: who reads an integer will count with it. `enum` and `const` take 3.0 for 3.
    - `format` is checked. A number beyond the range of a float is no `number`.
    - A definition may hold itself 50 levels deep.

    Text is read as JSON, unless the root is of type `string` or lists strings alone: then the text is the answer, as
    it is for `str`.

    Where JSON Schema leaves a choice: the bounds of `number` are compared as floats, exact below 2**53. `multipleOf` is
    exact in the decimals as written: 0.3 is a multiple of 0.1. `pattern` searches, and is written for Rust's `regex`:
    no look-around, no back-references; classes like `\d` and `\w` are Unicode's.

    Args:
        schema: Plain JSON data. It is copied. Its `title`, if it has one, is the contract's name.

    Raises:
        PolicyError: If the schema is malformed, or says what is not checked: with everything that was found.
    """

    __slots__ = ("_canonical", "_core", "_text", "_title")

    def __init__(self, schema: dict[str, Any]) -> None:
        from aiguard.contract.json_schema_keywords import translate  # noqa: PLC0415 - only who needs it waits for it

        self._text = _written(schema)
        own = self.schema
        self._canonical = json.dumps(own, sort_keys=True)
        self._core = translate(own)
        self._title: str = own.get("title") or "JSON Schema"

    @property
    def schema(self) -> dict[str, Any]:
        """A copy of what it was made from."""
        schema: dict[str, Any] = json.loads(self._text)
        return schema

    @property
    def title(self) -> str:
        """The `title` of the schema; without one, `JSON Schema`."""
        return self._title

    @property
    def core_schema(self) -> dict[str, Any]:
        """What pydantic validates with. It says itself how strict it is: it is run without settings."""
        return self._core

    def __eq__(self, other: object) -> bool:
        return self._canonical == other._canonical if isinstance(other, JsonSchema) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._canonical)

    def __repr__(self) -> str:
        return f"JsonSchema({self._title!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return JsonSchema, (self.schema,)


def _written(schema: object) -> str:
    if type(schema) is not dict:
        raise PolicyError(f"JSON Schema: a {type(schema).__name__} is no JSON object")
    _measure(schema)
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError as error:  # NaN, an integer of more than 4300 digits, half a surrogate pair
        raise PolicyError(f"JSON Schema: cannot be written as JSON: {error}") from None
    return text


def _measure(schema: dict[str, Any]) -> None:
    level: list[Any] = [schema]
    count = 0
    for _ in range(_DEEPEST):
        containers = [one for one in level if _is_container(one)]
        count += sum(map(len, containers))
        if count > _MOST:
            raise PolicyError(f"JSON Schema: more than {_MOST} values")
        level = [part for one in containers for part in (one.values() if type(one) is dict else one)]
        if not level:
            return
    raise PolicyError(f"JSON Schema: nested deeper than {_DEEPEST} levels")


def _is_container(value: Any) -> bool:
    kind = type(value)
    if kind is dict and not all(type(key) is str for key in value):
        raise PolicyError("JSON Schema: holds a key that is no string; write plain JSON data")
    if kind is not dict and kind is not list and kind not in _SCALARS:
        raise PolicyError(f"JSON Schema: holds a {kind.__name__}, which JSON does not have; write plain JSON data")
    return kind is dict or kind is list
