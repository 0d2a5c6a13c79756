"""Groups: what the server learns of them from messages, and what a stranger
cannot do to them."""

import hashlib
import itertools
import json
import os
import re
import signal

import pytest

import test_kill
from coi import CHATS, ENABLED, enable, enabled, places, send, set_entry, store
from coitest import Literal, wait_until
from coitest.imap import crlf
from test_layouts import backup

PREFIX = "/private/vendor/vendor.dovecot/coi"
PENDING_MAX = 50
GROUP = "4321dcba1234"
ALICE, BOB, CAROL, DAVE, MALLORY = (f"{name}@example.org" for name in
                                    ("alice", "bob", "carol", "dave", "mallory"))
RECEIPT = ("Content-Type: multipart/report; report-type=disposition-notification;"
           " boundary=x")
_numbers = itertools.count(1)


@pytest.fixture(params=["lmtp", "lda"])
def way(request):
    return request.param


def key(group):
    return hashlib.sha3_256(group.encode()).hexdigest()


def entry(group):
    return f"{PREFIX}/groups/{key(group)}"


def listed(client):
    """key -> value of all groups, as a new device asks for them."""
    found = {}
    for line in client.ok(f'GETMETADATA (DEPTH 1) "" {PREFIX}/groups'):
        text = line[line.index(b"(") + 1:-1]
        while text:
            name, size, text = re.match(rb" ?(\S+) \{(\d+)\}\r\n(.*)", text,
                                        re.DOTALL).groups()
            found[name.decode().rpartition("/")[2]] = json.loads(text[:int(size)])
            text = text[int(size):]
    return found


def get(client, group=GROUP):
    """Its value without `modified', which each of them has; None: no entry."""
    value = listed(client).get(key(group))
    if value is not None:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value.pop("modified"))
    return value


def known(name, *participants, group=GROUP, **members):
    return pending(name, *participants, group=group, known=True, **members)


def pending(name, *participants, group=GROUP, **members):
    value = {"id": group, "name": name, "participants": list(participants), **members}
    return {member: x for member, x in value.items() if x is not None}


def message(sender, to, subject="Trip", *headers, group=GROUP, cc=None, content=None,
            msgid=None, body="Hi!"):
    """A message of a group. to, cc: str or bytes; None: there is none."""
    msgid = msgid or f"<chat$group.{group}.{next(_numbers)}@example.org>"
    fields = [("From", sender), ("To", to), ("Cc", cc), ("Subject", subject),
              ("Message-ID", msgid), ("Chat-Content", content)]
    lines = [b"%s: %s" % (name.encode(), raw(value)) for name, value in fields
             if value is not None]
    lines += [b"Date: Thu, 01 Jan 2026 12:00:00 +0000", b"MIME-Version: 1.0"]
    if not any(header.lower().startswith("content-type") for header in headers):
        lines.append(b"Content-Type: text/plain; charset=utf-8")
    return b"\n".join([*lines, *map(raw, headers), b"", raw(body), b""])


def raw(text):
    return text.encode() if isinstance(text, str) else text


def append(client, text, mailbox=CHATS):
    assert client.append(mailbox, text).status == "OK"


def bob_with_group(dovecot, name="Trip", *others, message_filter="active"):
    """Bob's connection; he has written to the group of Alice and others."""
    bob = enabled(dovecot, "bob", message_filter=message_filter)
    append(bob, message(BOB, ", ".join([ALICE, *others]), name))
    assert get(bob) == known(name, BOB, ALICE, *others)
    return bob


def block(client, address):
    digest = hashlib.sha3_256(address.encode()).hexdigest()
    assert set_entry(client, f"{PREFIX}/contacts/{digest}",
                     '{"blocked":true}').status == "OK"


# -- how a group becomes known

@pytest.mark.parametrize("mailbox", ["INBOX", CHATS, "COI/Contacts", "Sent"])
def test_append_makes_a_group_known(server, driver, mailbox):
    """C8 C9: the user's own message, in whatever mailbox; by Message-ID."""
    bob = enabled(server(driver=driver), "bob")
    bob.cmd("CREATE Sent")
    append(bob, message(BOB, f"Alice <{ALICE}>; {CAROL}", cc=f'"D" <{DAVE.upper()}>'),
           mailbox)
    assert get(bob) == known("Trip", BOB, ALICE, CAROL, DAVE)


def test_append_with_reference(server):
    """C8 C17: the first id of References, as mail programs write it; not the
    second one. Message-ID goes first."""
    bob = enabled(server(), "bob")
    first, second = "first-group-1", "second_group"
    ids = [f"<chat$group.{group}.1@example.org>" for group in (first, second)]
    append(bob, message(BOB, ALICE, "Re: Trip", "References: " + " ".join(ids),
                        msgid="<1@mailer>"))
    assert set(listed(bob)) == {key(first)}
    assert get(bob, first) == known("Trip", BOB, ALICE, group=first)
    append(bob, message(BOB, ALICE, "Other", f"References: {ids[0]}", group=second))
    assert get(bob, second) == known("Other", BOB, ALICE, group=second)
    assert get(bob, first) == known("Trip", BOB, ALICE, group=first)


def test_group_storage_message(server, driver):
    """C9 C18: it makes the group known, and its Subject is no name. Members come
    with the first message."""
    bob = enabled(server(driver=driver), "bob")
    append(bob, message(BOB, None, "Group", content="group"), "COI/Contacts")
    assert get(bob) == known(None, BOB)
    append(bob, message(BOB, ALICE))
    assert get(bob) == known("Trip", BOB, ALICE)


# Message-ID -> the group's id, or None
IDS = {
    "chat$group.12345678901.x@a": None,
    "chat$group.123456789012.x@a": "123456789012",
    "chat$group.Aa-_09bbbbbb.x@a": "Aa-_09bbbbbb",
    "chat$group.12345678901+.x@a": None,
    "chat$group.1234567890 2.x@a": None,
    "chat$group.12345678901é.x@a": None,
    "chat$group..123456789012.x@a": None,
    "chat$group.123456789012@a": None,
    "chat$group.123456789012": None,
    "Chat$group.123456789012.x@a": None,
    "chat$123456789012.x@a": None,
    "chat$group." + "x" * 900 + ".x@a": "x" * 900,
    "chat$group." + "x" * 1500 + ".x@a": None,
}


@pytest.mark.parametrize("own", [True, False], ids=["own", "arrives"])
def test_ids(server, own):
    """C8: too short or malformed is no group."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    for msgid in IDS:
        text = message(ALICE, BOB, msgid=f"<{msgid}>")
        if own:
            append(bob, text)
        else:
            send(dovecot, "lmtp", "bob", text)
    groups = [group for group in IDS.values() if group]
    assert sorted(value["id"] for value in listed(bob).values()) == sorted(groups)
    assert set(listed(bob)) == set(map(key, groups))


def test_ids_are_case_sensitive(server):
    """C8: two groups whose ids differ by case only are two."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    lower, upper = "abcdefghijkl", "ABCDEFGHIJKL"
    append(bob, message(BOB, ALICE, "lower", group=lower))
    append(bob, message(BOB, CAROL, "upper", group=upper))
    send(dovecot, "lmtp", "bob", message(ALICE, BOB, "lower 2", group=lower))
    send(dovecot, "lmtp", "bob", message(ALICE, BOB, "upper 2", group=upper))
    assert get(bob, lower) == known("lower 2", BOB, ALICE, group=lower)
    assert get(bob, upper) == known("upper", BOB, CAROL, group=upper)


def multiappend(client, *texts):
    parts = itertools.chain.from_iterable((" ", Literal(crlf(text))) for text in texts)
    return client.cmd(f"APPEND {CHATS}", *parts)


def test_multiappend(server, driver):
    """C9: each message of one command counts, in their order; no more than an
    ordinary mail between them."""
    bob = enabled(server(driver=driver), "bob")
    assert multiappend(
        bob, message(BOB, ALICE, "one"), message(BOB, ALICE, "no group", msgid="<1@x>"),
        message(BOB, CAROL, "two"), message(BOB, DAVE, "three", group="another-group"),
    ).status == "OK"
    assert get(bob) == known("two", BOB, ALICE, CAROL)
    assert get(bob, "another-group") == known("three", BOB, DAVE, group="another-group")


def test_append_that_fails(server, driver):
    """C9: what is not stored tells nothing, nor does what stood before it in the
    same command."""
    dovecot = server(driver=driver, quota=2)
    bob = enabled(dovecot, "bob")
    append(bob, message(BOB, ALICE))
    first, second = message(BOB, CAROL, "no"), message(BOB, CAROL, group="another-group")
    for texts in ((first, second), (second, first)):
        assert multiappend(dovecot.imap("bob"), *texts).status == "NO"
    append(bob, message(BOB, ALICE))
    for text in (first, second):
        assert bob.append(CHATS, text).status == "NO"
    assert listed(bob).keys() == {key(GROUP)}
    assert get(bob) == known("Trip", BOB, ALICE)


def test_copy_and_move_tell_nothing(server, driver):
    """C9: only APPEND is a word of the user's; what was moved arrived before."""
    dovecot = server(driver=driver, namespaces={"Other/": "/"})
    bob = enabled(dovecot, "bob")
    bob.ok("CREATE Other/Box")
    send(dovecot, "lmtp", "bob", message(ALICE, BOB))
    value = get(bob)
    assert value == pending("Trip", ALICE, BOB)
    bob.ok(f"SELECT {CHATS}")
    bob.ok("COPY 1 INBOX")
    bob.ok("COPY 1 Other/Box")  # in another store, so it is written anew
    bob.ok("MOVE 1 COI/Contacts")
    assert get(bob) == value


# -- name and participants

NAMES = {
    "Trip": "Trip",
    "Re: Trip": "Trip",
    "Aw: RE[2]: fwd: Trip": "Trip",
    "=?utf-8?q?Re=3A_=c3=9Cbung?=": "Übung",
    "=?iso-8859-1?q?=DCbung?= =?utf-8?b?w59l?=": "Übungße",
    "Übung": "Übung",
    "a\n folded\n\tname": "a folded name",
    "x" * 300: "x" * 256,
    "y" + "ü" * 200: "y" + "ü" * 127,
    "=?utf-8?b?8J+YgA==?= " * 80: "😀" * 63,
    "=?utf-8?q?a=00b=0D=0Ac=7Fd=c2=85e=22=5C?=": 'a b c d e"\\',
    "Receipt: x": "Receipt: x",
    # nothing left: the name stays
    "Re:": None, "": None, "=?utf-8?q?=00?=": None,
}


def test_names(server):
    """C9: Subject, decoded (RFC 2047), without reply prefixes and control
    characters, at most 256 bytes and no part of a character."""
    dovecot = server()
    bob = bob_with_group(dovecot, "before")
    for subject, name in NAMES.items():
        send(dovecot, "lmtp", "bob", message(ALICE, BOB, "before"))
        send(dovecot, "lmtp", "bob", message(ALICE, BOB, subject))
        assert get(bob) == known(name or "before", BOB, ALICE), subject
        assert len(get(bob)["name"].encode()) <= 256


# Each of these might make a value that cannot be read back.
ODD = [b"\xff\xfe\x80", b"=?utf-8?q?=ED=A0=80?=", b"=?utf-8?q?=F4=90=80=80?=",
       b"=?utf-8?q?=c0=80=c3?=", b"=?utf-16?b?2AA=?=", b"=?utf-8?q?=EF=BF=BE=EF=BF=BF?=",
       b"=?utf-8?q?=E2=80=AE=E2=80=A8=EF=BB=BF?=", b'","known":true,"x":"',
       b"=?utf-8?q?=c2=80=1B=5B31m?= x", b"=?utf-8?q?" + b"=CC=81" * 400 + b"?=",
       b"=?utf-7?q?+AAA-?=", b"=?no-such-charset?q?=FF=00?=", b"\xed\xa0\x80 \xf5\x80\x80\x80",
       b'"' * 300, b"\\" * 300, b"{" * 300, b"=?utf-8?q?" + b"=22" * 300 + b"?="]


@pytest.mark.parametrize("where", ["subject", "local part", "display name", "domain"])
def test_odd_characters(server, where):
    """C9: whatever a participant or a stranger puts into Subject and addresses,
    the group can be read and its next message is heeded."""
    dovecot = server()
    bob = bob_with_group(dovecot)
    for number, odd in enumerate(ODD):
        to = {"subject": BOB.encode(), "local part": b'"%s"@example.org' % odd,
              "display name": b"%s <carol@example.org>" % odd,
              "domain": b"x@%s.example" % odd}[where]
        subject = odd if where == "subject" else "Trip"
        for group, sender in ((GROUP, ALICE), (f"of-a-stranger-{number}", MALLORY)):
            send(dovecot, "lmtp", "bob", message(sender, to, subject, group=group))
        send(dovecot, "lmtp", "bob", message(ALICE, BOB, f"next {number}"))
        value = get(bob)
        assert value["name"] == f"next {number}"
        for text in (value["name"], *value["participants"]):
            assert not re.search("[\0-\x1f\x7f-\x9f\ud800-\udfff]", text), ascii(text)
    assert set(listed(bob)) == {key(GROUP)} | {
        key(f"of-a-stranger-{number}") for number in range(len(ODD))}


def test_many_participants(server, driver):
    """C9: at most 256; the first ones stay, later ones are not heard."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    people = [f"p{number}@example.org" for number in range(300)]
    append(bob, message(BOB, ",\n ".join(people[:200]), cc=",\n ".join(people[200:])))
    assert get(bob) == known("Trip", BOB, *people[:255])
    send(dovecot, "lmtp", "bob", message(people[0], BOB, "Tour", cc=people[290]))
    send(dovecot, "lmtp", "bob", message(people[290], BOB, "Torn"))
    assert get(bob) == known("Tour", BOB, *people[:255])


def test_recipients_that_are_cut(server):
    """C9: of a To that is too long to be kept, no half of an address is taken."""
    bob = enabled(server(), "bob")
    domain = ".".join(["x" * 60] * 6)
    people = [f"p{number}@{domain}.org" for number in range(200)]
    append(bob, message(BOB, ",\n ".join(people)))
    participants = get(bob)["participants"]
    assert len(participants) > 100
    assert participants == [BOB, *people[:len(participants) - 1]]


def test_recipients_that_are_repeated(server):
    """C9: a thousand times the same one costs the time of some hundreds."""
    bob = enabled(server(), "bob")
    append(bob, message(BOB, ",\n ".join([ALICE] * 511 + [CAROL] * 9), cc=DAVE + "," + CAROL))
    assert get(bob) == known("Trip", BOB, ALICE, CAROL, DAVE)
    append(bob, message(BOB, ";\n ".join([ALICE] * 512 + [MALLORY])))
    assert get(bob) == known("Trip", BOB, ALICE, CAROL, DAVE)


# -- what arrives

def test_participants_keep_it_up_to_date(server, driver, way):
    """C9: a participant changes the name and adds others, who may do so then."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot)
    send(dovecot, way, "bob", message(f"Alice <{ALICE}>", f"{BOB}, {CAROL}", "Tour"))
    assert get(bob) == known("Tour", BOB, ALICE, CAROL)
    send(dovecot, way, "bob", message(CAROL, BOB, "Re: Walk", cc=DAVE, msgid="<9@mailer>"
                                      f"\nReferences: <chat$group.{GROUP}.1@x> <2@x>"))
    assert get(bob) == known("Walk", BOB, ALICE, CAROL, DAVE)


def test_strangers_change_nothing(server, driver, way):
    """C9: neither name nor participants, whatever they send; nor does one who
    cannot be told."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot)
    people = f"{ALICE}, {BOB}, {MALLORY}"
    for sender in (MALLORY, f"{ALICE}, {MALLORY}", None, "", "alice@", f'"{ALICE}"',
                   f'"{ALICE}" <{MALLORY}>', f"{MALLORY} ({ALICE})"):
        for content in (None, "group", "groupinfo", "groupleft"):
            send(dovecot, way if content is None else "lmtp", "bob",
                 message(sender, people, "Spam", content=content))
    send(dovecot, way, "bob", message(ALICE, people, "Spam", f"From: {MALLORY}"))
    assert get(bob) == known("Trip", BOB, ALICE)


def test_missing_recipients_remove_nobody(server, way):
    """C9: a message to some of them leaves the others in."""
    dovecot = server()
    bob = bob_with_group(dovecot, "Trip", CAROL, DAVE)
    send(dovecot, way, "bob", message(ALICE, BOB))
    send(dovecot, way, "bob", message(ALICE, None))
    append(bob, message(BOB, CAROL))
    assert get(bob) == known("Trip", BOB, ALICE, CAROL, DAVE)


def test_arriving_groupleft(server, driver, way):
    """C9 C18: removes its sender and nobody else, changes no name, adds none."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot, "Trip", CAROL)
    send(dovecot, way, "bob", message(CAROL, f"{ALICE}, {DAVE}", "Bye",
                                      content="GroupLeft; x=y"))
    assert get(bob) == known("Trip", BOB, ALICE)
    send(dovecot, way, "bob", message(CAROL, BOB, "I am out"))
    send(dovecot, way, "bob", message(MALLORY, BOB, content="groupleft"))
    send(dovecot, way, "bob", message(ALICE, BOB, content="groupleft", group="unknown-group"))
    assert listed(bob).keys() == {key(GROUP)}
    assert get(bob) == known("Trip", BOB, ALICE)
    send(dovecot, way, "bob", message(BOB, ALICE, content="groupleft"))
    assert get(bob) == known("Trip", ALICE)  # it came in, so it is not the user's word


def test_own_groupleft(server, driver):
    """C9 C18: the user's own one removes the entry, once; later mail finds it
    unknown."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot)
    for _ in range(2):
        append(bob, message(BOB, ALICE, content="groupleft"))
        assert listed(bob) == {}
    send(dovecot, "lmtp", "bob", message(CAROL, BOB))
    assert get(bob) == pending("Trip", CAROL, BOB)


def test_nil_removes(server, driver):
    """C9: and the user may write to it anew."""
    bob = bob_with_group(server(driver=driver))
    assert set_entry(bob, entry(GROUP), None).status == "OK"
    assert listed(bob) == {}
    append(bob, message(BOB, CAROL, "Tour"))
    assert get(bob) == known("Tour", BOB, CAROL)


def test_receipts_change_nothing(server, way):
    """C11: neither one that arrives nor the user's own."""
    dovecot = server()
    bob = bob_with_group(dovecot)
    send(dovecot, way, "bob", message(ALICE, f"{BOB}, {CAROL}", "Read: Trip", RECEIPT))
    send(dovecot, way, "bob", message(ALICE, BOB, "Read", RECEIPT, group="another-group"))
    append(bob, message(BOB, f"{ALICE}, {CAROL}", "Read: Trip", RECEIPT))
    append(bob, message(BOB, ALICE, "Read", RECEIPT, group="another-group"))
    append(bob, message(BOB, ALICE, "Read", RECEIPT, content="groupleft"))
    assert listed(bob).keys() == {key(GROUP)}
    assert get(bob) == known("Trip", BOB, ALICE)


def test_blocked_senders_change_nothing(server, way):
    """C4 C9: a participant's mail that goes to Blocked is not looked at."""
    dovecot = server()
    bob = bob_with_group(dovecot)
    block(bob, ALICE)
    send(dovecot, way, "bob", message(ALICE, f"{BOB}, {CAROL}", "Tour"))
    send(dovecot, way, "bob", message(ALICE, BOB, group="another-group"))
    assert [mailbox for subject, mailbox, _ in places(bob)
            if mailbox == "Blocked"] == ["Blocked"] * 2
    assert listed(bob).keys() == {key(GROUP)}
    assert get(bob) == known("Trip", BOB, ALICE)


@pytest.mark.parametrize("script,count", [
    ("keep;", 1), ('fileinto "Work";', 1), ('keep; fileinto "Work";', 2)])
def test_sieve(server, way, script, count):
    """C9 S38: where a script puts the message does not matter."""
    dovecot = server(sieve=True)
    bob = bob_with_group(dovecot)
    bob.ok("CREATE Work")
    dovecot.sieve("bob", 'require "fileinto";\n' + script)
    send(dovecot, way, "bob", message(ALICE, f"{BOB}, {CAROL}", "Tour"))
    assert sum(subject == "Tour" for subject, *_ in places(bob)) == count
    assert get(bob) == known("Tour", BOB, ALICE, CAROL)


@pytest.mark.parametrize("script", ["discard;", 'redirect "carol@example.net";',
                                    'reject "not now";'])
def test_sieve_that_stores_nothing(server, script):
    """C9 S38: what a script throws away has not arrived: nothing is learned of
    it. LMTP and LDA."""
    dovecot = server(sieve=True)
    bob = bob_with_group(dovecot)
    dovecot.sieve("bob", 'require "reject";\n' + script)
    for text in (message(ALICE, f"{BOB}, {CAROL}", "Tour"),
                 message(MALLORY, BOB, group="another-group")):
        dovecot.deliver("bob", text)
        dovecot.lda("bob", text)
    assert len(places(bob)) == 1
    assert listed(bob).keys() == {key(GROUP)}
    assert get(bob) == known("Trip", BOB, ALICE)


def test_recipients_of_one_transaction(server, driver):
    """C9: each one's group by their own state."""
    users = {name: {} for name in ("alice", "bob", "carol", "dave")}
    dovecot = server(driver=driver, users={**users, "erin": {"coi": "no"}})
    clients = dict(zip(("alice", "bob", "carol"), enabled(dovecot, "alice", "bob", "carol")))
    append(clients["alice"], message(ALICE, DAVE, "Trip"))
    append(clients["bob"], message(BOB, ALICE, "Trip"))
    dovecot.delivered(["carol", "erin", "bob", "dave", "alice"],
                      message(DAVE, f"{ALICE}, {BOB}, {CAROL}", "Tour"))
    assert get(clients["alice"]) == known("Tour", ALICE, DAVE, BOB, CAROL)
    assert get(clients["bob"]) == known("Trip", BOB, ALICE)
    assert get(clients["carol"]) == pending("Tour", DAVE, ALICE, BOB, CAROL)
    for user in ("dave", "erin"):
        assert not list(dovecot.home(user).rglob("dovecot-coi/groups*"))


@pytest.mark.parametrize("how", ["never enabled", "disabled", "coi=no"])
def test_with_coi_off(server, driver, way, how):
    """C9 S26: nothing is learned, neither from what arrives nor from APPEND."""
    users = {"alice": {}, "bob": {"coi": "no"} if how == "coi=no" else {}}
    dovecot = server(driver=driver, users=users)
    bob = dovecot.imap("bob")
    if how == "disabled":
        enable(bob)
        assert set_entry(bob, ENABLED, None).status == "OK"
    append(bob, message(BOB, ALICE), "INBOX")
    send(dovecot, way, "bob", message(ALICE, BOB, group="another-group"))
    assert not list(dovecot.home("bob").rglob("dovecot-coi/groups*"))
    if how != "coi=no":
        assert listed(enable(bob)) == {}


@pytest.mark.parametrize("word", ["none", "active", "seen"])
def test_with_each_filter(server, way, word):
    """C9: groups have nothing to do with where chat is filed."""
    dovecot = server()
    bob = bob_with_group(dovecot, message_filter=word)
    send(dovecot, way, "bob", message(ALICE, f"{BOB}, {CAROL}", "Tour"))
    assert get(bob) == known("Tour", BOB, ALICE, CAROL)


# -- pending groups

def numbered(number):
    return f"pending-group-{number}"


def arrive(dovecot, *numbers, sender=MALLORY):
    for number in numbers:
        send(dovecot, "lmtp", "bob", message(sender, BOB, f"{number}", group=numbered(number)))


def pending_numbers(client):
    """The numbers of the groups that nobody has touched."""
    return {int(value["name"]) for value in listed(client).values()
            if not {"known", "notify", "muted-until"} & value.keys()}


def pending_file(dovecot):
    """The keys that groups.pending names."""
    return store(dovecot, "bob", "groups.pending").read_text().split()


def test_pending(server, driver, way):
    """C9: what arrives makes a group that is not known; its author adds to it,
    others do not."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    send(dovecot, way, "bob", message(ALICE, f"{BOB}, {CAROL}"))
    assert get(bob) == pending("Trip", ALICE, BOB, CAROL)
    send(dovecot, way, "bob", message(MALLORY, f"{BOB}, {MALLORY}", "Spam"))
    send(dovecot, way, "bob", message(CAROL, DAVE, "Tour"))
    assert get(bob) == pending("Tour", ALICE, BOB, CAROL, DAVE)


def test_pending_are_limited(server, driver):
    """C9: 50; the oldest gives way, never a known one, nor one in which a client
    has set something."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot)
    arrive(dovecot, *range(5))
    append(bob, message(BOB, MALLORY, "1", group=numbered(1)))
    assert set_entry(bob, entry(numbered(2)), '{"notify":"none"}').status == "OK"
    muted = '{"muted-until":"2026-12-31T23:59:59Z"}'
    assert set_entry(bob, entry(numbered(3)), muted).status == "OK"
    assert set_entry(bob, entry(numbered(4)), None).status == "OK"
    arrive(dovecot, *range(5, 54))
    assert pending_numbers(bob) == {0, *range(5, 54)}
    arrive(dovecot, 54)
    assert pending_numbers(bob) == set(range(5, 55))
    arrive(dovecot, 55, 56)
    assert pending_numbers(bob) == set(range(7, 57))
    assert get(bob) == known("Trip", BOB, ALICE)
    assert get(bob, numbered(1))["known"]
    assert get(bob, numbered(2))["notify"] == "none"
    assert get(bob, numbered(3))["muted-until"]
    assert len(listed(bob)) == PENDING_MAX + 4


def test_pending_that_changed_is_not_the_oldest(server):
    """C9: what goes is what has not changed for the longest time."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    arrive(dovecot, *range(PENDING_MAX))
    send(dovecot, "lmtp", "bob", message(MALLORY, CAROL, "0", group=numbered(0)))
    arrive(dovecot, 50)
    assert pending_numbers(bob) == {0, *range(2, 51)}


def test_touched_and_let_go_again(server):
    """C9: one in which a client has set something and taken it back is one of
    the 50 again."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    arrive(dovecot, 0)
    for value in ('{"notify":"none"}', "{}"):
        assert set_entry(bob, entry(numbered(0)), value).status == "OK"
        arrive(dovecot, *range(1, 6))
    assert get(bob, numbered(0)) == pending("0", MALLORY, BOB, group=numbered(0))
    arrive(dovecot, *range(6, 6 + PENDING_MAX))
    assert len(pending_numbers(bob)) == PENDING_MAX


# The recipients of the user's first message -> what of the stranger's stays.
OWN = {"to its author": (MALLORY, known("Mine", MALLORY, BOB, CAROL)),
       "to others": (f"{ALICE}, {CAROL}", known("Mine", BOB, ALICE, CAROL))}


@pytest.mark.parametrize("name", OWN)
def test_pending_becomes_known(server, driver, name):
    """C9: what a stranger has put there stays if the user writes to them."""
    to, expected = OWN[name]
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    send(dovecot, "lmtp", "bob", message(MALLORY, f"{BOB}, {CAROL}", "Theirs"))
    append(bob, message(BOB, to, "Mine"))
    assert get(bob) == expected


def test_pending_becomes_known_by_storage_message(server):
    """C9: it has no recipients, and keeps what is there."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    send(dovecot, "lmtp", "bob", message(ALICE, f"{BOB}, {CAROL}"))
    append(bob, message(BOB, None, "Group", content="group"), "COI/Contacts")
    assert get(bob) == known("Trip", ALICE, BOB, CAROL)


# -- what clients set

def test_levels(server, driver):
    """C10: all, mentions, none and a time; all is the default and not kept. What
    the server sets is not the client's to set."""
    bob = bob_with_group(server(driver=driver))
    time = "2026-12-31T23:59:59Z"
    for sent, kept in [
            ({"notify": "none"}, {"notify": "none"}),
            ({"notify": "mentions", "muted-until": time},
             {"notify": "mentions", "muted-until": time}),
            ({"muted-until": "2027-01-01T00:59:59+01:00"}, {"muted-until": time}),
            ({"notify": "all", "muted-until": None}, {}),
            ({"notify": "none", "id": "x", "name": "Mine", "participants": [MALLORY],
              "known": False, "modified": "2020-01-01T00:00:00Z", "other": [1]},
             {"notify": "none"}),
            ({}, {})]:
        assert set_entry(bob, entry(GROUP), json.dumps(sent)).status == "OK", sent
        assert get(bob) == known("Trip", BOB, ALICE, **kept)
        assert listed(bob)[key(GROUP)]["modified"] > "2026"


REFUSED = ["", "x", "[]", "{", '{"notify":"some"}', '{"notify":"All"}', '{"notify":true}',
           '{"muted-until":"tomorrow"}', '{"muted-until":1}',
           '{"notify":"none","notify":"all"}', '{"x":"' + "x" * 300000 + '"}',
           '{"x":' + "[" * 100 + "]" * 100 + "}"]


def test_levels_refused(server):
    """C10: NO [CANNOT], and nothing is changed."""
    bob = bob_with_group(server())
    for value in REFUSED:
        reply = set_entry(bob, entry(GROUP), value)
        assert reply.tagged.startswith(b"NO [CANNOT] "), (value, reply)
        assert f"coi/groups/{key(GROUP)}".encode() in reply.tagged
    for name in (GROUP, key(GROUP)[1:], key(GROUP) + "0", "", key(GROUP) + "/x"):
        reply = set_entry(bob, f"{PREFIX}/groups/{name}", '{"notify":"none"}')
        assert reply.status in ("NO", "BAD"), name
    assert listed(bob).keys() == {key(GROUP)}
    assert get(bob) == known("Trip", BOB, ALICE)


def test_level_before_the_group(server, way):
    """C10: set on a key that no message was seen of; it stays when one comes."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    for value in ("{}", '{"notify":"all"}'):
        assert set_entry(bob, entry(GROUP), value).status == "OK"
        assert listed(bob) == {}
    assert set_entry(bob, entry(GROUP), '{"notify":"mentions"}').status == "OK"
    assert get(bob) == {"notify": "mentions"}
    send(dovecot, way, "bob", message(ALICE, BOB))
    assert get(bob) == pending("Trip", ALICE, BOB, notify="mentions")
    arrive(dovecot, *range(PENDING_MAX + 1))
    append(bob, message(BOB, ALICE))
    assert get(bob) == known("Trip", ALICE, BOB, notify="mentions")
    assert pending_numbers(bob) == set(range(1, PENDING_MAX + 1))


def test_mute_survives_messages(server, way):
    """C10: what a client has set stays when name and participants change."""
    dovecot = server()
    bob = bob_with_group(dovecot)
    assert set_entry(bob, entry(GROUP), '{"notify":"none"}').status == "OK"
    send(dovecot, way, "bob", message(ALICE, f"{BOB}, {CAROL}", "Tour"))
    append(bob, message(BOB, DAVE, "Walk"))
    assert get(bob) == known("Walk", BOB, ALICE, CAROL, DAVE, notify="none")


def test_groups_max(server):
    """C10: a client's new entries are limited; a group that becomes known by the
    user's message, and old entries, are not."""
    bob = bob_with_group(server(settings={"coi_groups_max": "1"}))
    reply = set_entry(bob, entry("another-group"), '{"notify":"none"}')
    assert reply.tagged.startswith(b"NO [LIMIT]"), reply
    assert set_entry(bob, entry(GROUP), '{"notify":"none"}').status == "OK"
    append(bob, message(BOB, ALICE, group="another-group"))
    assert len(listed(bob)) == 2


# -- devices and servers

def test_new_device(server, driver):
    """C9: a new connection gets all groups at once, and each one alone."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot)
    append(bob, message(BOB, CAROL, "Tour", group="another-group"))
    arrive(dovecot, 7)
    bob.ok("LOGOUT")
    device = dovecot.imap("bob")
    assert listed(device).keys() == {key(group) for group in
                                     (GROUP, "another-group", numbered(7))}
    assert get(device) == known("Trip", BOB, ALICE)
    assert get(device, "another-group") == known("Tour", BOB, CAROL, group="another-group")
    assert get(device, numbered(7)) == pending("7", MALLORY, BOB, group=numbered(7))


def test_backup(server, driver):
    """C9 S43: groups and their removal, in full and incremental runs; pending
    ones are limited there too."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot)
    arrive(dovecot, *range(PENDING_MAX))
    assert set_entry(bob, entry(numbered(0)), '{"notify":"none"}').status == "OK"
    state = backup(dovecot, "-s", "")
    alice = dovecot.imap("alice")
    assert listed(alice) == listed(bob)
    assert len(listed(alice)) == PENDING_MAX + 1
    append(bob, message(BOB, ALICE, content="groupleft"))
    append(bob, message(BOB, CAROL, "Tour", group="another-group"))
    state = backup(dovecot, "-s", state)
    assert listed(alice) == listed(bob)
    assert key(GROUP) not in listed(alice)
    for number in range(60, 65):
        send(dovecot, "lmtp", "alice", message(MALLORY, ALICE, str(number),
                                               group=numbered(number)))
    assert len(pending_numbers(alice)) == PENDING_MAX
    assert get(alice, "another-group")["known"]


# -- what it costs

def snapshot(dovecot):
    """What is written when a group changes: the store and the log that has
    INBOX's attributes."""
    files = [path for path in dovecot.home("bob").rglob("dovecot-coi/**/*")]
    files += inbox_logs(dovecot)
    return {path: (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            for path in files for stat in [path.stat()]}


def inbox_logs(dovecot):
    home = dovecot.home("bob") / "mail"
    [log] = [home / name for name in
             ("dovecot.index.log", "mailboxes/INBOX/dbox-Mails/dovecot.index.log")
             if (home / name).exists()]
    return [log]


def test_nothing_new_is_not_written(server, driver):
    """C9: a message that changes nothing writes neither into the store nor into
    INBOX's attribute log."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot, "Trip", CAROL)
    arrive(dovecot, 1)
    before = snapshot(dovecot)
    assert len(before) > 5
    for way in ("lmtp", "lda"):
        send(dovecot, way, "bob", message(ALICE, f"{BOB}, {CAROL}", "Re: Trip"))
        send(dovecot, way, "bob", message(MALLORY, BOB, "Spam"))
        send(dovecot, way, "bob", message(CAROL, BOB, "", RECEIPT))
        send(dovecot, way, "bob", message(MALLORY, BOB, content="groupleft"))
    arrive(dovecot, 1)
    append(bob, message(BOB, f"{CAROL}, {ALICE}"))
    append(bob, message(BOB, ALICE, content="groupleft", group="unknown-group"))
    assert snapshot(dovecot) == before
    send(dovecot, "lmtp", "bob", message(ALICE, BOB, "Tour"))
    changed = {path.name for path, stat in snapshot(dovecot).items()
               if before.get(path) != stat}
    assert changed - {"lock"} >= {key(GROUP), "dovecot.index.log"}
    assert "groups.count" not in changed


def store_bytes(dovecot):
    return sum(path.stat().st_size for path in
               dovecot.home("bob").rglob("dovecot-coi/**/*") if path.is_file())


def fat(number, count):
    """As large as a stranger can make a pending group."""
    people = [f"{'x' * 400}{n}@{'y' * 60}.example" for n in range(count)]
    return message(MALLORY, ",\n ".join(people[::2]), "z" * 990,
                   cc=",\n ".join(people[1::2]), group=numbered(number))


def test_flood(server):
    """C9: hundreds of groups of a stranger cost the place of 50 and leave no
    known one behind; a message of those is delivered as before."""
    dovecot = server()
    bob = bob_with_group(dovecot)
    for number in range(150):
        send(dovecot, "lmtp", "bob", fat(number, 250))
    assert len(listed(bob)) == PENDING_MAX + 1
    assert get(bob) == known("Trip", BOB, ALICE)
    assert store_bytes(dovecot) < PENDING_MAX * 140000
    assert len(list(dovecot.home("bob").rglob("dovecot-coi/**/*"))) < 300
    assert len(pending_file(dovecot)) <= PENDING_MAX + 1


# -- at once

def test_at_once(server, driver):
    """C9: two deliveries and an APPEND: nothing is lost that no order of the
    three would lose."""
    dovecot = server(driver=driver)
    bob = bob_with_group(dovecot)
    people = {BOB, ALICE}
    for number in range(15):
        added = [f"{who}{number}@example.org" for who in "xyz"]
        names = [f"{who}{number}" for who in "xyz"]
        first, second, own = (
            message(sender, f"{BOB}, {person}", name) for sender, person, name in
            zip((ALICE, ALICE, BOB), added, names))
        dovecot.at_once(lambda m=first: dovecot.delivered("bob", m),
                        lambda m=second: dovecot.delivered("bob", m),
                        lambda m=own: append(bob, m))
        people.update(added)
        value = get(bob)
        assert set(value["participants"]) == people
        assert len(value["participants"]) == len(people)
        assert value["name"] in names and value["known"]


def test_at_once_from_nothing(server, driver):
    """C9: the group's first messages: the user's own, a member's, a stranger's."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    for number in range(15):
        group = f"unknown-group-{number}"
        own, member, stranger = (
            message(sender, to, "Trip", group=group) for sender, to in
            ((BOB, ALICE), (ALICE, f"{BOB}, {CAROL}"), (MALLORY, f"{BOB}, {MALLORY}")))
        dovecot.at_once(lambda m=member: dovecot.delivered("bob", m),
                        lambda m=stranger: dovecot.delivered("bob", m),
                        lambda m=own: append(bob, m))
        value = get(bob, group)
        assert value["known"] and value["name"] == "Trip"
        assert {ALICE, BOB} <= set(value["participants"]) <= {ALICE, BOB, CAROL}


def test_pending_at_once(server, driver):
    """C9: deliveries that push one another out keep to the limit, and count."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    arrive(dovecot, *range(45))
    for number in range(100, 110):
        dovecot.at_once(lambda n=number: arrive(dovecot, n),
                        lambda n=number: arrive(dovecot, n + 100),
                        lambda n=number: append(bob, message(
                            BOB, MALLORY, "own", group=numbered(n + 200))))
    found = listed(bob)
    assert sum(not value.get("known") for value in found.values()) == PENDING_MAX
    assert sum(value.get("known", False) for value in found.values()) == 10
    assert pending_numbers(bob) >= set(range(100, 110)) | set(range(200, 210))
    check_pending_file(dovecot, found)


def check_pending_file(dovecot, found):
    """It names each pending group once; what else it names is none."""
    keys = pending_file(dovecot)
    assert len(keys) == len(set(keys)) <= 2 * PENDING_MAX
    assert {name for name, value in found.items() if not value.get("known")} <= set(keys)
    assert int(store(dovecot, "bob", "groups.count").read_text()) >= len(found)


# -- what is broken

def spoil(path, how):
    """Makes a file of the store one that cannot be read as such."""
    if how == "unreadable":
        path.chmod(0)
    elif how == "directory":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"garbage": b"\xff{\n" * 40, "empty": b"", "NULs": b"\0" * 40,
                          "large": b"x" * 1000000, "JSON": b'{"notify":7}'}[how])


def assert_errors(dovecot, count):
    """So many lines are in the log. They may come later than the reply."""
    def errors():
        return [line for line in dovecot.log_text().splitlines() if " Error: " in line]
    wait_until(lambda: len(errors()) >= count, f"{count} errors in the log")
    assert len(errors()) == count, errors()


def is_there(client, group):
    return group.encode() in b"".join(client.ok(f'GETMETADATA "" {entry(group)}'))


@pytest.mark.parametrize("how", ["unreadable", "directory", "garbage", "empty", "NULs",
                                 "large", "JSON"])
def test_spoilt_group(server, way, how):
    """C9 S41: its mail is delivered, with one line in the log; other groups go on,
    and the client can remove it."""
    dovecot = server()
    dovecot.expect_error(rf"coi: .*{key(GROUP)}")
    bob = bob_with_group(dovecot)
    arrive(dovecot, 1)
    spoil(store(dovecot, "bob", f"groups/{key(GROUP)[:2]}/{key(GROUP)}"), how)
    send(dovecot, way, "bob", message(ALICE, BOB, "Tour"))
    assert_errors(dovecot, 1)
    append(bob, message(BOB, ALICE, "Tour"))
    assert_errors(dovecot, 2)
    assert sum(subject == "Tour" for subject, *_ in places(bob)) == 2
    append(bob, message(BOB, CAROL, "Walk", group="another-group"))
    arrive(dovecot, 2)
    assert_errors(dovecot, 2)
    if how in ("garbage", "empty", "large", "JSON"):
        reply = set_entry(bob, entry(GROUP), None)
        assert (reply.status == "OK") == (how != "large")
    for group in ("another-group", numbered(1), numbered(2)):
        assert is_there(bob, group)


@pytest.mark.parametrize("how", ["unreadable", "garbage", "empty", "NULs", "large", "JSON"])
def test_spoilt_pending_group(server, way, how):
    """C9 S41: one of the pending ones is spoilt: new ones are made all the same."""
    dovecot = server()
    bob = bob_with_group(dovecot)
    arrive(dovecot, *range(PENDING_MAX))
    spoil(store(dovecot, "bob", f"groups/{key(numbered(3))[:2]}/{key(numbered(3))}"), how)
    send(dovecot, way, "bob", message(MALLORY, BOB, "99", group=numbered(99)))
    arrive(dovecot, *range(100, 100 + PENDING_MAX))
    for group in (numbered(149), numbered(101), GROUP):
        assert is_there(bob, group)
    for group in (numbered(0), numbered(4), numbered(99)):
        assert not is_there(bob, group)


@pytest.mark.parametrize("how", ["unreadable", "garbage", "empty", "NULs", "large", "gone"])
def test_spoilt_list_of_pending(server, way, how):
    """C9 S41: groups.pending is made anew from the groups, with one line in the
    log if it is spoilt; and the limit holds."""
    dovecot = server()
    logged = how != "gone"
    if logged:
        dovecot.expect_error("coi: .*groups.pending")
    bob = bob_with_group(dovecot)
    arrive(dovecot, *range(PENDING_MAX))
    path = store(dovecot, "bob", "groups.pending")
    if how == "gone":
        path.unlink()
    else:
        spoil(path, how)
    for number in (97, 98, 99):
        send(dovecot, way, "bob", message(MALLORY, BOB, str(number), group=numbered(number)))
    assert_errors(dovecot, logged)
    assert {97, 98, 99} <= pending_numbers(bob) and len(pending_numbers(bob)) == PENDING_MAX
    assert get(bob) == known("Trip", BOB, ALICE)
    check_pending_file(dovecot, {name: value for name, value in listed(bob).items()
                                 if not value.get("known")})


def test_store_that_cannot_be_written(server, way):
    """C9 S41: mail is delivered, with one line; nothing is half done, so that
    the limit holds when it can be written again."""
    dovecot = server()
    dovecot.expect_error("coi: .*(groups|groups/..)")
    bob = bob_with_group(dovecot)
    arrive(dovecot, *range(PENDING_MAX))
    before = listed(bob)
    number = next(number for number in range(100, 500) if key(numbered(number))[:2] not in
                  {name[:2] for name in before})
    groups = store(dovecot, "bob", "groups")
    groups.chmod(0o500)
    try:
        send(dovecot, way, "bob", message(MALLORY, BOB, str(number), group=numbered(number)))
    finally:
        groups.chmod(0o700)
    assert sum(subject == str(number) for subject, *_ in places(bob)) == 1
    assert_errors(dovecot, 1)
    assert listed(bob) == before
    arrive(dovecot, *range(500, 510))
    assert len(pending_numbers(bob)) == PENDING_MAX
    assert set(range(500, 510)) <= pending_numbers(bob)


def test_lmtp_is_killed(server, driver):
    """C9 S41: kill -9 in the middle of deliveries that make pending groups and
    push out others: no mail is lost or, but for a second try, doubled; all groups
    can be read, the limit holds, and groups.pending names all pending ones."""
    dovecot = server(driver=driver, users={"bob": {}}, extra=test_kill.EXTRA)
    dovecot.allow_error("child [0-9]+ killed with signal 9")
    dovecot.allow_error(" Error: (?!.*coi: )")  # what Dovecot repairs
    dovecot.allow_error("coi: Delivering as without COI: .* already exists, rebuilding index")
    bob = bob_with_group(dovecot)
    arrive(dovecot, *range(PENDING_MAX - 5))
    let_one_end(dovecot)
    interrupted = test_kill.Interrupted(dovecot)
    copies = {}
    rounds = min(test_kill.ROUNDS, 50)
    for number in range(100, 100 + rounds):
        text = message(MALLORY, BOB, str(number), group=numbered(number))
        told = interrupted.deliver(["bob"], text)
        copies[str(number)] = (1,) if told else (1, 2)
        if not told:
            test_kill.try_again(dovecot, "bob", text)
    arrive(dovecot, 999)
    if driver == "maildir":
        dovecot.doveadm("force-resync", "-u", "bob", "*")
    subjects = [subject for subject, *_ in places(dovecot.imap("bob"))]
    wrong = {subject: subjects.count(subject) for subject, allowed in copies.items()
             if subjects.count(subject) not in allowed}
    assert not wrong
    found = listed(bob)
    assert len(found) <= PENDING_MAX + 1
    assert get(bob) == known("Trip", BOB, ALICE)
    # whoever was told nothing got a second try: no group is missing
    assert pending_numbers(bob) >= {999, *range(100 + rounds - PENDING_MAX + 1, 100 + rounds)}
    check_pending_file(dovecot, found)
    print(f"answers before the kill: {sorted(interrupted.answers.items())}")


def let_one_end(dovecot):
    """As test_kill does, but for bob alone."""
    arrive(dovecot, PENDING_MAX)
    [pid] = dovecot.processes("lmtp")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: pid not in dovecot.processes(), "lmtp has ended")
