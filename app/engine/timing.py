"""The engine's intervals in one place, so that tests can make them short. All in seconds."""

from dataclasses import dataclass

from app.base.backoff import Backoff

_SERVER_BACKOFF = Backoff(first=1.0, limit=20.0)
_REFUSED_BACKOFF = Backoff(first=60.0, limit=600.0)
_PEER_BACKOFF = Backoff(first=2.0, limit=300.0)
_SEARCH_BACKOFF = Backoff(first=10.0, limit=3_600.0)
_HELPER_BACKOFF = Backoff(first=0.5, limit=30.0)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the engine waits for what. The defaults are meant for use; a test gives others."""

    rekey_interval: float = 180.0
    """A session older than this is replaced by a fresh one, if it carried any IP packet."""
    idle_rekey_interval: float = 3_600.0
    """Else after this time."""
    old_session_grace: float = 60.0
    """How long a replaced session still receives."""
    statistics_interval: float = 5.0
    """How often the pump's counters are read while a tunnel is up."""
    liveness_limit: float = 60.0
    """A tunnel that has received nothing authenticated for so long is not shown as connected."""
    reflexive_lifetime: float = 60.0
    """For how long an outside endpoint that a reflector told is used without asking again."""
    reflector_retry: float = 5.0
    """How long to go without when no reflector answered."""
    reflector_timeout: float = 1.5
    """How long the reflectors have to answer."""
    introduction_patience: float = 0.3
    """How long an introduction waits for them; what they tell later is told in another one."""
    search_patience: float = 2.5
    """How long a tunnel goes over a relay until a port of a hard router is guessed (engine/path_search.py)."""
    snapshot_interval: float = 0.1
    """The least time between two snapshots to a subscriber."""
    connect_timeout: float = 10.0
    request_timeout: float = 10.0
    server_check_timeout: float = 3.0
    """How long the server has to answer once this computer's network has changed."""
    login_timeout: float = 30.0
    """How long a person waits for a login, from the connection to the last network told."""
    server_backoff: Backoff = _SERVER_BACKOFF
    refused_backoff: Backoff = _REFUSED_BACKOFF
    """After a refusal that trying again soon does not mend: a wrong server key, a closed registration."""
    peer_backoff: Backoff = _PEER_BACKOFF
    """Between attempts to reach a peer that is online and not connected; whatever changes at either end starts anew."""
    search_backoff: Backoff = _SEARCH_BACKOFF
    """Between searches for a direct path while a tunnel is relayed; whatever changes at either end starts anew."""
    busy_search_interval: float = 300.0
    """The longest time between two of them while the tunnel carries IP packets."""
    helper_backoff: Backoff = _HELPER_BACKOFF
