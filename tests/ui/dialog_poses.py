"""Dialogs about networks and peers, set up for their pictures: with sample people, or with real engines behind them."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.engine.state import (
    CandidateView,
    JoinResult,
    MemberView,
    NetworkView,
    PeerDetails,
    PeerView,
    Protection,
    Verification,
)
from app.protocol.invite import Invite, format_invite
from app.protocol.wire import NetworkId
from app.ui.dialogs.approvals import Approvals
from app.ui.dialogs.invite import InviteDialog
from app.ui.dialogs.networks import CreateNetwork, DeleteNetwork, JoinNetwork, LeaveNetwork, SetAccess, SetPassword
from app.ui.dialogs.peer_details import PeerDetailsWindow
from app.ui.dialogs.peers import AcceptKey, EvictMember, SetAlias, VerifyPeer
from app.ui.look.widgets import problem_named
from app.ui.preference_pages.commands import CustomCommandsPage, examples
from tests.ui import samples
from tests.ui.hands import is_busy
from tests.ui.world import until

if TYPE_CHECKING:
    from tests.ui.pictures import Studio

SECRET_LINK = format_invite(Invite("home.example", 12_975, bytes(range(32)), "Family", bytes(range(7, 39))))


def _network(number: int = samples.FAMILY) -> NetworkView:
    return next(each for each in samples.lively().networks if each.id == number)


def _peer(status: str = "direct") -> PeerView:
    return next(each for each in samples.lively().peers if each.status == status)


def _member() -> MemberView:
    return next(each for each in _network().members if not each.is_self)


async def create_network(studio: "Studio") -> QWidget:
    """A name and a password typed."""
    dialog = CreateNetwork(None, studio.desk.bridge)
    dialog.name.setText("Family")
    dialog.password.setText("correct horse battery")
    return dialog


async def create_network_refused(studio: "Studio") -> QWidget:
    """The name is taken."""
    dialog = CreateNetwork(None, studio.desk.bridge)
    dialog.by_invite.setChecked(True)
    dialog.name.setText("Family")
    dialog.show()
    dialog.show_problem(problem_named("refused-name-taken"))
    return dialog


async def join_network(studio: "Studio") -> QWidget:
    """Nothing typed yet."""
    return JoinNetwork(None, studio.desk.bridge)


async def join_by_link(studio: "Studio") -> QWidget:
    """A link that holds the secret."""
    return JoinNetwork(None, studio.desk.bridge, SECRET_LINK)


async def join_wrong_password(studio: "Studio") -> QWidget:
    """The password was wrong."""
    dialog = JoinNetwork(None, studio.desk.bridge, "Family")
    dialog.password.setText("correct hose battery")
    dialog.show()
    dialog.show_problem(problem_named("refused-wrong-password"))
    return dialog


async def join_pending(studio: "Studio") -> QWidget:
    """The owner must approve."""
    dialog = JoinNetwork(None, studio.desk.bridge, "Family")
    dialog.show()
    dialog._joined("Family", JoinResult(1, True))
    return dialog


async def invite_with_password(studio: "Studio") -> QWidget:
    """To a network with a password."""
    anna, _ = await studio.friends()
    dialog = InviteDialog(None, studio.desk.bridge, anna.state.networks[0])
    await until(lambda: bool(dialog.link.line.text()))
    return dialog


async def invite_with_secret(studio: "Studio") -> QWidget:
    """To a network that is joined by link only."""
    anna, _ = await studio.friends()
    number = await anna.engine.create_network("Chess club", invite_only=True)
    await until(lambda: any(each.id == number for each in studio.desk.bridge.state.networks))
    network = next(each for each in studio.desk.bridge.state.networks if each.id == NetworkId(number))
    dialog = InviteDialog(None, studio.desk.bridge, network)
    await until(lambda: bool(dialog.link.line.text()))
    return dialog


async def set_password(studio: "Studio") -> QWidget:
    """Change it."""
    return SetPassword(None, studio.desk.bridge, replace(_network(), has_password=True))


async def set_access(studio: "Studio") -> QWidget:
    """Lock, approval, limit."""
    return SetAccess(None, studio.desk.bridge, replace(_network(), approval=True))


async def leave_network(studio: "Studio") -> QWidget:
    """Ask before leaving."""
    return LeaveNetwork(None, studio.desk.bridge, replace(_network(), protection=Protection.PROVED))


async def delete_network(studio: "Studio") -> QWidget:
    """Ask before deleting."""
    return DeleteNetwork(None, studio.desk.bridge, _network())


async def evict_member(studio: "Studio") -> QWidget:
    """Ask before putting a member out."""
    return EvictMember(None, studio.desk.bridge, _network(), _member())


async def approvals(studio: "Studio") -> QWidget:
    """Three wait."""
    state = samples.lively()
    owned = tuple(
        replace(each, members=(*each.members, samples.waiting(201 + place, name)))
        for place, (each, name) in enumerate(zip(state.networks, ("Grandma's tablet", "Tom", "mia"), strict=False))
        if each.is_owner
    )
    studio.show(replace(state, networks=owned))
    return Approvals(None, studio.desk.bridge)


async def approvals_empty(studio: "Studio") -> QWidget:
    """Nobody waits."""
    return Approvals(None, studio.desk.bridge)


async def peer_details(studio: "Studio") -> QWidget:
    """With several ways that were tried."""
    studio.show(samples.lively())
    peer = replace(
        _peer(),
        keys_since=samples.NOON,
        last_received=samples.NOON + 98,
        sent_bytes=48_200_113,
        received_bytes=1_733_004_518,
    )
    dialog = PeerDetailsWindow(None, studio.desk.bridge, peer)
    dialog._clock.stop()
    ways = (
        CandidateView("192.168.178.23:41641", "host", "in use", 0.0004),
        CandidateView("[2001:db8::17]:41641", "host", "checked", 0.0021),
        CandidateView("203.0.113.77:41641", "reflexive", "failed"),
        CandidateView("home.example:12976", "relay", "checked", 0.0312),
    )
    dialog._show(PeerDetails(peer, "X25519 + ML-KEM-768, AES-256-GCM", 3, ways))
    return dialog


async def peer_details_relayed(studio: "Studio") -> QWidget:
    """Through a proxy to the relay."""
    peer = samples.over_stream(_peer())
    studio.show(replace(samples.lively(), peers=(peer,)))
    dialog = PeerDetailsWindow(None, studio.desk.bridge, peer)
    dialog._clock.stop()
    ways = (
        CandidateView("buri.example.org:12975", "stream-relay", "in use", 0.0734),
        CandidateView("203.0.113.77:41641", "reflexive", "failed"),
    )
    dialog._show(PeerDetails(peer, "X25519 + ML-KEM-768, AES-256-GCM", 0, ways))
    return dialog


async def verify_peer(studio: "Studio") -> QWidget:
    """Not yet verified."""
    anna, ben = await studio.friends()
    dialog = VerifyPeer(None, studio.desk.bridge, anna.peer(ben))
    await until(lambda: not is_busy(dialog))
    return dialog


async def verify_verified(studio: "Studio") -> QWidget:
    """Verified before."""
    dialog = VerifyPeer(None, studio.desk.bridge, _peer())
    dialog._forget_call()
    number = " ".join(f"{place * 7919 % 100_000:05}" for place in range(11, 23))
    dialog._show(Verification(_peer().address, number, "", "", True))
    return dialog


async def verify_differs(studio: "Studio") -> QWidget:
    """The numbers are not the same."""
    dialog = VerifyPeer(None, studio.desk.bridge, replace(_peer(), verified=False))
    dialog._forget_call()
    dialog.show()
    dialog._show(Verification(_peer().address, "", "", "", False))
    dialog._differ()
    return dialog


async def accept_key(studio: "Studio") -> QWidget:
    """Before the tick."""
    peer = replace(_peer(), new_fingerprint=samples.fingerprint("another"), verified=True)
    return AcceptKey(None, studio.desk.bridge, peer)


async def set_alias(studio: "Studio") -> QWidget:
    """An alias typed."""
    return SetAlias(None, studio.desk.bridge, replace(_peer(), alias="Big brother"))


async def custom_commands(studio: "Studio") -> QWidget:
    """All examples, one of them broken."""
    studio.desk.preferences.change(commands=examples())
    page = CustomCommandsPage(studio.desk.preferences)
    page.setContentsMargins(16, 16, 16, 16)
    page.list.setCurrentRow(1)
    page.line.setText("x-terminal-emulator -e 'ssh %A")
    page._edited()
    return page
