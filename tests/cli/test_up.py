"""`buri up` as a process: it starts, tells what happens, keeps others out, and ends well or is killed."""

import asyncio
import json
import os
import signal
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.cli import up
from app.engine.identity import PASSPHRASE_VARIABLE
from app.protocol.invite import Invite, format_invite
from app.protocol.keys import parse_fingerprint
from tests.cli.test_verbs import Ended
from tests.engine.test_identity import profile_in
from tests.engine.world import World, tell

ROOT = Path(__file__).parent.parent.parent
NETWORK = "Game night"


class Running:
    """A `buri up --json` and what it has told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.told: list[Any] = []

    async def tells(self, event: str) -> Any:
        """The next event of this name."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self.process.stdout.readline():
                self.told.append(json.loads(line))
                if self.told[-1].get("event") == event:
                    return self.told[-1]
        raise AssertionError(f"it ended without {event}: {self.told}")

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        out, _ = await self.process.communicate()
        self.told += map(json.loads, out.splitlines())
        return self.process.returncode or 0


class Place:
    """A home in which engines are started; there is no helper, and none is needed here."""

    def __init__(self, home: Path) -> None:
        self.home = home

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", *words),
            cwd=ROOT,
            env={**os.environ, "BURI_HOME": str(self.home)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
        )

    async def buri(self, *words: str) -> Ended:
        process = await self.start(*words)
        out, err = await process.communicate()
        return Ended(process.returncode or 0, out.decode(), err.decode())

    @asynccontextmanager
    async def up(self, *words: str) -> AsyncIterator[Running]:
        none = str(self.home / "no helper")
        process = await self.start("up", "--json", "--key-file", "--helper-socket", none, *words)
        try:
            yield Running(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


def invite(world: World, network: str | None = None) -> str:
    return format_invite(Invite("127.0.0.1", world.port, parse_fingerprint(world.fingerprint), network))


def test_it_starts_with_an_invite_and_again_without(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        place = Place(tmp_path / "uma")
        async with place.up("--invite", invite(world), "--nickname", "uma") as running:
            online = await running.tells("online")
            assert online["server"]["nickname"] == "uma"
            assert running.told[0]["problem"]["code"] == "helper-missing"
            assert (await place.buri("create", NETWORK)).code == 0
            assert await running.end(signal.SIGTERM) == 0
            last = [each["event"] for each in running.told[-2:]]
            assert last[1] == "stopped"
            assert last[0] != "logged-out", "the end that was asked for is no news"
        assert not (place.home / "run" / "engine.sock").exists()
        async with place.up() as running:
            again = await running.tells("online")
            other = format_invite(Invite("127.0.0.1", world.port, bytes(32)))
            assert again["server"]["address"] == online["server"]["address"]
            assert await running.end(signal.SIGINT) == 0
        moved = await place.buri("up", "--invite", other, "--json")
        assert (moved.code, moved.document["error"]["code"]) == (4, "invite-other-server")

    tell(tmp_path, story)


def test_how_others_reach_a_server_on_this_computer_is_remembered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        place = Place(tmp_path / "uma")
        here = ("--server", f"127.0.0.1:{world.port}", "--fingerprint", world.fingerprint)
        for words in ((*here, "--public-host", "203.0.113.5"), ()):
            async with place.up(*words) as running:
                await running.tells("online")
                link = (await place.buri("invite", "--json")).document["invite"]
                assert link.startswith(f"buri://203.0.113.5:{world.port}/")
                assert await running.end(signal.SIGTERM) == 0

    tell(tmp_path, story)


def test_an_invite_to_a_network_joins_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        await anna.engine.create_network(NETWORK)
        async with Place(tmp_path / "ben").up("--invite", invite(world, NETWORK), "--nickname", "ben") as running:
            assert (await running.tells("joined")) == {"event": "joined", "network": NETWORK, "pending": False}
            await anna.until(lambda: any(peer.nickname == "ben" for peer in anna.state.peers))

    tell(tmp_path, story)


def test_a_second_engine_is_kept_out_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        place = Place(tmp_path / "uma")
        async with place.up("--invite", invite(world)) as running:
            await running.tells("online")
            second = await place.buri("up", "--json")
            assert (second.code, second.document["error"]["code"]) == (1, "already-running")
            assert str(running.process.pid) in second.err
            assert (await place.buri("identity", "new", "--replace")).code == 1
            await running.end(signal.SIGKILL)
            assert (await place.buri("status")).code == 3
        async with place.up() as running:
            await running.tells("online")
            assert (await place.buri("status")).code == 0

    tell(tmp_path, story)


def test_logged_out_stays_logged_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        place = Place(tmp_path / "uma")
        async with place.up("--invite", invite(world), "--offline") as running:
            await running.tells("logged-out")
            assert (await place.buri("login")).code == 0
            await running.tells("online")
            assert (await place.buri("logout")).code == 0
            await running.tells("logged-out")
            running.process.send_signal(signal.SIGHUP)
            assert (await place.buri("status")).code == 0
        async with place.up() as running:
            await running.tells("logged-out")

    tell(tmp_path, story)


def test_a_server_with_another_key_is_told_with_a_remedy(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        words = ("--server", f"127.0.0.1:{world.port}", "--fingerprint", "SHA256:" + "A" * 43)
        async with Place(tmp_path / "uma").up(*words) as running:
            codes = {(await running.tells("problem"))["problem"]["code"] for _ in range(2)}
            assert codes == {"helper-missing", "server-wrong-key"}

    tell(tmp_path, story)


def test_a_problem_is_told_once_until_it_is_over(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        person = await world.person("anna", start=False)
        place = Place(tmp_path / "uma")
        socket_path = str(person.helper.socket_path)
        async with place.up("--invite", invite(world), "--helper-socket", socket_path) as running:
            await running.tells("online")
            await world.stop_server()
            lost = await running.tells("problem")
            await world.start_server()
            solved = await running.tells("solved")
            assert solved["problem"] == lost["problem"]
            told = [event["problem"]["code"] for event in running.told if event["event"] == "problem"]
            assert len(told) == len(set(told))

    tell(tmp_path, story)


def test_without_a_server_it_says_how_to_name_one_and_makes_no_key(tmp_path: Path) -> None:
    async def story(_: World) -> None:
        place = Place(tmp_path / "uma")
        ended = await place.buri("up", "--key-file")
        assert (ended.code, ended.out) == (1, "")
        assert "buri up --invite LINK" in ended.err
        assert not (place.home / "state" / "identity.pem").exists()

    tell(tmp_path, story)


def test_programs_that_it_starts_do_not_see_the_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "four unrelated long words")
    up._open_identity(Namespace(key_file=True, passphrase_file=None), profile_in(tmp_path))
    assert PASSPHRASE_VARIABLE not in os.environ
