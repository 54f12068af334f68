"""RSA identities: the key that makes an account, its public half on the wire, fingerprints and safety numbers.

Every account and every server is one RSA-3072 key with the public exponent 65537; nothing else is accepted. On our
wire a public key is always the OpenSSH blob (RFC 4253 section 6.6): the strings "ssh-rsa", e and n. Its SHA-256 is the
fingerprint, the same that `ssh-keygen -lf` prints.

Called by the handshakes and conversations of this package and by the engine and the server, who decide where a private
key is kept. It may not do I/O. Making, loading and exporting a private key takes tenths of a second: off the event
loop, please.
"""

import binascii
import hashlib
import os
from base64 import b64decode, b64encode, urlsafe_b64encode
from functools import cached_property
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.protocol.wire import RemoteProtocolError

KEY_BITS: Final = 3_072
"""Length of every RSA modulus."""
PUBLIC_EXPONENT: Final = 65_537
SIGNATURE_LENGTH: Final = KEY_BITS // 8
"""Bytes in every signature."""
FINGERPRINT_LENGTH: Final = 32
"""Bytes in a fingerprint."""

_PRIME_LENGTH: Final = KEY_BITS // 16
_BLOB_START: Final = b"\x00\x00\x00\x07ssh-rsa\x00\x00\x00\x03\x01\x00\x01" + (KEY_BITS // 8 + 1).to_bytes(4) + b"\x00"
"""All of a blob but n: with one key length and one exponent only n differs."""
BLOB_LENGTH: Final = len(_BLOB_START) + KEY_BITS // 8
"""Bytes in every public key blob: 407."""

PSS_PADDING: Final = rsa_padding.PSS(mgf=rsa_padding.MGF1(hashes.SHA256()), salt_length=32)
"""RFC 8017 section 8.1 with SHA-256 throughout: for signatures that belong to no suite."""

_COMPACT_VERSION: Final = "v1:"
_FINGERPRINT_PREFIX: Final = "SHA256:"
_FINGERPRINT_TEXT_LENGTH: Final = len(_FINGERPRINT_PREFIX) + 43

SAFETY_NUMBER_LABEL: Final = b"buri safety number 1"
_SAFETY_NUMBER_ROUNDS: Final = 5_200

_PBKDF2_ITERATIONS: Final = 600_000
"""OWASP's figure for PBKDF2-HMAC-SHA256; the crypto library's own export would do 2,048."""
MAX_PEM: Final = 16_384
"""Bytes in a private key file."""


class KeyFormatError(ValueError):
    """A stored private key, or a fingerprint that someone typed, is not what it should be; the text says why."""


class WrongPassphraseError(KeyFormatError):
    """The passphrase is missing or does not open this private key file."""


class PublicKey:
    """The public half of an identity. Equal and hashable by its blob."""

    __slots__ = ("__dict__", "_key", "blob")

    blob: bytes
    """The OpenSSH wire form, RFC 4253 section 6.6; `BLOB_LENGTH` bytes."""

    def __init__(self, blob: bytes) -> None:
        if len(blob) != BLOB_LENGTH or not blob.startswith(_BLOB_START):
            raise RemoteProtocolError(f"public key: not RSA of {KEY_BITS} bits with exponent {PUBLIC_EXPONENT}")
        modulus = int.from_bytes(blob[len(_BLOB_START) :], "big")
        if modulus.bit_length() != KEY_BITS or modulus % 2 == 0:
            raise RemoteProtocolError(f"public key: modulus is not an odd number of {KEY_BITS} bits")
        self.blob = blob
        self._key = rsa.RSAPublicNumbers(PUBLIC_EXPONENT, modulus).public_key()

    @classmethod
    def from_blob(cls, blob: bytes) -> "PublicKey":
        """The key in an OpenSSH blob. Raises RemoteProtocolError for anything but RSA-3072 with e = 65537."""
        return cls(bytes(blob))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.blob == other.blob

    def __hash__(self) -> int:
        return hash(self.blob)

    def __repr__(self) -> str:
        return f"PublicKey({self.fingerprint_text})"

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of the blob, 32 bytes."""
        return hashlib.sha256(self.blob).digest()

    @property
    def fingerprint_text(self) -> str:
        """`SHA256:` and 43 characters, as `ssh-keygen -lf` prints it."""
        return format_fingerprint(self.fingerprint)

    def openssh_line(self, comment: str = "") -> str:
        """The key as a line of an OpenSSH .pub file, without a newline."""
        return f"ssh-rsa {b64encode(self.blob).decode()} {comment}".rstrip()

    def verify(self, signature: bytes, data: bytes, signature_padding: rsa_padding.AsymmetricPadding) -> None:
        """Check a signature over SHA-256 of `data`. Raises RemoteProtocolError if this key did not make it."""
        try:
            self._key.verify(signature, data, signature_padding, hashes.SHA256())
        except InvalidSignature:
            raise RemoteProtocolError("signature: not made by this key") from None


class IdentityKey:
    """A private RSA-3072 key. Its repr shows the fingerprint only."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        numbers = key.public_key().public_numbers()
        if key.key_size != KEY_BITS or numbers.e != PUBLIC_EXPONENT:
            raise KeyFormatError(f"not an RSA key of {KEY_BITS} bits with exponent {PUBLIC_EXPONENT}")
        self._key = key
        self.public = PublicKey(_BLOB_START + numbers.n.to_bytes(KEY_BITS // 8, "big"))

    def __repr__(self) -> str:
        return f"IdentityKey({self.public.fingerprint_text})"

    @classmethod
    def generate(cls) -> "IdentityKey":
        """A fresh key; takes from 50 ms to seconds."""
        return cls(rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS))

    def sign(self, data: bytes, signature_padding: rsa_padding.AsymmetricPadding) -> bytes:
        """The signature over SHA-256 of `data`, `SIGNATURE_LENGTH` bytes."""
        return self._key.sign(data, signature_padding, hashes.SHA256())

    def _primes(self) -> bytes:
        numbers = self._key.private_numbers()
        return numbers.p.to_bytes(_PRIME_LENGTH, "big") + numbers.q.to_bytes(_PRIME_LENGTH, "big")

    def to_compact(self) -> str:
        """`v1:` and base64url of p and q: 515 characters, so that it fits the 1,280 of a Windows credential."""
        return _COMPACT_VERSION + urlsafe_b64encode(self._primes()).decode()

    @classmethod
    def from_compact(cls, text: str) -> "IdentityKey":
        """The key that `to_compact` wrote. Raises KeyFormatError for anything else, also for an altered character."""
        if not text.startswith(_COMPACT_VERSION):
            raise KeyFormatError("private key: unknown version")
        try:
            encoded = text.removeprefix(_COMPACT_VERSION).encode("ascii")
            raw = b64decode(encoded, altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise KeyFormatError("private key: not base64url") from None
        if len(raw) != 2 * _PRIME_LENGTH:
            raise KeyFormatError("private key: wrong length")
        p, q = int.from_bytes(raw[:_PRIME_LENGTH], "big"), int.from_bytes(raw[_PRIME_LENGTH:], "big")
        return cls(_key_from_primes(p, q))

    def to_pem(self, passphrase: str | None) -> bytes:
        """PKCS#8 PEM for files and backups, readable by `openssl pkey`; None leaves it unencrypted.

        Encrypted it is RFC 8018 PBES2: PBKDF2-HMAC-SHA256 with 600,000 iterations and AES-256-CBC.
        Raises WrongPassphraseError if the passphrase is empty.
        """
        plain = self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        if passphrase is None:
            return _pem("PRIVATE KEY", plain)
        if not passphrase:
            raise WrongPassphraseError("private key: the passphrase is empty")
        return _pem("ENCRYPTED PRIVATE KEY", _encrypt_pkcs8(plain, passphrase.encode()))

    @classmethod
    def from_pem(cls, data: bytes, passphrase: str | None) -> "IdentityKey":
        """The key in a PEM file, encrypted or not (`passphrase` is not looked at then).

        Raises WrongPassphraseError, or KeyFormatError if it is no RSA-3072 private key in PEM.
        """
        if len(data) > MAX_PEM:
            raise KeyFormatError("private key: file too large")
        encrypted = is_encrypted_pem(data)
        if encrypted and not passphrase:
            raise WrongPassphraseError("private key: needs its passphrase")
        try:
            key = serialization.load_pem_private_key(data, (passphrase or "").encode() if encrypted else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if encrypted:
                raise WrongPassphraseError("private key: wrong passphrase, or the file is damaged") from error
            raise KeyFormatError("private key: not a PEM private key") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise KeyFormatError("private key: not RSA")
        return cls(key)

    def _storage_cipher(self, purpose: bytes) -> AESGCM:
        kdf = HKDF(hashes.SHA256(), length=32, salt=None, info=b"buri storage 1 " + purpose)
        return AESGCM(kdf.derive(hashlib.sha256(self._primes()).digest()))

    def seal_for_storage(self, data: bytes, purpose: bytes) -> bytes:
        """`data` encrypted for the owner of this private key alone: nonce and AES-256-GCM under HKDF-SHA256 of p and q.

        `purpose` keeps the uses apart. The random nonce bounds it to 2**32 seals (NIST SP 800-38D section 8.3).
        """
        nonce = os.urandom(12)
        return nonce + self._storage_cipher(purpose).encrypt(nonce, data, purpose)

    def open_from_storage(self, sealed: bytes, purpose: bytes) -> bytes:
        """What `seal_for_storage` was given. Raises KeyFormatError if it is damaged or another key's."""
        if len(sealed) < 12 + 16:
            raise KeyFormatError("sealed data: too short")
        try:
            return self._storage_cipher(purpose).decrypt(sealed[:12], sealed[12:], purpose)
        except InvalidTag:
            raise KeyFormatError("sealed data: damaged, or sealed for another key") from None


def is_encrypted_pem(data: bytes) -> bool:
    """Whether a PEM file holds an encrypted private key: one that needs its passphrase."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in data


def _key_from_primes(p: int, q: int) -> rsa.RSAPrivateKey:
    """The whole private key; the crypto library checks that p and q are prime and belong together."""
    try:
        d = pow(PUBLIC_EXPONENT, -1, (p - 1) * (q - 1))
        numbers = rsa.RSAPrivateNumbers(
            p=p,
            q=q,
            d=d,
            dmp1=rsa.rsa_crt_dmp1(d, p),
            dmq1=rsa.rsa_crt_dmq1(d, q),
            iqmp=rsa.rsa_crt_iqmp(p, q),
            public_numbers=rsa.RSAPublicNumbers(PUBLIC_EXPONENT, p * q),
        )
        return numbers.private_key()
    except (ValueError, ZeroDivisionError):
        raise KeyFormatError("private key: damaged") from None


def format_fingerprint(fingerprint: bytes) -> str:
    """A fingerprint as `ssh-keygen -lf` prints it: `SHA256:` and base64 without padding."""
    return _FINGERPRINT_PREFIX + b64encode(fingerprint).decode().rstrip("=")


def parse_fingerprint(text: str) -> bytes:
    """The 32 bytes of a fingerprint in text. Raises KeyFormatError unless it is exactly such a text.

    Takes the URL form too (`-` and `_`), for invite links.
    """
    if not text.startswith(_FINGERPRINT_PREFIX) or len(text) != _FINGERPRINT_TEXT_LENGTH:
        raise KeyFormatError("fingerprint: should be SHA256: and 43 characters")
    try:
        encoded = text.removeprefix(_FINGERPRINT_PREFIX).replace("-", "+").replace("_", "/").encode("ascii")
        fingerprint = b64decode(encoded + b"=", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise KeyFormatError("fingerprint: not base64") from None
    if b64encode(fingerprint).rstrip(b"=") != encoded:
        raise KeyFormatError("fingerprint: not base64")
    return fingerprint


def safety_number(one: PublicKey, other: PublicKey) -> str:
    """Sixty digits in twelve groups that two people compare; the order of the keys does not matter.

    Each key gives thirty digits: SHA-512 iterated 5,200 times over the last hash and the key, six times five bytes
    modulo 100,000; the smaller half stands first (the form of Signal's numeric fingerprint). To pass as a given person
    one needs another key with the same thirty digits: a second preimage, 2**99.6 keys, each of 5,200 hashes, 2**112 in
    all. Collisions among one's own keys do not help, as both halves are compared.
    """
    digits = "".join(sorted((_safety_digits(one), _safety_digits(other))))
    return " ".join(digits[start : start + 5] for start in range(0, 60, 5))


def _safety_digits(key: PublicKey) -> str:
    digest = SAFETY_NUMBER_LABEL + key.blob
    for _ in range(_SAFETY_NUMBER_ROUNDS):
        digest = hashlib.sha512(digest + key.blob).digest()
    return "".join(f"{int.from_bytes(digest[start : start + 5], 'big') % 100_000:05d}" for start in range(0, 30, 5))


def _pem(label: str, der: bytes) -> bytes:
    """RFC 7468: base64 in lines of 64 characters."""
    text = b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


_OID_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")
_OID_PBKDF2: Final = bytes.fromhex("06092a864886f70d01050c")
_OID_HMAC_SHA256: Final = bytes.fromhex("06082a864886f70d0209")
_OID_AES256_CBC: Final = bytes.fromhex("060960864801650304012a")
_DER_NULL: Final = b"\x05\x00"
_DER_INTEGER, _DER_OCTETS, _DER_SEQUENCE = 0x02, 0x04, 0x30


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _encrypt_pkcs8(plain: bytes, passphrase: bytes) -> bytes:
    """RFC 5958 EncryptedPrivateKeyInfo with RFC 8018 PBES2."""
    salt, initial = os.urandom(16), os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha256", passphrase, salt, _PBKDF2_ITERATIONS, 32)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(initial)).encryptor()
    ciphertext = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    iterations = _der(_DER_INTEGER, _PBKDF2_ITERATIONS.to_bytes(3, "big"))
    prf = _der(_DER_SEQUENCE, _OID_HMAC_SHA256, _DER_NULL)
    derivation = _der(_DER_SEQUENCE, _OID_PBKDF2, _der(_DER_SEQUENCE, _der(_DER_OCTETS, salt), iterations, prf))
    scheme = _der(_DER_SEQUENCE, _OID_AES256_CBC, _der(_DER_OCTETS, initial))
    algorithm = _der(_DER_SEQUENCE, _OID_PBES2, _der(_DER_SEQUENCE, derivation, scheme))
    return _der(_DER_SEQUENCE, algorithm, _der(_DER_OCTETS, ciphertext))
