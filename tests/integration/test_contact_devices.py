"""Several devices change contacts at once, by METADATA and by messages; and imap
is killed meanwhile, COI_KILL_ROUNDS times."""

import collections
import contextlib
import os
import random
import re
import select
import signal

from coi import enabled, set_entry
from coitest import wait_until
from coitest.imap import ImapError
from contacts import (BLOCKED, MAILBOX, block, check_agreement, contact, is_blocked, message,
                      put, set_all, texts)

ROUNDS = int(os.environ.get("COI_KILL_ROUNDS") or 200)
REBUILT = re.compile("Inconsistency in map index|corrupted: |Rebuil")
NAMES = ("alice", "carol", "dave", "erin", "frank")


def change(client, rng):
    """One change as some device makes it."""
    name = rng.choice(NAMES)
    kind = rng.randrange(5)
    if kind < 2:
        return set_entry(client, contact(name), BLOCKED if kind else None)
    if kind == 2:
        return set_all(client, *[(contact(one), rng.choice([BLOCKED, "{}", None]))
                                 for one in rng.sample(NAMES, 3)])
    if kind == 3:
        return client.append(MAILBOX, message(*rng.sample(NAMES, rng.randrange(1, 3)),
                                              blocked=rng.random() < 0.5,
                                              day=rng.randrange(1, 29)))
    client.ok(f"SELECT {MAILBOX}")
    client.ok(f"UID STORE {rng.choice(['*', '*', '1:*'])} +FLAGS.SILENT (\\Deleted)")
    client.ok("EXPUNGE")
    return client.cmd("UNSELECT")


def test_several_devices(server, driver):
    """C4 C7: whatever devices do at once, every command is answered OK, and in
    the end each entry says what the newest message says."""
    dovecot = server(driver=driver)
    enabled(dovecot, "bob")
    for seed in range(4):
        def device(number):
            client = dovecot.imap("bob")
            rng = random.Random(f"{seed} {number}")
            replies = [change(client, rng) for _ in range(12)]
            client.ok("LOGOUT")
            return [reply for reply in replies if reply.status != "OK"]
        assert dovecot.at_once(*[lambda n=n: device(n) for n in range(3)]) == [[], [], []]
        check_agreement(dovecot.imap("bob"), *NAMES)


def test_same_contact_at_once(server, driver):
    """C6 C7: devices that set the same contact at the same moment leave one
    message, and what it says is set."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    put(bob, "alice")
    clients = [dovecot.imap("bob") for _ in range(4)]
    for _ in range(5):
        replies = dovecot.at_once(*[
            lambda c=c, v=v: set_entry(c, contact("alice"), v)
            for c, v in zip(clients, [BLOCKED, None, BLOCKED, "{}"])])
        assert [reply.status for reply in replies] == ["OK"] * 4
        assert len(texts(bob)) == 1
        check_agreement(bob, "alice")


def kill_imap(dovecot):
    """Kills the one that there is; returns once it is dead. The lock on a
    maildir's list of UIDs names no process, Dovecot would wait for it."""
    [pid] = dovecot.processes("imap")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in dovecot.processes(), "imap is dead")
    for lock in (dovecot.dir / "home").rglob("dovecot-uidlist.lock"):
        lock.unlink()


def cut_off(dovecot, client, seconds, pairs):
    """Sends a SETMETADATA and kills imap; returns its answer, or None."""
    tag = client.start('SETMETADATA "" (' + " ".join(
        f'{contact(name)} "{{\\"blocked\\":{str(on).lower()}}}"' for name, on in pairs) + ")")
    select.select([client.sock], [], [], seconds)
    kill_imap(dovecot)
    try:
        return client.finish(tag).status
    except (ImapError, ConnectionError):
        return None


LEFT_FILE = " already exists, rebuilding index"


def look(dovecot):
    """Selects Contacts. A dbox that has to be repaired first closes the
    connection, once or twice, of a plain Dovecot too."""
    for _ in range(2):
        with contextlib.suppress(ImapError):
            return looking(dovecot.imap("bob"))
        wait_until(lambda: not dovecot.processes("imap"), "imap has ended")
    return looking(dovecot.imap("bob"))


def looking(client):
    client.ok(f"SELECT {MAILBOX}")
    client.ok("UID FETCH 1:* BODY.PEEK[]")
    client.ok("NOOP")
    client.ok("UNSELECT")
    return client


def test_imap_is_killed(server, driver):
    """C4 C6 C7: after a kill in the middle of a SETMETADATA what was answered OK
    is so; once somebody looks at Contacts entries and messages agree, and no
    message of a client is lost. (Where mdbox rebuilds its storage, it brings
    back what was expunged, as a newer message.)"""
    dovecot = server(driver=driver, extra="dotlock_use_excl = no")
    dovecot.allow_error("child [0-9]+ killed with signal 9")
    dovecot.allow_error(" Error: ")  # what was left behind is repaired, not in silence
    bob = enabled(dovecot, "bob")
    originals = [put(bob, *names, headers=[f"X-N: {number}"]) for number, names in enumerate(
        [("alice",), ("carol",), ("carol",), ("dave", "erin")])]
    bob.ok("LOGOUT")
    wait_until(lambda: not dovecot.processes("imap"), "imap has ended")
    rng = random.Random(42)
    longest = 0.02  # seconds; follows from how far they came
    answers = collections.Counter()
    for number in range((ROUNDS + 2) // 3):  # three tests share them
        client = dovecot.imap("bob")
        logged = len(dovecot.log_text())
        pairs = [(name, rng.random() < 0.5) for name in rng.sample(NAMES, rng.choice([1, 1, 3]))]
        if {"dave", "erin"} <= {name for name, _ in pairs}:
            pairs = pairs[:1]  # they have one message, and want the same
        status = cut_off(dovecot, client, rng.uniform(0, longest), pairs)
        answers[status] += 1
        # what the last kill has left plain sdbox finds when it saves, and refuses that
        allowed = ("OK", None) if LEFT_FILE not in dovecot.log_text()[logged:] else \
            ("OK", "NO", None)
        assert status in allowed
        longest = min(max(longest * (0.93 if status else 1.05), 0.001), 0.2)
        client = look(dovecot)
        rebuilt = REBUILT.search(dovecot.log_text()[logged:])
        if status == "OK" and not rebuilt:
            assert [(name, is_blocked(client, name)) for name, _ in pairs] == pairs, number
        check_agreement(client, *NAMES)
        left = [data.replace(b"COI-Blocked: yes\r\n", b"") for data in texts(client)]
        assert all(one in left for one in originals), number
        client.ok("LOGOUT")
        wait_until(lambda: not dovecot.processes("imap"), "imap has ended")
    print(f"answers before the kill: {answers}, messages in the end: {len(left)}")
    client = dovecot.imap("bob")
    for name in NAMES:
        assert block(client, name).status == "OK"
    check_agreement(client, *NAMES)
    assert all(b"COI-Blocked" in data for data in texts(client))
    # what is left twice by a kill is not left so for ever
    assert len(originals) <= len(texts(client)) <= len(originals) + 3 + ROUNDS // 20
    assert not re.search("Panic|signal (6|11)", dovecot.log_text())
