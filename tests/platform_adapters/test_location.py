"""Networks have names: the same whenever one comes back, another for each."""

from pathlib import Path

from app.platform.location import NOWHERE, network_location

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
{interface}\t00000000\t{gateway}\t0003\t0\t0\t{metric}\t00000000\t0\t0\t0
{interface}\t{network}\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
buri0\t0000490A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         {mac}     *        eth0
192.168.1.7      0x1         0x2         02:00:00:00:00:07     *        eth0
"""
HOME = {"interface": "eth0", "gateway": "0101A8C0", "network": "0001A8C0", "metric": 100}
MAC = "02:00:00:00:00:01"


def place(folder: Path, mac: str = MAC, **changes: object) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "route").write_text(ROUTES.format_map({**HOME, **changes}))
    (folder / "arp").write_text(ARP.format(mac=mac))
    (folder / "ipv6_route").write_text("")
    return network_location(folder)


def test_a_network_keeps_its_name_and_others_have_another(tmp_path: Path) -> None:
    home = place(tmp_path)
    assert home == place(tmp_path, metric=600)
    assert len({home, place(tmp_path, mac="02:00:00:00:00:99"), place(tmp_path, gateway="0201A8C0"), NOWHERE}) == 4
    assert place(tmp_path, network="0002A8C0") != home


def test_where_there_is_no_way_out_there_is_no_name(tmp_path: Path) -> None:
    assert network_location(tmp_path) == NOWHERE
    for name in ("route", "arp", "ipv6_route"):
        (tmp_path / name).write_text("head\n" if name != "ipv6_route" else "")
    assert network_location(tmp_path) == NOWHERE
    (tmp_path / "route").write_text("nonsense\nmore nonsense\n")
    assert network_location(tmp_path) == NOWHERE


def test_a_network_of_ipv6_alone_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "route").write_text("head\n")
    (tmp_path / "arp").write_text("head\n")
    zero = "0" * 32
    (tmp_path / "ipv6_route").write_text(f"{zero} 00 {zero} 00 fe800000000000000000000000000001 400 1 0 3 eth0\n")
    assert network_location(tmp_path) not in (NOWHERE, place(tmp_path))


def test_this_computer_can_be_asked() -> None:
    assert network_location() == network_location()
