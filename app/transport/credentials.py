"""What to say to an HTTP proxy that wants credentials: Basic (RFC 7617) and Digest (RFC 7616), without I/O.

Digest with SHA-256 is preferred to MD5, and both to Basic, which shows the password to everybody on the way to the
proxy: nothing is sent unasked. Used by http_connect.py.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.request import parse_http_list

METHOD: Final = "CONNECT"
MAX_CHALLENGES: Final = 8
"""Challenges of one answer that are looked at."""
_NAME = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf"(?:(?P<scheme>{_NAME})[ \t]+)?(?P<name>{_NAME})[ \t]*=[ \t]*(?P<value>\".*\"|{_NAME})")
_SCHEME = re.compile(_NAME)


def _hash_with(name: str) -> Callable[[str], str]:
    return lambda text: hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


_HASHES: Final = {"sha-256": _hash_with("sha256"), "md5": _hash_with("md5")}
"""By preference. MD5 is what most proxies know; it has to hide a password from a listener, no more."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to show who one is, as a proxy offers it; all names are in lower case."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """The challenges in all Proxy-Authenticate fields of an answer (RFC 9110 section 11.6.1)."""
    found: list[Challenge] = []
    for item in (item for value in values for item in parse_http_list(value)):
        parameter = _PARAMETER.fullmatch(item)
        scheme = _SCHEME.match(item if parameter is None else parameter["scheme"] or "")
        if scheme is not None:
            found.append(Challenge(scheme[0].lower()))
        if parameter is not None and found:
            value = parameter["value"]
            found[-1].parameters.setdefault(parameter["name"].lower(), value[1:-1] if value[0] == '"' else value)
    return found[:MAX_CHALLENGES]


class Credentials:
    """One user's name and password at one proxy, and what the proxy last asked for."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._challenge: Challenge | None = None
        self._uses = 0

    def answer(self, challenges: Iterable[Challenge]) -> bool:
        """Choose from what the proxy offers; whether it is worth another try.

        It is not if nothing is known here, or if the very same was refused: unless a nonce was only too old.
        """
        chosen = min(filter(_is_known, challenges), key=_preference, default=None)
        before, self._challenge, self._uses = self._challenge, chosen, 0
        if chosen is None:
            return False
        stale = chosen.parameters.get("stale", "").lower() == "true"
        return before is None or stale or before.scheme != chosen.scheme

    @property
    def used(self) -> bool:
        """The proxy asked for something that is known here."""
        return self._challenge is not None

    def next_nonce(self, nonce: str) -> None:
        """The proxy wants this nonce from now on (`nextnonce`)."""
        if self._challenge is not None:
            self._challenge = Challenge(self._challenge.scheme, {**self._challenge.parameters, "nonce": nonce})
            self._uses = 0

    def header(self, target: str) -> str | None:
        """The value of Proxy-Authorization for CONNECT to `target` (host:port); None before anything was asked for."""
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        self._uses += 1
        return "Digest " + self._digest(self._challenge.parameters, target, self._uses, secrets.token_hex(16))

    def _digest(self, asked: dict[str, str], target: str, uses: int, own_nonce: str) -> str:
        """RFC 7616 section 3.4; without `qop` as in RFC 2069."""
        digest = _HASHES[_algorithm(asked)]
        realm, nonce, count = asked["realm"], asked["nonce"], f"{uses:08x}"
        who = digest(f"{self._user}:{realm}:{self._password}")
        if asked.get("algorithm", "").lower().endswith("-sess"):
            who = digest(f"{who}:{nonce}:{own_nonce}")
        middle = f"{nonce}:{count}:{own_nonce}:auth" if "qop" in asked else nonce
        response = digest(f"{who}:{middle}:{digest(f'{METHOD}:{target}')}")
        quoted = {"username": self._user, "realm": realm, "nonce": nonce, "uri": target, "response": response}
        plain = {name: asked[name] for name in ("algorithm",) if name in asked}
        if "opaque" in asked:
            quoted["opaque"] = asked["opaque"]
        if "qop" in asked:
            quoted["cnonce"] = own_nonce
            plain |= {"qop": "auth", "nc": count}
        words = [f"{name}={_quote(value)}" for name, value in quoted.items()]
        return ", ".join(words + [f"{name}={value}" for name, value in plain.items()])


def _is_known(challenge: Challenge) -> bool:
    if challenge.scheme == "basic":
        return True
    asked = challenge.parameters
    qualities = [each.strip().lower() for each in asked.get("qop", "auth").split(",")]
    complete = challenge.scheme == "digest" and {"realm", "nonce"} <= asked.keys()
    return complete and "auth" in qualities and _algorithm(asked) in _HASHES


def _algorithm(asked: dict[str, str]) -> str:
    return asked.get("algorithm", "md5").lower().removesuffix("-sess")


def _preference(challenge: Challenge) -> int:
    return len(_HASHES) if challenge.scheme == "basic" else list(_HASHES).index(_algorithm(challenge.parameters))


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
