"""Waiting for a condition, never for a time."""

import threading
import time

BOUND = 15  # seconds; what takes longer than this is broken


def wait_until(condition, what, bound=BOUND):
    """Returns the first true value of condition(); fails after the bound."""
    pause = threading.Event()
    deadline = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {bound} s: {what}")
        pause.wait(0.01)
