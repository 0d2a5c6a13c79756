"""What the tests of contacts share: entries, contact messages, and both sides of
them as clients see them."""

import hashlib
import json
import re
from email.utils import parsedate_to_datetime

from coi import get_entry, set_entry
from coitest import Literal
from coitest.imap import crlf

P = "/private/vendor/vendor.dovecot/coi"
CONTACTS = P + "/contacts"
GROUPS = P + "/groups"
MAILBOX = "COI/Contacts"
BLOCKED = '{"blocked":true}'


def name_hash(name):
    """A hash as COI-From-Hash has it (C3)."""
    return hashlib.sha3_256(f"{name}@example.org".encode()).hexdigest()


def contact(name):
    return f"{CONTACTS}/{name_hash(name)}"


def group(name):
    return f"{GROUPS}/{name_hash(name)}"


def block(client, name):
    return set_entry(client, contact(name), BLOCKED)


def value(client, name):
    """The members of a contact's entry but `modified'; {} if there is none."""
    data = get_entry(client, contact(name))
    members = json.loads(data) if data else {"modified": None}
    del members["modified"]
    return members


def is_blocked(client, name):
    return value(client, name).get("blocked", False)


def set_all(client, *pairs):
    """Several entries with one SETMETADATA; None for NIL. Returns the reply."""
    quoted = ["NIL" if data is None else '"%s"' % data.replace('"', '\\"') for _, data in pairs]
    return client.cmd('SETMETADATA "" (' + " ".join(
        f"{entry} {data}" for (entry, _), data in zip(pairs, quoted)) + ")")


def message(*names, blocked=False, day=1, headers=(), body="secret\n", content="contact"):
    """A contact message as a client writes it; names, or whole values of
    COI-From-Hash."""
    hashes = [name_hash(name) if len(name) < 40 else name for name in names]
    lines = ["From: Bob <bob@example.org>", "Subject: Contact",
             f"Date: {day:02} Feb 2026 12:00:00 +0000",
             f"Message-ID: <chat${name_hash(repr((names, blocked, day)))[:20]}@example.org>",
             "MIME-Version: 1.0", "Chat-Version: 1.0", f"Chat-Content: {content}",
             *[f"COI-From-Hash: {one}" for one in hashes],
             *["COI-Blocked: yes"] * blocked, *headers, "", ""]
    body = body.encode() if isinstance(body, str) else body
    return crlf("\n".join(lines).encode()) + crlf(body)


def put(client, *names, mailbox=MAILBOX, flags="", **options):
    """Appends a contact message; returns it."""
    data = message(*names, **options)
    client.ok(f'APPEND "{mailbox}" ({flags}) ', Literal(data))
    return data


def stored(client, mailbox=MAILBOX):
    """UID -> (flags and keywords, INTERNALDATE, message) of all messages there."""
    client.ok(f'EXAMINE "{mailbox}"')
    found = {}
    for line in client.ok("UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])"):
        match = re.match(rb'\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) INTERNALDATE '
                         rb'"([^"]*)" BODY\[\] \{\d+\}\r\n(.*)\)$', line, re.DOTALL)
        if match:
            flags = set(match[2].decode().split()) - {"\\Recent"}
            found[int(match[1])] = flags, match[3], match[4]
    client.ok("UNSELECT")
    return found


def texts(client, mailbox=MAILBOX):
    """The messages there in the order of their UIDs."""
    return [data for _, _, data in stored(client, mailbox).values()]


def with_blocked(data):
    """A message as the server rewrites it."""
    return b"COI-Blocked: yes\r\n" + data


def says(data):
    """What a contact message says: (its hashes, is it blocked?, its date)."""
    head = data.partition(b"\r\n\r\n")[0]
    hashes = re.findall(rb"(?mi)^COI-From-Hash: ([0-9a-f]{64})\r?$", head)
    date = re.search(rb"(?m)^Date: ([^\r]*)\r?$", head)
    return ([one.decode() for one in hashes], b"COI-Blocked:" in head, date[1])


def expunge(client, *uids, mailbox=MAILBOX):
    client.ok(f'SELECT "{mailbox}"')
    client.ok(f"UID STORE {','.join(map(str, uids))} +FLAGS.SILENT (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok("UNSELECT")


def newest(client):
    """hash -> is it blocked, as the newest of its messages says (C7)."""
    found = {}
    for uid, (_, _, data) in stored(client).items():
        hashes, blocked, date = says(data)
        when = parsedate_to_datetime(date.decode())
        for one in hashes:
            found[one] = max(found.get(one, (when, 0, None)), (when, uid, blocked))
    return {one: blocked for one, (_, _, blocked) in found.items()}


def check_agreement(client, *names):
    """Entries say what the messages say, once somebody has looked at these: mdbox
    may find another one while it is opened."""
    messages = newest(client)
    entries = {name: is_blocked(client, name) for name in names}
    assert entries == {name: messages.get(name_hash(name), False) for name in names}
