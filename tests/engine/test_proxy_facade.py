"""Choosing and trying a proxy, with a real server and a proxy that leads there."""

from pathlib import Path

from app.engine.proxy_choice import ProxyChoice, ProxyMode
from app.engine.state import ServerStatus
from tests.engine.world import Person, World, refusal, tell
from tests.transport.doors import HOST
from tests.transport.small_proxy import SmallProxy


async def anna_in(world: World) -> Person:
    anna = await world.person("anna", world.router())
    await anna.engine.login()
    return anna


def by_hand(proxy: SmallProxy, user: str = "") -> ProxyChoice:
    return ProxyChoice(ProxyMode.BY_HAND, HOST, proxy.port, user)


def test_a_proxy_is_tried_before_it_is_chosen(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await anna_in(world)
        async with SmallProxy("anna", "secret") as proxy:
            place = f"{HOST}:{proxy.port}"
            assert await refusal(anna.engine.try_proxy(by_hand(proxy))) == "proxy-wants-credentials"
            assert (
                await refusal(anna.engine.try_proxy(by_hand(proxy, "anna"), "a guess")) == "proxy-refused-credentials"
            )
            route = await anna.engine.try_proxy(by_hand(proxy, "anna"), "secret")
            assert route == f"WebSocket through the proxy {place}"
        assert await refusal(anna.engine.try_proxy(by_hand(proxy))) == "proxy-unreachable"
        assert anna.engine.proxy == ProxyChoice(), "nothing was chosen"
        assert anna.state.server.status is ServerStatus.ONLINE

    tell(tmp_path, story)


def test_a_choice_is_kept_with_its_password_and_without_it_for_another_proxy(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await anna_in(world)
        async with SmallProxy("anna", "secret") as proxy:
            await anna.engine.set_proxy(by_hand(proxy, "anna"), "secret")
            await anna.until(lambda: anna.state.server.status is ServerStatus.ONLINE)
            await world.restart(anna)
            assert anna.engine.proxy == by_hand(proxy, "anna")
            assert anna.engine.has_proxy_password
            assert (await anna.engine.try_proxy(anna.engine.proxy)).endswith(f"{HOST}:{proxy.port}")
            await anna.engine.set_proxy(ProxyChoice(ProxyMode.BY_HAND, "other.example", 3_128, "anna"))
            assert not anna.engine.has_proxy_password, "it is not another proxy's to see"

    tell(tmp_path, story)


def test_what_can_be_no_proxy_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await anna_in(world)
        for choice in (
            ProxyChoice(ProxyMode.BY_HAND, "", 3_128),
            ProxyChoice(ProxyMode.BY_HAND, "two words", 3_128),
            ProxyChoice(ProxyMode.BY_HAND, "proxy.example", 0),
            ProxyChoice(ProxyMode.PAC),
            ProxyChoice(ProxyMode.PAC, pac="http://anna:secret@proxy.example/proxy.pac"),
            ProxyChoice(ProxyMode.PAC, pac="http://[proxy.example/proxy.pac"),
        ):
            assert await refusal(anna.engine.set_proxy(choice)) == "proxy-not-valid"
        assert anna.engine.proxy == ProxyChoice()

    tell(tmp_path, story)


def test_without_any_proxy_the_direct_way_is_tried(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await anna_in(world)
        assert await anna.engine.try_proxy(ProxyChoice(ProxyMode.NONE)) in ("TCP", "WebSocket")
        assert anna.state.server.route in ("TCP", "WebSocket")

    tell(tmp_path, story)
