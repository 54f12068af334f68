"""What an engine finds out about the network around it, with a real server on loopback."""

from pathlib import Path

from app.engine.netcheck_alone import check_alone
from app.engine.netcheck_state import Grade
from app.engine.settings import Profile
from app.engine.state import MappingStatus, ServerStatus
from tests.engine.world import World, tell


def test_the_network_check_tells_routers_routes_and_relays(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna", world.router())
        check = await anna.engine.netcheck()
        assert check.grade is not Grade.NOTHING
        assert [each.family for each in check.routers] == ["IPv4", "IPv6"]
        assert check.routes[0].name == "TCP"
        assert check.routes[0].works
        assert [each.place for each in check.relays]
        assert check.port_mapping.status is MappingStatus.OFF  # as all tests want it
        assert "[network check]" in await anna.engine.report()

    tell(tmp_path, story)


def test_it_works_logged_out_as_well(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        await anna.engine.logout()
        check = await anna.engine.netcheck()
        assert anna.state.server.status is ServerStatus.LOGGED_OUT
        assert check.routes[0].works

    tell(tmp_path, story)


def test_a_server_that_is_gone_is_told_with_the_reason(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna", world.router())
        await world.stop_server()
        check = await anna.engine.netcheck()
        await world.start_server()
        assert not any(each.works for each in check.routes)
        assert all(each.problem is not None for each in check.routes)

    tell(tmp_path, story)


def test_without_an_engine_the_server_is_greeted_and_nobody_logs_in(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        await anna.engine.stop()
        settings = Profile(anna.profile.state_folder, anna.profile.state_folder).settings
        assert settings.server is not None
        check = await check_alone(settings.server, settings)
        assert check.own_socket
        assert check.routes[0].works

    tell(tmp_path, story)


def test_the_wish_for_an_open_port_is_kept(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        wishes = [anna.engine.port_mapping_wanted]
        await anna.engine.set_port_mapping(True)
        await anna.until(lambda: "no router" in anna.state.port_mapping.reason)
        await world.restart(anna)
        wishes.append(anna.engine.port_mapping_wanted)
        await anna.engine.set_port_mapping(False)
        wishes.append(anna.engine.port_mapping_wanted)
        assert wishes == [False, True, False]
        assert anna.state.port_mapping.status is MappingStatus.OFF

    tell(tmp_path, story)
