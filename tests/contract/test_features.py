"""Tables, rows and arrays: what a model is fed. Real arrays, frames and models where they are installed."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import namedtuple
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Array, Features, InputContract, OneOf, PolicyError, Range
from aiguard.contract import InputJudge

if TYPE_CHECKING:
    from aiguard.contract.rules import Rule

NAN = math.nan
NAMED = namedtuple("NAMED", "amount age")  # noqa: PYI024 - a plain one
SWAPPED = namedtuple("SWAPPED", "age amount")  # noqa: PYI024 - a plain one

NAMES = Features(["amount", "age"])
RULED = Features({"amount": Range(0, 100), "age": Range(18, 120, missing="allow")})


def said(rule: Rule, value: Any) -> tuple[str, str] | None:
    """Return code and message of what is wrong with a value."""
    fault = rule.fault(value)
    return None if fault is None else (fault.code, fault.message)


def code(rule: Rule, value: Any) -> str | None:
    """Return the code alone."""
    fault = rule.fault(value)
    return None if fault is None else fault.code


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        (Features(2), [1, 2], None),
        (Features(2), (1, "text"), None),
        (Features(2), [[1, 2], [3, 4]], None),
        (Features(2), [(1, 2)], None),
        (Features(2), [1, 2, 3], "shape"),
        (Features(2), [[1, 2], [3]], "shape"),
        (Features(2), [[1, 2], 3], "shape"),
        (Features(2), [], "shape"),
        (Features(2), [[1, None]], "missing"),
        (Features(2), [1, NAN], "missing"),
        (Features(2, missing="allow"), [1, NAN], None),
        (Features(2), None, "missing"),
        (Features(2), NAN, "missing"),
        (Features(2), {"amount": 1, "age": 2}, "type"),
        (Features(2), "ab", "type"),
        (NAMES, [1, 2], None),
        (NAMES, [1], "shape"),
        (NAMES, NAMED(1, 2), None),
        (NAMES, SWAPPED(1, 2), "order"),
        (RULED, [[5, 20], [6, None]], None),
        (RULED, [[5, 20], [101, 30]], "range"),
        (RULED, [5, 17], "range"),
        (RULED, [None, 18], "missing"),
        (RULED, ["5", 18], "type"),
        (Features({"country": OneOf("DE")}), [["DE"], ["FR"]], "category"),
        (Features({"country": OneOf("DE"), "note": None}), [["DE", "x"], ["DE", object()]], None),
        (Features({"country": OneOf("DE"), "note": None}), [["DE", "x"], ["DE", None]], "missing"),
        (Features({"country": OneOf("DE"), "note": None}, missing="allow"), [["DE", "x"], ["DE", None]], None),
    ],
)
def test_lists_are_tables_and_rows(rule: Rule, value: object, expected: str | None) -> None:
    """A list of lists has rows, a list of anything else is one."""
    assert code(rule, value) == expected


def test_a_column_is_named_and_its_value_is_not() -> None:
    """By its name where it has one, else by its position."""
    assert said(NAMES, [[1, 2], [3, None]]) == ("missing", "has missing values in column 'age'")
    assert said(Features(2), [1, None]) == ("missing", "has missing values in column 1")
    assert said(RULED, [77777, 20]) == ("range", "has a column 'amount' that must be from 0 to 100")


def test_arrays_of_numpy_are_tables_and_rows() -> None:
    """Of every kind of number; judged as a whole, not one by one."""
    np = pytest.importorskip("numpy")
    assert code(RULED, np.array([[5.0, 20.0], [6.0, NAN]])) is None
    assert code(RULED, np.array([[5, 20], [6, 130]])) == "range"
    assert code(RULED, np.array([[math.inf, 20]])) == "range"
    assert code(RULED, np.array([NAN, 20.0])) == "missing"
    assert code(RULED, np.array([[True, False]])) == "type"
    assert code(RULED, np.array([["5", "20"]])) == "type"
    assert code(RULED, np.array([[5, None]], dtype=object)) is None
    assert code(RULED, np.array([[None, 20]], dtype=object)) == "missing"
    assert code(Features(2), np.array([[1.0, NAN]])) == "missing"
    assert code(Features(2), np.array([["a", "b"]])) is None
    assert code(Features(2), np.array([["2026-01-01", "NaT"]], dtype="datetime64[D]")) == "missing"
    assert code(Features(2), np.zeros((0, 2))) == "shape"
    assert code(Features(2), np.zeros((3, 3))) == "shape"
    assert code(Features(2), np.zeros((1, 2, 1))) == "shape"
    assert code(Features(2), np.array(5.0)) == "shape"


def test_numbers_of_numpy_are_numbers() -> None:
    """Whatever their width; its truth values are none."""
    np = pytest.importorskip("numpy")
    rule = Range(0, 10)
    for kind in (np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8):
        assert code(rule, kind(5)) is None
        assert code(rule, kind(11)) == "range"
    assert code(rule, np.float32(NAN)) == "missing"
    assert code(rule, np.bool_(True)) == "type"  # noqa: FBT003 - its constructor
    assert code(rule, np.array([5, 6])) == "type"
    assert code(OneOf("DE"), np.str_("DE")) is None


def test_frames_of_pandas_have_names_in_an_order() -> None:
    """A series is a row of its own."""
    pd = pytest.importorskip("pandas")
    good = pd.DataFrame({"amount": [5.0, 6.0], "age": [20, 30]})
    assert said(NAMES, good) is None
    assert said(RULED, good) is None
    assert said(Features(2), good) is None
    assert said(NAMES, good[["age", "amount"]]) == ("order", "has its columns in another order than declared")
    assert said(NAMES, good[["amount"]]) == ("names", "lacks the columns 'age'")
    assert said(NAMES, good.assign(secret=1)) == ("names", "has 1 columns more than the 2 declared")
    assert code(NAMES, good.iloc[:0]) == "shape"
    assert code(NAMES, good.assign(age=[20, None])) == "missing"
    assert code(NAMES, good.assign(age=pd.array([20, pd.NA], dtype="Int64"))) == "missing"
    assert code(NAMES, good.assign(age=pd.to_datetime(["2026-01-01", None]))) == "missing"
    assert code(RULED, good.assign(age=pd.array([20, pd.NA], dtype="Int64"))) is None
    assert code(RULED, good.assign(amount=[5.0, 101.0])) == "range"
    assert code(RULED, good.iloc[0]) is None
    assert code(NAMES, good[["age", "amount"]].iloc[0]) == "order"
    row: dict[str, Any] = {"value": {"amount": Range(0, 10), "size": Range(missing="allow")}}
    assert InputJudge(InputContract(row)).flaws(lambda value: value, (good.iloc[0],), {}) == []


def test_an_array_has_a_shape_and_a_type() -> None:
    """As an ONNX session wants it."""
    np = pytest.importorskip("numpy")
    rule = Array((None, 2), dtype="float32")
    assert said(rule, np.zeros((3, 2), dtype="float32")) is None
    assert said(rule, np.zeros((3, 3), dtype="float32")) == ("shape", "must have the shape (any, 2)")
    assert said(rule, np.zeros(2, dtype="float32")) == ("shape", "must have the shape (any, 2)")
    assert said(rule, np.zeros((3, 2))) == ("dtype", "must be of type float32")
    assert said(rule, np.full((3, 2), NAN, dtype="float32")) == ("missing", "has missing values")
    assert said(Array((None,), missing="allow"), np.array([NAN])) is None
    assert said(Array((None,)), np.array(["a"])) is None
    assert code(rule, [[1, 2]]) == "type"
    assert code(rule, None) == "missing"


def test_a_model_of_scikit_learn_states_its_input() -> None:
    """By names where it was fitted with them, else by their number; one that is not fitted states nothing."""
    linear = pytest.importorskip("sklearn.linear_model")
    pd = pytest.importorskip("pandas")
    np = pytest.importorskip("numpy")
    frame = pd.DataFrame({"amount": [1.0, 2.0, 3.0], "age": [20, 30, 40]})
    named = InputContract.of_model(linear.LogisticRegression().fit(frame, [0, 1, 1]), version=3)
    assert named == InputContract(Features(["amount", "age"]), name="LogisticRegression", version=3)
    fitted = linear.LogisticRegression().fit(frame.to_numpy(), [0, 1, 1])
    plain = InputContract.of_model(fitted, "X", name="score-in", missing="allow", on_breach="warn")
    assert plain == InputContract({"X": Features(2, missing="allow")}, name="score-in", on_breach="warn")
    with pytest.raises(PolicyError, match="LogisticRegression has neither"):
        InputContract.of_model(linear.LogisticRegression())
    judge = InputJudge(plain)
    assert judge.check(fitted.predict) is None
    assert judge.flaws(fitted.predict, (np.zeros((1, 2)),), {}) == []
    assert [flaw.code for flaw in judge.flaws(fitted.predict, (), {"X": np.zeros((1, 3))})] == ["shape"]


def test_what_a_model_states_can_be_given_ranges() -> None:
    """Of some of its features, by their names: the others are looked at as before."""
    linear = pytest.importorskip("sklearn.linear_model")
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"amount": [1.0, 2.0, 3.0], "age": [20, 30, 40]})
    model = linear.LogisticRegression().fit(frame, [0, 1, 1])
    contract = InputContract.of_model(model, ranges={"age": Range(18, 120, missing="allow")})
    assert contract.fields == Features({"amount": None, "age": Range(18, 120, missing="allow")})
    for given, expected in (
        (frame, None),
        (frame.assign(age=[20, 17, 40]), ("range", "has a column 'age' that must be from 18 to 120")),
        (frame.assign(amount=[1.0, NAN, 3.0]), ("missing", "has missing values in column 'amount'")),
        (frame.assign(age=[20, NAN, 40]), None),
        (frame[["age", "amount"]], ("order", "has its columns in another order than declared")),
    ):
        assert said(contract.fields, given) == expected
    assert said(InputContract.of_model(model, missing="allow", ranges={"age": Range()}).fields, frame * NAN) == (
        "missing",
        "has a column 'age' that is missing",
    )
    with pytest.raises(PolicyError, match=r"the model has no feature 'aeg'; did you mean `age`\?"):
        InputContract.of_model(model, ranges={"aeg": Range(18, 120)})
    nameless = linear.LogisticRegression().fit(frame.to_numpy(), [0, 1, 1])
    with pytest.raises(PolicyError, match="no feature 'age': it has no names"):
        InputContract.of_model(nameless, ranges={"age": Range(18, 120)})


def test_a_session_of_onnx_states_its_input() -> None:
    """Names, shapes and types of all that it is fed."""
    ort = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    np = pytest.importorskip("numpy")
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [
            helper.make_tensor_value_info("x", kinds.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("w", kinds.FLOAT, [4, 1]),
        ],
        [helper.make_tensor_value_info("y", kinds.FLOAT, ["batch", 1])],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    contract = InputContract.of_model(session, "input_feed", name="product-in")
    assert contract.fields == {
        "input_feed": {"x": Array((None, 4), dtype="float32"), "w": Array((4, 1), dtype="float32")}
    }
    judge = InputJudge(contract)
    assert judge.check(session.run) is None
    feed = {"x": np.zeros((2, 4), dtype="float32"), "w": np.zeros((4, 1), dtype="float32")}
    assert judge.flaws(session.run, (None, feed), {}) == []
    assert session.run(None, feed)[0].shape == (2, 1)
    wrong = judge.flaws(session.run, (None, {"x": np.zeros((2, 5))}), {})
    assert [(flaw.field, flaw.code) for flaw in wrong] == [("input_feed.x", "shape"), ("input_feed.w", "missing")]

    ranged = InputContract.of_model(session, ranges={"x": Range(0, 1)}).fields["x"]
    assert said(ranged, feed["x"]) is None
    assert said(ranged, feed["x"] + 2) == ("range", "has a value that must be from 0 to 1")
    assert said(ranged, feed["x"] * NAN) == ("missing", "has a value that is missing")
    assert code(ranged, feed["w"]) == "shape"
    allowing = InputContract.of_model(session, ranges={"x": Range(0, 1, missing="allow")}).fields["x"]
    assert said(allowing, feed["x"] * NAN) is None
    with pytest.raises(PolicyError, match="the values of 'x' are an array's: give a Range"):
        InputContract.of_model(session, ranges={"x": OneOf(1, 2)})
    with pytest.raises(PolicyError, match="the model has no feature 'y'"):
        InputContract.of_model(session, ranges={"y": Range(0, 1)})


def test_neither_numpy_nor_pandas_is_imported_for_a_contract() -> None:
    """Who has no arrays needs no library of arrays."""
    script = (
        "import sys; from aiguard import *; from aiguard.contract import InputJudge\n"
        "judge = InputJudge(InputContract(Features({'a': Range(0, 1)})))\n"
        "assert judge.flaws(print, ([[0.5], [2]],), {})[0].code == 'range'\n"
        "assert not {'numpy', 'pandas', 'sklearn', 'onnxruntime'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
