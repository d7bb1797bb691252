"""
The mutants of a module: its source with one small change each, of the kind that people make by mistake.

Not changed are locks (whether one is missing shows by chance only), annotations, decorators, docstrings and imports.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType


@dataclass(frozen=True)
class Mutant:
    """
    One change.

    Attributes:
        where: The function or class that it is in; empty for the module itself.
        code: The statement; of one that holds others, its first line.
        becomes: What is made of it; `pass` where it is taken out.
        nth: Which one it is of several such changes in `where`, from 1.
        line: The line of the source.
        path: The way to what is changed: from each node the field, and the place in it where that is a list.
        new: What is put there.
    """

    where: str
    code: str
    becomes: str
    nth: int
    line: int
    path: tuple[tuple[str, int | None], ...]
    new: ast.AST

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What it is known by, whatever else changes in the file."""
        return self.where, self.code, self.becomes, self.nth

    def compiled(self, source: str, filename: str) -> CodeType:
        """Return the code of the module with this change."""
        tree = ast.parse(source)
        node: Any = tree
        for field, place in self.path[:-1]:
            node = getattr(node, field) if place is None else getattr(node, field)[place]
        _put(node, *self.path[-1], self.new)
        return compile(ast.fix_missing_locations(tree), filename, "exec")


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for site, new in _changes(_Site(tree, tree, (), "", "", Counter())):
        place = site.path[-1]
        code = _told(site.statement)
        old = getattr(site.parent, place[0]) if place[1] is None else getattr(site.parent, place[0])[place[1]]
        if old is site.statement:
            becomes = _told(new)
        else:
            _put(site.parent, *place, new)
            becomes = _told(site.statement)
            _put(site.parent, *place, old)
        seen[site.where, code, becomes] += 1
        nth = seen[site.where, code, becomes]
        line = getattr(old, "lineno", site.statement.lineno)
        found.append(Mutant(site.where, code, becomes, nth, line, site.path, new))
    return sorted(found, key=lambda mutant: mutant.line)


# --- where


@dataclass(frozen=True)
class _Site:
    """A node, and where it stands."""

    node: Any
    parent: Any
    path: tuple[tuple[str, int | None], ...]
    where: str
    inside: str  # "function", "class" or, in the module itself, nothing
    assigned: Counter[str]  # how often the function gives each of its names a value
    statement: Any = None
    is_last: bool = False  # nothing of the function comes after it


_SKIPPED_FIELDS: Final = frozenset({"annotation", "returns", "decorator_list", "bases", "ctx"})


def _changes(site: _Site) -> Iterator[tuple[_Site, ast.AST]]:
    """Yield every change in and below a node."""
    node = site.node
    if _is_left_alone(node):
        return
    if site.path:
        for new in _instead(site):
            yield site, new
    where, inside, assigned = site.where, site.inside, site.assigned
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        where = f"{where}.{node.name}".lstrip(".")
        inside = "class" if isinstance(node, ast.ClassDef) else "function"
        assigned = Counter(name.id for name in ast.walk(node) if isinstance(name, ast.Name) and _is_stored(name))
    for field, value in ast.iter_fields(node):
        if field in _SKIPPED_FIELDS or (
            isinstance(node, ast.JoinedStr | ast.FormattedValue) and field == "format_spec"
        ):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
                statement = child if isinstance(child, ast.stmt) else site.statement
                path, is_last = (*site.path, (field, place)), _is_last(site, field, child)
                yield from _changes(_Site(child, node, path, where, inside, assigned, statement, is_last))


def _is_last(site: _Site, field: str, child: ast.AST) -> bool:
    """Whether nothing of the function comes after `child`, as far as that is plain to see."""
    node = site.node
    if isinstance(child, ast.ExceptHandler):
        return site.is_last and not node.finalbody
    if field not in {"body", "orelse"} or not isinstance(child, ast.stmt) or child is not getattr(node, field)[-1]:
        return False
    is_block = isinstance(node, ast.If | ast.With | ast.AsyncWith | ast.ExceptHandler)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (is_block and site.is_last)


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _is_first(target: ast.expr, assigned: Counter[str]) -> bool:
    """Whether only local names are given a value, each for the only time."""
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return all(isinstance(part, ast.Name) and assigned[part.id] == 1 for part in parts)


def _is_left_alone(node: Any) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant(str())):
            return True
        case ast.Expr(ast.Call(ast.Attribute(ast.Attribute(attr="_lock")))):
            return True
        case ast.If(ast.Name("TYPE_CHECKING")) | ast.AnnAssign(annotation=ast.Name("TypeAlias")):
            return True
        case ast.Assign([ast.Name("__slots__")]) | ast.Assign(value=ast.Call(ast.Name("TypeVar"))):
            return True
    return False


# --- what


_OPERATORS: Final[dict[type[ast.AST], tuple[type[ast.AST], ...]]] = {
    ast.Lt: (ast.LtE,),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE,),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitAnd: (ast.BitOr,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}

_FUNCTIONS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


def _instead(site: _Site) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - a table of cases
    """Yield what is put in the place of a node."""
    node = site.node
    yield from (operator() for operator in _OPERATORS.get(type(node), ()))
    match node:
        case ast.stmt() if site.inside == "function":
            yield from _instead_of_statement(node, site)
        case ast.Constant():
            values = (
                value for value in _values(node.value) if value != 0 or not isinstance(site.parent, ast.AugAssign)
            )
            yield from map(ast.Constant, values)  # to add nothing is to take the statement out
        case ast.JoinedStr() if not isinstance(site.parent, ast.FormattedValue):
            yield ast.Constant("")
        case ast.ExceptHandler() if not isinstance(node.body[0], ast.Raise):
            yield ast.ExceptHandler(node.type, node.name, [ast.Raise()])
        case ast.BoolOp():
            for place in range(len(node.values)):
                rest = node.values[:place] + node.values[place + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert()):
            yield node.operand
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Set() if len(node.elts) > 1:
            for place in range(len(node.elts)):
                yield ast.Set(node.elts[:place] + node.elts[place + 1 :])
        case ast.Slice():
            if node.lower is not None:
                yield ast.Slice(None, node.upper, node.step)
            if node.upper is not None:
                yield ast.Slice(node.lower, None, node.step)
        case ast.Name() if node.id in _FUNCTIONS and isinstance(site.parent, ast.Call) and site.path[-1][0] == "func":
            yield ast.Name(_FUNCTIONS[node.id], ast.Load())
    match site.path[-1][0]:
        case "test" if isinstance(site.parent, ast.If):
            yield ast.Constant(True)  # noqa: FBT003 - that is the change
            yield ast.Constant(False)  # noqa: FBT003
        case "test" if isinstance(site.parent, ast.While) and not isinstance(node, ast.Constant):
            yield ast.Constant(False)  # noqa: FBT003
        case "ifs":
            yield ast.Constant(True)  # noqa: FBT003
        case "args" if isinstance(site.parent, ast.Call) and not isinstance(node, ast.Constant | ast.Starred):
            if not (isinstance(site.parent.func, ast.Name) and hasattr(builtins, site.parent.func.id)):
                yield ast.Constant(None)
        case "value" if isinstance(site.parent, ast.keyword) and not isinstance(node, ast.Constant):
            yield ast.Constant(None)


def _instead_of_statement(node: ast.stmt, site: _Site) -> Iterator[ast.stmt]:
    match node:
        case ast.Assign([target]) if _is_first(target, site.assigned):
            pass  # without it, there would be no such name
        case ast.AnnAssign(value=None):
            pass
        case ast.Assign() | ast.AnnAssign() | ast.Expr() | ast.Raise() | ast.Delete() | ast.Break():
            yield ast.Pass()
        case ast.AugAssign():
            yield ast.Pass()
            yield ast.Assign([node.target], node.value)
        case ast.Continue():
            yield ast.Pass()
            yield ast.Break()
        case ast.Return():
            if not site.is_last:
                yield ast.Pass()
            if node.value is not None and ast.unparse(node.value) != "None":
                yield ast.Return(ast.Constant(None))


def _values(value: Any) -> Iterable[Any]:
    """Return the constants that are put in the place of one."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return value + 1, value - 1
    if isinstance(value, float):
        return (value * 2, value / 2) if value else (1.0,)
    if isinstance(value, str | bytes):
        return (type(value)(),) if value else ()
    return ()


# --- how it is told


def _told(node: Any) -> str:
    """Return a statement on one line; of one that holds others its head, of a `try` its handlers."""
    if isinstance(node, ast.Try):
        heads = [f"{_head(handler)} {ast.unparse(handler.body[0]).splitlines()[0]}" for handler in node.handlers]
        return " ".join(["try:", *heads])
    return _head(node)


def _head(node: Any) -> str:
    if hasattr(node, "body") and isinstance(node.body, list):
        node = copy(node)
        node.body = [ast.Pass()]
        for field in ("orelse", "finalbody", "decorator_list"):
            if hasattr(node, field):
                setattr(node, field, [])
        return ast.unparse(node).split("\n    pass")[0].strip()
    return ast.unparse(ast.fix_missing_locations(node))


def _put(node: Any, field: str, place: int | None, new: ast.AST) -> None:
    if place is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[place] = new
