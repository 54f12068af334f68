"""What the roster shows of a snapshot, and in which order."""

from dataclasses import replace

from app.engine.state import EngineState, MemberStatus, NetworkStatus, PeerStatus, Protection
from app.ui.roster.row_words import member_line
from app.ui.roster.rows import Group, MemberRow, Roster
from tests.ui import samples


def group(state: EngineState, name: str, **choices: object) -> Group:
    groups = Roster().arrange(state, **choices)  # type: ignore[arg-type]
    return next(each for each in groups if each.network.name == name)


def names(state: EngineState, network: str, **choices: object) -> list[str]:
    return [row.name for row in group(state, network, **choices).members]


def member(state: EngineState, network: str, name: str) -> MemberRow:
    return next(row for row in group(state, network).members if row.name == name)


def with_names(*nicknames: str) -> EngineState:
    peers = tuple(samples.peer(20 + number, name) for number, name in enumerate(nicknames))
    network = replace(samples.network(samples.FAMILY, "Family"), members=tuple(samples.member(each) for each in peers))
    return EngineState(power=True, server=samples.SERVER, networks=(network,), peers=peers)


def test_who_waits_comes_first_then_who_is_there_then_the_others_by_name() -> None:
    assert names(samples.lively(), "Family") == ["Aunt Clara", "Ben", "Grandma Rosa", "Lena", "Uncle Tom"]


def test_names_are_in_the_order_of_people_not_of_computers() -> None:
    assert names(with_names("pc 10", "Zoë", "PC 9", "émile", "anna", "Eve"), "Family") == [
        "anna",
        "émile",
        "Eve",
        "PC 9",
        "pc 10",
        "Zoë",
    ]


def test_networks_in_which_one_is_offline_come_after_the_others() -> None:
    networks = [each.network.name for each in Roster().arrange(samples.lively())]
    assert networks == ["Family", "Friday Minecraft", "Workshop", "LAN party 2026", "Chess club"]


def test_the_headline_counts_the_others_and_not_those_who_wait() -> None:
    family = group(samples.lively(), "Family").network
    assert (family.online, family.others, family.waiting) == (3, 4, 1)


def test_the_own_computer_is_no_contact() -> None:
    assert all(
        row.address != samples.OWN_ADDRESS for each in Roster().arrange(samples.lively()) for row in each.members
    )


def test_a_peer_in_two_networks_is_in_both() -> None:
    assert "Ben" in names(samples.lively(), "Family")
    assert "Ben" in names(samples.lively(), "Friday Minecraft")


def test_a_peer_who_went_offline_in_one_network_is_so_only_there() -> None:
    state = samples.lively()
    ben = replace(state.peers[0], proven=(samples.FAMILY,))
    networks = tuple(
        replace(each, members=tuple(replace(line, status=MemberStatus.OFFLINE) for line in each.members))
        if each.id == samples.MINECRAFT
        else each
        for each in state.networks
    )
    state = replace(state, networks=networks, peers=(ben, *state.peers[1:]))
    assert member(state, "Friday Minecraft", "Ben").status is PeerStatus.OFFLINE
    assert member(state, "Family", "Ben").status is PeerStatus.DIRECT


def test_a_tunnel_is_believed_more_than_the_server() -> None:
    state = samples.lively()
    networks = tuple(
        replace(each, members=tuple(replace(line, status=MemberStatus.OFFLINE) for line in each.members))
        for each in state.networks
    )
    assert member(replace(state, networks=networks), "Family", "Ben").status is PeerStatus.DIRECT


def test_in_a_network_where_one_is_offline_nobody_is_online() -> None:
    state = samples.lively()
    networks = (replace(state.networks[0], status=NetworkStatus.OFFLINE), *state.networks[1:])
    assert group(replace(state, networks=networks), "Family").network.online == 0


def test_a_search_finds_people_by_name_alias_nickname_and_address() -> None:
    state = samples.lively()
    for text in ("ros", "GRANDMA", "10.73.0.4", "fd62:7572:6900::a49:4"):
        assert names(state, "Family", search=text) == ["Grandma Rosa"]
    assert names(state, "Family", search="lena-laptop") == ["Lena"]
    assert names(state, "Family", search="  Lena ") == ["Lena"]


def test_a_search_finds_networks_with_all_their_members() -> None:
    found = Roster().arrange(samples.lively(), "minecraft")
    assert [each.network.name for each in found] == ["Friday Minecraft"]
    assert len(found[0].members) == 7


def test_a_search_finds_no_network_in_the_middle_of_a_word() -> None:
    found = Roster().arrange(samples.lively(), "mi")
    assert [each.network.name for each in found] == ["Friday Minecraft"]  # and not Family


def test_a_search_finds_those_who_are_hidden() -> None:
    assert names(samples.lively(), "Family", search="tom", hide_offline=True) == ["Uncle Tom"]


def test_hiding_leaves_those_who_wait_and_those_who_wrote() -> None:
    state = samples.lively()
    assert names(state, "Family", hide_offline=True) == ["Aunt Clara", "Ben", "Grandma Rosa", "Lena"]
    wrote = tuple(replace(each, unread=1) if each.nickname == "Uncle Tom" else each for each in state.peers)
    assert "Uncle Tom" in names(replace(state, peers=wrote), "Family", hide_offline=True)


def test_what_did_not_change_is_the_same_object() -> None:
    roster, state = Roster(), samples.lively()
    before = roster.arrange(state)
    chatty = tuple(replace(each, sent_bytes=1) if each.nickname == "Uncle Tom" else each for each in state.peers)
    after = roster.arrange(replace(state, peers=chatty))
    assert after[0] == before[0]
    assert after[0].members[1] is before[0].members[1]
    assert after[2] is before[2]


def test_a_network_that_lost_its_secret_says_so() -> None:
    state = samples.lively()
    networks = (replace(state.networks[0], protection=Protection.MISSING), *state.networks[1:])
    assert group(replace(state, networks=networks), "Family").network.protection is Protection.MISSING


def test_a_peer_that_proved_another_network_only_is_not_proven_here() -> None:
    state = samples.lively()
    ben = replace(
        state.peers[0],
        proven=(samples.FAMILY,),
        problem=samples.problem("peer-unproven", name="Ben", networks="Friday Minecraft"),
    )
    state = replace(state, peers=(ben, *state.peers[1:]))
    assert member(state, "Friday Minecraft", "Ben").status is PeerStatus.UNPROVEN
    assert member(state, "Family", "Ben").status is PeerStatus.DIRECT


def test_nobody_is_connecting_while_the_helper_does_not_run() -> None:
    roster = Roster()
    missing = samples.helper_missing()
    rows = roster.arrange(missing)[0].members
    assert {row.status for row in rows} == {PeerStatus.CONNECTING}
    assert not any(row.is_connecting for row in rows)
    assert {member_line(row) for row in rows} == {"waiting for the helper"}
    rows = roster.arrange(replace(missing, helper=samples.HELPER))[0].members
    assert all(row.is_connecting for row in rows)
