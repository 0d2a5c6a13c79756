"""What the tests of our plugins share: the entries, enabling, and where the
messages of a user are."""

from coitest import Literal

CONFIG = "/private/vendor/vendor.dovecot/coi/config"
ENABLED = CONFIG + "/enabled"
ROOT = CONFIG + "/mailbox-root"
FILTER = CONFIG + "/message-filter"
CHATS = "COI/Chats"


def set_entry(client, entry, value):
    """value: str, bytes, or None for NIL. Returns the reply."""
    if value is None:
        return client.cmd(f'SETMETADATA "" ({entry} NIL)')
    value = value.encode() if isinstance(value, str) else value
    return client.cmd(f'SETMETADATA "" ({entry} ', Literal(value), ")")


def get_entry(client, entry):
    """Its value as bytes; None if it has none. Fails unless answered OK."""
    [line] = client.ok(f'GETMETADATA "" {entry}')
    head = f'* METADATA "" ({entry} '.encode()
    assert line.startswith(head) and line.endswith(b")"), line
    value = line[len(head):-1]
    if value == b"NIL":
        return None
    size, _, data = value.partition(b"\r\n")
    assert size == b"{%d}" % len(data), line
    return data


def enable(client, message_filter="active"):
    """Switches COI on, and the filter too unless that is None."""
    if message_filter is not None:
        assert set_entry(client, FILTER, message_filter).status == "OK"
    assert set_entry(client, ENABLED, "yes").status == "OK"
    return client


def enabled(dovecot, *users, message_filter="active"):
    """Enables COI for users; returns a connection for each (for one: it)."""
    clients = [enable(dovecot.imap(user), message_filter) for user in users]
    return clients[0] if len(clients) == 1 else clients


def places(client):
    """Each message once: a sorted list of (subject, mailbox, flags), where
    flags is a string of words. Mailboxes without messages are not in it."""
    found = []
    for mailbox in client.mailboxes():
        if client.cmd(f'EXAMINE "{mailbox}"').status == "OK":
            found += [(subject, mailbox, " ".join(sorted(flags)))
                      for subject, flags in client.messages(mailbox)]
    return sorted(found)


def send(dovecot, way, user, message):
    """Delivers by "lmtp" or "lda"; fails unless it is taken."""
    if way == "lmtp":
        dovecot.delivered(user, message)
    else:
        assert dovecot.lda(user, message) == (0, "")


def store(dovecot, user, name="state"):
    """The path of a file in a user's store."""
    [path] = dovecot.home(user).rglob(f"dovecot-coi/{name}")
    return path
