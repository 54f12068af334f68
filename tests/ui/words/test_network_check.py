"""The words of the network check: plain ones first, the terms of the field behind them."""

from dataclasses import replace

import pytest

from app.engine.netcheck_state import FilteringBehaviour, Grade, MappingBehaviour, Netcheck, RouterView
from app.engine.state import MappingStatus, PortMappingView
from app.ui.words.network_check import Line, Mark, as_text, told
from tests.ui import netcheck_samples


def lines(found: Netcheck) -> dict[str, Line]:
    return {line.name: line for line in told(found).lines}


def test_at_home_all_is_well() -> None:
    home = told(netcheck_samples.home())
    assert home.mark is Mark.WELL
    assert home.title == "Direct connections work with nearly everybody."
    assert {line.mark for line in home.lines} == {Mark.WELL, Mark.NOTED}
    found = lines(netcheck_samples.home())
    assert found["Internet over UDP"].text == "It gets through, over IPv4 and IPv6."
    assert found["Your router"].text.startswith("It shows this computer to everybody under the same address and port.")
    assert found["Your router"].term.startswith("endpoint-independent mapping · address-and-port-dependent filtering")
    assert found["Open port"].text.endswith(netcheck_samples.OUTSIDE)
    assert [(each.words, each.seconds) for each in home.relays] == [
        ("14 ms", 0.0142),
        ("42 ms", 0.0418),
        ("no answer over UDP, not tried over TCP", None),
    ]


def test_a_hard_router_is_marked_and_all_it_shows_is_told() -> None:
    mobile = lines(netcheck_samples.mobile())
    assert mobile["Your router"].mark is Mark.LIMITED
    assert "198.51.100.20:1044, 198.51.100.20:1045" in mobile["Your router"].text
    assert mobile["Your router"].term.endswith("no port preservation")
    assert mobile["IPv6"].mark is Mark.NOTED


def test_in_an_office_the_proxy_and_each_way_are_told() -> None:
    office = lines(netcheck_samples.office())
    assert office["Internet over UDP"].mark is Mark.LIMITED
    assert office["Proxy"].text == "proxy.example:3128, from the environment or the system's settings"
    assert office["Ways to the server"].mark is Mark.WELL
    assert "TCP: The server did not answer in time" in office["Ways to the server"].text
    assert told(netcheck_samples.office()).relays[0].words == "73 ms over TCP"


def test_without_internet_nothing_is_said_to_be_well() -> None:
    nothing = told(netcheck_samples.unplugged())
    assert nothing.mark is Mark.WRONG
    assert Mark.WELL not in {line.mark for line in nothing.lines}


def test_what_nobody_could_be_asked_about_is_no_fault() -> None:
    unasked = (RouterView("IPv4", True, None), RouterView("IPv6", True, None))
    found = lines(replace(netcheck_samples.home(), routers=unasked))
    assert {found["Internet over UDP"].mark, found["IPv6"].mark, found["Your router"].mark} == {Mark.NOTED}
    assert "can't be told" in found["Internet over UDP"].text


@pytest.mark.parametrize("mapping", MappingBehaviour)
@pytest.mark.parametrize("filtering", FilteringBehaviour)
def test_there_are_words_for_every_router(mapping: MappingBehaviour, filtering: FilteringBehaviour) -> None:
    routers = (RouterView("IPv4", True, True, mapping, filtering), RouterView("IPv6", True, False))
    found = lines(replace(netcheck_samples.home(), routers=routers))
    assert all(line.text for line in found.values())
    assert {"Your router", "IPv6"} <= found.keys()


@pytest.mark.parametrize("status", MappingStatus)
def test_there_are_words_for_every_open_port_and_every_grade(status: MappingStatus) -> None:
    found = replace(netcheck_samples.home(), port_mapping=PortMappingView(status))
    assert lines(found)["Open port"].text
    assert {told(replace(found, grade=grade)).mark for grade in Grade} == set(Mark) - {Mark.NOTED}


def test_as_text_it_is_a_plain_table() -> None:
    text = as_text(told(netcheck_samples.office()))
    assert text.startswith("All connections will be relayed over TCP.\n")
    assert "Proxy               proxy.example:3128, from the environment or the system's settings\n" in text
    assert "\n                    TCP: The server did not answer in time\n" in text
    assert "Relays              buri.example.org:12975: 73 ms over TCP\n" in text
