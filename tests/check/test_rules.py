"""The table of rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import aiguard.check
from aiguard.check import RULES, Severity, rules

SOURCE = Path(aiguard.check.__file__).parent


def test_every_rule_is_in_the_table_once() -> None:
    """What `--rules` prints, and SARIF counts by, is all there is."""
    defined = [one for one in vars(rules).values() if isinstance(one, rules.Rule)]
    assert list(RULES) == defined
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_a_rule_is_named_in_small_letters_and_told_in_one_line() -> None:
    """An id can stand in a command or a comment; the meaning fits beside it."""
    for rule in RULES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.id), rule
        assert 20 <= len(rule.meaning) <= 90, rule
        assert rule.severity in get_args(Severity)


def test_the_most_severe_come_first() -> None:
    """The table reads from what must be mended to what is worth knowing."""
    order = [get_args(Severity).index(rule.severity) for rule in RULES]
    assert order == sorted(order)


def test_every_rule_is_looked_for() -> None:
    """No rule is listed that nothing finds."""
    texts = [path.read_text(encoding="utf-8") for path in SOURCE.glob("*.py") if path.name != "rules.py"]
    names = {name for name, one in vars(rules).items() if isinstance(one, rules.Rule)}
    assert [name for name in names if not any(re.search(rf"\({name}, ", text) for text in texts)] == []
