"""`buri chat`: send a message to a peer or a network, show what was said, or go on listening and talking.

And `buri chat-history`: whether what was said is kept. Both talk to the running engine.
"""

import os
import selectors
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass

from app.cli import render
from app.cli.client import EngineClient, checked
from app.cli.outcome import CommandError, ExitCode, show, show_error
from app.cli.targets import address_number, find_network, find_peer
from app.engine.state import ChatMessage, ChatStatus, EngineState, MemberStatus, PeerStatus
from app.ipc import control

_UNREACHABLE = (PeerStatus.OFFLINE, PeerStatus.BLOCKED, PeerStatus.KEY_CHANGED, PeerStatus.UNPROVEN)
DELIVERY_WAIT = 10.0
"""Seconds for which `buri chat PEER TEXT` waits for the peer's acknowledgement."""
MAX_LINE = 65_536
"""Bytes of one typed line that are kept while its end is awaited."""


@dataclass(frozen=True)
class _Partner:
    """With whom one talks: a peer, or the members of a network. Exactly one of the numbers is not 0."""

    name: str
    reachable: bool
    writers: dict[str, str]
    """What to call those who write, by address."""
    peer: int = 0
    network: int = 0


def run(arguments: Namespace) -> int:
    """Send the text; show what was said if there is none; with --follow go on."""
    with EngineClient() as engine:
        find = _find_members if arguments.network else _find_peer
        partner = find(engine.state(), arguments.peer)
        exit_code = ExitCode.OK
        if arguments.text:
            exit_code = _send(engine, partner, " ".join(arguments.text), as_json=arguments.json)
        else:
            history = control.ReadChat(peer=partner.peer, network=partner.network)
            for message in engine.value(history, tuple[ChatMessage, ...]):
                _show(message, partner, as_json=arguments.json)
            engine.do(control.MarkChatRead(peer=partner.peer, network=partner.network))
        if arguments.follow:
            _Conversation(engine, partner, as_json=arguments.json).run()
    return exit_code


def history(arguments: Namespace) -> int:
    """Keep what was said on this computer, or delete it; tell which holds."""
    keep = {"on": True, "off": False}.get(arguments.wish)
    with EngineClient() as engine:
        if arguments.wish == "clear":
            engine.do(control.ClearChat())
        kept = engine.value(control.KeepChat(keep=keep), bool)
    deleted = "What was said is deleted. " if arguments.wish in ("off", "clear") else ""
    text = "What is said is kept on this computer." if kept else "What is said is kept only until the engine stops."
    show(deleted + text, {"kept": kept}, as_json=arguments.json)
    return ExitCode.OK


def _find_peer(state: EngineState, text: str) -> _Partner:
    peer = find_peer(state, text)
    name = render.peer_name(peer)
    return _Partner(name, peer.status not in _UNREACHABLE, {peer.address: name}, peer=address_number(peer.address))


def _find_members(state: EngineState, text: str) -> _Partner:
    network = find_network(state, text)
    members = {each.address: render.printable(each.nickname or each.address) for each in network.members}
    aliases = {each.address: render.printable(each.alias) for each in state.peers if each.alias}
    online = any(each.status is MemberStatus.ONLINE and not each.is_self for each in network.members)
    return _Partner(render.printable(network.name), online, members | aliases, network=network.id)


def _send(engine: EngineClient, partner: _Partner, text: str, *, as_json: bool) -> ExitCode:
    patience = DELIVERY_WAIT if partner.reachable else 0.0
    request = control.SendChat(peer=partner.peer, network=partner.network, text=text, timeout=patience)
    *_, last = engine.stream(request, ChatMessage, endless=False)
    show(_outcome(last, partner), last, as_json=as_json)
    ended = {ChatStatus.DELIVERED: ExitCode.OK, ChatStatus.FAILED: ExitCode.FAILED}
    return ended.get(last.status, ExitCode.NO_ANSWER)


def _outcome(message: ChatMessage, partner: _Partner) -> str:
    if message.status is ChatStatus.DELIVERED:
        return f"Delivered to {partner.name}."
    if message.status is ChatStatus.FAILED:
        return f"Not delivered to {partner.name}." + _counted(message)
    if message.network:
        return f"Not all of {partner.name} can be reached now.{_counted(message)} It is sent to the others later."
    return f"{partner.name} can't be reached now. It is sent when a tunnel is up again."


def _counted(message: ChatMessage) -> str:
    return f" {message.delivered} of {message.recipients} members have it." if message.network else ""


def _show(message: ChatMessage, partner: _Partner, *, as_json: bool) -> None:
    clock = time.strftime("%H:%M", time.localtime(message.time))
    writer = partner.writers.get(message.peer, message.peer)
    show(render.chat_line(message, writer, clock), message, as_json=as_json)


class _Conversation:
    """Typed lines out, the peer's messages in, over one connection until Ctrl-C."""

    def __init__(self, engine: EngineClient, partner: _Partner, *, as_json: bool) -> None:
        self._engine = engine
        self._partner = partner
        self._as_json = as_json
        self._typed = bytearray()
        self._ended = False
        self._following = engine.send(control.FollowChat(peer=partner.peer, network=partner.network))

    def run(self) -> None:
        """Until Ctrl-C, or Ctrl-D at a terminal; elsewhere the end of standard input ends only the sending."""
        if sys.stdin.isatty() and not self._as_json:
            sys.stderr.write(f"Talking to {self._partner.name}. Ctrl-D ends it.\n")
        with selectors.DefaultSelector() as selector:
            selector.register(self._engine, selectors.EVENT_READ, self._hear)
            if _can_wait_for_input():
                selector.register(sys.stdin, selectors.EVENT_READ, lambda: self._read_typed(selector))
            while not self._ended:
                self._take_answers()
                for key, _ in selector.select():
                    key.data()

    def _hear(self) -> None:
        self._engine.read_socket()

    def _take_answers(self) -> None:
        for answer in self._engine.ready_answers():
            if answer.request != self._following:
                self._show_refusal(answer)  # what was taken comes again among what is followed
                continue
            message = self._engine.decode(checked(answer), self._following, ChatMessage)
            if message is not None and self._is_news(message):
                _show(message, self._partner, as_json=self._as_json)
            if message is not None and message.status is ChatStatus.RECEIVED:
                self._engine.send(control.MarkChatRead(peer=self._partner.peer, network=self._partner.network))

    def _show_refusal(self, answer: control.ControlAnswer) -> None:
        try:
            checked(answer)
        except CommandError as error:
            show_error(error, as_json=self._as_json)

    def _is_news(self, message: ChatMessage) -> bool:
        """For people, a message of their own needs no echo unless it waits or has failed."""
        return self._as_json or message.status in (ChatStatus.RECEIVED, ChatStatus.QUEUED, ChatStatus.FAILED)

    def _read_typed(self, selector: selectors.BaseSelector) -> None:
        data = os.read(sys.stdin.fileno(), MAX_LINE)
        self._typed += data
        if not data:
            selector.unregister(sys.stdin)
            self._typed += b"\n"
            self._ended = sys.stdin.isatty()
        for line in self._lines():
            if line.strip():
                partner = self._partner
                self._engine.send(control.SendChat(peer=partner.peer, network=partner.network, text=line, timeout=0.0))

    def _lines(self) -> Iterator[str]:
        while b"\n" in self._typed or len(self._typed) > MAX_LINE:
            line, _, rest = self._typed.partition(b"\n")
            self._typed = rest
            yield line.decode(errors="replace").rstrip("\r")


def _can_wait_for_input() -> bool:
    """Whether standard input is something a selector can watch; a plain file is not."""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(sys.stdin, selectors.EVENT_READ)
    except (OSError, ValueError):
        return False
    return True
