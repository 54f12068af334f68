"""`buri chat`: send a message, show what was said, or go on listening and talking. Talks to the running engine."""

import os
import selectors
import sys
import time
from argparse import Namespace
from collections.abc import Iterator

from app.cli import render
from app.cli.client import EngineClient, checked
from app.cli.outcome import CommandError, ExitCode, show, show_error
from app.cli.targets import address_number, find_peer
from app.engine.state import ChatMessage, ChatStatus, PeerStatus, PeerView
from app.ipc import control

_UNREACHABLE = (PeerStatus.OFFLINE, PeerStatus.BLOCKED, PeerStatus.KEY_CHANGED, PeerStatus.UNPROVEN)
DELIVERY_WAIT = 10.0
"""Seconds for which `buri chat PEER TEXT` waits for the peer's acknowledgement."""
MAX_LINE = 65_536
"""Bytes of one typed line that are kept while its end is awaited."""


def run(arguments: Namespace) -> int:
    """Send the text; show what was said if there is none; with --follow go on."""
    with EngineClient() as engine:
        peer = find_peer(engine.state(), arguments.peer)
        exit_code = ExitCode.OK
        if arguments.text:
            exit_code = _send(engine, peer, " ".join(arguments.text), as_json=arguments.json)
        else:
            history = control.ReadChat(peer=address_number(peer.address))
            for message in engine.value(history, tuple[ChatMessage, ...]):
                _show(message, peer, as_json=arguments.json)
        if arguments.follow:
            _Conversation(engine, peer, as_json=arguments.json).run()
    return exit_code


def _send(engine: EngineClient, peer: PeerView, text: str, *, as_json: bool) -> ExitCode:
    patience = 0.0 if peer.status in _UNREACHABLE else DELIVERY_WAIT
    request = control.SendChat(peer=address_number(peer.address), text=text, timeout=patience)
    *_, last = engine.stream(request, ChatMessage, endless=False)
    name = render.peer_name(peer)
    outcome, exit_code = {
        ChatStatus.DELIVERED: (f"Delivered to {name}.", ExitCode.OK),
        ChatStatus.FAILED: (f"Not delivered to {name}.", ExitCode.FAILED),
    }.get(last.status, (f"{name} can't be reached now. It is sent when a tunnel is up again.", ExitCode.NO_ANSWER))
    show(outcome, last, as_json=as_json)
    return exit_code


def _show(message: ChatMessage, peer: PeerView, *, as_json: bool) -> None:
    clock = time.strftime("%H:%M", time.localtime(message.time))
    show(render.chat_line(message, render.peer_name(peer), clock), message, as_json=as_json)


class _Conversation:
    """Typed lines out, the peer's messages in, over one connection until Ctrl-C."""

    def __init__(self, engine: EngineClient, peer: PeerView, *, as_json: bool) -> None:
        self._engine = engine
        self._peer = peer
        self._as_json = as_json
        self._typed = bytearray()
        self._ended = False
        self._following = engine.send(control.FollowChat(peer=address_number(peer.address)))

    def run(self) -> None:
        """Until Ctrl-C, or Ctrl-D at a terminal; elsewhere the end of standard input ends only the sending."""
        if sys.stdin.isatty() and not self._as_json:
            sys.stderr.write(f"Talking to {render.peer_name(self._peer)}. Ctrl-D ends it.\n")
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
                self._show_refusal(answer)  # a message that was taken comes again among what is followed
                continue
            message = self._engine.decode(checked(answer), self._following, ChatMessage)
            if message is not None and self._is_news(message):
                _show(message, self._peer, as_json=self._as_json)

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
                request = control.SendChat(peer=address_number(self._peer.address), text=line, timeout=0.0)
                self._engine.send(request)

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
