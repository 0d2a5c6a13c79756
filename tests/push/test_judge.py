"""The judge judges: it takes what the RFCs give as examples, and refuses what is
wrong with a push in any one way."""

import subprocess
import time

import pytest

from coitest.authority import Authority
from coitest.judge import JudgeError, Receiver, decode, encode
from coitest.pushservice import PushService
from coitest.wait import BOUND
from conftest import NOW, ORIGIN

DAY = 24 * 60 * 60

# RFC 8291 5
RECEIVER = Receiver(
    privateKey="q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    p256dh="BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNto"
           "IAiw4",
    auth="BTBZMqHH6r4Tts7J_aSIgg")
BODY = ("DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc"
        "InmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLV"
        "WGNWQexSgSxsj_Qulcy4a-fN")

# RFC 8292 2.4
TOKEN = ("eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLC"
         "JleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptF"
         "OepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA")
VAPID = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"


def test_examples(judge):
    """Of RFC 8291 and of RFC 8292: two that their authors made."""
    push = judge.push(RECEIVER, VAPID, origin="https://push.example.net",
                      headers=[["authorization", f"vapid t={TOKEN}, k={VAPID}"]],
                      body=decode(BODY), now=1453523768 - DAY)
    assert push.plaintext == b"When I grow up, I want to be a watermelon"
    assert push.claims == {"aud": "https://push.example.net", "exp": 1453523768,
                           "sub": "mailto:push@example.com"}


@pytest.fixture
def push(pushes):
    [push] = pushes.dump([{"plaintext": encode(b"Hello")}])
    assert pushes.judged(push).plaintext == b"Hello"
    return push


def test_salt_and_sender(pushes, push):
    """By which a test sees that they are fresh (W29)."""
    body, found = decode(push["body"]), pushes.judged(push)
    assert (found.salt, found.sender) == (encode(body[:16]), encode(body[21:86]))


def test_every_bit_of_the_body_counts(pushes, push):
    """Of all but the record size, which is a ceiling."""
    body = decode(push["body"])
    for place in set(range(len(body))) - set(range(16, 20)):
        changed = bytearray(body)
        changed[place] ^= 1 << place % 8
        with pytest.raises(JudgeError):
            pushes.judged(push, body=bytes(changed))


def test_bodies_that_are_none(pushes, push):
    body = decode(push["body"])
    for changed in (b"", body[:-1], body + b"\0", body[:86], body[:20] + b"\0" + body[86:],
                    body[:16] + (20).to_bytes(4, "big") + body[20:], body + bytes(4096)):
        with pytest.raises(JudgeError):
            pushes.judged(push, body=changed)


def test_other_receivers(judge, pushes, push):
    """Nobody else can read it: neither with another key nor with another auth."""
    other = judge.receiver()
    mine = pushes.receiver
    for receiver in (other, Receiver(mine.privateKey, mine.p256dh, other.auth),
                     Receiver(other.privateKey, other.p256dh, mine.auth)):
        with pytest.raises(JudgeError, match="^cannot decrypt: "):
            pushes.judged(push, receiver=receiver)


def test_every_part_of_the_token_counts(pushes, push):
    head, token = push["authorization"].split("t=")
    for place in range(0, token.index(","), 7):
        # another of the token's own characters, of which the last bits count
        char = "Q" if token[place] != "Q" else "g"
        if token[place] != ".":
            changed = f"{head}t={token[:place]}{char}{token[place + 1:]}"
            with pytest.raises(JudgeError, match="^the token: "):
                pushes.judged(push, headers=[["Authorization", changed]])


def test_unsigned(pushes, push):
    """A token that says itself that it is not signed."""
    _, claims, _ = push["authorization"].split("t=")[1].split(", ")[0].split(".")
    for alg in ("none", "HS256"):
        token = encode(b'{"typ":"JWT","alg":"%s"}' % alg.encode()) + f".{claims}."
        with pytest.raises(JudgeError, match="^the token: "):
            pushes.judged(push, headers=[
                ["Authorization", f"vapid t={token}, k={push['vapid']}"]])


def test_authorization(pushes, push):
    token, key = push["authorization"].removeprefix("vapid ").split(", ")
    for value in (f"WebPush {token}", f"vapid {token}", f"vapid {key}, {token}", "",
                  f"vapid {token}, k={VAPID}"):
        with pytest.raises(JudgeError, match="^Authorization is|^k is not the VAPID key"):
            pushes.judged(push, headers=[["Authorization", value]])
    with pytest.raises(JudgeError, match="^no header Authorization"):
        pushes.judged(push, headers=[])
    with pytest.raises(JudgeError, match="^two headers authorization"):
        pushes.judged(push, headers=[["Authorization", push["authorization"]],
                                     ["authorization", push["authorization"]]])


def test_other_key(pushes, push):
    """Signed by another than the key that the client knows."""
    other = pushes.dump([{"plaintext": ""}])[0]
    with pytest.raises(JudgeError, match="^k is not the VAPID key"):
        pushes.judged(push, vapid=other["vapid"])
    with pytest.raises(JudgeError, match="^k is not the VAPID key"):
        pushes.judged(push, vapid=other["pem"])
    with pytest.raises(JudgeError, match="^the token: signature"):
        pushes.judged(push, vapid=other["vapid"], headers=[
            ["Authorization", push["authorization"].replace(push["vapid"], other["vapid"])]])


@pytest.mark.parametrize("origin", [
    "https://push.example.net", "https://push.example.net:443", "http://push.example.net:8443",
    "https://push.example.net:8443/", "https://example.net:8443"])
def test_audience(pushes, push, origin):
    with pytest.raises(JudgeError, match='^the token: unexpected "aud"'):
        pushes.judged(push, origin=origin)


def test_lifetime(pushes, push):
    """It is valid for 12 hours; a push service need not take one for longer than
    24."""
    for now in (NOW - DAY // 2, NOW + DAY // 2 - 1):
        pushes.judged(push, now=now)
    with pytest.raises(JudgeError, match="^exp is more than a day away"):
        pushes.judged(push, now=NOW - DAY // 2 - 1)
    with pytest.raises(JudgeError, match='^the token: "exp" claim timestamp'):
        pushes.judged(push, now=NOW + DAY // 2)


@pytest.mark.parametrize("subject", ["postmaster@example.org", "mailto:", "http://example.org", ""])
def test_subject(pushes, subject):
    [push] = pushes.dump([{"plaintext": ""}], subject=subject)
    with pytest.raises(JudgeError, match="^sub is "):
        pushes.judged(push)


REQUEST = {
    "Content-Type": "application/octet-stream", "Content-Encoding": "aes128gcm",
    "Content-Length": "108", "TTL": "3600", "Urgency": "high",
    "Topic": "0123456789abcdefghijKLMN_-"}


@pytest.fixture
def judged_request(pushes, push):
    def judge(**changes):
        headers = REQUEST | {name.replace("_", "-"): value for name, value in changes.items()}
        headers["Authorization"] = push["authorization"]
        endpoint = headers.pop("endpoint", ORIGIN + "/p/1")
        return pushes.judged(push, endpoint=endpoint, headers=[
            pair for pair in headers.items() if pair[1] is not None])
    return judge


def test_request(judged_request):
    """As web-push sends it, with a Topic and without, over HTTP/1.1 and 2."""
    assert judged_request().plaintext == b"Hello"
    judged_request(Topic=None)
    judged_request(Content_Length=None)
    judged_request(TTL="0", Urgency="normal")


@pytest.mark.parametrize("changes, error", [
    ({"Content_Type": None}, "Content-Type is undefined"),
    ({"Content_Type": "application/x-www-form-urlencoded"}, "Content-Type is "),
    ({"Content_Encoding": None}, "Content-Encoding is undefined"),
    ({"Content_Encoding": "aesgcm"}, "Content-Encoding is aesgcm"),
    ({"Content_Length": "107"}, "Content-Length is 107"),
    ({"TTL": None}, "no header ttl"),
    ({"TTL": "-1"}, "web-push would not send it: TTL"),
    ({"TTL": "1h"}, "TTL is 1h"),
    ({"TTL": "+5"}, "TTL is "),
    ({"Urgency": None}, "no header urgency"),
    ({"Urgency": "urgent"}, "web-push would not send it: Unsupported urgency"),
    ({"Topic": "a b"}, "web-push would not send it: "),
    ({"Topic": "x" * 33}, "web-push would not send it: "),
    ({"Topic": ""}, "Topic is empty"),
    ({"endpoint": "https://push.example.net/p/1"}, "aud is https://push.example.net:8443"),
])
def test_request_refused(judged_request, changes, error):
    with pytest.raises(JudgeError, match=f"^{error}"):
        judged_request(**changes)


def test_over_the_wire(tmp_path, judge, pushes):
    """A request that a push service got, with all that belongs to it."""
    authority = Authority(tmp_path / "ca")
    with PushService(authority) as service:
        [push] = pushes.dump([{"payload": {"uid": 5}}], origin=service.origin,
                             now=int(time.time()))
        headers = REQUEST | {"Authorization": push["authorization"]}
        del headers["Content-Length"]
        for version in ("--http1.1", "--http2"):
            subprocess.run(
                ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", version,
                 "--max-time", str(BOUND), "--cacert", authority.ca, "--data-binary", "@-",
                 *[word for name, value in headers.items()
                   for word in ("--header", f"{name}: {value}")], service.url()],
                input=decode(push["body"]), check=True)
        for request in service.wait(2):
            found = judge.request(pushes.receiver, push["vapid"], request)
            assert found.payload() == {"uid": 5}
            assert found.claims["aud"] == service.origin
        request.method = "PUT"
        with pytest.raises(JudgeError, match="^the method is PUT"):
            judge.request(pushes.receiver, push["vapid"], request)


def test_it_goes_on(judge):
    """What it cannot make sense of is an answer too, and it stays alive."""
    with pytest.raises(JudgeError, match="^unknown op nonsense"):
        judge._ask(op="nonsense")
    with pytest.raises(JudgeError):
        judge._ask(op="push")
    assert len(decode(judge.receiver().p256dh)) == 65
