"""Where pictures of windows go, and the pages that show them. Used by the picture run and by the lab."""

import html
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB_PAGE = "lab.html"
PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 Inter, system-ui, sans-serif; margin: 32px; background: #8b93a1; }}
section {{ margin-bottom: 48px; }}
h2 {{ display: inline; font-size: 18px; margin-right: 12px; }}
div {{ display: flex; flex-wrap: wrap; gap: 24px; margin-top: 12px; align-items: flex-start; }}
img {{ max-width: 100%; box-shadow: 0 4px 18px #0006; border-radius: 8px; }}
</style>
<h1>{title}</h1>
<p>See also: <a href="index.html">every window</a>, <a href="{lab_page}">the desktop in the lab</a>.</p>
{sections}
</html>
"""


def folder() -> Path:
    """Where pictures go."""
    return Path(os.environ.get("BURI_PICTURES") or ROOT / "build" / "pictures")


def write_page(file: Path, title: str, sections: Iterable[tuple[str, Sequence[str]]]) -> None:
    """A page of sections, each with a title and the files of its pictures."""
    shown = "\n".join(_section(heading, pictures) for heading, pictures in sections)
    file.write_text(PAGE.format(title=html.escape(title), lab_page=LAB_PAGE, sections=shown))


def _section(heading: str, pictures: Sequence[str]) -> str:
    images = "".join(f'<img src="{html.escape(each)}" loading="lazy" alt="">' for each in pictures)
    return f"<section><h2>{html.escape(heading)}</h2><div>{images}</div></section>"
