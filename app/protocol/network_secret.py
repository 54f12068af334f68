"""The secret of a network: how a password guards it, and how two members prove to each other that they know it.

A network's creator draws 32 random bytes, the network secret. With a password, Argon2id of it gives 64 bytes::

    salt  = SHA-256("buri network salt 1" | server key fingerprint | network name | random salt)[:16]
    token | wrapping key = Argon2id(NFKC(password), salt)                 32 bytes each

The server checks the token at join and keeps only `token_hash(token)`; it also keeps the network secret wrapped under
the wrapping key, which it never sees. A token is of no use on another server or in another network, as both are in the
salt. Sources: RFC 9106 (Argon2id), NIST SP 800-38D (GCM), RFC 2104 (HMAC), RFC 8265 section 4 (passwords in text).

Called by the engine (create, join, set-pass, invite) and the peer handshake (proof); the server calls `token_hash`
only. It may not do I/O. `derive_password_keys` takes a tenth of a second and 64 MiB: off the event loop, please.
"""

import binascii
import hashlib
import hmac
import os
import unicodedata
from base64 import b64decode, urlsafe_b64encode
from typing import Final, Literal, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from app.protocol.keys import FINGERPRINT_LENGTH
from app.protocol.wire import MAX_NAME, MAX_PASSWORD, NetworkId, RemoteProtocolError

SECRET_LENGTH: Final = 32
"""Bytes in a network secret."""
SALT_LENGTH: Final = 16
"""Bytes in the random salt that the server keeps beside the wrapped secret."""
TOKEN_LENGTH: Final = 32
"""Bytes in a join token and in its hash."""
WRAPPING_KEY_LENGTH: Final = 32
_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16
WRAPPED_LENGTH: Final = _NONCE_LENGTH + SECRET_LENGTH + _TAG_LENGTH
"""Bytes in a wrapped secret: 60."""
PROOF_LENGTH: Final = 32
"""Bytes in a proof."""

ARGON2_MEMORY: Final = 64 * 1024
"""KiB. This and the next two are RFC 9106 section 4, second recommended option; no message can change them, so that a
lying server can't ask for a token that is cheap to search."""
ARGON2_ITERATIONS: Final = 3
ARGON2_LANES: Final = 4

_SALT_LABEL: Final = b"buri network salt 1"
_WRAP_LABEL: Final = b"buri network secret 1"
_TOKEN_LABEL: Final = b"buri network token 1"
_PROOF_LABEL: Final = b"buri network proof 1"

Role = Literal["initiator", "responder"]
"""Who makes a proof: without it the one side could send back the other's."""


class PasswordKeys(NamedTuple):
    """What a password gives for one network on one server."""

    token: bytes
    """Shown to the server at join, `TOKEN_LENGTH` bytes."""
    wrapping_key: bytes
    """Opens the wrapped network secret; never leaves the client."""


class PasswordFormatError(ValueError):
    """A password that can't be used; the text says why."""


class InviteSecretError(ValueError):
    """The secret part of an invite link is damaged."""


def new_secret() -> bytes:
    """A fresh network secret, `SECRET_LENGTH` bytes."""
    return os.urandom(SECRET_LENGTH)


def new_salt() -> bytes:
    """A fresh random salt, `SALT_LENGTH` bytes."""
    return os.urandom(SALT_LENGTH)


def normalise_password(password: str) -> bytes:
    """UTF-8 of the NFKC form, so that a password typed on another system is the same.

    Raises PasswordFormatError if it is empty or longer than `wire.MAX_PASSWORD` characters, before or after.
    """
    if len(password) > MAX_PASSWORD:
        raise PasswordFormatError(f"password: longer than {MAX_PASSWORD} characters")
    normal = unicodedata.normalize("NFKC", password)
    if not normal:
        raise PasswordFormatError("password: empty")
    if len(normal) > MAX_PASSWORD:
        raise PasswordFormatError(f"password: longer than {MAX_PASSWORD} characters")
    try:
        return normal.encode()
    except UnicodeEncodeError:
        raise PasswordFormatError("password: not text") from None


def derive_password_keys(password: str, server_fingerprint: bytes, network_name: str, salt: bytes) -> PasswordKeys:
    """Token and wrapping key of a password for one network on one server.

    `salt` is the network's random salt, as the server told it or from `new_salt`. Raises PasswordFormatError for a
    password that can't be used and RemoteProtocolError for a salt of the wrong length.
    """
    if len(salt) != SALT_LENGTH:
        raise RemoteProtocolError("network: salt has the wrong length")
    bound = _SALT_LABEL + _fingerprint(server_fingerprint) + _name(network_name) + salt
    kdf = Argon2id(
        salt=hashlib.sha256(bound).digest()[:SALT_LENGTH],
        length=TOKEN_LENGTH + WRAPPING_KEY_LENGTH,
        iterations=ARGON2_ITERATIONS,
        lanes=ARGON2_LANES,
        memory_cost=ARGON2_MEMORY,
    )
    keys = kdf.derive(normalise_password(password))
    return PasswordKeys(keys[:TOKEN_LENGTH], keys[TOKEN_LENGTH:])


def token_hash(token: bytes) -> bytes:
    """What the server stores and compares instead of a token, 32 bytes; the token is random, so one hash is enough."""
    return hashlib.sha256(_TOKEN_LABEL + token).digest()


def wrap(secret: bytes, wrapping_key: bytes, network_name: str) -> bytes:
    """The network secret as the server may keep it: nonce, AES-256-GCM text and tag, the name as associated data.

    The random nonce is safe for far more than the few set-pass a network sees, and each brings a new salt and key.
    """
    nonce = os.urandom(_NONCE_LENGTH)
    return nonce + AESGCM(wrapping_key).encrypt(nonce, secret, _WRAP_LABEL + _name(network_name))


def unwrap(wrapped: bytes, wrapping_key: bytes, network_name: str) -> bytes:
    """The network secret in what the server kept.

    Raises RemoteProtocolError if it was not wrapped under this key for a network of this name: the password differs,
    or the server tampered with it.
    """
    if len(wrapped) != WRAPPED_LENGTH:
        raise RemoteProtocolError("network: wrapped secret has the wrong length")
    nonce, sealed = wrapped[:_NONCE_LENGTH], wrapped[_NONCE_LENGTH:]
    try:
        return AESGCM(wrapping_key).decrypt(nonce, sealed, _WRAP_LABEL + _name(network_name))
    except InvalidTag:
        raise RemoteProtocolError("network: wrapped secret does not open with this password") from None


def network_proof(secret: bytes, network: NetworkId, role: Role, transcript_hash: bytes) -> bytes:
    """Proof in AUTH that `role` knows the network's secret: HMAC-SHA256 over role, network and transcript, 32 bytes.

    `transcript_hash` is the SHA-256 of the handshake so far: a proof is good for one handshake only.
    """
    message = _PROOF_LABEL + role.encode() + network.to_bytes(4, "big") + transcript_hash
    return hmac.digest(secret, message, "sha256")


def proof_holds(proof: bytes, secret: bytes, network: NetworkId, role: Role, transcript_hash: bytes) -> bool:
    """Whether `role`, the far side, made this proof with our secret; compared in constant time."""
    return hmac.compare_digest(proof, network_proof(secret, network, role, transcript_hash))


def secret_to_invite(secret: bytes) -> str:
    """The secret as it stands in an invite link: 43 characters of base64url."""
    return urlsafe_b64encode(secret).decode().rstrip("=")


def secret_from_invite(text: str) -> bytes:
    """The secret in an invite link. Raises InviteSecretError unless it is exactly what `secret_to_invite` writes."""
    try:
        secret = b64decode(text.encode("ascii") + b"=", altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InviteSecretError("invite: the secret is not base64url") from None
    if len(secret) != SECRET_LENGTH or secret_to_invite(secret) != text:
        raise InviteSecretError("invite: the secret is damaged")
    return secret


def _fingerprint(fingerprint: bytes) -> bytes:
    if len(fingerprint) != FINGERPRINT_LENGTH:
        raise RemoteProtocolError("network: server fingerprint has the wrong length")
    return fingerprint


def _name(name: str) -> bytes:
    """The network's name as it is bound: UTF-8 of the NFC form. Of the salt's parts only it varies in length."""
    if not 0 < len(name) <= MAX_NAME:
        raise RemoteProtocolError("network: name has the wrong length")
    try:
        return unicodedata.normalize("NFC", name).encode()
    except UnicodeEncodeError:
        raise RemoteProtocolError("network: name is not text") from None
