"""The helper as a Linux process: who may call it, and how its children and it itself give privileges away.

Linux only: peer credentials of Unix sockets, capabilities and prctl through the C library. Nothing here parses input of
others. Used by the helper and by the launcher of its pump.
"""

import ctypes
import os
import pwd
import resource
import signal
import socket
import struct
from collections.abc import Iterable
from enum import IntEnum

from app.platform.interfaces import Caller

_CREDENTIALS = struct.Struct("iII")
_SO_PEERGROUPS = 59
_MAX_GROUPS_BYTES = 1_024  # what Python's getsockopt reads at most: 256 groups

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION = 0x20080522
_CAPABILITY_NUMBERS = range(64)

MAX_OPEN_FILES = 64 + 512
"""Descriptors of an unprivileged child: TUN, UDP socket, control socket, standard streams, and room; and the extra UDP
sockets that the pump may open (MAX_EXTRA_SOCKETS)."""

_libc = ctypes.CDLL(None, use_errno=True)


class Capability(IntEnum):
    """The capabilities a helper that was started by root keeps; numbers from linux/capability.h."""

    DAC_READ_SEARCH = 2
    """Start the pump from a program folder in a home that only its owner may enter."""
    KILL = 5
    """End the pump, which runs as another user."""
    SETGID = 6
    SETUID = 7
    """With SETGID: give the pump another user."""
    SETPCAP = 8
    """Empty the pump's bounding set."""
    NET_ADMIN = 12
    """Adapter, addresses and routes."""


class LinuxHelperService:
    """Callers are accepted by user or by group; root always. See interfaces.HelperService."""

    def __init__(self, users: Iterable[int] = (), group: int | None = None) -> None:
        self._users = frozenset(users) | {0}
        self._group = group

    def identify(self, connection: socket.socket) -> Caller:
        """See interfaces.HelperService; the kernel noted the credentials when the caller connected."""
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        process, user, group = _CREDENTIALS.unpack(data)
        more = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS_BYTES)
        return Caller(process, user, frozenset((group, *struct.unpack(f"{len(more) // 4}I", more))))

    def allows(self, caller: Caller) -> bool:
        """See interfaces.HelperService."""
        return caller.user in self._users or (self._group is not None and self._group in caller.groups)


def drop_privileges(parent: int) -> None:
    """Give up, for good, everything this process may do to the system; its open descriptors are all it keeps.

    It becomes the user `buri`, or `nobody` where that does not exist, if it may change its user at all; without
    groups, capabilities, new privileges through programs, core dumps or other processes of that user looking into it.
    It is killed when the process `parent` (its own parent, given by pid because that may be gone already) ends.
    Raises OSError or KeyError if any of it fails: then the caller must end.
    """
    _lower_limit(resource.RLIMIT_CORE, 0)
    _lower_limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _drop_bounding_set(keep=frozenset())
    if os.geteuid() == 0:
        account = _unprivileged_account()
        os.setgroups([])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _set_capabilities(frozenset())
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    die_with_parent(parent)


def die_with_parent(parent: int) -> None:
    """Have this process killed when `parent` ends, also when it has ended already.

    A change of user clears the wish, so it comes last. Raises OSError.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def limit_capabilities(keep: Iterable[Capability] = tuple(Capability)) -> None:
    """Keep, of the capabilities this process has, only those in `keep`, for its children too. Raises OSError."""
    kept = frozenset(int(each) for each in keep)
    _drop_bounding_set(keep=kept)
    _set_capabilities(kept & _permitted_capabilities())
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _lower_limit(limit: int, value: int) -> None:
    """Set a limit for good, unless it is lower already."""
    _, hard = resource.getrlimit(limit)
    lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (lower, lower))


def _unprivileged_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("buri")
    except KeyError:
        return pwd.getpwnam("nobody")


def _drop_bounding_set(keep: frozenset[int]) -> None:
    if Capability.SETPCAP not in _permitted_capabilities():
        return  # a helper with its own user has no bounding set to give away, and no new privileges to gain
    for number in _CAPABILITY_NUMBERS:
        if number not in keep and _libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            _prctl(_PR_CAPBSET_DROP, number)


def _permitted_capabilities() -> frozenset[int]:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()
    if _libc.capget(header, data) != 0:
        raise _last_error("capget")
    bits = data[1] | data[4] << 32
    return frozenset(number for number in _CAPABILITY_NUMBERS if bits >> number & 1)


def _set_capabilities(numbers: frozenset[int]) -> None:
    """Make these the effective and permitted capabilities; none are inheritable."""
    bits = sum(1 << number for number in numbers)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    if _libc.capset(header, data) != 0:
        raise _last_error("capset")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise _last_error(f"prctl {option}")


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
