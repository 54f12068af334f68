"""The lab: computers behind routers, and an internet between them, all of it network namespaces of this machine.

    with Lab(folder) as lab:
        home = lab.router("home", nat=Nat.PORT_PRESERVING)
        anna = lab.computer("anna", behind=home)

The internet is a bridge with documentation addresses (RFC 5737, RFC 3849); routers and public computers hang on it. No
packet can leave: no namespace has a link to the machine's own network. Used by the `lab` fixture and by demo.py; no
pytest in here.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.machines import NOBODY, Addresses, Computer, Machine, MediationServer, RelayMachine
from tests.lab.namespace import Namespace, sweep
from tests.lab.nat import (
    PORT_MAPPING,
    Nat,
    blocking,
    forwarding,
    letting_through,
    lossy,
    miniupnpd_settings,
    rules,
    separating,
)
from tests.lab.processes import Process, tool
from tests.lab.proxy import Authentication, Proxy

INTERNET4 = "203.0.113.0/24"
INTERNET6 = "2001:db8::/64"
LOWEST_OPEN_PORT = "ipv4/ip_unprivileged_port_start"
"""With 443 a server without privileges has the web's port, as the capability in its systemd unit gives it."""
PUBLIC4 = "192.0.3"
"""The network of the addresses that routers which open ports have besides."""


class Segment:
    """A bridge named `lan` in a namespace, with the first address of its networks, to which others attach.

    Without `network6` nobody on it has IPv6.
    """

    def __init__(self, owner: Namespace, network4: IPv4Network, network6: IPv6Network | None) -> None:
        self.owner = owner
        self.network4 = network4
        self.network6 = network6
        self._attached = 0
        owner.set_kernel("ipv4/ip_forward", "ipv6/conf/all/forwarding", value=1)
        if Path("/proc/sys/net/bridge").exists():  # else a router would translate what only passes its bridge
            owner.set_kernel("bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables", value=0)
        owner.ip("link add lan type bridge mcast_snooping 0", "link set lan up")
        owner.ip(*(f"address add {address} dev lan" for address in self._addresses(1)))

    def attach(self, namespace: Namespace, interface: str, loss: float = 0.0) -> Addresses:
        """Plug a namespace in: its new `interface` gets the next addresses and default routes through this segment.

        Of all packets in each direction the share `loss` (0 to 1) vanishes on the cable.
        """
        self._attached += 1
        port = f"port{self._attached}"
        own = self._addresses(1 + self._attached)
        namespace.ip(f"link add {interface} type veth peer name {port} netns {self.owner.system_name}")
        self.owner.ip(f"link set {port} master lan up")
        namespace.ip(
            f"link set {interface} up",
            *(f"address add {address} dev {interface}" for address in own),
            *(f"route add default via {gateway.ip}" for gateway in self._addresses(1)),
        )
        if loss:
            namespace.nft(lossy(interface, loss))
            self.owner.nft(lossy(port, loss))
        return Addresses(own)

    def _addresses(self, number: int) -> list[IPv4Interface | IPv6Interface]:
        """The addresses of the computer with this number, 1 being the segment's own."""
        addresses: list[IPv4Interface | IPv6Interface]
        addresses = [IPv4Interface((int(self.network4.network_address) + number, self.network4.prefixlen))]
        if self.network6 is not None:
            addresses.append(IPv6Interface((int(self.network6.network_address) + number, self.network6.prefixlen)))
        return addresses


class Internet:
    """Everything between the routers."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.segment = Segment(namespace, IPv4Network(INTERNET4), IPv6Network(INTERNET6))

    def add_route(self, network: IPv4Network | IPv6Network, gateway: object) -> None:
        """Send packets for `network` to `gateway`."""
        self.namespace.ip(f"route add {network} via {gateway}")


class Router:
    """A router between its `lan` and what it hangs on: the internet, or another router (carrier-grade NAT)."""

    def __init__(
        self,
        namespace: Namespace,
        outside: "Internet | Router",
        nat: Nat,
        network4: IPv4Network,
        network6: IPv6Network | None,
        hairpin: bool,
        udp_lifetime: int | None,
    ) -> None:
        self.namespace = namespace
        self.outside = outside
        self.nat = nat
        self._added = ""
        self._restarts = 0
        self._miniupnpd: Process | None = None
        self.segment: Segment
        self.outer = outside.segment.attach(namespace, "wan")
        self._hairpin = self.outer.ipv4 if hairpin else None
        self.segment = Segment(namespace, network4, network6)
        namespace.nft(rules(nat, self._hairpin))
        if udp_lifetime is not None:
            timeouts = ("netfilter/nf_conntrack_udp_timeout", "netfilter/nf_conntrack_udp_timeout_stream")
            namespace.set_kernel(*timeouts, value=udp_lifetime)
        if network6 is not None:
            outside.add_route(network6, self.outer.ipv6)
        if nat is Nat.NONE:
            outside.add_route(network4, self.outer.ipv4)

    def add_route(self, network: IPv4Network | IPv6Network, gateway: object) -> None:
        """Send packets for `network` to `gateway` behind this router, and lead them here from the internet."""
        self.namespace.ip(f"route add {network} via {gateway}")
        self.outside.add_route(network, self.outer.ipv6 if network.version == 6 else self.outer.ipv4)

    def forward_port(self, protocol: str, port: int, to: Machine) -> None:
        """Lead a port (`tcp` or `udp`) of the outer address to a computer inside."""
        self._add(forwarding(protocol, port, to.addresses.ipv4))

    def block(self, protocol: str, port: int) -> None:
        """Let nothing through to this port of anybody."""
        self._add(blocking(protocol, port))

    def let_through(self, address: str, port: int) -> None:
        """PROXY_ONLY: let TCP through to this endpoint."""
        self._add(letting_through(address, port))

    def separate(self, *others: "Router") -> None:
        """Let no UDP through between those inside and those behind the others, or anybody, until `join_again`."""
        self.namespace.nft(separating([other.outer.ipv4 for other in others]))

    def join_again(self) -> None:
        """The opposite of `separate`."""
        self.namespace.nft("delete table inet separating")

    def open_ports_on_request(self, pcp: bool = True) -> None:
        """Run miniupnpd: computers inside may have ports opened by UPnP, and by PCP and NAT-PMP unless forbidden.

        It opens none at an address that is not public; on the internet it has one that exists in the lab alone.
        """
        outside = ""
        if isinstance(self.outside, Internet):
            outside = f"{PUBLIC4}.{self.outer.ipv4.rpartition('.')[2]}"
            self.namespace.ip(f"address add {outside}/32 dev wan")
            self.outside.add_route(IPv4Network(outside), self.outer.ipv4)
        (self.namespace.folder / "miniupnpd.conf").write_text(miniupnpd_settings(outside, pcp))
        self._add(PORT_MAPPING)
        self._start_miniupnpd()

    def _start_miniupnpd(self) -> None:
        folder = self.namespace.folder
        words = (tool("miniupnpd"), "-d", "-f", str(folder / "miniupnpd.conf"), "-P", str(folder / "miniupnpd.pid"))
        self._miniupnpd = self.namespace.start("miniupnpd", *words)
        self._miniupnpd.wait_for_output("HTTP listening")

    def _add(self, rule: str) -> None:
        self._added += rule
        self.namespace.nft(rule)

    def reboot(self) -> None:
        """Forget every mapping, as after a power cut: the rule set and the connection table are made anew."""
        self._restarts += 1
        if self._miniupnpd is not None:
            self._miniupnpd.kill9()
        self.namespace.run("conntrack", "--flush")
        self.namespace.nft("flush ruleset\n" + rules(self.nat, self._hairpin, self._restarts) + self._added)
        if self._miniupnpd is not None:
            self._start_miniupnpd()


class Lab:
    """A set of namespaces that lives as long as the `with` block and is gone afterwards, whatever happened inside."""

    def __init__(self, folder: Path | None = None) -> None:
        """Logs and homes go to `folder`, or to a temporary one that goes away with the lab."""
        sweep()
        self._temporary = folder is None
        self.folder = folder if folder is not None else Path(tempfile.mkdtemp(prefix="buri-lab-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._namespaces: list[Namespace] = []
        self._routers = 0
        self._closed = False
        try:
            self.internet = Internet(self.namespace("internet"))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def namespace(self, name: str) -> Namespace:
        """A new, unconnected namespace."""
        namespace = Namespace(name, len(self._namespaces), self.folder / name)
        self._namespaces.append(namespace)
        return namespace

    def router(
        self,
        name: str,
        nat: Nat = Nat.PORT_PRESERVING,
        behind: Router | None = None,
        network: str | None = None,
        ipv6: bool = True,
        hairpin: bool = False,
        udp_lifetime: int | None = None,
    ) -> Router:
        """A router on the internet, or behind another one; `network` is its inner IPv4 network.

        Without `ipv6`, or behind a router without, there is only IPv4 behind it. With `hairpin` those inside reach each
        other over the outer address. A silent UDP mapping lives `udp_lifetime` seconds, else as the kernel likes.
        """
        outside = behind or self.internet
        self._routers += 1
        default = f"198.18.{self._routers}.0/24" if nat is Nat.NONE else f"192.168.{self._routers}.0/24"
        inner4 = IPv4Network(network or default)
        has6 = ipv6 and outside.segment.network6 is not None
        inner6 = IPv6Network(f"2001:db8:0:{self._routers:x}::/64") if has6 else None
        return Router(self.namespace(name), outside, nat, inner4, inner6, hairpin, udp_lifetime)

    def computer(self, name: str, behind: Router | None = None, loss: float = 0.0, user: int = NOBODY) -> Computer:
        """A person's computer behind a router, or with public addresses; `loss` is the share lost each way, 0 to 1."""
        namespace = self.namespace(name)
        segment = (behind or self.internet).segment
        return Computer(namespace, segment.attach(namespace, "eth0", loss), user)

    def server(
        self, name: str = "server", relays: Sequence[RelayMachine] = (), own_relay: bool = True
    ) -> MediationServer:
        """A computer on the internet for the mediation server; it is set up and runs when this returns."""
        server = self.bare_server(name)
        server.set_up(*relays, own_relay=own_relay)
        server.go()
        return server

    def bare_server(self, name: str) -> MediationServer:
        """The computer for it alone."""
        namespace = self.namespace(name)
        namespace.set_kernel(LOWEST_OPEN_PORT, value=443)
        return MediationServer(namespace, self.internet.segment.attach(namespace, "eth0"))

    def relay(self, name: str = "relay", loss: float = 0.0) -> RelayMachine:
        """A computer on the internet for a relay; it runs when this returns. Servers that know it are made after it."""
        namespace = self.namespace(name)
        namespace.set_kernel(LOWEST_OPEN_PORT, value=443)
        relay = RelayMachine(namespace, self.internet.segment.attach(namespace, "eth0", loss))
        relay.set_up()
        relay.go()
        return relay

    def proxy(self, name: str = "proxy", authentication: Authentication = Authentication.NONE) -> Proxy:
        """A computer on the internet with an HTTP proxy; it runs when this returns."""
        namespace = self.namespace(name)
        proxy = Proxy(namespace, self.internet.segment.attach(namespace, "eth0"))
        proxy.go(authentication)
        return proxy

    def logs(self) -> Iterator[tuple[str, str]]:
        """Name and text of every log that holds anything."""
        for path in sorted(self.folder.glob("*/*.log")):
            text = path.read_text(errors="replace")
            if text:
                yield f"{path.parent.name}/{path.name}", text

    def close(self) -> None:
        """Take everything down; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for namespace in reversed(self._namespaces):
            namespace.delete()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
