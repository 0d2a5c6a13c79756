"""Mail of blocked senders, at delivery by LMTP and by dovecot-lda; and how often
a delivery looks into the store."""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

import pytest

from coi import CHATS, ENABLED, enabled, places, send, set_entry, store
from coitest import wait_until
from coitest.dovecot import LDA
from coitest.imap import crlf
from coitest.wait import BOUND
from messages import chat, mail
from test_faults import BROKEN, errors_of_ours, our_errors
from tracing import Traced

CONTACTS = "/private/vendor/vendor.dovecot/coi/contacts/"
BLOCKED = "Blocked"
MALLORY = "mallory@example.net"
EVE = "eve@example.net"
WAYS = ("lmtp", "lda")

REQUIRE = 'require ["fileinto", "imap4flags", "mailbox", "reject"];\n'
QUARANTINE = REQUIRE + """
if header :contains "Subject" "virus" { fileinto :create "Quarantine"; stop; }
"""


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


def digest(address):
    """C3: the COI-From-Hash of an address that is normalised already."""
    return hashlib.sha3_256(address.encode()).hexdigest()


def block(client, *addresses, value='{"blocked":true}'):
    """value None: blocks it no more. Returns the client."""
    for address in addresses:
        assert set_entry(client, CONTACTS + digest(address), value).status == "OK"
    return client


def blocking(dovecot, *users, message_filter="active"):
    """A connection for each user, who has COI and blocks mallory (for one: it)."""
    clients = [block(enabled(dovecot, user, message_filter=message_filter), MALLORY)
               for user in users]
    return clients[0] if len(clients) == 1 else clients


def mails(client):
    """As places(), without the contact messages that blocking has written."""
    return [place for place in places(client) if place[1] != "COI/Contacts"]


# -- where it goes


FILTERS = {"none": "INBOX", "active": CHATS, "seen": "INBOX"}


def test_filters(server, driver, way):
    """C4 S35 S37: whatever the filter is, chat and mail of a blocked sender go
    to Blocked, chat with $Chat; all else goes where it always went."""
    dovecot = server(driver=driver, users=dict.fromkeys(FILTERS, {}))
    for word, mailbox in FILTERS.items():
        client = blocking(dovecot, word, message_filter=word)
        for make in (chat, mail):
            send(dovecot, way, word, make("bad " + make.__name__, sender=MALLORY))
            send(dovecot, way, word, make())
        assert mails(client) == [
            ("bad chat", BLOCKED, "$Chat"), ("bad mail", BLOCKED, ""),
            ("chat", mailbox, "$Chat"), ("mail", "INBOX", "")], word


def test_seen_in_blocked(server, driver):
    """C4 S35: filter seen takes nothing out of Blocked once it is read."""
    dovecot = server(driver=driver)
    bob = blocking(dovecot, "bob", message_filter="seen")
    send(dovecot, "lmtp", "bob", chat("bad", sender=MALLORY))
    send(dovecot, "lmtp", "bob", chat("good"))
    for mailbox in (BLOCKED, "INBOX"):
        bob.ok(f"SELECT {mailbox}")
        bob.ok("STORE 1 +FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    assert mails(bob) == [("bad", BLOCKED, "$Chat \\Seen"), ("good", CHATS, "$Chat \\Seen")]


def test_another_name_and_detail(server, way):
    """C4: Blocked is where the administrator says, and counts more than the
    mailbox that the recipient's address names."""
    dovecot = server(settings={"coi_mailbox_blocked": "Refused/Senders"},
                     extra="lmtp_save_to_detail_mailbox = yes\nrecipient_delimiter = +\n")
    bob = blocking(dovecot, "bob")
    bob.ok("CREATE Work")
    for subject, sender in (("bad", MALLORY), ("good", EVE)):
        if way == "lmtp":
            [reply] = dovecot.deliver("bob+Work", mail(subject, sender=sender)).values()
            assert reply.startswith("250")
        else:
            assert dovecot.lda("bob", mail(subject, sender=sender), "-m", "Work") == (0, "")
    assert mails(bob) == [("bad", "Refused/Senders", ""), ("good", "Work", "")]


# A user's script -> where chat is if it runs, and with which flags
SCRIPTS = {
    "none": (None, [(BLOCKED, "$Chat")]),
    "empty": ("", [(BLOCKED, "$Chat")]),
    "keep": ("keep;", [(BLOCKED, "$Chat")]),
    "flags": ('keep :flags "$Work";', [(BLOCKED, "$Chat $Work")]),
    "fileinto": ('fileinto "Work";', [("Work", "$Chat")]),
    "both": ('keep; fileinto "Work";', [(BLOCKED, "$Chat"), ("Work", "$Chat")]),
    "chats": (f'fileinto "{CHATS}";', [(CHATS, "$Chat")]),
    "inbox": ('fileinto "INBOX";', [("INBOX", "$Chat")]),
    "discard": ("discard;", []),
    "redirect": ('redirect "carol@example.net";', []),
    "broken": ("this is no script", [(BLOCKED, "$Chat")]),
}
# Refused by LMTP's reply, by LDA with a mail.
REJECT = 'reject "not now";'


def scripted(server, scripts, **options):
    """A server with a user for each script, who blocks mallory."""
    dovecot = server(users=dict.fromkeys(scripts, {}), sieve=True, **options)
    clients = {}
    for user, script in scripts.items():
        clients[user] = blocking(dovecot, user)
        clients[user].ok("CREATE Work")
        if script is not None:
            dovecot.sieve(user, REQUIRE + script + "\n")
    return dovecot, clients


@pytest.mark.parametrize("before", ["", QUARANTINE], ids=["user", "before"])
def test_no_script_runs(server, driver, way, before):
    """C4: no script sees mail of a blocked sender, neither the user's nor the
    administrator's; for all other mail they run."""
    scripts = {name: script for name, (script, _) in SCRIPTS.items()} | {"reject": REJECT}
    dovecot, clients = scripted(server, scripts, driver=driver, sieve_before=before)
    for user, client in clients.items():
        send(dovecot, way, user, chat("bad chat", sender=MALLORY))
        send(dovecot, way, user, mail("bad virus", sender=MALLORY))
        assert mails(client) == [("bad chat", BLOCKED, "$Chat"),
                                  ("bad virus", BLOCKED, "")], user
    assert dovecot.outbox() == []
    send(dovecot, way, "discard", mail("virus"))
    send(dovecot, way, "redirect", mail())
    assert ("virus", "Quarantine", "") in mails(clients["discard"]) or not before
    assert len(dovecot.outbox()) == 1


@pytest.mark.parametrize("before", ["", QUARANTINE], ids=["user", "before"])
def test_scripts_run_if_the_admin_says_so(server, driver, way, before):
    """C4 S39: with coi_blocked_sieve all scripts run: keep means Blocked, any
    other action does what it says."""
    scripts = {name: script for name, (script, _) in SCRIPTS.items()}
    dovecot, clients = scripted(server, scripts, driver=driver, sieve_before=before,
                                settings={"coi_blocked_sieve": "yes"})
    for user, client in clients.items():
        send(dovecot, way, user, chat("bad", sender=MALLORY))
        expected = [("bad", *place) for place in SCRIPTS[user][1]]
        if before:
            send(dovecot, way, user, mail("virus", sender=MALLORY))
            expected.append(("virus", "Quarantine", ""))
        assert mails(client) == sorted(expected), user
    assert len(dovecot.outbox()) == 1  # the redirect


# -- when it is so


def test_switched_off_and_on(server, driver):
    """C4 S42: nobody is blocked while COI is disabled; blocks survive that, and
    end with the entry."""
    dovecot = server(driver=driver)
    bob = blocking(dovecot, "bob")
    expected = []
    for step, (change, mailbox) in enumerate([
            (lambda: None, BLOCKED),
            (lambda: set_entry(bob, ENABLED, None), "INBOX"),
            (lambda: set_entry(bob, ENABLED, "yes"), BLOCKED),
            (lambda: block(bob, MALLORY, value='{"notify":"none"}'), "INBOX"),
            (lambda: block(bob, MALLORY, value='{"notify":"none","blocked":true}'), BLOCKED),
            (lambda: block(bob, MALLORY, value='{"blocked":false}'), "INBOX"),
            (lambda: block(bob, MALLORY), BLOCKED),
            (lambda: block(bob, MALLORY, value=None), "INBOX")]):
        change()
        for way in WAYS:
            send(dovecot, way, "bob", mail(f"{step} {way}", sender=MALLORY))
            expected.append((f"{step} {way}", mailbox, ""))
    assert mails(bob) == sorted(expected)


def test_blocked_by_a_message(server, driver):
    """C4 C7 S42: a contact message that a client appends blocks its hashes, one
    of them in base64, until the last one is expunged."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    hashes = [f"COI-From-Hash: {digest(address)}" for address in (MALLORY, EVE)]
    for subject in ("one", "two"):
        message = mail(subject, "Chat-Content: contact", *hashes, "COI-Blocked: yes")
        assert bob.append("COI/Contacts", message).status == "OK"

    def found(subject, sender):
        for way in WAYS:
            send(dovecot, way, "bob", mail(f"{subject} {way}", sender=sender))
        where = {place[0]: place[1] for place in mails(bob)}
        return {where[f"{subject} {way}"] for way in WAYS}

    assert found("a", MALLORY) == found("b", EVE) == {BLOCKED}
    for number, mailbox in ((1, BLOCKED), (2, "INBOX")):
        bob.ok("SELECT COI/Contacts")
        bob.ok("STORE 1 +FLAGS (\\Deleted)")
        bob.ok("EXPUNGE")
        bob.ok("UNSELECT")
        assert found(f"c{number}", MALLORY) == found(f"d{number}", EVE) == {mailbox}


# -- who is it?


UMLAUT = "mel@b\u00fccher.example"       # known by its hash in U-label form
PUNY = "mal@xn--bcher-kva.example"       # known by that of its A-label form
NFC = "caf\u00e9@example.net"
LONG_NAME = "x" * 9000
MANY = ", ".join(f"{number}@example.net" for number in range(17))

# name -> (is blocked?, the lines)
FROMS = {
    "address alone": (True, f"From: {MALLORY}"),
    "brackets": (True, f"From: <{MALLORY}>"),
    "display name": (True, f"From: Mallory M <{MALLORY}>"),
    "quoted name": (True, f'From: "Mallory, \\"M\\" <x@y.example>" <{MALLORY}>'),
    "encoded name": (True, f"From: =?utf-8?q?Mall=C3=B6ry=2C?= <{MALLORY}>"),
    "raw name": (True, f"From: Mall\u00f6ry <{MALLORY}>"),
    "latin-1 name": (True, f"From: Mall\udcf6ry <{MALLORY}>"),
    "comments": (True, "From: (a (b) c) mallory (, x@y.example) @ (d) example.net (e)"),
    "quotes": (True, 'From: "mallory"@example.net'),
    "quotes and backslash": (True, 'From: "mal\\lory"@example.net'),
    "upper case": (True, "From: MALLORY@Example.NET"),
    "case of the field": (True, f"FROM: {MALLORY}"),
    "route": (True, f"From: <@a.example,@b.example:{MALLORY}>"),
    "folded": (True, f"From:\n Mallory\n\t<{MALLORY}>"),
    "group": (True, f"From: Gang: {MALLORY}, Eve <{EVE}>;"),
    "twice": (True, f"From: {MALLORY}, M <{MALLORY}>"),
    "two, both blocked": (True, f"From: {MALLORY}, {EVE}"),
    "two fields, both blocked": (True, f"From: {MALLORY}\nFrom: {EVE}"),
    "empty elements": (True, f"From: , {MALLORY},, {EVE},"),
    "U-label by U": (True, f"From: {UMLAUT}"),
    "U-label by U, decomposed": (True, "From: mel@bu\u0308cher.example"),
    "U-label by U, upper case": (True, "From: MEL@B\u00dcCHER.EXAMPLE"),
    "A-label by U": (True, "From: mel@xn--bcher-kva.example"),
    "A-label by U, upper case": (True, "From: mel@XN--BCHER-KVA.example"),
    "U-label by A": (True, "From: mal@b\u00fccher.example"),
    "A-label by A": (True, f"From: {PUNY}"),
    "local part in upper case": (True, "From: CAF\u00c9@example.net"),
    "local part decomposed": (True, "From: cafe\u0301@example.net"),
    "Sender and Reply-To of another": (True, f"From: {MALLORY}\nSender: a@example.org\n"
                                       "Reply-To: b@example.org"),

    "nobody": (False, "X-From: mallory@example.net"),
    "empty": (False, "From:"),
    "white space": (False, "From: \n "),
    "empty brackets": (False, "From: <>"),
    "empty group": (False, "From: undisclosed:;"),
    "name alone": (False, "From: Mallory"),
    "no domain": (False, "From: mallory@"),
    "no local part": (False, "From: @example.net"),
    "quoted as a whole": (False, f'From: "{MALLORY}"'),
    "encoded as a whole": (False, "From: =?utf-8?q?mallory=40example=2Enet?="),
    "in a comment": (False, f"From: ({MALLORY})"),
    "no comma": (False, f"From: {MALLORY} {EVE}"),
    "rubbish behind": (False, f"From: {MALLORY}, <<>"),
    "name without address behind": (False, f"From: {MALLORY}, Eve"),
    "bracket without end": (False, f"From: Mallory <{MALLORY}"),
    "comment without end": (False, f"From: {MALLORY} (Mallory"),
    "quote without end": (False, f'From: {MALLORY}, "Eve'),
    "group without end": (False, f"From: Gang: {MALLORY}"),
    "NUL": (False, f"From: {MALLORY}\0"),
    "8-bit domain that is no UTF-8": (False, "From: mel@b\udcfccher.example"),
    "two, one of another": (False, f"From: {MALLORY}, alice@example.org"),
    "another first": (False, f"From: alice@example.org, {MALLORY}"),
    "two fields, one of another": (False, f"From: {MALLORY}\nFrom: alice@example.org"),
    "two fields, one not readable": (False, f"From: {MALLORY}\nFrom: Eve"),
    "group with another": (False, f"From: Gang: {MALLORY}, alice@example.org;"),
    "too long": (False, f'From: "{LONG_NAME}" <{MALLORY}>'),
    "too long by a second field": (False, f'From: {MALLORY}\nFrom: "{LONG_NAME}" <{EVE}>'),
    "too many": (False, f"From: {MANY}"),
    "subdomain": (False, "From: mallory@mail.example.net"),
    "detail": (False, "From: mallory+x@example.net"),
    "Sender is blocked": (False, f"From: alice@example.org\nSender: {MALLORY}\n"
                          f"Reply-To: {MALLORY}\nReturn-Path: <{MALLORY}>"),
    "in the body": (False, f"Subject: body\n\nFrom: {MALLORY}"),
}


def message_from(number, lines):
    """lines: with surrogates for bytes that are no UTF-8."""
    text = f"X-Number: {number}\nSubject: {number}\n{lines}\n\nbody\n"
    return text.encode("utf-8", "surrogateescape")


def test_from(server, way):
    """C3 C5: a message is blocked if all of its From is addresses, and each one
    is blocked, in whatever form they stand there. In doubt it is not."""
    dovecot = server()
    dovecot.allow_error("zero byte")
    bob = block(enabled(dovecot, "bob"), MALLORY, EVE, UMLAUT, PUNY, NFC,
                *MANY.split(", "))
    for number, (_, lines) in enumerate(FROMS.values()):
        send(dovecot, way, "bob", message_from(number, lines))
    found = {subject: mailbox for subject, mailbox, _ in mails(bob)}
    assert {name: found.get(str(number)) == BLOCKED
            for number, name in enumerate(FROMS)} == {
                name: is_blocked for name, (is_blocked, _) in FROMS.items()}
    assert our_errors(dovecot) == []


def test_check_values():
    """C3: the hashes that the client specification tells."""
    assert [digest(address) for address in ("john.doe@coi-dev.org", "john.doe@example.com")] == [
        "74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0",
        "834d1654133366cef4d81e81a7099f413b1b85b9fc9dd62140491303dec56532"]


# -- several recipients


USERS = {"blocks": {}, "enabled": {}, "inbox": {}, "off": {}, "lacking": {"plugins": False},
         "never": {"coi": "no"}, "new": {}}
# where they find chat and mail
EXPECTED = {
    "blocks": ((BLOCKED, "$Chat"), (BLOCKED, "")),
    "enabled": ((CHATS, "$Chat"), ("INBOX", "")),       # blocks somebody else
    "inbox": ((BLOCKED, "$Chat"), (BLOCKED, "")),       # filter none
    "off": (("INBOX", ""), ("INBOX", "")),              # would block
    "lacking": (("INBOX", ""), ("INBOX", "")),
    "never": (("INBOX", ""), ("INBOX", "")),
    "new": (("INBOX", ""), ("INBOX", "")),
}


def copy_store(dovecot, source, user):
    """The user has what the source has set, and cannot set it: COI is off."""
    path = store(dovecot, source).parent
    shutil.copytree(path, dovecot.home(user) / path.relative_to(dovecot.home(source)),
                    dirs_exist_ok=True)


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
@pytest.mark.parametrize("order", ["forward", "backward"])
def test_recipients_of_one_transaction(server, driver, sieve, order):
    """C4 S37: each by their own contacts, whoever was first to store it."""
    dovecot = server(driver=driver, users=USERS, sieve=sieve)
    blocking(dovecot, "blocks", "off")
    blocking(dovecot, "inbox", message_filter="none")
    block(enabled(dovecot, "enabled"), EVE)
    clients = {user: dovecot.imap(user) for user in USERS}
    assert set_entry(clients["off"], ENABLED, None).status == "OK"
    for user in ("lacking", "never"):
        copy_store(dovecot, "blocks", user)
    names = sorted(USERS, reverse=order == "backward")
    if sieve:
        for user in names[::2]:
            dovecot.sieve(user, "keep;\n")
    for make in (chat, mail):
        dovecot.delivered(names, make(sender=MALLORY))
    for user, client in clients.items():
        found = mails(client)
        assert found == [("chat", *EXPECTED[user][0]), ("mail", *EXPECTED[user][1])], user


# -- faults of the store


def no_object(path):
    path.write_text(f'["{MALLORY}"]')


def no_bool(path):
    path.write_text(f'{{"blocked":"{MALLORY}"}}')


def twice(path):
    path.write_text('{"blocked":true,"blocked":true}')


def nul(path):
    path.write_bytes(path.read_bytes() + b"\0")


def directory_instead(path):
    path.unlink()
    path.mkdir()


def empty(path):
    path.write_bytes(b"")


CONTACT_FAULTS = BROKEN | {
    "no object": no_object, "no bool": no_bool, "member twice": twice, "NUL": nul,
    "a directory instead": directory_instead, "empty": empty}


def contact_file(dovecot, user, address):
    return store(dovecot, user, f"contacts/*/{digest(address)}")


def open_again(directory):
    for path in (directory, *directory.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def test_broken_contact(server):
    """C5 S41: what a contact's file holds cannot be had: the mail is delivered
    as not blocked, with one line that tells why and names nobody; and other
    blocked contacts are still blocked."""
    names = {f"user{number}": name for number, name in enumerate(CONTACT_FAULTS)}
    dovecot = server(users=dict.fromkeys(names, {}))
    dovecot.expect_error("coi: Delivering as not blocked: ")
    for user, name in names.items():
        client = block(blocking(dovecot, user), EVE)
        CONTACT_FAULTS[name](contact_file(dovecot, user, MALLORY))
        try:
            for way in WAYS:
                for make in (chat, mail):
                    with errors_of_ours(dovecot, 1, "coi: Delivering as not blocked: .*"
                                        "(contacts/|Contact )"):
                        send(dovecot, way, user, make(f"{way} {make.__name__}",
                                                      sender=MALLORY))
                send(dovecot, way, user, mail(f"{way} eve", sender=EVE))
        finally:
            open_again(dovecot.home(user))
        assert mails(client) == [
            ("lda chat", CHATS, "$Chat"), ("lda eve", BLOCKED, ""), ("lda mail", "INBOX", ""),
            ("lmtp chat", CHATS, "$Chat"), ("lmtp eve", BLOCKED, ""),
            ("lmtp mail", "INBOX", "")], name
    assert not any("@" in line.partition("coi: ")[2] for line in our_errors(dovecot))


def test_one_of_several_is_broken(server):
    """C5 S41: of two senders the contact of one cannot be read: not blocked."""
    dovecot = server()
    dovecot.expect_error("coi: Delivering as not blocked: ")
    bob = block(blocking(dovecot, "bob"), EVE)
    contact_file(dovecot, "bob", EVE).write_bytes(b"{")
    for senders in ([MALLORY, EVE], [EVE, MALLORY]):
        with errors_of_ours(dovecot, 1):
            send(dovecot, "lmtp", "bob", mail("two", sender=", ".join(senders)))
    send(dovecot, "lmtp", "bob", mail("one", sender=f"alice@example.org, {EVE}"))
    assert {place[:2] for place in mails(bob)} == {
        ("two", "INBOX"), ("one", "INBOX")}


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
def test_broken_state(server, sieve):
    """C5 S41: the store cannot be read at all: mail as without COI, and each
    delivery says so once."""
    names = {f"user{number}": name for number, name in enumerate(BROKEN)}
    dovecot = server(users=dict.fromkeys(names, {}), sieve=sieve)
    dovecot.expect_error("coi: .*dovecot-coi")
    for user, name in names.items():
        blocking(dovecot, user).ok("LOGOUT")
        state = store(dovecot, user)
        BROKEN[name](state)
        try:
            for way in WAYS:
                with errors_of_ours(dovecot, 1, "dovecot-coi"):
                    send(dovecot, way, user, chat(way, sender=MALLORY))
        finally:
            if state.parent.is_dir():
                state.parent.chmod(0o700)
        assert mails(dovecot.imap(user)) == [
            ("lda", "INBOX", ""), ("lmtp", "INBOX", "")], name


def test_contacts_that_went(server):
    """C5 S41: a contact's file is gone, or all of them are: nobody is blocked,
    and that is no error."""
    dovecot = server()
    bob = block(blocking(dovecot, "bob"), EVE)
    contact_file(dovecot, "bob", MALLORY).unlink()
    send(dovecot, "lmtp", "bob", mail("file", sender=MALLORY))
    shutil.rmtree(store(dovecot, "bob", "contacts"))
    send(dovecot, "lmtp", "bob", mail("directory", sender=EVE))
    assert [place[:2] for place in mails(bob)] == [
        ("directory", "INBOX"), ("file", "INBOX")]


# -- faults of Blocked


def no_write(path):
    for directory in (path, *path.rglob("*")):
        if directory.is_dir():
            directory.chmod(0o500)


def no_read(path):
    path.chmod(0)


def removed(path):
    shutil.rmtree(path)


def file_instead(path):
    shutil.rmtree(path)
    path.touch()


def loop_instead(path):
    shutil.rmtree(path)
    path.symlink_to(path)


def corrupted(path):
    for index in path.rglob("dovecot*index*"):
        index.write_bytes(b"garbage" * 100)


def deleted(dovecot, user):
    dovecot.doveadm("mailbox", "delete", "-u", user, BLOCKED)


def noselect(dovecot, user):
    dovecot.doveadm("mailbox", "create", "-u", user, BLOCKED + "/x")
    deleted(dovecot, user)


FAULTS = {"without write permission": no_write, "without any permission": no_read,
          "removed": removed, "a file instead": file_instead, "a loop instead": loop_instead,
          "index corrupted": corrupted}
# By an admin's tool: it is made anew.
MENDED = {"deleted": deleted, "Noselect": noselect}
# With these it takes nothing. (Mail of an mdbox is elsewhere.)
UNUSABLE = dict.fromkeys(["sdbox", "maildir"], {
    "without write permission", "without any permission", "a file instead", "a loop instead"})
UNUSABLE["mdbox"] = UNUSABLE["sdbox"] - {"without write permission"}
# script, coi_blocked_sieve, where chat and mail are if not in Blocked
VARIANTS = {
    "plain": (None, "no", (CHATS, "INBOX")),
    "keep": ("keep;", "no", (CHATS, "INBOX")),
    "fileinto": ('fileinto "Work";', "no", ("Work", "Work")),
    "sieve keep": ("keep;", "yes", (CHATS, "INBOX")),
    "sieve fileinto": ('fileinto "Work";', "yes", ("Work", "Work")),
}


def blocked_directory(dovecot, user):
    [path] = [path for path in dovecot.home(user).rglob("*" + BLOCKED) if path.is_dir()]
    return path


def deliver_all(dovecot, user, name):
    """Chat and mail of a blocked sender, by LMTP and LDA, while Blocked has the
    fault."""
    if name in MENDED:
        MENDED[name](dovecot, user)
    else:
        FAULTS[name](blocked_directory(dovecot, user))
    try:
        for way in WAYS:
            for make in (chat, mail):
                send(dovecot, way, user, make(f"{way} {make.__name__}", sender=MALLORY))
    finally:
        open_again(dovecot.home(user))
    if name == "index corrupted":  # dbox finds its mail then
        dovecot.doveadm("force-resync", "-u", user, BLOCKED)


@pytest.mark.parametrize("variant", VARIANTS)
def test_faults_of_blocked(server, driver, variant):
    """C5 S41: what is wrong with Blocked costs no mail: each message is there
    once, in Blocked, or where it would be if its sender were not blocked and
    then with one line of ours."""
    script, setting, unblocked = VARIANTS[variant]
    names = {f"user{number}": name for number, name in enumerate(FAULTS | MENDED)}
    dovecot = server(driver=driver, sieve=script is not None,
                     users=dict.fromkeys(names, {}),
                     settings={"coi_blocked_sieve": setting})
    dovecot.allow_error(" Error: ")
    for user, name in names.items():
        bob = blocking(dovecot, user)
        bob.ok("CREATE Work")
        if script:
            dovecot.sieve(user, f'require "fileinto";\n{script}\n')
        bob.ok("LOGOUT")
        before = len(our_errors(dovecot))
        deliver_all(dovecot, user, name)
        lines = our_errors(dovecot)[before:]
        found = mails(dovecot.imap(user))
        in_blocked = [place for place in found if place[1] == BLOCKED]
        assert sorted((subject, mailbox if mailbox != BLOCKED else unblocked["mail" in subject],
                       flags) for subject, mailbox, flags in found) == [
            ("lda chat", unblocked[0], "$Chat"), ("lda mail", unblocked[1], ""),
            ("lmtp chat", unblocked[0], "$Chat"), ("lmtp mail", unblocked[1], "")], name
        assert all(re.search("coi: Delivering as not blocked: .* Blocked failed: ", line)
                   for line in lines), name
        if variant != "sieve fileinto":
            assert len(lines) == len(found) - len(in_blocked), name
            assert name not in MENDED or len(in_blocked) == 4, name
            assert len(lines) == 4 or name not in UNUSABLE[driver], name


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
def test_over_quota(server, driver, sieve):
    """C4 S41: over quota mail of a blocked sender gets the answer that a plain
    Dovecot gives, and the log hears nothing of ours."""
    answers = []
    for coi in (False, True):
        dovecot = server(driver=driver, quota=2, sieve=sieve, coi=coi)
        dovecot.allow_error("[Qq]uota")
        if coi:
            blocking(dovecot, "bob")  # the contact message is one of the two
        else:
            dovecot.delivered("bob", mail("first"))
        dovecot.delivered("bob", mail("second"))
        answers.append([])
        for make in (chat, mail):
            message = make("bad", sender=MALLORY)
            answers[-1] += [dovecot.deliver("bob", message)["bob"].split("<")[0],
                            dovecot.lda("bob", message)]
        assert ("second", "INBOX", "") in mails(dovecot.imap("bob"))
        assert not [place for place in mails(dovecot.imap("bob")) if place[0] == "bad"]
        assert our_errors(dovecot) == []
    assert answers[0] == answers[1]
    assert answers[1][0].startswith("552 ")


def test_plugin_is_missing(server):
    """C5 S41: coi_contacts cannot be loaded: mail as if nobody were blocked, and
    one line in the log for each process."""
    dovecot = server.unstarted(extra="".join(
        f"protocol {name} {{\n  mail_plugin_dir = PLUGINS\n}}\n" for name in ("lmtp", "lda")))
    plugins = dovecot.dir / "plugins"
    plugins.mkdir()
    for path in pathlib.Path("/usr/lib/dovecot/modules").iterdir():
        if "coi_contacts" not in path.name:
            (plugins / path.name).symlink_to(path)
    dovecot.conf.write_text(dovecot.conf.read_text().replace("PLUGINS", str(plugins)))
    dovecot.expect_error("coi: Contacts and groups are off: .*coi_contacts")
    bob = blocking(dovecot.start(), "bob")
    for way in WAYS:
        with errors_of_ours(dovecot, 1, "coi_contacts"):
            send(dovecot, way, "bob", chat(way, sender=MALLORY))
    assert mails(bob) == [("lda", CHATS, "$Chat"), ("lmtp", CHATS, "$Chat")]


# -- what admins see


METRIC = """metric {name} {{
  filter = event=coi_delivery_finished AND reason={reason} AND mailbox="{mailbox}" AND chat={chat}
}}
"""
METRICS = {"bad_chat": ("blocked", BLOCKED, "yes"), "bad_mail": ("blocked", BLOCKED, "no"),
           "fallen_chat": ("filter-active", CHATS, "yes"),
           "fallen_mail": ("not-chat", "INBOX", "no")}


def counted(dovecot):
    lines = dovecot.doveadm("stats", "dump").splitlines()
    return {fields[0]: int(fields[2]) for fields in map(str.split, lines[1:])
            if fields[0] in METRICS and fields[1] in ("duration", "count")}


def test_event(server):
    """C4 C5: coi_delivery_finished tells that a message was blocked, or what it
    was because Blocked did not take it. No line of ours at info or above names
    a sender."""
    metrics = [METRIC.format(name=name, reason=reason, mailbox=mailbox, chat=is_chat)
               for name, (reason, mailbox, is_chat) in METRICS.items()]
    dovecot = server(extra="".join(metrics) + "log_debug = category=coi\n")
    dovecot.allow_error(" Error: .*Permission denied")
    blocking(dovecot, "bob")
    for way in WAYS:
        for make in (chat, mail, mail):
            send(dovecot, way, "bob", make(sender=MALLORY))
    blocked_directory(dovecot, "bob").chmod(0)
    for make in (chat, mail):
        send(dovecot, "lmtp", "bob", make(sender=MALLORY))
    blocked_directory(dovecot, "bob").chmod(0o700)
    wait_until(lambda: counted(dovecot) == {"bad_chat": 2, "bad_mail": 4, "fallen_chat": 1,
                                            "fallen_mail": 1}, "the events")
    ours = [line for line in dovecot.log_text().splitlines() if "coi: " in line]
    assert len([line for line in ours if "Delivery finished: blocked" in line]) == 6
    assert not any("mallory" in line.lower() for line in ours if "Debug: " not in line)


# -- how often a delivery looks into the store


ONE_LMTP = "service lmtp {\n  process_limit = 1\n}\n"


def traced_lmtp(dovecot, user, message):
    """Delivers it. Returns the paths in the user's store that lmtp has named to
    the system from RCPT on until it ended."""
    ready, go = threading.Event(), threading.Event()
    replies = []

    def say(who, line):
        if who == "C" and line.startswith(b"RCPT"):
            ready.set()
            go.wait(BOUND)

    def run():
        replies.extend(dovecot.deliver(user, message, transcript=say).values())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)  # it may wait for another client
    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(BOUND)
    [pid] = dovecot.processes("lmtp")
    with Traced(pid) as traced:
        go.set()
        paths = traced.paths("/dovecot-coi")
    thread.join()
    assert [reply[:3] for reply in replies] == ["250"]
    return paths


def traced_lda(dovecot, user, message):
    """The same by dovecot-lda, which gets the message once it is watched."""
    with subprocess.Popen([LDA, "-c", dovecot.conf, "-d", user, "-f", "a@example.org"],
                          stdin=subprocess.PIPE) as lda:
        with Traced(lda.pid) as traced:
            lda.stdin.write(crlf(message))
            lda.stdin.close()
            return traced.paths("/dovecot-coi")


TRACED = {"lmtp": traced_lmtp, "lda": traced_lda}


def stamps(directory):
    """What any change of the store would change."""
    found = {}
    for path in (directory, *directory.rglob("*")):
        stat = path.lstat()
        found[path] = stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
    return found


def reads(dovecot, way, user, message):
    """The names in the store that the delivery asks for, each once for each
    time."""
    paths = TRACED[way](dovecot, user, message)
    return [path.partition("/dovecot-coi/")[2] for path in paths]


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
def test_reads_of_the_store(server, driver, way, sieve):
    """C4 S41: a user without COI costs one failed open of the state, one who has
    it and blocks somebody one more of the sender's contact, chat or not, blocked
    or not; and no delivery writes there."""
    dovecot = server(driver=driver, sieve=sieve, extra=ONE_LMTP,
                     users={"new": {}, "off": {}, "enabled": {}, "blocks": {}})
    blocking(dovecot, "blocks", "off")
    enabled(dovecot, "enabled")
    assert set_entry(dovecot.imap("off"), ENABLED, None).status == "OK"
    if sieve:
        for user in ("new", "blocks"):
            dovecot.sieve(user, "keep;\n")
    directories = {user: store(dovecot, user).parent for user in ("off", "enabled", "blocks")}
    before = {user: stamps(path) for user, path in directories.items()}
    for make in (chat, mail):
        for sender in ("alice@example.org", MALLORY):
            contact = f"contacts/{digest(sender)[:2]}/{digest(sender)}"
            for user in ("new", "off", "enabled", "blocks"):
                found = reads(dovecot, way, user, make(sender=sender))
                assert found == ["state"] + [contact] * (user == "blocks"), user
    assert {user: stamps(path) for user, path in directories.items()} == before
    assert not list(dovecot.home("new").rglob("dovecot-coi"))


def system_reads(pid):
    """How often a process has called read(2), as it does for each notice that
    the kernel gives it of a file, and not for its timers. None unless it is
    sleeping now."""
    if not re.search(r"^State:\s+S", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M):
        return None
    return int(re.search(r"^syscr: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text(), re.M)[1])


def at_rest(dovecot, pids):
    """The system_reads() of processes that have nothing to do: they are the same
    before and after some other user's mail."""
    found = []

    def same():
        before = [system_reads(pid) for pid in pids]
        dovecot.delivered("alice", mail())
        found[:] = [system_reads(pid) for pid in pids]
        return None not in found and before == found
    wait_until(same, "all are at rest")
    return found


def idling(dovecot, user, mailbox):
    """(client, its process), in IDLE on the mailbox."""
    old = set(dovecot.processes("imap"))
    client = dovecot.imap(user)
    client.ok(f'SELECT "{mailbox}"')
    [pid] = set(dovecot.processes("imap")) - old
    client.idle()
    return client, pid


def test_who_wakes(server, driver, way):
    """C4 S40: a chat message wakes the session on Chats, one of a blocked sender
    that on Blocked. No client on another mailbox hears of it, and no process
    of one stirs."""
    dovecot = server(driver=driver)
    blocking(dovecot, "bob").ok("LOGOUT")
    wait_until(lambda: not dovecot.processes("imap"), "no imap process")
    send(dovecot, way, "bob", mail())  # there is an INBOX
    mailboxes = ["INBOX", CHATS, "COI/Contacts", BLOCKED]
    sessions = {mailbox: idling(dovecot, "bob", mailbox) for mailbox in mailboxes}
    for sender, mailbox in (("alice@example.org", CHATS), (MALLORY, BLOCKED)):
        # the directory of a maildir's INBOX holds the index of all mailboxes
        quiet = [pid for name, (_, pid) in sessions.items() if name != mailbox
                 and (driver, name) != ("maildir", "INBOX")]
        before = at_rest(dovecot, quiet)
        send(dovecot, way, "bob", chat(sender=sender))
        assert [system_reads(pid) for pid in quiet] == before, mailbox
        sessions[mailbox][0].wait_for(r"^\* 1 EXISTS")
        for name, (client, _) in sessions.items():
            heard = client.done().untagged
            assert heard == [] or name == mailbox and heard == [b"* 1 RECENT"], name
            client.idle()
