"""Asks tests/push/judge.js, which knows nothing of our code, about pushes."""

import base64
import dataclasses
import json
import pathlib
import select
import subprocess
import time

from . import payload
from .wait import BOUND

JUDGE = pathlib.Path(__file__).parents[2] / "push" / "judge.js"


class JudgeError(Exception):
    """The judge finds something wrong with a push."""


@dataclasses.dataclass(frozen=True)
class Receiver:
    """The keys of a subscription, all in base64url."""
    privateKey: str
    p256dh: str
    auth: str

    def subscription(self, endpoint, **members):
        """The value to set at P/webpush/subscriptions/<id>."""
        return json.dumps({
            "client": "Tests", "device": "Test device", "msgtype": "all",
            "resource": {"endpoint": endpoint,
                         "keys": {"p256dh": self.p256dh, "auth": self.auth}}} | members)


@dataclasses.dataclass(frozen=True)
class Push:
    """What a client gets of a push. salt and sender are fresh for each (W29)."""
    plaintext: bytes
    claims: dict
    salt: str
    sender: str

    def payload(self):
        """The members; fails unless they are as W24 to W28 want them."""
        return payload.check(self.plaintext)


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Judge:
    """One process for many pushes. Use it in `with`, or call close()."""

    def __init__(self):
        self.node = subprocess.Popen(["node", JUDGE], text=True, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it; fails if it did not end well."""
        try:
            errors = self.node.communicate(timeout=BOUND)[1]
        finally:
            self.node.kill()
        if self.node.returncode != 0:
            raise RuntimeError(f"the judge: {errors}")

    def _ask(self, **job):
        try:
            print(json.dumps(job), file=self.node.stdin, flush=True)
        except BrokenPipeError:
            self.close()
            raise
        if not select.select([self.node.stdout], [], [], BOUND)[0]:
            raise TimeoutError(f"no answer of the judge within {BOUND} s")
        line = self.node.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError("the judge has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise JudgeError(answer["error"])
        return answer

    def receiver(self):
        """The keys of a new subscription."""
        return Receiver(**self._ask(op="receiver"))

    def push(self, receiver, vapid, *, origin, headers, body, now=None, endpoint=None):
        """Decrypts and verifies; see judge.js. headers: pairs; body: bytes; vapid:
        what either entry of W6 holds. Raises JudgeError if something is wrong."""
        answer = self._ask(
            op="push", privateKey=receiver.privateKey, auth=receiver.auth, vapid=vapid,
            origin=origin, headers=headers, body=encode(body),
            now=int(time.time()) if now is None else now,
            **({} if endpoint is None else {"endpoint": endpoint}))
        return Push(plaintext=decode(answer["plaintext"]), claims=answer["claims"],
                    salt=answer["salt"], sender=answer["sender"])

    def request(self, receiver, vapid, request):
        """The same for a request that a PushService got: all of it is judged."""
        if request.method != "POST":
            raise JudgeError(f"the method is {request.method}")
        return self.push(receiver, vapid, origin=request.origin, headers=request.headers,
                         body=request.body, now=int(request.time), endpoint=request.url)
