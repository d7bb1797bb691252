"""The whole examination."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiguard.check import UncheckableError, check
from aiguard.check.declarations import declarations
from tests.check.projects import of, told

if TYPE_CHECKING:
    from tests.check.projects import Project

WRONG = """
version: 2
defauts: {}
boundaries:
  triage:
    deadlin: 2
    deadline: 2 sec
    attempt_timeout: -1
    retry: {attempts: many, wiat: wait_none}
    fallback: [{call: nowhere.rules:answer}, 3]
  bad name: {}
  embed:
    deadline: 1
    breaker: {failure_rate: 50}
    risk: none
    breaker: {}
"""


def test_everything_that_is_wrong_is_told(project: Project) -> None:
    """Not only the first, each with its place, in the order of the file; then the environment."""
    report = project.check(WRONG, AIGUARD__EMBED__DEADLINE="soon", AIGUARD__EMBED__DEADLIN="3")
    assert told(report) == [
        "aiguard.yaml:1:10 invalid None",
        "aiguard.yaml:2:1 invalid None",
        "aiguard.yaml:5:5 invalid triage.deadlin",
        "aiguard.yaml:6:15 invalid triage.deadline",
        "aiguard.yaml:7:5 invalid triage.attempt_timeout",
        "aiguard.yaml:8:13 invalid triage.retry.attempts",
        "aiguard.yaml:8:29 invalid triage.retry.wiat",
        "aiguard.yaml:9:23 invalid triage.fallback[0]",
        "aiguard.yaml:9:46 invalid triage.fallback[1]",
        "aiguard.yaml:10:3 invalid None",
        "aiguard.yaml:13:15 invalid embed.breaker.failure_rate",
        "aiguard.yaml:14:5 invalid embed.risk",
        "aiguard.yaml:15:5 invalid None",
        "AIGUARD__EMBED__DEADLIN invalid None",
        "AIGUARD__EMBED__DEADLINE invalid None.deadline",
    ]
    assert (report.count("error"), report.count("warning"), report.boundaries) == (15, 0, 2)


def test_what_is_wrong_with_one_boundary_hides_nothing_of_another(project: Project) -> None:
    """Rules look at every boundary that is valid."""
    valid = "{owner: shop, deadline: 1, output: 'builtins:str'}"
    report = project.check(f"version: 1\nboundaries:\n  a: {{deadlin: 1}}\n  b: {valid}\n")
    assert told(report) == ["aiguard.yaml:3:7 invalid a.deadlin", "aiguard.yaml:4:3 no-floor b.fallback"]


def test_nothing_is_said_of_a_boundary_that_was_not_read_whole(project: Project) -> None:
    """A ladder that was refused is not missing; what the defaults wanted to say is missing for all."""
    refused = "version: 1\nboundaries: {a: {deadline: 1, output: 'builtins:str', fallback: [3]}}\n"
    assert told(project.check(refused)) == ["aiguard.yaml:2:66 invalid a.fallback[0]"]
    defaults = "version: 1\ndefaults: {fallback: [3]}\nboundaries: {a: {deadline: 1}}\n"
    assert told(project.check(defaults)) == ["aiguard.yaml:2:23 invalid None.fallback[0]"]


def test_a_variable_that_was_refused_hides_nothing(project: Project) -> None:
    """It is one setting of one boundary."""
    file = "version: 1\nboundaries: {a: {owner: shop, deadline: 1, output: 'builtins:str'}}\n"
    assert told(project.check(file, AIGUARD__A__ATTEMPT_TIMEOUT="soon")) == [
        "aiguard.yaml:2:14 no-floor a.fallback",
        "AIGUARD__A__ATTEMPT_TIMEOUT invalid None.attempt_timeout",
    ]
    assert told(project.check(file, AIGUARD__A__REASK="many")) == ["AIGUARD__A__REASK invalid None.reask"]


def test_an_application_named_twice_is_imported_once(project: Project) -> None:
    """What it raises is told once."""
    project.write("shop.py", "raise ValueError\n")
    assert told(project.check(None, "shop", "shop")) == ["shop.py:1:0 import-failed None"]


def test_a_message_is_one_line(project: Project) -> None:
    """Whatever was raised by what the file imports."""
    project.write("rules.py", "raise ValueError('one\\ntwo')\n")
    report = project.check("version: 1\nboundaries: {a: {output: 'rules:Answer'}}\n")
    (message,) = of(report, "invalid")
    assert message.endswith("importing 'rules' failed: ValueError: one two")


def test_nothing_is_said_twice(project: Project) -> None:
    """What is refused when it is read is refused once more when it is laid over the code."""
    project.write("shop.py", "import aiguard\nb = aiguard.Boundary('b', deadline=1.0)\n")
    file = "version: 1\nboundaries:\n  b: {breaker: {failure_rate: 9}, bulkhead: {limti: 3}}\n"
    assert told(project.check(file, "shop")) == [
        "aiguard.yaml:3:17 invalid b.breaker.failure_rate",
        "aiguard.yaml:3:46 invalid b.bulkhead.limti",
    ]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("attempt_timeout: 3", "boundary 'b': setting `attempt_timeout`=3.0: must not be over `deadline` (2)"),
        ("bulkhead: {queue: 3}", "boundary 'b': setting `bulkhead.limit`: required"),
        ("deadline: null", "boundary 'b': setting `deadline`: required, and neither the configuration nor the code"),
        (
            "output: 'builtins:int'",
            "boundary 'b': setting `fallback[0]`='none': breaks the contract 'int' that it must",
        ),
        ("fallback: [{call: 'shop:one'}]", ""),
        ("fallback: [{call: 'shop:two'}]", "boundary 'b': setting `fallback[0]`=<function two at"),
        ("shape: generator", "boundary 'b': setting `shape`='generator': the function was guarded as 'sync', which"),
    ],
)
def test_file_and_code_are_checked_together(project: Project, block: str, said: str) -> None:
    """What each says alone is right, and both together are refused: at the line of the file that does it."""
    project.write(
        "shop.py",
        """
        from aiguard import guard

        def one(ticket): ...
        def two(ticket, customer): ...

        @guard("b", deadline=2.0, fallback=["none"])
        def answer(ticket): ...
        """,
    )
    report = project.check(f"version: 1\nboundaries:\n  b:\n    {block}\n", "shop")
    found = [finding for finding in report.findings if finding.rule.id == "invalid"]
    if not said:
        assert found == []
        return
    (finding,) = found
    assert finding.message.startswith(said)
    assert finding.problem.position is not None
    # what stands in the code alone is told at the boundary's own line
    assert finding.problem.position[:2] == ("aiguard.yaml", 3 if block.startswith("output") else 4)


def test_a_setting_of_the_environment_is_placed_there(project: Project) -> None:
    """It wins, so it is what has to be mended."""
    report = project.check("version: 1\nboundaries: {b: {deadline: 3}}\n", AIGUARD__B__ATTEMPT_TIMEOUT="5")
    assert told(report) == ["AIGUARD__B__ATTEMPT_TIMEOUT invalid b.attempt_timeout"]


def test_rules_judge_what_file_environment_and_code_say_together(project: Project) -> None:
    """A floor in code, a contract in the file, a mode in the environment, retries in the defaults."""
    project.write("shop.py", "import aiguard\nb = aiguard.Boundary('b', deadline=1.0, fallback=[''])\n")
    file = "version: 1\ndefaults: {owner: shop, retry: {attempts: 2}}\nboundaries: {b: {output: 'builtins:str'}}\n"
    report = project.check(file, "shop", AIGUARD__B__MODE="off")
    assert told(report) == [
        "aiguard.yaml:2:25 no-attempt-timeout b.attempt_timeout",
        "AIGUARD__B__MODE switched-off b.mode",
    ]


def test_a_finding_stands_where_the_setting_is_said(project: Project) -> None:
    """In the file, in the defaults, or in the code that wins over them."""
    project.write(
        "shop.py",
        """
        from aiguard import Boundary

        a = Boundary("a", deadline=1.0, output=str, fallback=[""])
        b = Boundary("b", deadline=1.0, output=str, mode="off", fallback=[""])
        c = Boundary("c", deadline=1.0, output=str, fallback=[""])
        """,
    )
    file = "version: 1\ndefaults: {owner: shop, mode: off}\nboundaries: {a: {}, b: {}, c: {mode: off}}\n"
    assert told(project.check(file, "shop")) == [
        "aiguard.yaml:2:25 switched-off a.mode",
        "aiguard.yaml:3:32 switched-off c.mode",
        "shop.py:4:0 switched-off b.mode",
    ]


def test_what_is_missing_is_placed_where_the_boundary_is_named(project: Project) -> None:
    """In the file where it names it, else in the code."""
    project.write("shop.py", "import aiguard\na = aiguard.Boundary('a', owner='shop', deadline=1.0, output=str)\n")
    assert told(project.check("version: 1\nboundaries: {a: {}}\n", "shop")) == ["aiguard.yaml:2:14 no-floor a.fallback"]
    assert told(project.check(None, "shop")) == ["shop.py:2:0 no-floor a.fallback"]


def test_a_file_without_anything_wrong_has_no_findings(project: Project) -> None:
    """The whole of the file is used."""
    file = """
        version: 1
        defaults: {owner: support}
        boundaries:
          triage:
            deadline: 3
            attempt_timeout: 800ms
            retry: {attempts: 3}
            output: builtins:str
            fallback: [{value: unknown}]
        """
    report = project.check(file)
    assert (report.findings, report.boundaries, report.file, report.apps) == ((), 1, "aiguard.yaml", ())


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_is_nothing_to_check(project: Project, name: str) -> None:
    """In one line."""
    del project
    with pytest.raises(UncheckableError, match=f"^{name} cannot be read: "):
        check(Path(name))


def test_a_file_of_another_kind_is_refused(project: Project) -> None:
    """It says what endings are known."""
    report = check(project.write("aiguard.txt", "version: 1"), environ={})
    assert told(report) == ["aiguard.txt invalid None"]


def test_toml_is_read_too(project: Project) -> None:
    """With lines and columns."""
    path = project.write("aiguard.toml", "version = 1\n[boundaries.a]\ndeadlin = 1\n")
    assert told(check(path, environ={})) == ["aiguard.toml:3:1 invalid a.deadlin"]


def test_the_current_environment_is_the_default(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is for the process that will run."""
    monkeypatch.setenv("AIGUARD__A__DEADLINE", "never")
    path = project.write("aiguard.yaml", "version: 1\nboundaries: {a: {}}\n")
    assert told(check(path)) == ["AIGUARD__A__DEADLINE invalid None.deadline"]


def test_the_file_may_import_what_lies_here(project: Project) -> None:
    """Import paths are looked up from the current directory, with --app or without."""
    project.write("rules.py", "def answer(ticket): ...\n")
    file = "version: 1\nboundaries: {a: {output: 'builtins:str', fallback: [{call: 'rules:answer'}]}}\n"
    assert told(project.check(file)) == []


def test_checking_changes_nothing(project: Project) -> None:
    """No policy is put in force, no state is begun anew."""
    project.write("shop.py", "import aiguard\nb = aiguard.Boundary('b', deadline=1.0, breaker=aiguard.Breaker())\n")
    project.check("version: 1\nboundaries: {b: {deadline: 9}}\n", "shop")
    ((boundary, declared),) = declarations().values()
    breaker = boundary.breaker
    project.check("version: 1\nboundaries: {b: {deadline: 9, breaker: {probes: 9}}}\n", "shop")
    assert (boundary.policy.deadline, declared.policy.deadline, boundary.breaker) == (1.0, 1.0, breaker)


def declared_at(project: Project, text: str) -> list[str]:
    """Return where a module declares its boundaries."""
    project.write("shop.py", text)
    return [
        str(finding.problem.position)
        for finding in project.check("version: 1\n", "shop").findings
        if finding.rule.id == "unlisted-boundary"
    ]


DECLARATIONS: dict[str, tuple[str, str]] = {
    "function": ("\n@guard('a', deadline=1)\ndef f(x): ...\n", "shop.py:3:0"),
    "below another decorator": ("\n@guard('a', deadline=1)\n@tenacity.retry\ndef f(x): ...\n", "shop.py:3:0"),
    "partial": ("\ndef f(x): ...\ng = guard('a', deadline=1)(functools.partial(f))\n", "shop.py:3:0"),
    "method": ("\nclass C:\n    def f(self, x): ...\ng = guard('a', deadline=1)(C().f)\n", "shop.py:4:0"),
    "made of text": ("\nexec(\"b = Boundary('a', deadline=1)\")\n", "shop.py:1:0"),
    "odd": (
        "class O:\n    __wrapped__ = property(lambda o: 1 / 0)\n    __call__ = print\nguard('a', deadline=1)(O())\n",
        "shop.py",
    ),
    "no function": ("\n\nb = Boundary('a', deadline=1)\n", "shop.py:4:0"),
}


@pytest.mark.parametrize("case", DECLARATIONS)
def test_a_declaration_is_found_by_its_line(project: Project, case: str) -> None:
    """That of the function, whatever was put around it; without one, that of the boundary."""
    text, place = DECLARATIONS[case]
    assert declared_at(project, f"import functools, tenacity; from aiguard import *\n{text}") == [place]


THOUSAND = """
import sys
from pathlib import Path
from time import process_time

sys.path.insert(0, ".")
import shop  # what a program pays anyway
from aiguard.check import check

for _ in range(3):
    begun = process_time()
    report = check(Path("aiguard.yaml"), ["shop"], {})
    print(process_time() - begun, report.boundaries, report.count("warning"))
"""


def test_a_thousand_boundaries_are_checked_in_a_second_and_a_half(project: Project) -> None:
    """Of a processor's time, in a process that nothing measures; each with a client that has to be looked at."""
    block = "{deadline: 3, attempt_timeout: 800ms, retry: {attempts: 2}, fallback: [{value: 1}]}"
    code = "@guard('b{0}', deadline=1.0)\ndef f{0}(x): return client.messages.create(x)\n"
    project.write(
        "shop.py",
        "import anthropic; from aiguard import guard; client = anthropic.Anthropic(api_key='none')\n"
        + "".join(code.format(number) for number in range(1_000)),
    )
    project.write("aiguard.yaml", "version: 1\nboundaries:\n" + "".join(f"  b{n}: {block}\n" for n in range(1_000)))
    ended = subprocess.run([sys.executable, "-c", THOUSAND], capture_output=True, text=True, timeout=120, check=True)
    rounds = [line.split() for line in ended.stdout.splitlines()]
    assert {(boundaries, warnings) for _, boundaries, warnings in rounds} == {("1000", "1000")}  # stacked retries
    assert min(float(seconds) for seconds, *_ in rounds) < 1.5
