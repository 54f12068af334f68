"""Brings the catalogues of the windows' texts in step with the code, and compiles them:

    python -m installer.translations

Gathers every text in `_()`, `ngettext()` and `_noted()` below app/ui and the engine's sentences, merges them into
resources/translations/*.po (new ones are empty, old ones go), and writes the .mo files beside them, which the program
reads. Prints how many texts each language lacks. Run by developers; tests/installer/test_translations.py compares.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from app.engine.errors import SENTENCES

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "resources" / "translations"
KEYWORDS = {"_": None, "ngettext": (1, 2), "_noted": None}
NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)
"""Of every catalogue: a renewal that changes no text changes no file."""
ENGINE = "app/engine/errors.py"


def gathered() -> Catalog:
    """All texts that can be shown, without any translation."""
    catalogue = Catalog(project="Buri", charset="utf-8")
    windows = ROOT / "app" / "ui"
    for name, _line, text, comments, context in extract_from_dir(windows, keywords=KEYWORDS, comment_tags=("Note:",)):
        catalogue.add(text, locations=[(f"app/ui/{name}", 0)], auto_comments=comments, context=context)
    for text in _sentences():
        catalogue.add(text, locations=[(ENGINE, 0)])
    for message in catalogue:
        message.flags.discard("python-format")  # a `%` is the custom commands' own; templates are `{name}`
    return catalogue


def _sentences() -> Iterator[str]:
    for sentences in SENTENCES.values():
        yield from (text for text in (sentences.title, sentences.message, sentences.remedy) if text)


def read(path: Path) -> Catalog:
    """A language's catalogue, without what is no longer shown."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem, ignore_obsolete=True)


def missing(catalogue: Catalog) -> list[str]:
    """The texts that the language lacks."""
    return [str(message.id) for message in catalogue if message.id and (not _is_whole(message.string) or message.fuzzy)]


def _is_whole(text: str | list[str] | tuple[str, ...] | None) -> bool:
    if text is None or isinstance(text, str):
        return bool(text)
    return bool(text) and all(text)


def compiled(catalogue: Catalog) -> bytes:
    """The .mo file's bytes."""
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def main() -> int:
    """Renew all catalogues; 1 if a language is not complete."""
    template = gathered()
    incomplete = 0
    for path in sorted(FOLDER.glob("*.po")):
        catalogue = read(path)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        catalogue.creation_date = catalogue.revision_date = NO_DATE
        with path.open("wb") as file:
            write_po(file, catalogue, width=120, omit_header=False, sort_output=True, include_lineno=False)
        path.with_suffix(".mo").write_bytes(compiled(read(path)))
        lacking = missing(catalogue)
        incomplete += bool(lacking)
        print(f"{path.stem}: {len(catalogue)} texts, {len(lacking)} not translated")
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
