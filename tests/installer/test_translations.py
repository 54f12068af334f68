"""The catalogues are whole, in step with the code, and fill the same names into their sentences."""

from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog

from installer.translations import FOLDER, compiled, gathered, missing, read

LANGUAGES = sorted(FOLDER.glob("*.po"))


def names_in(text: object) -> set[str]:
    texts = [text] if isinstance(text, str) else list(text) if isinstance(text, list | tuple) else []
    return {name for each in texts for _, name, _, _ in Formatter().parse(each) if name is not None}


def wrong_names(catalogue: Catalog) -> list[str]:
    return [str(each.id) for each in catalogue if each.id and names_in(each.id) != names_in(each.string)]


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_a_language_says_everything(path: Path) -> None:
    catalogue = read(path)
    shown = {message.id for message in gathered()}
    known = {message.id for message in catalogue}
    assert not shown - known, "run `python -m installer.translations`"
    assert not known - shown, "run `python -m installer.translations`"
    assert not missing(catalogue)


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_a_translation_fills_in_what_the_original_does(path: Path) -> None:
    assert not wrong_names(read(path))


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_the_compiled_catalogue_is_the_readable_one(path: Path) -> None:
    assert path.with_suffix(".mo").read_bytes() == compiled(read(path)), "run `python -m installer.translations`"
