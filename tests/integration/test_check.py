"""doveadm coi check: what was made not to agree is told, mended, and told no
more."""

import hashlib
import json
import os
import shutil
import subprocess
import time

import pytest

from coi import CHATS, ENABLED, enabled, get_entry, places, set_entry, store
from coitest import wait_until
from messages import mail

ROOT = "/private/vendor/vendor.dovecot/coi"
MAILBOX = "COI/Contacts"
BLOCKED = '{"blocked":true}'
EX_TEMPFAIL = 75
HOUR = 3600


def name_hash(name):
    """C3"""
    return hashlib.sha3_256(f"{name}@example.org".encode()).hexdigest()


def contact(name):
    return f"{ROOT}/contacts/{name_hash(name)}"


def block(client, *names):
    for name in names:
        assert set_entry(client, contact(name), BLOCKED).status == "OK"


def is_blocked(client, name):
    return b'"blocked":true' in (get_entry(client, contact(name)) or b"")


def check(dovecot, user="bob"):
    """What it tells; it must succeed."""
    return [row["problem"] for row in
            json.loads(dovecot.doveadm("-f", "json", "coi", "check", "-u", user) or "[]")]


def mends(dovecot, *problems):
    """These are told, in any order, and nothing else; then nothing more."""
    assert sorted(check(dovecot)) == sorted(problems)
    assert check(dovecot) == []


def base(dovecot, user="bob"):
    return store(dovecot, user, "state").parent


def entry_file(dovecot, kind, key):
    path = base(dovecot) / kind / key[:2] / key
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def contact_file(dovecot, name):
    return entry_file(dovecot, "contacts", name_hash(name))


def contact_messages(client):
    """(hash, blocked) of each message in Contacts."""
    client.ok(f"EXAMINE {MAILBOX}")
    lines = client.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (COI-FROM-HASH COI-BLOCKED)])")
    client.ok("UNSELECT")
    return sorted((line.lower().split(b"coi-from-hash:")[1].split()[0].decode(),
                   b"coi-blocked:" in line.lower())
                  for line in lines if b"hash:" in line.lower())


# -- where there is nothing to be found

def test_nothing_to_do(server, driver):
    """Of users without COI, with COI, with contacts and groups, and of one who
    has disabled it; a user without a store gets none."""
    dovecot = server(driver=driver)
    dovecot.imap("alice").ok("SELECT INBOX")
    assert check(dovecot, "alice") == []
    assert not list(dovecot.home("alice").rglob("dovecot-coi"))
    bob = enabled(dovecot, "bob")
    assert check(dovecot) == []
    block(bob, "carol", "dave")
    assert set_entry(bob, contact("erin"), '{"notify":"none"}').status == "OK"
    assert bob.append("INBOX", group_mail("club")).status == "OK"
    dovecot.delivered("bob", group_mail("others"))
    before = places(bob), contact_messages(bob)
    assert check(dovecot) == []
    assert set_entry(bob, contact("dave"), None).status == "OK"
    assert check(dovecot) == []
    assert set_entry(bob, ENABLED, None).status == "OK"
    bob.ok(f"DELETE {MAILBOX}")
    assert check(dovecot) == []
    assert MAILBOX not in bob.mailboxes()
    assert before[1] == sorted([(name_hash("carol"), True), (name_hash("dave"), True)])


def test_messages_gone_meanwhile(server, driver):
    """C4: a block that ended while nobody looked has ended, and is not made
    anew."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    block(bob, "carol")
    index = store(dovecot, "bob", "contacts.index")
    knew, entry = index.read_bytes(), contact_file(dovecot, "carol").read_bytes()
    bob.ok(f"SELECT {MAILBOX}")
    bob.ok("STORE 1 +FLAGS (\\Deleted)")
    bob.ok("CLOSE")
    index.write_bytes(knew)
    contact_file(dovecot, "carol").write_bytes(entry)
    store(dovecot, "bob", "contacts.count").write_text("1\n")
    mends(dovecot)
    assert not is_blocked(bob, "carol") and contact_messages(bob) == []


# -- entries

@pytest.mark.parametrize("kind", ["contacts", "groups"])
@pytest.mark.parametrize("damage,reason", [
    (b"", "not JSON"), (b"{", "not JSON"), (b'{"notify":"loud"}', "notify must be one of"),
    (b'{"x":"\0"}', "has a NUL byte"), (b" " * 1_000_000, "longer than")],
    ids=["empty", "half", "value", "nul", "long"])
def test_damaged_entry(server, kind, damage, reason):
    """It is removed, and its entry can be set again."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    key = name_hash("carol")
    path = entry_file(dovecot, kind, key)
    entry = f"{ROOT}/{kind}/{key}"
    for other in ("dave", "erin"):
        assert set_entry(bob, f"{ROOT}/{kind}/{name_hash(other)}",
                         '{"notify":"none"}').status == "OK"
    assert set_entry(bob, entry, '{"notify":"none"}').status == "OK"
    path.write_bytes(damage)
    [problem] = check(dovecot)
    assert problem.startswith(f"Entry coi/{kind}/{key} is damaged: ") and reason in problem
    assert not path.exists() and get_entry(bob, entry) is None
    assert check(dovecot) == []
    assert store(dovecot, "bob", f"{kind}.count").read_text() == "2\n"
    assert set_entry(bob, entry, '{"notify":"none"}').status == "OK"


def test_dsync_hears_of_a_removal(server):
    """S43: what was damaged goes on the other side too."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    assert set_entry(bob, contact("carol"), '{"notify":"none"}').status == "OK"
    there = f"{dovecot.options.driver}:{dovecot.dir}/copy"
    dovecot.doveadm("sync", "-u", "bob", there)
    contact_file(dovecot, "carol").write_bytes(b"x")
    assert len(check(dovecot)) == 1
    time_passes()
    dovecot.doveadm("sync", "-u", "bob", there)
    assert get_entry(bob, contact("carol")) is None
    assert not list((dovecot.dir / "copy").rglob(name_hash("carol")))


def time_passes():
    """Until the clock shows another second: dsync's is no finer."""
    now = int(time.time())
    wait_until(lambda: int(time.time()) != now, "another second has begun")


def test_newest_message_decides(server, driver):
    """C7: an entry that says otherwise follows its message, both ways; what
    else it says stays."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    block(bob, "carol", "dave")
    assert set_entry(bob, contact("dave"), '{"muted-until":"2036-12-31T23:59:59Z"}'
                     ).status == "OK"
    contact_file(dovecot, "carol").write_text('{"notify":"none"}')
    contact_file(dovecot, "dave").write_text(
        '{"blocked":true,"muted-until":"2036-12-31T23:59:59Z"}')
    before = contact_messages(bob)
    mends(dovecot,
          f"Contact {name_hash('carol')} is not blocked, but its newest message says otherwise",
          f"Contact {name_hash('dave')} is blocked, but its newest message says otherwise")
    assert is_blocked(bob, "carol") and not is_blocked(bob, "dave")
    assert b'"notify":"none"' in get_entry(bob, contact("carol"))
    assert b'"muted-until":"2036' in get_entry(bob, contact("dave"))
    assert contact_messages(bob) == before


@pytest.mark.parametrize("damage", ["gone", "garbage", "flipped", "digest"])
def test_index_is_made_anew(server, damage):
    """Whatever contacts.index says, the messages count."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    block(bob, "carol", "dave")
    index = store(dovecot, "bob", "contacts.index")
    whole = index.read_bytes()
    data = bytearray(whole)
    if damage == "flipped":
        data[32 + 4] ^= 2
    elif damage == "digest":
        data[32 + 16] ^= 0xff
    elif damage == "garbage":
        data[:] = b"garbage"
    index.write_bytes(bytes(data))
    if damage == "gone":
        index.unlink()
    contact_file(dovecot, "carol").unlink()
    mends(dovecot,
          f"Contact {name_hash('carol')} is not blocked, but its newest message says otherwise")
    assert index.read_bytes() == whole
    assert is_blocked(bob, "carol")


def test_no_message_names_it(server, driver):
    """C1: a blocked contact gets its message, in Contacts that is there or has to
    be made; a contact that is not blocked gets none."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    block(bob, "carol")
    for name in ("dave", "erin"):
        contact_file(dovecot, name).write_text(BLOCKED)
    contact_file(dovecot, "frank").write_text('{"notify":"none"}')
    count = store(dovecot, "bob", "contacts.count")
    count.write_text("4\n")
    unnamed = [f"Contact {name_hash(name)} is blocked, but no message says so"
               for name in ("dave", "erin")]
    mends(dovecot, *unnamed)
    assert contact_messages(bob) == sorted(
        (name_hash(name), True) for name in ("carol", "dave", "erin"))
    assert is_blocked(bob, "dave")
    # and the message counts from now on
    bob.ok(f"SELECT {MAILBOX}")
    bob.ok("STORE 1:* +FLAGS (\\Deleted)")
    bob.ok("EXPUNGE")
    assert not any(is_blocked(bob, name) for name in ("carol", "dave", "erin"))


# -- the store's own files

def test_mark_for_deliveries(server):
    """C4: without the mark nobody is blocked; with it and nobody blocked each
    delivery looks in vain."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    block(bob, "alice")
    state = store(dovecot, "bob")
    marked = state.read_text()
    lines = [line for line in marked.splitlines(True) if "has-blocked" not in line]
    assert len(lines) == 2
    state.write_text("".join(lines))
    dovecot.delivered("bob", mail("one"))
    mends(dovecot, "Contacts are blocked, but deliveries do not know that they have to look")
    assert state.read_text() == marked
    dovecot.delivered("bob", mail("two"))
    assert [place[:2] for place in places(bob) if place[1] != MAILBOX] == [
        ("one", "INBOX"), ("two", "Blocked")]
    assert set_entry(bob, contact("alice"), None).status == "OK"
    assert state.read_text() == marked
    mends(dovecot)
    assert "has-blocked" not in state.read_text()
    assert get_entry(bob, ENABLED) == b"yes"


@pytest.mark.parametrize("kind", ["contacts", "groups"])
@pytest.mark.parametrize("kept,told", [("1\n", True), ("9\n", False), ("x", True),
                                       (None, True), ("2\n", False)])
def test_counts(server, kind, kept, told):
    """What is too high a killed writer has left, which is no news."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    for name in ("carol", "dave"):
        assert set_entry(bob, f"{ROOT}/{kind}/{name_hash(name)}",
                         '{"notify":"none"}').status == "OK"
    count = store(dovecot, "bob", f"{kind}.count")
    if kept is None:
        count.unlink()
    else:
        count.write_text(kept)
    problem = f"The number of entries below coi/{kind} is not the right one"
    mends(dovecot, *[problem] * told)
    assert count.read_text() == "2\n"


def test_leftovers(server):
    """What writers left an hour ago goes; what is new may be still in use, and
    what is not theirs stays."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    block(bob, "carol")
    path = contact_file(dovecot, "carol")
    names = [base(dovecot) / "state.tmp.host.1.a", base(dovecot) / "lock0123abcd",
             path.parent / f"{path.name}.tmp.host.2.b",
             base(dovecot) / "groups" / "00" / "x.tmp.host.3.c"]
    names[3].parent.mkdir(parents=True)
    for name in names:
        name.write_text("x")
    other = base(dovecot) / "notes"
    other.write_text("x")
    for old in (path, other, store(dovecot, "bob")):
        os.utime(old, (1, 1))
    assert check(dovecot) == []
    assert all(name.exists() for name in names)
    for name in names[:3]:
        os.utime(name, (time.time() - HOUR - 60,) * 2)
    os.utime(names[3], (time.time() - HOUR + 300,) * 2)
    mends(dovecot, "3 temporary files are left of writers that were killed")
    assert [name.exists() for name in names] == [False, False, False, True]
    assert other.exists() and is_blocked(bob, "carol")


# -- groups

def group_mail(name, subject=None):
    """A message of a group as its members get it (C8)."""
    return (f"From: Alice <alice@example.org>\nTo: bob@example.org, carol@example.org\n"
            f"Subject: {subject or name}\nDate: Thu, 01 Jan 2026 12:00:00 +0000\n"
            f"Message-ID: <chat$group.{name:x<16}.{name}1@example.org>\nChat-Version: 1.0\n"
            "Content-Type: text/plain\n\nHi!\n").encode()


def pending_value(number):
    return json.dumps({"id": f"g{number}", "participants": ["alice@example.org"],
                       "modified": f"2026-01-01T00:{number:02}:00Z"})


def put_pending(dovecot, numbers):
    keys = {number: hashlib.sha3_256(f"g{number}".encode()).hexdigest() for number in numbers}
    for number, key in keys.items():
        entry_file(dovecot, "groups", key).write_text(pending_value(number))
    (base(dovecot) / "groups.count").write_text(f"{len(keys)}\n")
    return keys


def pending_list(dovecot):
    return sorted((base(dovecot) / "groups.pending").read_text().split())


def test_list_of_pending_groups(server):
    """C10: a pending group that is not in the list is told and put there; lines
    of groups that are gone are no harm."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", group_mail("club"))
    [listed] = pending_list(dovecot)
    keys = put_pending(dovecot, range(3))
    (base(dovecot) / "groups.count").write_text("4\n")
    mends(dovecot, *[f"Pending group {key} is not in the list of these"
                     for key in keys.values()])
    assert pending_list(dovecot) == sorted([*keys.values(), listed])
    assert set_entry(bob, f"{ROOT}/groups/{keys[1]}", None).status == "OK"
    mends(dovecot)
    assert get_entry(bob, f"{ROOT}/groups/{keys[2]}") is not None


def test_damaged_list_of_pending_groups(server):
    """One that is too long would keep new groups out."""
    dovecot = server()
    enabled(dovecot, "bob")
    dovecot.delivered("bob", group_mail("club"))
    before = pending_list(dovecot)
    path = base(dovecot) / "groups.pending"
    path.write_text(path.read_text() * 250)
    mends(dovecot, "The list of pending groups is longer than 13000 bytes")
    assert pending_list(dovecot) == before
    dovecot.delivered("bob", group_mail("others"))
    assert len(pending_list(dovecot)) == 2


def test_too_many_pending_groups(server):
    """C10: at most 50; the oldest give way, never one that is known or in which
    the user has set something."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    assert bob.append("INBOX", group_mail("club")).status == "OK"
    keys = put_pending(dovecot, range(53))
    own = hashlib.sha3_256(b"own").hexdigest()
    entry_file(dovecot, "groups", own).write_text(
        '{"notify":"none","id":"own","modified":"2020-01-01T00:00:00Z"}')
    (base(dovecot) / "groups.count").write_text("55\n")
    listed = [keys[number] for number in range(3, 53)]
    (base(dovecot) / "groups.pending").write_text("".join(f"{key}\n" for key in listed))
    mends(dovecot, *[f"Pending group {keys[number]} is one too many" for number in range(3)])
    assert (base(dovecot) / "groups.pending").read_text().split() == listed
    entries = bob.ok(f'GETMETADATA (DEPTH 1) "" {ROOT}/groups')[0]
    assert entries.count(b"/groups/") == 52 and own.encode() in entries
    assert (base(dovecot) / "groups.count").read_text() == "52\n"


# -- mailboxes

@pytest.mark.parametrize("name", [CHATS, MAILBOX, "Blocked"])
def test_missing_mailbox(server, driver, name):
    """S21 C4: it is made anew, and COI stays enabled."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    block(bob, "carol")
    dovecot.doveadm("mailbox", "delete", "-u", "bob", name)
    mends(dovecot, f"Mailbox {name} is missing")
    assert name in bob.mailboxes() and CHATS in bob.mailboxes("LSUB")
    # C4: with Contacts the message went
    assert is_blocked(bob, "carol") == (name != MAILBOX)
    assert get_entry(bob, ENABLED) == b"yes"


@pytest.mark.parametrize("driver", ["sdbox", "maildir"])
def test_lost_mailbox(server, driver):
    """C1: Contacts is gone without Dovecot: who is blocked remains it."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    block(bob, "carol")
    for path in [*dovecot.home("bob").rglob("COI/Contacts"),
                 *dovecot.home("bob").rglob(".COI.Contacts")]:
        shutil.rmtree(path)
    mends(dovecot, f"Mailbox {MAILBOX} is missing",
          f"Contact {name_hash('carol')} is blocked, but no message says so")
    assert contact_messages(bob) == [(name_hash("carol"), True)] and is_blocked(bob, "carol")


def test_chats_is_not_subscribed(server, driver):
    """S22"""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    bob.ok(f"UNSUBSCRIBE {CHATS}")
    mends(dovecot, f"Mailbox {CHATS} is not subscribed")
    assert CHATS in bob.mailboxes("LSUB")


def test_mailboxes_of_who_has_not_enabled_it(server):
    """S31: nothing is made for them, also if they had blocked somebody."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    block(bob, "carol")
    assert set_entry(bob, ENABLED, None).status == "OK"
    for name in (CHATS, MAILBOX, "Blocked"):
        bob.ok(f"DELETE {name}")
    contact_file(dovecot, "carol").write_text(BLOCKED)
    store(dovecot, "bob", "contacts.count").write_text("1\n")
    assert check(dovecot) == []
    assert is_blocked(bob, "carol")
    assert not {CHATS, MAILBOX, "Blocked"} & set(bob.mailboxes())


# -- failures and many users

def run(dovecot, *args):
    """(exit status, rows, errors)"""
    done = subprocess.run(["doveadm", "-c", dovecot.conf, "-f", "json", "coi", "check", *args],
                          capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, json.loads(done.stdout or "[]"), done.stderr


def test_broken_user(server):
    """-A: who cannot be checked is an error, the others are mended."""
    dovecot = server(users={"alice": {}, "bob": {}, "carol": {}})
    clients = enabled(dovecot, "alice", "bob", "carol")
    for client in clients:
        client.ok(f"UNSUBSCRIBE {CHATS}")
    store(dovecot, "bob").write_bytes(b"not ours")
    for problems in ([f"Mailbox {CHATS} is not subscribed"], []):
        status, rows, errors = run(dovecot, "-A")
        assert status == EX_TEMPFAIL
        assert sorted((row["username"], row["problem"]) for row in rows) == [
            (user, problem) for user in ("alice", "carol") for problem in problems]
        assert "(bob)" in errors and "/dovecot-coi/state: " in errors
        assert "Not everything could be checked and mended" in errors
    assert store(dovecot, "bob").read_bytes() == b"not ours"


def test_what_cannot_be_read(server):
    """An entry that the system refuses is no damage: it stays, is an error, and
    the rest is checked."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    block(bob, "carol")
    contact_file(dovecot, "dave").mkdir()
    bob.ok(f"UNSUBSCRIBE {CHATS}")
    status, rows, errors = run(dovecot, "-u", "bob")
    assert status == EX_TEMPFAIL and "is not a regular file" in errors
    # what is there by its name counts
    assert [row["problem"] for row in rows] == [
        f"Mailbox {CHATS} is not subscribed",
        "The number of entries below coi/contacts is not the right one"]
    contact_file(dovecot, "dave").rmdir()
    assert check(dovecot) == []
    assert is_blocked(bob, "carol")


def test_full_mailbox(server):
    """What cannot be mended is an error and stays, and is mended later."""
    dovecot = server(quota=1)
    bob = enabled(dovecot, "bob")
    assert bob.append("INBOX", mail("one")).status == "OK"
    contact_file(dovecot, "carol").write_text(BLOCKED)
    (base(dovecot) / "contacts.count").write_text("1\n")
    problem = {"problem": f"Contact {name_hash('carol')} is blocked, but no message says so"}
    status, rows, errors = run(dovecot, "-u", "bob")
    assert status == EX_TEMPFAIL and problem in rows
    assert "Writing contact messages failed: Quota exceeded" in errors
    assert is_blocked(bob, "carol")
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1 +FLAGS (\\Deleted)")
    bob.ok("EXPUNGE")
    assert check(dovecot) == [problem["problem"]]
    assert check(dovecot) == []
