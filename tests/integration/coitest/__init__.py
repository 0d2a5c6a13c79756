"""Drives a private Dovecot: the server, an IMAP and an LMTP client; and what
pushes go to: a push service, a DNS server, and a judge."""

from .dovecot import Dovecot
from .imap import Imap, Literal
from .lmtp import Lmtp, deliver
from .wait import wait_until

__all__ = ["Dovecot", "Imap", "Literal", "Lmtp", "deliver", "wait_until"]
