"""The documents: links lead somewhere, and files that are named are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = (ROOT, ROOT / "app")
"""What the paths in the documents begin at."""
MADE = ("build/",)
"""What is there only once something was started."""


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    """Each document in turn."""
    path: Path = request.param
    return path


def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            name, _, anchor = target.partition("#")
            other = page.parent / name if name else page
            assert other.exists(), target
            assert not anchor or anchor in anchors(other), target


def anchors(page: Path) -> set[str]:
    """What headings are called in addresses: small letters, hyphens for spaces, no other signs."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_files_that_are_named_are_there(page: Path) -> None:
    words = re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?)`", page.read_text(encoding="utf-8"))
    ours = [word for word in words if is_ours(word) and not word.startswith(MADE)]
    gone = [word for word in ours if not any((folder / word).exists() for folder in FOLDERS)]
    assert not gone


def is_ours(path: str) -> bool:
    """Whether a path begins with a folder of the repository or of the program."""
    first = path.partition("/")[0]
    return any((folder / first).is_dir() for folder in FOLDERS)
