"""doveadm coi push: the subscriptions of users, and the worker's queue."""

import json
import re
import subprocess
import time

import pytest

from coi import enabled, set_entry, store
from coitest import wait_until, worker as real
from coitest.pushservice import Answer
from messages import mail
from push import (ENDPOINT, SETTINGS, SUBJECT, VAPID, Phone, base64url, claims, entry, now,
                  subscribe, subscribed, subscriptions, vapid_point)
from test_doveadm import (EX_NOTFOUND, EX_NOTPOSSIBLE, EX_TEMPFAIL, EX_USAGE, OFF,
                          break_store, refused, rows, rows_in_spite, status, users_file)
from test_push_subscriptions import OTHER, SECRET, age, backup, restart

ID, ID2 = "phone00001", "phone00002"
USERS = {"alice": {}, "bob": {}, "carol": {}}


def coi_push(dovecot, *args):
    """Runs `doveadm coi push'; returns what it printed."""
    return dovecot.doveadm("coi", "push", *args)


def push_rows(dovecot, *args):
    return rows(dovecot, "push", *args)


def errors(dovecot, *args):
    """Runs it as coi_push() does; returns what it wrote as errors."""
    done = subprocess.run(["doveadm", "-c", dovecot.conf, "coi", "push", *args],
                          capture_output=True, text=True, check=True, timeout=30)
    return done.stderr


def without_push(dovecot):
    """The administrator switches push off."""
    dovecot.stop()
    text = dovecot.conf.read_text()
    dovecot.conf.write_text(re.sub(r"(?m)^\s*coi_push_subject =.*$", "", text))
    dovecot.start()


# -- list


def test_list(push, driver):
    """Each subscription, as the administrator needs to see it."""
    dovecot, worker = push(driver=driver)
    bob, before = dovecot.imap("bob"), now()
    subscribed(bob, worker, ID, msgtype="chat")
    value = Phone("https://other.example.org:443/x").subscription(client="A b", device="")
    assert set_entry(bob, entry(ID2), value).status == "OK"
    one, two = sorted(push_rows(dovecot, "list", "-u", "bob"), key=lambda row: row["id"])
    for row in (one, two):
        made = row.pop("created")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made)
        assert made >= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before))
    masked = {"endpoint": "***", "p256dh": "***", "auth": "***"}
    assert one == masked | {"id": ID, "client": "Test", "device": "Phone", "msgtype": "chat",
                            "validated": "yes", "host": "push.example.net"}
    assert two == masked | {"id": ID2, "client": "A b", "device": "", "msgtype": "all",
                            "validated": "no", "host": "other.example.org"}


def test_list_hides_secrets(push):
    """W39: endpoint and keys are shown only if the administrator says so."""
    dovecot, worker = push()
    phone = subscribed(dovecot.imap("bob"), worker)
    secrets = {"endpoint": ENDPOINT, "p256dh": base64url(phone.point),
               "auth": base64url(phone.auth)}
    printed = coi_push(dovecot, "list", "-u", "bob")
    assert ID in printed and not any(secret in printed for secret in secrets.values())
    [row] = push_rows(dovecot, "list", "-u", "bob", "--show-secrets")
    assert {name: row[name] for name in secrets} == secrets


def test_list_of_all_users(push):
    """One who cannot be listed is an error; the others are, and nobody's store is
    made by it."""
    dovecot, worker = push(users=USERS)
    dovecot.allow_error("not ours|damaged|coi:")
    subscribed(dovecot.imap("bob"), worker)
    path = store(dovecot, "bob", f"subscriptions/ph/{ID}")
    subscribed(dovecot.imap("alice"), worker, ID2)
    path.write_text("{}")
    code, found, stderr = rows_in_spite(dovecot, "push", "list", "-A")
    assert code == EX_TEMPFAIL and "bob" in stderr and ID in stderr
    assert [(row["username"], row["id"]) for row in found] == [("alice", ID2)]
    assert not list(dovecot.home("carol").rglob("dovecot-coi"))


def test_list_without_the_expired(push):
    """W20: as for clients, what was not validated in time is not there."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    subscribed(bob, worker, ID)
    subscribe(bob, ID2, Phone())
    assert len(push_rows(dovecot, "list", "-u", "bob")) == 2
    age(dovecot, ID2, 400)
    assert [row["id"] for row in push_rows(dovecot, "list", "-u", "bob")] == [ID]


def test_push_is_not_set_up(push):
    """list and remove work for what is left from a time with push; the others say
    what is missing."""
    dovecot, worker = push()
    subscribed(dovecot.imap("bob"), worker)
    without_push(dovecot)
    assert [row["id"] for row in push_rows(dovecot, "list", "-u", "bob")] == [ID]
    for args in (("test", "-u", "bob", ID), ("rekey", "-u", "bob")):
        code, output = refused(dovecot, "push", *args)
        assert code == EX_NOTPOSSIBLE and "coi_push_subject is empty" in output
    assert push_rows(dovecot, "remove", "-u", "bob", "--all") == [{"removed": 1}]
    assert push_rows(dovecot, "list", "-u", "bob") == []
    assert worker.cancelled() == []


def test_status(push, driver):
    """It counts subscriptions, validated or not, but only where the store's mark says
    that there are any: nobody else's are listed."""
    dovecot, worker = push(driver=driver)
    assert status(dovecot)["subscriptions"] == 0
    bob = dovecot.imap("bob")
    subscribed(bob, worker, ID)
    subscribe(bob, ID2, Phone())
    assert status(dovecot) == OFF | {"subscriptions": 2}
    set_entry(bob, entry(ID2), None)
    without_push(dovecot)
    assert status(dovecot)["subscriptions"] == 1
    state = store(dovecot, "bob")
    text = state.read_text()
    state.write_text(text.replace("has-subscriptions\tyes\n", ""))
    assert state.read_text() != text
    assert status(dovecot)["subscriptions"] == 0


@pytest.mark.parametrize("args", [
    ("remove",), ("remove", ID, "--all"), ("remove", "short"), ("remove", "a/b/c/d/e/f/g"),
    ("test",), ("test", "short")])
def test_wrong_parameters(push, args):
    """Nothing is done."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    subscribed(bob, worker)
    assert refused(dovecot, "push", *args[:1], "-u", "bob", *args[1:])[0] == EX_USAGE
    assert list(subscriptions(bob)) == [ID] and worker.cancelled() == []


# -- remove


def test_remove(push, driver):
    """W21: one, however its id is written; the other stays. As by a client's NIL:
    what waits in the queue is dropped, and the worker knows before the command
    ends."""
    dovecot, worker = push(driver=driver)
    bob = dovecot.imap("bob")
    subscribed(bob, worker, ID)
    subscribed(bob, worker, ID2)
    assert push_rows(dovecot, "remove", "-u", "bob", ID.upper()) == [{"removed": 1}]
    assert worker.cancelled() == [("bob", ID)]
    assert list(subscriptions(bob)) == [ID2]
    dovecot.delivered("bob", mail("one"))
    assert [job.subscription for job in worker.pushes(1)] == [ID2]


def test_remove_all(push):
    """Validated, not validated and damaged ones, and deliveries do not look for
    any more of them."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    subscribed(bob, worker, ID)
    subscribe(bob, ID2, Phone())
    subscribe(bob, "phone00003", Phone())
    store(dovecot, "bob", "subscriptions/ph/phone00003").write_text("{}")
    assert push_rows(dovecot, "remove", "-u", "bob", "--all") == [{"removed": 3}]
    assert sorted(worker.cancelled()) == [("bob", ID), ("bob", ID2), ("bob", "phone00003")]
    assert not subscriptions(bob)
    assert "has-subscriptions" not in store(dovecot, "bob").read_text()
    assert push_rows(dovecot, "remove", "-u", "bob", "--all") == [{"removed": 0}]
    assert dovecot.doveadm("coi", "check", "-u", "bob") == ""


def test_remove_of_many_users(push):
    """An error for who has no such subscription, and for a user whose store
    cannot be read; the others go on."""
    dovecot, worker = push(users=USERS)
    dovecot.allow_error("coi: ")
    subscribed(dovecot.imap("carol"), worker)
    users = users_file(dovecot, "bob", "carol")
    code, found, stderr = rows_in_spite(dovecot, "push", "remove", "-F", users, ID)
    assert code == EX_NOTFOUND and f"There is no subscription {ID}" in stderr
    assert [(row["username"], row["removed"]) for row in found] == [("carol", 1)]
    subscribed(dovecot.imap("carol"), worker)
    subscribed(dovecot.imap("alice"), worker)
    break_store(dovecot, "alice")
    code, found, stderr = rows_in_spite(dovecot, "push", "remove", "-A", "--all")
    assert code == EX_TEMPFAIL and "alice" in stderr
    assert [(row["username"], row["removed"]) for row in found] == [("bob", 0), ("carol", 1)]


def test_remove_is_carried_by_dsync(push):
    """S43: as what a client removes."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    subscribed(bob, worker, ID)
    subscribed(bob, worker, ID2)
    state = backup(dovecot, "")
    alice = dovecot.imap("alice")
    assert set(subscriptions(alice)) == {ID, ID2}
    coi_push(dovecot, "remove", "-u", "bob", ID)
    state = backup(dovecot, state)
    assert set(subscriptions(alice)) == {ID2}
    coi_push(dovecot, "remove", "-u", "bob", "--all")
    backup(dovecot, state)
    assert not subscriptions(alice)


@pytest.mark.parametrize("trouble", ["stopped", "mute"])
def test_remove_without_the_worker(push, trouble):
    """The subscription goes, but the administrator is told that something may
    still be sent."""
    dovecot, worker = push()
    dovecot.allow_error("coi: Pushes ")
    bob = dovecot.imap("bob")
    subscribed(bob, worker)
    if trouble == "stopped":
        worker.stop()
    worker.mute = True
    code, output = refused(dovecot, "push", "remove", "-u", "bob", "--all")
    assert code == EX_TEMPFAIL and "the worker may still send what it has" in output
    assert not subscriptions(bob)


# -- test


def test_test(push, driver):
    """W29 W30 W35: one push, to this subscription only, which says what it is."""
    dovecot, worker = push(driver=driver)
    bob = dovecot.imap("bob")
    phone = subscribed(bob, worker, ID, msgtype="chat")
    subscribed(bob, worker, ID2)
    [row] = push_rows(dovecot, "test", "-u", "bob", ID)
    [job] = worker.pushes(1)
    assert row == {"id": ID, "job": job.id}
    assert (job.user, job.subscription, job.endpoint) == ("bob", ID, ENDPOINT)
    assert (job.topic, job.small_body, job.urgency, job.ttl) == (None, b"", "high", 86400)
    assert claims(job.authorization, vapid_point(bob))["sub"] == SUBJECT
    payload = phone.read(job)
    assert sorted(payload) == ["date", "from-name", "subject"]
    assert payload["subject"] == "Test of push notifications"
    assert payload["from-name"] == "Mail server"


def test_test_where_content_is_not_pushed(push):
    """coi_push_content is about the user's messages."""
    dovecot, worker = push(settings={"coi_push_content": "no"})
    phone = subscribed(dovecot.imap("bob"), worker)
    coi_push(dovecot, "test", "-u", "bob", ID)
    assert phone.read(worker.pushes(1)[0])["subject"] == "Test of push notifications"


def test_test_of_what_is_not_there(push):
    """No such id, or not validated: nothing is pushed (W20)."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    subscribe(bob, ID, Phone())
    code, output = refused(dovecot, "push", "test", "-u", "bob", ID)
    assert (code, f"Subscription {ID} is not validated" in output) == (EX_NOTPOSSIBLE, True)
    code, output = refused(dovecot, "push", "test", "-u", "bob", ID2)
    assert (code, f"There is no subscription {ID2}" in output) == (EX_NOTFOUND, True)
    assert worker.pushes(0) == []


@pytest.mark.parametrize("trouble, text", [
    ("refuse", "refused"), ("mute", "it has not answered"), ("stopped", "it has not answered")])
def test_test_is_not_taken(push, trouble, text):
    """The administrator is told, in a bounded time."""
    dovecot, worker = push()
    dovecot.allow_error("coi: ")
    subscribed(dovecot.imap("bob"), worker)
    if trouble == "stopped":
        worker.stop()
    else:
        setattr(worker, trouble, True)
    code, output = refused(dovecot, "push", "test", "-u", "bob", ID)
    assert code == EX_TEMPFAIL and f"The worker has not taken the push: {text}" in output


def test_test_of_many_users(push):
    dovecot, worker = push(users=USERS)
    for user in ("alice", "carol"):
        subscribed(dovecot.imap(user), worker)
    code, found, stderr = rows_in_spite(dovecot, "push", "test", "-A", ID)
    assert code == EX_NOTFOUND and "bob" in stderr and "There is no subscription" in stderr
    assert [(row["username"], row["id"]) for row in found] == [("alice", ID), ("carol", ID)]
    assert [job.user for job in worker.pushes(2)] == ["alice", "carol"]


def test_test_with_a_key_that_cannot_be_unsealed(push):
    """W6: an error, and the key stays."""
    dovecot, worker = push(settings={"coi_secret": SECRET})
    subscribed(dovecot.imap("bob"), worker)
    path = store(dovecot, "bob", "keys/va/vapid")
    text = path.read_text()
    restart(dovecot, worker, coi_secret=OTHER)
    code, output = refused(dovecot, "push", "test", "-u", "bob", ID)
    assert code == EX_TEMPFAIL and "The VAPID key cannot be used" in output
    assert path.read_text() == text and worker.pushes(0) == []


# -- rekey


def test_rekey(push, driver):
    """W6: another key; the subscriptions, which are worth nothing under it, go
    with all that waits for them, and the client can subscribe again."""
    dovecot, worker = push(driver=driver)
    bob = dovecot.imap("bob")
    subscribed(bob, worker, ID)
    subscribe(bob, ID2, Phone())
    point = vapid_point(bob)
    stderr = errors(dovecot, "rekey", "-u", "bob")
    assert "2 subscriptions made with the old one have become useless" in stderr
    assert not subscriptions(bob)
    assert {("bob", ID), ("bob", ID2)} <= set(worker.cancelled())
    new = vapid_point(bob)
    assert new != point and vapid_point(dovecot.imap("bob")) == new
    assert "has-subscriptions" not in store(dovecot, "bob").read_text()
    assert dovecot.doveadm("coi", "check", "-u", "bob") == ""
    phone = subscribed(bob, worker, ID)
    dovecot.delivered("bob", mail("one"))
    [job] = worker.pushes(1)
    assert claims(job.authorization, new) and phone.read(job)["subject"] == "one"


def test_rekey_prints(push):
    """What it has done; nothing for who has no key, and no store is made."""
    dovecot, worker = push(users=USERS)
    dovecot.allow_error("coi: The VAPID key is a new one")
    subscribed(dovecot.imap("bob"), worker)
    vapid_point(dovecot.imap("alice"))
    code, found, _ = rows_in_spite(dovecot, "push", "rekey", "-A")
    assert code == 0
    assert {row.pop("username"): row for row in found} == {
        "alice": {"rekeyed": "yes", "subscriptions_removed": 0},
        "bob": {"rekeyed": "yes", "subscriptions_removed": 1},
        "carol": {"rekeyed": "no", "subscriptions_removed": 0}}
    assert not list(dovecot.home("carol").rglob("dovecot-coi"))


@pytest.mark.parametrize("key", ["wrong secret", b"", b"plain x", b"a\0b", b"x" * 10000],
                         ids=["secret", "empty", "none", "nul", "long"])
def test_rekey_of_a_key_that_cannot_be_used(push, key):
    """W6: whatever has become of it, and of a subscription: this resets it."""
    dovecot, worker = push(settings={"coi_secret": SECRET})
    dovecot.allow_error("coi: ")
    bob = dovecot.imap("bob")
    point = vapid_point(bob)
    subscribed(bob, worker, ID)
    subscribed(bob, worker, ID2)
    bob.ok("LOGOUT")
    path = store(dovecot, "bob", "keys/va/vapid")
    if key == "wrong secret":
        restart(dovecot, worker, coi_secret=OTHER)
    else:
        path.write_bytes(key)
        store(dovecot, "bob", f"subscriptions/ph/{ID2}").write_bytes(b"a\0b")
    bob = dovecot.imap("bob")
    assert bob.cmd(f'GETMETADATA "" {VAPID}').status == "NO"
    [row] = push_rows(dovecot, "rekey", "-u", "bob")
    assert row == {"rekeyed": "yes", "subscriptions_removed": 2}
    bob = dovecot.imap("bob")
    assert vapid_point(bob) != point
    assert not subscriptions(bob)
    assert ("bob", "") in worker.cancelled()
    assert path.read_text().startswith("sealed ")
    assert dovecot.doveadm("coi", "check", "-u", "bob") == ""


def test_rekey_is_carried_by_dsync(push):
    """S43: the other side has the same key, and no subscription either."""
    dovecot, worker = push()
    bob = dovecot.imap("bob")
    subscribed(bob, worker)
    state = backup(dovecot, "")
    coi_push(dovecot, "rekey", "-u", "bob")
    backup(dovecot, state)
    alice = dovecot.imap("alice")
    assert vapid_point(alice) == vapid_point(bob)
    assert not subscriptions(alice)


def test_rekey_fails_for_one_user(push):
    dovecot, worker = push(users=USERS)
    dovecot.allow_error("coi: ")
    points = {}
    for user in USERS:
        client = dovecot.imap(user)
        subscribed(client, worker)
        points[user] = vapid_point(client)
    keys = store(dovecot, "bob", "keys/va/vapid").parent
    keys.chmod(0o500)
    code, found, stderr = rows_in_spite(dovecot, "push", "rekey", "-A")
    keys.chmod(0o700)
    assert code == EX_TEMPFAIL and "bob" in stderr
    assert [row["username"] for row in found] == ["alice", "carol"]
    bob = dovecot.imap("bob")
    assert vapid_point(bob) == points["bob"] and list(subscriptions(bob)) == [ID]
    assert vapid_point(dovecot.imap("carol")) != points["carol"]


def test_rekey_without_the_worker(push):
    """The key is new, and the administrator is told what may still be sent."""
    dovecot, worker = push()
    dovecot.allow_error("coi: ")
    bob = dovecot.imap("bob")
    subscribed(bob, worker)
    point = vapid_point(bob)
    worker.mute = True
    code, output = refused(dovecot, "push", "rekey", "-u", "bob")
    assert code == EX_TEMPFAIL and "the worker may still send what it has" in output
    assert vapid_point(bob) != point and not subscriptions(bob)


# -- queue


@pytest.fixture
def make(server, push_service, authority, tmp_path):
    """Makes a server with push and its own worker, which ends before the push
    service."""
    servers = []

    def make(**options):
        mine = real.options(tmp_path, authority)
        mine["settings"] |= SETTINGS
        servers.append(server(**mine, **options))
        return servers[-1]
    yield make
    for one in servers:
        one.stop()


def subscribed_at(service, name, client):
    """Subscribes at the push service and validates; returns the phone."""
    phone = Phone(service.url(name))
    assert subscribe(client, ID, phone).status == "OK"
    wait_until(lambda: service.received(name), "the validation")
    text = pushed(service, name, phone)["validation"]
    assert set_entry(client, entry(ID) + "/validate", text).status == "OK"
    return phone


def pushed(service, name, phone):
    """What the last push says."""
    return json.loads(phone.decrypt(service.received(name)[-1].body))


def queue(dovecot, *args):
    return push_rows(dovecot, "queue", *args)


def failed_once(row):
    return row["attempts"] == 1


def test_queue(make, push_service):
    """What waits in the worker: all of it, or a user's; and what test has pushed
    arrives."""
    dovecot = make()
    bob, alice = enabled(dovecot, "bob", "alice")
    phone = subscribed_at(push_service, "a", bob)
    subscribed_at(push_service, "b", alice)
    wait_until(lambda: queue(dovecot) == [], "an empty queue")
    push_service.answer("a", Answer(503), Answer(201))
    push_service.answer("b", Answer(503), Answer(201))
    before = now()
    [row] = push_rows(dovecot, "test", "-u", "bob", ID)
    coi_push(dovecot, "test", "-u", "alice", ID)
    found = wait_until(lambda: [*map(failed_once, waiting := queue(dovecot))] == [True] * 2 and
                       waiting,
                       "two failures")
    assert sorted(one["user"] for one in found) == ["alice", "bob"]
    [mine] = [one for one in found if one["job"] == row["job"]]
    assert ID in dovecot.doveadm("coi", "push", "queue")
    assert queue(dovecot, "-u", "bob") == [mine]
    assert queue(dovecot, "-u", "carol") == []
    times = [mine.pop(name) for name in ("queued", "next_attempt", "deadline")]
    assert times == sorted(times)
    assert times[0] >= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before))
    host = push_service.url("a").split("/")[2]
    assert mine == {"job": row["job"], "user": "bob", "subscription": ID, "host": host,
                    "attempts": 1, "last_status": 503}
    wait_until(lambda: not queue(dovecot), "an empty queue")
    assert pushed(push_service, "a", phone)["subject"] == "Test of push notifications"


def test_queue_that_is_long(push):
    """More than fits into a buffer, and odd names, as they are."""
    dovecot, worker = push()
    worker.queue = "".join(
        f"JOB\tid{number:014}\t\u00f6\x01tb\t{ID}\texample.org\t1\t2\t3\t4000000000\t0\n"
        for number in range(5000)) + "END\tQUEUE\n"
    found = queue(dovecot)
    assert [row["job"] for row in found] == [f"id{number:014}" for number in range(5000)]
    assert found[0] == {"job": "id" + "0" * 14, "user": "\u00f6\tb",
                        "subscription": ID, "host": "example.org",
                        "queued": "1970-01-01T00:00:01Z",
                        "next_attempt": "1970-01-01T00:00:02Z", "attempts": 3,
                        "deadline": "2096-10-02T07:06:40Z", "last_status": 0}
    queue(dovecot, "-u", "a\tb")
    assert worker.lines == ["QUEUE\t", "QUEUE\ta\x01tb"]


@pytest.mark.parametrize("answer, text", [
    ("NO\tQUEUE\tnot allowed to this user\n", "The worker refuses: not allowed to this user"),
    ("JOB\tx\ty\n", "The worker answers in words unknown"),
    ("JOB\tx\tu\ts\th\t1\t2\tmany\t4\t5\n", "The worker answers in words unknown"),
    ("OK\n", "The worker answers in words unknown")])
def test_queue_is_refused(push, answer, text):
    dovecot, worker = push()
    worker.queue = answer
    code, output = refused(dovecot, "push", "queue")
    assert code == EX_TEMPFAIL and text in output and "coi-push" in output


def test_queue_without_the_worker(push):
    """It says so, and where it has looked."""
    dovecot, worker = push()
    worker.stop()
    code, output = refused(dovecot, "push", "queue")
    assert code == EX_TEMPFAIL
    assert f"{worker.path}: Is the worker running? connect() failed: No such file" in output


def test_queue_breaks_off(push):
    """A worker that ends before it has answered is an error."""
    dovecot, worker = push(worker={"mute": True})
    with subprocess.Popen(["doveadm", "-c", dovecot.conf, "coi", "push", "queue"],
                          stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: worker.lines, "the question")
        worker.stop()
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == EX_TEMPFAIL and "coi-push: " in stderr
