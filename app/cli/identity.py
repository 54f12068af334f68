"""`buri identity show|backup|restore|new`: the private key of this home. Works on the files, without an engine.

What changes the identity claims the home first, so that no engine runs on with the old one.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from app.cli import passwords
from app.cli.home import claimed, home_folders
from app.cli.outcome import ExitCode, command_error, show
from app.cli.render import table
from app.engine.errors import EngineError, engine_error
from app.engine.identity import IdentityKeeper, choose_storage, read_passphrase
from app.engine.settings import KeyRecord, KeyStorage, Profile
from app.protocol.keys import MAX_PEM
from app.protocol.wire import format_address


def run(arguments: Namespace) -> int:
    """Carry out the action; gives the exit code."""
    actions: dict[str, Callable[[Namespace, Profile], None]] = {
        "show": _show,
        "backup": _backup,
        "restore": _restore,
        "new": _new,
    }
    folders = home_folders()
    try:
        with _claim(arguments, folders[1]):
            actions[arguments.action](arguments, Profile(*folders))
    except EngineError as error:
        raise command_error(error) from error
    return ExitCode.OK


def key_place(profile: Profile, record: KeyRecord) -> str:
    """Where the private key is kept, for people. It is not opened: a locked keyring would ask for its password."""
    return "the system's keyring" if record.storage is KeyStorage.KEYRING else str(profile.identity_file)


def _claim(arguments: Namespace, folder: Path) -> AbstractContextManager[object]:
    if arguments.action not in ("restore", "new"):
        return nullcontext()
    return claimed(folder, "Stop the engine first, then repeat this.")


def _keeper(arguments: Namespace, profile: Profile) -> IdentityKeeper:
    return IdentityKeeper(profile, read_passphrase(arguments.passphrase_file))


def _show(arguments: Namespace, profile: Profile) -> None:
    record = profile.settings.key
    if record is None:
        raise engine_error("identity-none")
    accounts = [account for account in profile.settings.accounts if account.key == record.fingerprint]
    rows = [("fingerprint", record.fingerprint), ("private key", key_place(profile, record))]
    rows += [("address", f"{format_address(account.address)}  on the server {account.server}") for account in accounts]
    document = {
        "fingerprint": record.fingerprint,
        "storage": record.storage,
        "place": key_place(profile, record),
        "accounts": [{"server": each.server, "address": format_address(each.address)} for each in accounts],
    }
    show("\n".join(table(rows)), document, as_json=arguments.json)


def _backup(arguments: Namespace, profile: Profile) -> None:
    passphrase = _backup_passphrase(arguments, new=True)
    data = _keeper(arguments, profile).backup(passphrase)
    try:
        descriptor = os.open(arguments.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise engine_error("file-not-written", place=arguments.file, reason=error.strerror or error) from error
    text = f"Wrote the backup to {arguments.file}. Keep it and its passphrase apart."
    show(text, {"file": str(arguments.file.absolute())}, as_json=arguments.json)


def _restore(arguments: Namespace, profile: Profile) -> None:
    try:
        with arguments.file.open("rb") as file:
            data = file.read(MAX_PEM + 1)
    except OSError as error:
        reason = error.strerror or error
        raise engine_error("identity-backup-unreadable", place=arguments.file, reason=reason) from error
    passphrase = _backup_passphrase(arguments, new=False) if b"ENCRYPTED" in data else None
    storage = choose_storage(arguments.key_file, read_passphrase(arguments.passphrase_file))
    keeper = _keeper(arguments, profile)
    key = keeper.restore(data, passphrase, storage, replace=arguments.replace)
    _tell("Restored", keeper.notice(storage), key.public.fingerprint_text, arguments)


def _new(arguments: Namespace, profile: Profile) -> None:
    storage = choose_storage(arguments.key_file, read_passphrase(arguments.passphrase_file))
    keeper = _keeper(arguments, profile)
    key = keeper.make(storage, replace=arguments.replace)
    _tell("Made", keeper.notice(storage), key.public.fingerprint_text, arguments)


def _tell(done: str, notice: str, fingerprint: str, arguments: Namespace) -> None:
    sys.stderr.write(notice + "\n")
    show(f"{done} the identity {fingerprint}.", {"fingerprint": fingerprint}, as_json=arguments.json)


def _backup_passphrase(arguments: Namespace, *, new: bool) -> str:
    if arguments.backup_passphrase_file is not None:
        return passwords.first_line(arguments.backup_passphrase_file)
    return passwords.ask("Passphrase of the backup: ", new=new)
