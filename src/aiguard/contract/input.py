"""The contract of an input, as a user declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from aiguard.contract.features import Array, Features, RangedArray
from aiguard.contract.rules import Range
from aiguard.errors import PolicyError
from aiguard.policy import NAME_CHARACTERS, NAME_LIMIT
from aiguard.problem import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiguard.contract.rules import Missing, Rule

OnBreach = Literal["reject", "fallback", "warn"]


@dataclass(frozen=True)
class InputContract:
    """
    What the arguments of a call must satisfy before the component is asked. They are only looked at, never changed.

    Args:
        fields: The rules by the names of the component's parameters; or one rule for its first argument. A rule is
            `Range`, `OneOf`, `Text`, `Features` or `Array`, a type as pydantic knows them, or a mapping of names to
            rules, for an argument that is itself a mapping or an object.
        name: What messages and telemetry call it.
        version: Which one of that name it is, a whole number or a short word: each is counted apart, as `name@2`.
        on_breach: `"reject"` ends the call, and only rungs without AI may answer; `"fallback"` lets any rung answer;
            `"warn"` asks the component all the same.
    """

    fields: Any
    _: KW_ONLY
    name: str = "input"
    version: int | str | None = None
    on_breach: OnBreach = "reject"

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or not 1 <= len(name) <= NAME_LIMIT or not NAME_CHARACTERS.issuperset(name):
            raise PolicyError(f"input: name={shown(name)} must be 1 to {NAME_LIMIT} of A-Z a-z 0-9 . _ -")
        if not _is_version(self.version):
            raise PolicyError(
                f"input: version={shown(self.version)} is neither a whole number above zero nor a short word"
            )
        if self.on_breach not in get_args(OnBreach):
            raise PolicyError(f"input: on_breach={shown(self.on_breach)} is none of {', '.join(get_args(OnBreach))}")
        if isinstance(self.fields, Mapping):
            object.__setattr__(self, "fields", dict(self.fields))

    @property
    def label(self) -> str:
        """What it is counted as: its name, and its version where it has one."""
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @classmethod
    def of_model(
        cls,
        model: Any,
        argument: str | None = None,
        *,
        name: str | None = None,
        version: int | str | None = None,
        on_breach: OnBreach = "reject",
        missing: Missing = "reject",
        ranges: Mapping[str, Rule] | None = None,
    ) -> InputContract:
        """
        Return the contract that a model states itself.

        Of a fitted scikit-learn estimator these are the names and the number of its features; of an ONNX session the
        names, shapes and types of its inputs.

        Args:
            model: An object with `feature_names_in_`, `n_features_in_` or `get_inputs()`.
            argument: The component's parameter that is fed to the model; its first by default.
            name: The model's class by default.
            version: As `InputContract` has it.
            on_breach: As `InputContract` has it.
            missing: Whether values may be missing, where `ranges` says nothing of them: no model says that of itself.
            ranges: Rules of some of its features by their names, as its training data had them; of an ONNX session, the
                `Range` of all values of an input. No model says that of itself either.

        Raises:
            PolicyError: If the model says nothing of its input, as one that is not fitted; or has no such features.
        """
        rule = _rule_of(model, missing, dict(ranges or {}))
        if rule is None:
            raise PolicyError(
                f"input: {type(model).__name__} has neither feature_names_in_, n_features_in_ nor get_inputs(): "
                "is it fitted?"
            )
        return cls(
            rule if argument is None else {argument: rule},
            name=type(model).__name__ if name is None else name,
            version=version,
            on_breach=on_breach,
        )


_LONGEST_VERSION: Final = 32


def _is_version(version: object) -> bool:
    if isinstance(version, str):
        return 0 < len(version) <= _LONGEST_VERSION and NAME_CHARACTERS.issuperset(version)
    return version is None or (type(version) is int and version > 0)


def _rule_of(model: Any, missing: Missing, ranges: dict[str, Rule]) -> Any:
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        columns = [str(one) for one in names]
        _check_names(ranges, columns)
        return Features({name: ranges.get(name) for name in columns} if ranges else columns, missing=missing)
    width = getattr(model, "n_features_in_", None)
    if width is not None:
        _check_names(ranges, ())
        return Features(int(width), missing=missing)
    inputs = getattr(model, "get_inputs", None)
    if not callable(inputs):
        return None
    arrays = {str(one.name): one for one in inputs()}
    _check_names(ranges, arrays)
    return {name: _array_of(one, missing, ranges.get(name)) for name, one in arrays.items()}


def _array_of(fed: Any, missing: Missing, values: Rule | None) -> Rule:
    shape = [size if type(size) is int else None for size in fed.shape]
    dtype = _DTYPES.get(fed.type)
    if values is None:
        return Array(shape, dtype=dtype, missing=missing)
    if not isinstance(values, Range):
        raise PolicyError(f"input: ranges: the values of {fed.name!r} are an array's: give a Range")
    return RangedArray(Array(shape, dtype=dtype, missing="allow"), values)


def _check_names(ranges: Mapping[str, Rule], known: Collection[str]) -> None:
    for name in ranges:
        if name not in known:
            said = nearest(name, known) if known else ": it has no names of features, as one fitted without them"
            raise PolicyError(f"input: ranges: the model has no feature {name!r}{said}")


_DTYPES: Final = {
    "tensor(bool)": "bool",
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
}
"""What ONNX calls its types, as numpy does; text and the rest have several forms there."""
