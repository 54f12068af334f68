"""The login conversation: two machines back to back, no socket and no clock."""

from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import mediation
from app.protocol.handshake import answer_hello
from app.protocol.keys import IdentityKey
from app.protocol.mediation import (
    ClientConversation,
    ConversationClosed,
    HelloRefused,
    LoggedIn,
    LoginRefused,
    LoginRequested,
    MessageReceived,
    RegistrationRequested,
    Role,
    ServerConversation,
    State,
)
from app.protocol.messages import (
    Accepted,
    AuthOk,
    Decoder,
    Hello,
    HelloOk,
    HelloRefusal,
    Message,
    Ping,
    Refusal,
    SetNickname,
    Welcome,
    encode,
)
from app.protocol.session import FrameReader, ProtectedStream, plain_frame
from app.protocol.suites import AeadCipher
from app.protocol.wire import MAX_UNAUTHENTICATED_FRAME, PROTOCOL_VERSION, Address, LocalProtocolError

ANNA = Address(0x0A100001)


@pytest.fixture(scope="module")
def server_key() -> IdentityKey:
    return IdentityKey.generate()


@pytest.fixture(scope="module")
def anna_key() -> IdentityKey:
    return IdentityKey.generate()


class Pair:
    """A client and a server joined in memory; `account` is the key the server has on record."""

    def __init__(self, client_key: IdentityKey, server_key: IdentityKey, suite: int, address: Address | None) -> None:
        self.account = client_key.public
        self.server = ServerConversation(server_key, 0.0)
        self.client = ClientConversation(client_key, server_key.public.fingerprint, suite, address, "anna", 0.0)
        self.client_events: list[mediation.Event] = []
        self.server_events: list[mediation.Event] = []

    def run(self, now: float = 0.0) -> None:
        """Carry bytes to and fro, and decide logins, until nothing moves."""
        for _ in range(20):
            self.server.receive_data(self.client.data_to_send(), now)
            self.server_events += self._drain(self.server)
            self.client.receive_data(self.server.data_to_send(), now)
            self.client_events += self._drain(self.client)

    def _drain(self, machine: mediation.Conversation) -> Iterator[mediation.Event]:
        while (event := machine.next_event()) is not None:
            match event:
                case LoginRequested():
                    self.server.accept_login(self.account, 0.0)
                case RegistrationRequested():
                    self.server.accept_registration(ANNA, 0.0)
            yield event


@pytest.mark.parametrize("suite", [1, 2])
def test_first_contact_registers_and_the_next_login_gets_the_same_address(
    server_key: IdentityKey, anna_key: IdentityKey, suite: int
) -> None:
    first = Pair(anna_key, server_key, suite, None)
    first.run()
    assert first.client_events == [LoggedIn(ANNA, server_key.public)]
    assert first.server_events == [
        RegistrationRequested(anna_key.public, "anna"),
        LoggedIn(ANNA, server_key.public),
    ]

    second = Pair(anna_key, server_key, suite, ANNA)
    second.run()
    assert second.client_events == [LoggedIn(ANNA, server_key.public)]


@pytest.mark.parametrize("suite", [1, 2])
def test_messages_pass_both_ways_after_the_login(server_key: IdentityKey, anna_key: IdentityKey, suite: int) -> None:
    pair = Pair(anna_key, server_key, suite, ANNA)
    pair.run()
    for number in range(5):
        pair.client.send(SetNickname(number, "Anna"))
        pair.server.send(Accepted(number))
    pair.run()
    assert pair.server_events[2:] == [MessageReceived(SetNickname(number, "Anna")) for number in range(5)]
    assert pair.client_events[1:] == [MessageReceived(Accepted(number)) for number in range(5)]


def test_a_client_that_expects_another_server_key_is_told_so(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    pair = Pair(anna_key, server_key, 2, ANNA)
    pair.client = ClientConversation(anna_key, anna_key.public.fingerprint, 2, ANNA, "anna", 0.0)
    pair.run()
    assert pair.client_events[0] == HelloRefused(HelloRefusal.NO_SUCH_KEY)
    assert pair.client.closed
    assert pair.server.closed


def test_a_server_without_the_expected_key_gets_no_login(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    """The impostor claims the expected fingerprint in HELO, but can't sign for it."""
    impostor_key = IdentityKey.generate()
    pair = Pair(anna_key, impostor_key, 2, ANNA)
    pair.client = ClientConversation(anna_key, server_key.public.fingerprint, 2, ANNA, "anna", 0.0)
    pair.server._identity = _Masked(impostor_key, server_key)  # type: ignore[assignment]
    pair.run()
    assert pair.client.closed
    assert pair.client_events == [ConversationClosed("signature: not made by this key")]


class _Masked:
    """An impostor that shows another's public key and signs with its own."""

    def __init__(self, own: IdentityKey, shown: IdentityKey) -> None:
        self.public = shown.public
        self.sign = own.sign


def test_a_login_with_a_key_that_is_not_on_record_is_refused(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    pair = Pair(IdentityKey.generate(), server_key, 2, ANNA)
    pair.account = anna_key.public
    pair.run()
    assert pair.client_events[0] == LoginRefused(Refusal.WRONG_SIGNATURE)


def test_a_changed_byte_anywhere_in_the_login_ends_it_without_a_login(
    server_key: IdentityKey, anna_key: IdentityKey
) -> None:
    for position in range(0, 1500, 97):
        pair = Pair(anna_key, server_key, 2, ANNA)
        hello = bytearray(pair.client.data_to_send())
        hello[position % len(hello)] ^= 0x01
        pair.server.receive_data(bytes(hello), 0.0)
        pair.run()
        assert LoggedIn(ANNA, server_key.public) not in pair.client_events + pair.server_events


def test_a_repeated_a_skipped_and_a_reflected_frame_end_the_conversation(
    server_key: IdentityKey, anna_key: IdentityKey
) -> None:
    for suite in (1, 2):
        repeated = Pair(anna_key, server_key, suite, ANNA)
        repeated.run()
        repeated.client.send(Ping(1))
        frame = repeated.client.data_to_send()
        repeated.server.receive_data(frame + frame, 1.0)
        assert repeated.server.closed

        skipped = Pair(anna_key, server_key, suite, ANNA)
        skipped.run()
        skipped.client.send(Ping(1))
        skipped.client.data_to_send()
        skipped.client.send(Ping(2))
        skipped.run()
        assert skipped.server_events[-1] == ConversationClosed("message: id is not the successor of the last")

        reflected = Pair(anna_key, server_key, suite, ANNA)
        reflected.run()
        reflected.client.send(Ping(1))
        reflected.client.receive_data(reflected.client.data_to_send(), 1.0)
        assert reflected.client.closed


def test_a_slow_login_and_a_silent_client_are_given_up(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    slow = ServerConversation(server_key, 0.0)
    deadline = slow.next_deadline()
    assert deadline == mediation.LOGIN_TIMEOUT
    slow.handle_deadline(deadline)
    assert slow.closed

    pair = Pair(anna_key, server_key, 2, ANNA)
    pair.run()
    pair.server.handle_deadline(mediation.SERVER_PATIENCE)
    assert pair.server.closed


def test_a_client_asks_after_silence_and_then_gives_up(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    pair = Pair(anna_key, server_key, 2, ANNA)
    pair.run()
    pair.client.handle_deadline(mediation.PING_INTERVAL)
    pair.run(26.0)
    assert not pair.client.closed
    assert pair.client.next_deadline() == 26.0 + mediation.PING_INTERVAL
    pair.client.handle_deadline(51.0)
    pair.client.handle_deadline(51.0 + mediation.PING_TIMEOUT)
    assert pair.client.closed


def test_the_shell_may_not_skip_a_state(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    server = ServerConversation(server_key, 0.0)
    with pytest.raises(LocalProtocolError):
        server.accept_login(anna_key.public, 0.0)
    with pytest.raises(LocalProtocolError):
        server.accept_registration(ANNA, 0.0)
    with pytest.raises(LocalProtocolError):
        server.refuse_login(Refusal.INTERNAL, 0.0)
    with pytest.raises(LocalProtocolError):
        server.send(Accepted(1))


def test_every_state_is_used_and_the_table_has_no_dead_row() -> None:
    states = {state for _, state in mediation.ALLOWED} | {State.DECIDING_LOGIN, State.CLOSED}
    assert states == set(State)
    assert {role for role, _ in mediation.ALLOWED} == set(Role)


@given(st.binary(max_size=400), st.integers(0, 3))
def test_any_bytes_give_an_end_or_nothing(data: bytes, cuts: int) -> None:
    key = _cached_key()
    server = ServerConversation(key, 0.0)
    client = ClientConversation(key, key.public.fingerprint, 2, ANNA, "anna", 0.0)
    for machine in (server, client):
        for part in range(cuts + 1):
            machine.receive_data(data[part :: cuts + 1], 0.0)
        while (event := machine.next_event()) is not None:
            assert isinstance(event, ConversationClosed)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
def test_any_bytes_after_the_login_end_the_conversation_only(chunks: list[bytes]) -> None:
    key = _cached_key()
    pair = Pair(key, key, 2, ANNA)
    pair.run()
    for chunk in chunks:
        pair.server.receive_data(chunk, 1.0)
        pair.client.receive_data(chunk, 1.0)
    events: list[mediation.Event] = []
    while (event := pair.server.next_event()) is not None:
        events.append(event)
    assert all(isinstance(event, ConversationClosed) for event in events)


def test_a_message_that_the_role_may_not_send_ends_the_conversation(
    server_key: IdentityKey, anna_key: IdentityKey
) -> None:
    pair = Pair(anna_key, server_key, 2, ANNA)
    pair.run()
    wrong: Message = Welcome("server", "anna", 0x0A100000, 16, (1, 2), "127.0.0.1")
    pair.client.send(wrong)
    pair.run()
    assert pair.server.closed


@cache
def _cached_key() -> IdentityKey:
    return IdentityKey.generate()


class ScriptedServer:
    """A server that follows the protocol up to AUTH and then says what a test wants, properly protected and signed."""

    def __init__(self, key: IdentityKey, client: ClientConversation, reply: bytes) -> None:
        self._key = key
        reader = FrameReader(MAX_UNAUTHENTICATED_FRAME)
        reader.feed(reply)
        hello = Decoder(Hello).decode(reader.next_frame() or b"")
        assert isinstance(hello, Hello)
        fingerprint = hello.responder_fingerprint
        self._agreement = answer_hello(mediation.LABEL, hello.suite, fingerprint, hello.nonce, hello.public)
        transcript = self._agreement.transcript
        ok = HelloOk(transcript.nonce_responder, transcript.public_responder)
        client.receive_data(plain_frame(encode(ok)), 0.0)
        material = self._agreement.session_material()
        self._stream = ProtectedStream(self._agreement.suite.cipher(material, False))

    def auth_ok(self, address: Address) -> bytes:
        """AUTH OK for this account, in a protected frame."""
        claims = b"OK" + address.to_bytes(4, "big")
        signature = self._agreement.transcript.sign(self._key, False, claims)
        return self._stream.seal(encode(AuthOk(self._key.public.blob, signature, address)))


def test_a_client_takes_no_answer_for_another_account(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    client = ClientConversation(anna_key, server_key.public.fingerprint, 2, ANNA, "anna", 0.0)
    server = ScriptedServer(server_key, client, client.data_to_send())
    client.receive_data(server.auth_ok(Address(ANNA + 1)), 0.0)
    assert client.next_event() == ConversationClosed("login: answer for another account")


def test_a_client_takes_no_answer_of_another_key_however_well_signed(
    server_key: IdentityKey, anna_key: IdentityKey
) -> None:
    client = ClientConversation(anna_key, server_key.public.fingerprint, 2, ANNA, "anna", 0.0)
    impostor = ScriptedServer(anna_key, client, client.data_to_send())
    client.receive_data(impostor.auth_ok(ANNA), 0.0)
    assert client.next_event() == ConversationClosed("login: not the expected server key")


@pytest.mark.parametrize(
    ("version", "suite", "reason"),
    [(PROTOCOL_VERSION + 1, 2, HelloRefusal.TOO_OLD), (PROTOCOL_VERSION, 3, HelloRefusal.NO_SUCH_SUITE)],
)
def test_a_hello_that_the_server_does_not_understand_is_told_why(
    server_key: IdentityKey, anna_key: IdentityKey, version: int, suite: int, reason: HelloRefusal
) -> None:
    pair = Pair(anna_key, server_key, 2, ANNA)
    hello = Hello(version, suite, server_key.public.fingerprint, bytes(128), bytes(1_216))
    pair.server.receive_data(plain_frame(encode(hello)), 0.0)
    pair.client.receive_data(pair.server.data_to_send(), 0.0)
    assert pair.client.next_event() == HelloRefused(reason)
    assert pair.server.closed


def deciding(pair: Pair) -> ServerConversation:
    """The pair's server with a login that waits for its answer."""
    for _ in range(2):
        pair.server.receive_data(pair.client.data_to_send(), 0.0)
        pair.client.receive_data(pair.server.data_to_send(), 0.0)
    assert pair.server.next_event() == LoginRequested(ANNA)
    return pair.server


def test_a_client_may_not_fill_the_server_while_it_decides(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    server = deciding(Pair(anna_key, server_key, 2, ANNA))
    server.receive_data(bytes(MAX_UNAUTHENTICATED_FRAME), 0.0)
    assert not server.closed
    server.receive_data(b"!", 0.0)
    assert server.next_event() == ConversationClosed("login: data before the answer")


def test_a_decision_about_a_client_that_is_gone_does_nothing(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    server = deciding(Pair(anna_key, server_key, 2, ANNA))
    server.close()
    server.accept_login(anna_key.public, 0.0)
    server.accept_registration(ANNA, 0.0)
    server.refuse_login(Refusal.INTERNAL, 0.0)
    assert server.data_to_send() == b""
    assert server.next_event() is None


def test_a_closed_conversation_takes_and_makes_nothing(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    pair = Pair(anna_key, server_key, 2, ANNA)
    pair.run()
    for machine in (pair.client, pair.server):
        machine.close()
        machine.send(Ping(1))
        machine.receive_data(b"more", 1.0)
        machine.handle_deadline(1_000.0)
        assert machine.next_deadline() is None
        assert machine.data_to_send() == b""
        assert machine.next_event() is None


def test_a_stream_whose_keys_are_worn_out_ends_while_they_are_still_good(
    server_key: IdentityKey, anna_key: IdentityKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AeadCipher, "id_limit", 10)
    pair = Pair(anna_key, server_key, 2, ANNA)
    pair.run()
    for number in range(5):
        assert not pair.server.closed
        pair.client.send(Ping(number))
        pair.run()
    assert pair.server_events[-1] == ConversationClosed("stream: keys are worn out")
    assert pair.client_events[-1] == ConversationClosed("stream: keys are worn out")


def test_a_hello_is_refused_only_before_its_answer(server_key: IdentityKey, anna_key: IdentityKey) -> None:
    pair = Pair(anna_key, server_key, 2, ANNA)
    pair.run()
    with pytest.raises(LocalProtocolError):
        pair.server.refuse_hello(HelloRefusal.BUSY)
