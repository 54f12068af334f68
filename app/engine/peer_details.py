"""What a window shows of one peer beyond its line in the roster: the crypto suite, and every way that was looked at.

Reads the engine's parts and changes none of them. Called by engine/engine.py and engine/report.py.
"""

from app.engine.path_search import SearchOutcome
from app.engine.peer_link import PeerLink
from app.engine.peers import Peers
from app.engine.relays import Relays
from app.engine.state import CandidateView, PeerDetails, PeerView
from app.protocol.messages import CandidateKind
from app.protocol.suites import SUITES
from app.protocol.wire import Endpoint, parse_address


def describe_peer(view: PeerView, peers: Peers) -> PeerDetails:
    """The details of a peer. It has no link if no tunnel may be made with it."""
    suite, address = SUITES.get(view.suite), parse_address(view.address)
    link = peers.links.get(address)
    return PeerDetails(
        view,
        "" if suite is None else suite.name,
        0 if link is None or not link.up else link.rekeys,
        () if link is None else _candidates(link, peers.relays),
        peers.searches.outcome(address) is SearchOutcome.BOTH_HARD,
    )


def _candidates(link: PeerLink, relays: Relays) -> tuple[CandidateView, ...]:
    """The path in use first, then those that answered, then the rest, each by its kind."""
    found: dict[Endpoint, CandidateView] = {}
    for (kind, endpoint), round_trip, waiting in link.finder.looked_at():
        status = "checked" if round_trip is not None else "waiting" if waiting else "failed"
        found[endpoint] = CandidateView(str(endpoint), kind_name(kind), status, round_trip)
    for path in link.monitor.paths if link.monitor is not None else ():
        measured = None if path.round_trip == float("inf") else path.round_trip
        known = found.get(path.endpoint)
        status = "in use" if path.in_use and link.up else "checked" if measured is not None else "waiting"
        found[path.endpoint] = CandidateView(
            relays.place(path.endpoint) or str(path.endpoint),
            known.kind if known is not None else kind_name(path.kind),
            status,
            measured if measured is not None or known is None else known.round_trip,
        )
    return tuple(sorted(found.values(), key=lambda each: (_ORDER.index(each.status), each.kind, each.endpoint)))


_ORDER = ("in use", "checked", "waiting", "failed")


def kind_name(kind: CandidateKind) -> str:
    """The word of RFC 8445 section 4, without `server-` in front of `reflexive`."""
    return kind.name.lower().replace("_", "-")
