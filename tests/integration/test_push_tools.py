"""What pushes are tested with does as it is told: the push service, the DNS
server, and the judge."""

import ipaddress
import json
import socket
import ssl
import struct
import subprocess

import h2.connection
import pytest

from coitest.authority import Authority
from coitest.dnsserver import NXDOMAIN, REFUSED, SERVFAIL, SILENCE
from coitest.judge import JudgeError
from coitest.pushservice import Answer, PushService
from coitest.vectors import endpoints
from coitest.wait import BOUND, wait_until

# What curl says by its exit status.
REFUSED_STATUS, TIMEOUT, NOT_TRUSTED, EMPTY, RESET = 7, 28, 60, 52, 56
TLS_ERROR, PARTIAL, STREAM_ERROR, STREAM_LOST = 35, 18, 92, 16


@pytest.fixture
def service(push_service):
    return push_service


def start_curl(service, url, *args, authority=None, data=b"hello"):
    ca = ["--cacert", authority.ca] if authority else []
    curl = subprocess.Popen(
        ["curl", "--silent", "--noproxy", "*", "--max-time", str(BOUND), *ca,
         "--data-binary", "@-", "--write-out", "\n%{http_version} %{http_code} %{num_connects}",
         *args, url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    curl.stdin.write(data)
    curl.stdin.close()
    curl.stdin = None
    return curl


def curl(*args, **options):
    """Its exit status, the body, and (version, status, new connections)."""
    with start_curl(*args, **options) as process:
        out = process.communicate(timeout=2 * BOUND)[0]
    body, _, words = out.rpartition(b"\n")
    return process.returncode, body, words.decode().split()


@pytest.fixture(params=["--http1.1", "--http2"])
def ask(request, service, authority):
    """Posts to the service in one version of HTTP."""
    def ask(name="1", *args, **options):
        return curl(service, service.url(name), request.param, *args, authority=authority,
                    **options)
    ask.version = request.param.removeprefix("--http")
    ask.start = lambda name: start_curl(service, service.url(name), request.param,
                                        authority=authority)
    return ask


def test_request(service, ask):
    """What comes is recorded as it came."""
    assert ask("a", "-H", "X-One: 1", "-H", "x-two:2") == (0, b"", [ask.version, "201", "1"])
    [request] = service.wait()
    assert request.wait_end() == "answered"
    assert (request.method, request.path, request.body) == ("POST", "/push/a", b"hello")
    assert (request.version, request.url) == (ask.version, service.url("a"))
    assert (request.header("x-one"), request.header("X-Two")) == ("1", "2")
    assert request.header("x-three") is None
    assert service.connections == 1


def test_large_body(service, ask):
    body = bytes(range(256)) * 400
    assert ask(data=body)[0] == 0
    assert ask("2", "-H", "Transfer-Encoding: chunked", data=body)[0] == 0
    assert [request.body for request in service.wait(2)] == [body] * 2


def test_kept_connection(service, authority, ask):
    """The second request comes over the first one's connection."""
    status, out, last = ask("a", service.url("b"))
    assert (status, last) == (0, [ask.version, "201", "0"])
    assert out.split() == [ask.version.encode(), b"201", b"1"]
    assert [(request.path, request.number) for request in service.wait(2)] == [
        ("/push/b", 1), ("/push/a", 1)]
    assert service.received("b") == service.requests[:1]


def test_answers_in_turn(service, ask):
    service.answer("a", Answer(503), Answer(429, {"Retry-After": "3600"}, b"later"), Answer(201))
    assert [ask("a", "-D", "-")[2][1] for _ in range(4)] == ["503", "429", "201", "201"]
    service.answer("b", Answer(429, {"Retry-After": "3600"}, b"later"))
    _, text, _ = ask("b", "-D", "-")
    assert b"\r\nretry-after: 3600\r\n" in text.lower() and text.endswith(b"\r\n\r\nlater")
    assert ask("c")[2][1] == "201"


def test_redirect(service, ask):
    service.answer("a", Answer(307, {"Location": service.url("b")}))
    assert ask("a")[2][1] == "307"
    assert ask("a", "--location")[2][1] == "201"
    assert len(service.received("b")) == 1


def test_held(service, ask):
    """Answers after as long as a test wants, and not before."""
    answer = service.answer("a", Answer(202, held=True))
    with ask.start("a") as process:
        [request] = service.wait(name="a")
        assert ask("b")[2][1] == "201"
        assert request.end == "" and process.poll() is None
        answer.release()
        assert process.communicate(timeout=BOUND)[0].split()[1] == b"202"
    assert request.wait_end() == "answered"
    assert ask("a")[2][1] == "202"


def test_hangs(service, ask):
    """It never answers; the client gives up, which is seen."""
    service.answer("a", Answer(held=True))
    assert ask("a", "--max-time", "0.3")[0] == TIMEOUT
    assert service.wait()[0].wait_end() == "hung up"


def test_gives_up_a_stream(service, authority):
    """Of two requests on a connection of HTTP/2 the client gives up one."""
    service.answer("a", Answer(held=True))
    answer = service.answer("b", Answer(held=True))
    context = ssl.create_default_context(cafile=authority.ca)
    context.set_alpn_protocols(["h2"])
    client = h2.connection.H2Connection()
    client.initiate_connection()
    for stream, name in ((1, "a"), (3, "b")):
        client.send_headers(stream, [
            (":method", "POST"), (":scheme", "https"), (":path", f"/push/{name}"),
            (":authority", service.origin.removeprefix("https://"))], end_stream=True)
    with socket.create_connection((service.address, service.port)) as sock, \
            context.wrap_socket(sock, server_hostname="localhost") as tls:
        tls.sendall(client.data_to_send())
        given_up, kept = sorted(service.wait(2), key=lambda request: request.path)
        client.reset_stream(1)
        tls.sendall(client.data_to_send())
        assert (given_up.wait_end(), kept.end) == ("hung up", "")
        answer.release()
        assert (kept.wait_end(), service.connections) == ("answered", 1)


def test_drips(service, ask):
    """A byte after the other, for longer than anybody waits; or not so long."""
    service.answer("a", Answer(body=b"x" * 100, drip_secs=0.2))
    assert ask("a", "--max-time", "0.5")[0] == TIMEOUT
    assert service.wait()[0].wait_end() == "hung up"
    service.answer("b", Answer(body=b"xyz", drip_secs=0.001))
    assert ask("b") == (0, b"xyz", [ask.version, "201", "1"])


def test_endless(service, ask):
    service.answer("a", Answer(endless=True))
    status, body, _ = ask("a", "--max-time", "0.3")
    assert status == TIMEOUT and len(body) > 100000
    assert service.wait()[0].wait_end() == "hung up"


def test_large_answer(service, ask):
    """More than a window of HTTP/2 holds."""
    service.answer("a", Answer(body=b"x" * 300000))
    assert ask("a")[:2] == (0, b"x" * 300000)


def test_reset_and_close(service, ask):
    service.answer("a", Answer(reset=True))
    assert ask("a")[0] == (STREAM_ERROR if ask.version == "2" else RESET)
    service.answer("b", Answer(close=True))
    assert ask("b")[0] in ({PARTIAL, STREAM_LOST} if ask.version == "2" else {EMPTY})
    service.answer("c", Answer(held=True))
    with ask.start("c") as process:
        service.wait(name="c")
        service.drop_connections()
        assert process.wait(BOUND) in (RESET, STREAM_ERROR)


def test_raw(authority):
    """What is no HTTP, from a service that is asked for it."""
    with PushService(authority) as service:
        service.answer("a", Answer(raw=b"nonsense\r\n\r\n"))
        assert curl(service, service.url("a"), "--http1.1", authority=authority)[0] != 0


@pytest.mark.parametrize("what, statuses", [
    ("hang", {TIMEOUT}), ("close", {TLS_ERROR}), ("noise", {TLS_ERROR}),
    # before connect() has returned, or after
    ("reset", {TLS_ERROR, REFUSED_STATUS})])
def test_connect(service, authority, what, statuses):
    """What a connection gets instead of TLS."""
    service.on_connect = what
    assert curl(service, service.url(), "--max-time", "0.3", authority=authority)[0] in statuses
    assert service.connections == 1 and service.requests == []
    service.on_connect = "serve"
    assert curl(service, service.url(), authority=authority)[0] == 0


def test_refuses(service, authority):
    service.refuse()
    assert curl(service, service.url(), authority=authority)[0] == REFUSED_STATUS
    assert service.connections == 0
    service.listen()
    assert curl(service, service.url(), authority=authority)[0] == 0


def test_trust(tmp_path, service, authority):
    """Another authority's certificate, or one for another name, is worth nothing,
    and that is seen here too."""
    other = Authority(tmp_path / "other")
    assert curl(service, service.url(), authority=other)[0] == NOT_TRUSTED
    wait_until(lambda: service.refused == 1, "the handshake was broken off")
    name = ["--resolve", f"push.example.net:{service.port}:127.0.0.1"]
    url = service.url(host="push.example.net")
    assert curl(service, url, *name, authority=authority)[0] == NOT_TRUSTED
    with PushService(authority, names=("push.example.net", "::1"), address="::1") as named:
        name = ["--resolve", f"push.example.net:{named.port}:[::1]"]
        assert curl(named, named.url(), *name, authority=authority)[0] == 0
        assert curl(named, named.url(host="[::1]"), authority=authority)[0] == 0


def test_without_tls():
    with PushService() as service:
        assert service.url().startswith("http://localhost:")
        assert curl(service, service.url())[2] == ["1.1", "201", "1"]


def test_http1_only(authority):
    with PushService(authority, http2=False) as service:
        assert curl(service, service.url(), "--http2", authority=authority)[2][0] == "1.1"


# -- DNS


def _read_records(response, pos, count):
    for _ in range(count):
        start = pos
        while response[pos]:
            pos += 1 + response[pos]
        name = response[start:pos]
        kind, _, ttl, size = struct.unpack_from("!HHIH", response, pos + 1)
        pos += 11 + size
        yield name, kind, ttl, response[pos - size:pos]


def resolve(dns, name, kind="A", tcp=False):
    """As a resolver does: (code, addresses, other records); None: no answer."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack("!6H", 4711, 0x0100, 1, 0, 0, 0) + question + b"\0" + struct.pack(
        "!HH", {"A": 1, "AAAA": 28, "TXT": 16}[kind], 1)
    with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as sock:
        sock.settimeout(BOUND if tcp else 0.3)
        sock.connect((dns.address, dns.port))
        sock.sendall(struct.pack("!H", len(query)) + query if tcp else query)
        try:
            response = sock.recv(65536)
        except TimeoutError:
            return None
    if tcp:
        assert struct.unpack_from("!H", response)[0] == len(response) - 2
        response = response[2:]
    number, flags, _, count, _, _ = struct.unpack_from("!6H", response)
    assert number == 4711 and flags & 0x8000 and response[12:len(query)] == query[12:]
    if flags & 0x0200:
        return resolve(dns, name, kind, tcp=True)
    records = list(_read_records(response, len(query), count))
    assert all(ttl == 0 for _, _, ttl, _ in records)
    return (flags & 15, [str(ipaddress.ip_address(data)) for _, kind, _, data in records
                         if kind in (1, 28)], len([1 for _, kind, _, _ in records if kind == 5]))


def test_addresses(dns):
    dns.answer("push.example.net", ["192.0.2.1", "2001:db8::1", "192.0.2.2"])
    assert resolve(dns, "push.example.net") == (0, ["192.0.2.1", "192.0.2.2"], 0)
    assert resolve(dns, "Push.Example.NET", "AAAA") == (0, ["2001:db8::1"], 0)
    assert resolve(dns, "push.example.net", "TXT") == (0, [], 0)
    assert resolve(dns, "push.example.net", tcp=True) == (0, ["192.0.2.1", "192.0.2.2"], 0)
    assert dns.queries == [("push.example.net", "A", "udp"), ("push.example.net", "AAAA", "udp"),
                           ("push.example.net", 16, "udp"), ("push.example.net", "A", "tcp")]
    assert dns.wait("push.example.net", 2, "A")
    assert dns.asked("example.net") == 0


def test_rebinding(dns):
    """Another address at the second look, for each family by itself."""
    dns.answer("a.example", ["192.0.2.1", "2001:db8::1"], ["127.0.0.1", "::1"])
    assert resolve(dns, "a.example")[1] == ["192.0.2.1"]
    assert resolve(dns, "a.example")[1] == ["127.0.0.1"]
    assert resolve(dns, "a.example", "AAAA")[1] == ["2001:db8::1"]
    assert resolve(dns, "a.example", "AAAA")[1] == ["::1"]
    assert resolve(dns, "a.example")[1] == ["127.0.0.1"]
    dns.answer("a.example", ["192.0.2.7"], ["192.0.2.8"])
    assert resolve(dns, "a.example")[1] == ["192.0.2.7"]


def test_cname(dns):
    dns.answer("a.example", "b.example")
    dns.answer("b.example", "c.example")
    dns.answer("c.example", ["192.0.2.1"], ["127.0.0.1"])
    assert resolve(dns, "a.example") == (0, ["192.0.2.1"], 2)
    assert resolve(dns, "a.example") == (0, ["127.0.0.1"], 2)
    dns.answer("loop.example", "loop.example")
    assert resolve(dns, "loop.example") == (0, [], 8)
    dns.answer("gone.example", "nothing.example")
    assert resolve(dns, "gone.example") == (NXDOMAIN, [], 0)


def test_vectors(dns):
    """What tests/vectors says of names can be told and asked."""
    def both(name):
        return parsed(resolve(dns, name)[1] + resolve(dns, name, "AAAA")[1])

    def parsed(addresses):
        return {ipaddress.ip_address(address) for address in addresses}

    for number, addresses in enumerate(endpoints("name") + endpoints("alias")):
        dns.answer(f"{number}.example", addresses)
        assert both(f"{number}.example") == parsed(addresses)
    for number, (first, second) in enumerate(endpoints("rebind")):
        dns.answer(f"{number}.example.net", first, second)
        assert both(f"{number}.example.net") == parsed(first)
        assert both(f"{number}.example.net") == parsed(second)
    assert len(endpoints("url")) > 150 and len(endpoints("redirect")) >= 10


def test_failures(dns):
    dns.answer("a.example", SERVFAIL, REFUSED, SILENCE, ["192.0.2.1"])
    assert resolve(dns, "a.example") == (SERVFAIL, [], 0)
    assert resolve(dns, "a.example") == (REFUSED, [], 0)
    assert resolve(dns, "a.example") is None
    assert resolve(dns, "a.example") == (0, ["192.0.2.1"], 0)
    assert resolve(dns, "nobody.example") == (NXDOMAIN, [], 0)


def test_truncated(dns):
    """Over UDP there is not room for all: it is to be had over TCP."""
    many = [f"192.0.2.{number}" for number in range(1, 101)]
    dns.answer("many.example", many)
    assert resolve(dns, "many.example") == (0, many, 0)
    dns.answer("a.example", ["192.0.2.1"])
    dns.truncated = True
    assert resolve(dns, "a.example") == (0, ["192.0.2.1"], 0)
    assert [query[2] for query in dns.queries] == ["udp", "tcp"] * 2


# -- the judge of a push that came over the wire


def test_judge_refuses(judge, service, authority):
    """Tests of the judge itself are in tests/push: here it is only asked."""
    receiver = judge.receiver()
    subscription = json.loads(receiver.subscription(service.url(), msgtype="chat"))
    assert subscription["msgtype"] == "chat"
    assert subscription["resource"]["keys"]["auth"] == receiver.auth
    curl(service, service.url(), authority=authority, data=bytes(200))
    [request] = service.wait()
    with pytest.raises(JudgeError, match="^a key id of 0 bytes"):
        judge.request(receiver, receiver.p256dh, request)
