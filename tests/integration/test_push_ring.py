"""Web Push: which messages ring, where, and what the phone reads then."""

import hashlib
import pathlib
import re
import smtplib
import time

import pytest

from coi import CHATS, ENABLED, enabled, places, send, set_entry
from coitest import wait_until
from contacts import BLOCKED, CONTACTS, GROUPS, block, name_hash
from messages import chat, mail
from push import Phone, claims, subscribe, subscribed, vapid_point

ID = "phone00001"
RECEIPT = "Content-Type: multipart/report; report-type=disposition-notification; boundary=x"


@pytest.fixture(params=["lmtp", "lda"])
def way(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["plain", "sieve"])
def sieve(request):
    return request.param


def message(*lines, body="Hello.\n"):
    """One with just these header lines."""
    head = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return head + b"\n\n" + (body if isinstance(body, bytes) else body.encode())


def place(client, mailbox):
    """The UIDVALIDITY of a mailbox, and the highest UID in it."""
    [line] = client.ok(f'STATUS "{mailbox}" (UIDVALIDITY UIDNEXT)')
    validity, following = (int(re.search(rb"%s (\d+)" % name, line)[1])
                           for name in (b"UIDVALIDITY", b"UIDNEXT"))
    return validity, following - 1


def pushed(dovecot, worker, phone):
    """The subjects of all that was pushed since the last time. To know that nothing
    more comes, something is delivered that rings, and waited for."""
    dovecot.delivered("bob", mail("marker", sender="Mark <mark@example.net>"))

    def subjects():
        return [phone.read(job)["subject"] for job in worker.pushes(0)]
    wait_until(lambda: "marker" in subjects(), "the last push")
    found = subjects()
    worker.jobs = []
    assert found.pop() == "marker"
    return found


# -- where


def test_mail_rings(push, driver, way, sieve):
    """W23 W24 W29 W30 W35: for a user who has COI off each message is mail, and
    rings where it was put; the phone can read it and trust it."""
    dovecot, worker = push(driver=driver, sieve=sieve)
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker)
    for number, text in enumerate((mail("one"), chat("two")), 1):
        send(dovecot, way, "bob", text)
        job = worker.pushes(number)[-1]
        payload = phone.read(job)
        assert (payload["folder"], payload["subject"]) == ("INBOX", ("one", "two")[number - 1])
        assert (payload["uidvalidity"], payload["uid"]) == place(bob, "INBOX")
        assert (job.urgency, job.topic, job.ttl) == ("normal", None, 86400)
        assert (job.user, job.subscription) == ("bob", ID)
        assert claims(job.authorization, vapid_point(bob))["aud"] == "https://push.example.net"
    assert payload["from-email"] == "alice@example.org"
    assert payload["from-name"] == "Alice"
    assert payload["date"] == "2026-01-01T12:00:00Z"
    assert not payload["msg-id"].startswith("<")
    assert "content" not in payload


def test_chat_rings(push, driver, way, sieve):
    """W23 W23b W35: chat rings from Chats, at once, and gives way to what its
    sender writes next."""
    dovecot, worker = push(driver=driver, sieve=sieve)
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    send(dovecot, way, "bob", chat("one"))
    send(dovecot, way, "bob", chat("two"))
    send(dovecot, way, "bob", chat("three", sender="carol@example.org"))
    send(dovecot, way, "bob", mail("four"))
    jobs = worker.pushes(4)
    payloads = [phone.read(job) for job in jobs]
    assert [payload["folder"] for payload in payloads] == [CHATS] * 3 + ["INBOX"]
    assert (payloads[2]["uidvalidity"], payloads[2]["uid"]) == place(bob, CHATS)
    assert [job.urgency for job in jobs] == ["high"] * 3 + ["normal"]
    assert jobs[0].topic == jobs[1].topic != jobs[2].topic
    assert re.fullmatch(r"[\w-]{1,32}", jobs[0].topic) and jobs[3].topic is None
    assert payloads[0]["content"] == "Hi!\n"


@pytest.mark.parametrize("word", ["none", "seen"])
def test_chat_in_inbox(push, way, sieve, word):
    """W23b: with the other filters it is chat as well."""
    dovecot, worker = push(sieve=sieve)
    bob = enabled(dovecot, "bob", message_filter=word)
    phone = subscribed(bob, worker, msgtype="chat")
    send(dovecot, way, "bob", chat("one"))
    [job] = worker.pushes(1)
    assert (phone.read(job)["folder"], job.urgency) == ("INBOX", "high")


def test_msgtypes(push):
    """W11 W23: each subscription gets what it wants, and only when it is
    validated; with COI off all of it is mail."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phones = {kind: subscribed(bob, worker, f"subscription-{kind}", msgtype=kind)
              for kind in ("chat", "mail", "all")}
    assert subscribe(bob, "not-validated", Phone()).status == "OK"
    for expected in ({"chat": ["c"], "mail": ["m"], "all": ["c", "m"]},
                     {"chat": [], "mail": ["c", "m"], "all": ["c", "m"]}):
        worker.jobs = [job for job in worker.jobs if job.validation]
        dovecot.delivered("bob", chat("c"))
        dovecot.delivered("bob", mail("m"))
        jobs = worker.pushes(4)
        assert len(jobs) == 4
        assert {kind: [phone.read(job)["subject"] for job in jobs
                       if job.subscription == f"subscription-{kind}"]
                for kind, phone in phones.items()} == expected
        assert set_entry(bob, ENABLED, None).status == "OK"


REQUIRE = 'require ["fileinto", "imap4flags", "mailbox", "reject", "copy", "variables"];\n'
# script -> where chat rings, where mail rings; None: nowhere
SCRIPTS = {
    "keep": ("keep;", CHATS, "INBOX"),
    "fileinto": ('fileinto "Work";', "Work", "Work"),
    "both": ('fileinto "Work"; keep;', CHATS, "INBOX"),
    "both, turned": ('keep; fileinto "Work";', CHATS, "INBOX"),
    "two others": ('fileinto "Work"; fileinto "Play";', "Play", "Play"),
    "into inbox": ('fileinto "INBOX"; fileinto "Work";', "INBOX", "INBOX"),
    "copy": ('fileinto :copy "Work";', CHATS, "INBOX"),
    "junk": ('fileinto "Junk";', None, None),
    "trash": ('fileinto "Trash";', None, None),
    "junk and keep": ('keep; fileinto "Junk";', CHATS, "INBOX"),
    "junk and work": ('fileinto "Work"; fileinto "Junk";', "Work", "Work"),
    "seen": ('addflag "\\\\Seen"; keep;', None, None),
    "seen there": ('fileinto "Work"; keep :flags "\\\\Seen";', "Work", "Work"),
    "flagged": ('addflag "\\\\Flagged"; keep;', CHATS, "INBOX"),
    "discard": ("discard;", None, None),
    "redirect": ('redirect "carol@example.net";', None, None),
    "reject": ('reject "not now";', None, None),
    "broken": ("this is none", CHATS, "INBOX"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_sieve(push, way, name):
    """W23b: one push for a message, naming the mailbox of keep if there is one;
    none for what is thrown away, or already read."""
    script, chat_at, mail_at = SCRIPTS[name]
    dovecot, worker = push(sieve=True)
    bob = enabled(dovecot, "bob")
    for mailbox in ("Work", "Play", "Junk", "Trash"):
        bob.cmd(f"CREATE {mailbox}")
    phone = subscribed(bob, worker)
    dovecot.sieve("bob", REQUIRE + script + "\n")
    for text in (chat("c"), mail("m")):
        if name == "reject":  # LMTP may refuse by its reply, LDA sends a mail
            (dovecot.deliver if way == "lmtp" else dovecot.lda)("bob", text)
        else:
            send(dovecot, way, "bob", text)
    dovecot.sieve("bob", "keep;\n")
    send(dovecot, way, "bob", mail("marker"))
    expected = [(subject, at) for subject, at in (("c", chat_at), ("m", mail_at)) if at]
    jobs = worker.pushes(len(expected) + 1)
    payloads = [phone.read(job) for job in jobs]
    assert [(payload["subject"], payload["folder"]) for payload in payloads] == [
        *expected, ("marker", "INBOX")]
    for payload in payloads:
        assert place(bob, payload["folder"])[0] == payload["uidvalidity"]
        bob.ok(f'EXAMINE "{payload["folder"]}"')
        [line] = [line for line in bob.ok(f"UID FETCH {payload['uid']} (ENVELOPE)")
                  if b"FETCH" in line]
        assert f'"{payload["subject"]}"'.encode() in line


def test_sieve_in_all_formats(push, driver, way):
    """W23b: the UID is known in each format."""
    dovecot, worker = push(driver=driver, sieve=True)
    bob = dovecot.imap("bob")
    bob.ok("CREATE Work")
    phone = subscribed(bob, worker)
    dovecot.sieve("bob", 'require "fileinto"; fileinto "INBOX"; fileinto "Work";\n')
    for number in (1, 2):
        send(dovecot, way, "bob", mail(str(number)))
    payload = phone.read(worker.pushes(2)[1])
    assert (payload["folder"], payload["uidvalidity"], payload["uid"]) == (
        "INBOX", *place(bob, "INBOX"))


def test_deliveries_at_once(push, driver):
    """W23b W24: many at the same moment: each push names its own message."""
    dovecot, worker = push(driver=driver, extra="")
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker)
    dovecot.at_once(*[lambda first=first: [dovecot.delivered("bob", mail(str(first + number)))
                                           for number in range(5)]
                      for first in range(0, 50, 5)])
    payloads = [phone.read(job) for job in worker.pushes(50)]
    subjects = {uid: subject for uid, (subject, _) in enumerate(bob.messages("INBOX"), 1)}
    assert {payload.get("uid"): payload["subject"] for payload in payloads} == subjects


def test_detail_mailbox(push):
    """W23b: the mailbox that the delivery itself names is the default one."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    bob.ok("CREATE Work")
    phone = subscribed(bob, worker)
    assert dovecot.lda("bob", mail("m"), "-m", "Work") == (0, "")
    assert phone.read(worker.pushes(1)[0])["folder"] == "Work"
    bob.ok("CREATE Junk")
    assert dovecot.lda("bob", mail("j"), "-m", "Junk") == (0, "")
    assert pushed(dovecot, worker, phone) == ["m"]


def test_prefix_and_separator(push):
    """W24: the folder is named as clients name it."""
    dovecot, worker = push(driver="maildir", prefix="INBOX.", separator=".")
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    dovecot.delivered("bob", chat("c"))
    dovecot.delivered("bob", mail("m"))
    assert [phone.read(job)["folder"] for job in worker.pushes(2)] == [
        "INBOX.COI.Chats", "INBOX"]


def test_chats_cannot_be_opened(push, driver, way, sieve):
    """W23b S41: what goes to INBOX instead rings from there."""
    dovecot, worker = push(driver=driver, sieve=sieve)
    dovecot.expect_error("Chats")
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    [directory] = [path for path in dovecot.home("bob").rglob("*Chats")
                   if path.is_dir() and "control" not in path.parts]
    directory.chmod(0)
    try:
        send(dovecot, way, "bob", chat("c"))
    finally:
        directory.chmod(0o700)
    payload = phone.read(worker.pushes(1)[0])
    assert (payload["folder"], payload["uid"]) == ("INBOX", 1)


def test_recipients(push, driver, sieve):
    """W23: each recipient by their own subscriptions, whoever is served first."""
    dovecot, worker = push(driver=driver, sieve=sieve,
                           users={name: {} for name in ("alice", "bob", "carol")})
    phones = {}
    for name in ("alice", "carol"):
        phones[name] = subscribed(dovecot.imap(name), worker)
    enabled(dovecot, "carol")
    dovecot.delivered(["alice", "bob", "carol"], chat("one", sender="dave@example.org"))
    dovecot.delivered(["carol", "bob", "alice"], chat("two", sender="dave@example.org"))
    found = sorted((job.user, phones[job.user].read(job)["subject"],
                    phones[job.user].read(job)["folder"]) for job in worker.pushes(4))
    assert found == [("alice", "one", "INBOX"), ("alice", "two", "INBOX"),
                     ("carol", "one", CHATS), ("carol", "two", CHATS)]


# -- what does not ring


def test_no_delivery_no_push(push, driver):
    """W23b: APPEND, COPY, MOVE, doveadm save and dsync ring for nobody."""
    dovecot, worker = push(driver=driver)
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    assert bob.append("INBOX", chat("appended")).status == "OK"
    assert bob.append("INBOX", mail("appended")).status == "OK"
    bob.ok("SELECT INBOX")
    bob.ok("COPY 1 COI/Chats")
    bob.ok("MOVE 2 COI/Chats")
    path = dovecot.dir / "message"
    path.write_bytes(chat("saved"))
    dovecot.doveadm("save", "-u", "bob", str(path))
    dovecot.doveadm("backup", "-u", "bob", "doveadm", "-c", str(dovecot.conf),
                    "dsync-server", "-u", "alice")
    assert pushed(dovecot, worker, phone) == []


def test_move_of_seen(push):
    """W23b: nor does the filter `seen' when it moves."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob", message_filter="seen")
    phone = subscribed(bob, worker)
    dovecot.delivered("bob", chat("c"))
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    bob.ok("UNSELECT")
    assert places(bob) == [("c", CHATS, "$Chat \\Seen")]
    assert pushed(dovecot, worker, phone) == ["c"]


OWN = {
    "recipient": ("bob@example.org", {}),
    "recipient in other letters": ("Bob <BOB@Example.ORG>", {}),
    "setting": ("robert@example.net", {"coi_user_addresses": "x@y.example robert@example.net"}),
}


@pytest.mark.parametrize("name", OWN)
def test_own(push, name):
    """W23b: what the user has written on another device."""
    sender, settings = OWN[name]
    dovecot, worker = push(settings=settings)
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    dovecot.delivered("bob", chat("own", sender=sender))
    dovecot.delivered("bob", mail("own", sender=sender))
    # From can be forged: one more address does not silence it
    dovecot.delivered("bob", mail("both", sender=f"{sender}, mallory@example.net"))
    dovecot.delivered("bob", mail("other", sender="xbob@example.org"))
    assert pushed(dovecot, worker, phone) == ["both", "other"]


def test_receipts(push, way):
    """W23 C11: a read receipt rings for nobody, chat or not."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    for make in (mail, chat):
        text = make("receipt", RECEIPT).replace(b"Content-Type: text/plain; charset=utf-8\n", b"")
        send(dovecot, way, "bob", text)
    send(dovecot, way, "bob", mail("report").replace(
        b"text/plain; charset=utf-8", b"multipart/report; report-type=delivery-status"))
    assert pushed(dovecot, worker, phone) == ["report"]


@pytest.mark.parametrize("blocked_sieve", ["no", "yes"])
def test_blocked(push, sieve, blocked_sieve):
    """W23b: mail into Blocked, and mail of a blocked sender wherever a script puts
    it."""
    dovecot, worker = push(sieve=sieve, settings={"coi_blocked_sieve": blocked_sieve})
    bob = enabled(dovecot, "bob")
    bob.ok("CREATE Work")
    phone = subscribed(bob, worker)
    assert block(bob, "mallory").status == "OK"
    if sieve:
        dovecot.sieve("bob", 'require "fileinto"; if header "Subject" "w" '
                             '{ fileinto "Work"; }\n')
    for subject in ("k", "w"):
        dovecot.delivered("bob", mail(subject, sender="mallory@example.org"))
        dovecot.delivered("bob", chat(subject, sender="mallory@example.org"))
    assert pushed(dovecot, worker, phone) == []


FUTURE, PAST = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
CONTACT_VALUES = {
    "none": ('{"notify":"none"}', False),
    "all": ('{"notify":"all"}', True),
    "until": (f'{{"muted-until":"{FUTURE}"}}', False),
    "over": (f'{{"muted-until":"{PAST}"}}', True),
    "blocked": (BLOCKED, None),
}


@pytest.mark.parametrize("coi", ["on", "off"])
def test_muted_contacts(push, way, coi):
    """W23b: by `notify' and `muted-until' of the sender's entry."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob") if coi == "on" else dovecot.imap("bob")
    phone = subscribed(bob, worker)
    expected = []
    for name, (value, rings) in CONTACT_VALUES.items():
        if rings is None:
            continue
        assert set_entry(bob, f"{CONTACTS}/{name_hash(name)}", value).status == "OK"
        for make in (mail, chat):
            send(dovecot, way, "bob", make(name, sender=f'"N" <{name.upper()}@example.org>'))
            expected += [name] * rings
    dovecot.delivered("bob", mail("both", sender="none@example.org, until@example.org"))
    dovecot.delivered("bob", mail("one", sender="none@example.org, all@example.org"))
    assert pushed(dovecot, worker, phone) == [*expected, "one"]


def test_muted_contact_in_a_group(push):
    """W23b: who mutes a person mutes what that person writes to him, not what
    others see too."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    assert set_entry(bob, f"{CONTACTS}/{name_hash('alice')}", '{"notify":"none"}').status == "OK"
    dovecot.delivered("bob", grouped("g"))
    dovecot.delivered("bob", chat("c"))
    assert pushed(dovecot, worker, phone) == ["g"]


GROUP = "abcdefghijkl"


def grouped(subject, body="Hi!", content_type="text/plain; charset=utf-8"):
    return message(f"Message-ID: <chat$group.{GROUP}.{abs(hash(subject))}@example.org>",
                   "From: Alice <alice@example.org>", "To: bob@example.org", "Chat-Version: 1.0",
                   "MIME-Version: 1.0", f"Content-Type: {content_type}",
                   f"Subject: {subject}", body=body)


MENTIONS = {
    "name": ("Hi @Bob:bob@example.org!", "text/plain", True),
    "quoted": ('@"Bob B.":BOB@example.org', "text/plain; charset=utf-8", True),
    "all": ("@all: lunch?", "text/plain", True),
    "html": ('<p><a class="mention" href="mailto:bob@example.org">Bob</a>', "text/html", True),
    "other": ("Hi @Al:al@example.org", "text/plain", False),
    "none": ("Hi bob@example.org", "text/plain", False),
    "plain in html": ("@all", "text/html", False),
    "html in plain": ('<a class="mention" href="mailto:bob@example.org">', "text/plain", False),
    "not text": ("@all", "application/octet-stream", False),
    "encoded": ("QGFsbA==", "text/plain\nContent-Transfer-Encoding: base64", True),
    "quoted-printable": ("=40al=\nl", "text/plain\nContent-Transfer-Encoding: quoted-printable",
                         True),
    "in a part": ("--x\nContent-Type: text/plain\n\nno\n--x\nContent-Type: text/html\n\n"
                  '<a class="mention" href="mailto:bob@example.org">\n--x--\n',
                  "multipart/alternative; boundary=x", True),
    "in the preamble": ("@all\n--x\nContent-Type: text/plain\n\nno\n--x--\n",
                        "multipart/alternative; boundary=x", False),
    "within 64 kB": ("x" * 65000 + "\n@all", "text/plain", True),
    "beyond 64 kB": ("x\n" * 33000 + "@all", "text/plain", False),
}


def test_mentions(push, way):
    """C10 W23b: in a group of which only mentions notify. (Nobody tells
    dovecot-lda for which address it delivers.)"""
    dovecot, worker = push(settings={"coi_user_addresses": "bob@example.org"})
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    send(dovecot, way, "bob", grouped("before"))
    key = f"{GROUPS}/{group_hash()}"
    assert set_entry(bob, key, '{"notify":"mentions"}').status == "OK"
    for name, (body, content_type, _) in MENTIONS.items():
        send(dovecot, way, "bob", grouped(name, body, content_type))
    assert pushed(dovecot, worker, phone) == ["before"] + [
        name for name, (_, _, rings) in MENTIONS.items() if rings]


def group_hash():
    return hashlib.sha3_256(GROUP.encode()).hexdigest()


# value -> does it ring without, and with a mention?
GROUP_VALUES = {
    '{"notify":"all"}': (True, True),
    '{"notify":"mentions"}': (False, True),
    '{"notify":"none"}': (False, False),
    f'{{"muted-until":"{FUTURE}"}}': (False, True),
    f'{{"muted-until":"{PAST}"}}': (True, True),
    f'{{"notify":"none","muted-until":"{FUTURE}"}}': (False, False),
    f'{{"notify":"mentions","muted-until":"{FUTURE}"}}': (False, True),
}


def test_group_levels(push):
    """C10 W23b W27 W35: a mention breaks a mute, but not the level `none'; the
    group is in the payload, and is what pushes collapse by."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    key = f"{GROUPS}/{group_hash()}"
    for value, (plain, mentioned) in GROUP_VALUES.items():
        assert set_entry(bob, key, value).status == "OK"
        dovecot.delivered("bob", grouped("plain"))
        dovecot.delivered("bob", grouped("mention", "@all"))
        expected = ["plain"] * plain + ["mention"] * mentioned
        if expected:
            jobs = worker.pushes(len(expected))
            assert {phone.read(job)["group-id"] for job in jobs} == {GROUP}
            assert len({job.topic for job in jobs}) == 1
        assert pushed(dovecot, worker, phone) == expected, value


# -- what the phone reads


SHAPES = {
    "bare": (message("X: y", body=""), {"content": ""}),
    "no from": (message("Subject: s"), {"subject": "s", "content": "Hello.\n"}),
    "encoded words": (
        message("From: =?utf-8?q?J=C3=BCrgen?= =?iso-8859-1?Q?_M=FCller?= <J@X.Example>",
                "Subject: =?utf-8?B?8J+YgA==?=\n =?us-ascii?q?_x?=", "Message-ID: <a@b>"),
        {"from-email": "j@x.example", "from-name": "J\xfcrgen M\xfcller",
         "subject": "\U0001f600 x", "msg-id": "a@b", "content": "Hello.\n"}),
    "8-bit headers": (
        message(b"Subject: caf\xe9", "From: B\xfcb <b\xfcb@b\xfccher.example>"),
        {"subject": "caf\ufffd", "from-name": "B\xfcb",
         "from-email": "b\xfcb@b\xfccher.example", "content": "Hello.\n"}),
    "folded": (message("Subject: a\n\tb", "From: A\n <a@b.example>"),
               {"subject": "a\tb", "from-name": "A", "from-email": "a@b.example",
                "content": "Hello.\n"}),
    "from without name": (message("From: a@b.example"),
                          {"from-email": "a@b.example", "content": "Hello.\n"}),
    "type and encoding": (
        message("Content-Type: text/html; charset=utf-8",
                "Content-Transfer-Encoding: Quoted-Printable", body="<b>=C3=A9</b>\n"),
        {"content-type": "text/html; charset=utf-8", "content-encoding": "quoted-printable",
         "content": "<b>=C3=A9</b>\n"}),
    "8-bit": (message("Content-Type: text/plain; charset=utf-8",
                      "Content-Transfer-Encoding: 8bit", body="caf\xe9\n"),
              {"content": "caf\xe9\n"}),
    "8-bit without charset": (message("X: y", body="caf\xe9\n"), {"content": "caf\xe9\n"}),
    "8-bit without charset, no UTF-8": (message("X: y", body=b"caf\xe9\n"), {}),
    "latin1": (message("Content-Type: text/plain; charset=iso-8859-1", body=b"caf\xe9\n"),
               {"content-type": "text/plain; charset=iso-8859-1", "content": "caf\xe9\n"}),
    "wrong charset": (message("Content-Type: text/plain; charset=utf-8", body=b"caf\xe9\n"), {}),
    "us-ascii that is none": (message("Content-Type: text/plain; charset=us-ascii",
                                      body="caf\xe9\n"), {}),
    "unknown charset": (message("Content-Type: text/plain; charset=x-none", body="a\n"), {}),
    "NUL": (message("Subject: s", body=b"a\0b\n"), {"subject": "s"}),
    "multipart": (
        message("Content-Type: multipart/mixed; boundary=x", body="--x\n\na\n--x--\n"),
        {"content-type": "multipart/mixed; boundary=x", "content": "--x\n\na\n--x--\n"}),
    "escapes": (message("Subject: \"\\", body='"\\\t/\x7f\n'),
                {"subject": '"\\', "content": '"\\\t/\x7f\n'}),
    "date": (message("Date: Fri, 02 Jan 2026 01:00:00 +0300"),
             {"date": "2026-01-01T22:00:00Z", "content": "Hello.\n"}),
    "no date": (message("Date: tomorrow"), {"content": "Hello.\n"}),
}


def test_shapes(push, way):
    """W24 W25 W26 W28: every shape of message."""
    dovecot, worker = push(settings={"coi_push_content": "yes"})
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker)
    worker.jobs = []
    for name, (text, expected) in SHAPES.items():
        send(dovecot, way, "bob", text)
        payload = phone.read(worker.pushes(1)[-1])
        worker.jobs = []
        for member in ("uid", "uidvalidity", "folder"):
            del payload[member]
        if name == "8-bit headers":  # what becomes of bytes that are no text
            payload["subject"] = re.sub("[\ufffd?]+", "\ufffd", payload["subject"])
        # dovecot-lda adds none of these, LMTP may
        if "msg-id" not in expected:
            payload.pop("msg-id", None)
        assert payload == expected, name


def test_sizes(push):
    """W28 W31: the body while all of it fits, up to the last byte; then none. What
    is larger than 2 kB comes with a small one, in which only ids are."""
    dovecot, worker = push(settings={"coi_push_content": "yes"})
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker)
    worker.jobs = []

    def deliver(size):
        worker.jobs = []
        dovecot.delivered("bob", message("Message-ID: <a@b>", "Subject: s",
                                         body="x" * (size - 1) + "\n"))
        [job] = worker.pushes(1)
        return job, phone.decrypt(job.body)

    job, plain = deliver(10)
    assert job.small_body == b""
    # a line feed takes two
    room = 3993 - (len(plain) - 10)
    job, plain = deliver(room)
    assert (len(plain), len(job.body)) == (3993, 4096) and phone.read(job)["content"]
    assert len(job.small_body) < 400
    small = phone.decrypt(job.small_body)
    assert b"subject" not in small and b'"uid":' in small and b"content" not in small
    assert job.body[:16] != job.small_body[:16] and job.body[21:86] != job.small_body[21:86]
    for size in (room + 1, 5000, 100000):
        job, plain = deliver(size)
        payload = phone.read(job)
        assert "content" not in payload and payload["subject"] == "s"
        assert job.small_body == b""


CONTENTS = {
    "chat": ({"content", "subject"}, {"subject"}),
    "yes": ({"content", "subject"}, {"content", "subject"}),
    "headers": ({"subject"}, {"subject"}),
    "no": (set(), set()),
}


@pytest.mark.parametrize("word", CONTENTS)
def test_content_setting(push, word):
    """W24: coi_push_content."""
    dovecot, worker = push(settings={"coi_push_content": word})
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, worker)
    dovecot.delivered("bob", chat("c"))
    dovecot.delivered("bob", mail("m"))
    for job, members in zip(worker.pushes(2), CONTENTS[word]):
        payload = phone.read(job)
        assert {"content", "subject"} & set(payload) == members
        assert ("from-email" in payload) == (word != "no")
        assert {"uid", "uidvalidity", "folder", "msg-id"} <= set(payload)


def test_fresh_keys(push):
    """W29: no two pushes have a key or a salt in common, nor two subscriptions."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    subscribed(bob, worker, "phone00001")
    subscribed(bob, worker, "phone00002")
    for number in range(5):
        dovecot.delivered("bob", mail(str(number)))
    jobs = worker.pushes(10) + worker.pushes(2, validation=True)
    assert len({job.body[:16] for job in jobs}) == len(jobs)
    assert len({job.body[21:86] for job in jobs}) == len(jobs)
    assert len({job.id for job in jobs}) == len(jobs)


def test_ttl_setting(push):
    """W35: coi_push_ttl; a job lives no longer than its token."""
    dovecot, worker = push(settings={"coi_push_ttl": "2 hours"})
    bob = dovecot.imap("bob")
    subscribed(bob, worker)
    dovecot.delivered("bob", mail())
    [job] = worker.pushes(1)
    assert job.ttl == 7200 and 7190 <= job.deadline - time.time() <= 7200


# -- trouble


def test_worker_hangs(push, way):
    """W37: delivery never waits for it. (LDA's process waits at its end.)"""
    dovecot, worker = push()
    dovecot.allow_error("coi: Pushes (have to wait|may be lost)")
    bob = dovecot.imap("bob")
    subscribed(bob, worker)
    bob.ok("LOGOUT")
    worker.stop()
    worker.hang = True
    worker.start()
    for number in range(3):
        send(dovecot, way, "bob", mail(str(number)))
    assert len(dovecot.imap("bob").messages("INBOX")) == 3


def test_worker_hung(push):
    """W37: a process does not write to it for ever, but connects again; and then
    nothing is lost."""
    dovecot, worker = push()
    dovecot.expect_error("coi: Pushes have to wait: .*: no answer")
    dovecot.allow_error("coi: Pushes are lost: ")
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker)
    bob.ok("LOGOUT")
    worker.stop()
    worker.hang = True
    worker.start()
    before = worker.accepted
    subjects = []
    with smtplib.LMTP(dovecot.lmtp_socket) as session:
        def another():
            subjects.append(str(len(subjects)))
            session.sendmail("alice@example.org", ["bob@example.org"], mail(subjects[-1]))
            return worker.accepted == before + 2
        wait_until(another, "another connection", 30)
        worker.stop()
        worker.hang = False
        worker.start()
        # those that it keeps
        count = min(len(subjects), 256)
        assert [phone.read(job)["subject"] for job in worker.pushes(count)] == \
            subjects[-count:]
    assert len(dovecot.imap("bob").messages("INBOX")) == len(subjects)


def test_worker_is_down(push, way):
    """W37 W38: mail goes on, with one line in the log of each process; and what
    LMTP has not got rid of goes when the worker is back."""
    dovecot, worker = push()
    dovecot.expect_error("coi: Pushes have to wait: ")
    dovecot.allow_error("coi: Pushes may be lost: ")
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker)
    bob.ok("LOGOUT")
    worker.stop()
    for number in range(3):
        send(dovecot, way, "bob", mail(str(number)))
    if way == "lmtp":
        worker.start()
        assert [phone.read(job)["subject"] for job in worker.pushes(3)] == ["0", "1", "2"]
        dovecot.wait_log("Pushes have to wait")
        assert dovecot.log_text().count("Pushes have to wait") == 1
    assert len(dovecot.imap("bob").messages("INBOX")) == 3
    assert "push.example.net" not in dovecot.log_text()


def test_key_is_lost(push, way):
    """W6 S41: no push, one error for each delivery, and mail as ever."""
    dovecot, worker = push()
    dovecot.expect_error("coi: Push is off for this user: The VAPID key was not written by us")
    bob = dovecot.imap("bob")
    subscribed(bob, worker)
    [path] = dovecot.home("bob").rglob("keys/va/vapid")
    path.write_text("nothing")
    send(dovecot, way, "bob", mail())
    assert bob.messages("INBOX") == [("mail", set())]
    assert not worker.pushes(0)
    dovecot.wait_log("Push is off")
    assert dovecot.log_text().count("Push is off") == 1


def test_damaged_subscription(push):
    """W23 S41: costs its own pushes only, whichever it is."""
    dovecot, worker = push()
    dovecot.expect_error("coi: Subscription phone0000[123]: ")
    bob = dovecot.imap("bob")
    phones = {f"phone0000{n}": subscribed(bob, worker, f"phone0000{n}") for n in (1, 2, 3)}
    for damaged in phones:
        worker.jobs = []
        [path] = dovecot.home("bob").rglob(f"subscriptions/ph/{damaged}")
        text = path.read_text()
        path.write_text("{}")
        dovecot.delivered("bob", mail("m"))
        path.write_text(text)
        assert {job.subscription: phones[job.subscription].read(job)["subject"]
                for job in worker.pushes(2)} == {name: "m" for name in phones if name != damaged}


def loaded(dovecot, name):
    """Whether a process of that name has loaded the module."""
    [pid] = dovecot.processes(name)
    return "lib95_coi_push" in pathlib.Path(f"/proc/{pid}/maps").read_text()


def test_module_is_loaded_on_demand(push):
    """W37: deliveries to users without subscriptions, and clients that ask for no
    entry of push, do not load it."""
    dovecot, worker = push()
    alice, bob = dovecot.imap("alice"), enabled(dovecot, "bob")
    phone = subscribed(alice, worker)
    alice.ok("LOGOUT")
    dovecot.delivered("bob", chat())
    assert not loaded(dovecot, "lmtp")
    bob.ok("SELECT INBOX")
    bob.ok("SELECT COI/Chats")
    bob.ok(f'GETMETADATA (DEPTH infinity) "" {CONTACTS}')
    alive = [pid for pid in dovecot.processes("imap")
             if "lib95_coi_push" in pathlib.Path(f"/proc/{pid}/maps").read_text()]
    assert not alive
    dovecot.delivered("alice", mail("m", sender="bob@example.org"))
    assert phone.read(worker.pushes(1)[0])["subject"] == "m"
    assert loaded(dovecot, "lmtp")
