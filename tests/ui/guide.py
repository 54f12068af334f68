"""Brings the pictures that README and user guide name to docs/pictures, where they are kept.

    .venv/bin/python -m tests.ui.guide          after the picture run, see pictures.py

Windows come from that run and keep 255 colours, which nobody sees and which leaves a third of their size; that takes
ImageMagick. The signs of the roster are drawn here.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtGui import QGuiApplication

from app.engine.state import PeerStatus
from app.ui.look.colours import DARK, LIGHT, Colours
from app.ui.look.icons import pixmap
from app.ui.look.status_signs import STATUS_ICONS, status_colour
from tests.ui.picture_page import ROOT, folder

GUIDE: Final = ROOT / "docs" / "pictures"
DOCUMENTS: Final = (ROOT / "README.md", ROOT / "docs" / "user-guide.md")
SCHEMES: Final = {"light": LIGHT, "dark": DARK}
SIGN: Final = "sign-"
"""How the file of a sign begins."""
SIGN_SIZE: Final = 36
"""Pixels: twice as large as it is shown."""
_NAMED: Final = re.compile(r"pictures/([a-z0-9-]+)-(?:light|dark)\.png")
_SMALL: Final = ("-strip", "+dither", "-colors", "255", "-define", "png:compression-level=9")


def named_pictures() -> set[str]:
    """The names of all pictures in the documents, without the scheme."""
    return {name for document in DOCUMENTS for name in _NAMED.findall(document.read_text(encoding="utf-8"))}


def signs() -> dict[str, str]:
    """The drawing behind the name of each sign that the roster has."""
    drawings = [*STATUS_ICONS.values(), "verified", "owner", "lock", "lock-open", "person"]
    return {SIGN + drawing: drawing for drawing in drawings}


def colour_of(drawing: str, scheme: Colours) -> str:
    """What the roster paints a sign with."""
    if drawing in list(PeerStatus):
        return status_colour(PeerStatus(drawing), scheme)
    return {"verified": scheme.direct, "person": scheme.attention}.get(drawing, scheme.muted)


def bring(name: str) -> None:
    """Make both files of a picture anew."""
    for scheme, colours in SCHEMES.items():
        file = f"{name}-{scheme}.png"
        if name in signs():
            drawing = signs()[name]
            assert pixmap(drawing, SIGN_SIZE, colour_of(drawing, colours)).save(str(GUIDE / file)), file
        else:
            subprocess.run(["convert", str(folder() / file), *_SMALL, f"PNG8:{GUIDE / file}"], check=True)


def main() -> int:
    """Bring all of them, and take away what nobody names any more."""
    application = QGuiApplication([])
    GUIDE.mkdir(parents=True, exist_ok=True)
    wanted = named_pictures()
    for name in sorted(wanted):
        bring(name)
    for file in GUIDE.glob("*.png"):
        if _without_scheme(file) not in wanted:
            file.unlink()
    application.quit()
    return 0


def _without_scheme(file: Path) -> str:
    return file.stem.rpartition("-")[0]


if __name__ == "__main__":
    sys.exit(main())
