"""What all tests of clusters need."""

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Commands that are started hear Ctrl-C, also where the tests run in the background, which ignores it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
