"""Web Push: keys and subscriptions."""

import base64
import datetime
import hashlib
import json
import re
import subprocess

import pytest

from coi import ENABLED, enabled, get_entry, set_entry, store
from coitest import Literal, wait_until
from push import (ENDPOINT, SUBJECT, SUBSCRIPTIONS, VAPID, VAPID_RAW, WEBPUSH, Phone,
                  base64url, claims, entry, now, subscribe, subscribed, subscriptions,
                  unbase64url, validate, vapid_point)

ID = "phone00001"


def change(text, old, new):
    assert old in text
    return text.replace(old, new)


# -- capability


def test_capability(push):
    """W5 S12: WEBPUSH after login, and not before."""
    dovecot, _ = push()
    client = dovecot.imap()
    assert b"WEBPUSH" not in client.greeting
    assert "WEBPUSH" not in client.capability()
    bob = dovecot.imap("bob")
    assert bob.capability().count("WEBPUSH") == 1
    assert bob.login_reply.tagged.count(b" WEBPUSH") == 1


def test_no_subject_no_push(server):
    """W5 S12: nothing of push is offered, nor are its entries there."""
    dovecot = server()
    bob = enabled(dovecot, "bob")
    assert "WEBPUSH" not in bob.capability() and "COI" in bob.capability()
    assert get_entry(bob, VAPID) is None and get_entry(bob, VAPID_RAW) is None
    reply = subscribe(bob, ID, Phone())
    assert reply.tagged.startswith(b"NO [CANNOT] ")
    assert not b"".join(bob.ok(f'GETMETADATA (DEPTH infinity) "" {WEBPUSH}')).count(b"vapid")
    assert not list(dovecot.home("bob").rglob("dovecot-coi/keys*"))


def test_not_for_users_without(push):
    """W5: absent where COI is switched off by the admin."""
    dovecot, _ = push(users={"alice": {}, "bob": {"coi": "no"}})
    assert "WEBPUSH" not in dovecot.imap("bob").capability()
    assert "WEBPUSH" in dovecot.imap("alice").capability()


def test_module_is_not_there(push):
    """W5: a build without push offers none, whatever is set. (A plugin directory
    with everything but that plugin.)"""
    dovecot, _ = push()
    modules = dovecot.dir / "modules"
    subprocess.run(["cp", "-rs", "/usr/lib/dovecot/modules", modules], check=True)
    (modules / "lib95_coi_push_plugin.so").unlink()
    dovecot.stop()
    text = dovecot.conf.read_text()
    dovecot.conf.write_text(text + f"mail_plugin_dir = {modules}\n")
    dovecot.start()
    bob = dovecot.imap("bob")
    assert "COI" in bob.capability() and "WEBPUSH" not in bob.capability()
    assert get_entry(bob, VAPID) is None
    assert subscribe(bob, ID, Phone()).tagged.startswith(b"NO [CANNOT] ")


# -- keys


def test_vapid(push, driver):
    """W6: the key is made when it is asked for, stays, and is another for each
    user; in PEM and raw."""
    dovecot, _ = push(driver=driver)
    alice, bob = dovecot.imap("alice"), dovecot.imap("bob")
    assert not list(dovecot.home("bob").rglob("dovecot-coi"))
    point = vapid_point(bob)
    assert vapid_point(dovecot.imap("bob")) == point
    assert vapid_point(alice) != point
    assert get_entry(bob, VAPID).startswith(b"-----BEGIN PUBLIC KEY-----\n")
    assert set_entry(bob, ENABLED, "yes").status == "OK"
    assert vapid_point(bob) == point


@pytest.mark.parametrize("name", [VAPID, VAPID_RAW, VAPID.upper(), WEBPUSH + "/else",
                                  WEBPUSH + "/vapid/x", SUBSCRIPTIONS])
@pytest.mark.parametrize("value", ["x", None])
def test_server_entries_are_read_only(push, name, value):
    """W7: NO [CANNOT], and nothing is changed; nothing else is there."""
    dovecot, _ = push(metadata=True, attribute_dict=True)
    bob = dovecot.imap("bob")
    point = vapid_point(bob)
    assert set_entry(bob, name, value).tagged.startswith(b"NO [CANNOT] ")
    assert vapid_point(bob) == point


def test_private_key_cannot_be_read(push):
    """W6: by no client, however it asks."""
    dovecot, _ = push(metadata=True, attribute_dict=True)
    bob = dovecot.imap("bob")
    vapid_point(bob)
    secret = store(dovecot, "bob", "keys/va/vapid").read_text().split(" ")[1]
    assert len(unbase64url(secret)) == 32
    for name in ("", "/private", WEBPUSH, WEBPUSH + "/vapid", WEBPUSH + "/keys",
                 "/private/vendor", "/private/vendor/vendor.dovecot"):
        reply = bob.cmd(f'GETMETADATA (DEPTH infinity) "" {name or "/shared"}')
        assert secret.encode() not in b"".join(reply.untagged)
    for name in ("key", "keys", "private", "vapid/private", "subscriptions/keys"):
        assert get_entry(bob, f"{WEBPUSH}/{name}") is None


def test_key_is_made_once(push):
    """W6: by many processes at once: all of them show the same key."""
    dovecot, _ = push()
    clients = [dovecot.imap("bob") for _ in range(8)]
    clients[0].ok("SELECT INBOX")  # which plain Dovecot can fail to make at once
    points = dovecot.at_once(*[lambda client=client: get_entry(client, VAPID_RAW)
                               for client in clients])
    assert len(set(points)) == 1 and len(unbase64url(points[0].decode())) == 65


SECRET, OTHER = "a secret of the administrator's", "another one, newer than that"


def restart(dovecot, worker, **settings):
    """With other settings of push."""
    dovecot.stop()
    worker.stop()
    text = dovecot.conf.read_text()
    for name, value in settings.items():
        text = re.sub(rf"(?m)^(\s*{name} =).*$", rf"\1 {value}", text)
        assert value in text
    dovecot.conf.write_text(text)
    dovecot.start()
    worker.start()


def test_sealed_key(push):
    """W6: with coi_secret the key in the store cannot be read without it."""
    dovecot, worker = push(settings={"coi_secret": SECRET})
    bob = dovecot.imap("bob")
    point = vapid_point(bob)
    text = store(dovecot, "bob", "keys/va/vapid").read_text()
    assert re.fullmatch(r"sealed [\w-]+", text)
    assert len(unbase64url(text.split(" ")[1])) == 24 + 16 + 32
    phone = subscribed(bob, worker)
    assert claims(worker.jobs[0].authorization, point)["sub"] == SUBJECT
    assert phone.read(worker.jobs[0])
    assert store(dovecot, "bob", "keys/va/vapid").read_text() == text


def test_secret_from_a_file(push):
    """A secret is best kept in a file, `</path'; the line feed at its end is no
    part of it."""
    dovecot, worker = push(settings={"coi_secret": "a secret, with some spaces in it"})
    point = vapid_point(dovecot.imap("bob"))
    path = dovecot.dir / "secret"
    path.write_text("a secret, with some spaces in it\n")
    restart(dovecot, worker, coi_secret=f"<{path}")
    assert vapid_point(dovecot.imap("bob")) == point


def test_secret_is_rotated(push):
    """W6: coi_secret_previous opens the key, and the next client that asks for it
    has it sealed with the new one."""
    dovecot, worker = push(settings={"coi_secret": SECRET, "coi_secret_previous": SECRET})
    point = vapid_point(dovecot.imap("bob"))
    old = store(dovecot, "bob", "keys/va/vapid").read_text()
    restart(dovecot, worker, coi_secret=OTHER)
    assert vapid_point(dovecot.imap("bob")) == point
    new = store(dovecot, "bob", "keys/va/vapid").read_text()
    assert new != old
    restart(dovecot, worker, coi_secret_previous=OTHER)
    assert vapid_point(dovecot.imap("bob")) == point
    assert store(dovecot, "bob", "keys/va/vapid").read_text() == new


def test_key_is_sealed_later(push):
    """W6: a key from the time before coi_secret."""
    dovecot, worker = push()
    point = vapid_point(dovecot.imap("bob"))
    dovecot.stop()
    worker.stop()
    text = dovecot.conf.read_text()
    dovecot.conf.write_text(re.sub(r"(?m)^(\s*)coi_push_subject =",
                                   rf"\1coi_secret = {SECRET}\n\1coi_push_subject =", text))
    dovecot.start()
    worker.start()
    assert vapid_point(dovecot.imap("bob")) == point
    assert store(dovecot, "bob", "keys/va/vapid").read_text().startswith("sealed ")


def test_key_cannot_be_unsealed(push):
    """W6 W39: one backend with a wrong secret: no push, one error in each
    session, nothing is written, and all is well when the secret is right
    again."""
    dovecot, worker = push(settings={"coi_secret": SECRET})
    bob = dovecot.imap("bob")
    point = vapid_point(bob)
    subscribed(bob, worker)
    path = store(dovecot, "bob", "keys/va/vapid")
    text = path.read_text()
    dovecot.expect_error("coi: Push is off for this user: Neither coi_secret nor ")
    restart(dovecot, worker, coi_secret=OTHER)
    bob = dovecot.imap("bob")
    for name in (VAPID, VAPID_RAW, VAPID):
        assert bob.cmd(f'GETMETADATA "" {name}').status == "NO"
    assert subscribe(bob, "phone00002", Phone()).status == "NO"
    dovecot.wait_log("Push is off for this user")
    assert dovecot.log_text().count("Push is off for this user") == 1
    assert list(subscriptions(bob)) == [ID]
    assert path.read_text() == text
    restart(dovecot, worker, coi_secret=SECRET)
    assert vapid_point(dovecot.imap("bob")) == point


def test_damaged_key(push):
    """W6: what is no key is not replaced by one."""
    dovecot, _ = push()
    dovecot.expect_error("coi: Push is off for this user: The VAPID key ")
    bob = dovecot.imap("bob")
    vapid_point(bob)
    path = store(dovecot, "bob", "keys/va/vapid")
    for text in ("", "plain ", "plain AAAA", "plain " + base64url(bytes(32)), "x", "sealed xx"):
        path.write_text(text)
        assert dovecot.imap("bob").cmd(f'GETMETADATA "" {VAPID}').status == "NO", text
        assert path.read_text() == text


# -- subscribing


def test_subscribe(push, driver):
    """W8 W13 W14 W17 W18 W21 W22: from the first to the last command."""
    dovecot, worker = push(driver=driver)
    bob, phone = dovecot.imap("bob"), Phone()
    before = now()
    assert subscribe(bob, ID, phone, msgtype="chat").status == "OK"
    [job] = worker.pushes(1, validation=True)
    assert (job.user, job.subscription, job.endpoint) == ("bob", ID, ENDPOINT)
    assert (job.topic, job.small_body, job.urgency) == (None, b"", "high")
    assert before <= job.deadline - 300 <= now() and job.ttl == 300
    found = claims(job.authorization, vapid_point(bob))
    assert (found["aud"], found["sub"]) == ("https://push.example.net", SUBJECT)
    assert before < found["exp"] <= now() + 24 * 3600
    payload = phone.read(job)
    assert list(payload) == ["validation"] and 20 <= len(payload["validation"]) <= 1024

    [(name, value)] = subscriptions(bob).items()
    assert (name, value["validated"]) == (ID, False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value["created"])
    assert payload["validation"] not in json.dumps(value)
    assert validate(bob, ID, payload["validation"]).status == "OK"
    value = json.loads(get_entry(bob, entry(ID)))
    assert value["validated"] and value["msgtype"] == "chat"
    assert value["resource"]["keys"]["p256dh"] == base64url(phone.point)
    assert get_entry(bob, entry(ID) + "/validate") is None

    assert set_entry(bob, entry(ID), None).status == "OK"
    assert not subscriptions(bob) and get_entry(bob, entry(ID)) is None
    wait_until(lambda: worker.cancelled() == [("bob", ID)], "CANCEL")
    assert "has-subscriptions" not in store(dovecot, "bob").read_text()


def test_mark_of_the_state(push):
    """W23: deliveries look for subscriptions while there is one, and only then."""
    dovecot, worker = push()
    bob = enabled(dovecot, "bob")
    state = store(dovecot, "bob")
    assert "has-subscriptions" not in state.read_text()
    for number in (1, 2):
        subscribed(bob, worker, f"phone0000{number}")
        assert "has-subscriptions\tyes\n" in state.read_text()
    assert set_entry(bob, entry("phone00001"), None).status == "OK"
    assert "has-subscriptions\tyes\n" in state.read_text()
    assert set_entry(bob, entry("phone00002"), None).status == "OK"
    assert "has-subscriptions" not in state.read_text()
    assert get_entry(bob, ENABLED) == b"yes"


def test_ids(push):
    """W9: 10 to 36 of the characters; without case, shown in lower case."""
    dovecot, _ = push()
    bob, phone = dovecot.imap("bob"), Phone()
    for bad in ("a" * 9, "a" * 37, "phone.0001", "phone 0001", "phone/0001", "ph\xf6ne00001",
                "", "../../state", "phone00001/validat"):
        reply = bob.cmd(f'SETMETADATA "" ("{SUBSCRIPTIONS}/', bad.encode(), '" ',
                        Literal(phone.subscription().encode()), ")")
        assert reply.status in ("NO", "BAD"), bad
        if reply.status == "NO":
            assert reply.tagged.startswith(b"NO [CANNOT] "), reply
    assert not subscriptions(bob)
    for good in ("a" * 10, "A" * 36, "_-Az09____"):
        assert subscribe(bob, good, phone).status == "OK"
    assert set(subscriptions(bob)) == {"a" * 10, "a" * 36, "_-az09____"}
    assert set_entry(bob, entry("A" * 10), None).status == "OK"
    assert set(subscriptions(bob)) == {"a" * 36, "_-az09____"}


def raw_keys(p256dh, auth):
    return json.dumps({"msgtype": "all", "resource": {
        "endpoint": ENDPOINT, "keys": {"p256dh": p256dh, "auth": auth}}})


GOOD = Phone()
TEXT = GOOD.subscription()
KEY, AUTH = base64url(GOOD.point), base64url(GOOD.auth)
# name -> (value, what the refusal names)
BAD = {
    "no JSON": ("x", "JSON"),
    "empty": ("", "JSON"),
    "list": ("[]", "object"),
    "truncated": (TEXT[:-1], "JSON"),
    "more behind": (TEXT + "x", "JSON"),
    "binary": (b"\xff\xfe\x00", "JSON"),
    "8-bit": (TEXT.encode().replace(b"Phone", b"Ph\xf6ne"), "JSON"),
    "NUL": (TEXT.encode().replace(b"Phone", b"Ph\0ne"), "JSON"),
    "twice": (change(TEXT, "{\"client", "{\"msgtype\":\"all\",\"client"), "twice"),
    "deep": ('{"a":' + "[" * 100 + "]" * 100 + "}", "levels"),
    "very deep": ('{"a":' + "[" * 4000 + "]" * 4000 + "}", "levels"),
    "long": (GOOD.subscription(x="x" * 9000), "bytes"),
    "1 MB": (GOOD.subscription(x="x" * (1 << 20)), "bytes"),
    "client": (GOOD.subscription(client="x" * 129), "client"),
    "client in UTF-8": (GOOD.subscription(client="\xf6" * 65), "client"),
    "device": (GOOD.subscription(device="x" * 129), "device"),
    "client is a number": (GOOD.subscription(client=1), "client"),
    "no msgtype": (change(TEXT, '"msgtype": "all", ', ""), "msgtype"),
    "msgtype": (GOOD.subscription("Chat"), "msgtype"),
    "no resource": ('{"msgtype":"all"}', "resource"),
    "resource": ('{"msgtype":"all","resource":[]}', "resource"),
    "no endpoint": (change(TEXT, '"endpoint"', '"else"'), "endpoint"),
    "endpoint too long": (change(TEXT, "/send/abc", "/" + "a" * 1001), "endpoint"),
    "no keys": (change(TEXT, '"keys"', '"else"'), "keys"),
    "no p256dh": (change(TEXT, '"p256dh"', '"else"'), "p256dh"),
    "no auth": (change(TEXT, '"auth"', '"else"'), "auth"),
    "auth of 15": (raw_keys(KEY, base64url(bytes(15))), "auth"),
    "auth of 17": (raw_keys(KEY, base64url(bytes(17))), "auth"),
    "auth no base64": (raw_keys(KEY, "*" * 22), "auth"),
    "not on the curve": (raw_keys(base64url(b"\4" + bytes(63) + b"\1"), AUTH), "p256dh"),
    "compressed": (raw_keys(base64url(b"\2" + GOOD.point[1:33]), AUTH), "p256dh"),
    "point too short": (raw_keys(base64url(GOOD.point[:64]), AUTH), "p256dh"),
    "point too long": (raw_keys(base64url(GOOD.point + b"\0"), AUTH), "p256dh"),
    "infinity": (raw_keys(base64url(b"\0"), AUTH), "p256dh"),
    "http": (Phone("http://push.example.net/x").subscription(), "endpoint"),
    "port": (Phone("https://push.example.net:8443/x").subscription(), "endpoint"),
    "loopback": (Phone("https://127.0.0.1/x").subscription(), "endpoint"),
    "metadata service": (Phone("https://169.254.169.254/x").subscription(), "endpoint"),
    "user": (Phone("https://a:b@push.example.net/x").subscription(), "endpoint"),
    "seen": (GOOD.subscription(seen="yes"), "seen"),
}


def test_refused(push):
    """W10 W11 W36: each with NO [CANNOT] that names the entry and what is wrong
    with it, and without a trace; nothing is pushed, and it is no attempt."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    for name, (value, word) in BAD.items():
        reply = set_entry(bob, entry(ID), value)
        assert reply.tagged.startswith(
            f"NO [CANNOT] invalid value for {entry(ID)}: ".encode()), (name, reply)
        assert word.encode() in reply.tagged.partition(b": ")[2], (name, reply)
        assert AUTH.encode() not in reply.tagged and KEY.encode() not in reply.tagged
    assert not subscriptions(bob) and not worker.jobs
    assert not list(dovecot.home("bob").rglob("dovecot-coi/subscriptions*"))
    assert subscribe(bob, ID, GOOD).status == "OK"


def test_accepted(push):
    """W10 W11 W12: what is just allowed, all forms of base64, and members that
    we do not know, which are not kept."""
    dovecot, _ = push()
    bob = dovecot.imap("bob")
    long = Phone(ENDPOINT + "/" + "a" * (1024 - len(ENDPOINT) - 1))
    values = [
        GOOD.subscription(client="x" * 128, device="\xf6" * 64),
        raw_keys(base64.b64encode(GOOD.point).decode(), base64.b64encode(GOOD.auth).decode()),
        raw_keys(base64.urlsafe_b64encode(GOOD.point).decode(), AUTH),
        raw_keys(base64.b64encode(GOOD.point).decode().rstrip("="), AUTH),
        long.subscription("mail"),
        GOOD.subscription(secret="x", created="1999-01-01T00:00:00Z", validated=True,
                          validation="me", wrong=1),
    ]
    for value in values:
        assert set_entry(bob, entry(ID), value).status == "OK", value
        stored = json.loads(get_entry(bob, entry(ID)))
        sent = json.loads(value)
        assert stored["resource"]["endpoint"] == sent["resource"]["endpoint"]
        assert stored.get("client") == sent.get("client")
        assert stored["msgtype"] == sent["msgtype"]
    assert set(stored) == {"created", "validated", "client", "device", "msgtype", "resource"}
    assert not stored["validated"] and not stored["created"].startswith("1999")
    assert validate(bob, ID, "me").tagged.startswith(b"NO [CANNOT] ")


def test_several(push):
    """W15 W16: up to the limit, NO beyond it; replacing is not a new one, and one
    that goes makes room."""
    dovecot, worker = push(settings={"coi_push_subscription_limit": "3"})
    bob = dovecot.imap("bob")
    for number in (1, 2, 3):
        subscribed(bob, worker, f"phone0000{number}")
    reply = subscribe(bob, "phone00004", Phone())
    assert reply.tagged.startswith(b"NO [LIMIT] ") and b"limit is 3" in reply.tagged
    assert subscribe(bob, "phone00002", Phone()).status == "OK"
    assert set(subscriptions(bob)) == {"phone00001", "phone00002", "phone00003"}
    assert set_entry(bob, entry("phone00003"), None).status == "OK"
    assert subscribe(bob, "phone00004", Phone()).status == "OK"
    assert subscribe(bob, "phone00005", Phone()).tagged.startswith(b"NO [LIMIT] ")


def test_default_limit(push):
    """W16: it is 10."""
    dovecot, _ = push()
    bob = dovecot.imap("bob")
    for number in range(10):
        assert subscribe(bob, f"phone0000{number}", Phone()).status == "OK"
    reply = subscribe(bob, "phone00010", Phone())
    assert reply.tagged == (b"NO [LIMIT] Too many entries below webpush/subscriptions, "
                            b"limit is 10")


def test_limit_at_once(push):
    """W16: however many come at the same moment."""
    dovecot, _ = push(settings={"coi_push_subscription_limit": "3"})
    clients = [dovecot.imap("bob") for _ in range(6)]
    clients[0].ok("SELECT INBOX")  # as above
    replies = dovecot.at_once(*[
        lambda client=client, n=n: subscribe(client, f"phone0000{n}", Phone())
        for n, client in enumerate(clients)])
    assert sorted(reply.status for reply in replies) == ["NO"] * 3 + ["OK"] * 3
    assert len(subscriptions(clients[0])) == 3


def test_throttle(push):
    """W33: ten attempts in an hour, also if each takes the other's place; then
    the next one's time has come again."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    for _ in range(10):
        assert subscribe(bob, ID, Phone()).status == "OK"
    for name in (ID, "phone00002"):
        reply = subscribe(dovecot.imap("bob"), name, Phone())
        assert reply.tagged.startswith(b"NO [LIMIT] Too many subscriptions in an hour")
    assert set_entry(bob, entry(ID), None).status == "OK"
    assert subscribe(bob, ID, Phone()).status == "NO"
    assert len(worker.pushes(10, validation=True)) == 10
    path = store(dovecot, "bob", "subscriptions.attempts")
    times = [int(line) for line in path.read_text().split()]
    assert len(times) == 10
    path.write_text("".join(f"{when - 3601 * (number == 0)}\n"
                            for number, when in enumerate(times)))
    assert subscribe(bob, ID, Phone()).status == "OK"
    assert subscribe(bob, ID, Phone()).status == "NO"


def test_replaced(push):
    """W15 W17: a subscription that takes another's place has to be validated
    anew, with the keys that it brings; the old one's jobs are dropped."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    old = subscribed(bob, worker)
    text = old.read(worker.jobs[0])["validation"]
    new = Phone("https://push.example.net/other")
    assert subscribe(bob, ID, new).status == "OK"
    job = worker.pushes(2, validation=True)[1]
    assert job.endpoint == new.endpoint
    assert ("bob", ID) in worker.cancelled()
    lines = [line.split("\t")[0] for line in worker.lines]
    assert lines.index("CANCEL") < len(lines) - 1 - lines[::-1].index("JOB")
    assert not subscriptions(bob)[ID]["validated"]
    assert validate(bob, ID, text).status == "NO"
    assert validate(bob, ID, new.read(job)["validation"]).status == "OK"


def test_all_or_none(push):
    """W8: one SETMETADATA with a bad subscription makes none of them."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    reply = bob.cmd(f'SETMETADATA "" ({entry("phone00001")} ', Literal(TEXT.encode()),
                    f' {entry("phone00002")} "x")')
    assert reply.status == "NO"
    assert not subscriptions(bob) and not worker.jobs


# -- validation


def read_text(worker, phone):
    return phone.read(worker.pushes(1, validation=True)[-1])["validation"]


def test_wrong_texts(push):
    """W19 W20: NO [CANNOT]; the fifth wrong one discards the subscription."""
    dovecot, worker = push()
    bob, phone = dovecot.imap("bob"), Phone()
    assert subscribe(bob, ID, phone).status == "OK"
    text = read_text(worker, phone)
    for wrong in ("", text[:-1], text + "x", "x" * 5000):
        reply = validate(bob, ID, wrong)
        assert reply.tagged.startswith(f"NO [CANNOT] {entry(ID)}/validate: ".encode()), reply
        assert ID in subscriptions(bob)
    assert validate(dovecot.imap("bob"), ID, text.swapcase()).status == "NO"
    assert not subscriptions(bob)
    assert validate(bob, ID, text).tagged.startswith(b"NO [CANNOT] ")
    assert "has-subscriptions" not in store(dovecot, "bob").read_text()


def test_right_after_wrong(push):
    """W18 W19: four wrong ones do no harm; and what is validated stays so."""
    dovecot, worker = push()
    bob, phone = dovecot.imap("bob"), Phone()
    assert subscribe(bob, ID, phone).status == "OK"
    text = read_text(worker, phone)
    for _ in range(4):
        assert validate(bob, ID, "wrong").status == "NO"
    assert validate(bob, ID, text).status == "OK"
    for _ in range(6):
        assert validate(bob, ID, "wrong").status == "NO"
    assert subscriptions(bob)[ID]["validated"]
    assert validate(bob, ID, text).status == "OK"


def test_wrong_id(push):
    """W19: another subscription, none, or none that can be; and NIL."""
    dovecot, worker = push()
    bob, phone = dovecot.imap("bob"), Phone()
    assert subscribe(bob, ID, phone).status == "OK"
    assert subscribe(bob, "phone00002", Phone()).status == "OK"
    text = phone.read(worker.pushes(2, validation=True)[0])["validation"]
    for name in ("phone00002", "phone00003", "short"):
        assert validate(bob, name, text).tagged.startswith(b"NO [CANNOT] ")
    assert validate(bob, ID, None).tagged.startswith(b"NO [CANNOT] ")
    assert validate(dovecot.imap("alice"), ID, text).status == "NO"
    assert not any(value["validated"] for value in subscriptions(bob).values())


def age(dovecot, name, seconds):
    """Makes a subscription look older than it is."""
    path = store(dovecot, "bob", f"subscriptions/{name[:2]}/{name}")
    value = json.loads(path.read_text())
    made = datetime.datetime.fromisoformat(value["created"].replace("Z", "+00:00"))
    value["created"] = (made - datetime.timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%SZ")
    path.write_text(json.dumps(value))


def test_too_late(push):
    """W19 W20: after five minutes the right text is refused, and the subscription
    is not there any more; it takes no room, and its id is free."""
    dovecot, worker = push(settings={"coi_push_subscription_limit": "2"})
    bob = dovecot.imap("bob")
    phones = {name: Phone() for name in ("phone00001", "phone00002")}
    for name, phone in phones.items():
        assert subscribe(bob, name, phone).status == "OK"
    texts = [phone.read(job)["validation"] for phone, job in
             zip(phones.values(), worker.pushes(2, validation=True))]
    age(dovecot, "phone00001", 290)
    age(dovecot, "phone00002", 302)
    assert validate(bob, "phone00002", texts[1]).tagged.startswith(b"NO [CANNOT] ")
    assert validate(bob, "phone00001", texts[0]).status == "OK"
    assert set(subscriptions(bob)) == {"phone00001"}
    assert subscribe(bob, "phone00002", Phone()).status == "OK"
    age(dovecot, "phone00002", 302)
    assert subscribe(bob, "phone00003", Phone()).status == "OK"
    age(dovecot, "phone00003", 302)
    assert get_entry(bob, entry("phone00003")) is None
    assert set(subscriptions(bob)) == {"phone00001"}
    files = [path.name for path in dovecot.home("bob").rglob("subscriptions/*/*")]
    assert files == ["phone00001"]
    assert "has-subscriptions" in store(dovecot, "bob").read_text()


def test_validation_timeout_setting(push):
    """W20: coi_push_validation_timeout."""
    dovecot, worker = push(settings={"coi_push_validation_timeout": "1 hours"})
    bob, phone = dovecot.imap("bob"), Phone()
    assert subscribe(bob, ID, phone).status == "OK"
    age(dovecot, ID, 3000)
    [job] = worker.pushes(1, validation=True)
    assert job.ttl == 3600
    assert validate(bob, ID, phone.read(job)["validation"]).status == "OK"


# -- the worker


def test_wrong_text_cancels_nothing(push):
    """W17 W19: the right one may yet be on its way."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    assert subscribe(bob, ID, Phone()).status == "OK"
    assert validate(bob, ID, "wrong").status == "NO"
    # on the same connection
    assert subscribe(bob, "phone00002", Phone()).status == "OK"
    worker.pushes(2, validation=True)
    cancelled = [line for line in worker.lines if line.startswith("CANCEL\t")]
    assert cancelled == []
    bob.ok(f'SETMETADATA "" ({entry(ID)} NIL)')
    wait_until(lambda: f"CANCEL\tbob\t{ID}" in worker.lines, "CANCEL")


def test_commands_do_not_wait(push):
    """W37: a worker that hangs, or one that answers nothing, costs the client no
    time; nor does one that is not there. What it has not got it gets later."""
    dovecot, worker = push(worker={"hang": True})
    dovecot.allow_error("coi: Pushes (have to wait|may be lost)")
    bob = dovecot.imap("bob")
    phones = [Phone() for _ in range(3)]
    assert subscribe(bob, "phone00000", phones[0]).status == "OK"
    worker.stop()
    assert subscribe(bob, "phone00001", phones[1]).status == "OK"
    assert subscribe(bob, "phone00002", phones[2]).status == "OK"
    worker.hang = False
    worker.start()
    jobs = worker.pushes(3, validation=True)
    assert [job.subscription for job in jobs] == [f"phone0000{n}" for n in range(3)]
    for phone, job in zip(phones, jobs):
        assert validate(bob, job.subscription, phone.read(job)["validation"]).status == "OK"


def test_unanswered_is_sent_again(push):
    """W38: with the same id, and in the same words."""
    dovecot, worker = push(worker={"mute": True})
    dovecot.allow_error("coi: Pushes have to wait")
    bob = dovecot.imap("bob")
    assert subscribe(bob, ID, Phone()).status == "OK"
    wait_until(lambda: len(worker.job_lines()) == 1, "the job")
    worker.stop()
    worker.mute = False
    worker.start()
    wait_until(lambda: len(worker.job_lines()) == 2, "the job again")
    assert worker.job_lines()[0] == worker.job_lines()[1]
    worker.stop()
    worker.start()
    assert subscribe(bob, "phone00002", Phone()).status == "OK"
    assert [job.subscription for job in worker.pushes(2, validation=True)] == [ID, "phone00002"]
    assert len(worker.job_lines()) == 3


def test_process_waits_at_its_end(push):
    """W38: a client that logs out at once loses nothing."""
    dovecot, worker = push()
    for number in range(5):
        bob = dovecot.imap("bob")
        tag = bob.start(f'SETMETADATA "" ({entry(ID)} "',
                        TEXT.replace('"', '\\"'), '")')
        bob.start("LOGOUT")
        assert bob.finish(tag).status == "OK"
        assert len(worker.pushes(number + 1, validation=True)) == number + 1


def test_worker_is_down(push):
    """W37 W39: one line in the log for each process, and none about endpoints."""
    dovecot, worker = push()
    worker.stop()
    dovecot.expect_error("coi: Pushes have to wait: ")
    dovecot.allow_error("coi: Pushes may be lost: ")
    bob = dovecot.imap("bob")
    for number in range(3):
        assert subscribe(bob, f"phone0000{number}", Phone()).status == "OK"
    bob.ok("LOGOUT")
    dovecot.stop()
    assert dovecot.log_text().count("Pushes have to wait") == 1
    assert "push.example.net" not in dovecot.log_text()


def test_refusal_is_logged(push):
    """W39: without the endpoint."""
    dovecot, worker = push(worker={"refuse": True})
    dovecot.expect_error(r"coi: The worker refuses [\w-]{22}: refused")
    bob = dovecot.imap("bob")
    assert subscribe(bob, ID, Phone()).status == "OK"
    dovecot.wait_log("The worker refuses")
    worker.stop()
    worker.start()
    bob.ok("NOOP")
    assert len(worker.job_lines()) == 1
    assert "push.example.net" not in dovecot.log_text()


def endpoint_hash(phone):
    return hashlib.sha256(phone.endpoint.encode()).hexdigest()


def test_gone(push, driver):
    """W31: what a push service says is gone, goes at the next listing; not if
    another endpoint has taken its place, and the note goes in either case."""
    dovecot, worker = push(driver=driver)
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker, "phone00001")
    other = subscribed(bob, worker, "phone00002")
    bob.ok("LOGOUT")
    worker.gone = [("bob", "phone00001", endpoint_hash(phone)),
                   ("bob", "phone00002", endpoint_hash(Phone("https://else.example/"))),
                   ("bob", "phone00003", endpoint_hash(phone)),
                   ("alice", "phone00001", endpoint_hash(phone))]
    bob = dovecot.imap("bob")
    subscriptions(bob)
    wait_until(lambda: len(worker.gone) == 1, "FORGET")
    assert set(subscriptions(bob)) == {"phone00002"}
    assert worker.gone[0][0] == "alice"
    # and in the same session
    worker.gone = [("bob", "phone00002", endpoint_hash(other))]
    wait_until(lambda: not subscriptions(bob), "the other one is gone")
    wait_until(lambda: not worker.gone, "FORGET")


def test_gone_at_select(push, driver):
    """W31: or in the next session that selects INBOX; within an hour only one of
    them asks."""
    dovecot, worker = push(driver=driver)
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker, "phone00001")
    other = subscribed(bob, worker, "phone00002")
    bob.ok("LOGOUT")
    wait_until(lambda: not dovecot.processes("imap"), "no imap process is left")
    lines = len(worker.lines)

    def session(removed):
        asked = worker.lines.count("GONE\tbob")
        bob = dovecot.imap("bob")
        bob.ok("SELECT INBOX")
        bob.ok("NOOP")
        if removed:
            wait_until(lambda: not worker.gone, "FORGET")
        bob.ok("LOGOUT")
        wait_until(lambda: not dovecot.processes("imap"), "no imap process is left")
        assert (worker.lines.count("GONE\tbob") > asked) == removed
    worker.gone = [("bob", "phone00001", endpoint_hash(phone))]
    # an answer that nobody hears does not count
    worker.mute = True
    short = dovecot.imap("bob")
    short.ok("SELECT INBOX")
    wait_until(lambda: "GONE\tbob" in worker.lines[lines:], "GONE")
    short.ok("LOGOUT")
    wait_until(lambda: not dovecot.processes("imap"), "no imap process is left")
    worker.mute = False
    session(removed=True)
    assert not list(dovecot.home("bob").rglob("phone00001"))
    worker.gone = [("bob", "phone00002", endpoint_hash(other))]
    session(removed=False)
    assert worker.gone
    # who has no subscriptions does not ask at all
    alice = dovecot.imap("alice")
    alice.ok("SELECT INBOX")
    alice.ok("LOGOUT")
    wait_until(lambda: not dovecot.processes("imap"), "no imap process is left")
    assert "GONE\talice" not in worker.lines


def test_events(push):
    """W8 W18 W19 W20 W21 W31: each change of a subscription is an event."""
    dovecot, worker = push(extra="log_debug = category=coi")
    bob, phone = dovecot.imap("bob"), Phone()

    def changes():
        return re.findall(r"coi: Subscription (\S+) (\w+)$", dovecot.log_text(), re.MULTILINE)
    expected = []
    subscribed(bob, worker, "phone00001")
    expected += [("phone00001", "registered"), ("phone00001", "validated")]
    assert subscribe(bob, "phone00001", phone).status == "OK"
    expected += [("phone00001", "replaced")]
    for _ in range(5):
        assert validate(bob, "phone00001", "wrong").status == "NO"
    expected += [("phone00001", "discarded")]
    assert set_entry(bob, entry("phone00001"), None).status == "OK"  # is not there
    assert subscribe(bob, "phone00002", phone).status == "OK"
    age(dovecot, "phone00002", 400)
    assert not subscriptions(bob)
    expected += [("phone00002", "registered"), ("phone00002", "expired")]
    assert subscribe(bob, "phone00003", phone).status == "OK"
    assert set_entry(bob, entry("phone00003"), None).status == "OK"
    expected += [("phone00003", "registered"), ("phone00003", "removed")]
    assert subscribe(bob, "phone00004", phone).status == "OK"
    worker.gone = [("bob", "phone00004", endpoint_hash(phone))]
    subscriptions(dovecot.imap("bob"))
    wait_until(lambda: not worker.gone, "FORGET")
    expected += [("phone00004", "registered"), ("phone00004", "gone")]
    wait_until(lambda: changes() == expected, f"{expected}, only {changes()}")


# -- doveadm and dsync


def test_export_and_erase(push):
    """W22 W39: doveadm shows all that is kept, and removes it, the key too."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    subscribed(bob, worker)
    found = json.loads(dovecot.doveadm("coi", "export", "-u", "bob"))
    assert list(found["subscriptions"]) == [ID]
    assert found["subscriptions"][ID] == subscriptions(bob)[ID]
    point = vapid_point(bob)
    dovecot.doveadm("coi", "erase", "-u", "bob")
    assert not subscriptions(bob)
    assert not list(dovecot.home("bob").rglob("dovecot-coi/*/*"))
    assert ("bob", ID) in worker.cancelled()
    assert vapid_point(bob) != point


def check(dovecot):
    return dovecot.doveadm("coi", "check", "-u", "bob").splitlines()


def test_check(push):
    """W20 W23 W31: doveadm coi check finds what is wrong and mends it."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker, "phone00001")
    subscribed(bob, worker, "phone00002")
    subscribe(bob, "phone00003", Phone())
    assert check(dovecot) == []
    state = store(dovecot, "bob")
    text = state.read_text()
    state.write_text(text.replace("has-subscriptions\tyes\n", ""))
    [line] = check(dovecot)
    assert "deliveries do not know" in line and state.read_text() == text
    path = store(dovecot, "bob", "subscriptions/ph/phone00002")
    path.write_text("{}")
    [line] = check(dovecot)
    assert "webpush/subscriptions/phone00002 is damaged" in line
    age(dovecot, "phone00003", 400)
    worker.gone = [("bob", "phone00001", endpoint_hash(phone))]
    assert check(dovecot) == []
    assert not subscriptions(bob) and not worker.gone
    assert check(dovecot) == []
    assert "has-subscriptions" not in state.read_text()


def backup(dovecot, state):
    """Makes alice's mail and entries the same as bob's; returns the new state."""
    return dovecot.doveadm("backup", "-u", "bob", "-s", state, "doveadm", "-c",
                           str(dovecot.conf), "dsync-server", "-u", "alice").strip()


def test_dsync(push, driver):
    """S43: dsync carries subscriptions and the sealed key as they are: nothing is
    validated or pushed, and the other side can push with them."""
    dovecot, worker = push(driver=driver, settings={"coi_secret": SECRET})
    bob = dovecot.imap("bob")
    subscribed(bob, worker, "phone00001", msgtype="chat")
    assert subscribe(bob, "phone00002", Phone()).status == "OK"
    point, before = vapid_point(bob), subscriptions(bob)
    count = len(worker.pushes(2, validation=True))
    state = backup(dovecot, "")
    alice = dovecot.imap("alice")
    assert subscriptions(alice) == before
    assert vapid_point(alice) == point
    assert "has-subscriptions" in store(dovecot, "alice").read_text()
    for name in ("keys/va/vapid", "subscriptions/ph/phone00001"):
        assert (store(dovecot, "alice", name).read_text() ==
                store(dovecot, "bob", name).read_text())
    assert set_entry(bob, entry("phone00001"), None).status == "OK"
    assert subscribe(bob, "phone00002", Phone(), msgtype="mail").status == "OK"
    backup(dovecot, state)
    assert subscriptions(alice) == subscriptions(bob)
    assert list(subscriptions(alice)) == ["phone00002"]
    assert len(worker.pushes(count + 1, validation=True)) == count + 1
