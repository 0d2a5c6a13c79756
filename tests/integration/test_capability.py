"""S12: the capability COI, to whom it concerns and after login only."""

import re

import pytest


def login_capability(client):
    return re.search(rb"\[CAPABILITY ([^]]*)\]", client.login_reply.tagged)[1].decode().split()


def test_not_before_login(server):
    """S12: neither in the greeting nor in CAPABILITY."""
    client = server().imap()
    assert b" COI" not in client.greeting
    assert "COI" not in client.capability()


def test_after_login(server):
    """S12: in the tagged OK of LOGIN and in CAPABILITY, once."""
    bob = server().imap("bob")
    assert login_capability(bob).count("COI") == 1
    assert bob.capability().count("COI") == 1


@pytest.mark.parametrize("fields", [{"plugins": False}, {"coi": "no"}])
def test_not_for_users_without(server, fields):
    """S12: absent where the user's plugin list has no coi, or has coi = no."""
    dovecot = server(users={"alice": {}, "bob": fields})
    bob = dovecot.imap("bob")
    assert "COI" not in login_capability(bob) + bob.capability()
    assert "METADATA-SERVER" not in bob.capability()
    assert "COI" in dovecot.imap("alice").capability()


def test_off_by_setting(server):
    """S12: coi = no as a setting switches it off for all."""
    bob = server(settings={"coi": "no"}).imap("bob")
    assert "COI" not in bob.capability()


@pytest.mark.parametrize("attribute_dict", [False, True])
@pytest.mark.parametrize("metadata", [False, True])
def test_metadata_is_announced(server, metadata, attribute_dict):
    """S2 S7: a METADATA capability, whatever else is set."""
    dovecot = server(metadata=metadata, attribute_dict=attribute_dict)
    capability = dovecot.imap("bob").capability()
    assert capability.count("METADATA") + capability.count("METADATA-SERVER") == 1


def test_kept_through_hibernation(server):
    """S12: still there when the connection wakes up."""
    dovecot = server(hibernate="1 secs")
    bob = dovecot.imap("bob")
    bob.ok("SELECT INBOX")
    bob.idle()
    dovecot.wait_hibernated()
    assert bob.done().status == "OK"
    assert bob.capability().count("COI") == 1
