"""One adapter's addresses and routes, on a real TUN in a namespace of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.platform.interfaces import AdapterConfig, AdapterError
from app.platform.linux.routes import LinuxRoutes
from app.platform.linux.tun import GSO_MAX_SIZE, TX_QUEUE_LENGTH, TunDevice, open_tun
from tests.helper.computer import ip, own_network, set_ip

pytestmark = pytest.mark.privileged

CONFIG = AdapterConfig(address="10.7.1.2", prefix_length=16, address6="fd62:7572:6900::a07:102", mtu=1_400)
OTHER = AdapterConfig(address="10.8.0.9", prefix_length=24, address6="fd62:7572:6900::a08:9", mtu=1_280)


@pytest.fixture
def tun() -> Iterator[TunDevice]:
    """A fresh adapter on a computer with nothing else."""
    with own_network():
        device = open_tun("buri%d", offload=True)
        yield device
        os.close(device.fd)


def addresses_of(name: str) -> set[tuple[str, int]]:
    (link,) = ip("address", "show", "dev", name)
    return {(address["local"], address["prefixlen"]) for address in link["addr_info"]}


def routes_of(name: str) -> set[str]:
    return {route["dst"] for family in ("-4", "-6") for route in ip(family, "route", "show", "dev", name) or []}


def test_everything_wanted_is_there(tun: TunDevice) -> None:
    LinuxRoutes(tun.name).apply(CONFIG)
    assert addresses_of(tun.name) == {("10.7.1.2", 16), ("fd62:7572:6900::a07:102", 112)}
    assert routes_of(tun.name) == {"10.7.0.0/16", "255.255.255.255", "224.0.0.0/4", "fd62:7572:6900::a07:0/112"}
    (link,) = ip("-details", "link", "show", "dev", tun.name)
    assert (link["mtu"], link["txqlen"], link["gso_max_size"]) == (1_400, TX_QUEUE_LENGTH, GSO_MAX_SIZE)
    assert {"UP", "LOWER_UP"} <= set(link["flags"])


def test_ipv6_stays_quiet(tun: TunDevice) -> None:
    LinuxRoutes(tun.name).apply(CONFIG)
    assert not [address for address, _ in addresses_of(tun.name) if address.startswith("fe80")]
    assert Path(f"/proc/sys/net/ipv6/conf/{tun.name}/accept_ra").read_text() == "0\n"


def test_repeating_it_changes_nothing(tun: TunDevice) -> None:
    LinuxRoutes(tun.name).apply(CONFIG)
    before = (ip("address", "show"), ip("-4", "route", "show"), ip("-6", "route", "show"))
    LinuxRoutes(tun.name).apply(CONFIG)
    assert (ip("address", "show"), ip("-4", "route", "show"), ip("-6", "route", "show")) == before


def test_another_configuration_replaces_the_first(tun: TunDevice) -> None:
    LinuxRoutes(tun.name).apply(CONFIG)
    LinuxRoutes(tun.name).apply(OTHER)
    assert addresses_of(tun.name) == {("10.8.0.9", 24), ("fd62:7572:6900::a08:9", 120)}
    assert "10.7.0.0/16" not in routes_of(tun.name)


def test_what_somebody_else_added_is_set_right(tun: TunDevice) -> None:
    LinuxRoutes(tun.name).apply(CONFIG)
    set_ip(f"address add 10.99.0.1/24 dev {tun.name}")
    set_ip(f"link set {tun.name} mtu 576 down")
    LinuxRoutes(tun.name).apply(CONFIG)
    assert addresses_of(tun.name) == {("10.7.1.2", 16), ("fd62:7572:6900::a07:102", 112)}
    assert "255.255.255.255" in routes_of(tun.name)


def test_remove_takes_it_away_and_may_be_repeated(tun: TunDevice) -> None:
    routes = LinuxRoutes(tun.name)
    routes.apply(CONFIG)
    routes.remove()
    assert addresses_of(tun.name) == set()
    assert routes_of(tun.name) == set()
    routes.remove()
    LinuxRoutes("gone0").remove()


def test_everything_disappears_with_the_last_descriptor() -> None:
    with own_network():
        device = open_tun("buri%d", offload=True)
        LinuxRoutes(device.name).apply(CONFIG)
        os.close(device.fd)
        assert [link["ifname"] for link in ip("link", "show")] == ["lo"]
        assert not ip("-4", "route", "show", "table", "all")


@pytest.mark.parametrize("lan", ["10.7.1.0/24", "10.0.0.0/8", "10.7.0.0/16", "10.7.255.255/32"])
def test_an_overlapping_network_is_a_clash_and_changes_nothing(tun: TunDevice, lan: str) -> None:
    set_ip("link add lan type veth peer name other-end")
    set_ip("link set lan up")
    set_ip(f"route add {lan} dev lan")
    with pytest.raises(AdapterError, match="lan") as refused:
        LinuxRoutes(tun.name).apply(CONFIG)
    assert refused.value.code == "address-clash"
    assert addresses_of(tun.name) == set()


def test_default_routes_and_other_networks_are_no_clash(tun: TunDevice) -> None:
    set_ip("link add lan type veth peer name other-end")
    set_ip("address add 192.168.1.5/24 dev lan")
    set_ip("link set lan up")
    for destination in ("default", "0.0.0.0/1", "10.6.0.0/16"):
        set_ip(f"route add {destination} dev lan")
    LinuxRoutes(tun.name).apply(CONFIG)
    assert ("10.7.1.2", 16) in addresses_of(tun.name)


def test_broadcasts_that_another_interface_takes_stay_there(tun: TunDevice) -> None:
    set_ip("link add lan type veth peer name other-end")
    set_ip("link set lan up")
    set_ip("address add 192.168.1.5/24 dev lan")
    set_ip("route add 255.255.255.255/32 dev lan")
    LinuxRoutes(tun.name).apply(CONFIG)
    assert ip("route", "get", "255.255.255.255")[0]["dev"] == "lan"
    assert ip("route", "get", "239.1.2.3")[0]["dev"] == tun.name


def test_a_system_without_ipv6_still_gets_ipv4(tun: TunDevice) -> None:
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    LinuxRoutes(tun.name).apply(CONFIG)
    assert addresses_of(tun.name) == {("10.7.1.2", 16)}


def test_an_adapter_that_is_not_there_is_said() -> None:
    with own_network(), pytest.raises(AdapterError) as refused:
        LinuxRoutes("gone0").apply(CONFIG)
    assert refused.value.code == "adapter-refused"
