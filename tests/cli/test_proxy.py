"""`buri proxy` from the shell: a real engine, a real server, and a proxy between them."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.cli.main import main
from tests.cli.test_verbs import Shell
from tests.engine.world import World, tell
from tests.transport.doors import HOST
from tests.transport.small_proxy import SmallProxy


def test_a_proxy_is_chosen_shown_and_tried(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        person = await world.person("anna", world.router())
        async with AsyncExitStack() as exits, SmallProxy("anna", "correct horse") as proxy:
            anna = await Shell.open(person, world, exits)
            await person.engine.login()
            place = f"{HOST}:{proxy.port}"
            assert "system's settings" in (await anna("proxy")).out

            chosen = await anna("proxy", "set", place, "--user", "anna", "--json", typed="correct horse\n")
            assert chosen.document == {"mode": "by-hand", "host": HOST, "port": proxy.port, "user": "anna"}
            assert f"The proxy {place} is used, as anna." in (await anna("proxy", "show")).out
            tried = await anna("proxy", "test", "--json")
            assert tried.document == {"route": f"WebSocket through the proxy {place}"}

            assert "No proxy is used." in (await anna("proxy", "none")).out
            assert (await anna("proxy", "script", "http://pac.example/p", "--json")).document["mode"] == "pac"
            assert (await anna("proxy", "set", place)).code == 0
            refused = await anna("proxy", "test")
            assert (refused.code, "wants a user name" in refused.err) == (4, True)

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("set",), "proxy-usage"),
        (("none", "proxy:3128"), "proxy-usage"),
        (("script",), "proxy-usage"),
    ],
)
def test_what_is_not_complete_is_wrong_usage(
    words: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["proxy", *words, "--json"]) == 2
    assert code in capsys.readouterr().out


def test_what_is_no_proxy_or_shows_a_password_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        person = await world.person("anna", world.router())
        async with AsyncExitStack() as exits:
            anna = await Shell.open(person, world, exits)
            for place, code in (
                ("socks5://a:1", "proxy-not-valid"),
                ("foo", "proxy-not-valid"),
                ("http://a:b@c:1", "proxy-password-shown"),
            ):
                ended = await anna("proxy", "set", place, "--json")
                assert (ended.code, ended.document["error"]["code"]) == (2, code)

    tell(tmp_path, story)
