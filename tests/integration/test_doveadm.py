"""doveadm coi: each verb as an administrator runs it."""

import hashlib
import json
import os
import re
import signal
import subprocess
import threading

import pytest

from coi import (CHATS, ENABLED, FILTER, enable, enabled, get_entry, places, set_entry,
                 store)
from coitest import wait_until
from messages import chat, mail
from tracing import Traced

# sysexits.h and doveadm.h
EX_USAGE, EX_NOTPOSSIBLE, EX_NOTFOUND, EX_NOUSER, EX_TEMPFAIL = 64, 65, 68, 67, 75
THREE = {"alice": {}, "bob": {}, "carol": {}}


def coi(dovecot, *args):
    """Runs `doveadm coi'; returns what it printed."""
    return dovecot.doveadm("coi", *args)


def refused(dovecot, *args):
    """Runs `doveadm coi', which must fail: (exit status, output)."""
    status, output = dovecot.doveadm("coi", *args, check=False)
    assert status != 0, output
    return status, output


def rows(dovecot, *args):
    """What `doveadm -f json coi' prints."""
    return json.loads(dovecot.doveadm("-f", "json", "coi", *args))


def status(dovecot, user="bob"):
    [row] = rows(dovecot, "status", "-u", user)
    return row


def rows_in_spite(dovecot, *args):
    """The same for a command that fails for one user: (exit status, rows, errors)."""
    done = subprocess.run(["doveadm", "-c", dovecot.conf, "-f", "json", "coi", *args],
                          capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, json.loads(done.stdout), done.stderr


def users_file(dovecot, *users):
    path = dovecot.dir / ("users." + ".".join(users))
    path.write_text("".join(f"{user}\n" for user in users))
    return path


def break_store(dovecot, user):
    """Makes a user whose state no process can read."""
    coi(dovecot, "enable", "-u", user)
    store(dovecot, user).write_bytes(b"not ours")


# -- status

OFF = {"enabled": "no", "filter": "none", "root": "COI", "chats_mailbox": "no",
       "contacts_mailbox": "no", "blocked_mailbox": "no", "contacts": 0, "blocked": 0,
       "groups": 0, "groups_pending": 0, "subscriptions": 0}
ON = OFF | {"enabled": "yes", "filter": "active", "chats_mailbox": "yes",
            "contacts_mailbox": "yes", "blocked_mailbox": "yes"}


def test_status(server, driver):
    """S14: of a user who never used COI, of one who does, and of one who did. To
    ask makes nothing."""
    dovecot = server(driver=driver)
    assert status(dovecot) == OFF
    assert not list(dovecot.home("bob").rglob("dovecot-coi"))
    enabled(dovecot, "bob")
    assert status(dovecot) == ON
    coi(dovecot, "disable", "-u", "bob")
    assert status(dovecot) == ON | {"enabled": "no"}


def test_status_of_settings(server):
    """The default filter, and the mailboxes' names."""
    dovecot = server(settings={"coi_default_filter": "seen", "coi_mailbox_root": "Talk/Chat"},
                     separator=".")
    coi(dovecot, "enable", "-u", "bob")
    assert status(dovecot) == ON | {"filter": "seen", "root": "Talk.Chat"}


def test_status_where_coi_is_not(server):
    """A user without COI is told apart from one who has not enabled it; the other
    verbs say that they cannot."""
    dovecot = server(users=THREE | {"bob": {"coi": "no"}, "carol": {"plugins": False}})
    for user in ("bob", "carol"):
        assert status(dovecot, user)["enabled"] == "unavailable"
        code, output = refused(dovecot, "enable", "-u", user)
        assert code == EX_NOTPOSSIBLE and "COI is not there for this user" in output
    assert status(dovecot, "alice") == OFF


def test_plugin_is_not_loaded(server):
    """The verbs are there without the mail plugin, and name what is missing."""
    dovecot = server(coi=False)
    for verb in ("status", "enable", "disable", "sort", "contact list", "group list", "export",
                 "erase", "contact block a@example.org", "contact unblock a@example.org",
                 "contact mute a@example.org", "contact unmute a@example.org"):
        code, output = refused(dovecot, *verb.split(), "-u", "bob")
        assert code == EX_NOTPOSSIBLE, output
        assert "The plugin coi is not loaded: is it in the global mail_plugins?" in output


@pytest.mark.parametrize("formatter", ["flow", "tab", "table", "pager", "json"])
def test_formatters(server, formatter):
    """With each of doveadm's formatters, for one user and for all."""
    dovecot = server()
    coi(dovecot, "enable", "-u", "bob", "--filter", "seen")
    for args in (("-u", "bob"), ("-A",)):
        text = dovecot.doveadm("-f", formatter, "coi", "status", *args)
        assert "seen" in text and "COI" in text
        assert ("alice" in text) == (args == ("-A",))


# -- many users

def test_all_users_and_files_of_users(server):
    """-A, -F and masks: each user once."""
    dovecot = server(users=THREE)
    coi(dovecot, "enable", "-F", str(users_file(dovecot, "alice", "carol")))
    found = {row["username"]: row["enabled"] for row in rows(dovecot, "status", "-A")}
    assert found == {"alice": "yes", "bob": "no", "carol": "yes"}
    assert [row["username"] for row in rows(dovecot, "status", "-u", "b*")] == ["bob"]
    coi(dovecot, "disable", "-A")
    assert {row["enabled"] for row in rows(dovecot, "status", "-A")} == {"no"}


def test_one_broken_user(server):
    """-A and -F: one user who cannot be served is an error, the others are
    served, and the exit status tells."""
    dovecot = server(users=THREE)
    break_store(dovecot, "bob")
    for args in (("-A",), ("-F", str(users_file(dovecot, *THREE)))):
        code, found, errors = rows_in_spite(dovecot, "status", *args)
        assert code == EX_TEMPFAIL
        assert sorted(row["username"] for row in found) == ["alice", "carol"]
        assert re.search(r"\(bob\).*Error: coi: ", errors), errors
        code, output = refused(dovecot, "enable", *args)
        assert code == EX_TEMPFAIL and "(bob)" in output
        for user in ("alice", "carol"):
            assert status(dovecot, user)["enabled"] == "yes"
        coi(dovecot, "disable", "-F", str(users_file(dovecot, "alice", "carol")))


@pytest.mark.parametrize("order", [["nobody", "alice", "bob"], ["alice", "nobody", "bob"],
                                   ["alice", "bob", "nobody"]])
def test_user_who_does_not_exist(server, order):
    """One error for the user, wherever in the file; the others are served."""
    dovecot = server()
    code, output = refused(dovecot, "enable", "-u", "nobody")
    assert code == EX_NOUSER
    code, output = refused(dovecot, "enable", "-F", str(users_file(dovecot, *order)))
    assert code == EX_NOTFOUND
    assert output.count("User nobody was passed over") == 1
    assert output.count("passed over") == 1
    for user in ("alice", "bob"):
        assert status(dovecot, user)["enabled"] == "yes"


def test_by_doveadm_server(server):
    """-S: the work is done by the service doveadm, which other hosts ask too."""
    dovecot = server(users=THREE)
    socket = ("-S", str(dovecot.dir / "run" / "doveadm-server"))
    coi(dovecot, "enable", *socket, "-u", "bob", "--filter", "active")
    assert status(dovecot) == ON
    dovecot.doveadm("save", "-u", "bob", "-m", "INBOX", str(message_file(dovecot, chat())))
    assert rows(dovecot, "sort", *socket, "-u", "bob", "--dry-run") == [{"found": 1, "moved": 0}]
    assert rows(dovecot, "sort", *socket, "-u", "bob") == [{"found": 1, "moved": 1}]
    found = {row["username"]: row["enabled"] for row in rows(dovecot, "status", *socket, "-A")}
    assert found == {"alice": "no", "bob": "yes", "carol": "no"}


# -- enable, disable

def test_enable(server, driver):
    """S21 S22 S34: as by SETMETADATA: the mailboxes are there, Chats is
    subscribed, and an open session and the next delivery obey."""
    dovecot = server(driver=driver)
    bob = dovecot.imap("bob")
    assert coi(dovecot, "enable", "-u", "bob", "--filter", "active") == ""
    assert {CHATS, "COI/Contacts", "Blocked"} <= set(bob.mailboxes())
    assert CHATS in bob.mailboxes("LSUB")
    assert (get_entry(bob, ENABLED), get_entry(bob, FILTER)) == (b"yes", b"active")
    dovecot.delivered("bob", chat("one"))
    assert places(bob) == [("one", CHATS, "$Chat")]


def test_enable_keeps_the_filter(server):
    """Without --filter the filter stays what it is."""
    dovecot = server()
    coi(dovecot, "enable", "-u", "bob", "--filter", "seen")
    coi(dovecot, "disable", "-u", "bob")
    coi(dovecot, "enable", "-u", "bob")
    assert status(dovecot)["filter"] == "seen"


def test_enable_with_a_bad_filter(server):
    """S36: refused before any user is touched; the word is told."""
    dovecot = server()
    for args in (("-u", "bob"), ("-A",)):
        for word in ("Active", "", "all"):
            code, output = refused(dovecot, "enable", *args, "--filter", word)
            assert code == EX_USAGE
            assert output.count(f"must be none, active or seen, and not: {word}\n") == 1
    assert status(dovecot) == OFF


def test_disable(server):
    """S26 S27: for the next delivery; the mailboxes stay. Once more does no
    harm."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("before"))
    for _ in range(2):
        assert coi(dovecot, "disable", "-u", "bob") == ""
        assert get_entry(bob, ENABLED) is None
    dovecot.delivered("bob", chat("after"))
    assert places(bob) == [("after", "INBOX", ""), ("before", CHATS, "$Chat")]


def test_disable_who_never_enabled(server):
    dovecot = server()
    coi(dovecot, "disable", "-u", "bob")
    assert status(dovecot) == OFF


# -- sort

def message_file(dovecot, message):
    path = dovecot.dir / "message"
    path.write_bytes(message)
    return path


def with_old_mail(server, *messages, message_filter="active", **options):
    """bob has mail from before he enabled COI. Returns (server, client)."""
    dovecot = server(**options)
    for message in messages:
        dovecot.delivered("bob", message)
    return dovecot, enabled(dovecot, "bob", message_filter=message_filter)


def test_sort(server, driver):
    """S33 S35: chat goes to Chats with $Chat, its flags and keywords stay, mail
    stays; the second time there is nothing to do."""
    dovecot, bob = with_old_mail(
        server, chat("one"), mail("two"), chat("three"), mail("re", "References: <chat$1@x>"),
        driver=driver)
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1,2 +FLAGS (\\Flagged \\Seen $Work)")
    bob.ok("UNSELECT")
    assert rows(dovecot, "sort", "-u", "bob") == [{"found": 3, "moved": 3}]
    assert places(bob) == [("one", CHATS, "$Chat $Work \\Flagged \\Seen"), ("re", CHATS, "$Chat"),
                           ("three", CHATS, "$Chat"), ("two", "INBOX", "$Work \\Flagged \\Seen")]
    assert rows(dovecot, "sort", "-u", "bob") == [{"found": 0, "moved": 0}]


def test_sort_leaves_deleted_and_drafts(server, driver):
    """What its owner is done with, or not yet, stays."""
    dovecot, bob = with_old_mail(server, chat("one"), chat("two"), chat("three"), driver=driver)
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1 +FLAGS (\\Deleted)")
    bob.ok("STORE 2 +FLAGS (\\Draft)")
    bob.ok("UNSELECT")
    assert rows(dovecot, "sort", "-u", "bob") == [{"found": 1, "moved": 1}]
    assert places(bob) == [("one", "INBOX", "\\Deleted"), ("three", CHATS, "$Chat"),
                           ("two", "INBOX", "\\Draft")]


def test_sort_dry_run(server, driver):
    """Tells what it would do, and changes no message."""
    dovecot, bob = with_old_mail(server, chat("one"), mail("two"), driver=driver)
    before = places(bob)
    assert rows(dovecot, "sort", "-u", "bob", "--dry-run") == [{"found": 1, "moved": 0}]
    assert places(bob) == before == [("one", "INBOX", ""), ("two", "INBOX", "")]


@pytest.mark.parametrize("message_filter", ["none", "seen"])
def test_sort_refuses(server, message_filter):
    """Unless the filter is active; --force sorts nevertheless."""
    dovecot, bob = with_old_mail(server, chat("one"), message_filter=message_filter)
    for args in ((), ("--dry-run",)):
        code, output = refused(dovecot, "sort", "-u", "bob", *args)
        assert code == EX_NOTPOSSIBLE and "the filter is not active" in output
    assert places(bob) == [("one", "INBOX", "")]
    assert rows(dovecot, "sort", "-u", "bob", "--force") == [{"found": 1, "moved": 1}]
    assert places(bob) == [("one", CHATS, "$Chat")]


def test_sort_refuses_when_disabled(server):
    """S26; --force makes Chats if it must."""
    dovecot = server()
    dovecot.delivered("bob", chat("one"))
    code, output = refused(dovecot, "sort", "-u", "bob")
    assert code == EX_NOTPOSSIBLE and "COI is not enabled" in output
    assert rows(dovecot, "sort", "-u", "bob", "--force") == [{"found": 1, "moved": 1}]
    assert places(dovecot.imap("bob")) == [("one", CHATS, "$Chat")]
    assert status(dovecot)["enabled"] == "no"


def test_sort_many(server, driver):
    """More than one batch of each kind, mail between the chat."""
    count = 1100    # COI_SORT_BATCH_MAX and COI_SEEN_MOVE_BATCH_MAX are less
    dovecot, bob = with_old_mail(server, driver=driver)
    append_many(bob, [mail(f"{n}") if n % 10 == 9 else chat(f"{n}") for n in range(count)])
    coi(dovecot, "enable", "-u", "bob", "--filter", "active")
    expected = count - count // 10
    assert rows(dovecot, "sort", "-u", "bob") == [{"found": expected, "moved": expected}]
    found = dict(bob.messages("INBOX"))
    assert set(found) == {f"{n}" for n in range(count) if n % 10 == 9}
    assert {subject for subject, words in bob.messages(CHATS) if "$Chat" in words} == \
        {f"{n}" for n in range(count) if n % 10 != 9}


def append_many(bob, messages):
    """Before COI is enabled, or with it: into INBOX, quickly."""
    for message in messages:
        assert bob.append("INBOX", message).status == "OK"


def test_sort_one_broken_user(server):
    """A mailbox that cannot be opened: an error for its user, the rest go on."""
    dovecot = server(users=THREE)
    for user in THREE:
        dovecot.delivered(user, chat("one"))
    coi(dovecot, "enable", "-A", "--filter", "active")
    [index] = dovecot.home("bob").rglob("INBOX/dbox-Mails")
    index.chmod(0)
    code, found, errors = rows_in_spite(dovecot, "sort", "-A")
    index.chmod(0o700)
    assert code == EX_TEMPFAIL and re.search(r"\(bob\).*Error: ", errors)
    assert [row for row in found if row["username"] != "bob"] == [
        {"username": user, "found": 1, "moved": 1} for user in ("alice", "carol")]
    assert rows(dovecot, "sort", "-u", "bob") == [{"found": 1, "moved": 1}]


def test_sort_unreadable_message(server):
    """It stays, the others move, and the exit status tells."""
    dovecot, bob = with_old_mail(server, chat("one"), chat("two"), driver="maildir")
    bob.ok("LOGOUT")
    files = [path for path in (dovecot.home("bob") / "mail").glob("*/*:2,*")
             if b"Subject: one" in path.read_bytes()]
    files = files or [path for path in (dovecot.home("bob") / "mail" / "new").iterdir()
                      if b"Subject: one" in path.read_bytes()]
    [path] = files
    path.chmod(0)
    code, found, errors = rows_in_spite(dovecot, "sort", "-u", "bob")
    [path] = (dovecot.home("bob") / "mail").glob(f"*/{path.name.partition(':')[0]}*")
    path.chmod(0o600)
    assert code == EX_TEMPFAIL and found == [{"found": 1, "moved": 1}]
    assert errors.count("Reading the header of UID 1 in INBOX failed, it stays") == 1
    assert rows(dovecot, "sort", "-u", "bob") == [{"found": 1, "moved": 1}]
    assert {subject for subject, _ in dovecot.imap("bob").messages(CHATS)} == {"one", "two"}


def start_gated(dovecot, *args):
    """A process that becomes `doveadm coi' once a line is written to it."""
    return subprocess.Popen(
        ["sh", "-c", 'read line; exec doveadm -c "$@"', "sh", str(dovecot.conf), "coi", *args],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def sort_killed_at(dovecot, kill_at, *args):
    """Sorts bob's INBOX, and kills the process at its kill_at'th step. Returns
    how many steps it made."""
    process = start_gated(dovecot, "sort", "-u", "bob", *args)
    with Traced(process.pid) as traced:
        process.stdin.write(b"\n")
        process.stdin.close()
        steps = traced.run(kill_at)
    process.returncode = 0      # it was waited for
    # Dovecot itself would wait two minutes for one that is empty yet
    for lock in dovecot.home("bob").rglob("dovecot-uidlist.lock"):
        lock.unlink()
    return steps


def ids(bob, mailbox):
    if bob.cmd(f'EXAMINE "{mailbox}"').status != "OK":
        return []
    lines = bob.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    return re.findall(rb"Message-ID: *(<[^>]*>)", b"\n".join(lines))


def where(dovecot):
    """Message-IDs in INBOX and in Chats. The first session may find an index
    that has to be rebuilt."""
    for _ in range(2):
        with dovecot.imap("bob") as bob:
            bob.cmd("SELECT INBOX")
            bob.cmd(f"SELECT {CHATS}")
    with dovecot.imap("bob") as bob:
        return ids(bob, "INBOX"), ids(bob, CHATS)


def sorted_in_the_end(dovecot):
    """A killed mdbox needs one more run for each rebuild of its storage."""
    for _ in range(4 if dovecot.options.driver == "mdbox" else 2):
        dovecot.doveadm("coi", "sort", "-u", "bob", check=False)
        if dovecot.options.driver == "maildir":
            # its files count, not what an index still lists
            dovecot.doveadm("force-resync", "-u", "bob", "*")
        inbox, chats = where(dovecot)
        if not inbox:
            break
    return inbox, chats


def test_sort_is_killed(server, driver):
    """kill -9 at any moment: no message is lost, and after the next sort each is
    in Chats, once. Counted by Message-ID."""
    rounds, size = int(os.environ.get("COI_KILL_ROUNDS") or 40), 3
    dovecot = server(driver=driver)
    dovecot.check_log = lambda: None    # Dovecot says in its log what it repairs
    coi(dovecot, "enable", "-u", "bob", "--filter", "active")
    # most steps are those of doveadm itself before it opens INBOX
    begin = sort_killed_at(dovecot, None) * 9 // 10
    outcomes, total = set(), 0

    def refill():
        with dovecot.imap("bob") as bob:
            append_many(bob, [chat("kill") for _ in range(size)])
        return total + size
    total = refill()
    steps = sort_killed_at(dovecot, None)
    for number in range(rounds):
        total = refill()
        sort_killed_at(dovecot, begin + (steps - begin) * number // rounds)
        inbox, chats = where(dovecot)
        assert len({*inbox, *chats}) == total, number
        outcomes.add((len(inbox), len(inbox) + len(chats) - total))
        inbox, chats = sorted_in_the_end(dovecot)
        assert inbox == [], number
        assert len(chats) == len(set(chats)) == total, number
    # killed before, between the two commits, and after
    assert {(size, 0), (size, size), (0, 0)} <= outcomes
    assert not re.search("Panic|Backtrace", dovecot.log_text())


def test_sort_is_interrupted(server):
    """SIGINT between two batches: what is moved is moved, the exit status tells,
    and sorting again completes it."""
    count = 2500
    dovecot, bob = with_old_mail(server)
    append_many(bob, [chat(f"{n}") for n in range(count)])
    process = subprocess.Popen(
        ["doveadm", "-c", dovecot.conf, "coi", "sort", "-u", "bob"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: list((dovecot.home("bob") / "mail").rglob("Chats/dbox-Mails/u.*")),
               "the first messages have moved")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == EX_TEMPFAIL, output
    assert "Interrupted; sort again to complete it" in output
    moved = int(re.search(r"found=2500 moved=(\d+)", output)[1])
    assert 0 < moved < count and moved % 1000 == 0
    assert len(bob.messages(CHATS)) == moved
    assert rows(dovecot, "sort", "-u", "bob") == [{"found": count - moved, "moved": count - moved}]
    assert len(bob.messages(CHATS)) == count and bob.messages("INBOX") == []


# -- contacts

CONTACTS = "/private/vendor/vendor.dovecot/coi/contacts"
GROUPS = "/private/vendor/vendor.dovecot/coi/groups"
JOHN = "834d1654133366cef4d81e81a7099f413b1b85b9fc9dd62140491303dec56532"
JOHN_ADDRESS = "john.doe@example.com"
GROUP = "a" * 64
UNTIL = "2099-12-31T23:59:59Z"


def contacts(dovecot, user="bob"):
    """hash -> (blocked, notify, muted_until)"""
    return {row["hash"]: (row["blocked"], row["notify"], row["muted_until"])
            for row in rows(dovecot, "contact", "list", "-u", user)}


def contact(dovecot, verb, *args, user="bob"):
    assert coi(dovecot, "contact", verb, "-u", user, *args) == ""


def test_contact_block(server, driver):
    """C3 C4: the address is normalised, the next message goes to Blocked, an
    open session sees the entry; unblock ends it."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    contact(dovecot, "block", '"John.Doe"@Example.COM')
    assert contacts(dovecot) == {JOHN: ("yes", "all", "")}
    assert json.loads(get_entry(bob, f"{CONTACTS}/{JOHN}"))["blocked"] is True
    dovecot.delivered("bob", chat("one", sender=JOHN_ADDRESS))
    contact(dovecot, "unblock", JOHN_ADDRESS)
    assert contacts(dovecot) == {}
    dovecot.delivered("bob", chat("two", sender=JOHN_ADDRESS))
    found = [place for place in places(bob) if place[1] != "COI/Contacts"]
    assert found == [("one", "Blocked", "$Chat"), ("two", CHATS, "$Chat")]


def test_contact_verbs_keep_the_rest(server):
    """Each verb changes its part of the entry; the last default removes it."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    for verb, expected in (
            (("block",), ("yes", "all", "")),
            (("mute",), ("yes", "none", "")),
            (("mute", "--until", UNTIL), ("yes", "all", UNTIL)),
            (("unblock",), ("no", "all", UNTIL)),
            (("mute",), ("no", "none", "")),
            (("block",), ("yes", "none", "")),
            (("unmute",), ("yes", "all", ""))):
        contact(dovecot, *verb, JOHN_ADDRESS)
        assert contacts(dovecot) == {JOHN: expected}, verb
    contact(dovecot, "unblock", JOHN_ADDRESS)
    assert contacts(dovecot) == {}
    assert get_entry(bob, f"{CONTACTS}/{JOHN}") is None


def test_contact_by_hash(server):
    """--hash instead of an address; one of them, not both."""
    dovecot = server()
    contact(dovecot, "block", "--hash", JOHN)
    assert list(contacts(dovecot)) == [JOHN]
    for args in ((), ("--hash", JOHN, JOHN_ADDRESS)):
        code, output = refused(dovecot, "contact", "unblock", "-u", "bob", *args)
        assert code == EX_USAGE and "Either an address is needed or --hash" in output
    for word in (JOHN[:-1], JOHN.upper(), "../state"):
        code, output = refused(dovecot, "contact", "block", "-u", "bob", "--hash", word)
        assert code == EX_USAGE and f"hexadecimal digits: {word}\n" in output
    assert list(contacts(dovecot)) == [JOHN]


def test_contact_of_both_forms(server):
    """C3: unblocking an address also unblocks the hash of the other form of its
    domain, under which a client may have blocked it."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    hashes = []
    for address in ("a@b\u00fccher.example", "a@xn--bcher-kva.example"):
        contact(dovecot, "block", address)
        [found] = contacts(dovecot)
        contact(dovecot, "unblock", address)
        hashes.append(found)
    assert hashes[0] == hashes[1] and contacts(dovecot) == {}
    other = hashlib.sha3_256(b"a@xn--bcher-kva.example").hexdigest()
    assert set_entry(bob, f"{CONTACTS}/{other}", '{"blocked":true}').status == "OK"
    contact(dovecot, "mute", "a@b\u00fccher.example")
    assert contacts(dovecot) == {hashes[0]: ("no", "none", ""), other: ("yes", "none", "")}
    contact(dovecot, "unblock", "a@b\u00fccher.example")
    assert contacts(dovecot) == {hashes[0]: ("no", "none", ""), other: ("no", "none", "")}


@pytest.mark.parametrize("verb", ["block", "unblock", "mute", "unmute"])
def test_contact_is_no_address(server, verb):
    """One error that names it, before any user is touched."""
    dovecot = server()
    for word in ("nobody", "", "a@example.org, b@example.org", "@example.org"):
        code, output = refused(dovecot, "contact", verb, "-A", word)
        assert code == EX_USAGE and output.count(f"Not an address: {word}\n") == 1
    assert not list(dovecot.home("bob").rglob("dovecot-coi"))


def test_contact_mute_until_when(server):
    dovecot = server()
    for word, error in (("tomorrow", "must be a time such as"), ("", "must be a time such as"),
                        ("2020-01-01T00:00:00Z", "--until is over")):
        code, output = refused(dovecot, "contact", "mute", "-u", "bob", "--until", word,
                               JOHN_ADDRESS)
        assert code == EX_USAGE and error in output
    contact(dovecot, "mute", "--until", "2099-12-31T22:59:59-01:00", JOHN_ADDRESS)
    assert contacts(dovecot) == {JOHN: ("no", "all", UNTIL)}


def test_contact_of_many_users(server):
    """-A: for every user; one limit that is reached is one error."""
    dovecot = server(users=THREE, settings={"coi_contacts_max": "1"})
    contact(dovecot, "block", "other@example.org")
    code, output = refused(dovecot, "contact", "block", "-A", JOHN_ADDRESS)
    assert code == EX_NOTPOSSIBLE and re.search(r"\(bob\).*Error: coi: .*limit is 1", output)
    assert list(contacts(dovecot, "alice")) == list(contacts(dovecot, "carol")) == [JOHN]
    assert JOHN not in contacts(dovecot)
    found = rows(dovecot, "contact", "list", "-A")
    assert sorted(row["username"] for row in found) == sorted(THREE)


def test_no_address_in_the_log(server):
    """Neither the server's log nor doveadm's errors name who is blocked."""
    dovecot = server(settings={"coi_contacts_max": "1"})
    contact(dovecot, "block", JOHN_ADDRESS)
    socket = ("-S", str(dovecot.dir / "run" / "doveadm-server"))
    _, output = refused(dovecot, "contact", "block", *socket, "-u", "bob", "jane@example.org")
    dovecot.allow_error("limit is 1")
    assert "jane" not in output and "jane" not in dovecot.log_text()
    assert "john" not in dovecot.log_text()


def set_contacts(bob, count):
    """Entries of so many contacts; returns their hashes."""
    hashes = [hashlib.sha3_256(b"%d" % number).hexdigest() for number in range(count)]
    for begin in range(0, count, 50):
        entries = [f'{CONTACTS}/{one} "{{\\"notify\\":\\"none\\"}}"'
                   for one in hashes[begin:begin + 50]]
        assert bob.cmd(f'SETMETADATA "" ({" ".join(entries)})').status == "OK"
    return set(hashes)


# -- groups

GROUP_ID = "Sunday-walks-2026"


def group_message(*headers, subject="Walks"):
    return chat(subject, *headers, sender="Bob <bob@example.org>").replace(
        b"Message-ID: <chat$", f"Message-ID: <chat$group.{GROUP_ID}.".encode())


def test_group_list(server):
    """C8: what the user takes part in; what only arrived is pending."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    assert bob.append(CHATS, group_message("Cc: Alice <alice@example.org>")).status == "OK"
    dovecot.delivered("bob", chat("Hello", sender="eve@example.org").replace(
        b"Message-ID: <chat$", b"Message-ID: <chat$group.Strangers-123."))
    key = hashlib.sha3_256(GROUP_ID.encode()).hexdigest()
    found = {row["id"]: row for row in rows(dovecot, "group", "list", "-u", "bob")}
    assert set(found) == {GROUP_ID, "Strangers-123"}
    row = found[GROUP_ID]
    assert (row["hash"], row["name"], row["pending"], row["notify"]) == (key, "Walks", "no", "all")
    assert set(row["participants"].split()) == {"bob@example.org", "alice@example.org"}
    assert found["Strangers-123"]["pending"] == "yes"
    assert (status(dovecot)["groups"], status(dovecot)["groups_pending"]) == (1, 1)
    assert set_entry(bob, f"{GROUPS}/{key}", '{"notify":"mentions"}').status == "OK"
    assert "mentions" in coi(dovecot, "group", "list", "-u", "bob")


def test_status_counts_contacts(server):
    dovecot = server()
    for number in range(3):
        contact(dovecot, "block", f"{number}@example.org")
    contact(dovecot, "mute", JOHN_ADDRESS)
    assert (status(dovecot)["contacts"], status(dovecot)["blocked"]) == (4, 3)


# -- export

def exported(dovecot, user="bob"):
    """The document, which is one line."""
    [line] = coi(dovecot, "export", "-u", user).splitlines()
    return json.loads(line)


def test_export(server):
    """All that is kept, as objects."""
    dovecot = server()
    assert exported(dovecot) == {"user": "bob", "config": {"mailbox-root": "COI"},
                                 "contacts": {}, "groups": {},
                                 "subscriptions": {}}
    bob = enabled(dovecot, "bob")
    contact(dovecot, "block", JOHN_ADDRESS)
    contact(dovecot, "mute", "other@example.org")
    assert bob.append(CHATS, group_message("Cc: alice@example.org",
                                           subject='Wal"ks')).status == "OK"
    found = exported(dovecot)
    assert found["config"] == {"enabled": "yes", "mailbox-root": "COI", "message-filter": "active"}
    assert len(found["contacts"]) == 2 and found["contacts"][JOHN]["blocked"] is True
    [group] = found["groups"].values()
    assert (group["id"], group["name"], group["known"]) == (GROUP_ID, 'Wal"ks', True)


@pytest.mark.parametrize("formatter", ["flow", "tab", "table", "pager"])
def test_export_of_all_users(server, formatter):
    """One document for each user, with the user's name before it."""
    dovecot = server()
    contact(dovecot, "block", JOHN_ADDRESS)
    text = dovecot.doveadm("-f", formatter, "coi", "export", "-A")
    documents = [json.loads(found) for found in re.findall(r"\{.*\}", text)]
    assert sorted(document["user"] for document in documents) == ["alice", "bob"]
    for row in rows(dovecot, "export", "-A"):
        assert json.loads(row["export"])["user"] == row["username"]


def test_export_of_many(server):
    """A document that is printed in pieces."""
    count = 300
    dovecot = server()
    bob = enabled(dovecot, "bob")
    hashes = set_contacts(bob, count)
    assert set(exported(dovecot)["contacts"]) == hashes
    assert len(contacts(dovecot)) == count


@pytest.mark.parametrize("value", [b'not "JSON"\xff', b'{"blocked":\ntrue}'])
def test_export_of_strange_values(server, value):
    """S43: what dsync may have brought is exported too, as a string; list and
    status pass it over with an error."""
    dovecot = server()
    contact(dovecot, "block", JOHN_ADDRESS)
    contact(dovecot, "block", "other@example.org")
    path = store(dovecot, "bob", f"contacts/{JOHN[:2]}/{JOHN}")
    path.write_bytes(value)
    assert exported(dovecot)["contacts"][JOHN] == value.decode(errors="replace")
    code, found, errors = rows_in_spite(dovecot, "contact", "list", "-u", "bob")
    if b"JSON" in value:
        assert code == EX_TEMPFAIL and len(found) == 1 and f"coi/contacts/{JOHN}: " in errors
        code, found, errors = rows_in_spite(dovecot, "status", "-u", "bob")
        assert code == EX_TEMPFAIL and found[0]["contacts"] == 1
        assert f"coi/contacts/{JOHN}: " in errors


def test_export_breaks_off(server):
    """What could not be read whole is no document."""
    dovecot = server()
    break_store(dovecot, "bob")
    code, output = dovecot.doveadm("coi", "export", "-u", "bob", check=False)
    assert code == EX_TEMPFAIL
    with pytest.raises(ValueError):
        json.loads([line for line in output.splitlines() if line.startswith("{")][0])


# -- erase

def contact_messages(bob):
    bob.ok("EXAMINE COI/Contacts")
    return [line.replace(b" \\Recent", b"")
            for line in bob.ok("UID FETCH 1:* (FLAGS BODY.PEEK[])")]


def test_erase(server, driver):
    """Nothing of COI is left but the user's own mailboxes and messages."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    contact(dovecot, "block", JOHN_ADDRESS)
    contact(dovecot, "mute", "other@example.org")
    dovecot.delivered("bob", chat("one"))
    assert bob.append(CHATS, group_message()).status == "OK"
    before = contact_messages(bob)
    assert b"COI-Blocked" in b"".join(before)
    bob.ok("LOGOUT")
    assert coi(dovecot, "erase", "-u", "bob") == ""
    assert not list(dovecot.home("bob").rglob("*dovecot-coi*"))
    assert exported(dovecot) == {"user": "bob", "config": {"mailbox-root": "COI"},
                                 "contacts": {}, "groups": {},
                                 "subscriptions": {}}
    assert status(dovecot) == ON | {"enabled": "no", "filter": "none"}
    assert not list(dovecot.home("bob").rglob("*dovecot-coi*"))
    bob = dovecot.imap("bob")
    assert {subject for subject, _ in bob.messages(CHATS)} == {"one", "Walks"}
    assert contact_messages(bob) == before
    coi(dovecot, "erase", "-u", "bob")


def test_erase_who_never_used_it(server):
    dovecot = server()
    coi(dovecot, "erase", "-u", "bob")
    assert not list(dovecot.home("bob").rglob("*dovecot-coi*"))


def test_erase_many_and_killed(server):
    """More entries than go at once; killed in between, the next time completes
    it."""
    count = 1200    # COI_ERASE_BATCH_MAX is less
    dovecot = server()
    bob = enabled(dovecot, "bob")
    set_contacts(bob, count)
    bob.ok("LOGOUT")
    process = subprocess.Popen(["doveadm", "-c", dovecot.conf, "coi", "erase", "-u", "bob"])
    wait_until(lambda: status_file_is_gone(dovecot), "the first entries are gone")
    process.kill()
    process.wait()
    coi(dovecot, "erase", "-u", "bob")
    assert not list(dovecot.home("bob").rglob("*dovecot-coi*"))
    assert contacts(dovecot) == {}


def status_file_is_gone(dovecot):
    """COI is switched off first."""
    found = list(dovecot.home("bob").rglob("dovecot-coi/state"))
    return not found or b"enabled" not in found[0].read_bytes()


def test_erase_is_carried_by_dsync(server):
    """S43: a backup that has the entries loses all of them with the next run."""
    count = 1100    # COI_ERASE_BATCH_MAX is less
    dovecot = server(users={"alice": {}, "bob": {}, "copy": {}})
    bob = enabled(dovecot, "bob")
    set_contacts(bob, count)
    contact(dovecot, "block", JOHN_ADDRESS)
    bob.ok("LOGOUT")

    def backup():
        command = ("backup", "-u", "bob", "doveadm", "-c", str(dovecot.conf), "dsync-server",
                   "-u", "copy")
        code, output = dovecot.doveadm(*command, check=False)
        if code == 2:   # something changed meanwhile: again
            code, output = dovecot.doveadm(*command, check=False)
        assert code == 0, output
    backup()
    assert len(contacts(dovecot, "copy")) == count + 1
    coi(dovecot, "erase", "-u", "bob")
    backup()
    assert contacts(dovecot, "copy") == {}
    assert status(dovecot, "copy")["enabled"] == "no"


def test_erase_one_broken_user(server):
    """What cannot be removed is an error; the others are erased."""
    dovecot = server(users=THREE)
    coi(dovecot, "enable", "-A")
    directory = store(dovecot, "bob").parent
    directory.chmod(0o500)
    code, output = refused(dovecot, "erase", "-A")
    directory.chmod(0o700)
    assert code == EX_TEMPFAIL and re.search(r"\(bob\).*Error: ", output)
    for user in ("alice", "carol"):
        assert not list(dovecot.home(user).rglob("*dovecot-coi*"))
    coi(dovecot, "erase", "-u", "bob")
    assert not list(dovecot.home("bob").rglob("*dovecot-coi*"))


def test_erase_while_used(server):
    """Sessions that change entries meanwhile do not fail, and what they set
    afterwards is there."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    done = threading.Event()

    def use():
        answers = set()
        while not done.is_set():
            answers.add(set_entry(bob, f"{CONTACTS}/{JOHN}", '{"notify":"none"}').status)
        return answers

    def erase():
        try:
            for _ in range(10):
                coi(dovecot, "erase", "-u", "bob")
        finally:
            done.set()
    answers, _ = dovecot.at_once(use, erase)
    assert answers == {"OK"}
    assert enable(bob) is bob and status(dovecot)["enabled"] == "yes"
