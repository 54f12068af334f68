"""Everything between this computer and one peer: search for a path, sessions, their renewal, and what to show of it.

One link exists for each account that shares a network, and holds its state; what it wants done it asks of its
`Outlet`. The lower address begins handshakes; the higher one asks for them through the server. Called by
engine/peers.py in the loop, with `now` as loop time.
"""

import logging
import math
import random
from collections.abc import Sequence

from app.engine.networks import SharedPeer
from app.engine.outlet import Outlet
from app.engine.recurring import Recurring
from app.engine.sessions import Session, Sessions
from app.engine.timing import Timing
from app.engine.traffic import Traffic
from app.ipc.schema import (
    RemovePeer,
    SendDatagram,
    SendMessage,
    SetPeerPath,
    UdpEndpoint,
)
from app.protocol.liveness import (
    Health,
    MtuFound,
    PathChosen,
    PathDoubted,
    PathLost,
    PathMonitor,
    TunnelAlive,
    TunnelSilent,
)
from app.protocol.messages import CandidateKind, Introduced
from app.protocol.path import Candidate, CheckCredentials, PathFinder, PathFound, candidates_from
from app.protocol.peer_handshake import SessionEstablished
from app.protocol.tunnel_message import Goodbye, Keepalive, ProbeReply, ProbeRequest, encode
from app.protocol.wire import Address, Endpoint, NetworkId, format_address

logger = logging.getLogger(__name__)

MAX_BLIND_ATTEMPTS = 6
"""Attempts to mend the tunnel to a peer that is silent and that the server does not see."""
MAX_KINDS = 64
"""Endpoints of a peer whose kind is remembered: more than all candidates and paths that are kept at a time."""


class PeerLink:
    """The link to one peer. `enabled` is False while its key is not known or not trusted, or it is blocked."""

    def __init__(self, shared: SharedPeer, own: Address, outlet: Outlet, timing: Timing, now: float) -> None:
        self.peer = shared.address
        self.shared = shared
        self.enabled = False
        self.leads = own < shared.address
        """Whether this side begins handshakes."""
        self.finder = PathFinder(CheckCredentials.new())
        self.monitor: PathMonitor | None = None
        self.sessions = Sessions(outlet.post, timing)
        self.rekeys = 0
        """How often the keys of the tunnel that is up were renewed."""
        self.traffic = Traffic()
        self.unproven = False
        """The peer's last handshake proved no shared network."""
        self.failed_networks: frozenset[NetworkId] = frozenset()
        self._outlet, self._timing = outlet, timing
        self._remote: CheckCredentials | None = None
        self._candidates: list[Candidate] = []
        self._kinds: dict[Endpoint, CandidateKind] = {}
        self._relayed: Endpoint | None = None
        """Where the peer is reached over a relay, if it ever was."""
        self._needs_handshake = True
        self._attempt = self._proof_attempt = self._searches = 0
        self._search, self._rekey = Recurring(), Recurring()
        self._reach_at = now
        self._reached_at = float("-inf")

    # --- what holds

    @property
    def sending(self) -> Session | None:
        """The session that sends."""
        return self.sessions.sending

    @property
    def up(self) -> bool:
        """The tunnel can send, and something authentic came lately."""
        return self.sending is not None and self.monitor is not None and self.monitor.health is not Health.SILENT

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the tunnel that is up sends to."""
        return self.monitor.current.endpoint if self.monitor is not None and self.up else None

    @property
    def needs_relay(self) -> bool:
        """There is no direct path that is known to work."""
        return self.is_relayed or self.monitor is None or self.monitor.health is not Health.ALIVE

    @property
    def is_relayed(self) -> bool:
        """The tunnel is up, and goes over a relay."""
        return self.up and self.monitor is not None and self.monitor.current.kind >= CandidateKind.RELAY

    @property
    def attempts(self) -> int:
        """How often a tunnel was tried since the last one was up."""
        return self._attempt

    # --- what changes

    def update(self, shared: SharedPeer, enabled: bool, now: float) -> None:
        """The rosters, the secrets or the trust in the peer's key changed."""
        again = enabled and (
            not self.enabled
            or (shared.online and not self.shared.online)
            or shared.secrets.items() - self.shared.secrets.items()
        )
        if self.shared.online and not shared.online and self.monitor is not None:
            self.monitor.suspect(now)  # the server lost sight of it: perhaps only the server did
        self.shared, self.enabled = shared, enabled
        rests_on_nothing = self.sending is not None and not self.sending.networks & shared.secrets.keys()
        if not enabled or rests_on_nothing:
            self.end_tunnel(now)
        if again:
            self._attempt, self._reach_at, self.unproven = 0, now, False
            if self.up:
                self._rekey.at(now)  # to prove the new network as well

    def introduced(self, message: Introduced, now: float) -> None:
        """The peer told its candidates through the server. One that is blocked or not trusted learns nothing of us."""
        if not self.enabled:
            return
        credentials = CheckCredentials(message.username, message.password)
        candidates = candidates_from(message.candidates)
        restarted = self._remote is not None and self._remote != credentials
        if restarted:
            self._needs_handshake = True
            self._kinds.clear()
        if restarted or message.wants_answer or not self.up or self.is_relayed or candidates != self._candidates:
            self.finder.set_remote(candidates, credentials, now)
        self._remote, self._candidates = credentials, candidates
        if message.wants_answer:
            self._outlet.introduce(self.peer, False)
            if self.monitor is not None and not restarted and not self.is_relayed:
                self.monitor.suspect(now)  # the peer has lost the tunnel: our probe opens the way to us again
        self.flush(now)

    def receive_stun(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        """A check of the peer, or an answer to one of ours."""
        self.finder.receive_datagram(data, endpoint, now)
        self.flush(now)

    def knock(self, endpoints: Sequence[Endpoint], now: float) -> None:
        """Send a check to each of these guessed endpoints."""
        for endpoint in endpoints:
            self.finder.knock(endpoint)
        self.flush(now)

    def forget_socket(self, number: int) -> None:
        """An extra socket is closed, and with it all paths through it."""
        known = {each.candidate.endpoint for each in self.finder.looked_at()}
        if self.monitor is not None:
            known |= {each.endpoint for each in self.monitor.paths}
        for endpoint in known:
            if endpoint.socket == number:
                self.finder.forget(endpoint)
                if self.monitor is not None:
                    self.monitor.forget(endpoint)

    def said(self, now: float) -> None:
        """An engine message goes to the peer."""
        if self.monitor is not None:
            self.monitor.said(now)

    def heard(self, now: float) -> None:
        """An engine message of the peer came."""
        self.traffic.heard(now)
        if self.monitor is not None:
            self.monitor.heard(now)

    def receive_probe(self, message: ProbeRequest | ProbeReply, endpoint: Endpoint, now: float) -> None:
        """A sealed probe of the peer, or an answer to one of ours."""
        if self.monitor is not None:
            self.monitor.receive_message(message, endpoint, now)
            self.flush(now)

    def peer_moved(self, endpoint: Endpoint, now: float) -> None:
        """Authentic packets come from another endpoint than the path's."""
        self.traffic.heard(now)
        if self.monitor is not None:
            self.monitor.peer_moved(self._kind_of(endpoint), endpoint, now)
            self.flush(now)

    def quiet(self, now: float) -> None:
        """The computer sends to the peer, and nothing comes back."""
        if self.monitor is not None:
            self.monitor.quiet(now)
            self.monitor.handle_deadline(now)
            self.flush(now)

    def relay_bound(self, kind: CandidateKind, endpoint: Endpoint, now: float) -> None:
        """Both sides are bound to a relay: the peer is reached over it, whatever else is known."""
        before, self._relayed = self._relayed, endpoint
        self._note_kind(endpoint, kind)
        if self.monitor is not None and before is not None and before != endpoint:
            self.monitor.replace_path(kind, before, endpoint, now)
        elif self.monitor is not None:
            self.monitor.add_path(kind, endpoint, now)
        if self._needs_handshake and self.leads and self.enabled:
            self._outlet.begin_handshake(self.peer, [endpoint], now)
        self.flush(now)

    def _note_kind(self, endpoint: Endpoint, kind: CandidateKind) -> None:
        """A peer may show up at ever new endpoints: the oldest gives way."""
        self._kinds.pop(endpoint, None)
        self._kinds[endpoint] = kind
        if len(self._kinds) > MAX_KINDS:
            del self._kinds[next(iter(self._kinds))]

    def _kind_of(self, endpoint: Endpoint) -> CandidateKind:
        unknown = CandidateKind.RELAY if endpoint.relay else CandidateKind.PEER_REFLEXIVE
        return self._kinds.get(endpoint, unknown)

    def observe_traffic(self, last_sent: float, last_received: float, now: float) -> None:
        """What the pump reported; loop times, minus infinity for never."""
        if last_received > -math.inf:
            self.traffic.heard(last_received)
        if self.monitor is not None:
            self.monitor.observe_traffic(last_sent, last_received, now)

    def network_changed(self, now: float, renew_keys: bool) -> None:
        """This computer's addresses or routes changed, or it slept."""
        if renew_keys:
            self._rekey.at(now)
        if self.monitor is not None:
            self.monitor.suspect(now)
        if self._remote is not None:
            self.finder.restart(now)
        if self.enabled and self.shared.online:
            self._attempt, self._reach_at = 0, now
            self._outlet.introduce(self.peer, True)
        if self.is_relayed:
            self._outlet.use_relay(self.peer, ask=False, now=now)
            self._search_soon(now)
        self.flush(now)

    # --- sessions

    def established(self, event: SessionEstablished, now: float) -> bool:
        """A handshake proved the peer's key. Installs the session if it rests on a network; tells whether it does."""
        shared = self.shared.secrets.keys()
        networks = (event.proven | event.unprotected) & shared
        self.failed_networks = event.failed & shared
        self.unproven = not networks and not self.up
        if not networks:
            self._reach_at = now + self._timing.peer_backoff.delay(5, random.random())
            return False
        # A peer whose helper or engine started anew shakes hands from elsewhere while its old tunnel still seems up.
        fresh = self._needs_handshake or event.endpoint != self.endpoint
        session = Session(
            event.local_index,
            event.suite,
            now,
            event.proven & shared,
            networks,
            event.endpoint,
            event.initiator,
            fresh,
        )
        self.sessions.install(event, session, now)
        self._needs_handshake = False
        if event.initiator:
            self._start_sending(session, now)
        self.flush(now)
        return True

    def confirmed(self, local_index: int, now: float) -> None:
        """The first authentic packet came on a session that the peer began."""
        waiting = self.sessions.confirm(local_index)
        if waiting is None:
            return
        self.traffic.heard(now)
        self._start_sending(waiting, now)
        self.flush(now)

    def handshake_failed(self, now: float) -> None:
        """Ours ended without a session; the old one, if there is one, goes on."""
        self._rekey.at(now + self._timing.peer_backoff.delay(2, random.random()))

    def end_tunnel(self, now: float, goodbye: bool = True) -> None:
        """Drop all sessions at once; idempotent."""
        if self.sending is not None and goodbye:
            self._outlet.post(SendMessage(self.peer, encode(Goodbye()), request=0))
        if self.sessions:
            logger.info("peer %s: tunnel ended", format_address(self.peer))
            self._outlet.post(RemovePeer(self.peer, request=0))
        self._forget_sessions()
        self.finder.stop()
        self._reach_at = now + self._timing.peer_backoff.delay(0, random.random())

    def sessions_gone(self, now: float) -> None:
        """Adapter or helper are gone, and our socket with them: the peer learns it by new check credentials."""
        self._forget_sessions()
        self.finder = PathFinder(CheckCredentials.new())
        self._remote, self._candidates, self._relayed = None, [], None
        self.traffic.adapter_gone()
        self._attempt, self._reach_at = 0, now

    def _forget_sessions(self) -> None:
        self.sessions.forget()
        self.monitor = None
        self._needs_handshake = True

    def _start_sending(self, session: Session, now: float) -> None:
        grown = self.sending is not None and bool(session.networks - self.sending.networks)
        self.sessions.send_with(session, now)
        self.unproven, self._attempt = False, 0
        self._plan_rekey(session, now)
        if self.monitor is not None and not session.fresh:
            self.rekeys += 1
            self._outlet.post(SendMessage(self.peer, encode(Keepalive()), request=0))
            if grown:
                self._outlet.came_up(self.peer, now)
            return
        self.rekeys = 0
        kind = self._kind_of(session.endpoint)
        logger.info("peer %s: tunnel over %s, suite %d", format_address(self.peer), session.endpoint, session.suite)
        self.monitor = PathMonitor(kind, session.endpoint, session.initiator, now)
        self.traffic.heard(now)
        best = self.finder.best()
        if best is not None and best.endpoint != session.endpoint:
            self.monitor.add_path(best.kind, best.endpoint, now)
        if self._relayed is not None and self._relayed != session.endpoint:
            self.monitor.add_path(self._kind_of(self._relayed), self._relayed, now)
        self._search_soon(now)
        self._outlet.came_up(self.peer, now)
        if self.is_relayed:
            self._outlet.went_relayed(self.peer, now)

    def _plan_rekey(self, session: Session, now: float) -> None:
        """Soon where a network that both are in is not proved yet.

        Of two who join, one hears of it first and may shake hands before the other knows the secret.
        """
        if self.shared.secrets.keys() - session.networks:
            self._proof_attempt += 1
            delay = self._timing.peer_backoff.delay(self._proof_attempt - 1, random.random())
            self._rekey.at(now + min(self._timing.rekey_interval, delay))
        else:
            self._proof_attempt = 0
            self._rekey.plan(now, self._timing.rekey_interval, self._timing.idle_rekey_interval)

    # --- time

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called."""
        deadlines = [self.finder.next_deadline(), self.sessions.next_deadline()]
        if self.monitor is not None:
            deadlines.append(self.monitor.next_deadline())
        if self._wants_tunnel():
            deadlines.append(self._reach_at)
        elif self.up and self.leads:
            deadlines.append(self._rekey.due(self.traffic.carried_at))
            if self.is_relayed:
                deadlines.append(self._search.due(self.traffic.carried_at))
        return min((each for each in deadlines if each is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Do what is due."""
        self.sessions.handle_deadline(now)
        self.finder.handle_deadline(now)
        if self.monitor is not None and now >= self.monitor.next_deadline():
            self.monitor.handle_deadline(now)
        if self._wants_tunnel():
            if now >= self._reach_at:
                self._reach(now)
        elif self.up and self.leads and now >= self._rekey.due(self.traffic.carried_at):
            self._rekey.at(now + self._timing.rekey_interval)
            if self.endpoint is not None:
                self._outlet.begin_handshake(self.peer, [self.endpoint], now)
        if self.is_relayed and self.leads and now >= self._search.due(self.traffic.carried_at):
            self._search_again(now)
        self.flush(now)

    def _search_soon(self, now: float) -> None:
        """Where a relay is in use, a direct path is sought again, at first soon."""
        self._searches = 0
        self._plan_search(now)

    def _plan_search(self, now: float) -> None:
        idle = self._timing.search_backoff.delay(self._searches, random.random())
        self._search.plan(now, min(idle, self._timing.busy_search_interval), idle)

    def _search_again(self, now: float) -> None:
        """Both sides check each other's candidates anew."""
        self._searches += 1
        self._plan_search(now)
        self._outlet.introduce(self.peer, True)
        if self._remote is not None:
            self.finder.restart(now)

    def wanted(self, now: float) -> None:
        """The computer sends to this peer, and there is no tunnel: try soon, but let a running search end first."""
        if self._wants_tunnel():
            search_ends = self._reached_at + self._timing.peer_backoff.delay(3, 1.0)
            self._reach_at = min(self._reach_at, max(now + 1.0, search_ends))

    def _wants_tunnel(self) -> bool:
        """A peer that the server does not see is still sought while its tunnel is silent: it may see us."""
        return self.enabled and not self.up and (self.shared.online or self.monitor is not None)

    def _reach(self, now: float) -> None:
        self._reached_at = now
        self._reach_at = now + self._timing.peer_backoff.delay(self._attempt, random.random())
        self._attempt += 1
        self._needs_handshake = True
        self._outlet.introduce(self.peer, True)
        # The leading side asks for both, at once; the other one only where that seems not to have helped.
        self._outlet.use_relay(self.peer, ask=self.shared.online and (self.leads or self._attempt > 1), now=now)
        if self._remote is not None:
            self.finder.restart(now)
        if self.monitor is not None and self.leads:
            known = dict.fromkeys((self.monitor.current.endpoint, self._relayed or self.monitor.current.endpoint))
            self._outlet.begin_handshake(self.peer, [*known], now)
        if not self.shared.online and self._attempt > MAX_BLIND_ATTEMPTS:
            self.end_tunnel(now)

    # --- output

    def flush(self, now: float) -> None:
        """Send what the machines have to send, and draw the conclusions from their events."""
        while (event := self.finder.next_event()) is not None:
            if isinstance(event, PathFound):
                self._path_found(event, now)
        if self.enabled:
            for endpoint, data in self.finder.datagrams_to_send(now):
                self._outlet.post(SendDatagram(UdpEndpoint(*endpoint), data, request=0))
        if self.monitor is not None:
            self._flush_monitor(self.monitor, now)

    def _flush_monitor(self, monitor: PathMonitor, now: float) -> None:
        while (event := monitor.next_event()) is not None:
            match event:
                case PathChosen():
                    logger.info("peer %s: path %s", format_address(self.peer), event.endpoint)
                    self._use_path(event.endpoint, event.mtu)
                    self._search_soon(now)
                    if self.is_relayed:
                        self._outlet.lost_path()
                        self._outlet.went_relayed(self.peer, now)
                case MtuFound():
                    logger.info("peer %s: packets of up to %d bytes", format_address(self.peer), event.mtu)
                    self._use_path(event.endpoint, event.mtu)
                case PathDoubted():
                    self._outlet.use_relay(self.peer, ask=self.shared.online, now=now)
                case PathLost():
                    self._outlet.lost_path()
                case TunnelSilent():
                    logger.info("peer %s: silent", format_address(self.peer))
                    self._attempt, self._reach_at = 0, now
                case TunnelAlive():
                    self._attempt = 0
                    self._outlet.came_up(self.peer, now)
        for endpoint, payload, whole in monitor.messages_to_send():
            self._outlet.post(SendMessage(self.peer, payload, UdpEndpoint(*endpoint), whole, request=0))

    def _use_path(self, endpoint: Endpoint, mtu: int) -> None:
        self._outlet.post(SetPeerPath(self.peer, UdpEndpoint(*endpoint), mtu, request=0))

    def _path_found(self, found: PathFound, now: float) -> None:
        self._note_kind(found.endpoint, found.kind)
        if self.monitor is not None:
            self.monitor.add_path(found.kind, found.endpoint, now)
        if self._needs_handshake and self.leads and self.enabled:
            self._outlet.begin_handshake(self.peer, [found.endpoint], now)
