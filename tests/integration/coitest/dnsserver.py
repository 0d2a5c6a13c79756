"""A DNS server (RFC 1035) for names that a test makes up, whose addresses are
other ones at the second look if the test wants that."""

import asyncio
import contextlib
import ipaddress
import socket
import struct

from .background import Background
from .wait import wait_until

SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
SILENCE = None

TYPES = {1: "A", 5: "CNAME", 28: "AAAA"}
UDP_MAX_BYTES = 512
CNAMES_MAX = 8

_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION = 0x8000, 0x0400, 0x0200, 0x0180


class DnsServer:
    """Listens on UDP and TCP. queries: (name, type, "udp" or "tcp") in the order
    in which they came. Use it in `with`."""

    def __init__(self, address="127.0.0.1", port=0):
        self.address = address
        self.queries = []
        self.truncated = False      # answers over UDP ask to come again over TCP
        self._answers = {}          # name -> list
        self._taken = {}            # (name, type) -> how often asked for
        self._background = Background()
        self._tcp, self._udp = self._bind(port)
        self.port = self._udp.getsockname()[1]
        self._background.run(self._start())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._background.close()
        self._tcp.close()
        self._udp.close()

    def answer(self, name, *answers):
        """What queries for a name get, one after the other and for each type by
        itself; the last one for all that follow. An answer is a list of addresses
        of both families, a name (then it is a CNAME), SERVFAIL, NXDOMAIN, REFUSED,
        or SILENCE. Names without an answer are NXDOMAIN."""
        self._answers[name.lower()] = answers
        for kind in TYPES.values():
            self._taken.pop((name.lower(), kind), None)

    def asked(self, name, kind=None):
        """How often it was asked for a name, of one type or of all."""
        return len([query for query in list(self.queries)
                    if query[0] == name.lower() and kind in (None, query[1])])

    def wait(self, name, count=1, kind=None):
        return wait_until(lambda: self.asked(name, kind) >= count,
                          f"{count} queries for {name}, only {self.queries}")

    def _bind(self, port):
        """The same port for both."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        while True:
            tcp = socket.create_server((self.address, port), family=family)
            udp = socket.socket(family, socket.SOCK_DGRAM)
            for sock in (tcp, udp):
                sock.setblocking(False)
            try:
                udp.bind((self.address, tcp.getsockname()[1]))
                return tcp, udp
            except OSError:
                tcp.close()
                udp.close()
                if port:
                    raise

    # -- the wire

    async def _start(self):
        self._background.spawn(self._serve_udp())
        self._background.spawn(self._serve_tcp())

    async def _serve_udp(self):
        loop = self._background.loop
        while True:
            query, peer = await loop.sock_recvfrom(self._udp, 65536)
            response = self._respond(query, "udp")
            if response:
                await loop.sock_sendto(self._udp, response, peer)

    async def _serve_tcp(self):
        while True:
            sock, _ = await self._background.loop.sock_accept(self._tcp)
            self._background.spawn(self._serve_connection(sock))

    async def _serve_connection(self, sock):
        reader, writer = await asyncio.open_connection(sock=sock)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    size, = struct.unpack("!H", await reader.readexactly(2))
                    response = self._respond(await reader.readexactly(size), "tcp")
                    if response:
                        writer.write(struct.pack("!H", len(response)) + response)
        finally:
            writer.transport.abort()

    def _respond(self, query, transport):
        number, flags, count = struct.unpack_from("!HHH", query)
        assert count == 1 and not flags & _RESPONSE, query
        name, end = _read_name(query, 12)
        kind, _ = struct.unpack_from("!HH", query, end)
        question = query[12:end + 4]
        self.queries.append((name.lower(), TYPES.get(kind, kind), transport))
        rcode, records = self._look_up(name, TYPES.get(kind))
        if rcode is SILENCE:
            return None
        head = struct.pack("!H", number), _RESPONSE | _AUTHORITATIVE | _RECURSION | rcode
        body = question + b"".join(records)
        if transport == "udp" and (self.truncated or len(body) + 12 > UDP_MAX_BYTES):
            return head[0] + struct.pack("!5H", head[1] | _TRUNCATED, 1, 0, 0, 0) + question
        return head[0] + struct.pack("!5H", head[1], 1, len(records), 0, 0) + body

    def _look_up(self, name, kind):
        """The code of the response, or SILENCE, and its records."""
        records = []
        for _ in range(CNAMES_MAX):
            answer = self._take(name.lower(), kind)
            if not isinstance(answer, str):
                break
            records.append(_record(name, 5, _write_name(answer)))
            name = answer
        if answer is SILENCE or isinstance(answer, int):
            return answer, []
        if isinstance(answer, str):
            return 0, records       # a chain without an end
        for address in map(ipaddress.ip_address, answer):
            if kind == ("A" if address.version == 4 else "AAAA"):
                records.append(_record(name, 1 if kind == "A" else 28, address.packed))
        return 0, records

    def _take(self, name, kind):
        answers = self._answers.get(name, (NXDOMAIN,))
        taken = self._taken.get((name, kind), 0)
        self._taken[name, kind] = taken + 1
        return answers[min(taken, len(answers) - 1)]


def _record(name, kind, data):
    """Of the class IN, and not to be kept."""
    return _write_name(name) + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


def _write_name(name):
    return b"".join(bytes([len(label)]) + label.encode("ascii")
                    for label in name.rstrip(".").split(".")) + b"\0"


def _read_name(message, pos):
    """A name that is not compressed, and where it ends."""
    labels = []
    while size := message[pos]:
        labels.append(message[pos + 1:pos + 1 + size].decode("ascii"))
        pos += 1 + size
    return ".".join(labels), pos + 1
