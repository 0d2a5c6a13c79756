"""Wake-up of IDLE and NOTIFY (S40, flow E): whatever wakes a client early, it
is woken, told everything, and not more often than it should be. How early is
for the benchmark to say; no test here asserts a time."""

import functools
import re
import time

import pytest

from coi import CHATS, enabled
from messages import chat, mail

EVENTS = "MessageNew MessageExpunge FlagChange"
NOTIFY = f"NOTIFY SET (selected ({EVENTS})) (personal ({EVENTS}))"
LIMIT = 10  # wake-ups a second


@pytest.fixture
def wakeful(server):
    """A server whose log must not speak of leaks in the end."""
    servers = []

    def make(**options):
        servers.append(server(**options))
        return servers[-1]
    yield make
    for one in servers:
        one.stop()
        leaks = [line for line in one.log_text().splitlines() if "leak" in line]
        assert not leaks


def to(mailbox):
    """The LMTP recipient whose mail Dovecot itself puts into a mailbox."""
    return "bob" if mailbox == "INBOX" else f"bob+{mailbox}"


DETAIL = ("lmtp_save_to_detail_mailbox = yes\nlda_mailbox_autocreate = yes\n"
          "recipient_delimiter = +\n")


def idling(dovecot, mailbox, user="bob"):
    imap = dovecot.imap(user)
    imap.ok(f"SELECT {mailbox}")
    imap.idle()
    return imap


def drain(imap):
    """What the server says before the answer to a NOOP."""
    return imap.ok("NOOP")


@pytest.mark.parametrize("mailbox", ["INBOX", "Work"])
def test_idle_hears_of_everything(wakeful, driver, mailbox):
    """Flow E: new mail, another session's flags, and an expunge reach IDLE, each
    of them alone."""
    dovecot = wakeful(driver=driver, extra=DETAIL)
    other = dovecot.imap("bob")
    other.cmd(f"CREATE {mailbox}")
    bob = idling(dovecot, mailbox)
    for number in (1, 2, 3):
        dovecot.delivered(to(mailbox), mail(f"m{number}"))
        bob.wait_for(rf"^\* {number} EXISTS")
    other.ok(f"SELECT {mailbox}")
    other.ok("STORE 2 +FLAGS (\\Flagged)")
    bob.wait_for(r"^\* 2 FETCH .*\\Flagged")
    other.ok("STORE 2 -FLAGS (\\Flagged)")
    bob.wait_for(r"^\* 2 FETCH \(FLAGS \((?!.*Flagged)")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    bob.wait_for(r"^\* 1 EXPUNGE")
    assert bob.done().status == "OK"


def test_idle_on_inbox_sleeps_through_chats(wakeful, driver):
    """S40: IDLE on Chats hears of the chat message, IDLE on INBOX of nothing
    until an ordinary mail is there."""
    dovecot = wakeful(driver=driver)
    enabled(dovecot, "bob")
    inbox, chats = idling(dovecot, "INBOX"), idling(dovecot, CHATS)
    dovecot.delivered("bob", chat("one"))
    chats.wait_for(r"^\* 1 EXISTS")
    dovecot.delivered("bob", mail("two"))
    lines = inbox.wait_for(r"^\* 1 EXISTS")
    assert [line for line in lines if b"EXISTS" in line] == [b"* 1 EXISTS"]
    assert chats.done().status == "OK"
    assert inbox.done().status == "OK"


def test_idle_delay_setting(wakeful):
    """Flow E: coi_idle_delay restores Dovecot's own delay. Both get the same
    mail, alice first, and bob is told first: she has Dovecot's delay."""
    dovecot = wakeful(users={"alice": {"coi_idle_delay": "500msecs"}, "bob": {}})
    clients = [idling(dovecot, "INBOX", user) for user in ("alice", "bob")]
    told = []

    def listen(imap):
        imap.wait_for(r"^\* 1 EXISTS")
        told.append(imap)
    dovecot.at_once(lambda: dovecot.delivered(["alice", "bob"], mail("one")),
                    *[functools.partial(listen, imap) for imap in clients])
    assert told == clients[::-1]


def wakes(lines, pattern=rb"^\* \d+ EXISTS"):
    return len([line for line in lines if re.match(pattern, line)])


def test_burst_is_coalesced(wakeful, driver):
    """Flow E: 100 deliveries within a second cause at most 10 wake-ups a client,
    be it in IDLE, or told by NOTIFY of its selected mailbox or of another one;
    and nothing is lost. Where 100 take longer, 10 for each second begun."""
    dovecot = wakeful(driver=driver, extra=DETAIL)
    idle = idling(dovecot, "INBOX")
    selected = dovecot.imap("bob")
    selected.ok("SELECT INBOX")
    other = dovecot.imap("bob")
    other.cmd("CREATE Work")
    other.ok("SELECT Work")
    for client in (selected, other):
        client.ok(NOTIFY)

    begin = time.monotonic()
    for number in range(100):
        dovecot.delivered("bob", mail(f"m{number}"))
    allowed = LIMIT * (int(time.monotonic() - begin) + 1)
    # What still comes is told once more, after Dovecot's own delay.
    assert wakes(idle.wait_for(r"^\* 100 EXISTS")) <= allowed + 1
    assert wakes(selected.wait_for(r"^\* 100 EXISTS")) <= allowed + 1
    lines = other.wait_for(r"^\* STATUS INBOX .*MESSAGES 100\b")
    assert wakes(lines, rb"^\* STATUS INBOX ") <= allowed + 1
    # nobody is told twice of the same
    assert wakes(drain(other), rb"^\* STATUS") == 0
    assert idle.done().status == "OK"


def test_notify_selected_never_misses(wakeful, driver):
    """Flow E: the next mail comes the moment the server has told of the last one,
    while Dovecot 2.3 does not watch and forgets to look later."""
    dovecot = wakeful(driver=driver)
    bob = dovecot.imap("bob")
    bob.ok("SELECT INBOX")
    bob.ok(NOTIFY)
    for number in range(1, 51):
        dovecot.delivered("bob", mail(f"m{number}"))
        bob.wait_for(rf"^\* {number} EXISTS")


def test_notify_selected_at_awkward_moments(wakeful, driver):
    """Flow E: mail that comes right after NOTIFY, after a command that does not
    look at the mailbox, after SELECT, and after IDLE."""
    dovecot = wakeful(driver=driver)
    bob = dovecot.imap("bob")
    bob.ok("SELECT INBOX")
    bob.ok(NOTIFY)
    number = 0

    def comes():
        nonlocal number
        number += 1
        dovecot.delivered("bob", mail(f"m{number}"))
        bob.wait_for(rf"^\* {number} EXISTS")

    for _ in range(3):
        comes()
        bob.ok("CAPABILITY")
        comes()
        bob.ok("NOOP")
        comes()
        bob.ok("SELECT INBOX")
        comes()
        bob.idle()
        comes()
        assert bob.done().status == "OK"
        comes()


def test_notify_other_mailboxes(wakeful, driver):
    """Flow E: NOTIFY tells of mailboxes that are not selected, of each change of
    each, also after the selection moved on (in plain Dovecot INBOX is not heard
    of once it was selected: its watch went away with the selected mailbox's)."""
    dovecot = wakeful(driver=driver, extra=DETAIL)
    other = dovecot.imap("bob")
    for mailbox in ("Work", "Play"):
        other.cmd(f"CREATE {mailbox}")
    bob = dovecot.imap("bob")
    bob.ok(NOTIFY)
    counts = {"INBOX": 0, "Work": 0, "Play": 0}
    for selected in ("INBOX", "Work", "INBOX", "Play"):
        bob.ok(f"SELECT {selected}")
        for mailbox in counts:
            counts[mailbox] += 1
            dovecot.delivered(to(mailbox), mail(f"m{counts[mailbox]}"))
            bob.wait_for(rf"^\* {counts[mailbox]} EXISTS" if mailbox == selected else
                         rf"^\* STATUS {mailbox} .*MESSAGES {counts[mailbox]}\b")
    other.ok("SELECT INBOX")
    other.ok("STORE 1 +FLAGS (\\Seen)")
    bob.wait_for(rf"^\* STATUS INBOX \(UNSEEN {counts['INBOX'] - 1}\)|"
                 rf"^\* STATUS INBOX .*UNSEEN {counts['INBOX'] - 1}\b")


def test_notify_is_replaced_and_ended(wakeful):
    """Flow E: a second NOTIFY takes the place of the first, and NONE ends it."""
    dovecot = wakeful(extra=DETAIL)
    bob = dovecot.imap("bob")
    bob.cmd("CREATE Work")
    bob.ok("SELECT INBOX")
    bob.ok(NOTIFY)
    bob.ok(f"NOTIFY SET (personal ({EVENTS}))")
    idle = idling(dovecot, "Work")
    dovecot.delivered("bob", mail("zero"))
    for number in (1, 2):
        dovecot.delivered(to("Work"), mail(f"m{number}"))
        lines = bob.wait_for(rf"^\* STATUS Work .*MESSAGES {number}\b")
        assert not wakes(lines)
        idle.wait_for(rf"^\* {number} EXISTS")
    bob.ok("NOTIFY NONE")
    dovecot.delivered(to("Work"), mail("m3"))
    idle.wait_for(r"^\* 3 EXISTS")
    assert wakes(drain(bob), rb"^\* STATUS") == 0
    assert idle.done().status == "OK"


def test_hibernation(wakeful, driver):
    """Flow E: IDLE is told, hibernates, is woken by new mail, is told again of
    more, and hibernates again."""
    dovecot = wakeful(driver=driver, hibernate="1 secs")
    bob = idling(dovecot, "INBOX")
    for number in (1, 3, 5):
        dovecot.delivered("bob", mail(f"m{number}"))
        bob.wait_for(rf"^\* {number} EXISTS")
        dovecot.delivered("bob", mail(f"m{number + 1}"))
        bob.wait_for(rf"^\* {number + 1} EXISTS")
        dovecot.wait_hibernated()
    assert bob.done().status == "OK"


def test_clients_that_go(wakeful, driver):
    """Flow E: connections that break off in IDLE and with NOTIFY, and a mailbox
    that is deleted under IDLE, leave nothing behind and harm nobody."""
    dovecot = wakeful(driver=driver, extra=DETAIL)
    stays = idling(dovecot, "INBOX")
    other = dovecot.imap("bob")
    other.cmd("CREATE Work")
    for number in (1, 2, 3):
        gone = idling(dovecot, "INBOX")
        told = dovecot.imap("bob")
        told.ok("SELECT INBOX")
        told.ok(NOTIFY)
        dovecot.delivered("bob", mail(f"m{number}"))
        gone.sock.close()
        told.sock.close()
        stays.wait_for(rf"^\* {number} EXISTS")
    lost = idling(dovecot, "Work")
    other.ok("DELETE Work")
    lost.wait_for(r"^\* BYE|^\* NO |^\* OK ")
    lost.sock.close()
    dovecot.delivered("bob", mail("m4"))
    stays.wait_for(r"^\* 4 EXISTS")
    assert stays.done().status == "OK"
