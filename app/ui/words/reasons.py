"""What stands in an error's sentences as the reason, where parsers, the keyring, the helper or the system say it.

Their words reach the window as details of a problem. Those that a person is likely to meet are here, as templates whose
names stand for whatever is said there, so that the catalogues hold them; anything else is shown as it is. Used by
translations.py.
"""

import re
from collections.abc import Iterator
from string import Formatter
from typing import Final


def _noted(text: str) -> str:
    """Marks a text for the catalogue; it is translated when it is shown."""
    return text


STATUSES: Final = {
    "connecting": _noted("still connecting"),
    "failed": _noted("without a path"),
    "key-changed": _noted("showing another key"),
    "unproven": _noted("not proven"),
}
"""A peer's status within a sentence, where it is not the word that the engine has for it."""

REASONS: Final = (
    _noted("offline"),
    _noted("blocked"),
    # Of links, servers and fingerprints
    _noted("The link is too long"),
    _noted("Should look like buri://host:port/?fp=SHA256:...&network="),
    _noted("The server's fingerprint (fp=) is missing"),
    _noted("A secret without a network"),
    _noted("Fingerprint has the wrong length"),
    _noted("Fingerprint: should be SHA256: and 43 characters"),
    _noted("Fingerprint: not base64"),
    _noted("{name} is no host name or IP address"),
    _noted("{name} is no IPv6 address"),
    _noted("{name} is no port"),
    _noted("The port must be 1 to 65535"),
    _noted("Empty or repeated part {name}"),
    _noted("Broken percent-encoding"),
    _noted("The secret is damaged"),
    _noted("The secret is not base64url"),
    # Of passwords and keys
    _noted("Password: empty"),
    _noted("Password: longer than {count} characters"),
    _noted("needs 1 to {count} characters"),
    _noted("private key: damaged"),
    _noted("private key: file too large"),
    _noted("private key: not a PEM private key"),
    _noted("private key: not RSA"),
    _noted("private key: wrong passphrase, or the file is damaged"),
    _noted("The system"),
    _noted("the keyring ({name}), entry “{entry}”"),
    _noted("no keyring runs here"),
    _noted("it does not give back what it was given"),
    # Of the parts of Buri
    _noted("Another engine uses {folder}"),
    _noted("Another engine, process {number}, uses {folder}"),
    _noted("The other one does not end"),
    _noted("No helper answers at {place}: {reason}"),
    _noted("The helper does not start: {reason}"),
    _noted("The helper gives no welcome: {reason}"),
    _noted("You may not use the helper at {place}"),
    _noted("You may not use this helper"),
    _noted("{program} ended with {number}"),
    _noted("it ended without a word"),
    _noted("another program on this computer uses its ports"),
    _noted("the settings could not be read"),
    _noted("there is too much to remember"),
    _noted("The program's path or BURI_HOME has a character that is no text"),
    # Of routes to a server or a relay
    _noted("WebSocket"),
    _noted("TCP through the proxy {place}"),
    _noted("WebSocket through the proxy {place}"),
    _noted("{reason} from the proxy {place}"),
    # Of the system
    _noted("no answer"),
    _noted("too large"),
    _noted("Connection refused"),
    _noted("Connection reset by peer"),
    _noted("Connection timed out"),
    _noted("File exists"),
    _noted("Input/output error"),
    _noted("Is a directory"),
    _noted("Name or service not known"),
    _noted("Network is unreachable"),
    _noted("No address associated with hostname"),
    _noted("No route to host"),
    _noted("No space left on device"),
    _noted("No such file or directory"),
    _noted("Operation not permitted"),
    _noted("Permission denied"),
    _noted("Read-only file system"),
    _noted("Temporary failure in name resolution"),
)
"""What the window says in its language. With several names in one, each is as short as can be."""


def _patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for template in REASONS:
        parts = Formatter().parse(template)
        text = "".join(re.escape(before) + (f"(?P<{name}>.+?)" if name else "") for before, name, _spec, _as in parts)
        yield template, re.compile(text, re.DOTALL)


_PATTERNS: Final = tuple(_patterns())


def template_of(reason: str) -> tuple[str, dict[str, str]]:
    """The template of `reason`, and what fills it; a reason that nobody noted is its own, with nothing to fill in."""
    if reason in STATUSES:
        return STATUSES[reason], {}
    for template, pattern in _PATTERNS:
        found = pattern.fullmatch(reason)
        if found is not None:
            return template, found.groupdict()
    return reason, {}
