"""Mail is delivered and pushed while the worker, or the push service, comes and goes."""

import json
import os
import random
import signal
import threading
import time

import pytest

from coi import enabled
from coitest import wait_until
from coitest.pushservice import Answer
from coitest.worker import options
from push import SETTINGS, Phone, subscribe, validate

MESSAGE = ("From: Alice <alice@example.org>\r\nTo: bob@example.org\r\nSubject: {0}\r\n"
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


def read(phone, request):
    return json.loads(phone.decrypt(request.body))


@pytest.mark.parametrize("what", ["refuse", "held", "stopped"])
def test_delivery_does_not_wait(whole, push_service, what):
    """W37: a push service that is slow or away, or no worker."""
    dovecot = whole(timeout="30 secs")
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
    begin = time.monotonic()
    for number in range(5):
        dovecot.delivered("bob", message(number))
    assert time.monotonic() - begin < 2
    for pid in dovecot.processes("coi-push"):
        os.kill(pid, signal.SIGCONT)


def test_killed(whole, push_service):
    """W38: the worker is killed at random moments while mail is delivered: each
    message is there once, and each has been pushed."""
    dovecot = whole()
    dovecot.allow_error("coi-push|coi_push")
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, push_service)
    stop = threading.Event()

    def killer():
        while not stop.wait(random.uniform(0.3, 1)):
            for pid in dovecot.processes("coi-push"):
                os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        for number in range(300):
            dovecot.delivered("bob", message(f"number {number}"))
    finally:
        stop.set()
        thread.join()
    wanted = {f"number {number}" for number in range(300)}

    def heard():
        return [read(phone, request).get("subject") for request in push_service.received()]
    wait_until(lambda: wanted <= set(heard()), "all pushes", bound=60)
    again = dovecot.imap("bob")
    assert b"(MESSAGES 300)" in b"".join(again.ok("STATUS COI/Chats (MESSAGES)"))
    # more of them arrive twice the more often it is killed
    assert len(heard()) <= 1.1 * len(wanted)
