"""Privileges that are gone for good, and callers as the kernel knows them."""

import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from app.platform.interfaces import Caller
from app.platform.linux.service import LinuxHelperService
from tests.helper.computer import DEADLINE, wait_until_ended

DROPPED = """
import fcntl, json, os, socket, struct
from pathlib import Path
from app.platform.linux.service import drop_privileges

tun = os.open("/dev/net/tun", os.O_RDWR)
readable_before = os.open("/etc/shadow", os.O_RDONLY)
drop_privileges(parent=os.getppid())

def refused(attempt):
    try:
        attempt()
    except OSError as error:
        return error.strerror
    return "allowed"

def make_adapter():
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"buri%d", 0x1001))

status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "capabilities": sorted({status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}),
    "users": status["Uid"].split(),
    "groups": status["Gid"].split() + status["Groups"].split(),
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "make an adapter": refused(make_adapter),
    "become root": refused(lambda: os.setuid(0)),
    "read shadow": refused(lambda: open("/etc/shadow")),
    "raw socket": refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    "signal init": refused(lambda: os.kill(1, 0)),
    "more files": refused(lambda: [os.dup(0) for _ in range(600)]),
    "what was open": os.fstat(tun).st_rdev != 0,
}))
"""

ORPHANED = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-P", "-c", '''
import os, signal
from app.platform.linux.service import drop_privileges
drop_privileges(parent=os.getppid())
print(os.getpid(), flush=True)
signal.pause()
'''])
child.wait()
"""


def run_python(script: str) -> Any:
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.privileged
def test_after_the_drop_nothing_of_root_is_left() -> None:
    found = run_python(DROPPED)
    assert found["capabilities"] == ["0000000000000000"]
    assert "0" not in found["users"] + found["groups"]
    assert found["no_new_privileges"] == "1"
    assert found["what was open"] is True
    attempts = ("make an adapter", "become root", "read shadow", "raw socket", "signal init", "more files")
    assert not [attempt for attempt in attempts if found[attempt] == "allowed"]


@pytest.mark.privileged
def test_an_unprivileged_child_dies_with_its_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-P", "-c", ORPHANED], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait(DEADLINE)
    wait_until_ended(child)
    parent.stdout.close()


@pytest.mark.privileged
def test_a_child_whose_parent_is_gone_already_ends_itself() -> None:
    script = "from app.platform.linux.service import drop_privileges; drop_privileges(parent=1 << 22); print('alive')"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    assert done.stdout == ""


@pytest.mark.privileged
def test_limited_capabilities_are_those_named_and_pass_to_no_child() -> None:
    script = """
import json, subprocess
from pathlib import Path
from app.platform.linux.service import Capability, limit_capabilities
limit_capabilities([Capability.NET_ADMIN])
words = ["grep", "-h", "-E", "^Cap(Prm|Eff|Bnd)", "/proc/self/status"]
print(json.dumps([Path("/proc/self/status").read_text(), subprocess.run(words, capture_output=True, text=True).stdout]))
"""
    own, of_child = run_python(script)
    for text in (own, of_child):
        masks = {line.split()[1] for line in text.splitlines() if line.startswith(("CapPrm", "CapEff", "CapBnd"))}
        assert masks == {"0000000000001000"}


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    left, right = socket.socketpair()
    with left, right:
        caller = LinuxHelperService().identify(left)
    assert caller == Caller(os.getpid(), os.geteuid(), frozenset((os.getegid(), *os.getgroups())))


@pytest.mark.parametrize(
    ("user", "groups", "allowed"),
    [(0, {0}, True), (1000, {1000}, True), (1001, {1001}, False), (1001, {1001, 50}, True), (1001, {1000}, False)],
)
def test_root_the_named_user_and_the_groups_members_are_allowed(user: int, groups: set[int], allowed: bool) -> None:
    service = LinuxHelperService(users=[1000], group=50)
    assert service.allows(Caller(process=1, user=user, groups=frozenset(groups))) is allowed


def test_without_names_only_root_is_allowed() -> None:
    assert not LinuxHelperService().allows(Caller(process=1, user=1000, groups=frozenset({0, 1000})))
