"""A private Dovecot: configured, started, watched and ended."""

import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from . import config
from .imap import Imap, ImapError, crlf
from .lmtp import deliver
from .wait import BOUND, wait_until

LDA = "/usr/lib/dovecot/dovecot-lda"
# What must never stand in a log unless the test says that it expects it.
BAD_LINE = re.compile(r"\b(Panic|Fatal|Error): ")
# A process that ends before its first report is through says so, one that has just
# been started when Dovecot ends, and one that still lists users for a doveadm that
# wants no more of them.
NOISE = re.compile(r"Error: conn unix:\S*/stats-writer "
                   r"|Fatal: Error reading configuration: .*Connection reset by peer"
                   r"|Error: auth-worker: Aborted LIST request ")
SENDMAIL = '#!/bin/sh\nexec cat >"$(mktemp {}/outbox/XXXXXX)"\n'


class NotStarted(Exception):
    """Dovecot ended instead of serving."""


PORTS = 1000    # for each of pytest's processes


def _ports():
    """Those that no connection gets as its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 20
    first = 10240 + PORTS * worker
    return itertools.cycle(random.sample(range(first, first + PORTS), PORTS))


_next_ports = _ports()


def free_ports(count):
    """Ports that nobody has right now. All are held until all are found."""
    sockets = {}
    for port in itertools.islice(_next_ports, PORTS):
        with contextlib.suppress(OSError):
            sockets[port] = socket.create_server(("127.0.0.1", port))
        if len(sockets) == count:
            break
    for sock in sockets.values():
        sock.close()
    assert len(sockets) == count, "no free ports"
    return list(sockets)


class Dovecot:
    """options: see config.Options."""

    def __init__(self, **options):
        self.options = config.Options(**options)
        base = os.environ.get("COI_WORK")  # short: unix sockets lie below it
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="", dir=base))
        self.conf = self.dir / "dovecot.conf"
        self.log = self.dir / "log"
        self.master = None
        self.expected = []
        self.allowed = []
        self.clients = []
        self._write_files()

    def _write_files(self):
        for name in ("home", "outbox"):
            (self.dir / name).mkdir()
        sendmail = self.dir / "sendmail"
        sendmail.write_text(SENDMAIL.format(self.dir))
        sendmail.chmod(0o700)
        self.log.touch()
        for path, text in config.passwd_files(self.options, self.dir).items():
            path.write_text(text)
        if self.options.sieve_before:
            (self.dir / "before.sieve").write_text(self.options.sieve_before)
        imap_port, lmtp_port = free_ports(2)
        self.imap_address = ("127.0.0.1", imap_port)
        self.lmtp_address = ("127.0.0.1", lmtp_port)
        self.lmtp_socket = str(self.dir / "run" / "lmtp")
        self.conf.write_text(config.config(self.options, self.dir, imap_port, lmtp_port))

    # -- its life

    def start(self):
        with open(self.log, "ab") as log:
            self.master = subprocess.Popen(
                ["dovecot", "-F", "-c", self.conf], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, "Dovecot answers")
        return self

    def try_start(self):
        """As start(), but returns False if Dovecot refuses to start."""
        try:
            self.start()
        except NotStarted:
            return False
        return True

    def _answers(self):
        if self.master.poll() is not None:
            self.master = None
            raise NotStarted(self.log_text())
        try:
            with Imap(self.imap_address, timeout=BOUND) as imap:
                return imap.greeting.startswith(b"* OK")
        except (ConnectionError, ImapError):
            return False

    def stop(self):
        """Ends it, waits for its last process, and fails if one stays."""
        if self.master is None:
            return
        for client in self.clients:
            client.sock.close()
        session = self.master.pid
        self.master.send_signal(signal.SIGTERM)
        self.master.wait(BOUND)
        self.master = None
        # What serves a client still would end too, but ten seconds later.
        for pid in _session(session):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        try:
            wait_until(lambda: not _session(session), "no process of it is left")
        except TimeoutError:
            left = _session(session)
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise RuntimeError(f"processes left behind: {left}") from None

    def processes(self, name=None):
        """The pids of its living processes, or of those with a name."""
        return [pid for pid in _session(self.master.pid)
                if name is None or _stat(pid)[0] == name]

    def wait_hibernated(self):
        """Until imap processes have handed over all their connections."""
        def names():
            return {_stat(pid)[0] for pid in self.processes()}
        wait_until(lambda: "imap-hibernate" in names() and "imap" not in names(),
                   "all connections are hibernated")

    def remove(self):
        shutil.rmtree(self.dir)

    # -- its log

    def log_text(self):
        return self.log.read_text(errors="replace")

    def expect_error(self, regex):
        """Lines of this kind are wanted: their absence is a failure too."""
        self.expected.append(regex)

    def allow_error(self, regex):
        """Lines of this kind may be there or not."""
        self.allowed.append(regex)

    def check_log(self):
        lines = self.log_text().splitlines()
        wrong = [line for line in lines
                 if BAD_LINE.search(line) and not NOISE.search(line)
                 and not any(re.search(regex, line)
                         for regex in self.expected + self.allowed)]
        missing = [regex for regex in self.expected
                   if not any(re.search(regex, line) for line in lines)]
        if wrong or missing:
            raise AssertionError("\n".join(
                ["unexpected in the log:", *wrong] * bool(wrong) +
                ["missing in the log:", *missing] * bool(missing)))

    def wait_log(self, regex):
        return wait_until(lambda: re.search(regex, self.log_text()),
                          f"{regex!r} in the log")

    # -- its users

    def imap(self, user=None, **options):
        """A connection, logged in as the user if one is given."""
        imap = Imap(self.imap_address, **options)
        self.clients.append(imap)
        if user:
            reply = imap.login(user, config.PASSWORD)
            if reply.status != "OK":
                raise ImapError(f"LOGIN {user}: {reply!r}")
            imap.login_reply = reply
        return imap

    def home(self, user):
        home = self.dir / "home" / user
        home.mkdir(exist_ok=True)
        return home

    def sieve(self, user, script):
        (self.home(user) / ".dovecot.sieve").write_text(script)

    # -- mail

    def deliver(self, recipients, message, unix=True, **options):
        """By LMTP. recipients: one name or a list. Returns name -> reply."""
        names = [recipients] if isinstance(recipients, str) else recipients
        replies = deliver(self.lmtp_socket if unix else self.lmtp_address,
                          [f"{name}@example.org" for name in names], message, **options)
        return {rcpt.split("@")[0]: reply for rcpt, reply in replies.items()}

    def delivered(self, recipients, message, **options):
        """As deliver(); fails unless all of them took it."""
        for name, reply in self.deliver(recipients, message, **options).items():
            if not reply.startswith("250"):
                raise AssertionError(f"{name}: {reply}")

    def lda(self, user, message, *args, sender="alice@example.org"):
        """By dovecot-lda. Returns its exit status and what it said."""
        done = subprocess.run(
            [LDA, "-c", self.conf, "-d", user, "-f", sender, *args],
            input=crlf(message), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=2 * BOUND, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def doveadm(self, *args, check=True):
        """Returns what it printed; fails unless it succeeds, or, with
        check=False, returns (exit status, output and errors)."""
        done = subprocess.run(["doveadm", "-c", self.conf, *args], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE if check else subprocess.STDOUT,
                              timeout=2 * BOUND, check=False)
        if not check:
            return done.returncode, done.stdout
        if done.returncode != 0:
            raise AssertionError(f"doveadm {args}: {done.returncode} {done.stderr}")
        return done.stdout

    def outbox(self):
        """What was handed to sendmail, by redirect or reject."""
        return [path.read_bytes() for path in (self.dir / "outbox").iterdir()]

    def at_once(self, *functions):
        """Runs functions at the same moment, returns their results. What one of
        them raises is raised here when all have ended."""
        barrier = threading.Barrier(len(functions))

        def run(function):
            barrier.wait(BOUND)
            return function()

        with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
            futures = [pool.submit(run, function) for function in functions]
        return [future.result() for future in futures]


def _stat(pid):
    """(name, state, session) of a process; of a dead one too."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "", "Z", 0
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, fields[0], int(fields[3])


def _session(session):
    """The living processes of a session. A Dovecot is the leader of its own,
    and its children stay in it."""
    pids = [int(path.name) for path in pathlib.Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _stat(pid)[1] != "Z" and _stat(pid)[2] == session]
