"""Logging set-up for every role: one format to standard error, or JSON lines for a machine to read.

Secrets are hidden in the finished text, tracebacks included, by the name of the field that holds them: what the code
around forgot is caught here. The newest lines are kept in memory as well, for a report. Called once by each
composition root; other modules only use `logging.getLogger`.
"""

import json
import logging
import re
import sys
from collections import deque
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TextIO

HIDDEN = "[hidden]"
MAX_LINE = 16_384
"""Characters of one log line; the rest is cut off."""
MAX_KEPT = 500
"""Newest log lines kept in memory."""
MAX_KEPT_LINE = 1_000
"""Characters of each."""

_SENSITIVE_WORDS = "password|passphrase|secret|token|key|authorization|cookie|credential"
_PUBLIC_NAMES = frozenset({"public_key", "peer_public_key", "server_public_key", "key_id", "keyring", "key_type"})
_FIELD = re.compile(
    rf"(?P<name>\b\w{{0,64}}(?:{_SENSITIVE_WORDS})\w{{0,64}})(?P<sign>[\"']?\s*[=:]\s*)"
    r"(?P<value>b?'(?:[^'\\]|\\.)*'|b?\"(?:[^\"\\]|\\.)*\"|(?:Bearer |Basic )?[^\s,;&)}\]]+)",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)|\bv1:[\w-]{200,}", re.DOTALL
)
"""PEM, and the compact form in which the keyring has it."""
_SECRET_NAME = re.compile(_SENSITIVE_WORDS, re.IGNORECASE)
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds what no log may show."""
    return name.lower() not in _PUBLIC_NAMES and _SECRET_NAME.search(name) is not None


def hide_secrets(text: str) -> str:
    """`text` with private keys and the values of secret fields (`password=...`, `"token": "..."`) replaced."""

    def hidden(match: re.Match[str]) -> str:
        if not is_secret_name(match["name"]):
            return match[0]
        return f"{match['name']}{match['sign']}{HIDDEN}"

    return _FIELD.sub(hidden, _PRIVATE_KEY.sub(HIDDEN, text[:MAX_LINE]))


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00.123 WARNING app.engine.engine: text` with secrets hidden."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """The finished line or lines."""
        return hide_secrets(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object in a line: time (UTC), level, logger, message, and the fields given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": hide_secrets(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD_FIELDS:
                line[name] = HIDDEN if is_secret_name(name) else _plain(value)
        if record.exc_info:
            line["traceback"] = hide_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class RecentLines(logging.Handler):
    """Keeps the newest lines, of level info or above even where the terminal shows less."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(TextFormatter())
        self._lines: deque[str] = deque(maxlen=MAX_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._lines.append(self.format(record)[:MAX_KEPT_LINE])

    def lines(self) -> list[str]:
        """What is kept, oldest first; any thread may ask."""
        with self.lock or nullcontext():
            return list(self._lines)


def recent_lines() -> list[str]:
    """The newest log lines of this process, oldest first, without secrets; none if logging was not set up here."""
    handlers = (each for each in logging.getLogger().handlers if isinstance(each, RecentLines))
    return [line for each in handlers for line in each.lines()]


def set_up_logging(level: str = "info", *, json_lines: bool = False, stream: TextIO | None = None) -> None:
    """Send all log records of at least `level` (a name of the logging module, any case) to `stream` or standard error.

    The newest are kept for `recent_lines`. A second call replaces the first. Raises ValueError for an unknown level.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if json_lines else TextFormatter())
    handler.setLevel(level.upper())
    logging.basicConfig(level=min(handler.level, logging.INFO), handlers=[handler, RecentLines()], force=True)
    logging.captureWarnings(True)


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | bool | None) else hide_secrets(str(value))
