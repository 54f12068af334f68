"""`buri gui`: the desktop app, with its window and tray icon; imports Qt only here."""

from argparse import Namespace

from app.base.logs import set_up_logging
from app.cli.outcome import command_error
from app.engine.errors import EngineError
from app.engine.identity import choose_storage, read_passphrase


def run(arguments: Namespace) -> int:
    """Run until the person quits; gives the exit code."""
    set_up_logging(arguments.log_level)
    from app.ui import application
    from app.ui.session import Launch

    try:
        passphrase = read_passphrase(arguments.passphrase_file)
    except EngineError as error:
        raise command_error(error) from error
    storage = choose_storage(arguments.key_file, passphrase)
    return application.run(Launch(arguments.link or "", arguments.hidden, storage, passphrase))
