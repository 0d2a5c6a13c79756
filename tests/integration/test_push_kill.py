"""Mail is delivered and pushed while the worker, or the push service, comes and goes."""

import concurrent.futures
import json
import os
import random
import signal
import threading

import pytest

from coi import CHATS, enabled
from coitest import Lmtp, wait_until
from coitest.pushservice import Answer
from coitest.worker import Client, options
from push import SETTINGS, Phone, subscribe, validate

MESSAGE = ("From: Carol <carol@example.org>\r\nTo: bob@example.org\r\nSubject: {0}\r\n"
           "Message-ID: <chat${0}@example.org>\r\nChat-Version: 1.0\r\n\r\nbody {0}\r\n")


def message(name):
    return MESSAGE.format(name).encode()


@pytest.fixture
def whole(server, push_service, authority, tmp_path):
    """Call it with settings of the worker; gives a server. It ends before the push
    service does."""
    servers = []

    def make(**settings):
        more = options(tmp_path, authority, **settings)
        more["settings"] |= SETTINGS
        servers.append(server(**more))
        return servers[-1]
    yield make
    for one in servers:
        one.stop()


def subscribed(client, service, name="phone00001"):
    """A phone whose subscription is validated (W17, W18)."""
    phone = Phone(service.url(name))
    assert subscribe(client, name, phone).status == "OK"
    request, = service.wait(1, name)
    assert request.header("WebPush-Validation") == ""
    text = json.loads(phone.decrypt(request.body))["validation"]
    assert validate(client, name, text).status == "OK"
    return phone


@pytest.mark.parametrize("what", ["refuse", "held", "stopped"])
def test_delivery_does_not_wait(whole, push_service, what):
    """W37: a push service that is slow or away, or no worker."""
    # who waited for the push would not get its answer in time
    dovecot = whole(timeout="10 mins")
    bob = enabled(dovecot, "bob")
    subscribed(bob, push_service)
    if what == "refuse":
        push_service.refuse()
        push_service.drop_connections()
    elif what == "held":
        push_service.answer("phone00001", Answer(held=True))
    else:
        for pid in dovecot.processes("coi-push"):
            os.kill(pid, signal.SIGSTOP)
    for number in range(5):
        dovecot.delivered("bob", message(number))
    for pid in dovecot.processes("coi-push"):
        os.kill(pid, signal.SIGCONT)


USERS = ("alice", "bob")
DELIVERIES = 2000
# Each may cost a second copy of what is on its way: one push of each user.
KILLS = 8
# Fewer than a mail process keeps until they are answered (COI_PUSH_UNANSWERED_MAX):
# more than that, while nobody answers, are lost.
BEHIND = 200


class Killer:
    """Kills the worker when it is told to, a moment later, but none that has not
    sent anything yet: Dovecot waits before it replaces such a one."""

    def __init__(self, dovecot, service):
        self.dovecot, self.service = dovecot, service
        self.sent = 0
        self.killed = []
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.futures = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.shutdown()
        for future in self.futures:
            future.result()

    def soon(self, secs):
        self.futures.append(self.pool.submit(self._kill, secs))

    def _worker(self):
        """The one that sends now."""
        pids = self.dovecot.processes("coi-push")
        return pids[0] if len(self.service.received()) > self.sent and \
            len(pids) == 1 and pids[0] not in self.killed else None

    def _kill(self, secs):
        pid = wait_until(self._worker, "a worker that sends")
        threading.Event().wait(secs)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in self.dovecot.processes(), "the worker is dead")
        self.killed.append(pid)
        self.sent = len(self.service.received())


def deliver_and_kill(dovecot, service, seed):
    """Returns the requests that came of it, all of them."""
    chance = random.Random(seed)
    moments = chance.sample(range(DELIVERIES), KILLS)
    before = len(service.received())

    def bodies():
        return {request.body for request in service.received()[before:]}
    with Killer(dovecot, service) as killer:
        with Lmtp(dovecot.lmtp_socket) as lmtp:
            for number in range(DELIVERIES):
                if number in moments:
                    killer.soon(chance.uniform(0, 0.05))
                wait_until(lambda: number - len(bodies()) < BEHIND, "pushes", bound=60)
                user = USERS[number % len(USERS)]
                [reply] = lmtp.deliver([f"{user}@example.org"], message(number)).values()
                assert reply.startswith("250"), reply
    assert len(killer.killed) == KILLS
    wait_until(lambda: len(bodies()) >= DELIVERIES, "all pushes", bound=60)
    with Client(dovecot) as client:
        client.wait_empty()
    return service.received()[before:]


def test_killed(whole, push_service):
    """W38: the worker is killed at random moments of 2,000 deliveries: each message
    is there once, each push has come, in the order of the messages, and what came
    twice was one job with one Topic, and is less than 1 %."""
    seed = int(os.environ.get("COI_KILL_SEED") or random.randrange(10 ** 9))
    print(f"COI_KILL_SEED={seed}")
    dovecot = whole()
    dovecot.allow_error("coi-push|coi_push")
    phones = {}
    for user in USERS:
        phones[user] = subscribed(enabled(dovecot, user), push_service, f"phone-of-{user}")
        # some milliseconds, so that there mostly is one on its way
        push_service.answer(f"phone-of-{user}", Answer(body=b"ok", drip_secs=0.005))
    requests = deliver_and_kill(dovecot, push_service, seed)
    copies = {}
    for request in requests:
        # its salt is random: what has the same body is the same job
        copies.setdefault((request.path, request.body), []).append(request.header("Topic"))
    for index, (user, phone) in enumerate(phones.items()):
        wanted = [str(number) for number in range(index, DELIVERIES, len(USERS))]
        client = dovecot.imap(user)
        assert [subject for subject, _ in client.messages(CHATS)] == wanted
        assert client.messages("INBOX") == []
        assert [json.loads(phone.decrypt(body))["subject"] for path, body in copies
                if path.endswith(user)] == wanted
    assert all(topics[0] and len(set(topics)) == 1 for topics in copies.values())
    again = len(requests) - len(copies)
    print(f"{again} of {DELIVERIES} pushes came twice")
    assert again <= KILLS * len(USERS) < DELIVERIES / 100
