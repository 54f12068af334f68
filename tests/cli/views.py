"""A small world to show: three networks, five computers. Views as the engine makes them."""

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

ME = MemberView("10.73.0.5", "uma", MemberStatus.ONLINE, is_self=True)
FINGERPRINT = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"

GAME_NIGHT = NetworkView(
    id=123_456_789,
    label="0123-456-789",
    name="Game night",
    owner="10.73.0.2",
    is_owner=False,
    status=NetworkStatus.ONLINE,
    locked=False,
    approval=False,
    member_limit=32,
    protection=Protection.PROVED,
    has_password=True,
    members=(
        ME,
        MemberView("10.73.1.4", "grandma", MemberStatus.OFFLINE),
        MemberView("10.73.0.2", "hiro", MemberStatus.ONLINE, is_owner=True),
        MemberView("10.73.0.19", "鰤子", MemberStatus.ONLINE),
        MemberView("10.73.200.7", "ken\x1b[2J", MemberStatus.ONLINE),
        MemberView("10.73.0.30", "amy", MemberStatus.ONLINE),
    ),
)
FAMILY = NetworkView(
    id=7,
    label="0000-000-007",
    name="Family",
    owner="10.73.0.5",
    is_owner=True,
    status=NetworkStatus.OFFLINE,
    locked=True,
    approval=True,
    member_limit=0,
    protection=Protection.OPEN,
    has_password=False,
    members=(ME, MemberView("10.73.9.9", "who", MemberStatus.PENDING)),
)
WORK = NetworkView(
    id=8,
    label="0000-000-008",
    name="Work",
    owner="10.73.0.8",
    is_owner=False,
    status=NetworkStatus.PENDING,
    locked=False,
    approval=True,
    member_limit=0,
    protection=Protection.MISSING,
    has_password=False,
)
HIRO = PeerView(
    address="10.73.0.2",
    address6="fd62:7572:6900::a49:2",
    nickname="hiro",
    status=PeerStatus.DIRECT,
    networks=(123_456_789,),
    proven=(123_456_789,),
    alias="Hiro P.",
    fingerprint=FINGERPRINT,
    path=PathKind.DIRECT,
    endpoint="203.0.113.5:17771",
    latency=0.01234,
    suite=2,
    sent_bytes=1_234_567,
    received_bytes=999,
    last_received=990.0,
)
PEERS = (
    HIRO,
    PeerView(
        "10.73.0.19",
        "fd62:7572:6900::a49:13",
        "鰤子",
        PeerStatus.RELAYED,
        (123_456_789,),
        path=PathKind.RELAY,
        endpoint="198.51.100.1:12975",
        relay="198.51.100.1:12975",
        latency=0.1014,
    ),
    PeerView("10.73.200.7", "fd62:7572:6900::a49:c807", "ken\x1b[2J", PeerStatus.KEY_CHANGED, (123_456_789,)),
    PeerView("10.73.0.30", "fd62:7572:6900::a49:1e", "amy", PeerStatus.FAILED, (123_456_789,)),
    PeerView("10.73.1.4", "fd62:7572:6900::a49:104", "grandma", PeerStatus.OFFLINE, (123_456_789,)),
)
CLASH = Problem(
    "pool-clash",
    "The pool overlaps a network of this computer.",
    "10.73.0.0/16 is also reached through wlan0.",
    "Ask the server's operator for another pool.",
)
STATE = EngineState(
    power=True,
    server=ServerView(
        ServerStatus.ONLINE,
        "buri.example.org",
        12_975,
        FINGERPRINT,
        "Home",
        "10.73.0.5",
        "fd62:7572:6900::a49:5",
        "uma",
        "10.73.0.0/16",
    ),
    helper=HelperView(HelperStatus.UP, "buri0", 40_123, ipv6=True),
    networks=(GAME_NIGHT, FAMILY, WORK),
    peers=PEERS,
    problems=(CLASH,),
)
