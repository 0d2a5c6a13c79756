"""The filter `seen`: chat stays in INBOX until it gets \\Seen (S35)."""

import os
import re
import time

import pytest

from coi import CHATS, FILTER, enabled, places, set_entry
from coitest import wait_until
from coitest.imap import ImapError
from messages import chat, mail
from tracing import Traced

DELAY = 1.5  # seconds, COI_SEEN_MOVE_DELAY_MSECS
CHAT = "$Chat \\Seen"


def start(server, *messages, **options):
    """A server with chat in bob's INBOX, and a client that has it selected."""
    dovecot = server(**options)
    bob = enabled(dovecot, "bob", message_filter="seen")
    for message in messages:
        dovecot.delivered("bob", message)
    bob.ok("SELECT INBOX")
    return dovecot, bob


def wait_places(dovecot, expected, user="bob"):
    with dovecot.imap(user) as client:
        try:
            wait_until(lambda: places(client) == expected, "the move")
        finally:
            assert places(client) == expected


# -- what makes it move

def test_stays_until_seen(server, driver):
    """S35: with the filter `seen` chat is tagged and stays in INBOX."""
    dovecot, bob = start(server, chat("one"), mail("two"), driver=driver)
    bob.ok("FETCH 1:* (BODY.PEEK[])")
    bob.ok("STORE 1:* +FLAGS (\\Flagged)")
    bob.ok("UNSELECT")
    assert places(bob) == [("one", "INBOX", "$Chat \\Flagged"),
                           ("two", "INBOX", "\\Flagged")]


@pytest.mark.parametrize("command", [
    "STORE 1:2 +FLAGS (\\Seen)", "UID STORE 1:2 +FLAGS.SILENT (\\Seen)",
    "FETCH 1:2 (BODY[])", "UID FETCH 1:2 (BODY[TEXT])"],
    ids=["store", "uid-store", "fetch", "uid-fetch"])
def test_moves_a_little_later(server, driver, command):
    """S35: what gets \\Seen moves, while the mailbox stays selected; ordinary
    mail stays. The client learns of it as of any EXPUNGE."""
    dovecot, bob = start(server, chat("one"), mail("two"), driver=driver)
    bob.ok(command)
    bob.idle()
    lines = bob.wait_for(r"^\* 1 EXPUNGE")
    assert not any(b"2 EXPUNGE" in line for line in lines)
    bob.done()
    wait_places(dovecot, [("one", CHATS, CHAT), ("two", "INBOX", "\\Seen")])


def test_moves_when_closed(server, driver):
    """S35: leaving INBOX is early enough: the move is done before the OK."""
    _, bob = start(server, chat("one"), driver=driver)
    bob.ok("FETCH 1 (BODY[])")
    bob.ok("UNSELECT")
    assert places(bob) == [("one", CHATS, CHAT)]


def test_moves_when_the_client_vanishes(server, driver):
    """S35: a lost connection closes the mailbox too."""
    dovecot, bob = start(server, chat("one"), driver=driver)
    bob.ok("FETCH 1 (BODY[])")
    bob.sock.close()
    wait_places(dovecot, [("one", CHATS, CHAT)])


def test_doveadm(server, driver):
    """S35: doveadm flags is as good as a client."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob", message_filter="seen")
    dovecot.delivered("bob", chat("one"))
    dovecot.delivered("bob", mail("two"))
    dovecot.doveadm("flags", "add", "-u", "bob", "\\Seen", "mailbox", "INBOX", "ALL")
    assert places(bob) == [("one", CHATS, CHAT), ("two", "INBOX", "\\Seen")]


def test_only_in_inbox(server, driver):
    """S35: chat that its owner keeps elsewhere stays there."""
    _, bob = start(server, chat("one"), driver=driver)
    bob.ok("CREATE Other")
    bob.ok("MOVE 1 Other")
    bob.ok("SELECT Other")
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    assert places(bob) == [("one", "Other", CHAT)]


@pytest.mark.parametrize("message_filter", ["none", "active"])
def test_only_with_the_filter_seen(server, message_filter):
    """S35: the other filters do not move what is in INBOX; the mode is that of
    the moment when the mail gets \\Seen or moves (S42)."""
    dovecot, bob = start(server, chat("one"), chat("two"))
    other = dovecot.imap("bob")
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    set_entry(other, FILTER, message_filter)
    bob.ok("STORE 2 +FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    assert places(bob) == [("one", "INBOX", CHAT), ("two", "INBOX", CHAT)]


def test_switched_on_by_another_session(server, driver):
    """S42, S35: a session that is open obeys, and what carries $Chat and
    \\Seen already moves when INBOX is selected; mail without $Chat stays."""
    dovecot = server(driver=driver)
    dovecot.delivered("bob", chat("before"))
    bob = enabled(dovecot, "bob", message_filter="none")
    dovecot.delivered("bob", chat("old"))
    dovecot.delivered("bob", chat("new"))
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1:2 +FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    assert len(bob.messages("INBOX")) == 3
    bob.ok("SELECT INBOX")
    set_entry(dovecot.imap("bob"), FILTER, "seen")
    bob.ok("STORE 3 +FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    assert [subject for subject, _ in bob.messages(CHATS)] == ["new"]
    bob.ok("SELECT INBOX")
    bob.ok("UNSELECT")
    assert places(bob) == [("before", "INBOX", "\\Seen"), ("new", CHATS, CHAT),
                           ("old", CHATS, CHAT)]


def test_changed_minds(server, driver):
    """S35: what is unread again, deleted or a draft by the time of the move
    stays where it is."""
    _, bob = start(server, *map(chat, "abcd"), driver=driver)
    bob.ok("STORE 1:4 +FLAGS (\\Seen)")
    bob.ok("STORE 1 -FLAGS (\\Seen)")
    bob.ok("STORE 2 +FLAGS (\\Deleted)")
    bob.ok("STORE 3 +FLAGS (\\Draft)")
    bob.ok("UNSELECT")
    assert places(bob) == [("a", "INBOX", "$Chat"),
                           ("b", "INBOX", "$Chat \\Deleted \\Seen"),
                           ("c", "INBOX", "$Chat \\Draft \\Seen"),
                           ("d", CHATS, CHAT)]


def test_expunged_before(server, driver):
    """S35: what is gone by then is gone."""
    dovecot, bob = start(server, chat("a"), chat("b"), driver=driver)
    bob.ok("STORE 1:2 +FLAGS (\\Seen)")
    with dovecot.imap("bob") as other:
        other.ok("EXAMINE INBOX")
    dovecot.doveadm("expunge", "-u", "bob", "mailbox", "INBOX", "subject", "a")
    bob.ok("UNSELECT")
    assert places(bob) == [("b", CHATS, CHAT)]


def test_examined(server, driver):
    """S35: nothing moves out of an INBOX that was opened read-only."""
    _, bob = start(server, chat("one"), driver=driver)
    bob.ok("EXAMINE INBOX")
    bob.ok("FETCH 1 (BODY[])")
    bob.cmd("STORE 1 +FLAGS (\\Seen)")
    assert bob.append("INBOX", chat("two"), "\\Seen").status == "OK"
    bob.ok("UNSELECT")
    assert places(bob) == [("one", "INBOX", "$Chat"), ("two", "INBOX", CHAT)]


# -- what is kept

def test_what_is_kept(server, driver):
    """S35: flags, keywords, INTERNALDATE, the message itself."""
    _, bob = start(server, chat("one", body="x" * 5000), driver=driver)
    parts = "(INTERNALDATE BODY.PEEK[])"
    bob.ok("STORE 1 +FLAGS (\\Flagged \\Answered hello $MDNSent)")
    [before] = bob.ok(f"FETCH 1 {parts}")
    bob.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
    bob.ok("UNSELECT")
    bob.ok(f"SELECT {CHATS}")
    assert [line for line in bob.ok(f"FETCH 1 {parts}") if b"INTERNALDATE" in line] == [before]
    assert places(bob) == [
        ("one", CHATS, "$Chat $MDNSent \\Answered \\Flagged \\Seen hello")]


def test_other_sessions(server, driver):
    """S35: they see EXPUNGE and EXISTS as of a MOVE."""
    dovecot, bob = start(server, chat("one"), chat("two"), driver=driver)
    inbox, chats = dovecot.imap("bob"), dovecot.imap("bob")
    for client, mailbox in (inbox, "INBOX"), (chats, CHATS):
        client.ok(f"SELECT {mailbox}")
        client.idle()
    bob.ok("STORE 2 +FLAGS (\\Seen)")
    assert inbox.wait_for(r"^\* 2 EXPUNGE")
    assert chats.wait_for(r"^\* 1 EXISTS")
    for client in inbox, chats:
        assert client.done().status == "OK"
    [line] = chats.ok("FETCH 1 (FLAGS)")
    assert b"$Chat" in line and b"\\Seen" in line


def test_vanished(server, driver):
    """S35: and VANISHED with QRESYNC."""
    _, bob = start(server, *map(chat, "abc"), driver=driver)
    bob.ok("ENABLE QRESYNC")
    bob.ok("STORE 2:3 +FLAGS (\\Seen)")
    bob.idle()
    assert bob.wait_for(r"^\* VANISHED 2:3$")
    bob.done()


# -- clients at work

def test_reading_again(server, driver):
    """S35: repeated and pipelined partial FETCHes of a message just read."""
    _, bob = start(server, chat("one", body="x" * 30000), driver=driver)
    tags = [bob.start(f"FETCH 1 (BODY[]<{offset}.10000>)")
            for offset in (0, 10000, 20000)]
    replies = [bob.finish(tag) for tag in tags]
    assert all(reply.status == "OK" for reply in replies)
    data = b"".join(line for reply in replies for line in reply.untagged)
    assert re.findall(rb"BODY\[\]<(\d+)> \{10000\}", data) == [b"0", b"10000", b"20000"]
    assert b"x" * 30000 in bob.ok("UID FETCH 1 (BODY[])")[0].replace(b"\r\n", b"")


def test_reading_slowly(server, driver):
    """S35: a client that reads a large message piece by piece, for longer than
    the delay, is not disturbed."""
    _, bob = start(server, chat("one", body="x" * 30000), driver=driver)
    end = time.monotonic() + 2 * DELAY
    count = 0
    while time.monotonic() < end:
        lines = bob.ok(f"UID FETCH 1 (BODY[]<{count % 300 * 100}.100>)")
        assert b"{100}" in b"".join(lines), count
        count += 1
    bob.idle()
    assert bob.wait_for(r"^\* 1 EXPUNGE")


def test_long_command(server):
    """S35: nothing moves while a command works in the mailbox."""
    lines = "\n".join(["x" * 70] * 200000)  # more than the sockets hold
    dovecot, bob = start(server, chat("large", body=lines), chat("small"))
    other = dovecot.imap("bob")
    other.ok("EXAMINE INBOX")
    bob.ok("STORE 2 +FLAGS (\\Seen)")
    tag = bob.start("FETCH 1:2 (BODY.PEEK[])")
    end = time.monotonic() + 2 * DELAY
    while time.monotonic() < end:
        assert not any(b"EXPUNGE" in line for line in other.ok("NOOP"))
    assert b"Subject: small" in b"".join(bob.finish(tag).untagged)


def test_thousand(server, driver):
    """S35: 1,000 messages in one STORE."""
    dovecot, bob = start(server, driver=driver)
    bob.ok("UNSELECT")
    assert bob.append("INBOX", chat("many"), "").status == "OK"
    bob.ok("SELECT INBOX")
    for _ in range(10):
        bob.ok("COPY 1:* INBOX")
    bob.ok("UID STORE 1001:* +FLAGS.SILENT (\\Deleted)")
    bob.ok("EXPUNGE")
    bob.ok("STORE 1:* +FLAGS (\\Seen)")
    bob.idle()
    bob.wait_for(lambda line: line.endswith(b" EXPUNGE"))
    bob.done()
    assert bob.messages("INBOX") == []
    assert bob.messages(CHATS) == [("many", {"$Chat", "\\Seen"})] * 1000


def test_two_sessions_at_once(server, driver):
    """S35: two sessions that move the same messages move them once."""
    dovecot, bob = start(server, chat("one"), driver=driver)
    for _ in range(7):
        bob.ok("COPY 1:* INBOX")
    other = dovecot.imap("bob")
    other.ok("SELECT INBOX")
    for client in bob, other:
        client.ok("STORE 1:* +FLAGS (\\Seen)")
    dovecot.at_once(lambda: bob.ok("UNSELECT"), lambda: other.ok("UNSELECT"))
    assert places(bob) == [("one", CHATS, CHAT)] * 128


def test_hibernated(server):
    """S35: the move is made before the connection is put to sleep, and the
    client still learns of it."""
    dovecot, bob = start(server, chat("one"), hibernate="1 s")
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    bob.idle()
    assert bob.wait_for(r"^\* 1 EXPUNGE")
    assert bob.done().status == "OK"
    wait_places(dovecot, [("one", CHATS, CHAT)])


# -- what arrives with \Seen

def test_delivered_seen(server, driver):
    """S35: Sieve may set \\Seen; nothing else ever will, so it is filed at
    once, by LMTP and by LDA, and for the next recipients too."""
    dovecot = server(driver=driver, sieve=True)
    bob, alice = enabled(dovecot, "bob", "alice", message_filter="seen")
    dovecot.sieve("bob", 'require "imap4flags"; addflag "\\\\Seen"; keep;\n')
    dovecot.delivered(["bob", "alice"], chat("one"))
    dovecot.delivered("bob", mail("two"))
    assert dovecot.lda("bob", chat("three")) == (0, "")
    assert places(bob) == [("one", CHATS, CHAT), ("three", CHATS, CHAT),
                           ("two", "INBOX", "\\Seen")]
    assert places(alice) == [("one", "INBOX", "$Chat")]


def test_appended_seen(server, driver):
    """S35: APPEND with \\Seen, to an INBOX that is not selected."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob", message_filter="seen")
    assert bob.append("INBOX", chat("one"), "\\Seen").status == "OK"
    assert bob.append("INBOX", mail("two"), "\\Seen").status == "OK"
    assert bob.append("INBOX", chat("three")).status == "OK"
    assert places(bob) == [("one", CHATS, CHAT), ("three", "INBOX", "$Chat"),
                           ("two", "INBOX", "\\Seen")]


def test_appended_seen_to_the_selected(server, driver):
    """S35: and to one that is: it comes and goes."""
    _, bob = start(server, driver=driver)
    assert bob.append("INBOX", chat("one"), "\\Seen").status == "OK"
    bob.idle()
    assert bob.wait_for(r"^\* 1 EXPUNGE")
    bob.done()
    assert places(bob) == [("one", CHATS, CHAT)]


def test_dragged_back(server, driver):
    """S35: a client that moves chat to INBOX by COPY, \\Deleted and EXPUNGE,
    while others select INBOX, ends with the message, not without it."""
    dovecot, bob = start(server, chat("one"), driver=driver)
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    bob.ok(f"SELECT {CHATS}")
    bob.ok("COPY 1 INBOX")
    with dovecot.imap("bob") as other:
        other.ok("SELECT INBOX")
        other.ok("UNSELECT")
    bob.ok("UID STORE 1 +FLAGS (\\Deleted)")
    bob.ok("UID EXPUNGE 1")
    assert places(bob) == [("one", CHATS, CHAT)]


# -- dsync

def test_dsync(server):
    """S43: dsync copies what it finds: a \\Seen that it brings moves nothing."""
    dovecot = server()
    bob = enabled(dovecot, "bob", message_filter="none")
    dovecot.delivered("bob", chat("one"))
    backup = f"sdbox:{dovecot.dir}/backup"
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    dovecot.doveadm("backup", "-u", "bob", backup)
    bob.ok("STORE 1 -FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    set_entry(bob, FILTER, "seen")
    dovecot.doveadm("backup", "-R", "-u", "bob", backup, check=False)
    assert places(bob) == [("one", "INBOX", CHAT)]


# -- when Chats cannot take it

def chats_directory(dovecot):
    home = dovecot.home("bob")
    [path] = list(home.glob("mail/mailboxes/COI/Chats")) + list(home.glob("mail/.COI.Chats"))
    return path


def test_chats_is_missing(server, driver):
    """S35: it is made anew."""
    dovecot, bob = start(server, chat("one"), driver=driver)
    dovecot.doveadm("mailbox", "delete", "-u", "bob", CHATS, check=False)
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    assert places(bob) == [("one", CHATS, CHAT)]


def test_chats_cannot_take_it(server, driver):
    """S35: the client's command succeeds, the message stays in INBOX, one line
    is logged, and it moves at the next occasion."""
    dovecot, bob = start(server, chat("one"), driver=driver)
    dovecot.expect_error(r"coi: Moving messages from INBOX to COI/Chats failed")
    dovecot.expect_error(r"Permission denied|EACCES")
    path = chats_directory(dovecot)
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        bob.ok("STORE 1 +FLAGS (\\Seen)")
        dovecot.wait_log("coi: Moving messages")
        bob.ok("UNSELECT")
        assert bob.messages("INBOX") == [("one", {"$Chat", "\\Seen"})]
        assert len(re.findall("coi: Moving messages", dovecot.log_text())) == 1
    finally:
        path.chmod(mode)
    bob.ok("SELECT INBOX")
    bob.ok("UNSELECT")
    assert places(bob) == [("one", CHATS, CHAT)]


# -- kill -9

def ids(client, mailbox):
    client.ok(f'EXAMINE "{mailbox}"')
    lines = client.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    return re.findall(rb"Message-ID: *(<[^>]*>)", b"\n".join(lines))


def session(dovecot, work):
    """The result of work(client) in a session of its own, which has ended. Where
    Dovecot must rebuild an index it may drop the connection."""
    for last in (False, False, True):
        with dovecot.imap("bob") as client:
            try:
                result = work(client)
                client.cmd("LOGOUT")
                break
            except ImapError:
                if last:
                    raise
    wait_until(lambda: not dovecot.processes("imap"), "no imap process is left")
    return result


def where(dovecot):
    return session(dovecot, lambda bob: (ids(bob, "INBOX"), ids(bob, CHATS)))


def select(bob):
    bob.ok("SELECT INBOX")
    bob.ok("UNSELECT")


def kill(dovecot, size, kill_at):
    """Moves size new messages, and kills the process that does it at its
    kill_at'th step. Returns how many steps it made."""
    with dovecot.imap("bob") as bob:
        for number in range(size):
            assert bob.append("INBOX", chat(f"kill {number}")).status == "OK"
        bob.ok("SELECT INBOX")
        bob.ok("STORE 1:* +FLAGS.SILENT (\\Seen)")
        [pid] = dovecot.processes("imap")
        with Traced(pid) as traced:
            bob.start("LOGOUT")
            steps = traced.run(kill_at)
    wait_until(lambda: not dovecot.processes("imap"), "no imap process is left")
    # Dovecot itself would wait two minutes for one that is empty yet
    for lock in dovecot.home("bob").rglob("dovecot-uidlist.lock"):
        lock.unlink()
    return steps


def recovered(dovecot):
    """Until SELECT has completed the move. One is enough, but for mdbox, where
    each rebuild of the storage takes one."""
    for _ in range(4 if dovecot.options.driver == "mdbox" else 1):
        session(dovecot, select)
        inbox, chats = where(dovecot)
        if not inbox:
            break
    return inbox, chats


def test_kill(server, driver):
    """S35: kill -9 at any moment of a move: after the next SELECT no message
    is lost, none is there twice, and none has lost its flags."""
    rounds, size = int(os.environ.get("COI_KILL_ROUNDS") or 70), 3
    dovecot = server(driver=driver)
    enabled(dovecot, "bob", message_filter="seen").cmd("LOGOUT")
    wait_until(lambda: not dovecot.processes("imap"), "no imap process is left")
    # Dovecot says in its log what it repairs
    dovecot.check_log = lambda: None
    steps = kill(dovecot, size, None)
    outcomes = set()
    for number in range(rounds):
        kill(dovecot, size, 1 + steps * number // rounds)
        inbox, chats = where(dovecot)
        total = size * (number + 2)
        assert len({*inbox, *chats}) == total, number
        outcomes.add((len(inbox), len(inbox) + len(chats) - total))
        inbox, chats = recovered(dovecot)
        assert inbox == [], number
        assert len(chats) == len(set(chats)) == total, number
    # killed before, between the two commits, and after
    assert {(size, 0), (size, size), (0, 0)} <= outcomes
    flags = session(dovecot, lambda bob: bob.messages(CHATS))
    assert all(words == {"$Chat", "\\Seen"} for _, words in flags)
    assert not re.search("Panic|Backtrace", dovecot.log_text())
