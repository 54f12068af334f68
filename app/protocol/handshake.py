"""The key agreement HELO, HELO OK, AUTH, AUTH OK as both kinds of conversation share it: transcript and keys.

`mediation.py` carries it in a stream between client and server, `peer_handshake.py` in datagrams between peers.
Nothing here knows a state; it holds the values that both sides saw and what follows from them.

What is signed, by the initiator and by the responder (so that neither can be replayed as the other)::

    label | 0 | role 'I' | suite | fingerprint of the responder's key | Ni | Nr | len Gi | Gi | len Gr | Gr | claims
    label | 0 | role 'R' | suite | fingerprint of the responder's key | Nr | Ni | len Gr | Gr | len Gi | Gi | claims

`label` names the kind of conversation, `claims` are the other fields of the message that carries the signature.
"""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from app.protocol.keys import IdentityKey, PublicKey
from app.protocol.suites import NONCE_LENGTH, SUITES, KeyExchange, Suite
from app.protocol.wire import RemoteProtocolError


@dataclass(frozen=True, slots=True)
class Transcript:
    """What both sides of a key agreement have seen once HELO OK is there."""

    label: bytes
    suite: int
    responder_fingerprint: bytes
    nonce_initiator: bytes
    nonce_responder: bytes
    public_initiator: bytes
    public_responder: bytes

    def signed_data(self, initiator: bool, claims: bytes) -> bytes:
        """The bytes that the initiator or the responder signs, in its own order."""
        own = (self.nonce_initiator, self.public_initiator)
        other = (self.nonce_responder, self.public_responder)
        if not initiator:
            own, other = other, own
        head = self.label + b"\x00" + (b"I" if initiator else b"R") + bytes([self.suite]) + self.responder_fingerprint
        publics = b"".join(len(public).to_bytes(2, "big") + public for public in (own[1], other[1]))
        return head + own[0] + other[0] + publics + claims

    @property
    def digest(self) -> bytes:
        """SHA-256 over the initiator's order without claims: names this one agreement."""
        return sha256(self.signed_data(True, b"")).digest()

    def sign(self, key: IdentityKey, initiator: bool, claims: bytes) -> bytes:
        """An RSA signature in the suite's padding."""
        return key.sign(self.signed_data(initiator, claims), SUITES[self.suite].signature_padding)

    def verify(self, key: PublicKey, initiator: bool, claims: bytes, signature: bytes) -> None:
        """Raises RemoteProtocolError if `signature` was not made by `key` for this transcript, role and claims."""
        key.verify(signature, self.signed_data(initiator, claims), SUITES[self.suite].signature_padding)


class Agreement(NamedTuple):
    """A finished key agreement: its transcript and the shared secret K."""

    transcript: Transcript
    secret: bytes

    @property
    def suite(self) -> Suite:
        """The row of the suite table."""
        return SUITES[self.transcript.suite]

    def session_material(self) -> bytes:
        """KEYMAT as long as a session's cipher of the suite needs it."""
        return self._material(b"")

    def auth_material(self, indexes: bytes) -> bytes:
        """Key material for the AUTH messages of one pair of receiver indexes, independent of the session's."""
        return self._material(b"AUTH" + indexes)

    def _material(self, prefix: bytes) -> bytes:
        nonces = prefix + self.transcript.nonce_initiator, self.transcript.nonce_responder
        return self.suite.keymat(self.secret, *nonces, self.suite.keymat_length)


def new_nonce() -> bytes:
    """Ni or Nr: 1024 random bits."""
    return secrets.token_bytes(NONCE_LENGTH)


class InitiatorAgreement:
    """The initiator's half: makes Ni and Gi, and ends with the responder's Nr and Gr."""

    def __init__(self, label: bytes, suite: int, responder_fingerprint: bytes) -> None:
        self._label = label
        self.suite: Suite = SUITES[suite]
        self.responder_fingerprint = responder_fingerprint
        self.nonce = new_nonce()
        self._exchange: KeyExchange = self.suite.start_exchange()

    @property
    def public(self) -> bytes:
        """Gi."""
        return self._exchange.public

    def finish(self, nonce_responder: bytes, public_responder: bytes) -> Agreement:
        """The agreement with this HELO OK; may be asked again for another one. Raises RemoteProtocolError."""
        secret = self._exchange.finish(public_responder)
        return Agreement(
            Transcript(
                self._label,
                self.suite.number,
                self.responder_fingerprint,
                self.nonce,
                nonce_responder,
                self.public,
                public_responder,
            ),
            secret,
        )


def answer_hello(label: bytes, suite: int, fingerprint: bytes, nonce: bytes, public: bytes) -> Agreement:
    """The responder's half: fresh Nr and Gr for a HELO with Ni `nonce` and Gi `public`. Raises RemoteProtocolError."""
    if suite not in SUITES:
        raise RemoteProtocolError("handshake: no such suite")
    public_responder, secret = SUITES[suite].answer_exchange(public)
    return Agreement(Transcript(label, suite, fingerprint, nonce, new_nonce(), public, public_responder), secret)
