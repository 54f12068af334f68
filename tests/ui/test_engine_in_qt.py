"""The engine is at home in Qt's loop: its own stories, told once more in the loop that windows live in."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtWidgets import QApplication

from tests.engine import test_peers, test_trust, test_two_computers
from tests.ui.world import WindowStory, tell

StoryTest = Callable[..., None]


def stories(*modules: ModuleType) -> list[StoryTest]:
    """All tests of these modules that tell one story in a fresh world."""
    return [
        test
        for module in modules
        for name, test in vars(module).items()
        if name.startswith("test_") and list(signature(test).parameters) == ["tmp_path"]
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
