"""What may happen to two computers while they talk: stories in which TCP streams run both ways through their tunnel.

Used by test_survival.py, and by benchmarks/survival.py, which measures the stalls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.lab.machines import Computer, MediationServer, RelayMachine
from tests.lab.namespace import Namespace
from tests.lab.nat import Nat
from tests.lab.proxy import PASSWORD as PROXY_PASSWORD
from tests.lab.proxy import USER, Authentication
from tests.lab.stories import PASSWORD, go_online, join
from tests.lab.stream import Stream
from tests.lab.topology import Lab, Router

NETWORK = "friends"
CABLE_METRIC, WIFI_METRIC = 100, 600
"""As network managers set them: the cable is used while it is there."""
BACKUP = 254
"""The number of the second router in the network at home."""


class Pair:
    """Anna's and Ben's computers, and their server."""

    server: MediationServer
    anna: Computer
    ben: Computer

    def restart_server(self) -> None:
        """As an operator does it."""
        self.server.process.stop()
        self.server.go()


class Stage(Pair):
    """Anna at home, with cable and Wi-Fi of two routers and a third for emergencies; Ben's office; Anna's café."""

    def __init__(self, lab: Lab, own_relay: bool = True) -> None:
        """The relay is the server's own, or one on a machine of its own."""
        self.relay: RelayMachine | None = None if own_relay else lab.relay()
        self.server = lab.server(relays=() if self.relay is None else (self.relay,), own_relay=own_relay)
        self.home, self.office, self.cafe, self.phone, self.backup = (
            lab.router(name, ipv6=False) for name in ("home", "office", "cafe", "phone", "backup")
        )
        share_network(self.home, self.backup)
        self.anna, self.ben = lab.computer("anna", self.home), lab.computer("ben", self.office)
        self._plug_wifi(self.anna)
        go_online(self.server, self.anna, self.ben)
        join(NETWORK, self.anna, self.ben)
        self._leases = 100

    def _plug_wifi(self, computer: Computer) -> None:
        namespace = computer.namespace
        namespace.ip("route del default", default_route("eth0", self.home, CABLE_METRIC))
        self.phone.segment.attach(namespace, "wlan0")
        namespace.ip("route del default dev wlan0 metric 0", default_route("wlan0", self.phone, WIFI_METRIC))

    # --- what may happen

    def block_direct(self) -> None:
        """Ben's router lets no UDP through between him and where Anna may be."""
        self.office.separate(self.home, self.cafe, self.phone, self.backup)

    def block_udp(self) -> None:
        """Ben's router lets no UDP through at all."""
        self.office.separate()

    def free_udp(self) -> None:
        """The rule goes away."""
        self.office.join_again()

    def give_new_lease(self) -> None:
        """Anna's cable gets another address of the same network."""
        self._leases += 1
        self._use_cable(self.home, self._leases)

    def go_to_cafe(self) -> None:
        """Anna's cable is pulled, and another one plugged in."""
        self._move_cable(self.home, self.cafe)

    def go_home(self) -> None:
        """And back."""
        self._move_cable(self.cafe, self.home)

    def pull_cable(self) -> None:
        """Wi-Fi remains."""
        self.anna.namespace.ip("address flush dev eth0", "link set eth0 down")

    def plug_cable(self) -> None:
        """There is something better than Wi-Fi again."""
        self._use_cable(self.home, 2)

    def lose_gateway(self) -> None:
        """The router at home loses the internet. Anna keeps her address, and is told another gateway."""
        self.home.namespace.ip("link set wan down")
        self._use_gateway(BACKUP)

    def regain_gateway(self) -> None:
        """And back."""
        self.home.namespace.ip("link set wan up", f"route add default via {self.home.outside.segment.network4[1]}")
        self._use_gateway(1)

    def restart_relay(self) -> None:
        """As an operator does it."""
        assert self.relay is not None
        self.relay.process.stop()
        self.relay.go()

    def _use_gateway(self, number: int) -> None:
        gateway = self.home.segment.network4[number]
        self.anna.namespace.ip(f"route replace default via {gateway} dev eth0 metric {CABLE_METRIC}")

    def _move_cable(self, old: Router, new: Router) -> None:
        self.pull_cable()
        cable_end(old.namespace, new.namespace)
        self._use_cable(new, 2)

    def _use_cable(self, router: Router, number: int) -> None:
        """What a DHCP client does: another address, and routes through that router."""
        network = router.segment.network4
        self.anna.namespace.ip(
            "address flush dev eth0",
            "link set eth0 up",
            f"address add {network[number]}/{network.prefixlen} dev eth0",
            default_route("eth0", router, CABLE_METRIC),
        )


class WithoutUdp(Pair):
    """Anna's office leads to a proxy with passwords and nowhere else, Ben's hotel lets no UDP through."""

    def __init__(self, lab: Lab) -> None:
        self.server = lab.server()
        proxy = lab.proxy(authentication=Authentication.BASIC)
        office = lab.router("office", Nat.PROXY_ONLY, ipv6=False)
        office.let_through(proxy.addresses.ipv4, proxy.port)
        self.anna = lab.computer("anna", office)
        self.ben = lab.computer("ben", lab.router("hotel", Nat.UDP_BLOCKED, ipv6=False))
        self.anna.start_helper()
        self.anna.start_engine(self.server)
        self.anna.buri("proxy", "set", proxy.place, "--user", USER, given=PROXY_PASSWORD + "\n")
        self.ben.go_online(self.server)
        self.anna.wait_until_online(60)
        self.anna.buri("create", NETWORK, PASSWORD)
        self.ben.buri("join", NETWORK, PASSWORD)


class TwoRelays(Pair):
    """Both behind symmetric routers, and two relays on machines of their own."""

    def __init__(self, lab: Lab) -> None:
        self._relays = [lab.relay("one"), lab.relay("other")]
        self.server = lab.server(relays=self._relays, own_relay=False)
        self.anna, self.ben = (
            lab.computer(name, lab.router(f"{name}s-router", Nat.SYMMETRIC, ipv6=False)) for name in ("anna", "ben")
        )
        go_online(self.server, self.anna, self.ben)
        self.anna.buri("create", NETWORK, PASSWORD)
        self.ben.buri("join", NETWORK, PASSWORD)

    def kill_relay(self) -> None:
        """The one that is used, for good."""
        used = self.anna.view_of(self.ben)["relay"]
        next(each for each in self._relays if used == f"{each.addresses.ipv4}:{each.port}").kill9()


def default_route(interface: str, router: Router, metric: int) -> str:
    """A line for `ip`."""
    return f"route add default via {router.segment.network4[1]} dev {interface} metric {metric}"


def share_network(first: Router, second: Router) -> None:
    """Those in the network of the first router may use the second one as well."""
    second.namespace.ip(
        f"link add shared type veth peer name shared netns {first.namespace.system_name}",
        "link set shared master lan up",
        f"address add {first.segment.network4[BACKUP]}/{first.segment.network4.prefixlen} dev lan",
    )
    first.namespace.ip("link set shared master lan up")


def cable_end(old: Namespace, new: Namespace) -> None:
    """The far end of the first cable of one router is plugged into another one."""
    old.ip(f"link set port1 netns {new.system_name} name port1")
    new.ip("link set port1 master lan up")


@dataclass(frozen=True)
class Story:
    """Something happens, and the tunnel is of one status before it and of another one in the end."""

    name: str
    happens: Callable[..., None]
    """Called with the stage."""
    before: str = "direct"
    after: str = "direct"


STORIES = (
    Story("direct UDP is blocked: to the relay", Stage.block_direct, after="relayed"),
    Story("the server restarts, and its relay", Stage.restart_server, "relayed", "relayed"),
    Story("direct UDP is free again: off the relay", Stage.free_udp, before="relayed"),
    Story("a new address in the same network", Stage.give_new_lease),
    Story("another network", Stage.go_to_cafe),
    Story("and back", Stage.go_home),
    Story("the cable goes, Wi-Fi remains", Stage.pull_cable),
    Story("the cable returns", Stage.plug_cable),
    Story("another gateway, and the same address", Stage.lose_gateway),
    Story("the first gateway again", Stage.regain_gateway),
    Story("all UDP is blocked: to a stream", Stage.block_udp, after="relayed"),
    Story("the server restarts, and its streams", Stage.restart_server, "relayed", "relayed"),
    Story("another network, with a stream", Stage.go_to_cafe, "relayed", "relayed"),
    Story("UDP is free again: off the stream", Stage.free_udp, before="relayed"),
    Story("home, at last", Stage.go_home),
)
"""One after the other, on one stage."""

OTHER_RELAY_STORIES = (
    Story("direct UDP is blocked: to a relay of its own", Stage.block_direct, after="relayed"),
    Story("the relay restarts", Stage.restart_relay, "relayed", "relayed"),
    Story("direct UDP is free again: off that relay", Stage.free_udp, before="relayed"),
)
"""Where the relay is on a machine of its own."""

STREAM_STORIES = (
    Story("the server restarts, and streams through firewall and proxy", Pair.restart_server, "relayed", "relayed"),
)
"""Where nothing but streams gets out."""


TWO_RELAYS_STORIES = (Story("the relay dies, and another is known", TwoRelays.kill_relay, "relayed", "relayed"),)


class Act(NamedTuple):
    """A stage, and what is told on it."""

    name: str
    stage: Callable[[Lab], Pair]
    stories: tuple[Story, ...]


ACTS = (
    Act("the server's own relay", Stage, STORIES),
    Act("another relay", lambda lab: Stage(lab, own_relay=False), OTHER_RELAY_STORIES),
    Act("streams alone", WithoutUdp, STREAM_STORIES),
    Act("two relays", TwoRelays, TWO_RELAYS_STORIES),
)


def tell(stage: Pair, story: Story) -> float:
    """Tell it while streams run both ways; gives their longest stall in seconds.

    Raises LabError if a stream breaks, if it is not complete, or if the tunnel does not become what it should.
    """
    see(stage, story.before)
    anna, ben = stage.anna, stage.ben
    streams = [
        Stream(anna, ben, ben.virtual_address),
        Stream(ben, anna, anna.virtual_address),
    ]
    for stream in streams:
        stream.wait_for_more()
    story.happens(stage)
    for stream in streams:
        stream.wait_for_more()
    see(stage, story.after)
    for stream in streams:
        stream.wait_for_more()
    arrived = [stream.end() for stream in streams]
    assert all(each.complete for each in arrived), arrived
    return max(each.stall for each in arrived)


def see(stage: Pair, status: str) -> None:
    """Until each has a tunnel of this status to the other."""
    stage.anna.wait_for_peer(stage.ben, status, 60.0)
    stage.ben.wait_for_peer(stage.anna, status, 60.0)
