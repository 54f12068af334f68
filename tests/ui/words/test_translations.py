"""The language of the windows."""

from collections.abc import Iterator

import pytest

from app.engine.errors import engine_error, problem_of
from app.engine.state import PeerStatus, Problem
from app.ui.words.translations import _, choose_language, ngettext, translated


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    choose_language("en")


def test_english_needs_no_catalogue() -> None:
    choose_language("en_GB")
    assert _("Join") == "Join"
    assert ngettext("{count} member", "{count} members", 3) == "3 members"


def test_an_unknown_language_is_english() -> None:
    choose_language("../../etc/passwd")
    assert _("Join") == "Join"


def test_a_problem_is_said_in_the_windows_words() -> None:
    problem = problem_of(engine_error("identity-file-open-to-others", place="/home/anna/identity.pem", mode="644"))
    said = translated(problem)
    assert said.message == problem.message
    assert said.remedy == "Let nobody else read the file /home/anna/identity.pem, then try again."


def test_a_problem_that_nobody_knows_is_shown_as_it_is() -> None:
    problem = Problem("of-a-later-version", "Title.", "Message.", "Remedy.")
    assert translated(problem) == problem


def test_a_problem_without_its_details_is_shown_as_it_is() -> None:
    problem = Problem("server-unreachable", "Title.", "Message.", "Remedy.")
    assert translated(problem) == problem


def test_names_in_sentences_are_no_templates() -> None:
    problem = problem_of(engine_error("peer-not-found", name="{place} %s {0}"))
    assert translated(problem).message == "Nobody here is called {place} %s {0}."


def test_a_programs_reason_is_said_in_the_windows_words() -> None:
    problem = problem_of(engine_error("no-tunnel", name="offline", status=PeerStatus.KEY_CHANGED))
    assert translated(problem).message == "offline is showing another key."
