"""The main window with 500 peers in 20 networks: frames and held events while they change, cost while they do not.

    python -m benchmarks.window_crowd --seconds 20          (one JSON document; needs a display)

Started by window.py as a process of its own. Snapshots are fed as the engine publishes them: ten a second, each with
the changes of a tenth of a second, and with everything else the same objects as before.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer

from app.engine.state import EngineState, MemberStatus, NetworkView, PathKind, PeerStatus, PeerView
from app.ui.look.theme import Theme
from app.ui.preferences import ColourScheme
from app.ui.roster.main_window import MainWindow
from benchmarks.event_times import TimedApplication, spread_of
from benchmarks.process_usage import usage_of
from tests.ui.samples import crowd
from tests.ui.world import Desk

SNAPSHOTS_PER_SECOND = 10
STATUSES = (PeerStatus.DIRECT, PeerStatus.RELAYED, PeerStatus.CONNECTING, PeerStatus.OFFLINE)


class Crowd:
    """The state of everybody, and what happens to them."""

    def __init__(self, peers: int, networks: int) -> None:
        self.state = crowd(peers, networks)
        self._chance = random.Random(1)

    def change(self, count: int) -> EngineState:
        """So many peers get another status, path and latency; in the rosters those come and go who must."""
        peers = list(self.state.peers)
        changed: dict[str, PeerView] = {}
        for place in self._chance.sample(range(len(peers)), count):
            peers[place] = changed_peer = self._another(peers[place])
            changed[changed_peer.address] = changed_peer
        networks = tuple(_with(network, changed) for network in self.state.networks)
        self.state = replace(self.state, peers=tuple(peers), networks=networks)
        return self.state

    def _another(self, peer: PeerView) -> PeerView:
        status = self._chance.choice([each for each in STATUSES if each is not peer.status])
        path = {PeerStatus.DIRECT: PathKind.DIRECT, PeerStatus.RELAYED: PathKind.RELAY}.get(status)
        return replace(peer, status=status, path=path, latency=self._chance.random() / 10 if path else None)


def _with(network: NetworkView, changed: dict[str, PeerView]) -> NetworkView:
    """The network with the lines of changed peers as they are now; the same object if there are none."""
    if not any(member.address in changed for member in network.members):
        return network
    members = tuple(
        replace(member, status=_member_status(changed[member.address])) if member.address in changed else member
        for member in network.members
    )
    return replace(network, members=members)


def _member_status(peer: PeerView) -> MemberStatus:
    return MemberStatus.OFFLINE if peer.status is PeerStatus.OFFLINE else MemberStatus.ONLINE


class Show:
    """Shows the crowd: first still, then changing."""

    def __init__(self, application: TimedApplication, folder: Path, arguments: argparse.Namespace) -> None:
        self._application = application
        self._seconds: float = arguments.seconds
        self._changes: int = arguments.changes // SNAPSHOTS_PER_SECOND
        self._crowd = Crowd(arguments.peers, arguments.networks)
        self._desk = Desk(folder)
        self._feed = QTimer()
        self._feed.timeout.connect(self._publish)
        self.record: dict[str, object] = {}

    def run(self) -> dict[str, object]:
        """Everything that was measured."""
        theme = Theme(self._application)
        theme.choose(ColourScheme.LIGHT)
        window = MainWindow(self._desk.actions)
        self._show(self._crowd.state)
        window.resize(380, 720)
        window.show()
        self._spend(2.0)
        self.record["nothing changes"] = self._watch()
        self._feed.start(1000 // SNAPSHOTS_PER_SECOND)
        self.record["changing"] = self._watch()
        self._feed.stop()
        self.record["rss_megabytes"] = round(usage_of(os.getpid()).rss / 1e6, 1)
        self.record["pss_megabytes"] = round(usage_of(os.getpid()).pss / 1e6, 1)
        window.close()
        return self.record

    def _watch(self) -> dict[str, object]:
        before, started = usage_of(os.getpid()), time.monotonic()
        self._application.start_clock()
        self._spend(self._seconds)
        elapsed = time.monotonic() - started
        spent = usage_of(os.getpid()).cpu_seconds - before.cpu_seconds
        return {
            "cpu_percent": round(100 * spent / elapsed, 2),
            "frames_ms": spread_of(self._application.frames),
            "events_ms": spread_of(self._application.events),
            "longest": [asdict(held) for held in self._application.longest[:3]],
        }

    def _spend(self, seconds: float) -> None:
        loop = QEventLoop()  # the application's own `quit` would close the window
        QTimer.singleShot(round(seconds * 1000), loop.quit)
        loop.exec()

    def _publish(self) -> None:
        self._show(self._crowd.change(self._changes))

    def _show(self, state: EngineState) -> None:
        self._desk.bridge.state = state
        self._desk.bridge.state_changed.emit(state)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.window_crowd")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each part")
    parser.add_argument("--peers", type=int, default=500)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--changes", type=int, default=50, help="a second")
    arguments = parser.parse_args()
    application = TimedApplication()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(Show(application, Path(folder), arguments).run()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
