"""What the roster's rows say: second lines, tooltips, and whole sentences for screen readers.

Names come from strangers: tooltips are HTML to Qt, so everything in them is escaped. Used by the roster's model and
its delegate.
"""

from collections.abc import Iterable, Mapping
from html import escape

from app.engine.state import NetworkStatus, PeerView, Protection
from app.ui.roster.rows import MemberRow, NetworkRow
from app.ui.words.statuses import explained, latency, peer_status, spoken_latency
from app.ui.words.times import clock
from app.ui.words.translations import _, ngettext


def network_line(row: NetworkRow) -> str:
    """The line under a network's name: first what is not as usual."""
    if row.status is NetworkStatus.PENDING:
        return _("waiting for the owner's approval")
    return " · ".join(_network_facts(row))


def _network_facts(row: NetworkRow) -> Iterable[str]:
    if row.status is NetworkStatus.OFFLINE:
        yield _("you are offline here")
    elif row.others == 0:
        yield _("only you so far")
    else:
        yield _("{online} of {others} online").format(online=row.online, others=row.others)
    if row.waiting:
        yield ngettext("{count} wants to join", "{count} want to join", row.waiting)
    if row.protection is Protection.MISSING:
        yield _("secret missing, join again")
    if row.protection is Protection.OPEN:
        yield _("open")
    if row.locked:
        yield _("locked")


def member_line(row: MemberRow) -> str:
    """The line under a member's name."""
    if row.waiting:
        return _("wants to join")
    time = latency(row.latency)
    status = peer_status(row.status, row.path, without_helper=row.without_helper)
    return f"{status} · {time}" if time else status


def badge(unread: int) -> str:
    """How many messages are unread, in three characters."""
    return "99+" if unread > 99 else str(unread)


def spoken_network(row: NetworkRow) -> str:
    """`Family, network, 2 of 4 online, your own, 5 unread messages`."""
    parts = [row.name, _("network"), network_line(row).replace(" · ", ", ")]
    if row.is_owner:
        parts.append(_("your own"))
    if row.has_password:
        parts.append(_("with a password"))
    if row.unread:
        parts.append(ngettext("one unread message", "{count} unread messages", row.unread))
    return ", ".join(parts)


def spoken_member(row: MemberRow) -> str:
    """`Ben, direct, 12 milliseconds, verified, 2 unread messages`."""
    status = peer_status(row.status, row.path, without_helper=row.without_helper)
    parts = [row.name, _("wants to join") if row.waiting else status.rstrip("…").rstrip()]
    if row.latency is not None:
        parts.append(spoken_latency(row.latency))
    if row.verified:
        parts.append(_("verified"))
    if row.is_owner:
        parts.append(_("owner of the network"))
    if row.unread:
        parts.append(ngettext("one unread message", "{count} unread messages", row.unread))
    return ", ".join(parts)


def tooltip(row: NetworkRow | MemberRow, networks: Mapping[int, str]) -> str:
    """Everything about a row that fits, as HTML; `networks` are the names of those that are known."""
    lines = _network_tooltip(row) if isinstance(row, NetworkRow) else _member_tooltip(row, networks)
    first, *rest = [escape(line) for line in lines if line]
    return "<div style='white-space: pre-wrap'><b>" + first + "</b><br>" + "<br>".join(rest) + "</div>"


def _network_tooltip(row: NetworkRow) -> Iterable[str]:
    yield row.name
    yield network_line(row)
    yield _protection(row)
    if row.locked:
        yield _("Locked: takes no new members.")
    if row.view.approval:
        yield _("The owner approves new members.")
    if row.is_owner:
        yield _("You own it.")
    yield _("Network id {label}").format(label=row.view.label)


def _protection(row: NetworkRow) -> str:
    if row.protection is Protection.MISSING:
        return _("It has a secret that this computer does not have. Join it again.")
    if row.protection is Protection.OPEN:
        return _("Open: whoever knows its name may join.")
    if row.has_password:
        return _("With a password; members prove to each other that they know it.")
    return _("By invite link; members prove to each other that they have it.")


def _member_tooltip(row: MemberRow, networks: Mapping[int, str]) -> Iterable[str]:
    yield row.name
    if row.name != row.member.nickname:
        yield _("Calls itself {name}").format(name=row.member.nickname)
    if row.waiting:
        yield _("Asks to be let into this network.")
        yield row.address
        return
    yield explained(row.status, row.path, without_helper=row.without_helper)
    peer = row.peer
    if peer is None:
        yield row.address
        return
    if row.status.has_tunnel:
        yield from _path(row, peer)
    yield _("Verified by its safety number.") if peer.verified else ""
    yield f"{peer.address}   {peer.address6}"
    shared = sorted(networks[each] for each in peer.networks if each in networks)
    if shared:
        yield _("Networks: {names}").format(names=", ".join(shared))


def _path(row: MemberRow, peer: PeerView) -> Iterable[str]:
    time = latency(row.latency)
    if peer.endpoint:
        place = _("Over {endpoint}").format(endpoint=peer.endpoint)
        yield f"{place} · {time}" if time else place
    if peer.keys_since is not None:
        yield _("Keys since {time}").format(time=clock(peer.keys_since))
