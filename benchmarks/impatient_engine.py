"""`buri up` with short intervals: a session lives one second, so that minutes show what days would.

    python -m benchmarks.impatient_engine up --server ...       (the arguments of `buri`)

Started by endurance.py in place of `python -m app`. Prints `session installed` for each session it gives to the pump.
"""

import sys
from functools import partial

from app.cli import up
from app.cli.main import main
from app.engine import engine
from app.engine.helper_link import HelperLink
from app.engine.timing import Timing
from app.ipc.schema import InstallSession, Request

TIMING = Timing(rekey_interval=1.0, old_session_grace=2.0, statistics_interval=0.5)


class TellingLink(HelperLink):
    """A helper link that tells of new sessions."""

    def post(self, request: Request) -> None:
        """As the original's."""
        if isinstance(request, InstallSession):
            print("session installed", flush=True)
        super().post(request)


if __name__ == "__main__":
    setattr(engine, "HelperLink", TellingLink)  # noqa: B010 - mypy knows it as imported there only
    setattr(up, "Engine", partial(engine.Engine, timing=TIMING))  # noqa: B010
    sys.exit(main())
