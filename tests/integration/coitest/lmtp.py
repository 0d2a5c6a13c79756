"""An LMTP client of one transaction (RFC 2033)."""

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


def deliver(address, recipients, message, sender="alice@example.org",
            transcript=None, timeout=30):
    """Delivers message (bytes) to the recipients. address: a path or a (host,
    port) pair. Returns the last reply that each recipient got: for RCPT TO if
    that was refused, else for the message itself."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(address)
        with sock.makefile("rwb") as stream:
            say = transcript or (lambda *_: None)

            def command(line):
                say("C", line.encode())
                reply = _command(stream, line)
                say("S", reply.encode())
                return reply

            _expect(_reply(stream), "220")
            _expect(command("LHLO client.example.org"), "250")
            _expect(command(f"MAIL FROM:<{sender}>"), "250")
            replies = {rcpt: command(f"RCPT TO:<{rcpt}>") for rcpt in recipients}
            accepted = [r for r in recipients if replies[r].startswith("250")]
            if accepted:
                _expect(command("DATA"), "354")
                say("C", message + b".")
                stream.write(_stuff(message) + b".\r\n")
                stream.flush()
                for rcpt in accepted:
                    replies[rcpt] = _reply(stream)
                    say("S", replies[rcpt].encode())
            _command(stream, "QUIT")
            return replies


def _stuff(message):
    """The message as it goes over the wire: CRLF lines, dots doubled."""
    lines = message.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n"
                    for line in lines)
