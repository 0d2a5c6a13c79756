"""What CREATE, DELETE and RENAME of COI's mailboxes mean."""

import contextlib

import pytest

from coitest import config
from coi import CHATS, ENABLED, FILTER, enabled, get_entry, places, set_entry, store
from messages import chat, mail

ALL = {"COI/Chats", "COI/Contacts", "Blocked"}
REFUSED = (b"NO [CANNOT] Mailbox %s can't be renamed: chat messages are filed into "
           b"COI/Chats while COI is enabled. Disable COI first, or delete the mailbox "
           b"or move it below Trash, which disables COI")


def is_enabled(client):
    value = get_entry(client, ENABLED)
    assert value in (None, b"yes")
    return value is not None


def mailbox_block(name, *lines):
    """A mailbox {} of the inbox namespace, for Options.extra."""
    body = "".join(f"    {line}\n" for line in lines)
    return f'namespace inbox {{\n  mailbox "{name}" {{\n{body}  }}\n}}\n'


@contextlib.contextmanager
def read_only(path):
    mode = path.stat().st_mode
    path.chmod(0o500)
    yield
    path.chmod(mode)


# -- enabling

def test_create_enables(server, driver):
    """S31, S32, S21 S22 S23, C12: CREATE of Chats does all that enabling does."""
    dovecot = server(driver=driver)
    bob = dovecot.imap("bob")
    assert not is_enabled(bob)
    bob.ok("CREATE COI/Chats")
    assert is_enabled(bob)
    assert ALL <= set(bob.mailboxes())
    assert CHATS in bob.mailboxes("LSUB")
    dovecot.delivered("bob", chat("hi"))
    assert places(bob) == [("hi", "INBOX", "$Chat")]


def test_rename_enables(server, driver):
    """S31, S32: a RENAME to Chats does too, and its messages come along."""
    dovecot = server(driver=driver)
    bob = dovecot.imap("bob")
    bob.ok("CREATE Talk")
    bob.append("Talk", mail("old"))
    bob.ok("RENAME Talk COI/Chats")
    assert is_enabled(bob)
    assert ALL <= set(bob.mailboxes())
    assert CHATS in bob.mailboxes("LSUB")
    assert places(bob) == [("old", CHATS, "")]


def test_rename_of_parent_enables(server, driver):
    """S31: Chats comes into being below a parent that is renamed."""
    dovecot = server(driver=driver)
    bob = dovecot.imap("bob")
    bob.ok("CREATE Old/Chats")
    assert not is_enabled(bob)
    bob.ok("RENAME Old COI")
    assert is_enabled(bob)
    assert ALL <= set(bob.mailboxes())


def test_chats_that_was_there_enables_nothing(server):
    """S31: a user who disabled COI and kept Chats changes its surroundings."""
    dovecot = server(driver="maildir")
    bob = enabled(dovecot, "bob")
    assert set_entry(bob, ENABLED, None).status == "OK"
    bob.ok("CREATE Foo/Bar")
    bob.ok("CREATE COI")
    assert not is_enabled(bob)
    bob.ok("DELETE COI")
    bob.ok("RENAME Foo COI")  # Maildir++ merges the two
    assert {CHATS, "COI/Bar"} <= set(bob.mailboxes())
    assert bob.cmd("CREATE COI/Chats").status == "NO"
    assert not is_enabled(bob)


def test_create_when_enabled(server):
    """S31: Chats that others took away may be made anew; the filter stays."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    dovecot.doveadm("mailbox", "delete", "-u", "bob", CHATS)
    bob.ok("CREATE COI/Chats")
    assert is_enabled(bob)
    assert get_entry(bob, FILTER) == b"active"


def test_place_of_mailboxes_below_is_no_chats(server, driver):
    """S31: what cannot be selected is not Chats."""
    dovecot = server(driver=driver)
    bob = dovecot.imap("bob")
    bob.ok("CREATE COI/Chats/below")
    assert bob.cmd("SELECT COI/Chats").status == "NO"
    assert not is_enabled(bob)
    bob.ok("CREATE COI/Chats")
    assert is_enabled(bob)


def test_create_with_separator(server, driver):
    """S31: COI/Chats/ is only such a place, or a mailbox, as Dovecot's version
    and the format see it; COI is on if it is one."""
    dovecot = server(driver=driver, users={"alice": {"plugins": False}, "bob": {}})
    alice, bob = dovecot.imap("alice"), dovecot.imap("bob")
    for client in (alice, bob):
        client.ok("CREATE COI/Chats/")
    assert is_enabled(bob) == (alice.cmd("SELECT COI/Chats").status == "OK")


def test_rename_back_from_trash_enables(server):
    """S31: what was thrown away comes back."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    bob.ok("RENAME COI/Chats Trash/Chats")
    assert not is_enabled(bob)
    bob.ok("RENAME Trash/Chats COI/Chats")
    assert is_enabled(bob)


def test_doveadm_enables_nothing(server):
    """S31: doveadm creates and renames as an admin's tool, not as the user."""
    dovecot = server()
    bob = dovecot.imap("bob")
    dovecot.doveadm("mailbox", "create", "-u", "bob", CHATS)
    assert not is_enabled(bob)
    dovecot.doveadm("mailbox", "rename", "-u", "bob", CHATS, "Talk")
    dovecot.doveadm("mailbox", "rename", "-u", "bob", "Talk", CHATS)
    assert CHATS in bob.mailboxes()
    assert not is_enabled(bob)


def test_doveadm_disables_nothing(server):
    """S29 S30 S31: nor is doveadm refused; the next chat message has its Chats."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    dovecot.doveadm("mailbox", "rename", "-u", "bob", CHATS, "Talk")
    assert CHATS not in bob.mailboxes()
    assert is_enabled(bob)
    dovecot.delivered("bob", chat("one"))
    dovecot.doveadm("mailbox", "delete", "-u", "bob", CHATS)
    assert is_enabled(bob)
    dovecot.delivered("bob", chat("two"))
    assert places(bob) == [("two", CHATS, "$Chat")]


def test_filter_enables_nothing(server):
    """S31, S34: Chats that we make for the filter is nobody's command."""
    dovecot = server()
    bob = dovecot.imap("bob")
    assert set_entry(bob, FILTER, "active").status == "OK"
    assert CHATS in bob.mailboxes()
    assert not is_enabled(bob)


def test_sieve_enables_nothing(server):
    """S31: a script that makes the folder is no client's command."""
    dovecot = server(sieve=True)
    bob = dovecot.imap("bob")
    dovecot.sieve("bob", 'require ["fileinto", "mailbox"];\n'
                  'fileinto :create "COI/Chats";\n')
    dovecot.delivered("bob", chat("one"))
    assert places(bob) == [("one", CHATS, "")]
    assert not is_enabled(bob)


@pytest.mark.parametrize("command", ["SELECT COI/Chats", "STATUS COI/Chats (MESSAGES)"])
@pytest.mark.parametrize("driver", ["sdbox", "maildir"])
def test_autocreate_enables_nothing(server, driver, command):
    """S31: `auto = create` makes Chats when it is first opened; a CREATE of
    such a mailbox is the client's own."""
    dovecot = server(driver=driver, extra=mailbox_block(CHATS, "auto = create"))
    bob = dovecot.imap("bob")
    bob.ok(command)
    bob.ok("SELECT COI/Chats")
    assert not is_enabled(bob)
    alice = dovecot.imap("alice")
    alice.ok("CREATE COI/Chats")
    assert is_enabled(alice)


def test_autocreate_by_append_enables_nothing(server):
    """S31: with LAYOUT=index a mailbox is made before it is opened."""
    dovecot = server(layout="index", extra=mailbox_block(CHATS, "auto = subscribe"))
    bob = dovecot.imap("bob")
    assert bob.append(CHATS, mail("x")).status == "OK"
    assert not is_enabled(bob)


# -- disabling

def test_delete_disables(server, driver):
    """S29, S32: DELETE of Chats with messages in it."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("one"))
    assert places(bob) == [("one", CHATS, "$Chat")]
    bob.ok("SELECT INBOX")
    bob.ok("DELETE COI/Chats")
    assert not is_enabled(bob)
    assert get_entry(bob, FILTER) == b"active"
    assert CHATS not in bob.mailboxes()
    assert {"COI/Contacts", "Blocked"} <= set(bob.mailboxes())
    dovecot.delivered("bob", chat("two"))
    assert places(bob) == [("two", "INBOX", "")]


@pytest.mark.parametrize("old, new", [
    ("COI/Chats", "Trash/Chats"), ("COI/Chats", "Trash/deep/er"), ("COI", "Trash/COI"),
    ("COI", "Trash")])
def test_rename_to_trash_disables(server, driver, old, new):
    """S29, S32: with its parent, too; the messages come along."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("one"))
    bob.ok(f"RENAME {old} {new}")
    assert not is_enabled(bob)
    place = new if old == CHATS else new + "/Chats"
    assert places(bob) == [("one", place, "$Chat")]
    dovecot.delivered("bob", chat("two"))
    assert ("two", "INBOX", "") in places(bob)


def test_trash_by_special_use(server):
    """S29: the mailbox with \\Trash is trash, whatever its name; one that is
    only named so then is not."""
    dovecot = server(extra=mailbox_block("Trash", "special_use =") +
                     mailbox_block("Bin/Old", "special_use = \\Trash"))
    bob = enabled(dovecot, "bob")
    assert bob.cmd("RENAME COI/Chats Trash/Chats").status == "NO"
    assert bob.cmd("RENAME COI/Chats Bin/Chats").status == "NO"
    assert bob.cmd("RENAME COI/Chats Bin/Old").status == "NO"
    assert is_enabled(bob)
    bob.ok("RENAME COI/Chats Bin/Old/Chats")
    assert not is_enabled(bob)


def test_default_trash(server):
    """S29: without a special use it is the top-level Trash."""
    dovecot = server(prefix="INBOX.", separator=".",
                     extra=mailbox_block("Trash", "special_use ="))
    bob = enabled(dovecot, "bob")
    assert bob.cmd("RENAME INBOX.COI.Chats INBOX.a.Trash.Chats").status == "NO"
    assert bob.cmd("RENAME INBOX.COI.Chats INBOX.Trashy.Chats").status == "NO"
    assert is_enabled(bob)
    bob.ok("RENAME INBOX.COI.Chats INBOX.Trash.Chats")
    assert not is_enabled(bob)


def test_delete_of_parent_leaves_chats(server, driver):
    """S24, S29: Dovecot deletes no mailbox with its parent, so COI goes on."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    reply = bob.cmd("DELETE COI")
    assert reply.status == "NO"
    bob.ok("CREATE COI")
    bob.ok("DELETE COI")
    assert is_enabled(bob)
    assert ALL <= set(bob.mailboxes())
    dovecot.delivered("bob", chat("one"))
    assert places(bob) == [("one", CHATS, "$Chat")]


def test_delete_of_place_leaves_coi(server):
    """S29: Chats was taken away by others, the mailbox below it was not: there
    is no Chats to delete."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    bob.ok("CREATE COI/Chats/below")
    dovecot.doveadm("mailbox", "delete", "-u", "bob", CHATS)
    assert bob.cmd("DELETE COI/Chats").status == "NO"
    assert is_enabled(bob)


# -- refusing

@pytest.mark.parametrize("old, new", [
    ("COI/Chats", "Talk"), ("COI/Chats", "COI/Talk"), ("COI/Chats", "Trash"),
    ("COI", "Other"), ("COI", "a/COI")])
def test_rename_is_refused(server, driver, old, new):
    """S24, S30: the answer names the mailbox and says what is possible."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    before = sorted(bob.mailboxes())
    assert bob.cmd(f"RENAME {old} {new}").tagged.startswith(
        REFUSED % old.encode())
    assert is_enabled(bob)
    assert sorted(bob.mailboxes()) == before
    dovecot.delivered("bob", chat("one"))
    assert places(bob) == [("one", CHATS, "$Chat")]


def test_rename_inbox_above_chats_is_refused(server):
    """S24, S30: Chats may stand below INBOX."""
    dovecot = server(settings={"coi_mailbox_root": "INBOX/COI"})
    bob = enabled(dovecot, "bob")
    assert bob.cmd("RENAME INBOX Other").tagged.startswith(
        b"NO [CANNOT] Mailbox INBOX can't be renamed: ")
    assert is_enabled(bob)


def test_others_are_free(server, driver):
    """S24: only Chats is protected."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    bob.ok("RENAME COI/Contacts COI/People")
    bob.ok("CREATE CO")
    bob.ok("RENAME CO COI/Chat")
    bob.ok("RENAME COI/Chat CO")
    bob.ok("CREATE COI2/Chats")
    bob.ok("RENAME COI2 COI3")
    bob.ok("CREATE COI/Chats/below")
    bob.ok("RENAME COI/Chats/below COI/Chats2")
    bob.ok("DELETE COI/Chats2")
    bob.ok("DELETE Blocked")
    assert is_enabled(bob)


def test_disabled_is_free(server, driver):
    """S24, S26: with COI off Chats is a mailbox as any."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    assert set_entry(bob, ENABLED, None).status == "OK"
    bob.ok("RENAME COI/Chats Talk")
    bob.ok("RENAME COI Other")
    assert not is_enabled(bob)
    alice = dovecot.imap("alice")
    alice.ok("CREATE COI/Chats")
    assert set_entry(alice, ENABLED, None).status == "OK"
    alice.ok("DELETE COI/Chats")
    assert not is_enabled(alice)


def test_alias_namespace(server):
    """S24, S29: the same mailbox under the prefix of an alias."""
    inbox = "inbox" if config.version() >= (2, 4) else ""  # its name, its prefix
    dovecot = server(extra="namespace alias {\n  prefix = INBOX/\n  separator = /\n"
                     f"  alias_for = {inbox}\n  hidden = yes\n  list = no\n}}\n")
    bob = enabled(dovecot, "bob")
    assert bob.cmd("RENAME INBOX/COI/Chats INBOX/Talk").status == "NO"
    assert bob.cmd("RENAME INBOX/COI Talk").status == "NO"
    assert is_enabled(bob)
    bob.ok("RENAME INBOX/COI/Chats INBOX/Trash/Chats")
    assert not is_enabled(bob)
    bob.ok("CREATE INBOX/COI/Chats")
    assert is_enabled(bob)
    bob.ok("DELETE INBOX/COI/Chats")
    assert not is_enabled(bob)


# -- several clients

def test_other_sessions_obey(server):
    """S42: what a folder command changed holds for every open session."""
    dovecot = server()
    bob = dovecot.imap("bob")
    other = dovecot.imap("bob")
    bob.ok("CREATE COI/Chats")
    assert is_enabled(other)
    assert other.cmd("RENAME COI/Chats Talk").status == "NO"
    bob.ok("DELETE COI/Chats")
    assert not is_enabled(other)


def test_delete_while_selected(server, driver):
    """S29, S42: another client has Chats selected, and waits in IDLE."""
    dovecot = server(driver=driver)
    # what plain maildir says when the directory goes while it synchronises
    dovecot.allow_error(r"uidlist\.lock was immediately deleted under us")
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("one"))
    other = dovecot.imap("bob")
    other.ok("SELECT COI/Chats")
    other.idle()
    bob.ok("DELETE COI/Chats")
    assert not is_enabled(bob)
    other.wait_for(rb"^\* BYE |EXPUNGE")
    assert CHATS not in dovecot.imap("bob").mailboxes()
    assert not is_enabled(bob)


def test_delete_own_selected(server):
    """S29: Dovecot hangs up on a client that deletes what it has selected."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    bob.ok("SELECT COI/Chats")
    bob.ok("DELETE COI/Chats")
    assert not is_enabled(dovecot.imap("bob"))


def test_two_at_once(server, driver):
    """S31, S29: two clients create, and delete, in the same moment; one of each
    wins, and the outcome is as if they had come one after the other."""
    dovecot = server(driver=driver)
    clients = [dovecot.imap("bob"), dovecot.imap("bob")]
    for command, state in [("CREATE COI/Chats", True), ("DELETE COI/Chats", False)] * 5:
        replies = dovecot.at_once(*[lambda client=client: client.cmd(command).status
                                    for client in clients])
        assert sorted(replies) == ["NO", "OK"]
        assert [is_enabled(client) for client in clients] == [state, state]
        assert (CHATS in clients[0].mailboxes()) == state


# -- faults

def test_create_with_broken_store(server):
    """S32: what cannot be noted is logged; the folder command is plain Dovecot's."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    bob.ok("DELETE COI/Chats")
    dovecot.expect_error("coi: file_create_locked.*dovecot-coi")
    with read_only(store(dovecot, "bob").parent):
        bob.ok("CREATE COI/Chats")
    assert not is_enabled(bob)
    assert CHATS in bob.mailboxes()


@pytest.mark.parametrize("command", ["DELETE COI/Chats", "RENAME COI Trash/COI"])
def test_disable_with_broken_store(server, command):
    """S29, S32: COI that cannot be disabled keeps its Chats, and its messages."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    dovecot.delivered("bob", chat("one"))
    dovecot.expect_error("coi: file_create_locked.*dovecot-coi")
    with read_only(store(dovecot, "bob").parent):
        assert bob.cmd(command).tagged.startswith(b"NO [SERVERBUG] ")
    assert is_enabled(bob)
    assert places(bob) == [("one", CHATS, "$Chat")]


def test_unreadable_store(server):
    """S41: COI that cannot act protects nothing either."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    store(dovecot, "bob").write_text("garbage")
    dovecot.expect_error("COI is off for this user: ")
    bob.ok("RENAME COI/Chats Talk")
    bob.ok("CREATE COI/Chats")
    bob.ok("DELETE COI/Chats")


def test_failed_rename_changes_nothing(server, driver):
    """S29: the name in trash is taken: COI stays enabled, the text is Dovecot's."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob")
    bob.ok("CREATE Trash/Chats")
    assert bob.cmd("RENAME COI/Chats Trash/Chats").tagged.startswith(
        b"NO [ALREADYEXISTS] Target mailbox already exists")
    assert is_enabled(bob)
    dovecot.delivered("bob", chat("one"))
    assert places(bob) == [("one", CHATS, "$Chat")]


def test_failed_delete_changes_nothing(server):
    """S29: the mailbox cannot be deleted: COI stays enabled."""
    dovecot = server(driver="maildir", layout="fs")
    bob = enabled(dovecot, "bob")
    dovecot.allow_error("COI")
    with read_only(dovecot.home("bob") / "mail" / "COI" / "Chats"):
        assert bob.cmd("DELETE COI/Chats").status == "NO"
    assert is_enabled(bob)
    assert CHATS in bob.mailboxes()
