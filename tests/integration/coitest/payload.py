"""What must be true of every payload (W17, W24 to W28), by the bytes that the
client gets and by nothing else."""

import datetime
import json
import re

PLAINTEXT_MAX_BYTES = 3993  # W28
ELLIPSIS = "\u2026"
# W26: bytes of a string that was cut, without the ellipsis: at least, and at
# most by a limit of our own.
KEPT_MIN = {"content-type": 200}
KEPT_MIN_DEFAULT = 100
TEXT_MAX_BYTES = 206

TEXTS = ("from-email", "from-name", "subject", "msg-id", "content-type",
         "content-encoding")
WHOLE_MAX_BYTES = {"folder": 200, "group-id": 128}  # W26, W27
NUMBERS = ("uid", "uidvalidity", "unseen")
OTHERS = ("date", "content")
VALIDATION_MAX_BYTES = 1024  # W17
# What tells that a message has been read elsewhere.
SEEN = {"seen", "msg-id", "uid", "uidvalidity", "folder", "unseen"}

# RFC 8259. A payload is one object of strings and numbers: nothing is nested.
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_MEMBER = re.compile(rf"({_STRING}):({_STRING}|0|[1-9][0-9]*|true)")


def raw_bytes(text):
    """The length of a string in JSON (W26 counts that), without its quotes, if
    no more is escaped than must be."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def members(plaintext):
    """name -> (value, as it stands there). Fails unless it is an object of
    strings and numbers, without white space, in whole UTF-8 (W25)."""
    text = plaintext.decode("utf-8")
    assert text.startswith("{") and text.endswith("}"), text
    found = {}
    pos = 1
    while pos < len(text) - 1:
        match = _MEMBER.match(text, pos)
        assert match, f"no member: {text[pos:]!r} in {text!r}"
        name = json.loads(match[1])
        assert name not in found, f"twice: {name}"
        value = json.loads(match[2])
        # an escape may be half of a pair
        assert not isinstance(value, str) or value.encode("utf-8").decode() == value
        found[name] = value, match[2]
        pos = match.end() + (text[match.end()] == ",")
    # and the commas are in their places
    assert json.loads(text) == {name: value for name, (value, _) in found.items()}
    return found


def _check_text(name, value, raw):
    size = len(raw.encode()) - 2
    assert value != "", f"{name} is empty"
    if value.endswith(ELLIPSIS) and size > KEPT_MIN_DEFAULT:
        size -= len(ELLIPSIS.encode())
        least = KEPT_MIN.get(name, KEPT_MIN_DEFAULT)
        assert size >= least, f"{name}: {size} bytes are left"
    assert size <= TEXT_MAX_BYTES, f"{name}: {size} bytes"


def _check_date(value):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value), value
    datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")


def _check_content(found):
    """W26: nothing is said of a body that is not there, or that is as usual."""
    if "content" not in found:
        assert "content-type" not in found and "content-encoding" not in found
        return
    assert "\0" not in found["content"][0]
    assert found.get("content-encoding", ("",))[0] != "8bit"
    kind = found.get("content-type", ("",))[0]
    assert not re.fullmatch(r"text/plain(; *charset=\"?(utf-8|us-ascii)\"?)?", kind,
                            re.IGNORECASE), kind


def _check_members(found):
    for name, (value, raw) in found.items():
        if name == "seen":
            assert value is True and set(found) <= SEEN, set(found)
            continue
        if name in NUMBERS:
            assert type(value) is int and value < 2**32, f"{name} is {raw}"
            continue
        assert isinstance(value, str), f"{name} is {raw}"
        if name in TEXTS:
            _check_text(name, value, raw)
        elif name in WHOLE_MAX_BYTES:
            size = len(raw.encode()) - 2
            assert 0 < size <= WHOLE_MAX_BYTES[name], f"{name}: {size} bytes"
        else:
            assert name in OTHERS, f"unknown: {name}"


def check(plaintext):
    """The members of a payload; fails unless it is as it has to be."""
    assert len(plaintext) <= PLAINTEXT_MAX_BYTES, f"{len(plaintext)} bytes"
    found = members(plaintext)
    if "validation" in found:
        [[text, _]] = found.values()
        assert 0 < len(text.encode()) <= VALIDATION_MAX_BYTES, text
        return {"validation": text}
    _check_members(found)
    if "date" in found:
        _check_date(found["date"][0])
    if "from-email" in found:
        assert found["from-email"][0] == found["from-email"][0].lower()
    assert not re.fullmatch("<.*>", found.get("msg-id", ("",))[0])
    _check_content(found)
    return {name: value for name, (value, _) in found.items()}


def check_cut(name, value, full):
    """W26: all of it, or its beginning and an ellipsis, and no less than fits."""
    if raw_bytes(full) <= TEXT_MAX_BYTES:
        assert value == full, f"{name} is {value!r} of {full!r}"
        return
    assert value.endswith(ELLIPSIS), value
    kept = value[:-len(ELLIPSIS)]
    assert full.startswith(kept), f"{name} is {value!r} of {full!r}"
    more = full[:len(kept) + 1]
    assert raw_bytes(kept) <= TEXT_MAX_BYTES < raw_bytes(more), f"{name} is {value!r}"
