"""The configuration of COI by METADATA."""

import pytest

from coi import (CHATS, CONFIG, ENABLED, FILTER, ROOT, enable, enabled, get_entry,
                 places, send, set_entry, store)
from coitest import Literal
from messages import chat, mail

OWN = ["COI/Chats", "COI/Contacts", "Blocked"]

# Values that no entry takes, and how the answer shows them.
NO_WORDS = ["", "Yes", "YES", "yes ", " yes", "no", "ACTIVE", "inactive", "1"]
NO_TEXT = [b"yes\0", b"\0", b"\0" * 100, "j\xe4".encode("latin-1"), "\u2713".encode(),
           b"yes\r\n", b"a\r\n* BYE\r\n", b'"', b"\\", b"x" * 2000, b"x" * (1 << 20)]


@pytest.fixture(params=[(False, False), (False, True), (True, False), (True, True)],
                ids=["bare", "dict", "metadata", "metadata+dict"])
def anyhow(request, server):
    """S7: with imap_metadata and mail_attribute_dict, each set or not."""
    metadata, attribute_dict = request.param
    return server(metadata=metadata, attribute_dict=attribute_dict)


def test_listing(anyhow):
    """S2 S5 S13: DEPTH 0, 1 and infinity, byte for byte."""
    bob = enabled(anyhow, "bob")
    config = (f'* METADATA "" ({ENABLED} {{3}}\r\nyes {ROOT} {{3}}\r\nCOI '
              f'{FILTER} {{6}}\r\nactive)').encode()
    parent = CONFIG.rpartition("/")[0]
    assert bob.ok(f'GETMETADATA (DEPTH 1) "" {CONFIG}') == [config]
    assert bob.ok(f'GETMETADATA (DEPTH infinity) "" {CONFIG}') == [config]
    assert bob.ok(f'GETMETADATA (DEPTH infinity) "" {parent}') == [config]
    assert bob.ok(f'GETMETADATA (DEPTH 0) "" {ENABLED}') == [
        f'* METADATA "" ({ENABLED} {{3}}\r\nyes)'.encode()]
    assert bob.ok(f'GETMETADATA "" ({ENABLED} {ROOT})') == [
        f'* METADATA "" ({ENABLED} {{3}}\r\nyes {ROOT} {{3}}\r\nCOI)'.encode()]


def test_unset(anyhow):
    """S13 S14 S17: what is not set is NIL and in no listing; the root is there
    with COI off too."""
    bob = anyhow.imap("bob")
    assert get_entry(bob, ENABLED) is None
    assert get_entry(bob, FILTER) is None
    assert get_entry(bob, ROOT) == b"COI"
    assert bob.ok(f'GETMETADATA (DEPTH 1) "" {CONFIG}') == [
        f'* METADATA "" ({ROOT} {{3}}\r\nCOI)'.encode()]


def test_other_entries(anyhow):
    """S7: entries that are not ours are as without the plugin."""
    options = anyhow.options
    bob = anyhow.imap("bob")
    reply = set_entry(bob, "/private/comment", "free storage")
    assert reply.status == ("OK" if options.metadata and options.attribute_dict else "NO")


def test_unknown_entries(anyhow):
    """S2: below coi/ only what is defined can be set, and read only as NIL."""
    bob = anyhow.imap("bob")
    for entry in (CONFIG + "/enabled2", CONFIG + "/enabled/x", CONFIG + "/x",
                  "/private/vendor/vendor.dovecot/coi/x"):
        assert set_entry(bob, entry, "yes").tagged.startswith(b"NO [CANNOT] "), entry
        assert get_entry(bob, entry) is None
    # what has the same name elsewhere is not ours
    set_entry(bob, ENABLED.replace("private", "shared"), "yes")
    bob.cmd(f'SETMETADATA INBOX ({ENABLED} "yes")')
    assert get_entry(bob, ENABLED) is None


def test_entry_names_have_no_case(anyhow):
    """S2: entry names compare without case (RFC 5464)."""
    bob = anyhow.imap("bob")
    assert set_entry(bob, ENABLED.upper(), "yes").status == "OK"
    assert get_entry(bob, ENABLED) == b"yes"


def test_root_cannot_be_set(anyhow):
    """S16: refused, byte for byte, and nothing changed."""
    bob = anyhow.imap("bob")
    for value in ("Else", "COI", "", None):
        assert set_entry(bob, ROOT, value).tagged == (
            f"NO [CANNOT] unable to set {ROOT}".encode())
    assert get_entry(bob, ROOT) == b"COI"


def test_enable_and_disable(anyhow):
    """S17: yes and NIL, as a quoted string and as a literal, repeatedly."""
    bob = anyhow.imap("bob")
    for value in ('"yes"', "yes", Literal(b"yes")):
        bob.ok(f'SETMETADATA "" ({ENABLED} ', value, ")")
        assert get_entry(bob, ENABLED) == b"yes"
    for _ in range(2):
        bob.ok(f'SETMETADATA "" ({ENABLED} NIL)')
        assert get_entry(bob, ENABLED) is None


@pytest.mark.parametrize("entry,good", [(ENABLED, "yes"), (FILTER, "active")])
def test_bad_values(anyhow, entry, good):
    """S18 S19 S36: any other value is refused and nothing changed, be it unset
    before or set. The answer names entry and value and stays one short line."""
    bob = anyhow.imap("bob")
    for before in (None, good):
        assert set_entry(bob, entry, before).status == "OK"
        for value in [word.encode() for word in NO_WORDS] + NO_TEXT:
            reply = set_entry(bob, entry, value)
            assert reply.tagged.startswith(
                f"NO [CANNOT] invalid value for {entry}: ".encode()), value[:80]
            assert len(reply.tagged) < 1000
            assert reply.tagged.decode().isprintable(), reply
            assert get_entry(bob, entry) == (before and before.encode())


def test_bad_values_byte_exact(anyhow):
    """S19 S36: the two answers that the document shows."""
    bob = anyhow.imap("bob")
    assert set_entry(bob, ENABLED, "true").tagged == (
        f'NO [CANNOT] invalid value for {ENABLED}: "true"'.encode())
    assert set_entry(bob, FILTER, "inactive").tagged == (
        f"NO [CANNOT] invalid value for {FILTER}: inactive".encode())


def test_one_bad_value_of_two(server):
    """S19: one command is one change: nothing is set if one part is refused."""
    bob = server().imap("bob")
    reply = bob.cmd(f'SETMETADATA "" ({FILTER} "active" {ENABLED} "true")')
    assert reply.tagged.startswith(b"NO [CANNOT] ")
    assert get_entry(bob, FILTER) is None
    assert bob.mailboxes() == ["INBOX"]
    bob.ok(f'SETMETADATA "" ({FILTER} "active" {ENABLED} "yes")')
    assert (get_entry(bob, FILTER), get_entry(bob, ENABLED)) == (b"active", b"yes")


def test_stored_nonsense_is_off(server):
    """S20: a stored value that is not yes counts as off."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    state = store(dovecot, "bob")
    state.write_bytes(state.read_bytes().replace(b"yes", b"true"))
    send(dovecot, "lmtp", "bob", chat())
    assert places(bob) == [("chat", "INBOX", "")]
    assert get_entry(bob, ENABLED) == b"true"


def test_mailboxes_of_enabling(server, driver):
    """S21 S22 C12: Chats, Contacts and Blocked exist when OK is said, and
    Chats is subscribed; once more does no harm."""
    bob = server(driver=driver).imap("bob")
    assert set_entry(bob, FILTER, "none").status == "OK"
    assert bob.mailboxes() == ["INBOX"]
    for _ in range(2):
        assert set_entry(bob, ENABLED, "yes").status == "OK"
        assert set(OWN) <= set(bob.mailboxes())
        assert bob.mailboxes("LSUB") == ["COI/Chats"]


def test_mailboxes_that_exist(server):
    """S21 S22 S23: a Chats that was there keeps its mail and is subscribed."""
    bob = server().imap("bob")
    bob.ok(f'CREATE "{CHATS}"')
    assert bob.append(CHATS, mail("old")).status == "OK"
    enable(bob)
    assert places(bob) == [("old", CHATS, "")]
    assert CHATS in bob.mailboxes("LSUB")


def test_store_is_no_mailbox(server):
    """The store's directory shows in no listing, in no layout."""
    for driver, layout in (("sdbox", ""), ("mdbox", ""), ("maildir", ""),
                           ("maildir", "fs"), ("sdbox", "fs")):
        dovecot = server(driver=driver, layout=layout)
        bob = enabled(dovecot, "bob")
        assert store(dovecot, "bob").exists()
        assert set(bob.mailboxes()) == {"INBOX", "COI", *OWN}, (driver, layout)
        assert bob.mailboxes('LIST (SUBSCRIBED)')


@pytest.mark.parametrize("options,root,chats,blocked", [
    ({"prefix": "INBOX.", "separator": "."}, "INBOX.COI", "INBOX.COI.Chats",
     "INBOX.Blocked"),
    ({"settings": {"coi_mailbox_root": "Post/Chat"}}, "Post/Chat", "Post/Chat/Chats",
     "Blocked"),
    ({"settings": {"coi_mailbox_root": "My/COI", "coi_mailbox_blocked": "My/Blocked"},
      "namespaces": {"My/": "/"}}, "My/COI", "My/COI/Chats", "My/Blocked"),
], ids=["prefix", "deep", "namespace"])
@pytest.mark.parametrize("driver", ["sdbox", "maildir"])
def test_root_elsewhere(server, driver, options, root, chats, blocked):
    """S14 S21 S35 C12: another root, another prefix and separator."""
    dovecot = server(driver=driver, **options)
    bob = enabled(dovecot, "bob")
    assert get_entry(bob, ROOT) == root.encode()
    assert {chats, chats.replace("Chats", "Contacts"), blocked} <= set(bob.mailboxes())
    for way in ("lmtp", "lda"):
        send(dovecot, way, "bob", chat(way))
    assert places(bob) == [("lda", chats, "$Chat"), ("lmtp", chats, "$Chat")]


def test_enabling_evaluates_the_filter(server):
    """S25: what message-filter is when COI is enabled is in force."""
    dovecot = server()
    bob = dovecot.imap("bob")
    assert set_entry(bob, FILTER, "active").status == "OK"
    send(dovecot, "lmtp", "bob", chat("before"))
    assert set_entry(bob, ENABLED, "yes").status == "OK"
    send(dovecot, "lmtp", "bob", chat("after"))
    assert places(bob) == [("after", CHATS, "$Chat"), ("before", "INBOX", "")]


def test_unset_filter_is_none(server):
    """S25 S35: without message-filter nothing is filed, but tagged."""
    dovecot = server()
    bob = enabled(dovecot, "bob", message_filter=None)
    send(dovecot, "lmtp", "bob", chat())
    assert places(bob) == [("chat", "INBOX", "$Chat")]


def test_disabling(server):
    """S26 S27: neither filed nor tagged any more."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    assert set_entry(bob, ENABLED, None).status == "OK"
    send(dovecot, "lmtp", "bob", chat())
    assert places(bob) == [("chat", "INBOX", "")]
    assert get_entry(bob, FILTER) == b"active"


@pytest.mark.parametrize("word,created", [("active", True), ("seen", True), ("none", False)])
def test_filter_creates_chats(server, word, created):
    """S34: active and seen create Chats, subscribed, without enabling."""
    bob = server().imap("bob")
    assert set_entry(bob, FILTER, word).status == "OK"
    assert (CHATS in bob.mailboxes()) == (CHATS in bob.mailboxes("LSUB")) == created
    assert get_entry(bob, ENABLED) is None


def test_filter_nil_is_the_default(server):
    """S36: NIL is back to coi_default_filter."""
    dovecot = server(settings={"coi_default_filter": "active"})
    bob = enabled(dovecot, "bob", message_filter="none")
    send(dovecot, "lmtp", "bob", chat("none"))
    assert set_entry(bob, FILTER, None).status == "OK"
    assert get_entry(bob, FILTER) is None
    send(dovecot, "lmtp", "bob", chat("default"))
    assert places(bob) == [("default", CHATS, "$Chat"), ("none", "INBOX", "$Chat")]


def test_obeyed_at_once(server):
    """S42: what one device or doveadm sets, the next command of another
    session and the very next delivery obey."""
    dovecot = server()
    phone, laptop = dovecot.imap("bob"), dovecot.imap("bob")
    for number, value in enumerate(["yes", None, "yes"]):
        assert set_entry(phone, FILTER, value and "active").status == "OK"
        assert set_entry(phone, ENABLED, value).status == "OK"
        assert get_entry(laptop, ENABLED) == (value and value.encode())
        send(dovecot, "lmtp", "bob", chat(str(number)))
    dovecot.doveadm("mailbox", "metadata", "unset", "-u", "bob", "-s", "", ENABLED)
    assert get_entry(laptop, ENABLED) is None
    send(dovecot, "lmtp", "bob", chat("3"))
    dovecot.doveadm("mailbox", "metadata", "set", "-u", "bob", "-s", "", ENABLED, "yes")
    assert get_entry(laptop, ENABLED) == b"yes"
    send(dovecot, "lmtp", "bob", chat("4"))
    assert [(subject, box) for subject, box, _ in places(laptop)] == [
        ("0", CHATS), ("1", "INBOX"), ("2", CHATS), ("3", "INBOX"), ("4", CHATS)]


def test_two_enable_at_once(server, driver):
    """S21: two clients that enable at the same moment both succeed. There is
    an INBOX: plain 2.4.1 may panic when several make it at once."""
    dovecot = server(driver=driver)
    for user in ("alice", "bob"):
        clients = [dovecot.imap(user) for _ in range(2)]
        clients[0].ok("SELECT INBOX")
        clients[0].ok("UNSELECT")
        replies = dovecot.at_once(*[
            lambda c=c: c.cmd(f'SETMETADATA "" ({FILTER} "active" {ENABLED} "yes")')
            for c in clients])
        assert [reply.status for reply in replies] == ["OK"] * len(clients)
        send(dovecot, "lmtp", user, chat())
        assert places(clients[0]) == [("chat", CHATS, "$Chat")]


@pytest.mark.parametrize("damage", ["garbage", "unreadable", "directory", "large"])
def test_broken_store(server, damage):
    """S41: NO to the client who asks for it; all else as without the plugin."""
    dovecot = server()
    dovecot.expect_error("dovecot-coi/state")
    bob = enabled(dovecot, "bob")
    state = store(dovecot, "bob")
    break_state(state, damage)
    bob = dovecot.imap("bob")
    assert bob.cmd(f'GETMETADATA "" {ENABLED}').status == "NO"
    assert set_entry(bob, FILTER, "seen").status == "NO"
    assert "INBOX" in bob.mailboxes()
    assert bob.append("INBOX", chat("appended")).status == "OK"
    for way in ("lmtp", "lda"):
        send(dovecot, way, "bob", chat(way))
    assert places(bob) == [("appended", "INBOX", ""), ("lda", "INBOX", ""),
                           ("lmtp", "INBOX", "")]


def break_state(state, damage):
    if damage == "garbage":
        state.write_bytes(b"\0garbage")
    elif damage == "unreadable":
        state.chmod(0)
    elif damage == "large":
        state.write_bytes(b"enabled\tyes\n" + b"x\ty\n" * 100000)
    else:
        state.unlink()
        state.mkdir()


def test_unwritable_store(server):
    """S41: where it cannot be written, NO to the client and one clear error."""
    dovecot = server()
    dovecot.expect_error("dovecot-coi")
    bob = enabled(dovecot, "bob")
    directory = store(dovecot, "bob").parent
    directory.chmod(0o500)
    try:
        assert set_entry(bob, FILTER, "none").status == "NO"
        assert get_entry(bob, FILTER) == b"active"
        send(dovecot, "lmtp", "bob", chat())
    finally:
        directory.chmod(0o700)
    assert places(bob) == [("chat", CHATS, "$Chat")]
