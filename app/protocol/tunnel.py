"""One tunnel session's packets: the data header, the replay window, sealing and opening, single or as a train.

A *train* is a row of equal slots in one buffer, each a whole datagram (header, text, tag) but the last perhaps shorter:
what one UDP send with segmentation offload carries. Suite 2 seals and opens a train in place. Sans-IO; no clock.
Rekeying is the peer handshake's business: a session only ends by `id_limit`. Used by app/dataplane.

The header is drawn in wire.py. Sliding window: RFC 4303 section 3.4.3, with 4,096 ids as in design.md.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise, repeat
from operator import ge, length_hint
from struct import Struct
from typing import Final

from app.protocol.suites import SUITES, AeadCipher, Buffer, CbcCipher, WrongTag
from app.protocol.wire import (
    DATA_HEADER_AEAD,
    DATA_HEADER_CBC,
    DataFlag,
    DatagramType,
    LocalProtocolError,
    RemoteProtocolError,
)

REPLAY_WINDOW = 4_096
"""How many ids behind the newest are still accepted, once each."""
MIN_DATAGRAM = 12
"""Bytes in the shortest header; the receiver index is at bytes 4 to 7 of every data datagram."""
RESERVED_IDS = 256
"""Ids that must be left to begin a train: more than the longest takes."""
AEAD_OVERHEAD = 32
"""Bytes that suite 2 adds to a packet: header and tag."""

RECEIVER_INDEX = Struct("!4xI")
"""The receiver index of any data datagram."""
AEAD_HEADER = Struct("!IIQ")
"""DATA_HEADER_AEAD with its first four bytes as one number, see `header_word`."""

_IDS_OF_A_TRAIN: Final = 128
"""64 datagrams, each with an id of suite 1, which counts by two."""
_NONCE = Struct("!4xQ")
_WINDOW_MASK: Final = (1 << REPLAY_WINDOW) - 1
_KNOWN_FLAGS: Final = DataFlag.CONTINUES | DataFlag.PARTIAL_CHECKSUM


class ReplayedMessage(RemoteProtocolError):
    """The id was seen before, is too old to know, or belongs to the other direction."""


def header_word(flags: int) -> int:
    """The first four bytes of a data header as one number."""
    return DatagramType.DATA << 24 | flags << 16


class ReplayWindow:
    """Which ids of one direction were received: correct for any order, and never accepts an id twice.

    `newest` is the highest id marked so far, `first - step` before any.
    """

    __slots__ = ("_first", "_seen", "_step", "newest")

    def __init__(self, first: int, step: int) -> None:
        self._first = first
        self._step = step
        self._seen = 0
        self.newest = first - step

    def is_fresh(self, message_id: int) -> bool:
        """Whether the id may be accepted. Ask before opening, `mark` only what proved authentic."""
        age, odd = divmod(self.newest - message_id, self._step)
        if odd or message_id < self._first:
            return False
        return age < 0 or (age < REPLAY_WINDOW and not self._seen >> age & 1)

    def mark(self, message_id: int) -> None:
        """The fresh id `message_id` was received."""
        if message_id > self.newest:
            self.mark_run(message_id, 1)
        else:
            self._seen |= 1 << (self.newest - message_id) // self._step

    def mark_run(self, first_id: int, count: int) -> None:
        """`count` successive ids from `first_id` were received, all above `newest`."""
        last_id = first_id + (count - 1) * self._step
        ahead = (last_id - self.newest) // self._step
        kept = self._seen << ahead & _WINDOW_MASK if ahead < REPLAY_WINDOW else 0
        self._seen = kept | (1 << min(count, REPLAY_WINDOW)) - 1
        self.newest = last_id


def successive_runs(ids: tuple[int, ...]) -> list[tuple[int, int]]:
    """Where growing ids follow one another without a gap, as (start, stop); empty if they do not always grow."""
    count = len(ids)
    if ids == tuple(range(ids[0], ids[0] + count)):
        return [(0, count)]
    if any(map(ge, ids, ids[1:])):
        return []
    starts = [0, *(index for index in range(1, count) if ids[index] != ids[index - 1] + 1)]
    return list(pairwise([*starts, count]))


class Slots:
    """The views of a row of equal slots in a buffer, made once for each slot length and reused for every train.

    `slot` is the length of a suite 2 datagram and of the `lead` in front of each, a relay id or nothing; a text lies
    16 bytes into its datagram, whatever the suite.
    """

    __slots__ = ("_buffer", "_text", "headers", "sealed", "slot", "texts")

    def __init__(self, buffer: memoryview, slot: int, count: int, lead: int = 0) -> None:
        self._buffer = buffer
        self.slot = slot
        self._text = text = lead + 16
        starts = range(0, slot * count, slot)
        self.headers = [buffer[start + lead : start + text] for start in starts]
        self.texts = [buffer[start + text : start + slot - 16] for start in starts]
        self.sealed = [buffer[start + text : start + slot] for start in starts]

    def cut(self, count: int, last: int) -> tuple[list[memoryview], list[memoryview]]:
        """The texts and the sealed texts (with tag) of a train of `count` slots, whose last text has `last` bytes."""
        texts, sealed = self.texts[:count], self.sealed[:count]
        if self._text + last + 16 < self.slot:
            start = (count - 1) * self.slot + self._text
            texts[-1] = self._buffer[start : start + last]
            sealed[-1] = self._buffer[start : start + last + 16]
        return texts, sealed


class TunnelSession(ABC):
    """Seals and opens the packets of one session in both directions."""

    __slots__ = ("id_limit", "local_index", "next_id", "remote_index", "window")

    def __init__(self, cipher: AeadCipher | CbcCipher, local_index: int, remote_index: int) -> None:
        self.local_index = local_index
        self.remote_index = remote_index
        self.next_id = cipher.first_send_id
        self.id_limit = cipher.id_limit
        self.window = ReplayWindow(cipher.first_receive_id, cipher.id_step)

    @property
    def exhausted(self) -> bool:
        """Whether ids are running out: fewer are left than one train may take."""
        return self.next_id > self.id_limit - RESERVED_IDS

    @abstractmethod
    def seal(self, plaintext: Buffer, flags: int = 0) -> bytes:
        """The datagram of one packet or engine message. Raises LocalProtocolError when ids have run out."""

    @abstractmethod
    def open(self, datagram: Buffer) -> tuple[int, int, bytes]:
        """The flags, the id and the plaintext of a datagram with our receiver index, each accepted once.

        Raises ReplayedMessage, or RemoteProtocolError if it is malformed or not sealed by the far side.
        """


class AeadSession(TunnelSession):
    """A session of suite 2; `open_sealed` and the train forms work in place."""

    __slots__ = ("_cipher", "_decrypt_into", "_encrypt_into")

    def __init__(self, cipher: AeadCipher, local_index: int, remote_index: int) -> None:
        super().__init__(cipher, local_index, remote_index)
        self._cipher = cipher
        self._encrypt_into = cipher.sender.encrypt_into
        self._decrypt_into = cipher.receiver.decrypt_into

    def seal(self, plaintext: Buffer, flags: int = 0) -> bytes:
        message_id = self._take_ids(1)
        header = DATA_HEADER_AEAD.pack(DatagramType.DATA, flags, 0, self.remote_index, message_id)
        return header + self._cipher.seal(message_id, plaintext, header)

    def open(self, datagram: Buffer) -> tuple[int, int, bytes]:
        view = memoryview(datagram)
        if len(view) < AEAD_OVERHEAD:
            raise RemoteProtocolError("tunnel: datagram too short")
        kind, flags, _, index, message_id = DATA_HEADER_AEAD.unpack_from(view)
        if kind != DatagramType.DATA or index != self.local_index or flags & ~_KNOWN_FLAGS:
            raise RemoteProtocolError("tunnel: not a datagram of this session")
        if not self.window.is_fresh(message_id):
            raise ReplayedMessage("tunnel: replayed or too old")
        plaintext = self._cipher.open(message_id, view[16:], view[:16])
        self.window.mark(message_id)
        return flags, message_id, plaintext

    def seal_in_place(self, slot: memoryview, word: int) -> None:
        """Seal the text that lies 16 bytes into `slot` and ends 16 bytes before its end; `word` is a `header_word`."""
        message_id = self._take_ids(1)
        AEAD_HEADER.pack_into(slot, 0, word, self.remote_index, message_id)
        self._encrypt_into(_NONCE.pack(message_id), slot[16:-16], slot[:16], slot[16:])

    def seal_train(
        self,
        headers: Sequence[memoryview],
        texts: Sequence[memoryview],
        sealed: Sequence[memoryview],
        words: Iterable[int],
    ) -> None:
        """Seal `texts` in place under successive ids; `words` has a `header_word` for each of them."""
        count = len(texts)
        first = self._take_ids(count)
        ids = range(first, first + count)
        _run(map(AEAD_HEADER.pack_into, headers, repeat(0), words, repeat(self.remote_index), ids))
        _run(map(self._encrypt_into, map(_NONCE.pack, ids), texts, headers, sealed))

    def open_train(
        self,
        headers: Sequence[memoryview],
        sealed: Sequence[memoryview],
        texts: Sequence[memoryview],
        ids: Sequence[int],
    ) -> int:
        """Open datagrams in place until one is not authentic; gives how many were opened before it.

        The ids are the caller's to check and to mark. A datagram that is not authentic is destroyed.
        """
        to_come = iter(ids)
        try:
            _run(map(self._decrypt_into, map(_NONCE.pack, to_come), sealed, headers, texts))
        except WrongTag:
            return len(ids) - length_hint(to_come) - 1
        return len(ids)

    def _take_ids(self, count: int) -> int:
        first = self.next_id
        self.next_id = first + count
        if self.next_id > self.id_limit:
            raise LocalProtocolError("tunnel: ids have run out")
        return first


class CbcSession(TunnelSession):
    """A session of suite 1: packet by packet, and no flags, which its MAC would not cover."""

    __slots__ = ("_cipher",)

    def __init__(self, cipher: CbcCipher, local_index: int, remote_index: int) -> None:
        super().__init__(cipher, local_index, remote_index)
        self._cipher = cipher

    def seal(self, plaintext: Buffer, flags: int = 0) -> bytes:
        if flags:
            raise LocalProtocolError("tunnel: suite 1 has no flags")
        message_id = self.next_id
        if message_id >= self.id_limit:
            raise LocalProtocolError("tunnel: ids have run out")
        self.next_id = message_id + self._cipher.id_step
        header = DATA_HEADER_CBC.pack(DatagramType.DATA, 0, 0, self.remote_index, message_id)
        return header + self._cipher.seal(message_id, plaintext, header)

    def open(self, datagram: Buffer) -> tuple[int, int, bytes]:
        view = memoryview(datagram)
        if len(view) < MIN_DATAGRAM:
            raise RemoteProtocolError("tunnel: datagram too short")
        kind, flags, _, index, message_id = DATA_HEADER_CBC.unpack_from(view)
        if kind != DatagramType.DATA or index != self.local_index or flags:
            raise RemoteProtocolError("tunnel: not a datagram of this session")
        if not self.window.is_fresh(message_id):
            raise ReplayedMessage("tunnel: replayed or too old")
        plaintext = self._cipher.open(message_id, view[MIN_DATAGRAM:], view[:MIN_DATAGRAM])
        self.window.mark(message_id)
        return 0, message_id, plaintext


def make_session(
    suite: int, key_material: bytes, *, initiator: bool, local_index: int, remote_index: int
) -> TunnelSession:
    """The session of KEYMAT `key_material`. `local_index` is in the datagrams that come to us.

    Raises LocalProtocolError if there is no such suite or the key material has another length than the suite's.
    """
    row = SUITES.get(suite)
    if row is None or len(key_material) != row.keymat_length:
        raise LocalProtocolError("tunnel: no such suite, or key material of the wrong length")
    cipher = row.cipher(key_material, initiator)
    if isinstance(cipher, AeadCipher):
        return AeadSession(cipher, local_index, remote_index)
    assert isinstance(cipher, CbcCipher)
    return CbcSession(cipher, local_index, remote_index)


def _run(calls: Iterable[object]) -> None:
    """Make every call of a lazy `map` at the speed of C."""
    deque(calls, maxlen=0)
