"""The kinds of router the lab can build, as nftables rule sets. Facts and their words: RFC 4787 (mapping, filtering).

Every router has `wan` outside and `lan` inside, lets answers in and nothing else, for IPv4 and IPv6.
"""

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
    UDP_BLOCKED = "udp blocked"
    """As PORT_PRESERVING for TCP; no UDP at all."""


FIREWALL = """
table inet firewall {
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

TRANSLATION = """
table ip translation {
  map owner { type inet_service : ipv4_addr; flags dynamic,timeout; timeout 2m; }
  set contacted { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 2m; }
  chain remember {
    type filter hook forward priority filter - 1;
    %s
  }
  chain inward {
    type nat hook prerouting priority dstnat;
    %s
  }
  chain outward {
    type nat hook postrouting priority srcnat;
    oifname "wan" %s
  }
}
"""
REMEMBER = 'oifname "wan" update @owner { udp sport : ip saddr } update @contacted { ip daddr . udp sport }'
LET_ALL_IN = 'iifname "wan" dnat to udp dport map @owner'
LET_CONTACTED_IN = 'iifname "wan" ip saddr . udp dport @contacted dnat to udp dport map @owner'


def rules(nat: Nat) -> str:
    """The whole nftables rule set of a router of this kind."""
    firewall = FIREWALL % ("meta l4proto udp drop" if nat is Nat.UDP_BLOCKED else "")
    match nat:
        case Nat.NONE:
            return firewall
        case Nat.PORT_PRESERVING | Nat.UDP_BLOCKED:
            return firewall + TRANSLATION % ("", "", "masquerade")
        case Nat.SYMMETRIC:
            return firewall + TRANSLATION % ("", "", "masquerade fully-random")
        case Nat.FULL_CONE:
            return firewall + TRANSLATION % (REMEMBER, LET_ALL_IN, "masquerade")
        case Nat.RESTRICTED:
            return firewall + TRANSLATION % (REMEMBER, LET_CONTACTED_IN, "masquerade")


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
