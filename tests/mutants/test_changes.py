"""What is made of a module: every kind of change, once."""

from __future__ import annotations

from textwrap import indent

import pytest

from tests.mutants.changes import mutants


def of(statement: str) -> list[str]:
    """Return what the statement becomes in a function."""
    source = f"def f(a, b, c):\n{indent(statement, '    ')}\n"
    return [mutant.becomes for mutant in mutants(source)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("return a < b", ["return None", "return a <= b"]),
        ("return a >= b", ["return None", "return a > b"]),
        ("return a is b", ["return None", "return a is not b"]),
        ("return a not in b", ["return None", "return a in b"]),
        ("return a - b", ["return None", "return a + b"]),
        ("return a // b", ["return None", "return a / b"]),
        ("return a | b", ["return None", "return a & b"]),
        ("return not a", ["return None", "return a"]),
        ("return -a", ["return None", "return a"]),
        ("return a and b", ["return None", "return b", "return a", "return a or b"]),
        ("return b if a else c", ["return None", "return b", "return c"]),
        ("return {a, b}", ["return None", "return {b}", "return {a}"]),
        ("return a[b:c]", ["return None", "return a[:c]", "return a[b:]"]),
        ("return min(a)", ["return None", "return max(a)"]),
        ("return [b for b in a if b]", ["return None", "return [b for b in a if True]"]),
        ("return 7", ["return None", "return 8", "return 6"]),
        ("return 0.5", ["return None", "return 1.0", "return 0.25"]),
        ("return 0.0", ["return None", "return 1.0"]),
        ("return 'a'", ["return None", "return ''"]),
        ("return f'{a} of {b}'", ["return None", "return ''"]),
        ("return True", ["return None", "return False"]),
        ("return a(b, c=c)", ["return None", "return a(None, c=c)", "return a(b, c=None)"]),
        ("return len(a)", ["return None"]),
        ("return None", []),
        ("a.b = c", ["pass"]),
        ("a = b", []),  # without it there would be no such name
        ("a += b", ["pass", "a = b", "a -= b"]),
        ("a.b += 1", ["pass", "a.b = 1", "a.b -= 1", "a.b += 2"]),
        ("a()", ["pass"]),
        ("del a", ["pass"]),
        ("raise a", ["pass"]),
    ],
)
def test_a_statement_becomes(statement: str, expected: list[str]) -> None:
    """Each operator, constant, argument and branch is changed on its own, and the statement is taken out."""
    assert of(statement) == expected


def test_a_condition_holds_always_and_never() -> None:
    """What is inside is changed as well, and told by its own line."""
    found = [(mutant.line, mutant.code, mutant.becomes) for mutant in mutants("def f(a):\n  if a:\n    a()\n")]
    assert found == [(2, "if a:", "if True:"), (2, "if a:", "if False:"), (3, "a()", "pass")]


def test_a_loop_is_left_not_begun_and_not_left() -> None:
    """Its condition is never true, and what leaves it or goes on with it does not."""
    source = "while a:\n    if b:\n        continue\n    break"
    assert of(source) == ["while False:", "if True:", "if False:", "pass", "break", "pass"]


def test_an_early_return_is_passed() -> None:
    """What comes after it happens too."""
    assert of("if a:\n    return b\nc()") == ["if True:", "if False:", "pass", "return None", "pass"]
    assert of("if a:\n    return None\nelse:\n    return b") == ["if True:", "if False:", "return None"]
    assert of("try:\n    a()\nexcept OSError:\n    return None") == ["pass", "try: except OSError: raise"]
    assert of("while True:\n    return None") == ["while False:", "pass"]


def test_what_is_caught_is_raised_again() -> None:
    """A handler that does nothing of what it should is one that was forgotten."""
    assert of("try:\n    a()\nexcept OSError:\n    b()") == ["pass", "try: except OSError: raise", "pass"]


def test_a_name_that_has_a_value_already_may_keep_it() -> None:
    """Only where a name is given values more than once can an assignment be forgotten."""
    assert of("x = a\nif b:\n    x = c") == ["pass", "if True:", "if False:", "pass"]


def test_what_says_nothing_of_the_behaviour_is_left_alone() -> None:
    """Imports, docstrings, annotations, decorators, slots, what is for type checkers alone, and locks."""
    source = '''
"""A docstring."""
from a import b
if TYPE_CHECKING:
    c = 1
T = TypeVar("T")
Amounts: TypeAlias = tuple[int, 3]
class D(b[4]):
    """Another."""
    __slots__ = ("e",)
    @b(5)
    def f(self, g: b[6]) -> b[7]:
        """And one more."""
        self._lock.acquire()
        with self._lock:
            pass
        self._lock.release()
'''
    assert mutants(source) == []


def test_constants_of_a_module_and_of_a_class_are_changed() -> None:
    """They are settings, too; nothing there is taken out."""
    found = [(mutant.where, mutant.becomes) for mutant in mutants("A: Final = 1\nclass B:\n    c = True\n")]
    assert found == [("", "A: Final = 2"), ("", "A: Final = 0"), ("B", "c = False")]


def test_a_mutant_is_the_module_with_that_change_alone() -> None:
    """Each is compiled from the source anew."""
    source = "def f(a):\n    return a + 1\n"
    answers = set()
    for mutant in mutants(source):
        names: dict[str, object] = {}
        exec(mutant.compiled(source, "f.py"), names)
        answers.add(names["f"](10))  # type: ignore[operator]
    assert answers == {None, 9, 12, 10}


def test_a_mutant_is_known_by_what_it_does_and_not_by_where_it_stands() -> None:
    """Lines that move change nothing; the same change twice in a function is told apart by its number."""
    source = "class A:\n  def f(self):\n    self.b()\n    self.c()\n    self.b()\n"
    keys = [mutant.key for mutant in mutants(source)]
    assert keys == [
        ("A.f", "self.b()", "pass", 1),
        ("A.f", "self.c()", "pass", 1),
        ("A.f", "self.b()", "pass", 2),
    ]
    assert [mutant.key for mutant in mutants(f"# moved\n\n{source}")] == keys
