"""The house rules as tests: who may import whom, no circles, sizes, docstrings and a few banned calls.

Imports inside functions and under TYPE_CHECKING count like any other: a circle hidden in a function is still a circle.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import app

ROOT = Path(__file__).parent.parent
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60

WINDOW = (
    "app.base",
    "app.engine.state",
    "app.engine.netcheck_state",
    "app.engine.proxy_choice",
    "app.engine.errors",
    "app.protocol",
    "msgspec",
    "PySide6",
)
"""What every part of the windows may import."""
BEHIND_WINDOWS = ("app.ui.engine_bridge", "app.ui.hosted_server", "app.ui.preferences", "app.ui.session")
UNDER_WINDOWS = (
    *BEHIND_WINDOWS,
    "app.ui.verbs",
    "app.ui.mends",
    "app.ui.look",
    "app.ui.words",
)
"""What windows stand upon. They know each other by no import: whoever wants another one asks `Verbs`."""
ALLOWED: dict[str, tuple[str, ...]] = {
    "app": (),
    "app.__main__": ("app.cli",),
    "app.base": (),
    "app.protocol": ("msgspec",),
    "app.platform": ("app.base", "pyroute2"),
    "app.transport": ("app.base", "app.platform", "websockets", "h11", "quickjs"),
    "app.transport.train_writer": (
        "app.transport",
        "app.base",
        "app.protocol.relay_stream",
        "app.protocol.stream_window",
        "app.protocol.train_queue",
    ),
    "app.ipc": ("app.base", "app.protocol.wire", "msgspec"),
    "app.dataplane": ("app.protocol", "app.ipc.schema", "msgspec"),
    "app.carrier": ("app.base", "app.protocol", "app.transport", "msgspec"),
    "app.engine": (
        "app.base",
        "app.protocol",
        "app.ipc",
        "app.platform",
        "app.transport",
        "app.carrier.words",
        "msgspec",
        "keyring",
    ),
    "app.helper": ("app.base", "app.protocol", "app.ipc", "app.dataplane", "app.platform", "msgspec"),
    "app.server": ("app.base", "app.protocol", "app.platform.paths", "app.transport", "msgspec"),
    "app.server.relay": (
        "app.base",
        "app.protocol",
        "app.platform.paths",
        "app.server.config",
        "app.server.entrance",
        "app.server.limits",
        "app.server.metrics",
        "app.server.process",
        "app.server.reflector",
        "app.server.sockets",
        "app.server.web",
        "app.transport",
        "msgspec",
    ),
    "app.ui": (*WINDOW, "app.platform.paths"),
    "app.ui.words": WINDOW,
    "app.ui.look": (*WINDOW, "app.ui.words", "app.ui.engine_bridge", "app.ui.preferences"),
    "app.ui.chat": (*WINDOW, *UNDER_WINDOWS),
    "app.ui.ping": (*WINDOW, *UNDER_WINDOWS),
    "app.ui.dialogs": (*WINDOW, *UNDER_WINDOWS, "segno"),
    "app.ui.preference_pages": (
        *WINDOW,
        *UNDER_WINDOWS,
        "app.ui.dialogs.server_choice",
        "app.ui.autostart",
        "app.ui.command_line",
        "app.platform.paths",
    ),
    "app.ui.welcome": (*WINDOW, *UNDER_WINDOWS, "app.ui.dialogs.server_choice"),
    "app.ui.roster": (*WINDOW, *UNDER_WINDOWS),
    "app.ui.tray": (*WINDOW, *UNDER_WINDOWS),
    "app.ui.tray.desktop_notifications": ("app.ui.tray", "app.base", "jeepney"),
    "app.ui.autostart": ("app.base", "app.platform.paths"),
    "app.ui.command_line": (
        "app.engine.errors",
        "app.engine.state",
        "app.ui.preferences",
        "app.ui.words",
        "PySide6.QtCore",
    ),
    "app.ui.garbage": ("PySide6.QtCore",),
    "app.ui.helper_start": ("app.base", "app.engine.errors", "app.platform.paths"),
    "app.ui.single_instance": ("app.base", "app.protocol.invite", "msgspec", "PySide6.QtCore", "PySide6.QtNetwork"),
    "app.ui.engine_bridge": ("app.base", "app.engine", "PySide6"),
    "app.ui.hosted_server": WINDOW,
    "app.ui.mends": (*WINDOW, "app.ui.words", "app.ui.verbs"),
    "app.ui.preferences": (*WINDOW, "app.ui.words"),
    "app.ui.verbs": (*WINDOW, *BEHIND_WINDOWS),
    "app.ui.session": (*WINDOW, "app.ui.engine_bridge", "app.engine", "app.platform"),
    "app.ui.application": ("app.ui", "app.base", "app.engine", "app.platform.paths", "qasync", "PySide6"),
    "app.cli": ("app", "msgspec", "keyring", "pyroute2"),
}
"""What each package may import besides the standard library and itself; the longest matching name counts."""

CRYPTOGRAPHY_MODULES = {
    "app.protocol.keys",
    "app.protocol.suites",
    "app.protocol.network_secret",
    "app.protocol.relay",
    "app.server.certificate",
}
FORBIDDEN_STANDARD: dict[str, set[str]] = {
    "app.protocol": {"asyncio", "socket", "threading", "time", "logging"},
    "app.dataplane": {"asyncio"},
}
FORBIDDEN_ANYWHERE = {"pickle", "marshal", "shelve"}


@dataclass(frozen=True)
class Module:
    """One source file under app/."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def place(self, node: ast.AST) -> str:
        """Where a node is, as a person clicks it."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def read_module(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path, ast.parse(path.read_text(), filename=str(path)))


MODULES = [read_module(path) for path in sorted((ROOT / "app").rglob("*.py"))]
NAMES = {module.name for module in MODULES}


def imports_of(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """Every imported module by its full name, wherever in the file the import stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_base(module, node)
            for alias in node.names:
                full_name = f"{base}.{alias.name}"
                yield (full_name if full_name in NAMES else base), node


def absolute_base(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.name.split(".")
    drop = node.level - 1 if module.is_package else node.level
    return ".".join([*parts[: len(parts) - drop], *(node.module or "").split(".")]).rstrip(".")


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def rule_for(name: str) -> str:
    return max((package for package in ALLOWED if within(name, package)), key=len)


def is_allowed(importer: str, imported: str) -> bool:
    package = rule_for(importer)
    top = imported.partition(".")[0]
    if top in sys.stdlib_module_names:
        forbidden = FORBIDDEN_ANYWHERE | FORBIDDEN_STANDARD.get(package, set())
        return top not in forbidden
    if top == "cryptography":
        return importer in CRYPTOGRAPHY_MODULES
    if imported == "app":
        return True
    own = package != "app" and within(imported, package)
    return own or any(within(imported, each) for each in ALLOWED[package])


def functions_of(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def public_definitions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public functions and classes of a module and the public methods that no base class documents already."""
    for node in module.tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef) and not node.bases:
            for child in node.body:
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
                    yield child


def is_repetition(node: ast.AST) -> bool:
    """A property's setter or an overload: the first definition carries the docstring."""
    decorators = getattr(node, "decorator_list", [])
    return any(
        (isinstance(each, ast.Attribute) and each.attr in {"setter", "deleter", "overload"})
        or (isinstance(each, ast.Name) and each.id == "overload")
        for each in decorators
    )


def test_packages_import_only_what_the_table_allows() -> None:
    broken = [
        f"{module.place(node)} {module.name} may not import {imported}"
        for module in MODULES
        for imported, node in imports_of(module)
        if not is_allowed(module.name, imported)
    ]
    assert not broken, "\n".join(broken)


def test_every_module_falls_under_a_rule() -> None:
    strangers = [module.name for module in MODULES if rule_for(module.name) == "app" and module.name != "app"]
    assert not strangers


def test_there_is_no_circle_of_imports() -> None:
    graph = {
        module.name: {imported for imported, _ in imports_of(module) if imported in NAMES and imported != "app"}
        for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("imports go in a circle: " + " → ".join(error.args[1]))


def test_package_files_hold_only_their_docstring() -> None:
    crowded = [
        str(module.path.relative_to(ROOT))
        for module in MODULES
        if module.is_package and module.name != "app" and len(module.tree.body) > 1
    ]
    assert not crowded


def test_files_and_functions_stay_small() -> None:
    too_long = [
        f"{module.path.relative_to(ROOT)} has {count} lines (at most {MAX_FILE_LINES})"
        for module in MODULES
        if (count := len(module.path.read_text().splitlines())) > MAX_FILE_LINES
    ]
    too_long += [
        f"{module.place(node)} {node.name} has {lines_of(node)} lines (at most {MAX_FUNCTION_LINES})"
        for module in MODULES
        for node in functions_of(module)
        if lines_of(node) > MAX_FUNCTION_LINES
    ]
    assert not too_long, "\n".join(too_long)


def test_every_module_and_public_name_says_what_it_is_for() -> None:
    silent = [module.name for module in MODULES if not ast.get_docstring(module.tree)]
    silent += [
        f"{module.place(node)} {node.name}"
        for module in MODULES
        for node in public_definitions(module)
        if not ast.get_docstring(node) and not is_repetition(node)
    ]
    assert not silent, "without a docstring:\n" + "\n".join(silent)


def test_tasks_are_started_only_by_the_task_module() -> None:
    bare = [
        module.place(node)
        for module in MODULES
        if module.name != "app.base.tasks"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute | ast.alias) and starts_bare_task(node)
    ]
    assert not bare, "use app.base.tasks instead of a bare task:\n" + "\n".join(bare)


def starts_bare_task(node: ast.Attribute | ast.alias) -> bool:
    if isinstance(node, ast.alias):
        return node.name in {"create_task", "ensure_future"}
    owner = ast.unparse(node.value)
    return node.attr == "ensure_future" or (node.attr == "create_task" and (owner == "asyncio" or "loop" in owner))


def test_nothing_is_left_half_done() -> None:
    pattern = re.compile(
        r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")) + r")\b"
    )
    sources = [*(ROOT / "app").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "installer").rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()}"
        for path in sources
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_the_version_is_written_once() -> None:
    files = [*(ROOT / "app").rglob("*.py"), *(ROOT / "installer").rglob("*.py"), ROOT / "pyproject.toml"]
    holders = [str(path.relative_to(ROOT)) for path in files if f'"{app.__version__}"' in path.read_text()]
    assert holders == ["app/__init__.py"]


def test_the_lock_names_hashes_and_no_download_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert "index-url" not in lock
