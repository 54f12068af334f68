"""The language of the windows: gettext catalogues; the code holds the English.

`_("Join")` and `ngettext("one member", "{count} members", n)` are called when a text is shown, never while a module is
imported, so that the language can be chosen after it. Catalogues are `resources/translations/LANGUAGE.mo`, made from
the `.po` beside them. The engine's sentences (engine/errors.py) are in the same catalogues. Used by every window.
"""

import gettext as standard
from collections.abc import Mapping
from typing import Final

from app.base.resources import resource_folder
from app.engine.errors import SENTENCES
from app.engine.state import Problem

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "de": "Deutsch"}
"""What can be chosen, each in its own name."""


class _Chosen:
    """The catalogue in use; the only state of this module."""

    catalogue: standard.NullTranslations = standard.NullTranslations()


def choose_language(language: str) -> None:
    """Show everything from now on in `language` (`de`, `de_DE`, ...); English where there is no catalogue."""
    path = resource_folder() / "translations" / f"{language.partition('_')[0]}.mo"
    if path.is_file():
        with path.open("rb") as file:
            _Chosen.catalogue = standard.GNUTranslations(file)
    else:
        _Chosen.catalogue = standard.NullTranslations()


def _(text: str) -> str:
    """`text` in the chosen language."""
    return _Chosen.catalogue.gettext(text) if text else ""


def ngettext(one: str, many: str, count: int) -> str:
    """The form for `count`, with `{count}` filled in."""
    return _Chosen.catalogue.ngettext(one, many, count).format(count=count)


def translated(problem: Problem) -> Problem:
    """A problem of the engine in the chosen language, if its sentences are known."""
    sentences = SENTENCES.get(problem.code)
    details = dict(problem.details)
    if sentences is None or isinstance(_Chosen.catalogue, standard.GNUTranslations) is False:
        return problem
    try:
        message, remedy = _(sentences.message).format(**details), _(sentences.remedy).format(**details)
    except (KeyError, IndexError, ValueError):
        return problem
    return Problem(problem.code, _(sentences.title), message, remedy, problem.details)
