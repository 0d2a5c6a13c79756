"""Bad input and faults: what plain Dovecot would do for that mail, never a
loss, a double or another class of answer."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import threading

import pytest

from coi import (CHATS, ENABLED, FILTER, enable, enabled, get_entry, places, send,
                 set_entry, store)
from coitest import Literal, wait_until
from coitest.imap import ImapError
from messages import chat, mail


def our_errors(dovecot):
    """The lines in which we complain; core's own on the same fault are core's."""
    return [line for line in dovecot.log_text().splitlines()
            if re.search(r"Error: .*\bcoi: ", line)]


@contextlib.contextmanager
def errors_of_ours(dovecot, count, regex="."):
    """What is done inside is complained of so often, in one line each."""
    before = len(our_errors(dovecot))
    yield
    wait_until(lambda: len(our_errors(dovecot)) >= before + count,
               f"{count} lines of ours: {our_errors(dovecot)}")
    added = our_errors(dovecot)[before:]
    assert len(added) == count and all(re.search(regex, line) for line in added), added


# -- header blocks

HEAD = b"From: a@example.org\nSubject: odd\n"
TAIL = b"\n\nbody\n"
ODD = {
    "block of 1 MB, no chat": (False, HEAD + b"X-Line: of many\n" * 65536 + TAIL[1:]),
    "field of 1 MB, then chat": (True, HEAD + b"X-Long: " + b"x" * (1 << 20) +
                                 b"\nChat-Version: 1.0" + TAIL),
    "folded field of 1 MB": (False, HEAD + b"X-Long:" + b"\n\t" + b"x\n\t" * (1 << 18) +
                             b"x" + TAIL),
    "name of 1 MB": (False, HEAD + b"X" * (1 << 20) + b": 1" + TAIL),
    "line of 1 MB without colon": (False, HEAD + b"X" * (1 << 20) + TAIL),
    "id of 1 MB": (True, HEAD + b"Message-ID: <chat$" + b"x" * (1 << 20) + b">" + TAIL),
    "10,000 references, chat last": (False, HEAD + b"References: <0@x>\n" + b"".join(
        b" <%d@x>\n" % n for n in range(10000)) + b" <chat$1@x>" + TAIL),
    "10,000 References fields": (False, HEAD + b"References: <0@x>\n" +
                                 b"References: <chat$1@x>\n" * 10000 + TAIL[1:]),
    "10,000 Message-IDs": (True, HEAD + b"Message-ID: <chat$1@x>\n" * 10000 + TAIL[1:]),
    "brackets only": (False, HEAD + b"Message-ID: " + b"<" * 5000 + TAIL),
    "comment without end": (False, HEAD + b"Message-ID: (<chat$1@x>" + TAIL),
    "comment without end, then chat": (True, HEAD + b"Message-ID: (<chat$1@x>\n"
                                       b"Chat-Version: 1.0" + TAIL),
    "comments in comments": (True, HEAD + b"References: " + b"(" * 5000 + b")" * 5000 +
                             b"<chat$1@x>" + TAIL),
    "NULs in the id": (True, HEAD + b"Message-ID: <\0c\0hat$1@x>" + TAIL),
    "NULs in the name": (False, HEAD + b"Chat\0-Version: 1.0" + TAIL),
    "NULs only": (False, b"\0" * 5000 + b"\n"),
    "empty ids": (False, HEAD + b"Message-ID: <>\nReferences:\n \n <>" + TAIL),
    "chat$ in brackets": (True, HEAD + b"Message-ID: <chat$>" + TAIL),
    "chat$ in another case": (False, HEAD + b"Message-ID: <CHAT$1@x>" + TAIL),
    "chat without $": (False, HEAD + b"Message-ID: <chat" + TAIL),
    "8-bit": (False, HEAD + bytes(range(128, 256)) + b": <chat$1@x>" + TAIL),
    "space before the colon": (True, HEAD + b"Chat-Version : 1.0" + TAIL),
    "no header": (False, b"\nMessage-ID: <chat$1@x>\n"),
    "no body": (True, HEAD + b"Message-ID: <chat$1@x>"),
    "no line end": (False, b"no header"),
    "nothing": (False, b""),
    "one NUL": (False, b"\0"),
    "mbox": (True, b"From a@example.org Thu Jan  1 12:00:00 2026\n" + HEAD +
             b"Chat-Version: 1.0" + TAIL),
    "rubbish of 1 MB": (False, bytes(range(256)) * 4096),
}


def odd_by(dovecot, client, way, message):
    """The class of answer that a message gets."""
    if way == "lmtp":
        return dovecot.deliver("bob", message)["bob"][:3]
    if way == "lda":
        return dovecot.lda("bob", message)[0]
    return client.append("INBOX", message).status


@pytest.mark.parametrize("way", ["lmtp", "lda", "append"])
def test_odd_messages(server, way):
    """S33 S37 S41: whatever is in a message, it gets the answer of a plain
    Dovecot, is stored once if that says so, and classified rightly."""
    plain, dovecot = server(coi=False), server()
    for one in (plain, dovecot):
        one.allow_error("zero byte|closed without any data")
    other, bob = plain.imap("bob"), enabled(dovecot, "bob")
    for name, (is_chat, message) in ODD.items():
        answers = [odd_by(one, client, way, message)
                   for one, client in ((plain, other), (dovecot, bob))]
        assert answers[0] == answers[1], name
        taken = answers[0] in ("250", 0, "OK")
        found = [(mailbox, flags) for _, mailbox, flags in places(bob)]
        where = CHATS if is_chat and way != "append" else "INBOX"
        assert found == [(where, "$Chat" if is_chat else "")] * taken, name
        assert len(places(other)) == taken, name
        for client in (other, bob):
            for mailbox in ("INBOX", CHATS):
                if client.cmd(f"SELECT {mailbox}").status == "OK":
                    client.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
                    client.ok("EXPUNGE")


# -- the store


def loop(path):
    path.unlink()
    path.symlink_to(path)


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def device(path):
    path.unlink()
    path.symlink_to("/dev/null")


def dangling(path):
    path.unlink()
    path.symlink_to("missing/state")


def another_filter(path):
    path.write_bytes(path.read_bytes().replace(b"active", b"passive"))


def no_directory(path):
    shutil.rmtree(path.parent)
    path.parent.touch()


BROKEN = {
    "symlink loop": loop,
    "FIFO": fifo,
    "device": device,
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 4),
    "no end of line": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "1 MB": lambda path: path.write_bytes(b"x" * (1 << 20)),
    "unreadable": lambda path: path.chmod(0),
    "unreadable directory": lambda path: path.parent.chmod(0),
    "file for a directory": no_directory,
}


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_store(server, name, sieve):
    """S41 S18 S21: what the store holds cannot be had: NO [SERVERBUG] to the client
    who asks for it or would change it, mail as without COI, and each time one
    line in the log; an undamaged store works on."""
    dovecot = server(sieve=sieve)
    dovecot.expect_error("coi: .*dovecot-coi")
    bob = enabled(dovecot, "bob")
    state = store(dovecot, "bob")
    saved, directory = state.read_bytes(), state.parent
    BROKEN[name](state)
    try:
        with errors_of_ours(dovecot, 1, "dovecot-coi"):
            assert bob.cmd(f'GETMETADATA "" {ENABLED}').tagged.startswith(b"NO [SERVERBUG] ")
        with errors_of_ours(dovecot, 1, "dovecot-coi"):
            reply = set_entry(bob, FILTER, "none")
            assert reply.tagged.startswith(b"NO [SERVERBUG] ")
        for way in ("lmtp", "lda"):
            with errors_of_ours(dovecot, 1, "dovecot-coi"):
                send(dovecot, way, "bob", chat(way))
        with errors_of_ours(dovecot, 1, "dovecot-coi"):
            assert bob.append("INBOX", chat("append")).status == "OK"
        assert bob.append("INBOX", chat("again")).status == "OK"
    finally:
        if directory.is_dir():
            directory.chmod(0o700)
    assert places(bob) == [(way, "INBOX", "") for way in ("again", "append", "lda", "lmtp")]
    if directory.is_dir():
        shutil.rmtree(directory)
    else:
        directory.unlink()
    directory.mkdir()
    state.write_bytes(saved)
    send(dovecot, "lmtp", "bob", chat("repaired"))
    assert ("repaired", CHATS, "$Chat") in places(bob)


def test_stored_filter_of_no_kind(server):
    """S41 S36: a stored message-filter that is none of the words: COI does not
    act, and each delivery says so once; the client may set another."""
    dovecot = server()
    dovecot.expect_error("coi: .*message-filter.*passive")
    bob = enabled(dovecot, "bob")
    another_filter(store(dovecot, "bob"))
    for way in ("lmtp", "lda"):
        with errors_of_ours(dovecot, 1, "passive"):
            send(dovecot, way, "bob", chat(way))
    assert places(bob) == [("lda", "INBOX", ""), ("lmtp", "INBOX", "")]
    assert set_entry(bob, FILTER, "active").status == "OK"
    send(dovecot, "lmtp", "bob", chat("set"))
    assert ("set", CHATS, "$Chat") in places(bob)


def test_store_that_went(server):
    """S41: a store that is gone, or a link to nowhere, is that of a user who
    never used COI: no error. A new one is made."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    directory = store(dovecot, "bob").parent
    dangling(directory / "state")
    send(dovecot, "lmtp", "bob", chat("link"))
    shutil.rmtree(directory)
    send(dovecot, "lmtp", "bob", chat("gone"))
    assert places(bob) == [("gone", "INBOX", ""), ("link", "INBOX", "")]
    enable(bob)
    assert get_entry(bob, ENABLED) == b"yes"


def tree(directory):
    return {str(path): path.is_file() and path.read_bytes()
            for path in sorted(directory.rglob("*"))}


@pytest.mark.parametrize("entry,value", [(ENABLED, None), (FILTER, "none"), (FILTER, None)])
def test_store_without_write_permission(server, entry, value):
    """S41 S17: a change that cannot be written is answered NO [SERVERBUG], with
    one error; nothing changes, and deliveries obey what is there."""
    dovecot = server()
    dovecot.expect_error("coi: .*dovecot-coi")
    bob = enabled(dovecot, "bob")
    directory = store(dovecot, "bob").parent
    before = tree(directory)
    directory.chmod(0o500)
    try:
        with errors_of_ours(dovecot, 1, "dovecot-coi"):
            assert set_entry(bob, entry, value).tagged.startswith(b"NO [SERVERBUG] ")
        send(dovecot, "lmtp", "bob", chat())
        assert (get_entry(bob, ENABLED), get_entry(bob, FILTER)) == (b"yes", b"active")
        assert tree(directory) == before
    finally:
        directory.chmod(0o700)
    assert places(bob) == [("chat", CHATS, "$Chat")]
    assert set_entry(bob, entry, value).status == "OK"


def test_first_store_cannot_be_made(server):
    """S41 S17 S21: no place for a store at all: NO [SERVERBUG], COI stays off."""
    dovecot = server()
    dovecot.expect_error("coi: .*dovecot-coi")
    bob = dovecot.imap("bob")
    assert set_entry(bob, FILTER, None).status == "OK"  # nothing to write: fine
    [inbox] = [path for path in dovecot.home("bob").rglob("dovecot-coi")]
    shutil.rmtree(inbox)
    inbox.symlink_to("missing/elsewhere")
    with errors_of_ours(dovecot, 1, "dovecot-coi"):
        assert set_entry(bob, ENABLED, "yes").tagged.startswith(b"NO [SERVERBUG] ")
    assert get_entry(bob, ENABLED) is None
    send(dovecot, "lmtp", "bob", chat())
    assert places(bob) == [("chat", "INBOX", "")]


def test_locked_store(server):
    """S41 S42: somebody holds the store's lock: a change is refused in bounded
    time, and no delivery or reader waits for it."""
    dovecot = server()
    dovecot.expect_error("coi: .*dovecot-coi/lock")
    bob, other = enabled(dovecot, "bob"), dovecot.imap("bob", timeout=60)
    with open(store(dovecot, "bob").parent / "lock", "xb") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        tag = other.start(f'SETMETADATA "" ({FILTER} "none")')
        for way in ("lmtp", "lda"):
            send(dovecot, way, "bob", chat(way))
        assert places(bob) == [(way, CHATS, "$Chat") for way in ("lda", "lmtp")]
        assert get_entry(bob, FILTER) == b"active"
        assert other.finish(tag).tagged.startswith(b"NO ")
    dovecot.wait_log("coi: .*dovecot-coi/lock")
    assert len(our_errors(dovecot)) == 1
    assert set_entry(other, FILTER, "none").status == "OK"


# -- the mailbox Chats


def chats(dovecot, user="bob"):
    """The directory of the user's Chats."""
    [path] = [path for path in dovecot.home(user).rglob("*Chats") if path.is_dir()]
    return path


def no_write(dovecot):
    for path in (chats(dovecot), *chats(dovecot).rglob("*")):
        if path.is_dir():
            path.chmod(0o500)


def no_read(dovecot):
    chats(dovecot).chmod(0)


def bad_index(dovecot):
    for path in chats(dovecot).rglob("dovecot*index*"):
        path.write_bytes(b"garbage" * 100)


def bad_list(dovecot):
    for path in dovecot.home("bob").rglob("dovecot.list.index*"):
        path.write_bytes(b"garbage" * 100)


def rm(dovecot):
    path = chats(dovecot)

    def gone():
        # a client that has it open may write into it at this moment
        with contextlib.suppress(OSError):
            shutil.rmtree(path)
        return not path.exists()
    wait_until(gone, f"{path} is gone")


def file_instead(dovecot):
    path = chats(dovecot)
    shutil.rmtree(path)
    path.touch()


def loop_instead(dovecot):
    path = chats(dovecot)
    shutil.rmtree(path)
    path.symlink_to(path)


def deleted(dovecot):
    dovecot.doveadm("mailbox", "delete", "-u", "bob", CHATS)


def noselect(dovecot):
    dovecot.doveadm("mailbox", "create", "-u", "bob", CHATS + "/x")
    deleted(dovecot)


FAULTS = {"without write permission": no_write, "without any permission": no_read,
          "index corrupted": bad_index, "list index corrupted": bad_list,
          "removed": rm, "a file instead": file_instead, "a loop instead": loop_instead,
          "deleted": deleted, "Noselect": noselect}
# In these the mail that was there is there still.
KEPT = {"without write permission", "without any permission", "index corrupted",
        "list index corrupted"}


@pytest.mark.parametrize("script", [None, "keep;", 'fileinto "INBOX";'],
                         ids=["plain", "keep", "fileinto"])
@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_chats(server, driver, name, script):
    """S41: what is wrong with Chats costs no mail: it is taken, is there once,
    in Chats or in INBOX, and in INBOX with one line of ours in the log."""
    dovecot = server(driver=driver, sieve=script is not None)
    dovecot.allow_error(" Error: ")
    if script:
        dovecot.sieve("bob", 'require "fileinto";\n' + script + "\n")
    bob = enabled(dovecot, "bob")
    assert bob.append(CHATS, chat("old")).status == "OK"
    bob.ok("LOGOUT")
    FAULTS[name](dovecot)
    try:
        for way in ("lmtp", "lda"):
            send(dovecot, way, "bob", chat(way))
            send(dovecot, way, "bob", mail(way + " mail"))
    finally:
        for path in dovecot.home("bob").rglob("*"):
            if path.is_dir():
                path.chmod(0o700)
    if name == "index corrupted":  # dbox finds its mail then
        dovecot.doveadm("force-resync", "-u", "bob", CHATS)
    found = places(dovecot.imap("bob"))
    assert [subject for subject, _, _ in found] == sorted(
        ["lmtp", "lda", "lmtp mail", "lda mail"] + ["old"] * (name in KEPT))
    where = {subject: mailbox for subject, mailbox, _ in found}
    assert where["lmtp mail"] == where["lda mail"] == "INBOX"
    dovecot.stop()
    if script is None or "keep" in script:
        in_inbox = [way for way in ("lmtp", "lda") if where[way] == "INBOX"]
        assert len(our_errors(dovecot)) == len(in_inbox), our_errors(dovecot)


@pytest.mark.parametrize("script", ['keep; fileinto "Work";', 'fileinto "Work"; keep;',
                                    'fileinto "Work";'])
def test_a_fault_that_is_not_ours(server, driver, script):
    """S41 S39: another mailbox that the user's script names cannot take the
    mail: that is answered as a plain Dovecot answers it, nothing of ours is in
    the log, and the mail comes when that mailbox is repaired, once."""
    answers = []
    for coi in (False, True):
        dovecot = server(driver=driver, sieve=True, coi=coi)
        dovecot.allow_error(" Error: ")
        dovecot.sieve("bob", 'require "fileinto";\n' + script + "\n")
        bob = enabled(dovecot, "bob") if coi else dovecot.imap("bob")
        bob.ok("CREATE Work")
        [work] = [path for path in dovecot.home("bob").rglob("*Work") if path.is_dir()]
        work.chmod(0)
        message = chat()
        try:
            answers.append([dovecot.deliver("bob", message)["bob"][:4],
                            dovecot.lda("bob", message)[0]])
            answers[-1].append(len(places(bob)))
        finally:
            work.chmod(0o700)
        send(dovecot, "lmtp", "bob", message)
        assert ("chat", "Work", "$Chat" if coi else "") in places(bob)
        answers[-1].append(len(places(bob)))
        assert our_errors(dovecot) == []
    assert answers[0] == answers[1]


def test_chats_is_a_noselect_parent(server, driver):
    """S21 S22 S34: only COI/Chats/x was there: enabling makes Chats itself."""
    dovecot = server(driver=driver)
    bob = dovecot.imap("bob")
    bob.ok(f'CREATE "{CHATS}/x"')
    assert bob.cmd(f'SELECT "{CHATS}"').status == "NO"
    enable(bob)
    bob.ok(f'SELECT "{CHATS}"')
    assert CHATS in bob.mailboxes("LSUB")
    send(dovecot, "lmtp", "bob", chat())
    assert places(bob) == [("chat", CHATS, "$Chat")]


@pytest.mark.parametrize("child", [False, True], ids=["alone", "parent"])
@pytest.mark.parametrize("old", ["session", "none"])
def test_enabling_makes_a_lost_chats_anew(server, driver, child, old):
    """S21 S22: when OK is said Chats can be selected, also where an admin's tool
    has deleted it, and be it the parent of another mailbox."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    if old == "none":
        bob.ok("LOGOUT")
    (noselect if child else deleted)(dovecot)
    bob = bob if old == "session" else dovecot.imap("bob")
    assert set_entry(bob, ENABLED, "yes").status == "OK"
    bob.ok(f'SELECT "{CHATS}"')
    send(dovecot, "lmtp", "bob", chat())
    assert places(bob) == [("chat", CHATS, "$Chat")]


def test_enabling_without_permission(server, driver):
    """S21 S41: no mailbox can be made: NO, one line for it, COI stays off, and
    mail goes on."""
    dovecot = server(driver=driver)
    dovecot.expect_error("coi: Creating mailbox ")
    dovecot.allow_error("Permission denied")
    bob = dovecot.imap("bob")
    bob.ok("SELECT INBOX")
    [root] = [path for path in dovecot.home("bob").iterdir() if path.name == "mail"]
    shut = [path for path in (root, root / "mailboxes") if path.is_dir()]
    for path in shut:
        path.chmod(0o500)
    try:
        with errors_of_ours(dovecot, 1, "Creating mailbox "):
            assert set_entry(bob, ENABLED, "yes").status == "NO"
        with errors_of_ours(dovecot, 1, "Creating mailbox "):
            assert set_entry(bob, FILTER, "active").status == "NO"
        assert get_entry(bob, ENABLED) is get_entry(bob, FILTER) is None
    finally:
        for path in shut:
            path.chmod(0o700)
    send(dovecot, "lmtp", "bob", chat())
    assert places(bob) == [("chat", "INBOX", "")]
    enable(bob)


@pytest.mark.parametrize("how", [deleted, rm, bad_index], ids=["deleted", "removed", "corrupted"])
def test_chats_goes_while_it_is_selected(server, driver, how):
    """S41 S29: an admin's tool takes Chats away under a client that has it
    selected, and one that is in IDLE on it; and then there are deliveries. (While
    such clients are still there plain Dovecot may lose mail, too.)"""
    dovecot = server(driver=driver)
    dovecot.allow_error(" Error: ")
    bob, idler = enabled(dovecot, "bob"), dovecot.imap("bob")
    send(dovecot, "lmtp", "bob", chat("old"))
    for client in (bob, idler):
        client.ok(f'SELECT "{CHATS}"')
    idler.idle()
    how(dovecot)
    for client in (bob, idler):
        with contextlib.suppress(ImapError, ConnectionError):  # BYE is an answer too
            if client == idler:
                idler.done()
            assert client.cmd("NOOP").status in ("OK", "NO")
            assert client.cmd("FETCH 1 (FLAGS BODY.PEEK[])").status in ("OK", "NO", "BAD")
            client.cmd("LOGOUT")
    wait_until(lambda: not dovecot.processes("imap"), "both clients are gone")
    for way in ("lmtp", "lda"):
        send(dovecot, way, "bob", chat(way))
    if how is bad_index:
        dovecot.doveadm("force-resync", "-u", "bob", CHATS)
    assert subjects_after_repair(dovecot) == ["lda", "lmtp"] + ["old"] * (how is bad_index)


def subjects_after_repair(dovecot):
    """A dbox that has to be repaired first closes the connection, once or twice."""
    for _ in range(2):
        with contextlib.suppress(ImapError):
            return [subject for subject, _, _ in places(dovecot.imap("bob"))]
    return [subject for subject, _, _ in places(dovecot.imap("bob"))]


ROUNDS = 20


def test_enabling_at_the_same_moment(server, driver):
    """S17 S21 S22 S41: two clients that enable for the first time, while mail
    comes in, ROUNDS times: both succeed, and no mail is lost or doubled."""
    users = [f"user{number}" for number in range(ROUNDS)]
    dovecot = server(driver=driver, users={user: {} for user in users})
    for user in users:
        # there is an INBOX: plain 2.3 may panic when several make it at once
        send(dovecot, "lmtp", user, mail("first"))
        phone, laptop = dovecot.imap(user), dovecot.imap(user)
        command = f'SETMETADATA "" ({FILTER} "active" {ENABLED} "yes")'
        replies = dovecot.at_once(lambda c=phone: c.cmd(command).status,
                                  lambda c=laptop: c.cmd(command).status,
                                  lambda u=user: dovecot.deliver(u, chat("meanwhile"))[u][:3])
        assert replies == ["OK", "OK", "250"], user
        assert {CHATS, "COI/Contacts", "Blocked"} <= set(phone.mailboxes())
        assert phone.mailboxes("LSUB") == [CHATS]
        send(dovecot, "lmtp", user, chat("then"))
        found = [place[:2] for place in places(laptop)]
        assert found in ([("first", "INBOX"), ("meanwhile", box), ("then", CHATS)]
                         for box in ("INBOX", CHATS))
        for client in (phone, laptop):
            client.ok("LOGOUT")


def test_one_enables_while_another_disables(server):
    """S17 S42: whoever came last has their way, in whole."""
    dovecot = server()
    phone, laptop = dovecot.imap("bob"), dovecot.imap("bob")
    for _ in range(ROUNDS):
        replies = dovecot.at_once(lambda: set_entry(phone, ENABLED, "yes").status,
                                  lambda: set_entry(laptop, ENABLED, None).status)
        assert replies == ["OK", "OK"]
        assert get_entry(phone, ENABLED) == get_entry(laptop, ENABLED)
        assert get_entry(phone, ENABLED) in (b"yes", None)


# -- what every server runs out of


MIXED = {"active": {}, "off": {}, "lacking": {"plugins": False}, "full": {}}


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
@pytest.mark.parametrize("order", ["forward", "backward"])
def test_mixed_recipients(server, driver, sieve, order):
    """S41 S33: one transaction to one who has COI active, one who has it off,
    one without the plugin, one over quota with it active, and an unknown one:
    to each the answer of a plain Dovecot, and each mail where it belongs."""
    names = sorted([*MIXED, "unknown"], reverse=order == "backward")
    answers = []
    for coi in (False, True):
        users = MIXED if coi else dict.fromkeys(MIXED, {})
        dovecot = server(driver=driver, sieve=sieve, users=users, quota=2, coi=coi)
        dovecot.allow_error("[Qq]uota")
        if coi:
            enabled(dovecot, "active", "full")
        if sieve:
            for user in MIXED:
                dovecot.sieve(user, "keep;\n")
        for _ in range(2):
            dovecot.delivered("full", mail())
        answers.append({user: re.sub(r"<.*", "", reply) if reply[0] != "2" else reply[:9]
                        for user, reply in dovecot.deliver(names, chat()).items()})
    assert answers[0] == answers[1]
    assert [answers[1][user][:3] for user in (*MIXED, "unknown")] == [
        "250", "250", "250", "552", "550"]
    assert {user: places(dovecot.imap(user)) for user in MIXED} == {
        "active": [("chat", CHATS, "$Chat")], "off": [("chat", "INBOX", "")],
        "lacking": [("chat", "INBOX", "")], "full": [("mail", "INBOX", "")] * 2}


def test_append_over_quota(server, driver):
    """S37 S41: APPEND over quota is refused as a plain Dovecot refuses it, and
    COI can be switched on and off there."""
    answers = []
    for coi in (False, True):
        dovecot = server(driver=driver, quota=1, coi=coi)
        dovecot.allow_error("[Qq]uota")
        dovecot.delivered("bob", mail())
        bob = enabled(dovecot, "bob") if coi else dovecot.imap("bob")
        answers.append([bob.append("INBOX", message).tagged.partition(b"(")[0]
                        for message in (chat(), mail())])
        if coi:
            assert set_entry(bob, ENABLED, None).status == "OK"
        assert places(bob) == [("mail", "INBOX", "")]
    assert answers[0] == answers[1]
    assert answers[0][0].startswith(b"NO [OVERQUOTA] ")


def limit_files(dovecot, service, kilobytes):
    """Files that the service writes cannot grow beyond that, as on a full disk."""
    wrapper = dovecot.dir / service
    wrapper.write_text(f"#!/bin/bash\ntrap '' XFSZ\nulimit -f {kilobytes}\n"
                       f'exec /usr/lib/dovecot/{service} "$@"\n')
    wrapper.chmod(0o700)
    with open(dovecot.conf, "a", encoding="ascii") as conf:
        conf.write(f"service {service} {{\n  executable = {wrapper}\n}}\n")


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
def test_no_room_for_a_message(server, driver, sieve):
    """S41: a message that no mailbox has room for gets the answer of a plain
    Dovecot, and is nowhere; a smaller one is taken and filed."""
    big = chat("big", body=("x" * 70 + "\n") * 1700)
    answers = []
    for coi in (False, True):
        dovecot = server.unstarted(driver=driver, sieve=sieve, coi=coi)
        dovecot.allow_error(" Error: ")
        limit_files(dovecot, "lmtp", 100)
        dovecot.start()
        bob = enabled(dovecot, "bob") if coi else dovecot.imap("bob")
        if sieve:
            dovecot.sieve("bob", "keep;\n")
        answers.append(re.sub(r"<.*", "", dovecot.deliver("bob", big)["bob"]))
        send(dovecot, "lmtp", "bob", chat("small"))
        assert places(bob) == [("small", CHATS, "$Chat") if coi else ("small", "INBOX", "")]
    assert answers[0] == answers[1]
    assert answers[0].startswith("4")


def test_no_room_for_a_setting(server):
    """S41 S17: the store's disk is full: NO [SERVERBUG], one line, and nothing
    is changed or left behind."""
    dovecot = server()
    enabled(dovecot, "bob").ok("LOGOUT")
    before = tree(store(dovecot, "bob").parent)
    full = server.unstarted()
    full.expect_error("coi: .*dovecot-coi")
    shutil.rmtree(full.dir / "home")
    dovecot.stop()
    shutil.copytree(dovecot.dir / "home", full.dir / "home")
    limit_files(full, "imap", 0)
    bob = full.start().imap("bob")
    with errors_of_ours(full, 1, "File too large"):
        assert set_entry(bob, FILTER, "none").tagged.startswith(b"NO [SERVERBUG] ")
    assert [get_entry(bob, FILTER), get_entry(bob, ENABLED)] == [b"active", b"yes"]
    after = tree(store(full, "bob").parent)
    assert list(before.values()) == list(after.values())
