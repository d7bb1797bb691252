"""
What an exception amounts to, for people and as JSON.

    {
      "version": 1,
      "name": "openai.RateLimitError",  as it was asked for
      "known": true,                    whether its class has a row
      "kind": "quota_exhausted",
      "row": "error code insufficient_quota",
      "retried": false,                 by `Retry()`, left at its defaults
      "reasked": false,                 by `reask`
      "counted": true,                  by the breaker
      "opens_at_once": true,            the breaker
      "nearest": []                     names that were perhaps meant, where the class is not known
    }

`version` changes when something here changes its meaning or goes away; what is added does not change it.
"""

from __future__ import annotations

import builtins
import difflib
from typing import Any, Final

from aiguard.explanation import explain_name, is_known, names_known

VERSION: Final = 1

_NEAREST: Final = 3


def explained(name: str, status: int | None, code: str | None) -> dict[str, Any]:
    """Return the explanation of a class by its name as JSON data. Raises `ValueError` where it cannot be a name."""
    found = explain_name(name, status, code)
    known = is_known(name)
    return {
        "version": VERSION,
        "name": name,
        "known": known,
        "kind": str(found.kind),
        "row": found.row,
        "retried": found.retried,
        "reasked": found.reasked,
        "counted": found.counted,
        "opens_at_once": found.opens_at_once,
        "nearest": [] if known else _nearest(name),
    }


def text_of(data: dict[str, Any]) -> str:
    """Return the same in lines."""
    retried = "yes, by default" if data["retried"] else "by reask" if data["reasked"] else "no"
    breaker = "opens at once" if data["opens_at_once"] else "counts it" if data["counted"] else "does not count it"
    lines = [
        f"kind      {data['kind']}",
        f"row       {data['row']}",
        f"retried   {retried}",
        f"breaker   {breaker}",
    ]
    if not data["known"]:
        near = f"; did you mean {', '.join(data['nearest'])}?" if data["nearest"] else ""
        lines.append(f"note      {data['name']} has no row of its own{near}")
    return "\n".join(lines)


def _nearest(name: str) -> list[str]:
    """Return the classes that come nearest; none for one of Python's own, which was meant."""
    if hasattr(builtins, name):
        return []
    known = sorted(set(names_known()))
    last = name.rpartition(".")[2].lower()
    near = difflib.get_close_matches(name, known, _NEAREST, cutoff=0.8)
    return (near + [one for one in known if one.rpartition(".")[2].lower() == last and one not in near])[:_NEAREST]
