"""kill -9 of lmtp in the middle of deliveries, COI_KILL_ROUNDS times."""

import collections
import contextlib
import os
import random
import re
import select
import signal
import socket

import pytest

from coi import CHATS, enabled
from coitest import wait_until
from messages import chat, mail

ROUNDS = int(os.environ.get("COI_KILL_ROUNDS") or 200)
USERS = {"alice": {}, "bob": {}, "carol": {}, "dave": {"plugins": False}}
FILTERS = {"alice": "active", "bob": "active", "carol": "seen"}  # dave has none


# A spare process that is killed before it has served anybody makes Dovecot
# wait before it starts another one: so there are none. A maildir's lock file
# that was left without a process id in it is waited for two minutes: so it is
# linked into place with one.
EXTRA = "service lmtp {\n  process_limit = 1\n}\ndotlock_use_excl = no"


def let_one_end(dovecot):
    """Dovecot waits before it replaces processes that fail often, until it has
    seen one that ends well."""
    dovecot.delivered(list(USERS), mail("0"))
    [pid] = dovecot.processes("lmtp")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: pid not in dovecot.processes(), "lmtp has ended")


def kill(dovecot):
    """Kills what delivers; returns once it is dead. The lock on a maildir's list
    of UIDs, which names no process, Dovecot would wait for two minutes."""
    [pid] = dovecot.processes("lmtp")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in dovecot.processes(), "lmtp is dead")
    for lock in (dovecot.dir / "home").rglob("dovecot-uidlist.lock"):
        lock.unlink()


class Interrupted:
    """Deliveries that are cut off by a kill at a random moment. How long to let
    them be follows from how far they came: so kills before, between and after
    the answers are all frequent, however fast the machine is."""

    def __init__(self, dovecot):
        self.dovecot = dovecot
        self.longest = 0.02  # seconds
        self.random = random.Random(41)
        self.answers = collections.Counter()

    def deliver(self, users, message):
        """Returns the users for whom 250 was said."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(self.dovecot.lmtp_socket)
            with sock.makefile("rb") as replies:
                self._talk(sock, replies, users)
                sock.sendall(message.replace(b"\n", b"\r\n") + b".\r\n")
                # readable is the socket as soon as anything is answered
                select.select([sock], [], [], self.random.uniform(0, self.longest))
                kill(self.dovecot)
                said = self._rest(replies)
        assert all(line.startswith(b"250 ") for line in said), said
        self.longest *= 0.95 if len(said) == len(users) else 1.05
        self.answers[len(said)] += 1
        return users[:len(said)]

    @staticmethod
    def _talk(sock, replies, users):
        def expect(code):
            while (line := replies.readline())[3:4] == b"-":
                pass
            assert line.startswith(code), line
        expect(b"220")
        for line in ("LHLO client", "MAIL FROM:<alice@example.org>",
                     *(f"RCPT TO:<{user}@example.org>" for user in users), "DATA"):
            sock.sendall(line.encode() + b"\r\n")
            expect(b"354" if line == "DATA" else b"2")

    @staticmethod
    def _rest(replies):
        """The whole lines that came before the end."""
        lines = []
        with contextlib.suppress(ConnectionResetError):
            lines = replies.readlines()
        return [line for line in lines if line.endswith(b"\n")]


def try_again(dovecot, user, message):
    """As a client does until it is told 250. A plain dbox, too, may refuse once
    when it finds what a killed process has left."""
    replies = []
    while not replies or replies[-1][:3] == "451" and len(replies) < 5:
        replies.append(dovecot.deliver(user, message)[user])
    assert replies[-1].startswith("250"), replies


def found(dovecot, user):
    """(subject, mailbox) of all mail of a user, once for each copy."""
    client = dovecot.imap(user)
    return [(subject, mailbox) for mailbox in ("INBOX", CHATS)
            if client.cmd(f"EXAMINE {mailbox}").status == "OK"
            for subject, _ in client.messages(mailbox)]


@pytest.mark.parametrize("sieve", [False, True], ids=["plain", "sieve"])
def test_lmtp_is_killed(server, driver, sieve):
    """S41 S33: for each round one message to all users, each second one chat.
    Who was told 250 has it once; who was told nothing gets it again by the
    client's second try, and has it once or twice; and it is where it belongs."""
    dovecot = server(driver=driver, users=USERS, sieve=sieve, extra=EXTRA)
    dovecot.allow_error("child [0-9]+ killed with signal 9")
    dovecot.allow_error(" Error: ")  # what was left behind is repaired, not in silence
    for user, word in FILTERS.items():
        enabled(dovecot, user, message_filter=word).ok("LOGOUT")
    if sieve:
        for user in USERS:
            dovecot.sieve(user, "keep;\n")
    let_one_end(dovecot)
    interrupted = Interrupted(dovecot)
    copies = {}
    for number in range(1, (ROUNDS + 5) // 6 + 1):  # six tests share them
        subject = f"{number}"
        message = (chat if number % 2 == 1 else mail)(subject)
        users = interrupted.random.sample(sorted(USERS), len(USERS))
        told = interrupted.deliver(users, message)
        for user in users:
            copies[user, subject] = (1,) if user in told else (1, 2)
            if user not in told:
                try_again(dovecot, user, message)
    for user in USERS:
        if driver == "maildir":  # its files count, not what an index still lists
            dovecot.doveadm("force-resync", "-u", user, "*")
        mails = found(dovecot, user)
        counted = collections.Counter(subject for subject, _ in mails)
        wrong = {subject: counted[subject] for (owner, subject), allowed in copies.items()
                 if owner == user and counted[subject] not in allowed}
        assert not wrong, (user, wrong)
        chats = {subject for subject, mailbox in mails if mailbox == CHATS}
        filed = {subject for subject in counted if int(subject) % 2 == 1}
        if FILTERS.get(user) != "active":
            assert not chats
        else:
            # where Chats was one that had to be repaired first, INBOX took it
            unfiled = re.findall(rf"lmtp\({user}\).*Delivering as without COI",
                                 dovecot.log_text())
            assert chats <= filed and len(filed - chats) <= len(unfiled), user
    print(f"answers before the kill: {sorted(interrupted.answers.items())}")
