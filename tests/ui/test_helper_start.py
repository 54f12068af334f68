"""The helper is started by whatever the system has for it; these programs only write down how they were called."""

import os
import re
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.engine.errors import EngineError, problem_of
from app.ui.helper_start import HelperStarter
from tests.ui.world import run_in_qt


class System:
    """A PATH of its own, with programs that tests put there."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.calls = folder / "calls"
        self.calls.touch()
        patch.setenv("PATH", str(self.folder))
        patch.setenv("BURI_HOME", str(folder / "home"))

    def has(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{script}\n')
        path.chmod(0o755)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    return System(tmp_path, monkeypatch)


def start(application: QApplication) -> None:
    async def story() -> None:
        starter = HelperStarter()
        try:
            await starter.start()
        finally:
            await starter.close()

    run_in_qt(application, story())


def test_a_service_is_started_by_systemd(qapp: QApplication, system: System) -> None:
    system.has("systemctl", "exit 0")
    system.has("pkexec", "exit 0")
    start(qapp)
    assert system.calls.read_text().splitlines()[-1] == "systemctl start buri-helper.service"


def test_without_a_service_the_system_asks_for_consent(qapp: QApplication, system: System) -> None:
    system.has("systemctl", "exit 4")
    system.has("pkexec", "exit 0")
    start(qapp)
    call = system.calls.read_text().splitlines()[-1]
    assert call.startswith("pkexec ")
    assert f"helper --user {os.getuid()} --socket {system.folder.parent}/home/run/helper.sock" in call


def test_what_stands_in_the_way_is_told(qapp: QApplication, system: System) -> None:
    system.has("pkexec", 'echo "Request dismissed." >&2; exit 126')
    with pytest.raises(EngineError, match="Request dismissed"):
        start(qapp)


def test_without_either_the_command_is_told(qapp: QApplication, system: System) -> None:
    with pytest.raises(EngineError) as caught:
        start(qapp)
    problem = problem_of(caught.value)
    command = dict(problem.details)["command"]
    assert re.fullmatch(r"sudo .* helper --user \d+ --socket \S+/helper.sock", command)
    assert problem.message == f"Type in a terminal: {command}"
