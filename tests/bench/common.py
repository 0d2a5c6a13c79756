"""What the measurements share: servers with and without the plugins, an LMTP
session, messages of one size, and the rows of the table."""

import contextlib
import dataclasses
import pathlib
import random
import smtplib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "integration"))

from coi import CHATS, ENABLED, enable, get_entry  # noqa: E402
from coitest import Dovecot, config  # noqa: E402
from messages import chat, mail  # noqa: E402

MESSAGE_BYTES = 1024
USERS = 8
MAILBOXES = (CHATS, "COI/Contacts", "Blocked")  # what enabling makes
SETTINGS = "recipient_delimiter = +\nlmtp_save_to_detail_mailbox = yes\n"


@dataclasses.dataclass
class Row:
    """One line of the table, of finished texts."""
    what: str
    plain: str
    ours: str
    value: str
    target: str = ""


@dataclasses.dataclass(frozen=True)
class Case:
    """One kind of delivery, to USERS users in turn: what a delivery costs grows
    with the index log of the mailbox until Dovecot writes the index anew, at no
    fixed message, so many small mailboxes tell more than one that grows. All
    have the same mailboxes."""
    name: str
    plugins: bool
    kind: str = "act"           # of user: "act" has COI active, "off" has not
    chat: bool = False

    @property
    def users(self):
        return [f"{self.kind}{number}" for number in range(USERS)]

    def recipient(self, number):
        detail = f"+{CHATS}" if self.chat and not self.plugins else ""
        return f"{self.users[number % USERS]}{detail}@example.org"

    @property
    def mailbox(self):
        return CHATS if self.chat else "INBOX"

    def message(self):
        make = chat if self.chat else mail
        short = len(make(body="").replace(b"\n", b"\r\n"))
        return make(body="x" * 70 + "\n" + "y" * (MESSAGE_BYTES - short - 72))


PLAIN_OFF = Case("plain, mail to the users who have COI off", False, kind="off")
PLAIN_MAIL = Case("plain, mail", False)
PLAIN_CHAT = Case("plain, chat into COI/Chats by detail", False, chat=True)
OFF = Case("COI off, mail", True, kind="off")
ORDINARY = Case("COI active, mail", True)
CHAT = Case("COI active, chat into COI/Chats", True, chat=True)
CASES = (PLAIN_OFF, PLAIN_MAIL, OFF, ORDINARY, PLAIN_CHAT, CHAT)
# (ours, plain, target)
DELIVERIES = ((OFF, PLAIN_OFF, "<= 1.01"), (ORDINARY, PLAIN_MAIL, "<= 1.03"),
              (CHAT, PLAIN_CHAT, "<= 1.12"))


def stock_plugin():
    """Configuration that loads Dovecot's own notify, which does nothing alone:
    what is the cost of any plugin at all?"""
    if config.version() >= (2, 4):
        return "mail_plugins {\n  notify = yes\n}\n"
    return "mail_plugins = notify\n"


@contextlib.contextmanager
def running(plugins, extra="", settings=None):
    """A Dovecot whose users are set up; its log must be clean in the end."""
    users = {user: {} for case in (OFF, ORDINARY) for user in case.users}
    dovecot = Dovecot(coi=plugins, users=users, extra=SETTINGS + extra,
                      settings=settings or {}).start()
    try:
        set_up(dovecot, plugins)
        yield dovecot
    except BaseException:
        print(dovecot.log_text(), file=sys.stderr)
        raise
    finally:
        dovecot.stop()
        dovecot.check_log()
        dovecot.remove()


def set_up(dovecot, plugins):
    """Enabling makes the mailboxes; the others make theirs."""
    for user in dovecot.options.users:
        active = user in ORDINARY.users
        # a mailbox of that name would enable COI (S31)
        mailboxes = [name if active else name.replace("COI/", "Old/") for name in MAILBOXES]
        with dovecot.imap(user) as imap:
            if plugins and active:
                enable(imap)
            else:
                for mailbox in mailboxes:
                    imap.ok(f"CREATE {mailbox}")
                imap.ok(f"SUBSCRIBE {mailboxes[0]}")
            found = set(imap.mailboxes()) - {"INBOX"}
            assert found == {mailboxes[0].split("/")[0], *mailboxes}, found
            assert not plugins or get_entry(imap, ENABLED) == (b"yes" if active else None)
            imap.ok("LOGOUT")


class Session(smtplib.LMTP):
    """One LMTP connection for many deliveries."""

    def __init__(self, dovecot):
        super().__init__(dovecot.lmtp_socket, timeout=60)

    def deliver(self, case, number=0):
        self.sendmail("alice@example.org", [case.recipient(number)], case.message())


def count(dovecot, case):
    """How many messages the case's deliveries have left where they belong."""
    found = 0
    for user in case.users:
        with dovecot.imap(user) as imap:
            found += len([flags for _, flags in imap.messages(case.mailbox)
                          if not (case.chat and case.plugins) or "$Chat" in flags])
    return found


def turns(items, rounds):
    """Each item once a round, in an order that differs from round to round but
    is the same in each run: what an item does to the disk or the caches hits
    all others alike."""
    order = random.Random(1)
    for _ in range(rounds):
        yield from order.sample(items, len(items))


def median(values):
    return statistics.median(values)


def percentile95(values):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


