"""The worker coi-push: its service in a private Dovecot, and a client of its
socket (src/lib-webpush/push-protocol.h)."""

import base64
import dataclasses
import itertools
import os
import pathlib
import pwd
import secrets
import socket
import time

from .wait import BOUND, wait_until

SOCKET = "coi-push"
VERSION = "VERSION\tcoi-push\t1\t0"


def executable():
    """Where tests/run has installed it, beside the work directory of tests."""
    return pathlib.Path(os.environ["COI_WORK"]).parent / "stage/usr/lib/dovecot/coi-push"


def options(directory, authority=None, **settings):
    """For a Dovecot (coitest.config.Options) with a worker. `directory' is where
    its queue lies; settings go without the coi_push_ that they begin with."""
    user = pwd.getpwuid(os.getuid()).pw_name
    service = "\n".join([
        "service coi-push {",
        f"  executable = {executable()}",
        f"  user = {user}",
        "  chroot =",
        "  process_limit = 1",
        "  process_min_avail = 1",
        "  client_limit = 1000",
        f"  unix_listener {SOCKET} {{",
        f"    user = {user}",
        "    mode = 0600",
        "  }",
        "}",
        "log_debug = category=coi",
    ])
    values = {"queue_dir": directory / "queue", "insecure": "yes", "timeout": "2 secs"}
    if authority:
        values["ca_file"] = authority.ca
    return {"extra": service,
            "settings": {f"coi_push_{key}": value
                         for key, value in (values | settings).items() if value is not None}}


@dataclasses.dataclass
class Job:
    """As a mail process makes it (src/lib-webpush/push-job.h)."""
    endpoint: str
    user: str = "alice"
    subscription: str = "subscription-1"
    id: str = ""
    authorization: str = "vapid t=a.b.c, k=d"
    deadline: int = 0
    ttl: int = 3600
    urgency: str = "normal"
    topic: str = "-"
    validation: str = "-"
    body: bytes = b"body"
    small_body: bytes = b""
    kind: str = "webpush1"

    def __post_init__(self):
        self.id = self.id or secrets.token_urlsafe(15)
        self.deadline = self.deadline or int(time.time()) + 3600

    def line(self):
        return "\t".join([self.kind, self.id, self.user, self.subscription, self.endpoint,
                          self.authorization, str(self.deadline), str(self.ttl), self.urgency,
                          self.topic, self.validation, _base64(self.body),
                          _base64(self.small_body)])


def token_job(endpoint, token="openpgp:abc", **fields):
    """A job with a device token of Delta Chat."""
    return Job(endpoint, **{"kind": "token1", "authorization": "-",
                            "body": token.encode()} | fields)


def _base64(data):
    return base64.b64encode(data).decode() if data else "-"


class Client:
    """A connection to the worker's socket. Use it in `with`."""

    def __init__(self, server, greet=True):
        self.path = server.dir / "run" / SOCKET
        self.sock = wait_until(self._connect, "the worker's socket")
        self.sock.settimeout(BOUND)
        self.file = self.sock.makefile("r", encoding="utf-8", newline="\n")
        if greet:
            try:
                self.send(VERSION)
                assert self.answer() == VERSION
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()

    def _connect(self):
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(self.path))
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            return None
        return sock

    def send(self, *lines):
        self.sock.sendall("".join(line + "\n" for line in lines).encode())

    def read(self):
        """A line, or None if the worker has closed the connection."""
        line = self.file.readline()
        return line[:-1] if line.endswith("\n") else None

    def answer(self):
        """A line that has to come."""
        line = self.read()
        if line is None:
            raise ConnectionResetError("the worker has closed the connection")
        return line

    def push(self, *jobs):
        """Hands jobs over; fails unless all are taken."""
        assert self.try_push(*jobs) == {job.id: None for job in jobs}

    def try_push(self, *jobs):
        """id -> None if it was taken, or why not."""
        self.send(*["JOB\t" + job.line() for job in jobs])
        answers = {}
        for _ in jobs:
            word, name, *why = self.answer().split("\t")
            assert (word, len(why)) in (("OK", 0), ("NO", 1)), (word, name, why)
            answers[name] = why[0] if why else None
        return answers

    def command(self, *fields):
        """The lines of the answer, as lists of fields; the last one too if it is
        the only one."""
        self.send("\t".join(fields))
        lines = []
        while not lines or lines[-1][0] not in ("OK", "NO", "END"):
            lines.append(self.answer().split("\t"))
        return lines if len(lines) == 1 and lines[0][0] != "END" else lines[:-1]

    def gone(self, user):
        return {tuple(line[2:]) for line in self.command("GONE", user)}

    def queue(self, user=""):
        """Job ids -> fields."""
        names = ("user", "subscription", "host", "queued", "next", "attempts", "deadline",
                 "status")
        return {line[1]: dict(zip(names, line[2:], strict=True))
                for line in self.command("QUEUE", user)}

    def wait_empty(self, user=""):
        wait_until(lambda: not self.queue(user), "an empty queue")


def jobs(endpoint, count, **fields):
    """Jobs of one subscription, with bodies that tell which is which."""
    return [Job(endpoint, body=f"body {number}".encode(), **fields)
            for number in itertools.islice(itertools.count(1), count)]
