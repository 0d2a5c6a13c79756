"""What the number of contacts costs: a delivery, setting one, listing them all,
and sorting old mail."""

import hashlib
import json
import os
import shutil
import subprocess
import time

from coi import CHATS, store
from messages import chat, mail

import common
import instructions
from times import NO_FSYNC

FEW, SOME, MANY = 10, 1_000, 100_000
APPEND_BATCH = 1_000
CONTACTS = "/private/vendor/vendor.dovecot/coi/contacts"
USER = common.ORDINARY.users[0]
BLOCKED = json.dumps({"blocked": True, "modified": "2026-01-01T00:00:00Z"},
                     separators=(",", ":"))


def contact_hash(number):
    """COI-From-Hash of a contact (C3)."""
    return hashlib.sha3_256(b"contact%d@example.com" % number).hexdigest()


#
# Deliveries
#

def write_contacts(directory, number):
    """Blocked contacts, as the store keeps them."""
    for each in range(number):
        name = contact_hash(each)
        place = directory / name[:2]
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(BLOCKED, encoding="ascii")


def delivery(directory, number, few, many):
    """Instructions per delivery of an ordinary mail from somebody who is not
    blocked, to users who block so many others."""
    shared = directory / "contacts"
    write_contacts(shared, number)

    def prepare(dovecot):
        for user in common.ORDINARY.users:
            state = store(dovecot, user)
            state.write_text(state.read_text(encoding="utf-8") + "has-blocked\tyes\n",
                             encoding="utf-8")
            (state.parent / "contacts").symlink_to(shared)

    cost = instructions.per_delivery(common.ORDINARY, few, many, directory, prepare)
    shutil.rmtree(shared)
    return cost


def delivery_rows(options, directory):
    few, many = (number * common.USERS for number in ((3, 8) if options.quick else (5, 30)))
    cost = {number: delivery(directory / f"contacts-{number}", number, few, many)
            for number in (1, SOME, MANY)}
    for number in (SOME, MANY):
        yield common.Row(f"instructions per delivery: {number:,} contacts for 1",
                         f"{cost[1] / 1000:,.0f} k", f"{cost[number] / 1000:,.0f} k",
                         f"{cost[number] / cost[1]:.4f}", "<= 1.05")


#
# Setting and listing
#

def contact_message(number):
    return (b"From: <bench@example.org>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
            b"Message-ID: <chat$bench%d@example.org>\r\nMIME-Version: 1.0\r\n"
            b"Chat-Version: 1.0\r\nChat-Content: contact\r\nCOI-Blocked: yes\r\n"
            b"COI-From-Hash: %s\r\n\r\ncard\r\n"
            % (number, contact_hash(number).encode()))


def append(imap, mailbox, messages):
    """Many at once (RFC 3502)."""
    for begin in range(0, len(messages), APPEND_BATCH):
        batch = messages[begin:begin + APPEND_BATCH]
        imap.send(b"many APPEND %s" % mailbox.encode() +
                      b"".join(b" {%d+}\r\n%s" % (len(each), each) for each in batch))
        imap.finish(b"many")


def set_contact(imap, number, blocked):
    """ms for one SETMETADATA."""
    value = b'{"blocked":%s}' % (b"true" if blocked else b"false")
    start = time.monotonic()
    imap.ok(f'SETMETADATA "" ({CONTACTS}/{contact_hash(number)} {{{len(value)}+}}\r\n'
            + value.decode() + ")")
    return (time.monotonic() - start) * 1000


def list_contacts(imap):
    """Seconds, and how many there are."""
    start = time.monotonic()
    lines = imap.ok(f'GETMETADATA (DEPTH 1) "" {CONTACTS}')
    took = time.monotonic() - start
    return took, sum(line.count(CONTACTS.encode() + b"/") for line in lines)


def setting_rows(options, _directory):
    counts = (FEW, SOME) if options.quick else (FEW, MANY)
    rounds = 10 if options.quick else 50
    with common.running(True, NO_FSYNC) as dovecot:
        users = dict(zip(counts, common.ORDINARY.users))
        for number, user in users.items():
            with dovecot.imap(user) as imap:
                append(imap, "COI/Contacts", [contact_message(each) for each in range(number)])
                imap.ok("SELECT COI/Contacts")  # they are not new any more
                imap.ok("LOGOUT")
        # only to have them there in less than an hour
        dovecot.stop()
        dovecot.conf.write_text(dovecot.conf.read_text().replace(NO_FSYNC, ""))
        dovecot.start()
        clients = {number: dovecot.imap(user) for number, user in users.items()}
        spent = {number: [] for number in counts}
        # each turn unblocks a contact and blocks it again
        for turn in range(rounds):
            for number, imap in clients.items():
                for blocked in (False, True):
                    spent[number].append(set_contact(imap, turn % FEW, blocked))
        few, many = (common.median(spent[number]) for number in counts)
        yield common.Row(f"setting one contact: among {counts[1]:,} for {FEW}",
                         f"{few:.1f} ms", f"{many:.1f} ms", f"{many / few:.2f}", "<= 2")
        took, found = list_contacts(clients[counts[1]])
        assert found == counts[1], found
        yield common.Row(f"listing {counts[1]:,} contacts", "", f"{took:.2f} s",
                         f"{took / found * 1e6:.0f} us each")
        for imap in clients.values():
            imap.ok("LOGOUT")


#
# Sorting old mail
#

def sort_row(options, _directory):
    number = SOME if options.quick else MANY
    with common.running(True, NO_FSYNC) as dovecot:
        with dovecot.imap(USER) as imap:
            each = [make(body="x").replace(b"\n", b"\r\n") for make in (chat, mail)]
            append(imap, "INBOX", each * (number // 2))
            imap.ok("LOGOUT")
        start = time.monotonic()
        process = subprocess.Popen(
            ["doveadm", "-c", dovecot.conf, "coi", "sort", "-u", USER],
            stdout=subprocess.DEVNULL)
        _pid, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - start
        assert status == 0, status
        with dovecot.imap(USER) as imap:
            found = len(imap.messages(CHATS))
        assert found == number // 2, found
    yield common.Row(f"sort: {number:,} messages, half of them chat", "", f"{took:.1f} s",
                     f"{number / took:,.0f}/s, {usage.ru_maxrss // 1024} MB")


def rows(options, directory):
    yield from delivery_rows(options, directory)
    yield from setting_rows(options, directory)
    yield from sort_row(options, directory)
