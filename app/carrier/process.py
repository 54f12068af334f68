"""The carrier's process: `python -m app carrier`, started by the engine.

Orders come in lines on the standard input, reports go out in lines on the standard output, and the end of the input is
the end of the process: it never outlives the engine, even one that is killed. It takes nothing on its command line,
as everybody on a computer may read that.
"""

import asyncio
import os
import sys
import threading
from contextlib import suppress
from typing import BinaryIO

from app.base.logs import set_up_logging
from app.carrier.carrier import Carrier
from app.carrier.words import MAX_LINE, Report, WordError, line_of, read_order


def main() -> int:
    """Carry until the standard input ends, or says what is no order; gives the exit status."""
    set_up_logging("warning")
    # add_reader for UDP is not in the default loop of every system.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        try:
            runner.run(_serve(sys.stdout.buffer))
        except WordError as error:
            sys.stderr.write(f"buri carrier: {error}\n")
            return 2
        except BrokenPipeError:  # nobody listens any more
            return 0
    return 0


async def _serve(reports: BinaryIO) -> None:
    def report(word: Report) -> None:
        reports.write(line_of(word))
        reports.flush()

    orders = _orders(sys.stdin.fileno())
    carrier = Carrier(report)
    try:
        carrier.start()
        while line := await orders.readline():
            carrier.obey(read_order(line))
    except ValueError as error:  # of the stream: a line is too long
        raise error if isinstance(error, WordError) else WordError("an order is too long") from None
    finally:
        await carrier.close()


def _orders(descriptor: int) -> asyncio.StreamReader:
    """What comes on a pipe, read in a thread: not every loop can wait for a pipe."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(MAX_LINE, loop)

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended
            while data := os.read(descriptor, MAX_LINE):
                loop.call_soon_threadsafe(reader.feed_data, data)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=read, name="orders", daemon=True).start()
    return reader
