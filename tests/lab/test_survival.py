"""A running transfer survives what happens to networks, servers and relays: see survival.py."""

from collections.abc import Iterator

import pytest

from tests.lab.stories import telling_no_traceback
from tests.lab.survival import OTHER_RELAY_STORIES, STORIES, Stage, Story, tell

pytestmark = pytest.mark.lab

CASES = [pytest.param(True, each, id=each.name) for each in STORIES]
CASES += [pytest.param(False, each, id=each.name) for each in OTHER_RELAY_STORIES]
"""Whether the relay is the server's own, and what happens."""


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The same one for all stories that follow each other."""
    with telling_no_traceback() as lab:
        yield Stage(lab, own_relay=request.param)


@pytest.mark.parametrize(("stage", "story"), CASES, indirect=["stage"])
def test_a_transfer_survives(stage: Stage, story: Story) -> None:
    print(f"longest stall {tell(stage, story):.2f} s")
