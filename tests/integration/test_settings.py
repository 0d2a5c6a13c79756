"""The settings: what bad ones cost, what good ones do."""

import re
import subprocess

import pytest

from coi import (CHATS, ENABLED, FILTER, ROOT, enabled, get_entry, places, send,
                 set_entry)
from coitest.config import version
from messages import chat

PLACE = "PLACE-OF-VALUE-{}-"

# A mailbox name that none can have. These are bytes: not all of them are text.
BAD_NAMES = {
    "empty": b"",
    "leading slash": b"/x",
    "trailing slash": b"x/",
    "empty level": b"a//b",
    "inbox": b"INBOX",
    "inbox in lower case": b"inbox",
    "control": b"a\x01b",
    "escape": b"a\x1b[31mb",
    "delete": b"a\x7fb",
    "too long": b"x" * 300,
    "no UTF-8": b"caf\xe9",
    "cut UTF-8": b"caf\xc3",
}
BAD_VALUES = {
    "coi": {"maybe": b"maybe", "number": b"2"},
    "coi_mailbox_root": BAD_NAMES,
    "coi_mailbox_blocked": BAD_NAMES,
    "coi_default_filter": {"sometimes": b"sometimes", "case": b"Active", "two": b"active,seen"},
    "coi_idle_delay": {"no unit": b"5", "hours": b"10_hours", "negative": b"-1",
                       "just too long": b"501ms", "word": b"soon",
                       "fraction": b"0.5_secs"},
    "coi_push_subject": {"no scheme": b"push@example.org", "http": b"http://example.org/",
                         "bracket": b"mailto:<push@example.org>",
                         "too long": b"mailto:" + b"x" * 249},
    "coi_push_subscription_limit": {"zero": b"0", "many": b"101", "negative": b"-1",
                                    "word": b"some"},
    "coi_push_validation_timeout": {"no unit": b"5", "zero": b"0", "word": b"soon"},
    "coi_push_ttl": {"no unit": b"5", "too long": b"29_days"},
    "coi_push_content": {"word": b"all", "case": b"Chat"},
    "coi_push_ports": {"zero": b"0", "word": b"any", "too high": b"65536", "empty": b""},
    "coi_push_insecure": {"maybe": b"maybe"},
    # they are not shown
    "coi_secret": {"short": b"secret"},
    "coi_secret_previous": {"short": b"previous"},
}
# Values that an error shows in other words.
SHOWN = {b"10 hours": "36000000 msecs", b"10hours": "36000000 msecs", b"501ms": "501 msecs",
         b"29 days": "2505600 secs", b"29days": "2505600 secs"}
CASES = [(name, value) for name, values in BAD_VALUES.items() for value in values.values()]
IDS = [f"{name}-{title}" for name, values in BAD_VALUES.items() for title in values]
# What a Dovecot without us answers for any entry below vendor.dovecot/.
ELSE = "/private/vendor/vendor.dovecot/else"


def replace(dovecot, place, value):
    """Puts bytes into the configuration, where Options takes text only."""
    for path in (dovecot.conf, *dovecot.dir.glob("passwd*")):
        path.write_bytes(path.read_bytes().replace(place, value))


def naming(dovecot, name):
    """The errors in the log that name a setting."""
    return [line for line in dovecot.log_text().splitlines()
            if re.search(rf"Error: .*\b{name}\b", line)]


def is_off(dovecot, user):
    """COI is off for the user, and all else is as on a plain Dovecot."""
    bob = dovecot.imap(user)
    assert not {"COI", "METADATA-SERVER"} & set(bob.capability())
    for entry in (ENABLED, FILTER, ROOT):
        reply = set_entry(bob, entry, "yes")
        assert (reply.status, reply.tagged) == ("NO", set_entry(bob, ELSE, "yes").tagged)
    assert bob.mailboxes() == ["INBOX"]
    assert bob.append("INBOX", chat("appended")).status == "OK"
    for way in ("lmtp", "lda"):
        send(dovecot, way, user, chat(way))
    assert places(bob) == [("appended", "INBOX", ""), ("lda", "INBOX", ""),
                           ("lmtp", "INBOX", "")]


def is_said_once_for_each(lines, value, count):
    """That many processes have said so, each with one line that shows the
    value."""
    assert len(lines) == count, lines
    shown = SHOWN.get(value, value.decode(errors="replace"))
    if shown.isprintable():
        assert all(shown in line for line in lines), lines


def doveconf(dovecot, *args):
    """Its exit status, and all that it says."""
    done = subprocess.run(["doveconf", "-c", dovecot.conf, *args], text=True,
                          errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("name,value", CASES, ids=IDS)
def test_bad_setting(server, name, value):
    """S41 S12 S7: on 2.3 each process of a user logs one error that names the
    setting, COI is off and mail goes on; 2.4 refuses to start, naming it."""
    value = value.replace(b"_", b" ")
    dovecot = server.unstarted(settings={name: PLACE})
    replace(dovecot, PLACE.encode(), value)
    if version() < (2, 4):
        dovecot.expect_error(rf"coi: .*\b{name}\b")
        is_off(dovecot.start(), "bob")
        dovecot.stop()  # then the log is complete
        is_said_once_for_each(naming(dovecot, name), value, 3)
    else:
        dovecot.expect_error(rf"\b{name}\b")
        status, text = doveconf(dovecot)
        assert status != 0 and name in text
        assert not dovecot.try_start()


@pytest.mark.parametrize("name", BAD_VALUES)
def test_bad_userdb_fields(server, name):
    """S41 S12 S7: a field of one user's costs COI for that user, and nobody and
    nothing else; also beside others in one transaction."""
    # a field without a value would be one with the value "yes"
    values = [value.replace(b"_", b"") for value in BAD_VALUES[name].values() if value]
    bad = {f"bad{number}": PLACE.format(number) for number in range(len(values))}
    dovecot = server.unstarted(
        users={"alice": {}} | {user: {name: place} for user, place in bad.items()})
    for place, value in zip(bad.values(), values):
        replace(dovecot, place.encode(), value)
    dovecot.expect_error(rf"coi: .*\b{name}\b")
    alice = enabled(dovecot.start(), "alice")
    for user in bad:
        is_off(dovecot, user)
    dovecot.delivered([*bad, "alice"], chat("both"))
    assert places(alice) == [("both", CHATS, "$Chat")]
    for user in bad:
        assert ("both", "INBOX", "") in places(dovecot.imap(user))
    dovecot.stop()
    for user, value in zip(bad, values):
        is_said_once_for_each([line for line in naming(dovecot, name)
                               if f"({user})" in line], value, 5)


# -- good ones


def test_off_for_one_user(server):
    """S12 S26: coi = no in a userdb field, or as the setting with yes in a
    field: nothing is offered, looked up or changed for those who have it off."""
    for users, settings in (
            ({"alice": {}, "bob": {"coi": "no"}}, {}),
            ({"alice": {"coi": "yes"}, "bob": {}}, {"coi": "no"})):
        dovecot = server(users=users, settings=settings)
        alice, bob = enabled(dovecot, "alice"), dovecot.imap("bob")
        assert set_entry(bob, ENABLED, "yes").status == "NO"
        dovecot.delivered(["alice", "bob"], chat())
        assert places(alice) == [("chat", CHATS, "$Chat")]
        assert places(bob) == [("chat", "INBOX", "")]
        assert not list(dovecot.home("bob").rglob("dovecot-coi"))


@pytest.mark.parametrize("way", ["lmtp", "lda"])
def test_own_root(server, way):
    """S14 S21 S35: a root of one user's own, by a userdb field."""
    dovecot = server(users={"alice": {}, "bob": {"coi_mailbox_root": "Post/Chat",
                                                 "coi_mailbox_blocked": "Away"}})
    alice, bob = enabled(dovecot, "alice", "bob")
    assert [get_entry(client, ROOT) for client in (alice, bob)] == [b"COI", b"Post/Chat"]
    assert {"Post/Chat/Chats", "Post/Chat/Contacts", "Away"} <= set(bob.mailboxes())
    for user in ("alice", "bob"):
        send(dovecot, way, user, chat())
    assert places(alice) == [("chat", CHATS, "$Chat")]
    assert places(bob) == [("chat", "Post/Chat/Chats", "$Chat")]


@pytest.mark.parametrize("word,mailbox", [("none", "INBOX"), ("active", CHATS),
                                          ("seen", "INBOX")])
def test_default_filter(server, word, mailbox):
    """S25 S35 S36: coi_default_filter rules while message-filter is unset; what
    the client sets rules over it; and a userdb field over the setting."""
    other = "none" if word == "active" else "active"
    dovecot = server(settings={"coi_default_filter": word},
                     users={"alice": {"coi_default_filter": other}, "bob": {}, "carol": {}})
    alice, bob = enabled(dovecot, "alice", "bob", message_filter=None)
    carol = enabled(dovecot, "carol", message_filter=other)
    for user in ("alice", "bob", "carol"):
        send(dovecot, "lmtp", user, chat())
    assert [get_entry(client, FILTER) for client in (alice, bob, carol)] == [
        None, None, other.encode()]
    others = "INBOX" if word == "active" else CHATS
    assert [places(client) for client in (alice, bob, carol)] == [
        [("chat", box, "$Chat")] for box in (others, mailbox, others)]


@pytest.mark.parametrize("name", ["x" * 250, "caf\xe9/\u2713", "a b", "Inbox2", "INBOX/Chat"],
                         ids=["long", "8-bit", "space", "begins as INBOX", "below INBOX"])
def test_unusual_roots(server, name):
    """S14 S21 S35: any other name serves as the root."""
    dovecot = server(settings={"coi_mailbox_root": name})
    bob = enabled(dovecot, "bob")
    assert get_entry(bob, ROOT).decode() == name
    send(dovecot, "lmtp", "bob", chat())
    [(subject, mailbox, flags)] = places(bob)
    assert (subject, flags) == ("chat", "$Chat")
    assert mailbox.endswith("/Chats") and len(bob.mailboxes()) >= 5


@pytest.mark.parametrize("name", ["../up", "a/../b", "a/.", "~root", "."])
def test_root_that_no_storage_takes(server, driver, name):
    """S21 S41: what only the storage refuses: NO to enabling, one error, nothing
    is changed; and mail goes on."""
    dovecot = server(driver=driver, settings={"coi_mailbox_root": name})
    dovecot.expect_error("coi: Creating mailbox ")
    bob = dovecot.imap("bob")
    assert set_entry(bob, ENABLED, "yes").status == "NO"
    assert get_entry(bob, ENABLED) is None
    send(dovecot, "lmtp", "bob", chat())
    assert places(bob) == [("chat", "INBOX", "")]
    dovecot.stop()
    assert dovecot.log_text().count("coi: Creating mailbox ") == 1


GOOD = {"coi": "no", "coi_mailbox_root": "Talk", "coi_mailbox_blocked": "Away",
        "coi_default_filter": "seen", "coi_idle_delay": "20 msecs"}


def test_doveconf_shows_them(server):
    """Habit of all admins: doveconf -n shows what is set, in the place where
    each version has it; on 2.4 doveconf knows the defaults too."""
    dovecot = server.unstarted(settings=GOOD)
    status, text = doveconf(dovecot, "-n")
    assert status == 0
    for name, value in GOOD.items():
        assert re.search(rf"^\s*{name} = {value}$", text, re.MULTILINE), text
    if version() >= (2, 4):
        dovecot = server.unstarted()
        for name, value in (("coi", "yes"), ("coi_mailbox_root", "COI"),
                            ("coi_mailbox_blocked", "Blocked"),
                            ("coi_default_filter", "none"), ("coi_idle_delay", "5 ms")):
            assert doveconf(dovecot, "-h", name) == (0, value + "\n")
            assert not re.search(rf"^{name} =", doveconf(dovecot, "-n")[1], re.MULTILINE)


@pytest.mark.parametrize("delay", ["0", "1 msecs", "500 msecs"])
def test_delays(server, delay):
    """S12: from none to Dovecot's own."""
    dovecot = server(settings={"coi_idle_delay": delay})
    assert "COI" in dovecot.imap("bob").capability()
