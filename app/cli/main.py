"""The entry point of `buri`: choose what is meant, import only that, and turn every outcome into an exit code.

Called by the console script and by `python -m app`. It knows no verb by itself: arguments.py does.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence

from app import __version__
from app.cli.arguments import build_parser
from app.cli.outcome import CommandError, ExitCode, show_error
from app.platform.paths import HOME_VARIABLE

ROLES = (["server"], ["relay"], ["helper"], ["carrier"], ["pac"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `buri` with these arguments (those of the process by default) and give the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_home()
        return _run_role(words) if words[:1] in ROLES else _run_verb(words)
    except CommandError as error:
        return show_error(error, as_json="--json" in words)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; without this Python complains while it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _check_home() -> None:
    """A relative BURI_HOME would be another folder after each change of directory."""
    home = os.environ.get(HOME_VARIABLE, "")
    if home and not os.path.isabs(home):
        message = f"{HOME_VARIABLE} is {home!r}."
        remedy = "Give it as an absolute path, or use --home."
        raise CommandError(ExitCode.USAGE, "home-not-absolute", "The folder is not given right.", message, remedy)


def _run_role(words: list[str]) -> int:
    if words[0] == "server":
        from app.cli.server import main as run_server

        return run_server(words[1:])
    if words[0] == "relay":
        from app.cli.relay import main as run_relay

        return run_relay(words[1:])
    if words[0] == "carrier":
        from app.carrier.process import main as run_carrier

        return run_carrier()
    if words[0] == "pac":
        from app.transport.pac_script import main as run_script

        return run_script()
    from app.helper.service import main as run_helper

    return run_helper(words[1:])


def _run_verb(words: list[str]) -> int:
    if words[:1] in (["?"], ["help"]):
        words = [*words[1:2], "--help"]
    parsed = build_parser().parse_args(words)
    parsed.json = getattr(parsed, "json", False)
    if parsed.version:
        sys.stdout.write(f"buri {__version__}\n")
        return ExitCode.OK
    if home := getattr(parsed, "home", None):
        os.environ[HOME_VARIABLE] = str(home.absolute())
    if parsed.verb is None:
        parsed.run, parsed.follow = "account:status", False
    module, function = parsed.run.split(":")
    run: Callable[..., int] = getattr(importlib.import_module(f"app.cli.{module}"), function)
    return run(parsed)
