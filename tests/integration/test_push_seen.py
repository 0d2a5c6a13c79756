"""Web Push: what is unread, and what has been read elsewhere."""

import json
import pathlib
import re
import time

import pytest

from coi import CHATS, enabled, get_entry, set_entry, store
from coitest import wait_until
from contacts import CONTACTS, name_hash
from messages import chat, mail
from push import Phone, entry, subscribe, subscribed, subscriptions
from tracing import Traced

ID = "phone00001"
OTHER = "phone00002"
MARK = "has-seen-subscriptions\tyes\n"
WINDOW = 5  # seconds: COI_PUSH_SEEN_WINDOW_MSECS


def watching(client, worker, name=ID, **members):
    """Subscribes to what is read as well."""
    return subscribed(client, worker, name, **({"seen": True} | members))


def seens(worker, count, phone, name=ID):
    """Waits until there are that many pushes of what was read; returns them."""
    def found():
        return [(job, payload) for job in worker.pushes(0) if job.subscription == name
                for payload in [phone.read(job)] if "seen" in payload]
    wait_until(lambda: len(found()) >= count, f"{count} pushes of what was read",
               bound=2 * WINDOW + 5)
    return found()


def place(client, mailbox):
    """UIDVALIDITY."""
    [line] = client.ok(f'STATUS "{mailbox}" (UIDVALIDITY)')
    return int(re.search(rb"UIDVALIDITY (\d+)", line)[1])


def told(client, mailbox, uid, unseen):
    """The payload of such a push."""
    return {"seen": True, "uid": uid, "uidvalidity": place(client, mailbox),
            "folder": mailbox, "unseen": unseen}


def forget(dovecot):
    """What was read was told long ago."""
    for name in ("inbox", "chats"):
        for path in dovecot.home("bob").rglob(f"dovecot-coi/seen-push.{name}"):
            path.write_text("0" * 20 + "\n")


# -- the subscription


def test_member(push):
    """W12 W43: a subscription may have the member `seen', true or false and nothing
    else; the state says whether there is one."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    for value in ("yes", 1, [], {}):
        reply = subscribe(bob, ID, Phone(), seen=value)
        assert reply.status == "NO" and b"seen must be true or false" in reply.tagged
    subscribed(bob, worker)
    state = store(dovecot, "bob")
    assert "seen" not in subscriptions(bob)[ID] and MARK not in state.read_text()
    watching(bob, worker, OTHER)
    assert subscriptions(bob)[OTHER]["seen"] is True
    assert json.loads(get_entry(bob, entry(OTHER)))["seen"] is True
    assert MARK in state.read_text()
    assert '"seen":true' in store(dovecot, "bob", f"subscriptions/ph/{OTHER}").read_text()
    assert dovecot.doveadm("coi", "check", "-u", "bob") == ""
    assert MARK in state.read_text()
    # one that replaces it
    subscribed(bob, worker, OTHER, seen=False, device='a "seen" device')
    assert "seen" not in subscriptions(bob)[OTHER] and MARK not in state.read_text()
    watching(bob, worker, OTHER)
    assert set_entry(bob, entry(ID), None).status == "OK"
    assert MARK in state.read_text()
    assert set_entry(bob, entry(OTHER), None).status == "OK"
    assert MARK not in state.read_text()


def test_check_mends_the_mark(push):
    """W43: doveadm coi check finds that sessions do not know."""
    dovecot, worker = push()
    watching(dovecot.imap("bob"), worker)
    state = store(dovecot, "bob")
    text = state.read_text()
    state.write_text(text.replace(MARK, ""))
    [line] = dovecot.doveadm("coi", "check", "-u", "bob").splitlines()
    assert "sessions do not know" in line and state.read_text() == text


# -- unseen


def unseen(worker, phone, count, name=ID):
    """The numbers in that many pushes."""
    wait_until(lambda: len([job for job in worker.pushes(0) if job.subscription == name]) >= count,
               f"{count} pushes")
    return [phone.read(job).get("unseen") for job in worker.pushes(0) if job.subscription == name]


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
@pytest.mark.parametrize("word", ["none", "active"])
def test_unseen(push, driver, sieve, word):
    """W43: chat that is unread, in INBOX and Chats, and what is pushed; mail does
    not count. Others are not told."""
    dovecot, worker = push(driver=driver, sieve=sieve)
    bob = enabled(dovecot, "bob", message_filter=word)
    phone, other = watching(bob, worker), subscribed(bob, worker, OTHER)
    assert bob.append("INBOX", chat("appended")).status == "OK"
    assert bob.append("INBOX", chat("read"), "\\Seen").status == "OK"
    assert bob.append("INBOX", mail("mail")).status == "OK"
    assert bob.append(CHATS, chat("appended")).status == "OK"
    assert bob.append(CHATS, chat("read"), "\\Seen").status == "OK"
    dovecot.delivered("bob", mail("one"))
    dovecot.delivered("bob", chat("two"))
    dovecot.delivered("bob", chat("three"))
    assert unseen(worker, phone, 3) == [2, 3, 4]
    assert unseen(worker, other, 3, OTHER) == [None] * 3
    where = "INBOX" if word == "none" else CHATS
    bob.ok(f'SELECT "{where}"')
    bob.ok("STORE 1:* +FLAGS (\\Seen)")
    dovecot.delivered("bob", chat("four"))
    dovecot.delivered("bob", mail("five"))
    dovecot.delivered("bob", chat("six"))

    def last():
        return [payload["unseen"] for job in worker.pushes(0) if job.subscription == ID
                for payload in [phone.read(job)]
                if payload.get("subject") in ("four", "five", "six")]
    wait_until(lambda: len(last()) == 3, "all of them")
    assert last() == [2, 2, 3]


def test_unseen_of_a_new_user(push, driver):
    """W43: mailboxes that are not there hold nothing, and are not made."""
    dovecot, worker = push(driver=driver)
    bob = dovecot.imap("bob")
    phone = watching(bob, worker)
    dovecot.delivered("bob", chat("mail while COI is off"))
    assert unseen(worker, phone, 1) == [0]
    assert CHATS not in bob.mailboxes()


@pytest.mark.parametrize("driver", ["sdbox", "mdbox"])
def test_unseen_without_inbox(push, driver):
    """W43: INBOX may have been renamed, and to count makes none."""
    dovecot, worker = push(driver=driver)
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    [inbox] = [path for path in dovecot.home("bob").rglob("INBOX") if path.is_dir()]
    bob.ok("RENAME INBOX Old")
    assert not inbox.exists()
    dovecot.delivered("bob", chat("one"))
    assert unseen(worker, phone, 1) == [1] and not inbox.exists()


def test_unseen_elsewhere(push, driver):
    """W43: what a script puts elsewhere is not in INBOX or Chats; twice is
    two messages."""
    dovecot, worker = push(driver=driver, sieve=True)
    bob = enabled(dovecot, "bob")
    bob.ok("CREATE Work")
    phone = watching(bob, worker)
    dovecot.sieve("bob", 'require "fileinto"; fileinto "Work";\n')
    dovecot.delivered("bob", chat("one"))
    dovecot.sieve("bob", 'require "fileinto"; fileinto "INBOX"; keep;\n')
    dovecot.delivered("bob", chat("two"))
    assert unseen(worker, phone, 2) == [0, 2]


def test_unseen_by_lda(push, driver):
    """W43: dovecot-lda, whose own save is what rings without Sieve."""
    dovecot, worker = push(driver=driver)
    bob = enabled(dovecot, "bob", message_filter="none")
    phone = watching(bob, worker)
    for number in range(3):
        assert dovecot.lda("bob", chat(str(number))) == (0, "")
    assert unseen(worker, phone, 3) == [1, 2, 3]


def test_unseen_many(push, driver):
    """W43: of many at the same moment each is counted once."""
    dovecot, worker = push(driver=driver, extra="")
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    dovecot.at_once(*[lambda: [dovecot.delivered("bob", chat("x")) for _ in range(5)]
                      for _ in range(4)])
    numbers = unseen(worker, phone, 20)
    assert max(numbers) == 20 and min(numbers) >= 1
    dovecot.delivered("bob", chat("last"))
    assert unseen(worker, phone, 21)[-1] == 21


def test_unseen_when_a_mailbox_cannot_be_opened(push, driver):
    """W43: then the number is missing, and nothing else."""
    dovecot, worker = push(driver=driver)
    dovecot.expect_error("Pushing without the number of unread messages: .*Chats")
    dovecot.allow_error("Chats")
    bob = enabled(dovecot, "bob", message_filter="none")
    phone = watching(bob, worker)
    [directory] = [path for path in dovecot.home("bob").rglob("*Chats")
                   if path.is_dir() and "control" not in path.parts]
    directory.chmod(0)
    try:
        dovecot.delivered("bob", chat("one"))
        [job] = worker.pushes(1)
        payload = phone.read(job)
    finally:
        directory.chmod(0o700)
    assert payload["subject"] == "one" and "unseen" not in payload
    dovecot.delivered("bob", chat("two"))
    assert unseen(worker, phone, 2)[1] == 2


# -- what was read


READING = ["STORE 2 +FLAGS (\\Seen)", "STORE 2 +FLAGS.SILENT (\\Seen)",
           "STORE 2 FLAGS (\\Seen \\Flagged $Chat)", "UID STORE 2 +FLAGS (\\Seen)",
           "FETCH 2 BODY[]", "UID FETCH 2 (BODY[TEXT])", "FETCH 2 RFC822"]


@pytest.mark.parametrize("command", READING)
def test_read(push, command):
    """W44: a message that is read is told of, with the Topic of its own push, and
    no content."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    for number in range(3):
        dovecot.delivered("bob", chat(str(number), sender=f"a{number}@example.org"))
    jobs = worker.pushes(3)
    bob.ok(f'SELECT "{CHATS}"')
    bob.ok(command)
    [(job, payload)] = seens(worker, 1, phone)
    assert payload == told(bob, CHATS, 2, 2)
    assert job.topic == jobs[1].topic not in (None, jobs[0].topic, jobs[2].topic)
    assert (job.urgency, job.ttl, job.small_body) == ("normal", 86400, b"")


def test_read_in_all_formats(push, driver):
    """W44: in INBOX too, by two devices, in each format."""
    dovecot, worker = push(driver=driver)
    bob = enabled(dovecot, "bob", message_filter="none")
    phone = watching(bob, worker)
    watching(bob, worker, OTHER, msgtype="chat")
    dovecot.delivered("bob", chat("one"))
    dovecot.delivered("bob", chat("two"))
    bob.ok("SELECT INBOX")
    bob.ok("FETCH 1 BODY[]")
    [(job, payload)] = seens(worker, 1, phone)
    assert payload == told(bob, "INBOX", 1, 1)
    assert [one.topic for one in worker.pushes(6) if one.subscription == ID][0] == job.topic
    forget(dovecot)
    bob.ok("STORE 2 +FLAGS (\\Seen)")
    assert seens(worker, 2, phone)[1][1] == told(bob, "INBOX", 2, 0)


def test_group(push):
    """W44 C8: a message of a group has its group's Topic."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    text = chat("in a group").replace(b"<chat$", b"<chat$group.abcdefghijklmnop.")
    dovecot.delivered("bob", text)
    [job] = worker.pushes(1)
    assert phone.read(job)["group-id"] == "abcdefghijklmnop"
    bob.ok(f'SELECT "{CHATS}"')
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    [(read, _)] = seens(worker, 1, phone)
    assert read.topic == job.topic


# (mailbox, what does not read, or nothing that was pushed)
NOT_READING = {
    "peek": (CHATS, "FETCH 1 BODY.PEEK[]"),
    "flags": (CHATS, "FETCH 1 (FLAGS ENVELOPE)"),
    "flagged": (CHATS, "STORE 1 +FLAGS (\\Flagged)"),
    "unread": (CHATS, "STORE 2 -FLAGS (\\Seen)"),
    "read again": (CHATS, "STORE 2 +FLAGS (\\Seen)"),
    "taken back": (CHATS, "STORE 1 +FLAGS (\\Seen)\r\nx2 STORE 1 -FLAGS (\\Seen)"),
    "mail elsewhere": ("Work", "STORE 1 +FLAGS (\\Seen)"),
    "contact muted": (CHATS, "STORE 3 +FLAGS (\\Seen)"),
    "own": (CHATS, "STORE 4 +FLAGS (\\Seen)"),
    "appended": (CHATS, None),
}


@pytest.mark.parametrize("name", NOT_READING)
def test_not_read(push, name):
    """W44: what does not read is not told of, nor what would not have rung."""
    mailbox, command = NOT_READING[name]
    dovecot, worker = push(settings={"coi_user_addresses": "bob@example.org"})
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    bob.ok("CREATE Work")
    assert set_entry(bob, f"{CONTACTS}/{name_hash('muted')}", '{"notify":"none"}').status == "OK"
    for box in ("Work", CHATS):
        assert bob.append(box, chat("one")).status == "OK"
        assert bob.append(box, chat("two"), "\\Seen").status == "OK"
        assert bob.append(box, chat("three", sender="muted@example.org")).status == "OK"
        assert bob.append(box, chat("four", sender="bob@example.org")).status == "OK"
    bob.ok("STATUS INBOX (MESSAGES)")
    assert bob.append("INBOX", chat("marker")).status == "OK"
    bob.ok(f'SELECT "{mailbox}"')
    if command is None:
        assert bob.append(CHATS, chat("five"), "\\Seen").status == "OK"
    else:
        # in one breath
        bob.send(f"x1 {command}\r\nx3 NOOP".encode())
        bob.finish(b"x3")
    if name == "taken back":
        assert bob.append(CHATS, chat("five")).status == "OK"
        bob.ok("NOOP")
        bob.ok("STORE 5 +FLAGS (\\Seen)")
        first = told(bob, CHATS, 5, 4)
    elif mailbox == CHATS:
        # in the same mailbox, where the first one goes at once
        bob.ok("STORE 1 +FLAGS (\\Seen)")
        first = told(bob, CHATS, 1, 3)
    else:
        bob.ok("SELECT INBOX")
        bob.ok("STORE 1 +FLAGS (\\Seen)")
        first = told(bob, "INBOX", 1, 3)
    if name == "contact muted" or name == "own":
        first["unseen"] = 2
    if name == "unread":
        first["unseen"] = 4
    assert [payload for _, payload in seens(worker, 1, phone)] == [first]


def test_unseen_is_new(push):
    """W43 W44: what other processes have stored or read meanwhile counts, also in a
    mailbox that this one knows already."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    for number in range(2):
        assert bob.append("INBOX", chat(str(number))).status == "OK"
        assert bob.append(CHATS, chat(str(number))).status == "OK"
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    assert seens(worker, 1, phone)[0][1] == told(bob, "INBOX", 1, 3)
    dovecot.delivered("bob", chat("new"))
    dovecot.doveadm("flags", "add", "-u", "bob", "\\Seen", "mailbox", CHATS, "uid", "1")
    dovecot.delivered("bob", chat("newer"))
    forget(dovecot)
    bob.ok("STORE 2 +FLAGS (\\Seen)")
    assert seens(worker, 2, phone)[1][1]["unseen"] == 3


def test_examined(push):
    """W44: EXAMINE reads nothing."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    dovecot.delivered("bob", chat("one"))
    bob.ok(f'EXAMINE "{CHATS}"')
    bob.ok("FETCH 1 BODY[]")
    bob.ok(f'SELECT "{CHATS}"')
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    assert [payload for _, payload in seens(worker, 1, phone)] == [told(bob, CHATS, 1, 0)]


def test_kinds(push):
    """W44 W11: each is told of what it wants, and of its newest one, once."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob", message_filter="none")
    names = {kind: f"subscription-{kind}" for kind in ("chat", "mail", "all")}
    phones = {kind: watching(bob, worker, name, msgtype=kind) for kind, name in names.items()}
    for make in (chat, mail, chat, mail):
        dovecot.delivered("bob", make("x"))
    worker.pushes(8)
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1:* +FLAGS (\\Seen)")
    expected = {"chat": 3, "mail": 4, "all": 4}
    for kind, name in names.items():
        [(job, payload)] = seens(worker, 1, phones[kind], name)
        assert payload == told(bob, "INBOX", expected[kind], 0)
        assert (job.topic is None) == (kind != "chat")


def test_others_are_not_told(push):
    """W44: a subscription without the member hears nothing; as long as there is
    none with it, sessions do nothing."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    dovecot.delivered("bob", chat("one"))
    dovecot.delivered("bob", chat("two"))
    worker.pushes(2)
    bob.ok("LOGOUT")
    bob = dovecot.imap("bob")
    bob.ok(f'SELECT "{CHATS}"')
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    bob.ok("NOOP")
    for pid in dovecot.processes("imap"):
        assert "coi_push" not in pathlib.Path(f"/proc/{pid}/maps").read_text()
    # a session that has it selected already knows after the next SELECT
    second = dovecot.imap("bob")
    other = watching(second, worker, OTHER)
    bob.ok(f'SELECT "{CHATS}"')
    bob.ok("STORE 2 +FLAGS (\\Seen)")
    assert [payload for _, payload in seens(worker, 1, other, OTHER)] == [told(bob, CHATS, 2, 0)]
    assert all("seen" not in phone.read(job) for job in worker.pushes(0)
               if job.subscription == ID)


# -- how often


def test_rate(push):
    """W44: of many in a row the first is told at once, and the others together
    when the time is over: the newest, and how many are left then."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    for number in range(22):
        assert bob.append(CHATS, chat(str(number))).status == "OK"
    bob.ok(f'SELECT "{CHATS}"')
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    start = time.monotonic()
    assert [payload["uid"] for _, payload in seens(worker, 1, phone)] == [1]
    assert time.monotonic() - start < WINDOW - 1
    for number in [*range(3, 21), 2]:
        bob.ok(f"STORE {number} +FLAGS (\\Seen)")
    found = seens(worker, 2, phone)
    assert time.monotonic() - start >= WINDOW - 0.5
    assert [payload for _, payload in found] == [told(bob, CHATS, 1, 21), told(bob, CHATS, 20, 2)]
    # the other mailbox has a time of its own
    assert bob.append("INBOX", chat("x")).status == "OK"
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    assert [payload["uid"] for _, payload in seens(worker, 3, phone)] == [1, 20, 1]
    assert time.monotonic() - start < 2 * WINDOW - 1


def test_two_sessions(push):
    """W44: the same for several processes."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    for number in range(3):
        assert bob.append(CHATS, chat(str(number))).status == "OK"
    second = dovecot.imap("bob")
    for client in (bob, second):
        client.ok(f'SELECT "{CHATS}"')
    start = time.monotonic()
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    seens(worker, 1, phone)
    second.ok("STORE 2 +FLAGS (\\Seen)")
    assert seens(worker, 2, phone)[1][1] == told(bob, CHATS, 2, 1)
    assert time.monotonic() - start >= WINDOW - 0.5


@pytest.mark.parametrize("word", ["active", "seen"])
@pytest.mark.parametrize("how", ["LOGOUT", "disconnect", "window"])
def test_end_of_the_session(push, driver, how, word):
    """W44: what waits when the session ends is told then, also when the filter
    moves it at that moment."""
    dovecot, worker = push(driver=driver)
    bob = enabled(dovecot, "bob", message_filter=word)
    where = "INBOX" if word == "seen" else CHATS
    phone = watching(bob, worker)
    dovecot.delivered("bob", chat("one"))
    dovecot.delivered("bob", chat("two"))
    expected = [told(bob, where, 2, 1)]
    worker.pushes(2)
    bob.ok("LOGOUT")
    # one that has pushed nothing yet
    bob = dovecot.imap("bob")
    bob.ok(f'SELECT "{where}"')
    if how == "window":
        bob.ok("STORE 2 +FLAGS (\\Seen)")
        seens(worker, 1, phone)
        bob.send(b"x1 STORE 1 +FLAGS (\\Seen)\r\nx2 LOGOUT")
        expected.append(expected[0] | {"uid": 1, "unseen": 0})
    else:
        bob.send(b"x1 STORE 2 +FLAGS (\\Seen)" + (b"\r\nx2 LOGOUT" if how == "LOGOUT" else b""))
    if how == "disconnect":
        bob.sock.close()
    start = time.monotonic()
    assert [payload for _, payload in seens(worker, len(expected), phone)] == expected
    assert time.monotonic() - start < WINDOW - 1


def test_hibernated(push):
    """W44: the same when an idle session is handed over to imap-hibernate."""
    dovecot, worker = push(hibernate="1 secs")
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    for number in range(2):
        assert bob.append(CHATS, chat(str(number))).status == "OK"
    bob.ok(f'SELECT "{CHATS}"')
    start = time.monotonic()
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    seens(worker, 1, phone)
    bob.ok("STORE 2 +FLAGS (\\Seen)")
    bob.idle()
    assert [payload["uid"] for _, payload in seens(worker, 2, phone)] == [1, 2]
    assert time.monotonic() - start < WINDOW - 1
    bob.done()
    # it comes back with the same mailbox
    forget(dovecot)
    assert bob.append(CHATS, chat("three")).status == "OK"
    bob.ok("NOOP")
    bob.ok("STORE 3 +FLAGS (\\Seen)")
    assert [payload["uid"] for _, payload in seens(worker, 3, phone)] == [1, 2, 3]


def test_moved_meanwhile(push, driver):
    """W44 S35: what the filter `seen' moves is told of once, where it was read."""
    dovecot, worker = push(driver=driver)
    bob = enabled(dovecot, "bob", message_filter="seen")
    phone = watching(bob, worker)
    dovecot.delivered("bob", chat("one"))
    dovecot.delivered("bob", chat("two", sender="carol@example.org"))
    jobs = worker.pushes(2)
    expected = [told(bob, "INBOX", 1, 1), told(bob, "INBOX", 2, 0)]
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    seens(worker, 1, phone)
    bob.ok("STORE 2 +FLAGS (\\Seen)")
    with dovecot.imap("bob") as other:
        wait_until(lambda: len(other.messages(CHATS) if other.cmd(
            f'EXAMINE "{CHATS}"').status == "OK" else []) == 2, "both are moved")
    found = seens(worker, 2, phone)
    assert [payload for _, payload in found] == expected
    assert [job.topic for job, _ in found] == [job.topic for job in jobs]


def test_deleted_meanwhile(push):
    """W44: what is read and deleted while it waits for its time is told of."""
    dovecot, worker = push(extra="log_debug = category=coi")
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    for number in range(3):
        dovecot.delivered("bob", chat(str(number)))
    expected = [told(bob, CHATS, 1, 2), told(bob, CHATS, 3, 0)]
    bob.ok(f'SELECT "{CHATS}"')
    start = time.monotonic()
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    seens(worker, 1, phone)
    for uid in (2, 3):
        bob.ok(f"STORE {uid} +FLAGS (\\Seen)")
        dovecot.wait_log(f"coi: Message {uid} of COI/Chats was read")
    assert time.monotonic() - start < WINDOW - 1
    bob.ok("STORE 2:3 +FLAGS (\\Deleted)")
    bob.ok("EXPUNGE")
    assert [payload for _, payload in seens(worker, 2, phone)] == expected


def test_closed_at_once(push):
    """W44: a client that goes on to another mailbox is not kept waiting, and what
    it has read is told of."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    dovecot.delivered("bob", chat("one"))
    bob.ok(f'SELECT "{CHATS}"')
    bob.send(b'x1 STORE 1 +FLAGS (\\Seen)\r\nx2 CLOSE\r\nx3 SELECT INBOX')
    assert [payload for _, payload in seens(worker, 1, phone)] == [told(
        dovecot.imap("bob"), CHATS, 1, 0)]


def test_in_idle(push):
    """W44: IDLE that follows at once is no reason to wait."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = watching(bob, worker)
    dovecot.delivered("bob", chat("one"))
    bob.ok(f'SELECT "{CHATS}"')
    bob.send(b'x1 STORE 1 +FLAGS (\\Seen)\r\nx2 IDLE')
    assert [payload["uid"] for _, payload in seens(worker, 1, phone)] == [1]


def test_off_the_command_path(push):
    """W44 W37: nothing of it is done before the client has its answer."""
    dovecot, worker = push()
    dovecot.expect_error("killed with signal 9")
    bob = enabled(dovecot, "bob")
    watching(bob, worker)
    dovecot.delivered("bob", chat("one"))
    worker.pushes(1)
    bob.ok("LOGOUT")
    wait_until(lambda: not dovecot.processes("imap"), "the session has ended")
    bob = dovecot.imap("bob")
    bob.ok(f'SELECT "{CHATS}"')
    [pid] = dovecot.processes("imap")
    with Traced(pid) as traced:
        tag = bob.start("STORE 1 +FLAGS (\\Seen)")
        # the plugin is loaded by the first push
        traced.run_to_path("lib95_coi_push_plugin")
        assert bob.finish(tag).status == "OK"
