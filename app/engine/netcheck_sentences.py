"""What the network check says in plain words, keyed by code: its verdicts. Part of the table of engine/errors.py."""

from typing import Final

from app.engine.sentences import ExitKind, Sentences

_NO_ANSWER = ExitKind.NO_ANSWER
_OPEN_A_PORT = (
    "To be reached directly by all, turn on PCP, NAT-PMP or UPnP in the router, or let it forward UDP port {port} to "
    "this computer."
)
_HARD_TITLE = "Direct connections work with most people, and are relayed with some."
_HARD = (
    "The router here shows this computer to each destination under another port. With people behind an easier router "
    "a direct path takes some seconds to find; with people behind one of the same kind all is relayed."
)

NETCHECK_SENTENCES: Final = {
    "netcheck-open": Sentences(
        "Direct connections work with everybody.",
        "This computer can be reached from the internet as {outside}.",
        "Nothing needs to be done.",
    ),
    "netcheck-direct": Sentences(
        "Direct connections work with nearly everybody.",
        "The router here shows this computer to all under one endpoint, {outside}. With the few people whose routers "
        "are harder it may take some seconds, or be relayed.",
        "Nothing needs to be done.",
    ),
    "netcheck-hard": Sentences(_HARD_TITLE, _HARD, _OPEN_A_PORT),
    "netcheck-hard-here": Sentences(
        _HARD_TITLE, _HARD, "To be reached directly by all, turn on PCP, NAT-PMP or UPnP in the router."
    ),
    "netcheck-hard-not-asked": Sentences(
        _HARD_TITLE,
        _HARD,
        "To be reached directly by all, let Buri ask the router to open a port: `buri port-mapping on`.",
    ),
    "netcheck-one-reflector": Sentences(
        "Direct connections may work.",
        "UDP gets out, and {outside} is this computer's endpoint outside. Only one reflector answered, so it can't be "
        "told how the router here treats other destinations.",
        "Let UDP out to both of the server's ports, and check again.",
    ),
    "netcheck-inside": Sentences(
        "How others reach this computer can't be told from here.",
        "The server stands on this computer or beside it, so nothing answers from outside the router here. Most "
        "routers keep ports, and then direct connections work.",
        "To be sure, turn on PCP, NAT-PMP or UPnP in the router, or look at how friends elsewhere are reached.",
    ),
    "netcheck-relayed": Sentences(
        "All connections will be relayed over TCP.",
        "No answer came over UDP: the network here does not let it out. Over {route} the server is reached, so "
        "everything works, only slower.",
        "Ask whoever looks after this network to let UDP out to the server {server}, or to everywhere.",
    ),
    "netcheck-blocked": Sentences(
        "The server can't be reached from here.",
        "Neither UDP nor any kind of stream got through to {server}.",
        "Check the internet connection. In a company's network, ask for the address of its HTTP proxy and give it to "
        "Buri: `buri proxy set HOST:PORT`.",
        _NO_ANSWER,
    ),
    "netcheck-no-network": Sentences(
        "This computer is in no network.",
        "None of its network interfaces has an address.",
        "Connect it to a network, and check again.",
    ),
}
"""The verdicts of engine/netcheck.py."""
