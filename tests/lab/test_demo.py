"""The demo as a person starts it: it tells its story to the end, and Ctrl-C leaves nothing behind."""

import signal
import subprocess
import sys

import pytest

from tests.lab.machines import CHECKOUT
from tests.lab.namespace import NETNS_FOLDER

pytestmark = pytest.mark.lab

WORDS = [sys.executable, "-m", "tests.lab.demo"]


def test_the_demo_runs_to_its_summary() -> None:
    done = subprocess.run(WORDS, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = done.stdout.split("taking everything down")[1]
    for fact in ("path", "direct", "round trip", "chat", "delivered", "MB/s", "equal"):
        assert fact in facts


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_demo_leaves_nothing(number: signal.Signals, code: int) -> None:
    with subprocess.Popen(WORDS, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "anna is logged in" in line:
                demo.send_signal(number)
        rest = demo.wait(timeout=60)
    assert rest == code
    assert not list(NETNS_FOLDER.glob(f"buri-lab-{demo.pid}-*"))
