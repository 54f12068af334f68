"""The verbs about one peer: `buri peer`, `alias`, `ping`, `verify`, `accept-key`, `block`. They talk to the engine."""

import sys
import time
from argparse import Namespace
from collections.abc import Callable

from app.cli import render
from app.cli.client import EngineClient
from app.cli.outcome import CommandError, ExitCode, show
from app.cli.targets import address_number, find_peer
from app.engine.state import PeerStatus, PeerView, RoundTrip, Verification
from app.ipc import control


def show_peer(arguments: Namespace) -> int:
    """All about one peer."""
    with EngineClient() as engine:
        state = engine.state()
    peer = find_peer(state, arguments.peer)
    show(render.peer_details(peer, state.networks, time.time()), peer, as_json=arguments.json)
    return ExitCode.OK


def ping(arguments: Namespace) -> int:
    """Ping through the tunnel; NO_ANSWER if no answer came at all."""
    answers: list[RoundTrip] = []
    with EngineClient() as engine:
        peer = find_peer(engine.state(), arguments.peer)
        request = control.PingPeer(
            peer=address_number(peer.address),
            count=arguments.count,
            interval=arguments.interval,
            size=arguments.size,
        )
        name = render.peer_name(peer)
        try:
            for answer in engine.stream(request, RoundTrip):
                answers.append(answer)
                show(render.round_trip(answer, name), answer, as_json=arguments.json)
        except KeyboardInterrupt:
            pass  # the usual end of `--count 0`: the summary follows
    if answers and not arguments.json:
        show("\n" + render.ping_summary(answers, name), None, as_json=False)
    return ExitCode.OK if any(answer.seconds is not None for answer in answers) else ExitCode.NO_ANSWER


def verify(arguments: Namespace) -> int:
    """Show the safety number; mark the peer as verified or not."""
    with EngineClient() as engine:
        peer = find_peer(engine.state(), arguments.peer)
        number = address_number(peer.address)
        if arguments.yes or arguments.no:
            engine.do(control.MarkVerified(peer=number, verified=arguments.yes))
        verification = engine.value(control.ReadSafetyNumber(peer=number), Verification)
        asks = not (arguments.yes or arguments.no or arguments.json or verification.verified) and sys.stdin.isatty()
        show(_verification(verification, peer), verification, as_json=arguments.json)
        if asks and _agrees("Is it the same at the other end? [y/N] "):
            engine.do(control.MarkVerified(peer=number, verified=True))
            show(f"{render.peer_name(peer)} is verified.", None, as_json=False)
    return ExitCode.OK


def accept_key(arguments: Namespace) -> int:
    """Trust a peer's changed key."""
    with EngineClient() as engine:
        peer = find_peer(engine.state(), arguments.peer)
        name = render.peer_name(peer)
        if peer.status is not PeerStatus.KEY_CHANGED:
            raise CommandError(
                ExitCode.REFUSED,
                "key-not-changed",
                f"The key of {name} has not changed.",
                "",
                "Nothing needs to be done.",
            )
        if not peer.new_fingerprint:
            raise CommandError(
                ExitCode.REFUSED,
                "key-contradicts",
                f"The server shows several keys of {name}.",
                "They differ from network to network; one of them at least is wrong.",
                "Ask the person, and the server's operator. Nothing was changed.",
            )
        if not arguments.yes and not _agrees(
            f"{name} shows another key than before:\n"
            f"  before  {peer.fingerprint or 'none'}\n  now     {peer.new_fingerprint}\n"
            "It may have a new computer, or somebody stands in between. Ask the person.\nTrust the new key? [y/N] "
        ):
            raise CommandError(
                ExitCode.REFUSED, "not-confirmed", "Nothing was changed.", "", "Say --yes where nobody can be asked."
            )
        engine.do(control.AcceptKey(peer=address_number(peer.address), fingerprint=peer.new_fingerprint))
    text = f"The new key of {name} is trusted, but not verified: compare with `buri verify {peer.address}`."
    show(text, {"peer": peer.address}, as_json=arguments.json)
    return ExitCode.OK


def block(arguments: Namespace) -> int:
    """No tunnel and no chat with a peer."""
    return _change(arguments, lambda peer: control.SetBlocked(peer=peer, blocked=True), "{} is blocked.")


def unblock(arguments: Namespace) -> int:
    """Let a blocked peer in again."""
    return _change(arguments, lambda peer: control.SetBlocked(peer=peer, blocked=False), "{} is not blocked.")


def set_alias(arguments: Namespace) -> int:
    """Call a peer something on this computer only."""
    alias = arguments.alias
    text = f"is {render.printable(alias)} here now." if alias else "has its own name again."
    return _change(
        arguments,
        lambda peer: control.SetAlias(peer=peer, alias=alias),
        "{} " + text.replace("{", "{{").replace("}", "}}"),
    )


def _change(arguments: Namespace, request: Callable[[int], control.ControlRequest], text: str) -> int:
    with EngineClient() as engine:
        peer = find_peer(engine.state(), arguments.peer)
        engine.do(request(address_number(peer.address)))
    document = {"peer": peer.address, "nickname": peer.nickname}
    show(text.format(render.printable(peer.nickname or peer.address)), document, as_json=arguments.json)
    return ExitCode.OK


def _verification(verification: Verification, peer: PeerView) -> str:
    groups = verification.safety_number.split()
    lines = ["  " + "  ".join(groups[start : start + 4]) for start in range(0, len(groups), 4)]
    name = render.peer_name(peer)
    advice = f"Compare it with the person, by voice or side by side. If the same: `buri verify {peer.address} --yes`"
    end = f"{name} is verified." if verification.verified else advice
    return "\n".join([f"The safety number of this computer and {name}:", "", *lines, "", end])


def _agrees(question: str) -> bool:
    """Whether someone at the terminal says yes; without a terminal nobody does."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")
