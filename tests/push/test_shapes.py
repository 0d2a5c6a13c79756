"""Pushes of all shapes, made by our library, decrypted and verified by the
judge: W17, W24 to W30."""

import os

import pytest

from coitest import payload
from coitest.judge import decode, encode

EMOJI = "\N{GRINNING FACE}"


def mail(*headers, body=b"Hello\r\n"):
    lines = [line.encode() if isinstance(line, str) else line for line in headers]
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


ID = "Message-ID: <chat$group.4321dcba1234.1@example.com>"

MESSAGES = [
    ("empty", b"", {"content": ""}),
    ("no header", mail(body=b"x"), {"content": "x"}),
    ("plain", mail("From: Bob <Bob@Example.COM>", "Subject: Chat: Hi",
                   "Date: Wed, 1 Jan 2020 00:20:50 +0100", "Message-ID: <1@example.com>"),
     {"from-email": "bob@example.com", "from-name": "Bob", "subject": "Chat: Hi",
      "date": "2019-12-31T23:20:50Z", "msg-id": "1@example.com", "content": "Hello\r\n"}),
    ("folded", mail("From: Bob the", "\tBuilder\r\n <bob@example.com>",
                    "Subject: one", "  two", "\tthree", body=b""),
     {"from-email": "bob@example.com", "from-name": "Bob the Builder",
      "subject": "one  two\tthree", "content": ""}),
    ("encoded words", mail(
        "From: =?utf-8?q?B=C3=B6b?= =?iso-8859-1?q?_=DF?= <b@xn--bcher-kva.example>",
        "Subject: =?UTF-8?B?8J+YgA==?=", " =?utf-8?q?_=22=5C=22?=", body=b""),
     {"from-email": "b@bücher.example", "from-name": "Böb ß",
      "subject": EMOJI + ' "\\"', "content": ""}),
    ("an emoji torn by encoded words", mail("Subject: =?utf-8?q?=F0=9F?=",
                                            " =?utf-8?q?=98=80?=", body=b""),
     {"subject": "\ufffd", "content": ""}),
    ("8-bit without charset", mail(b"Subject: caf\xe9 cr\xe8me", body=b"caf\xe9"),
     {"subject": "caf\ufffd cr\ufffdme"}),
    ("8-bit in UTF-8", mail("Subject: café", body="café".encode()),
     {"subject": "café", "content": "café"}),
    ("a NUL in the body", mail("Subject: x", body=b"a\0b"), {"subject": "x"}),
    ("no From", mail("Subject: x", "From:", body=b""), {"subject": "x", "content": ""}),
    ("no address in From", mail("From: undisclosed:;", body=b""), {"content": ""}),
    ("group", mail("From: a@example.com", ID, body=b""),
     {"from-email": "a@example.com", "msg-id": "chat$group.4321dcba1234.1@example.com",
      "group-id": "4321dcba1234", "content": ""}),
    ("reply to a group", mail("From: a@example.com", "Subject: Re: Chat: Hi",
                              "Message-ID: <2@example.com>",
                              "References: <chat$group.4321dcba1234.1@example.com>", body=b""),
     {"from-email": "a@example.com", "subject": "Re: Chat: Hi", "msg-id": "2@example.com",
      "group-id": "4321dcba1234", "content": ""}),
    ("HTML", mail("Content-Type: text/html; charset=utf-8", body=b"<p>"),
     {"content-type": "text/html; charset=utf-8", "content": "<p>"}),
    ("text/plain", mail("Content-Type: Text/Plain; charset=UTF-8", body=b"x"),
     {"content": "x"}),
    ("another charset", mail("Content-Type: text/plain; charset=iso-8859-1", body=b"x"),
     {"content-type": "text/plain; charset=iso-8859-1", "content": "x"}),
]


@pytest.mark.parametrize("message, members", [case[1:] for case in MESSAGES],
                         ids=[case[0] for case in MESSAGES])
def test_message(pushes, message, members):
    [push] = pushes.make([{"message": encode(message)}])
    assert push.payload() == members


# W25: what must not be torn, by how many bytes it takes in JSON
UNITS = [("emoji", EMOJI), ("backslash", "\\"), ("quote", '"'), ("control", "\x01"),
         ("two bytes", "é"), ("three bytes", "…"), ("tab", "\t"),
         ("emoji and escapes", EMOJI + "\\\x01é")]


@pytest.mark.parametrize("unit", [unit[1] for unit in UNITS], ids=[unit[0] for unit in UNITS])
def test_cut_at_every_byte(pushes, unit):
    """Each text ends at each byte of the unit in turn, and below the limit too."""
    fulls = ["a" * lead + unit * count
             for lead in range(2 * payload.raw_bytes(unit) + 1)
             for count in (1, 204 // payload.raw_bytes(unit),
                           206 // payload.raw_bytes(unit), 400)]
    found = pushes.payloads(*[dict.fromkeys(payload.TEXTS, full) | {"content": ""}
                              for full in fulls])
    for full, members in zip(fulls, found):
        for name in payload.TEXTS:
            payload.check_cut(name, members[name], full)


# W26, W27, W28: what is left out when it is longer
WHOLE = [("folder", 200), ("group-id", 128),
         ("content", payload.PLAINTEXT_MAX_BYTES - len('{"content":""}'))]


@pytest.mark.parametrize("unit", [unit[1] for unit in UNITS], ids=[unit[0] for unit in UNITS])
@pytest.mark.parametrize("name, most", WHOLE)
def test_whole_or_not_at_all(pushes, name, most, unit):
    """As long as it may be, and one byte longer, of whatever it is made."""
    def filled(lead, size):
        text = "a" * lead + unit * ((size - lead) // payload.raw_bytes(unit))
        return text + "a" * (size - payload.raw_bytes(text))

    leads = range(payload.raw_bytes(unit) + 1)
    fits = [{name: filled(lead, most)} for lead in leads]
    longer = [{name: filled(lead, most + 1)} for lead in leads]
    assert pushes.payloads(*fits) == fits
    assert pushes.payloads(*longer) == [{} for _ in longer]


def test_all_members_at_their_longest(pushes):
    full = "\x01" * 8000
    [members] = pushes.payloads(
        dict.fromkeys(payload.TEXTS, full) |
        {"folder": "\x01" * 33, "group-id": "\x01" * 21, "uid": 2**32 - 1,
         "uidvalidity": 2**32 - 1, "unseen": 2**32 - 1, "date": 253402300799,
         "content": "\x01" * 300})
    assert len(members) == 13
    assert members["date"] == "9999-12-31T23:59:59Z"
    for name in payload.TEXTS:
        payload.check_cut(name, members[name], full)


def test_numbers_and_absence(pushes):
    assert pushes.payloads({}, {"uid": 1, "uidvalidity": 2, "unseen": 0},
                           {"from-name": "", "subject": "", "date": 0},
                           {"msg-id": "<1@example.com>"},
                           {"content": "x", "content-encoding": "8BIT"},
                           {"content": "x", "content-encoding": "Base64"}) == [
        {}, {"uid": 1, "uidvalidity": 2, "unseen": 0}, {}, {"msg-id": "1@example.com"},
        {"content": "x"}, {"content": "x", "content-encoding": "base64"}]


def test_not_utf8(pushes):
    """Bytes that are none become U+FFFD, also where the text is cut (W25)."""
    for lead in range(8):
        [members] = pushes.payloads({"subject": b"a" * (198 + lead) + b"\xf0\x9f\x98a" * 9})
        assert set(members["subject"]) <= {"a", "\ufffd", "…"}
        assert members["subject"].endswith("…")


def test_sizes(pushes):
    """W28: a plaintext of any size up to 3,993 bytes is one record of a
    body of at most 4,096 bytes; no size is in the clear but that of the body."""
    sizes = [*range(0, 40), *range(100, 3950, 143), *range(3950, 3994)]
    plaintexts = [os.urandom(size) for size in sizes]
    found = pushes.make([{"plaintext": encode(text)} for text in plaintexts])
    assert [push.plaintext for push in found] == plaintexts
    [push] = pushes.dump([{"plaintext": encode(bytes(3993))}])
    assert len(decode(push["body"])) == 4096


def test_one_byte_more_is_refused(pushes):
    """W28"""
    [push] = pushes.dump([{"plaintext": encode(bytes(3994))}])
    assert push.keys() == {"plaintext", "error"}


def test_claims(pushes):
    """W30"""
    [push] = pushes.make([{"plaintext": encode(b"x")}])
    assert push.claims == {"aud": "https://push.example.net:8443",
                           "exp": 1800000000 + 12 * 60 * 60,
                           "sub": "mailto:postmaster@example.org"}


def test_validation(pushes):
    """W17"""
    texts = ["abc", "x" * 1024, '"\\' + EMOJI]
    found = pushes.make([{"validation": encode(text.encode())} for text in texts])
    assert [push.payload() for push in found] == [{"validation": text} for text in texts]


def test_seen(pushes):
    [push] = pushes.make([{"seen": {"uid": 5, "uidvalidity": 6, "folder": encode(b"INBOX"),
                                    "unseen": 0}}])
    assert push.payload() == {"seen": True, "uid": 5, "uidvalidity": 6, "folder": "INBOX",
                              "unseen": 0}
