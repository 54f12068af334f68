"""The schema between command line and engine: closed, limited, and the same at both ends."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ipc import control
from app.ipc.schema import all_subclasses

REQUEST_CLASSES = all_subclasses(control.ControlRequest)
ANSWER_CLASSES = all_subclasses(control.ControlAnswer)

EXAMPLES: dict[str, control.ControlRequest] = {
    "create": control.CreateNetwork(name="Game night", password="s3cret", request=7),
    "evict": control.EvictMember(network=123_456_789, member=0x0A490002, ban=True, request=8),
    "ping": control.PingPeer(peer=0x0A490002, count=0, interval=0.2, request=9),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_asked_arrives(name: str) -> None:
    message = EXAMPLES[name]
    assert control.REQUESTS.decode(control.REQUESTS.encode(message)) == message


def test_every_class_carries_its_number_and_says_what_it_is_for() -> None:
    for kind in (*REQUEST_CLASSES, *ANSWER_CLASSES):
        assert "request" in kind.__struct_fields__
        assert kind.__doc__


def test_every_request_says_how_it_is_answered() -> None:
    silent = [
        kind.__name__
        for kind in REQUEST_CLASSES
        if not any(word in (kind.__doc__ or "") for word in ("Answered by", "Stream:"))
    ]
    assert not silent


def test_each_end_reads_only_what_is_meant_for_it() -> None:
    with pytest.raises(msgspec.ValidationError):
        control.REQUESTS.decode(control.ANSWERS.encode(control.Done(request=1)))
    with pytest.raises(msgspec.ValidationError):
        control.ANSWERS.decode(control.REQUESTS.encode(control.LogIn(request=1)))


@pytest.mark.parametrize(
    "message",
    [
        control.CreateNetwork(name="x" * 65),
        control.CreateNetwork(name=""),
        control.CreateNetwork(name="a", password=""),
        control.SendChat(peer=1, text="x" * 16_385),
        control.ReadChat(peer=1, limit=201),
        control.ReadChat(peer=1, before=0),
        control.PingPeer(peer=1, size=1_201),
        control.PingPeer(peer=1, interval=0.0),
        control.LeaveNetwork(network=0),
        control.LeaveNetwork(network=1 << 32),
        control.SetBlocked(peer=0, blocked=True),
    ],
)
def test_what_is_out_of_limits_is_refused(message: control.ControlRequest) -> None:
    with pytest.raises(msgspec.ValidationError):
        control.REQUESTS.decode(control.REQUESTS.encode(message))


@pytest.mark.parametrize("fields", [{}, {"peer": 1, "network": 1}, {"peer": 0, "network": 0}])
@pytest.mark.parametrize("request_type", ["SendChat", "ReadChat", "FollowChat", "MarkChatRead"])
def test_a_conversation_is_with_one_peer_or_with_one_network(request_type: str, fields: dict[str, int]) -> None:
    text = {"text": "hello"} if request_type == "SendChat" else {}
    data = msgspec.msgpack.encode({"type": request_type, "request": 1, **text, **fields})
    with pytest.raises(msgspec.ValidationError, match="either peer or network"):
        control.REQUESTS.decode(data)


def test_an_unknown_field_is_refused() -> None:
    data = msgspec.msgpack.encode({"type": "LogIn", "request": 1, "path": "/etc/passwd"})
    with pytest.raises(msgspec.ValidationError):
        control.REQUESTS.decode(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_named_error(data: bytes) -> None:
    for codec in (control.REQUESTS, control.ANSWERS):
        with contextlib.suppress(msgspec.DecodeError):
            codec.decode(data)


@given(
    st.recursive(st.none() | st.booleans() | st.integers(0, 1 << 33) | st.text() | st.binary(), st.lists, max_leaves=5)
)
def test_any_value_in_a_field_is_a_message_or_a_named_error(value: object) -> None:
    for kind in REQUEST_CLASSES:
        fields = {name: value for name in kind.__struct_fields__ if name != "request"}
        with contextlib.suppress(msgspec.DecodeError):
            control.REQUESTS.decode(msgspec.msgpack.encode({"type": kind.__name__, "request": 1, **fields}))


@given(st.integers(0, 4), st.integers(-1, 1))
def test_a_value_comes_in_parts_that_fit_a_frame(parts: int, more: int) -> None:
    data = bytes(max(0, parts * control.MAX_PART + more))
    pieces = control.parts_of(data, 5)
    assert b"".join(piece.data for piece in pieces) == data
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(len(control.ANSWERS.encode(piece)) <= control.MAX_CONTROL_FRAME for piece in pieces)
