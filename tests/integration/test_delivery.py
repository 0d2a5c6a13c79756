"""Filing at delivery, by LMTP and by dovecot-lda."""

import itertools

import pytest

from coi import CHATS, ENABLED, FILTER, enable, enabled, get_entry, places, send, set_entry
from messages import chat, mail

REQUIRE = 'require ["fileinto", "imap4flags", "mailbox", "reject", "envelope"];\n'
QUARANTINE = REQUIRE + """
if header :contains "Subject" "virus" { fileinto :create "Quarantine"; stop; }
"""


@pytest.fixture(params=["lmtp", "lda"])
def way(request):
    return request.param


def headers(**fields):
    """A message with just these fields; _ in a name stands for -."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\n".join(lines + ["", "body", ""]).encode()


# name -> (is it chat?, message)
MARKS = {
    "version": (True, headers(Subject="version", Chat_Version="1.0")),
    "version empty": (True, headers(Subject="version empty", Chat_Version="")),
    "version case": (True, headers(Subject="version case", cHAT_vERSION="1.0")),
    "id": (True, headers(Subject="id", Message_ID="<chat$abc@example.org>")),
    "id case of name": (True, headers(Subject="id case of name",
                                      MESSAGE_ID="<chat$abc@example.org>")),
    "id folded": (True, headers(Subject="id folded",
                                Message_ID="\n\t<chat$abc@example.org>")),
    "id comment": (True, headers(Subject="id comment",
                                 Message_ID="(a (b) c) <chat$abc@example.org>")),
    "id no brackets": (True, headers(Subject="id no brackets",
                                     Message_ID="chat$abc@example.org")),
    "id unterminated": (True, headers(Subject="id unterminated",
                                      Message_ID="<chat$abc@example.org")),
    "reference": (True, headers(Subject="reference",
                                References="<chat$1@x> <2@x>")),
    "reference folded": (True, headers(Subject="reference folded",
                                       References="\n <chat$1@x>\n <2@x>")),
    "second reference": (False, headers(Subject="second reference",
                                        References="<1@x> <chat$2@x>")),
    "in-reply-to": (False, headers(Subject="in-reply-to", In_Reply_To="<chat$1@x>")),
    "chat inside": (False, headers(Subject="chat inside", Message_ID="<a.chat$1@x>")),
    "chat alone": (False, headers(Subject="chat alone", Message_ID="<chat@x>")),
    "x-version": (False, headers(Subject="x-version", X_Chat_Version="1.0")),
    "in body": (False, b"Subject: in body\n\nChat-Version: 1.0\n"),
}


def test_marks(server, way):
    """S33: what makes a message chat, and what does not."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    for _, message in MARKS.values():
        send(dovecot, way, "bob", message)
    assert places(bob) == sorted(
        (name, CHATS, "$Chat") if is_chat else (name, "INBOX", "")
        for name, (is_chat, _) in MARKS.items())


def test_reply_of_a_mail_program(server, way):
    """C17: its References begin with the chat's id: chat too."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    send(dovecot, way, "bob", mail("Re: chat", "References: <chat$1@example.org> <2@x>",
                                   "In-Reply-To: <2@x>"))
    assert places(bob) == [("Re: chat", CHATS, "$Chat")]


@pytest.mark.parametrize("word,mailbox", [("none", "INBOX"), ("active", CHATS),
                                          ("seen", "INBOX")])
def test_filter(server, driver, way, word, mailbox):
    """S35 S37: where each filter files chat, and $Chat in any case."""
    dovecot = server(driver=driver)
    bob = enabled(dovecot, "bob", message_filter=word)
    send(dovecot, way, "bob", chat())
    send(dovecot, way, "bob", mail())
    assert places(bob) == sorted([("chat", mailbox, "$Chat"), ("mail", "INBOX", "")])


# What a script does with chat and with an ordinary mail: where they are then.
SCRIPTS = {
    "none": (None, [(CHATS, "$Chat")], [("INBOX", "")]),
    "empty": ("", [(CHATS, "$Chat")], [("INBOX", "")]),
    "keep": ("keep;", [(CHATS, "$Chat")], [("INBOX", "")]),
    "flags": ('keep :flags "$Work";', [(CHATS, "$Chat $Work")], [("INBOX", "$Work")]),
    "addflag": ('addflag "\\\\Flagged";', [(CHATS, "$Chat \\Flagged")],
                [("INBOX", "\\Flagged")]),
    "fileinto": ('fileinto "Work";', [("Work", "$Chat")], [("Work", "")]),
    "create": ('fileinto :create "New";', [("New", "$Chat")], [("New", "")]),
    "both": ('keep; fileinto "Work";', [(CHATS, "$Chat"), ("Work", "$Chat")],
             [("INBOX", ""), ("Work", "")]),
    "into inbox": ('fileinto "INBOX";', [("INBOX", "$Chat")], [("INBOX", "")]),
    "into chats": (f'fileinto "{CHATS}";', [(CHATS, "$Chat")], [(CHATS, "")]),
    "discard": ("discard;", [], []),
    "redirect": ('redirect "carol@example.net";', [], []),
    "reject": ('reject "not now";', [], []),
    "redirect and keep": ('redirect "carol@example.net"; keep;', [(CHATS, "$Chat")],
                          [("INBOX", "")]),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_sieve(server, way, name):
    """S38 S39: the user's script always runs; keep honours COI, fileinto wins."""
    script, chat_at, mail_at = SCRIPTS[name]
    dovecot = server(sieve=True)
    bob = enabled(dovecot, "bob")
    bob.ok("CREATE Work")
    if script is not None:
        dovecot.sieve("bob", REQUIRE + script + "\n")
    if name == "reject":  # LMTP may refuse by its reply, LDA sends a mail
        dovecot.deliver("bob", chat())
        dovecot.lda("bob", mail())
    else:
        send(dovecot, way, "bob", chat())
        send(dovecot, way, "bob", mail())
    assert places(bob) == sorted([("chat", *place) for place in chat_at] +
                                 [("mail", *place) for place in mail_at])
    assert len(dovecot.outbox()) == (2 if "redirect" in name else
                                     len(dovecot.outbox()) if name == "reject" else 0)


def test_sieve_by_mailbox_users(server, driver, way):
    """S38 S39: with Sieve in every mail format."""
    dovecot = server(driver=driver, sieve=True)
    bob = enabled(dovecot, "bob")
    dovecot.sieve("bob", 'require "fileinto"; if header "Subject" "w" { fileinto "COI"; }')
    bob.cmd("CREATE COI")
    send(dovecot, way, "bob", chat("w"))
    send(dovecot, way, "bob", chat("k"))
    assert places(bob) == [("k", CHATS, "$Chat"), ("w", "COI", "$Chat")]


@pytest.mark.parametrize("script", [None, "keep;", 'fileinto "Work";'])
def test_sieve_before(server, way, script):
    """S38 S39: an admin's script before the user's may quarantine chat; what it
    lets pass is filed."""
    dovecot = server(sieve=True, sieve_before=QUARANTINE)
    bob = enabled(dovecot, "bob")
    bob.ok("CREATE Work")
    if script:
        dovecot.sieve("bob", REQUIRE + script + "\n")
    send(dovecot, way, "bob", chat("virus"))
    send(dovecot, way, "bob", chat("clean"))
    where = "Work" if script and "Work" in script else CHATS
    assert places(bob) == [("clean", where, "$Chat"), ("virus", "Quarantine", "$Chat")]


def test_broken_script(server, way):
    """S38 S41: a script that does not compile costs nothing."""
    dovecot = server(sieve=True)
    bob = enabled(dovecot, "bob")
    dovecot.sieve("bob", "this is no script\n")
    send(dovecot, way, "bob", chat())
    send(dovecot, way, "bob", mail())
    assert places(bob) == [("chat", CHATS, "$Chat"), ("mail", "INBOX", "")]


def test_idle_on_inbox_is_not_woken(server, driver, way):
    """S40: filed before it is stored: INBOX never shows it, Chats does."""
    dovecot = server(driver=driver)
    bob, watcher = dovecot.imap("bob"), enabled(dovecot, "bob")
    for client, mailbox in ((bob, "INBOX"), (watcher, CHATS)):
        client.ok(f'SELECT "{mailbox}"')
        client.idle()
    send(dovecot, way, "bob", chat())
    assert watcher.wait_for(r"^\* 1 EXISTS")
    send(dovecot, way, "bob", mail())
    lines = bob.wait_for(rb"EXISTS")
    assert lines == [b"* 1 EXISTS"]
    assert bob.done().untagged in ([], [b"* 1 RECENT"])
    assert bob.messages("INBOX") == [("mail", set())]


USERS = {"alice": {}, "bob": {}, "carol": {"plugins": False}, "dave": {"coi": "no"},
         "erin": {}, "frank": {}}
EXPECTED = {
    "alice": (CHATS, "$Chat"),       # active
    "bob": ("INBOX", ""),            # COI off
    "carol": ("INBOX", ""),          # the plugin is not in her list
    "dave": ("INBOX", ""),           # switched off by the admin
    "erin": ("INBOX", "$Chat"),      # seen
    "frank": ("INBOX", "$Chat"),     # none
}


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
@pytest.mark.parametrize("order", ["forward", "backward"])
def test_recipients_of_one_transaction(server, driver, sieve, order):
    """S33 S35 S37: each by their own settings, whoever was first to store the
    message; never $Chat for one who has COI off."""
    dovecot = server(driver=driver, users=USERS, sieve=sieve)
    for user, word in (("alice", "active"), ("erin", "seen"), ("frank", "none")):
        enable(dovecot.imap(user), word)
    names = sorted(USERS, reverse=order == "backward")
    if sieve:
        for user in names[::2]:
            dovecot.sieve(user, "keep;\n")
    dovecot.delivered(names, chat())
    dovecot.delivered(names, mail())
    for user, place in EXPECTED.items():
        assert places(dovecot.imap(user)) == sorted(
            [("chat", *place), ("mail", "INBOX", "")]), user


@pytest.mark.parametrize("pair", itertools.permutations(["alice", "bob", "carol"], 2),
                         ids="-".join)
def test_pairs_of_recipients(server, pair):
    """S37: any two, in any order, one of them perhaps without the plugin."""
    dovecot = server(driver="maildir", users=USERS)
    enable(dovecot.imap("alice"))
    dovecot.delivered(list(pair), chat())
    for user in pair:
        assert places(dovecot.imap(user)) == [("chat", *EXPECTED[user])]


def test_settings_change_between_deliveries(server, way):
    """S42: the very next delivery obeys."""
    dovecot = server()
    bob = dovecot.imap("bob")
    expected = []
    for number, (value, word, place) in enumerate([
            ("yes", "active", (CHATS, "$Chat")), ("yes", "none", ("INBOX", "$Chat")),
            (None, "active", ("INBOX", "")), ("yes", "active", (CHATS, "$Chat"))]):
        assert set_entry(bob, FILTER, word).status == "OK"
        assert set_entry(bob, ENABLED, value).status == "OK"
        send(dovecot, way, "bob", chat(str(number)))
        expected.append((str(number), *place))
    assert places(bob) == expected


def chats_directory(dovecot, user):
    [path] = [path for path in dovecot.home(user).rglob("*Chats")
              if path.is_dir() and "control" not in path.parts]
    return path


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
def test_chats_cannot_be_opened(server, driver, way, sieve):
    """S41: delivered as if COI were off; logged, and once per message."""
    dovecot = server(driver=driver, sieve=sieve)
    dovecot.expect_error("Chats")
    bob = enabled(dovecot, "bob")
    directory = chats_directory(dovecot, "bob")
    directory.chmod(0)
    try:
        send(dovecot, way, "bob", chat())
        send(dovecot, way, "bob", mail())
    finally:
        directory.chmod(0o700)
    assert [place[:2] for place in places(bob)] == [("chat", "INBOX"), ("mail", "INBOX")]
    errors = [line for line in dovecot.log_text().splitlines() if " coi: " in line]
    assert len(errors) == 1, errors


def test_chats_is_gone(server, driver, way):
    """S41: Chats deleted behind our back: nothing is lost, nothing doubled."""
    dovecot = server(driver=driver)
    dovecot.allow_error("Chats")
    bob = enabled(dovecot, "bob")
    dovecot.doveadm("mailbox", "delete", "-u", "bob", CHATS)
    assert set_entry(bob, ENABLED, "yes").status == "OK"
    directory = chats_directory(dovecot, "bob")
    directory.rename(dovecot.dir / "moved")
    send(dovecot, way, "bob", chat())
    assert len(places(dovecot.imap("bob"))) == 1


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
def test_over_quota(server, driver, sieve):
    """S41: the answers of a plain Dovecot, over quota."""
    answers = []
    for coi in (False, True):
        dovecot = server(driver=driver, quota=1, sieve=sieve, coi=coi)
        dovecot.allow_error("[Qq]uota")
        if coi:
            enabled(dovecot, "bob")
        dovecot.delivered("bob", mail())
        reply = dovecot.deliver("bob", chat())["bob"]
        status, text = dovecot.lda("bob", chat())
        answers.append((reply.split("<")[0], status, text))
        assert places(dovecot.imap("bob")) == [("mail", "INBOX", "")]
    assert answers[0] == answers[1]


def test_values_survive_delivery(server, way):
    """S35: delivering changes no setting."""
    dovecot = server()
    bob = enabled(dovecot, "bob", message_filter="seen")
    send(dovecot, way, "bob", chat())
    assert (get_entry(bob, ENABLED), get_entry(bob, FILTER)) == (b"yes", b"seen")


HEAD = b"From: a@example.org\nSubject: odd\n"
ODD = {
    "no header": (False, b"\nbody\n"),
    "nothing": (False, b"\n"),
    "only a header": (True, b"Subject: odd\nChat-Version: 1.0\n"),
    "long header": (False, HEAD + b"X-Long: " + b"x" * (1 << 20) + b"\n\nbody\n"),
    "long block, chat at its end": (True, HEAD + b"X-Line: of many\n" * 65536 +
                                    b"Chat-Version: 1.0\n\nbody\n"),
    "many references": (True, HEAD + b"References: <chat$0@x>\n" + b"".join(
        b" <%d@x>\n" % n for n in range(10000)) + b"\nbody\n"),
    "unterminated": (True, HEAD + b"Message-ID: <chat$" + b"(" * 5000 + b"\n\nbody\n"),
    "NULs": (False, HEAD + b"Message-ID: \0\0<\0\n\nbody\0\n"),
    "chat$ alone": (True, HEAD + b"Message-ID: chat$\n\nbody\n"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_messages(server, name):
    """S33: whatever the header block holds, the message is stored once."""
    is_chat, message = ODD[name]
    dovecot = server()
    bob = enabled(dovecot, "bob")
    send(dovecot, "lmtp", "bob", message)
    found = [(mailbox, flags) for _, mailbox, flags in places(bob)]
    assert found == [(CHATS, "$Chat") if is_chat else ("INBOX", "")]
