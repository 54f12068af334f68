"""The key agreement between peers over lossy datagrams: HELO, HELO OK, AUTH, AUTH OK.

Messages travel in fragments (fragment.py). HELO and HELO OK are plain; AUTH and AUTH OK are sealed with keys made for
them alone and for one pair of receiver indexes, so that no id of the session is spent and no key seals two of them.
Only the initiator repeats: a responder answers each repetition with the same bytes, never with more than came in. A
responder that is busy answers a HELO with a cookie first, which proves the sender's endpoint.

What arrives may be garbage, doubled, reordered or forged: such a fragment is counted and changes nothing. An initiator
keeps several different HELO OKs, since anybody on the way can send one, and takes the one whose AUTH OK proves right.
Driven by the engine; it does no I/O and knows the time only as `now`.
"""

import hmac
import secrets
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from app.protocol.fragment import COOKIE_LENGTH, Assembler, CookieJar, Fragment, Kind, cut_message, parse_fragment
from app.protocol.handshake import Agreement, InitiatorAgreement, answer_hello
from app.protocol.keys import IdentityKey, PublicKey
from app.protocol.messages import (
    MAX_PROOFS,
    Decoder,
    NetworkProof,
    PeerAuth,
    PeerHello,
    PeerHelloOk,
    encode,
)
from app.protocol.network_secret import Role, network_proof, proof_holds
from app.protocol.suites import MessageCipher
from app.protocol.wire import (
    PROTOCOL_VERSION,
    Address,
    Endpoint,
    LocalProtocolError,
    NetworkId,
    RemoteProtocolError,
)

LABEL: Final = f"buri peer {PROTOCOL_VERSION}".encode()
MAX_HALF_OPEN: Final = 256
BUSY_HALF_OPEN: Final = 32
"""From this many unfinished agreements on, a HELO needs a cookie."""
MAX_HALF_OPEN_OF_HOST: Final = 8
"""Unfinished agreements with one IP address, or over one relay id, so that one host can't take all places."""
MAX_ANSWERS: Final = 16
"""Different HELO OKs that an initiator follows; more are dropped."""
BUSY_OF_HOST: Final = 4
"""From so many of one host on its HELO needs a cookie: whoever forges its address can't keep it out."""
RETRANSMISSION: Final = (0.25, 0.5, 1.0)
"""Seconds between repetitions; the last one goes on."""
GIVE_UP_AFTER: Final = 15.0
HALF_OPEN_LIFETIME: Final = 20.0


@dataclass(frozen=True, slots=True)
class SharedNetwork:
    """A network we believe to share with a peer, and its secret if it has one."""

    network: NetworkId
    secret: bytes | None


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """What a handshake needs to know of a peer: its pinned key and the networks shared."""

    public_key: PublicKey
    networks: tuple[SharedNetwork, ...]


@dataclass(frozen=True, slots=True)
class SessionEstablished:
    """A peer has proved its key. Without a proven or unprotected network there must be no tunnel."""

    peer: Address
    local_index: int
    remote_index: int
    suite: int
    initiator: bool
    """The initiator may send at once; the responder when the first packet of the session came."""
    key_material: bytes
    endpoint: Endpoint
    capabilities: int
    """What both ends can."""
    proven: frozenset[NetworkId]
    """Networks whose secret both know."""
    unprotected: frozenset[NetworkId]
    """Networks without a secret on either side."""
    failed: frozenset[NetworkId]
    """Networks that the peer claims but could not prove."""


@dataclass(frozen=True, slots=True)
class PeerUnknown:
    """An AUTH names an account of which there are no facts; it will be repeated for some seconds."""

    peer: Address
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """An initiated handshake ended without a session."""

    peer: Address
    reason: str


Event = SessionEstablished | PeerUnknown | HandshakeFailed
Facts = Callable[[Address], PeerFacts | None]


@dataclass(frozen=True, slots=True)
class _Keys:
    """What follows from one agreement between two receiver indexes. Each side seals one AUTH with it, once."""

    agreement: Agreement
    initiator: bool
    indexes: bytes
    """The initiator's and the responder's, 8 bytes."""

    def seal(self, kind: Kind, message: PeerAuth) -> bytes:
        """The AUTH that this side says."""
        cipher = self._cipher()
        return cipher.seal(cipher.first_send_id, encode(message), _AUTH_HEADER[kind] + self.indexes)

    def open(self, kind: Kind, sealed: bytes) -> PeerAuth:
        """The AUTH that the other side said. Raises RemoteProtocolError."""
        cipher = self._cipher()
        return _AUTH.decode(cipher.open(cipher.first_receive_id, sealed, _AUTH_HEADER[kind] + self.indexes))

    def _cipher(self) -> MessageCipher:
        return self.agreement.suite.cipher(self.agreement.auth_material(self.indexes), self.initiator)


@dataclass(slots=True)
class _Initiation:
    """A handshake that we began."""

    peer: Address
    local_index: int
    half: InitiatorAgreement
    endpoints: list[Endpoint]
    give_up: float
    next_send: float
    repetitions: int = 0
    cookies: dict[Endpoint, bytes] = field(default_factory=dict)
    answers: dict[tuple[int, bytes, bytes], "_Answer"] = field(default_factory=dict)


@dataclass(slots=True)
class _Answer:
    """One HELO OK and the AUTH it led to."""

    keys: _Keys
    remote_index: int
    endpoint: Endpoint
    fragments: list[bytes]


@dataclass(slots=True)
class _HalfOpen:
    """A HELO that we answered; unfinished until there is an AUTH OK."""

    keys: _Keys
    local_index: int
    remote_index: int
    origin: tuple[str, int]
    """The host and, over a relay, the relay id: peers that share a relay are not one host."""
    expires: float
    hello_ok: list[bytes]
    auth_ok: list[bytes] | None = None


class PeerHandshakes:
    """All handshakes of one engine, begun and answered. `facts` must answer at once, from memory."""

    def __init__(self, identity: IdentityKey, own_address: Address, facts: Facts, capabilities: int) -> None:
        self._identity = identity
        self._own_address = own_address
        self._facts = facts
        self._capabilities = capabilities
        self._cookies = CookieJar()
        self._assembler = Assembler()
        self._initiations: dict[int, _Initiation] = {}
        self._half_open: OrderedDict[int, _HalfOpen] = OrderedDict()
        self._by_hello: dict[bytes, int] = {}
        self._output: deque[tuple[Endpoint, bytes]] = deque()
        self._events: deque[Event] = deque()
        self.counters: Counter[str] = Counter()
        """What was dropped, by reason."""

    # --- our side begins

    def start(self, peer: Address, endpoints: Sequence[Endpoint], suite: int, now: float) -> int:
        """Begin a handshake (also a rekey) over all `endpoints`; replaces one that runs. Gives the local index.

        Raises LocalProtocolError if there are no facts of the peer.
        """
        facts = self._facts(peer)
        if facts is None:
            raise LocalProtocolError("start: nothing is known of this peer")
        self.cancel(peer)
        index = self._new_index()
        half = InitiatorAgreement(LABEL, suite, facts.public_key.fingerprint)
        self._initiations[index] = _Initiation(peer, index, half, list(endpoints), now + GIVE_UP_AFTER, now)
        self.handle_deadline(now)
        return index

    def cancel(self, peer: Address) -> None:
        """Forget a handshake that we began with this peer."""
        self._initiations = {index: each for index, each in self._initiations.items() if each.peer != peer}

    def add_endpoint(self, peer: Address, endpoint: Endpoint, now: float) -> None:
        """A way to the peer became known: use it too, at once. Does nothing if no handshake runs."""
        for initiation in self._initiations.values():
            if initiation.peer == peer and endpoint not in initiation.endpoints:
                initiation.endpoints.append(endpoint)
                initiation.next_send = now
        self.handle_deadline(now)

    def running(self, peer: Address) -> bool:
        """Whether a handshake that we began with this peer is under way."""
        return any(each.peer == peer for each in self._initiations.values())

    # --- the five verbs

    def receive_datagram(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        """Take one datagram whose first byte is 0x80. Never raises: what doesn't fit is counted."""
        try:
            self._receive(data, endpoint, now)
        except RemoteProtocolError as error:
            self.counters[str(error).partition(":")[0]] += 1

    def datagrams_to_send(self, now: float) -> list[tuple[Endpoint, bytes]]:
        """What to send now."""
        datagrams = list(self._output)
        self._output.clear()
        return datagrams

    def next_event(self) -> Event | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called."""
        return min((min(each.next_send, each.give_up) for each in self._initiations.values()), default=None)

    def handle_deadline(self, now: float) -> None:
        """Repeat what is due, give up what took too long."""
        for initiation in list(self._initiations.values()):
            if now >= initiation.give_up:
                del self._initiations[initiation.local_index]
                self._events.append(HandshakeFailed(initiation.peer, "no answer"))
            elif now >= initiation.next_send:
                self._send_initiation(initiation)
                step = min(initiation.repetitions, len(RETRANSMISSION) - 1)
                initiation.next_send = now + RETRANSMISSION[step]
                initiation.repetitions += 1
        self._forget_half_open(now)

    def _send_initiation(self, initiation: _Initiation) -> None:
        for answer in initiation.answers.values():
            self._output.extend((answer.endpoint, each) for each in answer.fragments)
        half = initiation.half
        hello = encode(
            PeerHello(PROTOCOL_VERSION, half.suite.number, half.responder_fingerprint, half.nonce, half.public)
        )
        for endpoint in initiation.endpoints:
            cookie = initiation.cookies.get(endpoint, bytes(COOKIE_LENGTH))
            self._output.extend(
                (endpoint, each) for each in cut_message(Kind.HELO, initiation.local_index, 0, hello, cookie)
            )

    # --- receiving

    def _receive(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        fragment = parse_fragment(data)
        initiation = self._initiations.get(fragment.receiver)
        half_open = self._half_open.get(fragment.receiver)
        match fragment.kind:
            case Kind.HELO:
                self._receive_hello(fragment, endpoint, now)
            case Kind.COOKIE if initiation is not None:
                self._receive_cookie(initiation, fragment.payload, endpoint)
            case Kind.HELO_OK if initiation is not None:
                if (whole := self._assembler.add(fragment, endpoint)) is not None:
                    self._receive_hello_ok(initiation, fragment.sender, whole, endpoint)
            case Kind.AUTH if half_open is not None:
                if (whole := self._assembler.add(fragment, endpoint)) is not None:
                    self._receive_auth(half_open, fragment.sender, whole, endpoint)
            case Kind.AUTH_OK if initiation is not None:
                if (whole := self._assembler.add(fragment, endpoint)) is not None:
                    self._receive_auth_ok(initiation, fragment.sender, whole, endpoint)
            case _:
                raise RemoteProtocolError("fragment of no handshake")

    # --- responder

    def _receive_hello(self, fragment: Fragment, endpoint: Endpoint, now: float) -> None:
        sender, payload = fragment.sender, fragment.payload
        if len(payload) <= COOKIE_LENGTH:
            raise RemoteProtocolError("hello shorter than a cookie")
        unfinished = [each.origin for each in self._half_open.values() if each.auth_ok is None]
        origin = (endpoint.host, endpoint.relay)
        busy = len(unfinished) >= BUSY_HALF_OPEN or unfinished.count(origin) >= BUSY_OF_HOST
        if busy and not self._cookies.holds(payload[:COOKIE_LENGTH], endpoint, sender, now):
            if fragment.number == 0:
                cookie = self._cookies.cookie(endpoint, sender, now)
                self._output.extend((endpoint, each) for each in cut_message(Kind.COOKIE, 1, sender, cookie))
            raise RemoteProtocolError("hello without cookie")
        whole = self._assembler.add(fragment._replace(payload=payload[COOKIE_LENGTH:]), endpoint)
        if whole is None:
            return
        name = sha256(sender.to_bytes(4, "big") + whole).digest()
        if name not in self._by_hello:
            if unfinished.count(origin) >= MAX_HALF_OPEN_OF_HOST:
                self._forget_oldest_of(origin)
            self._answer_hello(name, sender, whole, endpoint, now)
        self._output.extend((endpoint, each) for each in self._half_open[self._by_hello[name]].hello_ok)

    def _answer_hello(self, name: bytes, sender: int, whole: bytes, endpoint: Endpoint, now: float) -> None:
        hello = _HELLO.decode(whole)
        fingerprint = self._identity.public.fingerprint
        if hello.version != PROTOCOL_VERSION:
            raise RemoteProtocolError("hello of another version")
        if not hmac.compare_digest(hello.responder_fingerprint, fingerprint):
            raise RemoteProtocolError("hello for another key")
        agreement = answer_hello(LABEL, hello.suite, fingerprint, hello.nonce, hello.public)
        index = self._new_index()
        answer = encode(PeerHelloOk(agreement.transcript.nonce_responder, agreement.transcript.public_responder))
        self._forget_half_open(now, room_for=1)
        self._half_open[index] = _HalfOpen(
            keys=_Keys(agreement, initiator=False, indexes=_indexes(sender, index)),
            local_index=index,
            remote_index=sender,
            origin=(endpoint.host, endpoint.relay),
            expires=now + HALF_OPEN_LIFETIME,
            hello_ok=cut_message(Kind.HELO_OK, index, sender, answer),
        )
        self._by_hello[name] = index

    def _forget_half_open(self, now: float, room_for: int = 0) -> None:
        """Drop what is too old, and the oldest beyond the limit."""
        before = len(self._half_open)
        while self._half_open:
            oldest = next(iter(self._half_open.values()))
            if oldest.expires > now and len(self._half_open) + room_for <= MAX_HALF_OPEN:
                break
            self._half_open.popitem(last=False)
        if len(self._half_open) < before:
            self._by_hello = {name: index for name, index in self._by_hello.items() if index in self._half_open}

    def _forget_oldest_of(self, origin: tuple[str, int]) -> None:
        """Whoever means it has come to AUTH by now."""
        for name, index in self._by_hello.items():
            half_open = self._half_open[index]
            if half_open.origin == origin and half_open.auth_ok is None:
                del self._half_open[index], self._by_hello[name]
                return

    def _receive_auth(self, half_open: _HalfOpen, sender: int, whole: bytes, endpoint: Endpoint) -> None:
        if sender != half_open.remote_index:
            raise RemoteProtocolError("auth of another index")
        auth = half_open.keys.open(Kind.AUTH, whole)
        if half_open.auth_ok is None:
            self._accept_auth(half_open, auth, endpoint)
        if half_open.auth_ok is not None:
            self._output.extend((endpoint, each) for each in half_open.auth_ok)

    def _accept_auth(self, half_open: _HalfOpen, auth: PeerAuth, endpoint: Endpoint) -> None:
        peer, keys = Address(auth.address), half_open.keys
        facts = self._facts(peer)
        if facts is None:
            self._events.append(PeerUnknown(peer, endpoint))
            return
        claims = _claims(auth, self._own_address, facts.public_key.fingerprint, keys.indexes)
        keys.agreement.transcript.verify(facts.public_key, True, claims, auth.signature)
        named = {each.network for each in auth.proofs}
        networks = tuple(each for each in facts.networks if each.network in named)
        answer = self._signed_auth(keys, networks, peer, facts.public_key.fingerprint)
        sealed = keys.seal(Kind.AUTH_OK, answer)
        half_open.auth_ok = cut_message(Kind.AUTH_OK, half_open.local_index, half_open.remote_index, sealed)
        self._establish(keys, facts, auth, endpoint)

    # --- initiator

    def _receive_cookie(self, initiation: _Initiation, cookie: bytes, endpoint: Endpoint) -> None:
        if len(cookie) != COOKIE_LENGTH or endpoint not in initiation.endpoints:
            raise RemoteProtocolError("cookie unexpected")
        if initiation.cookies.get(endpoint) != cookie:
            initiation.cookies[endpoint] = cookie
            self._send_initiation(initiation)

    def _receive_hello_ok(self, initiation: _Initiation, sender: int, whole: bytes, endpoint: Endpoint) -> None:
        message = _HELLO_OK.decode(whole)
        name = (sender, message.nonce, message.public)
        if name in initiation.answers:
            return
        facts = self._facts(initiation.peer)
        if facts is None or len(initiation.answers) >= MAX_ANSWERS:
            raise RemoteProtocolError("hello ok: too many different ones" if facts else "hello ok: peer forgotten")
        agreement = initiation.half.finish(message.nonce, message.public)
        keys = _Keys(agreement, initiator=True, indexes=_indexes(initiation.local_index, sender))
        auth = self._signed_auth(keys, facts.networks, initiation.peer, self._identity.public.fingerprint)
        fragments = cut_message(Kind.AUTH, initiation.local_index, sender, keys.seal(Kind.AUTH, auth))
        initiation.answers[name] = _Answer(keys, sender, endpoint, fragments)
        self._output.extend((endpoint, each) for each in fragments)

    def _receive_auth_ok(self, initiation: _Initiation, sender: int, whole: bytes, endpoint: Endpoint) -> None:
        facts = self._facts(initiation.peer)
        if facts is None:
            raise RemoteProtocolError("auth ok of no peer")
        for answer in initiation.answers.values():
            if answer.remote_index != sender:
                continue
            try:
                auth = self._checked_auth_ok(initiation.peer, answer.keys, facts, whole)
            except RemoteProtocolError as error:
                self.counters[str(error).partition(":")[0]] += 1
            else:
                del self._initiations[initiation.local_index]
                self._establish(answer.keys, facts, auth, endpoint)
                return

    def _checked_auth_ok(self, peer: Address, keys: _Keys, facts: PeerFacts, whole: bytes) -> PeerAuth:
        """The AUTH OK that proves a HELO OK. Raises RemoteProtocolError: another one may be the true one."""
        auth = keys.open(Kind.AUTH_OK, whole)
        if auth.address != peer:
            raise RemoteProtocolError("auth ok of another peer")
        claims = _claims(auth, self._own_address, self._identity.public.fingerprint, keys.indexes)
        keys.agreement.transcript.verify(facts.public_key, False, claims, auth.signature)
        return auth

    # --- both

    def _signed_auth(
        self, keys: _Keys, networks: Sequence[SharedNetwork], peer: Address, initiator_fingerprint: bytes
    ) -> PeerAuth:
        """Our AUTH or AUTH OK, with a proof for each of the networks."""
        transcript = keys.agreement.transcript
        role: Role = "initiator" if keys.initiator else "responder"
        digest = transcript.digest
        proofs = tuple(
            NetworkProof(
                each.network, None if each.secret is None else network_proof(each.secret, each.network, role, digest)
            )
            for each in networks[:MAX_PROOFS]
        )
        unsigned = PeerAuth(self._own_address, self._capabilities, proofs, bytes(256))
        claims = _claims(unsigned, peer, initiator_fingerprint, keys.indexes)
        signature = transcript.sign(self._identity, keys.initiator, claims)
        return PeerAuth(self._own_address, self._capabilities, proofs, signature)

    def _establish(self, keys: _Keys, facts: PeerFacts, auth: PeerAuth, endpoint: Endpoint) -> None:
        transcript = keys.agreement.transcript
        initiator, responder = int.from_bytes(keys.indexes[:4], "big"), int.from_bytes(keys.indexes[4:], "big")
        proven, unprotected, failed = _judge(facts, auth, keys)
        self._events.append(
            SessionEstablished(
                peer=Address(auth.address),
                local_index=initiator if keys.initiator else responder,
                remote_index=responder if keys.initiator else initiator,
                suite=transcript.suite,
                initiator=keys.initiator,
                key_material=keys.agreement.session_material(),
                endpoint=endpoint,
                capabilities=auth.capabilities & self._capabilities,
                proven=proven,
                unprotected=unprotected,
                failed=failed,
            )
        )

    def _new_index(self) -> int:
        while (index := secrets.randbits(32)) == 0 or index in self._initiations or index in self._half_open:
            pass
        return index


_HELLO = Decoder(PeerHello)
_HELLO_OK = Decoder(PeerHelloOk)
_AUTH = Decoder(PeerAuth)
_AUTH_HEADER = {Kind.AUTH: b"AUTH", Kind.AUTH_OK: b"AUTH OK"}

Judgement = tuple[frozenset[NetworkId], frozenset[NetworkId], frozenset[NetworkId]]


def _judge(facts: PeerFacts, auth: PeerAuth, keys: _Keys) -> Judgement:
    """Of the networks that both name: those proven, those without a secret on either side, those that failed."""
    role: Role = "responder" if keys.initiator else "initiator"
    digest = keys.agreement.transcript.digest
    proofs = {each.network: each.proof for each in auth.proofs}
    proven, unprotected, failed = set(), set(), set()
    for each in facts.networks:
        if each.network not in proofs:
            continue
        proof = proofs[each.network]
        if each.secret is None and proof is None:
            unprotected.add(each.network)
        elif each.secret and proof and proof_holds(proof, each.secret, each.network, role, digest):
            proven.add(each.network)
        else:
            failed.add(each.network)
    return frozenset(proven), frozenset(unprotected), frozenset(failed)


def _indexes(initiator: int, responder: int) -> bytes:
    return initiator.to_bytes(4, "big") + responder.to_bytes(4, "big")


def _claims(auth: PeerAuth, receiver: Address, initiator_fingerprint: bytes, indexes: bytes) -> bytes:
    """What an AUTH says beside the transcript: both accounts, the initiator's key, the indexes and the proofs."""
    head = auth.address.to_bytes(4, "big") + receiver.to_bytes(4, "big") + initiator_fingerprint + indexes
    proofs = b"".join(
        each.network.to_bytes(4, "big") + (b"\x00" + bytes(32) if each.proof is None else b"\x01" + each.proof)
        for each in auth.proofs
    )
    return b"PEER" + head + auth.capabilities.to_bytes(4, "big") + proofs
