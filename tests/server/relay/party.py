"""Two peers and a mediation server's tokens, for tests of the relay: what a client says to bind its endpoint."""

import os
from dataclasses import dataclass, field
from typing import Final

from app.protocol.relay import (
    Grant,
    RelayBind,
    RelayBound,
    RelayPing,
    RelayPong,
    RelayWord,
    bind_mac,
    bound_mac,
    decode,
    encode,
    is_mac,
    seal_token,
    token_key,
)

SECRET: Final = b"\x5a" * 32
PAIR: Final = b"pair of two ones"
LATER: Final = 4_000_000_000
"""Unix seconds at which no test runs any more."""


@dataclass
class Party:
    """One peer with the token for its side."""

    side: int
    pair: bytes = PAIR
    rate: int = 0
    expires: int = LATER
    secret: bytes = SECRET
    token: bytes = b""
    key: bytes = b""
    nonce: bytes = b""
    words: list[RelayWord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.token = seal_token(self.secret, Grant(self.pair, self.side, self.expires, self.rate))
        self.key = token_key(self.secret, self.token)

    def ping(self) -> bytes:
        """How far is the relay?"""
        return encode(RelayPing(os.urandom(8)))

    def bind(self, pong: bytes) -> bytes:
        """This endpoint is mine, with the cookie of an answer to `ping`."""
        word = decode(pong)
        assert isinstance(word, RelayPong)
        self.nonce = os.urandom(8)
        mac = bind_mac(self.key, self.token, word.cookie, self.nonce)
        return encode(RelayBind(self.token, word.cookie, self.nonce, mac))

    def bound(self, answer: bytes | None) -> RelayBound:
        """The relay's answer, which must be authentic."""
        assert answer is not None
        word = decode(answer)
        assert isinstance(word, RelayBound), word
        assert word.nonce == self.nonce
        assert is_mac(bound_mac(self.key, self.nonce, word.relay, word.both), word.mac)
        return word
