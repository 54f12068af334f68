"""Becomes the pump: loads its code, gives up every privilege, and only then lets it see the network.

Started by interface.py as `python -m app.helper.pump_launcher HELPER_PID PUMP_ARGUMENTS...` with the adapter, the UDP
socket and the control socket as open descriptors. The code is loaded first because it may lie in a home that the
unprivileged user cannot read; and as no other program is executed after the change of user, the kernel keeps this
process closed to debuggers of that user.
"""

import logging
import sys

from app.base.logs import set_up_logging
from app.dataplane.process import main as run_pump
from app.platform.linux.service import drop_privileges

logger = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Run the pump until its control socket ends; the exit code is the pump's, or 1 if privileges do not go away."""
    set_up_logging()
    try:
        drop_privileges(parent=int(arguments[0]))
    except (OSError, KeyError):
        logger.exception("cannot give up privileges")
        return 1
    return run_pump(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
