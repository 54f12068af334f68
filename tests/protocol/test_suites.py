"""The suite table: KEYMAT and messages against golden vectors and the openssl command, and what is refused."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import suites
from app.protocol.suites import SUITES, MessageCipher, Suite
from app.protocol.wire import RemoteProtocolError

GOLDEN = {
    vector["suite"]: vector
    for vector in json.loads((Path(__file__).parent / "vectors" / "suites.json").read_text())["suites"]
}
MESSAGES = [(number, message) for number, vector in GOLDEN.items() for message in vector["messages"]]
BY_NUMBER = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
DIGESTS = {1: "sha1", 2: "sha256"}
HEADER = b"a header of sixteen"[:16]


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


def openssl_hmac(digest: str, key: bytes, data: bytes) -> bytes:
    return openssl("dgst", f"-{digest}", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary", data=data)


def openssl_block(key: bytes, block: bytes) -> bytes:
    return openssl("enc", "-aes-256-ecb", "-nopad", "-K", key.hex(), data=block)


def keymat_of(number: int) -> bytes:
    return bytes.fromhex(GOLDEN[number]["keymat"])


def golden_cipher(suite: Suite, initiator: bool) -> MessageCipher:
    return suite.cipher(keymat_of(suite.number), initiator)


# --- KEYMAT


@BY_NUMBER
def test_golden_keymat(suite: Suite) -> None:
    vector = GOLDEN[suite.number]
    secret, first, second = (bytes.fromhex(vector[name]) for name in ("secret", "nonce_initiator", "nonce_responder"))
    for length in (0, 1, suite.keymat_length, len(keymat_of(suite.number))):
        assert suite.keymat(secret, first, second, length) == keymat_of(suite.number)[:length]


@BY_NUMBER
def test_openssl_computes_the_same_keymat(suite: Suite) -> None:
    vector, digest = GOLDEN[suite.number], DIGESTS[suite.number]
    key = bytes.fromhex(vector["secret"])
    nonces = bytes.fromhex(vector["nonce_initiator"] + vector["nonce_responder"])
    block = openssl_hmac(digest, key, nonces + b"\x01")
    material = block
    for number in range(2, 6):
        block = openssl_hmac(digest, key, block + nonces + bytes([number]))
        material += block
    assert keymat_of(suite.number)[: len(material)] == material


def test_the_table_is_keyed_by_the_number_on_the_wire() -> None:
    assert {number: suite.number for number, suite in SUITES.items()} == {1: 1, 2: 2}
    assert suites.DEFAULT_SUITE == 2
    assert len({suite.name for suite in SUITES.values()}) == len(SUITES)


# --- messages


@pytest.mark.parametrize(("number", "message"), MESSAGES)
def test_golden_messages(number: int, message: dict[str, Any]) -> None:
    plain, header, sealed = (bytes.fromhex(message[name]) for name in ("plaintext", "header", "sealed"))
    sender = golden_cipher(SUITES[number], message["initiator"])
    receiver = golden_cipher(SUITES[number], not message["initiator"])
    assert sender.seal(message["id"], plain, header) == sealed
    assert sender.sealed_length(len(plain)) == len(sealed)
    assert receiver.open(message["id"], sealed, header) == plain


@pytest.mark.parametrize("message", GOLDEN[1]["messages"])
def test_openssl_opens_messages_of_suite_1(message: dict[str, Any]) -> None:
    """IV: the id encrypted under the third key. MAC: HMAC-SHA1-96 over id and text. Text: CBC with ESP padding."""
    keymat, sealed = keymat_of(1), bytes.fromhex(message["sealed"])
    text, mac = sealed[:-12], sealed[-12:]
    initial = openssl_block(keymat[52:84], message["id"].to_bytes(16, "big"))
    padded = openssl("enc", "-d", "-aes-256-cbc", "-nopad", "-K", keymat[:32].hex(), "-iv", initial.hex(), data=text)
    plain = bytes.fromhex(message["plaintext"])
    pad = padded[-2]
    assert padded == plain + bytes(range(1, pad + 1)) + bytes([pad, 0])
    assert pad < 16
    assert openssl_hmac("sha1", keymat[32:52], message["id"].to_bytes(4, "big") + text)[:12] == mac


@pytest.mark.parametrize("message", GOLDEN[2]["messages"])
def test_openssl_opens_the_text_of_suite_2(message: dict[str, Any]) -> None:
    """GCM's text is counter mode from nonce and 2 on (NIST SP 800-38D section 7.1); for its tag see the next test."""
    keymat, sealed = keymat_of(2), bytes.fromhex(message["sealed"])
    key = keymat[:32] if message["initiator"] else keymat[32:64]
    counter = message["id"].to_bytes(12, "big") + (2).to_bytes(4, "big")
    plain = openssl("enc", "-d", "-aes-256-ctr", "-K", key.hex(), "-iv", counter.hex(), data=sealed[:-16])
    assert plain.hex() == message["plaintext"]


def test_suite_2_is_aes_256_gcm() -> None:
    """Test case 14 of McGrew and Viega, The Galois/Counter Mode of Operation: zero key, nonce and block."""
    sealed = SUITES[2].cipher(bytes(64), initiator=True).seal(0, bytes(16), b"")
    assert sealed.hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"


@BY_NUMBER
@given(data=st.data(), plain=st.binary(max_size=2_000), initiator=st.booleans(), kind=st.sampled_from([0, 1, 2]))
def test_every_message_is_opened_by_the_far_side(
    suite: Suite, data: st.DataObject, plain: bytes, initiator: bool, kind: int
) -> None:
    sender, receiver = golden_cipher(suite, initiator), golden_cipher(suite, not initiator)
    steps = data.draw(st.integers(0, (sender.id_limit - 1 - sender.first_send_id) // sender.id_step))
    message_id = sender.first_send_id + steps * sender.id_step
    buffer = (bytes, bytearray, memoryview)[kind](plain)
    sealed = sender.seal(message_id, buffer, HEADER)
    assert len(sealed) == sender.sealed_length(len(plain))
    assert receiver.open(message_id, memoryview(sealed), HEADER) == plain


@BY_NUMBER
@given(position=st.integers(0, 59), change=st.integers(1, 255))
def test_a_tampered_message_is_refused(suite: Suite, position: int, change: int) -> None:
    sender, receiver = golden_cipher(suite, True), golden_cipher(suite, False)
    sealed = bytearray(sender.seal(sender.first_send_id, b"to be or not to be", HEADER))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(RemoteProtocolError, match=r"wrong (MAC|tag)"):
        receiver.open(sender.first_send_id, sealed, HEADER)


@BY_NUMBER
def test_a_truncated_message_is_refused_at_every_length(suite: Suite) -> None:
    sender, receiver = golden_cipher(suite, True), golden_cipher(suite, False)
    sealed = sender.seal(sender.first_send_id, b"to be or not to be", HEADER)
    for length in range(len(sealed)):
        with pytest.raises(RemoteProtocolError, match="message: wrong"):
            receiver.open(sender.first_send_id, sealed[:length], HEADER)


@BY_NUMBER
@given(sealed=st.binary(max_size=120), message_id=st.integers(0, 2**32 - 1))
def test_any_bytes_are_refused_with_a_name(suite: Suite, sealed: bytes, message_id: int) -> None:
    with pytest.raises(RemoteProtocolError, match="message: "):
        golden_cipher(suite, True).open(message_id, sealed, HEADER)


@BY_NUMBER
def test_a_message_under_another_id_is_refused(suite: Suite) -> None:
    sender, receiver = golden_cipher(suite, True), golden_cipher(suite, False)
    first = sender.first_send_id
    sealed = sender.seal(first, b"one", HEADER)
    with pytest.raises(RemoteProtocolError, match=r"wrong (MAC|tag)"):
        receiver.open(first + sender.id_step, sealed, HEADER)


@BY_NUMBER
def test_a_reflected_message_is_refused(suite: Suite) -> None:
    """A message sent back to its sender: suite 1 tells by the id's parity, suite 2 by the key of the direction."""
    for initiator in (True, False):
        sender = golden_cipher(suite, initiator)
        sealed = sender.seal(sender.first_send_id, b"echo", HEADER)
        with pytest.raises(RemoteProtocolError, match=r"message: (reflected id|wrong tag)"):
            sender.open(sender.first_send_id, sealed, HEADER)


def test_suite_1_splits_the_ids_and_suite_2_the_keys() -> None:
    one, two = golden_cipher(SUITES[1], True), golden_cipher(SUITES[1], False)
    assert (one.first_send_id, one.first_receive_id, one.id_step) == (1, 2, 2)
    assert (two.first_send_id, two.first_receive_id, two.id_step) == (2, 1, 2)
    message_id = 0
    sent = [golden_cipher(SUITES[2], initiator).seal(message_id, b"x", HEADER) for initiator in (True, False)]
    assert sent[0] != sent[1]


def test_suite_2_authenticates_the_header_and_suite_1_does_not() -> None:
    for suite in SUITES.values():
        sender, receiver = golden_cipher(suite, True), golden_cipher(suite, False)
        sealed = sender.seal(sender.first_send_id, b"x", HEADER)
        if suite.number == 1:
            assert receiver.open(sender.first_send_id, sealed, b"another") == b"x"
        else:
            with pytest.raises(RemoteProtocolError, match="wrong tag"):
                receiver.open(sender.first_send_id, sealed, b"another")


@pytest.mark.parametrize(
    "padded",
    [
        bytes(14) + b"\x00\x01",
        bytes(13) + b"\x02\x01\x00",
        bytes(14) + b"\x0f\x00",
        bytes(14) + b"\xff\x00",
        bytes(12) + b"\x01\x03\x02\x00",
    ],
    ids=["next header not 0", "wrong byte", "longer than the block", "longest", "wrong order"],
)
def test_wrong_esp_padding_under_a_right_mac_is_refused(padded: bytes) -> None:
    keymat = keymat_of(1)
    receiver = golden_cipher(SUITES[1], False)
    initial = openssl_block(keymat[52:84], (1).to_bytes(16, "big"))
    text = openssl("enc", "-aes-256-cbc", "-nopad", "-K", keymat[:32].hex(), "-iv", initial.hex(), data=padded)
    mac = openssl_hmac("sha1", keymat[32:52], (1).to_bytes(4, "big") + text)[:12]
    with pytest.raises(RemoteProtocolError, match="wrong padding"):
        receiver.open(1, text + mac, b"")


def test_the_mac_is_checked_before_the_padding() -> None:
    receiver = golden_cipher(SUITES[1], False)
    with pytest.raises(RemoteProtocolError, match="wrong MAC"):
        receiver.open(1, bytes(16 + 12), b"")


# --- key exchange


@BY_NUMBER
def test_both_sides_reach_the_same_secret(suite: Suite) -> None:
    exchange = suite.start_exchange()
    answer, secret = suite.answer_exchange(exchange.public)
    assert (len(exchange.public), len(answer)) == suite.public_lengths
    assert exchange.finish(answer) == secret
    assert suite.answer_exchange(exchange.public)[1] != secret


@BY_NUMBER
@given(public=st.binary(max_size=300))
def test_any_bytes_are_no_public_value_of_suite_2_and_no_crash_of_suite_1(suite: Suite, public: bytes) -> None:
    exchange = suite.start_exchange()
    for side in (exchange.finish, suite.answer_exchange):
        try:
            side(public)
        except RemoteProtocolError:
            continue
        assert (suite.number, len(public)) == (1, 256)


def test_the_group_is_the_one_of_rfc_3526() -> None:
    """Section 3: 2^2048 - 2^1984 - 1 + 2^64 * (floor(2^1918 * pi) + 124476), with pi by Machin's formula."""
    unity = 1 << 1918 + 128

    def arc_cotangent(x: int) -> int:
        total = term = unity // x
        for divisor in range(3, 10_000, 2):
            term //= -x * x
            total += term // divisor
            if term in (0, -1):
                break
        return total

    pi = 4 * (4 * arc_cotangent(5) - arc_cotangent(239)) >> 128
    assert 2**2048 - 2**1984 - 1 + 2**64 * (pi + 124_476) == suites._MODP_2048_PRIME


def test_openssl_makes_a_key_in_the_same_group_and_we_agree_with_it() -> None:
    pem = openssl("genpkey", "-algorithm", "DH", "-pkeyopt", "group:modp_2048")
    text = openssl("pkey", "-noout", "-text", data=pem).decode()
    private, public = (
        int(re.sub(r"[^0-9a-f]", "", block), 16)
        for block in re.findall(r"(?:private|public)-key:\n((?: +[0-9a-f:]+\n)+)", text)
    )
    assert pow(2, private, suites._MODP_2048_PRIME) == public
    answer, secret = SUITES[1].answer_exchange(public.to_bytes(256, "big"))
    assert pow(int.from_bytes(answer, "big"), private, suites._MODP_2048_PRIME) == int.from_bytes(secret, "big")


PRIME = suites._MODP_2048_PRIME


@pytest.mark.parametrize("value", [0, 1, PRIME - 1, PRIME, PRIME + 1, 2**2048 - 1])
def test_public_values_outside_the_group_are_refused(value: int) -> None:
    public = value.to_bytes(256, "big")
    for side in (SUITES[1].answer_exchange, SUITES[1].start_exchange().finish):
        with pytest.raises(RemoteProtocolError, match="out of range"):
            side(public)


@pytest.mark.parametrize("value", [2, PRIME - 2])
def test_the_smallest_and_largest_public_value_are_taken(value: int) -> None:
    answer, secret = SUITES[1].answer_exchange(value.to_bytes(256, "big"))
    assert (len(answer), len(secret)) == (256, 256)


@pytest.mark.parametrize("length", [0, 255, 257])
def test_a_public_value_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match="out of range"):
        SUITES[1].answer_exchange(b"\x02" * length)


def test_an_ml_kem_key_outside_its_range_is_refused() -> None:
    """FIPS 203 section 7.2: each coefficient must be below 3329; all ones is not."""
    public = SUITES[2].start_exchange().public
    with pytest.raises(RemoteProtocolError, match="not valid"):
        SUITES[2].answer_exchange(public[:32] + b"\xff" * 1_184)


def test_an_x25519_value_of_low_order_is_refused() -> None:
    """RFC 7748 section 6.1: an all-zero shared secret."""
    exchange = SUITES[2].start_exchange()
    answer, _ = SUITES[2].answer_exchange(exchange.public)
    with pytest.raises(RemoteProtocolError, match="not valid"):
        SUITES[2].answer_exchange(bytes(32) + exchange.public[32:])
    with pytest.raises(RemoteProtocolError, match="not valid"):
        exchange.finish(bytes(32) + answer[32:])


@pytest.mark.parametrize("change", [-1, 1])
def test_a_hybrid_value_of_another_length_is_refused(change: int) -> None:
    exchange = SUITES[2].start_exchange()
    answer, _ = SUITES[2].answer_exchange(exchange.public)
    with pytest.raises(RemoteProtocolError, match="wrong length"):
        SUITES[2].answer_exchange((exchange.public + b"x")[: len(exchange.public) + change])
    with pytest.raises(RemoteProtocolError, match="wrong length"):
        exchange.finish((answer + b"x")[: len(answer) + change])


def test_an_altered_ml_kem_ciphertext_gives_another_secret() -> None:
    """FIPS 203 section 6.3, implicit rejection: no error, but a secret that nobody else has; AUTH then fails."""
    exchange = SUITES[2].start_exchange()
    answer, secret = SUITES[2].answer_exchange(exchange.public)
    other = exchange.finish(answer[:-1] + bytes([answer[-1] ^ 1]))
    assert other[:32] == secret[:32]
    assert other[32:] != secret[32:]
