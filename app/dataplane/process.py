"""The pump process: `--tun-fd N --udp-fd N --control-fd N ...`.

Started by the helper with inherited descriptors and no privileges; imports little, so that it starts fast and stays
small. It takes no path, no name and no key on its command line: keys come over the control socket.
"""

import argparse
import gc
import socket
from collections.abc import Callable

from app.dataplane.pump import Pump, PumpOptions


def main(argv: list[str], open_socket: Callable[[], socket.socket], before_run: Callable[[], None]) -> int:
    """Run the pump until its control socket closes; gives the exit status. `argv` is without the program's name.

    `open_socket` makes a UDP socket like the one of `--udp-fd` at any port, after the privileges are gone.
    `before_run` is called when everything is loaded and made, before the first byte of the network is read: the
    launcher gives up its privileges there.
    """
    parser = argparse.ArgumentParser(prog="buri pump", description="Buri's packet path; started by the helper.")
    parser.add_argument("--tun-fd", type=int, required=True)
    parser.add_argument("--udp-fd", type=int, required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--address", type=int, required=True, help="own virtual address as a number")
    parser.add_argument("--prefix-length", type=int, required=True)
    parser.add_argument("--mtu", type=int, default=1_400)
    parser.add_argument("--merges-tcp", action="store_true", help="the adapter takes TCP super packets")
    parser.add_argument("--merges-udp", action="store_true", help="the adapter takes UDP super packets")
    arguments = parser.parse_args(argv)
    options = PumpOptions(
        tun=arguments.tun_fd,
        udp=socket.socket(fileno=arguments.udp_fd),
        control=socket.socket(fileno=arguments.control_fd),
        open_socket=open_socket,
        address=arguments.address,
        prefix_length=arguments.prefix_length,
        mtu=arguments.mtu,
        merges_tcp=arguments.merges_tcp,
        merges_udp=arguments.merges_udp,
    )
    options.udp.setblocking(False)
    with options.udp, options.control:
        pump = Pump(options)
        # Nothing on the packet path makes reference cycles: never stop it to look for them.
        gc.collect()
        gc.freeze()
        gc.disable()
        before_run()
        pump.run()
    return 0
