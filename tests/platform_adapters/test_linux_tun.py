"""The real TUN device and UDP socket, inside a network namespace of the test's own."""

import socket
import subprocess
import sys
import textwrap

import pytest

from app.platform.linux.tun import UDP_GRO, open_tun, open_udp_socket


def in_own_namespace(code: str) -> str:
    """Run Python code in a fresh network namespace; what it prints."""
    command = ["unshare", "--net", sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.privileged
def test_a_device_has_the_offloads_of_this_kernel() -> None:
    printed = in_own_namespace(
        """
        from app.platform.linux.tun import open_tun
        device = open_tun("buri0", offload=True)
        print(device.name, device.partial_checksums)
        """
    )
    assert printed == "buri0 True"


@pytest.mark.privileged
def test_a_device_without_offloads_gives_complete_packets() -> None:
    printed = in_own_namespace(
        """
        import os, socket, subprocess
        from app.platform.linux.tun import open_tun
        device = open_tun("buri%d", offload=False)
        assert not device.partial_checksums and not device.udp_segmentation
        subprocess.run(["ip", "link", "set", device.name, "up"], check=True)
        subprocess.run(["ip", "address", "add", "10.27.0.1/16", "dev", device.name], check=True)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.sendto(b"hello", ("10.27.0.2", 9))
        while True:
            os.set_blocking(device.fd, True)
            packet = os.read(device.fd, 2000)
            if packet[10] >> 4 == 4 and packet[19] == 17:
                break
        print(packet[:10] == bytes(10), packet[-5:], device.name)
        """
    )
    assert printed == "True b'hello' buri0"


@pytest.mark.privileged
def test_a_name_that_is_taken_is_refused() -> None:
    printed = in_own_namespace(
        """
        from app.platform.linux.tun import open_tun
        first = open_tun("buri0", offload=True)
        try:
            open_tun("buri0", offload=True)
        except OSError as error:
            print("refused")
        """
    )
    assert printed == "refused"


@pytest.mark.parametrize("name", ["", "a name that is too long"])
def test_a_name_that_no_interface_can_have_is_refused(name: str) -> None:
    with pytest.raises(OSError, match="interface name"):
        open_tun(name, offload=True)


@pytest.mark.parametrize("offload", [True, False])
def test_the_udp_socket_reaches_both_address_families(offload: bool) -> None:
    with open_udp_socket(0, offload) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_UDP, UDP_GRO) == int(offload)
        other.settimeout(10)
        other.bind(("127.0.0.1", 0))
        sock.sendto(b"hello", ("::ffff:127.0.0.1", other.getsockname()[1]))
        assert other.recvfrom(100) == (b"hello", ("127.0.0.1", sock.getsockname()[1]))


def test_a_port_in_use_is_refused() -> None:
    with open_udp_socket(0, True) as first, pytest.raises(OSError, match="in use"):
        open_udp_socket(first.getsockname()[1], True)
