"""Every verb from the shell: real `buri` processes, real engines behind virtual routers, a real server."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from app.engine.control_server import ControlServer
from app.engine.state import MemberStatus, NetworkStatus, PeerStatus
from tests.engine.world import Person, World, tell

ROOT = Path(__file__).parent.parent.parent


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def documents(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """A terminal on somebody's computer, whose engine takes commands until the shell is closed."""

    def __init__(self, person: Person, home: Path) -> None:
        self.person = person
        self.home = home
        self._server = ControlServer(person.engine, home / "run" / "engine.sock")

    @classmethod
    async def open(cls, person: Person, world: World, exits: AsyncExitStack) -> "Shell":
        shell = cls(person, world.folder / f"home of {person.name}")
        await shell._server.start()
        exits.push_async_callback(shell._server.stop)
        return shell

    async def start(self, *words: str, stdin: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "BURI_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", *words, cwd=ROOT, env=environment, stdin=stdin, stdout=pipe, stderr=pipe
        )

    async def __call__(self, *words: str, typed: str = "") -> Ended:
        """Run `buri` with these words to its end."""
        process = await self.start(*words)
        async with asyncio.timeout(60):
            out, err = await process.communicate(typed.encode())
        ended = Ended(process.returncode or 0, out.decode(), err.decode())
        assert "Traceback" not in ended.err, ended.err
        return ended

    async def ends(self, terminal: "Terminal", *words: str) -> Ended:
        """Run `buri` at a terminal to its end."""
        process = await self.start(*words, stdin=terminal.end)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return Ended(process.returncode or 0, out.decode(), err.decode())

    async def at(self, terminal: "Terminal", *words: str) -> str:
        """Run `buri` at a terminal, which must go well; gives what it printed."""
        ended = await self.ends(terminal, *words)
        assert ended.code == 0, ended
        return ended.out

    async def does(self, *words: str, typed: str = "") -> str:
        """Run `buri` with these words, which must go well; gives what it printed."""
        ended = await self(*words, typed=typed)
        assert (ended.code, ended.err) == (0, "")
        return ended.out


async def two_shells(world: World, exits: AsyncExitStack) -> tuple[Shell, Shell]:
    """Anna's and Ben's, behind a router each."""
    anna = await Shell.open(await world.person("anna", world.router()), world, exits)
    ben = await Shell.open(await world.person("ben", world.router()), world, exits)
    return anna, ben


async def in_one_network(world: World, exits: AsyncExitStack) -> tuple[Shell, Shell]:
    anna, ben = await two_shells(world, exits)
    await anna.does("create", "Game night", "s3cret")
    await ben.does("join", "Game night", "s3cret")
    await anna.person.until_connected(ben.person)
    await ben.person.until_connected(anna.person)
    return anna, ben


def test_two_people_make_and_join_a_network_and_talk(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await two_shells(world, exits)
            made = await anna("create", "Game night", "-", "--json", typed="s3cret\n")
            assert made.document["name"] == "Game night"

            wrong = await ben("join", "Game night", "guess")
            assert (wrong.code, wrong.out) == (4, "")
            assert wrong.err.startswith("Wrong password.")
            missing = await ben("join", "Nothing", "x")
            assert missing.code == 5
            assert await ben.does("join", "game NIGHT", "s3cret") == "Joined game NIGHT.\n"
            await anna.person.until_connected(ben.person)
            await ben.person.until_connected(anna.person)

            roster = await anna.does("list")
            assert roster.splitlines()[0].startswith(" * [")
            assert "Game night  members: 2/" in roster
            assert "ben  direct" in roster
            document = (await anna("list", "--json")).document["networks"][0]
            assert (document["id"], document["label"]) == (made.document["id"], made.document["label"])
            assert {member["nickname"] for member in document["members"]} == {"anna", "ben"}

            trips = (await anna("ping", "ben", "-c", "3", "-i", "0.01", "--json")).documents
            assert [trip["sequence"] for trip in trips] == [1, 2, 3]
            assert all(trip["seconds"] is not None for trip in trips)
            assert "0 % lost" in await ben.does("ping", "anna", "-c", "1")

            sent = await anna("chat", "ben", "shall", "we?", "--json")
            assert (sent.code, sent.document["status"]) == (0, "delivered")
            assert (await ben.does("chat", "anna")).endswith("anna: shall we?\n")

    tell(tmp_path, story)


def test_people_talk_in_a_network(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await in_one_network(world, exits)
            assert await anna.does("chat", "--network", "Game night", "shall", "we?") == "Delivered to Game night.\n"
            await ben.person.until(lambda: ben.person.state.networks[0].unread == 1)
            assert (await ben.does("chat", "Game night", "--network")).endswith("anna: shall we?\n")
            await ben.person.until(lambda: ben.person.state.networks[0].unread == 0)
            await ben.does("alias", "anna", "Annie")
            talking = await ben.start("chat", "--network", "Game night", "-f", "--json")
            assert talking.stdout is not None
            async with asyncio.timeout(30):
                assert json.loads(await talking.stdout.readline())["text"] == "shall we?"
                await anna.does("chat", "--network", "Game night", "at nine")
                line = json.loads(await talking.stdout.readline())
            assert (line["text"], line["network"]) == ("at nine", ben.person.state.networks[0].id)
            assert line["peer"] == anna.person.state.server.address
            talking.send_signal(2)
            await talking.communicate()
            await ben.person.until(lambda: ben.person.state.networks[0].unread == 0)
            assert (await ben.does("chat", "--network", "Game night")).endswith("Annie: at nine\n")
            assert await anna.does("chat", "ben") == ""

            await ben.does("go-offline", "Game night")
            await anna.person.until(lambda: anna.person.sees(ben.person, PeerStatus.OFFLINE))
            unsent = await anna("chat", "--network", "Game night", "later")
            assert unsent.code == 6
            assert "0 of 1 members have it" in unsent.out
            assert (await anna("chat", "--network", "Game day", "hello")).code == 5

    tell(tmp_path, story)


def test_what_was_said_is_kept_or_deleted_as_the_person_wants(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await in_one_network(world, exits)
            await anna.does("chat", "ben", "between us")
            assert (await anna("chat-history", "--json")).document == {"kept": True}
            assert "deleted" in await anna.does("chat-history", "clear")
            assert await anna.does("chat", "ben") == ""
            assert "until the engine stops" in await anna.does("chat-history", "off")
            assert (await anna("chat-history", "--json")).document == {"kept": False}
            assert (await anna("chat-history", "on", "--json")).document == {"kept": True}
            assert "between us" in await ben.does("chat", "anna")

    tell(tmp_path, story)


def test_a_chat_is_followed_and_typed_lines_are_sent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await in_one_network(world, exits)
            talking = await ben.start("chat", "anna", "--follow", "--json")
            assert talking.stdin is not None
            assert talking.stdout is not None
            talking.stdin.write(b"is anybody there?\n")
            async with asyncio.timeout(30):
                mine = json.loads(await talking.stdout.readline())
                assert mine["text"] == "is anybody there?"
                await anna.does("chat", "ben", "me, of course")
                while (line := json.loads(await talking.stdout.readline()))["status"] != "received":
                    assert line["text"] == "is anybody there?"
                assert line["text"] == "me, of course"
            talking.send_signal(2)
            await talking.communicate()
            assert talking.returncode == 130
            assert (await anna.person.chat_with(ben.person))[0].text == "is anybody there?"

    tell(tmp_path, story)


def test_an_owner_rules_a_network(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await in_one_network(world, exits)
            network = anna.person.state.networks[0].label

            await anna.does("set-access", network, "lock")
            await anna.person.until(lambda: anna.person.state.networks[0].locked)
            await anna.does("evict", "Game night", "ben")
            await ben.person.until(lambda: not ben.person.state.networks)
            assert (await ben("join", "Game night", "s3cret")).code == 4

            await anna.does("set-access", "Game night", "unlock", "manual", "--limit", "5")
            waits = await ben("join", "Game night", "s3cret", "--json")
            assert waits.document["pending"]
            await anna.person.until(lambda: _statuses(anna) == {MemberStatus.ONLINE, MemberStatus.PENDING})
            assert "asks to join" in await anna.does("list")
            assert "ben is in Game night." in await anna.does("approve", "Game night", "ben")
            await anna.person.until_connected(ben.person)

            await anna.does("rename", "Game night", "ben", "the quiet one")
            await ben.person.until(lambda: "the quiet one" in str(ben.person.state.networks[0].members))
            await anna.does("rename", "Game night", "The Quiet One")
            await anna.person.until(lambda: anna.person.peer(ben.person).nickname == "ben")
            await anna.does("set-pass", "Game night", "-", typed="another\n")
            await anna.does("set-pass", "Game night")

            await anna.does("evict", "Game night", "ben", "--ban")
            await ben.person.until(lambda: not ben.person.state.networks)
            assert (await ben("join", "Game night")).code == 4
            await anna.does("unban", "Game night", ben.person.state.server.address)
            assert (await ben("join", "Game night", "--json")).document["pending"]
            await anna.person.until(lambda: MemberStatus.PENDING in _statuses(anna))
            await anna.does("reject", "Game night", "ben")
            await ben.person.until(lambda: not ben.person.state.networks)
            assert (await ben("delete", "Game night")).code == 5
            await anna.does("delete", "Game night")
            await anna.person.until(lambda: not anna.person.state.networks)

    tell(tmp_path, story)


def _statuses(shell: Shell) -> set[MemberStatus]:
    return {member.status for network in shell.person.state.networks for member in network.members}


def test_members_come_and_go(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await in_one_network(world, exits)
            await ben.does("go-offline", "Game night")
            await anna.person.until(lambda: anna.person.sees(ben.person, PeerStatus.OFFLINE))
            assert ben.person.state.networks[0].status is NetworkStatus.OFFLINE
            assert (await anna("ping", "ben")).code == 6
            unsent = await anna("chat", "ben", "later", "--json")
            assert (unsent.code, unsent.document["status"]) == (6, "queued")
            await ben.does("go-online", "Game night")
            await anna.person.until_connected(ben.person)

            await ben.does("set-nick", "benjamin")
            await anna.person.until(lambda: anna.person.peer(ben.person).nickname == "benjamin")
            await anna.does("alias", "benjamin", "Ben")
            assert "benjamin" in await anna.does("peer", "Ben")
            await ben.does("leave", "Game night")
            await anna.person.until(lambda: not anna.person.state.peers)
            assert (await anna("leave", "Game night")).code == 4

            await anna.does("logout")
            assert "logged out" in await anna.does("status")
            assert (await anna("create", "more")).code == 4
            assert "address 10.77." in await anna.does("login")

    tell(tmp_path, story)


def test_people_compare_keys_and_block(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await in_one_network(world, exits)
            seen = [(await one("verify", other, "--json")).document for one, other in ((anna, "ben"), (ben, "anna"))]
            assert seen[0]["safety_number"] == seen[1]["safety_number"]
            assert not seen[0]["verified"]
            assert "--yes" in await anna.does("verify", "ben")
            assert "ben is verified" in await anna.does("verify", "ben", "--yes")
            assert anna.person.peer(ben.person).verified
            await anna.does("verify", "ben", "--no")
            assert not anna.person.peer(ben.person).verified
            assert (await anna("accept-key", "ben", "--yes")).code == 4

            await anna.does("block", "ben")
            assert anna.person.sees(ben.person, PeerStatus.BLOCKED)
            await anna.does("unblock", "ben")
            await anna.person.until_connected(ben.person)

    tell(tmp_path, story)


def test_an_invite_leads_into_a_network_without_a_password(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await two_shells(world, exits)
            await anna.does("create", "Family", "--invite-only")
            await anna.person.until(lambda: bool(anna.person.state.networks))
            link = (await anna("invite", "Family", "--json")).document["invite"]
            assert link.startswith("buri://127.0.0.1:")
            assert "network=Family&secret=" in link
            assert await ben.does("join", link) == "Joined Family.\n"
            await anna.person.until_connected(ben.person)

            server_only = (await anna.does("invite")).strip()
            assert (await ben("join", server_only)).code == 2
            other = server_only.replace("fp=SHA256:", "fp=SHA256:" + "A" * 43)[: server_only.index("fp=") + 53]
            refused = await ben("join", other, "--json")
            assert (refused.code, refused.document["error"]["code"]) == (4, "invite-other-server")
            assert (await ben("join", "buri://nonsense")).code == 2

    tell(tmp_path, story)


def test_the_doctor_says_that_all_is_well_and_what_follows_is_a_stream(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await in_one_network(world, exits)
            well = await anna("doctor", "--json")
            assert well.document["well"], well.out
            assert well.code == 0
            assert (await anna.does("doctor")).endswith("All is well.\n")
            report = await anna.does("doctor", "--report")
            assert report.startswith("Report of Buri.")
            assert f"peer 1  {ben.person.state.server.address}  direct" in report

            watching = await anna.start("status", "--follow", "--json")
            assert watching.stdout is not None
            async with asyncio.timeout(30):
                assert json.loads(await watching.stdout.readline())["power"]
                await anna.does("logout")
                while json.loads(await watching.stdout.readline())["power"]:
                    pass
            watching.send_signal(2)
            await watching.communicate()
            assert (await ben("status", "--json")).document["server"]["nickname"] == "ben"

    tell(tmp_path, story)


def test_an_engine_that_ends_is_said_to_those_who_listen(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            person = await world.person("anna")
            watching = await (shell := await Shell.open(person, world, exits)).start("list", "--follow")
            assert watching.stdout is not None
            await watching.stdout.readline()
            await exits.aclose()
            _, told = await watching.communicate()
            assert watching.returncode == 3
            assert b"ended the connection" in told
            assert (await shell("list")).code == 3

    tell(tmp_path, story)


class Terminal:
    """Somebody at a real terminal: a pseudo-terminal as standard input."""

    def __init__(self) -> None:
        self._master, self.end = os.openpty()

    def types(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def close(self) -> None:
        os.close(self._master)
        os.close(self.end)


def test_at_a_terminal_questions_are_asked_and_ctrl_d_ends_a_chat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with AsyncExitStack() as exits:
            anna, ben = await in_one_network(world, exits)
            terminal = Terminal()
            exits.callback(terminal.close)

            terminal.types("y\n")
            assert "ben is verified.\n" in await anna.at(terminal, "verify", "ben")
            assert anna.person.peer(ben.person).verified

            terminal.types("good night\n\x04")
            assert await anna.at(terminal, "chat", "ben", "-f") == ""
            await _until_read(ben, anna, "good night")

    tell(tmp_path, story)


async def _until_read(reader: Shell, writer: Shell, text: str) -> None:
    """Until the reader's engine has the message."""
    came = asyncio.Event()
    unsubscribe = reader.person.engine.subscribe_chat(lambda _: came.set())
    try:
        async with asyncio.timeout(30):
            while text not in {each.text for each in await reader.person.chat_with(writer.person)}:
                came.clear()
                await came.wait()
    finally:
        unsubscribe()
