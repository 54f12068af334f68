"""Ben, for somebody who tries Buri alone: a small program that talks back, over `buri chat --json`.

    python -m tests.lab.friend PEER NETWORK        on Ben's computer in the lab; until it is ended

It greets the peer once, and answers what the peer writes. Started by window_demo.py and by the tests.
"""

import json
import subprocess
import sys
import time
from typing import IO

GREETING = (
    "Hello! I am Ben, a small program on another computer. Write me something, or `help`. A ping reaches me as well."
)
HELP = "I repeat what you write. `away` sends me offline for a quarter of a minute: what you write meanwhile waits."
LEAVING = "Gone for a quarter of a minute. Watch my dot, and write me something."
BACK = "Here I am again."
AWAY_SECONDS = 15


class Friend:
    """Answers one peer. Reads the engine's messages, writes lines for it to send."""

    def __init__(self, peer: str, network: str) -> None:
        self._peer = peer
        self._network = network
        self._answered: set[int] = set()

    def talk(self) -> None:
        """Greet, then answer whatever comes until the engine ends."""
        words = [*buri("chat", self._peer), "--follow", "--json"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as chat:
            assert chat.stdin is not None
            assert chat.stdout is not None
            say(chat.stdin, GREETING)
            for line in chat.stdout:
                message = json.loads(line)
                if message.get("status") == "received" and message["id"] not in self._answered:
                    self._answered.add(message["id"])
                    self._answer(message["text"], chat.stdin)

    def _answer(self, text: str, out: IO[str]) -> None:
        print(f"{self._peer} wrote {text!r}", flush=True)
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


if __name__ == "__main__":
    Friend(*sys.argv[1:3]).talk()
