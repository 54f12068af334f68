"""What every operating system must offer: the contracts of `tun.py`, `routes.py` and `service.py` in each OS folder.

Only types, nothing runs here. Linux implements them in app/platform/linux; another system adds a folder with the same
three files. Used by the helper, which chooses the folder, and by tests.
"""

import socket
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What the virtual adapter shall look like."""

    address: str
    """IPv4 address in text."""
    prefix_length: int
    address6: str
    """The IPv6 form of the address: 96 fixed bits, then the IPv4 address."""
    mtu: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of a local connection, as the operating system says."""

    process: int
    user: int
    groups: frozenset[int]


class AdapterError(Exception):
    """The system refused a part of the configuration. `code` is for programs, the text for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Tun(Protocol):
    """An open virtual adapter that carries IP packets; it disappears when its last descriptor is closed."""

    @property
    def fd(self) -> int:
        """The descriptor packets are read from and written to, owned by whoever opened the adapter."""
        ...

    @property
    def name(self) -> str:
        """The name the system gave it."""
        ...

    @property
    def partial_checksums(self) -> bool:
        """The system takes and gives partial checksums and TCP super packets."""
        ...

    @property
    def udp_segmentation(self) -> bool:
        """The system takes and gives UDP super packets."""
        ...


class Routes(Protocol):
    """The configuration of one adapter. It belongs to the adapter and disappears with it."""

    def apply(self, config: AdapterConfig) -> None:
        """Make the adapter look like `config`, whatever was set before; repeating it changes nothing.

        Raises AdapterError: `address-clash` if another interface has a route into the wanted subnet,
        `adapter-refused` if the system does not do it.
        """
        ...

    def remove(self) -> None:
        """Take addresses and routes away and bring the adapter down; fine if it is gone already."""
        ...


class HelperService(Protocol):
    """How the privileged helper meets its callers."""

    def identify(self, connection: socket.socket) -> Caller:
        """Who connected. Raises OSError if the system cannot tell."""
        ...

    def allows(self, caller: Caller) -> bool:
        """Whether this caller may have an adapter."""
        ...
