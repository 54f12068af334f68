"""The whole engine against a server that says anything at any time."""

import logging
from ipaddress import IPv4Address

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.state import EngineState, ServerStatus
from app.protocol.messages import (
    Accepted,
    Closing,
    Created,
    Message,
    PeerKey,
    Pending,
    Welcome,
)
from tests.engine.test_networks import words
from tests.engine.world import World, meet, tell

odd_words = st.one_of(
    words,
    st.builds(
        Welcome,
        st.just("Home"),
        st.just("x"),
        st.integers(0, 0xFFFFFFFF),
        st.integers(8, 30),
        st.lists(st.integers(0, 65_535), max_size=4).map(tuple),
        st.sampled_from(["nowhere", "192.0.2.1", "::1"]),
    ),
    st.builds(PeerKey, st.integers(0, 5), st.integers(1, 5), st.binary(min_size=407, max_size=407)),
    st.builds(Accepted, st.integers(0, 5)),
    st.builds(Created, st.integers(0, 5), st.integers(1, 5)),
    st.builds(Pending, st.integers(0, 5), st.integers(1, 5)),
    st.just(Closing(restart=True)),
)


class Ear(logging.Handler):
    """Hears errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@settings(max_examples=5)
@given(st.lists(odd_words, max_size=40), st.booleans())
def test_after_any_words_the_engine_stands_and_an_honest_server_mends_everything(
    tmp_path_factory: pytest.TempPathFactory, told: list[Message], about_the_real_network: bool
) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        for word in told:
            real = about_the_real_network and hasattr(word, "network")
            anna.engine._client._take_message(msgspec.structs.replace(word, network=network) if real else word)
            state = anna.state
            assert msgspec.json.decode(msgspec.json.encode(state), type=EngineState) == state
        assert IPv4Address(anna.state.server.address).is_private
        anna.engine._client.reconnect()
        await anna.until(lambda: anna.state.server.status is not ServerStatus.ONLINE)
        await anna.until_connected(ben)

    ear = Ear()
    logging.getLogger("app").addHandler(ear)
    try:
        tell(tmp_path_factory.mktemp("world"), story)
    finally:
        logging.getLogger("app").removeHandler(ear)
    assert ear.heard == []
