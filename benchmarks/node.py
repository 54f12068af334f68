"""One computer's adapter and pump, as the helper makes them but without engine and helper: for benchmarks and tests.

Run inside a network namespace as root. Makes the TUN device and the UDP socket, configures the adapter with `ip`,
prints `ready`, gives up its privileges and runs the pump.
"""

import argparse
import os
import subprocess

from app.dataplane.process import main as run_pump
from app.platform.linux.tun import GSO_MAX_SIZE, TX_QUEUE_LENGTH, TunDevice, open_tun, open_udp_socket
from app.protocol.wire import format_address, format_address6

NOBODY = 65_534


def main() -> None:
    """Become the pump of one adapter."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--offload", type=int, choices=(0, 1), default=1)
    parser.add_argument("--queue", type=int, default=TX_QUEUE_LENGTH)
    arguments = parser.parse_args()
    device = open_tun("buri0", bool(arguments.offload))
    udp = open_udp_socket(arguments.port, bool(arguments.offload))
    configure(device, arguments.address, arguments.queue)
    command = []
    for option, value in (
        ("--tun-fd", device.fd),
        ("--udp-fd", udp.detach()),
        ("--control-fd", arguments.control_fd),
        ("--address", arguments.address),
        ("--prefix-length", 16),
    ):
        command += [option, str(value)]
    command += ["--merges-tcp"] * device.partial_checksums + ["--merges-udp"] * device.udp_segmentation
    run_pump(command, lambda: open_udp_socket(0, bool(arguments.offload)), drop_privileges)


def drop_privileges() -> None:
    """Become nobody, and tell that the pump runs."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    print("ready", flush=True)


def configure(device: TunDevice, address: int, queue: int) -> None:
    """Addresses, MTU and queue of the adapter; what app/platform/linux/routes.py does in the product."""
    sizes = ["gso_max_size", str(GSO_MAX_SIZE)]
    run_ip("link", "set", device.name, "mtu", "1400", "txqueuelen", str(queue), *sizes)
    run_ip("address", "add", f"{format_address(address)}/16", "dev", device.name)
    run_ip("-6", "address", "add", f"{format_address6(address)}/96", "dev", device.name, "nodad")
    run_ip("link", "set", device.name, "up")


def run_ip(*words: str) -> None:
    """Run iproute2; raises CalledProcessError when it fails."""
    subprocess.run(["ip", *words], check=True)


if __name__ == "__main__":
    main()
