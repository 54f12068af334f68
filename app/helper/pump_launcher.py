"""Becomes the pump: loads its code, gives up every privilege, and only then lets it see the network.

Started by interface.py as `python -m app.helper.pump_launcher HELPER_PID PUMP_ARGUMENTS...` with the adapter, the UDP
socket and the control socket as open descriptors; writes one byte to its standard output when it runs. The code is
loaded first because it may lie in a home that the unprivileged user cannot read; and as no other program is executed
after the change of user, the kernel keeps this process closed to debuggers of that user.
"""

import os
import sys

from app.base.logs import set_up_logging
from app.dataplane.process import main as run_pump
from app.platform.linux.service import drop_privileges
from app.platform.linux.tun import open_udp_socket


def main(arguments: list[str]) -> int:
    """Run the pump until its control socket ends and give its exit code.

    Raises OSError or KeyError, and runs nothing, if the privileges do not go away.
    """
    set_up_logging()
    helper = int(arguments[0])

    def before_run() -> None:
        drop_privileges(parent=helper)
        _tell_running()

    return run_pump(arguments[1:], lambda: open_udp_socket(0, offload=True), before_run)


def _tell_running() -> None:
    """Write the byte that interface.py waits for, and give the pipe up."""
    os.write(sys.stdout.fileno(), b"\n")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
