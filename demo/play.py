"""Plays a chat on a private Dovecot; started by demo/run, which see."""

import hashlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "integration"))

from coitest import Dovecot, Literal  # noqa: E402
from coitest.authority import Authority  # noqa: E402
from coitest.pushservice import PushService  # noqa: E402
from coitest.worker import options  # noqa: E402
from push import SETTINGS, SUBSCRIPTIONS, VAPID_RAW, Phone  # noqa: E402

ENTRIES = "/private/vendor/vendor.dovecot/coi"
CONFIG = f"{ENTRIES}/config"
CHATS = "COI/Chats"
CONTACTS = "COI/Contacts"
BLOCKED = "Blocked"
# COI-From-Hash: SHA3-256 of the address
MALLORY = hashlib.sha3_256(b"mallory@example.net").hexdigest()
GROUP_ID = "hiking-club-2026"
GROUP = hashlib.sha3_256(GROUP_ID.encode()).hexdigest()
SUBSCRIPTION = f"{SUBSCRIPTIONS}/bobs-phone-1"
SHOW = "FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (FROM SUBJECT CHAT-VERSION)])"

CHAT = b"""\
From: Alice <alice@example.org>
To: Bob <bob@example.org>
Subject: Chat: Lunch?
Date: Thu, 01 Jan 2026 12:00:00 +0000
Message-ID: <chat$demo1@example.org>
Chat-Version: 1.0
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Lunch at one?
"""
MAIL = b"""\
From: Alice <alice@example.org>
To: Bob <bob@example.org>
Subject: The report
Date: Thu, 01 Jan 2026 12:01:00 +0000
Message-ID: <mail-demo1@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Dear Bob, the report is ready.
"""

SPAM = b"""\
From: "Mallory" <Mallory@example.net>
To: Bob <bob@example.org>
Subject: Again me
Date: Thu, 01 Jan 2026 12:02:00 +0000
Message-ID: <mail-demo2@example.net>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

You cannot ignore me!
"""
GROUP_CHAT = b"""\
From: Bob <bob@example.org>
To: Alice <alice@example.org>, Carol <carol@example.org>
Subject: Hiking on Sunday
Date: Thu, 01 Jan 2026 12:03:00 +0000
Message-ID: <chat$group.%s.1@example.org>
Chat-Version: 1.0
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Who comes along?
""" % GROUP_ID.encode()


FROM_GROUP = b"""\
From: Carol <carol@example.org>
To: Bob <bob@example.org>, Alice <alice@example.org>
Subject: Re: Hiking on Sunday
Date: Thu, 01 Jan 2026 12:%02d:00 +0000
Message-ID: <chat$group.%s.%d@example.org>
Chat-Version: 1.0
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

%s
"""


class Transcript:
    """Prints protocol lines under a name, and notes when each came."""
    lock = threading.Lock()

    def __init__(self, name):
        self.name = name
        self.last = 0.0

    def __call__(self, side, data):
        self.last = time.monotonic()
        with self.lock:
            for line in data.decode(errors="replace").splitlines():
                print(f"{self.name:<11} {side}: {line}", flush=True)


def scene(text):
    print(f"\n-- {text}", flush=True)


def wake_up(dovecot, bob, message, what):
    """Delivers while bob is in IDLE; returns how many ms after LMTP's answer he
    was told (0 if that was sooner)."""
    told = []
    waiter = threading.Thread(
        target=lambda: told.append(bob.wait_for(r"EXISTS")[-1].at))
    waiter.start()
    lmtp = Transcript(f"lmtp {what}")
    dovecot.delivered("bob", message, transcript=lmtp)
    waiter.join()
    return max(0.0, (told[0] - lmtp.last) * 1000)


def play(dovecot, service):
    bob = dovecot.imap("bob", transcript=Transcript("bob"))
    scene("Bob switches COI on. His server makes the mailboxes.")
    bob.ok(f'SETMETADATA "" ({CONFIG}/message-filter "active")')
    bob.ok(f'SETMETADATA "" ({CONFIG}/enabled "yes")')
    bob.ok(f'GETMETADATA (DEPTH 1) "" {CONFIG}')
    bob.ok('LIST "" "*"')

    scene("Bob waits for chat. Alice writes to him.")
    bob.ok(f"SELECT {CHATS}")
    bob.idle()
    msecs = wake_up(dovecot, bob, CHAT, "chat")

    scene("Alice also sends an ordinary mail, of which this IDLE hears nothing.")
    dovecot.delivered("bob", MAIL, transcript=Transcript("lmtp mail"))
    quiet = not [line for line in bob.done().untagged if b"EXISTS" in line]

    scene("What bob has now.")
    chats = bob.ok(SHOW)
    bob.ok("SELECT INBOX")
    inbox = bob.ok(SHOW)
    contacts = play_contacts(dovecot, bob)
    groups = play_groups(dovecot, bob)
    pushes = play_push(dovecot, bob, service)
    return verdict([
        (f"the chat is in {CHATS}, and only it", only(chats, b"Subject: Chat: Lunch?")),
        ("it carries $Chat", b"$Chat" in chats[0] if chats else False),
        ("the mail is in INBOX, and only it", only(inbox, b"Subject: The report")),
        ("it carries no $Chat", b"$Chat" not in b"".join(inbox)),
        ("the mail did not disturb the chat", quiet),
        (f"IDLE told bob {msecs:.1f} ms after the delivery", True),
        *contacts, *groups, *pushes,
    ])


def play_contacts(dovecot, bob):
    scene("Bob's telephone, a second connection, waits on his contacts.")
    phone = dovecot.imap("bob", transcript=Transcript("bob's phone"))
    phone.ok(f"SELECT {CONTACTS}")
    phone.idle()

    scene("Bob blocks mallory@example.net, by the hash of the address. The server writes a"
          " contact message, for clients that keep contacts as messages.")
    bob.ok(f'SETMETADATA "" ({ENTRIES}/contacts/{MALLORY} ',
           Literal(b'{"blocked":true}'), ")")
    phone.wait_for(r"EXISTS")
    phone.done()
    message = b"".join(phone.ok("FETCH 1:* BODY.PEEK[HEADER]"))
    entry = b"".join(phone.ok(f'GETMETADATA "" {ENTRIES}/contacts/{MALLORY}'))
    phone.ok("LOGOUT")

    scene("Mallory writes.")
    dovecot.delivered("bob", SPAM, transcript=Transcript("lmtp mail"))
    bob.ok("NOOP")
    inbox = bob.ok(SHOW)
    bob.ok(f"SELECT {BLOCKED}")
    blocked = bob.ok(SHOW)
    return [
        ("the telephone reads that Mallory is blocked", b'"blocked":true' in entry),
        ("and sees it in a contact message",
         b"COI-Blocked:" in message and MALLORY.encode() in message),
        ("Mallory's mail is in Blocked, and only it", only(blocked, b"Subject: Again me")),
        ("it is not in INBOX", b"Again me" not in b"".join(inbox)),
    ]


def play_groups(dovecot, bob):
    scene("Bob writes to a group; his client stores what he has sent.")
    bob.append(CHATS, GROUP_CHAT, r"\Seen")

    scene("Bob's new tablet asks which groups he is in.")
    tablet = dovecot.imap("bob", transcript=Transcript("bob's tablet"))
    groups = b"".join(tablet.ok(f'GETMETADATA (DEPTH 1) "" {ENTRIES}/groups'))
    tablet.ok("LOGOUT")
    return [
        ("the tablet finds the group, with its name", GROUP.encode() in groups and
         b'"name":"Hiking on Sunday"' in groups),
        ("and who is in it", all(f'"{name}@example.org"'.encode() in groups
                                 for name in ("alice", "bob", "carol"))),
    ]


def play_push(dovecot, bob, service):
    phone = Phone(service.url("bobs-phone"))
    scene("Bob's phone has a push service. Its app subscribes, with a public key of its own"
          " and the key of Bob's server.")
    bob.ok(f'GETMETADATA "" {VAPID_RAW}')
    bob.ok(f'SETMETADATA "" ({SUBSCRIPTION} ', Literal(phone.subscription().encode()), ")")
    scene("The server sends a text there. That the app can send it back proves that pushes"
          " reach it.")
    text = rings(service, phone, 1)["validation"]
    bob.ok(f'SETMETADATA "" ({SUBSCRIPTION}/validate "{text}")')
    bob.ok("LOGOUT")

    scene("The app is closed. Alice writes again.")
    dovecot.delivered("bob", CHAT.replace(b"demo1", b"demo2").replace(b"Lunch", b"Dinner"),
                      transcript=Transcript("lmtp chat"))
    notified = rings(service, phone, 2)

    scene("Bob mutes the group but for those who mention him. Carol writes to it twice.")
    tablet = dovecot.imap("bob", transcript=Transcript("bob's tablet"))
    tablet.ok(f'SETMETADATA "" ({ENTRIES}/groups/{GROUP} ',
              Literal(b'{"notify":"mentions"}'), ")")
    tablet.ok("LOGOUT")
    for number, line in enumerate([b"I bring cake.", b'And you, @"Bob":bob@example.org?'], 2):
        dovecot.delivered("bob", FROM_GROUP % (number, GROUP_ID.encode(), number, line),
                          transcript=Transcript("lmtp group"))
    mentioned = rings(service, phone, 3)
    return [
        ("the phone shows who writes, and what", notified["from-name"] == "Alice" and
         notified["subject"] == "Chat: Dinner?"),
        ("where to find it", notified["folder"] == CHATS and notified["uid"] > 1),
        ("a muted group rings for a mention, and for nothing else",
         "@" in mentioned["content"] and len(service.received()) == 3),
    ]


def rings(service, phone, count):
    """Prints the newest of so many pushes as the push service sees it, and as the
    phone does; returns the latter."""
    request = service.wait(count)[-1]
    for name, value in (("", f"{request.method} {request.path}"), *request.headers,
                        ("", f"{len(request.body)} bytes: {request.body[:24].hex()}...")):
        if name.lower() in ("", "ttl", "urgency", "topic", "content-encoding",
                            "webpush-validation"):
            print(f"push service S: {name}{': ' * bool(name)}{value}")
    payload = json.loads(phone.decrypt(request.body))
    print("bob's phone shows:", json.dumps(payload, indent=2, ensure_ascii=False))
    return payload


def only(lines, text):
    fetched = [line for line in lines if b" FETCH " in line]
    return len(fetched) == 1 and text in fetched[0]


def verdict(checks):
    scene("The outcome.")
    for text, right in checks:
        print(f"{'ok  ' if right else 'NOT '} {text}")
    return all(right for _, right in checks)


def keep(dovecot):
    print(f"""
It keeps running until Ctrl-C. Any IMAP client can connect:
  IMAP  127.0.0.1 port {dovecot.imap_address[1]}, no encryption, password "pass",
        user bob (has COI on) or alice (has not)
  LMTP  127.0.0.1 port {dovecot.lmtp_address[1]}, to bob@example.org or alice@example.org
  log   {dovecot.log}""", flush=True)
    (pathlib.Path(os.environ["COI_WORK"]) / "played").touch()
    signal.pause()


def main():
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(pathlib.Path(directory))
        with PushService(authority) as service:
            return run(options(pathlib.Path(directory), authority), service)


def run(worker, service):
    """worker: what starts it, of coitest.config.Options."""
    dovecot = Dovecot(**worker | {"settings": worker["settings"] | SETTINGS}).start()
    try:
        worked = play(dovecot, service)
        dovecot.check_log()
        if worked and "--keep" in sys.argv[1:]:
            keep(dovecot)
    except Exception as error:
        print(f"\n-- It did not work: {error!r}. The server's log:\n{dovecot.log_text()}")
        worked = False
    finally:
        dovecot.stop()
        dovecot.remove()
    return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())
