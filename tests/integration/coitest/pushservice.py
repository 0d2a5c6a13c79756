"""A push service: takes pushes over HTTP/1.1 and HTTP/2 with TLS, and answers as
a test has told it, also as no good service would."""

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import struct
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from .background import Background
from .wait import BOUND, wait_until

REASONS = {201: "Created", 429: "Too Many Requests"}
HEAD_MAX_BYTES = 65536
CHUNK = b"x" * 16384
# What a client does that has heard enough.
GONE = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)


@dataclasses.dataclass(eq=False)
class Answer:
    """What a request gets. Held answers come after release(), or never."""
    status: int = 201
    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b""
    held: bool = False
    reset: bool = False         # the connection (HTTP/2: the stream) is reset instead
    close: bool = False         # the connection is closed instead
    drip_secs: float = 0        # between two bytes
    endless: bool = False       # the body goes on until the client hangs up
    raw: bytes = None           # instead of HTTP/1.1; then the connection is closed

    def __post_init__(self):
        self._waiting = []

    def release(self):
        """Lets it go, to whoever has asked for it and to those who will."""
        self.held = False
        for future in self._waiting:
            with contextlib.suppress(RuntimeError):  # the service has ended
                future.get_loop().call_soon_threadsafe(future.cancel)

    async def released(self):
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)  # and then look, since the other is a thread
        if self.held:
            await asyncio.wait([future])


class Request:
    """headers: (name, value) as they came; origin and url: as the client sees
    them; number: of its connection; end: "" until all is over, then "answered",
    or "hung up" if the client did before it had the whole answer."""

    def __init__(self, connection, method, target, headers):
        self.number = connection.number
        self.version = connection.version
        self.method, self.path, self.headers = method, target, headers
        host = self.header("host") or self.header(":authority")
        self.origin = f"{connection.service.scheme}://{host}"
        self.url = self.origin + target
        self.body = b""
        self.time, self.at = time.time(), time.monotonic()
        self.end = ""

    def __repr__(self):
        return f"<{self.method} {self.url} {self.headers} {len(self.body)} bytes {self.end}>"

    def header(self, name):
        """The value of the first one of that name, whatever its case; or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def wait_end(self):
        return wait_until(lambda: self.end, f"an end of {self}")


class PushService:
    """names: hosts that its certificate is for; the first one stands in url().
    Without an authority it speaks HTTP without TLS. on_connect says what a new
    connection gets: "serve", "hang" (it is accepted, and that is all), "reset",
    "close", or "noise" (bytes that are neither TLS nor HTTP). Use it in `with`."""

    def __init__(self, authority=None, names=("localhost", "127.0.0.1"), address="127.0.0.1",
                 port=0, http2=True):
        self.scheme = "https" if authority else "http"
        self.names = names
        self.address, self.port = address, port
        self.tls = authority and _tls(authority.certificate(*names), http2)
        self.on_connect = "serve"
        self.requests = []
        self.connections = 0    # that were accepted, whatever came of them
        self.refused = 0        # TLS handshakes that the client broke off
        self._answers = {}
        self._connected = {}    # task -> socket
        self._listener = self._listening = None
        self._background = Background()
        self.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it, and fails if something in it did."""
        self.refuse()
        self._background.close()

    # -- what a test tells it

    @property
    def origin(self):
        return f"{self.scheme}://{self.names[0]}:{self.port}"

    def url(self, name="1", host=None):
        """An endpoint, to which any text gives its name."""
        origin = f"{self.scheme}://{host}:{self.port}" if host else self.origin
        return f"{origin}/push/{name}"

    def answer(self, name, *answers):
        """What requests to the endpoint get, one after the other; the last one
        for all that follow. Without it they get 201 at once. Returns the last."""
        self._answers[f"/push/{name}"] = list(answers)
        return answers[-1]

    def refuse(self):
        """Nobody listens any more. What is connected already stays."""
        if self._listener:
            self._background.run(self._stop_listening())
            self._listener = None

    def listen(self):
        """Again, on the same port."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listener = socket.create_server((self.address, self.port), family=family,
                                              backlog=1024)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._background.run(self._start_listening())

    def drop_connections(self):
        """Resets all that there are."""
        self._background.run(self._reset_all())

    # -- what it tells a test

    def received(self, name=None):
        """The requests so far, or those to one endpoint, whole ones only."""
        return [request for request in list(self.requests)
                if name is None or request.path == f"/push/{name}"]

    def wait(self, count=1, name=None, bound=BOUND):
        """The requests, when there are so many."""
        wait_until(lambda: len(self.received(name)) >= count,
                   f"{count} requests, only {self.received(name)}", bound)
        return self.received(name)

    def wait_connections(self, count=1):
        return wait_until(lambda: self.connections >= count, f"{count} connections")

    # -- connections

    async def _start_listening(self):
        self._listening = self._background.spawn(self._accept_all())

    async def _stop_listening(self):
        self._listening.cancel()
        await asyncio.wait([self._listening])
        self._listener.close()

    async def _accept_all(self):
        while True:
            sock, _ = await self._background.loop.sock_accept(self._listener)
            self.connections += 1
            task = self._background.spawn(self._meet(sock, self.connections, self.on_connect))
            self._connected[task] = sock
            # also one that is ended before it has begun
            task.add_done_callback(lambda task: self._connected.pop(task).close())

    async def _meet(self, sock, number, what):
        sock.setblocking(False)
        # asyncio does it by itself for its own listeners only
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if what == "serve":
                await self._serve(sock, number)
            elif what == "hang":
                await _forever()
            elif what == "noise":
                await self._background.loop.sock_sendall(sock, b"\0noise\r\n\r\n")
            elif what == "reset":
                _linger_not(sock)
            else:
                assert what == "close", what
        except GONE:
            pass
        finally:
            sock.close()

    async def _serve(self, sock, number):
        loop = self._background.loop
        reader = asyncio.StreamReader(HEAD_MAX_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=self.tls)
        except GONE:
            self.refused += 1
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        tls = transport.get_extra_info("ssl_object")
        serve = _Http2 if tls and tls.selected_alpn_protocol() == "h2" else _Http1
        try:
            await serve(self, number, sock, reader, writer).run()
            if not writer.is_closing():  # the second time would undo the first
                writer.close()
            await writer.wait_closed()
        finally:
            transport.abort()

    async def _reset_all(self):
        tasks = list(self._connected)
        for task in tasks:
            _linger_not(self._connected[task])
        await _end(tasks)

    # -- answers

    def _take_answer(self, request):
        answers = self._answers.get(request.path, [Answer()])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def _handle(self, connection, request, stream=None):
        """Records a whole request and answers it."""
        answer = self._take_answer(request)
        self.requests.append(request)
        try:
            await answer.released()
            await connection.answer(answer, stream)
            request.end = "answered"
        finally:
            request.end = request.end or "hung up"


class _Http1:
    version = "1.1"

    def __init__(self, service, number, sock, reader, writer):
        self.service, self.number, self.sock = service, number, sock
        self.reader, self.writer = reader, writer
        self.ahead = b""
        self.open, self.reset = True, False

    async def run(self):
        while self.open:
            request = await self._read()
            handling = asyncio.ensure_future(self.service._handle(self, request))
            # the end, or the beginning of the next request
            ahead = asyncio.ensure_future(self.reader.read(1))
            try:
                await asyncio.wait({handling, ahead}, return_when=asyncio.FIRST_COMPLETED)
                if not handling.done() and not ahead.result():
                    return
                await handling
                if self.open:
                    self.ahead = await ahead
                    self.open = self.ahead != b""
            finally:
                await _end([handling, ahead])
        if self.reset:
            _linger_not(self.sock)
            raise ConnectionResetError

    async def _read(self):
        head = (self.ahead + await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        method, target, _ = first.split(" ")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        request = Request(self, method, target, headers)
        if request.header("expect"):
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.header("transfer-encoding"):
            request.body = await self._read_chunks()
        else:
            request.body = await self.reader.readexactly(int(request.header("content-length") or 0))
        return request

    async def _read_chunks(self):
        body = b""
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
            if size == 0:
                return body

    async def answer(self, answer, _):
        if answer.reset or answer.close:
            self.open, self.reset = False, answer.reset
            return
        await self._write(answer, self._head(answer) + answer.body
                          if answer.raw is None else answer.raw)
        while answer.endless:
            await self._write(answer, CHUNK)
        self.open = answer.raw is None and not answer.endless

    def _head(self, answer):
        headers = dict(answer.headers)
        headers["Connection" if answer.endless else "Content-Length"] = \
            "close" if answer.endless else len(answer.body)
        reason = REASONS.get(answer.status, "Whatever")
        return "".join([f"HTTP/1.1 {answer.status} {reason}\r\n",
                        *[f"{name}: {value}\r\n" for name, value in headers.items()],
                        "\r\n"]).encode()

    async def _write(self, answer, data):
        for part in _parts(answer, data):
            await _write(self.writer, part)
            await _drip(answer)


class _Http2:
    version = "2"

    def __init__(self, service, number, sock, reader, writer):
        self.service, self.number, self.sock = service, number, sock
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.streams = {}   # id -> Request, while it is read
        self.tasks = {}     # id -> task, while it is answered
        self.changed = asyncio.Condition()

    async def run(self):
        self.h2.initiate_connection()
        try:
            await self._flush()
            while data := await self.reader.read(65536):
                for event in self.h2.receive_data(data):
                    self._handle(event)
                await self._flush()
                async with self.changed:
                    self.changed.notify_all()
        finally:
            await _end(self.tasks.values())

    async def _flush(self):
        await _write(self.writer, self.h2.data_to_send())

    def _handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            headers = [(_text(name), _text(value)) for name, value in event.headers]
            values = dict(headers)
            self.streams[event.stream_id] = Request(
                self, values[":method"], values[":path"], headers)
        elif isinstance(event, h2.events.DataReceived):
            self.streams[event.stream_id].body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            request = self.streams.pop(event.stream_id)
            self.tasks[event.stream_id] = self.service._background.spawn(
                self._answered(request, event.stream_id))
        elif isinstance(event, h2.events.StreamReset):
            self.streams.pop(event.stream_id, None)
            if event.stream_id in self.tasks:
                self.tasks[event.stream_id].cancel()

    async def _answered(self, request, stream):
        with contextlib.suppress(*GONE, h2.exceptions.StreamClosedError):
            await self.service._handle(self, request, stream)

    async def answer(self, answer, stream):
        if answer.close:
            self.writer.close()
            return
        if answer.reset:
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
            await self._flush()
            return
        self.h2.send_headers(stream, [(":status", str(answer.status))] + [
            (name.lower(), str(value)) for name, value in answer.headers.items()])
        await self._flush()
        await self._send(answer, stream, answer.body)
        while answer.endless:
            await self._send(answer, stream, CHUNK)
        self.h2.end_stream(stream)
        # not waiting for it: who has it all may close the connection at once
        self.writer.write(self.h2.data_to_send())

    async def _send(self, answer, stream, data):
        for part in _parts(answer, data):
            while part:
                async with self.changed:
                    await self.changed.wait_for(
                        lambda: self.h2.local_flow_control_window(stream) > 0)
                size = min(self.h2.local_flow_control_window(stream),
                           self.h2.max_outbound_frame_size)
                self.h2.send_data(stream, part[:size])
                part = part[size:]
                await self._flush()
            await _drip(answer)


def _tls(files, http2):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    return context


def _linger_not(sock):
    """Closing it sends a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


async def _write(writer, data):
    writer.write(data)
    await writer.drain()
    # which returns at once as long as there is room, also if nobody is there
    await asyncio.sleep(delay=0)
    if writer.is_closing():
        raise ConnectionResetError


def _parts(answer, data):
    return [data[at:at + 1] for at in range(len(data))] if answer.drip_secs else [data]


async def _pause(secs=0.01):
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_forever(), secs)


async def _drip(answer):
    if answer.drip_secs:
        await _pause(answer.drip_secs)


async def _forever():
    await asyncio.get_running_loop().create_future()


async def _end(tasks):
    """Whatever they raised is nothing."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
