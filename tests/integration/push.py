"""What the tests of push share: a worker that only listens, a phone that can read
what is pushed to it, and subscriptions. The phone decrypts and verifies by an
implementation that is not ours (python3-cryptography)."""

import base64
import contextlib
import dataclasses
import json
import os
import re
import socket
import struct
import threading
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coi import get_entry, set_entry
from coitest import wait_until

WEBPUSH = "/private/vendor/vendor.dovecot/webpush"
VAPID = WEBPUSH + "/vapid"
VAPID_RAW = WEBPUSH + "/vapid-raw"
SUBSCRIPTIONS = WEBPUSH + "/subscriptions"

SUBJECT = "mailto:push@example.org"
SETTINGS = {"coi_push_subject": SUBJECT}
ENDPOINT = "https://push.example.net/send/abc"

FIELDS = ("magic", "id", "user", "subscription", "endpoint", "authorization", "deadline",
          "ttl", "urgency", "topic", "validation", "body", "small_body")


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclasses.dataclass
class Job:
    """As the worker gets it; `line' is all of it."""
    line: str
    id: str
    user: str
    subscription: str
    endpoint: str
    authorization: str
    deadline: int
    ttl: int
    urgency: str
    topic: str      # None: there is none
    validation: bool
    body: bytes
    small_body: bytes   # b"": there is none

    @classmethod
    def parse(cls, line):
        fields = dict(zip(FIELDS, line.split("\t"), strict=True))
        assert fields.pop("magic") == "webpush1"
        for name in ("deadline", "ttl"):
            fields[name] = int(fields[name])
        for name in ("body", "small_body"):
            fields[name] = b"" if fields[name] == "-" else base64.b64decode(fields[name])
        fields["topic"] = None if fields["topic"] == "-" else fields["topic"]
        fields["validation"] = fields["validation"] == "validation"
        return cls(line=line, **fields)


class Worker:
    """Speaks the protocol of the socket `coi-push' (push-protocol.h). It answers
    each job at once, unless told otherwise:
    mute: does not answer; refuse: answers NO; hang: does not even read."""

    def __init__(self, dovecot, mute=False, refuse=False, hang=False):
        self.path = dovecot.dir / "run" / "coi-push"
        self.mute, self.refuse, self.hang = mute, refuse, hang
        self.jobs = []          # each one once
        self.lines = []         # all that came, but VERSION
        self.gone = []          # (user, subscription id, endpoint hash)
        self.queue = "END\tQUEUE\n"     # the answer to QUEUE
        self.connections = []
        self.accepted = 0
        self.sock = None
        self.start()

    def start(self):
        self.path.unlink(missing_ok=True)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(self.path))
        self.sock.listen(64)
        threading.Thread(target=self._accept, args=(self.sock,), daemon=True).start()

    def stop(self):
        """As if killed: connections break."""
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            if self.hang:
                connection.close()
        self.connections = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _accept(self, sock):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = sock.accept()
                self.accepted += 1
                self.connections.append(connection)
                if not self.hang:
                    threading.Thread(target=self._serve, args=(connection,),
                                     daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ValueError), connection, \
                connection.makefile("rwb") as stream:
            stream.write(b"VERSION\tcoi-push\t1\t0\n")
            stream.flush()
            for line in stream:
                answer = self._answer(line.decode().rstrip("\n"))
                if not self.mute and answer:
                    stream.write(answer.encode())
                    stream.flush()

    def _answer(self, line):
        command, _, rest = line.partition("\t")
        if command == "VERSION":
            assert rest == "coi-push\t1\t0", rest
            return ""
        self.lines.append(line)
        if command == "JOB":
            job = Job.parse(rest)
            if self.refuse:
                return f"NO\t{job.id}\trefused\n"
            if job.id not in {one.id for one in self.jobs}:
                self.jobs.append(job)
            return f"OK\t{job.id}\n"
        if command == "GONE":
            return "".join("GONE\t" + "\t".join(note) + "\n" for note in self.gone
                           if note[0] == rest) + "END\tGONE\n"
        if command == "QUEUE":
            return self.queue
        if command == "FORGET":
            self.gone.remove(tuple(rest.split("\t")))
        return f"OK\t{command}\n"

    # -- for tests

    def pushes(self, count, validation=False):
        """Waits until there are that many, or more; returns them."""
        def found():
            return [job for job in self.jobs if job.validation == validation]
        wait_until(lambda: len(found()) >= count, f"{count} pushes, not only {self.jobs}")
        return found()

    def job_lines(self):
        return [line for line in self.lines if line.startswith("JOB\t")]

    def cancelled(self):
        return [tuple(line.split("\t")[1:]) for line in self.lines
                if line.startswith("CANCEL\t")]


class Phone:
    """A client with keys of its own."""

    def __init__(self, endpoint=ENDPOINT):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        self.auth = os.urandom(16)
        self.endpoint = endpoint

    def subscription(self, msgtype="all", **members):
        return json.dumps({"client": "Test", "device": "Phone", "msgtype": msgtype,
                           "resource": {"endpoint": self.endpoint, "keys": {
                               "p256dh": base64url(self.point),
                               "auth": base64url(self.auth)}}} | members)

    def decrypt(self, body):
        """RFC 8291: the plaintext of a push."""
        assert len(body) <= 4096
        salt, size, id_len = body[:16], struct.unpack(">I", body[16:20])[0], body[20]
        assert (size, id_len) == (4096, 65)
        sender = body[21:86]
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), sender))
        ikm = _hkdf(self.auth, shared, b"WebPush: info\0" + self.point + sender, 32)
        key = _hkdf(salt, ikm, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _hkdf(salt, ikm, b"Content-Encoding: nonce\0", 12)
        plain = AESGCM(key).decrypt(nonce, body[86:], None)
        assert plain.endswith(b"\2")
        return plain[:-1]

    def read(self, job):
        return json.loads(self.decrypt(job.body).decode())


def _hkdf(salt, ikm, info, size):
    return HKDF(hashes.SHA256(), size, salt, info).derive(ikm)


def claims(authorization, point):
    """The claims of an Authorization header, verified with the user's key."""
    token, key = re.fullmatch(r"vapid t=([^,]*), k=(.*)", authorization).groups()
    assert unbase64url(key) == point
    signed, _, signature = token.rpartition(".")
    raw = unbase64url(signature)
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point).verify(
            der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise AssertionError("the signature is wrong") from None
    head, body = (json.loads(unbase64url(part)) for part in signed.split("."))
    assert head == {"typ": "JWT", "alg": "ES256"}
    return body


def vapid_point(client):
    """The user's public key, which is the same in both its forms (W6)."""
    raw = unbase64url(get_entry(client, VAPID_RAW).decode())
    pem = serialization.load_pem_public_key(get_entry(client, VAPID))
    assert pem.public_bytes(serialization.Encoding.X962,
                            serialization.PublicFormat.UncompressedPoint) == raw
    assert len(raw) == 65
    return raw


def entry(name):
    return f"{SUBSCRIPTIONS}/{name}"


def subscribe(client, name, phone, **members):
    return set_entry(client, entry(name), phone.subscription(**members))


def validate(client, name, text):
    return set_entry(client, entry(name) + "/validate", text)


def subscribed(client, worker, name="phone00001", phone=None, **members):
    """Subscribes and validates; returns the phone."""
    phone = phone or Phone()
    count = len(worker.pushes(0, validation=True))
    assert subscribe(client, name, phone, **members).status == "OK"
    job = worker.pushes(count + 1, validation=True)[-1]
    text = phone.read(job)["validation"]
    assert validate(client, name, text).status == "OK"
    return phone


def subscriptions(client):
    """id -> value, as GETMETADATA with DEPTH 1 lists them (W22)."""
    found = {}
    for line in client.ok(f'GETMETADATA (DEPTH 1) "" {SUBSCRIPTIONS}'):
        for name, size, rest in re.findall(
                rb"/subscriptions/(\S+) \{(\d+)\}\r\n(.*?)(?= /private|\)$)", line, re.DOTALL):
            assert len(rest) == int(size)
            found[name.decode()] = json.loads(rest)
    return found


def now():
    return int(time.time())
