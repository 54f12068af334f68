"""The pump as the process that the helper starts: its options, its start, its end."""

import socket
import subprocess
import sys

import pytest

from app.dataplane.process import main
from app.platform.linux.tun import open_udp_socket


def test_it_ends_when_the_control_socket_closes() -> None:
    system, tun = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours, theirs = socket.socketpair()
    with system, tun, ours, theirs, open_udp_socket(0, False) as udp:
        fds = (tun.fileno(), udp.fileno(), theirs.fileno())
        options = [
            str(each) for pair in zip(("--tun-fd", "--udp-fd", "--control-fd"), fds, strict=True) for each in pair
        ]
        options += ["--address", "169541633", "--prefix-length", "16", "--merges-tcp"]
        code = "import sys; from app.dataplane.process import main; sys.exit(main(sys.argv[1:], None, lambda: None))"
        command = [sys.executable, "-c", code, *options]
        with subprocess.Popen(command, pass_fds=fds) as pump:
            theirs.close()
            ours.sendall(b"\0\0")
            ours.close()
            assert pump.wait(20) == 0


def test_it_imports_little() -> None:
    code = "import sys, app.dataplane.process; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"asyncio", "pyroute2", "keyring", "logging", "ssl"} & set(modules)


def test_it_refuses_a_command_line_that_is_not_the_helpers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--tun-fd", "3"], lambda: open_udp_socket(0, False), lambda: None)
    assert "required" in capsys.readouterr().err
