"""A profile on disk: settings that a person may mend, a sealed state that only the identity opens, nothing lost."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from app.engine import settings
from app.engine.contacts import Contact
from app.engine.errors import EngineError
from app.engine.networks import JoinedNetwork
from app.engine.settings import (
    Account,
    KeyRecord,
    KeyStorage,
    Memory,
    Profile,
    ServerAddress,
    ServerMemory,
    Settings,
)
from app.protocol.keys import IdentityKey, format_fingerprint
from app.protocol.wire import Address, NetworkId

VECTORS = Path(__file__).parent.parent / "protocol" / "vectors" / "keys.json"
FIRST, SECOND = (IdentityKey.from_compact(each["compact"]) for each in json.loads(VECTORS.read_text())["identities"])
SERVER, OTHER_SERVER = format_fingerprint(b"S" * 32), format_fingerprint(b"O" * 32)
KEY = FIRST.public.fingerprint_text
MEMORY = ServerMemory(
    networks={NetworkId(7): JoinedNetwork("the-shire", 0x0A2A0001, b"s" * 32)},
    contacts={Address(0x0A2A0002): Contact(SECOND.public.blob, verified=True, alias="Sam")},
    statements=(b"signed", b"and signed again"),
    routes={"0123456789abcdef": "WebSocket through the proxy proxy.example:3128"},
    web_port=8_443,
)

fingerprints = st.binary(min_size=32, max_size=32).map(format_fingerprint)
addresses = st.integers(1, 2**32 - 1)


@st.composite
def any_settings(draw: DrawFn) -> Settings:
    hosts = st.ip_addresses().map(str) | st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z]{2,9})?", fullmatch=True)
    server = st.builds(ServerAddress, hosts, fingerprints)
    key = st.builds(KeyRecord, fingerprints, st.sampled_from(KeyStorage), st.text(max_size=50))
    return Settings(
        settings.SETTINGS_VERSION,
        draw(st.none() | server),
        draw(st.sampled_from([1, 2])),
        draw(st.sampled_from(["", "Frodo", "Bürotürschloß 2"])),
        draw(st.booleans()),
        tuple(draw(st.lists(st.builds(Account, fingerprints, fingerprints, addresses), max_size=3))),
        draw(st.none() | key),
    )


def profile_in(folder: Path) -> Profile:
    return Profile(folder, folder)


def test_a_fresh_profile_has_defaults_and_writes_nothing(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    assert profile.settings == Settings(settings.SETTINGS_VERSION)
    assert profile.settings.suite == 2
    assert list(tmp_path.iterdir()) == []


def test_changes_are_read_back_by_the_next_start(tmp_path: Path) -> None:
    server = ServerAddress("buri.example", SERVER)
    profile_in(tmp_path).change(server=server, nickname="Frodo", logged_in=False)
    again = profile_in(tmp_path).settings
    assert (again.server, again.nickname, again.logged_in) == (server, "Frodo", False)
    assert str(again.server) == "buri.example:12975"
    assert str(ServerAddress("2001:db8::1", SERVER, 443)) == "[2001:db8::1]:443"


def test_settings_are_private_and_for_people_to_read(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    profile.change(nickname="Frodo")
    assert stat.S_IMODE(profile.settings_file.stat().st_mode) == 0o600
    assert profile.settings_file.read_text() == '{\n  "version": 1,\n  "nickname": "Frodo"\n}\n'


@given(any_settings())
def test_all_settings_survive_their_file(value: Settings) -> None:
    assert settings.decode_settings(msgspec.json.encode(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_a_named_error(data: bytes) -> None:
    for candidate in (data, b'{"version":1,' + data + b"}"):
        try:
            settings.decode_settings(candidate)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - most bytes are refused, and each time with a text


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": "green"},
        {"suite": 3},
        {"nickname": "x" * 65},
        {"nickname": " Frodo"},
        {"nickname": "Fro\ndo"},
        {"nickname": "Fro\u202edo"},
        {"server": {"host": "", "fingerprint": SERVER}},
        {"server": {"host": "a/b", "fingerprint": SERVER}},
        {"server": {"host": "a\nb", "fingerprint": SERVER}},
        {"server": {"host": "x" * 254, "fingerprint": SERVER}},
        {"server": {"host": "buri.example", "fingerprint": "SHA256:short"}},
        {"server": {"host": "buri.example", "fingerprint": SERVER[:-1] + "!"}},
        {"server": {"host": "buri.example", "fingerprint": SERVER, "port": 0}},
        {"accounts": [{"server": SERVER, "key": KEY, "address": 0}]},
        {"accounts": [{"server": SERVER, "key": "x" * 50, "address": 1}]},
        {"accounts": [{"server": SERVER, "key": KEY, "address": 1}] * 257},
        {"key": {"fingerprint": KEY, "storage": "pocket"}},
        {"key": {"fingerprint": "x" * 50, "storage": "file"}},
    ],
)
def test_a_wrong_value_is_an_error_and_leaves_the_file_alone(tmp_path: Path, fields: dict[str, Any]) -> None:
    text = json.dumps({"version": 1, **fields})
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(EngineError) as caught:
        profile_in(tmp_path)
    assert caught.value.code == "settings-broken"
    assert str(tmp_path / "settings.json") in caught.value.message
    assert (tmp_path / "settings.json").read_text() == text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"version":1,"x":' + b"[" * 100_000])
def test_a_broken_file_is_an_error_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings.json").write_bytes(content)
    with pytest.raises(EngineError, match="settings-broken"):
        profile_in(tmp_path)
    assert (tmp_path / "settings.json").read_bytes() == content


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(b" " * (settings.MAX_SETTINGS + 1))
    with pytest.raises(EngineError, match="too large"):
        profile_in(tmp_path)


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "settings.json").mkdir()
    with pytest.raises(EngineError, match="settings-broken"):
        profile_in(tmp_path)


def test_settings_of_a_newer_version_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"version": 2, "colour": "green"}')
    with pytest.raises(EngineError) as caught:
        profile_in(tmp_path)
    assert caught.value.code == "settings-too-new"
    assert "version 2" in caught.value.message


def test_a_change_that_is_not_valid_changes_nothing(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    profile.change(nickname="Frodo")
    for wrong in (
        {"nickname": "x" * 65},
        {"suite": 9},
        {"server": ServerAddress("a b", SERVER)},
        {"rekey_interval": 0},
    ):
        with pytest.raises(EngineError, match="setting-not-valid"):
            profile.change(**wrong)
    assert profile.settings.nickname == "Frodo"
    assert profile_in(tmp_path).settings == profile.settings


def test_a_change_that_can_not_be_written_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    profile = profile_in(folder)
    folder.rmdir()
    with pytest.raises(EngineError, match="file-not-written"):
        profile.change(nickname="Frodo")
    assert profile.settings.nickname == ""


def test_each_key_has_its_address_on_each_server(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    other_key = SECOND.public.fingerprint_text
    for server, key, address in ((SERVER, KEY, 1), (SERVER, other_key, 2), (OTHER_SERVER, KEY, 3), (SERVER, KEY, 4)):
        profile.remember_address(server, key, address)
    again = profile_in(tmp_path).settings
    assert [again.address_on(SERVER, KEY), again.address_on(SERVER, other_key)] == [4, 2]
    assert [again.address_on(OTHER_SERVER, KEY), again.address_on(OTHER_SERVER, other_key)] == [3, None]


# --- the sealed state


def test_what_is_remembered_survives_a_restart(tmp_path: Path) -> None:
    memory = Memory(profile_in(tmp_path), FIRST)
    assert memory.server(SERVER) == ServerMemory()
    memory.remember(SERVER, MEMORY)
    assert memory.server(SERVER) == MEMORY
    again = Memory(profile_in(tmp_path), FIRST)
    assert again.server(SERVER) == MEMORY
    assert again.server(OTHER_SERVER) == ServerMemory()


def test_the_proxys_password_is_kept_beside_the_servers_and_sealed_like_them(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    memory = Memory(profile, FIRST)
    memory.keep_proxy_password("correct horse")
    memory.remember(SERVER, MEMORY)
    again = Memory(profile_in(tmp_path), FIRST)
    assert (again.proxy_password, again.server(SERVER)) == ("correct horse", MEMORY)
    assert b"correct horse" not in profile.state_file(FIRST.public).read_bytes()
    with pytest.raises(EngineError, match="too long"):
        again.keep_proxy_password("x" * (settings.MAX_PROXY_PASSWORD + 1))
    again.keep_proxy_password("")
    assert Memory(profile_in(tmp_path), FIRST).proxy_password == ""


def test_servers_are_remembered_apart(tmp_path: Path) -> None:
    memory = Memory(profile_in(tmp_path), FIRST)
    memory.remember(SERVER, MEMORY)
    memory.remember(OTHER_SERVER, ServerMemory(statements=(b"x",)))
    again = Memory(profile_in(tmp_path), FIRST)
    assert again.server(SERVER) == MEMORY
    assert again.server(OTHER_SERVER).statements == (b"x",)


def test_no_secret_and_no_name_lies_open_on_the_disk(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    Memory(profile, FIRST).remember(SERVER, MEMORY)
    files = list(tmp_path.iterdir())
    assert files == [profile.state_file(FIRST.public)]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    data = files[0].read_bytes()
    assert not any(open_text in data for open_text in (b"s" * 32, b"the-shire", b"Sam", SECOND.public.blob))


def test_each_identity_has_its_own_state_and_finds_it_again(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    Memory(profile, FIRST).remember(SERVER, MEMORY)
    Memory(profile, SECOND).remember(SERVER, ServerMemory())
    assert Memory(profile, FIRST).server(SERVER) == MEMORY
    assert Memory(profile, SECOND).server(SERVER) == ServerMemory()


@given(st.binary(max_size=100), st.booleans())
def test_any_bytes_are_no_state(tmp_path_factory: pytest.TempPathFactory, data: bytes, with_magic: bool) -> None:
    profile = profile_in(tmp_path_factory.mktemp("profile"))
    content = b"buri state 1\n" + data if with_magic else data
    profile.state_file(FIRST.public).write_bytes(content)
    with pytest.raises(EngineError, match="state-broken"):
        Memory(profile, FIRST)
    assert profile.state_file(FIRST.public).read_bytes() == content


def test_a_state_of_another_key_or_tampered_is_refused(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    Memory(profile, SECOND).remember(SERVER, MEMORY)
    os.rename(profile.state_file(SECOND.public), profile.state_file(FIRST.public))
    with pytest.raises(EngineError, match="another key"):
        Memory(profile, FIRST)


def sealed(state: object) -> bytes:
    return b"buri state 1\n" + FIRST.seal_for_storage(msgspec.msgpack.encode(state), b"engine state")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"version": 2}, "version 2"),
        ({"version": 1, "servers": {"short": {}}}, "length"),
        ({"version": 1, "servers": {SERVER: {"networks": {7: {}}}}}, "name"),
        ({"version": 1, "servers": {SERVER: {"statements": [b"x" * 1_101]}}}, "length"),
        ([], "object"),
    ],
)
def test_a_sealed_state_is_checked_all_the_same(tmp_path: Path, state: object, reason: str) -> None:
    profile = profile_in(tmp_path)
    profile.state_file(FIRST.public).write_bytes(sealed(state))
    with pytest.raises(EngineError, match=reason):
        Memory(profile, FIRST)


def test_a_state_that_could_not_be_read_again_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = Profile(tmp_path, tmp_path)
    memory = Memory(profile, FIRST)
    memory.remember(SERVER, ServerMemory(contacts={Address(1): Contact(alias="ben")}))
    monkeypatch.setattr("app.engine.settings.MAX_STATE", 1_000)
    with pytest.raises(EngineError, match="too much to remember"):
        memory.remember(SERVER, ServerMemory(statements=(bytes(1_000),)))
    assert Memory(profile, FIRST).server(SERVER).contacts[Address(1)].alias == "ben"


def test_a_state_that_can_not_be_written_is_not_believed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    memory = Memory(profile_in(folder), FIRST)
    folder.rmdir()
    with pytest.raises(EngineError, match="file-not-written"):
        memory.remember(SERVER, MEMORY)
    assert memory.server(SERVER) == ServerMemory()
