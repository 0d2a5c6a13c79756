"""The messages that tests deliver."""

import itertools

_numbers = itertools.count(1)


def mail(subject="mail", *headers, body="Hello.", sender="Alice <alice@example.org>"):
    """An ordinary mail; headers are whole lines."""
    return _message(subject, f"<mail-{next(_numbers)}@example.org>", headers, body, sender)


def chat(subject="chat", *headers, body="Hi!", sender="Alice <alice@example.org>"):
    """A chat message as COI clients write it."""
    return _message(subject, f"<chat$1234567890{next(_numbers)}@example.org>",
                    ("Chat-Version: 1.0", *headers), body, sender)


def _message(subject, message_id, headers, body, sender):
    lines = [f"From: {sender}", "To: Bob <bob@example.org>", f"Subject: {subject}",
             "Date: Thu, 01 Jan 2026 12:00:00 +0000", f"Message-ID: {message_id}",
             "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", *headers,
             "", body, ""]
    return "\n".join(lines).encode()
