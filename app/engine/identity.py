"""The private key of one profile: found, made, backed up and restored, and never replaced in silence.

It lies in the operating system's keyring, as one entry in compact form, or in `identity.pem` (PKCS#8, mode 0600),
encrypted with a passphrase or, if the person chose so, not. The settings remember the key's fingerprint and place; a
key that is missing, damaged, locked away or another one is an error with a way out. Only where nothing is remembered
and nothing is found, a key is made. What is found although the settings are gone is taken, not overwritten.

Called by the command line's composition roots. Everything here waits, for disk, keyring, a person who unlocks it, or
a prime number: `asyncio.to_thread`, please.
"""

import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.base.atomic_file import write_atomically
from app.engine.errors import engine_error
from app.engine.settings import KeyRecord, KeyStorage, Profile
from app.protocol.keys import MAX_PEM, IdentityKey, KeyFormatError, WrongPassphraseError, is_encrypted_pem

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

logger = logging.getLogger(__name__)

PASSPHRASE_VARIABLE: Final = "BURI_KEY_PASSPHRASE"  # noqa: S105 - the name, not the value
MAX_PASSPHRASE: Final = 1_024
"""Characters in a passphrase."""
_USER: Final = "private key"
"""User name of every keyring entry; the services differ, as Windows moves the older of two users of one service."""


def choose_storage(key_file: bool, passphrase: str | None) -> KeyStorage:
    """Where a new key goes: the keyring, unless the person asked for a file; with a passphrase that is encrypted."""
    if not key_file:
        return KeyStorage.KEYRING
    return KeyStorage.FILE if passphrase is None else KeyStorage.ENCRYPTED_FILE


def read_passphrase(file: Path | None) -> str | None:
    """The passphrase in the first line of `file`, else in BURI_KEY_PASSPHRASE, else None.

    Raises EngineError `passphrase-unreadable`, also if it is empty or too long.
    """
    if file is None:
        passphrase, place = os.environ.get(PASSPHRASE_VARIABLE), PASSPHRASE_VARIABLE
        if passphrase is None:
            return None
    else:
        place = str(file)
        try:
            with file.open(encoding="utf-8") as lines:
                passphrase = lines.readline(4 * MAX_PASSPHRASE).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise engine_error("passphrase-unreadable", place=place, reason=_reason(error)) from error
    if not 0 < len(passphrase) <= MAX_PASSPHRASE:
        raise engine_error("passphrase-unreadable", place=place, reason=f"needs 1 to {MAX_PASSPHRASE} characters")
    return passphrase


class IdentityKeeper:
    """Knows where one profile's private key is. `passphrase` is that of its file, None if there is none."""

    def __init__(
        self, profile: Profile, passphrase: str | None = None, backend: "KeyringBackend | None" = None
    ) -> None:
        """`backend` is for tests; by default the `keyring` library chooses when it is needed."""
        self._profile = profile
        self._passphrase = passphrase
        self._keyring = _Keyring(backend)
        self._service = f"Buri identity {profile.state_folder}"

    def open(self, storage: KeyStorage) -> IdentityKey:
        """The identity of this profile; at the first run it is made and kept in `storage`.

        A file that is not encrypted becomes so as soon as there is a passphrase.

        Raises EngineError if there should be one and it can't be had (`identity-lost`, `identity-damaged`,
        `identity-changed`, `identity-file-...`, `passphrase-...`, `keyring-unusable`), or if a new one can't be kept.
        """
        record = self._profile.settings.key
        if record is None:
            return self._adopt(storage) or self.make(storage)
        key = self._load(record)
        if record.storage is KeyStorage.FILE and self._passphrase is not None:
            return self._keep(lambda: key, KeyStorage.ENCRYPTED_FILE, replace=True)
        return key

    def load(self) -> IdentityKey | None:
        """The identity that the settings remember, None if they remember none. Raises EngineError as `open`."""
        record = self._profile.settings.key
        return None if record is None else self._load(record)

    def make(self, storage: KeyStorage, *, replace: bool = False) -> IdentityKey:
        """A new identity, kept in `storage`. The person must have asked to `replace` one that is remembered."""
        return self._keep(IdentityKey.generate, storage, replace)

    def backup(self, passphrase: str) -> bytes:
        """The identity as encrypted PKCS#8 PEM. Raises EngineError as `open`, and `identity-none` if there is none."""
        key = self.load()
        if key is None:
            raise engine_error("identity-none")
        return key.to_pem(passphrase)

    def restore(
        self, data: bytes, passphrase: str | None, storage: KeyStorage, *, replace: bool = False
    ) -> IdentityKey:
        """Take the identity of a backup and keep it in `storage`; `passphrase` is the backup's.

        A backup of the very identity that the settings remember needs no `replace`: that is how a lost key comes back.
        """
        try:
            key = IdentityKey.from_pem(data, passphrase)
        except KeyFormatError as error:
            raise engine_error("identity-backup-unreadable", place="The backup", reason=error) from error
        record = self._profile.settings.key
        same = record is not None and record.fingerprint == key.public.fingerprint_text
        return self._keep(lambda: key, storage, replace or same)

    def place(self, storage: KeyStorage) -> str:
        """Where a key in `storage` lies, for people."""
        if storage is KeyStorage.KEYRING:
            return f"the keyring ({self._keyring.name}), entry “{self._service}”"
        return str(self._profile.identity_file)

    def notice(self, storage: KeyStorage) -> str:
        """What a person must be told openly when a key is kept in `storage`."""
        if storage is KeyStorage.KEYRING:
            return f"The private key is kept in {self.place(storage)}."
        if storage is KeyStorage.ENCRYPTED_FILE:
            return f"The private key is kept in {self.place(storage)}, encrypted with your passphrase."
        return (
            f"The private key is kept in {self.place(storage)}, NOT encrypted: whoever can read the files of this "
            f"user, or a backup of them, can be this computer. `buri up --passphrase-file FILE` encrypts it."
        )

    # --- finding

    def _load(self, record: KeyRecord) -> IdentityKey:
        key = self._find(record.storage, record.service)
        if key is None:
            raise engine_error("identity-lost", fingerprint=record.fingerprint, place=self.place(record.storage))
        if key.public.fingerprint_text != record.fingerprint:
            raise engine_error(
                "identity-changed",
                fingerprint=record.fingerprint,
                found=key.public.fingerprint_text,
                place=self.place(record.storage),
            )
        return key

    def _adopt(self, storage: KeyStorage) -> IdentityKey | None:
        """A key that lies in its place although the settings know of none: they were lost, or never written."""
        key, found = self._read_file(), KeyStorage.FILE
        if key is not None:
            if is_encrypted_pem(self._profile.identity_file.read_bytes()):
                found = KeyStorage.ENCRYPTED_FILE
        elif storage is KeyStorage.KEYRING:
            key, found = self._read_keyring(self._service), KeyStorage.KEYRING
        if key is None:
            return None
        logger.warning("found the identity %s in %s", key.public.fingerprint_text, self.place(found))
        self._record(key, found)
        return key

    def _find(self, storage: KeyStorage, service: str) -> IdentityKey | None:
        return self._read_keyring(service) if storage is KeyStorage.KEYRING else self._read_file()

    def _read_keyring(self, service: str) -> IdentityKey | None:
        text = self._keyring.read(service)
        try:
            return None if text is None else IdentityKey.from_compact(text)
        except KeyFormatError as error:
            raise engine_error("identity-damaged", place=self.place(KeyStorage.KEYRING), reason=error) from error

    def _read_file(self) -> IdentityKey | None:
        path = self._profile.identity_file
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                data = file.read(MAX_PEM + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise engine_error("identity-file-unreadable", place=path, reason=_reason(error)) from error
        if os.name == "posix" and mode & 0o077:
            raise engine_error("identity-file-open-to-others", place=path, mode=f"{mode:03o}")
        try:
            return IdentityKey.from_pem(data, self._passphrase)
        except WrongPassphraseError as error:
            code = "passphrase-needed" if self._passphrase is None else "passphrase-wrong"
            raise engine_error(code, place=path) from error
        except KeyFormatError as error:
            raise engine_error("identity-damaged", place=path, reason=error) from error

    # --- keeping

    def _keep(self, make: Callable[[], IdentityKey], storage: KeyStorage, replace: bool) -> IdentityKey:
        """Put a key away, see that it can be had back, and only then remember it."""
        if not replace:
            self._refuse_if_there_is_one(storage)
        if storage is KeyStorage.KEYRING:
            self._keyring.probe(f"{self._service} (probe)")
            key = make()
            self._keyring.write(self._service, key.to_compact())
        else:
            key = make()
            self._write_file(key, storage)
        again = self._find(storage, self._service)
        if again is None or again.public != key.public:
            raise engine_error("identity-damaged", place=self.place(storage), reason="it did not come back as written")
        self._record(key, storage)
        return key

    def _refuse_if_there_is_one(self, storage: KeyStorage) -> None:
        record = self._profile.settings.key
        if record is not None:
            raise engine_error("identity-exists", fingerprint=record.fingerprint)
        found = self._find(storage, self._service)
        if found is not None:
            raise engine_error("identity-exists", fingerprint=found.public.fingerprint_text)

    def _write_file(self, key: IdentityKey, storage: KeyStorage) -> None:
        path = self._profile.identity_file
        if storage is KeyStorage.ENCRYPTED_FILE and self._passphrase is None:
            raise engine_error("passphrase-needed", place=path)
        data = key.to_pem(self._passphrase if storage is KeyStorage.ENCRYPTED_FILE else None)
        try:
            write_atomically(path, data, mode=0o600)
        except OSError as error:
            raise engine_error("file-not-written", place=path, reason=_reason(error)) from error

    def _record(self, key: IdentityKey, storage: KeyStorage) -> None:
        service = self._service if storage is KeyStorage.KEYRING else ""
        self._profile.change(key=KeyRecord(key.public.fingerprint_text, storage, service))


class _Keyring:
    """The operating system's keyring, with every way it can fail turned into EngineError `keyring-unusable`."""

    def __init__(self, backend: "KeyringBackend | None") -> None:
        self._chosen = backend

    @property
    def name(self) -> str:
        """The backend's name, as far as one was chosen."""
        return "none chosen" if self._chosen is None else str(self._chosen.name)

    def read(self, service: str) -> str | None:
        """The entry's value, None if there is none."""
        with self._errors():
            return self._backend().get_password(service, _USER)

    def write(self, service: str, value: str) -> None:
        """Make or replace the entry."""
        with self._errors():
            self._backend().set_password(service, _USER, value)

    def probe(self, service: str) -> None:
        """Write, read and delete an entry: that a backend was chosen is no sign that it works."""
        value = secrets.token_urlsafe()
        with self._errors():
            self._backend().set_password(service, _USER, value)
            came_back = self._backend().get_password(service, _USER)
            self._backend().delete_password(service, _USER)
        if came_back != value:
            raise engine_error("keyring-unusable", backend=self.name, reason="it does not give back what it was given")

    def _backend(self) -> "KeyringBackend":
        if self._chosen is None:
            import keyring  # only now: it is large, and not needed where the key is in a file

            self._chosen = keyring.get_keyring()
        return self._chosen

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """A backend is a plug-in over a system's library, which raises whatever it likes: all of it means unusable."""
        try:
            yield
        except Exception as error:
            from keyring.errors import KeyringError, NoKeyringError

            if isinstance(error, NoKeyringError):  # its own text is about Python packages
                raise engine_error("keyring-unusable", backend="The system", reason="no keyring runs here") from error
            if not isinstance(error, KeyringError):
                logger.warning("keyring backend %s failed", self.name, exc_info=True)
            raise engine_error("keyring-unusable", backend=self.name, reason=_reason(error)) from error


def _reason(error: Exception) -> str:
    """An exception's text in one line without a full stop."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split()).rstrip(".")
