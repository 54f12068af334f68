"""What all tests share: Hypothesis without a stopwatch, the lab, and a plain word where root is missing.

Property tests look at other examples in each run, so that they go on finding; with CI in the environment always at the
same ones, so that nothing fails there which has nothing to do with the change.
"""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from app.platform import gateways
from tests.lab.topology import Lab

LOG_TAIL = 6_000
"""Characters of each log of the lab that a failed test shows."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else no program under test would hear its Ctrl-C

settings.register_profile("buri", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("buri"), derandomize=True)
settings.load_profile("ci" if "CI" in os.environ else "buri")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A privileged test without root fails and says why: a test that is silently not run proves nothing."""
    needs_root = item.get_closest_marker("lab") or item.get_closest_marker("privileged")
    if needs_root and os.geteuid() != 0:
        pytest.fail("needs root: use `python3 installer/run.py test`, or add -m 'not lab and not privileged'")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test in the lab shows the end of what every program there printed."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(lab, Lab):
        report.sections.extend((f"lab: {name}", text[-LOG_TAIL:]) for name, text in lab.logs())
    return report


@pytest.fixture(autouse=True)
def _no_router(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines in tests ask this machine's router for nothing. The lab's computers have routers of their own."""
    monkeypatch.setattr(gateways, "_ROUTES", Path(os.devnull))


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty lab: an internet, and nothing on it yet."""
    with Lab() as lab:
        yield lab
