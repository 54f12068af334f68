"""Ben, for somebody who tries Buri alone: a small program that talks back, over `buri chat --json`.

    python -m tests.lab.friend PEER NETWORK        on Ben's computer in the lab; until it is ended

It greets the peer once, and answers what is written to it or to the network. Started by window_demo.py.
"""

import json
import subprocess
import sys
import threading
import time
from typing import IO

GREETING = (
    "Hello! I am Ben, a small program on another computer. Write me something, or “help”. A ping reaches me as well."
)
HELP = "I repeat what you write. “away” sends me offline for a quarter of a minute: what you write meanwhile waits."
LEAVING = "Gone for a quarter of a minute. Watch my dot, and write me something."
BACK = "Here I am again."
AWAY_SECONDS = 15


class Friend:
    """Answers in one conversation. Reads the engine's messages, writes lines for it to send."""

    def __init__(self, conversation: tuple[str, ...], network: str) -> None:
        """`conversation` is as `buri chat` takes it; `network` is the one to leave for a while if asked."""
        self._conversation = conversation
        self._network = network

    def talk(self, greeting: str = "") -> None:
        """Greet, then answer whatever comes until the engine ends."""
        words = [*buri("chat", *self._conversation), "--follow", "--json"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as chat:
            assert chat.stdin is not None
            assert chat.stdout is not None
            if greeting:
                say(chat.stdin, greeting)
            for line in chat.stdout:
                message = json.loads(line)
                if message.get("status") == "received":
                    self._answer(message["text"], chat.stdin)

    def _answer(self, text: str, out: IO[str]) -> None:
        print(f"{' '.join(self._conversation)}: {text!r}", flush=True)
        match text.strip().lower():
            case "help":
                say(out, HELP)
            case "away":
                say(out, LEAVING)
                self._go_away()
                say(out, BACK)
            case _:
                say(out, f"You wrote: {' '.join(text.split())}")

    def _go_away(self) -> None:
        time.sleep(1)  # the farewell is to arrive first
        subprocess.run(buri("go-offline", self._network), check=True)
        time.sleep(AWAY_SECONDS)
        subprocess.run(buri("go-online", self._network), check=True)


def buri(*verb: str) -> list[str]:
    """The words of one command."""
    return [sys.executable, "-m", "app", *verb]


def say(out: IO[str], text: str) -> None:
    """Have one line sent."""
    out.write(f"{text}\n")
    out.flush()


def main(peer: str, network: str) -> None:
    """Talk with the peer alone, and with all members of the network."""
    in_network = Friend(("--network", network), network)
    threading.Thread(target=in_network.talk, daemon=True).start()
    Friend((peer,), network).talk(GREETING)


if __name__ == "__main__":
    main(*sys.argv[1:3])
