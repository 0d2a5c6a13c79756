"""The harness proves itself on a Dovecot without our plugins."""

from coitest import Imap, Literal
from messages import mail


def test_lmtp_wakes_idle(server, driver):
    """A mail that LMTP takes is seen by a client in IDLE."""
    dovecot = server(coi=False, driver=driver)
    bob = dovecot.imap("bob")
    bob.ok("SELECT INBOX")
    bob.idle()
    assert dovecot.deliver("bob", mail("one"))["bob"].startswith("250 ")
    assert bob.wait_for(r"^\* 1 EXISTS")
    assert bob.done().status == "OK"
    assert bob.messages("INBOX") == [("one", set())]


def test_lmtp_inet_and_several_recipients(server):
    """Each recipient gets a reply of its own, an unknown one a refusal."""
    dovecot = server(coi=False)
    replies = dovecot.deliver(["alice", "nobody", "bob"], mail("two"), unix=False)
    assert {name: reply[:4] for name, reply in replies.items()} == {
        "alice": "250 ", "nobody": "550 ", "bob": "250 "}
    for user in ("alice", "bob"):
        assert dovecot.imap(user).messages("INBOX") == [("two", set())]


def test_lda_and_doveadm(server):
    dovecot = server(coi=False)
    assert dovecot.lda("bob", mail("three")) == (0, "")
    fetched = dovecot.doveadm("fetch", "-u", "bob", "hdr.subject", "mailbox", "INBOX")
    assert "three" in fetched


def test_sieve(server):
    """The user's script and the admin's before it both run."""
    dovecot = server(coi=False, sieve=True, sieve_before=(
        'require ["fileinto", "mailbox"];\n'
        'if header :contains "Subject" "spam" { fileinto :create "Quarantine"; stop; }\n'))
    dovecot.sieve("bob", 'require "imap4flags"; keep :flags "$Sieved";\n')
    dovecot.delivered("bob", mail("ham"))
    dovecot.delivered("bob", mail("spam"))
    assert dovecot.lda("bob", mail("by lda"))[0] == 0
    bob = dovecot.imap("bob")
    assert bob.messages("INBOX") == [("ham", {"$Sieved"}), ("by lda", {"$Sieved"})]
    assert bob.messages("Quarantine") == [("spam", set())]


def test_redirect(server):
    """A redirected mail ends in the outbox of the harness."""
    dovecot = server(coi=False, sieve=True)
    dovecot.sieve("bob", 'redirect "carol@example.net";\n')
    dovecot.delivered("bob", mail("go on"))
    assert b"Subject: go on" in dovecot.outbox()[0]


def test_quota(server):
    dovecot = server(coi=False, quota=1)
    dovecot.delivered("bob", mail("fits"))
    assert dovecot.deliver("bob", mail("does not"))["bob"].startswith("552 5.2.2 ")


def test_metadata(server):
    """imap_metadata with a mail_attribute_dict, literals both ways."""
    dovecot = server(coi=False, metadata=True, attribute_dict=True)
    bob = dovecot.imap("bob")
    bob.ok('SETMETADATA "" (/private/comment ', Literal(b"a\r\nb"), ")")
    assert bob.ok('GETMETADATA "" /private/comment') == [
        b'* METADATA "" (/private/comment {4}\r\na\r\nb)']


def test_namespaces_and_layouts(server):
    """Prefix, separator, layout and a second namespace are as asked for."""
    dovecot = server(coi=False, driver="maildir", layout="fs", prefix="INBOX.",
                     separator=".", namespaces={"Chat.": "."})
    bob = dovecot.imap("bob")
    bob.ok("CREATE INBOX.a.b")
    bob.ok("CREATE Chat.c")
    assert {"INBOX", "INBOX.a.b", "Chat.c"} <= set(bob.mailboxes())
    assert (dovecot.home("bob") / "mail" / "a" / "b" / "cur").is_dir()


def test_hibernation(server):
    """An IDLE connection that was put to sleep still hears of new mail."""
    dovecot = server(coi=False, hibernate="1 secs")
    bob = dovecot.imap("bob")
    bob.ok("SELECT INBOX")
    bob.idle()
    dovecot.wait_hibernated()
    dovecot.delivered("bob", mail("wake up"))
    assert bob.wait_for(r"^\* 1 EXISTS")
    assert bob.done().status == "OK"


def test_no_process_is_left(server):
    """stop() ends all of it, also what serves a client."""
    dovecot = server(coi=False)
    with Imap(dovecot.imap_address) as bob:  # one that stop() does not know
        assert bob.login("bob").status == "OK"
        assert len(dovecot.processes()) > 2
        dovecot.stop()
    assert dovecot.master is None
