"""Running transfers survive what happens to networks, servers and relays: see survival.py."""

from collections.abc import Sequence

import pytest

from tests.lab.numbered import Numbered
from tests.lab.survival import OTHER_RELAY_STORIES, STORIES, Stage, Story, see, tell
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    ("own_relay", "stories"), [(True, STORIES), (False, OTHER_RELAY_STORIES)], ids=["its own relay", "another relay"]
)
def test_transfers_survive_one_story_after_the_other(lab: Lab, own_relay: bool, stories: Sequence[Story]) -> None:
    stage = Stage(lab, own_relay)
    for story in stories:
        print(story.name)
        print(f"  longest stall {tell(stage, story):.2f} s")


def test_nothing_is_lost_when_a_better_path_takes_over(lab: Lab) -> None:
    stage = Stage(lab)
    stage.block_direct()
    see(stage, "relayed")
    flows = [Numbered(stage.anna, stage.ben), Numbered(stage.ben, stage.anna)]
    stage.free_udp()
    see(stage, "direct")
    for flow in flows:
        sent, arrived = flow.end()
        assert arrived == sent
