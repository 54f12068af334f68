"""The conversation of a client with its mediation server, both roles, as machines over a reliable stream.

HELO, HELO OK, then every frame protected: AUTH or REGISTER, AUTH OK or AUTH NO, then requests and words of the server.
What a state may receive is the table `ALLOWED`; everything else ends the conversation. The machines never raise for
what the far side sends: they report ConversationClosed and are `closed`; what `data_to_send` still gives may be sent.
Driven by engine/mediation_client.py and server/connection.py.
"""

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from hmac import compare_digest

from app.protocol.handshake import Agreement, InitiatorAgreement, Transcript, answer_hello
from app.protocol.keys import IdentityKey, PublicKey
from app.protocol.messages import (
    LOGIN_OF_CLIENT,
    LOGIN_OF_SERVER,
    REQUESTS,
    WORDS_OF_SERVER,
    Accepted,
    Auth,
    AuthNo,
    AuthOk,
    Decoder,
    Hello,
    HelloNo,
    HelloOk,
    HelloRefusal,
    Message,
    Ping,
    Refusal,
    Register,
    encode,
)
from app.protocol.names import checked_name
from app.protocol.session import FrameReader, ProtectedStream, plain_frame
from app.protocol.suites import SUITES
from app.protocol.wire import (
    MAX_FRAME,
    MAX_UNAUTHENTICATED_FRAME,
    PROTOCOL_VERSION,
    Address,
    LocalProtocolError,
    RemoteProtocolError,
)

LABEL = f"buri mediation {PROTOCOL_VERSION}".encode()
LOGIN_TIMEOUT = 10.0
"""Seconds in which HELO to AUTH OK must be done."""
PING_INTERVAL = 25.0
"""Seconds of silence after which the client asks whether the stream is alive."""
PING_TIMEOUT = 20.0
"""Seconds the client waits for any answer to that."""
SERVER_PATIENCE = 90.0
"""Seconds of silence after which the server gives a client up."""


class State(Enum):
    """What a conversation waits for, as seen by either role."""

    AWAITING_HELLO = auto()
    AWAITING_HELLO_OK = auto()
    AWAITING_AUTH = auto()
    DECIDING_LOGIN = auto()
    AWAITING_AUTH_OK = auto()
    ESTABLISHED = auto()
    CLOSED = auto()


class Role(Enum):
    """The two ends."""

    CLIENT = auto()
    SERVER = auto()


ALLOWED: dict[tuple[Role, State], Decoder[Message]] = {
    (Role.SERVER, State.AWAITING_HELLO): Decoder(Hello),
    (Role.CLIENT, State.AWAITING_HELLO_OK): Decoder(HelloOk, HelloNo),
    (Role.SERVER, State.AWAITING_AUTH): Decoder(*LOGIN_OF_CLIENT),
    (Role.CLIENT, State.AWAITING_AUTH_OK): Decoder(*LOGIN_OF_SERVER),
    (Role.SERVER, State.ESTABLISHED): Decoder(*REQUESTS),
    (Role.CLIENT, State.ESTABLISHED): Decoder(*WORDS_OF_SERVER),
}
"""What may arrive where; a pair that is missing may receive nothing."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A request (server) or a word of the server (client) after the login."""

    message: Message


@dataclass(frozen=True, slots=True)
class ConversationClosed:
    """The conversation is over; `reason` is for logs and people."""

    reason: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """AUTH OK was given (server) or checked (client)."""

    address: Address
    server_key: PublicKey


@dataclass(frozen=True, slots=True)
class HelloRefused:
    """The server said HELO NO. Nobody vouches for it."""

    reason: HelloRefusal


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The server, proved by its key, refuses the account."""

    reason: Refusal


@dataclass(frozen=True, slots=True)
class LoginRequested:
    """A client says it is `address`: answer with accept_login and its key on record, or refuse_login."""

    address: Address


@dataclass(frozen=True, slots=True)
class RegistrationRequested:
    """A client showed that it holds `public_key`: answer with accept_registration or refuse_login."""

    public_key: PublicKey
    nickname: str


Event = (
    MessageReceived
    | ConversationClosed
    | LoggedIn
    | HelloRefused
    | LoginRefused
    | LoginRequested
    | RegistrationRequested
)


def _auth_claims(address: int) -> bytes:
    return b"AUTH" + address.to_bytes(4, "big")


def _register_claims(public_key: bytes, nickname: str) -> bytes:
    return b"REGISTER" + len(public_key).to_bytes(2, "big") + public_key + nickname.encode()


def _ok_claims(address: int) -> bytes:
    return b"OK" + address.to_bytes(4, "big")


def _no_claims(reason: Refusal) -> bytes:
    return b"NO" + reason.to_bytes(1, "big")


class Conversation(ABC):
    """What both roles share: frames, protection, events and the end."""

    role: Role

    def __init__(self, state: State, now: float) -> None:
        self._state = state
        self._frames = FrameReader(MAX_UNAUTHENTICATED_FRAME)
        self._protection: ProtectedStream | None = None
        self._output = bytearray()
        self._events: deque[Event] = deque()
        self._login_deadline: float | None = now + LOGIN_TIMEOUT
        self._last_received = now

    @property
    def closed(self) -> bool:
        """No more data is taken or made."""
        return self._state is State.CLOSED

    @property
    def established(self) -> bool:
        """The login is done: `send` may be used."""
        return self._state is State.ESTABLISHED

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes of the stream; look for events and output afterwards."""
        if self.closed:
            return
        self._frames.feed(data)
        self._last_received = now
        self._process(now)

    def _process(self, now: float) -> None:
        try:
            while (self.role, self._state) in ALLOWED and (frame := self._frames.next_frame()) is not None:
                content = frame if self._protection is None else self._protection.open(frame)
                self._handle(ALLOWED[self.role, self._state].decode(content), now)
            if self._protection is not None and self._protection.worn_out:
                self._end("stream: keys are worn out")
            if self._state is State.DECIDING_LOGIN and self._frames.waiting > MAX_UNAUTHENTICATED_FRAME:
                raise RemoteProtocolError("login: data before the answer")
        except RemoteProtocolError as error:
            self._end(str(error))

    @abstractmethod
    def _handle(self, message: Message, now: float) -> None:
        """One message that the state allows. Raises RemoteProtocolError if its content is wrong."""

    def data_to_send(self) -> bytes:
        """The bytes to write to the stream now."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def next_event(self) -> Event | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    def send(self, message: Message) -> None:
        """Queue a message after the login. Raises LocalProtocolError before it; does nothing once closed."""
        if self.closed:
            return
        if not self.established:
            raise LocalProtocolError(f"send: not logged in but {self._state.name}")
        self._put(message)

    def close(self) -> None:
        """End the conversation from our side; there is no event."""
        self._state = State.CLOSED

    def _put(self, message: Message) -> None:
        data = encode(message)
        self._output += plain_frame(data) if self._protection is None else self._protection.seal(data)

    def _establish(self, address: Address, server_key: PublicKey) -> None:
        self._state = State.ESTABLISHED
        self._login_deadline = None
        self._frames.limit = MAX_FRAME
        self._events.append(LoggedIn(address, server_key))

    def _protect(self, agreement: Agreement, initiator: bool) -> None:
        self._protection = ProtectedStream(agreement.suite.cipher(agreement.session_material(), initiator))

    def _end(self, reason: str) -> None:
        if not self.closed:
            self._state = State.CLOSED
            self._events.append(ConversationClosed(reason))

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called, None for never."""
        if self.closed:
            return None
        return self._idle_deadline() if self._login_deadline is None else self._login_deadline

    def handle_deadline(self, now: float) -> None:
        """Do what is due at `now`."""
        if self.closed:
            return
        if self._login_deadline is not None:
            if now >= self._login_deadline:
                self._end("login: took too long")
        elif now >= self._idle_deadline():
            self._handle_silence(now)

    @abstractmethod
    def _idle_deadline(self) -> float:
        """When silence becomes worth a look."""

    @abstractmethod
    def _handle_silence(self, now: float) -> None:
        """Nothing came until the idle deadline."""


class ClientConversation(Conversation):
    """The client's role. Says HELO at once; REGISTER instead of AUTH if it has no `address` yet."""

    role = Role.CLIENT

    def __init__(
        self,
        identity: IdentityKey,
        server_fingerprint: bytes,
        suite: int,
        address: Address | None,
        nickname: str,
        now: float,
    ) -> None:
        super().__init__(State.AWAITING_HELLO_OK, now)
        self._identity = identity
        self._address = address
        self._nickname = nickname
        self._half = InitiatorAgreement(LABEL, suite, server_fingerprint)
        self._agreement: Agreement | None = None
        self._ping_deadline: float | None = None
        self._put(Hello(PROTOCOL_VERSION, suite, server_fingerprint, self._half.nonce, self._half.public))

    def _handle(self, message: Message, now: float) -> None:
        match message:
            case HelloNo():
                self._events.append(HelloRefused(message.reason))
                self._end(f"server refuses: {message.reason.name}")
            case HelloOk():
                self._agreement = self._half.finish(message.nonce, message.public)
                self._protect(self._agreement, initiator=True)
                self._put(self._login(self._agreement))
                self._state = State.AWAITING_AUTH_OK
            case AuthOk():
                key = self._checked_server(message.public_key, message.signature, _ok_claims(message.address))
                if self._address not in (None, message.address):
                    raise RemoteProtocolError("login: answer for another account")
                self._establish(Address(message.address), key)
            case AuthNo():
                self._checked_server(message.public_key, message.signature, _no_claims(message.reason))
                self._events.append(LoginRefused(message.reason))
                self._end(f"login refused: {message.reason.name}")
            case _:
                self._ping_deadline = None
                self._events.append(MessageReceived(message))

    def _login(self, agreement: Agreement) -> Message:
        transcript = agreement.transcript
        if self._address is not None:
            signature = transcript.sign(self._identity, True, _auth_claims(self._address))
            return Auth(self._address, signature)
        blob = self._identity.public.blob
        return Register(
            blob, self._nickname, transcript.sign(self._identity, True, _register_claims(blob, self._nickname))
        )

    def _checked_server(self, blob: bytes, signature: bytes, claims: bytes) -> PublicKey:
        """The server's key, if it is the expected one and has signed. Raises RemoteProtocolError."""
        if self._agreement is None:
            raise LocalProtocolError("login: no agreement yet")
        if not compare_digest(sha256(blob).digest(), self._half.responder_fingerprint):
            raise RemoteProtocolError("login: not the expected server key")
        key = PublicKey.from_blob(blob)
        self._agreement.transcript.verify(key, False, claims, signature)
        return key

    def _idle_deadline(self) -> float:
        return self._last_received + PING_INTERVAL if self._ping_deadline is None else self._ping_deadline

    def _handle_silence(self, now: float) -> None:
        if self._ping_deadline is not None:
            self._end("stream: the server is silent")
            return
        self._ping_deadline = now + PING_TIMEOUT
        self._put(Ping(0))


class ServerConversation(Conversation):
    """The server's role for one client. Answers Ping itself."""

    role = Role.SERVER

    def __init__(self, identity: IdentityKey, now: float) -> None:
        super().__init__(State.AWAITING_HELLO, now)
        self._identity = identity
        self._agreement: Agreement | None = None
        self._login: Auth | None = None

    def refuse_hello(self, reason: HelloRefusal) -> None:
        """Say HELO NO, also before the HELO came (busy), and end. Raises LocalProtocolError once it was answered."""
        if self._state is not State.AWAITING_HELLO:
            raise LocalProtocolError("refuse_hello: the HELO was answered")
        self._put(HelloNo(reason))
        self._end(f"refused: {reason.name}")

    def _handle(self, message: Message, now: float) -> None:
        match message:
            case Hello():
                self._answer(message)
            case Auth():
                self._login = message
                self._state = State.DECIDING_LOGIN
                self._events.append(LoginRequested(Address(message.address)))
            case Register():
                self._check_registration(message)
            case Ping():
                self._put(Accepted(message.request))
            case _:
                self._events.append(MessageReceived(message))

    def _answer(self, hello: Hello) -> None:
        fingerprint = self._identity.public.fingerprint
        if hello.version != PROTOCOL_VERSION:
            self.refuse_hello(HelloRefusal.TOO_OLD)
        elif hello.suite not in SUITES:
            self.refuse_hello(HelloRefusal.NO_SUCH_SUITE)
        elif not compare_digest(hello.responder_fingerprint, fingerprint):
            self.refuse_hello(HelloRefusal.NO_SUCH_KEY)
        else:
            agreement = answer_hello(LABEL, hello.suite, fingerprint, hello.nonce, hello.public)
            self._put(HelloOk(agreement.transcript.nonce_responder, agreement.transcript.public_responder))
            self._protect(agreement, initiator=False)
            self._agreement = agreement
            self._state = State.AWAITING_AUTH

    def _check_registration(self, message: Register) -> None:
        key = PublicKey.from_blob(message.public_key)
        nickname = checked_name(message.nickname)
        claims = _register_claims(message.public_key, message.nickname)
        self._transcript().verify(key, True, claims, message.signature)
        self._state = State.DECIDING_LOGIN
        self._events.append(RegistrationRequested(key, nickname))

    def _transcript(self) -> Transcript:
        if self._agreement is None:
            raise LocalProtocolError("login: no agreement yet")
        return self._agreement.transcript

    def accept_login(self, public_key: PublicKey, now: float) -> None:
        """Answer LoginRequested with the account's key on record; a wrong signature is refused here."""
        if self.closed:
            return
        if self._state is not State.DECIDING_LOGIN or self._login is None:
            raise LocalProtocolError("accept_login: no login to answer")
        try:
            claims = _auth_claims(self._login.address)
            self._transcript().verify(public_key, True, claims, self._login.signature)
        except RemoteProtocolError:
            self.refuse_login(Refusal.WRONG_SIGNATURE, now)
        else:
            self._accept(Address(self._login.address), now)

    def accept_registration(self, address: Address, now: float) -> None:
        """Answer RegistrationRequested with the new account's address."""
        if self.closed:
            return
        if self._state is not State.DECIDING_LOGIN or self._login is not None:
            raise LocalProtocolError("accept_registration: no registration to answer")
        self._accept(address, now)

    def _accept(self, address: Address, now: float) -> None:
        key = self._identity.public
        self._put(AuthOk(key.blob, self._transcript().sign(self._identity, False, _ok_claims(address)), address))
        self._establish(address, key)
        self._process(now)

    def refuse_login(self, reason: Refusal, now: float) -> None:
        """Answer either with AUTH NO and end."""
        if self.closed:
            return
        if self._state is not State.DECIDING_LOGIN:
            raise LocalProtocolError("refuse_login: no login to answer")
        signature = self._transcript().sign(self._identity, False, _no_claims(reason))
        self._put(AuthNo(reason, self._identity.public.blob, signature))
        self._end(f"login refused: {reason.name}")

    def _idle_deadline(self) -> float:
        return self._last_received + SERVER_PATIENCE

    def _handle_silence(self, now: float) -> None:
        self._end("stream: the client is silent")
