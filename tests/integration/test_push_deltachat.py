"""Device tokens of Delta Chat: what clients set, what the worker sends where, and
that nothing is different where the administrator has not set them up."""

import contextlib
import hashlib
import json
import pathlib
import re
import socket
import time

import pytest

from coi import enable, enabled, get_entry, send, set_entry, store
from coitest import Literal, wait_until
from coitest.pushservice import Answer, PushService
from coitest.worker import Client, Job, options, token_job
from contacts import CONTACTS, block, name_hash
from messages import chat, mail
from push import SETTINGS, VAPID, Phone, entry, subscribe
from test_doveadm import OFF, status
from test_push_ring import RECEIPT
from test_push_subscriptions import backup

TOKEN, TOKEN2 = "openpgp:wU4DhQ/+a==", "fcm-chat.delta:x|y z"
NOT_THE_URL = "endpoint is not allowed: it is not coi_deltachat_push_url"
NAME = "/private/devicetoken"
RECIPIENTS = "/shared/vendor/deltachat/maxsmtprecipients"
# What clients ask for in one command.
ASKED_FOR = ("/shared/comment", "/shared/admin", "/shared/vendor/deltachat/irohrelay",
             "/shared/vendor/deltachat/turn", RECIPIENTS,
             "/shared/vendor/deltachat/appversions")
DAY = 24 * 60 * 60


@pytest.fixture
def http_service():
    with PushService() as service:
        yield service


@pytest.fixture
def worker(server, authority, tmp_path):
    """Call it with the URL and settings of the worker, which is not insecure; gives
    a server and a client."""
    with contextlib.ExitStack() as stack:
        def make(url, **settings):
            more = options(tmp_path, authority, **{"insecure": None} | settings)
            more["settings"]["coi_deltachat_push_url"] = url
            one = server(**more)
            stack.callback(one.stop)
            return one, stack.enter_context(Client(one))
        yield make


class TestWorker:
    @pytest.mark.parametrize("kind", ["http", "h2", "h1"])
    def test_token(self, authority, http_service, worker, kind):
        """D5 D7: the token is the body, and nothing of Web Push goes with it; the
        service may be at any address, on any port, and need not know TLS."""
        with contextlib.ExitStack() as stack:
            service = http_service if kind == "http" else stack.enter_context(
                PushService(authority, http2=kind == "h2"))
            server, client = worker(service.url("notify"))
            client.push(token_job(service.url("notify"), TOKEN, topic="1800000000-000000"))
            request, = service.wait(1)
            assert (request.method, request.path, request.body.decode()) == \
                ("POST", "/push/notify", TOKEN)
            assert request.version == ("2" if kind == "h2" else "1.1")
            assert request.header("Content-Type") == "text/plain"
            for name in ("Authorization", "TTL", "Urgency", "Topic", "Content-Encoding",
                         "WebPush-Validation", "Accept"):
                assert request.header(name) is None
            client.wait_empty()
            server.stop()

    def test_nothing_else_gets_there(self, authority, http_service, worker):
        """D6 W36: only tokens, and only to that URL. Web Push stays as strict as it
        was."""
        url = http_service.url("notify")
        with PushService() as other, PushService(authority) as secure:
            _, client = worker(url)
            for job in (token_job(other.url("notify")), token_job(url + "/"),
                        token_job(http_service.url("other")), token_job(secure.url("a")),
                        token_job(url.replace("localhost", "127.0.0.1"))):
                assert client.try_push(job) == {job.id: NOT_THE_URL}
            for endpoint, why in ((url, "it must begin with https://"),
                                  (secure.url("a"), "its host is no public name"),
                                  (secure.url("a", "127.0.0.1"),
                                   "its host is a loopback address")):
                job = Job(endpoint)
                assert client.try_push(job) == {job.id: "endpoint is not allowed: " + why}
            # a token cannot bring what would become headers
            for fields, field in (({"authorization": "vapid t=a, k=b"}, "authorization"),
                                  ({"topic": "a b"}, "topic"),
                                  ({"small_body": b"x"}, "small body")):
                job = token_job(url, **fields)
                assert client.try_push(job) == {job.id: "invalid " + field}
            client.push(token_job(url))
            http_service.wait(1)
            client.wait_empty()
            assert other.connections == secure.connections == 0
            assert len(http_service.requests) == 1

    def test_name(self, authority, dns, worker):
        """D6: its name may have a private address; for Web Push the same name has
        none, whoever has looked it up first."""
        name = "push.example.net"
        with PushService(authority, names=[name]) as service:
            dns.answer(name, ["127.0.0.1"])
            server, client = worker(service.url("notify"), ports=service.port,
                                    dns_servers=f"127.0.0.1:{dns.port}")
            for _ in range(2):
                client.push(token_job(service.url("notify")))
                client.wait_empty()
                job = Job(service.url("a"))
                client.push(job)
                client.wait_empty()
                server.wait_log(f"{job.id} .* one of its addresses is not allowed")
            assert [request.path for request in service.requests] == ["/push/notify"] * 2

    def test_proxy(self, http_service, worker):
        """D6: the proxy leads out, not into the own network; and what comes after a
        token goes through it as ever."""
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            server, client = worker(http_service.url("notify"),
                                    proxy_url=f"http://127.0.0.1:{proxy.getsockname()[1]}")
            proxy.settimeout(15)
            for _ in range(2):
                client.push(token_job(http_service.url("notify")))
                client.wait_empty()
                client.push(Job("https://push.example.net/a"))
                connection, _ = proxy.accept()
                with connection:
                    assert connection.recv(1000).startswith(b"CONNECT push.example.net:443 ")
                    client.command("CANCEL", "alice", "")
            assert len(http_service.requests) == 2
            server.stop()

    def test_no_redirect(self, http_service, worker):
        """W36: not even the administrator's service leads elsewhere."""
        with PushService() as other:
            _, client = worker(http_service.url("notify"))
            http_service.answer("notify", Answer(307, {"Location": other.url("a")}),
                                Answer(200))
            client.push(token_job(http_service.url("notify")))
            http_service.wait(2)
            client.wait_empty()
            assert other.connections == 0

    def test_retry(self, http_service, worker):
        """D7: whatever else it answers, it is asked again."""
        _, client = worker(http_service.url("notify"))
        statuses = (500, 503, 429, 404, 400, 413, 301)
        http_service.answer("notify", *[Answer(status) for status in statuses], Answer(204))
        client.push(*[token_job(http_service.url("notify"), f"token{status}",
                                subscription=f"dc-token-{status}") for status in statuses])
        requests = http_service.wait(2 * len(statuses))
        first, second = requests[:len(statuses)], requests[len(statuses):]
        assert {one.body for one in first} == {one.body for one in second} and \
            len({one.body for one in first}) == len(statuses)
        assert min(one.at for one in second) - min(one.at for one in first) > 4
        client.wait_empty()
        assert client.gone("alice") == set()

    def test_gone(self, http_service, worker):
        """D7: 410: it is noted, what waits for it is dropped, and it is refused;
        another token is none of it. Until the note is forgotten."""
        url = http_service.url("notify")
        _, client = worker(url)
        held = Answer(410, held=True)
        http_service.answer("notify", held, Answer(200))
        client.push(*[token_job(url, subscription="dc-token-one") for _ in range(3)])
        http_service.wait(1)
        client.push(token_job(url, "other", subscription="dc-token-two"))
        held.release()
        (name, note), = wait_until(lambda: client.gone("alice"), "the note")
        assert name == "dc-token-one"
        client.wait_empty()
        assert [request.body for request in http_service.wait(2)] == [b"openpgp:abc", b"other"]
        job = token_job(url, subscription="dc-token-one")
        assert client.try_push(job) == {job.id: "the subscription is gone"}
        assert client.command("FORGET", "alice", name, note) == [["OK", "FORGET"]]
        client.push(token_job(url, subscription="dc-token-one"))
        http_service.wait(3)
        client.wait_empty()

    def test_gone_generation(self, http_service, worker):
        """D7: 410 is about the generation that was sent, and about no later one."""
        url = http_service.url("notify")
        _, client = worker(url)
        http_service.answer("notify", Answer(410), Answer(200))
        client.push(token_job(url, topic="1"))
        (name, note), = wait_until(lambda: client.gone("alice"), "the note")
        assert note == hashlib.sha256(f"{url} 1".encode()).hexdigest()
        client.push(token_job(url, topic="2"))
        http_service.wait(2)
        job = token_job(url, topic="1")
        assert client.try_push(job) == {job.id: "the subscription is gone"}

    @pytest.mark.parametrize("url", ["ftp://push.example.net/", "push.example.net",
                                     "https://"])
    def test_bad_setting(self, push_service, worker, url):
        """D5: it is an error that names the setting, and Web Push goes on."""
        server, client = worker(url, insecure="yes")
        server.expect_error(r"coi-push.* Delta Chat tokens are off: "
                            f"Invalid setting coi_deltachat_push_url={url}: ")
        job = token_job(url + "x")
        [why] = client.try_push(job).values()
        assert why in (NOT_THE_URL, "invalid endpoint")
        client.push(Job(push_service.url("a")))
        push_service.wait(1)
        client.wait_empty()

    def test_changed_setting(self, http_service, worker):
        """D6: what waits for another URL than that of now is not sent any more."""
        server, client = worker(http_service.url("notify"))
        http_service.answer("notify", Answer(500))
        client.push(token_job(http_service.url("notify")))
        http_service.wait(1)[0].wait_end()
        client.close()
        server.stop()
        server.conf.write_text(server.conf.read_text().replace("/push/notify", "/push/other"))
        server.start()
        server.wait_log("dropped after 1 attempts: " + NOT_THE_URL)
        assert len(http_service.requests) == 1

    def test_off(self, http_service, worker):
        """D6: without the setting there are none."""
        _, client = worker("")
        job = token_job(http_service.url("notify"))
        assert client.try_push(job) == {job.id: NOT_THE_URL}
        assert http_service.connections == 0


# -- clients and deliveries


def set_token(client, token=TOKEN, literal=False, mailbox="INBOX"):
    value = Literal(token if isinstance(token, bytes) else token.encode()) if literal \
        else f'"{token}"'
    return client.cmd(f'SETMETADATA "{mailbox}" ({NAME} ', value, ")")


def tokens(client):
    """What GETMETADATA gives; None: NIL."""
    [line] = client.ok(f'GETMETADATA "INBOX" {NAME}')
    found = re.fullmatch(rb"\* METADATA \"?INBOX\"? \(%s (?:NIL|\{\d+\}\r\n(.*))\)"
                         % NAME.encode(), line)
    return found[1] and found[1].decode()


def token_id(token):
    return "dc-" + hashlib.sha256(token.encode()).hexdigest()[:32]


def stored(dovecot, token, user="bob"):
    """The file with the token; None if there is none."""
    return next(dovecot.home(user).rglob(f"dovecot-coi/tokens/dc/{token_id(token)}"), None)


def age(dovecot, token, secs):
    """Makes a token look as if it was set that long ago."""
    path = stored(dovecot, token)
    when, rest = path.read_text().split("-", 1)
    path.write_text(f"{int(when) - secs}-{rest}")


def bodies(service):
    return [request.body.decode() for request in service.received()]


@pytest.fixture
def make(server, authority, tmp_path, http_service):
    """Makes a server with nothing set up but the dialect, and its worker. It ends
    before the service."""
    servers = []

    def make(settings=None, url=None, **more):
        mine = options(tmp_path, authority, insecure=None)
        mine["settings"]["coi_deltachat_push_url"] = \
            http_service.url("notify") if url is None else url
        mine["settings"] |= settings or {}
        servers.append(server(**mine, **more))
        return servers[-1]
    yield make
    for one in servers:
        # what they have told the worker is answered then
        for client in one.clients:
            client.sock.close()
        wait_until(lambda one=one: not one.processes("imap"), "no imap process is left")
        one.stop()


def rung(dovecot, service, count):
    """Waits for so many, sees that there is nothing more on its way, and tells
    them."""
    service.wait(count)
    with Client(dovecot) as client:
        client.wait_empty()
    return bodies(service)


class TestCapability:
    def test_on(self, make):
        """D1: after login, once."""
        dovecot = make()
        assert "XDELTAPUSH" not in dovecot.imap().capability()
        capability = dovecot.imap("bob").capability()
        for name in ("XDELTAPUSH", "METADATA", "COI"):
            assert capability.count(name) == 1
        assert "METADATA-SERVER" not in capability and "WEBPUSH" not in capability

    @pytest.mark.parametrize("attribute_dict", [False, True])
    def test_beside_core(self, make, attribute_dict):
        """D1: Dovecot's own METADATA is not doubled."""
        dovecot = make(metadata=True, attribute_dict=attribute_dict)
        capability = dovecot.imap("bob").capability()
        assert capability.count("METADATA") == capability.count("XDELTAPUSH") == 1
        assert "METADATA-SERVER" not in capability

    @pytest.mark.parametrize("metadata", [False, True])
    def test_off(self, make, server, metadata):
        """D1: without a URL there is nothing of it: all answers are those of a plain
        Dovecot."""
        plain = server(coi=False, metadata=metadata, attribute_dict=metadata)
        ours = make(url="", settings={"coi_deltachat_max_recipients": 50}, metadata=metadata,
                    attribute_dict=metadata)
        answers = []
        for dovecot in (plain, ours):
            bob = dovecot.imap("bob")
            assert "XDELTAPUSH" not in bob.capability()
            answers.append([(reply.tagged, reply.untagged) for reply in (
                set_token(bob), set_token(bob, literal=True), set_token(bob, "x", mailbox="Trash"),
                bob.cmd(f'GETMETADATA "INBOX" {NAME}'),
                bob.cmd(f'GETMETADATA "" {RECIPIENTS}'),
                bob.cmd(f'SETMETADATA "INBOX" ({NAME} NIL)'))])
        assert answers[0] == answers[1]
        assert ("METADATA-SERVER" in bob.capability()) != metadata

    @pytest.mark.parametrize("url", ["ftp://push.example.net/", "push.example.net/x",
                                     "https:///x", "http://a@b.example.net/"])
    def test_bad_url(self, make, url):
        """D5: the error names the setting, and nothing else is off."""
        dovecot = make(url=url)
        dovecot.allow_error("lmtp.*Delta Chat tokens are off")
        dovecot.expect_error("imap.*Delta Chat tokens are off: Invalid setting "
                             f"coi_deltachat_push_url={re.escape(url)}: must be an http: or https:")
        dovecot.expect_error("coi-push.* Delta Chat tokens are off: Invalid setting")
        bob = enabled(dovecot, "bob")
        capability = bob.capability()
        assert "COI" in capability and "XDELTAPUSH" not in capability
        assert "METADATA-SERVER" in capability
        assert set_token(bob).status == "NO"
        assert get_entry(bob, "/private/vendor/vendor.dovecot/coi/config/enabled") == b"yes"
        dovecot.delivered("bob", chat("one"))
        dovecot.wait_log("coi-push.* Delta Chat tokens are off")


class TestEntry:
    @pytest.mark.parametrize("literal", [False, True])
    def test_sizes(self, make, literal):
        """D2: 1 to 4,096 printable bytes; else NO, saying what is wrong."""
        dovecot = make()
        bob = dovecot.imap("bob")
        for good in ("x", "~" * 4096, " a b ", "openpgp:+/=|!#$%&'()*,-.:;<>?@[]^_`{}~"):
            assert set_token(bob, good, literal).status == "OK"
        for bad, why in (("", "must not be empty"), ("x" * 4097, "has at most 4096 bytes"),
                         ("x" * 60000, "has at most 4096 bytes")):
            reply = set_token(bob, bad, literal)
            assert reply.tagged.startswith(b"NO [CANNOT] " + NAME.encode())
            assert why.encode() in reply.tagged and b"xxx" not in reply.tagged
        assert len(list(dovecot.home("bob").rglob("dovecot-coi/tokens/dc/*"))) == 4

    @pytest.mark.parametrize("bad", [b"a\0b", b"a\tb", b"a\r\nb", b"a\x7f", b"\xc3\xa4",
                                     b"\xff", b"a\x1f"])
    def test_bytes(self, make, bad):
        """D2: nothing but printable ASCII."""
        bob = make().imap("bob")
        reply = set_token(bob, bad, literal=True)
        assert reply.tagged == b"NO [CANNOT] " + NAME.encode() + \
            b": a device token must be printable ASCII"
        assert tokens(bob) is None

    @pytest.mark.parametrize("bad", [b"a\tb", b"a\x7f", b"\xc3\xa4", b"\xff"])
    def test_quoted_bytes(self, make, bad):
        """D2: nor in quotes."""
        bob = make().imap("bob")
        reply = bob.cmd(f'SETMETADATA "INBOX" ({NAME} "', bad, '")')
        assert reply.status in ("NO", "BAD")
        assert tokens(bob) is None

    def test_escaped(self, make):
        """D2: quoted, with what has to be escaped, or as a literal: the same."""
        bob = make().imap("bob")
        assert set_token(bob, r'a\"b\\c').status == "OK"
        assert set_token(bob, 'a"b\\c', literal=True).status == "OK"
        assert tokens(bob) == 'a"b\\c'
        assert bob.ok(f"SETMETADATA inbox (/PRIVATE/DeviceToken {{1+}}\r\nx)") == []
        assert sorted(tokens(bob).split()) == ['a"b\\c', "x"]

    def test_set(self, make):
        """D3: each is kept beside the others; NIL removes all of the user's."""
        dovecot = make()
        bob, alice = dovecot.imap("bob"), dovecot.imap("alice")
        assert tokens(bob) is None
        for token in ("one", "two", "one"):
            assert set_token(bob, token).status == "OK"
        assert set_token(alice, "three").status == "OK"
        assert sorted(tokens(bob).split(" ")) == ["one", "two"]
        assert "has-subscriptions" in store(dovecot, "bob").read_text()
        assert bob.ok(f'SETMETADATA "INBOX" ({NAME} NIL)') == []
        assert tokens(bob) is None and tokens(alice) == "three"
        assert "has-subscriptions" not in store(dovecot, "bob").read_text()
        assert "has-subscriptions" in store(dovecot, "alice").read_text()
        assert bob.ok(f'SETMETADATA "INBOX" ({NAME} NIL)') == []

    def test_all_or_none(self, make):
        """RFC 5464 4.3: what comes with something that is refused is not set."""
        bob = make().imap("bob")
        reply = bob.cmd(f'SETMETADATA "INBOX" ({NAME} "one" /private/comment "x")')
        assert reply.status == "NO" and tokens(bob) is None
        reply = bob.cmd(f'SETMETADATA "INBOX" ({NAME} "one" {NAME} "")')
        assert reply.status == "NO" and tokens(bob) is None
        assert bob.cmd(f'SETMETADATA "INBOX" ({NAME} "one" {NAME} "two")').status == "OK"
        assert sorted(tokens(bob).split(" ")) == ["one", "two"]

    def test_elsewhere(self, make):
        """D2: it is an entry of INBOX, which the answer says."""
        bob = make().imap("bob")
        bob.ok("CREATE Other")
        for mailbox in ("Other", ""):
            reply = set_token(bob, mailbox=mailbox)
            assert reply.tagged == b"NO [CANNOT] " + NAME.encode() + \
                b": it can be set for the mailbox INBOX only"
        assert set_token(bob, mailbox="Nowhere").status == "NO"
        assert tokens(bob) is None
        bob.ok("SELECT INBOX")
        assert set_token(bob).status == "OK" and tokens(bob) == TOKEN

    def test_generic_attributes(self, make):
        """D2: with imap_metadata Dovecot keeps those of other mailboxes; INBOX's is
        ours."""
        dovecot = make(metadata=True, attribute_dict=True)
        bob = dovecot.imap("bob")
        bob.ok("CREATE Other")
        assert set_token(bob, "x", mailbox="Other").status == "OK"
        assert set_token(bob).status == "OK"
        assert bob.cmd('SETMETADATA "INBOX" (/private/comment "mine")').status == "OK"
        assert tokens(bob) == TOKEN and stored(dovecot, TOKEN) and not stored(dovecot, "x")
        assert b"mine" in bob.ok('GETMETADATA "INBOX" /private/comment')[0]

    def test_own_name(self, make):
        """D3: by the name that it has in the store no client gets at it."""
        dovecot = make()
        bob = dovecot.imap("bob")
        assert set_token(bob).status == "OK"
        own = "/private/vendor/vendor.dovecot/webpush/tokens"
        assert get_entry(bob, f"{own}/{token_id(TOKEN)}") is None
        assert bob.ok(f'GETMETADATA (DEPTH infinity) "" {own}') in ([], [b'* METADATA "" ()'])
        for value in ("x", None):
            reply = set_entry(bob, f"{own}/{token_id(TOKEN)}", value)
            assert reply.tagged.startswith(b"NO [CANNOT] ")
        assert tokens(bob) == TOKEN

    @pytest.mark.parametrize("metadata", [False, True])
    def test_recipients(self, make, metadata):
        """D4: the administrator's number, which no client can set; what else clients
        ask for in the same command has no value."""
        dovecot = make(settings={"coi_deltachat_max_recipients": 50}, metadata=metadata,
                       attribute_dict=metadata)
        bob = dovecot.imap("bob")
        assert get_entry(bob, RECIPIENTS) == b"50"
        [line] = bob.ok(f'GETMETADATA "" ({" ".join(ASKED_FOR)})')
        assert line == b'* METADATA "" (' + b" ".join(
            name.encode() + (b" {2}\r\n50" if name == RECIPIENTS else b" NIL")
            for name in ASKED_FOR) + b")"
        for value in ("60", None):
            reply = set_entry(bob, RECIPIENTS, value)
            assert reply.tagged.startswith(b"NO [CANNOT] " + RECIPIENTS.encode())
            assert b"cannot be set" in reply.tagged
        assert get_entry(bob, RECIPIENTS) == b"50"
        assert metadata or bob.cmd('GETMETADATA "" /shared/vendor/other/x').status == "NO"

    def test_no_recipients(self, make):
        """D4: not set, no entry."""
        bob = make().imap("bob")
        assert get_entry(bob, RECIPIENTS) is None
        assert set_entry(bob, RECIPIENTS, "60").status == "NO"


class TestAge:
    def test_renewed(self, make):
        """D3: setting it again counts from now on."""
        dovecot = make()
        bob = dovecot.imap("bob")

        def renewed():
            return int(stored(dovecot, TOKEN).read_text().split("-")[0])
        set_token(bob)
        assert abs(renewed() - time.time()) < 60
        for days in (89, 1, -2):    # somebody has set the clock back
            age(dovecot, TOKEN, days * DAY)
            assert tokens(bob) == TOKEN and abs(renewed() - time.time()) > DAY - 60
            set_token(bob)
            assert abs(renewed() - time.time()) < 60
        before = stored(dovecot, TOKEN).read_text()
        set_token(bob)
        assert stored(dovecot, TOKEN).read_text() != before

    @pytest.mark.parametrize("how", ["get", "set", "check"])
    def test_expired(self, make, how):
        """D3: what nobody has set for 90 days is neither shown nor rung, and goes
        when somebody looks."""
        dovecot = make()
        bob = dovecot.imap("bob")
        set_token(bob, "old")
        set_token(bob)
        age(dovecot, "old", 90 * DAY - 100)
        assert sorted(tokens(bob).split()) == ["old", TOKEN]
        age(dovecot, "old", 100)
        dovecot.delivered("bob", mail("one"))
        assert stored(dovecot, "old")
        if how == "get":
            assert tokens(bob) == TOKEN
        elif how == "set":
            assert set_token(bob, "new").status == "OK"
        else:
            assert dovecot.doveadm("coi", "check", "-u", "bob") == ""
        assert not stored(dovecot, "old") and stored(dovecot, TOKEN)

    def test_expired_does_not_ring(self, make, http_service):
        """D3: and the next one who has only that one pays for it no more."""
        dovecot = make()
        bob = dovecot.imap("bob")
        set_token(bob, "old")
        set_token(bob)
        age(dovecot, "old", 90 * DAY)
        dovecot.delivered("bob", mail("one"))
        assert rung(dovecot, http_service, 1) == [TOKEN]

    def test_limit(self, make):
        """D3: the oldest gives way; one that is renewed is not."""
        dovecot = make(settings={"coi_push_subscription_limit": 3})
        bob = dovecot.imap("bob")
        for number, token in enumerate(("a", "b", "c")):
            set_token(bob, token)
            age(dovecot, token, (10 - number) * DAY)
        set_token(bob, "a")
        assert set_token(bob, "d").status == "OK"
        assert sorted(tokens(bob).split()) == ["a", "c", "d"]
        many = " ".join(f'{NAME} "{number}"' for number in range(4))
        reply = bob.cmd(f'SETMETADATA "INBOX" ({many})')
        assert reply.tagged.startswith(b"NO [LIMIT] Too many device tokens, limit is 3")
        assert sorted(tokens(bob).split()) == ["a", "c", "d"]

    def test_limit_holds_at_once(self, make):
        """D3: however many clients set theirs at the same moment."""
        dovecot = make(settings={"coi_push_subscription_limit": 3})
        clients = [dovecot.imap("bob") for _ in range(8)]
        replies = dovecot.at_once(*[
            lambda client=client, number=number: set_token(client, f"t{number}")
            for number, client in enumerate(clients)])
        assert {reply.status for reply in replies} == {"OK"}
        assert len(tokens(clients[0]).split()) == 3


class TestRing:
    @pytest.mark.parametrize("way", ["lmtp", "lda"])
    def test_message(self, make, driver, http_service, way):
        """D8: each message rings each device, once; nothing else need be set up, and
        it is the same for chat and mail."""
        dovecot = make(driver=driver)
        bob = dovecot.imap("bob")
        assert set_token(bob).status == "OK"
        assert set_token(bob, TOKEN2, literal=True).status == "OK"
        send(dovecot, way, "bob", mail("one"))
        assert sorted(rung(dovecot, http_service, 2)) == sorted([TOKEN, TOKEN2])
        enable(bob)
        send(dovecot, way, "bob", chat("two"))
        assert sorted(rung(dovecot, http_service, 4)) == sorted([TOKEN, TOKEN2] * 2)
        assert {request.path for request in http_service.requests} == {"/push/notify"}
        send(dovecot, way, "alice", mail("three"))
        assert len(rung(dovecot, http_service, 4)) == 4
        assert not list(dovecot.home("alice").rglob("dovecot-coi"))

    @pytest.mark.parametrize("sieve", ["fileinto \"Other\";", "keep;"])
    def test_sieve(self, make, http_service, sieve):
        """D8: wherever a script puts it, once."""
        dovecot = make(sieve=True)
        bob = dovecot.imap("bob")
        bob.ok("CREATE Other")
        set_token(bob)
        dovecot.sieve("bob", f'require "fileinto"; {sieve}')
        dovecot.delivered("bob", mail("one"))
        assert rung(dovecot, http_service, 1) == [TOKEN]

    def test_what_does_not_ring(self, make, http_service):
        """D8: muted and blocked senders, read receipts, the user's own messages, and
        what is appended."""
        dovecot = make(users={"alice": {}, "bob": {"coi_user_addresses": "bob@example.org"}})
        bob = enabled(dovecot, "bob")
        set_token(bob)
        assert set_entry(bob, f"{CONTACTS}/{name_hash('carol')}",
                         '{"notify":"none"}').status == "OK"
        block(bob, "dave")
        for sender in ("carol", "dave", "bob"):
            dovecot.delivered("bob", mail("x", sender=f"{sender}@example.org"))
        dovecot.delivered("bob", mail("receipt", RECEIPT).replace(
            b"Content-Type: text/plain; charset=utf-8\n", b""))
        assert bob.append("INBOX", mail("appended")).status == "OK"
        dovecot.delivered("bob", mail("rings"))
        assert rung(dovecot, http_service, 1) == [TOKEN]
        assert len(http_service.requests) == 1

    def test_beside_web_push(self, make, http_service, push_service):
        """D6 D8: Web Push to the same place is refused as ever, another service gets
        its validation, and both ring by themselves."""
        dovecot = make(settings=SETTINGS)
        bob = enabled(dovecot, "bob")
        assert "WEBPUSH" in bob.capability() and "XDELTAPUSH" in bob.capability()
        set_token(bob)
        for url, why in ((http_service.url("notify"), b"it must begin with https://"),
                         (push_service.url("a"), b"its host is no public name"),
                         ("https://127.0.0.1/", b"its host is a loopback address")):
            reply = subscribe(bob, "phone00001", Phone(url))
            assert reply.status == "NO" and why in reply.tagged
        assert get_entry(bob, VAPID) is not None
        assert subscribe(bob, "phone00001", Phone()).status == "OK"
        dovecot.delivered("bob", mail("one"))
        assert http_service.wait(1)[0].body.decode() == TOKEN
        set_entry(bob, entry("phone00001"), None)
        assert "has-subscriptions" in store(dovecot, "bob").read_text()
        dovecot.delivered("bob", mail("two"))
        assert rung(dovecot, http_service, 2) == [TOKEN] * 2
        assert push_service.connections == 0

    @pytest.mark.parametrize("how", ["get", "set", "check"])
    def test_gone(self, make, http_service, how):
        """D7: 410: the token is dropped when a client looks or sets one, or doveadm
        checks; the others stay. Set again it rings again."""
        dovecot = make()
        bob = dovecot.imap("bob")
        http_service.answer("notify", Answer(410))
        set_token(bob)
        dovecot.delivered("bob", mail("one"))
        with Client(dovecot) as client:
            wait_until(lambda: client.gone("bob"), "the note")
            http_service.answer("notify", Answer(200))
            if how == "set":
                assert set_token(bob, TOKEN2).status == "OK"
            elif how == "check":
                assert dovecot.doveadm("coi", "check", "-u", "bob") == ""
            else:
                assert tokens(bob) == TOKEN
            wait_until(lambda: not stored(dovecot, TOKEN), "it is gone")
            wait_until(lambda: not client.gone("bob"), "the note is gone")
        assert tokens(bob) == (TOKEN2 if how == "set" else None)
        assert not stored(dovecot, TOKEN)
        set_token(bob)
        dovecot.delivered("bob", mail("two"))
        assert TOKEN in rung(dovecot, http_service, 3 if how == "set" else 2)[1:]

    def test_set_again_after_gone(self, make, http_service):
        """D7: the client knows better: a token that it has set since stays."""
        dovecot = make()
        bob = dovecot.imap("bob")
        http_service.answer("notify", Answer(410), Answer(200))
        set_token(bob)
        dovecot.delivered("bob", mail("one"))
        with Client(dovecot) as client:
            wait_until(lambda: client.gone("bob"), "the note")
            set_token(bob)
            dovecot.delivered("bob", mail("two"))
            assert rung(dovecot, http_service, 2) == [TOKEN] * 2
            assert tokens(bob) == TOKEN
            wait_until(lambda: not client.gone("bob"), "the note is gone")
        assert tokens(bob) == TOKEN and stored(dovecot, TOKEN)
        dovecot.delivered("bob", mail("three"))
        assert rung(dovecot, http_service, 3) == [TOKEN] * 3

    def test_plugin_is_not_needed(self, make):
        """D3: a client that sets the only token of its user costs its process no
        plugin; with a second one the worker is asked about the first."""
        dovecot = make()

        def loaded():
            [pid] = dovecot.processes("imap")
            return "coi_push_plugin" in pathlib.Path(f"/proc/{pid}/maps").read_text()
        bob = dovecot.imap("bob")
        assert set_token(bob).status == set_token(bob).status == "OK"
        assert not loaded()
        assert set_token(bob, TOKEN2).status == "OK" and loaded()

    def test_retry(self, make, http_service):
        """D7: 500: again, and the token stays."""
        dovecot = make()
        bob = dovecot.imap("bob")
        http_service.answer("notify", Answer(500), Answer(200))
        set_token(bob)
        dovecot.delivered("bob", mail("one"))
        assert rung(dovecot, http_service, 2) == [TOKEN] * 2
        assert tokens(bob) == TOKEN

    def test_nobody_waits(self, make, http_service):
        """W37: neither delivery nor the client, whatever the service does."""
        dovecot = make({"coi_push_timeout": "10 mins"})
        bob = dovecot.imap("bob")
        set_token(bob)
        http_service.answer("notify", Answer(held=True))
        for number in range(3):
            dovecot.delivered("bob", mail(str(number)))
            assert set_token(bob, f"token{number}").status == "OK"
        assert all(not request.end for request in http_service.received())

    @pytest.mark.parametrize("worker_hangs", [False, True])
    def test_no_worker(self, server, worker_hangs):
        """W37: nor without a worker, or one that does not read."""
        dovecot = server(settings={"coi_deltachat_push_url": "http://127.0.0.1:9/"})
        dovecot.allow_error("Pushes have to wait|Pushes may be lost")
        with socket.socket(socket.AF_UNIX) as sock:
            if worker_hangs:
                sock.bind(str(dovecot.dir / "run" / "coi-push"))
                sock.listen(64)
            bob = dovecot.imap("bob")
            assert set_token(bob).status == "OK" and tokens(bob) == TOKEN
            dovecot.delivered("bob", mail("one"))
            assert bob.messages("INBOX")
            dovecot.stop()

    def test_secret(self, make, http_service):
        """W39: tokens stand in no log, not even for debugging."""
        dovecot = make()
        bob = dovecot.imap("bob")
        set_token(bob)
        http_service.answer("notify", Answer(500), Answer(410))
        dovecot.delivered("bob", mail("one"))
        http_service.wait(2)
        bob.ok(f'SETMETADATA "INBOX" ({NAME} NIL)')
        dovecot.wait_log("Subscription dc-.* removed")
        assert "wU4DhQ" not in dovecot.log_text()
        for change in ("registered", "removed"):
            assert f"Subscription {token_id(TOKEN)} {change}" in dovecot.log_text()


class TestAdministrator:
    def rows(self, dovecot, *args):
        return json.loads(dovecot.doveadm("-f", "json", "coi", "push", *args))

    def test_list(self, make, http_service):
        """D9: tokens stand beside subscriptions, masked unless asked for."""
        dovecot = make()
        set_token(dovecot.imap("bob"))
        assert status(dovecot) == OFF | {"subscriptions": 1}
        [row] = self.rows(dovecot, "list", "-u", "bob")
        assert row.pop("created")[:2] == "20"
        assert row == {"id": token_id(TOKEN), "client": "Delta Chat", "device": "",
                       "msgtype": "all", "validated": "yes", "host": http_service.names[0],
                       "endpoint": "***", "p256dh": "", "auth": ""}
        [row] = self.rows(dovecot, "list", "-u", "bob", "--show-secrets")
        assert row["endpoint"] == TOKEN
        assert self.rows(dovecot, "list", "-u", "alice") == []

    def test_remove(self, make, http_service):
        """D9: one or all; the worker drops what waits."""
        dovecot = make()
        bob = dovecot.imap("bob")
        http_service.answer("notify", Answer(500))
        for token in ("a", "b", "c"):
            set_token(bob, token)
        dovecot.delivered("bob", mail("one"))
        http_service.wait(3)
        with Client(dovecot) as client:
            names = {job["subscription"] for job in client.queue("bob").values()}
            assert names == {token_id(token) for token in "abc"}
            assert {row["subscription"] for row in self.rows(dovecot, "queue", "-u", "bob")} \
                == names
            dovecot.doveadm("coi", "push", "remove", "-u", "bob", token_id("a"))
            assert {job["subscription"] for job in client.queue("bob").values()} == \
                {token_id("b"), token_id("c")}
            assert sorted(tokens(bob).split()) == ["b", "c"]
            code, output = dovecot.doveadm("coi", "push", "remove", "-u", "bob",
                                           token_id("a"), check=False)
            assert code == 68 and "There is no subscription" in output
            assert "removed=2" in dovecot.doveadm("coi", "push", "remove", "-u", "bob", "--all")
            assert tokens(bob) is None and not client.queue("bob")

    def test_test(self, make, http_service):
        """D9: a test is as any other push."""
        dovecot = make()
        set_token(dovecot.imap("bob"))
        [row] = self.rows(dovecot, "test", "-u", "bob", token_id(TOKEN))
        assert row["id"] == token_id(TOKEN) and row["job"]
        assert rung(dovecot, http_service, 1) == [TOKEN]
        code, output = dovecot.doveadm("coi", "push", "test", "-u", "bob", token_id("x"),
                                       check=False)
        assert code != 0 and "coi_push_subject is empty" in output

    def test_check(self, make):
        """D9: what we have not written goes, and the mark is mended."""
        dovecot = make()
        bob = dovecot.imap("bob")
        set_token(bob)
        set_token(bob, "b")
        stored(dovecot, "b").write_text(f"{int(time.time())}-000000 another")
        state = store(dovecot, "bob")
        state.write_text(state.read_text().replace("has-subscriptions\tyes\n", ""))
        assert "has-subscriptions" not in state.read_text()
        code, output = dovecot.doveadm("coi", "check", "-u", "bob", check=False)
        assert f"webpush/tokens/{token_id('b')} is damaged" in output
        assert "There are subscriptions or tokens, but deliveries do not know" in output
        assert not stored(dovecot, "b") and tokens(bob) == TOKEN
        assert "has-subscriptions" in store(dovecot, "bob").read_text()
        assert dovecot.doveadm("coi", "check", "-u", "bob") == ""

    def test_export_and_erase(self, make):
        """D9: all that is kept is told, and removed."""
        dovecot = make()
        bob = dovecot.imap("bob")
        assert "tokens" not in json.loads(dovecot.doveadm("coi", "export", "-u", "bob"))
        set_token(bob)
        set_token(bob, TOKEN2)
        found = json.loads(dovecot.doveadm("coi", "export", "-u", "bob"))["tokens"]
        assert {name: value["token"] for name, value in found.items()} == \
            {token_id(token): token for token in (TOKEN, TOKEN2)}
        dovecot.doveadm("coi", "erase", "-u", "bob")
        assert not list(dovecot.home("bob").rglob("dovecot-coi"))
        assert tokens(bob) is None

    def test_dsync(self, make, driver, http_service):
        """D9 S43: the other side rings too; what is removed goes there as well."""
        dovecot = make(driver=driver)
        bob, alice = dovecot.imap("bob"), dovecot.imap("alice")
        set_token(bob)
        set_token(bob, TOKEN2)
        state = backup(dovecot, "")
        assert sorted([tokens(alice)]) == sorted([tokens(bob)])
        assert "has-subscriptions" in store(dovecot, "alice").read_text()
        bob.ok(f'SETMETADATA "INBOX" ({NAME} NIL)')
        set_token(bob, "other")
        backup(dovecot, state)
        assert tokens(alice) == "other"
        dovecot.delivered("alice", mail("one", sender="x@example.net"))
        assert rung(dovecot, http_service, 1) == ["other"]
