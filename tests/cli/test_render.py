"""What people see, as golden text, and that nobody's name can steer their terminal."""

import unicodedata
from dataclasses import replace
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli import doctor, render
from app.cli.outcome import CommandError, ExitCode, show_error
from app.engine.state import (
    ChatMessage,
    ChatStatus,
    EngineState,
    Finding,
    MappingProtocol,
    MappingStatus,
    PathKind,
    PortMappingView,
    Problem,
    RoundTrip,
)
from tests.cli.views import FAMILY, GAME_NIGHT, HIRO, PEERS, STATE


def block(text: str) -> str:
    return dedent(text).strip("\n")


def test_status() -> None:
    assert render.status(STATE, "0.1.0", 4242) == block(
        """
        version      Buri 0.1.0, process 4242
        status       online
        server       buri.example.org:12975  (Home)
        fingerprint  SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8
        address      10.73.0.5  fd62:7572:6900::a49:5
        nickname     uma
        adapter      buri0, UDP port 40123, IPv6 too
        networks     3, online in 1
        peers        5: 1 direct, 1 relayed, 1 no path found, 1 key changed, 1 offline

        ! The pool overlaps a network of this computer.
          10.73.0.0/16 is also reached through wlan0.
          Ask the server's operator for another pool.
        """
    )


def test_status_before_anything_is_set() -> None:
    assert render.status(EngineState(), "0.1.0", 1) == block(
        """
        version   Buri 0.1.0, process 1
        status    logged out
        server    none; name it with `buri up --server` or an invite
        address   none yet
        adapter   the helper does not run
        networks  0
        peers     0
        """
    )


def test_status_tells_the_port_that_the_router_opened() -> None:
    mapping = PortMappingView(MappingStatus.MAPPED, MappingProtocol.PCP, "192.168.1.1", "203.0.113.9:40123")
    text = render.status(EngineState(port_mapping=mapping), "0.1.0", 1)
    assert "open port  203.0.113.9:40123, by PCP" in text


def test_list() -> None:
    lines = [
        " * [0123-456-789]  Game night  members: 6/32, owner: Hiro P. (10.73.0.2), password",
        "     x 10.73.0.30   amy             no path found",
        "     * 10.73.0.2    hiro (Hiro P.)  direct          12.3 ms  203.0.113.5:17771",
        "     ! 10.73.200.7  ken\\x1b[2J      key changed              see `buri peer 10.73.200.7`",
        "     * 10.73.0.19   鰤子            relayed          101 ms  relay 198.51.100.1:12975",
        "       10.73.1.4    grandma         offline",
        "   [0000-000-007]  Family      members: 1, yours, locked, manual approval",
        "     ? 10.73.9.9    who             asks to join",
        " ? [0000-000-008]  Work        owner: 10.73.0.8, manual approval, waits for approval",
    ]
    assert render.network_list(STATE.networks, PEERS).splitlines() == lines


def test_an_empty_list_says_what_to_do() -> None:
    assert "buri create" in render.network_list((), ())


def test_one_network() -> None:
    assert render.network_details(FAMILY, PEERS) == block(
        """
        name        Family
        number      0000-000-007
        status      offline
        owner       this computer (10.73.0.5)
        members     1
        waiting     1
        password    no
        access      locked, manual approval
        protection  none: whoever the server lists is a member

          ? 10.73.9.9  who  asks to join
        """
    )


def test_one_peer() -> None:
    assert render.peer_details(HIRO, (GAME_NIGHT, FAMILY), now=1_000.0) == block(
        """
        nickname     hiro
        alias        Hiro P.
        address      10.73.0.2  fd62:7572:6900::a49:2
        status       direct
        path         203.0.113.5:17771  12.3 ms
        suite        2
        traffic      1.2 MB sent, 999 bytes received
        last heard   10 seconds ago
        networks     Game night
        fingerprint  SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8
        verified     no; compare with `buri verify`
        """
    )


def test_a_peer_over_a_stream_shows_the_relay_and_the_way_to_it() -> None:
    relay, route = "198.51.100.1:12975", "WebSocket through the proxy 10.1.1.1:3128"
    peer = replace(PEERS[1], path=PathKind.STREAM_RELAY, endpoint=relay, relay=relay, route=route)
    way = f"relay {relay}, by {route}"
    assert f" 101 ms  {way}" in render.network_list((GAME_NIGHT,), [peer])
    assert f"  {way}  101 ms" in render.peer_details(peer, (), now=1_000.0)


def test_ping() -> None:
    answers = [
        RoundTrip(1, 56, 0.00214, PathKind.DIRECT, "203.0.113.5:17771"),
        RoundTrip(2, 56, None),
        RoundTrip(3, 56, 0.00414, PathKind.RELAY, "198.51.100.1:12975"),
    ]
    assert [render.round_trip(answer, "hiro") for answer in answers] == [
        "56 bytes from hiro: number 1  2.14 ms  direct 203.0.113.5:17771",
        "no answer from hiro: number 2",
        "56 bytes from hiro: number 3  4.14 ms  relay 198.51.100.1:12975",
    ]
    summary = "hiro: 3 sent, 2 answered, 33 % lost; least 2.14 ms, mean 3.14 ms, most 4.14 ms"
    assert render.ping_summary(answers, "hiro") == summary
    assert render.ping_summary(answers[1:2], "hiro") == "hiro: 1 sent, 0 answered, 100 % lost"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (ChatStatus.RECEIVED, "20:15  hiro: shall we?\n       at nine"),
        (ChatStatus.DELIVERED, "20:15  me: shall we?\n       at nine"),
        (ChatStatus.QUEUED, "20:15  me: shall we?\n       at nine  (waiting)"),
        (ChatStatus.FAILED, "20:15  me: shall we?\n       at nine  (not delivered)"),
    ],
)
def test_chat(status: ChatStatus, line: str) -> None:
    assert render.chat_line(ChatMessage(1, "10.73.0.2", "shall we?\nat nine", 0.0, status), "hiro", "20:15") == line


def test_chat_with_a_network_says_how_many_have_it() -> None:
    message = ChatMessage(1, "", "shall we?", 0.0, ChatStatus.SENT, network=7, recipients=3, delivered=1)
    assert render.chat_line(message, "", "20:15") == "20:15  me: shall we?  (sent, 1 of 3 have it)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.000_07, "0.07 ms"), (0.012_34, "12.3 ms"), (0.101_4, "101 ms"), (2.5, "2500 ms")],
)
def test_latency_has_three_digits(seconds: float | None, text: str) -> None:
    assert render.milliseconds(seconds) == text


@pytest.mark.parametrize(
    ("then", "text"),
    [(None, "never"), (1_000.0, "now"), (999.0, "1 second ago"), (1_001.0, "now"), (-6_200.0, "2 hours ago")],
)
def test_times_are_told_in_the_largest_unit(then: float | None, text: str) -> None:
    assert render.ago(then, 1_000.0) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (5 * 10**13, "50.0 TB")]
)
def test_byte_counts(count: int, text: str) -> None:
    assert render.byte_count(count) == text


@given(st.text())
def test_no_text_can_steer_a_terminal(text: str) -> None:
    shown = render.printable(text)
    assert all(unicodedata.category(character)[0] != "C" for character in shown)


@given(st.lists(st.lists(st.sampled_from(["", "a", "鰤子", "e\u0301", "long words"]), max_size=4), max_size=5))
def test_columns_stay_aligned_whatever_stands_in_them(rows: list[list[str]]) -> None:
    lines = render.table([[*row, *[""] * (4 - len(row)), "|"] for row in rows])
    assert len({render.width(line) for line in lines}) <= 1


def test_what_a_lying_server_calls_people_stays_text_in_errors_and_findings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "ben\x1b[2J\u202e\r"
    problem = Problem("peer-unproven", "Title.", f"{name} is a stranger.", f"See `buri peer {name}`.")
    finding = Finding(f"peer {name}", False, problem.message, problem.remedy)
    show_error(CommandError(ExitCode.FAILED, "code", "Title.", problem.message, "one\ntwo"), as_json=False)
    shown = capsys.readouterr().err
    assert shown.splitlines()[-2:] == ["one", "two"]
    for text in (shown, "\n".join(render.problem_lines(problem)), doctor.text([finding])):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\r" not in text
