"""The verbs about networks and their members: `buri list`, `join`, `evict` and their kin. They talk to the engine."""

from argparse import Namespace
from collections.abc import Callable

import msgspec

from app.cli import render
from app.cli.client import EngineClient
from app.cli.outcome import CommandError, ExitCode, show
from app.cli.passwords import password_from
from app.cli.targets import address_number, find_member, find_network, shell_word
from app.engine.state import EngineState, JoinResult, NetworkView, PeerView, ServerStatus
from app.ipc import control
from app.protocol.wire import format_network_id


def list_networks(arguments: Namespace) -> int:
    """All networks, or one, with their members; once or after each change."""
    with EngineClient() as engine:
        if not arguments.follow:
            _show_list(engine.state(), arguments)
            return ExitCode.OK
        for state in engine.stream(control.WatchState(), EngineState):
            _show_list(state, arguments)
            if not arguments.json:
                show("", None, as_json=False)
    return ExitCode.OK


def show_network(arguments: Namespace) -> int:
    """One network in full."""
    with EngineClient() as engine:
        state = engine.state()
    network = find_network(state, arguments.network)
    show(render.network_details(network, state.peers), network_document(network, state.peers), as_json=arguments.json)
    return ExitCode.OK


def create(arguments: Namespace) -> int:
    """Make a network."""
    password = password_from(arguments.password, new=True)
    with EngineClient() as engine:
        request = control.CreateNetwork(name=arguments.network, password=password, invite_only=arguments.invite_only)
        number = engine.value(request, int)
    text = f"Network {render.printable(arguments.network)} is made, number {format_network_id(number)}."
    hint = f"Invite others with `buri invite {shell_word(arguments.network)}`."
    document = {"id": number, "label": format_network_id(number), "name": arguments.network}
    show(f"{text}\n{hint}", document, as_json=arguments.json)
    return ExitCode.OK


def join(arguments: Namespace) -> int:
    """Join by name or by invite link."""
    password = password_from(arguments.password)
    with EngineClient() as engine:
        name, secret = arguments.network, None
        if name.startswith("buri:"):
            name, secret = _read_link(name, engine.state())
        result = engine.value(control.JoinNetwork(name=name, password=password, invite_secret=secret), JoinResult)
    shown = render.printable(name)
    text = (
        f"{shown}: the owner must let you in first. It shows in `buri list`." if result.pending else f"Joined {shown}."
    )
    document = {
        "id": result.network,
        "label": format_network_id(result.network),
        "name": name,
        "pending": result.pending,
    }
    show(text, document, as_json=arguments.json)
    return ExitCode.OK


def leave(arguments: Namespace) -> int:
    """Leave a network, or take back the wish to join."""
    return _change(arguments, lambda network: control.LeaveNetwork(network=network), "Left {}.")


def delete(arguments: Namespace) -> int:
    """Owner: delete a network for all."""
    return _change(arguments, lambda network: control.DeleteNetwork(network=network), "Deleted {}.")


def go_online(arguments: Namespace) -> int:
    """Be online in a network."""
    return _change(arguments, lambda network: control.SetPresence(network=network, online=True), "Online in {}.")


def go_offline(arguments: Namespace) -> int:
    """Be offline in a network."""
    return _change(arguments, lambda network: control.SetPresence(network=network, online=False), "Offline in {}.")


def set_password(arguments: Namespace) -> int:
    """Owner: change or remove the password."""
    password = password_from(arguments.password, new=True)
    text = "{} has no password now." if password is None else "{} has a new password; its members stay."
    return _change(arguments, lambda network: control.SetPassword(network=network, password=password), text)


def set_access(arguments: Namespace) -> int:
    """Owner: lock or unlock, manual or automatic approval, member limit."""
    words = arguments.access
    if {"lock", "unlock"} <= set(words) or {"manual", "auto"} <= set(words):
        raise CommandError(ExitCode.USAGE, "contradiction", "These exclude each other.", " ".join(words))
    if not words and arguments.limit is None:
        raise CommandError(
            ExitCode.USAGE, "nothing-to-set", "Nothing to set.", "", "Say lock, unlock, manual, auto or --limit N."
        )
    locked = "lock" in words if {"lock", "unlock"} & set(words) else None
    approval = "manual" in words if {"manual", "auto"} & set(words) else None
    done = ", ".join([*words, *([f"limit {arguments.limit}"] if arguments.limit is not None else [])])
    return _change(
        arguments,
        lambda network: control.SetAccess(
            network=network, locked=locked, approval=approval, member_limit=arguments.limit
        ),
        "Access to {} is set: " + done + ".",
    )


def approve(arguments: Namespace) -> int:
    """Let a waiting computer in."""
    return _change_member(
        arguments, lambda network, member: control.ApproveMember(network=network, member=member), "{} is in {}."
    )


def reject(arguments: Namespace) -> int:
    """Turn a waiting computer away."""
    return _change_member(
        arguments,
        lambda network, member: control.RejectMember(network=network, member=member),
        "{} was turned away from {}.",
    )


def evict(arguments: Namespace) -> int:
    """Put a member out, for good with --ban."""
    return _change_member(
        arguments,
        lambda network, member: control.EvictMember(network=network, member=member, ban=arguments.ban),
        "{} is out of {} for good." if arguments.ban else "{} is out of {}.",
    )


def unban(arguments: Namespace) -> int:
    """Forget a ban. Named by address alone, as who is banned is not in the roster."""
    member = address_number(arguments.member)
    with EngineClient() as engine:
        network = find_network(engine.state(), arguments.network)
        engine.do(control.UnbanMember(network=network.id, member=member))
    text = f"{arguments.member} may ask to join {render.printable(network.name)} again."
    show(text, {"network": network.id, "member": arguments.member}, as_json=arguments.json)
    return ExitCode.OK


def rename(arguments: Namespace) -> int:
    """A member's name in one network."""
    text = "{} has its own name in {} again."
    if arguments.nickname is not None:
        text = f"{{}} is {render.printable(arguments.nickname).replace('{', '{{').replace('}', '}}')} in {{}} now."
    return _change_member(
        arguments,
        lambda network, member: control.RenameMember(network=network, member=member, nickname=arguments.nickname),
        text,
    )


def invite(arguments: Namespace) -> int:
    """A link for others."""
    with EngineClient() as engine:
        network = find_network(engine.state(), arguments.network) if arguments.network else None
        link = engine.value(control.MakeInvite(network=network.id if network else None), str)
    show(link, {"invite": link}, as_json=arguments.json)
    return ExitCode.OK


def network_document(network: NetworkView, peers: tuple[PeerView, ...]) -> dict[str, object]:
    """A network as JSON has it: the network, each member with what is known of it as a peer."""
    by_address = {peer.address: peer for peer in peers}
    document: dict[str, object] = msgspec.to_builtins(network)
    document["members"] = [
        {**msgspec.to_builtins(member), "peer": msgspec.to_builtins(by_address.get(member.address))}
        for member in network.members
    ]
    return document


def _read_link(link: str, state: EngineState) -> tuple[str, str | None]:
    """Name and secret of the network in an invite link. Raises CommandError if it is not for the engine's server."""
    from app.protocol.invite import InviteError, parse_invite  # only now: it loads the crypto library
    from app.protocol.keys import format_fingerprint
    from app.protocol.network_secret import secret_to_invite

    remedy = "Copy it again, whole, from where you got it."
    try:
        invite = parse_invite(link)
    except InviteError as error:
        raise CommandError(
            ExitCode.USAGE, "invite-not-valid", "This invite link can't be used.", f"{error}.", remedy
        ) from None
    if format_fingerprint(invite.fingerprint) != state.server.fingerprint:
        raise CommandError(
            ExitCode.REFUSED,
            "invite-other-server",
            "This invite link is for another server.",
            f"It names {invite.host}; this engine uses {state.server.host or 'none yet'}.",
            "Use another folder for it: `buri up --home DIR --invite LINK`.",
        )
    if invite.network is None:
        raise CommandError(
            ExitCode.USAGE,
            "invite-without-network",
            "This link names no network.",
            "It invites to the server alone.",
            "Join by name: `buri join NETWORK`.",
        )
    return invite.network, secret_to_invite(invite.secret) if invite.secret is not None else None


def _change(arguments: Namespace, request: Callable[[int], control.ControlRequest], text: str) -> int:
    """Have one network changed, and say so with its name in `text`."""
    with EngineClient() as engine:
        network = find_network(engine.state(), arguments.network)
        engine.do(request(network.id))
    document = {"id": network.id, "label": network.label, "name": network.name}
    show(text.format(render.printable(network.name)), document, as_json=arguments.json)
    return ExitCode.OK


def _change_member(arguments: Namespace, request: Callable[[int, int], control.ControlRequest], text: str) -> int:
    with EngineClient() as engine:
        state = engine.state()
        network = find_network(state, arguments.network)
        member = find_member(state, network, arguments.member)
        engine.do(request(network.id, address_number(member.address)))
    name = render.printable(member.nickname or member.address)
    document = {"network": network.id, "member": member.address, "nickname": member.nickname}
    show(text.format(name, render.printable(network.name)), document, as_json=arguments.json)
    return ExitCode.OK


def _show_list(state: EngineState, arguments: Namespace) -> None:
    networks = [find_network(state, arguments.network)] if arguments.network else list(state.networks)
    document = {"networks": [network_document(network, state.peers) for network in networks]}
    logged_out = not networks and state.server.status is ServerStatus.LOGGED_OUT
    text = "Logged out. Connect with `buri login`." if logged_out else render.network_list(networks, state.peers)
    show(text, document, as_json=arguments.json)
