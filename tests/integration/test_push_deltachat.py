"""Device tokens of Delta Chat: what clients set, what the worker sends where, and
that nothing is different where the administrator has not set them up."""

import contextlib

import pytest

from coitest import wait_until
from coitest.pushservice import Answer, PushService
from coitest.worker import Client, Job, options, token_job

TOKEN = "openpgp:wU4DhQ/+a=="
NOT_THE_URL = "endpoint is not allowed: it is not coi_deltachat_push_url"


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
            client.push(token_job(service.url("notify"), TOKEN))
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
                                  ({"topic": "x"}, "topic"),
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

    @pytest.mark.parametrize("status", [500, 503, 429, 404, 400, 413, 301])
    def test_retry(self, http_service, worker, status):
        """D7: whatever else it answers, it is asked again."""
        _, client = worker(http_service.url("notify"))
        http_service.answer("notify", Answer(status), Answer(204))
        client.push(token_job(http_service.url("notify")))
        first, second = http_service.wait(2)
        assert first.body == second.body and second.at - first.at > 4
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

    def test_off(self, http_service, worker):
        """D6: without the setting there are none."""
        _, client = worker("")
        job = token_job(http_service.url("notify"))
        assert client.try_push(job) == {job.id: NOT_THE_URL}
        assert http_service.connections == 0
