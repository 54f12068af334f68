"""What a person can do about a problem with one click: the buttons that belong to each code.

The banner of the main window, the welcome and the window of errors show them; app/ui/words/remedies.py says the same in
words. Looked up when a problem is shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QPushButton

from app.engine.state import Problem
from app.ui.verbs import Verbs
from app.ui.words.translations import _


@dataclass(frozen=True, slots=True)
class Mend:
    """One button: its text, and what it does."""

    text: str
    act: Callable[[], object]

    def button(self) -> QPushButton:
        """A new button for it."""
        button = QPushButton(self.text)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: self.act())
        return button


def mends_of(actions: Verbs, problem: Problem) -> tuple[Mend, ...]:
    """The main one first; empty where only the words help."""
    choose = _CHOICES.get(problem.code)
    return tuple(choose(actions, problem)) if choose is not None else ()


Choice = Callable[[Verbs, Problem], list[Mend]]


def _try_again(actions: Verbs) -> Mend:
    return Mend(_("Try again"), actions.restart_engine)


def _restore(actions: Verbs) -> Mend:
    return Mend(_("Restore identity…"), actions.restore_identity)


def _new_identity(actions: Verbs) -> Mend:
    return Mend(_("New identity…"), actions.new_identity)


def _first_start(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Get started"), actions.welcome)]


def _helper(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Start the helper"), actions.start_helper)]


def _by_hand(actions: Verbs, problem: Problem) -> list[Mend]:
    return [Mend(_("Copy the command"), lambda: actions.copy(dict(problem.details).get("command", "")))]


def _copy_target(actions: Verbs, problem: Problem) -> list[Mend]:
    return [Mend(_("&Copy"), lambda: actions.copy(dict(problem.details).get("target", "")))]


def _lost_key(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [_restore(actions), _new_identity(actions), _try_again(actions)]


def _wrong_key(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [_restore(actions), _try_again(actions)]


def _key_file(actions: Verbs, problem: Problem) -> list[Mend]:
    return [_try_again(actions), _show_folder(actions, problem)]


def _keyring(actions: Verbs, _problem: Problem) -> list[Mend]:
    if actions.session.key_place.fingerprint:  # the key that is to be used lies in there
        return [_try_again(actions), _restore(actions)]
    return [_try_again(actions), Mend(_("Keep the key in a file…"), actions.choose_key_storage)]


def _passphrase(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Type the passphrase…"), actions.unlock_identity), _restore(actions)]


def _broken_file(actions: Verbs, problem: Problem) -> list[Mend]:
    fresh = Mend(_("Start with a fresh one…"), lambda: actions.put_aside(problem))
    return [fresh, _show_folder(actions, problem), _try_again(actions)]


def _again(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [_try_again(actions)]


def _other_engine(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Stop it and start here"), actions.take_over), _try_again(actions)]


def _connect(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Try now"), lambda: actions.set_power(True))]


def _proxy(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Proxy settings…"), lambda: actions.preferences_dialog("connection"))]


def _proxy_lost(actions: Verbs, problem: Problem) -> list[Mend]:
    return [*_proxy(actions, problem), *_connect(actions, problem)]


def _unreachable(actions: Verbs, problem: Problem) -> list[Mend]:
    return [*_connect(actions, problem), Mend(_("Check the network…"), actions.check_network)]


def _another_server(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Change server…"), actions.change_server)]


def _suite(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Open preferences"), lambda: actions.preferences_dialog("security"))]


def _hosted(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Open preferences"), lambda: actions.preferences_dialog("connection"))]


def _unknown_account(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [_new_identity(actions), _restore(actions)]


def _read(actions: Verbs, problem: Problem) -> list[Mend]:
    return [Mend(_("Dismiss"), lambda: actions.dismiss(problem))]


def _report(actions: Verbs, _problem: Problem) -> list[Mend]:
    return [Mend(_("Diagnostics report"), actions.report)]


def _show_folder(actions: Verbs, problem: Problem) -> Mend:
    place = Path(dict(problem.details).get("place", ""))
    return Mend(_("Open folder"), lambda: actions.open_folder(place.parent))


_CHOICES: dict[str, Choice] = {
    "server-not-configured": _first_start,
    "helper-missing": _helper,
    "helper-lost": _helper,
    "helper-by-hand": _by_hand,
    "helper-failed": _report,
    "nothing-opens": _copy_target,
    "identity-lost": _lost_key,
    "identity-damaged": _lost_key,
    "identity-changed": _wrong_key,
    "identity-file-unreadable": _key_file,
    "identity-file-open-to-others": _key_file,
    "keyring-unusable": _keyring,
    "passphrase-needed": _passphrase,
    "passphrase-wrong": _passphrase,
    "settings-broken": _broken_file,
    "settings-too-new": _broken_file,
    "state-broken": _broken_file,
    "home-unusable": _again,
    "already-running": _other_engine,
    "program-error": _report,
    "server-unreachable": _unreachable,
    "server-no-answer": _unreachable,
    "server-busy": _connect,
    "proxy-unreachable": _proxy_lost,
    "proxy-wants-credentials": _proxy,
    "proxy-refused-credentials": _proxy,
    "proxy-forbids": _proxy_lost,
    "proxy-not-a-proxy": _proxy,
    "proxy-script": _proxy,
    "proxy-not-valid": _proxy,
    "server-lost": _connect,
    "server-replaced": _connect,
    "server-wrong-key": _another_server,
    "server-no-suite": _suite,
    "hosted-server-failed": _hosted,
    "refused-no-such-account": _unknown_account,
    "refused-wrong-signature": _wrong_key,
    "network-evicted": _read,
    "network-banned": _read,
    "network-deleted": _read,
    "network-rejected": _read,
    "window-settings-broken": lambda actions, _problem: [
        Mend(_("Start with a fresh one"), actions.fresh_preferences),
        Mend(_("Open folder"), lambda: actions.open_folder(actions.preferences.path.parent)),
    ],
}
"""By the code of the problem."""
