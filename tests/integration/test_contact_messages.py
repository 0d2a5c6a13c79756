"""Contacts as entries and as messages in COI/Contacts, kept in step."""

import base64
import re
import shutil
import struct

import pytest

from coi import enabled, get_entry, places, send, set_entry, store
from coitest import Literal
from contacts import (BLOCKED, CONTACTS, MAILBOX, block, contact, expunge, group, is_blocked,
                      message, name_hash, put, says, set_all, stored, texts, value,
                      with_blocked)
from messages import mail

FOLDED = "COI-From-Hash:\n {}\nCOI-FROM-HASH: {}"


def as_base64(name):
    return base64.b64encode(bytes.fromhex(name_hash(name))).decode().rstrip("=")


# -- messages -> entries

@pytest.mark.parametrize("way", ["APPEND", "COPY", "MOVE", "doveadm"])
def test_a_client_stores_messages(server, driver, way):
    """C2 C4 C7: what a client stores in Contacts sets blocked of every hash and
    nothing else; without COI-Blocked it clears it."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    assert set_entry(bob, contact("alice"), '{"notify":"none"}').status == "OK"
    for day, blocked in enumerate([True, False, True], start=1):
        store_by(dovecot, bob, way, "alice", "carol", blocked=blocked, day=day)
        assert value(bob, "alice") == {"notify": "none"} | ({"blocked": True} if blocked else {})
        assert is_blocked(bob, "carol") == blocked
    assert len(texts(bob)) == 3


def store_by(dovecot, client, way, *names, **options):
    if way == "APPEND":
        put(client, *names, **options)
        return
    put(client, *names, mailbox="INBOX", **options)
    if way == "doveadm":
        dovecot.doveadm("move", "-u", "bob", MAILBOX, "mailbox", "INBOX", "all")
        return
    client.ok("SELECT INBOX")
    client.ok(f'{way} * {MAILBOX}')
    client.ok("UNSELECT")


@pytest.mark.parametrize("header", [
    "COI-From-Hash: {hex}", "COI-From-Hash: {HEX}", "coi-from-hash:{hex}",
    "COI-From-Hash:\n\t{hex}", "COI-From-Hash: {b64}",
    "COI-From-Hash: {other}\nCOI-From-Hash: {hex}", "COI-From-Hash: {other}, {hex}",
    "COI-From-Hash: nonsense\nCOI-From-Hash: {hex}"])
def test_hash_headers(server, header):
    """C3: hexadecimal in either case, base64, folded, several; what is none is
    passed over."""
    bob = enabled(server(), "bob")
    line = header.format(hex=name_hash("alice"), HEX=name_hash("alice").upper(),
                         b64=as_base64("alice"), other=name_hash("other"))
    put(bob, headers=[line], blocked=True)
    assert is_blocked(bob, "alice")
    assert is_blocked(bob, "other") == ("{other}" in header)


@pytest.mark.parametrize("line", ["COI-Blocked:", "coi-blocked: no", "COI-Blocked: false",
                                  "COI-Blocked:\n yes"])
def test_any_blocked_header(server, line):
    """C4: COI-Blocked counts whatever its value."""
    bob = enabled(server(), "bob")
    put(bob, "alice", headers=[line])
    assert is_blocked(bob, "alice")


@pytest.mark.parametrize("content", ["profile", "group", "text", ""])
def test_other_messages_block_nobody(server, content):
    """C2 C9: only Chat-Content: contact does, and only in Contacts."""
    bob = enabled(server(), "bob")
    put(bob, "alice", blocked=True, content=content)
    put(bob, "alice", blocked=True, mailbox="INBOX")
    put(bob, "alice", blocked=True, mailbox="COI/Chats")
    assert value(bob, "alice") == {}


def test_newest_date_decides(server, driver):
    """C7: of several messages the newest Date, then the higher UID; a message
    without a Date is the oldest."""
    bob = enabled(server(driver=driver), "bob")
    for day, blocked, expected in [(10, True, True), (5, False, True), (10, False, False),
                                   (11, True, True), (11, False, False), (3, True, False)]:
        put(bob, "alice", day=day, blocked=blocked)
        assert is_blocked(bob, "alice") == expected, (day, blocked)
    undated = message("alice", blocked=True).replace(b"Date:", b"X-Date:")
    bob.ok(f"APPEND {MAILBOX} ", Literal(undated))
    assert not is_blocked(bob, "alice")
    # as they go, the newest of the rest decides: 11 no, 11 yes, 10 no, 10 yes
    for uid, expected in [(5, True), (4, False), (3, True), (1, False), (2, True), (6, True),
                          (7, False)]:
        expunge(bob, uid)
        assert is_blocked(bob, "alice") == expected, uid
    assert get_entry(bob, contact("alice")) is None


@pytest.mark.parametrize("way", ["EXPUNGE", "UID EXPUNGE", "CLOSE", "MOVE", "doveadm",
                                 "LOGOUT"])
def test_last_message_goes(server, driver, way):
    """C7 C4: with the last message the block ends, the rest of the entry
    stays."""
    dovecot = server(driver=driver)
    bob, other = enabled(dovecot, "bob"), dovecot.imap("bob")
    for name, data in [("alice", '{"notify":"none"}'), ("carol", None)]:
        assert set_entry(bob, contact(name), data).status == "OK"
    put(bob, "alice", "carol", blocked=True)
    put(bob, "dave", blocked=True)
    other.ok(f"SELECT {MAILBOX}")
    remove_by(dovecot, bob, way)
    assert value(bob, "alice") == {"notify": "none"}
    assert get_entry(bob, contact("carol")) is None
    assert is_blocked(bob, "dave")
    assert any(b"EXPUNGE" in line or b"VANISHED" in line for line in other.ok("NOOP"))


def remove_by(dovecot, client, way):
    """Removes the first message of Contacts."""
    if way == "doveadm":
        dovecot.doveadm("expunge", "-u", "bob", "mailbox", MAILBOX, "uid", "1")
        return
    client.ok(f"SELECT {MAILBOX}")
    if way == "MOVE":
        client.ok("UID MOVE 1 Trash" if "Trash" in client.mailboxes() else "UID MOVE 1 INBOX")
    else:
        client.ok("UID STORE 1 +FLAGS (\\Deleted)")
        if way == "LOGOUT":
            client.ok("CLOSE")
            client.ok("SELECT INBOX")
            return
        client.ok({"UID EXPUNGE": "UID EXPUNGE 1"}.get(way, way))
    if way != "CLOSE":
        client.ok("UNSELECT")


@pytest.mark.parametrize("way", ["lmtp", "lda"])
def test_delivered_messages_block_nobody(server, driver, way):
    """C4 C5: what arrives from outside and is filed into Contacts by a script
    blocks nobody, neither at once nor when somebody looks there, sets an entry
    or removes a message; nor when the index is made anew."""
    dovecot = server(driver=driver, sieve=True)
    bob = enabled(dovecot, "bob")
    put(bob, "carol", blocked=True)
    put(bob, "carol", blocked=True)
    dovecot.sieve("bob", f'require "fileinto"; fileinto "{MAILBOX}";\n')
    send(dovecot, way, "bob", message("alice", blocked=True, day=20).replace(b"\r", b""))
    assert len(texts(bob)) == 3
    assert not is_blocked(bob, "alice")
    assert block(bob, "dave").status == "OK"
    assert not is_blocked(bob, "alice")
    expunge(bob, 1)
    assert not is_blocked(bob, "alice")
    store(dovecot, "bob", "contacts.index").unlink()
    assert len(texts(dovecot.imap("bob"))) == 3
    assert not is_blocked(bob, "alice")
    # and a forged one takes no block away
    send(dovecot, way, "bob", message("dave", day=28).replace(b"\r", b""))
    assert texts(bob) and is_blocked(bob, "dave")


# -- entries -> messages

PARTS = {
    "text": b"secret\r\n",
    "empty": b"",
    "8-bit": b"\xe4\xf6\xfc\xff \xc3\xa4\r\n" + bytes(range(1, 10)) + b"\x0b\x0c" +
             bytes(range(14, 256)) + b"\r\n",
    "no end": b"no line end",
    "encrypted": b"--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"
                 b"--b\r\nContent-Type: application/octet-stream\r\n\r\n"
                 b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA \r\n-----END PGP MESSAGE-----\r\n"
                 b"--b--\r\n",
    "fields": b"COI-Blocked: in the body\r\n\r\nCOI-From-Hash: none\r\n",
    "large": (b"x" * 76 + b"\r\n") * 40000,
}
HEADERS = ["COI-Token: token==; a", "COI-TokenIn: in\n\tfolded ", "COI-TokenOut:   out",
           "x-unknown: \u00e4 8-bit", "X-Twice: 1", "X-Twice: 2", "X-Empty:",
           'Content-Type: multipart/encrypted;\n boundary="b"', "X-Trailing: blanks  "]


@pytest.mark.parametrize("part", PARTS)
def test_rewriting(server, driver, part):
    """C6: body, flags, keywords, INTERNALDATE, COI-Token and all other headers
    stay byte for byte, to and fro."""
    bob = enabled(server(driver=driver), "bob")
    put(bob, "other")
    plain = message("alice", headers=HEADERS, body="") + PARTS[part]
    bob.ok(f'APPEND {MAILBOX} (\\Seen \\Flagged Mine $Forwarded) '
           '"03-Mar-2019 04:05:06 +0530" ', Literal(plain))
    before = stored(bob)
    [date] = [date for _, date, data in before.values() if data == plain]
    for on in (True, False, True):
        assert set_entry(bob, contact("alice"), BLOCKED if on else "{}").status == "OK"
        now = stored(bob)
        uid = max(now)
        assert uid not in before and len(now) == 2
        assert now[uid] == ({"\\Seen", "\\Flagged", "Mine", "$Forwarded", "$Chat"}, date,
                            with_blocked(plain) if on else plain)
        before = now


def test_removing_odd_headers(server):
    """C4 C6: every COI-Blocked goes, folded ones too, and nothing beside."""
    bob = enabled(server(), "bob")
    odd = ["coi-blocked : no", "X-One: 1", "COI-BLOCKED:\n yes\n\tno", "COI-Blocked-By: me",
           "X-COI-Blocked: x"]
    put(bob, "alice", headers=odd)
    assert set_entry(bob, contact("alice"), None).status == "OK"
    assert texts(bob) == [message("alice", headers=["X-One: 1", *odd[3:]])]


def test_minimal_message(server, driver):
    """C1 C2 C3: where there is none the server writes one, with these headers
    and no others, seen, once; unblocking keeps it; for a contact that is not
    blocked none is written."""
    dovecot = server(driver=driver, settings={"coi_user_addresses":
                                              "bob.own@example.org second@example.org"})
    bob = enabled(dovecot, "bob")
    for data in ('{"notify":"none"}', "{}", None):
        assert set_entry(bob, contact("alice"), data).status == "OK"
    assert texts(bob) == []
    for _ in range(2):
        assert block(bob, "alice").status == "OK"
        [(flags, _, data)] = stored(bob).values()
        assert flags == {"\\Seen", "$Chat"}  # S37
    head, _, body = data.decode("ascii").partition("\r\n\r\n")
    fields = [line.partition(": ")[::2] for line in head.split("\r\n")]
    assert [name for name, _ in fields] == [
        "From", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
        "Chat-Version", "Chat-Content", "COI-From-Hash", "COI-Blocked"]
    fields = dict(fields)
    assert fields["From"] == "<bob.own@example.org>"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d \+0000", fields["Date"])
    assert re.fullmatch(r"<chat\$[0-9a-f]{32}@example\.org>", fields["Message-ID"])
    assert (fields["MIME-Version"], fields["Chat-Version"]) == ("1.0", "1.0")
    assert (fields["Chat-Content"], fields["COI-From-Hash"]) == ("contact", name_hash("alice"))
    assert "\n" not in body.replace("\r\n", "")
    assert set_entry(bob, contact("alice"), None).status == "OK"
    assert texts(bob) == [data.replace(b"COI-Blocked: yes\r\n", b"")]


def test_own_address(server):
    """C1: without coi_user_addresses From is the user name."""
    bob = enabled(server(), "bob")
    assert block(bob, "alice").status == "OK"
    [data] = texts(bob)
    assert re.match(rb"From: <bob@[^>]+>\r\n", data)


def test_notify_alone_rewrites_nothing(server):
    """C6: messages change with blocked only."""
    bob = enabled(server(), "bob")
    put(bob, "alice", blocked=True)
    put(bob, "carol")
    before = stored(bob)
    for name, data in [("alice", '{"blocked":true,"notify":"none"}'),
                       ("alice", '{"blocked":true}'), ("carol", '{"notify":"none"}'),
                       ("carol", None)]:
        assert set_entry(bob, contact(name), data).status == "OK"
    assert stored(bob) == before


def test_several_messages_of_one(server, driver):
    """C6 C7: all of them are rewritten, and say the same."""
    bob = enabled(server(driver=driver), "bob")
    data = [put(bob, "alice", day=day, headers=[f"X-N: {day}"]) for day in (9, 4, 7)]
    for name, expected in [(BLOCKED, [with_blocked(one) for one in data]), (None, data)]:
        assert set_entry(bob, contact("alice"), name).status == "OK"
        assert texts(bob) == expected
    put(bob, "alice", day=1, blocked=True)
    assert not is_blocked(bob, "alice")
    assert block(bob, "alice").status == "OK"
    assert len(texts(bob)) == 4 and all(says(one)[1] for one in texts(bob))


def test_rewriting_that_was_cut_off(server, driver):
    """C6 C7: old and new of a message, as a kill between them leaves it, become
    one again, whatever is set next."""
    bob = enabled(server(driver=driver), "bob")
    for data in (BLOCKED, None):
        old = put(bob, "alice", headers=["X-Old: 1"])
        bob.ok(f"APPEND {MAILBOX} ", Literal(with_blocked(old)))
        assert is_blocked(bob, "alice")
        assert set_entry(bob, contact("alice"), data).status == "OK"
        assert texts(bob) == [with_blocked(old) if data else old]
        assert is_blocked(bob, "alice") == bool(data)
        expunge(bob, "1:*")


def test_one_message_of_two(server, driver):
    """C3 C4: a message that names two hashes blocks and unblocks both."""
    bob = enabled(server(driver=driver), "bob")
    data = put(bob, "alice", "carol")
    assert block(bob, "alice").status == "OK"
    assert is_blocked(bob, "alice") and is_blocked(bob, "carol")
    assert texts(bob) == [with_blocked(data)]
    assert set_entry(bob, contact("carol"), '{"notify":"none"}').status == "OK"
    assert texts(bob) == [data]
    assert (value(bob, "alice"), value(bob, "carol")) == ({}, {"notify": "none"})
    # one command that wants both writes none but that one
    assert set_all(bob, (contact("alice"), BLOCKED), (contact("carol"), BLOCKED)).status == "OK"
    assert texts(bob) == [with_blocked(data)]
    # what cannot be is decided once, for both sides
    assert set_all(bob, (contact("alice"), "{}"), (contact("carol"), BLOCKED)).status == "OK"
    assert texts(bob) == [with_blocked(data)]
    assert is_blocked(bob, "alice") and is_blocked(bob, "carol")


def test_other_sessions_see_it(server, driver):
    """C7: to a session that watches Contacts it is as if a client did it."""
    dovecot = server(driver=driver)
    bob, watching = enabled(dovecot, "bob"), dovecot.imap("bob")
    put(bob, "alice")
    watching.ok(f"SELECT {MAILBOX}")
    watching.idle()
    assert block(bob, "alice").status == "OK"
    seen = watching.wait_for(r"EXISTS")
    while not any(b"EXPUNGE" in line for line in seen):
        seen += watching.wait_for(r"EXPUNGE")
    watching.done()
    # and to the one that does it
    bob.ok(f"SELECT {MAILBOX}")
    assert set_entry(bob, contact("alice"), None).status == "OK"
    lines = bob.ok("NOOP")
    reply = b" ".join(lines)
    assert b"EXISTS" in reply or len(stored(bob)) == 1
    assert watching.ok("NOOP")
    assert not says(texts(bob)[0])[1]


# -- Contacts that does not take it

def test_contacts_deleted(server, driver):
    """C4 C7: its messages go with it, and so do the blocks; it is made anew when
    it is needed."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    assert block(bob, "alice").status == "OK"
    put(bob, "frank", blocked=True)
    bob.ok(f"DELETE {MAILBOX}")
    assert not is_blocked(bob, "alice") and not is_blocked(bob, "frank")
    assert set_entry(bob, contact("dave"), '{"notify":"none"}').status == "OK"
    assert set_entry(bob, contact("erin"), None).status == "OK"
    assert MAILBOX not in bob.mailboxes()
    assert block(bob, "carol").status == "OK"
    assert is_blocked(bob, "carol") and not is_blocked(bob, "alice")
    assert [says(data)[0] for data in texts(bob)] == [[name_hash("carol")]]


def test_contacts_renamed(server, driver):
    """C4: what was Contacts is an ordinary mailbox, what becomes it counts, and
    a block that no message there tells of stays."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    assert block(bob, "alice").status == "OK"
    bob.ok(f"RENAME {MAILBOX} Old")
    assert block(bob, "carol").status == "OK"
    expunge(bob, 1, mailbox="Old")
    assert is_blocked(bob, "alice") and is_blocked(bob, "carol")
    bob.ok(f"RENAME {MAILBOX} Older")
    put(bob, "dave", blocked=True, mailbox="Old")
    assert not is_blocked(bob, "dave")
    bob.ok(f"RENAME Old {MAILBOX}")
    assert len(texts(bob)) == 1
    assert all(is_blocked(bob, name) for name in ("alice", "carol", "dave"))


def unchanged(client, before):
    """Nothing is half done."""
    texts_before, alice, carol = before
    assert (texts(client), value(client, "alice"), value(client, "carol")) == (
        texts_before, alice, carol)


@pytest.mark.parametrize("what", ["new", "rewrite"])
def test_without_permission(server, driver, what):
    """C4: NO, nothing done, one error in the log; the next one works."""
    dovecot = server(driver=driver)
    dovecot.expect_error("coi: .*contact.*failed")
    dovecot.allow_error("Permission denied|EACCES|failed|Index is read-only")
    bob = enabled(dovecot, "bob")
    put(bob, "carol")
    before = texts(bob), {}, {}
    name = {"new": "alice", "rewrite": "carol"}[what]
    found = [path for path in dovecot.home("bob").rglob("*")
             if "dovecot-coi" not in str(path)
             and ("Contacts" in str(path) or "storage" in str(path))]
    for path in found:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        other = dovecot.imap("bob")
        tagged = block(other, name).tagged
        assert tagged.startswith(b"NO "), tagged
        assert set_all(other, (contact("alice"), BLOCKED), (contact("carol"), BLOCKED)
                       ).status == "NO"
        assert set_entry(other, contact("dave"), None).status
    finally:
        for path in found:
            path.chmod(0o700 if path.is_dir() else 0o600)
    bob = dovecot.imap("bob")
    unchanged(bob, before)
    assert block(bob, name).status == "OK"
    assert is_blocked(bob, name)
    assert len(texts(bob)) == {"new": 2, "rewrite": 1}[what]


def test_over_quota(server, driver):
    """C4: NO [OVERQUOTA], nothing done and nothing in the log; unblocking and
    what needs no message works, and once there is room blocking does."""
    dovecot = server(driver=driver, quota=3)
    bob = enabled(dovecot, "bob")
    put(bob, "carol")
    for _ in range(2):
        bob.append("INBOX", mail())
    before = texts(bob), {}, {}
    for tagged in (block(bob, "alice").tagged,
                   set_all(bob, (contact("carol"), BLOCKED), (contact("alice"), BLOCKED)).tagged):
        assert tagged.startswith(b"NO [OVERQUOTA] "), tagged
        unchanged(bob, before)
    assert set_entry(bob, contact("alice"), '{"notify":"none"}').status == "OK"
    assert set_entry(bob, contact("alice"), None).status == "OK"
    expunge(bob, "1:2", mailbox="INBOX")
    # of two that need room for one each there is room for both now
    assert set_all(bob, (contact("carol"), BLOCKED), (contact("alice"), BLOCKED)).status == "OK"
    assert len(texts(bob)) == 2
    assert "rror:" not in dovecot.log_text()


# -- the index of messages

@pytest.mark.parametrize("damage", ["deleted", "empty", "short", "garbage", "header",
                                    "counts", "huge", "other mailbox"])
def test_index_is_made_anew(server, damage):
    """C4 C7: contacts.index deleted, cut, overwritten, or of another mailbox:
    no block is lost, and both sides stay in step."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    for name in ("alice", "carol"):
        assert block(bob, name).status == "OK"
    data = put(bob, "dave", "erin", blocked=True, day=28)
    put(bob, "frank")
    assert set_entry(bob, contact("greg"), '{"notify":"none"}').status == "OK"
    damage_index(store(dovecot, "bob", "contacts.index"), damage)
    names = ("alice", "carol", "dave", "erin")
    bob = dovecot.imap("bob")
    assert len(texts(bob)) == 4
    assert all(is_blocked(bob, name) for name in names) and not is_blocked(bob, "frank")
    assert block(bob, "frank").status == "OK"
    assert set_entry(bob, contact("alice"), None).status == "OK"
    assert len(texts(bob)) == 4
    expunge(bob, *[uid for uid, (_, _, one) in stored(bob).items() if one == data])
    assert [name for name in (*names, "frank") if is_blocked(bob, name)] == ["carol", "frank"]
    assert value(bob, "greg") == {"notify": "none"}


def damage_index(path, damage):
    data = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes({
            "empty": b"", "short": data[:-1], "garbage": b"\xff" * len(data),
            "header": b"garbage" + data[7:],
            # a count of messages and a last UID that cannot be
            "counts": data[:12] + b"\xff" * 8 + data[20:],
            "huge": data[:20] + b"\xff" * 8 + data[28:],
            "other mailbox": data[:8] + b"\1\0\0\0" + data[12:]}[damage])


@pytest.mark.parametrize("what", ["back", "suspect"])
def test_message_is_back(server, what):
    """C4 C7: whoever was killed while a message was replaced has marked it; a mdbox
    that is repaired brings back what was expunged. Its hashes are judged again,
    and once only."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    put(bob, "alice", "carol", blocked=True)
    put(bob, "dave", blocked=True)
    for name in ("alice", "carol"):
        digest = name_hash(name)
        store(dovecot, "bob", f"contacts/{digest[:2]}/{digest}").unlink()
    assert not is_blocked(bob, "alice")
    path = store(dovecot, "bob", "contacts.index")
    path.write_bytes(remembered(path.read_bytes(), what))
    bob = dovecot.imap("bob")
    assert len(texts(bob)) == 2
    assert all(is_blocked(bob, name) for name in ("alice", "carol", "dave"))
    assert path.read_bytes() == remembered(path.read_bytes(), "as it is")
    before = path.stat()
    bob = dovecot.imap("bob")
    assert len(texts(bob)) == 2
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def remembered(data, what):
    """contacts.index with the first two of three records, one message's, as they
    are, suspect, or dead."""
    numbers = list(struct.unpack_from("<6I", data, 8))
    flags = {"as it is": 2, "suspect": 10, "back": 6}[what]
    numbers[1], numbers[4], numbers[5] = {
        "as it is": (2, 0, 0), "suspect": (2, 0, 1), "back": (1, 2, 0)}[what]
    changed = bytearray(data)
    struct.pack_into("<6I", changed, 8, *numbers)
    for record in (32, 80):
        struct.pack_into("<I", changed, record + 4, flags)
    return bytes(changed)


@pytest.mark.parametrize("mmap_disable", ["no", "yes"])
def test_some_of_many_go(server, mmap_disable):
    """C4 C7: of more hashes than are compared at once, the block ends for those
    whose messages are gone, wherever these stand, and for no other; rewriting
    one of them is no loss."""
    bob = enabled(server(extra=f"mmap_disable = {mmap_disable}\n"), "bob")
    names = {uid: [f"{uid}-{number}" for number in range(30)] for uid in range(1, 61)}
    for each in names.values():
        put(bob, *each, blocked=True)
    there = set(names)
    for gone in [(18,), (1,), (60,), (17, 19), (2, 30, 31, 59), range(35, 53), range(3, 17)]:
        expunge(bob, *gone)
        there -= set(gone)
        assert listed_blocked(bob) == hashes_of(names, there)
        assert set_entry(bob, contact("20-0"), None).status == "OK"
        assert listed_blocked(bob) == hashes_of(names, there - {20})
        assert block(bob, "20-0").status == "OK"


def hashes_of(names, uids):
    return {name_hash(name) for uid in uids for name in names[uid]}


def listed_blocked(client):
    """The hashes of all blocked contacts, by one command."""
    lines = client.ok(f'GETMETADATA (DEPTH 1) "" {CONTACTS}')
    return {found[1].decode() for line in lines for found in
            re.finditer(rb'/([0-9a-f]{64}) \{\d+\}\r\n\{[^}]*"blocked":true', line)}


def test_contacts_made_by_another_hand(server):
    """C4: a Contacts that was removed with all it had while nobody looked has
    another UIDVALIDITY; what it says now counts, blocks stay."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    assert block(bob, "alice").status == "OK"
    [path] = [path for path in dovecot.home("bob").rglob("Contacts") if path.is_dir()]
    shutil.rmtree(path)
    dovecot.doveadm("mailbox", "create", "-u", "bob", MAILBOX)
    bob = dovecot.imap("bob")
    put(bob, "carol", blocked=True)
    put(bob, "carol", day=2)
    assert is_blocked(bob, "alice") and not is_blocked(bob, "carol")


def test_groups_stay_as_they_are(server):
    """C9: contact messages touch no group, and the other way round."""
    bob = enabled(server(), "bob")
    assert set_entry(bob, group("alice"), '{"notify":"none"}').status == "OK"
    stands = get_entry(bob, group("alice"))
    put(bob, "alice", blocked=True)
    assert get_entry(bob, group("alice")) == stands
    assert set_entry(bob, group("alice"), None).status == "OK"
    assert is_blocked(bob, "alice") and len(texts(bob)) == 1
    assert places(bob) == [("Contact", MAILBOX, "$Chat")]
