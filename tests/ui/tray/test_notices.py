"""What a person is told, and what not: the decisions over time, without a clock and without a window."""

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.engine.state import (
    ChatMessage,
    ChatStatus,
    Conversation,
    EngineState,
    MemberStatus,
    PeerStatus,
    PeerView,
    ServerStatus,
)
from app.ui.tray import notices
from app.ui.tray.notices import (
    EVERY,
    HELD_OFFLINE,
    HELD_ONLINE,
    LOST_FOR,
    MOST,
    SETTLING,
    JoinRequest,
    Kind,
    Notice,
    Notices,
)
from tests.ui.samples import FAMILY, SERVER, crowd, lively, network, peer, waiting

BEN, LENA, ROSA, TOM = (f"10.73.0.{number}" for number in (3, 4, 5, 6))


class Day:
    """What happens one after the other, and what was told of it."""

    def __init__(self) -> None:
        self.notices = Notices()
        self.now = 0.0
        self.state = EngineState(power=True, server=SERVER)
        self.told: list[tuple[float, Notice]] = []

    def see(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        self.notices.see_state(self.state, self.now)
        self._collect()

    def server(self, status: ServerStatus) -> None:
        self.see(server=replace(SERVER, status=status))

    def hear(self, message: ChatMessage) -> None:
        self.notices.see_message(message)
        self._collect()

    def wait(self, seconds: float) -> None:
        """Let time go by; the machine is asked when it wants to be."""
        end = self.now + seconds
        while (deadline := self.notices.deadline(self.now)) is not None and deadline <= end:
            self.now = deadline
            self._collect()
        self.now = end

    def _collect(self) -> None:
        self.told += [(self.now, notice) for notice in self.notices.due(self.now)]

    @property
    def kinds(self) -> list[Kind]:
        return [notice.kind for _, notice in self.told]

    @property
    def last(self) -> Notice:
        return self.told[-1][1]


def friends(*online: str) -> tuple[PeerView, ...]:
    """Ben, Lena, Rosa and Tom; those are online."""
    names = {BEN: "Ben", LENA: "Lena", ROSA: "Rosa", TOM: "Tom"}
    return tuple(
        peer(int(address.split(".")[-1]), name, PeerStatus.DIRECT if address in online else PeerStatus.OFFLINE)
        for address, name in names.items()
    )


def settled(*online: str) -> Day:
    """Logged in for a while."""
    day = Day()
    day.see(peers=friends(*online))
    day.wait(SETTLING + 1)
    day.see(peers=friends(*online))
    assert day.told == []
    return day


def message(number: int, text: str = "hello", who: str = BEN, network_id: int = 0) -> ChatMessage:
    return ChatMessage(number, who, text, 0.0, ChatStatus.RECEIVED, network_id)


def test_a_friend_who_comes_online_is_told_once() -> None:
    day = settled()
    day.see(peers=friends(BEN))
    day.wait(HELD_ONLINE)
    day.see(peers=friends(BEN))
    day.wait(600)
    assert day.told == [(SETTLING + 1 + HELD_ONLINE, Notice(Kind.ONLINE, (BEN,)))]


def test_whoever_is_there_at_login_is_no_news() -> None:
    day = Day()
    day.see()
    day.wait(1)
    day.see(peers=friends(BEN))
    day.wait(1)
    day.see(peers=friends(BEN, LENA, TOM))
    day.wait(600)
    assert day.told == []


def test_several_at_once_are_one_notice() -> None:
    day = settled()
    day.see(peers=friends(BEN))
    day.wait(0.5)
    day.see(peers=friends(BEN, LENA, ROSA, TOM))
    day.wait(600)
    assert day.told == [(day.told[0][0], Notice(Kind.ONLINE, (BEN, LENA, ROSA, TOM)))]


def test_a_peer_that_drops_and_returns_is_no_news() -> None:
    day = settled(BEN)
    for _ in range(20):
        day.see(peers=friends())
        day.wait(HELD_OFFLINE - 1)
        day.see(peers=friends(BEN))
        day.wait(HELD_ONLINE + 1)
    assert day.told == []


def test_a_tunnel_that_is_made_anew_is_no_news() -> None:
    day = settled(BEN)
    ben, *others = friends(BEN)
    day.see(peers=(replace(ben, status=PeerStatus.CONNECTING), *others))
    day.wait(600)
    assert day.told == []


def test_who_went_is_told_after_a_while() -> None:
    day = settled(BEN, LENA)
    day.see(peers=friends(LENA))
    day.wait(HELD_OFFLINE)
    assert day.last == Notice(Kind.OFFLINE, (BEN,))


def test_nothing_is_told_of_somebody_blocked() -> None:
    day = settled(BEN)
    ben, *others = friends()
    day.see(peers=(ben, *others))
    day.see(peers=(replace(ben, status=PeerStatus.BLOCKED), *others))
    day.wait(600)
    assert day.told == []


def test_the_server_is_lost_and_comes_back() -> None:
    day = settled(BEN)
    day.server(ServerStatus.WAITING)
    day.wait(LOST_FOR - 1)
    assert day.told == []
    day.server(ServerStatus.CONNECTING)
    day.wait(1)
    assert day.kinds == [Kind.SERVER_LOST]
    day.wait(60)
    day.server(ServerStatus.SYNCHRONISING)
    day.server(ServerStatus.ONLINE)
    assert day.kinds == [Kind.SERVER_LOST, Kind.SERVER_BACK]


def test_a_server_that_is_away_for_a_moment_is_no_news() -> None:
    day = settled(BEN)
    day.server(ServerStatus.WAITING)
    day.wait(LOST_FOR - 1)
    day.server(ServerStatus.ONLINE)
    day.wait(600)
    assert day.told == []


def test_switching_off_is_no_news() -> None:
    day = settled(BEN)
    day.see(power=False, server=replace(SERVER, status=ServerStatus.LOGGED_OUT), peers=friends())
    day.wait(600)
    assert day.told == []


def test_the_owner_hears_of_join_requests_once() -> None:
    day = settled()
    family = network(FAMILY, "Family")
    asked = replace(family, members=(*family.members, waiting(1, "Aunt Clara")))
    day.see(networks=(family,))
    day.see(networks=(asked,))
    day.see(networks=(asked,))
    day.wait(600)
    assert [notice for _, notice in day.told] == [
        Notice(Kind.JOIN_REQUEST, requests=(JoinRequest(FAMILY, "10.73.1.1"),))
    ]


def test_a_request_that_was_answered_meanwhile_is_not_told() -> None:
    day = settled()
    family = network(FAMILY, "Family")
    day.see(networks=(replace(family, members=(*family.members, waiting(1, "Clara"))),))
    both = replace(family, members=(*family.members, waiting(1, "Clara"), waiting(2, "Dora")))
    day.see(networks=(both,))  # told later, as one was told just now
    answered = replace(both, members=tuple(each for each in both.members if each.status is not MemberStatus.PENDING))
    day.see(networks=(answered,))
    day.wait(600)
    assert day.kinds == [Kind.JOIN_REQUEST]


def test_a_changed_key_is_told_at_once_even_at_login() -> None:
    day = Day()
    ben, *others = friends()
    mallory = replace(ben, status=PeerStatus.KEY_CHANGED, new_fingerprint="SHA256:other")
    day.see(peers=(mallory, *others))
    assert day.last == Notice(Kind.KEY_CHANGED, (BEN,))
    day.see(peers=(ben, *others))
    day.see(peers=(mallory, *others))
    day.wait(600)
    assert day.kinds == [Kind.KEY_CHANGED]


def test_the_first_message_is_told_at_once_and_more_together() -> None:
    day = settled(BEN)
    day.hear(message(1, "are you there?"))
    assert day.last == Notice(Kind.CHAT, conversation=Conversation(BEN), message=message(1, "are you there?"))
    for number in range(2, 6):
        day.hear(message(number))
    day.wait(600)
    assert len(day.told) == 2
    assert (day.last.count, day.last.conversation) == (4, Conversation(BEN))


def test_messages_of_several_conversations_are_counted_together() -> None:
    day = settled(BEN, LENA)
    day.hear(message(1))
    day.hear(message(2, who=LENA))
    day.hear(message(3, network_id=FAMILY))
    day.wait(600)
    assert (day.last.count, day.last.conversation) == (2, None)


def test_what_was_read_meanwhile_is_not_told() -> None:
    day = settled(BEN)
    day.hear(message(1))
    day.hear(message(2))
    day.see(peers=friends(BEN))  # with nothing unread
    day.wait(600)
    assert len(day.told) == 1


def test_own_messages_and_old_ones_are_no_news() -> None:
    day = settled(BEN)
    day.hear(ChatMessage(7, BEN, "mine", 0.0, ChatStatus.DELIVERED))
    day.hear(message(8))
    day.hear(message(8))
    day.hear(message(3))
    day.wait(600)
    assert len(day.told) == 1


def test_messages_of_another_account_are_news_whatever_their_numbers() -> None:
    day = settled(BEN)
    day.hear(message(7))
    day.see(power=False, server=replace(SERVER, status=ServerStatus.LOGGED_OUT))
    day.see(power=True, server=SERVER)
    day.wait(600)
    day.hear(message(1))
    assert day.kinds == [Kind.CHAT, Kind.CHAT]


def test_a_crowd_makes_few_notices() -> None:
    day = Day()
    everybody = crowd()
    gone = tuple(replace(each, status=PeerStatus.OFFLINE) for each in everybody.peers)
    day.see(peers=gone)
    day.wait(SETTLING + 1)
    day.see(peers=gone)
    for number in range(0, 500, 5):
        day.see(peers=(*everybody.peers[: number + 5], *gone[number + 5 :]))
        day.wait(0.1)
    day.wait(600)
    assert 1 <= len(day.told) <= 3
    assert sum(len(notice.peers) for _, notice in day.told) == 500


def test_every_kind_has_its_turn() -> None:
    assert sorted(notices.FIRST) == sorted(Kind)


def test_a_lively_state_at_start_tells_only_of_the_changed_key() -> None:
    day = Day()
    day.see(networks=lively().networks, peers=lively().peers)
    day.wait(600)
    assert day.kinds == [Kind.KEY_CHANGED]


HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("peers"), st.sets(st.sampled_from([BEN, LENA, ROSA, TOM]))),
        st.tuples(st.just("server"), st.sampled_from(sorted(ServerStatus))),
        st.tuples(st.just("message"), st.sampled_from([BEN, LENA, ROSA])),
        st.tuples(st.just("request"), st.integers(1, 9)),
        st.tuples(st.just("key"), st.integers(1, 9)),
        st.tuples(st.just("wait"), st.floats(0, 40)),
    ),
    max_size=120,
)


def happen(day: Day, kind: str, value: object, number: int) -> None:
    family = network(FAMILY, "Family")
    match kind, value:
        case "peers", set() as online:
            day.see(peers=friends(*online))
        case "server", ServerStatus() as status:
            day.server(status)
        case "message", str() as who:
            day.hear(message(number, who=who))
        case "request", int() as which:
            day.see(networks=(replace(family, members=(*family.members, waiting(which, "somebody"))),))
        case "key", int() as which:
            mallory = replace(friends()[0], status=PeerStatus.KEY_CHANGED, new_fingerprint=str(which))
            day.see(peers=(mallory, *friends()[1:]))
        case "wait", float() as seconds:
            day.wait(seconds)


@given(HAPPENINGS)
def test_never_more_than_so_many_in_a_minute(happenings: list[tuple[str, object]]) -> None:
    day = Day()
    for number, (kind, value) in enumerate(happenings):
        happen(day, kind, value, number)
    day.wait(600)
    times = [when for when, _ in day.told]
    assert all(later >= earlier + EVERY for earlier, later in zip(times, times[MOST:], strict=False))
    assert day.notices.deadline(day.now) is None, "everything was told or has become untrue"


@given(HAPPENINGS)
def test_what_is_told_of_presence_alternates(happenings: list[tuple[str, object]]) -> None:
    day = Day()
    for number, (kind, value) in enumerate(happenings):
        happen(day, kind, value, number)
    for address in (BEN, LENA, ROSA, TOM):
        told = [
            notice.kind for _, notice in day.told if address in notice.peers and notice.kind is not Kind.KEY_CHANGED
        ]
        if all(kind not in ("server", "key") for kind, _ in happenings):
            assert all(one is not other for one, other in itertools.pairwise(told))
