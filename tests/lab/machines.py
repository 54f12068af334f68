"""Whole computers: a namespace, a home folder, and Buri's programs started as a person would start them.

Only the helper runs as root. Everything else is the user `nobody`, or the one whose screen the demo's window is on, who
sees the checkout mounted inside the lab's folder: a clone in somebody's private home works as well. Called by
topology.py, used by scenarios.
"""

import json
import os
import pwd
import re
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from shlex import quote
from typing import Any

from tests.lab.namespace import Namespace
from tests.lab.processes import LabError, Process, tool, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
NOBODY = 65_534
NOT_FOUND = 5
"""Exit code of `buri` for an unknown name."""
IN_CHECKOUT = 'mount --bind "$0" "$1"; cd "$1"; shift; {changes}exec "$@"'
"""Shell words that show the checkout ($0) at a place ($1) and become the program that follows."""


def as_user(user: int) -> list[str]:
    """The words that give up root, every group but the user's own, and every privilege."""
    return [tool("setpriv"), f"--reuid={user}", f"--regid={group_of(user)}", "--clear-groups", "--inh-caps=-all"]


def group_of(user: int) -> int:
    """The first group of a user; one of the same number where the system knows no such user."""
    try:
        return pwd.getpwuid(user).pw_gid
    except KeyError:
        return user


class Addresses:
    """What an interface has been given."""

    def __init__(self, interfaces: Sequence[IPv4Interface | IPv6Interface]) -> None:
        self._interfaces = interfaces

    @property
    def ipv4(self) -> str:
        return str(self._interfaces[0].ip)

    @property
    def ipv6(self) -> str:
        """Raises LabError where there is no IPv6."""
        if len(self._interfaces) < 2:
            raise LabError(f"{self.ipv4} has no IPv6 address")
        return str(self._interfaces[1].ip)


class Machine:
    """A computer with an address on its network and a home of its own."""

    def __init__(self, namespace: Namespace, addresses: Addresses, user: int = NOBODY) -> None:
        """`user` is whose programs run here."""
        self.namespace = namespace
        self.name = namespace.name
        self.addresses = addresses
        self.user = user
        self.home = namespace.folder / "home"
        self._checkout = namespace.folder / "checkout"
        if CHECKOUT.stat().st_mode & 0o005 != 0o005:
            raise LabError(f"the lab's computers run as `nobody`, who may not read {CHECKOUT}: chmod -R go+rX it")
        self._checkout.mkdir()
        self.buri_home = self.home / "buri"
        self.run_folder = self.buri_home / "run"
        self._changed: dict[str, Path] = {}
        for folder in (self.home, self.buri_home, self.run_folder):
            folder.mkdir(mode=0o700)
            self.give(folder)

    def give(self, path: Path) -> None:
        """Let it belong to this computer's person."""
        os.chown(path, self.user, group_of(self.user))

    @property
    def environment(self) -> dict[str, str]:
        """What a person's shell would set, with a home of its own and no desktop."""
        return {
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "BURI_HOME": str(self.buri_home),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *argv: str, root: bool = False, timeout: float = 30.0, given: str | None = None) -> str:
        """Run a program on this computer to its end; gives its standard output. Raises LabError if it fails."""
        words = self._words(argv, root)
        return self.namespace.run(*words, timeout=timeout, environment=self.environment, given=given)

    def start(self, log_name: str, *argv: str, root: bool = False, extra: Mapping[str, str] | None = None) -> Process:
        """Start a program on this computer; it ends with the lab at the latest."""
        environment = {**self.environment, **(extra or {})}
        return self.namespace.start(log_name, *self._words(argv, root), environment=environment)

    def python(self, code: str, *arguments: str, timeout: float = 30.0) -> str:
        """Run a few lines of Python on this computer."""
        return self.run(self.interpreter, "-c", code, *arguments, timeout=timeout)

    def buri_words(self, *verb: str) -> list[str]:
        """The words that start Buri here."""
        return [self.interpreter, "-m", "app", *verb]

    @property
    def interpreter(self) -> str:
        """This Python as the computer sees it: the checkout stands at another place there."""
        own = Path(sys.executable)
        return str(self._checkout / own.relative_to(CHECKOUT)) if own.is_relative_to(CHECKOUT) else str(own)

    def change_program(self, module: str, old: str, new: str) -> None:
        """Let this computer alone run Buri with other words in one module (`app/...py`): a program made to cheat.

        Raises LabError unless `old` stands there exactly once: then the module has changed, and the cheat must too.
        """
        text = (CHECKOUT / module).read_text()
        if text.count(old) != 1:
            raise LabError(f"{module} has {old!r} {text.count(old)} times")
        changed = self.home / Path(module).name
        changed.write_text(text.replace(old, new))
        self._changed[module] = changed

    def know_names(self, **hosts: str) -> None:
        """Let these names, with "_" for ".", stand for these addresses: in programs that start after the first call.

        They see what later calls change.
        """
        file = self.home / "hosts"
        file.write_text("".join(f"{address} {name.replace('_', '.')}\n" for name, address in hosts.items()))
        self._changed["/etc/hosts"] = file

    def _words(self, argv: tuple[str, ...], root: bool) -> list[str]:
        user = [] if root else as_user(self.user)
        changes = "".join(f"mount --bind {quote(str(new))} {quote(old)}; " for old, new in self._changed.items())
        script = IN_CHECKOUT.format(changes=changes)
        return ["sh", "-e", "-c", script, str(CHECKOUT), str(self._checkout), *user, *argv]


class MediationServer(Machine):
    """The mediation server on the internet."""

    port = 12_975

    def set_up(self, *relays: "RelayMachine", own_relay: bool = True) -> None:
        """`buri server init`: keys, pool, configuration, and the relays it knows."""
        self.run(*self.buri_words("server", "init", "--folder", self.server_folder))
        config = Path(self.server_folder) / "server.toml"
        text = config.read_text()
        if not own_relay:
            text = text.replace("# built-in = true", "built-in = false")
        config.write_text("\n".join([text, *(relay.entry(number) for number, relay in enumerate(relays, 1))]))

    @property
    def server_folder(self) -> str:
        return str(self.home / "server")

    def go(self) -> Process:
        """`buri server run`; returns when it answers."""
        self.process = self.start("server", *self.buri_words("server", "run", "--folder", self.server_folder))
        wait_until(lambda: self.listens() or not self.process.is_running, "the server to listen")
        if not self.process.is_running:
            raise LabError(f"the server ended with {self.process.exit_code}:\n{self.process.output()}")
        return self.process

    def listens(self) -> bool:
        """Is the TCP port open?"""
        return f":{self.port}" in self.namespace.run(tool("ss"), "-Hltn", f"sport = :{self.port}")

    def kill9(self) -> None:
        """A crash."""
        self.process.kill9()

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` of the server's key, as its operator would tell it on the phone."""
        words = self.run(*self.buri_words("server", "fingerprint", "--folder", self.server_folder)).split()
        return next(word for word in words if word.startswith("SHA256:"))


class RelayMachine(Machine):
    """A relay on the internet."""

    port = 12_975

    @property
    def relay_folder(self) -> str:
        return str(self.home / "relay")

    def set_up(self) -> None:
        """`buri relay init`: secret and configuration."""
        words = ("relay", "init", "--folder", self.relay_folder, "--host", self.addresses.ipv4, "--web-port", "0")
        self.run(*self.buri_words(*words))

    def entry(self, number: int) -> str:
        """What the server's configuration needs."""
        words = ("relay", "entry", "--folder", self.relay_folder)
        return self.run(*self.buri_words(*words, "--number", str(number)))

    def go(self) -> Process:
        """`buri relay run`; returns when it listens."""
        self.process = self.start("relay", *self.buri_words("relay", "run", "--folder", self.relay_folder))
        wait_until(lambda: self.listens() or not self.process.is_running, "the relay to listen")
        if not self.process.is_running:
            raise LabError(f"the relay ended with {self.process.exit_code}:\n{self.process.output()}")
        return self.process

    def listens(self) -> bool:
        """Is the TCP port open? It is opened after the UDP port."""
        return f":{self.port}" in self.namespace.run(tool("ss"), "-Hltn", f"sport = :{self.port}")

    def kill9(self) -> None:
        """A crash."""
        self.process.kill9()


class Computer(Machine):
    """A person's computer: a helper as root, an engine as the person, and the command line."""

    helper: Process
    engine: Process

    def start_helper(self) -> Process:
        """The privileged helper, serving this computer's person; returns when its socket is there."""
        words = self.buri_words("helper", "--user", str(self.user))
        self.helper = self.start("helper", *words, root=True)
        self._wait_for_socket("helper", self.helper)
        return self.helper

    def start_engine(self, server: MediationServer, *options: str, extra: Mapping[str, str] | None = None) -> Process:
        """`buri up`, headless, with `extra` variables; returns when it takes commands."""
        words = self.buri_words(
            *("up", "--server", f"{server.addresses.ipv4}:{server.port}", "--fingerprint", server.fingerprint),
            *("--nickname", self.name, "--key-file", "--log-level", "debug", *options),
        )
        self.engine = self.start("engine", *words, extra=extra)
        self._wait_for_socket("engine", self.engine)
        return self.engine

    def go_online(self, server: MediationServer, *options: str) -> None:
        """Start helper and engine, and wait until the server knows this computer and the adapter is up."""
        self.start_helper()
        self.start_engine(server, *options)
        self.wait_until_online()

    def buri(self, *verb: str, timeout: float = 30.0, given: str | None = None) -> Any:
        """Run `buri VERB ... --json` as the person; gives the decoded answer, or None where there is none."""
        answer = self.run(*self.buri_words(*verb, "--json"), timeout=timeout, given=given)
        return json.loads(answer) if answer.strip() else None

    def refused(self, *verb: str) -> tuple[int, str]:
        """Run a verb that must fail; gives its exit code and its error's code. Raises LabError if it goes well."""
        try:
            answer = self.buri(*verb)
        except LabError as error:
            said = re.match(r"exit (\d+):.*?^(\{\"error\".*?)$", str(error), re.DOTALL | re.MULTILINE)
            if said is None:
                raise
            return int(said[1]), str(json.loads(said[2])["error"]["code"])
        raise LabError(f"`buri {' '.join(verb)}` should have failed, and said {answer}")

    def configure(self, **settings: object) -> None:
        """Write settings.json, as a person might before the first start."""
        folder = self.buri_home / "config"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / "settings.json"
        file.write_text(json.dumps({"version": 1, **settings}))
        self.give(folder)
        self.give(file)

    def dropped(self, name: str) -> int:
        """How often engine or pump dropped something for this reason (`counters` in `buri status`)."""
        return int(self.state()["counters"].get(name, 0))

    def buri_lines(self, *verb: str, timeout: float = 30.0) -> list[Any]:
        """As `buri`, for verbs that answer with one JSON document in each line."""
        return [json.loads(line) for line in self.run(*self.buri_words(*verb, "--json"), timeout=timeout).splitlines()]

    def state(self) -> Any:
        """What `buri status` knows: EngineState in app/engine/state.py, with numbers in place of rosters."""
        return self.buri("status")

    def wait_until_online(self, timeout: float = 30.0) -> None:
        """Until this computer is logged in and its adapter is up."""

        def online() -> bool:
            state = self.state()
            return bool(state["server"]["status"] == "online" and state["helper"]["status"] == "up")

        wait_until(online, f"{self.name} to be online", timeout)

    def wait_for_peer(self, peer: "Computer", status: str = "direct", timeout: float = 30.0) -> Any:
        """Until the peer has this status here; gives what is known of it."""

        def reached() -> bool:
            seen = self.view_of(peer)
            return seen is not None and seen["status"] == status

        wait_until(reached, f"{self.name} to see {peer.name} {status}", timeout)
        return self.view_of(peer)

    def view_of(self, peer: "Computer") -> Any:
        """What this computer knows of a peer (`buri peer`, PeerView in app/engine/state.py), None if it is no peer."""
        try:
            return self.buri("peer", peer.name)
        except LabError as error:
            if f"exit {NOT_FOUND}:" in str(error):
                return None
            raise

    @property
    def virtual_address(self) -> str:
        """This computer's address in Buri's networks."""
        return str(self.state()["server"]["address"])

    def ping(self, address: str, count: int = 1, timeout: float = 5.0) -> str:
        """The system's own `ping`; raises LabError if not one answer comes."""
        return self.run(tool("ping"), "-n", "-c", str(count), "-i", "0.2", "-W", f"{timeout:g}", address, root=True)

    def wait_for_answer(self, address: str, timeout: float = 20.0) -> None:
        """Ping every 50 ms until the first answer comes. Raises LabError if none does within `timeout` seconds."""

        def answered() -> bool:
            return self._gets(tool("ping"), "-n", "-c", "1", "-i", "0.05", "-w", "5", address)

        wait_until(answered, f"{address} to answer {self.name}", timeout)

    def can_ping(self, address: str) -> bool:
        """One ping, one second."""
        return self._gets(tool("ping"), "-n", "-c", "1", "-W", "1", address)

    def _gets(self, *argv: str) -> bool:
        """Does this command, as root, end well?"""
        try:
            self.run(*argv, root=True)
        except LabError:
            return False
        return True

    def _wait_for_socket(self, role: str, process: Process) -> None:
        path = str(self.run_folder / f"{role}.sock")

        def listens() -> bool:
            return path in self.namespace.run(tool("ss"), "-Hlx", "src", path)

        wait_until(lambda: listens() or not process.is_running, f"{process.name} to listen at {path}")
        if not process.is_running:
            raise LabError(f"{process.name} ended with {process.exit_code}:\n{process.output()}")
