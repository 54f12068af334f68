"""`buri netcheck` as people read it; the verb against real routers is in tests/lab/test_netcheck.py."""

from argparse import Namespace
from pathlib import Path

import pytest

from app.cli import netcheck
from app.cli.outcome import CommandError, ExitCode
from app.engine.errors import engine_error, problem_of
from app.engine.netcheck_state import Grade, Netcheck, ProxyView
from app.engine.state import PortMappingView


def test_the_verdict_comes_first_and_then_every_line() -> None:
    verdict = problem_of(engine_error("netcheck-blocked", server="vpn.example:12975"))
    check = Netcheck(Grade.NOTHING, verdict, PortMappingView(), proxies=(ProxyView("evil\x1b[2J:1", "settings"),))
    lines = netcheck.text(check).splitlines()
    assert lines[0] == "The server can't be reached from here."
    assert lines[2].startswith("  → Check the internet connection.")
    assert "  port mapping: none" in lines
    assert "`buri proxy set HOST:PORT`" in lines[2]
    assert not any("\x1b" in line for line in lines)


def test_without_engine_and_server_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURI_HOME", str(tmp_path))
    with pytest.raises(CommandError) as caught:
        netcheck.run(Namespace(json=False))
    assert caught.value.code == "server-not-configured"
    assert caught.value.exit_code is not ExitCode.OK
