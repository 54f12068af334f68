"""Custom commands: a stranger's name stays one harmless word, whatever it holds."""

import asyncio
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication

from app.engine.state import PeerView, Problem
from app.ui.command_line import MAX_WORDS, CommandRefused, command_words, plain_name, start, template_words
from app.ui.preferences import CustomCommand
from tests.engine.world import World, meet
from tests.ui import samples
from tests.ui.world import Desk, tell, until

BEN = samples.PEERS[0]
LINES = st.text(max_size=120) | st.lists(
    st.sampled_from(["ssh", "%A", "%N", "-t", "--title=%N", "'a b'", '"%N"', "x%A:%N", "\\ ", "%%A", "http://%A/"]),
    max_size=12,
).map(" ".join)
NAMES = st.text(min_size=1, max_size=64) | st.sampled_from(
    [
        "; rm -rf ~",
        "-oProxyCommand=id",
        "a -oProxyCommand=id",
        "$(id)",
        "`id`",
        "../../etc/passwd",
        "%A",
        "'",
        '"',
        "a\nb",
    ]
)


def named(name: str) -> PeerView:
    return replace(BEN, nickname=name, alias="")


@given(LINES, NAMES)
@example("x-terminal-emulator -T %N -e ssh %A", "-e reboot")
@example("sh -c 'echo %N'", "; reboot")
def test_a_name_is_refused_or_stays_inside_its_word(line: str, name: str) -> None:
    command = CustomCommand("x", line or "x")
    try:
        template = template_words(command.line)
        words = command_words(command, named(name))
    except CommandRefused:
        return
    assert template == shlex.split(command.line)
    assert len(words) == len(template)
    harmless = plain_name(name)
    for before, after in zip(template, words, strict=True):
        assert "%" in before or before == after
        assert before.startswith("-") or not after.startswith("-")
        if "%N" not in before:
            assert after == before.replace("%A", BEN.address)
        else:
            assert harmless in after
    assert words[0] == template[0]


@given(NAMES)
def test_nothing_in_a_name_means_anything_to_a_shell_or_a_path(name: str) -> None:
    harmless = plain_name(name)
    assert len(harmless) == len(name)
    assert not set(harmless) & set("/\\;&|<>$`'\"(){}[]*?!#~=%:@\n\0\t")


def test_examples_are_filled_in() -> None:
    for line, words in (
        ("xfreerdp /v:%A", ["xfreerdp", "/v:10.73.0.3"]),
        ("x-terminal-emulator -e ssh %A", ["x-terminal-emulator", "-e", "ssh", "10.73.0.3"]),
        ("xdg-open http://%A/", ["xdg-open", "http://10.73.0.3/"]),
        ("notify-send '%N is at %A'", ["notify-send", "Ben is at 10.73.0.3"]),
    ):
        assert command_words(CustomCommand("x", line), BEN) == words


def test_an_alias_goes_before_the_nickname() -> None:
    assert command_words(CustomCommand("x", "echo %N"), replace(BEN, alias="Big brother")) == ["echo", "Big brother"]


@pytest.mark.parametrize(
    "line", ["", "   ", "ssh 'open", "%A", "%N x", "./%N", "ssh \\", "ssh a\0b", "x " * (MAX_WORDS + 1), "''"]
)
def test_templates_that_can_not_be_told_are_refused(line: str) -> None:
    with pytest.raises(CommandRefused):
        template_words(line)


def test_a_name_that_looks_like_an_option_is_refused() -> None:
    for name in ("-rf", "Ben -oProxyCommand"):
        with pytest.raises(CommandRefused, match="option"):
            command_words(CustomCommand("x", "ssh %N"), named(name))
        assert command_words(CustomCommand("x", "ssh %A"), named(name)) == ["ssh", BEN.address]


def test_a_program_starts_with_its_words(tmp_path: Path, qapp: QApplication) -> None:
    told = tmp_path / "told"
    script = (
        "import sys, pathlib; new = pathlib.Path(sys.argv[1] + '.new');"
        "new.write_text('|'.join(sys.argv[2:])); new.rename(sys.argv[1])"
    )

    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        line = shlex.join([sys.executable, "-c", script, str(told)]) + " %A %N"
        desk.actions.run_command(CustomCommand("tell", line), anna.peer(ben))
        await until(told.exists)
        assert told.read_text() == f"{ben.state.server.address}|ben"
        await desk.close()

    tell(qapp, tmp_path, story)


def test_what_does_not_start_is_told(tmp_path: Path, qapp: QApplication) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        problems: list[Problem] = []
        desk.bridge.problem_met.connect(problems.append)
        desk.actions.run_command(CustomCommand("gone", "/nowhere/program %A"), anna.peer(ben))
        await until(lambda: len(problems) == 1)
        assert "/nowhere/program" in problems[0].message
        desk.actions.run_command(CustomCommand("odd", "ssh 'open"), anna.peer(ben))
        await until(lambda: len(problems) == 2)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_starting_does_not_need_the_windows_thread(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(CommandRefused):
            await asyncio.to_thread(start, ["/nowhere/program"])

    asyncio.run(story())
