"""The command line's arguments: every verb leads to a function, and mistakes are usage errors."""

import importlib
from pathlib import Path

import pytest

from app.cli.arguments import VERBS, build_parser
from app.cli.outcome import CommandError, ExitCode


def mistake(*words: str) -> CommandError:
    """The mistake that the parser finds."""
    with pytest.raises(CommandError) as found:
        build_parser().parse_args(words)
    assert found.value.exit_code is ExitCode.USAGE
    return found.value


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.name != "up"], ids=lambda verb: verb.name)
def test_every_verb_leads_to_a_function(verb: object) -> None:
    module, function = getattr(verb, "run").split(":")  # noqa: B009 - the type of a parameter
    assert callable(getattr(importlib.import_module(f"app.cli.{module}"), function))


def test_every_verb_stands_in_the_help_and_has_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    overview = build_parser().format_help()
    for verb in VERBS:
        assert f"  {verb.name:<13}{verb.summary}" in overview
        with pytest.raises(SystemExit, match="0"):
            build_parser().parse_args([verb.name, "--help"])
        assert capsys.readouterr().out.startswith(f"usage: buri {verb.name} ")
    assert all(len(line) <= 80 for line in overview.splitlines())


@pytest.mark.parametrize("old", ["logon", "logoff", "do-join"])
def test_hamachis_other_names_work(old: str) -> None:
    words = [old, "x"] if old == "do-join" else [old]
    assert build_parser().parse_args(words).run


def test_home_and_json_may_stand_before_and_after_the_verb() -> None:
    before = build_parser().parse_args(["--home", "/a", "--json", "list"])
    after = build_parser().parse_args(["list", "--home", "/a", "--json"])
    assert (before.home, before.json) == (after.home, after.json) == (Path("/a"), True)
    assert not hasattr(build_parser().parse_args(["list"]), "home")


def test_create_takes_a_password_or_makes_the_network_for_invited_alone() -> None:
    assert build_parser().parse_args(["create", "lan", "pw"]).password == "pw"
    assert build_parser().parse_args(["create", "lan"]).password is None
    assert build_parser().parse_args(["create", "lan", "--invite-only"]).invite_only
    assert "--invite-only" in mistake("create", "lan", "pw", "--invite-only").title


def test_set_access_takes_words_and_a_limit() -> None:
    assert build_parser().parse_args(["set-access", "lan", "lock", "manual"]).access == ["lock", "manual"]
    assert build_parser().parse_args(["set-access", "lan", "--limit", "5"]).access == []


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["ping"],
        ["ping", "hiro", "-c", "-1"],
        ["ping", "hiro", "-s", "1201"],
        ["ping", "hiro", "-i", "0"],
        ["set-access", "lan", "ajar"],
        ["verify", "hiro", "--yes", "--no"],
        ["up", "--suite", "3"],
        ["identity"],
    ],
    ids=" ".join,
)
def test_mistakes_are_usage_errors_and_say_where_help_is(words: list[str]) -> None:
    assert "--help`" in mistake(*words).remedy


def test_a_chat_without_a_peer_lacks_the_peer_alone() -> None:
    assert "required: PEER" in str(mistake("chat").title)
    assert "TEXT" not in str(mistake("chat").title)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lst", "buri: there is no verb 'lst'; did you mean list?"),
        ("helpr", "buri: there is no verb 'helpr'; did you mean helper?"),
        ("qqq", "buri: there is no verb 'qqq'"),
        ("a (choose b", "buri: there is no verb 'a (choose b'"),
    ],
)
def test_a_mistyped_verb_is_told_with_those_that_are_near(typed: str, said: str) -> None:
    assert str(mistake(typed).title) == said
