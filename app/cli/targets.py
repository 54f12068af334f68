"""Which network, member or peer is meant by what someone typed; pure functions over the engine's state.

A name is compared as people read it: without regard to case and to how its letters are composed. An exact hit wins
over one that differs in case. Used by all verbs that name something.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, ip_address
from typing import TypeVar

from app.cli.outcome import CommandError, ExitCode
from app.engine.state import EngineState, MemberView, NetworkView, PeerView

Thing = TypeVar("Thing")

_NETWORK_NUMBER = re.compile(r"\d{1,10}|\d{4}-\d{3}-\d{3}")
MAX_CHOICES = 10
"""Lines of choices in an error."""


def find_network(state: EngineState, text: str) -> NetworkView:
    """The network with this name or number. Raises CommandError: not found, or the choices."""
    found = _by_name(state.networks, text, lambda network: network.name)
    if not found and _NETWORK_NUMBER.fullmatch(text):
        number = int(text.replace("-", ""))
        found = [network for network in state.networks if network.id == number]
    if len(found) > 1:
        raise _ambiguous("network", text, (f"{network.label}  {network.name}" for network in found))
    if not found:
        raise _not_found(
            "network", f"There is no network {text!r} here.", "See `buri list`; join one with `buri join`."
        )
    return found[0]


def find_peer(state: EngineState, text: str) -> PeerView:
    """The peer with this address, alias or nickname. Raises CommandError: not found, oneself, or the choices."""
    if text in (state.server.address, state.server.address6) and text:
        raise _not_found("peer", f"{text} is this computer.", "See `buri list` for the others.")
    found = [peer for peer in state.peers if text and text in (peer.address, peer.address6)]
    # What looks like an address is never a name, lest a nickname catch what is meant for another.
    if not found and not _is_address(text):
        found = _peers_by_name(state, text)
    if len(found) > 1:
        raise _ambiguous("peer", text, (f"{peer.address}  {peer.nickname}" for peer in found))
    if not found:
        raise _not_found("peer", f"There is no peer {text!r} in your networks.", "See `buri list` for who is.")
    return found[0]


def find_member(state: EngineState, network: NetworkView, text: str) -> MemberView:
    """The member of a network, waiting ones included, that this address or name means. Raises CommandError.

    Its name in the network comes first, then what it is called as a peer: an owner may have renamed it.
    """
    found = [member for member in network.members if text and member.address == text]
    if not found and not _is_address(text):
        found = _by_name(network.members, text, lambda member: member.nickname)
        peers = [] if found else _peers_by_name(state, text)
        found = found or [member for member in network.members if member.address in {peer.address for peer in peers}]
    if len(found) > 1:
        raise _ambiguous("member", text, (f"{member.address}  {member.nickname}" for member in found))
    if not found:
        raise _not_found(
            "member", f"There is no {text!r} in {network.name}.", f"See `buri list {shell_word(network.name)}`."
        )
    return found[0]


def address_number(text: str) -> int:
    """A virtual address as the control socket has it. Raises CommandError if it is none."""
    try:
        return int(IPv4Address(text))
    except ValueError:
        raise CommandError(
            ExitCode.USAGE, "bad-address", f"{text!r} is not an address.", "", "Give it as in 10.1.2.3."
        ) from None


def _peers_by_name(state: EngineState, text: str) -> list[PeerView]:
    # Aliases first: they are this person's own words, while a peer may take any nickname.
    found = _by_name(state.peers, text, lambda peer: peer.alias)
    return found or _by_name(state.peers, text, lambda peer: peer.nickname)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def shell_word(name: str) -> str:
    """`name` as it must be typed in a shell."""
    return name if re.fullmatch(r"[\w.+@%-]+", name) else "'" + name.replace("'", "'\\''") + "'"


def _by_name(things: Sequence[Thing], text: str, name_of: Callable[[Thing], str]) -> list[Thing]:
    exact = [thing for thing in things if text and name_of(thing) == text]
    return exact or [thing for thing in things if name_of(thing) and _folded(name_of(thing)) == _folded(text)]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", " ".join(name.split())).casefold()


def _not_found(kind: str, title: str, remedy: str) -> CommandError:
    return CommandError(ExitCode.NOT_FOUND, f"{kind}-not-found", title, "", remedy)


def _ambiguous(kind: str, text: str, choices: Iterable[str]) -> CommandError:
    lines = list(choices)
    shown = [*lines[:MAX_CHOICES], *(["..."] if len(lines) > MAX_CHOICES else [])]
    return CommandError(
        ExitCode.NOT_FOUND,
        f"{kind}-ambiguous",
        f"{text!r} can mean {len(lines)} {kind}s:",
        "\n".join(f"  {line}" for line in shown),
        f"Name the {kind} by its {'number' if kind == 'network' else 'address'}.",
    )
