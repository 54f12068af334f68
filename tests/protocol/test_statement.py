"""The owner's signed words about members, and the memory that holds them against a lying server."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.protocol import statement as statements
from app.protocol.keys import SIGNATURE_LENGTH, IdentityKey
from app.protocol.statement import MembershipMemory, Statement, Verb
from app.protocol.wire import Address, NetworkId, RemoteProtocolError

VECTORS = Path(__file__).parent / "vectors"
IDENTITIES = json.loads((VECTORS / "keys.json").read_text())["identities"]
GOLDEN = json.loads((VECTORS / "statement.json").read_text())["statements"]
OWNER = IdentityKey.from_compact(IDENTITIES[0]["compact"])
OTHER = IdentityKey.from_compact(IDENTITIES[1]["compact"])
SERVER, STRANGER, MEMBER = b"S" * 32, b"X" * 32, b"M" * 32
NETWORK, ADDRESS = NetworkId(7), Address(0x0A2A0005)
EVICTED = Statement(SERVER, NETWORK, ADDRESS, MEMBER, Verb.EVICTED, 10, 1_800_000_000)
READMITTED = replace(EVICTED, verb=Verb.READMITTED, counter=11)

anything = st.builds(
    Statement,
    st.binary(min_size=32, max_size=32),
    st.integers(1, 2**32 - 1),
    st.integers(1, 2**32 - 1),
    st.binary(min_size=32, max_size=32),
    st.sampled_from(Verb),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
)


def signed(statement: Statement) -> bytes:
    return statements.sign_statement(statement, OWNER)


def memory_of(*told: Statement) -> MembershipMemory:
    memory = MembershipMemory(SERVER)
    for statement in told:
        memory.apply(signed(statement), NETWORK, OWNER.public)
    return memory


@pytest.mark.parametrize("vector", GOLDEN)
def test_golden_statement(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["signed"])
    statement = statements.verify_statement(data, OWNER.public)
    assert data[SIGNATURE_LENGTH:].hex() == vector["body"]
    assert signed(statement)[SIGNATURE_LENGTH:] == data[SIGNATURE_LENGTH:]
    assert statement == Statement(
        bytes.fromhex(vector["server_fingerprint"]),
        vector["network"],
        vector["subject"],
        bytes.fromhex(vector["subject_fingerprint"]),
        Verb(vector["verb"]),
        vector["counter"],
        vector["issued_at"],
    )


@given(anything)
def test_every_statement_survives_signing(statement: Statement) -> None:
    data = signed(statement)
    assert 256 <= len(data) <= statements.MAX_SIGNED_STATEMENT
    assert statements.verify_statement(data, OWNER.public) == statement


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_statement_or_a_named_error(data: bytes, after_signature: bool) -> None:
    candidate = bytes(SIGNATURE_LENGTH) + data if after_signature else data
    with pytest.raises(RemoteProtocolError, match=r"statement|signature"):
        statements.verify_statement(candidate, OWNER.public)


@given(st.integers(0, len(signed(EVICTED)) - 1), st.integers(1, 255))
def test_an_altered_statement_is_refused(position: int, change: int) -> None:
    data = bytearray(signed(EVICTED))
    data[position] ^= change
    with pytest.raises(RemoteProtocolError, match=r"statement|signature"):
        statements.verify_statement(bytes(data), OWNER.public)


def test_another_encoding_of_the_same_statement_is_refused() -> None:
    data = signed(EVICTED)
    body = data[SIGNATURE_LENGTH:]
    longer_array = b"\xdc\x00" + bytes([body[0] & 0x0F]) + body[1:]
    extra_field = bytes([body[0] + 1]) + body[1:] + b"\xc0"
    for other in (longer_array, extra_field):
        with pytest.raises(RemoteProtocolError, match="canonical"):
            statements.parse_statement(data[:SIGNATURE_LENGTH] + other)


def test_too_short_or_long_is_refused_before_decoding() -> None:
    for data in (b"", bytes(SIGNATURE_LENGTH), signed(EVICTED) + bytes(statements.MAX_SIGNED_STATEMENT)):
        with pytest.raises(RemoteProtocolError, match="wrong length"):
            statements.parse_statement(data)


def test_an_evicted_member_stays_out_until_the_owner_readmits_it() -> None:
    memory = MembershipMemory(SERVER)
    assert not memory.is_barred(NETWORK, ADDRESS, MEMBER)
    assert memory.apply(signed(EVICTED), NETWORK, OWNER.public)
    assert memory.is_barred(NETWORK, ADDRESS, MEMBER)
    assert memory.apply(signed(READMITTED), NETWORK, OWNER.public)
    assert not memory.is_barred(NETWORK, ADDRESS, MEMBER)


def test_a_replayed_old_statement_changes_nothing() -> None:
    evicted_again = replace(EVICTED, counter=12)
    memory = memory_of(EVICTED, READMITTED, evicted_again)
    for old in (EVICTED, READMITTED, evicted_again):
        assert not memory.apply(signed(old), NETWORK, OWNER.public)
    assert memory.is_barred(NETWORK, ADDRESS, MEMBER)


def test_statements_may_come_in_any_order() -> None:
    memory = memory_of(READMITTED, EVICTED)
    assert not memory.is_barred(NETWORK, ADDRESS, MEMBER)


@given(st.permutations(range(6)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_the_last_word_wins_in_whatever_order_a_server_tells_them(order: list[int], evicted: list[bool]) -> None:
    verbs = [Verb.EVICTED if each else Verb.READMITTED for each in evicted]
    memory = memory_of(*(replace(EVICTED, verb=verbs[counter], counter=counter) for counter in order))
    assert memory.is_barred(NETWORK, ADDRESS, MEMBER) == evicted[-1]
    assert memory.is_barred(NETWORK, ADDRESS, STRANGER) == evicted[-1]


def test_an_evicted_key_is_barred_at_another_address_too() -> None:
    assert memory_of(EVICTED).is_barred(NETWORK, Address(ADDRESS + 1), MEMBER)


def test_an_evicted_address_is_barred_with_another_key_too() -> None:
    memory = memory_of(EVICTED)
    assert memory.is_barred(NETWORK, ADDRESS, STRANGER)
    memory = memory_of(EVICTED, replace(READMITTED, subject_fingerprint=STRANGER))
    assert not memory.is_barred(NETWORK, ADDRESS, STRANGER)
    assert memory.is_barred(NETWORK, ADDRESS, MEMBER)


def test_an_address_is_free_again_once_its_key_was_told_elsewhere() -> None:
    """Only the latest word about each key counts, before and after a restart."""
    memory = memory_of(EVICTED, replace(EVICTED, subject=ADDRESS + 1, counter=12))
    for each in (memory, MembershipMemory.restore(SERVER, memory.export())):
        assert not each.is_barred(NETWORK, ADDRESS, STRANGER)
        assert each.is_barred(NETWORK, Address(ADDRESS + 1), STRANGER)
        assert each.is_barred(NETWORK, ADDRESS, MEMBER)


def test_of_two_words_about_an_address_the_later_counts() -> None:
    later = replace(READMITTED, subject_fingerprint=STRANGER)
    for told in ((EVICTED, later), (later, EVICTED)):
        memory = memory_of(*told)
        assert not memory.is_barred(NETWORK, ADDRESS, b"C" * 32)
        assert memory.is_barred(NETWORK, ADDRESS, MEMBER)


def test_a_statement_holds_in_its_own_network_only() -> None:
    memory = memory_of(EVICTED)
    assert not memory.is_barred(NetworkId(8), ADDRESS, MEMBER)
    with pytest.raises(RemoteProtocolError, match="another network"):
        memory.apply(signed(replace(READMITTED)), NetworkId(8), OWNER.public)


def test_a_statement_of_another_server_or_signer_is_refused() -> None:
    memory = memory_of(EVICTED)
    with pytest.raises(RemoteProtocolError, match="another server"):
        memory.apply(signed(replace(READMITTED, server_fingerprint=STRANGER)), NETWORK, OWNER.public)
    with pytest.raises(RemoteProtocolError, match="not made by this key"):
        memory.apply(statements.sign_statement(READMITTED, OTHER), NETWORK, OWNER.public)
    assert memory.is_barred(NETWORK, ADDRESS, MEMBER)


def test_what_another_key_signed_goes_when_the_owners_key_is_sure() -> None:
    memory = memory_of(EVICTED)
    made_up = statements.sign_statement(replace(READMITTED, counter=2**63 - 1), OTHER)
    memory.apply(made_up, NETWORK, OTHER.public)
    memory.apply(signed(replace(EVICTED, subject=9, subject_fingerprint=STRANGER)), NETWORK, OWNER.public)
    assert memory.recheck(NETWORK, OWNER.public)
    assert not memory.recheck(NETWORK, OWNER.public)
    assert not memory.recheck(NetworkId(99), OWNER.public)
    assert memory.is_barred(NETWORK, Address(9), STRANGER)
    assert memory.apply(signed(EVICTED), NETWORK, OWNER.public)


def test_memory_survives_its_export() -> None:
    elsewhere = replace(EVICTED, network=9, subject_fingerprint=STRANGER)
    memory = memory_of(EVICTED, replace(EVICTED, subject_fingerprint=STRANGER, counter=3))
    memory.apply(signed(elsewhere), NetworkId(9), OWNER.public)
    again = MembershipMemory.restore(SERVER, memory.export())
    assert again.export() == memory.export()
    assert [statements.parse_statement(each).counter for each in again.export()] == [3, 10, 10]
    assert again.is_barred(NETWORK, ADDRESS, MEMBER)
    assert again.is_barred(NetworkId(9), Address(1), STRANGER)


@given(st.lists(st.binary(max_size=600), min_size=1, max_size=3))
def test_a_damaged_export_is_a_named_error(exported: list[bytes]) -> None:
    with pytest.raises(RemoteProtocolError, match="statement"):
        MembershipMemory.restore(SERVER, exported)


def test_counters_grow_past_the_known_and_past_the_clock() -> None:
    memory = memory_of(EVICTED)
    assert memory.next_counter(NETWORK, 0.0) == 11
    assert memory.next_counter(NETWORK, 1_800_000_000.9) == 1_800_000_000
    assert MembershipMemory(SERVER).next_counter(NETWORK, 0.0) == 1


def test_a_deleted_network_is_forgotten() -> None:
    memory = memory_of(EVICTED)
    memory.forget(NETWORK)
    memory.forget(NETWORK)
    assert memory.export() == []
    assert not memory.is_barred(NETWORK, ADDRESS, MEMBER)


def test_memory_is_bounded_for_keys_and_networks() -> None:
    template = signed(EVICTED)[:SIGNATURE_LENGTH]

    def unsigned(statement: Statement) -> bytes:
        return template + msgspec.msgpack.encode(statement)

    subjects = [
        replace(EVICTED, subject_fingerprint=number.to_bytes(32, "big")) for number in range(statements.MAX_SUBJECTS)
    ]
    memory = MembershipMemory.restore(SERVER, [unsigned(each) for each in subjects])
    with pytest.raises(RemoteProtocolError, match="too many"):
        memory.apply(signed(EVICTED), NETWORK, OWNER.public)
    known = replace(subjects[0], verb=Verb.READMITTED, counter=11)
    assert memory.apply(signed(known), NETWORK, OWNER.public)

    networks = [replace(EVICTED, network=number) for number in range(1, statements.MAX_NETWORKS + 1)]
    memory = MembershipMemory.restore(SERVER, [unsigned(each) for each in networks])
    with pytest.raises(RemoteProtocolError, match="too many"):
        memory.apply(signed(replace(EVICTED, network=5_000)), NetworkId(5_000), OWNER.public)
    assert memory.apply(signed(replace(EVICTED, subject_fingerprint=STRANGER)), NETWORK, OWNER.public)
