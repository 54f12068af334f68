"""The text that a person copies when something does not work: the whole state of the engine, fit for strangers.

It holds no secret. Names that people gave are replaced by neutral ones, and addresses in the internet are shortened
unless they are this computer's own: questions about routers can't be answered without those. Pure; what to say comes
in as plain data. Called by engine/engine.py.
"""

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

from app import __version__
from app.engine.diagnosis import diagnose
from app.engine.errors import SENTENCES, engine_error
from app.engine.nat import describe_router
from app.engine.netcheck import described
from app.engine.netcheck_state import Netcheck
from app.engine.state import EngineState, NetworkView, PeerDetails, PeerView, Problem
from app.protocol.conversation import shown_text
from app.protocol.wire import Endpoint

MAX_REPORT = 262_144
"""Characters of a report; of the log, which is last, the newest lines that fit."""
MAX_PEERS = 200
"""Peers that are told one by one."""
LONG_NAME = 3
"""Characters of a name that is looked for wherever it is a whole word; shorter ones must be words of a sentence."""
_COMMON_WORD = re.compile(
    "a|an|as|at|be|by|do|go|i|id|if|in|ip|is|it|me|ms|my|no|of|ok|on|or|s|so|to|up|us|v4|v6|we|x", re.IGNORECASE
)
"""Words of every log: to put a number in the place of one would spoil the text."""

_SAID_TWICE = re.compile(r"\b(network|peer) (?=\1 \d)")
"""A neutral name after the word for what it names."""
_ADDRESS4 = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.]*\.\d)")
_ADDRESS6 = re.compile(r"(?<![\w:])((?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4})(?![\w:])")

_PREAMBLE = """\
Report of Buri. It is meant to be shown to others:
- It holds no key, password, network secret, invite link or chat text.
- Names of networks and people are replaced by numbers; virtual addresses (%s) stay.
- This computer's own addresses and its server's are told in full, as questions about routers need them.
- Other addresses are shortened."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report is made of."""

    now: float
    """In seconds since 1970."""
    state: EngineState
    fingerprint: str
    """Of this computer's identity."""
    seen: Mapping[Endpoint, Endpoint]
    """For each reflector that answered, where it saw this computer."""
    hosts: Sequence[Endpoint]
    peers: Sequence[PeerDetails]
    log: Sequence[str]
    guessed: Sequence[Endpoint] = ()
    """Where peers are told to look for this computer from outside though no reflector says so."""
    check: Netcheck | None = None
    """The network check."""


def write_report(facts: Facts) -> str:
    """The report."""
    own = (*facts.hosts, *facts.seen, *facts.seen.values(), *facts.guessed)
    mapping = facts.state.port_mapping
    opened = [each for each in (mapping.gateway, mapping.outside.rpartition(":")[0]) if each]
    cover = Cover(facts.state, [*opened, *(each.host for each in own)])
    state = cover.state(facts.state)
    peers = [replace(each, peer=cover.peer(each.peer)) for each in facts.peers]
    text = cover.hide("\n".join(_section(*each) for each in _sections(facts, state, peers)))
    text = f"{_PREAMBLE % (state.server.pool or 'none yet')}\n{text}\n\n[log]\n"[:MAX_REPORT]
    return text + _newest([shown_text(cover.hide(line)) for line in facts.log], MAX_REPORT - len(text))


def _sections(facts: Facts, state: EngineState, peers: Sequence[PeerDetails]) -> list[tuple[str, Iterable[str]]]:
    findings = diagnose(state, facts.seen, facts.hosts, peers, facts.guessed)
    written = datetime.fromtimestamp(facts.now, UTC).isoformat(" ", "seconds")
    return [
        ("versions", [f"Buri {__version__}, Python {platform.python_version()}, {platform.platform()}", written]),
        ("identity", [facts.fingerprint]),
        ("server", _server(state)),
        ("helper", _helper(state)),
        ("this computer's endpoints", _endpoints(facts)),
        ("router", describe_router(facts.seen, facts.hosts)),
        ("network check", _netcheck(facts.check)),
        ("networks", map(_network, state.networks)),
        ("peers", (line for each in peers[:MAX_PEERS] for line in _peer(each, facts.now))),
        ("problems", map(_problem, state.problems)),
        ("findings", (f"{'well' if each.ok else 'BAD '}  {each.name}: {each.message}" for each in findings)),
        ("counters", (f"{name}: {count}" for name, count in state.counters)),
    ]


def _newest(lines: Sequence[str], room: int) -> str:
    kept: list[str] = []
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(reversed(kept)) + "\n" if kept else "nothing\n"


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join(["", f"[{title}]", *(list(lines) or ["none"])])


def _endpoints(facts: Facts) -> list[str]:
    mapping = facts.state.port_mapping
    return [
        *(f"{each}  host" for each in facts.hosts),
        *(f"{outside}  reflexive, seen by {reflector}" for reflector, outside in facts.seen.items()),
        *([f"{mapping.outside}  mapped, by {mapping.protocol}"] if mapping.protocol is not None else []),
        *(f"{each}  guessed, as the server stands behind the same router" for each in facts.guessed),
    ]


def _netcheck(check: Netcheck | None) -> list[str]:
    return [] if check is None else [f"{check.grade}: {check.verdict.title}", *described(check)]


def _server(state: EngineState) -> list[str]:
    server = state.server
    return [
        f"{server.host}:{server.port}, {server.fingerprint}",
        f"{server.status}, power {'on' if state.power else 'off'}, route: {server.route or 'none'}",
        f"own address {server.address or 'none yet'}, pool {server.pool or 'not known'}",
    ]


def _helper(state: EngineState) -> list[str]:
    helper = state.helper
    adapter = f"adapter {helper.interface}, UDP port {helper.udp_port}, IPv6 {'yes' if helper.ipv6 else 'no'}"
    return [str(helper.status), adapter if helper.interface else "no adapter"]


def _network(network: NetworkView) -> str:
    words = [network.name, network.label, network.status, network.protection, f"{len(network.members)} members"]
    words += ["owner"] * network.is_owner + ["locked"] * network.locked + ["approval"] * network.approval
    return ", ".join(words)


def _peer(details: PeerDetails, now: float) -> list[str]:
    peer = details.peer
    head = f"{peer.nickname}  {peer.address}  {peer.status}"
    if details.suite_name:
        head += f", {details.suite_name}, {details.rekeys} rekeys"
        head += f", sent {peer.sent_bytes}, received {peer.received_bytes} bytes"
    if peer.last_received is not None:
        head += f", heard {max(0.0, now - peer.last_received):.0f} s ago"
    ways = (
        f"  {each.endpoint}  {each.kind}  {each.status}{_milliseconds(each.round_trip)}" for each in details.candidates
    )
    return [head, *ways]


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"  {seconds * 1_000:.1f} ms"


def _problem(problem: Problem) -> str:
    return f"{problem.code}: {problem.title} {problem.message}".rstrip()


class Cover:
    """Puts neutral words in the place of what strangers need not know."""

    def __init__(self, state: EngineState, open_addresses: Iterable[str]) -> None:
        """`open_addresses` are told in full."""
        self._networks = {each.id: f"network {n}" for n, each in enumerate(state.networks, 1)}
        self._peers = {each.address: f"peer {n}" for n, each in enumerate(state.peers, 1)}
        self._names = {str(Path.home()): "~", state.server.nickname: "this computer", state.server.name: "the server"}
        for network in state.networks:
            self._names.setdefault(network.name, self._networks[network.id])
        for peer in state.peers:
            for name in (peer.alias, peer.nickname):
                self._names.setdefault(name, self._peers[peer.address])
        self._names.pop("", None)
        self._open = {str(ip_address(each.partition("%")[0])) for each in open_addresses} | {state.server.host}
        self._pool = ip_network(state.server.pool) if state.server.pool else None
        self._pattern = _any_of(self._names)

    def state(self, state: EngineState) -> EngineState:
        """The state under neutral names."""
        return replace(
            state,
            networks=tuple(replace(each, name=self._networks[each.id]) for each in state.networks),
            peers=tuple(map(self.peer, state.peers)),
            problems=tuple(map(self._problem, state.problems)),
        )

    def peer(self, peer: PeerView) -> PeerView:
        """A peer under a neutral name."""
        problem = None if peer.problem is None else self._problem(peer.problem)
        return replace(peer, nickname=self._peers[peer.address], alias="", problem=problem)

    def _problem(self, problem: Problem) -> Problem:
        if problem.code not in SENTENCES:
            return replace(problem, message=self.hide(problem.message))
        details = {
            name: ", ".join(self._names.get(part, part) for part in value.split(", "))
            for name, value in problem.details
        }
        return replace(problem, message=engine_error(problem.code, **details).message)

    def hide(self, text: str) -> str:
        """A text without names and without the addresses of others."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda match: self._names[match[0]], text)
        text = _SAID_TWICE.sub("", text)
        return _ADDRESS6.sub(self._shortened, _ADDRESS4.sub(self._shortened, text))

    def _shortened(self, match: re.Match[str]) -> str:
        try:
            address = ip_address(match[1])
        except ValueError:
            return match[0]
        virtual = self._pool is not None and address in self._pool
        if virtual or address.is_loopback or address.is_unspecified or str(address) in self._open:
            return match[0]
        if address.version == 4:
            return ".".join([*match[1].split(".")[:2], "x", "x"])
        return ":".join([*address.exploded.split(":")[:2], ":x"])


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    """Matches any of the names as a whole word, the longest first.

    A short one must not be part of an address, a path or a name with a hyphen, nor a number or a common word.
    """
    ordered = sorted(names, key=len, reverse=True)
    long = [re.escape(each) for each in ordered if len(each) >= LONG_NAME]
    short = [re.escape(each) for each in ordered if len(each) < LONG_NAME and _is_telling(each)]
    ways = [rf"(?<!\w)(?:{'|'.join(long)})(?!\w)"] * bool(long)
    ways += [rf"(?<![\w./:-])(?:{'|'.join(short)})(?![\w/-]|[.:]\w)"] * bool(short)
    return re.compile("|".join(ways)) if ways else None


def _is_telling(name: str) -> bool:
    """Whether it says anything of anybody, so short as it is."""
    return any(each.isalpha() or not each.isascii() for each in name) and not _COMMON_WORD.fullmatch(name)
