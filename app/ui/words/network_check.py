"""What the network check says, as pure words: a verdict, a line for each thing that was looked at, and the relays.

Plain words come first; the terms of RFC 4787 and RFC 5780 stand behind them, for whoever knows routers. Shown by
dialogs/network_check.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.engine.netcheck_state import (
    FilteringBehaviour,
    Grade,
    MappingBehaviour,
    Netcheck,
    ProxyView,
    RelayView,
    RouterView,
    RouteView,
)
from app.engine.state import MappingStatus, PortMappingView
from app.ui.words.statuses import latency
from app.ui.words.translations import _, said, translated


class Mark(StrEnum):
    """How a line is meant; each is drawn as a sign of its own."""

    WELL = "well"
    NOTED = "noted"
    """So it is; nothing is wrong with it."""
    LIMITED = "limited"
    """It makes direct connections rarer or slower."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    mark: Mark
    name: str
    text: str
    term: str = ""
    """The same in the terms of the field."""


@dataclass(frozen=True, slots=True)
class RelayLine:
    """How far away a relay is."""

    name: str
    words: str
    seconds: float | None
    """None: it did not answer."""


@dataclass(frozen=True, slots=True)
class Told:
    """All that the window says."""

    mark: Mark
    title: str
    message: str
    remedy: str
    lines: tuple[Line, ...] = ()
    relays: tuple[RelayLine, ...] = ()


MARKS: Final = {
    Grade.OPEN: Mark.WELL,
    Grade.DIRECT: Mark.WELL,
    Grade.HARD: Mark.LIMITED,
    Grade.RELAYED: Mark.LIMITED,
    Grade.NOTHING: Mark.WRONG,
}


def told(found: Netcheck) -> Told:
    """What was found, in the chosen language."""
    verdict = translated(found.verdict)
    return Told(
        MARKS[found.grade],
        verdict.title,
        verdict.message,
        verdict.remedy,
        tuple(_lines(found)),
        tuple(_relay(each) for each in found.relays),
    )


def _lines(found: Netcheck) -> Iterator[Line]:
    yield _udp(found.routers)
    for router in found.routers:
        yield _ipv6(router) if router.family == "IPv6" else _router(router)
    yield _port_mapping(found.port_mapping)
    yield _proxies(found.proxies)
    if found.routes:
        yield _routes(found.routes)
    if found.path_mtu is not None:
        text = _("Up to {count} bytes go through in one piece.").format(count=found.path_mtu)
        yield Line(Mark.NOTED, _("Packet size"), text, _("path MTU"))


def _udp(routers: tuple[RouterView, ...]) -> Line:
    families = [router.family for router in routers if router.udp]
    if not families:
        if all(router.udp is None for router in routers):
            return Line(Mark.NOTED, _("Internet over UDP"), _("That can't be told, as nobody could be asked."))
        text = _("No answer came. A firewall in this network probably drops it.")
        return Line(Mark.LIMITED, _("Internet over UDP"), text)
    text = _("It gets through, over {families}.").format(families=_(" and ").join(families))
    return Line(Mark.WELL, _("Internet over UDP"), text)


def _router(router: RouterView) -> Line:
    texts = {
        MappingBehaviour.NO_TRANSLATION: _("None is in between: the server sees this computer's own address."),
        MappingBehaviour.ENDPOINT_INDEPENDENT: _(
            "It shows this computer to everybody under the same address and port."
        ),
        MappingBehaviour.NOT_PORT_DEPENDENT: _(
            "It shows this computer to the server under one address and port, and so probably to everybody."
        ),
        MappingBehaviour.ADDRESS_DEPENDENT: _("It shows this computer to each destination under another port."),
        MappingBehaviour.PORT_DEPENDENT: _("It shows this computer to each destination under another port."),
        MappingBehaviour.UNKNOWN: _("What it does can't be told, as too little came back."),
    }
    mark = Mark.LIMITED if router.mapping.is_hard else Mark.WELL
    if router.mapping is MappingBehaviour.UNKNOWN:
        mark = Mark.NOTED
    text = texts[router.mapping]
    if router.outside and router.mapping is not MappingBehaviour.NO_TRANSLATION:
        text += "\n" + _("Seen from outside: {endpoints}").format(endpoints=", ".join(router.outside))
    return Line(mark, _("Your router"), text, " · ".join(_router_terms(router)))


def _router_terms(router: RouterView) -> Iterator[str]:
    """In the words of RFC 4787, which are not translated."""
    if router.mapping is not MappingBehaviour.UNKNOWN:
        yield str(router.mapping)
    if router.filtering is not FilteringBehaviour.UNKNOWN:
        yield str(router.filtering)
    if router.mapping is MappingBehaviour.NO_TRANSLATION:
        return
    if router.keeps_port is not None:
        yield "port preservation" if router.keeps_port else "no port preservation"
    if router.hairpin is not None:
        yield "hairpinning" if router.hairpin else "no hairpinning"


def _ipv6(router: RouterView) -> Line:
    if not router.has_address:
        return Line(Mark.NOTED, "IPv6", _("There is none in this network. That is usual."))
    if router.udp is None:
        return Line(Mark.NOTED, "IPv6", _("This computer has an address, but the server has none to try it with."))
    if not router.udp:
        return Line(Mark.NOTED, "IPv6", _("This computer has an address, but no answer came over UDP."))
    text = _("It works: {endpoints}").format(endpoints=", ".join(router.outside))
    return Line(Mark.WELL, "IPv6", text, " · ".join(_router_terms(router)))


def open_port(mapping: PortMappingView) -> str:
    """What became of asking the router for an open port."""
    texts = {
        MappingStatus.OFF: _("The router is not asked to open one. That is switched off in the preferences."),
        MappingStatus.ASKING: _("The router is just being asked to open one."),
        MappingStatus.MAPPED: _("The router opened one for this computer: {endpoint}").format(endpoint=mapping.outside),
        MappingStatus.BEHIND_ANOTHER: _(
            "The router opened one, but it stands behind another router of yours or your provider, which does not."
        ),
        MappingStatus.NONE: _("The router opens none by itself."),
    }
    return texts[mapping.status]


def _port_mapping(mapping: PortMappingView) -> Line:
    term = "PCP, NAT-PMP, UPnP" if mapping.protocol is None else str(mapping.protocol)
    if mapping.reason:
        term += f": {mapping.reason}"
    mark = Mark.WELL if mapping.status is MappingStatus.MAPPED else Mark.NOTED
    return Line(mark, _("Open port"), open_port(mapping), term)


def _proxies(proxies: tuple[ProxyView, ...]) -> Line:
    texts = {
        "settings": _("{place}, from Buri's preferences"),
        "environment or system": _("{place}, from the environment or the system's settings"),
        "automatic configuration": _("{place}, by automatic configuration"),
    }
    lines = [texts.get(each.source, "{place}").format(place=each.place) for each in proxies]
    return Line(Mark.NOTED, _("Proxy"), "\n".join(lines) or _("None is set."))


def _routes(routes: tuple[RouteView, ...]) -> Line:
    works = any(each.works for each in routes)
    return Line(Mark.WELL if works else Mark.WRONG, _("Ways to the server"), "\n".join(map(_route, routes)))


def _route(route: RouteView) -> str:
    if route.works:
        result = latency(route.seconds) or _("works")
    else:
        result = _("no answer") if route.problem is None else translated(route.problem).title.rstrip(".")
    return f"{said(route.name)}: {result}"


def _relay(relay: RelayView) -> RelayLine:
    if relay.udp is not None:
        return RelayLine(relay.place, latency(relay.udp), relay.udp)
    if relay.stream is not None:
        return RelayLine(relay.place, _("{time} over TCP").format(time=latency(relay.stream)), relay.stream)
    words = _("no answer") if relay.stream_tried else _("no answer over UDP, not tried over TCP")
    return RelayLine(relay.place, words, None)


def as_text(told: Told) -> str:
    """The same as plain text, for a mail or a question."""
    return "\n".join(_text_lines(told)) + "\n"


def _text_lines(told: Told) -> Iterator[str]:
    yield from (part for part in (told.title, told.message, told.remedy) if part)
    yield ""
    rows = [(line.name, [*line.text.split("\n"), *([line.term] if line.term else [])]) for line in told.lines]
    rows.append((_("Relays"), [f"{each.name}: {each.words}" for each in told.relays]))
    width = max(len(name) for name, _words in rows)
    for name, words in rows:
        names = [name, *[""] * len(words)]
        yield from (f"{before:{width}}  {after}" for before, after in zip(names, words, strict=False))
