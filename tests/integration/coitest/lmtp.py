"""An LMTP client (RFC 2033)."""

import contextlib
import socket


class LmtpError(Exception):
    """The server refused something that every test needs."""


def _reply(stream):
    lines = []
    while True:
        line = stream.readline().rstrip(b"\r\n").decode()
        lines.append(line)
        if line[3:4] != "-":
            return "\n".join(lines)


def _command(stream, line):
    stream.write(line.encode() + b"\r\n")
    stream.flush()
    return _reply(stream)


def _expect(reply, code):
    if not reply.startswith(code):
        raise LmtpError(reply or "connection closed")


class Lmtp:
    """A connection. address: a path or a (host, port) pair. Use it in `with`."""

    def __init__(self, address, transcript=None, timeout=30):
        self.say = transcript or (lambda *_: None)
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with contextlib.ExitStack() as stack:
            self.sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            self.sock.settimeout(timeout)
            self.sock.connect(address)
            self.stream = stack.enter_context(self.sock.makefile("rwb"))
            _expect(_reply(self.stream), "220")
            _expect(self._command("LHLO client.example.org"), "250")
            self.stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with self.stack:
            if error[0] is None:
                _command(self.stream, "QUIT")

    def _command(self, line):
        self.say("C", line.encode())
        reply = _command(self.stream, line)
        self.say("S", reply.encode())
        return reply

    def deliver(self, recipients, message, sender="alice@example.org"):
        """One transaction. Returns the last reply that each recipient got: for
        RCPT TO if that was refused, else for the message (bytes) itself."""
        _expect(self._command(f"MAIL FROM:<{sender}>"), "250")
        replies = {rcpt: self._command(f"RCPT TO:<{rcpt}>") for rcpt in recipients}
        accepted = [r for r in recipients if replies[r].startswith("250")]
        if accepted:
            _expect(self._command("DATA"), "354")
            self.say("C", message + b".")
            self.stream.write(_stuff(message) + b".\r\n")
            self.stream.flush()
            for rcpt in accepted:
                replies[rcpt] = _reply(self.stream)
                self.say("S", replies[rcpt].encode())
        return replies


def deliver(address, recipients, message, sender="alice@example.org", **options):
    """By a connection of its own: see Lmtp and its deliver()."""
    with Lmtp(address, **options) as lmtp:
        return lmtp.deliver(recipients, message, sender)


def _stuff(message):
    """The message as it goes over the wire: CRLF lines, dots doubled."""
    lines = message.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n"
                    for line in lines)
