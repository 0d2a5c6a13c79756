"""Web Push from end to end: the plugins, the worker, a push service over TLS, and a
judge that knows none of our code."""

import json

import pytest

from coi import CHATS, enabled, get_entry, send, set_entry, store
from coitest import wait_until, worker
from coitest.pushservice import Answer
from messages import chat, mail
from push import SETTINGS, VAPID, VAPID_RAW, entry, subscriptions, validate

ID = "bobs-phone-1"


@pytest.fixture
def make(server, push_service, authority, tmp_path):
    """Makes a server with push and its worker. It ends before the push service,
    to which the worker still connects."""
    servers = []

    def make(**options):
        mine = worker.options(tmp_path, authority)
        mine["settings"] |= SETTINGS | options.pop("settings", {})
        servers.append(server(**mine, **options))
        return servers[-1]
    yield make
    for one in servers:
        one.stop()


class Device:
    """A subscription at the push service, and what comes for it."""

    def __init__(self, service, judge, name="a"):
        self.service, self.judge, self.name = service, judge, name
        self.receiver = judge.receiver()
        self.vapid = None
        self.url = service.url(name)

    def requests(self, count):
        wait_until(lambda: len(self.service.received(self.name)) >= count, f"{count} pushes")
        return self.service.received(self.name)

    def read(self, request):
        return self.judge.request(self.receiver, self.vapid, request)

    def subscribe(self, client, name=ID, **members):
        """Subscribes and validates."""
        self.vapid = get_entry(client, VAPID).decode()
        count = len(self.service.received(self.name))
        value = self.receiver.subscription(self.url, **members)
        assert set_entry(client, entry(name), value).status == "OK"
        request = self.requests(count + 1)[-1]
        assert request.header("WebPush-Validation") == ""
        text = json.loads(self.read(request).plaintext)["validation"]
        assert validate(client, name, text).status == "OK"
        return self


@pytest.mark.parametrize("way", ["lmtp", "lda"])
def test_message(make, driver, push_service, judge, way):
    """W17 W18 W23 W24 W29 W30 W35: subscribed, validated, delivered, pushed: the
    judge can decrypt it, and finds the signature and all headers right."""
    dovecot = make(driver=driver)
    bob = enabled(dovecot, "bob")
    device = Device(push_service, judge).subscribe(bob)
    send(dovecot, way, "bob", chat("one", body="Gr\xfc\xdfe \U0001f600"))
    send(dovecot, way, "bob", mail("two"))
    first, second = (device.read(request) for request in device.requests(3)[1:])
    payload = first.payload()
    assert (payload["subject"], payload["folder"], payload["uid"]) == ("one", CHATS, 1)
    assert payload["content"] == "Gr\xfc\xdfe \U0001f600\n"
    assert second.payload()["subject"] == "two"
    assert first.claims["sub"] == SETTINGS["coi_push_subject"]
    assert (first.salt, first.sender) != (second.salt, second.sender)
    _, one, two = push_service.received("a")
    assert (one.header("Urgency"), two.header("Urgency")) == ("high", "normal")
    assert one.header("Topic") and two.header("Topic") is None
    assert one.header("TTL") == "86400"
    device.vapid = get_entry(bob, VAPID_RAW).decode()
    assert device.read(one).plaintext == first.plaintext


def test_too_large_for_the_service(make, push_service, judge):
    """W31 W28: 413: the smaller one comes, in which the message can be found."""
    dovecot = make(settings={"coi_push_content": "yes"})
    bob = enabled(dovecot, "bob")
    device = Device(push_service, judge).subscribe(bob)
    push_service.answer("a", Answer(413), Answer(201))
    dovecot.delivered("bob", chat("large", body="x" * 3000))
    large, small = (device.read(request).payload() for request in device.requests(3)[1:])
    assert "content" in large and "content" not in small and "subject" not in small
    assert {name: large[name] for name in small} == small and small["uid"] == 1


@pytest.mark.parametrize("how", ["listing", "check"])
def test_gone(make, driver, push_service, judge, how):
    """W31: 410: the entry goes when a client lists it, or doveadm checks; another
    one stays."""
    dovecot = make(driver=driver)
    bob = enabled(dovecot, "bob")
    Device(push_service, judge, "a").subscribe(bob, "phone-aaaaaa")
    other = Device(push_service, judge, "b").subscribe(bob, "phone-bbbbbb")
    bob.ok("LOGOUT")
    answered = push_service.answer("a", Answer(410))
    dovecot.delivered("bob", mail("one"))
    other.requests(2)
    wait_until(lambda: [request.end for request in push_service.received("a")][1:] ==
               ["answered"], "410")
    assert answered.status == 410
    with worker.Client(dovecot) as client:
        wait_until(lambda: client.gone("bob"), "the note")
        if how == "check":
            assert dovecot.doveadm("coi", "check", "-u", "bob") == ""
            assert list(subscriptions(dovecot.imap("bob"))) == ["phone-bbbbbb"]
        else:
            bob = dovecot.imap("bob")
            wait_until(lambda: list(subscriptions(bob)) == ["phone-bbbbbb"], "it is gone")
        wait_until(lambda: not client.gone("bob"), "the note is gone")
    assert "has-subscriptions" in store(dovecot, "bob").read_text()


def test_unsubscribed(make, push_service, judge):
    """W21: what still waits for a subscription that goes is not sent."""
    dovecot = make()
    bob = enabled(dovecot, "bob")
    Device(push_service, judge).subscribe(bob)
    held = push_service.answer("a", Answer(held=True))
    for number in range(3):
        dovecot.delivered("bob", mail(str(number)))
    with worker.Client(dovecot) as client:
        wait_until(lambda: len(client.queue("bob")) == 3, "three jobs")
        assert set_entry(bob, entry(ID), None).status == "OK"
        held.release()
        client.wait_empty("bob")
    assert len(push_service.received("a")) == 2  # the validation, and the one on its way


@pytest.mark.parametrize("trouble", ["hang", "reset", "close", "noise"])
def test_delivery_does_not_wait(make, push_service, judge, trouble):
    """W37: whatever the service does, and the client who subscribes does not wait
    either."""
    # who waited for the push would not get its answer in time
    dovecot = make(settings={"coi_push_timeout": "10 mins"})
    bob = enabled(dovecot, "bob")
    Device(push_service, judge).subscribe(bob)
    push_service.on_connect = trouble
    push_service.drop_connections()
    for number in range(5):
        dovecot.delivered("bob", chat(str(number)))
    device = Device(push_service, judge, "b")
    assert set_entry(bob, entry("another-one"),
                     device.receiver.subscription(device.url)).status == "OK"
    assert len(bob.messages(CHATS)) == 5


def test_read_elsewhere(make, push_service, judge):
    """W43 W44: a message is read on another device: its push's Topic again, which
    the judge can decrypt."""
    dovecot = make()
    bob = enabled(dovecot, "bob")
    device = Device(push_service, judge).subscribe(bob, seen=True)
    dovecot.delivered("bob", chat("one"))
    assert device.read(device.requests(2)[1]).payload()["unseen"] == 1
    bob.ok(f'SELECT "{CHATS}"')
    bob.ok("STORE 1 +FLAGS (\\Seen)")
    _, one, two = device.requests(3)
    payload = device.read(two).payload()
    assert payload.pop("uidvalidity") == device.read(one).payload()["uidvalidity"]
    assert payload == {"seen": True, "uid": 1, "folder": CHATS, "unseen": 0}
    assert two.header("Topic") == one.header("Topic") is not None
    assert two.header("Urgency") == "normal"
