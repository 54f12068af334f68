"""Mixed trains are cut where the relay id changes, and nowhere else."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from app.server.relay.trains import has_one_id, runs

HEADS = st.sampled_from([b"\xc0\x00\x00\x01", b"\xc0\x00\x00\x02", b"\xd0\x00\x00\x01", b"\x82\x93\x01\xc4"])


@given(st.lists(HEADS, min_size=1, max_size=64), st.integers(0, 40), st.integers(1, 44))
def test_runs_are_the_train_cut_by_relay_id(heads: list[bytes], rest: int, last: int) -> None:
    slot = 4 + rest
    datagrams = [head + bytes(rest) for head in heads]
    datagrams[-1] = datagrams[-1][:last]
    train = memoryview(b"".join(datagrams))
    parts = list(runs(train, slot))
    assert b"".join(parts) == train
    wanted = [b"".join(group) for _, group in groupby(datagrams, key=lambda datagram: datagram[:4])]
    assert parts == wanted
    assert has_one_id(train, slot) == (len(wanted) == 1 and (len(datagrams) == 1 or len(datagrams[-1]) >= 4))


@given(st.binary(min_size=1, max_size=500), st.integers(1, 600))
def test_any_bytes_are_cut_into_themselves(data: bytes, slot: int) -> None:
    assert b"".join(runs(memoryview(data), slot)) == data
    assert isinstance(has_one_id(memoryview(data), slot), bool)
