"""Identities: their form on the wire and in a keyring, fingerprints and signatures as OpenSSH and OpenSSL see them."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import keys
from app.protocol.keys import IdentityKey, KeyFormatError, PublicKey, WrongPassphraseError
from app.protocol.suites import SUITES
from app.protocol.wire import RemoteProtocolError

VECTORS = json.loads((Path(__file__).parent / "vectors" / "keys.json").read_text())
FIRST = IdentityKey.from_compact(VECTORS["identities"][0]["compact"])
SECOND = IdentityKey.from_compact(VECTORS["identities"][1]["compact"])
MESSAGE = VECTORS["message"].encode()
PADDING_OPTIONS = {
    1: ["-pkeyopt", "rsa_padding_mode:pkcs1"],
    2: ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32", "-pkeyopt", "rsa_mgf1_md:sha256"],
}


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("vector", VECTORS["identities"])
def test_golden_identity_keeps_blob_fingerprint_and_signatures(vector: dict[str, str]) -> None:
    key = IdentityKey.from_compact(vector["compact"])
    assert key.to_compact() == vector["compact"]
    assert key.public.blob.hex() == vector["blob"]
    assert key.public.fingerprint_text == vector["fingerprint"]
    assert key.sign(MESSAGE, SUITES[1].signature_padding).hex() == vector["pkcs1v15_signature"]
    key.public.verify(bytes.fromhex(vector["pkcs1v15_signature"]), MESSAGE, SUITES[1].signature_padding)
    key.public.verify(bytes.fromhex(vector["pss_signature"]), MESSAGE, SUITES[2].signature_padding)


def test_compact_form_fits_a_windows_credential() -> None:
    assert len(FIRST.to_compact()) == 515, "at most 1,280"


def test_a_fresh_key_survives_its_compact_form() -> None:
    fresh = IdentityKey.generate()
    again = IdentityKey.from_compact(fresh.to_compact())
    assert again.public == fresh.public
    assert fresh.public not in (FIRST.public, SECOND.public)
    again.public.verify(fresh.sign(b"x", keys.PSS_PADDING), b"x", keys.PSS_PADDING)


def test_representations_hide_the_private_key() -> None:
    assert repr(FIRST) == f"IdentityKey({FIRST.public.fingerprint_text})"
    assert repr(FIRST.public) == f"PublicKey({FIRST.public.fingerprint_text})"


def test_ssh_keygen_prints_the_same_fingerprint(tmp_path: Path) -> None:
    line = tmp_path / "identity.pub"
    line.write_text(FIRST.public.openssh_line("frodo's computer"))
    assert run("ssh-keygen", "-lf", line) == f"3072 {FIRST.public.fingerprint_text} frodo's computer (RSA)\n"


def test_ssh_keygen_reads_our_pem_and_finds_our_public_key(tmp_path: Path) -> None:
    pem = tmp_path / "identity.pem"
    pem.touch(mode=0o600)
    pem.write_bytes(FIRST.to_pem(None))
    assert run("ssh-keygen", "-y", "-f", pem).strip() == FIRST.public.openssh_line()


@pytest.mark.parametrize("suite", SUITES)
def test_openssl_verifies_our_signatures(suite: int, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(FIRST.to_pem(None))
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "signature").write_bytes(FIRST.sign(MESSAGE, SUITES[suite].signature_padding))
    files: list[str | Path] = [
        "-inkey",
        tmp_path / "key.pem",
        "-in",
        tmp_path / "message",
        "-sigfile",
        tmp_path / "signature",
    ]
    output = run("openssl", "pkeyutl", "-verify", "-rawin", "-digest", "sha256", *files, *PADDING_OPTIONS[suite])
    assert "Signature Verified Successfully" in output


@pytest.mark.parametrize("suite", SUITES)
def test_we_verify_signatures_of_openssl(suite: int, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(FIRST.to_pem(None))
    (tmp_path / "message").write_bytes(MESSAGE)
    files: list[str | Path] = [
        "-inkey",
        tmp_path / "key.pem",
        "-in",
        tmp_path / "message",
        "-out",
        tmp_path / "signature",
    ]
    run("openssl", "pkeyutl", "-sign", "-rawin", "-digest", "sha256", *files, *PADDING_OPTIONS[suite])
    FIRST.public.verify((tmp_path / "signature").read_bytes(), MESSAGE, SUITES[suite].signature_padding)


@pytest.mark.parametrize("suite", SUITES)
def test_a_signature_of_another_key_message_or_padding_is_refused(suite: int) -> None:
    signature = FIRST.sign(MESSAGE, SUITES[suite].signature_padding)
    for key, data, padding in (
        (SECOND, MESSAGE, SUITES[suite].signature_padding),
        (FIRST, MESSAGE + b".", SUITES[suite].signature_padding),
        (FIRST, MESSAGE, SUITES[3 - suite].signature_padding),
    ):
        with pytest.raises(RemoteProtocolError, match="signature"):
            key.public.verify(signature, data, padding)


@given(st.binary(max_size=400), st.sampled_from(sorted(SUITES)))
def test_any_bytes_are_no_signature(signature: bytes, suite: int) -> None:
    with pytest.raises(RemoteProtocolError, match="signature"):
        FIRST.public.verify(signature, MESSAGE, SUITES[suite].signature_padding)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_key_or_a_named_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="public key"):
        PublicKey.from_blob(data)


@given(st.binary(min_size=384, max_size=384))
def test_any_modulus_is_a_key_or_a_named_error(modulus: bytes) -> None:
    blob = FIRST.public.blob[:-384] + modulus
    try:
        assert PublicKey.from_blob(blob).blob == blob
    except RemoteProtocolError:
        assert modulus[0] < 0x80 or modulus[-1] % 2 == 0


@given(st.integers(0, len(FIRST.public.blob) - 1), st.integers(1, 255))
def test_an_altered_blob_is_another_key_or_refused(position: int, change: int) -> None:
    blob = bytearray(FIRST.public.blob)
    blob[position] ^= change
    try:
        other = PublicKey.from_blob(bytes(blob))
    except RemoteProtocolError:
        return
    assert other != FIRST.public
    assert other.fingerprint != FIRST.public.fingerprint


@pytest.mark.parametrize("bits", [2_048, 4_096])
def test_other_key_lengths_are_refused(bits: int) -> None:
    modulus = ((1 << bits) - 1).to_bytes(bits // 8 + 1, "big")
    blob = b"\0\0\0\7ssh-rsa\0\0\0\3\1\0\1" + len(modulus).to_bytes(4, "big") + modulus
    with pytest.raises(RemoteProtocolError, match="not RSA of 3072 bits"):
        PublicKey.from_blob(blob)


def test_public_keys_are_equal_by_blob_and_can_key_a_table() -> None:
    again = PublicKey.from_blob(FIRST.public.blob)
    assert {FIRST.public: 1}[again] == 1
    assert again != FIRST.public.blob


def test_fingerprints_in_text_and_bytes() -> None:
    text = FIRST.public.fingerprint_text
    assert keys.parse_fingerprint(text) == FIRST.public.fingerprint
    assert keys.parse_fingerprint(text.replace("+", "-").replace("/", "_")) == FIRST.public.fingerprint


@given(st.text(max_size=60) | st.text(min_size=43, max_size=43).map("SHA256:".__add__))
def test_any_text_is_a_fingerprint_or_a_named_error(text: str) -> None:
    try:
        fingerprint = keys.parse_fingerprint(text)
    except KeyFormatError:
        return
    assert keys.format_fingerprint(fingerprint) == text.replace("-", "+").replace("_", "/")


@given(st.binary(min_size=32, max_size=32))
def test_every_fingerprint_survives_its_text(fingerprint: bytes) -> None:
    assert keys.parse_fingerprint(keys.format_fingerprint(fingerprint)) == fingerprint


def test_a_fingerprint_has_one_text_only() -> None:
    text = keys.format_fingerprint(bytes(32))
    with pytest.raises(KeyFormatError):
        keys.parse_fingerprint(text[:-1] + "B")


def test_golden_safety_number_is_the_same_for_both_sides() -> None:
    assert keys.safety_number(FIRST.public, SECOND.public) == VECTORS["safety_number"]
    assert keys.safety_number(SECOND.public, FIRST.public) == VECTORS["safety_number"]


def test_safety_number_has_twelve_groups_of_five_and_changes_with_the_key() -> None:
    groups = keys.safety_number(FIRST.public, SECOND.public).split(" ")
    assert [len(group) for group in groups] == [5] * 12
    assert "".join(groups).isdecimal()
    assert keys.safety_number(FIRST.public, FIRST.public) != " ".join(groups)


@given(st.text(max_size=600))
def test_any_text_is_no_private_key(text: str) -> None:
    for candidate in (text, "v1:" + text):
        with pytest.raises(KeyFormatError):
            IdentityKey.from_compact(candidate)


@pytest.mark.parametrize("position", [3, 200, 300, 514])
def test_one_altered_character_spoils_the_compact_form(position: int) -> None:
    text = FIRST.to_compact()
    altered = "A" if text[position] != "A" else "B"
    with pytest.raises(KeyFormatError, match=r"damaged|not an RSA key"):
        IdentityKey.from_compact(text[:position] + altered + text[position + 1 :])


def test_compact_form_of_zeros_is_refused() -> None:
    with pytest.raises(KeyFormatError, match="damaged"):
        IdentityKey.from_compact("v1:" + "A" * 512)


def test_encrypted_pem_needs_its_passphrase() -> None:
    pem = FIRST.to_pem("pässword")
    assert IdentityKey.from_pem(pem, "pässword").public == FIRST.public
    for wrong in (None, "", "password"):
        with pytest.raises(WrongPassphraseError):
            IdentityKey.from_pem(pem, wrong)


def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(WrongPassphraseError, match="empty"):
        FIRST.to_pem("")


def test_openssl_opens_our_encrypted_pem_and_we_open_its_own(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.write_bytes(FIRST.to_pem("friend"))
    assert "Key is valid" in run("openssl", "pkey", "-in", ours, "-passin", "pass:friend", "-check", "-noout")
    parameters = run("openssl", "asn1parse", "-in", ours)
    assert all(word in parameters for word in ("PBES2", "PBKDF2", "0927C0", "hmacWithSHA256", "aes-256-cbc"))
    run("openssl", "pkcs8", "-topk8", "-in", ours, "-passin", "pass:friend", "-passout", "pass:elf", "-out", theirs)
    assert IdentityKey.from_pem(theirs.read_bytes(), "elf").public == FIRST.public


def test_unencrypted_pem_ignores_a_passphrase() -> None:
    pem = FIRST.to_pem(None)
    assert IdentityKey.from_pem(pem, None).public == FIRST.public
    assert IdentityKey.from_pem(pem, "not needed").public == FIRST.public


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def test_private_keys_of_another_kind_or_length_are_refused() -> None:
    with pytest.raises(KeyFormatError, match="not RSA"):
        IdentityKey.from_pem(pem_of(ec.generate_private_key(ec.SECP256R1())), None)
    with pytest.raises(KeyFormatError, match="not an RSA key of 3072"):
        IdentityKey.from_pem(pem_of(rsa.generate_private_key(65_537, 2_048)), None)


@given(st.binary(max_size=400))
def test_any_file_is_a_private_key_or_a_named_error(data: bytes) -> None:
    for candidate in (data, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + data):
        with pytest.raises(KeyFormatError):
            IdentityKey.from_pem(candidate, "passphrase")


def test_a_huge_file_is_refused_unread() -> None:
    with pytest.raises(KeyFormatError, match="too large"):
        IdentityKey.from_pem(FIRST.to_pem(None) + b" " * keys.MAX_PEM, None)


def test_sealed_storage_opens_for_the_same_key_and_purpose_only() -> None:
    sealed = FIRST.seal_for_storage(b"network secrets", b"state")
    assert FIRST.open_from_storage(sealed, b"state") == b"network secrets"
    assert b"network secrets" not in sealed
    for key, data, purpose in (
        (SECOND, sealed, b"state"),
        (FIRST, sealed, b"other"),
        (FIRST, sealed[:-1], b"state"),
        (FIRST, bytes([sealed[0] ^ 1]) + sealed[1:], b"state"),
        (FIRST, b"", b"state"),
    ):
        with pytest.raises(KeyFormatError, match="sealed data"):
            key.open_from_storage(data, purpose)
