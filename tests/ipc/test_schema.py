"""The helper's messages: closed, limited, and the same after a journey."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ipc.schema import (
    ANSWERS,
    MAX_IPC_FRAME,
    MAX_PEERS,
    REQUESTS,
    DatagramReceived,
    Done,
    Failed,
    Hello,
    IpcMessage,
    Notification,
    PeerStatistics,
    Reply,
    Request,
    Statistics,
    UdpEndpoint,
    all_subclasses,
)
from app.protocol.wire import MAX_EXTRA_SOCKETS

LARGEST = PeerStatistics(
    peer=2**32 - 1,
    sent_bytes=2**64 - 1,
    sent_packets=2**64 - 1,
    received_bytes=2**64 - 1,
    received_packets=2**64 - 1,
    last_sent=1e308,
    last_received=1e308,
    sending_index=2**32 - 1,
)


def test_the_statistics_of_all_peers_fit_into_one_frame() -> None:
    counters = {f"drop-for-a-reason-with-a-long-name-{number}": 2**64 - 1 for number in range(100)}
    answer = Statistics(request=2**32 - 1, now=1e308, counters=counters, peers=[LARGEST] * MAX_PEERS)
    data = ANSWERS.encode(answer)
    assert len(data) <= MAX_IPC_FRAME
    assert ANSWERS.decode(data) == answer


def test_requests_and_answers_are_apart() -> None:
    assert not set(all_subclasses(Request)) & {*all_subclasses(Reply), *all_subclasses(Notification)}
    with pytest.raises(msgspec.ValidationError):
        REQUESTS.decode(ANSWERS.encode(Done(request=1)))
    with pytest.raises(msgspec.ValidationError):
        ANSWERS.decode(REQUESTS.encode(Hello(request=1, version=1)))


def test_a_field_nobody_knows_is_refused() -> None:
    data = msgspec.msgpack.encode({"type": "Hello", "request": 1, "version": 1, "path": "/etc/passwd"})
    with pytest.raises(msgspec.ValidationError):
        REQUESTS.decode(data)


def test_limits_hold_when_decoding() -> None:
    message = Failed(request=1, code="c" * 65, message="")
    with pytest.raises(msgspec.ValidationError):
        ANSWERS.decode(ANSWERS.encode(message))


@given(
    st.builds(
        DatagramReceived,
        st.builds(
            UdpEndpoint,
            st.text(max_size=45),
            st.integers(0, 65_535),
            st.integers(0, 2**32 - 1),
            st.integers(0, MAX_EXTRA_SOCKETS),
        ),
        st.binary(min_size=1, max_size=1_472),
    )
)
def test_a_datagram_arrives_as_it_left(message: DatagramReceived) -> None:
    assert ANSWERS.decode(ANSWERS.encode(message)) == message


@given(st.binary())
def test_any_bytes_are_a_message_or_a_decode_error(data: bytes) -> None:
    for codec in (REQUESTS, ANSWERS):
        try:
            message = codec.decode(data)
        except msgspec.DecodeError:
            continue
        assert isinstance(message, IpcMessage)
