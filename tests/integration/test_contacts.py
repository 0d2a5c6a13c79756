"""Contacts and groups as METADATA entries."""

import json
import re

import pytest

from coi import ENABLED, enable, enabled, get_entry, places, send, set_entry, store
from contacts import (BLOCKED, CONTACTS, GROUPS, MAILBOX, P, block, contact, group,
                      is_blocked, message, name_hash, set_all, texts, value)
from messages import mail

LATER = "2036-12-31T23:59:59Z"
GROUP_MEMBERS = [b"notify", b"muted-until"]


def test_set_get_and_remove(server, driver):
    """S2 C3: each member, a value that replaces, NIL; entry names have no
    case."""
    bob = enabled(server(driver=driver), "bob")
    entry = contact("alice")
    assert get_entry(bob, entry) is None
    for sent, expected in [
            (BLOCKED, {"blocked": True}),
            ('{"notify":"none"}', {"notify": "none"}),
            (f'{{"muted-until":"{LATER}"}}', {"muted-until": LATER}),
            ('{"blocked":true,"notify":"none","muted-until":"2037-01-01T00:59:59.7+01:00"}',
             {"blocked": True, "notify": "none", "muted-until": LATER})]:
        assert set_entry(bob, entry, sent).status == "OK", sent
        assert value(bob, "alice") == expected
    assert set_entry(bob, entry.upper(), '{"notify":"none"}').status == "OK"
    assert value(bob, "alice") == {"notify": "none"}
    for _ in range(2):
        assert set_entry(bob, entry, None).status == "OK"
        assert get_entry(bob, entry) is None


def test_stored_value(server):
    """S2: byte for byte what a client gets; `modified' is the server's."""
    bob = enabled(server(), "bob")
    set_entry(bob, contact("alice"), '{"modified":"1999-01-01T00:00:00Z", "blocked" : true,'
              ' "name":"Alice", "x":{"notify":[1]}, "Notify":"none"}')
    assert re.fullmatch(rb'\{"blocked":true,"modified":"20[3-9]?[0-9]{1,2}-\d\d-\d\dT'
                        rb'\d\d:\d\d:\d\dZ"\}', get_entry(bob, contact("alice")))
    set_entry(bob, group("club"), '{"id":"x","name":"y","participants":["z"],"known":true,'
              '"modified":1,"notify":"mentions"}')
    assert re.fullmatch(rb'\{"notify":"mentions","modified":"[-0-9T:]+Z"\}',
                        get_entry(bob, group("club")))


def test_defaults_are_not_stored(server):
    """S2: a value of defaults alone is no entry, and removes one."""
    bob = enabled(server(), "bob")
    for entry in (contact("alice"), group("club")):
        for sent in ("{}", '{"notify":"all","muted-until":null}', '{"x":1}'):
            assert set_entry(bob, entry, '{"notify":"none"}').status == "OK"
            assert set_entry(bob, entry, sent).status == "OK", sent
            assert get_entry(bob, entry) is None
            assert bob.ok(f'GETMETADATA (DEPTH infinity) "" {entry}') == []


def test_listing(server, driver):
    """S5: DEPTH 0, 1 and infinity, byte for byte."""
    bob = enabled(server(driver=driver), "bob")
    nothing = [f'* METADATA "" ({CONTACTS} NIL)'.encode()]
    assert bob.ok(f'GETMETADATA (DEPTH 1) "" {CONTACTS}') == []
    names = ["alice", "carol", "dave"]
    for name in names:
        assert block(bob, name).status == "OK"
    assert set_entry(bob, group("club"), '{"notify":"none"}').status == "OK"

    def line(*entries):
        return b"".join(b"%s {%d}\r\n%s " % (entry.encode(), len(data), data)
                        for entry in entries for data in [get_entry(bob, entry)])[:-1]

    def listed(depth, entry):
        [answer] = bob.ok(f'GETMETADATA (DEPTH {depth}) "" {entry}')
        head = b'* METADATA "" ('
        assert answer.startswith(head) and answer.endswith(b")")
        return answer[len(head):-1]

    contacts = [contact(name) for name in names]
    for depth in ("1", "infinity"):
        got = listed(depth, CONTACTS)
        order = re.findall(rb"(\S+) \{", got)
        assert sorted(order) == sorted(entry.encode() for entry in contacts)
        assert got == line(*(entry.decode() for entry in order))
        assert listed(depth, GROUPS) == line(group("club"))
    assert bob.ok(f'GETMETADATA (DEPTH 0) "" {CONTACTS}') == nothing
    assert listed(0, contact("carol")) == line(contact("carol"))
    assert set(re.findall(rb"(\S+) \{", listed("infinity", P))) >= {
        entry.encode() for entry in [*contacts, group("club"), ENABLED]}
    # what is deeper than one level is not in DEPTH 1
    assert bob.ok(f'GETMETADATA (DEPTH 1) "" {P}') == []


def refusals(entry, words):
    """(value, what the answer names) of values that are none."""
    return [(b'{"notify":"loud"}', b"notify must be one of: " + words),
            (b'{"notify":"None"}', b"notify must be"), (b'{"notify":true}', b"notify must be"),
            (b'{"muted-until":"tomorrow"}', b"muted-until must be"),
            (b'{"muted-until":1}', b"muted-until must be"),
            (b"", b"not JSON"), (b"yes", b"not JSON"), (b"[]", b"not a JSON object"),
            (b'{"notify":"none"', b"not JSON"), (b"{}{}", b"not JSON"),
            (b'{"notify":"none","notify":"all"}', b"stands twice"),
            (b'{"x":"\0"}', b"not JSON"), (b"\0", b"not JSON"),
            (b'{"x":"\\u0000"}', b"not JSON"),
            (b'{"x":"\xe4"}', b"not JSON"), (b'{"x":"\xff\xfe"}', b"not JSON"),
            (b'{"x":"\r\n* BYE"}', b"not JSON"),
            (b'{"x":' + b"[" * 40, b"levels"),
            (b'{"x":"' + b"y" * (1 << 20) + b'"}', b"longer than")]


@pytest.mark.parametrize("entry,words,more", [
    (contact("alice"), b"all, none",
     [(b'{"blocked":1}', b"blocked must be true or false"),
      (b'{"blocked":"true"}', b"blocked must be true or false"),
      (b'{"blocked":true,"notify":7}', b"notify must be"),
      (b'{"blocked":true' + b" " * 4096 + b"}", b"longer than 4096 bytes")]),
    (group("club"), b"all, mentions, none", []),
], ids=["contact", "group"])
def test_bad_values(server, entry, words, more):
    """S7 C5: NO [CANNOT] that names entry and member in one short line of
    ASCII, and nothing changed, be it unset before or set."""
    bob = enabled(server(), "bob")
    for before in (None, '{"notify":"none"}'):
        assert set_entry(bob, entry, before).status == "OK"
        stands = get_entry(bob, entry)
        for sent, reason in refusals(entry, words) + more:
            tagged = set_entry(bob, entry, sent).tagged
            assert tagged.startswith(f"NO [CANNOT] invalid value for {entry}: ".encode()), (
                sent[:80], tagged)
            assert reason in tagged and len(tagged) < 400 and re.fullmatch(rb"[ -~]*", tagged)
            assert get_entry(bob, entry) == stands
    assert texts(bob) == []


def test_large_group(server):
    """S7: what a client sends back of a large group is larger than Dovecot's
    read buffers."""
    bob = enabled(server(), "bob")
    for size in (1000, 130_000, 131_072, 200_000):
        assert set_entry(bob, group("club"), None).status == "OK"
        assert set_entry(bob, group("club"), '{"x":"' + "y" * size +
                         '","notify":"none"}').status == "OK", size
        assert get_entry(bob, group("club")).startswith(b'{"notify":"none"')


def test_bad_names(server):
    """S7 C3: what is no hash is refused by name and reads as NIL."""
    bob = enabled(server(), "bob")
    good = name_hash("alice")
    for root in (CONTACTS, GROUPS):
        for bad in (good[:-1], good + "0", "g" + good[1:], "x", good + "/x", "../state"):
            tagged = set_entry(bob, f"{root}/{bad}", BLOCKED).tagged
            assert tagged.startswith(
                f"NO [CANNOT] invalid entry {root}/{bad}: ".encode()), tagged
            assert get_entry(bob, f"{root}/{bad}") is None
        assert set_entry(bob, root, BLOCKED).tagged.startswith(b"NO [CANNOT] "), root


@pytest.mark.parametrize("entry,max_setting", [(contact, "coi_contacts_max"),
                                               (group, "coi_groups_max")])
def test_limits(server, entry, max_setting):
    """S7: NO [LIMIT] beyond the maximum, nothing done; what is there can still
    be changed, and what is removed makes room."""
    bob = enabled(server(settings={max_setting: "2"}), "bob")
    on = '{"blocked":true,"notify":"none"}'
    for name in ("one", "two"):
        assert set_entry(bob, entry(name), on).status == "OK"
    before = texts(bob)
    for _ in range(2):
        assert set_entry(bob, entry("three"), on).tagged.startswith(b"NO [LIMIT] ")
        assert get_entry(bob, entry("three")) is None
        assert texts(bob) == before
    assert set_entry(bob, entry("two"), '{"notify":"none"}').status == "OK"
    # no look at Contacts makes of the refused one a contact
    bob.ok(f"SELECT {MAILBOX}")
    bob.ok("UNSELECT")
    assert get_entry(bob, entry("three")) is None
    assert set_entry(bob, entry("one"), None).status == "OK"
    assert set_entry(bob, entry("three"), on).status == "OK"
    # one goes and one comes in one command, in either order
    assert set_all(bob, (entry("three"), None), (entry("one"), on)).status == "OK"
    assert set_all(bob, (entry("three"), on), (entry("one"), None)).status == "OK"
    assert set_all(bob, (entry("three"), on), (entry("one"), on)
                   ).tagged.startswith(b"NO [LIMIT] ")
    assert get_entry(bob, entry("one")) is None


def test_no_limit(server):
    """S7: 0 is no limit."""
    bob = enabled(server(settings={"coi_contacts_max": "0", "coi_groups_max": "0"}), "bob")
    for entry in (contact, group):
        for name in ("one", "two"):
            assert set_entry(bob, entry(name), '{"notify":"none"}').status == "OK"


@pytest.mark.parametrize("bad", [
    (contact("dave"), '{"blocked":1}'), (contact("dave")[:-1], BLOCKED),
    (ENABLED, "maybe"), (P + "/x", "y"), (contact("three"), BLOCKED)],
    ids=["value", "name", "config", "unknown", "limit"])
def test_all_or_none(server, bad):
    """S2 C7: of a SETMETADATA one of whose entries is refused nothing happens,
    wherever that stands; nor does it later."""
    bob = enabled(server(settings={"coi_contacts_max": "2"}), "bob")
    one, two = contact("one"), contact("two")
    assert block(bob, "two").status == "OK"
    before = texts(bob), get_entry(bob, two)
    others = (one, BLOCKED), (two, '{"notify":"none"}')
    for number in range(3):
        pairs = list(others)
        pairs.insert(number, bad)
        assert set_all(bob, *pairs).status == "NO"
        bob.ok(f"SELECT {MAILBOX}")
        bob.ok("UNSELECT")
        assert (texts(bob), get_entry(bob, two)) == before
        assert get_entry(bob, one) is None
    assert get_entry(bob, ENABLED) == b"yes"


def test_several_at_once(server, driver):
    """S2 C1: several contacts and groups in one SETMETADATA, a message for each
    that is blocked."""
    bob = enabled(server(driver=driver), "bob")
    names = [f"n{number}" for number in range(10)]
    reply = set_all(bob, *[(contact(name), BLOCKED) for name in names],
                    (group("club"), '{"notify":"none"}'))
    assert reply.status == "OK"
    assert all(is_blocked(bob, name) for name in names)
    assert len(texts(bob)) == 10
    assert set_all(bob, *[(contact(name), None) for name in names]).status == "OK"
    assert not any(is_blocked(bob, name) for name in names)
    assert not any(b"COI-Blocked" in data for data in texts(bob))


def test_one_entry_twice(server):
    """S2: of two values for one entry in one command the last one counts."""
    bob = enabled(server(), "bob")
    entry = contact("alice")
    for first, last, expected in [(BLOCKED, "{}", {}), ('{"notify":"none"}', BLOCKED,
                                                        {"blocked": True})]:
        assert set_all(bob, (entry, first), (entry, last)).status == "OK"
        assert value(bob, "alice") == expected
        assert all((b"COI-Blocked" in data) == bool(expected) for data in texts(bob))


def test_coi_off(server):
    """S26 C4: entries can be set before COI is enabled; blocked is nobody until
    then. With coi = no they are not there."""
    dovecot = server(users={"bob": {}, "eve": {"coi": "no"}})
    bob = dovecot.imap("bob")
    assert block(bob, "alice").status == "OK"
    assert is_blocked(bob, "alice")
    send(dovecot, "lmtp", "bob", mail("off"))
    enable(bob)
    send(dovecot, "lmtp", "bob", mail("on"))
    assert set_entry(bob, ENABLED, None).status == "OK"
    send(dovecot, "lmtp", "bob", mail("off again"))
    assert [(subject, box) for subject, box, _ in places(bob) if box != MAILBOX] == [
        ("off", "INBOX"), ("off again", "INBOX"), ("on", "Blocked")]
    eve = dovecot.imap("eve")
    assert block(eve, "alice").status == "NO"
    assert eve.append("INBOX", message("alice", blocked=True)).status == "OK"


def test_sessions_and_users(server, driver):
    """S42: the next command of another session sees it; no other user does."""
    dovecot = server(driver=driver)
    phone, alice = enabled(dovecot, "bob", "alice")
    laptop = dovecot.imap("bob")
    for _ in range(3):
        assert block(phone, "carol").status == "OK"
        assert is_blocked(laptop, "carol")
        assert set_entry(laptop, contact("carol"), '{"notify":"none"}').status == "OK"
        assert value(phone, "carol") == {"notify": "none"}
        assert set_entry(laptop, group("club"), '{"notify":"mentions"}').status == "OK"
        assert get_entry(phone, group("club")) is not None
        assert set_entry(phone, group("club"), None).status == "OK"
        assert get_entry(laptop, group("club")) is None
    assert value(alice, "carol") == {} and texts(alice) == []


@pytest.mark.parametrize("damage", ["garbage", "nul", "directory", "large"])
def test_broken_entry(server, damage):
    """S41 C5: an entry that cannot be read blocks nobody, one error is logged,
    and mail is taken. Only garbage can be set anew over it."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    assert block(bob, "alice").status == "OK"
    path = store(dovecot, "bob", f"contacts/{name_hash('alice')[:2]}/{name_hash('alice')}")
    path.unlink()
    if damage == "directory":
        path.mkdir()
    else:
        path.write_bytes({"garbage": b"garbage", "nul": b'{"blocked":true}\0',
                          "large": b" " * 5000 + b'{"blocked":true}'}[damage])
    dovecot.expect_error("Delivering as not blocked: .*" + name_hash("alice"))
    send(dovecot, "lmtp", "bob", mail())
    assert ("mail", "INBOX", "") in places(bob)
    if damage != "garbage":
        dovecot.expect_error("contacts/.*" + name_hash("alice"))
        assert bob.cmd(f'GETMETADATA "" {contact("alice")}').status == "NO"
    else:
        assert block(bob, "alice").status == "OK"
        assert is_blocked(bob, "alice")
    assert block(bob, "carol").status == "OK"


# -- dsync

def dsync(dovecot, verb, state):
    """From bob to alice, beginning with a state. Returns the new one. After
    "Mailbox changes caused a desync" it is to be run again; 2.4 says so at the
    first run now and then."""
    said = "desync"
    for _ in range(3):
        if "desync" in said:
            status, said = dovecot.doveadm(
                verb, "-u", "bob", "-s", state, "doveadm", "-c", str(dovecot.conf),
                "dsync-server", "-u", "alice", check=False)
    assert status == 0, said
    return said.split()[-1]


def entries(client):
    """All contacts and groups as a client sees them."""
    found = {}
    for root in (CONTACTS, GROUPS):
        for line in client.ok(f'GETMETADATA (DEPTH infinity) "" {root}'):
            for match in re.finditer(rb"(\S+/[0-9a-f]{64}) \{\d+\}\r\n(\{[^}]*\})", line):
                found[match[1].rsplit(b"/")[-2:][0], match[1][-64:]] = json.loads(match[2])
    return found


@pytest.mark.parametrize("verb", ["backup", "sync"])
def test_dsync(server, driver, verb):
    """S43: contacts and groups arrive, with the first run and with each that
    follows: new, changed and removed ones."""
    dovecot = server(driver=driver, settings={"coi_contacts_max": "3"})
    bob = enabled(dovecot, "bob")
    for name in ("one", "two", "three"):
        assert block(bob, name).status == "OK"
    assert set_entry(bob, group("club"), '{"notify":"mentions"}').status == "OK"
    assert bob.append("INBOX", mail()).status == "OK"
    state = dsync(dovecot, verb, "")
    alice = dovecot.imap("alice")
    assert entries(alice) == entries(bob) and len(entries(bob)) == 4
    for change in ([(contact("one"), None)], [(contact("four"), BLOCKED)],
                   [(contact("two"), '{"notify":"none"}'), (group("club"), None)],
                   [(group("pub"), '{"notify":"none"}')]):
        for entry, data in change:
            assert set_entry(bob, entry, data).status == "OK"
        state = dsync(dovecot, verb, state)
        assert entries(alice) == entries(bob), change
    assert sorted(texts(alice)) == sorted(texts(bob))
    # the messages that came with it change nothing
    assert set_entry(alice, contact("three"), '{"blocked":true,"notify":"none"}').status == "OK"
    assert is_blocked(alice, "four") and not is_blocked(alice, "one")
    assert send(dovecot, "lmtp", "alice", mail(sender="three@example.org")) is None
    assert ("mail", "Blocked", "") in places(alice)
