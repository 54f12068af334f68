"""Errors that people can act on: every code has its sentences, every refusal of the server has a code."""

import ast
import re
import shlex
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from app.engine import errors
from app.engine.errors import SENTENCES, EngineError, engine_error
from app.engine.sentences import ExitKind
from app.protocol.messages import HelloRefusal, Refusal


def details_of(code: str) -> dict[str, object]:
    """Something for every field that the sentences of a code have."""
    text = SENTENCES[code].message + SENTENCES[code].remedy
    return {name: "something" for _, name, _, _ in string.Formatter().parse(text) if name}


def calls_of_engine_error() -> Iterator[tuple[str, set[str]]]:
    """Every `engine_error("code", detail=...)` in the sources."""
    for path in Path(app.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Name("engine_error"), [ast.Constant(code), *_], keywords):
                    yield str(code), {keyword.arg or "" for keyword in keywords}


def test_every_error_that_the_sources_raise_is_in_the_table_with_its_details() -> None:
    calls = list(calls_of_engine_error())
    assert calls
    for code, details in calls:
        assert code in SENTENCES
        assert "" in details or details >= details_of(code).keys(), code  # "" hands on those of another error


def test_an_error_of_the_table_is_only_made_with_the_details_that_another_language_needs() -> None:
    for path in Path(app.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Name("EngineError"), [ast.Constant(code), *_]):
                    assert code not in SENTENCES, f"{path}:{node.lineno}"
    error = engine_error("peer-unproven", name="ben", networks="family, games")
    assert error.details == (("name", "ben"), ("networks", "family, games"))


@pytest.mark.parametrize("code", SENTENCES)
def test_every_error_says_what_happened_and_what_to_do(code: str) -> None:
    error = engine_error(code, **details_of(code))
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", code)
    assert len(code) <= 64
    for text in (error.title, error.message, error.remedy):
        assert 0 < len(text) <= 512
        assert text.endswith((".", "`", ": something"))  # nothing stands behind a command that is copied
    assert "{" not in error.message + error.remedy + error.title


@pytest.mark.parametrize("reason", Refusal)
def test_every_refusal_of_the_server_has_an_error(reason: Refusal) -> None:
    error = errors.refused(reason)
    assert error.code.startswith("refused-")
    assert error.exit_code in (ExitKind.FAILED, ExitKind.REFUSED, ExitKind.NOT_FOUND, ExitKind.NO_ANSWER)


@pytest.mark.parametrize("reason", HelloRefusal)
def test_every_refused_hello_has_an_error(reason: HelloRefusal) -> None:
    error = errors.hello_refused(reason, "buri.example:12975", "SHA256:abc", 2)
    assert error.code.startswith("server-")


def test_a_wrong_server_key_names_server_and_fingerprint() -> None:
    error = errors.hello_refused(HelloRefusal.NO_SUCH_KEY, "buri.example:12975", "SHA256:abc", 2)
    assert error.message == "buri.example:12975 could not prove to be SHA256:abc."


def test_a_lost_identity_is_told_with_both_ways_out() -> None:
    error = engine_error("identity-lost", fingerprint="SHA256:abc", place="the keyring")
    assert "SHA256:abc" in error.message
    assert "identity restore" in error.remedy
    assert "identity new --replace" in error.remedy


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("refused-wrong-password", 4),
        ("peer-not-found", 5),
        ("server-unreachable", 6),
        ("identity-lost", 1),
        ("nobody-knows-this-code", 1),
    ],
)
def test_exit_codes(code: str, exit_code: int) -> None:
    assert errors.exit_code_of(code) == exit_code


def test_an_error_of_ones_own_needs_no_table() -> None:
    error = EngineError("own-code", "Something.", "It happened.", "Do this.")
    assert (error.code, error.title, error.message, error.remedy) == (
        "own-code",
        "Something.",
        "It happened.",
        "Do this.",
    )
    assert str(error) == "own-code: Something. It happened."
    assert error.exit_code == 1


def test_a_long_detail_is_cut_to_what_the_command_line_takes() -> None:
    assert len(engine_error("server-protocol", reason="x" * 2_000).message) == errors.MAX_SENTENCE


def test_a_name_that_is_a_trap_can_be_pasted_with_the_command_around_it() -> None:
    error = engine_error("peer-key-changed", name="ben; rm -rf ~ `id`")
    commands = re.findall(r"`(buri .*?)`[,.]", error.remedy + ".")
    assert [shlex.split(each)[2:] for each in commands] == [["ben; rm -rf ~ `id`"]] * 2
    remedy = engine_error("password-needed", name="lan party").remedy
    assert remedy == "Join with `buri join 'lan party' -` and type it."


def test_a_command_stands_between_its_marks_as_a_whole() -> None:
    for code, sentences in SENTENCES.items():
        assert "` --" not in sentences.remedy, code
