"""What each format takes and refuses: by the grammar of its standard, to the letter."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.provisional import domains

from aiguard.contract.json_schema_formats import FORMATS

if TYPE_CHECKING:
    import uuid

GOOD: dict[str, list[str]] = {
    "date": ["2026-01-31", "2024-02-29", "0001-01-01"],
    "time": ["08:30:06Z", "08:30:06z", "08:30:06.283185+05:30", "23:59:60Z", "15:59:60-08:00", "00:29:60+00:30"],
    "date-time": ["2026-01-31T08:30:06Z", "2026-01-31t08:30:06.5z", "1998-12-31T15:59:60.123-08:00"],
    "duration": ["P4DT12H30M5S", "PT0S", "P4Y", "P2W", "P1Y2M3D", "PT1H", "P1M", "PT1M30S"],
    "uuid": ["2eb8aa08-aa98-11ea-b4aa-73b441d16380", "00000000-0000-0000-0000-000000000000"],
    "ipv4": ["192.168.0.1", "0.0.0.0"],
    "ipv6": ["::1", "::abef", "1:2:3:4:5:6:7:8", "::ffff:192.168.0.1"],
    "hostname": ["a", "www.example.com", "xn--4gbwdl.xn--wgbh1c", "1host", "a" * 63 + ".example"],
    "email": [
        "joe.bloggs@example.com",
        "te~st@example.com",
        '"joe bloggs"@example.com',
        '"joe..bloggs"@example.com',
        '"joe@bloggs"@example.com',
        r'"a\"b"@example.com',
        "joe@[127.0.0.1]",
        "joe@[IPv6:::1]",
        "a+tag@localhost",
    ],
    "uri": [
        "http://foo.bar/?baz=qux#quux",
        "http://foo.com/blah_(wikipedia)_blah#cite-1",
        "http://user:pa%20ss@example.com:8080/a/b;c?d=/?#e",
        "http://[2001:db8::7]/c=GB?one",
        "http://[v1.a:b]/",
        "mailto:John.Doe@example.com",
        "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
        "file:///etc/hosts",
        "tel:+1-816-555-1212",
        "a:",
        "http://",
    ],
}

BAD: dict[str, list[str]] = {
    "date": [
        "2026-1-31",
        "2026-02-30",
        "20260131",
        "2026-W05-6",
        "2026-01-31Z",
        "1963-06-1\u09ea",
        "0000-01-01",
        " 2026-01-31",
    ],
    "time": [
        "08:30:06",
        "24:00:00Z",
        "00:60:00Z",
        "00:00:61Z",
        "22:59:60Z",
        "08:30:06 Z",
        "08:30Z",
        "01:02:03+24:00",
        "01:02:03+00:60",
        "08:30:06.Z",
        "১2:00:00Z",
        "12:00:00Z\n",
        "23:59:60+01:00",
    ],
    "date-time": [
        "2026-01-31 08:30:06Z",
        "2026-01-31T08:30:06",
        "2026-02-30T08:30:06Z",
        "2026-01-31",
        "2026-01-31T",
        "",
        "06/19/1963 08:30:06 PST",
        "1990-12-31T15:59:59-24:00",
        "2013-350T01:01:01Z",
    ],
    "duration": [
        "4DT12H",
        "P",
        "PT",
        "P1D2H",
        "P1YT",
        "PT1D",
        "P1D1Y",
        "P2S",
        "P1Y2W",
        "P1",
        "P২Y",
        "-P1D",
        "P1.5D",
        "P1Y1D",
    ],
    "uuid": [
        "2eb8aa08-aa98-11ea-b4aa-73b441d1638",
        "2eb8aa08aa9811eab4aa73b441d16380",
        "2eb8aa08-aa98-11ea-b4aa-73b441d1638x",
        "{2eb8aa08-aa98-11ea-b4aa-73b441d16380}",
        "urn:uuid:2eb8aa08-aa98-11ea-b4aa-73b441d16380",
    ],
    "ipv4": ["127.0.0.0.1", "256.0.0.1", "127.0", "0x7f000001", "087.10.0.1", "1২7.0.0.1", "192.168.1.0/24", ""],
    "ipv6": [
        "12345::",
        "1::2::3",
        "fe80::a%eth1",
        "1:2:3:4:5:6:7",
        "100:100:100:100:100:100:255.255.255.255.255",
        "::/64",
        "",
    ],
    "hostname": ["-a", "a-", "a_b", "a..b", "a.", "", "a" * 64, ".".join(["a" * 63] * 4), "a b", "ä.example", "a\n"],
    "email": [
        "2962",
        "@example.com",
        "a@",
        ".test@example.com",
        "te..st@example.com",
        "test.@example.com",
        "joe bloggs@example.com",
        "joe@[127.0.0.300]",
        "joe@[::1]",
        "joe@invalid=domain",
        "a" * 65 + "@example.com",
        '"a"b"@example.com',
        "a@b@example.com",
    ],
    "uri": [
        "//foo.bar/?baz",
        "/abc",
        "\\\\WINDOWS\\fileshare",
        "abc",
        "http:// shouldfail.com",
        ":// should fail",
        "bar,baz:foo",
        "https://[@example.org/test.txt",
        'https://example.org/foobar".txt',
        "http://example.com/%zz",
        "http://a:b/",
        "1http://a",
        "http://example.com/a|b",
        "http://[1::2::3]/",
        "http://ex{a}mple.com",
        "http://ä.example/",
        "",
        "http://a\n",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_a_string_in_the_format_is_taken(name: str, text: str) -> None:
    """Corners included."""
    assert FORMATS[name](text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_string_out_of_the_format_is_refused(name: str, text: str) -> None:
    """However near it comes."""
    assert not FORMATS[name](text)


def test_each_format_has_its_table() -> None:
    """A new one is not forgotten here."""
    assert GOOD.keys() == BAD.keys() == FORMATS.keys()


@given(st.datetimes(timezones=st.timezones() | st.just(dt.UTC)))
def test_what_python_writes_is_taken(moment: dt.datetime) -> None:
    """Every moment with an offset of whole minutes, in each of its parts."""
    offset: Any = moment.utcoffset()
    if offset.total_seconds() % 60 == 0:
        assert FORMATS["date-time"](moment.isoformat())
        assert FORMATS["date"](moment.date().isoformat())
        assert FORMATS["time"](moment.timetz().isoformat()) or moment.timetz().utcoffset() is None


@given(st.uuids(), st.ip_addresses(), st.emails(), domains())
def test_what_is_well_formed_is_taken(one: uuid.UUID, address: Any, email: str, domain: str) -> None:
    """Whatever it says."""
    assert FORMATS["uuid"](str(one))
    assert FORMATS[f"ipv{address.version}"](str(address))
    assert FORMATS["hostname"](domain)
    assert FORMATS["email"](email)
    assert FORMATS["uri"](f"https://{domain}/")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("unit", ["1", "a", "a.", ":", "%20", "/a", "a@", '"', "\\a", "-", "P1"])
def test_no_format_is_slow(name: str, unit: str) -> None:
    """A hundred thousand characters that nearly fit are read in linear time, or this test never ends."""
    for start in ("", "a:", "http://", '"', "P", "10:00:00.", "a@"):
        FORMATS[name](start + unit * 100_000 + "\0")
