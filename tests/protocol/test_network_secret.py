"""A network's secret: what its password gives, who can unwrap it, and who can prove that he knows it."""

import json
import unicodedata
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import network_secret
from app.protocol.network_secret import InviteSecretError, PasswordFormatError, PasswordKeys
from app.protocol.wire import MAX_NAME, MAX_PASSWORD, NetworkId, RemoteProtocolError

VECTOR = json.loads((Path(__file__).parent / "vectors" / "network_secret.json").read_text())
SERVER = bytes.fromhex(VECTOR["server_fingerprint"])
SALT = bytes.fromhex(VECTOR["salt"])
SECRET = bytes.fromhex(VECTOR["secret"])
TRANSCRIPT = bytes.fromhex(VECTOR["transcript_hash"])
NAME: str = VECTOR["network_name"]
PASSWORD: str = VECTOR["password"]
NETWORK = NetworkId(VECTOR["network"])
KEYS = PasswordKeys(bytes.fromhex(VECTOR["token"]), bytes.fromhex(VECTOR["wrapping_key"]))


def test_argon2id_is_the_one_of_rfc_9106() -> None:
    """RFC 9106 section 5.3, whose test vector no code of ours made."""
    kdf = Argon2id(
        salt=b"\x02" * 16, length=32, iterations=3, lanes=4, memory_cost=32, ad=b"\x04" * 12, secret=b"\x03" * 8
    )
    expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    assert kdf.derive(b"\x01" * 32).hex() == expected


def test_golden_password_gives_token_and_wrapping_key() -> None:
    assert network_secret.derive_password_keys(PASSWORD, SERVER, NAME, SALT) == KEYS
    assert network_secret.token_hash(KEYS.token).hex() == VECTOR["token_hash"]


def test_the_cost_is_the_second_recommended_option_of_rfc_9106() -> None:
    cost = (network_secret.ARGON2_MEMORY, network_secret.ARGON2_ITERATIONS, network_secret.ARGON2_LANES)
    assert cost == (64 * 1024, 3, 4)


@pytest.mark.parametrize(
    ("password", "server", "name", "salt"),
    [
        (PASSWORD + " ", SERVER, NAME, SALT),
        (PASSWORD, bytes(32), NAME, SALT),
        (PASSWORD, SERVER, NAME + "2", SALT),
        (PASSWORD, SERVER, NAME, bytes(16)),
    ],
    ids=["password", "server", "network", "salt"],
)
def test_a_token_is_of_no_use_elsewhere(password: str, server: bytes, name: str, salt: bytes) -> None:
    other = network_secret.derive_password_keys(password, server, name, salt)
    assert other.token != KEYS.token
    assert other.wrapping_key != KEYS.wrapping_key


def test_a_password_typed_on_another_system_is_the_same() -> None:
    decomposed = unicodedata.normalize("NFD", PASSWORD)
    assert decomposed != PASSWORD
    assert network_secret.normalise_password(decomposed) == network_secret.normalise_password(PASSWORD)


@pytest.mark.parametrize("password", ["", "x" * (MAX_PASSWORD + 1), "ﷺ" * MAX_PASSWORD, "\ud800"])
def test_a_password_that_can_not_be_used_is_named(password: str) -> None:
    with pytest.raises(PasswordFormatError, match="password"):
        network_secret.normalise_password(password)


@given(st.text(st.characters(), max_size=MAX_PASSWORD + 2))
def test_any_text_is_a_password_or_a_named_error(password: str) -> None:
    try:
        normal = network_secret.normalise_password(password)
    except PasswordFormatError:
        return
    assert network_secret.normalise_password(normal.decode()) == normal


@pytest.mark.parametrize(
    ("server", "name", "salt"),
    [
        (SERVER, NAME, b""),
        (SERVER, NAME, bytes(17)),
        (b"", NAME, SALT),
        (SERVER, "", SALT),
        (SERVER, "x" * (MAX_NAME + 1), SALT),
        (SERVER, "\ud800", SALT),
    ],
)
def test_what_a_server_tells_wrong_is_a_named_error(server: bytes, name: str, salt: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="network"):
        network_secret.derive_password_keys(PASSWORD, server, name, salt)


def test_the_golden_secret_unwraps() -> None:
    assert network_secret.unwrap(bytes.fromhex(VECTOR["wrapped"]), KEYS.wrapping_key, NAME) == SECRET


def test_a_wrapped_secret_opens_only_with_its_key_for_its_network() -> None:
    secret = network_secret.new_secret()
    wrapped = network_secret.wrap(secret, KEYS.wrapping_key, NAME)
    assert len(wrapped) == network_secret.WRAPPED_LENGTH
    assert network_secret.unwrap(wrapped, KEYS.wrapping_key, NAME) == secret
    assert network_secret.wrap(secret, KEYS.wrapping_key, NAME) != wrapped
    for key, name in ((KEYS.token, NAME), (KEYS.wrapping_key, "other")):
        with pytest.raises(RemoteProtocolError, match="does not open"):
            network_secret.unwrap(wrapped, key, name)


@given(st.binary(max_size=80) | st.binary(min_size=60, max_size=60))
def test_any_bytes_do_not_unwrap(wrapped: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="wrapped secret"):
        network_secret.unwrap(wrapped, KEYS.wrapping_key, NAME)


def test_golden_proofs() -> None:
    proofs = [network_secret.network_proof(SECRET, NETWORK, role, TRANSCRIPT) for role in ("initiator", "responder")]
    assert [proof.hex() for proof in proofs] == [VECTOR["proof_of_initiator"], VECTOR["proof_of_responder"]]


def test_a_proof_holds_for_one_role_network_secret_and_handshake() -> None:
    proof = network_secret.network_proof(SECRET, NETWORK, "initiator", TRANSCRIPT)
    assert len(proof) == network_secret.PROOF_LENGTH
    assert network_secret.proof_holds(proof, SECRET, NETWORK, "initiator", TRANSCRIPT)
    assert not network_secret.proof_holds(proof, SECRET, NETWORK, "responder", TRANSCRIPT)
    assert not network_secret.proof_holds(proof, SECRET, NetworkId(8), "initiator", TRANSCRIPT)
    assert not network_secret.proof_holds(proof, bytes(32), NETWORK, "initiator", TRANSCRIPT)
    assert not network_secret.proof_holds(proof, SECRET, NETWORK, "initiator", bytes(32))
    assert not network_secret.proof_holds(proof[:-1], SECRET, NETWORK, "initiator", TRANSCRIPT)


@given(st.binary(min_size=32, max_size=32))
def test_every_secret_survives_an_invite(secret: bytes) -> None:
    text = network_secret.secret_to_invite(secret)
    assert len(text) == 43
    assert network_secret.secret_from_invite(text) == secret


def test_golden_invite() -> None:
    assert network_secret.secret_to_invite(SECRET) == VECTOR["invite"]


@given(st.text(max_size=60) | st.text("AB-_/+=", min_size=43, max_size=43))
def test_any_text_is_an_invite_secret_or_a_named_error(text: str) -> None:
    try:
        secret = network_secret.secret_from_invite(text)
    except InviteSecretError:
        return
    assert network_secret.secret_to_invite(secret) == text


def test_secrets_and_salts_are_fresh() -> None:
    assert len({network_secret.new_secret() for _ in range(8)}) == 8
    assert [len(network_secret.new_secret()), len(network_secret.new_salt())] == [32, 16]
