"""What JSON Schema calls a `format`: each a function of a string, from the grammar of the standard that defines it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# every pattern is matched whole and takes linear time: no alternative begins like another, no repetition is repeated
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HOUR: Final = r"(?:[01]\d|2[0-3])"
_TIME: Final = re.compile(rf"({_HOUR}):([0-5]\d):([0-5]\d|60)(?:\.\d+)?(?:[Zz]|([+-])({_HOUR}):([0-5]\d))", re.ASCII)
_CLOCK: Final = r"T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S)"
_DAYS: Final = r"(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)"
_DURATION: Final = re.compile(rf"P(?:\d+W|{_CLOCK}|{_DAYS}(?:{_CLOCK})?)", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)
_ATOMS: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_QUOTED: Final = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*+"', re.ASCII)
_UNIT: Final = r"[\w.~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2}"
_SEGMENT: Final = rf"(?:{_UNIT}|@)"
_URI: Final = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*:"
    rf"(?://(?:(?:{_UNIT})*+@)?(?:\[([^\[\]]*)\]|(?:(?!:){_UNIT})*+)(?::\d*)?(?:/{_SEGMENT}*+)*+"
    rf"|/?(?:{_SEGMENT}++(?:/{_SEGMENT}*+)*+)?)"
    rf"(?:\?(?:{_SEGMENT}|[/?])*+)?(?:#(?:{_SEGMENT}|[/?])*+)?",
    re.ASCII,
)
_FUTURE: Final = re.compile(rf"[Vv][0-9A-Fa-f]+\.(?:{_UNIT})++", re.ASCII)
_MINUTES_A_DAY: Final = 24 * 60
_LONGEST_HOST: Final = 253
_LONGEST_LOCAL_PART: Final = 64


def _is_date(text: str) -> bool:
    if _DATE.fullmatch(text) is None:  # fromisoformat takes other forms too
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    if found[3] != "60":
        return True
    offset = int(f"{found[4]}{int(found[5]) * 60 + int(found[6])}") if found[4] else 0
    return (int(found[1]) * 60 + int(found[2]) - offset + 1) % _MINUTES_A_DAY == 0  # a leap second ends a day in UTC


def _is_date_time(text: str) -> bool:
    return text[10:11] in {"T", "t"} and _is_date(text[:10]) and _is_time(text[11:])


def _is_hostname(text: str) -> bool:
    return len(text) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, text.split(".")))


def _is_email(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    if len(local) > _LONGEST_LOCAL_PART or not (_ATOMS.fullmatch(local) or _QUOTED.fullmatch(local)):
        return False
    if domain.startswith("[") and domain.endswith("]"):
        literal = domain[1:-1]
        return _is_ipv6(literal[5:]) if literal[:5].lower() == "ipv6:" else _is_ipv4(literal)
    return _is_hostname(domain)


def _is_ipv4(text: str) -> bool:
    return _is_address(ipaddress.IPv4Address, text)


def _is_ipv6(text: str) -> bool:
    return "%" not in text and _is_address(ipaddress.IPv6Address, text)  # a zone is no part of an address


def _is_address(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _is_uri(text: str) -> bool:
    found = _URI.fullmatch(text)
    if found is None:
        return False
    return found[1] is None or _is_ipv6(found[1]) or _FUTURE.fullmatch(found[1]) is not None


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "date": _is_date,
    "date-time": _is_date_time,
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "time": _is_time,
    "uri": _is_uri,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
}
"""RFC 3339 (dates, times, durations), 5321 (email), 1123 (host names), 3986 (URIs), 4122."""
