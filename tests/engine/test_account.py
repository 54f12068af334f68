"""The own account: its settings go to the disk in order, without holding anybody up, and failures are told."""

import asyncio
from pathlib import Path

from app.engine.settings import Profile
from app.engine.state import ServerStatus
from tests.engine.world import World, refusal, tell


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        await asyncio.gather(anna.engine.set_nickname("anna maria"), anna.engine._account.want(False))
        kept = Profile(anna.profile.state_folder, anna.profile.state_folder).settings
        assert (kept.nickname, kept.logged_in) == ("anna maria", False)
        assert kept.address_on(world.fingerprint, anna.identity.public.fingerprint_text) is not None
        assert not anna.state.power

    tell(tmp_path, story)


def test_an_address_that_can_not_be_written_is_a_problem_and_no_obstacle(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna", start=False)
        right, anna.profile.settings_file = anna.profile.settings_file, tmp_path / "gone" / "settings.json"
        await anna.engine.start()
        await anna.until(lambda: [each.code for each in anna.state.problems] == ["file-not-written"])
        await anna.until(lambda: anna.state.server.status is ServerStatus.ONLINE)
        assert await refusal(anna.engine.logout()) == "file-not-written"
        assert anna.state.power
        anna.profile.settings_file = right
        await anna.engine.logout()
        assert not anna.state.power

    tell(tmp_path, story)


def test_a_nickname_chosen_while_logged_out_is_told_at_login(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        await anna.engine.logout()
        await anna.engine.set_nickname("annabel")
        assert anna.state.server.nickname == "annabel"
        await anna.engine.login()
        await anna.until(lambda: anna.engine._account.nickname == "annabel")
        assert await refusal(anna.engine.set_nickname("\n")) == "refused-bad-name"

    tell(tmp_path, story)
