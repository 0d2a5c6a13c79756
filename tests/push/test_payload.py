"""What judges payloads (coitest.payload) refuses what W17 and W24 to W28 forbid:
otherwise it would be no wonder that the other tests pass."""

import pytest

from coitest import payload

GOOD = [
    b"{}",
    b'{"uid":1,"uidvalidity":4294967295,"unseen":0}',
    b'{"from-email":"bob@example.com","subject":"\\u0001\\"\xf0\x9f\x98\x80"}',
    b'{"subject":"' + b"a" * 206 + "…".encode() + b'"}',
    b'{"subject":"' + b"a" * 100 + "…".encode() + b'"}',
    b'{"subject":"short\xe2\x80\xa6"}',
    b'{"content-type":"' + b"a" * 200 + "…".encode() + b'","content":""}',
    b'{"content":"' + b"a" * 3979 + b'"}',
    b'{"validation":"' + b"a" * 1024 + b'"}',
    b'{"seen":true,"uid":1,"folder":"INBOX"}',
]

BAD = [
    ("nothing", b""),
    ("no object", b"[]"),
    ("no JSON", b'{"uid":1'),
    ("something after it", b'{"uid":1} '),
    ("white space", b'{"uid": 1}'),
    ("a comma too many", b'{"uid":1,}'),
    ("no comma", b'{"uid":1"unseen":1}'),
    ("a member twice", b'{"uid":1,"uid":1}'),
    ("nested", b'{"uid":{"a":1}}'),
    ("null", b'{"subject":null}'),
    ("a control character", b'{"subject":"a\tb"}'),
    ("an unknown escape", b'{"subject":"a\\xb"}'),
    ("cut inside an escape", b'{"subject":"a\\'),
    ("cut inside a hexadecimal escape", b'{"subject":"a\\u00"}'),
    ("half of a pair of escapes", b'{"subject":"\\ud83d"}'),
    ("cut inside UTF-8", b'{"subject":"\xf0\x9f\x98"}'),
    ("a surrogate in UTF-8", b'{"subject":"\xed\xa0\xbd"}'),
    ("an unknown member", b'{"body":"x"}'),
    ("a number as text", b'{"uid":"1"}'),
    ("a text as number", b'{"subject":1}'),
    ("a truth as number", b'{"uid":true}'),
    ("a leading zero", b'{"uid":01}'),
    ("a number too large", b'{"uid":4294967296}'),
    ("a negative number", b'{"uid":-1}'),
    ("an empty text", b'{"subject":""}'),
    ("a long text", b'{"subject":"' + b"a" * 207 + b'"}'),
    ("a long text, cut", b'{"subject":"' + b"a" * 207 + "…".encode() + b'"}'),
    ("cut too early", b'{"subject":"' + b"a" * 99 + "…".encode() + b'"}'),
    ("a content-type cut too early",
     b'{"content-type":"' + b"a" * 199 + "…".encode() + b'","content":""}'),
    ("a long folder", b'{"folder":"' + b"a" * 201 + b'"}'),
    ("a folder that is long when escaped", b'{"folder":"' + b"a" * 199 + b'\\\\"}'),
    ("an empty folder", b'{"folder":""}'),
    ("a long group-id", b'{"group-id":"' + b"a" * 129 + b'"}'),
    ("another date", b'{"date":"Wed, 1 Jan 2020 00:00:00 +0000"}'),
    ("a short date", b'{"date":"2019-2-1T00:00:00Z"}'),
    ("no such day", b'{"date":"2019-02-29T00:00:00Z"}'),
    ("upper case", b'{"from-email":"Bob@example.com"}'),
    ("brackets", b'{"msg-id":"<1@example.com>"}'),
    ("the type of nothing", b'{"content-type":"text/html"}'),
    ("the encoding of nothing", b'{"content-encoding":"base64"}'),
    ("8bit", b'{"content-encoding":"8bit","content":""}'),
    ("text/plain", b'{"content-type":"text/plain","content":""}'),
    ("text/plain in UTF-8", b'{"content-type":"text/plain; charset=UTF-8","content":""}'),
    ("a NUL", b'{"content":"\\u0000"}'),
    ("one byte more", b'{"content":"' + b"a" * 3980 + b'"}'),
    ("an empty validation", b'{"validation":""}'),
    ("a long validation", b'{"validation":"' + b"a" * 1025 + b'"}'),
    ("validation and more", b'{"validation":"a","uid":1}'),
    ("not seen", b'{"seen":false,"uid":1}'),
    ("seen, and what it says", b'{"seen":true,"subject":"x"}'),
]


@pytest.mark.parametrize("plaintext", GOOD)
def test_good(plaintext):
    payload.check(plaintext)


@pytest.mark.parametrize("plaintext", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_bad(plaintext):
    with pytest.raises((AssertionError, ValueError)):
        payload.check(plaintext)


@pytest.mark.parametrize("value, full, good", [
    ("short", "short", True),
    ("short…", "short", False),
    ("short", "shorter", False),
    ("a" * 206, "a" * 206, True),
    ("a" * 205 + "…", "a" * 206, False),
    ("a" * 206 + "…", "a" * 207, True),
    ("a" * 205 + "…", "a" * 207, False),
    ("a" * 207 + "…", "a" * 208, False),
    ("a" * 206, "a" * 207, False),
    ("a" * 205 + "…", "a" * 205 + "\\a", True),
    ("b" * 206 + "…", "a" * 207, False),
    ("a" * 206 + "b", "a" * 207, False),
])
def test_cut(value, full, good):
    if good:
        payload.check_cut("subject", value, full)
    else:
        with pytest.raises(AssertionError):
            payload.check_cut("subject", value, full)
