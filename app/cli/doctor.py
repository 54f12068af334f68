"""`buri doctor`: what is wrong and what to do, in plain verdicts and without secrets.

A running engine examines itself (helper, adapter, server, router, paths), and writes the report to show to others.
Without one, what can be told from outside is looked at here: settings, identity, helper, server. It changes nothing.
"""

import os
import platform
import socket
from argparse import Namespace
from collections.abc import Iterator

from app import __version__
from app.cli.client import EngineClient
from app.cli.identity import key_place
from app.cli.outcome import CommandError, ExitCode, show
from app.cli.render import printable, table, width
from app.engine.errors import EngineError
from app.engine.identity import IdentityKeeper, read_passphrase
from app.engine.settings import Profile
from app.engine.state import Finding
from app.ipc import control
from app.platform import paths

CONNECT_TIMEOUT = 5.0
"""Seconds for the server to take a connection."""


def run(arguments: Namespace) -> int:
    """Show all findings; FAILED if one is bad, NOT_RUNNING without an engine. Or the running engine's report."""
    if arguments.report:
        with EngineClient() as engine:
            report = engine.value(control.ReadReport(), str)
        show("\n".join(map(printable, report.splitlines())), {"report": report}, as_json=arguments.json)
        return ExitCode.OK
    findings = [_versions()]
    exit_code = ExitCode.OK
    try:
        with EngineClient() as engine:
            findings.append(Finding("engine", True, f"Buri {engine.engine_version} runs, process {engine.process}"))
            findings += engine.value(control.Diagnose(), tuple[Finding, ...])
        findings += _key_storage()
    except CommandError as error:
        exit_code = error.exit_code
        findings.append(Finding("engine", False, " ".join((error.title, error.message)).strip(), error.remedy))
        findings += _outside_findings()
    if exit_code is ExitCode.OK and not all(finding.ok for finding in findings):
        exit_code = ExitCode.FAILED
    show(text(findings), {"well": exit_code is ExitCode.OK, "findings": findings}, as_json=arguments.json)
    return exit_code


def text(findings: list[Finding]) -> str:
    """Findings for people: a verdict in front, what to do below, and a last line that sums it up."""
    rows = [
        ("well" if finding.ok else "BAD", printable(finding.name), printable(finding.message)) for finding in findings
    ]
    names = max(width(row[1]) for row in rows)
    lines: list[str] = []
    for finding, line in zip(findings, table(rows), strict=True):
        lines.append(line)
        if not finding.ok and finding.remedy:
            lines.append(" " * (len("well") + 2 + names + 2) + f"→ {printable(finding.remedy)}")
    bad = sum(not finding.ok for finding in findings)
    lines += ["", "All is well." if not bad else f"{bad} of {len(findings)} need care: see the arrows."]
    return "\n".join(lines)


def _versions() -> Finding:
    return Finding("versions", True, f"Buri {__version__}, Python {platform.python_version()}, {platform.platform()}")


def _key_storage() -> Iterator[Finding]:
    """Where the running engine has its key from. Not opened: a locked keyring would ask the person."""
    try:
        profile = Profile(paths.config_folder(), paths.state_folder())
    except EngineError as error:
        yield _bad("settings", error)
        return
    record = profile.settings.key
    if record is not None:
        yield Finding("identity", True, f"{record.fingerprint}, in {key_place(profile, record)}")


def _outside_findings() -> Iterator[Finding]:
    """What can be seen without an engine."""
    config, state = paths.config_folder(), paths.state_folder()
    try:
        profile = Profile(config, state)
    except EngineError as error:
        yield _bad("settings", error)
        return
    known = profile.settings_file if profile.settings_file.exists() else "none yet"
    yield Finding("settings", True, str(known))
    yield _identity(profile)
    yield _helper()
    yield _server(profile)


def _identity(profile: Profile) -> Finding:
    record = profile.settings.key
    if record is None:
        return Finding("identity", True, "none yet; the first `buri up` makes one")
    try:
        IdentityKeeper(profile, read_passphrase(None)).load()
    except EngineError as error:
        return _bad("identity", error)
    return Finding("identity", True, f"{record.fingerprint}, in {key_place(profile, record)}")


def _helper() -> Finding:
    if os.geteuid() == 0:
        return Finding("helper", True, "root's engine starts its own")
    path = paths.helper_socket()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_TIMEOUT)
        try:
            connection.connect(str(path))
        except OSError as error:
            remedy = f"Start it: `sudo buri helper --user {os.geteuid()}`, or `sudo systemctl start buri-helper`."
            return Finding("helper", False, f"nothing answers at {path}: {error.strerror or error}", remedy)
    return Finding("helper", True, f"listens at {path}")


def _server(profile: Profile) -> Finding:
    server = profile.settings.server
    if server is None:
        return Finding("server", False, "none is set", "Give one with `buri up --invite LINK`.")
    try:
        socket.create_connection((server.host, server.port), CONNECT_TIMEOUT).close()
    except OSError as error:
        remedy = "Check the name, the network, and whether the server runs."
        return Finding("server", False, f"{server} can't be reached: {error.strerror or error}", remedy)
    return Finding("server", True, f"{server} takes connections; its key is checked at login")


def _bad(name: str, error: EngineError) -> Finding:
    return Finding(name, False, f"{error.title} {error.message}".strip(), error.remedy)
