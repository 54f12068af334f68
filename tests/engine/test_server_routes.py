"""Which routes there are, in which order, and what is said when none leads anywhere."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from app.base.tasks import Tasks
from app.engine.errors import EngineError
from app.engine.proxy_choice import ProxyChoice, ProxyMode
from app.engine.server_routes import Chosen, ServerRoutes, unreachable
from app.engine.settings import MAX_LOCATIONS
from app.transport.http_connect import Proxy, ProxyError, ProxyFailure
from app.transport.race import RoutesFailedError
from app.transport.routes import Route, Target, Way
from app.transport.stream import StreamError
from tests.transport.small_proxy import SmallProxy

SERVER = Target("server.example", 12_975)
TCP, WEB = Route(Way.TCP), Route(Way.WEB)
PROXY = Proxy("proxy.example", 3_128, "anna", "secret")
WEB_PROXY, TCP_PROXY = Route(Way.WEB, PROXY), Route(Way.TCP, PROXY)
BY_HAND = Chosen(ProxyChoice(ProxyMode.BY_HAND, "proxy.example", 3_128, "anna"), "secret")
NONE = Chosen(ProxyChoice(ProxyMode.NONE))


class Traveller:
    """A computer that is now in this network, now in that."""

    def __init__(self, chosen: Chosen = NONE, environment: Mapping[str, str] | None = None) -> None:
        self.tasks = Tasks()
        self.location = "home"
        self.remembered = 0
        self.routes = ServerRoutes(
            self.tasks,
            lambda: chosen,
            on_change=self.remember,
            environment=environment or {},
            location=lambda: self.location,
        )

    def remember(self) -> None:
        self.remembered += 1


def tell(story: Callable[[Traveller], Awaitable[None]], traveller: Traveller) -> None:
    async def whole() -> None:
        await story(traveller)
        await traveller.tasks.close()

    asyncio.run(whole())


def test_routes_without_a_proxy_come_first_and_the_web_first_through_one() -> None:
    async def story(anna: Traveller) -> None:
        assert await anna.routes.to(SERVER) == [TCP, WEB, WEB_PROXY, TCP_PROXY]
        assert await anna.routes.to(Target("server.example", 12_975, 0)) == [TCP, TCP_PROXY]

    tell(story, Traveller(BY_HAND))


def test_what_led_out_of_a_network_before_comes_first_there_and_only_there() -> None:
    async def story(anna: Traveller) -> None:
        anna.location = "office"
        await anna.routes.through(WEB_PROXY)
        await anna.routes.through(WEB_PROXY)
        assert anna.remembered == 1, "what is known already is not written again"
        assert (await anna.routes.to(SERVER))[0] == WEB_PROXY
        anna.location = "home"
        assert (await anna.routes.to(SERVER))[0] == TCP
        assert all("secret" not in text for text in anna.routes.remembered.values())

    tell(story, Traveller(BY_HAND))


def test_of_only_so_many_networks_anything_is_remembered_and_of_none_without_a_name() -> None:
    async def story(anna: Traveller) -> None:
        for number in range(MAX_LOCATIONS + 5):
            anna.location = f"hotel {number}"
            await anna.routes.through(WEB)
        assert len(anna.routes.remembered) == MAX_LOCATIONS
        assert "hotel 0" not in anna.routes.remembered
        anna.location = ""
        await anna.routes.through(WEB)
        assert "" not in anna.routes.remembered

    tell(story, Traveller())


def test_a_route_at_whose_end_nobody_helped_comes_last_until_the_network_changes() -> None:
    async def story(anna: Traveller) -> None:
        anna.routes.failed(TCP)
        assert await anna.routes.to(SERVER) == [WEB, TCP]
        anna.routes.forget()
        assert await anna.routes.to(SERVER) == [TCP, WEB]

    tell(story, Traveller())


def test_refused_credentials_are_not_shown_again_in_every_network_but_when_a_person_wishes_it() -> None:
    async def shown(anna: Traveller, proxy: SmallProxy) -> int:
        route = Route(Way.TCP, Proxy("127.0.0.1", proxy.port, "anna", "a guess"))
        with pytest.raises(ProxyError):
            await anna.routes.dialler.open(SERVER, route)
        return proxy.refused

    async def story(anna: Traveller) -> None:
        async with SmallProxy("anna", "secret") as proxy:
            before = await shown(anna, proxy)
            anna.routes.forget()
            assert await shown(anna, proxy) == before
            anna.routes.choose_anew()
            assert await shown(anna, proxy) > before

    tell(story, Traveller())


def test_the_environments_proxy_is_found_but_not_for_this_very_computer() -> None:
    async def story(anna: Traveller) -> None:
        assert Route(Way.WEB, Proxy("proxy", 3_128)) in await anna.routes.to(SERVER)
        for host in ("127.0.0.1", "localhost", "::1"):
            assert await anna.routes.to(Target(host, 12_975)) == [TCP, WEB]

    tell(story, Traveller(Chosen(ProxyChoice()), {"HTTPS_PROXY": "http://proxy:3128"}))


def test_a_proxy_that_is_none_is_a_problem_and_the_direct_routes_stay() -> None:
    async def story(anna: Traveller) -> None:
        assert await anna.routes.to(SERVER) == [TCP, WEB]
        assert anna.routes.problem is not None
        assert anna.routes.problem.code == "proxy-not-valid"

    tell(story, Traveller(Chosen(ProxyChoice()), {"HTTPS_PROXY": "socks5://proxy:1080"}))


@pytest.mark.parametrize(("meant_for", "user"), [("", "anna"), ("found.example", "anna"), ("other.example", "")])
def test_a_password_goes_to_the_proxy_it_was_meant_for(tmp_path: Path, meant_for: str, user: str) -> None:
    script = tmp_path / "proxy.pac"
    script.write_text('function FindProxyForURL(url, host) { return "PROXY found.example:3128"; }')
    choice = ProxyChoice(ProxyMode.PAC, meant_for, 0, "anna", str(script))

    async def story(anna: Traveller) -> None:
        (proxy,) = await anna.routes.find(Chosen(choice, "secret"), SERVER)
        assert (proxy.host, proxy.user, proxy.password) == ("found.example", user, "secret" if user else "")

    tell(story, Traveller())


def test_a_script_that_can_not_be_had_is_a_problem(tmp_path: Path) -> None:
    async def story(anna: Traveller) -> None:
        assert await anna.routes.find(Chosen(ProxyChoice(ProxyMode.PAC, pac=str(tmp_path / "no"))), SERVER) == []
        assert anna.routes.problem is not None
        assert anna.routes.problem.code == "proxy-script"

    tell(story, Traveller())


def why(*failures: OSError) -> EngineError:
    routes = (TCP, WEB, WEB_PROXY, TCP_PROXY)
    return unreachable("server.example:12975", RoutesFailedError(dict(zip(routes, failures, strict=False))))


def failed(*failures: OSError) -> str:
    return why(*failures).code


def proxy_error(failure: ProxyFailure, reason: str = "HTTP 4xx") -> ProxyError:
    return ProxyError(PROXY, failure, reason)


def test_a_proxy_that_forbids_the_usual_port_is_not_blamed_for_a_server_that_is_away() -> None:
    silent, forbidden = TimeoutError(), proxy_error(ProxyFailure.FORBIDDEN, "HTTP 403")
    away = why(silent, silent, proxy_error(ProxyFailure.NO_WAY, "HTTP 503"), forbidden)
    assert away.code == "server-unreachable"
    assert "HTTP 503 from the proxy proxy.example:3128" in away.message
    assert failed(silent, silent, silent, forbidden) == "server-unreachable"
    assert failed(silent, silent, forbidden, forbidden) == "proxy-forbids"


def test_of_all_reasons_the_one_is_told_that_can_be_mended() -> None:
    refused, silent, strange = ConnectionRefusedError(), TimeoutError(), StreamError("who?")
    wrong, forbidden = proxy_error(ProxyFailure.REFUSED_CREDENTIALS), proxy_error(ProxyFailure.FORBIDDEN)
    assert failed(refused, refused) == "server-unreachable"
    assert failed(strange, refused) == "server-protocol"
    assert failed(strange, silent) == "server-unreachable"
    assert failed(silent, silent, wrong, forbidden) == "proxy-refused-credentials"
    assert failed(silent, silent, forbidden) == "proxy-forbids"
    assert failed(silent, silent, proxy_error(ProxyFailure.NO_WAY)) == "server-unreachable"
    assert failed() == "server-unreachable"
