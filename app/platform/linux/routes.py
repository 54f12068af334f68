"""Addresses, routes and settings of one virtual adapter, through netlink.

Everything is set to what is wanted, never nudged, so `apply` may be repeated. Everything belongs to the adapter: when
its last descriptor is closed the kernel removes addresses, routes and settings with it, which is why nothing has to be
undone after a crash. Calls block for some milliseconds; the helper makes them when an adapter comes or changes.
"""

import errno
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from app.platform.interfaces import AdapterConfig, AdapterError
from app.platform.linux.tun import GSO_MAX_SIZE, TX_QUEUE_LENGTH

logger = logging.getLogger(__name__)

PREFIX_BITS6 = 96
"""Bits before the IPv4 part of a virtual IPv6 address: an adapter takes as much of the /96 as of its IPv4 pool."""
BROADCAST_ROUTES = ("255.255.255.255/32", "224.0.0.0/4")
"""Limited broadcast and multicast go to the virtual LAN, so that LAN discovery works at once."""
LOWEST_METRIC = 1_000
"""Routes of others to these destinations come first; among several adapters the older one does."""
SHORTEST_REAL_ROUTE = 8
"""Shorter prefixes (0.0.0.0/1 and the like) are ways to say "default route" and clash with nothing."""

_ADDR_GEN_MODE_NONE = 1
_NO_DUPLICATE_DETECTION = 0x02  # IFA_F_NODAD
_ROUTE_TYPES_OF_HOSTS = frozenset({1, 2, 6, 7, 8})  # RTN_UNICAST, LOCAL, BLACKHOLE, UNREACHABLE, PROHIBIT
_NO_IPV6 = frozenset({errno.EACCES, errno.EPERM, errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EINVAL})


class LinuxRoutes:
    """The configuration of the adapter `name` in the network namespace of this process; see interfaces.Routes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def apply(self, config: AdapterConfig) -> None:
        """See interfaces.Routes."""
        with self._netlink() as netlink:
            index = self._index(netlink)
            _refuse_clash(netlink, index, config)
            self._keep_ipv6_quiet(netlink, index)
            netlink.link(
                "set", index=index, mtu=config.mtu, txqlen=TX_QUEUE_LENGTH, gso_max_size=GSO_MAX_SIZE, state="up"
            )
            _set_addresses(netlink, index, socket.AF_INET, config.address, config.prefix_length)
            self._set_address6(netlink, index, config)
            for destination in BROADCAST_ROUTES:
                netlink.route(
                    "replace", dst=destination, oif=index, scope="link", priority=LOWEST_METRIC + index, proto="static"
                )

    def remove(self) -> None:
        """See interfaces.Routes."""
        with self._netlink() as netlink:
            for index in netlink.link_lookup(ifname=self._name):
                netlink.flush_addr(index=index)
                netlink.link("set", index=index, state="down")

    @contextmanager
    def _netlink(self) -> Iterator[Any]:
        try:
            with IPRoute() as netlink:  # type: ignore[no-untyped-call]
                yield netlink
        except (NetlinkError, OSError) as error:
            raise AdapterError("adapter-refused", f"The system refused to set up {self._name}: {error}") from error

    def _index(self, netlink: Any) -> int:
        found: list[int] = list(netlink.link_lookup(ifname=self._name))
        if not found:
            raise AdapterError("adapter-refused", f"There is no adapter {self._name}.")
        return found[0]

    def _keep_ipv6_quiet(self, netlink: Any, index: int) -> None:
        """No self-made IPv6 addresses and no router advertisements: a peer shall not become anybody's router."""
        mode = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", _ADDR_GEN_MODE_NONE)]})]}
        try:
            netlink.link("set", index=index, IFLA_AF_SPEC=mode)
            Path(f"/proc/sys/net/ipv6/conf/{self._name}/accept_ra").write_text("0")
        except (NetlinkError, OSError) as error:
            # Without IPv6, or with /proc/sys read-only (then the pump's source check still stops advertisements).
            logger.info("IPv6 settings of %s stay as they are: %s", self._name, error)

    def _set_address6(self, netlink: Any, index: int, config: AdapterConfig) -> None:
        try:
            _set_addresses(netlink, index, socket.AF_INET6, config.address6, PREFIX_BITS6 + config.prefix_length)
        except NetlinkError as error:
            if error.code not in _NO_IPV6:
                raise
            logger.warning("%s has no IPv6 address: IPv6 is switched off on this system", self._name)


def _set_addresses(netlink: Any, index: int, family: int, address: str, prefix_length: int) -> None:
    """Leave exactly this address of the family on the adapter."""
    present = {
        (each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS"), each["prefixlen"])
        for each in netlink.get_addr(family=family, index=index)
    }
    for old, length in present - {(address, prefix_length)}:
        netlink.addr("delete", index=index, address=old, prefixlen=length)
    if (address, prefix_length) in present:
        return
    if family == socket.AF_INET6:
        netlink.addr("add", index=index, address=address, prefixlen=prefix_length, flags=_NO_DUPLICATE_DETECTION)
    else:
        broadcast = str(IPv4Interface(f"{address}/{prefix_length}").network.broadcast_address)
        netlink.addr("add", index=index, address=address, prefixlen=prefix_length, broadcast=broadcast)


def _refuse_clash(netlink: Any, index: int, config: AdapterConfig) -> None:
    wanted = IPv4Interface(f"{config.address}/{config.prefix_length}").network
    for route in netlink.get_routes(family=socket.AF_INET):
        other = route.get_attr("RTA_OIF")
        destination = route.get_attr("RTA_DST")
        if other == index or destination is None or route["type"] not in _ROUTE_TYPES_OF_HOSTS:
            continue
        present = IPv4Network(f"{destination}/{route['dst_len']}")
        if present.prefixlen >= SHORTEST_REAL_ROUTE and present.overlaps(wanted):
            raise AdapterError("address-clash", _clash_message(netlink, wanted, present, other))


def _clash_message(netlink: Any, wanted: IPv4Network, present: IPv4Network, other: int | None) -> str:
    links = netlink.get_links(other) if other is not None else ()
    name = next((link.get_attr("IFLA_IFNAME") for link in links), "another route")
    return f"The virtual LAN {wanted} overlaps {present}, which this computer already reaches through {name}."
