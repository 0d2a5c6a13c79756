"""COI on every format and layout of mailboxes, and in the hands of doveadm."""

import pytest

from coi import CHATS, ENABLED, FILTER, ROOT, enable, enabled, get_entry, places, store
from messages import chat, mail

LAYOUTS = [("sdbox", ""), ("sdbox", "index"), ("mdbox", ""), ("mdbox", "index"),
           ("maildir", ""), ("maildir", "fs"), ("maildir", "index")]
NAME = "dovecot-coi"
ALL = {"INBOX", "COI", "COI/Chats", "COI/Contacts", "Blocked"}

pytestmark = pytest.mark.parametrize("driver, layout", LAYOUTS)


def is_intact(dovecot, client=None):
    """COI is on as before, for this session or a new one, and takes chat."""
    client = client or dovecot.imap("bob")
    assert get_entry(client, ENABLED) == b"yes"
    assert get_entry(client, FILTER) == b"active"
    dovecot.delivered("bob", chat("still"))
    assert ("still", CHATS, "$Chat") in places(client)
    client.ok("SELECT INBOX")


# -- the store's directory

@pytest.mark.parametrize("list_index", [True, False])
def test_store_does_not_show(server, driver, layout, list_index):
    """S13: no listing shows more than COI's mailboxes."""
    list_index = list_index or layout == "index"  # it is that index
    dovecot = server(driver=driver, layout=layout, list_index=list_index)
    bob = enabled(dovecot, "bob")
    assert store(dovecot, "bob").is_file()
    for client in (bob, dovecot.imap("bob")):
        # without its index Maildir++ lists no mere place of others
        assert set(client.mailboxes()) | {"COI"} == ALL
        assert client.mailboxes("LSUB") == [CHATS]
        assert client.ok(f'LIST "" {NAME}') == []
        assert client.ok(f'LIST "" {NAME}/%') == []
        assert client.ok(f'LIST "" *{NAME}*') == []
        assert client.cmd(f"STATUS {NAME} (MESSAGES)").status == "NO"
        assert client.cmd(f"SELECT {NAME}").status == "NO"
    assert set(dovecot.doveadm("mailbox", "list", "-u", "bob").split()) | {"COI"} == ALL


@pytest.mark.parametrize("name", [NAME, NAME + "/below", "above/" + NAME])
def test_mailbox_of_that_name(server, driver, layout, name):
    """OURS: a client's mailbox with the directory's name is refused, or is one
    as any; the store stays as it is, also when it is deleted."""
    dovecot = server(driver=driver, layout=layout)
    bob = enabled(dovecot, "bob")
    if bob.cmd(f"CREATE {name}").status == "OK":
        assert bob.append(name, mail("x")).status == "OK"
        assert ("x", name, "") in places(bob)
        is_intact(dovecot)
        bob.ok(f"RENAME {name} other")
        bob.ok(f"RENAME other {name}")
        bob.ok(f"DELETE {name}")
    else:
        assert (driver, layout) == ("maildir", "fs")
        assert bob.cmd(f"RENAME Blocked {name}").status == "NO"
        assert bob.cmd(f"DELETE {name}").status == "NO"
        assert bob.cmd(f"APPEND {name} {{1+}}\r\nx").status == "NO"
    is_intact(dovecot, bob)


def test_reserved_names_stay_reserved(server, driver, layout):
    """OURS: what maildir keeps for itself, it keeps with the plugin too."""
    with_us = server(driver=driver, layout=layout)
    without = server(driver=driver, layout=layout, coi=False)
    for name in ("cur", "new", "tmp", "a/cur", "dbox-Mails", "dovecot"):
        replies = [dovecot.imap("bob").cmd(f"CREATE {name}").status
                   for dovecot in (with_us, without)]
        assert replies[0] == replies[1], name


def test_maintenance(server, driver, layout):
    """OURS: doveadm's repairs neither mind the directory nor remove it."""
    dovecot = server(driver=driver, layout=layout)
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("one"))
    dovecot.delivered("bob", mail("two"))
    before = places(bob)
    dovecot.doveadm("index", "-u", "bob", "*")
    if driver == "mdbox":
        dovecot.doveadm("purge", "-u", "bob")
        dovecot.allow_error("rebuilding|Rebuilding|rescanning")
    dovecot.doveadm("force-resync", "-u", "bob", "*")
    dovecot.doveadm("mailbox", "status", "-u", "bob", "all", "*")
    assert places(dovecot.imap("bob")) == before
    assert set(dovecot.imap("bob").mailboxes()) == ALL
    is_intact(dovecot)


def test_rename_inbox(server, driver, layout):
    """S42: what a client set stays when INBOX becomes another mailbox, where
    Dovecot can do that; in open sessions too."""
    dovecot = server(driver=driver, layout=layout)
    bob = enabled(dovecot, "bob")
    other = dovecot.imap("bob")
    bob.append("INBOX", mail("x"))
    moved = bob.cmd("RENAME INBOX Old").status == "OK"
    assert ("x", "Old" if moved else "INBOX", "") in places(bob)
    for client in (bob, other, dovecot.imap("bob")):
        is_intact(dovecot, client)
    bob.ok("DELETE COI/Chats")
    assert get_entry(other, ENABLED) is None


def test_folder_commands(server, driver, layout):
    """S24, S29 S30 S31 S32: the same on every layout."""
    dovecot = server(driver=driver, layout=layout)
    bob = dovecot.imap("bob")
    bob.ok("CREATE COI/Chats")
    assert get_entry(bob, ENABLED) == b"yes"
    assert bob.cmd("RENAME COI/Chats Talk").status == "NO"
    assert bob.cmd("RENAME COI Other").status == "NO"
    bob.ok("RENAME COI Trash/COI")
    assert get_entry(bob, ENABLED) is None
    bob.ok("RENAME Trash/COI COI")
    assert get_entry(bob, ENABLED) == b"yes"
    bob.ok("DELETE COI/Chats")
    assert get_entry(bob, ENABLED) is None


# -- names

@pytest.mark.parametrize("prefix, separator", [("INBOX.", "."), ("", "."), ("INBOX/", "/")])
def test_prefix_and_separator(server, driver, layout, prefix, separator):
    """S14, S21, S24, S29: mailbox-root is the client's name for it."""
    dovecot = server(driver=driver, layout=layout, prefix=prefix, separator=separator)
    root = prefix + "COI"
    chats = root + separator + "Chats"
    bob = dovecot.imap("bob")
    assert get_entry(bob, ROOT) == root.encode()
    enable(bob)
    names = set(bob.mailboxes())
    assert {chats, root + separator + "Contacts", prefix + "Blocked"} <= names
    assert not [name for name in names if NAME in name]
    assert bob.mailboxes("LSUB") == [chats]
    dovecot.delivered("bob", chat("one"))
    assert places(bob) == [("one", chats, "$Chat")]
    bob.ok("SELECT INBOX")
    reply = bob.cmd(f"RENAME {root} {prefix}Other")
    assert reply.tagged.startswith(f"NO [CANNOT] Mailbox {root} can't be ".encode())
    bob.ok(f"DELETE {chats}")
    assert get_entry(bob, ENABLED) is None
    bob.ok(f"CREATE {chats}")
    assert get_entry(bob, ENABLED) == b"yes"
    bob.ok(f"RENAME {chats} {prefix}Trash{separator}{separator.join('ab')}")
    assert get_entry(bob, ENABLED) is None


def test_root_in_another_namespace(server, driver, layout):
    """S14, S24, S29: COI's mailboxes in a namespace of their own, trash in
    INBOX's; renaming between them may be more than Dovecot can do."""
    dovecot = server(driver=driver, layout=layout, namespaces={"Chat/": "/"},
                     settings={"coi_mailbox_root": "Chat/COI"})
    bob = dovecot.imap("bob")
    assert get_entry(bob, ROOT) == b"Chat/COI"
    enable(bob)
    assert {"Chat/COI/Chats", "Chat/COI/Contacts", "Blocked"} <= set(bob.mailboxes())
    dovecot.delivered("bob", chat("one"))
    assert places(bob) == [("one", "Chat/COI/Chats", "$Chat")]
    bob.ok("SELECT INBOX")
    assert bob.cmd("RENAME Chat/COI/Chats Chat/Other").status == "NO"
    assert bob.cmd("RENAME Chat/COI/Chats Talk").status == "NO"
    assert get_entry(bob, ENABLED) == b"yes"
    moved = bob.cmd("RENAME Chat/COI/Chats Trash/Chats").status == "OK"
    assert get_entry(bob, ENABLED) == (None if moved else b"yes")
    if not moved:
        bob.ok("DELETE Chat/COI/Chats")
        assert get_entry(bob, ENABLED) is None
    bob.ok("CREATE Chat/COI/Chats")
    assert get_entry(bob, ENABLED) == b"yes"


# -- dsync

def backup(dovecot, *options):
    """One way, from bob to alice. Returns what it printed: with -s the state."""
    return dovecot.doveadm("backup", "-u", "bob", *options, "doveadm", "-c",
                           str(dovecot.conf), "dsync-server", "-u", "alice").strip()


def test_backup_copies_and_does_nothing_else(server, driver, layout):
    """S43: enabled and message-filter arrive; what the source has not is not
    made, what the source holds is not judged."""
    dovecot = server(driver=driver, layout=layout)
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("one"))
    bob.append("INBOX", mail("two"))
    bob.ok("DELETE Blocked")
    bob.ok("DELETE COI/Contacts")
    bob.ok("UNSUBSCRIBE COI/Chats")
    backup(dovecot)
    alice = dovecot.imap("alice")
    assert get_entry(alice, ENABLED) == b"yes"
    assert get_entry(alice, FILTER) == b"active"
    assert set(alice.mailboxes()) == ALL - {"Blocked", "COI/Contacts"}
    assert alice.mailboxes("LSUB") == []
    assert places(alice) == [("one", CHATS, "$Chat"), ("two", "INBOX", "")]
    dovecot.delivered("alice", chat("three"))
    assert ("three", CHATS, "$Chat") in places(alice)


def test_backup_judges_nothing(server, driver, layout):
    """S43, S20: values that we would refuse are copied as they are."""
    dovecot = server(driver=driver, layout=layout)
    enabled(dovecot, "bob")
    store(dovecot, "bob").write_text("enabled\tmaybe\nmessage-filter\tseen\n")
    backup(dovecot)
    alice = dovecot.imap("alice")
    assert get_entry(alice, ENABLED) == b"maybe"
    assert get_entry(alice, FILTER) == b"seen"


def test_incremental_backup_follows_folder_commands(server, driver, layout):
    """S43, S32: what CREATE, DELETE and RENAME change is in the attribute log."""
    dovecot = server(driver=driver, layout=layout)
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("one"))
    state = backup(dovecot, "-s", "")
    alice = dovecot.imap("alice")
    for command, value in [("DELETE COI/Chats", None), ("CREATE COI/Chats", b"yes"),
                           ("RENAME COI/Chats Trash/Chats", None),
                           ("RENAME Trash/Chats COI/Chats", b"yes")]:
        bob.ok(command)
        state = backup(dovecot, "-s", state)
        assert get_entry(alice, ENABLED) == value, command
        assert get_entry(alice, FILTER) == b"active"


def test_backup_to_another_format(server, driver, layout):
    """S43: into a location of its own, read as the same user."""
    dovecot = server(driver=driver, layout=layout)
    enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("one"))
    place = dovecot.home("bob") / "copy"
    dovecot.doveadm("backup", "-u", "bob", f"sdbox:{place}")
    assert [path.read_text() for path in place.rglob(NAME + "/state")] == [
        store_text(dovecot, place)]


def store_text(dovecot, place):
    """The state file of bob that is not below place."""
    [path] = [path for path in dovecot.home("bob").rglob(NAME + "/state")
              if place not in path.parents]
    return path.read_text()
