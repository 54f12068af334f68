"""The engine is at home in Qt's loop: its own stories, told once more in the loop that windows live in."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtWidgets import QApplication

from tests.engine import test_carriers, test_peers, test_trust, test_two_computers
from tests.ui.world import WindowStory, run_in_qt, tell

StoryTest = Callable[..., None]


def stories(*modules: ModuleType, needing: str = "tmp_path") -> list[StoryTest]:
    """All tests of these modules that tell one story in a fresh world and need this fixture."""
    return [
        test
        for module in modules
        for name, test in vars(module).items()
        if name.startswith("test_") and list(signature(test).parameters) == needing.split()
    ]


@pytest.mark.parametrize(
    "story",
    stories(test_peers, test_trust, test_two_computers),
    ids=lambda story: story.__name__.removeprefix("test_"),
)
def test_it_goes_as_in_any_loop(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: StoryTest
) -> None:
    def tell_in_qt(folder: Path, told: WindowStory, *_: object, **__: object) -> None:
        tell(qapp, folder, told)

    monkeypatch.setattr(f"{story.__module__}.tell", tell_in_qt)
    story(tmp_path)


@pytest.mark.parametrize(
    "story", stories(test_carriers, needing=""), ids=lambda story: story.__name__.removeprefix("test_")
)
def test_carriers_are_kept_as_in_any_loop(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, story: StoryTest
) -> None:
    monkeypatch.setattr(test_carriers, "tell", lambda told: run_in_qt(qapp, test_carriers.play(told)))
    story()
