"""Models in the process: scikit-learn, onnxruntime."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import FailureKind as K
from tests.clients.cell import Cell, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.testing import FaultServer


def _field(number: int, value: int | str | bytes) -> bytes:
    """Return a field of a protocol buffer: what a model of ONNX is made of."""

    def varint(rest: int) -> bytes:
        low, rest = rest & 127, rest >> 7
        return bytes((low | 128,)) + varint(rest) if rest else bytes((low,))

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


_FLOAT, _INTEGER = 1, 7


def _value(name: str, element: int, *dimensions: int) -> bytes:
    shape = b"".join(_field(1, _field(1, dimension)) for dimension in dimensions)
    return _field(1, name) + _field(2, _field(1, _field(1, element) + _field(2, shape)))


def onnx(operator: str, element: int, *more: bytes) -> bytes:
    """Return a model of one operator, from `x`, and from what else is named, to `y`."""
    names = (b"x", *(b"i" for _ in more))
    node = b"".join(_field(1, name) for name in names) + _field(2, "y") + _field(4, operator)
    inputs = (_value("x", element, 3), *more)
    graph = _field(1, node) + _field(2, "g") + b"".join(_field(11, one) for one in inputs)
    graph += _field(12, _value("y", element, 3))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


class Opened(NamedTuple):
    """The library, and numpy."""

    module: Any
    np: Any


@contextmanager
def _onnxruntime(_: FaultServer) -> Iterator[Opened]:
    np = import_module("numpy")
    onnxruntime = import_module("onnxruntime")

    onnxruntime.set_default_logger_severity(4)
    yield Opened(onnxruntime, np)


@contextmanager
def _sklearn(_: FaultServer) -> Iterator[Opened]:
    np = import_module("numpy")
    linear_model = import_module("sklearn.linear_model")

    yield Opened(linear_model, np)


def do(name: str, what: Callable[[Any], Any]) -> Callable[[Any, str, float], Any]:
    """Return a way of using what is opened that asks no server; its name says which."""

    def ask(it: Any, model: str, patience: float) -> Any:  # noqa: ARG001 - nobody is asked
        return what(it)

    ask.__name__ = name
    return ask


def _run(model: bytes, **feed: Callable[[Any], Any]) -> Callable[[Opened], Any]:
    def run(it: Opened) -> Any:
        return it.module.InferenceSession(model).run(None, {name: make(it.np) for name, make in feed.items()})

    return run


def _terminated(it: Opened) -> Any:
    options = it.module.RunOptions()
    options.terminate = True
    session = it.module.InferenceSession(onnx("Relu", _FLOAT))
    return session.run(None, {"x": it.np.zeros(3, "f")}, options)


def _fitted(it: Opened) -> Any:
    return it.module.LogisticRegression().fit([[1.0, 2.0], [3.0, 4.0]], [0, 1])


RESHAPE: Final = onnx("Reshape", _FLOAT, _value("i", _INTEGER, 1))
GATHER: Final = onnx("Gather", _FLOAT, _value("i", _INTEGER, 1))
RELU: Final = onnx("Relu", _FLOAT)

ONNXRUNTIME: Final = Client(
    "onnxruntime",
    "onnxruntime",
    _onnxruntime,
    raised=(
        Cell(
            K.SERVER_ERROR,
            "onnxruntime.Fail",
            "",
            do("run_time", _run(RESHAPE, x=lambda np: np.zeros(3, "f"), i=lambda np: np.array([9]))),
        ),
        Cell(K.SERVER_ERROR, "onnxruntime.Fail", "", do("terminated", _terminated)),
        Cell(
            K.NOT_FOUND,
            "onnxruntime.NoSuchFile",
            "",
            do("no_file", lambda it: it.module.InferenceSession("nowhere.onnx")),
        ),
        Cell(
            K.NOT_FOUND,
            "onnxruntime.InvalidProtobuf",
            "",
            do("broken_file", lambda it: it.module.InferenceSession(b"broken")),
        ),
        Cell(K.BAD_REQUEST, "onnxruntime.InvalidArgument", "", do("shape", _run(RELU, x=lambda np: np.zeros(4, "f")))),
        Cell(K.BAD_REQUEST, "onnxruntime.InvalidArgument", "", do("dtype", _run(RELU, x=lambda np: np.zeros(3)))),
        Cell(
            K.BAD_REQUEST,
            "onnxruntime.InvalidArgument",
            "",
            do("index", _run(GATHER, x=lambda np: np.zeros(3, "f"), i=lambda np: np.array([9]))),
        ),
        Cell(
            K.BAD_REQUEST,
            "builtins.ValueError",
            "",
            do("name", _run(RELU, z=lambda np: np.zeros(3, "f"))),
        ),
    ),
    notes={K.OVERLOADED: "not run: no GPU to run out of memory", K.TIMEOUT: "the adapter's deadline, tested with it"},
    output=None,
)

SKLEARN: Final = Client(
    "scikit-learn",
    "sklearn",
    _sklearn,
    raised=(
        Cell(
            K.NOT_FOUND,
            "sklearn.NotFittedError",
            "",
            do("not_fitted", lambda it: it.module.LogisticRegression().predict([[1.0, 2.0]])),
        ),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", do("features", lambda it: _fitted(it).predict([[1.0]]))),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", do("nan", lambda it: _fitted(it).predict([[1.0, it.np.nan]]))),
        Cell(K.BAD_REQUEST, "builtins.ValueError", "", do("text", lambda it: _fitted(it).predict([["a", "b"]]))),
        Cell(
            K.BAD_REQUEST,
            "sklearn.InvalidParameterError",
            "",
            do("parameter", lambda it: it.module.LogisticRegression(C=-1).fit([[1.0], [2.0]], [0, 1])),
        ),
    ),
    output=None,
)
