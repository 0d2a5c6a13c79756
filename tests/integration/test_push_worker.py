"""The worker: jobs over its socket, pushes to a push service, and what a bad
service or a bad client can do to it."""

import contextlib
import hashlib
import os
import pathlib
import random
import resource
import signal
import socket
import sqlite3
import threading
import time

import pytest

from coitest import config, wait_until
from coitest.authority import Authority
from coitest.dnsserver import NXDOMAIN, SERVFAIL, SILENCE
from coitest.forwarder import Forwarder
from coitest.pushservice import Answer, PushService
from coitest.vectors import endpoints
from coitest.worker import Client, Job, jobs, options


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def service(authority):
    with PushService(authority) as service:
        yield service


@pytest.fixture(params=[True, False], ids=["h2", "h1"])
def any_service(authority, request):
    with PushService(authority, http2=request.param) as service:
        service.http2 = request.param
        yield service


@pytest.fixture
def worker(server, authority, tmp_path):
    """Call it with settings of the worker; gives a server and a client."""
    with contextlib.ExitStack() as stack:
        def make(extra="", **settings):
            more = options(tmp_path, authority, **settings)
            more["extra"] += "\n" + extra
            one = server(**more)
            # before the service, to which it still connects
            stack.callback(one.stop)
            return one, stack.enter_context(Client(one))
        yield make


def url_hash(url):
    return hashlib.sha256(url.encode()).hexdigest()


class TestDelivery:
    def test_headers(self, any_service, worker):
        """W35, W17: what a push service gets of a job."""
        _, client = worker()
        client.push(Job(any_service.url("a"), authorization="vapid t=x.y.z, k=w", ttl=77,
                        urgency="high", topic="chat_1", body=b"\0\1\xff body"))
        request, = any_service.wait(1)
        assert (request.method, request.path, request.body) == \
            ("POST", "/push/a", b"\0\1\xff body")
        assert request.version == ("2" if any_service.http2 else "1.1")
        for name, value in {"Authorization": "vapid t=x.y.z, k=w", "TTL": "77",
                            "Urgency": "high", "Topic": "chat_1",
                            "Content-Encoding": "aes128gcm",
                            "Content-Length": "8", "User-Agent": "dovecot-coi"}.items():
            assert request.header(name) == value
        for name in ("WebPush-Validation", "Expect", "Accept", "Cookie", "Referer"):
            assert request.header(name) is None
        client.wait_empty()

    def test_validation(self, any_service, worker):
        """W17: a header without a value."""
        _, client = worker()
        client.push(Job(any_service.url("a"), validation="validation"))
        request, = any_service.wait(1)
        assert request.header("WebPush-Validation") == ""
        assert request.header("Urgency") == "normal"
        assert request.header("Topic") is None

    def test_path_as_is(self, any_service, worker):
        """W36: no second parser makes another path of it."""
        _, client = worker()
        client.push(Job(any_service.origin + "/a/../b/./%2e%2E//c?d=/../e"))
        request, = any_service.wait(1)
        assert request.path == "/a/../b/./%2e%2E//c?d=/../e"

    def test_known_id(self, any_service, worker):
        """W38: a client that has lost the answer sends the job again."""
        server, client = worker()
        held = any_service.answer("a", Answer(held=True))
        job = Job(any_service.url("a"))
        client.push(job)
        client.push(job)
        with Client(server) as other:
            other.push(job)
        assert list(client.queue()) == [job.id]
        held.release()
        client.wait_empty()
        assert len(any_service.received("a")) == 1

    def test_order(self, any_service, worker):
        """Pushes of one subscription arrive in their order, each once."""
        _, client = worker()
        many = jobs(any_service.url("a"), 100)
        client.push(*many)
        any_service.wait(100)
        assert [request.body for request in any_service.received("a")] == \
            [job.body for job in many]
        client.wait_empty()
        assert any_service.connections <= 2

    def test_fair(self, any_service, worker):
        """A user with many jobs does not keep others waiting."""
        _, client = worker()
        held = Answer(held=True)
        any_service.answer("slow0", held, Answer())
        client.push(*[Job(any_service.url(f"slow{number % 10}"), user="alice",
                          subscription=f"subscription-{number % 10}")
                      for number in range(500)])
        client.push(Job(any_service.url("b"), user="bob"))
        any_service.wait(1, "b")
        held.release()
        any_service.wait(501)
        before = [request.path for request in any_service.received()].index("/push/b")
        assert before < 400


class TestVerdict:
    """W31: what the answer means."""

    def test_gone(self, any_service, worker):
        """The subscription's jobs stop at once, and it is noted until it is
        forgotten."""
        server, client = worker()
        url = any_service.url("a")
        held = any_service.answer("a", Answer(410, held=True))
        client.push(*jobs(url, 3), Job(any_service.url("b"), subscription="subscription-2"))
        any_service.wait(1, "b")
        held.release()
        client.wait_empty()
        assert len(any_service.received("a")) == 1
        note = ("subscription-1", url_hash(url))
        assert client.gone("alice") == {note}
        assert client.gone("bob") == set()
        late = Job(url)
        assert client.try_push(late) == {late.id: "the subscription is gone"}
        assert client.command("FORGET", "alice", *note) == [["OK", "FORGET"]]
        assert client.gone("alice") == set()
        any_service.answer("a", Answer())
        client.push(Job(url))
        any_service.wait(2, "a")

    def test_gone_validation(self, service, worker):
        """A validation is for a new subscription, which is not the one that was
        gone."""
        _, client = worker()
        service.answer("a", Answer(404), Answer(201))
        client.push(Job(service.url("a")))
        wait_until(lambda: client.gone("alice"), "a note")
        client.push(Job(service.url("a"), validation="validation"))
        assert client.gone("alice") == set()
        service.wait(2, "a")

    def test_shrink(self, any_service, worker):
        """413: the small body is sent at once."""
        _, client = worker()
        any_service.answer("a", Answer(413), Answer(201))
        client.push(Job(any_service.url("a"), body=b"large" * 500, small_body=b"small"))
        assert [request.body for request in any_service.wait(2, "a")] == [b"large" * 500, b"small"]
        client.wait_empty()

    def test_shrink_twice(self, service, worker):
        """Too large even so: it goes, the next one comes."""
        server, client = worker()
        service.answer("a", Answer(413), Answer(413), Answer(201))
        client.push(Job(service.url("a"), small_body=b"small"), Job(service.url("a"), body=b"next"))
        assert [request.body for request in service.wait(3, "a")] == [b"body", b"small", b"next"]
        server.wait_log("dropped after 2 attempts: the push service refuses it: status 413")

    def test_retry_after(self, service, worker):
        """429: this endpoint waits for as long as it was told to, others do not."""
        _, client = worker()
        service.answer("a", Answer(429, {"Retry-After": "600"}))
        first, second = jobs(service.url("a"), 2)
        client.push(first, second)
        service.wait(1, "a")
        waiting = wait_until(lambda: client.queue()[first.id]["status"] == "429" and client.queue(),
                             "a second attempt that is planned")
        assert 590 <= int(waiting[first.id]["next"]) - time.time() <= 605
        assert waiting[first.id]["attempts"] == "1"
        assert waiting[second.id]["attempts"] == "0"
        client.push(Job(service.url("b"), subscription="subscription-2"))
        service.wait(1, "b")
        assert len(service.received("a")) == 1

    def test_retry(self, service, worker):
        """It comes again, the same, some seconds later."""
        _, client = worker()
        names = {str(status): status for status in (429, 500, 503, 599)}
        for name, status in names.items():
            service.answer(name, Answer(status), Answer(201))
        client.push(*[Job(service.url(name), topic="chat", body=name.encode(),
                          subscription=f"subscription-{name}") for name in names])
        for name in names:
            first, second = service.wait(2, name)
            assert second.at - first.at >= 4.9
            assert (first.body, first.header("Topic")) == \
                (second.body, second.header("Topic")) == (name.encode(), "chat")
        client.wait_empty()

    @pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 405, 499])
    def test_refused(self, service, worker, status):
        """Our fault: it goes, the subscription stays."""
        server, client = worker()
        service.answer("a", Answer(status), Answer(201))
        client.push(*jobs(service.url("a"), 2))
        service.wait(2, "a")
        server.wait_log(f"Info: Job .* dropped .*: the push service refuses it: status {status}")
        client.wait_empty()
        assert client.gone("alice") == set()

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirect(self, service, worker, status):
        """W36: nobody is sent elsewhere."""
        server, client = worker()
        service.answer("a", Answer(status, {"Location": service.url("elsewhere")}))
        client.push(Job(service.url("a")))
        server.wait_log(f"dropped .* status {status}")
        assert service.received("elsewhere") == []

    def test_deadline(self, service, worker):
        """A retry after the deadline makes no sense."""
        server, client = worker()
        service.answer("a", Answer(503))
        client.push(Job(service.url("a"), deadline=int(time.time()) + 3))
        server.wait_log("dropped after 1 attempts: it cannot be sent again before its deadline")
        client.wait_empty()

    def test_deadline_setting(self, service, worker):
        """W34: no job lives longer than the administrator wants."""
        server, client = worker(deadline="2 secs")
        service.answer("a", Answer(503))
        client.push(Job(service.url("a")))
        server.wait_log("dropped after 1 attempts: it cannot be sent again before its deadline")

    def test_private(self, service, worker):
        """W39: neither endpoint nor key stand in the log above debug level."""
        server, client = worker()
        for name, status in (("secret-subscription-1", 201), ("secret-subscription-2", 400),
                             ("secret-subscription-3", 410)):
            service.answer(name, Answer(status))
            client.push(Job(service.url(name), subscription=name, authorization="vapid t=secret"))
        bad = Job("https://secret-4@localhost/", authorization="vapid t=secret")
        assert bad.id in client.try_push(bad)
        client.wait_empty()
        lines = [line for line in server.log_text().splitlines() if "secret" in line]
        assert all("subscription secret-subscription-" in line for line in lines)
        assert not any("/push/" in line or "t=secret" in line or "secret-4" in line
                       for line in lines)


    def test_failing(self, server, authority, tmp_path, service):
        """W34: what has failed for two weeks, with no success in between, is gone."""
        one = server(**options(tmp_path, authority))
        service.answer("a", Answer(503))
        with Client(one) as client:
            client.push(Job(service.url("a")), Job(service.url("b"), user="bob"))
            wait_until(lambda: len(client.queue()) == 1 and "'status': '503'" in
                       str(client.queue()), "a failure")
        one.stop()
        with contextlib.closing(sqlite3.connect(tmp_path / "queue" / "queue.sqlite")) as queue:
            queue.execute("UPDATE failing SET since = since - 14*24*60*60")
            queue.commit()
        one.start()
        with Client(one) as client:
            client.wait_empty()
            assert client.gone("alice") == {("subscription-1", url_hash(service.url("a")))}
            assert client.gone("bob") == set()


BAD_CONNECTIONS = ["hang", "reset", "close", "noise"]
BAD_ANSWERS = {
    "held": Answer(held=True),
    "reset": Answer(reset=True),
    "close": Answer(close=True),
    "no_status": Answer(raw=b"HTTP/1.1 2"),
    "bad_status": Answer(raw=b"HTTP/1.1 abc\r\n\r\n"),
    "http_0.9": Answer(raw=b"201 Created"),
    "drip": Answer(raw=b"HTTP/1.1 201 Created\r\n\r\n", drip_secs=0.5),
    "interim": Answer(raw=b"HTTP/1.1 103 Wait\r\n\r\n" * 10000),
}


class TestFaults:
    """W37: a push service that does not do what it should."""

    def failed(self, client, job):
        """Waits for the first attempt to fail; it did without a status."""
        waiting = wait_until(
            lambda: (row := client.queue()[job.id])["attempts"] == "1" and row, "a failure")
        assert waiting["status"] == "0"

    @pytest.mark.parametrize("what", BAD_CONNECTIONS)
    def test_connection(self, service, worker, authority, what):
        """Others do not wait for it; and when it is well again it gets its push."""
        _, client = worker()
        with PushService(authority, names=("127.0.0.1",)) as bad:
            bad.on_connect = what
            job = Job(bad.url("a"))
            client.push(job)
            bad.wait_connections()
            client.push(Job(service.url("b"), user="bob"))
            service.wait(1, "b")
            self.failed(client, job)
            bad.on_connect = "serve"
            bad.wait(1, "a")
        client.wait_empty()

    def test_refused(self, service, worker):
        _, client = worker()
        service.refuse()
        job = Job(service.url("a"))
        client.push(job)
        self.failed(client, job)
        service.listen()
        service.wait(1, "a")
        client.wait_empty()

    @pytest.mark.parametrize("name", BAD_ANSWERS)
    def test_answer(self, worker, authority, name):
        """One that is none: it is sent again."""
        answer = BAD_ANSWERS[name]
        _, client = worker()
        with PushService(authority, http2=answer.raw is None) as service:
            service.answer("a", answer, Answer())
            job = Job(service.url("a"))
            client.push(job)
            self.failed(client, job)
            service.wait(2, "a")
            client.wait_empty()

    @pytest.mark.parametrize("http2, answer", [
        (True, Answer(endless=True)), (False, Answer(endless=True)),
        (True, Answer(body=b"x" * 50, drip_secs=0.1)),
        (True, Answer(body=b"x" * 1000000)), (False, Answer(body=b"x" * 1000000)),
        (True, Answer(headers={"X": "x" * 50000})), (False, Answer(headers={"X": "x" * 50000})),
    ], ids=["endless-h2", "endless-h1", "drip-h2", "long-h2", "long-h1", "header-h2", "header-h1"])
    def test_body(self, worker, authority, http2, answer):
        """The status is there: what follows is of no interest, and costs others
        nothing."""
        server, client = worker()
        with PushService(authority, http2=http2) as service:
            service.answer("a", *[answer] * 3, Answer())
            client.push(*jobs(service.url("a"), 20),
                        *jobs(service.url("b"), 20, subscription="subscription-2"))
            service.wait(20, "b")
            service.wait(20, "a", bound=30)
            client.wait_empty()
            assert len({request.body for request in service.received("a")}) == 20
        if not answer.drip_secs:
            # (to curl 7.88 a very long header over HTTP/2 is none, the first time)
            wait_until(lambda: server.log_text().count("done: the answer is too long") in (2, 3),
                       "long answers")

    def test_kept_connection(self, any_service, worker):
        """One that has died is made anew."""
        _, client = worker()
        client.push(Job(any_service.url("a")))
        client.wait_empty()
        any_service.drop_connections()
        client.push(Job(any_service.url("a")))
        any_service.wait(2, "a")
        assert any_service.connections == 2

    @pytest.mark.parametrize("names", [("localhost",), ("other.example.net",)])
    def test_certificate(self, server, authority, tmp_path, names):
        """Of somebody else, or by somebody else: no push."""
        if names == ("localhost",):
            authority = Authority(tmp_path / "other")
            settings = {"ca_file": None}
        else:
            settings = {"ca_file": authority.ca}
        one = server(**options(tmp_path, **settings))
        with PushService(authority, names=names) as service, Client(one) as client:
            job = Job(service.url("a", host="localhost"))
            client.push(job)
            self.failed(client, job)
            assert service.requests == []

    def test_dead_connection(self, any_service, worker):
        """Nobody is at its other end any more: the next try takes another one."""
        _, client = worker(timeout="1 secs")
        with Forwarder(any_service.port) as forwarder:
            def job(name):
                return Job(f"https://localhost:{forwarder.port}/push/{name}",
                           subscription=f"subscription-{name}")
            client.push(job("a"))
            any_service.wait(1, "a")
            client.wait_empty()
            forwarder.freeze()
            many = [job(name) for name in "bcd"]
            client.push(*many)
            for name in "bcd":
                any_service.wait(1, name)
            client.wait_empty()

    def test_slow_among_others(self, service, worker):
        """A request that times out does not take a connection with it that works."""
        _, client = worker(timeout="3 secs")
        service.answer("slow", Answer(held=True))
        slow, before, after = [Job(service.url(name), subscription=f"subscription-{name}")
                               for name in ("slow", "before", "after")]
        client.push(slow)
        service.wait(1, "slow")
        client.push(before)
        service.wait(1, "before")
        wait_until(lambda: client.queue("alice")[slow.id]["attempts"] != "0",
                   "the end of the slow one")
        client.push(after)
        service.wait(1, "after")
        assert service.connections == 1

    def test_breaker(self, service, worker):
        """An origin that fails is left alone; others are not."""
        server, client = worker()
        for number in range(20):
            service.answer(f"a{number}", Answer(503))
        client.push(*[Job(service.url(f"a{number}"), user=f"user{number}")
                      for number in range(20)])
        server.wait_log(r"Info: Push service https://localhost:\d+ fails")
        count = len(service.received())
        assert 5 <= count < 20
        client.push(Job(service.url("b"), user="bob"))
        with PushService() as other:
            client.push(Job(other.url("c"), user="bob"))
            other.wait(1, "c")
        assert service.received("b") == []


def connected(client):
    """The worker's ends of the connections to it."""
    path = client.sock.getpeername()
    lines = pathlib.Path("/proc/net/unix").read_text().splitlines()
    # state 3: connected
    return [line for line in lines if line.endswith(f" {path}") and line.split()[5] == "03"]


def kill(server, signum=signal.SIGKILL):
    """Ends the worker, and waits until it is gone."""
    pid, = wait_until(lambda: server.processes("coi-push"), "a worker")
    os.kill(pid, signum)
    wait_until(lambda: pid not in server.processes("coi-push"), "the end of the worker")


# A push that is on its way at that moment arrives twice.
KILLS = 3


class TestQueue:
    """W38: nothing that was taken is lost."""

    @pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
    def test_restart(self, service, worker, signum):
        """On their way or not, the next worker sends them."""
        server, client = worker()
        server.allow_error("coi-push.* killed with signal 9")
        held = Answer(held=True)
        service.answer("a1", held, Answer())
        many = [Job(service.url(f"a{number}"), subscription=f"subscription-{number}")
                for number in range(50)]
        client.push(*many)
        service.wait(1, "a1")
        kill(server, signum)
        held.release()
        with Client(server) as again:
            again.wait_empty()
        assert {request.path for request in service.received()} == \
            {f"/push/a{number}" for number in range(50)}

    def test_dovecot_restart(self, server, authority, tmp_path, service):
        one = server(**options(tmp_path, authority))
        service.answer("a", Answer(503), Answer())
        with Client(one) as client:
            client.push(Job(service.url("a")))
            service.wait(1, "a")
            wait_until(lambda: "attempts': '1'" in str(client.queue()), "a failure")
        one.stop()
        one.start()
        first, second = service.wait(2, "a")
        assert second.at - first.at > 3.9  # the queue knows seconds only

    @pytest.mark.parametrize("shutdown_clients", ["yes", "no"])
    def test_reload(self, service, worker, shutdown_clients):
        """The old worker does not wait for its clients, whatever others do: the new
        one needs the queue."""
        server, client = worker(extra=f"shutdown_clients = {shutdown_clients}")
        held = Answer(held=True)
        service.answer("a", held, Answer())
        client.push(Job(service.url("a")))
        service.wait(1, "a")
        pid, = server.processes("coi-push")
        server.doveadm("reload")
        wait_until(lambda: server.processes("coi-push") not in ([], [pid]), "another worker")
        assert client.read() is None
        with Client(server) as again:
            again.push(Job(service.url("b")))
            service.wait(1, "b")
            again.wait_empty()
        assert len(service.received("a")) == 2

    def test_kill_often(self, service, worker):
        """Killed at random moments: all that was taken arrives, and hardly any
        twice."""
        server, _ = worker()
        server.allow_error("coi-push.* (killed with signal 9|startup failed)")
        taken = []
        stop = threading.Event()

        def killer():
            for _ in range(KILLS):
                if stop.wait(random.uniform(0.2, 1)):
                    break
                for pid in server.processes("coi-push"):
                    os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=killer)
        thread.start()
        try:
            for number in range(400):
                many = [Job(service.url(f"{number}-{copy}"), user=f"user{number % 20}",
                            subscription=f"subscription-{copy}", body=f"{number} {copy}".encode())
                        for copy in range(5)]
                # whose answer is lost is sent again, by the same id
                while many:
                    many = self.push_some(server, many, taken)
                # no faster than they arrive
                service.wait(len(taken) - 2)
        finally:
            stop.set()
            thread.join()
        with Client(server) as again:
            again.wait_empty()
        bodies = [request.body for request in service.received()]
        assert set(bodies) == {job.body for job in taken}
        assert len(taken) == 2000
        assert len(bodies) - len(set(bodies)) <= 20

    def push_some(self, server, many, taken):
        """Returns those that were not answered."""
        try:
            with Client(server) as client:
                client.push(*many)
        except ConnectionError:
            return many
        taken += many
        return []

    def test_damaged(self, server, authority, tmp_path, service):
        """A file that is no queue any more is moved aside."""
        one = server(**options(tmp_path, authority))
        service.answer("a", Answer(503))
        with Client(one) as client:
            client.push(Job(service.url("a")))
        one.stop()
        path = tmp_path / "queue" / "queue.sqlite"
        path.write_bytes(b"damaged" * 1000)
        one.expect_error("Error: .*queue.sqlite: .*")
        one.expect_error("Error: The queue was damaged, its jobs are lost: moved to .*damaged")
        one.start()
        with Client(one) as client:
            assert client.queue() == {}
            client.push(Job(service.url("b")))
            service.wait(1, "b")
        assert path.with_name("queue.sqlite.damaged").read_bytes() == b"damaged" * 1000

    def test_damaged_pages(self, server, authority, tmp_path, service):
        """Also if it still looks like one."""
        one = server(**options(tmp_path, authority))
        service.answer("a", Answer(503, {"Retry-After": "600"}))
        with Client(one) as client:
            client.push(*[Job(service.url("a"), body=b"x" * 2000) for _ in range(50)])
        one.stop()
        path = tmp_path / "queue" / "queue.sqlite"
        with open(path, "r+b") as file:
            for page in range(2, path.stat().st_size // 4096):
                file.seek(page * 4096)
                file.write(b"\xff" * 64)
        one.expect_error("Error: .*queue.sqlite: .* in database main")
        one.expect_error("Error: The queue was damaged")
        one.start()
        with Client(one) as client:
            client.push(Job(service.url("b")))
            service.wait(1, "b")

    def test_full_disk(self, service, worker):
        """A job that cannot be kept is refused; the others go on."""
        server, client = worker()
        server.expect_error("Error: .*queue.sqlite: .* failed")
        held = Answer(held=True)
        service.answer("a", held, Answer())
        first = Job(service.url("a"))
        client.push(first)
        service.wait(1, "a")
        pid, = server.processes("coi-push")
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
        late = Job(service.url("b"))
        assert client.try_push(late) == {late.id: "the queue cannot be written"}
        held.release()
        assert service.received("a")[0].wait_end()
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        server.wait_log("it can be written again")
        client.push(late)
        service.wait(1, "b")
        client.wait_empty()
        assert len(service.received("a")) == 1
        assert server.processes("coi-push") == [pid]

    def test_queue_max(self, service, worker):
        """The oldest go."""
        server, client = worker(queue_max=10)
        service.answer("a", Answer(held=True))
        many = jobs(service.url("a"), 15)
        client.push(*many)
        assert list(client.queue()) == [job.id for job in many[5:]]
        for job in many[:5]:
            server.wait_log(f"Info: Job {job.id} .* dropped after 0 attempts: the queue is full")

    def test_user_max(self, service, worker):
        """One user cannot fill it, nor one device keep the others from it."""
        server, client = worker()
        for name in "ab":
            service.answer(name, Answer(held=True))
        other = Job(service.url("b"), subscription="other-device")
        many = jobs(service.url("a"), 1000)
        client.push(other, *many)
        left = [job.id for job in (other, *many[11:])]
        assert list(client.queue("alice")) == left
        server.wait_log(f"Info: Job {many[10].id} .* dropped .*: the user has too many jobs")
        client.push(Job(service.url("c"), user="bob"))
        service.wait(1, "c")
        assert list(client.queue("alice")) == left

    def test_list_abandoned(self, service, worker):
        """Who goes away in the midst of a list leaves nothing behind."""
        server, client = worker()
        service.answer("a", Answer(held=True))
        for user in ("alice", "bob", "charlie", "dave"):
            client.push(*jobs(service.url("a"), 900, user=user))
        with Client(server) as other:
            other.send("QUEUE\t")
            # more than fits into the sockets
            assert other.read().startswith("JOB\t")
            # the worker does something else meanwhile
            assert client.queue("nobody") == {}
            assert len(connected(client)) == 2
        wait_until(lambda: len(connected(client)) == 1, "nobody else")

    def test_cancel(self, service, worker):
        """Unsubscribed: what waits is not sent."""
        _, client = worker()
        held = Answer(held=True)
        service.answer("a", held, Answer())
        client.push(*jobs(service.url("a"), 3),
                    *jobs(service.url("b"), 2, subscription="other-one-1"))
        service.wait(2, "b")
        service.wait(1, "a")
        assert client.command("CANCEL", "alice", "subscription-1") == [["OK", "CANCEL"]]
        assert client.queue() == {}
        client.push(Job(service.url("a"), body=b"new"))
        held.release()
        assert [request.body for request in service.wait(2, "a")] == [b"body 1", b"new"]
        service.answer("c", Answer(held=True))
        client.push(*[Job(service.url("c"), subscription=f"subscription-{one}") for one in "xyz"])
        assert client.command("CANCEL", "alice", "") == [["OK", "CANCEL"]]
        assert client.queue() == {}

    def test_wiped(self, service, worker, tmp_path):
        """What was sent does not stay on the disk."""
        server, client = worker()
        held = Answer(held=True)
        service.answer("a", held, Answer())
        client.push(Job(service.url("a"), authorization="vapid t=NeedleInTheHay"))
        service.wait(1, "a")

        def found():
            return [path.name for path in (tmp_path / "queue").iterdir()
                    if b"NeedleInTheHay" in path.read_bytes()]
        assert found()
        held.release()
        client.wait_empty()
        wait_until(lambda: not found(), "an empty disk")
        assert (tmp_path / "queue").stat().st_mode & 0o777 == 0o700
        assert all(path.stat().st_mode & 0o777 == 0o600
                   for path in (tmp_path / "queue").iterdir())

    def test_open_directory(self, server, authority, tmp_path):
        """Others could read it: the worker does not start; mail does not care."""
        (tmp_path / "queue").mkdir(mode=0o755)
        (tmp_path / "queue").chmod(0o755)
        one = server.unstarted(**options(tmp_path, authority))
        one.expect_error("Fatal: coi-push: .*/queue must be a directory with mode 0700")
        one.allow_error("service.coi-push.")
        one.start()
        one.wait_log("must be a directory with mode 0700")
        one.delivered("alice", b"Subject: x\n\nbody\n")


class TestClient:
    """What comes over the socket is not believed."""

    @pytest.mark.parametrize("fields, why", [
        ({"endpoint": "https://localhost:1/#x"}, "endpoint is not allowed: "
         "it must not have a fragment"),
        ({"endpoint": "https://a@localhost/"}, "endpoint is not allowed: "
         "it must not have a user name"),
        ({"endpoint": "file:///etc/passwd"}, "endpoint is not allowed: "
         "it must begin with https:// or http://"),
        ({"user": ""}, "invalid user"),
        ({"subscription": "../../x"}, "invalid subscription"),
        ({"authorization": "vapid t=a\r"}, "invalid authorization"),
        ({"ttl": -1}, "invalid ttl"),
        ({"deadline": 1}, "its deadline has passed"),
        ({"topic": "a b"}, "invalid topic"),
        ({"urgency": "very"}, "invalid urgency"),
        ({"body": b""}, "invalid body"),
        ({"body": b"x" * 4097}, "invalid body"),
        ({"small_body": b"x" * 4097}, "invalid small body"),
    ])
    def test_bad_job(self, worker, fields, why):
        _, client = worker()
        job = Job(**{"endpoint": "https://localhost:1/"} | fields)
        assert client.try_push(job) == {job.id: why}
        assert client.queue() == {}

    def test_bad_id(self, worker):
        _, client = worker()
        client.send("JOB\t" + Job("https://localhost:1/", id="short").line(), "JOB", "JOB\tx")
        assert [client.read() for _ in range(3)] == \
            ["NO\t-\tinvalid id"] + ["NO\t-\tnot a job of this version"] * 2

    @pytest.mark.parametrize("line, error", [
        ("HELLO", "Unknown command"), ("JOBS\tx", "Unknown command"),
        ("GONE", "Unknown command"), ("GONE\ta\tb", "Unknown command"),
        ("x" * 70000, "A line that is too long"),
    ], ids=["word", "longer_word", "no_field", "two_fields", "long"])
    def test_bad_line(self, worker, line, error):
        """Ends this connection, and nothing else."""
        server, client = worker()
        server.expect_error(f"Error: .*({error})")
        with Client(server) as other:
            other.send(line)
            with contextlib.suppress(ConnectionError):
                assert other.read() is None
        assert client.queue() == {}

    @pytest.mark.parametrize("line", ["JOB\tx", "VERSION\tother\t1\t0",
                                      "VERSION\tcoi-push\t2\t0"])
    def test_bad_version(self, worker, line):
        server, client = worker()
        server.expect_error("Error: .*(VERSION|wrong socket type|major version)")
        with Client(server, greet=False) as other:
            other.send(line)
            with contextlib.suppress(ConnectionError):
                while other.read() is not None:
                    pass
        assert client.queue() == {}

    def test_escapes(self, worker):
        """A name may hold anything but control characters."""
        _, client = worker()
        assert client.command("GONE", "a\x01tb") == []
        job = Job("https://localhost:1/", user="\u00f6 b")
        client.push(job)
        assert client.queue("\u00f6 b")[job.id]["user"] == "\u00f6 b"

    def test_long_list(self, service, worker):
        """A list of jobs comes as fast as it is read; meanwhile others go on."""
        server, client = worker()
        for number in range(3):
            service.answer(f"a{number}", Answer(held=True))
            client.push(*jobs(service.url(f"a{number}"), 1000, user=f"user{number}"))
        with Client(server) as other:
            other.send("QUEUE\t", "QUEUE\tuser1", "GONE\tx")
            client.push(Job(service.url("b"), user="bob"))
            service.wait(1, "b")
            lines = []
            while len(lines) < 2 or lines[-1] != "END\tGONE":
                lines.append(other.read())
        ends = [number for number, line in enumerate(lines) if line == "END\tQUEUE"]
        assert 3000 <= ends[0] <= 3001
        assert ends[1] - ends[0] == 1001


class TestSsrf:
    """W36: with coi_push_insecure = no, all of tests/vectors/webpush-endpoints."""

    @pytest.fixture
    def trap(self, authority):
        """Who connects to it has lost."""
        with PushService(authority, names=("push.example.net",)) as trap:
            yield trap
            assert trap.connections == 0

    @pytest.fixture
    def secure(self, trap, dns, worker):
        return worker(insecure="no", dns_servers=f"127.0.0.1:{dns.port}",
                      ports=f"443 {trap.port}")

    def dropped(self, server, client, many, attempts=1):
        """The log comes a moment later."""
        client.wait_empty()
        for job in many:
            server.wait_log(f"Job {job.id} of user {job.user}, subscription {job.subscription}: "
                            f"dropped after {attempts} attempts: "
                            "one of its addresses is not allowed: ")

    def test_urls(self, secure, trap):
        _, client = secure
        urls = endpoints("url") + [
            f"https://{host}:{trap.port}/" for host in ("127.0.0.1", "[::1]", "localhost")]
        many = [Job(url) for url in urls]
        answers = client.try_push(*many)
        assert [job.endpoint for job in many if not answers[job.id]] == []
        assert client.queue() == {}

    def test_addresses(self, secure, dns, trap):
        """A name that leads there, if only among others, or by another name."""
        server, client = secure
        lists = [[address] for address in endpoints("address")] + endpoints("name")
        for number, addresses in enumerate(lists):
            dns.answer(f"a{number}.example.net", addresses)
        for number, addresses in enumerate(endpoints("alias")):
            dns.answer(f"c{number}.example.net", f"d{number}.example.net")
            dns.answer(f"d{number}.example.net", addresses)
        names = [f"a{number}" for number in range(len(lists))] + \
            [f"c{number}" for number in range(len(endpoints("alias")))]
        many = [Job(trap.url(host=f"{name}.example.net"), user=f"user{name}") for name in names]
        assert len(many) > 80
        client.push(*many)
        self.dropped(server, client, many)

    def test_rebinding(self, secure, dns, trap):
        """A name that was good when it was looked at is not asked about again for
        the connection. 2d00::/8 belongs to nobody yet."""
        server, client = secure
        server.allow_error("coi-push.* killed with signal 9")
        many = []
        for number, (_, addresses) in enumerate(endpoints("rebind")):
            dns.answer(f"a{number}.example.net", ["2d00::1"], addresses)
            many.append(Job(trap.url(host=f"a{number}.example.net"), user=f"user{number}"))
        client.push(*many)
        wait_until(lambda: {row["attempts"] for row in client.queue().values()} == {"1"},
                   "failures")
        for number in range(len(many)):
            assert dns.asked(f"a{number}.example.net", "A") == 1
        kill(server)
        with Client(server) as again:
            self.dropped(server, again, many, attempts=2)

    def test_redirects(self, service, worker):
        """Nobody is sent elsewhere."""
        server, client = worker()
        many = []
        for number, url in enumerate(endpoints("redirect")):
            for status in (301, 307):
                name = f"{number}-{status}"
                service.answer(name, Answer(status, {"Location": url}))
                many.append(Job(service.url(name), user=f"user{name}"))
        client.push(*many)
        client.wait_empty()
        assert sorted(request.url for request in service.received()) == \
            sorted(job.endpoint for job in many)
        wait_until(lambda: server.log_text().count("refuses it: status 30") == len(many),
                   "all of them in the log")

    @pytest.mark.parametrize("answer", [NXDOMAIN, SERVFAIL, SILENCE, []],
                             ids=["nxdomain", "servfail", "silence", "empty"])
    def test_no_address(self, secure, dns, answer):
        """It may have one later."""
        _, client = secure
        dns.answer("push.example.net", answer)
        job = Job("https://push.example.net/")
        client.push(job)
        row = wait_until(lambda: (row := client.queue()[job.id])["attempts"] == "1" and row,
                         "a failure")
        assert row["status"] == "0"

    def test_search(self, server, dns, tmp_path):
        """Only the name itself is asked for, none in the machine's own domain."""
        more = options(tmp_path, insecure="no", dns_servers=f"127.0.0.1:{dns.port}")
        more["extra"] += ("\nimport_environment {\n  LOCALDOMAIN = lan.example.net\n}"
                          if config.version() >= (2, 4) else
                          "\nimport_environment = LOCALDOMAIN=lan.example.net")
        with Client(server(**more)) as client:
            job = Job("https://push.example.net/")
            client.push(job)
            wait_until(lambda: client.queue()[job.id]["attempts"] == "1", "a failure")
        assert {name for name, _, _ in dns.queries} == {"push.example.net"}

    def test_pinned(self, authority, dns, worker):
        """The name goes to the service, the address comes from the DNS, which is
        asked once for many pushes."""
        _, client = worker(dns_servers=f"127.0.0.1:{dns.port}")
        dns.truncated = True
        dns.answer("push.example.net", ["127.0.0.1"])
        with PushService(authority, names=("push.example.net",)) as service:
            client.push(*jobs(service.url("a"), 10))
            assert {request.origin for request in service.wait(10, "a")} == {service.origin}
        assert dns.asked("push.example.net", "A") == 2  # UDP and TCP


@pytest.mark.parametrize("addresses", [
    ["::1", "127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.2", "127.0.0.3", "127.0.0.1"]])
def test_addresses(authority, dns, worker, addresses):
    """If one does not answer, another one may; and one that none does, nobody
    waits for."""
    _, client = worker(dns_servers=f"127.0.0.1:{dns.port}")
    dns.answer("push.example.net", addresses)
    dns.answer("away.example.net", addresses[:-1])
    with PushService(authority, names=("push.example.net",)) as service:
        away = Job(service.url(host="away.example.net"), user="bob")
        client.push(away, *jobs(service.url("a"), 5))
        service.wait(5, "a")
        wait_until(lambda: client.queue()[away.id]["attempts"] == "1", "a failure")


def test_proxy(server, authority, dns, tmp_path):
    """The proxy finds the way; the worker asks no DNS."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        one = server(**options(tmp_path, authority, insecure="no",
                               proxy_url=f"http://127.0.0.1:{port}",
                               dns_servers=f"127.0.0.1:{dns.port}"))
        with Client(one) as client:
            job, bad = Job("https://push.example.net/secret"), Job("https://127.0.0.1/")
            assert client.try_push(job, bad)[bad.id]
            proxy.settimeout(15)
            connection, _ = proxy.accept()
            with connection, connection.makefile("rb") as file:
                assert file.readline() == b"CONNECT push.example.net:443 HTTP/1.1\r\n"
                connection.sendall(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n")
                wait_until(lambda: client.queue()[job.id]["attempts"] == "1", "a failure")
        assert dns.queries == []


@pytest.mark.parametrize("setting, value", [
    ("coi_push_queue_dir", "queue"), ("coi_push_queue_max", "0"), ("coi_push_ports", "https"),
    ("coi_push_timeout", "0"), ("coi_push_deadline", "0"),
])
def test_bad_setting(server, authority, tmp_path, setting, value):
    """An error names it; it costs mail nothing (2.4 does not start at all)."""
    more = options(tmp_path, authority)
    more["settings"][setting] = value
    one = server.unstarted(**more)
    one.expect_error(f"(Fatal|Error): .*{setting}={value}")
    one.allow_error("service.coi-push.|Fatal: ")
    if one.try_start():
        one.wait_log(f"Fatal: coi-push: Invalid setting {setting}={value}")
        one.delivered("alice", b"Subject: x\n\nbody\n")
