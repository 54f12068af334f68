"""The key agreement that both kinds of conversation share: what is signed, and what follows from it."""

from contextlib import suppress
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.handshake import Agreement, InitiatorAgreement, Transcript, answer_hello
from app.protocol.keys import IdentityKey
from app.protocol.suites import NONCE_LENGTH, SUITES
from app.protocol.wire import RemoteProtocolError

LABEL, FINGERPRINT = b"label", bytes(range(32))


@cache
def key(name: str) -> IdentityKey:
    """One key for each name and test process; making one is slow."""
    return IdentityKey.generate()


def agree(suite: int) -> tuple[Agreement, Agreement]:
    """The initiator's and the responder's view of one agreement."""
    half = InitiatorAgreement(LABEL, suite, FINGERPRINT)
    responder = answer_hello(LABEL, suite, FINGERPRINT, half.nonce, half.public)
    transcript = responder.transcript
    return half.finish(transcript.nonce_responder, transcript.public_responder), responder


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_both_sides_come_to_the_same_transcript_and_keys(suite: int) -> None:
    initiator, responder = agree(suite)
    assert initiator.transcript == responder.transcript
    assert initiator.transcript.digest == responder.transcript.digest
    assert initiator.session_material() == responder.session_material()
    assert initiator.auth_material(b"indexes") == responder.auth_material(b"indexes")
    assert (
        len(initiator.session_material()) == len(initiator.auth_material(b"indexes")) == initiator.suite.keymat_length
    )


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_auth_keys_are_those_of_no_session_and_of_no_other_indexes(suite: int) -> None:
    agreement, _ = agree(suite)
    material = {agreement.session_material(), agreement.auth_material(b"one"), agreement.auth_material(b"two")}
    assert len(material) == 3


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_no_two_agreements_share_anything(suite: int) -> None:
    first, second = agree(suite)[0], agree(suite)[0]
    assert first.secret != second.secret
    assert first.transcript.nonce_initiator != second.transcript.nonce_initiator
    assert first.transcript.nonce_responder != second.transcript.nonce_responder
    assert len(first.transcript.nonce_initiator) == len(first.transcript.nonce_responder) == NONCE_LENGTH


def test_the_signed_bytes_are_as_documented() -> None:
    transcript = Transcript(b"label", 2, b"F" * 32, b"i" * 128, b"r" * 128, b"GI", b"GR!")
    initiator = b"label\x00I\x02" + b"F" * 32 + b"i" * 128 + b"r" * 128 + b"\x00\x02GI\x00\x03GR!" + b"claims"
    responder = b"label\x00R\x02" + b"F" * 32 + b"r" * 128 + b"i" * 128 + b"\x00\x03GR!\x00\x02GI" + b"claims"
    assert transcript.signed_data(True, b"claims") == initiator
    assert transcript.signed_data(False, b"claims") == responder
    assert transcript.digest == sha256(initiator.removesuffix(b"claims")).digest()


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_a_signature_holds_for_its_key_role_claims_and_transcript_alone(suite: int) -> None:
    transcript, other = agree(suite)[0].transcript, agree(suite)[0].transcript
    signature = transcript.sign(key("anna"), True, b"claims")
    transcript.verify(key("anna").public, True, b"claims", signature)
    wrong = [
        (transcript, "ben", True, b"claims", signature),
        (transcript, "anna", False, b"claims", signature),
        (transcript, "anna", True, b"claim", signature),
        (other, "anna", True, b"claims", signature),
        (transcript, "anna", True, b"claims", signature[:-1]),
        (transcript, "anna", True, b"claims", bytes(len(signature))),
    ]
    for seen, name, initiator, claims, tried in wrong:
        with pytest.raises(RemoteProtocolError):
            seen.verify(key(name).public, initiator, claims, tried)


def test_a_suite_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="no such suite"):
        answer_hello(LABEL, 3, FINGERPRINT, bytes(NONCE_LENGTH), bytes(256))


def test_one_half_may_be_finished_with_several_answers() -> None:
    """Anybody on the way can send a HELO OK; each gives keys of its own."""
    half = InitiatorAgreement(LABEL, 2, FINGERPRINT)
    answers = [answer_hello(LABEL, 2, FINGERPRINT, half.nonce, half.public) for _ in range(2)]
    for answer in answers:
        transcript = answer.transcript
        agreement = half.finish(transcript.nonce_responder, transcript.public_responder)
        assert agreement == answer
    assert answers[0].session_material() != answers[1].session_material()


@given(st.data(), st.sampled_from(sorted(SUITES)))
def test_any_public_value_gives_an_answer_or_a_named_error(data: st.DataObject, suite: int) -> None:
    length = SUITES[suite].public_lengths[0]
    public = data.draw(st.binary(max_size=1_300) | st.binary(min_size=length, max_size=length))
    with suppress(RemoteProtocolError):
        answer_hello(LABEL, suite, FINGERPRINT, bytes(NONCE_LENGTH), public)
        assert len(public) == length


@given(st.data(), st.sampled_from(sorted(SUITES)))
def test_any_answer_gives_an_agreement_or_a_named_error(data: st.DataObject, suite: int) -> None:
    length = SUITES[suite].public_lengths[1]
    public = data.draw(st.binary(max_size=1_300) | st.binary(min_size=length, max_size=length))
    with suppress(RemoteProtocolError):
        _halves(suite).finish(bytes(NONCE_LENGTH), public)
        assert len(public) == length


@cache
def _halves(suite: int) -> InitiatorAgreement:
    return InitiatorAgreement(LABEL, suite, FINGERPRINT)
