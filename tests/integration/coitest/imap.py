"""A small IMAP client that keeps every byte: what the server sent is compared
as it came, so nothing is parsed that a test does not ask for."""

import re
import socket
import time


class ImapError(Exception):
    """The server said NO or BAD where the test needs OK, or hung up."""


class Literal(bytes):
    """An argument to be sent as a synchronising literal."""


class Line(bytes):
    """One response, with its literals in place and without its last CRLF."""
    at = 0.0  # time.monotonic() when it was complete


# Dovecot tells how long a command took: "(0.001 + 0.000 secs)."
_DURATION = re.compile(rb" \([0-9.+ ]+ secs\)\.$")
_KEEPALIVE = b"* OK Still here"


class Reply:
    """tagged: the tagged response without its tag and without the duration at
    its end; untagged: those before it. Unpacks to (status, untagged)."""

    def __init__(self, tagged, untagged):
        self.tagged = _DURATION.sub(b"", tagged)
        self.untagged = untagged
        self.status = tagged.split(b" ", 1)[0].decode()

    def __iter__(self):
        return iter((self.status, self.untagged))

    def __repr__(self):
        return f"<{self.tagged!r} after {self.untagged!r}>"


class Imap:
    """transcript: called with ("C" or "S", bytes) for each line."""

    def __init__(self, address, timeout=15, transcript=None):
        self.say = transcript or (lambda *_: None)
        self.timeout = timeout
        self.sock = socket.create_connection(address, timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.tag = 0
        self.idle_tag = None
        self.greeting = self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    # -- the wire

    def _fill(self, deadline):
        self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
        data = self.sock.recv(65536)
        if not data:
            raise ImapError(f"connection closed, unread: {self.buffer!r}")
        self.buffer += data

    def read(self, deadline=None):
        """The next whole response."""
        deadline = deadline or time.monotonic() + self.timeout
        start = 0
        while True:
            end = self.buffer.find(b"\r\n", start)
            if end < 0:
                self._fill(deadline)
                continue
            literal = re.search(rb"\{(\d+)\}$", self.buffer[start:end])
            if not literal:
                break
            start = end + 2 + int(literal[1])
            while len(self.buffer) < start:
                self._fill(deadline)
        line, self.buffer = Line(self.buffer[:end]), self.buffer[end + 2:]
        line.at = time.monotonic()
        self.say("S", line)
        return line

    def send(self, data):
        self.say("C", data)
        self.sock.sendall(data + b"\r\n")

    # -- commands

    def start(self, *parts):
        """Sends a command, without its literals' continuation: for pipelining.
        Returns its tag."""
        self.tag += 1
        tag = f"a{self.tag}".encode()
        self.send(tag + b" " + b"".join(_bytes(part) for part in parts))
        return tag

    def finish(self, tag):
        """Reads up to the tagged response."""
        untagged = []
        while True:
            line = self.read()
            if line.startswith(tag + b" "):
                return Reply(line[len(tag) + 1:], untagged)
            untagged.append(line)

    def cmd(self, *parts):
        """Sends a command, made of str, bytes and Literal parts, and reads its
        whole answer. Refusing a literal is an answer too."""
        self.tag += 1
        tag = f"a{self.tag}".encode()
        pending = tag + b" "
        untagged = []
        for part in parts:
            if not isinstance(part, Literal):
                pending += _bytes(part)
                continue
            self.send(pending + b"{%d}" % len(part))
            line = self.read()
            while not line.startswith(b"+"):
                if line.startswith(tag + b" "):
                    return Reply(line[len(tag) + 1:], untagged)
                untagged.append(line)
                line = self.read()
            pending = bytes(part)
        self.send(pending)
        reply = self.finish(tag)
        reply.untagged[:0] = untagged
        return reply

    def ok(self, *parts):
        """As cmd(); fails unless the answer is OK. Returns the untagged ones."""
        reply = self.cmd(*parts)
        if reply.status != "OK":
            raise ImapError(f"{parts!r}: {reply!r}")
        return reply.untagged

    # -- what most tests need

    def login(self, user, password="pass"):
        return self.cmd(f"LOGIN {user} {password}")

    def capability(self):
        [line] = [x for x in self.ok("CAPABILITY") if x.startswith(b"* CAPABILITY ")]
        return line.decode().split(" ")[2:]

    def append(self, mailbox, message, flags=""):
        return self.cmd(f'APPEND "{mailbox}" ({flags}) ', Literal(crlf(message)))

    def mailboxes(self, verb="LIST"):
        """The names that LIST or LSUB shows."""
        names = []
        for line in self.ok(f'{verb} "" "*"'):
            match = re.match(rb'\* (?:LIST|LSUB) \([^)]*\) \S+ "?([^"]*)"?$', line)
            if match:
                names.append(match[1].decode())
        return names

    def messages(self, mailbox):
        """(subject, flags and keywords) of each message of a mailbox, in the
        order of their numbers."""
        self.ok(f'EXAMINE "{mailbox}"')
        found = []
        for line in self.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
            flags = re.match(rb"\* \d+ FETCH \(.*?FLAGS \(([^)]*)\)", line)
            if flags:
                subject = re.search(rb"Subject: ?([^\r\n]*)", line)
                found.append((subject[1].decode() if subject else None,
                              set(flags[1].decode().split()) - {"\\Recent"}))
        return found

    # -- IDLE

    def idle(self):
        self.tag += 1
        self.idle_tag = f"a{self.tag}".encode()
        self.send(self.idle_tag + b" IDLE")
        while not self.read().startswith(b"+"):
            pass

    def wait_for(self, pattern, timeout=None):
        """Reads unsolicited responses up to one that the pattern (a regex, or
        a predicate) fits; returns all of them, that one last."""
        fits = pattern if callable(pattern) else (
            lambda line: re.search(_bytes(pattern), line))
        deadline = time.monotonic() + (timeout or self.timeout)
        lines = []
        while not lines or not fits(lines[-1]):
            try:
                line = self.read(deadline)
                if line != _KEEPALIVE:
                    lines.append(line)
            except TimeoutError:
                raise TimeoutError(f"no {pattern!r}, only {lines!r}") from None
        return lines

    def done(self):
        self.send(b"DONE")
        reply = self.finish(self.idle_tag)
        reply.untagged = [line for line in reply.untagged if line != _KEEPALIVE]
        return reply


def _bytes(text):
    return text.encode() if isinstance(text, str) else bytes(text)


def crlf(message):
    return message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
