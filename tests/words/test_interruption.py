"""A command that is asked to end does so in one line, with the exit code of the signal, whatever it is doing."""

import signal
import subprocess
import sys

import pytest

HEAD = """
import hashlib, os, signal, sys, time
from discbench.words import interruption
interruption.GRACE = {grace}
interruption.keeps(lambda: "3 of 4 cells are finished and kept in results")
def ready():
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
"""
KEPT = "3 of 4 cells are finished and kept in results; run the same command to go on\n"


def program(body, grace=100, ignored=signal.SIG_DFL):
    """Start a program that says when it is ready for a signal."""

    def settle():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, ignored)

    code = HEAD.format(grace=grace) + "with interruption.ends_in_one_line():\n" + body
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=settle,  # noqa: PLW1509 - no threads here
    )
    assert "ready\n" == started.stdout.readline()
    return started


def ending(started, *numbers):
    """Send signals, each when the program is ready for it; return its exit code and what it printed on stderr."""
    for place, number in enumerate(numbers):
        if place:
            assert "ready\n" == started.stdout.readline()
        started.send_signal(number)
    _, errors = started.communicate(timeout=60)
    return started.returncode, errors


@pytest.mark.parametrize(
    "number, code, how",
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_a_signal_is_one_line_and_its_exit_code(number, code, how):
    assert (code, f"{how}: {KEPT}") == ending(program("    ready(); time.sleep(600)\n"), number)


@pytest.mark.parametrize(
    "body",
    [
        "    ready(); hashlib.pbkdf2_hmac('sha256', b'a', b'b', 1 << 30)\n",
        "    try:\n        ready(); time.sleep(600)\n    except BaseException:\n        time.sleep(600)\n",
        "    class Lost:\n        __del__ = lambda self: (ready(), time.sleep(600))\n    Lost()\n    time.sleep(600)\n",
    ],
    ids=[
        "a call of C that does not return",
        "a library that catches everything",
        "a place where nothing can be raised",
    ],
)
def test_what_does_not_end_by_itself_is_ended(body):
    assert (130, f"interrupted: {KEPT}") == ending(program(body, grace=0.2), signal.SIGINT)


def test_a_second_signal_does_not_wait_for_the_end_of_cleaning_up():
    body = (
        "    try:\n        ready(); time.sleep(600)\n    finally:\n        time.sleep(0.2); ready(); time.sleep(600)\n"
    )

    assert (130, f"interrupted: {KEPT}") == ending(program(body), signal.SIGINT, signal.SIGINT)


def test_a_signal_that_was_ignored_at_the_start_stays_so():
    body = "    for _ in range(600):\n        ready(); time.sleep(1)\n"

    assert (143, f"ended by SIGTERM: {KEPT}") == ending(
        program(body, ignored=signal.SIG_IGN), signal.SIGHUP, signal.SIGTERM
    )


def test_a_copy_of_the_process_ends_by_signals_as_any_other_and_tells_nothing():
    body = """
    copy = os.fork()
    if not copy:
        ready(); time.sleep(600)
    os.kill(copy, signal.SIGTERM)
    print(os.waitpid(copy, 0)[1])
"""
    started = program(body.replace("os.kill(", "time.sleep(1); os.kill("), grace=0)
    output, errors = started.communicate(timeout=60)

    assert (0, f"{int(signal.SIGTERM)}\n", "") == (started.returncode, output, errors)
