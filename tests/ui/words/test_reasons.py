"""Reasons of other programs, as the window says them."""

import pytest

from app.engine.state import Problem
from app.ui.dialogs.server_choice import invite_of, server_of
from app.ui.words.reasons import REASONS, template_of

FINGERPRINT = "SHA256:" + "A" * 43


def test_a_plain_reason_is_its_own_template() -> None:
    assert template_of("Permission denied") == ("Permission denied", {})


def test_a_reason_with_names_is_a_template_and_what_fills_it() -> None:
    assert template_of("Another engine, process 12, uses /home/anna") == (
        "Another engine, process {number}, uses {folder}",
        {"number": "12", "folder": "/home/anna"},
    )


def test_a_reason_that_nobody_noted_is_shown_as_it_is() -> None:
    assert template_of("{odd} %s\n{0}") == ("{odd} %s\n{0}", {})


@pytest.mark.parametrize(
    "problem",
    [
        invite_of("buri://"),
        invite_of("https://example.org"),
        invite_of("buri://example.org"),
        invite_of("buri://example.org/?fp=SHA256:short"),
        invite_of(f"buri://example.org/?fp={FINGERPRINT}&secret=abc"),
        invite_of("x" * 10_000),
        server_of("two words", FINGERPRINT),
        server_of("example.org:http", FINGERPRINT),
        server_of("example.org", "short"),
    ],
)
def test_what_is_said_of_a_mistyped_link_or_server_is_known(problem: object) -> None:
    assert isinstance(problem, Problem)
    assert template_of(dict(problem.details)["reason"])[0] in REASONS
