"""The human form of what the engine shows: plain text in aligned columns, without colour.

Pure functions from views to text, so that golden tests hold them. What others wrote (names, chat) can't move the
cursor: control characters are shown, not sent to the terminal.
"""

import unicodedata
from collections.abc import Iterable, Sequence

from app.engine.state import (
    ChatMessage,
    ChatStatus,
    EngineState,
    HelperStatus,
    HelperView,
    MemberStatus,
    MemberView,
    NetworkStatus,
    NetworkView,
    PeerStatus,
    PeerView,
    PortMappingView,
    Problem,
    Protection,
    RoundTrip,
    ServerStatus,
)

PEER_WORDS = {
    PeerStatus.DIRECT: "direct",
    PeerStatus.RELAYED: "relayed",
    PeerStatus.CONNECTING: "connecting",
    PeerStatus.FAILED: "no path found",
    PeerStatus.KEY_CHANGED: "key changed",
    PeerStatus.UNPROVEN: "not let in",
    PeerStatus.BLOCKED: "blocked",
    PeerStatus.OFFLINE: "offline",
}
_PEER_SIGNS = {
    PeerStatus.OFFLINE: " ",
    PeerStatus.FAILED: "x",
    PeerStatus.BLOCKED: "x",
    PeerStatus.KEY_CHANGED: "!",
    PeerStatus.UNPROVEN: "!",
}
_PEER_REMEDIES = {
    PeerStatus.KEY_CHANGED: "see `buri peer {}`",
    PeerStatus.UNPROVEN: "could not prove that it knows the network's password",
}
_SERVER_WORDS = {
    ServerStatus.LOGGED_OUT: "logged out",
    ServerStatus.CONNECTING: "connecting",
    ServerStatus.SYNCHRONISING: "logged in, synchronising",
    ServerStatus.ONLINE: "online",
    ServerStatus.WAITING: "server not reachable; tunnels go on",
    ServerStatus.REFUSED: "refused by the server",
}
_HELPER_WORDS = {
    HelperStatus.ABSENT: "the helper does not run",
    HelperStatus.STARTING: "the helper is starting",
    HelperStatus.READY: "not up yet",
    HelperStatus.LOST: "the helper went away; starting it again",
}
_NETWORK_SIGNS = {NetworkStatus.ONLINE: "*", NetworkStatus.OFFLINE: " ", NetworkStatus.PENDING: "?"}
_PROTECTION_WORDS = {
    Protection.PROVED: "members prove that they know its secret; the server can't add anybody",
    Protection.OPEN: "none: whoever the server lists is a member",
    Protection.MISSING: "this computer does not have its secret: join it again with the password",
}
_CHAT_MARKS = {ChatStatus.QUEUED: "waiting", ChatStatus.SENT: "sent", ChatStatus.FAILED: "not delivered"}


def printable(text: str) -> str:
    """`text` in one line, with characters that would steer a terminal or hide others written out."""
    return "".join(
        character if unicodedata.category(character)[0] != "C" else character.encode("unicode_escape").decode()
        for character in text
    )


def width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def table(rows: Sequence[Sequence[str]], *, indent: str = "") -> list[str]:
    """Rows as lines with aligned columns, two spaces apart; no spaces at the ends."""
    columns = max((len(row) for row in rows), default=0)
    widths = [max(width(row[column]) for row in rows if column < len(row)) for column in range(columns)]
    used = [column for column in range(columns) if widths[column]]
    return [
        (indent + "  ".join(row[column] + " " * (widths[column] - width(row[column])) for column in used)).rstrip()
        for row in (tuple(row) + ("",) * (columns - len(row)) for row in rows)
    ]


def milliseconds(seconds: float | None) -> str:
    """A latency, three digits of it; nothing for None."""
    if seconds is None:
        return ""
    value = seconds * 1_000
    return f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def byte_count(count: int) -> str:
    """A number of bytes in decimal units, as `1.2 MB`."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1_000:
            return f"{count} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1_000
    return f"{value:.1f} TB"


def ago(then: float | None, now: float) -> str:
    """How long ago something was, in the largest sensible unit."""
    if then is None:
        return "never"
    seconds = max(0, int(now - then))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "now"


def status(state: EngineState, version: str, process: int) -> str:
    """The whole of `buri status`."""
    server, online = state.server, [network for network in state.networks if network.status is NetworkStatus.ONLINE]
    rows = [
        ("version", f"Buri {version}, process {process}"),
        ("status", _SERVER_WORDS[server.status]),
        ("server", _server_line(state)),
        ("fingerprint", server.fingerprint),
        ("address", f"{server.address}  {server.address6}".strip() or "none yet"),
        ("nickname", printable(server.nickname)),
        ("adapter", _adapter_line(state.helper)),
        ("open port", _open_port(state.port_mapping)),
        ("networks", f"{len(state.networks)}" + (f", online in {len(online)}" if state.networks else "")),
        ("peers", _peer_summary(state.peers)),
    ]
    lines = table([row for row in rows if row[1]])
    for problem in all_problems(state):
        lines += ["", *problem_lines(problem)]
    return "\n".join(lines)


def all_problems(state: EngineState) -> list[Problem]:
    """Every problem of the server, the helper and the rest, once."""
    found = [state.server.problem, state.helper.problem, *state.problems]
    return list(dict.fromkeys(problem for problem in found if problem is not None))


def problem_lines(problem: Problem) -> list[str]:
    """A problem for people: title, what happened, what to do."""
    return [f"! {problem.title}", *(f"  {printable(text)}" for text in (problem.message, problem.remedy) if text)]


def network_list(networks: Iterable[NetworkView], peers: Iterable[PeerView]) -> str:
    """The whole of `buri list`, in the manner of Hamachi's: `*` online, blank offline, `?` waiting, `!` problem."""
    by_address = {peer.address: peer for peer in peers}
    chosen = list(networks)
    if not chosen:
        return "No networks yet. `buri create NETWORK` makes one, `buri join NETWORK` joins one."
    headings = table([_network_row(network, by_address) for network in chosen], indent=" ")
    rows = [[_member_row(member, by_address) for member in _shown_members(network)] for network in chosen]
    members = iter(table([row for group in rows for row in group], indent="     "))
    lines: list[str] = []
    for heading, group in zip(headings, rows, strict=True):
        lines += [heading, *(next(members) for _ in group)]
    return "\n".join(lines)


def network_details(network: NetworkView, peers: Iterable[PeerView]) -> str:
    """The whole of `buri network`."""
    by_address = {peer.address: peer for peer in peers}
    waiting = [member for member in network.members if member.status is MemberStatus.PENDING]
    rows = [
        ("name", printable(network.name)),
        ("number", network.label),
        ("status", "waits for the owner's approval" if network.status is NetworkStatus.PENDING else network.status),
        ("owner", _owner(network, by_address)),
        ("members", _capacity(network)),
        ("waiting", str(len(waiting)) if waiting else ""),
        ("password", "yes" if network.has_password else "no"),
        (
            "access",
            f"{'locked' if network.locked else 'open'}, {'manual' if network.approval else 'automatic'} approval",
        ),
        ("protection", "" if network.status is NetworkStatus.PENDING else _PROTECTION_WORDS[network.protection]),
    ]
    return "\n".join([*table([row for row in rows if row[1]]), *_members_below(network, by_address)])


def peer_details(peer: PeerView, networks: Sequence[NetworkView], now: float) -> str:
    """The whole of `buri peer`. `now` in seconds since 1970."""
    names = [printable(network.name) for network in networks if network.id in peer.networks]
    path = "  ".join(part for part in (_way(peer), milliseconds(peer.latency)) if part)
    rows = [
        ("nickname", printable(peer.nickname)),
        ("alias", printable(peer.alias)),
        ("address", f"{peer.address}  {peer.address6}"),
        ("status", PEER_WORDS[peer.status]),
        ("path", path),
        ("suite", str(peer.suite) if peer.suite else ""),
        ("traffic", f"{byte_count(peer.sent_bytes)} sent, {byte_count(peer.received_bytes)} received"),
        ("fresh keys", ago(peer.keys_since, now) if peer.keys_since is not None else ""),
        ("last heard", ago(peer.last_received, now)),
        ("networks", ", ".join(names)),
        ("fingerprint", peer.fingerprint),
        ("new key", peer.new_fingerprint),
        ("verified", "yes" if peer.verified else "no; compare with `buri verify`"),
    ]
    lines = table([row for row in rows if row[1]])
    if peer.problem is not None:
        lines += ["", *problem_lines(peer.problem)]
    return "\n".join(lines)


def round_trip(answer: RoundTrip, name: str) -> str:
    """One line of `buri ping`."""
    if answer.seconds is None:
        return f"no answer from {name}: number {answer.sequence}"
    way = f"{answer.path} {answer.endpoint}" if answer.path is not None else ""
    return f"{answer.size} bytes from {name}: number {answer.sequence}  {milliseconds(answer.seconds)}  {way}".rstrip()


def ping_summary(answers: Sequence[RoundTrip], name: str) -> str:
    """The last lines of `buri ping`; `answers` is not empty."""
    times = [answer.seconds for answer in answers if answer.seconds is not None]
    lost = 100 * (len(answers) - len(times)) / len(answers)
    line = f"{name}: {len(answers)} sent, {len(times)} answered, {lost:.0f} % lost"
    if times:
        average = sum(times) / len(times)
        line += f"; least {milliseconds(min(times))}, mean {milliseconds(average)}, most {milliseconds(max(times))}"
    return line


def chat_line(message: ChatMessage, peer_name: str, clock: str) -> str:
    """One chat message; `clock` is its time as people read it. Further lines of the text are indented."""
    name = peer_name if message.status is ChatStatus.RECEIVED else "me"
    first, *rest = [printable(line) for line in message.text.splitlines()] or [""]
    mark = f"  ({_chat_mark(message)})" if message.status in _CHAT_MARKS else ""
    return "\n".join([f"{clock}  {name}: {first}", *(f"{' ' * len(clock)}  {line}" for line in rest)]) + mark


def _chat_mark(message: ChatMessage) -> str:
    """How far a message of ours has come; to a network also to how many."""
    mark = _CHAT_MARKS[message.status]
    return f"{mark}, {message.delivered} of {message.recipients} have it" if message.recipients else mark


def peer_name(peer: PeerView) -> str:
    """What to call a peer."""
    return printable(peer.alias or peer.nickname or peer.address)


def _way(peer: PeerView) -> str:
    """How the tunnel's packets get to a peer; empty without a tunnel."""
    route = f", by {printable(peer.route)}" if peer.route else ""
    return f"relay {printable(peer.relay)}{route}" if peer.relay else peer.endpoint


def _server_line(state: EngineState) -> str:
    server = state.server
    if not server.host:
        return "none; name it with `buri up --server` or an invite"
    host = f"[{server.host}]" if ":" in server.host else server.host
    route = f", by {printable(server.route)}" if server.route else ""
    return f"{host}:{server.port}" + (f"  ({printable(server.name)})" if server.name else "") + route


def _open_port(mapping: PortMappingView) -> str:
    """Empty where the router opened none."""
    return f"{mapping.outside}, by {mapping.protocol}" if mapping.protocol is not None else ""


def _adapter_line(helper: HelperView) -> str:
    if helper.status is not HelperStatus.UP:
        return _HELPER_WORDS[helper.status]
    return f"{helper.interface}, UDP port {helper.udp_port}" + (", IPv6 too" if helper.ipv6 else "")


def _peer_summary(peers: Sequence[PeerView]) -> str:
    counts = [(word, sum(peer.status is each for peer in peers)) for each, word in PEER_WORDS.items()]
    parts = ", ".join(f"{count} {word}" for word, count in counts if count)
    return f"{len(peers)}: {parts}" if peers else "0"


def _network_row(network: NetworkView, peers: dict[str, PeerView]) -> tuple[str, ...]:
    facts = [
        f"members: {_capacity(network)}" if network.members else "",
        "yours" if network.is_owner else f"owner: {_owner(network, peers)}",
        "password" if network.has_password else "",
        "locked" if network.locked else "",
        "manual approval" if network.approval else "",
        "waits for approval" if network.status is NetworkStatus.PENDING else "",
        "secret missing: join again" if _lacks_secret(network) else "",
    ]
    sign = "!" if _lacks_secret(network) else _NETWORK_SIGNS[network.status]
    return f"{sign} [{network.label}]", printable(network.name), ", ".join(fact for fact in facts if fact)


def _lacks_secret(network: NetworkView) -> bool:
    """Whether a person must do something about it: who still waits gets the secret with the approval."""
    return network.protection is Protection.MISSING and network.status is not NetworkStatus.PENDING


def _capacity(network: NetworkView) -> str:
    members = sum(member.status is not MemberStatus.PENDING for member in network.members)
    return f"{members}/{network.member_limit}" if network.member_limit else str(members)


def _owner(network: NetworkView, peers: dict[str, PeerView]) -> str:
    if network.is_owner:
        return f"this computer ({network.owner})"
    owner = peers.get(network.owner)
    return f"{peer_name(owner)} ({network.owner})" if owner else network.owner


def _shown_members(network: NetworkView) -> list[MemberView]:
    order = list(MemberStatus)
    others = (member for member in network.members if not member.is_self)
    return sorted(others, key=lambda member: (order.index(member.status), member.nickname.casefold(), member.address))


def _members_below(network: NetworkView, peers: dict[str, PeerView]) -> list[str]:
    rows = [_member_row(member, peers) for member in _shown_members(network)]
    return ["", *table(rows, indent="  ")] if rows else []


def _member_row(member: MemberView, peers: dict[str, PeerView]) -> tuple[str, ...]:
    peer = peers.get(member.address)
    name = printable(member.nickname) + (f" ({printable(peer.alias)})" if peer is not None and peer.alias else "")
    if member.status is MemberStatus.PENDING:
        return f"? {member.address}", name, "asks to join", "", ""
    if member.status is MemberStatus.OFFLINE or peer is None:
        sign, word = ("*", "online") if member.status is MemberStatus.ONLINE else (" ", "offline")
        return f"{sign} {member.address}", name, word, "", ""
    sign = _PEER_SIGNS.get(peer.status, "*")
    note = _PEER_REMEDIES[peer.status].format(peer.address) if peer.status in _PEER_REMEDIES else _way(peer)
    return f"{sign} {member.address}", name, PEER_WORDS[peer.status], milliseconds(peer.latency).rjust(8).rstrip(), note
