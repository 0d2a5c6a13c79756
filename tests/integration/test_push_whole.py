"""Web Push from the message to the push service: plugin, worker and all."""

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
from coitest.worker import Client, options
from push import SETTINGS, Phone, claims, subscribe, subscriptions, validate, vapid_point

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


def test_message(whole, push_service):
    """W23 W24 W30 W35: what the phone hears of a message."""
    dovecot = whole()
    bob = enabled(dovecot, "bob")
    phone = subscribed(bob, push_service)
    point = vapid_point(bob)
    dovecot.delivered("bob", message("one"))
    _, request = push_service.wait(2)
    payload = read(phone, request)
    assert (payload["subject"], payload["from-email"]) == ("one", "alice@example.org")
    assert payload["content"].strip() == "body one"
    assert claims(request.header("Authorization"), point)["aud"] == push_service.origin
    assert request.header("Urgency") == "high"
    assert request.header("Topic")


def test_gone(whole, push_service):
    """W31: the next session finds that a subscription does not exist any more, and
    removes it; another one stays."""
    dovecot = whole()
    bob = enabled(dovecot, "bob")
    subscribed(bob, push_service)
    subscribed(bob, push_service, "phone00002")
    push_service.answer("phone00001", Answer(410))
    dovecot.delivered("bob", message("one"))
    push_service.wait(2, "phone00001")
    with Client(dovecot) as client:
        wait_until(lambda: client.gone("bob"), "a note")
        wait_until(lambda: set(subscriptions(dovecot.imap("bob"))) == {"phone00002"},
                   "one subscription")
        wait_until(lambda: not client.gone("bob"), "no note any more")


@pytest.mark.parametrize("what", ["hang", "refuse", "held", "stopped"])
def test_delivery_does_not_wait(whole, push_service, what):
    """W37: a push service that is slow or away, or no worker."""
    dovecot = whole(timeout="30 secs")
    bob = enabled(dovecot, "bob")
    subscribed(bob, push_service)
    if what == "hang":
        push_service.on_connect = "hang"
        push_service.drop_connections()
    elif what == "refuse":
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
