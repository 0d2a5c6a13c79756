"""$Chat on what clients APPEND (S37)."""

from coitest import Literal
from coitest.imap import crlf
from messages import chat, mail

CONFIG = "/private/vendor/vendor.dovecot/coi/config"


def enabled(dovecot, user="bob", message_filter="none"):
    """A connection of a user who has COI enabled."""
    imap = dovecot.imap(user)
    imap.ok(f'SETMETADATA "" ({CONFIG}/enabled "yes" '
            f'{CONFIG}/message-filter "{message_filter}")')
    return imap


def test_append_is_tagged(server, driver):
    """S37: a chat message gets the keyword before the tagged OK, beside the
    flags that the client gave; an ordinary mail does not get it."""
    bob = enabled(server(driver=driver))
    assert bob.append("INBOX", chat("one"), "\\Flagged hello").status == "OK"
    assert bob.append("INBOX", mail("two")).status == "OK"
    assert bob.append("COI/Chats", chat("three")).status == "OK"
    assert bob.messages("INBOX") == [
        ("one", {"\\Flagged", "hello", "$Chat"}), ("two", set())]
    assert bob.messages("COI/Chats") == [("three", {"$Chat"})]


def test_keyword_is_stored_with_the_message(server, driver):
    """S37: it is no matter of the index alone: rebuilding that keeps it."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot)
    bob.append("INBOX", chat("one"))
    bob.append("INBOX", mail("two"))
    bob.ok("LOGOUT")
    dovecot.doveadm("force-resync", "-u", "bob", "INBOX")
    assert dovecot.imap("bob").messages("INBOX") == [
        ("one", {"$Chat"}), ("two", set())]


def test_append_into_the_selected_mailbox(server, driver):
    """S37: the client that appends into what it has selected sees the message
    once, with its keyword, and its sequence numbers hold."""
    bob = enabled(server(driver=driver))
    bob.append("INBOX", mail("zero"))
    bob.ok("SELECT INBOX")
    assert bob.append("INBOX", chat("one")).status == "OK"
    bob.ok("NOOP")
    flags = bob.ok("FETCH 1:* (FLAGS)")
    assert len(flags) == 2
    assert b"$Chat" not in flags[0] and b"$Chat" in flags[1]


def test_multiappend(server, driver):
    """S37: of several messages in one command just the chat ones."""
    bob = enabled(server(driver=driver))
    messages = [mail("0"), chat("1"), mail("2"), chat("3")]
    parts = []
    for message in messages:
        parts += [" ", Literal(crlf(message))]
    assert bob.cmd("APPEND INBOX", *parts).status == "OK"
    assert bob.messages("INBOX") == [
        ("0", set()), ("1", {"$Chat"}), ("2", set()), ("3", {"$Chat"})]


def test_append_with_coi_off(server, driver):
    """S26, S37: never for a user who has COI off."""
    dovecot = server(driver=driver)
    alice = dovecot.imap("alice")
    alice.append("INBOX", chat("never on"))
    bob = enabled(dovecot)
    bob.ok(f'SETMETADATA "" ({CONFIG}/enabled NIL)')
    bob.append("INBOX", chat("off again"))
    assert alice.messages("INBOX") == [("never on", set())]
    assert bob.messages("INBOX") == [("off again", set())]


def test_copy_and_move_keep_what_is_there(server, driver):
    """S37: what is copied or moved keeps its keywords and gets no new ones."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot)
    bob.append("INBOX", chat("tagged"))
    bob.ok("CREATE Other")
    bob.ok("SELECT INBOX")
    bob.ok("COPY 1 Other")
    bob.ok("STORE 1 -FLAGS ($Chat)")
    bob.ok("MOVE 1 Other")
    assert bob.messages("Other") == [("tagged", {"$Chat"}), ("tagged", set())]


def test_other_namespaces_are_left_alone(server):
    """S37: only in the user's own namespaces. Public mail is everybody's."""
    dovecot = server(public="Public/")
    bob = enabled(dovecot)
    assert bob.cmd("CREATE Public/News").status == "OK"
    bob.append("Public/News", chat("public"))
    assert bob.messages("Public/News") == [("public", set())]


def test_large_append(server, driver):
    """S37: a message that is larger than any buffer, with its mark far down
    in a header block of 100 kB."""
    bob = enabled(server(driver=driver))
    padding = [f"X-Padding-{n}: {'x' * 900}" for n in range(110)]
    bob.append("INBOX", chat("big", *padding, body="y" * 70 + ("\n" + "y" * 70) * 30000))
    reply = mail("late", *padding, "References: <chat$123456@example.org>")
    bob.append("INBOX", reply)
    assert bob.messages("INBOX") == [("big", {"$Chat"}), ("late", {"$Chat"})]
