"""The report that people copy to strangers: all that helps, no secret, no names."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.base.logs import MAX_KEPT, set_up_logging
from app.engine.errors import engine_error, problem_of
from app.engine.netcheck_state import Grade, Netcheck
from app.engine.report import MAX_REPORT, Facts, write_report
from app.engine.state import (
    CandidateView,
    EngineState,
    MappingProtocol,
    MappingStatus,
    NetworkStatus,
    NetworkView,
    PeerDetails,
    PeerStatus,
    PeerView,
    PortMappingView,
    Protection,
    ServerView,
)
from app.protocol.network_secret import secret_to_invite
from app.protocol.wire import Endpoint
from tests.engine.world import World, meet, tell

HOST, OUTSIDE = Endpoint("192.168.1.2", 4_000), Endpoint("203.0.113.1", 4_000)
REFLECTOR = Endpoint("198.51.100.1", 12_975)


@pytest.fixture(autouse=True)
def the_test_runners_logging_comes_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def facts(*log: str) -> Facts:
    ben = PeerView("10.0.0.2", "", "Ben Müller", PeerStatus.UNPROVEN, alias="Benny", last_received=90.0)
    problem = problem_of(engine_error("peer-unproven", name="Benny", networks="Family, Games"))
    networks = tuple(
        NetworkView(n, str(n), name, "10.0.0.1", True, NetworkStatus.ONLINE, False, False, 0, Protection.PROVED, True)
        for n, name in enumerate(("Family", "Games"), 7)
    )
    server = ServerView(host="home.example", port=12_975, nickname="Anna", name="Home", pool="10.0.0.0/16")
    state = EngineState(server=server, networks=networks, peers=(ben,), problems=(problem,))
    ways = (
        CandidateView("198.51.100.77:5", "reflexive", "failed"),
        CandidateView("[2001:db8:1::7]:5", "host", "failed"),
    )
    return Facts(100.0, state, "SHA256:me", {REFLECTOR: OUTSIDE}, [HOST], [PeerDetails(ben, "", 0, ways)], log)


def test_the_open_port_and_the_network_check_are_told() -> None:
    opened = PortMappingView(MappingStatus.MAPPED, MappingProtocol.UPNP, "192.168.1.1", "203.0.113.77:4000")
    verdict = problem_of(engine_error("netcheck-open", outside=opened.outside))
    known = facts()
    report = write_report(
        replace(known, state=replace(known.state, port_mapping=opened), check=Netcheck(Grade.OPEN, verdict, opened))
    )
    assert "203.0.113.77:4000  mapped, by UPnP" in report
    assert "[network check]\nopen: Direct connections work with everybody." in report
    assert "port mapping: 203.0.113.77:4000 by UPnP at 192.168.1.1 (mapped)" in report


def test_names_are_numbers_and_addresses_of_others_are_short() -> None:
    report = write_report(
        facts(
            "Benny wrote from 198.51.100.77",
            "told in the network Family again",
            f"{Path.home()}/settings.json",
            "10.0.0.2 is up",
        )
    )
    for private in (
        "Ben Müller",
        "Benny",
        "Family",
        "Games",
        "Anna",
        "198.51.100.77",
        "2001:db8:1::7",
        str(Path.home()),
    ):
        assert private not in report
    for told in (
        *("peer 1  10.0.0.2  unproven, heard 10 s ago", "peer 1 does not know the secret of network 1, network 2"),
        *(
            "198.51.x.x:5  reflexive  failed",
            "[2001:0db8::x]:5",
            "203.0.113.1:4000  reflexive",
            "192.168.1.2:4000  host",
        ),
        *("peer 1 wrote from 198.51.x.x", "told in the network 1 again", "~/settings.json", "10.0.0.2 is up"),
        *("home.example:12975", "SHA256:me", "mapping behaviour unknown"),
    ):
        assert told in report


def test_a_finding_names_a_network_or_a_peer_once() -> None:
    report = write_report(facts())
    assert "well  network 1: Members prove its secret" in report
    assert "BAD   peer 1: " in report
    assert "network network" not in report
    assert "peer peer" not in report


def nicknamed(nickname: str, *log: str) -> str:
    """The log at the end of a report of somebody who has one peer."""
    peer = PeerView("10.0.0.2", "", nickname, PeerStatus.DIRECT)
    report = write_report(Facts(100.0, EngineState(peers=(peer,)), "SHA256:me", {}, [], [], log))
    return report.partition("[log]\n")[2].rstrip("\n")


@pytest.mark.parametrize(
    ("nickname", "line", "told"),
    [
        ("Jo", "Jo wrote to Joan", "peer 1 wrote to Joan"),
        ("Jo", "peer Jo: no path", "peer 1: no path"),
        ("jo", "name='jo', sent.", "name='peer 1', sent."),
        ("李", "said 李.", "said peer 1."),
        ("db", "2001:db::1 in /db/db.py, db-wal", "2001:00db::x in /db/db.py, db-wal"),
        ("to", "on the way to Ben", "on the way to Ben"),
        ("42", "42 packets", "42 packets"),
        ("🦊", "from 🦊", "from peer 1"),
        ("--", "buri --home", "buri --home"),
    ],
)
def test_a_short_name_is_hidden_where_it_is_a_word_of_its_own(nickname: str, line: str, told: str) -> None:
    assert nicknamed(nickname, line) == told


def test_the_newest_lines_of_a_long_log_are_kept() -> None:
    report = write_report(facts(*(f"line {number} {'x' * 900}" for number in range(MAX_KEPT)), "the last line"))
    assert len(report) <= MAX_REPORT
    assert report.endswith("the last line\n")
    assert "line 0 " not in report


def test_a_log_line_can_not_steer_a_terminal_or_a_reader() -> None:
    report = write_report(facts("a\x1b[2Jb\u202ec"))
    assert "\x1b" not in report
    assert "\u202e" not in report


def test_an_engine_without_a_server_or_peers_has_a_report_too() -> None:
    report = write_report(Facts(0.0, EngineState(), "SHA256:me", {}, [], [], []))
    assert "[peers]\nnone" in report
    assert report.endswith("[log]\nnothing\n")


def test_secrets_that_lie_everywhere_are_not_in_the_report(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        set_up_logging("error")
        anna, ben, family = await meet(world, password="correct horse battery")
        closed = await anna.engine.create_network("closed circle", invite_only=True)
        link = await anna.engine.invite(closed)
        await anna.engine.send_chat(ben.address, "the treasure lies under the oak")
        key = anna.identity.to_pem(None).decode()
        logger = logging.getLogger("app.engine.engine")
        logger.error("joined with password=%r by %s", "correct horse battery", link)
        logger.error("%s", key)
        logger.error("%s", anna.identity.to_compact())
        report = await anna.engine.report()
        secrets = [anna.engine._networks.joined[each].secret for each in (family, closed)]
        for secret in secrets:
            assert secret is not None
            for form in (secret.hex(), secret_to_invite(secret), repr(secret)):
                assert form not in report
        for word in ("correct horse", "treasure", link, key.splitlines()[1], anna.identity.to_compact()[3:60]):
            assert word not in report
        for name in ("closed circle", "family", "anna", "ben"):
            assert name not in report.replace("benchmark", "")
        assert anna.identity.public.fingerprint_text in report
        assert f"{ben.state.server.address}  direct, X25519MLKEM768-AES256GCM-SHA256" in report
        assert "joined with password=[hidden]" in report

    tell(tmp_path, story)
