"""Lively states without an engine: a family that plays together, with every status that a roster can show.

Tests, screenshots and the user guide's pictures are made from the same people, so that they tell one story.
"""

from dataclasses import replace

from app.engine.errors import engine_error
from app.engine.state import (
    EngineState,
    HelperStatus,
    HelperView,
    MemberStatus,
    MemberView,
    NetworkStatus,
    NetworkView,
    PathKind,
    PeerStatus,
    PeerView,
    Problem,
    Protection,
    ServerStatus,
    ServerView,
)

NOON = 1_792_411_200.0
"""When all this happens, in seconds since 1970."""
OWN_ADDRESS = "10.73.0.2"
FAMILY, MINECRAFT, WORKSHOP, LAN_PARTY, CHESS = 104_512_338, 2_071_884_120, 733_019_456, 1_550_200_417, 98_411_002


def address6(address: str) -> str:
    """The IPv6 form, as the engine makes it."""
    numbers = [int(part) for part in address.split(".")]
    return f"fd62:7572:6900::{numbers[0] << 8 | numbers[1]:x}:{numbers[2] << 8 | numbers[3]:x}"


def fingerprint(name: str) -> str:
    """One that looks like any other."""
    return "SHA256:" + (name.encode().hex() * 8)[:42].upper().replace("6", "k").replace("7", "Q") + "w"


def problem(code: str, **details: object) -> Problem:
    """As the engine tells it."""
    error = engine_error(code, **details)
    return Problem(error.code, error.title, error.message, error.remedy, error.details)


def peer(
    number: int,
    nickname: str,
    status: PeerStatus = PeerStatus.DIRECT,
    networks: tuple[int, ...] = (FAMILY,),
    latency: float | None = None,
    **more: object,
) -> PeerView:
    """Somebody at 10.73.0.NUMBER, or further on."""
    address = f"10.73.{number // 256}.{number % 256}"
    live = status.has_tunnel
    view = PeerView(
        address=address,
        address6=address6(address),
        nickname=nickname,
        status=status,
        networks=networks,
        proven=networks if live else (),
        fingerprint=fingerprint(nickname),
        path={PeerStatus.DIRECT: PathKind.DIRECT, PeerStatus.RELAYED: PathKind.RELAY}.get(status),
        endpoint=f"203.0.113.{number % 250 + 1}:41641" if live else "",
        relay="buri.example.org:12975" if status is PeerStatus.RELAYED else "",
        latency=latency if live else None,
        suite=2 if live else 0,
        keys_since=NOON - 1_320 if live else None,
        sent_bytes=18_400_000 if live else 0,
        received_bytes=231_000_000 if live else 0,
        last_received=NOON - 1 if live else None,
    )
    return replace(view, **more)  # type: ignore[arg-type]


def over_stream(view: PeerView) -> PeerView:
    """The same peer, relayed over TCP through a proxy, as UDP is blocked."""
    return replace(
        view,
        status=PeerStatus.RELAYED,
        path=PathKind.STREAM_RELAY,
        endpoint="buri.example.org:12975",
        relay="buri.example.org:12975",
        route="WebSocket through the proxy proxy.example:3128",
        latency=0.0734,
    )


PEERS = (
    peer(3, "Ben", PeerStatus.DIRECT, (FAMILY, MINECRAFT), 0.0123, verified=True, unread=2),
    peer(4, "Grandma Rosa", PeerStatus.RELAYED, (FAMILY,), 0.0481, verified=True),
    peer(5, "lena-laptop", PeerStatus.DIRECT, (FAMILY, MINECRAFT), 0.0007, alias="Lena"),
    peer(6, "Uncle Tom", PeerStatus.OFFLINE, (FAMILY,)),
    peer(7, "Jonas", PeerStatus.CONNECTING, (MINECRAFT,)),
    peer(8, "creeper_42", PeerStatus.FAILED, (MINECRAFT,)),
    peer(
        9,
        "Mia",
        PeerStatus.KEY_CHANGED,
        (MINECRAFT,),
        new_fingerprint=fingerprint("another Mia"),
        problem=problem("peer-key-changed", name="Mia"),
    ),
    peer(10, "xX_spammer_Xx", PeerStatus.BLOCKED, (MINECRAFT,)),
    peer(
        11,
        "nas",
        PeerStatus.UNPROVEN,
        (WORKSHOP,),
        problem=problem("peer-unproven", name="nas", networks="Workshop"),
    ),
    peer(12, "printer-room", PeerStatus.DIRECT, (WORKSHOP,), 0.0041),
    peer(13, "Zoë", PeerStatus.OFFLINE, (MINECRAFT,)),
)
_KNOWN = {each.address: each for each in PEERS}


def member(view: PeerView, *, owner: bool = False, online: bool | None = None) -> MemberView:
    """A peer's line in a network."""
    online = view.status is not PeerStatus.OFFLINE if online is None else online
    status = MemberStatus.ONLINE if online else MemberStatus.OFFLINE
    return MemberView(view.address, view.nickname, status, is_owner=owner, fingerprint=view.fingerprint)


def waiting(number: int, nickname: str) -> MemberView:
    """Somebody who waits for the owner's approval."""
    return MemberView(f"10.73.1.{number}", nickname, MemberStatus.PENDING, fingerprint=fingerprint(nickname))


def own_line(owner: bool = False) -> MemberView:
    """This computer's own line in a network."""
    return MemberView(OWN_ADDRESS, "Anna", MemberStatus.ONLINE, True, owner, fingerprint("Anna"))


def network(number: int, name: str, owner: str = OWN_ADDRESS, **more: object) -> NetworkView:
    """A network with all peers of it above, and this computer."""
    lines = [member(each, owner=each.address == owner) for each in PEERS if number in each.networks]
    digits = f"{number:010}"
    view = NetworkView(
        id=number,
        label=f"{digits[:4]}-{digits[4:7]}-{digits[7:]}",
        name=name,
        owner=owner,
        is_owner=owner == OWN_ADDRESS,
        status=NetworkStatus.ONLINE,
        locked=False,
        approval=False,
        member_limit=256,
        protection=Protection.PROVED,
        has_password=True,
        members=(*lines, own_line(owner == OWN_ADDRESS)),
    )
    return replace(view, **more)  # type: ignore[arg-type]


def _networks() -> tuple[NetworkView, ...]:
    family = network(FAMILY, "Family")
    return (
        replace(family, members=(*family.members, waiting(1, "Aunt Clara")), approval=True),
        network(MINECRAFT, "Friday Minecraft", "10.73.0.3", unread=5),
        network(WORKSHOP, "Workshop", locked=True, has_password=False),
        network(
            LAN_PARTY,
            "LAN party 2026",
            "10.73.0.8",
            status=NetworkStatus.OFFLINE,
            protection=Protection.OPEN,
            has_password=False,
        ),
        network(CHESS, "Chess club", "10.73.0.60", status=NetworkStatus.PENDING, members=()),
    )


SERVER = ServerView(
    status=ServerStatus.ONLINE,
    host="buri.example.org",
    port=12_975,
    fingerprint=fingerprint("the server"),
    name="Rosa's server",
    address=OWN_ADDRESS,
    address6=address6(OWN_ADDRESS),
    nickname="Anna",
    pool="10.73.0.0/16",
)
HELPER = HelperView(HelperStatus.UP, "buri0", 41_641, True)


def lively() -> EngineState:
    """Online, with every status of peers and networks."""
    return EngineState(power=True, server=SERVER, helper=HELPER, networks=_networks(), peers=PEERS)


def no_networks() -> EngineState:
    """Logged in for the first time."""
    return EngineState(power=True, server=SERVER, helper=HELPER)


def switched_off() -> EngineState:
    """Logged out by choice."""
    server = replace(SERVER, status=ServerStatus.LOGGED_OUT)
    return EngineState(power=False, server=server, helper=HelperView(HelperStatus.READY))


def connecting() -> EngineState:
    """On the way to the server."""
    return EngineState(power=True, server=replace(SERVER, status=ServerStatus.CONNECTING), helper=HELPER)


def helper_missing() -> EngineState:
    """Logged in, but nothing makes the adapter."""
    trouble = problem("helper-missing", reason="Nothing listens at /run/buri/helper.sock")
    peers = tuple(replace(each, status=PeerStatus.CONNECTING, path=None, latency=None) for each in PEERS[:3])
    family = network(FAMILY, "Family")
    return EngineState(
        power=True,
        server=SERVER,
        helper=HelperView(HelperStatus.ABSENT, problem=trouble),
        networks=(replace(family, members=(*(member(each) for each in peers), own_line(True))),),
        peers=peers,
        problems=(trouble,),
    )


def server_lost() -> EngineState:
    """The server is away; tunnels go on."""
    trouble = problem("server-lost", server="buri.example.org:12975")
    server = replace(SERVER, status=ServerStatus.WAITING, retry_at=NOON + 12, problem=trouble)
    return replace(lively(), server=server, problems=(trouble,))


def many_problems() -> EngineState:
    """Three at once: the server is away, the owner took Anna out of a network, and another network was deleted."""
    parted = (problem("network-evicted", name="Book club"), problem("network-deleted", name="LAN party 2025"))
    state = server_lost()
    return replace(state, problems=(*state.problems, *parted))


def crowd(peers: int = 500, networks: int = 20) -> EngineState:
    """Everybody in one of many networks, all online."""
    numbers = [1_000_000 + each for each in range(networks)]
    everybody = tuple(
        peer(256 + each, f"player {each}", PeerStatus.DIRECT, (numbers[each % networks],), 0.010 + each / 10_000)
        for each in range(peers)
    )
    views = tuple(
        replace(
            network(number, f"Arena {number - 999_999}"),
            members=(*(member(each) for each in everybody if number in each.networks), own_line(True)),
        )
        for number in numbers
    )
    return EngineState(power=True, server=SERVER, helper=HELPER, networks=views, peers=everybody)
