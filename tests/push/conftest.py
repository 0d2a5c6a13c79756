"""The judge, and a program that makes what it judges."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from coitest.judge import Judge, decode, encode  # noqa: E402
from coitest.wait import BOUND  # noqa: E402

ORIGIN = "https://push.example.net:8443"
SUBJECT = "mailto:postmaster@example.org"
NOW = 1800000000


class Pushes:
    """Makes pushes with tests/push/dump and our own library."""

    def __init__(self, judge):
        self.judge = judge
        self.receiver = judge.receiver()

    def dump(self, jobs, subject=SUBJECT, origin=ORIGIN, now=NOW):
        """See dump.c. Returns the lines that it answers."""
        done = subprocess.run(
            [os.environ["COI_PUSH_DUMP"], self.receiver.p256dh, self.receiver.auth,
             origin, subject, str(now)],
            input="".join(json.dumps(job) + "\n" for job in jobs), text=True,
            stdout=subprocess.PIPE, timeout=BOUND, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(jobs)
        return answers

    def judged(self, push, **changes):
        """What the judge finds in one of these lines."""
        job = {"receiver": self.receiver, "vapid": push["vapid"], "origin": ORIGIN,
               "headers": [["Authorization", push["authorization"]]],
               "body": decode(push["body"]), "now": NOW} | changes
        return self.judge.push(job.pop("receiver"), job.pop("vapid"), **job)

    def make(self, jobs):
        """All of them as the judge finds them. Each is signed with the key that
        the client knows, in both forms of W6."""
        found = []
        for push in self.dump(jobs):
            assert "error" not in push, push
            found.append(self.judged(push))
            assert found[-1].plaintext == decode(push["plaintext"])
            assert self.judged(push, vapid=push["pem"]) == found[-1]
        return found

    def payloads(self, *payloads):
        """The members of payloads that are made of texts (str or bytes)."""
        return [push.payload() for push in self.make(
            [{"payload": _encode(payload)} for payload in payloads])]


def _encode(payload):
    return {name: value if isinstance(value, int) else
            encode(value.encode() if isinstance(value, str) else value)
            for name, value in payload.items()}


@pytest.fixture(scope="session")
def judge():
    with Judge() as judge:
        yield judge


@pytest.fixture
def pushes(judge):
    return Pushes(judge)
