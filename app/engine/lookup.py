"""Finds the network or peer that a person means, in a snapshot. Pure; called by engine/engine.py and the shell."""

from ipaddress import AddressValueError, IPv4Address

from app.engine.errors import engine_error
from app.engine.state import EngineState
from app.protocol.wire import Address, NetworkId, format_address


def find_network(state: EngineState, text: str) -> NetworkId:
    """The network with this name, or this id with or without dashes. Raises EngineError if there is not exactly one."""
    digits = text.replace("-", "")
    number = int(digits) if digits.isascii() and digits.isdigit() else None
    found = [each.id for each in state.networks if each.name.casefold() == text.casefold()]
    found = found or [each.id for each in state.networks if each.id == number]
    if len(found) != 1:
        raise engine_error("network-ambiguous" if found else "network-not-found", name=text)
    return NetworkId(found[0])


def find_peer(state: EngineState, text: str) -> Address:
    """The peer with this address, alias or nickname. Raises EngineError if there is not exactly one."""
    try:
        address = str(IPv4Address(text))
    except AddressValueError:
        address = ""
    wanted = text.casefold()
    found = {
        each.address
        for each in state.peers
        if each.address == address or (wanted and wanted in (each.nickname.casefold(), each.alias.casefold()))
    }
    if len(found) != 1:
        raise engine_error("peer-ambiguous" if found else "peer-not-found", name=text)
    return Address(int(IPv4Address(found.pop())))


def peer_name(state: EngineState, peer: Address) -> str:
    """What a person calls the peer: alias, nickname or address."""
    address = format_address(peer)
    view = next((each for each in state.peers if each.address == address), None)
    return (view.alias or view.nickname) if view is not None else address
