"""Signals that ask a training to leave: collected, so that it can save its state first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptions() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGUSR1 (preemption) instead of dying of them, in the main thread."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    caught = (signal.SIGTERM, signal.SIGUSR1)
    before = [signal.signal(number, lambda got, _: received.append(got)) for number in caught]
    try:
        yield received
    finally:
        for number, handler in zip(caught, before, strict=True):
            signal.signal(number, handler)
