"""The crypto suites: one table of key exchange, prf, message protection and signature padding.

Adding a suite means adding a class here and a row to `SUITES`. Sources: RFC 3526 section 3 (2048-bit MODP group),
RFC 7748 (X25519), FIPS 203 (ML-KEM-768), RFC 2104 and RFC 2404 (HMAC-SHA1-96), RFC 4303 section 2.4 (ESP padding),
NIST SP 800-38A appendix C (unpredictable IV by encrypting a unique id), NIST SP 800-38D (GCM).

KEYMAT = T1 | T2 | ..., T1 = prf(K, Ni|Nr|0x01), Tn = prf(K, Tn-1|Ni|Nr|n).
"""

import hmac
import secrets
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import mlkem, padding, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.protocol.wire import RemoteProtocolError

Buffer = bytes | bytearray | memoryview

NONCE_LENGTH = 128
"""Bytes in Ni and Nr: 1024 bits."""

_MODP_2048_PRIME: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)
"""RFC 3526 section 3, group 14; its generator is 2."""


WrongTag: Final = InvalidTag
"""What `AeadCipher.receiver` raises where the pump calls it in place."""


class KeyExchange(ABC):
    """The initiator's half of a key exchange; `public` is Gi."""

    public: bytes

    @abstractmethod
    def finish(self, responder_public: bytes) -> bytes:
        """The shared secret K from Gr. Raises RemoteProtocolError if Gr is no valid public value."""


class MessageCipher(ABC):
    """Protects single messages of one session, both directions. Ids are the caller's business."""

    first_send_id: int
    first_receive_id: int
    id_step: int
    id_limit: int
    """Ids from here on must not be used: rekey long before."""
    id_bytes: int

    @abstractmethod
    def sealed_length(self, plaintext_length: int) -> int:
        """Bytes that `seal` gives for a plaintext of this length."""

    @abstractmethod
    def seal(self, message_id: int, plaintext: Buffer, header: Buffer) -> bytes:
        """Ciphertext and tag. `header` is authenticated where the suite can (suite 2)."""

    @abstractmethod
    def open(self, message_id: int, sealed: Buffer, header: Buffer) -> bytes:
        """The plaintext. Raises RemoteProtocolError if the message was not sealed by the far side."""


class Suite(ABC):
    """One row of the suite table."""

    number: ClassVar[int]
    name: ClassVar[str]
    public_lengths: ClassVar[tuple[int, int]]
    """Bytes in Gi and in Gr."""
    keymat_length: ClassVar[int]
    """Bytes of KEYMAT that one session's cipher takes."""

    @abstractmethod
    def start_exchange(self) -> KeyExchange:
        """Fresh private values of the initiator."""

    @abstractmethod
    def answer_exchange(self, initiator_public: bytes) -> tuple[bytes, bytes]:
        """The responder's (Gr, K). Raises RemoteProtocolError if Gi is no valid public value."""

    @abstractmethod
    def prf(self, key: bytes, data: bytes) -> bytes:
        """The suite's pseudo-random function."""

    @abstractmethod
    def cipher(self, keymat: bytes, initiator: bool) -> MessageCipher:
        """Message protection for one session as its initiator or responder sees it."""

    @property
    @abstractmethod
    def signature_padding(self) -> padding.AsymmetricPadding:
        """RSA padding of AUTH signatures; the hash is SHA-256 in every suite."""

    def keymat(self, secret: bytes, nonce_initiator: bytes, nonce_responder: bytes, length: int) -> bytes:
        """The first `length` bytes of KEYMAT from K, Ni and Nr."""
        nonces = nonce_initiator + nonce_responder
        block = self.prf(secret, nonces + b"\x01")
        material = block
        counter = 2
        while len(material) < length:
            block = self.prf(secret, block + nonces + bytes([counter]))
            material += block
            counter += 1
        return material[:length]


def _modp_private() -> int:
    """A fresh exponent of 512 bits: twice the group's strength (RFC 3526 section 8), used for one exchange only."""
    return secrets.randbits(512) | 1 << 511


def _modp_public(private: int) -> bytes:
    return pow(2, private, _MODP_2048_PRIME).to_bytes(256, "big")


def _modp_secret(private: int, public: bytes) -> bytes:
    """g^xy as 256 bytes. Refuses 0, 1, p-1 and larger values (RFC 2631 section 2.1.5)."""
    value = int.from_bytes(public, "big")
    if len(public) != 256 or not 1 < value < _MODP_2048_PRIME - 1:
        raise RemoteProtocolError("key exchange: public value out of range")
    return pow(value, private, _MODP_2048_PRIME).to_bytes(256, "big")


class _ModpExchange(KeyExchange):
    def __init__(self) -> None:
        self._private = _modp_private()
        self.public = _modp_public(self._private)

    def finish(self, responder_public: bytes) -> bytes:
        return _modp_secret(self._private, responder_public)


class CbcCipher(MessageCipher):
    """Suite 1's messages: AES-256-CBC with ESP padding, then HMAC-SHA1-96 over id and ciphertext.

    The initiator uses odd ids and the responder even ones, so a message can't be reflected. No IV travels:
    it is the AES encryption of the id, as a 16-byte number, under a key of its own.
    """

    id_step = 2
    id_limit = 2**32 - 2**20
    id_bytes = 4
    mac_length = 12

    def __init__(self, keymat: bytes, initiator: bool) -> None:
        self._key = algorithms.AES256(keymat[:32])
        self._mac_key = keymat[32:52]
        self._iv_cipher = Cipher(algorithms.AES256(keymat[52:84]), modes.ECB())
        self.first_send_id, self.first_receive_id = (1, 2) if initiator else (2, 1)

    def _iv(self, message_id: int) -> bytes:
        return self._iv_cipher.encryptor().update(message_id.to_bytes(16, "big"))

    def _mac(self, message_id: int, ciphertext: Buffer) -> bytes:
        mac = hmac.new(self._mac_key, message_id.to_bytes(4, "big"), "sha1")
        mac.update(ciphertext)
        return mac.digest()[: self.mac_length]

    def sealed_length(self, plaintext_length: int) -> int:
        return (plaintext_length + 2 + 15) // 16 * 16 + self.mac_length

    def seal(self, message_id: int, plaintext: Buffer, header: Buffer) -> bytes:
        pad = -(len(plaintext) + 2) % 16
        trailer = bytes(range(1, pad + 1)) + bytes([pad, 0])
        encryptor = Cipher(self._key, modes.CBC(self._iv(message_id))).encryptor()
        ciphertext = encryptor.update(plaintext) + encryptor.update(trailer)
        return ciphertext + self._mac(message_id, ciphertext)

    def open(self, message_id: int, sealed: Buffer, header: Buffer) -> bytes:
        ciphertext, mac = sealed[: -self.mac_length], sealed[-self.mac_length :]
        if len(ciphertext) < 16 or len(ciphertext) % 16:
            raise RemoteProtocolError("message: wrong length")
        if (message_id ^ self.first_receive_id) & 1:
            raise RemoteProtocolError("message: reflected id")
        if not hmac.compare_digest(self._mac(message_id, ciphertext), bytes(mac)):
            raise RemoteProtocolError("message: wrong MAC")
        padded = Cipher(self._key, modes.CBC(self._iv(message_id))).decryptor().update(ciphertext)
        return _without_esp_padding(padded)


def _without_esp_padding(padded: bytes) -> bytes:
    """RFC 4303 section 2.4: 1, 2, 3 ... then the pad length and the next header, here 0. The MAC was checked before."""
    pad = padded[-2]
    end = len(padded) - 2 - pad
    if end < 0 or padded[-1] != 0 or padded[end:-2] != bytes(range(1, pad + 1)):
        raise RemoteProtocolError("message: wrong padding")
    return padded[:end]


class Suite1(Suite):
    """The suite that Hamachi published: MODP-2048, HMAC-SHA1, AES-256-CBC, RSA PKCS#1 v1.5."""

    number = 1
    name = "MODP2048-AES256CBC-SHA1"
    public_lengths = (256, 256)
    keymat_length = 32 + 20 + 32

    def start_exchange(self) -> KeyExchange:
        return _ModpExchange()

    def answer_exchange(self, initiator_public: bytes) -> tuple[bytes, bytes]:
        private = _modp_private()
        secret = _modp_secret(private, initiator_public)
        return _modp_public(private), secret

    def prf(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, "sha1")

    def cipher(self, keymat: bytes, initiator: bool) -> MessageCipher:
        return CbcCipher(keymat, initiator)

    @property
    def signature_padding(self) -> padding.AsymmetricPadding:
        return padding.PKCS1v15()


class _HybridExchange(KeyExchange):
    def __init__(self) -> None:
        self._x25519 = x25519.X25519PrivateKey.generate()
        self._mlkem = mlkem.MLKEM768PrivateKey.generate()
        self.public = self._x25519.public_key().public_bytes_raw() + self._mlkem.public_key().public_bytes_raw()

    def finish(self, responder_public: bytes) -> bytes:
        if len(responder_public) != Suite2.public_lengths[1]:
            raise RemoteProtocolError("key exchange: public value has the wrong length")
        try:
            classic = self._x25519.exchange(x25519.X25519PublicKey.from_public_bytes(responder_public[:32]))
            quantum = self._mlkem.decapsulate(responder_public[32:])
        except ValueError:
            raise RemoteProtocolError("key exchange: public value not valid") from None
        return classic + quantum


class AeadCipher(MessageCipher):
    """Suite 2's messages: AES-256-GCM, one key per direction, the id as the last 8 bytes of the nonce.

    `sender` and `receiver` are open to the pump, which calls them in place.
    """

    id_step = 1
    id_limit = 2**63
    id_bytes = 8
    tag_length = 16
    first_send_id = 0
    first_receive_id = 0

    def __init__(self, keymat: bytes, initiator: bool) -> None:
        first, second = AESGCM(keymat[:32]), AESGCM(keymat[32:64])
        self.sender, self.receiver = (first, second) if initiator else (second, first)

    def sealed_length(self, plaintext_length: int) -> int:
        return plaintext_length + self.tag_length

    def seal(self, message_id: int, plaintext: Buffer, header: Buffer) -> bytes:
        return self.sender.encrypt(message_id.to_bytes(12, "big"), plaintext, header)

    def open(self, message_id: int, sealed: Buffer, header: Buffer) -> bytes:
        try:
            return self.receiver.decrypt(message_id.to_bytes(12, "big"), sealed, header)
        except InvalidTag:
            raise RemoteProtocolError("message: wrong tag") from None


class Suite2(Suite):
    """The default: X25519 with ML-KEM-768 (K is both secrets in this order), HMAC-SHA256, AES-256-GCM, RSA-PSS."""

    number = 2
    name = "X25519MLKEM768-AES256GCM-SHA256"
    public_lengths = (32 + 1184, 32 + 1088)
    keymat_length = 64

    def start_exchange(self) -> KeyExchange:
        return _HybridExchange()

    def answer_exchange(self, initiator_public: bytes) -> tuple[bytes, bytes]:
        if len(initiator_public) != self.public_lengths[0]:
            raise RemoteProtocolError("key exchange: public value has the wrong length")
        private = x25519.X25519PrivateKey.generate()
        try:
            classic = private.exchange(x25519.X25519PublicKey.from_public_bytes(initiator_public[:32]))
            quantum, ciphertext = mlkem.MLKEM768PublicKey.from_public_bytes(initiator_public[32:]).encapsulate()
        except ValueError:
            raise RemoteProtocolError("key exchange: public value not valid") from None
        return private.public_key().public_bytes_raw() + ciphertext, classic + quantum

    def prf(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, "sha256")

    def cipher(self, keymat: bytes, initiator: bool) -> MessageCipher:
        return AeadCipher(keymat, initiator)

    @property
    def signature_padding(self) -> padding.AsymmetricPadding:
        return padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


SUITES: Final[dict[int, Suite]] = {suite.number: suite for suite in (Suite1(), Suite2())}
"""Every suite by its number on the wire."""

DEFAULT_SUITE: Final = Suite2.number
