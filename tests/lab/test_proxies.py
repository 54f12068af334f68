"""Computers whose network lets only an HTTP proxy through, or only the web: they come online all the same."""

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.proxy import PASSWORD, USER, Authentication, Proxy
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab


def behind_proxy(lab: Lab, proxy: Proxy) -> Computer:
    """Anna's computer, in a company whose router lets TCP to its proxy through and nothing else."""
    office = lab.router("office", Nat.PROXY_ONLY, ipv6=False)
    office.let_through(proxy.addresses.ipv4, proxy.port)
    return lab.computer("anna", behind=office)


def begin(server: MediationServer, anna: Computer, **environment: str) -> None:
    """Helper and engine run; with these variables."""
    anna.start_helper()
    anna.start_engine(server, extra=environment)


@pytest.mark.parametrize("authentication", list(Authentication))
def test_through_a_proxy_alone_with_each_kind_of_credentials(lab: Lab, authentication: Authentication) -> None:
    server, proxy = lab.server(), lab.proxy(authentication=authentication)
    anna = behind_proxy(lab, proxy)
    begin(server, anna)
    user = [] if authentication is Authentication.NONE else ["--user", USER]
    anna.buri("proxy", "set", proxy.place, *user, given=PASSWORD + "\n")
    anna.wait_until_online(60)
    assert anna.state()["server"]["route"] == f"WebSocket through the proxy {proxy.place}"
    assert anna.buri("proxy", "test")["route"] == f"WebSocket through the proxy {proxy.place}"
    ben = lab.computer("ben", behind=lab.router("home", ipv6=False))
    ben.go_online(server)
    talk(anna, ben)
    assert all(f"{server.addresses.ipv4}:443" in line or "TCP_DENIED" in line for line in proxy.led())
    assert PASSWORD not in anna.engine.output()


def talk(anna: Computer, ben: Computer) -> None:
    """They join a network; pings and words pass between them, over the relay's stream."""
    anna.buri("create", "friends", "secret")
    ben.buri("join", "friends", "secret")
    anna.wait_for_peer(ben, "relayed", 60)
    ben.wait_for_answer(anna.virtual_address, 60)
    anna.buri("chat", "ben", "hello from the office")
    wait_until(lambda: ben.view_of(anna)["unread"] == 1, "anna's words to reach ben")


def test_a_wrong_password_is_told_plainly_and_shown_to_the_proxy_once(lab: Lab) -> None:
    server, proxy = lab.server(), lab.proxy(authentication=Authentication.BASIC)
    anna = behind_proxy(lab, proxy)
    begin(server, anna)
    anna.buri("proxy", "set", proxy.place)
    wait_until(lambda: problem_of(anna) == "proxy-wants-credentials", "anna to be asked for credentials", 60)
    anna.buri("proxy", "set", proxy.place, "--user", USER, given="a guess\n")
    wait_until(lambda: problem_of(anna) == "proxy-refused-credentials", "anna to be told of the refusal", 60)
    anna.buri("proxy", "set", proxy.place, "--user", USER, given=PASSWORD + "\n")
    anna.wait_until_online(60)
    assert len([line for line in proxy.led() if f" {USER} " in line and "TCP_DENIED" in line]) <= 2
    assert "a guess" not in anna.engine.output()


def problem_of(computer: Computer) -> str:
    problem = computer.state()["server"]["problem"]
    return str(problem["code"]) if problem else ""


def test_a_proxy_named_by_the_environment_is_found(lab: Lab) -> None:
    server, proxy = lab.server(), lab.proxy(authentication=Authentication.DIGEST)
    anna = behind_proxy(lab, proxy)
    begin(server, anna, HTTPS_PROXY=f"http://{USER}:{PASSWORD.replace(' ', '%20')}@{proxy.place}")
    anna.wait_until_online(60)
    assert anna.state()["server"]["route"].endswith(f"through the proxy {proxy.place}")


def test_a_script_says_which_proxy_leads_there(lab: Lab) -> None:
    server, proxy = lab.server(), lab.proxy()
    anna = behind_proxy(lab, proxy)
    script = anna.home / "proxy.pac"
    script.write_text(
        "function FindProxyForURL(url, host) {\n"
        f'  return isInNet(host, "203.0.113.0", "255.255.255.0") ? "PROXY {proxy.place}; DIRECT" : "DIRECT";\n}}\n'
    )
    anna.give(script)
    begin(server, anna)
    anna.buri("proxy", "script", str(script))
    anna.wait_until_online(60)
    assert anna.state()["server"]["route"] == f"WebSocket through the proxy {proxy.place}"


def test_where_only_the_web_gets_out_the_server_is_reached_on_port_443(lab: Lab) -> None:
    server = lab.server()
    hotel = lab.router("hotel", Nat.PROXY_ONLY, ipv6=False)
    hotel.let_through(server.addresses.ipv4, 443)
    anna = lab.computer("anna", behind=hotel)
    begin(server, anna)
    anna.wait_until_online(60)
    assert anna.state()["server"]["route"] == "WebSocket"


def test_without_obstacles_it_is_plain_tcp_and_a_proxy_is_not_used(lab: Lab) -> None:
    server, proxy = lab.server(), lab.proxy()
    anna = lab.computer("anna", behind=lab.router("home", ipv6=False))
    begin(server, anna, HTTPS_PROXY=f"http://{proxy.place}")
    anna.wait_until_online(60)
    assert anna.state()["server"]["route"] == "TCP"
    assert proxy.led() == []
