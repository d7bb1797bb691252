"""Importing an application to look at it."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

import aiguard
from aiguard import Position
from aiguard.check import UncheckableError
from aiguard.check.importing import as_coded, import_app, is_below_here, shown_path
from aiguard.overrides import IN_FORCE

if TYPE_CHECKING:
    from tests.check.projects import Project


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (
            "shop.py",
            "--app shop.py: must be `module` or `module:attribute`, such as `shop.main:app`; did you mean `shop`?",
        ),
        (
            "src/shop.py",
            "--app src/shop.py: must be `module` or `module:attribute`, such as `shop.main:app`; did you mean",
        ),
        ("shop:", "--app shop:: must be `module` or `module:attribute`, such as `shop.main:app`"),
        ("", "--app : must be `module` or `module:attribute`, such as `shop.main:app`"),
        ("nowhere", "--app nowhere: there is no module `nowhere` on Python's path, nor in the current directory"),
        (
            "nowhere.main:app",
            "--app nowhere.main:app: there is no module `nowhere` on Python's path, nor in the current",
        ),
        ("shop.main", "--app shop.main: there is no module `shop.main` on Python's path, nor in the current directory"),
        ("shop:ap", "--app shop:ap: there is no `ap`; did you mean `app`?"),
        ("shop:app.routes", "--app shop:app.routes: there is no `routes`"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(project: Project, app: str, said: str) -> None:
    """The word as it was given, what is missing, what was perhaps meant."""
    project.write("shop/__init__.py", "app = object()\n")
    with pytest.raises(UncheckableError) as caught, as_coded():
        import_app(app)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("app", ["shop", "shop:app", "shop:app.real", "shop.orders"])
def test_a_module_is_found_in_the_current_directory(project: Project, app: str) -> None:
    """As uvicorn finds it; Python's path is afterwards what it was."""
    project.write("shop/__init__.py", "app = 3\n")
    project.write("shop/orders.py", "")
    before = list(sys.path)
    with as_coded():
        assert import_app(app) == []
        assert str(project.folder) in sys.path
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("x = 1\nraise ValueError('no\\nkey')\n", "importing `shop` failed: ValueError: no key", 2),
        ("def start():\n    {}['key']\nstart()\n", "importing `shop` failed: KeyError: 'key'", 2),
        ("x = 1\nx = = 2\n", "importing `shop` failed: SyntaxError: invalid syntax", 2),
        ("import sys\nsys.exit()\n", "importing `shop` failed: SystemExit", 2),
        (
            "x = 1\nimport nowhere_at_all\n",
            "importing `shop` failed: ModuleNotFoundError: No module named 'nowhere_at_all'",
            2,
        ),
        ("raise BaseExceptionGroup('two', [ValueError()])\n", "importing `shop` failed: ExceptionGroup: two", 1),
        ("import json\njson.loads('{')\n", "importing `shop` failed: JSONDecodeError: Expecting property name", 2),
    ],
)
def test_what_an_import_raises_is_a_finding(project: Project, text: str, message: str, line: int) -> None:
    """With the innermost line of the application's own; no traceback, one line."""
    project.write("shop.py", text)
    with as_coded():
        (finding,) = import_app("shop")
    assert finding.rule.id == "import-failed"
    assert finding.message.startswith(message)
    assert finding.problem.position == Position("shop.py", line)


def test_an_application_that_is_no_python_is_a_finding(project: Project) -> None:
    """Whatever Python says of it, and wherever."""
    (project.folder / "shop.py").write_bytes(b"\x00")
    report = project.check(None, "shop")
    assert [finding.rule.id for finding in report.findings] == ["import-failed"]
    assert "null bytes" in report.findings[0].message


def test_what_an_installed_application_raises_is_placed_in_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is shown whole."""
    project.write("installed/shop.py", "x = 1\nraise ValueError\n")
    project.write("here/none.py", "")
    monkeypatch.syspath_prepend(str(project.folder / "installed"))
    monkeypatch.chdir("here")
    with as_coded():
        (finding,) = import_app("shop")
    assert finding.problem.position == Position(str(project.folder / "installed" / "shop.py"), 2)


def test_a_policy_refused_in_code_is_told_problem_by_problem(project: Project) -> None:
    """Each with boundary and setting, and the line of the declaration."""
    project.write(
        "shop.py",
        """
        from aiguard import guard

        @guard("triage", deadlin=2.0, reask=99)
        def triage(ticket): ...
        """,
    )
    with as_coded():
        findings = import_app("shop")
    assert [finding.message for finding in findings] == [
        "boundary 'triage': setting `reask`=99: should be less than or equal to 10",
        "boundary 'triage': setting `deadlin`=2.0: no such setting; did you mean `deadline`?",
    ]
    assert {finding.problem.position for finding in findings} == {Position("shop.py", 3)}
    assert {finding.rule.id for finding in findings} == {"invalid"}


def test_the_applications_own_configure_does_nothing(project: Project) -> None:
    """A file that is refused does not keep the code from being looked at; no thread is started."""
    project.write("wrong.yaml", "version: 7\n")
    project.write(
        "shop.py",
        """
        import aiguard

        aiguard.configure("wrong.yaml", watch=True)
        aiguard.reload()
        triage = aiguard.Boundary("triage", deadline=1.0)
        """,
    )
    with as_coded():
        assert import_app("shop") == []
    assert [boundary.name for boundary in aiguard.boundaries()] == ["triage"]
    assert "aiguard.watch" not in {thread.name for thread in threading.enumerate()}


def test_everything_is_afterwards_as_before() -> None:
    """Also where what was done inside raises."""
    before = (IN_FORCE.overrides, list(sys.path), sys.stdout)
    with as_coded():
        aiguard.configure("nowhere.yaml")
    with pytest.raises(ZeroDivisionError), as_coded():
        _ = 1 / 0
    assert (IN_FORCE.overrides, list(sys.path), sys.stdout) == before
    with pytest.raises(aiguard.PolicyError, match="cannot be read"):
        aiguard.configure("nowhere.yaml")


def test_what_an_application_prints_is_kept_out_of_the_report(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes to standard error."""
    project.write("shop.py", "print('hello')\n")
    with as_coded():
        import_app("shop")
    assert capsys.readouterr() == ("", "hello\n")


def test_a_file_is_shown_from_the_current_directory(project: Project) -> None:
    """What lies elsewhere is shown whole; what is installed below it does not belong to the project."""
    here = project.folder
    assert shown_path(str(here / "src" / "shop.py")) == "src/shop.py"
    assert shown_path(str(here.parent / "shop.py")) == str(here.parent / "shop.py")
    assert is_below_here(str(here / "src" / "shop.py"))
    assert not is_below_here(str(here / ".venv" / "lib" / "site-packages" / "shop.py"))
    assert not is_below_here(str(here.parent / "shop.py"))


def test_interrupting_an_import_interrupts_the_check(project: Project) -> None:
    """Who presses the keys means it."""
    project.write("shop.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt), as_coded():
        import_app("shop")
