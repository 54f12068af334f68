"""Who the helper lets in, and that nothing is left whoever dies: real processes in a namespace of their own."""

import asyncio
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app.engine.helper_client import HelperClient, HelperFailed, HelperUnavailable, connect_helper
from app.helper import service
from app.helper.service import HelperStartError, Options, _make_socket
from app.ipc.schema import ConfigureInterface, InterfaceReady, Notification, ReadStatistics
from tests.helper.computer import (
    DEADLINE,
    PROGRAM,
    HelperProcess,
    LinkWatch,
    adapters,
    children_of,
    open_files_of,
    running_helper,
    status_of,
    wait_until_ended,
)

pytestmark = pytest.mark.privileged

Result = TypeVar("Result")
NOBODY = 65_534
CONFIGURE = ConfigureInterface(request=0, address=0x0A070102, prefix_length=16)

ENGINE = """
import asyncio, sys
from pathlib import Path
from app.engine.helper_client import connect_helper
from app.ipc.schema import ConfigureInterface

async def main():
    client = await connect_helper(lambda notification: None, Path(sys.argv[1]) if sys.argv[1:] else None)
    await client.request(ConfigureInterface(request=0, address=0x0A070102, prefix_length=16))
    print("ready", flush=True)
    await client.lost.wait()
    print("lost", flush=True)
    await client.close()

asyncio.run(main())
"""


@contextmanager
def running_engine(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has configured its adapter, and keeps it until it is killed."""
    command = [sys.executable, "-P", "-c", ENGINE, *arguments]
    engine = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert engine.stdout is not None
        assert engine.stdout.readline() == "ready\n"
        yield engine
    finally:
        engine.kill()
        engine.wait(DEADLINE)
        assert engine.stdout is not None
        engine.stdout.close()


@contextmanager
def acting_as(user: int, group: int) -> Iterator[None]:
    """Be somebody else, as far as the kernel's peer credentials go."""
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


async def connect(helper: HelperProcess) -> HelperClient:
    return await connect_helper(lambda notification: None, helper.socket_path)


def with_client(helper: HelperProcess, story: Callable[[HelperClient], Coroutine[Any, Any, Result]]) -> Result:
    """Run a story with an engine's connection to the helper."""

    async def whole() -> Result:
        client = await connect(helper)
        try:
            return await story(client)
        finally:
            await client.close()

    return asyncio.run(whole())


async def configure(client: HelperClient) -> InterfaceReady:
    ready = await client.request(CONFIGURE)
    assert isinstance(ready, InterfaceReady)
    return ready


# --- nothing is left, whoever dies


def test_kill_9_of_the_engine_removes_its_adapter_and_the_helper_serves_on(links: LinkWatch) -> None:
    with running_helper() as helper:
        with running_engine(str(helper.socket_path)) as engine:
            assert adapters() == {"buri0"}
            engine.kill()
            links.wait_until_gone()
        assert with_client(helper, configure).name == "buri0"


def test_kill_9_of_the_helper_removes_the_adapter_and_the_engine_learns_it(links: LinkWatch) -> None:
    with running_helper() as helper, running_engine(str(helper.socket_path)) as engine:
        (pump,) = children_of(helper.process.pid)
        helper.kill()
        links.wait_until_gone()
        wait_until_ended(pump)
        assert engine.stdout is not None
        assert engine.stdout.readline() == "lost\n"


def test_a_helper_after_a_killed_one_takes_the_same_socket_and_finds_nothing_to_clean(links: LinkWatch) -> None:
    with running_helper() as killed, running_engine(str(killed.socket_path)):
        killed.kill()
        links.wait_until_gone()
        with running_helper(socket_path=killed.socket_path) as helper:
            assert with_client(helper, configure).name == "buri0"


def test_kill_9_of_an_engine_that_started_its_own_helper_ends_everything(links: LinkWatch) -> None:
    with running_engine() as engine:
        (helper,) = children_of(engine.pid)
        (pump,) = children_of(helper)
        engine.kill()
        links.wait_until_gone()
        wait_until_ended(pump)
        wait_until_ended(helper)


def test_sigterm_ends_the_helper_in_order(links: LinkWatch) -> None:
    with running_helper() as helper, running_engine(str(helper.socket_path)):
        assert helper.stop() == 0
        assert not helper.socket_path.exists()
        links.wait_until_gone()


def test_a_killed_pump_is_told_and_can_be_made_anew(links: LinkWatch) -> None:
    async def story() -> None:
        told: asyncio.Queue[Notification] = asyncio.Queue()
        client = await connect_helper(told.put_nowait, helper.socket_path)
        await configure(client)
        (pump,) = children_of(helper.process.pid)
        os.kill(pump, signal.SIGKILL)
        down = await told.get()
        assert type(down).__name__ == "InterfaceDown"
        with pytest.raises(HelperFailed) as refused:
            await client.request(ReadStatistics(request=0))
        assert refused.value.code == "no-interface"
        assert (await configure(client)).name == "buri0"
        await client.close()

    with running_helper() as helper:
        asyncio.run(story())
        links.wait_until_gone()


def test_a_pump_that_does_not_start_is_an_error_that_leaves_nothing(links: LinkWatch, tmp_path: Path) -> None:
    shutil.copytree(PROGRAM / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "app/dataplane/pump.py").write_text("raise ImportError('a broken installation')\n")

    async def story(client: HelperClient) -> None:
        for _ in range(2):
            with pytest.raises(HelperFailed) as refused:
                await configure(client)
            assert refused.value.code == "pump-failed"
            links.wait_until_gone()

    with running_helper(program=tmp_path) as helper:
        with_client(helper, story)


# --- what the processes may do


def test_the_pump_is_nobody_and_the_helper_keeps_only_what_it_needs(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> tuple[dict[str, str], dict[str, str]]:
        await configure(client)
        (process,) = children_of(helper.process.pid)
        return status_of(process), status_of(helper.process.pid)

    with running_helper() as helper:
        pump, privileged = with_client(helper, story)
        links.wait_until_gone()
    assert {pump[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0000000000000000"}
    assert "0" not in pump["Uid"].split() + pump["Gid"].split()
    assert pump["Groups"] == ""
    assert pump["NoNewPrivs"] == "1"
    allowed = sum(1 << number for number in (2, 5, 6, 7, 8, 12))
    assert int(privileged["CapEff"], 16) == int(privileged["CapBnd"], 16) == allowed
    assert privileged["NoNewPrivs"] == "1"


def test_the_pump_inherits_no_descriptor_but_its_own(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> list[str]:
        await configure(client)
        (process,) = children_of(helper.process.pid)
        return open_files_of(process)

    with running_helper() as helper:
        opened = with_client(helper, story)
    assert sum(target == "/dev/net/tun" for target in opened) == 1
    assert sum(target.startswith("socket:") for target in opened) == 2
    assert not [target for target in opened if target.startswith(str(helper.folder))]


def test_a_helper_in_a_terminal_can_write_to_it_but_not_listen_in(tmp_path: Path) -> None:
    program = f"""
import os, sys
from app.helper.service import main
assert main(["--socket", {str(tmp_path / "missing" / "run" / "helper.sock")!r}]) == 1
try:
    os.read(2, 1)
except OSError as error:
    sys.exit(error.errno)
"""
    terminal, theirs = os.openpty()
    try:
        os.write(terminal, b"password\n")
        done = subprocess.run([sys.executable, "-c", program], stderr=theirs, timeout=DEADLINE, check=False)
        assert done.returncode == errno.EBADF
        assert b"cannot listen" in os.read(terminal, 1_000)
    finally:
        os.close(terminal)
        os.close(theirs)


# --- who may call


def test_a_stranger_is_refused_even_where_the_sockets_mode_would_let_him_in(links: LinkWatch) -> None:
    async def story() -> None:
        helper.socket_path.chmod(0o666)
        with acting_as(NOBODY, NOBODY), pytest.raises(HelperFailed) as refused:
            await connect(helper)
        assert refused.value.code == "not-allowed"

    with running_helper() as helper:
        asyncio.run(story())
        assert adapters() == set()


def test_a_stranger_does_not_even_reach_the_socket(links: LinkWatch) -> None:
    async def story() -> None:
        with acting_as(NOBODY, NOBODY), pytest.raises(HelperUnavailable) as refused:
            await connect(helper)
        assert "may not use" in str(refused.value)

    with running_helper() as helper:
        assert helper.socket_path.stat().st_mode & 0o777 == 0o600
        asyncio.run(story())


@pytest.mark.parametrize("option", [("--user", str(NOBODY)), ("--group", "nogroup")])
def test_the_named_user_or_group_is_served_without_being_root(links: LinkWatch, option: tuple[str, str]) -> None:
    async def story() -> str:
        with acting_as(NOBODY, NOBODY):
            client = await connect(helper)
        ready = await configure(client)
        await client.close()
        return ready.name

    with running_helper(*option) as helper:
        assert asyncio.run(story()) == "buri0"
        links.wait_until_gone()


def test_one_user_cannot_take_all_places(links: LinkWatch) -> None:
    async def story() -> None:
        with acting_as(NOBODY, NOBODY):
            clients = [await connect(helper) for _ in range(service.MAX_ENGINES_OF_USER)]
            with pytest.raises(HelperFailed) as refused:
                await connect(helper)
        assert refused.value.code == "busy"
        clients.append(await connect(helper))  # root has its own
        for client in clients:
            await client.close()

    with running_helper("--user", str(NOBODY)) as helper:
        asyncio.run(story())


def test_two_engines_have_an_adapter_each(links: LinkWatch) -> None:
    async def story() -> list[str]:
        clients = [await connect(helper) for _ in range(2)]
        names = []
        for number, client in enumerate(clients):
            other = ConfigureInterface(request=0, address=0x0A000002 + (number << 16), prefix_length=16)
            ready = await client.request(other)
            assert isinstance(ready, InterfaceReady)
            names.append(ready.name)
        await clients[0].close()
        links.wait(lambda present: present == {"lan1"})
        await clients[1].close()
        return names

    with running_helper("--interface-prefix", "lan") as helper:
        assert asyncio.run(story()) == ["lan0", "lan1"]
        links.wait_until_gone()


# --- starting


def test_a_second_helper_leaves_the_first_its_socket(capsys: pytest.CaptureFixture[str], links: LinkWatch) -> None:
    with running_helper() as helper:
        command = [sys.executable, "-P", "-m", "app.helper.service", "--socket", str(helper.socket_path)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert second.returncode == 1
        assert "another helper listens" in second.stderr
        assert with_client(helper, configure).name == "buri0"


def test_a_missing_folder_is_made_for_whoever_owns_the_one_around_it(links: LinkWatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    os.chown(tmp_path, NOBODY, NOBODY)
    with running_helper("--user", str(NOBODY), socket_path=tmp_path / "run" / "helper.sock") as helper:
        folder, endpoint = helper.socket_path.parent.stat(), helper.socket_path.stat()
    assert (folder.st_uid, folder.st_mode & 0o777) == (NOBODY, 0o755)
    assert (endpoint.st_uid, endpoint.st_mode & 0o777) == (NOBODY, 0o600)


def test_a_link_put_in_the_new_folders_place_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o700)
    mkdir = Path.mkdir

    def mkdir_of_a_race(folder: Path) -> None:
        mkdir(folder)
        folder.rmdir()
        folder.symlink_to(precious)

    monkeypatch.setattr(Path, "mkdir", mkdir_of_a_race)
    options = Options(tmp_path / "run" / "helper.sock", None, None, "buri", None, "info")
    with pytest.raises(HelperStartError):
        _make_socket(options)
    assert precious.stat().st_mode & 0o777 == 0o700
    assert list(precious.iterdir()) == []


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("keep")
    command = [sys.executable, "-P", "-m", "app.helper.service", "--socket", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 1
    assert "is no socket" in done.stderr
    assert path.read_text() == "keep"


def test_a_socket_of_systemd_is_taken_over(links: LinkWatch, tmp_path: Path) -> None:
    """As sd_listen_fds(3) says: descriptor 3, LISTEN_FDS, and LISTEN_PID, which only the shell below can know."""
    path = tmp_path / "activated.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        script = 'exec 3<&"$1"; LISTEN_FDS=1 LISTEN_PID=$$ exec "$2" -P -m app.helper.service'
        helper = subprocess.Popen(
            ["/bin/bash", "-c", script, "bash", str(listener.fileno()), sys.executable], pass_fds=[listener.fileno()]
        )

    async def story() -> None:
        client = await connect_helper(lambda notification: None, path)
        await configure(client)
        await client.close()

    try:
        asyncio.run(story())
    finally:
        helper.send_signal(signal.SIGTERM)
        assert helper.wait(DEADLINE) == 0
    assert path.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--interface-prefix", "eth0/.."],
        ["--interface-prefix", "a-name-that-is-too-long"],
        ["--interface-prefix", ""],
        ["--group", "no-such-group"],
        ["--user", "alice"],
        ["--control-fd", "x"],
    ],
)
def test_wrong_use_is_said_and_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        service.main(arguments)
    assert ended.value.code == 2
    assert "usage: buri helper" in capsys.readouterr().err


def test_a_control_descriptor_must_be_a_unix_socket(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "app.helper.service", "--control-fd", "0"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 1
    assert "descriptor 0 is no" in done.stderr
