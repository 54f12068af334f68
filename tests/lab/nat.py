"""The kinds of router the lab can build, as nftables rule sets. Facts and their words: RFC 4787 (mapping, filtering).

Every router has `wan` outside and `lan` inside, lets answers in and nothing else, for IPv4 and IPv6.
"""

from collections.abc import Sequence
from enum import Enum


class Nat(Enum):
    """What a router does to IPv4; IPv6 always passes untranslated through a stateful firewall."""

    NONE = "none"
    """No translation: public addresses behind a stateful firewall."""
    PORT_PRESERVING = "port preserving"
    """Endpoint-independent mapping, address and port-dependent filtering: most home routers."""
    FULL_CONE = "full cone"
    """Endpoint-independent mapping and filtering: who knows the mapped port gets in."""
    RESTRICTED = "restricted"
    """Endpoint-independent mapping, address-dependent filtering: any port of a host once spoken to."""
    SYMMETRIC = "symmetric"
    """A new random port for every destination; address and port-dependent filtering."""
    PORT_BLOCK = "port block"
    """As SYMMETRIC, with all ports of a small block, as carriers give one to each subscriber (RFC 7422)."""
    PORT_CHANGING = "port changing"
    """As PORT_PRESERVING, but to another port, which is a new one after each restart of the router."""
    UDP_BLOCKED = "udp blocked"
    """As PORT_PRESERVING for TCP; no UDP at all."""
    PROXY_ONLY = "proxy only"
    """Nothing passes but TCP to the endpoints that the router is told to let through."""


BLOCK = (20_000, 20_511)
"""The ports of PORT_BLOCK."""
OTHER_PORTS = tuple(range(30_000, 62_000, 125))
"""The ports of PORT_CHANGING: the inner endpoint and the restart say which one of them."""

FIREWALL = """
table inet firewall {
  set let_through { type ipv4_addr . inet_service; }
  chain forward {
    type filter hook forward priority filter; policy drop;
    %s
    ct state established,related accept
    ct status dnat accept
    iifname "lan" accept
    meta l4proto ipv6-icmp accept
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname != "wan" accept
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    drop
  }
}
"""
# New packets to the router itself must vanish without an answer: an answered one would stay in the connection table and
# push the inner computer's mapping to another port, which real port-preserving routers do not do.
ONLY_LET_THROUGH = """
    iifname "lan" ip daddr . tcp dport @let_through accept
    iifname "lan" drop
"""

TRANSLATION = """
table ip translation {
  map owner { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 2m; }
  set contacted { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 2m; }
  chain inward {
    type nat hook prerouting priority dstnat;
    %(inward)s
  }
  chain outward {
    type nat hook postrouting priority srcnat;
    %(outward)s
  }
  chain remember {
    type filter hook postrouting priority srcnat + 1;
    %(remember)s
  }
}
"""
REMEMBER = """
    oifname "wan" meta l4proto udp update @owner { ct reply proto-dst : ct original ip saddr . ct original proto-src }
    oifname "wan" meta l4proto udp update @contacted { ip daddr . ct reply proto-dst }
"""
LET_ALL_IN = 'iifname "wan" meta l4proto udp dnat ip to udp dport map @owner'
LET_CONTACTED_IN = 'iifname "wan" ip saddr . udp dport @contacted dnat ip to udp dport map @owner'
HAIRPIN_IN = 'iifname "lan" ip daddr %s meta l4proto udp dnat ip to udp dport map @owner'
HAIRPIN_OUT = 'iifname "lan" oifname "lan" ct status dnat snat to %s'


def rules(nat: Nat, hairpin: str | None = None, restarts: int = 0) -> str:
    """The whole nftables rule set of a router of this kind, which has been restarted so many times.

    With `hairpin`, its outer address, computers inside reach each other's mappings at that address (RFC 4787
    section 6), and appear to each other under it.
    """
    refused = {Nat.UDP_BLOCKED: "meta l4proto udp drop", Nat.PROXY_ONLY: ONLY_LET_THROUGH}
    firewall = FIREWALL % refused.get(nat, "")
    if nat is Nat.NONE:
        return firewall
    inward = {Nat.FULL_CONE: LET_ALL_IN, Nat.RESTRICTED: LET_CONTACTED_IN}
    parts = {
        "inward": inward.get(nat, ""),
        "outward": f'oifname "wan" {mapping(nat, restarts)}',
        "remember": REMEMBER if nat in inward or hairpin else "",
    }
    if hairpin:
        parts["inward"] += "\n" + HAIRPIN_IN % hairpin
        parts["outward"] += "\n" + HAIRPIN_OUT % hairpin
    return firewall + TRANSLATION % parts


def mapping(nat: Nat, restarts: int) -> str:
    """How a router of this kind makes a mapping, as an nftables statement."""
    match nat:
        case Nat.SYMMETRIC:
            return "masquerade fully-random"
        case Nat.PORT_BLOCK:
            return f"meta l4proto {{ tcp, udp }} masquerade to :{BLOCK[0]}-{BLOCK[1]} fully-random"
        case Nat.PORT_CHANGING:
            ports = ", ".join(f"{number} : {port}" for number, port in enumerate(OTHER_PORTS))
            chosen = f"jhash ip saddr . udp sport mod {len(OTHER_PORTS)} seed {restarts + 1} map {{ {ports} }}"
            return f'meta l4proto udp masquerade to :{chosen}\n    oifname "wan" masquerade'
        case _:
            return "masquerade"


def letting_through(address: str, port: int) -> str:
    """A rule set that adds an endpoint to those that PROXY_ONLY lets through."""
    return f"add element inet firewall let_through {{ {address} . {port} }}\n"


def blocking(protocol: str, port: int) -> str:
    """A rule set that lets no packet through to this port of anybody, nor from it: a company's firewall."""
    return f"""
table inet blocking_{protocol}_{port} {{
  chain forward {{
    type filter hook forward priority filter - 2;
    {protocol} dport {port} drop
    {protocol} sport {port} drop
  }}
}}
"""


def separating(hosts: Sequence[str]) -> str:
    """A rule set that lets no UDP through between those inside and these hosts, or anybody where none is named.

    `table inet separating` names it.
    """
    each = f"{{ {', '.join(hosts)} }}" if hosts else "0.0.0.0/0"
    return f"""
table inet separating {{
  chain forward {{
    type filter hook forward priority filter - 2;
    meta l4proto udp ip saddr {each} drop
    meta l4proto udp ip daddr {each} drop
  }}
}}
"""


PORT_MAPPING = """
table inet port_mapping {
  chain forward { type filter hook forward priority filter - 1; jump miniupnpd; }
  chain prerouting { type nat hook prerouting priority dstnat - 1; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority srcnat - 1; jump postrouting_miniupnpd; }
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
"""
"""The chains that miniupnpd fills."""


def miniupnpd_settings(outside: str, pcp: bool) -> str:
    """The configuration file of a miniupnpd that opens ports at `outside`, empty for its own address."""
    external = f"ext_ip={outside}" if outside else ""
    return f"""ext_ifname=wan
{external}
listening_ip=lan
enable_upnp=yes
enable_natpmp={"yes" if pcp else "no"}
secure_mode=yes
system_uptime=no
upnp_table_name=port_mapping
upnp_nat_table_name=port_mapping
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
uuid=3f9a9c12-7b1c-4e0e-9d4d-000000000001
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


def forwarding(protocol: str, port: int, inner: str) -> str:
    """A rule set that leads a port of the router's outside to a computer inside, as people set up to host something.

    Only what comes from outside is led there: computers inside can't use the outside address (no NAT loopback).
    """
    return f"""
table ip forwarding_{protocol}_{port} {{
  chain inward {{
    type nat hook prerouting priority dstnat - 1;
    iifname "wan" {protocol} dport {port} dnat to {inner}
  }}
}}
"""


def lossy(interface: str, share: float) -> str:
    """A rule set that loses this share of the IP packets arriving at an interface, before anything else sees them.

    Neighbours always find each other: between real computers the loss is far away, on the internet. A train of
    segments that the sender left to the network card to cut counts as one packet here.
    """
    hundredths_of_percent = round(share * 10_000)
    return f"""
table netdev loss_{interface} {{
  chain arriving {{
    type filter hook ingress device {interface} priority 0;
    ether type arp accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
    numgen random mod 10000 < {hundredths_of_percent} drop
  }}
}}
"""
