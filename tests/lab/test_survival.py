"""Running transfers survive what happens to networks, servers and relays: see survival.py."""

import pytest

from tests.lab.numbered import Numbered
from tests.lab.survival import ACTS, Act, Stage, see, tell
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("act", ACTS, ids=[act.name for act in ACTS])
def test_transfers_survive_one_story_after_the_other(lab: Lab, act: Act) -> None:
    stage = act.stage(lab)
    for story in act.stories:
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
